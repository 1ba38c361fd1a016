"""Check 21 as a table of parts (NV06): each part blocks alone, at its limit it does not, and says why."""

import msgspec
import pytest

from trading_bot.domain.config import SafetyConfig
from trading_bot.domain.latency_config import LatencyConfig
from trading_bot.engines.latency_budget import (
    STAGES,
    Latency,
    OrderSample,
    StageP99,
    clock_off_ns,
    exceeded,
    stage_p99s,
)

MS = 1_000_000
S = 1_000 * MS
# decide is left without a limit of its own
LIMITS = LatencyConfig(
    tick_to_write_p99_ms_max=20.0,
    ack_p99_ms_max=300.0,
    decode_p99_ms_max=1.0,
    gate_p99_ms_max=5.0,
    write_p99_ms_max=0.5,
    clock_offset_ms_max=250.0,
    orders_min=3,
)


def verdict(latency, limits=LIMITS):
    return exceeded(latency, SafetyConfig(), limits)


@pytest.mark.parametrize(
    ("stage", "limit_ns"),
    [("tick_to_write", 20 * MS), ("ack", 300 * MS), ("decode", MS), ("gate", 5 * MS), ("write", MS // 2)],
)
def test_a_stage_above_its_limit_blocks_alone(stage, limit_ns):
    assert verdict(Latency(0.0, 0.0, stages=(StageP99(stage, limit_ns, 3),))) is None
    found = verdict(Latency(0.0, 0.0, stages=(StageP99(stage, limit_ns + 1, 3),)))
    assert found is not None
    assert found.startswith(stage.replace("_", " "))
    assert f"limit {limit_ns / MS:g}" in found
    assert "3 orders" in found


def test_every_stage_can_have_a_limit():
    slow = tuple(StageP99(stage, 10 * S, 9) for stage in STAGES)
    limits = msgspec.structs.replace(LIMITS, decide_p99_ms_max=1.0)
    found = verdict(Latency(0.0, 0.0, stages=slow), limits)
    assert found is not None
    assert len(found.split("; ")) == len(STAGES)


def test_a_stage_without_a_limit_or_with_too_few_orders_has_no_say():
    assert verdict(Latency(0.0, 0.0, stages=(StageP99("decide", 10 * S, 100),))) is None
    assert verdict(Latency(0.0, 0.0, stages=(StageP99("ack", 10 * S, 2),))) is None


@pytest.mark.parametrize("sign", [1, -1])
def test_a_clock_blocks_when_it_is_certainly_off(sign):
    bounds = sorted((sign * 250 * MS, sign * 900 * MS))
    assert verdict(Latency(0.0, 0.0, clock_off_ns=clock_off_ns(*bounds))) is None
    bounds = sorted((sign * 251 * MS, sign * 900 * MS))
    found = verdict(Latency(0.0, 0.0, clock_off_ns=clock_off_ns(*bounds)))
    assert found == "the gateway's clock is 251 ms off, limit 250"
    free = msgspec.structs.replace(LIMITS, clock_offset_ms_max=0.0)
    assert verdict(Latency(0.0, 0.0, clock_off_ns=10 * S), free) is None


def test_a_clock_that_may_be_right_is_not_off():
    assert clock_off_ns(-3 * S, 2 * S) == 0
    assert clock_off_ns(None, 2 * S) is None


def test_the_percentile_is_the_nearest_rank():
    """Of 100 orders the second slowest, of fewer the slowest; what was not measured does not count."""
    samples = [OrderSample(ts_ns=0, ack=number * MS) for number in range(1, 101)]
    assert stage_p99s(samples) == (StageP99("ack", 99 * MS, 100),)
    assert stage_p99s([*samples[:7], OrderSample(ts_ns=0)]) == (StageP99("ack", 7 * MS, 7),)
    assert stage_p99s([]) == ()


def test_nothing_measured_is_no_number_and_a_limit_that_is_no_number_is_refused():
    assert verdict(None) == "the latency is unknown"
    assert verdict(Latency(float("nan"), 0.0)) is not None
