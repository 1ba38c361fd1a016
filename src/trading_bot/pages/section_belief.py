"""Whether beliefs meant what they said, how much of the promised edge came, and how candidates became fills."""

from collections.abc import Sequence
from typing import Any

from trading_bot.analytics.analysis import Analysis, Book
from trading_bot.analytics.decomposition import Efficiency
from trading_bot.analytics.funnel import Funnel
from trading_bot.analytics.reliability import Curve, CurveBin
from trading_bot.pages import numbers
from trading_bot.pages.day_inputs import Sourced
from trading_bot.pages.figure import axis, layout, lines, plain
from trading_bot.pages.numbers import number, percent
from trading_bot.pages.page import Block, Chart, Column, Row, Section, Table, Value, referred
from trading_bot.reports.fact_records import Facts, TradeFact


def belief_section(analysis: Analysis, sourced: Sourced) -> list[Section]:
    """The curves of each book."""
    blocks: list[Block] = []
    for book in analysis.books:
        kind = "-hypothetical" if book.hypothetical else ""
        blocks += [
            _curve(curve, book, anchor=f"calibration-{at}{kind}", sourced=sourced)
            for at, curve in enumerate(book.calibration)
            if curve.count
        ]
    if not blocks:
        return []
    return [
        Section(
            anchor="belief",
            title="Belief against outcome",
            short="Belief",
            lead="Dots on the line said what came true; below it they promised too much. Bars are 95 % intervals.",
            blocks=tuple(blocks),
        )
    ]


def _curve(curve: Curve, book: Book, *, anchor: str, sourced: Sourced) -> Chart:
    bins = curve.bins
    most = max(row.count for row in bins)
    refs = [sourced.of_trades(f"{curve.forecast} {row.low:.1f} to {row.high:.1f}", _members(book, row)) for row in bins]
    hints = [
        lines(
            (
                f"<b>{row.count} trades</b>, {row.hits} {plain(curve.outcome)}",
                f"said {row.forecast:.2f}, came true {row.observed:.2f}",
                f"95 %: {row.interval.low:.2f} to {row.interval.high:.2f}" if row.interval else "",
                f"records {ref}",
            )
        )
        for row, ref in zip(bins, refs, strict=True)
    ]
    kind = ", HYPOTHETICAL" if book.hypothetical else ""
    return Chart(
        anchor=anchor,
        title=f"{curve.forecast}: how often a trade {curve.outcome}{kind}",
        told=f"Brier score {number(curve.brier, 3)}, calibration error {number(curve.ece, 3)}, {curve.count} trades.",
        data=(
            {
                "type": "scatter",
                "mode": "lines",
                "x": [0, 1],
                "y": [0, 1],
                "line": {"color": "@faint", "width": 1, "dash": "dot"},
                "hoverinfo": "skip",
            },
            {
                "type": "scatter",
                "mode": "lines+markers",
                "x": [row.forecast for row in bins],
                "y": [row.observed for row in bins],
                "line": {"color": "@long/0.45", "width": 1.2},
                "marker": {
                    "color": "@long",
                    "size": [8 + 14 * (row.count / most) ** 0.5 for row in bins],
                    "opacity": 1,
                    "line": {"color": "@halo", "width": 1},
                },
                "error_y": _error_bars(bins),
                "text": hints,
                "hovertemplate": "%{text}<extra></extra>",
            },
        ),
        layout=layout(
            xaxis=axis("said", range=[0, 1], dtick=0.2, tickformat=".1f"),
            yaxis=axis("came true", range=[-0.03, 1.03], dtick=0.2, tickformat=".1f"),
        ),
        height_px=320,
        half=True,
        note=f"Brier score {number(curve.brier, 3)} (always saying the average has {number(curve.brier_base, 3)}), "
        f"calibration error {number(curve.ece, 3)}, {curve.count} trades. A larger dot stands for more trades.",
    )


def _error_bars(bins: Sequence[CurveBin]) -> dict[str, Any]:
    """Up and down to the ends of each interval."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [max(row.interval.high - row.observed, 0.0) if row.interval else 0 for row in bins],
        "arrayminus": [max(row.observed - row.interval.low, 0.0) if row.interval else 0 for row in bins],
        "color": "@muted",
        "thickness": 1,
        "width": 3,
    }


def _members(book: Book, row: CurveBin) -> list[TradeFact]:
    return [book.trades[at] for at in row.members]


def efficiency_table(book: Book, sourced: Sourced) -> Table:
    """Realised over predicted, template by template."""
    rows = [*book.efficiency_by_template.items()]
    return Table(
        title="Edge promised and edge that came" + (", HYPOTHETICAL" if book.hypothetical else ""),
        columns=(
            Column("template"),
            Column("trades", number=True),
            Column("edge promised", number=True, hint="ticks a lot, before costs"),
            Column("came", number=True, hint="ticks a lot, before slippage and fees"),
            Column("of it", number=True),
            Column("net promised", number=True, hint="ticks a lot, edge less cost"),
            Column("net came", number=True, hint="ticks a lot, after slippage and fees"),
        ),
        rows=tuple(_efficiency_row(name, found, book, sourced) for name, found in rows),
        total=_efficiency_row("all", book.efficiency, book, sourced),
        half=True,
    )


def _efficiency_row(name: str, found: Efficiency, book: Book, sourced: Sourced) -> Row:
    trades = [row for row in book.trades if name in {"all", row.template}]
    label = "all trades" if name == "all" else f"template {name}"
    ref = sourced.of_trades(label, trades)
    cells = (
        name,
        numbers.count(found.trades),
        number(found.predicted_edge_ticks),
        number(found.realised_edge_ticks),
        percent(found.edge_ratio),
        number(found.predicted_net_ticks),
        Value(number(found.realised_net_ticks), numbers.tone_of(found.realised_net_ticks)),
    )
    return Row(referred(cells, ref))


def funnel_table(funnels: Sequence[Funnel], facts: Facts, sourced: Sourced) -> Table:
    """How candidates became orders and fills, template by template."""

    def row(found: Funnel) -> Row:
        name = "all" if found.template == "ALL" else found.template
        decided = [fact for fact in facts.decisions if name in {"all", fact.template}]
        sent = [fact for fact in facts.orders if fact.leg == "ENTRY" and name in {"all", fact.template}]
        candidates = sourced.ref(f"candidates of {name}", ((fact.log, (fact.seq,)) for fact in decided))
        orders = sourced.ref(f"entries of {name}", ((fact.log, (fact.seq,)) for fact in sent))
        cells = (
            name,
            Value(numbers.count(found.candidates), "", candidates),
            numbers.count(found.orders),
            percent(found.order_rate, 1),
            numbers.count(found.filled),
            percent(found.fill_rate),
            numbers.count(found.trades),
            numbers.count(found.shadows),
        )
        return Row(referred(cells, orders))

    rows = [found for found in funnels if found.template != "ALL"]
    total = next((found for found in funnels if found.template == "ALL"), None)
    return Table(
        title="From candidate to fill",
        columns=(
            Column("template"),
            Column("candidates", number=True, hint="episodes of a template and side"),
            Column("orders", number=True),
            Column("of them", number=True),
            Column("filled", number=True, hint="at least in part"),
            Column("of orders", number=True),
            Column("trades", number=True),
            Column("shadows", number=True, hint="followed by the simulator while in quarantine"),
        ),
        rows=tuple(row(found) for found in rows),
        total=None if total is None else row(total),
    )
