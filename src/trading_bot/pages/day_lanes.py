"""What held entries up over a day, a lane for each cause, and the events a person would ask about."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from trading_bot.engines.regime import Trend, Volatility
from trading_bot.pages.figure import plain
from trading_bot.pages.numbers import plot_ms
from trading_bot.reports import day_spans
from trading_bot.reports.day_records import DayLedger
from trading_bot.research.day_regimes import RegimeSpan

EVENT_ROWS: Final = 3
_CHARS_PER_DAY: Final = 105  # how many letters fit beside each other on paper
_TREND_COLOURS: Final = {Trend.TREND: "@green/0.75", Trend.CHOP: "@grey/0.7"}
_VOLATILITY_COLOURS: Final = {
    Volatility.LOW: "@sky/0.45",
    Volatility.NORMAL: "@sky",
    Volatility.HIGH: "@purple/0.8",
}


class Part(NamedTuple):
    """A stretch of a lane."""

    start_ns: int
    end_ns: int
    label: str
    colour: str


class Lane(NamedTuple):
    """One cause and when it stood."""

    name: str
    parts: tuple[Part, ...]


def lanes_of(ledger: DayLedger, regimes: Sequence[RegimeSpan]) -> list[Lane]:
    """Session, data and execution lights, kill switch, breakers, templates, regimes; without those that are empty."""
    found = [
        Lane("session", tuple(_parts(day_spans.session_stretches(ledger), "@grey", "@grey/0.45"))),
        Lane("data light", tuple(_lights(ledger))),
        Lane("execution light", tuple(_execution(ledger))),
        Lane("kill switch", tuple(_parts(day_spans.kill_stretches(ledger), "@orange", "@orange"))),
        Lane("breaker", tuple(_parts(day_spans.breaker_stretches(ledger), "@long", "@long/0.4"))),
    ]
    for template, stretches in day_spans.throttle_stretches(ledger).items():
        found.append(Lane(template, tuple(_parts(stretches, "@purple", "@purple/0.4"))))
    found += [
        Lane("trend", _regime(regimes, lambda span: (span.trend.value.lower(), _TREND_COLOURS.get(span.trend)))),
        Lane(
            "volatility",
            _regime(regimes, lambda span: (span.volatility.value.lower(), _VOLATILITY_COLOURS.get(span.volatility))),
        ),
    ]
    return [lane for lane in found if lane.parts] or [Lane("nothing", ())]


def _parts(stretches: Sequence[day_spans.Stretch], strong: str, light: str) -> list[Part]:
    return [Part(row.start_ns, row.end_ns, row.label, strong if row.strong else light) for row in stretches]


def _lights(ledger: DayLedger) -> list[Part]:
    """Green, amber and red of the data score, as its gates have them."""
    gates = ledger.gates
    if gates is None or not ledger.data_score:
        return []

    def light(value: float) -> tuple[str, str]:
        if value < gates.dvs_kill_c:
            return "red: below its kill gate", "@orange"
        return ("amber: below its entry gate", "@amber") if value < gates.dvs_entry_c else ("green", "@green/0.55")

    return _banded([(point.ts_ns, *light(point.value)) for point in ledger.data_score], ledger.ts_last_ns)


def _execution(ledger: DayLedger) -> list[Part]:
    gates = ledger.gates
    if gates is None or not ledger.execution_score:
        return []

    def light(value: float) -> tuple[str, str]:
        if value < gates.eqs_kill_c:
            return "red: below its kill gate", "@orange"
        return ("amber: below its entry gate", "@amber") if value < gates.eqs_entry_c else ("green", "@green/0.55")

    return _banded([(point.ts_ns, *light(point.value)) for point in ledger.execution_score], ledger.ts_last_ns)


def _banded(changes: Sequence[tuple[int, str, str]], end_ns: int) -> list[Part]:
    """Stretches of one light, from where it changed."""
    found: list[Part] = []
    for ts_ns, label, colour in changes:
        if found and found[-1].label == label:
            continue
        if found:
            found[-1] = found[-1]._replace(end_ns=ts_ns)
        found.append(Part(ts_ns, end_ns, label, colour))
    return [part for part in found if part.end_ns > part.start_ns]


def _regime(regimes: Sequence[RegimeSpan], shown: Callable[[RegimeSpan], tuple[str, str | None]]) -> tuple[Part, ...]:
    """Stretches of one answer; where it is not known, nothing stands."""
    found: list[Part] = []
    for span in regimes:
        label, colour = shown(span)
        if colour is None:
            continue
        if found and found[-1].label == label and found[-1].end_ns == span.start_ns:
            found[-1] = found[-1]._replace(end_ns=span.end_ns)
        else:
            found.append(Part(span.start_ns, span.end_ns, label, colour))
    return tuple(found)


def low_quality_shapes(ledger: DayLedger) -> list[dict[str, Any]]:
    """Pale bands behind the price and the scores where quality stopped entries, and before the close."""
    rows = [(row, "@amber/0.16") for row in day_spans.low_quality_stretches(ledger)]
    rows += [(row, "@grey/0.2") for row in day_spans.session_stretches(ledger) if row.strong]
    rows += [(row, "@orange/0.16") for row in day_spans.kill_stretches(ledger)]
    return [
        {
            "type": "rect",
            "layer": "below",
            "xref": "x",
            "yref": f"{axis} domain",
            "x0": plot_ms(row.start_ns),
            "x1": plot_ms(row.end_ns),
            "y0": 0,
            "y1": 1,
            "line": {"width": 0},
            "fillcolor": colour,
        }
        for row, colour in rows
        for axis in ("y", "y3")
    ]


class _Event(NamedTuple):
    ts_ns: int
    name: str
    colour: str


def event_marks(ledger: DayLedger) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A dashed line through all panels for each event, and its name where there is room for it."""
    shapes, names = [], []
    taken: list[tuple[int, float, float]] = []
    span_ns = max(ledger.ts_last_ns - ledger.ts_first_ns, 1)
    for event in _events(ledger):
        x = plot_ms(event.ts_ns)
        line = {"color": event.colour, "width": 1, "dash": "dash"}
        shapes.append({"type": "line", "xref": "x", "yref": "paper", "x0": x, "x1": x, "y0": 0, "y1": 1, "line": line})
        at = (event.ts_ns - ledger.ts_first_ns) / span_ns * _CHARS_PER_DAY
        left = at + len(event.name) > _CHARS_PER_DAY
        begin = at - len(event.name) if left else at
        row = next((row for row in range(EVENT_ROWS) if _free(taken, row, begin, len(event.name))), None)
        if row is None:
            continue
        taken.append((row, begin, begin + len(event.name)))
        names.append(
            {
                "x": x,
                "y": 1,
                "yref": "paper",
                "yshift": -2 - 16 * row,
                "xshift": -3 if left else 3,
                "xanchor": "right" if left else "left",
                "yanchor": "top",
                "text": plain(event.name, 40),
                "showarrow": False,
                "font": {"size": 10.5, "color": event.colour},
                "bgcolor": "@halo",
                "opacity": 0.92,
                "borderpad": 1,
            }
        )
    return shapes, names


def _free(taken: Sequence[tuple[int, float, float]], row: int, begin: float, chars: int) -> bool:
    return not any(used == row and begin < high + 2 and low < begin + chars + 2 for used, low, high in taken)


def _events(ledger: DayLedger) -> list[_Event]:
    """What matters most comes first and finds room first."""
    found: list[_Event] = []
    for kill in ledger.kills:
        found.append(_Event(kill.ts_ns, f"kill: {kill.reason}"[:34], "@bad"))
        if kill.cleared_ts_ns:
            found.append(_Event(kill.cleared_ts_ns, f"cleared: {kill.cleared_reason}".rstrip(": ")[:34], "@ink"))
    found += [
        _Event(
            row.ts_ns, {"full": "restart", "new log": "new log"}.get(row.recovery, f"restart ({row.recovery})"), "@ink"
        )
        for row in ledger.restarts
    ]
    if ledger.ts_flatten_ns:
        found.append(_Event(ledger.ts_flatten_ns, "flatten", "@ink"))
    found += [_Event(row.ts_ns, "data down", "@warn") for row in ledger.data_state if row.data_down]
    for update in ledger.learning:
        name = day_spans.LEARNING_NAMES.get(update.state, "released")
        found.append(_Event(update.ts_ns, f"{update.template[:12]} {name}", "@purple"))
    return found
