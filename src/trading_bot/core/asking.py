"""When the broker is asked, and what it means that it does not answer (specification 12; only where gates are real).

At every connection, every 30 s, and on any surprise. All spans are wall time: a broker does not answer faster because a
simulated market runs faster.
"""

from trading_bot.core import deadlines
from trading_bot.core.deadlines import (
    ORDER_ACK_TIMER,
    POSITION_UNKNOWN_TIMER,
    RECONCILE_TIMER,
    STOP_DEADLINE_TIMER,
)
from trading_bot.core.flattening import pull_kill_switch
from trading_bot.core.state import State
from trading_bot.domain.effects import Alert, AskBroker, DisarmTimer, Effect
from trading_bot.domain.events import Event, Reconciled
from trading_bot.domain.reconciling import Row
from trading_bot.domain.units import NS_PER_MS
from trading_bot.engines.latency_budget import NOTHING_MEASURED
from trading_bot.engines.orders import OrderSignal, next_status
from trading_bot.engines.reconciliation import RULES

Results = list[Event | Effect]


def connected(state: State, ts_ns: int) -> Results:
    """The link to the broker stands (again): what it did meanwhile is asked for, and deadlines begin anew."""
    if not state.documents.gates_real:
        return []
    results: Results = [_ask(state, ts_ns, "LINK_UP"), deadlines.next_question(state, ts_ns)]
    if state.unknown_since_ns is not None:
        results.append(deadlines.position_unknown(state, ts_ns))
    results += [
        deadlines.order_unknown(state, ts_ns, order_id)
        for order_id, entry in state.entries.items()
        if entry.unknown_since_ns is not None
    ]
    if state.trade is not None and state.trade.naked_since_ns is not None:
        results.append(deadlines.stop_resident(state, ts_ns))
    return results


def disconnected(state: State) -> None:
    """Nothing the broker said before counts for what it does from here on."""
    if state.documents.gates_real:
        state.reconciled = state.position_known = state.position_traced = False
        state.asked_ns = None


def restarted(state: State, ts_ns: int) -> Results:
    """A new process knows what the log says, not what the broker did since: link down, position and orders unknown."""
    if not state.documents.gates_real:
        return []
    state.link_up = state.link_connected = False
    state.link = state.latency = None
    state.measured = NOTHING_MEASURED
    state.unknown_since_ns = ts_ns if state.unknown_since_ns is None else state.unknown_since_ns
    disconnected(state)
    results: Results = [
        DisarmTimer(ts_ns=ts_ns, name=name) for name in (RECONCILE_TIMER, POSITION_UNKNOWN_TIMER, STOP_DEADLINE_TIMER)
    ]
    for order_id, entry in state.entries.items():
        entry.status = next_status(entry.status, OrderSignal.LOST)
        entry.unknown_since_ns = ts_ns if entry.unknown_since_ns is None else entry.unknown_since_ns
        results.append(DisarmTimer(ts_ns=ts_ns, name=ORDER_ACK_TIMER, order_id=order_id))
    return results


def question_due(state: State, ts_ns: int) -> Results:
    """Half a minute has passed. A question that nobody answered by then is an answer of its own: nothing is known."""
    results: Results = []
    if state.link_connected:
        if state.asked_ns is not None:
            results += no_answer(
                state, ts_ns, f"no answer since {state.wall_of(ts_ns - state.asked_ns) // NS_PER_MS} ms"
            )
        results.append(_ask(state, ts_ns, "PERIODIC"))
    return [*results, deadlines.next_question(state, ts_ns)]


def trade_closed(state: State, ts_ns: int) -> Results:
    """Whether anything of its bracket still works is asked soon: alone it could open another position."""
    if not state.documents.gates_real:
        return []
    state.closed_ns = ts_ns
    return [deadlines.ask_again(state, ts_ns)] if state.link_connected else []


def not_answered(state: State, event: Reconciled) -> Results:
    """The broker was asked and does not say. Before anything was asked there is nothing to tell."""
    if not event.asked or not state.documents.gates_real:
        state.reconciled = state.position_known = False
        return []
    return no_answer(state, event.ts_ns, event.reason)


def no_answer(state: State, ts_ns: int, reason: str) -> Results:
    """Unknown is not flat: entries stop, and a deadline begins."""
    state.reconciled = state.position_known = False
    state.asked_ns = None
    if state.unknown_since_ns is not None:
        return []
    state.unknown_since_ns = ts_ns
    text = f"position and orders at the broker are not known: {reason}"
    rule = RULES[Row.NO_ANSWER]
    alert = Alert(ts_ns=ts_ns, level=rule.severity.value, code=f"RECONCILE_{rule.row.value}", text=text)
    return [alert, deadlines.position_unknown(state, ts_ns)]


def answer_came(state: State, ts_ns: int) -> Results:
    """The broker has said what it has."""
    state.asked_ns = None
    if state.unknown_since_ns is None:
        return []
    state.unknown_since_ns = None
    return [DisarmTimer(ts_ns=ts_ns, name=POSITION_UNKNOWN_TIMER)]


def still_unknown(state: State, ts_ns: int) -> Results:
    """Past the deadline the kill switch decides, unless nothing was ever open here, or the link itself is down."""
    if state.unknown_since_ns is None:
        return []
    ours = state.position.qty != 0 or state.trade is not None or bool(state.entries)
    if not state.link_connected or not ours:
        return [deadlines.position_unknown(state, ts_ns)]
    seconds = state.config.orders.unknown_deadline_s
    return pull_kill_switch(state, ts_ns, f"the position is unknown for {seconds} s", "reconciliation")


def _ask(state: State, ts_ns: int, reason: str) -> AskBroker:
    state.asked_ns = ts_ns
    return AskBroker(ts_ns=ts_ns, reason=reason)
