"""Money as charts: equity and drawdown trade by trade, and how the expected edge became what was left."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from trading_bot.domain.units import usd_from_uusd
from trading_bot.pages import numbers
from trading_bot.pages.chart_day import trade_text
from trading_bot.pages.figure import axis, layout, lines, plain, trade_anchor
from trading_bot.pages.page import Chart
from trading_bot.reports.fact_records import TradeFact

_GAP: Final = 0.09
_FEW: Final = 60  # trades whose dots have room beside each other
_FEW_TICKS: Final = 6  # trades below which an axis would name halves of one
_TOLD_MAX: Final = 400  # trades that are told in full where they are pointed at


class Step(NamedTuple):
    """A step of the waterfall; a `total` stands on zero."""

    name: str
    amount_uusd: int
    hint: str
    total: bool = False


def equity_chart(trades: Sequence[TradeFact], tick: float, *, anchor: str, hypothetical: bool) -> Chart:
    """Net after each trade in the order of their ends, and below it how far that is from its peak."""
    rows = sorted(trades, key=lambda row: (row.exit_ts_ns, row.closed_seq))
    equity_uusd, peak_uusd, equity, drawdown = 0, 0, [0.0], [0.0]
    for row in rows:
        equity_uusd += row.net_uusd
        peak_uusd = max(peak_uusd, equity_uusd)
        equity.append(usd_from_uusd(equity_uusd))
        drawdown.append(usd_from_uusd(equity_uusd - peak_uusd))
    count = list(range(len(equity)))
    few = len(rows) <= _TOLD_MAX
    hints = ["before the first trade", *(trade_text(row, tick) if few else plain(row.trade_id) for row in rows)]
    anchors = ["", *(trade_anchor(row.log, row.trade_id) for row in rows)]
    common: dict[str, Any] = {
        "type": "scatter",
        "x": count,
        "hovertemplate": "%{meta}: %{y:,.2f} USD after %{x} trades<extra></extra>",
    }
    told = {"text": hints, "customdata": anchors, "hovertemplate": "%{text}<br>%{meta}: %{y:,.2f} USD<extra></extra>"}
    dots = {"size": 5, "color": ["@faint", *("@long" if row.win else "@orange" for row in rows)]}
    return Chart(
        anchor=anchor,
        title="Equity and drawdown" + (", HYPOTHETICAL" if hypothetical else ""),
        told=f"Equity after each of {len(rows)} trades, {numbers.usd(equity_uusd, sign=True)} USD at the end.",
        data=(
            {
                **common,
                **told,
                "mode": "lines+markers" if len(rows) <= _FEW else "lines",
                "meta": "equity",
                "y": equity,
                "line": {"color": "@ink", "width": 1.6, "shape": "hv"},
                "marker": dots,
            },
            {
                **common,
                "mode": "lines",
                "meta": "below the peak",
                "y": drawdown,
                "yaxis": "y2",
                "line": {"color": "@orange", "width": 1.3, "shape": "hv"},
                "fill": "tozeroy",
                "fillcolor": "@orange/0.18",
            },
        ),
        layout=layout(
            xaxis=axis(
                "trades", anchor="y2", rangemode="tozero", tickformat=",d", dtick=1 if len(rows) < _FEW_TICKS else None
            ),
            yaxis=axis("USD", domain=[0.36 + _GAP, 1], zeroline=True, tickformat=",.0f"),
            yaxis2=axis("from peak", domain=[0, 0.36], zeroline=True, tickformat=",.0f"),
        ),
        height_px=380,
        half=True,
    )


def waterfall_chart(steps: Sequence[Step], *, anchor: str, title: str, note: str = "") -> Chart:
    """Amounts that lead from one total to another, each standing on what was before it."""
    base, heights, colours, labels, running_uusd = [], [], [], [], 0
    for step in steps:
        if step.total:
            low_uusd, height_uusd = 0, step.amount_uusd
            running_uusd = step.amount_uusd
        else:
            low_uusd, height_uusd = running_uusd, step.amount_uusd
            running_uusd += step.amount_uusd
        base.append(usd_from_uusd(low_uusd))
        heights.append(usd_from_uusd(height_uusd))
        colours.append("@ink" if step.total else "@long" if step.amount_uusd >= 0 else "@orange")
        labels.append(numbers.usd(step.amount_uusd, sign=True))
    names = [plain(step.name, 28).replace(" ", "<br>") for step in steps]
    hints = [lines((f"<b>{name}</b>", f"{label} USD", plain(step.hint, 160))) for name, label, step in
             zip(names, labels, steps, strict=True)]  # fmt: skip
    return Chart(
        anchor=anchor,
        title=title,
        told="; ".join(f"{step.name} {numbers.usd(step.amount_uusd, sign=True)} USD" for step in steps),
        data=(
            {
                "type": "bar",
                "x": names,
                "y": heights,
                "base": base,
                "marker": {"color": colours},
                "text": labels,
                "textposition": "outside",
                "textangle": 0,
                "constraintext": "none",
                "cliponaxis": False,
                "textfont": {"size": 10.5, "color": "@ink"},
                "hovertext": hints,
                "hovertemplate": "%{hovertext}<extra></extra>",
                "width": 0.62,
            },
        ),
        layout=layout(
            xaxis=axis(showgrid=False, tickangle=0, tickfont={"size": 11.5}),
            yaxis=axis("USD", zeroline=True, tickformat=",.0f"),
            margin={"l": 58, "r": 14, "t": 26, "b": 46, "pad": 2},
        ),
        narrow={"xaxis": {"tickangle": -45, "tickfont": {"size": 9.5}}, "margin": {"l": 50, "r": 8, "t": 26, "b": 70}},
        narrow_trace={
            "text": [_whole(step.amount_uusd) for step in steps],
            "x": [plain(step.name, 28) for step in steps],
            "textfont": {"size": 9},
        },
        height_px=380,
        half=True,
        note=note,
    )


def _whole(amount_uusd: int) -> str:
    """Whole dollars, for a chart that has room for no more."""
    return numbers.number(usd_from_uusd(amount_uusd), 0, sign=True)
