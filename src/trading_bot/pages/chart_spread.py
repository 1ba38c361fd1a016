"""How trades were spread: what they earned, how long they were held, what they slipped, how far they went."""

from bisect import bisect_right
from collections.abc import Sequence
from math import floor, log10
from typing import Any, Final

import msgspec

from trading_bot.domain.units import NS_PER_S, usd_from_uusd
from trading_bot.pages import numbers
from trading_bot.pages.chart_day import trade_text
from trading_bot.pages.figure import axis, layout, legend, lines, plain, rule, trade_anchor
from trading_bot.pages.page import Chart
from trading_bot.reports.fact_records import TradeFact

BINS_MAX: Final = 24
_STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)
_TRADES_TOLD: Final = 8  # named where a bar is pointed at
_HEIGHT_PX: Final = 270
_HOLDS_S: Final = (0, 2, 5, 10, 30, 60, 120, 300, 600, 1200, 3600)
_SLIP_TICKS: Final = 2.5  # at least so far to both sides: one bar of zero slippage is no wall


def spread_charts(trades: Sequence[TradeFact], tick: float) -> tuple[Chart, ...]:
    """Four charts of the same trades; none without a trade."""
    if not trades:
        return ()
    return (_net(trades), _held(trades), _slipped(trades), _excursions(trades, tick))


def step_for(low: float, high: float, bins_max: int = BINS_MAX) -> float:
    """The smallest round width (1, 2, 2.5 or 5 times a power of ten) with at most `bins_max` bins from low to high."""
    span = max(high - low, 1e-9)
    power = 10.0 ** floor(log10(span / bins_max))
    return next(power * step for step in _STEPS if span / (power * step) <= bins_max)


def binned(values: Sequence[float], step: float, offset: float = 0.0) -> dict[int, list[int]]:
    """Positions of the values by the number of their bin; bin k begins at `k * step + offset`."""
    found: dict[int, list[int]] = {}
    for at, value in enumerate(values):
        found.setdefault(floor((value - offset) / step + 1e-9), []).append(at)
    return dict(sorted(found.items()))


def _net(trades: Sequence[TradeFact]) -> Chart:
    values = [usd_from_uusd(row.net_uusd) for row in trades]
    step = step_for(min(values), max(values))
    bins = binned(values, step)
    data = {
        "type": "bar",
        "x": [(k + 0.5) * step for k in bins],
        "y": [len(members) for members in bins.values()],
        "width": step * 0.94,
        "marker": {"color": ["@orange" if k < 0 else "@long" for k in bins]},
        "hovertext": [
            _hint(trades, members, f"{_plus(k * step)} to {_plus((k + 1) * step)} USD") for k, members in bins.items()
        ],
        "hovertemplate": "%{hovertext}<extra></extra>",
    }
    mean = sum(values) / len(values)
    return _chart("spread-net", "Net of a trade", values, data, axis("USD", showgrid=False), "USD", mean)


def _held(trades: Sequence[TradeFact]) -> Chart:
    """By classes that grow: a scalp of two seconds and a hold of ten minutes both have to be seen."""
    values = [row.hold_ns / NS_PER_S for row in trades]
    classes: dict[int, list[int]] = {}
    for at, value in enumerate(values):
        classes.setdefault(bisect_right(_HOLDS_S, value) - 1, []).append(at)
    places = range(min(classes), max(classes) + 1)
    names = [_class_name(place) for place in places]
    members = [classes.get(place, []) for place in places]
    data = {
        "type": "bar",
        "x": names,
        "y": [len(found) for found in members],
        "marker": {"color": "@sky"},
        "hovertext": [_hint(trades, found, name) for found, name in zip(members, names, strict=True)],
        "hovertemplate": "%{hovertext}<extra></extra>",
    }
    shown = axis(showgrid=False, type="category", tickfont={"size": 11})
    return _chart("spread-hold", "Time held", values, data, shown, "s", None)


def _class_name(place: int) -> str:
    low, unit = _short(_HOLDS_S[place])
    if place + 1 == len(_HOLDS_S):
        return f"over {low} {unit}"
    high, high_unit = _short(_HOLDS_S[place + 1])
    return f"{low}\N{EN DASH}{high} {unit}" if unit == high_unit else f"{low} {unit}\N{EN DASH}{high} {high_unit}"


def _short(seconds: int) -> tuple[int, str]:
    """In minutes from two minutes on, so that most classes name their unit once."""
    return (seconds, "s") if seconds <= 60 else (seconds // 60, "min")


def _slipped(trades: Sequence[TradeFact]) -> Chart:
    """One bar a tick, with what the decisions expected."""
    values = [row.slippage_ticks for row in trades]
    expected = sum(row.slippage_expected_ticks for row in trades) / len(trades)
    bins = binned(values, 1.0, -0.5)
    data = {
        "type": "bar",
        "x": list(bins),
        "y": [len(members) for members in bins.values()],
        "width": 0.9,
        "marker": {"color": "@sky"},
        "hovertext": [_hint(trades, members, f"{_plus(k)} ticks") for k, members in bins.items()],
        "hovertemplate": "%{hovertext}<extra></extra>",
    }
    low, high = min(-_SLIP_TICKS, min(values) - 1), max(_SLIP_TICKS, max(values) + 1)
    shown = axis(
        "ticks, positive is worse", showgrid=False, range=[low, high], dtick=1 if high - low < BINS_MAX else None
    )
    chart = _chart("spread-slip", "Slippage of a trade", values, data, shown, "ticks", expected)
    return _noted(chart, f"{_told(values, 'ticks')} Dashed: {numbers.number(expected)} were expected.")


def _chart(
    anchor: str,
    title: str,
    values: Sequence[float],
    data: dict[str, Any],
    shown: dict[str, Any],
    unit: str,
    dashed: float | None,
) -> Chart:
    return Chart(
        anchor=anchor,
        title=title,
        told=f"{title}: {_told(values, unit)}",
        data=(data,),
        layout=layout(
            xaxis=shown,
            yaxis=axis("trades", tickformat=",d", nticks=5, rangemode="tozero"),
            shapes=[] if dashed is None else [rule(dashed, vertical=True, colour="@ink", dash="dash")],
        ),
        height_px=_HEIGHT_PX,
        half=True,
        note=_told(values, unit) + (" Dashed: the mean." if dashed is not None else ""),
    )


def _noted(chart: Chart, note: str) -> Chart:
    return msgspec.structs.replace(chart, note=note)


def _told(values: Sequence[float], unit: str) -> str:
    ordered = sorted(values)
    mean = sum(values) / len(values)
    median = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
    texts = [numbers.number(value) for value in (mean, median, ordered[0], ordered[-1])]
    return f"Mean {texts[0]}, median {texts[1]}, from {texts[2]} to {texts[3]} {unit}."


def _hint(trades: Sequence[TradeFact], members: Sequence[int], where: str) -> str:
    more = len(members) - _TRADES_TOLD
    return lines(
        (
            f"<b>{len(members)} trade{'' if len(members) == 1 else 's'}</b>",
            where,
            plain(", ".join(trades[at].trade_id for at in members[:_TRADES_TOLD]))
            + (f" and {more} more" if more > 0 else ""),
        )
    )


def _plus(value: float) -> str:
    return f"{numbers.MINUS if value < 0 else ''}{abs(value):g}"


def _excursions(trades: Sequence[TradeFact], tick: float) -> Chart:
    """How far each trade went against us and for us, before it ended as it did."""
    known = [row for row in trades if row.mae_ticks is not None and row.mfe_ticks is not None]
    data: list[dict[str, Any]] = []
    for name, colour, symbol, rows in (
        ("earned", "@long", "circle", [row for row in known if row.win]),
        ("did not", "@orange", "x", [row for row in known if not row.win]),
    ):
        if rows:
            data.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": f"{name} ({len(rows)})",
                    "x": [row.mae_ticks for row in rows],
                    "y": [row.mfe_ticks for row in rows],
                    "marker": {"color": colour, "symbol": symbol, "size": 8, "opacity": 0.6},
                    "cliponaxis": False,
                    "text": [
                        f"{trade_text(row, tick)}<br>against {row.mae_ticks:g}, for {row.mfe_ticks:g} ticks"
                        for row in rows
                    ],
                    "customdata": [trade_anchor(row.log, row.trade_id) for row in rows],
                    "hovertemplate": "%{text}<extra></extra>",
                }
            )
    far = max((value for row in known for value in (row.mae_ticks or 0, row.mfe_ticks or 0)), default=0.0)
    unknown = len(trades) - len(known)
    return Chart(
        anchor="spread-excursions",
        title="How far trades went",
        told=f"Largest move against and for each of {len(known)} trades.",
        data=tuple(data),
        layout=layout(
            xaxis=axis("against us (MAE), ticks", range=[-0.5, far + 1]),
            yaxis=axis("for us (MFE), ticks", range=[-0.5, far + 1], nticks=6),
            showlegend=True,
            legend=legend(),
            margin={"l": 54, "r": 14, "t": 30, "b": 42, "pad": 2},
        ),
        height_px=_HEIGHT_PX,
        half=True,
        note=(f"{unknown} trades without a price while open are left out. " if unknown else "")
        + "A cross far up and to the left went well and was given back.",
    )
