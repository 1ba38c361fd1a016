"""The end of a day to look at, or to send: whether it is flat, then money, why not, what changed, what is next."""

from typing import Final

import msgspec

from trading_bot.pages import day_end_blocks as blocks
from trading_bot.pages import numbers
from trading_bot.pages.day_end_sections import FLAT, NOT_FLAT, name_of, sections_of
from trading_bot.pages.numbers import money
from trading_bot.pages.page import BAD, GOOD, WARN, Page, Tile, Value
from trading_bot.pages.trace import Trace
from trading_bot.reports.day_end_records import BookDay, DayEnd

HYPOTHETICAL: Final = "HYPOTHETICAL: fills of a simulator, no money was made or lost"


def day_end_page(day: DayEnd) -> Page:
    """The whole page; each book has its sections."""
    trace = blocks.ShortTrace()
    first = day.books[0]
    several = len(day.books) > 1
    sections = [section for book in day.books for section in sections_of(book, trace, named=several)]
    badges = [Value(FLAT, GOOD) if day.flat else Value(NOT_FLAT, BAD)]
    badges += [Value(HYPOTHETICAL, WARN)] if all(book.hypothetical for book in day.books) else []
    badges += [Value(f"kill switch: {book.kill_reason}", BAD) for book in day.books if book.kill_reason]
    return Page(
        kicker="End of day",
        title=f"{', '.join(dict.fromkeys(book.instrument for book in day.books))}, {numbers.day(day.trade_date)}",
        lead=" ".join(_lead(book, named=several) for book in day.books),
        headline=_headline(first, trace),
        badges=tuple(badges),
        tiles=tuple(tile for book in day.books for tile in _tiles(book, trace, named=several)),
        sections=tuple(sections),
        sources=trace.sources(),
        footer=f"Made from the event logs of {', '.join(run.run_id for book in day.books for run in book.runs)} alone. "
        "Times are New York's. Past results, above all simulated ones, promise nothing.",
    )


def _lead(book: BookDay, *, named: bool) -> str:
    flat = (
        "Flat: no position, no order at work."
        if book.flat
        else f"{NOT_FLAT}, for {numbers.several(len(book.open_reasons), 'reason')}."
    )
    trades = (
        f"{numbers.several(book.total.trades, 'trade')}, {book.total.wins} won" if book.total.trades else "No trades"
    )
    parts = f"{flat} {trades}, {numbers.usd(book.net_uusd, sign=True)} USD net. {book.decisions:,} decisions."
    return f"{name_of(book)}: {parts}" if named else parts


def _headline(book: BookDay, trace: Trace) -> Tile:
    label = "Net, HYPOTHETICAL" if book.hypothetical else "Net"
    late = f", {numbers.usd(book.late_commission_uusd)} of it late" if book.late_commission_uusd else ""
    fees = numbers.usd(book.total.commission_uusd + book.late_commission_uusd)
    ref = trace.ref(f"net of {name_of(book)}", book.total.records)
    return Tile(label, money(book.net_uusd, ref), f"USD after {fees} of commission{late}")


def _tiles(book: BookDay, trace: Trace, *, named: bool) -> list[Tile]:
    prefix = f"{book.mode}: " if named else ""
    ref = trace.ref(f"net of {name_of(book)}", book.total.records)
    tiles = [
        Tile(
            f"{prefix}Position",
            Value(FLAT if book.flat else NOT_FLAT, GOOD if book.flat else BAD),
            "no position, no order at work"
            if book.flat
            else f"{numbers.several(len(book.open_reasons), 'reason')} below",
        ),
        Tile(
            f"{prefix}Trades",
            Value(str(book.total.trades), "", ref),
            f"{book.total.wins} won; {numbers.several(book.fills, 'fill')} of {numbers.several(book.orders, 'order')}",
        ),
        Tile(f"{prefix}Gross", money(book.total.gross_uusd, ref), "after slippage"),
    ]
    for label, row in (("Best", book.best), ("Worst", book.worst)):
        if row is not None:
            ref = trace.ref(f"trade {row.trade_id}", {row.log: (row.seq,)})
            tiles.append(Tile(f"{prefix}{label}", money(row.net_uusd, ref), f"{row.template}, trade {row.trade_id}"))
    if named:
        tiles.insert(1, msgspec.structs.replace(_headline(book, trace), label=f"{prefix}Net"))
    return tiles
