"""How trades were spread: what they earned, how long they were held, what they slipped, how far they went."""

from collections.abc import Callable, Sequence
from math import floor, log10
from typing import Any, Final

from trading_bot.domain.units import NS_PER_S, usd_from_uusd
from trading_bot.pages.chart_day import trade_text
from trading_bot.pages.figure import axis, layout, legend, lines, plain, rule
from trading_bot.pages.page import Chart
from trading_bot.reports.fact_records import TradeFact

BINS_MAX: Final = 24
_STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)
_TRADES_TOLD: Final = 8  # named where a bar is pointed at
_HEIGHT_PX: Final = 270


def spread_charts(trades: Sequence[TradeFact], tick: float) -> tuple[Chart, ...]:
    """Four charts of the same trades; none without a trade."""
    if not trades:
        return ()
    slipped = [row for row in trades if row.entry_slippage_ticks is not None]
    charts = [
        _histogram(
            trades,
            lambda row: usd_from_uusd(row.net_uusd),
            anchor="spread-net",
            title="Net of a trade",
            unit="USD",
            split_at_zero=True,
        ),
        _histogram(
            trades, lambda row: row.hold_ns / NS_PER_S, anchor="spread-hold", title="Time held", unit="s", floor_at=0.0
        ),
    ]
    if slipped:
        charts.append(
            _histogram(
                slipped,
                lambda row: row.entry_slippage_ticks or 0.0,
                anchor="spread-slip",
                title="Slippage of the entry",
                unit="ticks, positive is worse",
                step_min=1.0,
                centred=True,
            )
        )
    charts.append(_excursions(trades, tick))
    return tuple(charts)


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


def _histogram(
    trades: Sequence[TradeFact],
    value: Callable[[TradeFact], float],
    *,
    anchor: str,
    title: str,
    unit: str,
    split_at_zero: bool = False,
    step_min: float = 0.0,
    centred: bool = False,
    floor_at: float | None = None,
) -> Chart:
    values = [value(row) for row in trades]
    low = min(values) if floor_at is None else floor_at
    step = max(step_for(low, max(values)), step_min)
    offset = -step / 2 if centred else 0.0
    bins = binned(values, step, offset)
    middles = [(k + 0.5) * step + offset for k in bins]
    hints = [
        lines(
            (
                f"<b>{len(members)} trade{'s' if len(members) > 1 else ''}</b>",
                f"{k * step + offset:g} to {(k + 1) * step + offset:g} {unit.split(',', maxsplit=1)[0]}",
                plain(", ".join(trades[at].trade_id for at in members[:_TRADES_TOLD]))
                + (f" and {len(members) - _TRADES_TOLD} more" if len(members) > _TRADES_TOLD else ""),
            )
        )
        for k, members in bins.items()
    ]
    colours = ["@orange" if middle < 0 else "@long" for middle in middles] if split_at_zero else "@sky"
    mean = sum(values) / len(values)
    ordered = sorted(values)
    median = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
    return Chart(
        anchor=anchor,
        title=title,
        told=f"{title}: mean {mean:.2f}, median {median:.2f} {unit}, from {ordered[0]:.2f} to {ordered[-1]:.2f}.",
        data=(
            {
                "type": "bar",
                "x": middles,
                "y": [len(members) for members in bins.values()],
                "width": step * 0.94,
                "marker": {"color": colours},
                "hovertext": hints,
                "hovertemplate": "%{hovertext}<extra></extra>",
            },
        ),
        layout=layout(
            xaxis=axis(unit, showgrid=False),
            yaxis=axis("trades", tickformat=",d", nticks=5),
            shapes=[rule(mean, vertical=True, colour="@ink", dash="dash")],
        ),
        height_px=_HEIGHT_PX,
        half=True,
        note=f"Mean {mean:,.2f} (dashed), median {median:,.2f}, from {ordered[0]:,.2f} to {ordered[-1]:,.2f}.".replace(
            "-", "\N{MINUS SIGN}"
        ),
    )


def _excursions(trades: Sequence[TradeFact], tick: float) -> Chart:
    """How far each trade went against us and for us, before it ended as it did."""
    known = [row for row in trades if row.mae_ticks is not None and row.mfe_ticks is not None]
    data: list[dict[str, Any]] = []
    for name, colour, symbol, rows in (
        ("earned", "@long", "circle", [row for row in known if row.win]),
        ("lost", "@orange", "x", [row for row in known if not row.win]),
    ):
        if rows:
            data.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": f"{name} ({len(rows)})",
                    "x": [row.mae_ticks for row in rows],
                    "y": [row.mfe_ticks for row in rows],
                    "marker": {"color": colour, "symbol": symbol, "size": 8, "opacity": 0.8},
                    "text": [
                        f"{trade_text(row, tick)}<br>against {row.mae_ticks:g}, for {row.mfe_ticks:g} ticks"
                        for row in rows
                    ],
                    "customdata": [f"trade-{row.run_id}-{row.trade_id}" for row in rows],
                    "hovertemplate": "%{text}<extra></extra>",
                }
            )
    unknown = len(trades) - len(known)
    return Chart(
        anchor="spread-excursions",
        title="How far trades went",
        told=f"Largest move against and for each of {len(known)} trades.",
        data=tuple(data),
        layout=layout(
            xaxis=axis("against us (MAE), ticks", rangemode="tozero"),
            yaxis=axis("for us (MFE), ticks", rangemode="tozero"),
            showlegend=True,
            legend=legend(y=1.0),
            margin={"l": 54, "r": 14, "t": 30, "b": 42, "pad": 2},
        ),
        height_px=_HEIGHT_PX,
        half=True,
        note=f"{unknown} trades without a price while open are left out." if unknown else "",
    )
