"""Sessions of bars and the opening range (docs/kernel.md, section 3)."""

import math
from dataclasses import dataclass
from typing import Protocol

from tests.reference.arith import MINUTE_NS
from tests.reference.session import Row

OPENING_NS = 15 * MINUTE_NS
OPENING_BARS = 10


class Bar(Protocol):
    """What a session needs of a closed 60 s bar."""

    ts_open: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    notional: int


@dataclass(frozen=True)
class PriorSession:
    """The last session that had a bar: its last close, sums and the deviation of its closes."""

    close: int
    notional: int
    volume: int
    sd: float


class BarSessions:
    """The current session of bars, the prior one and the opening range of the current row."""

    def __init__(self, *, anchor_rth: bool) -> None:
        self.anchor_rth = anchor_rth
        self.prior: PriorSession | None = None
        self.bars: list[Bar] = []
        self.opening: list[Bar] = []

    def contains(self, row: Row | None, ts_open: int) -> bool:
        """Whether a bar of `row` belongs to its session of bars."""
        if row is None:
            return False
        return row.in_rth(ts_open) if self.anchor_rth else True

    def opens_at(self, row: Row) -> int:
        return row.rth_open_ns if self.anchor_rth else row.open_ns

    def roll(self) -> None:
        """A new day begins."""
        k = len(self.bars)
        if k >= 1:
            closes = [bar.close for bar in self.bars]
            spread = k * sum(c * c for c in closes) - sum(closes) * sum(closes)
            self.prior = PriorSession(
                close=closes[-1],
                notional=sum(bar.notional for bar in self.bars),
                volume=sum(bar.volume for bar in self.bars),
                sd=math.sqrt(float(spread)) / float(k),
            )
        self.bars = []
        self.opening = []

    def take(self, row: Row | None, bar: Bar) -> None:
        """A bar has closed."""
        if row is None or not self.contains(row, bar.ts_open):
            return
        self.bars.append(bar)
        opens = self.opens_at(row)
        if opens <= bar.ts_open < opens + OPENING_NS:
            self.opening.append(bar)

    def opening_range(self, row: Row | None, ts_open: int) -> tuple[int, int] | None:
        """Highest high and lowest low, once the opening is over and was seen."""
        if row is None or not self.contains(row, ts_open) or ts_open < self.opens_at(row) + OPENING_NS:
            return None
        if len(self.opening) < OPENING_BARS:
            return None
        return max(bar.high for bar in self.opening), min(bar.low for bar in self.opening)
