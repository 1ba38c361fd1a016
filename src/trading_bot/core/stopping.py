"""How a run comes to rest: entries cancelled, position flattened, then the end. Passes no entry gate."""

from trading_bot.core import deadlines
from trading_bot.core.state import State
from trading_bot.domain.effects import CancelOrder, Effect, EndRun, SaveLearningState
from trading_bot.domain.events import Event
from trading_bot.domain.orders import ClientOrderId
from trading_bot.engines import budgets
from trading_bot.engines.orders import OrderSignal, next_status

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


def end_if_idle(state: State, ts_ns: int) -> Results:
    """The end of the run once it is asked for, nothing is open, and a flattening under way has been confirmed."""
    if state.stopping is None or state.exposed or state.ending:
        return []
    if state.flatten is not None and not state.flatten.finished:
        return []
    state.ending = True
    save: Results = []
    if state.learning.trades_since_save:
        state.learning.mark_saved()
        save = [SaveLearningState(ts_ns=ts_ns, reason="END")]
    return [*save, EndRun(ts_ns=ts_ns, reason=state.stopping, exit_code=state.exit_code)]
