"""Execution: what orders cost and how long they took, template by template and trade by trade (the microscope)."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from trading_bot.analytics.scope_records import HORIZONS_MS, Drift, ExecutionRow, Markout, Microscope, TradeScope
from trading_bot.domain.units import NS_PER_MS
from trading_bot.pages import numbers
from trading_bot.pages.day_inputs import Sourced
from trading_bot.pages.figure import axis, layout, legend, plain, trade_anchor
from trading_bot.pages.numbers import number, percent, ticks
from trading_bot.pages.page import Block, Cell, Chart, Column, Row, Section, Table, Value, referred
from trading_bot.reports.fact_records import Facts

_LINES: Final = ("@long", "@orange", "@green", "@purple", "@amber", "@ink", "@grey")
_TRADES_DRAWN_MAX: Final = 400


def execution_section(found: Microscope, facts: Facts, sourced: Sourced) -> list[Section]:
    """Costs, fill rates and markouts; nothing where nothing was sent."""
    if not any(row.entries for row in found.templates):
        return []
    blocks: list[Block] = []
    if found.trades:
        blocks += [_markouts(found), _latency(found.trades)]
    blocks.append(_templates(found.templates, facts, sourced))
    return [
        Section(
            anchor="execution",
            title="Execution",
            short="Execution",
            lead="Ticks per lot. A markout is where the mid stood after a fill, in its direction: below zero, whoever "
            "filled us knew better. Each trade unfolds to its own numbers.",
            blocks=tuple(blocks),
        )
    ]


def _horizon(ms: int) -> str:
    return f"{ms} ms" if ms < 1_000 else f"{ms // 1_000} s"


def _templates(rows: Sequence[ExecutionRow], facts: Facts, sourced: Sourced) -> Table:
    ordered = [row for row in rows if row.template and row.entries]
    total = next((row for row in rows if not row.template), None)
    return Table(
        title="By template",
        columns=(
            Column("template"),
            Column("entries", minor=True, number=True),
            Column("filled", number=True),
            Column("fill rate", number=True),
            Column("rejected", minor=True, number=True),
            Column("slip", number=True, hint="ticks a trade, positive is worse"),
            Column("expected", minor=True, number=True, hint="ticks a trade, what the decisions expected"),
            Column("entry cost", minor=True, number=True, hint="ticks: the entry against the mid when it filled"),
            Column("exit cost", minor=True, number=True, hint="ticks: the mid against the exit"),
            Column("fees", minor=True, number=True, hint="ticks a trade"),
            *(
                Column(
                    f"drift {_horizon(ms)}", number=True, minor=ms < HORIZONS_MS[-1], hint="ticks, the mid after fills"
                )
                for ms in HORIZONS_MS
            ),
            Column("missed 30 s", number=True, hint="ticks, the mid after entries that did not fill"),
        ),
        rows=tuple(_template_row(row, facts, sourced) for row in ordered),
        total=None if total is None else _template_row(total, facts, sourced),
        note="Where the mid runs better after entries that were missed than after fills, we get the bad ones.",
    )


def _template_row(row: ExecutionRow, facts: Facts, sourced: Sourced) -> Row:
    names = {"", row.template} if row.template else {fact.template for fact in facts.orders}
    sent = ((fact.log, (fact.seq,)) for fact in facts.orders if fact.leg == "ENTRY" and fact.template in names)
    closed = ((fact.log, fact.seqs) for fact in facts.entered() if fact.template in names)
    ref = sourced.ref(f"execution of {row.template or 'all'}", [*sent, *closed])
    cells = (
        row.template or "all",
        numbers.count(row.entries),
        numbers.count(row.filled),
        percent(row.fill_rate),
        numbers.count(row.rejected),
        ticks(row.slippage_ticks, decimals=2),
        ticks(row.slippage_expected_ticks, decimals=2),
        ticks(row.entry_cost_ticks, decimals=2),
        ticks(row.exit_cost_ticks, decimals=2),
        ticks(row.commission_ticks, sign=False, decimals=2),
        *(_drift(row.adverse, ms) for ms in HORIZONS_MS),
        _drift(row.missed, HORIZONS_MS[-1]),
    )
    return Row(referred(cells, ref))


def _drift(rows: Sequence[Drift], ms: int) -> Cell:
    mean = next((row.mean_ticks for row in rows if row.horizon_ms == ms), None)
    return Value(ticks(mean, decimals=2), numbers.tone_of(mean))


def _markouts(found: Microscope) -> Chart:
    """The mean drift after entries, by template."""
    names = [_horizon(ms) for ms in HORIZONS_MS]
    data: list[dict[str, Any]] = []
    rows = [row for row in found.templates if any(drift.count for drift in row.adverse)]
    for at, row in enumerate(rows):
        means = {drift.horizon_ms: drift for drift in row.adverse}
        shown = [means.get(ms) for ms in HORIZONS_MS]
        whole = not row.template
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": plain(row.template or "all", 16),
                "x": names,
                "y": [None if drift is None else drift.mean_ticks for drift in shown],
                "line": {"color": "@ink" if whole else _LINES[at % len(_LINES)], "width": 2.4 if whole else 1.4},
                "marker": {"size": 6},
                "hovertemplate": "%{fullData.name}, %{x}: %{y:+.2f} ticks<extra></extra>",
            }
        )
    return Chart(
        anchor="markouts",
        title="Where the mid went after our entries",
        told="Mean drift of the mid after entries at " + ", ".join(names) + ".",
        data=tuple(data),
        layout=layout(
            xaxis=axis("after the fill", type="category", showgrid=False),
            yaxis=axis("ticks, ours is up", zeroline=True),
            showlegend=True,
            legend=legend(),
            margin={"l": 54, "r": 14, "t": 30, "b": 42, "pad": 2},
        ),
        height_px=300,
        half=True,
    )


def _latency(trades: Sequence[TradeScope]) -> Chart:
    """From the decision to the fill, trade by trade, on a scale of powers of ten."""
    rows = [row for row in trades if row.way.log_fill_ns is not None][:_TRADES_DRAWN_MAX]
    simulated = all(row.way.simulated for row in rows)
    parts: tuple[tuple[str, str, str, Callable[[TradeScope], int | None]], ...] = (
        ("to the first answer", "@sky", "circle", lambda row: row.way.log_ack_ns),
        ("to the fill", "@long", "diamond", lambda row: row.way.log_fill_ns),
        ("to the wire", "@green", "square", lambda row: row.way.write_ns),
    )
    data: list[dict[str, Any]] = []
    for name, colour, symbol, taken in parts:
        told = [(row, ns) for row in rows if (ns := taken(row)) is not None and ns > 0]
        if told:
            data.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": name,
                    "x": [numbers.plot_ms(row.entry_ts_ns) for row, _ in told],
                    "y": [ns / NS_PER_MS for _, ns in told],
                    "marker": {"color": colour, "symbol": symbol, "size": 6.5, "opacity": 0.85},
                    "text": [f"{plain(row.trade_id)}: {numbers.held(ns)} {name}" for row, ns in told],
                    "customdata": [trade_anchor(row.log, row.trade_id) for row, _ in told],
                    "hovertemplate": "%{text}<extra></extra>",
                }
            )
    return Chart(
        anchor="latency",
        title="From the decision" + (", as the simulator models it" if simulated else ""),
        told=f"How long {len(rows)} entries took from the decision to answer and fill.",
        data=tuple(data),
        layout=layout(
            xaxis=axis(type="date", tickformat="%H:%M"),
            yaxis=axis("ms", type="log", dtick=1),
            showlegend=True,
            legend=legend(),
            margin={"l": 60, "r": 14, "t": 30, "b": 38, "pad": 2},
        ),
        height_px=300,
        half=True,
        note="A resting entry waits for the market; its time to the fill is not latency.",
    )


def scope_details(row: TradeScope) -> list[tuple[str, Cell]]:
    """What the microscope says about one trade."""
    way = row.way
    kind = " (modelled)" if way.simulated else ""
    found: list[tuple[str, Cell]] = [
        (f"decision to answer{kind}", _ns(way.log_ack_ns)),
        (f"decision to fill{kind}", _ns(way.log_fill_ns)),
    ]
    if way.write_ns is not None:
        found += [
            ("decision to wire", _ns(way.write_ns)),
            ("wire to answer, to fill", f"{_ns(way.ack_ns)}, {_ns(way.fill_ns)}"),
        ]
    found += [
        ("entry, exit against the mid", f"{ticks(row.entry_cost_ticks)}, {ticks(row.exit_cost_ticks)} ticks"),
        ("commission", f"{ticks(row.commission_ticks, sign=False)} ticks"),
        ("after the entry", _marks(row.entry_markouts)),
        ("after the exit", _marks(row.exit_markouts)),
    ]
    for name, excess in (("worst", row.mae), ("best", row.mfe)):
        if excess is not None:
            when = "" if excess.ts_ns is None else f" after {numbers.held(excess.ts_ns - row.entry_ts_ns)}"
            seq = f", seq {excess.seq}" if excess.seq else ""
            found.append((f"{name} by the quotes", f"{number(excess.ticks, 1)} ticks{when}{seq}"))
    return found


def _marks(rows: Sequence[Markout]) -> str:
    return " · ".join(f"{_horizon(row.horizon_ms)} {ticks(row.ticks)}" for row in rows)


def _ns(duration_ns: int | None) -> str:
    return numbers.NONE if duration_ns is None else numbers.held(duration_ns)
