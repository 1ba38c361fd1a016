"""Session table and what time means in it (docs/kernel.md, section 3)."""

import struct
from dataclasses import dataclass

from tests.reference.arith import MINUTE_NS
from trading_bot.domain.kernel import SESSION_COLUMNS

HOUR_NS = 60 * MINUTE_NS
BUCKETS = 48
MINUTES = 1440


@dataclass(frozen=True)
class Row:
    """One Globex trade date; 0 means none for the RTH and break times."""

    trade_date: int
    open_ns: int
    close_ns: int
    rth_open_ns: int
    rth_close_ns: int
    break_start_ns: int
    break_end_ns: int

    def is_open(self, t: int) -> bool:
        return self.open_ns <= t < self.close_ns and not (self.break_start_ns <= t < self.break_end_ns)

    def in_rth(self, t: int) -> bool:
        return self.rth_open_ns != 0 and self.rth_open_ns <= t < self.rth_close_ns

    def bucket(self, t: int) -> int | None:
        bucket = (t - self.open_ns) // (30 * MINUTE_NS)
        return bucket if 0 <= bucket < BUCKETS else None

    def minute(self, t: int) -> int | None:
        minute = (t - self.open_ns) // MINUTE_NS
        return minute if 0 <= minute < MINUTES else None


class Session:
    """The table, and the row the last `advance_session` found."""

    def __init__(self, table: bytes, *, anchor_rth: bool) -> None:
        self.rows = [Row(*columns) for columns in struct.iter_unpack(f"<{SESSION_COLUMNS}q", table)]
        self.anchors = [row.open_ns for row in self.rows]
        if anchor_rth:
            self.anchors += [row.rth_open_ns for row in self.rows if row.rth_open_ns != 0]
        self.last_t: int | None = None
        self.current: Row | None = None

    def row_at(self, t: int) -> Row | None:
        """The first row whose Globex close is later than `t`."""
        for row in self.rows:
            if row.close_ns > t:
                return row
        return None

    def is_open(self, t: int) -> bool:
        row = self.row_at(t)
        return row is not None and row.is_open(t)

    def advance(self, t: int) -> tuple[bool, bool]:
        """Move to `t`; returns (day rolled, anchor passed). The first call only finds its row."""
        row = self.row_at(t)
        last_t, last_row = self.last_t, self.current
        self.last_t, self.current = t, row
        if last_t is None:
            return False, False
        rolled = row is not last_row
        anchored = any(last_t < anchor <= t for anchor in self.anchors)
        return rolled, anchored

    def slippage_factor(self, t: int, first: float, last: float) -> float:
        """The factor on slippage: `first` in the first hour of RTH, else `last` in its last hour, else 1.0."""
        row = self.row_at(t)
        if row is None or not row.in_rth(t):
            return 1.0
        if t < row.rth_open_ns + HOUR_NS:
            return first
        if t >= row.rth_close_ns - HOUR_NS:
            return last
        return 1.0
