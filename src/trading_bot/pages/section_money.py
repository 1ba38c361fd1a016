"""The money of a book: equity and drawdown, from the expected edge to what was left, and what chance does to it."""

from collections.abc import Sequence
from typing import Final

from trading_bot.analytics.analysis import Book
from trading_bot.analytics.samples import Interval, TailRisk
from trading_bot.domain.units import NS_PER_S
from trading_bot.pages import numbers
from trading_bot.pages.chart_money import Step, equity_chart, waterfall_chart
from trading_bot.pages.day_inputs import Sourced
from trading_bot.pages.numbers import NONE, held, money, number, percent, usd
from trading_bot.pages.page import Block, Cell, Pairs, Section, Value
from trading_bot.pages.section_belief import efficiency_table

_BASES: Final = {
    "reported": "reported by the broker",
    "estimated": "estimated, no report has come",
    "told": "told with the execution",
    "modelled": "modelled by the simulator",
}
_TAIL_NOTE: Final = (
    "Losses are positive. A drawn day has as many trades as this day, each drawn from these: what chance may bring. "
    "Ratios are of daily results, annualised with 252 days, and are not told with fewer days than their window."
)


def money_section(books: Sequence[Book], tick: float, sourced: Sourced) -> list[Section]:
    """A section for each kind of money that traded."""
    found = []
    for book in books:
        if not book.trades:
            continue
        kind = "-hypothetical" if book.hypothetical else ""
        blocks: list[Block] = [
            equity_chart(book.trades, tick, anchor=f"equity{kind}", hypothetical=book.hypothetical),
            _waterfall(book, sourced, anchor=f"waterfall{kind}"),
            _chance(book, sourced),
            _ratios(book, sourced),
            _fees(book, sourced),
        ]
        if book.efficiency.trades:
            blocks.append(efficiency_table(book, sourced))
        found.append(
            Section(
                anchor=f"money{kind}",
                title="Money, HYPOTHETICAL" if book.hypothetical else "Money",
                short="Money" if len(books) == 1 or not book.hypothetical else "Money, HYPOTHETICAL",
                blocks=tuple(blocks),
            )
        )
    return found


def _waterfall(book: Book, sourced: Sourced, *, anchor: str) -> Block:
    """Ticks times the value of a tick: a day is of one instrument."""
    parts, tick_uusd = book.decomposition, book.trades[0].tick_value_uusd

    def uusd(ticks: float) -> int:
        return round(ticks * tick_uusd)

    hints = {
        "edge": "what the mid did between decision and exit, in the direction of the trade",
        "spread": "crossing from mid to touch at entry and exit; earned by passive entries and targets",
        "slippage": "fills against the touch there was when it was decided",
    }
    steps: list[Step] = []
    expected = book.efficiency
    if expected.trades == book.metrics.trades:
        edge_uusd = uusd(expected.predicted_edge_ticks * expected.lots)
        steps.append(
            Step("expected edge", edge_uusd, "sum of the edges the candidates promised, before costs", total=True)
        )
        steps.append(Step("did not come", uusd(parts.edge_ticks) - edge_uusd, "the market's move less the promise"))
        steps.append(Step("edge that came", uusd(parts.edge_ticks), hints["edge"], total=True))
    else:
        steps.append(Step("edge that came", uusd(parts.edge_ticks), hints["edge"]))
    steps.append(Step("spread", -uusd(parts.spread_ticks), hints["spread"]))
    steps.append(Step("slippage", -uusd(parts.slippage_ticks), hints["slippage"]))
    if abs(parts.residual_ticks) > 0:
        steps.append(Step("residual", uusd(parts.residual_ticks), "what the prices of the fills do not explain"))
    steps.append(Step("gross", book.metrics.gross_uusd, "after spread and slippage", total=True))
    steps.append(Step("commission", -book.metrics.commission_uusd, "both sides, as reported or modelled"))
    if book.later_fees_uusd:
        steps.append(Step("later fees", -book.later_fees_uusd, "reported now for trades of earlier logs"))
    steps.append(Step("net", book.net_uusd, "what is left", total=True))
    note = f"Largest residual of a trade: {number(parts.residual_max_ticks)} ticks."
    if parts.told < parts.trades:
        note += f" {parts.trades - parts.told} trades have no touch at their decision: all of theirs counts as edge."
    ref = sourced.ref("from the expected edge to the net", ((row.log, row.seqs) for row in book.trades))
    note += f" Made of the records under {ref}."
    return waterfall_chart(
        steps,
        anchor=anchor,
        title="From the expected edge to the net" + (", HYPOTHETICAL" if book.hypothetical else ""),
        note=note,
    )


def _chance(book: Book, sourced: Sourced) -> Pairs:
    found = book.metrics
    ref = sourced.of_trades("all trades", book.trades)
    fall = book.drawdown
    low, high = (
        None if fall.peak is None else book.trades[fall.peak],
        None if fall.trough is None else book.trades[fall.trough],
    )
    deepest = sourced.of_trades("deepest drawdown", [row for row in (low, high) if row is not None])
    pairs: list[tuple[str, Cell]] = [
        ("expectancy a trade", _with(_value(found.expectancy_uusd, ref), _interval_usd(found.expectancy_interval))),
        ("win rate", _with(Value(percent(found.win_rate, 1), "", ref), _interval_share(found.win_rate_interval))),
        ("average win, average loss", f"{_usd(found.average_win_uusd)} and {_usd(found.average_loss_uusd, loss=True)}"),
        ("payoff (win over loss)", number(found.payoff)),
        ("best, worst trade", f"{_usd(found.best_uusd)} and {_usd(found.worst_uusd)}"),
        ("standard deviation", _usd(found.sd_uusd, sign=False)),
        ("in a row: won, lost", f"{found.wins_in_row} and {found.losses_in_row}"),
        ("held: mean, median", f"{_held(found.hold_mean_s)} and {_held(found.hold_median_s)}"),
        ("deepest drawdown", Value(f"{usd(fall.depth_uusd)} USD", "bad" if fall.depth_uusd else "", deepest)),
        (
            "from peak to recovery",
            f"{held(int(fall.duration_s * NS_PER_S))}" + _recovered(fall.recovered_ts_ns, fall.depth_uusd),
        ),
        ("below the peak now", f"{usd(fall.now_uusd)} USD"),
    ]
    return Pairs(
        title="What chance does to it",
        pairs=tuple((name, cell if isinstance(cell, Value) else Value(cell, "", ref)) for name, cell in pairs),
        half=True,
        note=_methods(found.expectancy_interval),
    )


def _methods(interval: Interval | None) -> str:
    if interval is None:
        return "Too few trades, or no difference between them, for an interval of the mean."
    return f"Intervals at 95 %: {interval.method} with {interval.resamples:,} seeded resamples, Wilson's for the rate."


def _recovered(ts_ns: int | None, depth_uusd: int) -> str:
    if not depth_uusd:
        return ""
    return ", not yet recovered" if ts_ns is None else f", recovered at {numbers.clock(ts_ns)}"


def _ratios(book: Book, sourced: Sourced) -> Pairs:
    pairs: list[tuple[str, Cell]] = []
    ref = sourced.of_trades("all trades", book.trades)
    for tail in book.tails:
        pairs.append((f"5 % VaR, {tail.unit}", _tail(tail, tail.var_uusd, tail.var_interval, ref)))
        if tail.es_uusd is not None:
            pairs.append((f"expected shortfall, {tail.unit}", _tail(tail, tail.es_uusd, tail.es_interval, ref)))
    for row in book.ratios:
        if row.sharpe is None and row.sortino is None and row.calmar is None:
            pairs.append((f"ratios over {row.window_days} days", Value(row.note, "quiet")))
            continue
        text = f"{number(row.sharpe)} · {number(row.sortino)} · {number(row.calmar)}"
        pairs.append((f"Sharpe · Sortino · Calmar, {row.window_days} d", text))
    return Pairs(
        title="Tail and ratios",
        pairs=tuple(pairs),
        half=True,
        note=_TAIL_NOTE,
    )


def _tail(tail: TailRisk, amount_uusd: float | None, interval: Interval | None, ref: str) -> Cell:
    if amount_uusd is None:
        return Value(tail.note, "quiet")
    text = f"{usd(round(amount_uusd))} USD"
    if interval is not None:
        text += f" ({usd(round(interval.low))} to {usd(round(interval.high))})"
    return Value(text, "", ref)


def _fees(book: Book, sourced: Sourced) -> Pairs:
    fees = book.fees
    rows = fees.rows

    def ref(label: str, basis: str | None) -> str:
        return sourced.ref(
            label,
            (
                (log, (seq,))
                for row in rows
                if basis in (None, row.basis)
                for log, seq in ((row.log, row.seq), (row.reported_log, row.reported_seq))
                if seq
            ),
        )

    pairs: list[tuple[str, Cell]] = [
        (_BASES.get(basis, basis), Value(usd(amount), "", ref(f"commission {basis}", basis)))
        for basis, amount in fees.by_basis_uusd.items()
    ]
    pairs.append(("executions", Value(str(len(rows)), "", ref("commission of all executions", None))))
    if fees.of_strays_uusd:
        pairs.append(("of executions in no trade yet", usd(fees.of_strays_uusd)))
    if fees.later_uusd:
        pairs.append(("reported for earlier executions", usd(fees.later_uusd, sign=True)))
    pairs.append(
        ("commission in all", Value(f"{usd(fees.total_uusd)} USD", "", ref("commission of all executions", None)))
    )
    return Pairs(title="Commission, and what it stands on", pairs=tuple(pairs), half=True)


def _value(amount_uusd: float | None, ref: str) -> Value:
    return Value(NONE, "quiet") if amount_uusd is None else money(round(amount_uusd), ref)


def _usd(amount_uusd: float | None, *, sign: bool = True, loss: bool = False) -> str:
    if amount_uusd is None:
        return NONE
    return usd(round(-amount_uusd if loss else amount_uusd), sign=sign)


def _with(value: Value, more: str) -> Value:
    return Value(f"{value.text} {more}".rstrip(), value.tone, value.ref)


def _interval_usd(interval: Interval | None) -> str:
    return (
        "" if interval is None else f"({usd(round(interval.low), sign=True)} to {usd(round(interval.high), sign=True)})"
    )


def _interval_share(interval: Interval | None) -> str:
    return "" if interval is None else f"({percent(interval.low)} to {percent(interval.high)})"


def _held(seconds: float | None) -> str:
    return NONE if seconds is None else held(int(seconds * NS_PER_S))
