"""Handlers: timers and the session. Everything here runs on timers, never on the arrival of a tick."""

from typing import Final

from trading_bot.core.state import State
from trading_bot.core.stopping import cancel_entries, flatten, pull_kill_switch
from trading_bot.domain import events
from trading_bot.domain.effects import ArmTimer, Effect
from trading_bot.domain.events import Event
from trading_bot.domain.orders import ClientOrderId, OrderStatus
from trading_bot.domain.reasons import Action
from trading_bot.domain.units import NS_PER_MIN
from trading_bot.engines.session import SessionState, next_boundary_ns, session_state, session_window

SESSION_TIMER: Final = "session"
ENTRY_TTL_TIMER: Final = "entry_ttl"
QUALITY_KILL_TIMER: Final = "quality_kill"
DATA_DOWN_CLEAR_TIMER: Final = "data_down_clear"
_EXIT_REASON: Final = {"rth": "MINUTES_TO_RTH_CLOSE", "globex": "MINUTES_TO_GLOBEX_CLOSE"}

Results = list[Event | Effect]


def timer_fired(state: State, event: events.TimerFired, _seq: int) -> Results:
    """Every timer of the core."""
    if event.name == SESSION_TIMER:
        return enter_session(state)
    if event.name == ENTRY_TTL_TIMER:
        return _entry_expired(state, event.ts_ns, event.order_id)
    if event.name == QUALITY_KILL_TIMER:
        return _quality_kill(state, event.ts_ns)
    if event.name == DATA_DOWN_CLEAR_TIMER:
        state.data_down = False
        return [events.QualityStateChanged(ts_ns=event.ts_ns, data_down=False, dvs_c=state.kernel.dvs_c)]
    raise KeyError(event.name)


def enter_session(state: State) -> Results:
    """Find where the session stands now; flatten when it is time; arm the timer of the next boundary."""
    ts_ns = state.ts_ns
    state.day = state.sessions.trading_day(ts_ns) if state.sessions else None
    before = state.session_state
    now = session_state(state.day, state.policy, ts_ns)
    state.session_state = now
    results: Results = []
    if now is not before:
        trade_date = state.day.trade_date if state.day else 0
        results.append(events.SessionChanged(ts_ns=ts_ns, state=now.value, trade_date=trade_date))
        if now is SessionState.FLATTEN:
            results += _exit_session(state, ts_ns)
    return results + rearm_session(state, ts_ns)


def rearm_session(state: State, ts_ns: int) -> Results:
    """The timer of the next boundary of this session, if it has one."""
    if state.day is None:
        return []
    due_ns = next_boundary_ns(state.day, state.policy, ts_ns)
    return [] if due_ns is None else [ArmTimer(ts_ns=ts_ns, name=SESSION_TIMER, due_ns=due_ns)]


def _quality_kill(state: State, ts_ns: int) -> Results:
    state.quality_kill_armed = False
    if not state.entries and state.position_qty == 0:
        return []
    gate_c, seconds = state.config.quality.dvs_kill_c, state.config.quality.kill_after_s
    return pull_kill_switch(state, ts_ns, f"data score below {gate_c}/100 for {seconds} s while exposed", "quality")


def _exit_session(state: State, ts_ns: int) -> Results:
    window = session_window(state.day, state.policy) if state.day else None
    minutes = (window.close_ns - ts_ns) / NS_PER_MIN if window else 0.0
    reason = _EXIT_REASON[state.policy.kind]
    return [
        events.SessionExitFlatten(
            ts_ns=ts_ns, reason=reason, minutes_remaining=minutes, position_qty=state.position_qty or 0
        ),
        events.DecisionMade(
            ts_ns=ts_ns,
            action=Action.SKIP.value,
            reason="SESSION_EXIT",
            mask=0,
            template="",
            side=0,
            episode=0,
            text=f"SKIP SESSION_EXIT: {minutes:g} minutes to the close",
        ),
        *cancel_entries(state, ts_ns, "SESSION_EXIT"),
        *flatten(state, ts_ns, "SESSION_EXIT"),
    ]


def _entry_expired(state: State, ts_ns: int, order_id: ClientOrderId | None) -> Results:
    entry = state.entries.get(order_id) if order_id is not None else None
    if entry is None or entry.status is OrderStatus.CANCELLING:
        return []
    return cancel_entries(state, ts_ns, "TIME_TO_LIVE")
