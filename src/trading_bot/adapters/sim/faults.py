"""What can be wrong with a feed, on request or drawn from a seed."""

from array import array
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import msgspec

from trading_bot.adapters.sim.day_plan import STREAM_FAULTS, open_intervals
from trading_bot.adapters.sim.draws import Draws
from trading_bot.domain.errors import UsageError
from trading_bot.domain.instruments import Instrument
from trading_bot.engines.session import MINUTE_NS, SECOND_NS, SessionKind, SessionTable

_MILLISECOND_NS: Final = 1_000_000


class FaultKind(StrEnum):
    """What is wrong, and the unit of `Fault.size` (0 takes the default in brackets).

    STALL: nothing arrives. CROSSED: the bid is `size` ticks [1] above the ask. LOCKED: the bid is the ask.
    STAMPS_BACK: every other event stamp is `size` ns [2 s] too early. LATE: everything arrives `size` ns [1.5 s] later,
    and what follows waits behind it. OFF_GRID: prices are `size` 1e-9 points [half a tick] beside the grid.
    NEGATIVE_PRICE: prices below zero. NOT_A_NUMBER: a price that is none. OUTLIER: prices `size` ticks [a fifth of the
    first price] too high and too low in turn. DUPLICATE: everything arrives twice. ZERO_SIZE, NEGATIVE_SIZE: sizes of 0
    or below. DELAYED_DATA: records are flagged as delayed data.
    """

    STALL = "STALL"
    CROSSED = "CROSSED"
    LOCKED = "LOCKED"
    STAMPS_BACK = "STAMPS_BACK"
    LATE = "LATE"
    OFF_GRID = "OFF_GRID"
    NEGATIVE_PRICE = "NEGATIVE_PRICE"
    NOT_A_NUMBER = "NOT_A_NUMBER"
    OUTLIER = "OUTLIER"
    DUPLICATE = "DUPLICATE"
    ZERO_SIZE = "ZERO_SIZE"
    NEGATIVE_SIZE = "NEGATIVE_SIZE"
    DELAYED_DATA = "DELAYED_DATA"


_KINDS: Final = tuple(FaultKind)  # the kernel's code of a kind is its place here, from 1
_SIZED: Final = frozenset(
    {FaultKind.CROSSED, FaultKind.STAMPS_BACK, FaultKind.LATE, FaultKind.OFF_GRID, FaultKind.OUTLIER}
)


class Fault(msgspec.Struct, frozen=True, gc=False):
    """One fault: records received from `at_ns` on for `duration_ns` (0: the next record that it fits, and only that).

    Raises UsageError for values that mean nothing.
    """

    kind: FaultKind
    at_ns: int
    duration_ns: int = 0
    size: int = 0

    def __post_init__(self) -> None:
        """Refuse what would do nothing."""
        if self.at_ns <= 0 or self.duration_ns < 0 or self.size < 0:
            raise UsageError(f"{self}: expected a time above 0, and duration and size of at least 0")
        if self.kind is FaultKind.STALL and self.duration_ns == 0:
            raise UsageError(f"{self}: a stall needs a duration")
        if self.size and self.kind not in _SIZED:
            raise UsageError(f"{self}: {self.kind} has no size; leave it out")


def fault_rows(faults: Sequence[Fault], instrument: Instrument, price_ticks: int) -> "array[int]":
    """The faults as the kernel takes them, sorted by time, sizes filled in.

    Raises UsageError for an off-grid distance that is on the grid, and for an outlier inside the door's band (10 %).
    """
    defaults = {
        FaultKind.CROSSED: 1,
        FaultKind.STAMPS_BACK: 2 * SECOND_NS,
        FaultKind.LATE: 1500 * _MILLISECOND_NS,
        FaultKind.OFF_GRID: instrument.tick_size_e9 // 2,
        FaultKind.OUTLIER: price_ticks // 5,
    }
    rows = array("q")
    for fault in sorted(faults, key=lambda fault: fault.at_ns):
        size = fault.size or defaults.get(fault.kind, 0)
        if fault.kind is FaultKind.OFF_GRID and size % instrument.tick_size_e9 == 0:
            raise UsageError(f"{fault}: {size} e-9 points are whole ticks; take less than a tick")
        if fault.kind is FaultKind.OUTLIER and not price_ticks // 8 <= size < price_ticks:
            raise UsageError(f"{fault}: expected a size of {price_ticks // 8} to {price_ticks - 1} ticks")
        rows.extend((_KINDS.index(fault.kind) + 1, fault.at_ns, fault.at_ns + fault.duration_ns, size))
    return rows


def draw_faults(
    seed: int, start_ns: int, end_ns: int, calendar: SessionTable, *, market: SessionKind = "globex"
) -> tuple[Fault, ...]:
    """Faults of a run from `start_ns` to `end_ns`, drawn from a seed: one in about ten minutes of open market.

    No two overlap, and none begins or ends outside continuous trading.
    """
    draws = Draws(seed, STREAM_FAULTS)
    faults = []
    at_ns = start_ns
    while at_ns < end_ns:
        at_ns += draws.between(20, 1200) * SECOND_NS + draws.below(SECOND_NS)
        fault = _drawn(draws, at_ns)
        until_ns = at_ns + fault.duration_ns + fault.size * (fault.kind is FaultKind.LATE)
        day = calendar.trading_day(at_ns)
        spans = () if day is None else open_intervals(day, market)
        if until_ns < end_ns and any(span.start_ns <= at_ns and until_ns < span.end_ns for span in spans):
            faults.append(fault)
            at_ns = until_ns
    return tuple(faults)


def _drawn(draws: Draws, at_ns: int) -> Fault:
    """A fault of any kind; the same number of draws whatever the kind, so that kinds can be added at the end only."""
    kind = _KINDS[draws.below(len(_KINDS))]
    single = draws.chance(400)
    duration_ns = draws.between(200, 8_000) * _MILLISECOND_NS
    amount = draws.between(1, 1000)
    if kind is FaultKind.STALL:
        return Fault(kind, at_ns, MINUTE_NS * amount // 1000 + SECOND_NS)
    if kind is FaultKind.DELAYED_DATA:
        return Fault(kind, at_ns, duration_ns * 5)
    size = {
        FaultKind.CROSSED: 1 + amount // 300,
        FaultKind.STAMPS_BACK: amount * 10 * _MILLISECOND_NS,
        FaultKind.LATE: amount * 4 * _MILLISECOND_NS,
    }.get(kind, 0)
    return Fault(kind, at_ns, 0 if single else duration_ns, size)
