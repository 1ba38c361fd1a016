"""The trades of a day, row by row, each with its terms, its records and the command that takes it apart."""

from typing import Final

from trading_bot.analytics.attribution import Attribution
from trading_bot.domain.orders import Side
from trading_bot.pages import numbers
from trading_bot.pages.day_inputs import DayInputs, Sourced
from trading_bot.pages.figure import trade_anchor
from trading_bot.pages.numbers import money, number, points, ticks
from trading_bot.pages.page import Cell, Column, Row, Section, Table, Value
from trading_bot.pages.section_attribution import class_name
from trading_bot.pages.section_execution import scope_details
from trading_bot.reports.fact_records import TradeFact

_COLUMNS = (
    Column("trade", hint="the entry order's name; unfold it for its terms and records"),
    Column("template"),
    Column("side"),
    Column("lots", number=True, minor=True),
    Column("in", hint="New York, the first fill", minor=True),
    Column("held", number=True, minor=True),
    Column("entry", number=True, hint="average, index points", minor=True),
    Column("exit", number=True, hint="average, index points", minor=True),
    Column("why out"),
    Column("gross", number=True, hint="USD, after slippage and before commission", minor=True),
    Column("fees", number=True, hint="USD, both sides, as the broker reported them", minor=True),
    Column("net", number=True, hint="USD"),
    Column("MAE", number=True, hint="largest move against it, ticks", minor=True),
    Column("MFE", number=True, hint="largest move for it, ticks", minor=True),
    Column("slip", number=True, hint="ticks: entry against the touch, stop against trigger; + is worse", minor=True),
)  # fmt: skip
DETAILS_MAX: Final = 400


def trades_section(inputs: DayInputs, sourced: Sourced) -> Section:
    """Every trade of the day."""
    trades = inputs.trades
    groups = [
        (False, [row for row in trades if not row.hypothetical]),
        (True, [row for row in trades if row.hypothetical]),
    ]
    more = _More(inputs)
    tables = []
    for hypothetical, rows in groups:
        if rows or not (trades or hypothetical):
            tables.append(_table(rows, inputs, sourced, more, hypothetical=hypothetical))
    return Section(
        anchor="trades",
        title="Trades",
        short="Trades",
        lead="Unfold a trade for its terms, its records and the command that takes it apart." if trades else "",
        blocks=tuple(tables),
    )


class _More:
    """What was found about each trade elsewhere, by its log and name."""

    def __init__(self, inputs: DayInputs) -> None:
        self._scopes = {(row.log, row.trade_id): row for row in inputs.scope.trades}
        self._parts = {(row.log, row.trade_id): row for row in inputs.attributions.trades}

    def of(self, trade: TradeFact) -> list[tuple[str, Cell]]:
        """Attribution and microscope."""
        key = (trade.log, trade.trade_id)
        parts, scope = self._parts.get(key), self._scopes.get(key)
        found = [] if parts is None else _attribution(parts)
        return found if scope is None else [*found, *scope_details(scope)]


def _attribution(row: Attribution) -> list[tuple[str, Cell]]:
    found: list[tuple[str, Cell]] = [("afterwards it was", class_name(row.trade_class))]
    if row.skill_uusd is not None and row.luck_uusd is not None and row.execution_uusd is not None:
        parts = (numbers.usd(value, sign=True) for value in (row.skill_uusd, row.luck_uusd, row.execution_uusd))
        found.append(("skill, luck, execution", f"{', '.join(parts)} USD"))
        found.append(("weight for learning", number(row.weight)))
    return found


def _table(rows: list[TradeFact], inputs: DayInputs, sourced: Sourced, more: _More, *, hypothetical: bool) -> Table:
    title = f"{len(rows)} trade{'' if len(rows) == 1 else 's'}"
    if hypothetical:
        title += ", HYPOTHETICAL: filled by the simulator"
    total = None
    if rows:
        ref = sourced.of_trades("net of all trades", rows)
        gross_uusd, fees_uusd = sum(row.gross_uusd for row in rows), sum(row.commission_uusd for row in rows)
        cells: list[Cell] = ["total", "", "", numbers.count(sum(row.qty for row in rows)), *[""] * 5]
        cells += [money(amount, ref) for amount in (gross_uusd, -fees_uusd, gross_uusd - fees_uusd)]
        total = Row((*cells, "", "", ""))
    return Table(
        title=title,
        columns=_COLUMNS,
        rows=tuple(_row(row, inputs, sourced, more) for row in rows),
        total=total,
        empty="No trade was closed.",
    )


def _row(row: TradeFact, inputs: DayInputs, sourced: Sourced, more: _More) -> Row:
    ref = sourced.ref(f"trade {row.trade_id}", [(row.log, row.seqs)])
    cells: tuple[Cell, ...] = (
        row.trade_id,
        row.template,
        "long" if row.side is Side.BUY else "short",
        str(row.qty),
        numbers.clock(row.entry_ts_ns),
        numbers.held(row.hold_ns),
        points(row.entry_ticks, inputs.tick),
        points(row.exit_ticks, inputs.tick),
        row.exit_reason.lower().replace("_", " "),
        money(row.gross_uusd),
        numbers.usd(-row.commission_uusd),
        money(row.net_uusd, ref),
        ticks(row.mae_ticks, sign=False),
        ticks(row.mfe_ticks, sign=False),
        ticks(row.slippage_ticks),
    )
    log = sourced.log(row.log)
    told = len(inputs.trades) <= DETAILS_MAX  # beyond, the file would pass eight megabytes
    return Row(
        cells,
        anchor=trade_anchor(row.log, row.trade_id),
        details=(*_details(row, inputs, ref), *more.of(row)) if told else (("records", _records(row, ref)),),
        command=f"trading-bot explain {log} {row.trade_id}",
    )


def _records(row: TradeFact, ref: str) -> Value:
    return Value(", ".join(map(str, row.seqs)), "", ref)


def _details(row: TradeFact, inputs: DayInputs, ref: str) -> list[tuple[str, Cell]]:
    found: list[tuple[str, Cell]] = [
        ("records", _records(row, ref)),
        (
            "decided",
            f"{numbers.clock(row.decision_ts_ns)}, filled {numbers.held(row.entry_ts_ns - row.decision_ts_ns)} later",
        ),
        ("out", numbers.clock(row.exit_ts_ns)),
        ("regime, part of the day", f"{row.regime or numbers.NONE}, {row.bucket or numbers.NONE}"),
    ]
    if row.bid_ticks is not None and row.ask_ticks is not None:
        touch = f"{points(row.bid_ticks, inputs.tick)} / {points(row.ask_ticks, inputs.tick)}"
        found.append(("bid / ask at the decision", touch))
    found += [
        ("spread", f"{ticks(row.spread_ticks, sign=False)} ticks"),
        ("target, stop", f"{number(row.target_ticks, 0)} and {number(row.stop_ticks, 0)} ticks"),
        ("belief", number(_e6(row.belief_e6), 3)),
        ("probability of the target", number(_e6(row.p_e6), 3)),
        ("edge expected", f"{number(_e6(row.edge_e6))} ticks"),
        ("its uncertainty", f"{number(_e6(row.uncertainty_e6))} ticks"),
        ("cost expected", f"{number(_e6(row.cost_e6))} ticks"),
        ("utility after costs", f"{number(_e6(row.euc_e6))} of {number(_e6(row.required_e6))} ticks required"),
        ("slippage expected", f"{ticks(row.slippage_expected_ticks)} ticks"),
        ("entry, exit slippage", f"{ticks(row.entry_slippage_ticks)}, {ticks(row.exit_slippage_ticks)} ticks"),
        ("data, execution score", f"{number(_c(row.dvs_c))}, {number(_c(row.eqs_c))}"),
    ]
    if not row.told:
        found.append(("note", Value("worked out from its fills: the process died before it was told", "warn")))
    return found


def _e6(value: int | None) -> float | None:
    return None if value is None else value / 1_000_000


def _c(value: int | None) -> float | None:
    return None if value is None else value / 100
