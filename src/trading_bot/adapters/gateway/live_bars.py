"""One-minute bars of the session so far, from trades."""

from trading_bot.domain.bars import MinuteBar
from trading_bot.engines.session import MINUTE_NS


class LiveBars:
    """Closed bars, and the one that is being built."""

    def __init__(self) -> None:
        self.closed: list[MinuteBar] = []
        self._open: MinuteBar | None = None

    def add(self, ts_ns: int, price_ticks: int, qty: int) -> None:
        """One trade."""
        open_ns = ts_ns - ts_ns % MINUTE_NS
        bar = self._open
        if bar is None or bar.ts_open_ns != open_ns:
            if bar is not None:
                self.closed.append(bar)
            self._open = MinuteBar(open_ns, price_ticks, price_ticks, price_ticks, price_ticks, qty, price_ticks * qty)
            return
        self._open = MinuteBar(
            open_ns,
            bar.open_ticks,
            max(bar.high_ticks, price_ticks),
            min(bar.low_ticks, price_ticks),
            price_ticks,
            bar.volume + qty,
            bar.notional + price_ticks * qty,
        )

    def until(self, now_ns: int) -> list[MinuteBar]:
        """Every bar that began by `now_ns`, the one under way included."""
        return [*self.closed, self._open] if self._open is not None and self._open.ts_open_ns <= now_ns else self.closed
