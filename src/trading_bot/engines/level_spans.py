"""What the reference levels are made of: highs, lows and closes of spans of the trading day, and the VWAP's sums.

Fed with closed bars of 60 s, oldest first; cheap enough for a history of days. Integers throughout: ticks, lots, ns.
"""

from math import isqrt
from typing import NamedTuple

import msgspec

from trading_bot.domain.bars import MinuteBar
from trading_bot.engines.session import MINUTE_NS, SessionDay


class Place(NamedTuple):
    """Where a bar stands: its trade date, and what lies between it and the bar before.

    `follows`: the date before this one is the trade date right before it. `gap`: open time without a bar, too long for
    highs and lows around it to be trusted.
    """

    day: SessionDay
    follows: bool = True
    gap: bool = False


class Span(msgspec.Struct, frozen=True, gc=False):
    """Bars of one stretch of time; `first_ns` and `last_ns` are the opens of its first and newest bar.

    `broken`: some of it was not seen.
    """

    high_ticks: int
    low_ticks: int
    close_ticks: int
    first_ns: int
    last_ns: int
    bars: int = 1
    broken: bool = False

    def with_bar(self, bar: MinuteBar, *, gap: bool) -> "Span":
        """And one bar more; `gap`: after a time that was not seen."""
        return Span(
            max(self.high_ticks, bar.high_ticks),
            min(self.low_ticks, bar.low_ticks),
            bar.close_ticks,
            self.first_ns,
            bar.ts_open_ns,
            self.bars + 1,
            self.broken or gap,
        )

    def whole(self, open_ns: int, close_ns: int, edge_ns: int) -> bool:
        """Whether it was seen from its beginning to its end, to within `edge_ns` at each."""
        return not self.broken and self.first_ns < open_ns + edge_ns and self.last_ns >= close_ns - edge_ns


class Vwap(msgspec.Struct, frozen=True, gc=False):
    """Sums since the anchor: notional of the trades, volume, and volume times close and close squared."""

    notional: int = 0
    volume: int = 0
    close_sum: int = 0
    square_sum: int = 0
    bars: int = 0

    def with_bar(self, bar: MinuteBar) -> "Vwap":
        """And one bar more."""
        weighted = bar.volume * bar.close_ticks
        return Vwap(
            self.notional + bar.notional,
            self.volume + bar.volume,
            self.close_sum + weighted,
            self.square_sum + weighted * bar.close_ticks,
            self.bars + 1,
        )

    def band(self, halves: int) -> tuple[int, int] | None:
        """The band of `halves`/2 deviations: the last tick inside it on each side, (lower, upper).

        The deviation is that of the closes from the VWAP, weighted by volume. None where it is 0.
        """
        squared = self.volume * self.square_sum - 2 * self.notional * self.close_sum + self.notional * self.notional
        if self.volume == 0 or squared <= 0:
            return None
        reach = isqrt(halves * halves * squared)
        upper = (2 * self.notional + reach) // (2 * self.volume)
        return -((reach - 2 * self.notional) // (2 * self.volume)), upper


class DaySpans(msgspec.Struct, frozen=True, gc=False):
    """One trade date as far as it was seen, and what the ones before it left.

    `day` is the whole Globex session, `rth` its RTH, `overnight` what came before that, `opening` its first minutes.
    `prior_day` and `prior_session` are None until one was seen whole; the close of a day with RTH is that of its RTH.
    """

    trade_date: int = 0
    open_ns: int = 0
    close_ns: int = 0
    rth_open_ns: int = 0  # 0 and 0: NYSE is shut
    rth_close_ns: int = 0
    day: Span | None = None
    rth: Span | None = None
    overnight: Span | None = None
    opening: Span | None = None
    vwap: Vwap = Vwap()
    prior_day: Span | None = None
    prior_session: Span | None = None

    def rolled(self, place: Place, edge_ns: int) -> "DaySpans":
        """The first moment of another trade date. What is not known of the one before is not replaced by older."""
        day, prior_day = place.day, None
        prior_session = self.prior_session if place.follows and not self.rth_open_ns else None
        if place.follows and self.day is not None:
            if self.rth_open_ns == 0:
                prior_day = self.day if self.day.whole(self.open_ns, self.close_ns, edge_ns) else None
            elif self.rth is not None and self.rth.whole(self.rth_open_ns, self.rth_close_ns, edge_ns):
                prior_session = self.rth
                prior_day = msgspec.structs.replace(self.day, close_ticks=self.rth.close_ticks)
        return DaySpans(
            day.trade_date,
            day.globex_open_ns,
            day.globex_close_ns,
            day.rth_open_ns or 0,
            day.rth_close_ns or 0,
            prior_day=prior_day,
            prior_session=prior_session,
        )

    def with_bar(self, bar: MinuteBar, *, gap: bool, anchor_rth: bool, opening_ns: int) -> "DaySpans":
        """And one bar of this trade date. With `anchor_rth` VWAP and opening range begin at the RTH open."""
        ts_ns = bar.ts_open_ns
        in_rth = bool(self.rth_open_ns) and self.rth_open_ns <= ts_ns < self.rth_close_ns
        anchored = in_rth and self.rth is None and anchor_rth
        start_ns = self.rth_open_ns if anchor_rth else self.open_ns
        opening = start_ns and start_ns <= ts_ns < start_ns + opening_ns
        return DaySpans(
            self.trade_date,
            self.open_ns,
            self.close_ns,
            self.rth_open_ns,
            self.rth_close_ns,
            _extended(self.day, bar, gap=gap),
            _extended(self.rth, bar, gap=gap) if in_rth else self.rth,
            _extended(self.overnight, bar, gap=gap) if ts_ns < self.rth_open_ns else self.overnight,
            _extended(self.opening, bar, gap=gap) if opening else self.opening,
            (Vwap() if anchored else self.vwap).with_bar(bar),
            self.prior_day,
            self.prior_session,
        )

    @property
    def last_ns(self) -> int:
        """Open of the newest bar; before the first one 0."""
        return self.day.last_ns if self.day is not None else 0

    def opening_over(self, opening_ns: int, *, anchor_rth: bool) -> bool:
        """Whether the opening range is complete with the newest bar."""
        start_ns = self.rth_open_ns if anchor_rth else self.open_ns
        return self.day is not None and bool(start_ns) and self.day.last_ns + MINUTE_NS >= start_ns + opening_ns


def _extended(span: Span | None, bar: MinuteBar, *, gap: bool) -> Span:
    if span is None:
        return Span(bar.high_ticks, bar.low_ticks, bar.close_ticks, bar.ts_open_ns, bar.ts_open_ns)
    return span.with_bar(bar, gap=gap)
