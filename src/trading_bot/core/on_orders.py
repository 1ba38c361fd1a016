"""Handlers: what a broker, or the sink that stands for it, says about orders. Executions are in `on_fill`."""

from trading_bot.core import breaking, execution_quality
from trading_bot.core.flattening import drive
from trading_bot.core.leaving import place_exit
from trading_bot.core.on_session import STOP_DEADLINE_TIMER, settle_entry, watch_quality
from trading_bot.core.state import State
from trading_bot.core.stopping import end_if_idle
from trading_bot.core.trade import Trade
from trading_bot.domain import events
from trading_bot.domain.effects import Alert, ArmTimer, CancelOrder, DisarmTimer, Effect
from trading_bot.domain.events import Event
from trading_bot.domain.orders import ClientOrderId, Leg
from trading_bot.domain.trade_events import OrderWorking, RequestRefused, StopResident, StopTriggered
from trading_bot.domain.units import NS_PER_MS
from trading_bot.engines.exits import ExitCause
from trading_bot.engines.orders import TRANSITIONS, OrderSignal, next_status
from trading_bot.engines.quality import EqsDeficit

Results = list[Event | Effect]


def order_suppressed(state: State, event: events.OrderSuppressed, _seq: int) -> Results:
    """OBSERVE: stands where the acknowledgement would."""
    return _advance(state, event.ts_ns, event.order_id, OrderSignal.ACK)


def order_acknowledged(state: State, event: events.OrderAcknowledged, _seq: int) -> Results:
    """The broker has the order."""
    return _advance(state, event.ts_ns, event.order_id, OrderSignal.ACK)


def order_working(state: State, event: OrderWorking, _seq: int) -> Results:
    """A leg is in force; with the stop in force the position is no longer naked."""
    if event.leg is Leg.ENTRY:
        return _advance(state, event.ts_ns, event.order_id, OrderSignal.WORK)
    trade = _trade_of(state, event.order_id)
    if trade is None:
        # The position closed while this was under way: alone it could open another.
        if event.leg is Leg.EXIT and state.stray_exit:
            return []
        return [CancelOrder(ts_ns=event.ts_ns, order_id=event.order_id, reason="POSITION_CLOSED", leg=event.leg)]
    if event.leg is Leg.TARGET:
        trade.target_resident = True
    elif event.leg is Leg.STOP:
        trade.resident_stop_ticks = event.price_ticks
        if trade.naked_since_ns is not None:
            naked_ns, trade.naked_since_ns = event.ts_ns - trade.naked_since_ns, None
            resident = StopResident(
                ts_ns=event.ts_ns, order_id=event.order_id, price_ticks=event.price_ticks, naked_ns=naked_ns
            )
            return [resident, DisarmTimer(ts_ns=event.ts_ns, name=STOP_DEADLINE_TIMER)]
    return []


def order_cancelled(state: State, event: events.OrderCancelled, _seq: int) -> Results:
    """A leg is gone."""
    if event.leg is Leg.ENTRY:
        return [
            *_advance(state, event.ts_ns, event.order_id, OrderSignal.CANCELLED),
            *drive(state, event.ts_ns),
            *end_if_idle(state, event.ts_ns),
        ]
    trade = _trade_of(state, event.order_id)
    if trade is None:
        _stray_exit_gone(state, event.leg)
        return drive(state, event.ts_ns)
    return [*_leg_gone(state, trade, event.leg, event.ts_ns), *drive(state, event.ts_ns)]


def order_rejected(state: State, event: events.OrderRejected, _seq: int) -> Results:
    """The broker refused: execution quality suffers, and a refused stop is left at once."""
    ts_ns = event.ts_ns
    state.deficits = (*state.deficits, EqsDeficit("reject", ts_ns))
    text = f"{event.leg.value} of order {event.order_id} rejected: {event.code} {event.text}"
    results: Results = [Alert(ts_ns=ts_ns, level="error", code="ORDER_REJECTED", text=text)]
    if event.leg is Leg.ENTRY:
        results += _advance(state, ts_ns, event.order_id, OrderSignal.REJECTED)
    elif (trade := _trade_of(state, event.order_id)) is not None:
        results += _leg_gone(state, trade, event.leg, ts_ns)
        if event.leg is Leg.STOP and not trade.market_sent and state.position.qty != 0:
            cause = ExitCause.STOP
            results += place_exit(state, trade, ts_ns, cause, market=True, mask=1 << cause)
    else:
        _stray_exit_gone(state, event.leg)
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
        _stray_exit_gone(state, event.leg)
    elif event.leg is Leg.EXIT:
        trade.forget_exit()
    return []


def _stray_exit_gone(state: State, leg: Leg) -> None:
    state.stray_exit = state.stray_exit and leg is not Leg.EXIT


def _trade_of(state: State, order_id: ClientOrderId) -> Trade | None:
    trade = state.trade
    return trade if trade is not None and trade.order_id == order_id else None


def _leg_gone(state: State, trade: Trade, leg: Leg, ts_ns: int) -> Results:
    if leg is Leg.TARGET:
        trade.target_resident = False
    elif leg is Leg.EXIT:
        trade.forget_exit()
    elif state.position.qty != 0:
        trade.resident_stop_ticks = None
        trade.naked_since_ns = ts_ns if trade.naked_since_ns is None else trade.naked_since_ns
        deadline_ns = ts_ns + state.config.orders.stop_deadline_ms * NS_PER_MS
        return [ArmTimer(ts_ns=ts_ns, name=STOP_DEADLINE_TIMER, due_ns=deadline_ns)]
    return []


def _advance(state: State, ts_ns: int, order_id: ClientOrderId, signal: OrderSignal) -> Results:
    entry = state.entries.get(order_id)
    if entry is None:
        final = state.final_entries.get(order_id)
        if final is not None and (final.status, signal) in TRANSITIONS:
            final.status = next_status(final.status, signal)
            return []
        text = f"{signal.value} for order {order_id}, which is not open here"
        return [Alert(ts_ns=ts_ns, level="warning", code="ORDER_NOT_OPEN", text=text)]
    results = execution_quality.answered(ts_ns, entry)
    entry.status = next_status(entry.status, signal)
    settled = settle_entry(state, ts_ns, entry)
    if not settled:
        return results
    results += execution_quality.partial_left(state, ts_ns, entry)
    return [*results, *settled, *watch_quality(state, ts_ns, state.kernel.dvs_band, state.kernel.dvs_c)]
