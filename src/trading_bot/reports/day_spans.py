"""Stretches of a day: when quality was too low, the kill switch stood, a breaker paused, a template was throttled."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from trading_bot.domain.learning import LearningState
from trading_bot.engines.session import SessionState
from trading_bot.reports.day_records import DayLedger, Point

_SESSION_NAMES: Final = {
    SessionState.UNKNOWN_DATE: "unknown date",
    SessionState.NYSE_SHUT: "New York shut",
    SessionState.PRE_OPEN: "pre-open",
    SessionState.OPEN_DELAY: "open delay",
    SessionState.BREAK: "break",
    SessionState.TOO_SHORT: "too short",
    SessionState.CLOSE_BUFFER: "close buffer",
    SessionState.FLATTEN: "flatten",
    SessionState.CLOSED: "closed",
    SessionState.DISPUTED: "hours disputed",
    SessionState.HALTED: "halted",
    SessionState.NO_TRADE: "no-trade window",
}
LEARNING_NAMES: Final = {
    LearningState.THROTTLED_120: "throttled \N{MULTIPLICATION SIGN}1.2",
    LearningState.THROTTLED_150: "throttled \N{MULTIPLICATION SIGN}1.5",
    LearningState.QUARANTINED: "quarantine",
    LearningState.ARCHIVED: "archived",
}
_BLOCKED: Final = (LearningState.QUARANTINED, LearningState.ARCHIVED)
_HOLDS_UP: Final = ("PAUSE", "HALT", "KILL")  # responses of a breaker that stop entries; the others warn or reduce


class Stretch(NamedTuple):
    """From `start_ns` up to `end_ns`; `strong` where it stops entries."""

    start_ns: int
    end_ns: int
    label: str
    strong: bool = True


def kill_stretches(ledger: DayLedger) -> list[Stretch]:
    """The kill switch stood."""
    return [Stretch(kill.ts_ns, kill.cleared_ts_ns or ledger.ts_last_ns, kill.reason) for kill in ledger.kills]


def low_quality_stretches(ledger: DayLedger) -> list[Stretch]:
    """A score was below its entry gate, or data were down."""
    found: list[Stretch] = []
    if ledger.gates is not None:
        found += _below(ledger.data_score, ledger.gates.dvs_entry_c, ledger.ts_last_ns)
        found += _below(ledger.execution_score, ledger.gates.eqs_entry_c, ledger.ts_last_ns)
    down = _held([(change.ts_ns, change.data_down) for change in ledger.data_state], ledger.ts_last_ns)
    return merged([*found, *down])


def session_stretches(ledger: DayLedger) -> list[Stretch]:
    """The session allowed no entry; the label says which part of it that was."""
    changes = [(change.ts_ns, SessionState(change.state)) for change in ledger.sessions]
    return [
        Stretch(ts_ns, end_ns, _SESSION_NAMES[state], state in (SessionState.CLOSE_BUFFER, SessionState.FLATTEN))
        for (ts_ns, state), (end_ns, _) in pairwise([*changes, (ledger.ts_last_ns, SessionState.ENTRIES)])
        if state is not SessionState.ENTRIES and end_ns > ts_ns
    ]


def breaker_stretches(ledger: DayLedger) -> list[Stretch]:
    """A breaker stood: those that stop entries are strong, those that only warn or reduce the size are not."""
    found: list[Stretch] = []
    for name in dict.fromkeys(change.breaker for change in ledger.breakers):
        rows = [change for change in ledger.breakers if change.breaker == name]
        for index, row in enumerate(rows):
            if row.tripped:
                end_ns = rows[index + 1].ts_ns if index + 1 < len(rows) else ledger.ts_last_ns
                label = name.replace("_", " ").lower()
                found.append(Stretch(row.ts_ns, end_ns, label, row.response in _HOLDS_UP))
    return found


def throttle_stretches(ledger: DayLedger) -> dict[str, list[Stretch]]:
    """Per template: it was throttled, in quarantine or archived."""
    found: dict[str, list[Stretch]] = {}
    names = dict.fromkeys([*ledger.learning_before, *(update.template for update in ledger.learning)])
    for name in names:
        changes = [(update.ts_ns, update.state) for update in ledger.learning if update.template == name]
        before = ledger.learning_before.get(name, LearningState.ACTIVE)
        states = [(ledger.ts_first_ns, before), *changes, (ledger.ts_last_ns, LearningState.ACTIVE)]
        rows = [
            Stretch(ts_ns, next_ns, LEARNING_NAMES[state], state in _BLOCKED)
            for (ts_ns, state), (next_ns, _) in pairwise(states)
            if state is not LearningState.ACTIVE
        ]
        if rows:
            found[name] = rows
    return found


def merged(stretches: Iterable[Stretch]) -> list[Stretch]:
    """Stretches that touch or overlap as one, in order of time."""
    found: list[Stretch] = []
    for stretch in sorted(stretches):
        if found and stretch.start_ns <= found[-1].end_ns:
            found[-1] = found[-1]._replace(end_ns=max(found[-1].end_ns, stretch.end_ns))
        else:
            found.append(stretch)
    return found


def _below(points: Sequence[Point], gate: int, end_ns: int) -> list[Stretch]:
    return _held([(point.ts_ns, point.value < gate) for point in points], end_ns)


def _held(changes: Sequence[tuple[int, bool]], end_ns: int) -> list[Stretch]:
    """Where a condition held, from what is known about it at some times."""
    found, since_ns = [], None
    for ts_ns, held in changes:
        if held and since_ns is None:
            since_ns = ts_ns
        elif not held and since_ns is not None:
            found.append(Stretch(since_ns, ts_ns, ""))
            since_ns = None
    return [*found, Stretch(since_ns, end_ns, "")] if since_ns is not None else found
