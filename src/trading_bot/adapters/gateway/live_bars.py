"""One-minute bars of the session so far, from trades."""

from trading_bot.domain.bars import MinuteBar
from trading_bot.engines.session import MINUTE_NS


def bar_of(ts_ns: int, price_ticks: int, qty: int) -> MinuteBar:
    """A bar of one trade."""
    prices = (price_ticks, price_ticks, price_ticks, price_ticks)
    return MinuteBar(ts_ns - ts_ns % MINUTE_NS, *prices, volume=qty, notional=price_ticks * qty)


def joined(left: MinuteBar, right: MinuteBar) -> MinuteBar:
    """Two bars as one, the earlier first."""
    return MinuteBar(
        left.ts_open_ns,
        left.open_ticks,
        max(left.high_ticks, right.high_ticks),
        min(left.low_ticks, right.low_ticks),
        right.close_ticks,
        left.volume + right.volume,
        left.notional + right.notional,
    )


class LiveBars:
    """Closed bars, and the one that is being built."""

    def __init__(self) -> None:
        self.closed: list[MinuteBar] = []
        self._open: MinuteBar | None = None

    def add(self, ts_ns: int, price_ticks: int, qty: int) -> None:
        """One trade."""
        bar = bar_of(ts_ns, price_ticks, qty)
        if self._open is not None and self._open.ts_open_ns == bar.ts_open_ns:
            self._open = joined(self._open, bar)
            return
        if self._open is not None:
            self.closed.append(self._open)
        self._open = bar

    def until(self, now_ns: int) -> list[MinuteBar]:
        """Every bar that began by `now_ns`, the one under way included."""
        return [*self.closed, self._open] if self._open is not None and self._open.ts_open_ns <= now_ns else self.closed
