"""Handlers: timers and the session. Everything here runs on timers, never on the arrival of a tick."""

from typing import Final

from trading_bot.core.control import DELAYED_DATA
from trading_bot.core.state import State
from trading_bot.core.stopping import cancel_entries, cancel_entry, flatten, pull_kill_switch
from trading_bot.domain import events
from trading_bot.domain.effects import ArmTimer, DisarmTimer, Effect
from trading_bot.domain.events import Event
from trading_bot.domain.orders import ClientOrderId
from trading_bot.domain.reasons import Action, GateReason
from trading_bot.domain.units import NS_PER_MIN, NS_PER_S
from trading_bot.engines.quality import Band, eqs_c
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


def watch_quality(state: State, ts_ns: int, band: int, dvs_c: int) -> Results:
    """Below the kill gates: DATA_DOWN while flat, the kill timer while exposed.

    To be asked whenever a score or the exposure has changed. `band` and `dvs_c` are the data score's.
    """
    results: Results = []
    exposed = _exposed(state)
    poor = exposed and _poor_score(state, ts_ns, band) is not None
    if poor and not state.quality_kill_armed:
        due_ns = ts_ns + state.config.quality.kill_after_s * NS_PER_S
        results.append(ArmTimer(ts_ns=ts_ns, name=QUALITY_KILL_TIMER, due_ns=due_ns))
    elif state.quality_kill_armed and not poor:
        results.append(DisarmTimer(ts_ns=ts_ns, name=QUALITY_KILL_TIMER))
    state.quality_kill_armed = poor
    if band == Band.KILL and not exposed and not state.data_down:
        state.data_down = True
        results.append(events.QualityStateChanged(ts_ns=ts_ns, data_down=True, dvs_c=dvs_c))
    return results


def resume_quality(state: State, ts_ns: int) -> Results:
    """Timers end with a session's log: what is carried over waits anew."""
    results = watch_quality(state, ts_ns, state.kernel.dvs_band, state.kernel.dvs_c)
    if state.data_down and state.kernel.dvs_band == Band.ENTRY:
        due_ns = ts_ns + state.config.quality.data_down_clear_s * NS_PER_S
        results.append(ArmTimer(ts_ns=ts_ns, name=DATA_DOWN_CLEAR_TIMER, due_ns=due_ns))
    return results


def _exposed(state: State) -> bool:
    # An unknown position is one.
    return bool(state.entries) or state.position_qty != 0


def _poor_score(state: State, ts_ns: int, band: int) -> str | None:
    """The score that is below its kill gate. Delayed data refuse entries and never kill."""
    quality = state.config.quality
    if band == Band.KILL and state.data_type not in DELAYED_DATA:
        return f"data score below {quality.dvs_kill_c}/100"
    if eqs_c(state.deficits, ts_ns) < quality.eqs_kill_c:
        return f"execution score below {quality.eqs_kill_c}/100"
    return None


def _quality_kill(state: State, ts_ns: int) -> Results:
    state.quality_kill_armed = False
    # The execution score rises by itself, without an event.
    poor = _poor_score(state, ts_ns, state.kernel.dvs_band)
    if poor is None or not _exposed(state):
        return []
    seconds = state.config.quality.kill_after_s
    return pull_kill_switch(state, ts_ns, f"{poor} for {seconds} s while exposed", "quality")


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
            mask=1 << GateReason.SESSION_EXIT,
            template="",
            side=0,
            episode=0,
            text=f"SKIP SESSION_EXIT: {minutes:g} minutes to the close",
        ),
        *cancel_entries(state, ts_ns, "SESSION_EXIT"),
        *flatten(state, ts_ns, "SESSION_EXIT"),
    ]


def _entry_expired(state: State, ts_ns: int, order_id: ClientOrderId | None) -> Results:
    return [] if order_id is None else cancel_entry(state, ts_ns, order_id, "TIME_TO_LIVE")
