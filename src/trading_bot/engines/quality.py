"""Execution quality score with memory, and the gates both scores feed (specification 4 and 5). Integers throughout.

The data score itself is the kernel's (docs/kernel.md, section 5); here is what the scores allow.
"""

from enum import IntEnum
from typing import Final

import msgspec

from trading_bot.domain.units import NS_PER_S

FULL_C: Final = 100
_E6: Final = 10_000  # millionths in a hundredth


class Band(IntEnum):
    """Where a score stands against the entry, hold and kill gates."""

    KILL = 0
    LOW = 1
    HOLD = 2
    ENTRY = 3


class EqsPenalty(msgspec.Struct, frozen=True, gc=False):
    """A kind of trouble with execution: what it costs (hundredths) and how fast it is forgiven (half-life, s)."""

    cost_c: int
    half_life_s: int


EQS_PENALTIES: Final[dict[str, EqsPenalty]] = {
    "link_outage": EqsPenalty(30, 600),
    "link_outage_short": EqsPenalty(10, 600),
    "order_state_unknown": EqsPenalty(25, 1800),
    "reject": EqsPenalty(15, 1200),
    "slippage": EqsPenalty(10, 900),
    "partial_left": EqsPenalty(10, 1200),
    "late_fill": EqsPenalty(8, 900),
}


class EqsDeficit(msgspec.Struct, frozen=True, gc=False):
    """One penalty that was taken, at a time; `quarter`: only a quarter of it."""

    name: str
    since_ns: int
    quarter: bool = False


class Outage(msgspec.Struct, frozen=True, gc=False):
    """A loss of the link whose end has not been reconciled; `up_ns` None while it lasts."""

    since_ns: int
    quarter: bool
    up_ns: int | None = None


def deficit_e6(deficit: EqsDeficit, ts_ns: int) -> int:
    """What is left of a penalty, in millionths of the score: d*(2-r)/2^(n+1), n whole half-lives and r the rest."""
    row = EQS_PENALTIES[deficit.name]
    half_life_ns = row.half_life_s * NS_PER_S
    whole, rest_ns = divmod(max(ts_ns - deficit.since_ns, 0), half_life_ns)
    if whole >= 40:
        return 0
    left_e6 = row.cost_c * _E6 * (2 * half_life_ns - rest_ns) // (half_life_ns << (whole + 1))
    return left_e6 // 4 if deficit.quarter else left_e6


def eqs_c(deficits: tuple[EqsDeficit, ...], ts_ns: int) -> int:
    """Execution score in hundredths, 0..100, rounded down."""
    lost_e6 = sum(deficit_e6(deficit, ts_ns) for deficit in deficits)
    return max(FULL_C * _E6 - lost_e6, 0) // _E6


def forget(deficits: tuple[EqsDeficit, ...], ts_ns: int) -> tuple[EqsDeficit, ...]:
    """The deficits that still count."""
    return tuple(deficit for deficit in deficits if deficit_e6(deficit, ts_ns) > 0)


def band(score_c: int, *, entry_c: int, hold_c: int, kill_c: int) -> Band:
    """The band of a score."""
    if score_c >= entry_c:
        return Band.ENTRY
    if score_c >= hold_c:
        return Band.HOLD
    return Band.LOW if score_c >= kill_c else Band.KILL
