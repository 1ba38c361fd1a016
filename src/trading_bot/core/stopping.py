"""How a run comes to rest: entries cancelled, position flattened, then the end. Passes no entry gate.

With `run.stop = "protect"` a signal leaves the position: entries and target go, and once the broker has confirmed that
its stop is in force and nothing else is, the run is PROTECTED: its log stays open for the next start.
"""

from typing import Final

from trading_bot.core import deadlines
from trading_bot.core.state import State
from trading_bot.domain.effects import Alert, CancelOrder, Effect, EndRun, SaveLearningState
from trading_bot.domain.events import Event
from trading_bot.domain.orders import ClientOrderId, Leg
from trading_bot.engines import budgets
from trading_bot.engines.orders import OrderSignal, next_status

PROTECTED: Final = "PROTECTED"  # why a run ends that leaves a position with its stop
_LEAVING: Final = "PROTECT "  # before the reason of a stop that is to end so

Results = list[Event | Effect]


def cancel_entries(state: State, ts_ns: int, reason: str) -> Results:
    """Withdraw every entry that is not being withdrawn already."""
    return [effect for order_id in state.entries for effect in cancel_entry(state, ts_ns, order_id, reason)]


def cancel_entry(state: State, ts_ns: int, order_id: ClientOrderId, reason: str) -> Results:
    """Withdraw one entry, unless it is final or its withdrawal was asked for already."""
    entry = state.entries.get(order_id)
    if entry is None or entry.cancel_asked:
        return []
    entry.status, entry.cancel_asked = next_status(entry.status, OrderSignal.CANCEL_ASKED), True
    state.budgets = budgets.with_message(state.budgets)
    cancel = CancelOrder(ts_ns=ts_ns, order_id=order_id, reason=reason)
    if not entry.answered or entry.unknown_since_ns is not None:
        return [cancel]  # a wait for its state is under way, and goes on
    return [cancel, deadlines.order_answer(state, ts_ns, order_id)]


def flattening(state: State) -> bool:
    """Whether a way to flat is under way and not yet confirmed: what entered now would be left at once."""
    return state.flatten is not None and not state.flatten.finished


def end_if_idle(state: State, ts_ns: int) -> Results:
    """The end of the run once it is asked for, nothing is open, and a flattening under way has been confirmed."""
    if state.stopping is None or state.ending or (state.exposed and not is_protected(state)):
        return []
    if flattening(state) or _bracket_unknown(state):
        return []
    state.ending = True
    save: Results = []
    if state.learning.trades_since_save:
        state.learning.mark_saved()
        save = [SaveLearningState(ts_ns=ts_ns, reason="END")]
    reason = PROTECTED if state.exposed else state.stopping.removeprefix(_LEAVING)
    return [*save, EndRun(ts_ns=ts_ns, reason=reason, exit_code=state.exit_code)]


def _bracket_unknown(state: State) -> bool:
    """Whether a trade closed and the broker was not heard since: the rest of its bracket could open a position."""
    return state.closed_ns is not None and (state.answered_ns is None or state.answered_ns <= state.closed_ns)


def is_leaving(state: State) -> bool:
    """Whether the run comes to rest without closing its position."""
    return state.stopping is not None and state.stopping.startswith(_LEAVING)


def may_protect(state: State) -> bool:
    """Whether what is open is to be left: entries and a position of ours that nothing is closing already."""
    flattening = state.flatten is not None and not state.flatten.finished
    ours = state.position.qty == 0 or state.trade is not None
    return state.exposed and ours and state.kill_reason is None and not flattening


def protect(state: State, ts_ns: int, reason: str) -> Results:
    """Entries and target go, the stop stays; the end comes when the broker has confirmed so."""
    state.stopping = f"{_LEAVING}{reason}"
    held = f"position {state.position_qty} is" if state.position_qty else "what fills before entries are withdrawn is"
    text = (
        f"{reason}, and run.stop is protect: {held} left with its stop alone; nothing closes it at the session's end "
        "while no bot runs. The same command goes on with it"
    )
    return [
        Alert(ts_ns=ts_ns, level="warning", code="POSITION_LEFT", text=text),
        *cancel_entries(state, ts_ns, PROTECTED),
        *withdraw_target(state, ts_ns),
        *end_if_idle(state, ts_ns),
    ]


def withdraw_target(state: State, ts_ns: int) -> Results:
    """The target of a position that is left must not work on; asked again as often as it is found to."""
    trade = state.trade
    if not is_leaving(state) or trade is None or not trade.target_resident:
        return []
    return [CancelOrder(ts_ns=ts_ns, order_id=trade.order_id, reason=PROTECTED, leg=Leg.TARGET)]


def is_protected(state: State) -> bool:
    """Whether a position that is to be left has its stop in force, and nothing else of ours works."""
    trade = state.trade
    if not is_leaving(state) or trade is None or state.entries or state.stray_exit is not None:
        return False
    if state.position_qty is None or trade.target_resident or trade.sent_cause is not None:
        return False
    return trade.naked_since_ns is None and trade.resident_stop_qty >= abs(state.position_qty) > 0


def go_on(state: State) -> None:
    """A process goes on with what the one before it left."""
    if is_leaving(state):
        state.stopping, state.ending = None, False
