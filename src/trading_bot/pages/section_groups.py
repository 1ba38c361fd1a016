"""The same trades by template, regime, hour, side and exit: tables whose rows sum to the account exactly."""

from collections.abc import Sequence
from typing import Final

from trading_bot.analytics.analysis import Book
from trading_bot.analytics.groups import Group
from trading_bot.analytics.metrics import Metrics
from trading_bot.pages import numbers
from trading_bot.pages.day_inputs import Sourced
from trading_bot.pages.numbers import money, number, percent
from trading_bot.pages.page import Block, Column, Row, Section, Table, Value, referred

_DIMENSIONS: Final = {
    "template": "By template",
    "regime": "By regime",
    "hour": "By hour (New York)",
    "phase": "By part of the day",
    "exit": "By what ended them",
    "side": "By side",
}
_SHOWN: Final = {"hour": "{}:00", "phase": "part {}"}  # 0 before the cash open, 6 after the close
_SIDES: Final = {"BUY": "long", "SELL": "short"}


def groups_section(books: Sequence[Book], sourced: Sourced) -> list[Section]:
    """Every dimension of every book with trades."""
    blocks: list[Block] = []
    for book in books:
        if book.trades:
            kind = ", HYPOTHETICAL" if book.hypothetical and len(books) > 1 else ""
            blocks += [_table(book, name, title + kind, sourced) for name, title in _DIMENSIONS.items()]
    if not blocks:
        return []
    return [
        Section(
            anchor="groups",
            title="Where it was made and lost",
            short="Breakdown",
            lead="Each table holds every trade once; its last row is the account.",
            blocks=tuple(blocks),
        )
    ]


def _table(book: Book, dimension: str, title: str, sourced: Sourced) -> Table:
    groups = book.groups.get(dimension, ())
    if dimension not in {"hour", "phase"}:
        groups = tuple(sorted(groups, key=lambda group: -group.net_uusd))
    most = max((abs(group.net_uusd) for group in groups), default=0)
    return Table(
        title=title,
        columns=(
            Column(dimension),
            Column("trades", number=True),
            Column("won", number=True),
            Column("net", number=True, hint="USD after commission"),
            Column("a trade", number=True, hint="USD, the mean"),
            Column("PF", number=True, hint="profit factor: won over lost"),
            Column("held", number=True, hint="mean"),
        ),
        rows=tuple(_row(group, book, dimension, most, sourced) for group in groups),
        total=_total(book.metrics, sourced.of_trades("all trades", book.trades)),
        half=True,
        brief=dimension == "template",
    )


def _row(group: Group, book: Book, dimension: str, most_uusd: int, sourced: Sourced) -> Row:
    key = _SIDES.get(group.key, group.key)
    shown = _SHOWN.get(dimension, "{}").format(key)
    if dimension == "exit":
        shown = key.lower().replace("_", " ")
    ref = sourced.of_trades(f"{dimension} {shown}", (book.trades[at] for at in group.members))
    cells = (
        shown,
        numbers.count(group.trades),
        percent(group.win_rate),
        money(group.net_uusd, ref),
        Value(numbers.usd(round(group.expectancy_uusd), sign=True)),
        number(group.profit_factor),
        numbers.held(int(group.hold_mean_s * 1e9)),
    )
    return Row(
        referred(cells, ref),
        share=group.net_uusd / most_uusd if most_uusd else 0.0,
    )


def _total(found: Metrics, ref: str) -> Row:
    cells = (
        "all",
        numbers.count(found.trades),
        percent(found.win_rate),
        money(found.net_uusd, ref),
        Value(numbers.usd(round(found.expectancy_uusd or 0), sign=True)),
        number(found.profit_factor),
        numbers.held(int((found.hold_mean_s or 0) * 1e9)),
    )
    return Row(referred(cells, ref))
