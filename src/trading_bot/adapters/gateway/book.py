"""One underlying: where its records come from, and everything that is known of it by now."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Final

from trading_bot.adapters.gateway.bars import Bar, bar_of_price, bar_of_trade, copied, grouped, joined
from trading_bot.adapters.gateway.record import Record
from trading_bot.domain.records import FrameKind
from trading_bot.engines.session import MINUTE_NS, SessionDay, SessionTable

NEVER_NS: Final = 1 << 62
_KEPT: Final = 500_000  # quotes, and trades: some hours of an active market
_FORGOTTEN: Final = 100_000  # so many at once, when there are more


class Book:
    """Records to come, records that have been, the session under way, bars."""

    def __init__(self, records: Iterator[Record], past: Future[list[Bar]], calendar: SessionTable) -> None:
        """`past` are minute bars before the first record; they are waited for when somebody wants them."""
        self.calendar = calendar
        self.quote: Record | None = None
        self.trade: Record | None = None
        self.quotes: list[Record] = []
        self.trades: list[Record] = []
        self.minutes: list[Bar] = []  # of trades since the start, the last one under way
        self._records = records
        self._past = past
        self._next = next(records, None)
        self._pushed: list[Record] = []
        self._session: Bar | None = None  # trades since the start that belong to the session under way
        self._session_end_ns = -1
        self._first_day: SessionDay | None = None  # while the session under way is the first
        self._close_halves: int | None = None
        self._seen_first = False

    # The stream of records.

    @property
    def next_ns(self) -> int:
        """When the next record happens; NEVER_NS after the last."""
        source_ns = self._next.ts_ns if self._next is not None else NEVER_NS
        return min(source_ns, self._pushed[0].ts_ns) if self._pushed else source_ns

    def take(self) -> Record:
        """The next record, applied. There must be one."""
        if self._pushed and self._pushed[0].ts_ns == self.next_ns:
            record = self._pushed.pop(0)
        else:
            assert self._next is not None
            record, self._next = self._next, next(self._records, None)
        if record.ts_ns >= self._session_end_ns:
            self._begin_session(record.ts_ns)
        if record.kind is FrameKind.QUOTE:
            self.quote = record
            self.quotes.append(record)
            if len(self.quotes) > _KEPT + _FORGOTTEN:
                del self.quotes[:_FORGOTTEN]
        else:
            self._take_trade(record)
        return record

    def push(self, record: Record) -> None:
        """A record of a script, between those of the source by its time."""
        insort(self._pushed, record, key=_ts_ns)

    def stop_source(self) -> None:
        """From now on only what is pushed happens."""
        self._next, self._records = None, iter(())

    def _take_trade(self, record: Record) -> None:
        self.trade = record
        self.trades.append(record)
        if len(self.trades) > _KEPT + _FORGOTTEN:
            del self.trades[:_FORGOTTEN]
        price_ticks, qty = record.price_ticks, record.qty
        if self._session is None:
            self._session = bar_of_trade(record.ts_ns, price_ticks, qty)
        else:
            self._session.take_trade(price_ticks, qty)
        minute = self.minutes[-1] if self.minutes else None
        if minute is not None and record.ts_ns < minute.begin_ns + MINUTE_NS:
            minute.take_trade(price_ticks, qty)
        else:
            self.minutes.append(bar_of_trade(record.ts_ns - record.ts_ns % MINUTE_NS, price_ticks, qty))

    def _begin_session(self, ts_ns: int) -> None:
        day = self.calendar.trading_day(ts_ns)
        self._session_end_ns = day.globex_close_ns if day is not None else NEVER_NS
        self._first_day = None if self._seen_first else day
        self._seen_first = True
        self._session = None
        self._close_halves = self.trade.price_ticks * 2 if self.trade is not None else None

    # What is known.

    def past(self) -> list[Bar]:
        """Minute bars before the start."""
        return self._past.result()

    def session(self) -> Bar | None:
        """The session under way as one bar, what was of it before the start included; None before its first trade."""
        if self._first_day is not None:
            before = joined(self._past_from(self._first_day.globex_open_ns))
            self._first_day = None
            if before is not None and self._session is not None:
                before.take(self._session)
            self._session = before or self._session
        return self._session

    def prior_close_halves(self) -> int | None:
        """The last price of the session before, in halves of a tick; None when nothing is known of it."""
        if self._close_halves is None and self.quote is not None:
            day = self.calendar.trading_day(self.quote.ts_ns)
            past = self.past()
            at = bisect_left(past, day.globex_open_ns, key=_begin_ns) if day is not None else 0
            self._close_halves = past[at - 1].close_halves if at else None
        return self._close_halves

    def minutes_between(self, begin_ns: int, end_ns: int, show: str) -> Iterator[Bar]:
        """Minute bars that begin in the interval. Quotes before the start are those of trades (docs/gateway.md)."""
        past = self.past()
        offset = {"TRADES": 0, "BID": 0, "MIDPOINT": 1, "ASK": 2}[show]
        for bar in past[bisect_left(past, begin_ns, key=_begin_ns) : bisect_left(past, end_ns, key=_begin_ns)]:
            yield bar if show == "TRADES" else _moved(bar, offset)
        if show != "TRADES":
            yield from grouped(self.prices_between(begin_ns, end_ns, show), MINUTE_NS, begin_ns)
            return
        rows = self.minutes
        last = past[-1].begin_ns if past else -1
        for bar in rows[bisect_left(rows, begin_ns, key=_begin_ns) : bisect_left(rows, end_ns, key=_begin_ns)]:
            if bar.begin_ns > last:
                yield bar

    def prices_between(self, begin_ns: int, end_ns: int, show: str) -> Iterator[Bar]:
        """Every trade, or every quote, of the interval as a bar of its own."""
        rows = self.trades if show == "TRADES" else self.quotes
        for row in rows[bisect_left(rows, begin_ns, key=_ts_ns) : bisect_left(rows, end_ns, key=_ts_ns)]:
            if show == "TRADES":
                yield bar_of_trade(row.ts_ns, row.price_ticks, row.qty)
            else:
                yield bar_of_price(row.ts_ns, halves_of(row, show))

    def _past_from(self, begin_ns: int) -> list[Bar]:
        past = self.past()
        return past[bisect_left(past, begin_ns, key=_begin_ns) :]


def halves_of(quote: Record, show: str) -> int:
    """Bid, ask or their mid in halves of a tick."""
    if show == "BID":
        return quote.bid_ticks * 2
    return quote.ask_ticks * 2 if show == "ASK" else quote.bid_ticks + quote.ask_ticks


def _moved(bar: Bar, halves: int) -> Bar:
    moved = copied(bar, bar.begin_ns)
    moved.open_halves += halves
    moved.high_halves += halves
    moved.low_halves += halves
    moved.close_halves += halves
    return moved


def _ts_ns(record: Record) -> int:
    return record.ts_ns


def _begin_ns(bar: Bar) -> int:
    return bar.begin_ns
