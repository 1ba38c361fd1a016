"""The report of a day: what stands where, and the few numbers that stand first."""

from collections.abc import Sequence
from typing import Final

from trading_bot.analytics.analysis import Book
from trading_bot.domain.units import NS_PER_MS
from trading_bot.pages import numbers
from trading_bot.pages.chart_day import day_chart
from trading_bot.pages.chart_spread import spread_charts
from trading_bot.pages.day_inputs import DayInputs, Sourced
from trading_bot.pages.numbers import money, percent
from trading_bot.pages.page import BAD, QUIET, WARN, Block, Note, Page, Section, Tile, Value
from trading_bot.pages.section_attribution import attribution_section
from trading_bot.pages.section_belief import belief_section
from trading_bot.pages.section_course import about_section, course_section
from trading_bot.pages.section_execution import execution_section
from trading_bot.pages.section_gates import gates_section
from trading_bot.pages.section_groups import groups_section
from trading_bot.pages.section_learning import learning_section
from trading_bot.pages.section_money import money_section
from trading_bot.pages.section_trades import trades_section
from trading_bot.pages.section_why_not import why_not_section
from trading_bot.reports.fact_records import TradeFact

HYPOTHETICAL: Final = "HYPOTHETICAL: fills of a simulator, no money was made or lost"


def day_page(inputs: DayInputs) -> Page:
    """The whole report."""
    ledger, sourced = inputs.ledger, Sourced(inputs.facts)
    trades = inputs.trades
    sections = [
        _day(inputs),
        *money_section(inputs.analysis.books, inputs.tick, sourced),
        *groups_section(inputs.analysis.books, sourced),
        *attribution_section(inputs.attributions, sourced),
        *_spread(inputs),
        *belief_section(inputs.analysis, sourced),
        *execution_section(inputs.scope, inputs.facts, sourced),
        trades_section(inputs, sourced),
        why_not_section(inputs, sourced),
        *gates_section(inputs.gates, sourced),
        *learning_section(inputs.learning, sourced),
        course_section(inputs, sourced),
        about_section(inputs, sourced),
    ]
    badges = [Value(f"{mode}: no real money", WARN) if mode == "PAPER" else Value(mode) for mode in ledger.modes]
    if inputs.hypothetical:
        badges.append(Value(HYPOTHETICAL, WARN))
    if any(not kill.cleared_ts_ns for kill in ledger.kills):
        badges.append(Value("kill switch stands", BAD))
    if ledger.torn_bytes:
        badges.append(Value(f"{ledger.torn_bytes:,} torn bytes at the end of a log", WARN))
    headline, tiles = _headline(inputs, sourced), _tiles(inputs, sourced, trades)
    return Page(
        kicker="Trading day",
        title=f"{ledger.instrument}, {numbers.day(ledger.trade_date)}",
        lead=_lead(inputs),
        headline=headline,
        badges=tuple(badges),
        tiles=tuple(tiles),
        sections=tuple(sections),
        sources=sourced.trace.sources(),
        footer=f"Made from the event log of {', '.join(ledger.run_ids)} alone: {ledger.records:,} records, "
        f"{ledger.ticks:,} of the market. Times are New York's. "
        "Past results, above all simulated ones, promise nothing.",
    )


def _lead(inputs: DayInputs) -> str:
    ledger, trades = inputs.ledger, inputs.trades
    hours = f"{numbers.clock(ledger.ts_first_ns)} to {numbers.clock(ledger.ts_last_ns)} in New York"
    if not trades:
        return f"No trades. {ledger.decisions:,} decisions, {ledger.entries:,} entries sent. {hours}."
    won = sum(row.win for row in trades)
    exits: dict[str, int] = {}
    for row in trades:
        name = row.exit_reason.lower().replace("_", " ")
        exits[name] = exits.get(name, 0) + 1
    ends = ", ".join(f"{count} {name}" for name, count in sorted(exits.items(), key=lambda item: -item[1]))
    return f"{len(trades)} trades, {won} earned more than their commission. Ended by: {ends}. {hours}."


def _headline(inputs: DayInputs, sourced: Sourced) -> Tile:
    """The net as the runs' summaries have it: with commissions that were reported later for trades of other days."""
    book = inputs.analysis.book(hypothetical=False) or inputs.analysis.book(hypothetical=True)
    label = "Net, HYPOTHETICAL" if inputs.hypothetical and not inputs.mixed else "Net"
    if book is None:
        return Tile(label, Value(numbers.usd(0)), "USD, nothing was traded")
    fees_uusd = book.metrics.commission_uusd + book.later_fees_uusd
    later = f", {numbers.usd(book.later_fees_uusd)} of it for earlier trades" if book.later_fees_uusd else ""
    ref = sourced.of_trades("net", book.trades)
    return Tile(label, money(book.net_uusd, ref), f"USD after {numbers.usd(fees_uusd)} of commission{later}")


def _tiles(inputs: DayInputs, sourced: Sourced, trades: Sequence[TradeFact]) -> list[Tile]:
    """Of the real money where there was any; the simulator's beside it says what it is."""
    book = inputs.analysis.book(hypothetical=False) or inputs.analysis.book(hypothetical=True)
    entries = [row for row in inputs.facts.orders if row.leg == "ENTRY"]
    filled = [row for row in entries if row.filled_qty]
    stop = Tile(
        "Without a stop",
        Value(f"{inputs.ledger.naked_ms_max:,.0f} ms", "", _naked(inputs, sourced)),
        "longest, at the broker",
    )
    sent = Tile(
        "Entries filled",
        Value(
            numbers.percent(len(filled) / len(entries) if entries else None),
            "",
            sourced.ref("entries sent", ((row.log, (row.seq,)) for row in entries)),
        ),
        f"{len(filled):,} of {len(entries):,} sent",
    )
    tiles = [*(_book_tiles(book, sourced) if book is not None else ()), sent, stop]
    if inputs.mixed:
        shown = [row for row in trades if row.hypothetical]
        tiles.append(
            Tile(
                "Net, HYPOTHETICAL",
                sourced.money("net, HYPOTHETICAL", sum(row.net_uusd for row in shown), shown),
                f"{len(shown)} trades of the simulator",
            )
        )
    return tiles


def _book_tiles(book: Book, sourced: Sourced) -> list[Tile]:
    found, ref = book.metrics, sourced.of_trades("net", book.trades)
    interval = found.expectancy_interval
    between = "too few for an interval"
    if interval is not None:
        between = f"{numbers.usd(round(interval.low), sign=True)} to {numbers.usd(round(interval.high), sign=True)}"
    expectancy = Value(numbers.NONE, QUIET)
    if found.expectancy_uusd is not None:
        expectancy = money(round(found.expectancy_uusd), ref)
    won = f"{numbers.usd(found.won_uusd)} against {numbers.usd(found.lost_uusd)}"
    return [
        Tile(
            "Trades",
            Value(numbers.count(found.trades), "", ref),
            f"{found.wins} won, {found.trades - found.wins} did not",
        ),
        Tile("Gross", money(found.gross_uusd, ref), "after slippage"),
        Tile("Win rate", Value(percent(found.win_rate), "", ref), "after commission"),
        Tile("Expectancy", expectancy, f"a trade; {between}"),
        Tile("Profit factor", Value(numbers.number(found.profit_factor), "", ref), won),
        Tile("Drawdown", Value(numbers.usd(book.drawdown.depth_uusd), "", ref), "deepest, of closed trades"),
    ]


def _naked(inputs: DayInputs, sourced: Sourced) -> str:
    """The record that says the longest."""
    longest = round(inputs.ledger.naked_ms_max * NS_PER_MS)
    rows = [row for row in inputs.facts.told("STOP_RESIDENT") if getattr(row.record, "naked_ns", 0) >= longest > 0]
    return sourced.ref("longest without a stop", ((row.log, (row.seq,)) for row in rows[:1]))


def _day(inputs: DayInputs) -> Section:
    blocks: list[Block] = [day_chart(inputs.ledger, inputs.trades, inputs.regimes)]
    if not inputs.ledger.price:
        blocks.insert(0, Note("The log holds no quote of the instrument.", WARN))
    return Section(anchor="day", title="The day", short="The day", blocks=tuple(blocks))


def _spread(inputs: DayInputs) -> list[Section]:
    if not inputs.trades:
        return []
    spread = spread_charts(inputs.trades, inputs.tick)
    return [Section(anchor="spread", title="How trades were spread", short="Spread", blocks=spread)]
