"""The week to look at, or to send: each day, what they come to, the week before beside it."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from trading_bot.domain.units import usd_from_uusd
from trading_bot.pages import day_end_blocks as blocks
from trading_bot.pages import numbers
from trading_bot.pages.day_end_sections import FLAT, NOT_FLAT
from trading_bot.pages.numbers import money
from trading_bot.pages.page import (
    BAD,
    GOOD,
    WARN,
    Block,
    Cell,
    Column,
    Note,
    Page,
    Pairs,
    Row,
    Section,
    Table,
    Tile,
    Value,
)
from trading_bot.pages.trace import Trace
from trading_bot.pages.week_gates import gates_table
from trading_bot.reports.day_end_records import BookDay
from trading_bot.reports.week import WeekBook, WeekDigest
from trading_bot.research.gate_records import GateLedger

NO_TRADES: Final = "No trades."
_DAYS: Final = (
    Column("day"),
    Column("end"),
    Column("trades", number=True),
    Column("won", number=True),
    Column("gross", number=True),
    Column("commission", number=True),
    Column("net USD", number=True),
    Column("first reason not to trade"),
)


def week_page(week: WeekDigest, gates: Sequence[GateLedger | None] = ()) -> Page:
    """The whole page; each book has its sections. `gates` are the gate ledgers of the books, where they were made."""
    trace = blocks.ShortTrace()
    several = len(week.books) > 1
    badges = [Value(NOT_FLAT, BAD)] if any(not book.flat for book in week.books) else []
    if week.books and all(book.hypothetical for book in week.books):
        badges.append(Value("HYPOTHETICAL: fills of a simulator, no money was made or lost", WARN))
    sections: list[Section] = []
    for place, book in enumerate(week.books):
        ledger = gates[place] if place < len(gates) else None
        sections += _sections(book, ledger, trace, named=several)
    if week.unread:
        notes = tuple(Note(f"Not read: {text}", BAD, brief=True) for text in week.unread)
        sections.insert(0, Section(anchor="unread", title="Not read", short="Not read", blocks=notes))
    first = week.books[0] if week.books else None
    return Page(
        kicker="Week",
        title=f"{week.week}, to {numbers.day(week.last_date)}",
        lead=" ".join(_lead(book, named=several) for book in week.books) or NO_TRADES,
        headline=_headline(first, trace) if first else None,
        badges=tuple(badges),
        tiles=tuple(tile for book in week.books for tile in _tiles(book, trace, named=several)),
        sections=tuple(sections),
        sources=trace.sources(),
        footer="Made from the event logs of the week alone. Times are New York's. "
        "Past results, above all simulated ones, promise nothing.",
    )


def _name(book: WeekBook) -> str:
    return f"{book.mode} {book.instrument} ({book.adapter})"


def _lead(book: WeekBook, *, named: bool) -> str:
    days, total = numbers.several(len(book.days), "day"), book.total
    trades = f"{numbers.several(total.trades, 'trade')} on {days}, {total.wins} won"
    text = f"{trades if total.trades else f'No trades on {days}'}, {numbers.usd(book.net_uusd, sign=True)} USD net"
    if book.previous_net_uusd is not None:
        text += f", {numbers.usd(book.previous_net_uusd, sign=True)} the week before"
    open_days = [date for date, day in zip(book.dates, book.days, strict=True) if not day.flat]
    if open_days:
        text += f". {NOT_FLAT} at the end of {', '.join(numbers.day(date) for date in open_days)}"
    return f"{_name(book)}: {text}." if named else f"{text}."


def _headline(book: WeekBook, trace: Trace) -> Tile:
    ref = trace.ref(f"net of {_name(book)}", book.total.records)
    fees = numbers.usd(book.total.commission_uusd + book.late_commission_uusd)
    label = "Net, HYPOTHETICAL" if book.hypothetical else "Net"
    return Tile(label, money(book.net_uusd, ref), f"USD after {fees} of commission")


def _tiles(book: WeekBook, trace: Trace, *, named: bool) -> list[Tile]:
    prefix = f"{book.mode}: " if named else ""
    ref = trace.ref(f"net of {_name(book)}", book.total.records)
    wins, trades = book.total.wins, book.total.trades
    tiles = [
        Tile(
            f"{prefix}Trades",
            Value(str(trades), "", ref),
            f"{numbers.percent(wins / trades)} won" if trades else "none",
        ),
        Tile(
            f"{prefix}The week before",
            Value(numbers.NONE) if book.previous_net_uusd is None else money(book.previous_net_uusd),
            "no log of it" if book.previous is None else numbers.several(book.previous.trades, "trade"),
        ),
        Tile(
            f"{prefix}Deepest fall",
            money(-book.drawdown.amount_uusd, ref),
            f"down to trade {book.drawdown.trough_trade}" if book.drawdown.trough_trade else "none",
        ),
        Tile(
            f"{prefix}Slippage",
            Value(numbers.ticks(book.slippage_ticks_mean, decimals=2), "", ref),
            "ticks a trade, positive is worse",
        ),
    ]
    for label, trade_date in (("Best day", book.best_day), ("Worst day", book.worst_day)):
        day = book.days[book.dates.index(trade_date)]
        day_ref = trace.ref(f"net of {trade_date}", day.total.records)
        tiles.append(Tile(f"{prefix}{label}", money(day.net_uusd, day_ref), numbers.day(trade_date)))
    return tiles


def _sections(book: WeekBook, gates: GateLedger | None, trace: Trace, *, named: bool) -> list[Section]:
    anchor = f"{book.mode}-{book.adapter}-{book.instrument}".lower()
    of = f" of {_name(book)}" if named else ""
    by_template: dict[str, Counter[str]] = {}
    for day in book.days:
        for name, counts in day.skips_by_template.items():
            by_template.setdefault(name, Counter()).update(counts)
    changes = (
        ("Learning", book.learning),
        ("Breakers and rules", book.breakers),
        ("Kill switch, restarts", book.trouble),
    )
    parts: tuple[tuple[str, str, tuple[Block, ...]], ...] = (
        ("days", "Days", (_days(book, trace), *_open(book))),
        (
            "money",
            "Money",
            (
                blocks.by_name("By template", "template", book.by_template, book.total, trace),
                blocks.by_name("By what ended them", "ended by", book.by_exit, book.total, trace),
                _costs(book),
            ),
        ),
        (
            "why-not",
            "Why not",
            (
                blocks.skips_table(book.skips, by_template, trace),
                *(() if gates is None else (gates_table(gates, trace),)),
            ),
        ),
        (
            "changed",
            "What changed",
            tuple(blocks.changes_table(title, rows, trace, empty="Nothing.", dated=True) for title, rows in changes),
        ),
        ("stands", "What stands", (_stands(book),)),
    )
    return [
        Section(anchor=f"{anchor}-{name}", title=f"{title}{of}", short=f"{title}{of}", blocks=found)
        for name, title, found in parts
    ]


def _days(book: WeekBook, trace: Trace) -> Table:
    rows = tuple(_day(date, day, trace) for date, day in zip(book.dates, book.days, strict=True))
    late = book.late_commission_uusd
    total = Row(
        (
            "week",
            "",
            str(book.total.trades),
            str(book.total.wins),
            money(book.total.gross_uusd),
            money(-book.total.commission_uusd - late),
            money(book.net_uusd),
            "",
        )
    )
    return Table(title="Day by day", columns=_DAYS, rows=rows, total=total, brief=True)


def _day(trade_date: int, day: BookDay, trace: Trace) -> Row:
    ref = trace.ref(f"net of {trade_date}", day.total.records)
    why_not = day.skips[0] if day.skips else None
    return Row(
        (
            numbers.day(trade_date),
            Value(FLAT.lower(), GOOD) if day.flat else Value(NOT_FLAT, BAD),
            Value(str(day.total.trades), "", ref),
            Value(str(day.total.wins), "", ref),
            money(day.total.gross_uusd, ref),
            money(-day.total.commission_uusd - day.late_commission_uusd, ref),
            money(day.net_uusd, ref),
            "" if why_not is None else f"{blocks.reason(why_not.name)} ({why_not.count:,})",
        ),
        command=f"trading-bot eod --date {trade_date}",
    )


def _open(book: WeekBook) -> tuple[Note, ...]:
    return tuple(Note(f"{NOT_FLAT}: {text}", BAD, brief=True) for day in book.days for text in day.open_reasons)


def _costs(book: WeekBook) -> Pairs:
    total = book.total
    fees_uusd = total.commission_uusd + book.late_commission_uusd
    each = numbers.number(usd_from_uusd(fees_uusd) / total.trades) if total.trades else numbers.NONE
    pairs: list[tuple[str, Cell]] = [
        ("commission", f"{numbers.usd(fees_uusd)} USD, {each} a trade"),
        ("slippage", f"{numbers.ticks(book.slippage_ticks_mean, decimals=2)} ticks a trade, positive is worse"),
        ("trades' sum before commission", f"{numbers.usd(total.gross_uusd, sign=True)} USD"),
    ]
    return Pairs(title="Costs", pairs=tuple(pairs), half=True)


def _stands(book: WeekBook) -> Pairs:
    breakers = ", ".join(one.breaker for one in book.breakers_standing)
    pairs: tuple[tuple[str, Cell], ...] = (
        ("breakers", Value(breakers, BAD) if breakers else "none"),
        ("learning", blocks.learning_states(book.learning_states)),
    )
    return Pairs(title="What stands at the end of the week", pairs=pairs, brief=True)
