"""Handlers: what a broker, or the sink that stands for it, says about orders. Executions are in `on_fill`."""

from typing import Final

from trading_bot.core import breaking, deadlines, execution_quality
from trading_bot.core.deadlines import STOP_DEADLINE_TIMER
from trading_bot.core.flattening import drive
from trading_bot.core.leaving import leave_naked
from trading_bot.core.on_session import settle_entry, watch_quality
from trading_bot.core.state import State
from trading_bot.core.stopping import cancel_entry, end_if_idle, is_leaving, withdraw_target
from trading_bot.core.trade import Trade
from trading_bot.domain import events
from trading_bot.domain.effects import Alert, CancelOrder, DisarmTimer, Effect
from trading_bot.domain.events import Event
from trading_bot.domain.orders import ClientOrderId, Leg, OrderStatus
from trading_bot.domain.trade_events import OrderWorking, RequestRefused, StopResident, StopTriggered
from trading_bot.engines.orders import TRANSITIONS, OrderSignal, next_status
from trading_bot.engines.quality import EqsDeficit

_LIVES: Final = frozenset({OrderSignal.ACK, OrderSignal.WORK})

Results = list[Event | Effect]


def order_suppressed(state: State, event: events.OrderSuppressed, _seq: int) -> Results:
    """OBSERVE: stands where the acknowledgement would."""
    return advance(state, event.ts_ns, event.order_id, OrderSignal.ACK)


def order_acknowledged(state: State, event: events.OrderAcknowledged, _seq: int) -> Results:
    """The broker has the order."""
    return advance(state, event.ts_ns, event.order_id, OrderSignal.ACK)


def order_working(state: State, event: OrderWorking, _seq: int) -> Results:
    """A leg is in force; with the stop in force the position is no longer naked."""
    if event.leg is Leg.ENTRY:
        return advance(state, event.ts_ns, event.order_id, OrderSignal.WORK)
    trade = _trade_of(state, event.order_id)
    if trade is None:
        entry = state.entries.get(event.order_id)
        if entry is not None and event.leg is not Leg.EXIT:
            # It has overtaken the execution that it follows: taken in with that one, and no reason to withdraw it.
            entry.children = (*entry.without(event.leg), (event.leg, event.price_ticks, event.remaining))
            return []
        # The position closed while this was under way: alone it could open another.
        if event.leg is Leg.EXIT and state.stray_exit == event.order_id:
            return []
        return [CancelOrder(ts_ns=event.ts_ns, order_id=event.order_id, reason="POSITION_CLOSED", leg=event.leg)]
    works = child_works(state, trade, event.ts_ns, event.leg, price_ticks=event.price_ticks, qty=event.remaining)
    return [*works, *_left(state, event.ts_ns, event.leg)]


def _left(state: State, ts_ns: int, leg: Leg) -> Results:
    """What a position that is to be left waits for: its target gone, its stop in force."""
    if not is_leaving(state):
        return []
    target = withdraw_target(state, ts_ns) if leg is Leg.TARGET else []
    return [*target, *end_if_idle(state, ts_ns)]


def child_works(state: State, trade: Trade, ts_ns: int, leg: Leg, *, price_ticks: int, qty: int) -> Results:
    """A child of the open position is in force. The stop protects once it is for all of what has filled (EX07)."""
    if leg is Leg.TARGET:
        trade.target_resident = True
    if leg is not Leg.STOP:
        return []
    trade.resident_stop_ticks, trade.resident_stop_qty = price_ticks, qty
    if trade.naked_since_ns is None or qty < abs(state.position.qty):
        return []
    naked_ns, trade.naked_since_ns = state.wall_of(ts_ns - trade.naked_since_ns), None
    resident = StopResident(ts_ns=ts_ns, order_id=trade.order_id, price_ticks=price_ticks, naked_ns=naked_ns)
    return [resident, DisarmTimer(ts_ns=ts_ns, name=STOP_DEADLINE_TIMER)]


def order_cancelled(state: State, event: events.OrderCancelled, _seq: int) -> Results:
    """A leg is gone."""
    if event.leg is Leg.ENTRY:
        return [
            *advance(state, event.ts_ns, event.order_id, OrderSignal.CANCELLED),
            *drive(state, event.ts_ns),
            *end_if_idle(state, event.ts_ns),
        ]
    trade = _trade_of(state, event.order_id)
    if trade is None:
        return [*_child_gone_early(state, event.order_id, event.leg, event.ts_ns), *drive(state, event.ts_ns)]
    gone = _leg_gone(state, trade, event.leg, event.ts_ns)
    return [*gone, *drive(state, event.ts_ns), *_left(state, event.ts_ns, Leg.STOP)]


def order_rejected(state: State, event: events.OrderRejected, _seq: int) -> Results:
    """The broker refused: execution quality suffers, and a refused stop is left at once."""
    ts_ns = event.ts_ns
    state.deficits = (*state.deficits, EqsDeficit("reject", ts_ns))
    text = f"{event.leg.value} of order {event.order_id} rejected: {event.code} {event.text}"
    results: Results = [Alert(ts_ns=ts_ns, level="error", code="ORDER_REJECTED", text=text)]
    if event.leg is Leg.ENTRY:
        results += advance(state, ts_ns, event.order_id, OrderSignal.REJECTED)
    elif (trade := _trade_of(state, event.order_id)) is not None:
        results += _leg_gone(state, trade, event.leg, ts_ns)
        if event.leg is Leg.STOP and not trade.market_sent and state.position.qty != 0:
            results += leave_naked(state, trade, ts_ns)
    else:
        results += _child_gone_early(state, event.order_id, event.leg, ts_ns)
    results += watch_quality(state, ts_ns, state.kernel.dvs_band, state.kernel.dvs_c)
    results += breaking.broker_error(state, ts_ns)
    return [*results, *drive(state, ts_ns), *end_if_idle(state, ts_ns)]


def stop_triggered(state: State, event: StopTriggered, _seq: int) -> Results:
    """The resident stop is on its way to the exchange."""
    trade = _trade_of(state, event.order_id)
    if trade is not None and trade.stop_touched_ns is None:
        trade.stop_touched_ns = event.ts_ns
    return []


def request_refused(state: State, event: RequestRefused, _seq: int) -> Results:
    """Too late: what filled the order is told by its own record. An exit that was refused does not work."""
    trade = _trade_of(state, event.order_id)
    if trade is None:
        _stray_exit_gone(state, event.order_id, event.leg)
    elif event.leg is Leg.EXIT:
        trade.forget_exit()
        return _stop_awaited(state, trade, event.ts_ns)
    return []


def _stop_awaited(state: State, trade: Trade, ts_ns: int) -> Results:
    """An exit is gone; a position that has no stop either is looked at again at its deadline."""
    if trade.naked_since_ns is None or state.position.qty == 0:
        return []
    return [deadlines.stop_resident(state, ts_ns)]


def _child_gone_early(state: State, order_id: ClientOrderId, leg: Leg, ts_ns: int) -> Results:
    """Three live legs or none: an entry that has lost a child before it filled is withdrawn."""
    _stray_exit_gone(state, order_id, leg)
    entry = state.entries.get(order_id)
    if entry is None or leg is Leg.EXIT:
        return []
    entry.stopless, entry.children = entry.stopless or leg is Leg.STOP, entry.without(leg)
    return cancel_entry(state, ts_ns, order_id, f"{leg.value}_GONE")


def _stray_exit_gone(state: State, order_id: ClientOrderId, leg: Leg) -> None:
    if leg is Leg.EXIT and state.stray_exit == order_id:
        state.stray_exit = None


def _trade_of(state: State, order_id: ClientOrderId) -> Trade | None:
    trade = state.trade
    return trade if trade is not None and trade.order_id == order_id else None


def _leg_gone(state: State, trade: Trade, leg: Leg, ts_ns: int) -> Results:
    if leg is Leg.TARGET:
        trade.target_resident = False
    elif leg is Leg.EXIT:
        trade.forget_exit()
        return _stop_awaited(state, trade, ts_ns)
    elif state.position.qty != 0:
        trade.resident_stop_ticks, trade.resident_stop_qty = None, 0
        trade.naked_since_ns = ts_ns if trade.naked_since_ns is None else trade.naked_since_ns
        return [deadlines.stop_resident(state, ts_ns)]
    return []


def advance(state: State, ts_ns: int, order_id: ClientOrderId, signal: OrderSignal) -> Results:
    """An entry takes a signal; once it is final it no longer works."""
    entry = state.entries.get(order_id)
    if entry is None:
        final = state.final_entries.get(order_id)
        if final is not None and (final.status, signal) in TRANSITIONS:
            final.status = next_status(final.status, signal)
            return []
        text = f"{signal.value} for order {order_id}, which is not open here"
        alert = Alert(ts_ns=ts_ns, level="warning", code="ORDER_NOT_OPEN", text=text)
        if signal not in _LIVES or (final is not None and final.status is OrderStatus.FILLED):
            return [alert]
        # It works although it is over here, or was never begun: a fill would open a position.
        return [alert, CancelOrder(ts_ns=ts_ns, order_id=order_id, reason="ORDER_NOT_OPEN")]
    results = execution_quality.answered(state, ts_ns, entry)
    entry.status = next_status(entry.status, signal)
    settled = settle_entry(state, ts_ns, entry)
    if not settled:
        return results
    results += execution_quality.partial_left(state, ts_ns, entry)
    return [*results, *settled, *watch_quality(state, ts_ns, state.kernel.dvs_band, state.kernel.dvs_c)]
