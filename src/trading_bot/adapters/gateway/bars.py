"""Bars as the gateway builds and serves them.

Prices are halves of a tick, so that a mid price is a whole number.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from trading_bot.domain.bars import MinuteBar
from trading_bot.domain.instruments import POINTS_E9, Instrument

_HALF_E9: Final = 2 * POINTS_E9
SHOWN: Final = ("TRADES", "MIDPOINT", "BID", "ASK")


class Bar(msgspec.Struct, gc=False):
    """One bar. `notional` is the sum of price in ticks times quantity; `count` is trades, or changes of a quote.

    `fields` is what `trade_fields` made of a bar that does not change any more, kept because it is asked for often.
    """

    begin_ns: int
    open_halves: int
    high_halves: int
    low_halves: int
    close_halves: int
    volume: int = 0
    notional: int = 0
    count: int = 1
    fields: str = ""

    def take(self, later: "Bar") -> None:
        """Go on with a bar that follows this one."""
        self.high_halves = max(self.high_halves, later.high_halves)
        self.low_halves = min(self.low_halves, later.low_halves)
        self.close_halves = later.close_halves
        self.volume += later.volume
        self.notional += later.notional
        self.count += later.count

    def take_price(self, halves: int) -> None:
        """One more price of a quote."""
        if halves > self.high_halves:
            self.high_halves = halves
        elif halves < self.low_halves:
            self.low_halves = halves
        self.close_halves = halves
        self.count += 1

    def take_trade(self, price_ticks: int, qty: int) -> None:
        """One more trade."""
        self.take_price(price_ticks * 2)
        self.volume += qty
        self.notional += price_ticks * qty

    def ohlc(self, instrument: Instrument) -> tuple[float, float, float, float]:
        """Open, high, low and close in points."""
        size_e9 = instrument.tick_size_e9
        return (
            self.open_halves * size_e9 / _HALF_E9,
            self.high_halves * size_e9 / _HALF_E9,
            self.low_halves * size_e9 / _HALF_E9,
            self.close_halves * size_e9 / _HALF_E9,
        )

    def mean(self, instrument: Instrument) -> float:
        """Mean price of the traded lots in points; the last price where nothing traded."""
        if not self.volume:
            return self.close_halves * instrument.tick_size_e9 / _HALF_E9
        return self.notional * instrument.tick_size_e9 / (self.volume * POINTS_E9)


def bar_of_trade(begin_ns: int, price_ticks: int, qty: int) -> Bar:
    """A bar that begins with this trade."""
    halves = price_ticks * 2
    return Bar(begin_ns, halves, halves, halves, halves, qty, price_ticks * qty)


def bar_of_price(begin_ns: int, halves: int) -> Bar:
    """A bar that begins with this price of a quote."""
    return Bar(begin_ns, halves, halves, halves, halves)


def bar_of_minute(minute: MinuteBar) -> Bar:
    """A recorded minute. How many trades were in it is not known: each lot counts as one (docs/gateway.md)."""
    return Bar(
        minute.ts_open_ns,
        minute.open_ticks * 2,
        minute.high_ticks * 2,
        minute.low_ticks * 2,
        minute.close_ticks * 2,
        minute.volume,
        minute.notional,
        minute.volume,
    )


def trade_fields(bar: Bar, instrument: Instrument) -> str:
    """Open to count of a bar of trades as S> 17 has them, NUL between them."""
    opened, high, low, close = bar.ohlc(instrument)
    return f"{opened!r}\0{high!r}\0{low!r}\0{close!r}\0{bar.volume}\0{bar.mean(instrument)!r}\0{bar.count}"


def quote_fields(bar: Bar, instrument: Instrument) -> str:
    """The same of a bar of quotes, which has no volume."""
    opened, high, low, close = bar.ohlc(instrument)
    return f"{opened!r}\0{high!r}\0{low!r}\0{close!r}\0-1\0-1.0\0-1"


def copied(bar: Bar, begin_ns: int) -> Bar:
    """A bar to go on with that begins at `begin_ns`; the given one stays as it is."""
    return Bar(
        *(begin_ns, bar.open_halves, bar.high_halves, bar.low_halves, bar.close_halves),
        *(bar.volume, bar.notional, bar.count),
    )


def joined(bars: Iterable[Bar]) -> Bar | None:
    """All of them as one; None of none."""
    whole: Bar | None = None
    for bar in bars:
        if whole is None:
            whole = copied(bar, bar.begin_ns)
        else:
            whole.take(bar)
    return whole


def grouped(bars: Iterable[Bar], size_ns: int, span_begin_ns: int) -> Iterator[Bar]:
    """Bars of `size_ns`, cut at whole multiples since the epoch; the first begins no earlier than its span."""
    built: Bar | None = None
    end_ns = 0
    for bar in bars:
        if built is not None and bar.begin_ns < end_ns:
            built.take(bar)
            continue
        if built is not None:
            yield built
        begin_ns = bar.begin_ns - bar.begin_ns % size_ns
        end_ns = begin_ns + size_ns
        built = copied(bar, max(begin_ns, span_begin_ns))
    if built is not None:
        yield built
