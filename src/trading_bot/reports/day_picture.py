"""A trading day as one picture: price with entries and exits, what stopped entries, both scores, equity.

matplotlib draws into a file through Agg; no display, no global state. Everything shown comes from a `DayLedger`, so
from the log alone (docs/reports.md says how to read it).
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from trading_bot.domain.errors import UsageError
from trading_bot.domain.orders import Side
from trading_bot.domain.units import NS_PER_MIN, NS_PER_S, usd_from_uusd
from trading_bot.reports import day_spans
from trading_bot.reports.day_frame import (
    AMBER,
    BLACK,
    BLUE,
    DPI,
    EVENT_ROW_PX,
    GREEN,
    HEIGHT_PX,
    INK,
    LEFT,
    MUTED,
    ORANGE,
    PRICE,
    PURPLE,
    RIGHT,
    TEMPLATE_CHARS_MAX,
    WIDTH_PX,
    Clock,
    Page,
    cut,
    heading,
    height_px,
    mark_events,
    panel_title,
    panels,
    place_events,
    shade,
    style,
    text_width,
    time_axis,
)
from trading_bot.reports.day_records import DayLedger, Point
from trading_bot.reports.day_tables import MINUS, signed_usd

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class _Mark(NamedTuple):
    """How an end of a trade is drawn."""

    label: str
    shape: str
    colour: str
    size: float


_EXITS: Final = {
    "TARGET": _Mark("target", "o", GREEN, 46),
    "STOP": _Mark("stop", "X", ORANGE, 56),
    "TRAILING": _Mark("trailing stop", "P", ORANGE, 72),
    "TIME": _Mark("time stop", "s", INK, 38),
    "THESIS": _Mark("thesis gone", "D", AMBER, 34),
    "VOLATILITY": _Mark("volatility", "h", AMBER, 54),
    "QUALITY": _Mark("quality", "p", AMBER, 58),
    "SESSION": _Mark("session end", "d", BLACK, 60),
    "KILL": _Mark("kill", "*", BLACK, 110),
}
_PLURALS: Final = {"target": "targets", "stop": "stops", "trailing stop": "trailing stops", "time stop": "time stops"}
_OTHER: Final = _Mark("other exit", "v", MUTED, 40)
_MARKS_AT_FULL_SIZE: Final = 20
_MARGIN_PX: Final = 24
_GAP_NS: Final = 3 * NS_PER_MIN  # without a quote for longer, the price is not drawn through


def draw_day(ledger: DayLedger, path: Path | str, *, title: str = "") -> Path:
    """Write the PNG of a day, 1600 x 1000 pixels; `title` is instrument and date where empty.

    Raises:
        UsageError: matplotlib is not there, or `path` cannot be written.
    """
    figure = day_figure(ledger, title=title)
    from matplotlib import rc_context

    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with rc_context(style()):
            figure.savefig(target, format="png", dpi=DPI)
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror}; choose another path") from error
    return target


def day_figure(ledger: DayLedger, *, title: str = "") -> "Figure":
    """The picture before it is written, on an Agg canvas. Raises UsageError without matplotlib."""
    try:
        import matplotlib as mpl
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError("a picture needs matplotlib; install trading-bot[reports]") from error
    with mpl.rc_context(style()):
        figure = Figure(figsize=(WIDTH_PX / DPI, HEIGHT_PX / DPI), dpi=DPI)
        FigureCanvasAgg(figure)  # the figure keeps it
        page = Page(ledger, Clock(ledger.ts_first_ns), figure)
        lanes = _lanes(ledger)
        price, lane_axes, scores, equity = panels(figure, len(lanes))
        last_ns = max(ledger.ts_last_ns, ledger.ts_first_ns + NS_PER_S)
        for axes in (price, lane_axes, scores, equity):
            axes.set_xlim(page.clock.x(ledger.ts_first_ns), page.clock.x(last_ns))
        heading(page, title, summary_line(ledger))
        events = place_events(page, price)
        _draw_price(page, price, rows_above=max((event.row + 1 for event in events), default=0))
        _draw_lanes(page, lane_axes, lanes)
        _draw_scores(page, scores)
        _draw_equity(page, equity)
        shade(page, (price, scores))
        mark_events(events, price, (scores, equity))
        time_axis((price, lane_axes, scores), equity)
    return figure


def summary_line(ledger: DayLedger) -> str:
    """Trades, net, exits by reason and the longest time without a stop, as one line."""
    if not ledger.trades:
        return f"no trades  ·  decisions: {ledger.decisions:,}, entries sent: {ledger.entries:,}"
    count = len(ledger.trades)
    parts = [
        f"{count} trade{'s' if count > 1 else ''}",
        f"net {signed_usd(ledger.net_uusd)} USD after {usd_from_uusd(ledger.commission_uusd):,.2f} commission",
    ]
    for reason, number in ledger.exits_by_reason.items():
        label = _exit_mark(reason).label
        parts.append(f"{number} {_PLURALS.get(label, label) if number > 1 else label}")
    return "  ·  ".join([*parts, f"longest without a stop {round(ledger.naked_ms_max, 1):g} ms"])


def _draw_price(page: Page, axes: "Axes", *, rows_above: int) -> None:
    from matplotlib.lines import Line2D

    ledger, tick = page.ledger, page.ledger.tick_size_points
    xs, ys = _line(ledger.price, page.clock, tick)
    axes.plot(xs, ys, color=PRICE, linewidth=0.9, zorder=2)
    handles = [Line2D([], [], color=PRICE, linewidth=1.2, label="mid price"), *_draw_trades(page, axes)]
    _price_range(ledger, axes, rows_above)
    axes.set_ylabel("index points")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.2f}".removesuffix(".00"))
    axes.grid(axis="both")
    axes.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(-0.006, 1.0),
        ncols=len(handles),
        frameon=False,
        fontsize=9.5 * _fit(page, [handle.get_label() for handle in handles]),
        handletextpad=0.3,
        columnspacing=1.5,
        borderaxespad=0.2,
    )
    if not ledger.price and not ledger.trades:
        axes.set_yticks([])
    if not ledger.price:
        axes.text(0.5, 0.5, "no quotes in the log", transform=axes.transAxes, ha="center", color=MUTED, size=12)


def _draw_trades(page: Page, axes: "Axes") -> list[Any]:
    """Entries below (long) or above (short) their price, ends at it, a line between; returns the legend's handles."""
    ledger, clock, tick = page.ledger, page.clock, page.ledger.tick_size_points
    shrink = min(1.0, _MARKS_AT_FULL_SIZE / max(len(ledger.trades), 1)) ** 0.25
    handles = []
    for side, shape, colour, name in ((Side.BUY, "^", BLUE, "long"), (Side.SELL, "v", PURPLE, "short")):
        rows = [trade for trade in ledger.trades if trade.side is side]
        mark = _Mark(f"{name} entry ({len(rows)})", shape, colour, 58 * shrink)
        if rows:
            at = [(row.entry_ts_ns, row.entry_ticks * tick) for row in rows]
            _scatter(page, axes, at, mark, raised_points=-9 if side is Side.BUY else 9)
            handles.append(_handle(mark))
    for trade in ledger.trades:
        ends = [clock.x(trade.entry_ts_ns), clock.x(trade.exit_ts_ns)]
        prices = [trade.entry_ticks * tick, trade.exit_ticks * tick]
        axes.plot(ends, prices, color=BLUE if trade.net_uusd > 0 else ORANGE, linewidth=1.2, zorder=3)
    for reason, count in ledger.exits_by_reason.items():
        mark = _exit_mark(reason)
        mark = mark._replace(label=f"{mark.label} ({count})", size=mark.size * shrink)
        rows = [trade for trade in ledger.trades if trade.exit_reason == reason]
        _scatter(page, axes, [(row.exit_ts_ns, row.exit_ticks * tick) for row in rows], mark)
        handles.append(_handle(mark))
    return handles


def _price_range(ledger: DayLedger, axes: "Axes", rows_above: int) -> None:
    """Room for the marks, and above them for the names of what happened."""
    tick = ledger.tick_size_points
    values = [point.value * tick for point in ledger.price]
    values += [ticks * tick for trade in ledger.trades for ticks in (trade.entry_ticks, trade.exit_ticks)]
    if values:
        low, high = min(values), max(values)
        spread = max(high - low, 8 * tick)
        free_px = height_px(axes) - 2 * _MARGIN_PX - rows_above * EVENT_ROW_PX
        per_px = spread / max(free_px, 1.0)
        axes.set_ylim(low - _MARGIN_PX * per_px, high + (_MARGIN_PX + rows_above * EVENT_ROW_PX) * per_px)


def _fit(page: Page, names: Sequence[str]) -> float:
    """Factor on the size of a legend in one row so that it is no wider than the panels; marks and spaces take 54 px."""
    width = sum(text_width(page, name, 9.5) + 54 / WIDTH_PX for name in names)
    return min(1.0, (RIGHT - LEFT) / width)


def _exit_mark(reason: str) -> _Mark:
    return _EXITS.get(reason) or _OTHER._replace(label=reason.replace("_", " ").lower() or _OTHER.label)


def _scatter(
    page: Page, axes: "Axes", points: Sequence[tuple[int, float]], mark: _Mark, raised_points: float = 0.0
) -> None:
    from matplotlib.transforms import ScaledTranslation

    raised = ScaledTranslation(0.0, raised_points / 72, page.figure.dpi_scale_trans)
    axes.scatter(
        [page.clock.x(ts_ns) for ts_ns, _ in points],
        [value for _, value in points],
        marker=mark.shape,
        s=mark.size,
        c=mark.colour,
        edgecolors="white",
        linewidths=0.6,
        transform=axes.transData + raised,
        zorder=4,
    )


def _handle(mark: _Mark) -> Any:
    from matplotlib.lines import Line2D

    return Line2D(
        [], [], linestyle="", marker=mark.shape, color=mark.colour, markeredgecolor="white", label=mark.label,
        markersize=mark.size**0.5 + 1,
    )  # fmt: skip


def _line(points: Sequence[Point], clock: Clock, factor: float) -> tuple[list[float], list[float]]:
    """A curve that is broken where nothing came for long."""
    xs: list[float] = []
    ys: list[float] = []
    before_ns = points[0].ts_ns if points else 0
    for point in points:
        if point.ts_ns - before_ns > _GAP_NS:
            xs.append(clock.x(before_ns))
            ys.append(float("nan"))
        xs.append(clock.x(point.ts_ns))
        ys.append(point.value * factor)
        before_ns = point.ts_ns
    return xs, ys


def _lanes(ledger: DayLedger) -> list[tuple[str, str, list[day_spans.Stretch]]]:
    """Name, colour and stretches of what held entries up; only what there was, and the session always."""
    breakers = day_spans.breaker_stretches(ledger)
    lanes = [
        ("kill switch", ORANGE, day_spans.kill_stretches(ledger)),
        ("quality low", AMBER, day_spans.low_quality_stretches(ledger)),
        ("breaker", BLUE, [stretch for stretch in breakers if stretch.strong]),
        ("loss warning", BLUE, [stretch for stretch in breakers if not stretch.strong]),
    ]
    lanes += [
        (cut(name, TEMPLATE_CHARS_MAX), PURPLE, rows) for name, rows in day_spans.throttle_stretches(ledger).items()
    ]
    return [("session", MUTED, day_spans.session_stretches(ledger)), *(lane for lane in lanes if lane[2])]


def _draw_lanes(page: Page, axes: "Axes", lanes: Sequence[tuple[str, str, list[day_spans.Stretch]]]) -> None:
    left, right = axes.get_xlim()
    least = (right - left) / (WIDTH_PX * (RIGHT - LEFT)) * 2.0  # two pixels: the shortest stretch still shows
    for row, (_, colour, stretches) in enumerate(lanes):
        end_of_text = left
        for stretch in sorted(stretches):
            start = page.clock.x(stretch.start_ns)
            width = max(page.clock.x(stretch.end_ns) - start, least)
            alpha = 0.55 if stretch.strong else 0.22
            axes.broken_barh([(start, width)], (row + 0.12, 0.76), color=colour, alpha=alpha, linewidth=0)
            room = 1.12 * text_width(page, stretch.label, 8) * (right - left) / (RIGHT - LEFT)
            begin = max(start, left, end_of_text)
            if stretch.label and begin + room <= start + width:
                axes.text(begin + 0.06 * room, row + 0.5, stretch.label, size=8, va="center", clip_on=True)
                end_of_text = begin + room
    axes.set_ylim(len(lanes), 0)
    axes.set_yticks([row + 0.5 for row in range(len(lanes))], [name for name, _, _ in lanes])
    axes.tick_params(axis="y", length=0, labelsize=8.5)
    axes.set_facecolor("#f7f9fa")
    for side in axes.spines.values():
        side.set_visible(False)


def _draw_scores(page: Page, axes: "Axes") -> None:
    ledger, clock = page.ledger, page.clock
    shown = (("data", ledger.data_score, BLUE, "-"), ("execution", ledger.execution_score, PURPLE, (0, (5, 2))))
    for name, points, colour, dashes in shown:
        if points:
            xs = [*(clock.x(point.ts_ns) for point in points), clock.x(ledger.ts_last_ns)]
            ys = [*(point.value / 100 for point in points), points[-1].value / 100]
            axes.plot(
                xs, ys, drawstyle="steps-post", color=colour, linewidth=1.3, linestyle=dashes, label=name, zorder=3
            )
    axes.set_ylim(-0.03, 1.06)
    axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
    axes.grid(axis="x")
    axes.set_ylabel("score")
    gates: dict[tuple[float, str], str] = {}
    if ledger.gates is not None:
        for step in ("entry", "hold", "kill"):
            data, execution = (getattr(ledger.gates, f"{score}_{step}_c") / 100 for score in ("dvs", "eqs"))
            if data == execution:
                gates[data, MUTED] = f"{step} {data:.2f}"
            else:
                gates[data, BLUE], gates[execution, PURPLE] = f"{step} {data:.2f} data", f"{step} {execution:.2f} exec."
    for value, colour in gates:
        axes.axhline(value, color=colour, linewidth=0.9, linestyle=(0, (1, 2)), zorder=1)
    heights = _spread([value for value, _ in gates], 0.125)
    for ((_, colour), text), height in zip(gates.items(), heights, strict=True):
        axes.text(1.006, height, text, transform=axes.get_yaxis_transform(), size=8, color=colour, va="center")
    panel_title(axes, "data and execution score")
    if any(points for _, points, _, _ in shown):
        axes.legend(
            loc="lower right", bbox_to_anchor=(1.003, 0.985), ncols=2, frameon=False, fontsize=9, borderaxespad=0.0,
            handlelength=2.4,
        )  # fmt: skip


def _spread(values: Sequence[float], least: float) -> list[float]:
    """The values moved apart as little as it takes, so that texts at them do not overlap; the order stays."""
    order = sorted(range(len(values)), key=lambda index: -values[index])
    placed = dict.fromkeys(order, 0.0)
    above = float("inf")
    for index in order:
        above = placed[index] = min(values[index], above - least)
    return [placed[index] for index in range(len(values))]


def _draw_equity(page: Page, axes: "Axes") -> None:
    ledger, clock = page.ledger, page.clock
    first, last = clock.x(ledger.ts_first_ns), clock.x(ledger.ts_last_ns)
    kinds = [kind for kind in (False, True) if any(trade.hypothetical is kind for trade in ledger.trades)]
    for kind in kinds or [ledger.hypothetical]:
        points = ledger.equity(hypothetical=kind)
        xs = [first, *(clock.x(point.ts_ns) for point in points), last]
        ys = [0.0, *(point.value for point in points)]
        ys.append(ys[-1])
        dashes = (0, (5, 2)) if kind and len(kinds) > 1 else "-"
        axes.step(xs, ys, where="post", color=INK, linewidth=1.5, linestyle=dashes, zorder=3)
        axes.fill_between(xs, ys, step="post", where=[y >= 0 for y in ys], color=BLUE, alpha=0.13, linewidth=0)
        axes.fill_between(xs, ys, step="post", where=[y <= 0 for y in ys], color=ORANGE, alpha=0.13, linewidth=0)
        rises = [after > before for before, after in pairwise(ys[:-1])]
        colours = [BLUE if rise else ORANGE for rise in rises]
        axes.scatter(xs[1:-1], ys[1:-1], c=colours, s=16, edgecolors="white", linewidths=0.5, zorder=4)
        final = signed_usd(round(ys[-1] * 1_000_000))
        label = final + (" hyp." if kind and len(kinds) > 1 else "")
        axes.text(1.007, ys[-1], label, transform=axes.get_yaxis_transform(), size=10, weight="bold", va="center")
    axes.axhline(0, color="#9aa6ae", linewidth=0.9, zorder=1)
    axes.margins(y=0.14)
    if not ledger.trades:
        axes.set_ylim(-1, 1)
        axes.set_yticks([0])
        axes.text(0.5, 0.62, "no trades", transform=axes.transAxes, ha="center", color=MUTED, size=11)
    axes.set_ylabel("USD")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.4g}".replace("-", MINUS))
    axes.grid(axis="both")
    kind_name = {(True,): ", HYPOTHETICAL: filled by the simulator", (False, True): " (dashed: HYPOTHETICAL)"}
    shown = tuple(kinds) or (ledger.hypothetical,)
    panel_title(axes, "equity of closed trades, net of commission" + kind_name.get(shown, ""))
