"""Blocks of the end of a day and of a week: money, why not, what changed, each number with its records."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from trading_bot.domain.orders import Side
from trading_bot.domain.units import NS_PER_S
from trading_bot.pages import numbers
from trading_bot.pages.numbers import money
from trading_bot.pages.page import BAD, GOOD, WARN, Column, Row, Table, Value
from trading_bot.pages.trace import Trace
from trading_bot.reports.day_end_records import Change, Count, LearningLine, Tally, TradeLine

_MONEY: Final = (
    Column("trades", number=True),
    Column("won", number=True),
    Column("gross", number=True),
    Column("commission", number=True),
    Column("net USD", number=True),
)
_TRADES: Final = (
    Column("trade"),
    Column("template"),
    Column("side"),
    Column("in"),
    Column("held", number=True),
    Column("entry", number=True),
    Column("exit", number=True),
    Column("ended by"),
    Column("net USD", number=True),
)


class ShortTrace(Trace):
    """Records by the name of their log as every command takes it, `RUN/SESSION`, without this machine's folders."""

    def ref(self, label: str, seqs: Mapping[str, Iterable[int]]) -> str:
        """As `Trace.ref`."""
        return super().ref(label, {short_log(log): numbers for log, numbers in seqs.items()})


def short_log(log: str) -> str:
    """`RUN/SESSION` of a log's folder."""
    return "/".join(Path(log).parts[-2:])


def by_name(title: str, name: str, rows: Sequence[Tally], total: Tally, trace: Trace) -> Table:
    """Groups of trades that sum up to all of them."""
    return Table(
        title=title,
        columns=(Column(name), *_MONEY),
        rows=tuple(tally_row(row.name if name == "template" else reason(row.name), row, trace) for row in rows),
        total=tally_row("all", total, trace) if rows else None,
        brief=True,
        half=True,
        empty="No trades.",
    )


def tally_row(name: str, tally: Tally, trace: Trace) -> Row:
    """One line of money."""
    ref = trace.ref(f"trades of {name}", tally.records)
    return Row(
        (
            name,
            Value(str(tally.trades), "", ref),
            Value(str(tally.wins), "", ref),
            money(tally.gross_uusd, ref),
            money(-tally.commission_uusd, ref),
            money(tally.net_uusd, ref),
        )
    )


def trades_table(trades: Sequence[TradeLine], tick_size_points: float, trace: Trace) -> Table:
    """Each trade; `explain` takes its name."""
    return Table(
        title="Trades",
        columns=_TRADES,
        rows=tuple(_trade(row, tick_size_points, trace) for row in trades),
        empty="No trades.",
        note="`trading-bot explain LOG TRADE` takes one apart." if trades else "",
    )


def _trade(row: TradeLine, tick_size_points: float, trace: Trace) -> Row:
    ref = trace.ref(f"trade {row.trade_id}", {row.log: (row.seq,)})
    return Row(
        (
            row.trade_id,
            row.template,
            ("long" if row.side is Side.BUY else "short") + (f" x{row.qty}" if row.qty > 1 else ""),
            numbers.clock(row.entry_ts_ns),
            numbers.held(row.exit_ts_ns - row.entry_ts_ns),
            numbers.points(row.entry_ticks, tick_size_points),
            numbers.points(row.exit_ticks, tick_size_points),
            reason(row.exit_reason),
            money(row.net_uusd, ref),
        ),
        command=f"trading-bot explain {short_log(row.log)} {row.trade_id}",
    )


def skips_table(skips: Sequence[Count], by_template: Mapping[str, Mapping[str, int]], trace: Trace) -> Table:
    """Why candidates were not traded, most frequent first."""
    total = sum(row.count for row in skips)
    most = max((row.count for row in skips), default=1)
    rows = []
    for row in skips:
        by = max(by_template, key=lambda name: by_template[name].get(row.name, 0), default="")
        rows.append(
            Row(
                (
                    reason(row.name),
                    row.meaning,
                    Value(numbers.count(row.count), "", trace.ref(f"skipped: {row.name}", row.records)),
                    numbers.percent(row.count / total, 1),
                    by,
                ),
                share=row.count / most,
            )
        )
    columns = (
        Column("reason"),
        Column("what it means"),
        Column("skips", number=True),
        Column("share", number=True),
        Column("most by"),
    )
    return Table(
        title="Why not: skips by the first reason",
        columns=columns,
        rows=tuple(rows),
        brief=True,
        brief_rows=8,
        empty="Nothing was skipped.",
    )


def counts_table(title: str, name: str, counts: Sequence[Count], trace: Trace, *, meaning: str = "") -> Table:
    """Counts by name; `meaning` heads a column of what they mean, where they have any."""
    rows = []
    for row in counts:
        number = Value(numbers.count(row.count), "", trace.ref(f"{title}: {row.name}", row.records))
        rows.append(Row((reason(row.name), *((row.meaning,) if meaning else ()), number)))
    columns = (Column(name), *((Column(meaning),) if meaning else ()), Column("count", number=True))
    return Table(title=title, columns=columns, rows=tuple(rows), half=True)


def changes_table(title: str, changes: Sequence[Change], trace: Trace, *, empty: str, dated: bool = False) -> Table:
    """What happened, in its order; over several days with the date."""
    rows = [
        Row(
            (
                Value(
                    moment(row.ts_ns) if dated else numbers.clock(row.ts_ns),
                    "",
                    trace.ref(f"{row.what}", {row.log: (row.seq,)}),
                ),
                row.what,
                Value(row.text, row.tone if row.tone in {GOOD, BAD, WARN} else ""),
            )
        )
        for row in changes
    ]
    columns = (Column("when (New York)" if dated else "at"), Column("what"), Column("how"))
    return Table(title=title, columns=columns, rows=tuple(rows), brief=True, brief_rows=10, empty=empty)


def learning_states(rows: Iterable[LearningLine]) -> str:
    """Templates that do not trade freely, or that all do."""
    held = [f"{row.template} {row.state}" for row in rows if row.state != "ACTIVE"]
    return ", ".join(held) or "every template ACTIVE"


def moment(ts_ns: int) -> str:
    """Day and time in New York: `Wed 25 Nov 09:35:00`."""
    local = datetime.fromtimestamp(ts_ns // NS_PER_S, tz=UTC).astimezone(numbers.NEW_YORK)
    return f"{local:%a} {local.day} {local:%b %H:%M:%S}"


def reason(name: str) -> str:
    """A reason of the log in the words of a table."""
    return name.lower().replace("_", " ")
