"""Closed bars and the two time-of-day histories (docs/kernel.md, sections 3 and 4)."""

from dataclasses import dataclass

SESSIONS_NEEDED = 5
POOL_NEEDED = 30
PER_BUCKET = 30


@dataclass
class OpenBar:
    """Prices in ticks, notional in ticks × contracts."""

    ts_open: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    notional: int
    trades: int

    def add(self, price: int, qty: int) -> None:
        self.high = max(self.high, price)
        self.low = min(self.low, price)
        self.close = price
        self.volume += qty
        self.notional += price * qty
        self.trades += 1

    def row(self) -> tuple[int, int, int, int, int, int, int, int]:
        return (self.ts_open, self.open, self.high, self.low, self.close, self.volume, self.notional, self.trades)


@dataclass(frozen=True)
class Minute:
    """A closed 60 s bar in the ring, with its true range and the anchored sums as of its close."""

    bar: OpenBar
    tr: int
    anchored_notional: int
    anchored_volume: int


class Slot:
    """One session of the two histories."""

    def __init__(self) -> None:
        self.s14_by_bucket: dict[int, list[int]] = {}
        self.volume_by_minute: dict[int, int] = {}

    def keep_s14(self, bucket: int, s14: int) -> None:
        kept = self.s14_by_bucket.setdefault(bucket, [])
        if len(kept) < PER_BUCKET:
            kept.append(s14)


def history_bar(ts_open: int, o: int, h: int, l: int, c: int, volume: int, notional: int) -> OpenBar:  # noqa: E741
    """A historical bar as `on_bar` receives it; its number of trades is unknown and 0."""
    return OpenBar(ts_open, o, h, l, c, volume, notional, 0)
