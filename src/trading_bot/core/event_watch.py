"""Scheduled events in the loop: entries stop in their windows, and before those of tier 1 the position goes (spec 8.4).

Driven by one timer that is armed for the next time anything changes.
"""

from typing import Final

from trading_bot.core.flattening import flatten
from trading_bot.core.state import State
from trading_bot.core.stopping import cancel_entries
from trading_bot.domain.effects import Alert, ArmTimer, Effect
from trading_bot.domain.events import Event, LockoutChanged
from trading_bot.domain.units import iso_from_ns
from trading_bot.engines.flatten import FlattenKind
from trading_bot.engines.scheduled_events import Blackout, active, blackouts, must_flatten, next_step_ns, stale
from trading_bot.engines.session import session_window

EVENT_TIMER: Final = "event"
_NAME: Final = "EVENT"  # in `LockoutChanged`

Results = list[Event | Effect]


def windows(state: State) -> tuple[Blackout, ...]:
    """The windows of this session; worked out once a trade date."""
    if state.day is None:
        return ()
    trade_date, rows = state.event_windows
    if trade_date != state.day.trade_date:
        window = session_window(state.day, state.policy)
        rows = () if window is None else blackouts(state.documents.events, state.config.events, window)
        state.event_windows = (state.day.trade_date, rows)
    return rows


def stale_now(state: State, ts_ns: int) -> str:
    """Why nothing may be entered for want of a current calendar; empty otherwise."""
    return stale(state.documents.events, state.config.events, state.config.run.adapter, ts_ns)


def entries_allowed(state: State, ts_ns: int) -> bool:
    """Whether no event stops entries now."""
    return not stale_now(state, ts_ns) and active(windows(state), ts_ns) is None


def begin(state: State, ts_ns: int) -> Results:
    """A log begins: say when the calendar of events is stale, and which dates of this session nobody has verified."""
    why = stale_now(state, ts_ns)
    if not why:
        names = ", ".join(f"{row.name} at {iso_from_ns(row.event_ns)}" for row in windows(state) if row.unverified)
        text = f"dates nobody has compared with their source: {names}; they count as they are (docs/events.md)"
        return [Alert(ts_ns=ts_ns, level="warning", code="EVENTS_UNVERIFIED", text=text)] if names else []
    text = f"{why}: nothing is entered; check the file of scheduled events (docs/events.md)"
    return [Alert(ts_ns=ts_ns, level="error", code="EVENT_CALENDAR_STALE", text=text)]


def arm(state: State, ts_ns: int) -> Results:
    """The timer of the next change, if this session has one."""
    due_ns = next_step_ns(windows(state), ts_ns)
    return [] if due_ns is None else [ArmTimer(ts_ns=ts_ns, name=EVENT_TIMER, due_ns=due_ns)]


def step(state: State, ts_ns: int, due_ns: int) -> Results:
    """The timer of `due_ns` fired, maybe late: a window begins or ends, or a position has to go."""
    rows = windows(state)
    results: Results = []
    now = active(rows, ts_ns)
    begun = [row for row in rows if due_ns <= row.start_ns <= ts_ns]
    for row in begun:
        text = f"{row.name} at {iso_from_ns(row.event_ns)}: no entries until {iso_from_ns(row.end_ns)}"
        results.append(LockoutChanged(ts_ns=ts_ns, lockout=_NAME, until_ns=row.end_ns, reason=row.name))
        results.append(Alert(ts_ns=ts_ns, level="info", code="EVENT_BLACKOUT", text=text))
    if begun:
        results += cancel_entries(state, ts_ns, _NAME)
    if now is None:
        results.append(LockoutChanged(ts_ns=ts_ns, lockout=_NAME, until_ns=0, reason="its window is over"))
    results += leave(state, ts_ns)
    return [*results, *arm(state, ts_ns)]


def leave(state: State, ts_ns: int) -> Results:
    """Flatten for an event of tier 1 that is near, unless a flattening is under way."""
    row = must_flatten(windows(state), ts_ns)
    if row is None or not state.exposed or (state.flatten is not None and not state.flatten.finished):
        return []
    text = f"{row.name} at {iso_from_ns(row.event_ns)}: flattening position {state.position_qty}"
    return [
        Alert(ts_ns=ts_ns, level="warning", code="EVENT_FLATTEN", text=text),
        *cancel_entries(state, ts_ns, row.name),
        *flatten(state, ts_ns, FlattenKind.STOP, row.name),
    ]
