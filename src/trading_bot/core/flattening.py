"""The way to flat, driven by a timer and by every answer; and what asks for it: stop, kill switch, session, a person.

No entry gate, score or tick is asked (features EX13, SF07).
"""

from typing import Final

from trading_bot.core.leaving import place_exit, place_stray_exit, touch
from trading_bot.core.state import State
from trading_bot.core.stopping import cancel_entries, end_if_idle, may_protect, protect
from trading_bot.domain.effects import Alert, ArmTimer, AskBroker, CancelOrder, DisarmTimer, Effect, LatchKillSwitch
from trading_bot.domain.events import Event
from trading_bot.domain.orders import Leg
from trading_bot.domain.trade_events import FlattenAdvanced
from trading_bot.engines.exits import ExitCause
from trading_bot.engines.flatten import (
    Command,
    FlattenAction,
    FlattenFacts,
    FlattenKind,
    FlattenState,
    advance,
    begin,
    begin_session_exit,
    next_due_ns,
    taken_over,
)
from trading_bot.engines.session import session_window

HALTED_EXIT_CODE: Final = 5
FLATTEN_TIMER: Final = "flatten"
DONE: Final = "DONE"
_CAUSE: Final = {
    FlattenKind.SESSION: ExitCause.SESSION,
    FlattenKind.STOP: ExitCause.SESSION,
    FlattenKind.KILL: ExitCause.KILL,
    FlattenKind.EMERGENCY: ExitCause.KILL,
}
_STRONGER: Final = (FlattenKind.STOP, FlattenKind.SESSION, FlattenKind.KILL, FlattenKind.EMERGENCY)

Results = list[Event | Effect]


def flatten(state: State, ts_ns: int, kind: FlattenKind, reason: str) -> Results:
    """Begin to flatten, or let a stronger plan take over; nothing to do when nothing is open."""
    running = state.flatten is not None and not state.flatten.finished
    if not running and not state.exposed:
        return []
    if state.flatten is None or not running:
        state.flatten_due_ns = None
        state.flatten = _begun(state, ts_ns, kind, reason)
    elif _STRONGER.index(kind) > _STRONGER.index(state.flatten.kind):
        state.flatten = taken_over(state.flatten, _begun(state, ts_ns, kind, reason))
    else:
        return []
    return drive(state, ts_ns)


def drive(state: State, ts_ns: int) -> Results:
    """Take the steps that are due; to be called at its timer and after every answer about orders."""
    if state.flatten is None or state.flatten.finished:
        return []
    plan = state.flatten.kind
    state.flatten, actions = advance(state.flatten, _facts(state), ts_ns)
    results: Results = []
    for action in actions:
        results += _carry_out(state, ts_ns, action)
    if state.flatten.kind is not plan:
        return results  # a kill took over and has driven on
    if state.flatten.finished:
        done = FlattenAdvanced(ts_ns=ts_ns, plan=plan.value, step=DONE, command="", qty=0, reason=state.flatten.reason)
        state.flatten_due_ns = None
        return [done, *results, DisarmTimer(ts_ns=ts_ns, name=FLATTEN_TIMER), *end_if_idle(state, ts_ns)]
    due_ns = next_due_ns(state.flatten)
    if due_ns is not None and due_ns != state.flatten_due_ns:
        state.flatten_due_ns = due_ns
        results.append(ArmTimer(ts_ns=ts_ns, name=FLATTEN_TIMER, due_ns=max(due_ns, ts_ns)))
    return results


def flatten_timer(state: State, ts_ns: int) -> Results:
    """The plan's timer fired: the next step, and the timer of the one after it."""
    state.flatten_due_ns = None
    return drive(state, ts_ns)


def request_stop(state: State, ts_ns: int, reason: str, *, exit_code: int, leave: bool = False) -> Results:
    """Begin to come to rest. A later request only makes the exit code worse.

    `leave`: a position that has its stop at the broker is not closed.
    """
    state.exit_code = max(state.exit_code, exit_code)
    if state.stopping is not None:
        return []
    if leave and may_protect(state):
        return protect(state, ts_ns, reason)
    state.stopping = reason
    # The cancels come from the plan as well; an entry is asked to go once.
    return [
        *cancel_entries(state, ts_ns, reason),
        *flatten(state, ts_ns, FlattenKind.STOP, reason),
        *end_if_idle(state, ts_ns),
    ]


def pull_kill_switch(state: State, ts_ns: int, reason: str, source: str) -> Results:
    """Latch, alert, cancel, flatten, halt. Pulling it twice changes nothing; only a person clears it.

    It takes over a stop that is under way: a run that was only rolling into its next session halts as well.
    """
    if state.kill_reason is not None:
        return []
    state.kill_reason = reason
    state.stopping = "KILL_SWITCH"
    state.ending = False  # an end that was decided already gets the exit code of a halt
    state.exit_code = max(state.exit_code, HALTED_EXIT_CODE)
    return [
        LatchKillSwitch(ts_ns=ts_ns, reason=reason, source=source),
        Alert(ts_ns=ts_ns, level="critical", code="KILL_SWITCH", text=f"kill switch by {source}: {reason}"),
        *cancel_entries(state, ts_ns, "KILL_SWITCH"),
        *flatten(state, ts_ns, FlattenKind.KILL, reason),
        *end_if_idle(state, ts_ns),
    ]


def _begun(state: State, ts_ns: int, kind: FlattenKind, reason: str) -> FlattenState:
    window = session_window(state.day, state.policy) if state.day else None
    if kind is FlattenKind.SESSION and window is not None:
        return begin_session_exit(window, ts_ns, reason, speed_e3=state.documents.wall_speed_e3)
    # A day the calendar does not know has no close to count back from.
    plan = FlattenKind.STOP if kind is FlattenKind.SESSION else kind
    return begin(plan, ts_ns, reason, speed_e3=state.documents.wall_speed_e3)


def _facts(state: State) -> FlattenFacts:
    trade = state.trade
    bid_ticks, ask_ticks = touch(state)
    return FlattenFacts(
        position_qty=state.position.qty if state.position_known or state.position_traced else None,
        answered_ns=state.answered_ns,
        working=len(state.entries) + (trade is not None and trade.target_resident),
        limit_working=trade is not None and trade.limit_sent_ns is not None and not trade.market_sent,
        market_working=state.stray_exit is not None if trade is None else trade.market_sent,
        quoted=(bid_ticks if state.position.qty > 0 else ask_ticks) is not None,
    )


def _carry_out(state: State, ts_ns: int, action: FlattenAction) -> Results:
    assert state.flatten is not None
    kind, reason = state.flatten.kind, state.flatten.reason
    told = FlattenAdvanced(
        ts_ns=ts_ns,
        plan=kind.value,
        step=action.step.value,
        command=action.command.value,
        qty=action.qty,
        reason=reason,
    )
    match action.command:
        case Command.CANCEL:
            return [told, *cancel_entries(state, ts_ns, reason), *_cancel_leg(state, ts_ns, Leg.TARGET, reason)]
        case Command.CANCEL_EXITS:
            return [told, *_cancel_leg(state, ts_ns, Leg.EXIT, reason)]
        case Command.EXIT_LIMIT | Command.EXIT_MARKET:
            market, cause = action.command is Command.EXIT_MARKET, _CAUSE[kind]
            if state.trade is None:
                return [told, *place_stray_exit(state, ts_ns, cause)]
            return [told, *place_exit(state, state.trade, ts_ns, cause, market=market, mask=1 << cause)]
        case Command.ASK_BROKER:
            return [told, AskBroker(ts_ns=ts_ns, reason=reason)]
        case Command.ALERT | Command.DEAD_MAN:
            text = f"{kind.value} flatten ({reason}): step {action.step.value}, position {state.position_qty}"
            level = "critical" if not state.flatten.finished else "warning"
            return [told, Alert(ts_ns=ts_ns, level=level, code=f"FLATTEN_{action.command.value}", text=text)]
        case Command.KILL:
            return [told, *pull_kill_switch(state, ts_ns, f"not flat in time: {reason}", "flatten")]
        case Command.HALT | Command.LOG_STATE:
            return [told]


def _cancel_leg(state: State, ts_ns: int, leg: Leg, reason: str) -> Results:
    if state.trade is None or (leg is Leg.TARGET and not state.trade.target_resident):
        return []
    return [CancelOrder(ts_ns=ts_ns, order_id=state.trade.order_id, reason=reason, leg=leg)]
