"""Check 21 of the safety gate as a table of parts: what was measured, and the limit of each (docs/latency.md).

Times are wall time. A part that was not measured has no say, but the newest sample itself has to be there and young.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from trading_bot.domain.config import SafetyConfig
from trading_bot.domain.latency_config import LatencyConfig
from trading_bot.domain.units import NS_PER_MS, NS_PER_S

ORDERS_KEPT: Final = 100
_US_PER_MS: Final = 1_000


class OrderSample(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What one order took, ns of wall time, None where it was not measured; `ts_ns` is when that was told."""

    ts_ns: int
    decode: int | None = None
    decide: int | None = None
    gate: int | None = None
    write: int | None = None
    tick_to_write: int | None = None
    ack: int | None = None


STAGES: Final = ("decode", "decide", "gate", "write", "tick_to_write", "ack")


class StageP99(msgspec.Struct, frozen=True, gc=False):
    """The 99th percentile of a stage over the newest orders, and over how many of them."""

    stage: str
    ns: int
    count: int


class Latency(msgspec.Struct, frozen=True, gc=False):
    """The newest sample: p99 of tick to decision and the worst lag of the loop (us), and its age (ns, wall time).

    `stages` are of the newest orders; the gateway's clock is at least `clock_off_ns` off, None where nobody asked it.
    """

    decision_us_p99: float
    loop_lag_us_max: float
    age_ns: int = 0
    stages: tuple[StageP99, ...] = ()
    clock_off_ns: int | None = None


class Measured(msgspec.Struct, frozen=True, gc=False):
    """The newest orders, the newest last; what they amount to, kept because each entry is held to it; and the clock."""

    samples: tuple[OrderSample, ...] = ()
    stages: tuple[StageP99, ...] = ()
    clock_off_ns: int | None = None

    def facts(self) -> dict[str, Any]:
        """For the state's digest; nothing where nothing was measured, as in files and simulators."""
        return {} if self == NOTHING_MEASURED else {"measured": msgspec.to_builtins(self)}


NOTHING_MEASURED: Final = Measured()


def stage_p99s(samples: Sequence[OrderSample]) -> tuple[StageP99, ...]:
    """Of each stage that anything was measured of, by nearest rank."""
    found: list[StageP99] = []
    for stage in STAGES:
        taken = sorted(ns for sample in samples if (ns := getattr(sample, stage)) is not None)
        if taken:
            rank = -(-len(taken) * 99 // 100)
            found.append(StageP99(stage, taken[rank - 1], len(taken)))
    return tuple(found)


def clock_off_ns(low_ns: int | None, high_ns: int | None) -> int | None:
    """How far two clocks are apart at least, when the difference lies between the two; None: unknown."""
    if low_ns is None or high_ns is None:
        return None
    return max(low_ns, -high_ns, 0)


def exceeded(found: Latency | None, safety: SafetyConfig, limits: LatencyConfig) -> str | None:
    """Every part that is above its limit, as a sentence; None when all are within."""
    if found is None:
        return "the latency is unknown"
    if found.age_ns > safety.latency_age_s_max * NS_PER_S:
        return f"latency was measured {found.age_ns / NS_PER_S:.1f} s ago, allowed {safety.latency_age_s_max}"
    slow: list[str] = []
    if not found.decision_us_p99 <= (limit_ms := safety.decision_p99_ms_max) * _US_PER_MS:
        slow.append(f"tick to decision p99 {found.decision_us_p99 / _US_PER_MS:.1f} ms, limit {limit_ms}")
    if not found.loop_lag_us_max <= (limit_ms := safety.loop_lag_ms_max) * _US_PER_MS:
        slow.append(f"loop lag {found.loop_lag_us_max / _US_PER_MS:.1f} ms, limit {limit_ms}")
    for part in found.stages:
        allowed_ms = _LIMITS[part.stage](limits)
        if allowed_ms and part.count >= limits.orders_min and part.ns > allowed_ms * NS_PER_MS:
            name = part.stage.replace("_", " ")
            slow.append(f"{name} p99 {part.ns / NS_PER_MS:.1f} ms of {part.count} orders, limit {allowed_ms:g}")
    off_ns, off_ms_max = found.clock_off_ns, limits.clock_offset_ms_max
    if off_ns is not None and off_ms_max and off_ns > off_ms_max * NS_PER_MS:
        slow.append(f"the gateway's clock is {off_ns / NS_PER_MS:.0f} ms off, limit {off_ms_max:g}")
    return "; ".join(slow) or None


_LIMITS: Final[dict[str, Callable[[LatencyConfig], float]]] = {
    "decode": lambda limits: limits.decode_p99_ms_max,
    "decide": lambda limits: limits.decide_p99_ms_max,
    "gate": lambda limits: limits.gate_p99_ms_max,
    "write": lambda limits: limits.write_p99_ms_max,
    "tick_to_write": lambda limits: limits.tick_to_write_p99_ms_max,
    "ack": lambda limits: limits.ack_p99_ms_max,
}
