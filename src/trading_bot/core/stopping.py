"""How a run comes to rest: entries cancelled, position flattened, then the end. Passes no entry gate."""

from trading_bot.core.state import State
from trading_bot.domain.effects import Alert, CancelOrder, Effect, EndRun, FlattenPosition
from trading_bot.domain.events import Event
from trading_bot.domain.orders import ClientOrderId, OrderStatus
from trading_bot.engines.orders import OrderSignal, next_status

HALTED_EXIT_CODE = 5

Results = list[Event | Effect]


def cancel_entries(state: State, ts_ns: int, reason: str) -> Results:
    """Withdraw every entry that is not being withdrawn already."""
    return [effect for order_id in state.entries for effect in cancel_entry(state, ts_ns, order_id, reason)]


def cancel_entry(state: State, ts_ns: int, order_id: ClientOrderId, reason: str) -> Results:
    """Withdraw one entry, unless it is final or being withdrawn already."""
    entry = state.entries.get(order_id)
    if entry is None or entry.status is OrderStatus.CANCELLING:
        return []
    entry.status = next_status(entry.status, OrderSignal.CANCEL_ASKED)
    return [CancelOrder(ts_ns=ts_ns, order_id=order_id, reason=reason)]


def flatten(state: State, ts_ns: int, reason: str) -> Results:
    """Ask for position zero. An unknown position is asked for too: the broker knows it."""
    if state.position_qty == 0:
        return []
    qty = state.position_qty or 0
    return [FlattenPosition(ts_ns=ts_ns, instrument_id=state.instrument.id, qty=qty, reason=reason)]


def end_if_idle(state: State, ts_ns: int) -> Results:
    """The end of the run once it is asked for and nothing is open."""
    if state.stopping is None or state.entries or state.position_qty != 0:
        return []
    return [EndRun(ts_ns=ts_ns, reason=state.stopping, exit_code=state.exit_code)]


def request_stop(state: State, ts_ns: int, reason: str, *, exit_code: int) -> Results:
    """Begin to come to rest. A later request only makes the exit code worse."""
    state.exit_code = max(state.exit_code, exit_code)
    if state.stopping is not None:
        return []
    state.stopping = reason
    return [*cancel_entries(state, ts_ns, reason), *flatten(state, ts_ns, reason), *end_if_idle(state, ts_ns)]


def pull_kill_switch(state: State, ts_ns: int, reason: str, source: str) -> Results:
    """Latch, alert, cancel, flatten, halt. Pulling it twice changes nothing; only a person clears it.

    It takes over a stop that is under way: a run that was only rolling into its next session halts as well.
    """
    if state.kill_reason is not None:
        return []
    state.kill_reason = reason
    alert = Alert(ts_ns=ts_ns, level="critical", code="KILL_SWITCH", text=f"kill switch by {source}: {reason}")
    stopping, state.stopping = state.stopping, None
    halt = request_stop(state, ts_ns, "KILL_SWITCH", exit_code=HALTED_EXIT_CODE)
    # The flattening that the earlier stop asked for is under way: a second one could sell twice.
    return [alert, *(effect for effect in halt if stopping is None or not isinstance(effect, FlattenPosition))]
