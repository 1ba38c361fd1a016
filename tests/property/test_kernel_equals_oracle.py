"""The compiled kernel equals the plain-Python oracle after every call, bit for bit, on hostile tapes."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.configs import T0_NS, random_config
from tests.property.driver import compare
from tests.property.tapes import HUGE, P0, Call, hostile_tape
from tests.reference.arith import NS_PER_MS, NS_PER_S
from trading_bot.domain.kernel import TEMPLATES_MAX

SEEDS = range(20)
CALLS_PER_SEED = 1_200


def compare_seed(seed: int, count: int) -> None:
    config = random_config(random.Random(seed))
    compare(config, hostile_tape(seed, count, templates=len(config.templates)), label=f"seed {seed} × {count}")


@pytest.mark.parametrize("seed", SEEDS)
def test_kernel_equals_oracle_on_a_long_hostile_tape(seed: int) -> None:
    compare_seed(seed, CALLS_PER_SEED)


def test_kernel_equals_oracle_with_every_template_slot_used() -> None:
    config = random_config(random.Random(77), templates=TEMPLATES_MAX)
    compare(config, hostile_tape(77, 600, templates=TEMPLATES_MAX), label="seed 77 with all slots")


@given(seed=st.integers(min_value=1_000, max_value=2**32), count=st.integers(min_value=1, max_value=300))
@settings(print_blob=False)  # the failing seed and count are printed, and they are enough
def test_kernel_equals_oracle_on_short_hostile_tapes(seed: int, count: int) -> None:
    compare_seed(seed, count)


steps_ns = st.sampled_from([0, 1, NS_PER_MS, 100 * NS_PER_MS, 999 * NS_PER_MS, NS_PER_S, 11 * NS_PER_S, -NS_PER_S])
lags_ns = st.sampled_from([0, NS_PER_MS, 251 * NS_PER_MS, 2 * NS_PER_S, -NS_PER_S, None])
offsets = st.one_of(st.integers(-3, 3), st.sampled_from([-60, 60]))
sizes = st.one_of(st.integers(0, 9), st.just(HUGE))
flags = st.sampled_from([0, 0, 0, 1])
inputs = st.one_of(
    st.tuples(st.just("quote"), steps_ns, lags_ns, flags, offsets, sizes, st.integers(-1, 3), sizes),
    st.tuples(st.just("trade"), steps_ns, lags_ns, flags, offsets, sizes, st.integers(0, 2)),
    st.tuples(st.just("rejected"), steps_ns),
    st.tuples(st.just("time"), steps_ns),
    st.tuples(st.just("gap"), steps_ns),
    st.tuples(st.just("position"), st.sampled_from([1, -1]), st.integers(-3, 3), st.integers(-3, 3)),
)


def calls_of(steps: list[tuple[Any, ...]]) -> list[Call]:
    """Generated steps as calls: steps of time become stamps, offsets become prices."""
    calls: list[Call] = [("set_entry_mask", (1,))]
    ts = T0_NS
    for step in steps:
        if step[0] == "position":
            calls.append(("set_position", (step[1], P0 + step[2], P0 + step[3], ts + NS_PER_S)))
            continue
        ts += step[1]
        match step:
            case ("quote", _, lag, flag, offset, bid_qty, spread, ask_qty):
                event = 0 if lag is None else ts - lag
                calls.append(("on_quote", (ts, P0 + offset, bid_qty, P0 + offset + spread, ask_qty, event, flag)))
            case ("trade", _, lag, flag, offset, qty, aggressor):
                event = 0 if lag is None else ts - lag
                calls.append(("on_trade", (ts, P0 + offset, qty, aggressor, event, flag)))
            case ("gap", _):
                calls.append(("on_gap", (ts, P0, P0 + 40)))
            case (kind, _):
                calls.append((f"on_{kind}", (ts,)))
    return calls


@given(steps=st.lists(inputs, min_size=1, max_size=40), config_seed=st.integers(0, 50))
@settings(max_examples=200)
def test_kernel_equals_oracle_on_generated_tapes(steps: list[tuple[Any, ...]], config_seed: int) -> None:
    """Small tapes that shrink: what is left of a failing one is its explanation."""
    config = random_config(random.Random(config_seed), templates=2)
    compare(config, calls_of(steps), label=f"config seed {config_seed}")
