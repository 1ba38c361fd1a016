"""What the panels of a day's picture share: the page, its clock, its heading, shading, names of events, time axis."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from trading_bot.domain.units import NS_PER_S
from trading_bot.reports import day_spans
from trading_bot.reports.day_records import DayLedger
from trading_bot.reports.day_tables import NEW_YORK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_PX: Final = 1600
HEIGHT_PX: Final = 1000
DPI: Final = 100
LEFT, RIGHT = 0.064, 0.925  # of the width: what the panels span

# After Okabe and Ito: told apart by people who see red and green alike; marks differ in shape as well.
INK, MUTED, GRID, PRICE = "#1f2a33", "#66737d", "#e4e8eb", "#70808c"
BLUE, ORANGE, GREEN, PURPLE, AMBER, BLACK = "#0072b2", "#d55e00", "#009e73", "#8a3f8f", "#e69f00", "#000000"

_STEPS_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)
_TIME_TICKS_MAX: Final = 15
_PRICE_GAP: Final = 0.018  # room for half a label of the price axis
EVENT_ROW_PX: Final = 17
_EVENT_ROWS: Final = 4
_EVENT_CHARS_MAX: Final = 34
TEMPLATE_CHARS_MAX: Final = 12


class Clock:
    """Horizontal positions: seconds since midnight in New York of the first day shown."""

    def __init__(self, first_ns: int) -> None:
        first = datetime.fromtimestamp(first_ns // NS_PER_S, tz=UTC).astimezone(NEW_YORK)
        midnight = first.replace(hour=0, minute=0, second=0)
        # A session has one offset: clocks change on Sunday nights, when it has not begun.
        self._zero_ns = round(midnight.timestamp()) * NS_PER_S

    def x(self, ts_ns: int) -> float:
        """Position of a time."""
        return (ts_ns - self._zero_ns) / NS_PER_S

    @staticmethod
    def label(x: float, *, seconds: bool) -> str:
        """Time of day at a position."""
        whole = round(x) % 86_400
        text = f"{whole // 3600:02d}:{whole // 60 % 60:02d}"
        return f"{text}:{whole % 60:02d}" if seconds else text


class Page(NamedTuple):
    """What the panels share."""

    ledger: DayLedger
    clock: Clock
    figure: "Figure"


def style() -> Any:
    """The settings of matplotlib the picture is drawn under."""
    return {
        "font.family": "DejaVu Sans",
        "text.parse_math": False,  # a reason may hold a dollar sign
        "font.size": 9.5,
        "text.color": INK,
        "axes.edgecolor": "#b9c2c9",
        "axes.labelcolor": MUTED,
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelsize": 9.5,
        "ytick.labelsize": 9,
        "grid.color": GRID,
        "grid.linewidth": 0.8,
    }


def panels(figure: "Figure", lanes: int) -> "tuple[Axes, Axes, Axes, Axes]":
    """Price, lanes, scores, equity from top to bottom; the price takes what the others leave."""
    top, bottom, space = 0.868, 0.066, 0.03
    lane_height, score_height, equity_height = 0.0185 * lanes, 0.125, 0.15
    heights = [0.0, lane_height, score_height, equity_height]
    heights[0] = top - bottom - sum(heights) - _PRICE_GAP - 2 * (space + 0.012)
    axes, upper = [], top
    for height, below in zip(heights, (_PRICE_GAP, space + 0.012, space + 0.012, 0.0), strict=True):
        axes.append(figure.add_axes((LEFT, upper - height, RIGHT - LEFT, height)))
        upper -= height + below
    return axes[0], axes[1], axes[2], axes[3]


def heading(page: Page, title: str, summary: str) -> None:
    """Title, summary, mode, and where it all comes from."""
    ledger, figure = page.ledger, page.figure
    date = datetime.strptime(str(ledger.trade_date), "%Y%m%d").replace(tzinfo=UTC) if ledger.trade_date else None
    day = f"{date:%A} {date.day} {date:%B %Y}" if date else "date unknown to the calendar"
    figure.text(LEFT, 0.957, title or f"{ledger.instrument}, {day}", size=18, weight="bold", va="center")
    size = 11.0
    while size > 6.0 and text_width(page, summary, size) > RIGHT - LEFT:
        size -= 0.25  # hinting rounds widths, so that they do not shrink in proportion
    figure.text(LEFT, 0.928, summary, size=size, color=MUTED, va="center")
    kind = "  ·  HYPOTHETICAL FILLS" if ledger.hypothetical else ""
    figure.text(RIGHT, 0.957, f"{' + '.join(ledger.modes)}{kind}", size=11, weight="bold", ha="right", va="center")
    torn = f", {ledger.torn_bytes:,} torn bytes dropped" if ledger.torn_bytes else ""
    runs = ", ".join(ledger.run_ids[:3]) + (f" and {len(ledger.run_ids) - 3} more" if len(ledger.run_ids) > 3 else "")
    text = f"From the log alone: {ledger.records:,} records, {ledger.ticks:,} of the market{torn}. {runs}"
    figure.text(RIGHT, 0.013, text, size=8, color=MUTED, ha="right", va="bottom")


def panel_title(axes: "Axes", text: str) -> None:
    """A line above a panel."""
    axes.text(0.0, 1.035, text, transform=axes.transAxes, size=9.5, color=INK, va="bottom")


def text_width(page: Page, text: str, size: float) -> float:
    """Width of a text, as a part of the width of the figure; `size` in points."""
    if not text:
        return 0.0
    drawn = page.figure.text(0, 0, text, size=size)
    width = drawn.get_window_extent().width / WIDTH_PX
    drawn.remove()
    return float(width)


def shade(page: Page, panels: "Iterable[Axes]") -> None:
    """What stood in the way of entries, behind the curves: kill switch, low quality, the end of the session."""
    ledger = page.ledger
    closing = [stretch for stretch in day_spans.session_stretches(ledger) if stretch.strong]
    for axes in panels:
        for stretches, colour, alpha in (
            (closing, MUTED, 0.16),
            (day_spans.low_quality_stretches(ledger), AMBER, 0.17),
            (day_spans.kill_stretches(ledger), ORANGE, 0.14),
        ):
            for stretch in stretches:
                start, end = page.clock.x(stretch.start_ns), page.clock.x(stretch.end_ns)
                axes.axvspan(start, end, color=colour, alpha=alpha, linewidth=0, zorder=0)


class Event(NamedTuple):
    """Something that happened; `row` counts from the top, -1 where its name finds no room. `x` is where that begins."""

    at: float
    name: str
    colour: str
    x: float
    row: int


def place_events(page: Page, axes: "Axes") -> list[Event]:
    """What happened, each name beside its line in the highest row in which it overlaps no other."""
    left, right = axes.get_xlim()
    scale = (right - left) / (RIGHT - LEFT)
    space = 0.004 * scale
    taken: list[tuple[int, float, float]] = []  # row, begin, end
    placed = []
    for ts_ns, name, colour in _events(page.ledger):
        at, width = page.clock.x(ts_ns), text_width(page, name, 9) * scale
        sides = [begin for begin in (at + space, at - space - width) if left <= begin and begin + width <= right]
        free = (
            (row, begin)
            for row in range(_EVENT_ROWS)
            for begin in sides
            if not any(row == used and begin < high and low < begin + width for used, low, high in taken)
        )
        row, begin = next(free, (-1, at))
        if row >= 0:
            taken.append((row, begin - 2 * space, begin + width + 2 * space))
        placed.append(Event(at, name, colour, begin, row))
    return placed


def mark_events(placed: Sequence[Event], top: "Axes", others: "Iterable[Axes]") -> None:
    """A line through the panels for each event, its name in the uppermost panel."""
    for event in placed:
        for axes in (top, *others):
            axes.axvline(event.at, color=event.colour, linewidth=1.0, linestyle=(0, (4, 3)), alpha=0.75, zorder=1)
        if event.row >= 0:
            top.text(
                event.x,
                1 - (event.row + 0.6) * EVENT_ROW_PX / height_px(top),
                event.name,
                transform=top.get_xaxis_transform(),
                size=9,
                color=event.colour,
                va="center",
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.0},
                zorder=5,
            )


def height_px(axes: "Axes") -> float:
    """Height of a panel."""
    return float(axes.get_position().height) * HEIGHT_PX


def _events(ledger: DayLedger) -> list[tuple[int, str, str]]:
    """Time, name and colour of what a person would ask about; what matters most comes first and finds room first."""
    found: list[tuple[int, str, str]] = []
    for kill in ledger.kills:
        found.append((kill.ts_ns, cut(f"kill: {kill.reason}", _EVENT_CHARS_MAX), ORANGE))
        if kill.cleared_ts_ns:
            found.append(
                (kill.cleared_ts_ns, cut(f"cleared: {kill.cleared_reason}".rstrip(": "), _EVENT_CHARS_MAX), INK)
            )
    found += [(restart.ts_ns, _restart_name(restart.recovery), INK) for restart in ledger.restarts]
    if ledger.ts_flatten_ns:
        found.append((ledger.ts_flatten_ns, "flatten", INK))
    found += [(change.ts_ns, "data down", "#9a6a00") for change in ledger.data_state if change.data_down]
    for update in ledger.learning:
        name = day_spans.LEARNING_NAMES.get(update.state, "released")
        found.append((update.ts_ns, f"{cut(update.template, TEMPLATE_CHARS_MAX)} {name}", PURPLE))
    return found


def _restart_name(recovery: str) -> str:
    return "new log" if recovery == "new log" else "restart" if recovery == "full" else f"restart ({recovery})"


def cut(text: str, chars: int) -> str:
    """The text, or its beginning where it has more than `chars` characters."""
    return text if len(text) <= chars else text[: chars - 1].rstrip() + "…"


def time_axis(panels: "Sequence[Axes]", bottom: "Axes") -> None:
    """Round times of New York under the lowest panel, the same grid in all."""
    left, right = bottom.get_xlim()
    step = next((step for step in _STEPS_S if (right - left) / step <= _TIME_TICKS_MAX), _STEPS_S[-1])
    first = -int(-left // step) * step
    ticks = [first + index * step for index in range(int((right - first) // step) + 1)]
    for axes in (*panels, bottom):
        axes.set_xticks(ticks)
        axes.set_xlim(left, right)
    for axes in panels:
        axes.tick_params(axis="x", labelbottom=False, length=0)
    bottom.set_xticklabels([Clock.label(tick, seconds=step < 60) for tick in ticks])
    bottom.set_xlabel("time in New York", size=9.5, labelpad=4)
