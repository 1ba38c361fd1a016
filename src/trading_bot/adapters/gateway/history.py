"""Bars of any size over any stretch of time, from what a book knows."""

from collections.abc import Iterator
from datetime import date
from typing import Final

from trading_bot.adapters.gateway.bars import Bar, copied, grouped
from trading_bot.adapters.gateway.book import Book
from trading_bot.domain.units import NS_PER_S
from trading_bot.engines.session import SessionDay, SessionTable

DAY_S: Final = 86_400
WEEK_S: Final = 7 * DAY_S
MONTH_S: Final = 30 * DAY_S
MINUTE_S: Final = 60
SMALL_S: Final = 30  # bars up to here are under the pacing rules
BAR_SIZES_S: Final = {
    f"{number} {name}": number * seconds
    for name, seconds, numbers in (
        ("secs", 1, (1, 5, 10, 15, 30)),
        ("min", MINUTE_S, (1,)),
        ("mins", MINUTE_S, (2, 3, 5, 10, 15, 20, 30)),
        ("hour", 60 * MINUTE_S, (1,)),
        ("hours", 60 * MINUTE_S, (2, 3, 4, 8)),
        ("day", DAY_S, (1,)),
        ("week", WEEK_S, (1,)),
        ("month", MONTH_S, (1,)),
    )
    for number in numbers
}
UNITS_S: Final = {"S": 1, "D": DAY_S, "W": WEEK_S, "M": MONTH_S, "Y": 365 * DAY_S}


def bars(book: Book, show: str, size_s: int, begin_ns: int, end_ns: int, *, regular: bool) -> Iterator[tuple[int, Bar]]:
    """(stamp, bar) of every bar that begins in the interval and has something in it.

    The stamp is ns since the epoch, or the trade date yyyymmdd for days and longer; of a week or month its last. No
    bar reaches over the end of a session.
    """
    if size_s >= DAY_S:
        yield from _long(book, show, size_s, begin_ns, end_ns, regular=regular)
        return
    for day in _days(book.calendar, begin_ns, end_ns):
        span = _span(day, regular=regular)
        if span is None:
            continue
        from_ns, until_ns = max(span[0], begin_ns), min(span[1], end_ns)
        source = book.minutes_between if size_s >= MINUTE_S else book.prices_between
        found = source(from_ns, until_ns, show)
        for bar in found if size_s == MINUTE_S else grouped(found, size_s * NS_PER_S, span[0]):
            yield bar.begin_ns, bar


def is_regular(calendar: SessionTable, ts_ns: int) -> bool:
    """Is it regular trading hours?"""
    day = calendar.trading_day(ts_ns)
    if day is None or day.rth_open_ns is None or day.rth_close_ns is None:
        return False
    return day.rth_open_ns <= ts_ns < day.rth_close_ns


def begin_of(calendar: SessionTable, end_ns: int, number: int, unit: str) -> int:
    """Where a duration that ends at `end_ns` begins. Days are sessions, the one under way included."""
    day = calendar.trading_day(end_ns - 1)
    if unit == "D" and day is not None:
        begun = day.globex_open_ns < end_ns  # a time in the daily break belongs to the session after it
        before = calendar.days_before(day.trade_date, number - begun)
        return (before[0] if before else day).globex_open_ns
    return end_ns - number * UNITS_S[unit] * NS_PER_S


def _long(
    book: Book, show: str, size_s: int, begin_ns: int, end_ns: int, *, regular: bool
) -> Iterator[tuple[int, Bar]]:
    built: Bar | None = None
    stamp = 0
    for day in _days(book.calendar, begin_ns, end_ns):
        span = _span(day, regular=regular)
        if span is None:
            continue
        for bar in book.minutes_between(max(span[0], begin_ns), min(span[1], end_ns), show):
            if built is not None and _same(stamp, day.trade_date, size_s):
                built.take(bar)
            else:
                if built is not None:
                    yield stamp, built
                built = copied(bar, bar.begin_ns)
            stamp = day.trade_date
    if built is not None:
        yield stamp, built


def _same(left: int, right: int, size_s: int) -> bool:
    """Do two trade dates belong to one bar?"""
    if size_s == DAY_S:
        return left == right
    if size_s == MONTH_S:
        return left // 100 == right // 100
    return _week(left) == _week(right)


def _week(trade_date: int) -> tuple[int, int]:
    return date(trade_date // 10_000, trade_date // 100 % 100, trade_date % 100).isocalendar()[:2]


def _days(calendar: SessionTable, begin_ns: int, end_ns: int) -> Iterator[SessionDay]:
    day = calendar.trading_day(begin_ns)
    if day is None:  # before the table, or after it
        first = calendar.day(calendar.first_trade_date)
        day = first if first is not None and begin_ns < first.globex_open_ns else None
    while day is not None and day.globex_open_ns < end_ns:
        yield day
        day = next(iter(calendar.days_from(day.trade_date, 2)[1:]), None)


def _span(day: SessionDay, *, regular: bool) -> tuple[int, int] | None:
    if not regular:
        return day.globex_open_ns, day.globex_close_ns
    if day.rth_open_ns is None or day.rth_close_ns is None:
        return None
    return day.rth_open_ns, day.rth_close_ns
