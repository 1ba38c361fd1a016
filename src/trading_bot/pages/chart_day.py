"""The day as one chart: price with entries and exits, what held entries up, both scores, equity, on one time axis."""

import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

from trading_bot.domain.orders import Side
from trading_bot.domain.units import NS_PER_MIN
from trading_bot.pages import numbers
from trading_bot.pages.day_lanes import EVENT_ROWS, Lane, event_marks, lanes_of, low_quality_shapes
from trading_bot.pages.figure import axis, layout, legend, lines, plain, rule, trade_anchor
from trading_bot.pages.numbers import plot_ms
from trading_bot.pages.page import Chart
from trading_bot.reports.day_records import DayLedger, Point
from trading_bot.reports.fact_records import TradeFact
from trading_bot.research.day_regimes import RegimeSpan

GAP_NS: Final = 3 * NS_PER_MIN  # without a quote for longer, the price is not drawn through
_LANE_PX: Final = 19
_PRICE_PX, _SCORES_PX, _EQUITY_PX, _BETWEEN_PX = 400, 110, 130, 30
_TOP_PX, _BOTTOM_PX = 46, 32
_EVENT_ROW_PX: Final = 16
_FINE_POINTS: Final = 8  # a day in fewer points shows quarters
_SHORT_MS: Final = 600_000  # an axis of less names minutes more than once


class _Mark(NamedTuple):
    label: str
    symbol: str
    colour: str
    size: float = 9.5


_EXITS: Final = {
    "TARGET": _Mark("target", "circle", "@green"),
    "STOP": _Mark("stop", "x", "@orange"),
    "TRAILING": _Mark("trailing stop", "cross", "@orange"),
    "TIME": _Mark("time stop", "square", "@ink"),
    "THESIS": _Mark("thesis gone", "diamond", "@amber"),
    "VOLATILITY": _Mark("volatility", "hexagon", "@amber"),
    "QUALITY": _Mark("quality", "pentagon", "@amber"),
    "SESSION": _Mark("session end", "diamond-tall", "@ink"),
    "KILL": _Mark("kill", "star", "@ink"),
}
_OTHER: Final = _Mark("other exit", "triangle-down-open", "@muted")

_SIZES: Final = ((60, 9.5), (150, 7.5), (sys.maxsize, 6.0))  # up to so many trades: larger marks would cover the price


def day_chart(ledger: DayLedger, trades: Sequence[TradeFact], regimes: Sequence[RegimeSpan]) -> Chart:
    """The whole day. `trades` are those of the ledger with their records, `regimes` may be empty."""
    lanes = lanes_of(ledger, regimes)
    tick = ledger.tick_size_points
    panels = _Panels(len(lanes))
    data = [_price(ledger)]
    data += _trades(trades, tick)
    data += [_lane(lane, row, len(lanes)) for row, lane in enumerate(lanes)]
    data += _scores(ledger)
    data += _equity(ledger)
    shapes, marks = event_marks(ledger)
    return Chart(
        anchor="day-chart",
        title="Price, trades and what held entries up",
        told=f"Price of {ledger.instrument} over the day with {len(trades)} trades, scores and equity.",
        data=tuple(data),
        layout=_layout(ledger, panels, lanes, [*low_quality_shapes(ledger), *shapes], marks),
        narrow={
            "annotations": [],
            "margin": {"l": 46, "r": 8, "t": 96, "b": 40},
            "xaxis": {"nticks": 5},
            "legend": {"font": {"size": 10.5}},
        },
        height_px=panels.height_px,
        note="Drag over a stretch to look closer, double-click to see the whole day again; a click on a trade leads to "
        "its row. Shaded: a score below its entry gate or data down. Dotted in the scores: the entry gates of data "
        "(blue) and execution (violet), the kill gate (red). Times are New York's.",
    )


class _Panels:
    """Where each panel lies, as shares of the height that the margins leave."""

    def __init__(self, lanes: int) -> None:
        inside = [_PRICE_PX, lanes * _LANE_PX, _SCORES_PX, _EQUITY_PX]
        total = sum(inside) + _BETWEEN_PX * (len(inside) - 1)
        self.height_px = total + _TOP_PX + _BOTTOM_PX
        self.domains: list[list[float]] = []
        top = 0.0
        for height in inside:
            self.domains.append([max(1 - (top + height) / total, 0.0), 1 - top / total])
            top += height + _BETWEEN_PX


def _layout(
    ledger: DayLedger,
    panels: _Panels,
    lanes: Sequence[Lane],
    shapes: list[dict[str, Any]],
    marks: list[dict[str, Any]],
) -> dict[str, Any]:
    price, lane, scores, equity = panels.domains
    gates = ledger.gates
    if gates is not None:
        for value, colour in ((gates.dvs_entry_c, "@long"), (gates.eqs_entry_c, "@purple"), (gates.dvs_kill_c, "@bad")):
            line = rule(value / 100, vertical=False, colour=f"{colour}/0.7" if colour != "@bad" else colour)
            shapes.append({**line, "yref": "y3"})
    span = [plot_ms(ledger.ts_first_ns), plot_ms(max(ledger.ts_last_ns, ledger.ts_first_ns + 10**9))]
    names = [plain(lane.name, 18) for lane in lanes]
    return layout(
        margin={"l": 62, "r": 18, "t": _TOP_PX, "b": _BOTTOM_PX, "pad": 2},
        showlegend=True,
        legend=legend(y=1.0, yref="container", yanchor="top"),
        barmode="overlay",
        bargap=0,
        hoverdistance=12,
        xaxis=axis(
            type="date", range=span, anchor="y4", tickformat="%H:%M" if span[1] - span[0] > _SHORT_MS else "%H:%M:%S",
            hoverformat="%H:%M:%S", showspikes=True,
            spikemode="across", spikethickness=1, spikedash="dot", spikecolor="@faint", spikesnap="cursor",
        ),
        yaxis=axis(
            "index points", domain=price, range=_price_range(ledger, len(marks)),
            tickformat=",.2f" if _span_points(ledger) < _FINE_POINTS else ",.0f",
        ),
        yaxis2=axis(
            domain=lane, range=[-0.5, len(lanes) - 0.5], tickvals=list(range(len(lanes))), ticktext=names[::-1],
            showgrid=False, fixedrange=True, tickfont={"size": 11},
        ),
        yaxis3=axis("score", domain=scores, range=[-0.04, 1.06], tickvals=[0, 0.5, 1], fixedrange=True),
        yaxis4=axis("USD", domain=equity, zeroline=True, tickformat=",.0f"),
        shapes=shapes,
        annotations=marks,
    )  # fmt: skip


def _span_points(ledger: DayLedger) -> float:
    values = [point.value for point in ledger.price]
    return (max(values) - min(values)) * ledger.tick_size_points if values else 0.0


def _price_range(ledger: DayLedger, marks: int) -> list[float] | None:
    """From the lowest to the highest price with room above for the names of events."""
    values = [point.value * ledger.tick_size_points for point in ledger.price]
    if not values:
        return None
    low, high = min(values), max(values)
    span = max(high - low, ledger.tick_size_points)
    above = (0.05 + EVENT_ROWS * _EVENT_ROW_PX / _PRICE_PX) if marks else 0.06
    return [low - 0.06 * span, high + above * span]


def _price(ledger: DayLedger) -> dict[str, Any]:
    """The mid; a line ends where no quote came for three minutes."""
    x: list[float | None] = []
    y: list[float | None] = []
    for point, after in pairwise([*ledger.price, None]):
        assert point is not None
        x.append(plot_ms(point.ts_ns))
        y.append(round(point.value * ledger.tick_size_points, 4))
        if after is not None and after.ts_ns - point.ts_ns > GAP_NS:
            x.append(plot_ms(point.ts_ns + 1_000_000))
            y.append(None)
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "mid price",
        "x": x,
        "y": y,
        "line": {"color": "@price", "width": 1.2, "simplify": False},
        "hovertemplate": "%{x|%H:%M:%S}  %{y:,.3~f}<extra></extra>",
    }


def _trades(trades: Sequence[TradeFact], tick: float) -> list[dict[str, Any]]:
    """A line for each trade, blue where it earned; triangles where it began, marks of its end by the reason."""
    size = next(size for count, size in _SIZES if len(trades) <= count)
    found = [
        _legs([row for row in trades if row.win], tick, "@long"),
        _legs([row for row in trades if not row.win], tick, "@orange"),
    ]
    for side, name, symbol, colour in (
        (Side.BUY, "long entry", "triangle-up", "@long"),
        (Side.SELL, "short entry", "triangle-up", "@short"),
    ):
        rows = [row for row in trades if row.side is side]
        if rows:
            at = [(row.entry_ts_ns, row.entry_ticks) for row in rows]
            trace = _marks(rows, at, tick, _Mark(f"{name} ({len(rows)})", symbol, colour, size))
            # Beside the price they were filled at, turned about so that they point at it.
            trace["marker"] |= {"standoff": 9, "angle": 0 if side is Side.BUY else 180}
            sample = {"x": [None], "y": [None], "text": [""], "customdata": [""]}
            found += [
                {**trace, "showlegend": False},
                {**trace, **sample, "marker": _upright(trace["marker"], symbol, side)},
            ]
    for reason in dict.fromkeys(row.exit_reason for row in trades):
        rows = [row for row in trades if row.exit_reason == reason]
        mark = _EXITS.get(reason, _OTHER._replace(label=plain(reason.lower().replace("_", " "), 20)))
        at = [(row.exit_ts_ns, row.exit_ticks) for row in rows]
        found.append(_marks(rows, at, tick, mark._replace(label=f"{mark.label} ({len(rows)})", size=size)))
    return [trace for trace in found if trace["x"]]


def _upright(marker: dict[str, Any], symbol: str, side: Side) -> dict[str, Any]:
    """The mark of an entry as the legend shows it, where there is no price to stand beside."""
    return {**marker, "standoff": 0, "angle": 0, "symbol": symbol if side is Side.BUY else "triangle-down"}


def _legs(rows: Sequence[TradeFact], tick: float, colour: str) -> dict[str, Any]:
    x: list[float | None] = []
    y: list[float | None] = []
    for row in rows:
        x += [plot_ms(row.entry_ts_ns), plot_ms(row.exit_ts_ns), None]
        y += [row.entry_ticks * tick, row.exit_ticks * tick, None]
    return {
        "type": "scatter",
        "mode": "lines",
        "x": x,
        "y": y,
        "line": {"color": colour, "width": 1.6},
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _marks(rows: Sequence[TradeFact], at: Sequence[tuple[int, int]], tick: float, mark: _Mark) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": mark.label,
        "x": [plot_ms(ts_ns) for ts_ns, _ in at],
        "y": [price * tick for _, price in at],
        "marker": {
            "symbol": mark.symbol,
            "color": mark.colour,
            "size": mark.size,
            "line": {"color": "@halo", "width": 1},
        },
        "text": [trade_text(row, tick) for row in rows],
        "customdata": [trade_anchor(row.log, row.trade_id) for row in rows],
        "hovertemplate": "%{text}<extra></extra>",
    }


def trade_text(row: TradeFact, tick: float) -> str:
    """A trade in the lines that are shown when it is pointed at, with its records."""
    side = "long" if row.side is Side.BUY else "short"
    kind = "  HYPOTHETICAL" if row.hypothetical else ""
    return lines(
        (
            f"<b>{plain(row.trade_id)}  {plain(row.template, 24)} {side} {row.qty}</b>",
            f"{numbers.clock(row.entry_ts_ns)} at {numbers.points(row.entry_ticks, tick)}",
            f"{numbers.clock(row.exit_ts_ns)} at {numbers.points(row.exit_ticks, tick)}, {plain(row.exit_reason)}",
            f"net {numbers.usd(row.net_uusd, sign=True)} USD after {numbers.held(row.hold_ns)}{kind}",
            f"seq {plain(', '.join(map(str, row.seqs)), 70)}",
        )
    )


def _lane(lane: Lane, row: int, lanes: int) -> dict[str, Any]:
    starts = [plot_ms(part.start_ns) for part in lane.parts]
    widths = [(part.end_ns - part.start_ns) / 1_000_000 for part in lane.parts]
    colours = [part.colour for part in lane.parts]
    hints = [
        f"{plain(lane.name)}: {plain(part.label)}<br>{numbers.clock(part.start_ns)} to {numbers.clock(part.end_ns)}"
        f"<br>{numbers.held(part.end_ns - part.start_ns)}"
        for part in lane.parts
    ]
    return {
        "type": "bar",
        "orientation": "h",
        "y": [lanes - 1 - row] * len(lane.parts),
        "base": starts,
        "x": widths,
        "width": 0.72,
        "yaxis": "y2",
        "marker": {"color": colours, "line": {"color": colours, "width": 1}},
        "hovertext": hints,
        "hovertemplate": "%{hovertext}<extra></extra>",
        "showlegend": False,
    }


def _scores(ledger: DayLedger) -> list[dict[str, Any]]:
    rows = (
        ("data score", ledger.data_score, "@long", "solid"),
        ("execution score", ledger.execution_score, "@purple", "dash"),
    )
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "name": name,
            "x": [plot_ms(point.ts_ns) for point in shown],
            "y": [point.value / 100 for point in shown],
            "yaxis": "y3",
            "line": {"color": colour, "width": 1.4, "dash": dash, "shape": "hv"},
            "hovertemplate": f"{name} %{{y:.2f}}<br>%{{x|%H:%M:%S}}<extra></extra>",
            "showlegend": False,
        }
        for name, points, colour, dash in rows
        if (shown := _held(points, ledger.ts_last_ns))
    ]


def _held(points: Sequence[Point], last_ns: int) -> list[Point]:
    """A score stands until the next, the last one to the end."""
    return [*points, Point(last_ns, points[-1].value)] if points else []


def _equity(ledger: DayLedger) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for hypothetical, name in ((False, "equity"), (True, "equity, HYPOTHETICAL")):
        points = ledger.equity(hypothetical=hypothetical)
        if not points and hypothetical is not ledger.hypothetical:  # a day without trades has its line at zero
            continue
        shown = [Point(ledger.ts_first_ns, 0.0), *points, Point(ledger.ts_last_ns, points[-1].value if points else 0.0)]
        found.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": name,
                "x": [plot_ms(point.ts_ns) for point in shown],
                "y": [point.value for point in shown],
                "yaxis": "y4",
                "line": {
                    "color": "@ink",
                    "width": 1.5,
                    "shape": "hv",
                    "dash": "dot" if hypothetical and found else "solid",
                },
                "fill": "tozeroy",
                "fillcolor": "@orange/0.12" if shown[-1].value < 0 else "@long/0.12",
                "hovertemplate": f"{name} %{{y:,.2f}} USD<br>%{{x|%H:%M:%S}}<extra></extra>",
                "showlegend": False,
            }
        )
    return found
