"""Handlers: timers and the session. Everything here runs on timers, never on the arrival of a tick."""

from collections.abc import Callable
from typing import Final

from trading_bot.core import (
    asking,
    breaking,
    context_desk,
    deadlines,
    event_watch,
    execution_quality,
    locking,
    quorum_desk,
    rule_watch,
)
from trading_bot.core.control import DELAYED_DATA
from trading_bot.core.deadlines import ORDER_ACK_TIMER, POSITION_UNKNOWN_TIMER, RECONCILE_TIMER, STOP_DEADLINE_TIMER
from trading_bot.core.exit_watch import EXIT_CHECK_TIMER, watch
from trading_bot.core.flattening import FLATTEN_TIMER, flatten, flatten_timer, pull_kill_switch
from trading_bot.core.leaving import leave_naked
from trading_bot.core.state import State
from trading_bot.core.stopping import cancel_entries, cancel_entry
from trading_bot.core.trade import Entry
from trading_bot.domain import events
from trading_bot.domain.effects import Alert, ArmTimer, DisarmTimer, Effect
from trading_bot.domain.events import Event
from trading_bot.domain.reasons import Action, GateReason
from trading_bot.domain.session_events import HaltTold, HoursTold
from trading_bot.domain.units import NS_PER_MIN, NS_PER_S
from trading_bot.engines.flatten import FlattenKind
from trading_bot.engines.orders import FINAL
from trading_bot.engines.quality import Band, eqs_c
from trading_bot.engines.session import SessionState, next_boundary_ns, session_window

SESSION_TIMER: Final = "session"
ENTRY_TTL_TIMER: Final = "entry_ttl"
QUALITY_KILL_TIMER: Final = "quality_kill"
DATA_DOWN_CLEAR_TIMER: Final = "data_down_clear"
_FINAL_KEPT: Final = 16
_EXIT_REASON: Final = {"rth": "MINUTES_TO_RTH_CLOSE", "globex": "MINUTES_TO_GLOBEX_CLOSE"}

Results = list[Event | Effect]


def timer_fired(state: State, event: events.TimerFired, _seq: int) -> Results:
    """Every timer of the core."""
    return _TIMERS[event.name](state, event)


def enter_session(state: State) -> Results:
    """Find where the session stands now; flatten when it is time; arm the timer of the next boundary."""
    ts_ns = state.ts_ns
    judged = quorum_desk.judge(state, ts_ns)  # a dispute is about a trade date
    state.day = quorum_desk.day_at(state, ts_ns)
    before = state.session_state
    now = quorum_desk.session_now(state, ts_ns)
    state.session_state = now
    results: Results = judged
    if now is not before:
        trade_date = state.day.trade_date if state.day else 0
        results.append(events.SessionChanged(ts_ns=ts_ns, state=now.value, trade_date=trade_date))
        if before is SessionState.UNKNOWN_DATE:
            results += event_watch.begin(state, ts_ns)
        if now is SessionState.FLATTEN:
            results += _exit_session(state, ts_ns)
    return results + rearm_session(state, ts_ns)


def hours_told(state: State, event: HoursTold, _seq: int) -> Results:
    """The broker's trading hours: where the close is earlier than the table's, the way to flat begins earlier."""
    return [*quorum_desk.hours_told(state, event), *enter_session(state)]


def halt_told(state: State, event: HaltTold, _seq: int) -> Results:
    """The broker says that the market is halted, or trades again."""
    return [*quorum_desk.halt_told(state, event), *enter_session(state)]


def rearm_session(state: State, ts_ns: int) -> Results:
    """The timers of the next boundary of this session and of its next scheduled event, if it has one."""
    if state.day is None:
        return []
    due_ns = next_boundary_ns(state.day, state.policy, ts_ns)
    own: Results = [] if due_ns is None else [ArmTimer(ts_ns=ts_ns, name=SESSION_TIMER, due_ns=due_ns)]
    return [*own, *event_watch.arm(state, ts_ns), *rule_watch.look_at_clock(state, ts_ns)]


def watch_quality(state: State, ts_ns: int, band: int, dvs_c: int) -> Results:
    """Below the kill gates: DATA_DOWN while flat, the kill timer while exposed.

    To be asked whenever a score or the exposure has changed. `band` and `dvs_c` are the data score's. Where the link to
    the broker is down nothing could be done, and the stop stands there; a connection that comes back has time for data.
    """
    results: Results = []
    exposed = state.at_stake
    poor = exposed and _linked(state) and _poor_score(state, ts_ns, band) is not None
    if poor and not state.quality_kill_armed:
        due_ns = max(ts_ns, state.data_awaited_ns) + state.config.quality.kill_after_s * NS_PER_S
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


def settle_entry(state: State, ts_ns: int, entry: Entry) -> Results:
    """Once an entry is final it no longer works; it is kept a while, for fills that come after its end."""
    order_id = entry.order.order_id
    if entry.status not in FINAL or order_id not in state.entries:
        return []
    del state.entries[order_id]
    state.final_entries[order_id] = entry
    while len(state.final_entries) > _FINAL_KEPT:
        del state.final_entries[next(iter(state.final_entries))]
    waiting: Results = []
    if entry.cancel_asked:
        waiting = [DisarmTimer(ts_ns=ts_ns, name=ORDER_ACK_TIMER, order_id=order_id)]
    return [DisarmTimer(ts_ns=ts_ns, name=ENTRY_TTL_TIMER, order_id=order_id), *waiting]


def _poor_score(state: State, ts_ns: int, band: int, *, delayed: bool = False) -> str | None:
    """The score that is below its kill gate. Delayed data, by link or by record, refuse entries and never kill."""
    quality = state.config.quality
    if band == Band.KILL and not delayed and state.data_type not in DELAYED_DATA:
        return f"data score below {quality.dvs_kill_c}/100"
    if eqs_c(state.deficits, ts_ns) < quality.eqs_kill_c:
        return f"execution score below {quality.eqs_kill_c}/100"
    return None


def _linked(state: State) -> bool:
    return state.link_connected or not state.documents.gates_real


def _quality_kill(state: State, event: events.TimerFired) -> Results:
    ts_ns = event.ts_ns
    state.quality_kill_armed = False
    # The execution score rises by itself, without an event.
    band = state.kernel.dvs_band
    if not state.at_stake or not _linked(state) or _poor_score(state, ts_ns, band) is None:
        return []
    seconds = state.config.quality.kill_after_s
    poor = _poor_score(state, ts_ns, band, delayed=state.kernel.penalties()["delayed"] > 0)
    if poor is None:
        # No event tells when delayed records end while the band stays: look again.
        state.quality_kill_armed = True
        return [ArmTimer(ts_ns=ts_ns, name=QUALITY_KILL_TIMER, due_ns=ts_ns + seconds * NS_PER_S)]
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
        *flatten(state, ts_ns, FlattenKind.SESSION, "SESSION_EXIT"),
    ]


def _look_at_tape(state: State, event: events.TimerFired) -> Results:
    before = state.quorum.disputes
    results = quorum_desk.look(state, event.ts_ns)
    return results if state.quorum.disputes == before else [*results, *enter_session(state)]


def _entry_expired(state: State, event: events.TimerFired) -> Results:
    return [] if event.order_id is None else cancel_entry(state, event.ts_ns, event.order_id, "TIME_TO_LIVE")


def _data_is_back(state: State, event: events.TimerFired) -> Results:
    state.data_down = False
    return [events.QualityStateChanged(ts_ns=event.ts_ns, data_down=False, dvs_c=state.kernel.dvs_c)]


def _stop_is_missing(state: State, event: events.TimerFired) -> Results:
    """A position without its stop at the broker is left at the market (feature EX05)."""
    trade = state.trade
    if trade is None or trade.naked_since_ns is None or state.position.qty == 0 or trade.market_sent:
        return []
    if not state.may_exit or (state.documents.gates_real and not state.link_connected):
        return [deadlines.stop_resident(state, event.ts_ns)]  # no exit would leave, or nobody knows of how much
    text = f"position {state.position.qty} has had no stop at the broker since {trade.naked_since_ns}: leaving it"
    return [
        Alert(ts_ns=event.ts_ns, level="critical", code="POSITION_NAKED", text=text),
        *leave_naked(state, trade, event.ts_ns),
    ]


_TIMERS: Final[dict[str, Callable[[State, events.TimerFired], Results]]] = {
    SESSION_TIMER: lambda state, _: enter_session(state),
    ENTRY_TTL_TIMER: _entry_expired,
    QUALITY_KILL_TIMER: _quality_kill,
    DATA_DOWN_CLEAR_TIMER: _data_is_back,
    STOP_DEADLINE_TIMER: _stop_is_missing,
    ORDER_ACK_TIMER: execution_quality.answer_missing,
    RECONCILE_TIMER: lambda state, event: asking.question_due(state, event.ts_ns),
    POSITION_UNKNOWN_TIMER: lambda state, event: asking.still_unknown(state, event.ts_ns),
    quorum_desk.QUORUM_TIMER: _look_at_tape,
    EXIT_CHECK_TIMER: lambda state, event: watch(state, event.ts_ns),
    FLATTEN_TIMER: lambda state, event: flatten_timer(state, event.ts_ns),
    context_desk.CONTEXT_TIMER: lambda state, event: context_desk.context_timer(state, event.ts_ns),
    event_watch.EVENT_TIMER: lambda state, event: event_watch.step(state, event.ts_ns, event.due_ns),
    locking.LOCKOUT_TIMER: lambda state, event: locking.resume(state, event.ts_ns),
    breaking.BREAKER_TIMER: lambda state, event: breaking.resume(state, event.ts_ns),
    rule_watch.RULES_TIMER: lambda state, event: rule_watch.look_at_clock(state, event.ts_ns),
}
