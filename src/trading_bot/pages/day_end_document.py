"""The end of a day, and a week, as one JSON document each: the values as they are, and what they come to."""

from collections.abc import Iterable
from typing import Any

import msgspec

from trading_bot.domain.units import usd_from_uusd
from trading_bot.reports.day_end_records import BookDay, DayEnd
from trading_bot.reports.week import WeekBook, WeekDigest


def day_document(day: DayEnd) -> dict[str, Any]:
    """The end of a day as JSON: sums of each kind of money, which are never to be added up, and every book."""
    return {
        "trade_date": day.trade_date,
        "flat": day.flat,
        "real": _money(book for book in day.books if not book.hypothetical),
        "hypothetical": _money(book for book in day.books if book.hypothetical),
        "books": [_book(book) for book in day.books],
    }


def _book(book: BookDay) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(book)
    return {
        "flat": book.flat,
        "open_reasons": book.open_reasons,
        "net_uusd": book.net_uusd,
        "net_usd": book.net_usd,
    } | found


def week_document(week: WeekDigest) -> dict[str, Any]:
    """The week as JSON."""
    books = []
    for book in week.books:
        found: dict[str, Any] = msgspec.to_builtins(book)
        found["days"] = [_book(day) for day in book.days]
        head = {"net_uusd": book.net_uusd, "net_usd": usd_from_uusd(book.net_uusd), "flat": book.flat}
        books.append(head | {"best_day": book.best_day, "worst_day": book.worst_day} | found)
    return {
        "week": week.week,
        "first_date": week.first_date,
        "last_date": week.last_date,
        "trades": week.trades,
        "real": _money(book for book in week.books if not book.hypothetical),
        "hypothetical": _money(book for book in week.books if book.hypothetical),
        "books": books,
        "unread": week.unread,
    }


def _money(books: Iterable[BookDay | WeekBook]) -> dict[str, Any]:
    """What books of one kind come to; micro-dollars are exact, dollars for people."""
    rows = list(books)
    net_uusd = sum(book.net_uusd for book in rows)
    fees_uusd = sum(book.total.commission_uusd + book.late_commission_uusd for book in rows)
    return {
        "trades": sum(book.total.trades for book in rows),
        "wins": sum(book.total.wins for book in rows),
        "fees_uusd": fees_uusd,
        "net_uusd": net_uusd,
        "fees_usd": usd_from_uusd(fees_uusd),
        "net_usd": usd_from_uusd(net_uusd),
    }
