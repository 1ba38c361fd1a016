"""Handlers: what a broker, or the sink that stands for it, says about orders."""

from trading_bot.core.on_session import watch_quality
from trading_bot.core.state import State
from trading_bot.core.stopping import end_if_idle
from trading_bot.domain import events
from trading_bot.domain.effects import Alert, DisarmTimer, Effect
from trading_bot.domain.events import Event
from trading_bot.domain.orders import ClientOrderId
from trading_bot.engines.orders import FINAL, OrderSignal, next_status
from trading_bot.engines.quality import EqsDeficit

Results = list[Event | Effect]


def order_suppressed(state: State, event: events.OrderSuppressed, _seq: int) -> Results:
    """OBSERVE: stands where the acknowledgement would; the entry is taken as working."""
    return _advance(state, event.ts_ns, event.order_id, OrderSignal.WORK)


def order_acknowledged(state: State, event: events.OrderAcknowledged, _seq: int) -> Results:
    """The broker has the order."""
    return _advance(state, event.ts_ns, event.order_id, OrderSignal.ACK)


def order_cancelled(state: State, event: events.OrderCancelled, _seq: int) -> Results:
    """The order is gone."""
    return _advance(state, event.ts_ns, event.order_id, OrderSignal.CANCELLED)


def order_rejected(state: State, event: events.OrderRejected, _seq: int) -> Results:
    """The broker refused: execution quality suffers."""
    state.deficits = (*state.deficits, EqsDeficit("reject", event.ts_ns))
    text = f"order {event.order_id} rejected: {event.code} {event.text}"
    alert = Alert(ts_ns=event.ts_ns, level="error", code="ORDER_REJECTED", text=text)
    advanced = _advance(state, event.ts_ns, event.order_id, OrderSignal.REJECTED)
    return [alert, *watch_quality(state, event.ts_ns, state.kernel.dvs_band, state.kernel.dvs_c), *advanced]


def _advance(state: State, ts_ns: int, order_id: ClientOrderId, signal: OrderSignal) -> Results:
    entry = state.entries.get(order_id)
    if entry is None:
        text = f"{signal.value} for order {order_id}, which is not open here"
        return [Alert(ts_ns=ts_ns, level="warning", code="ORDER_NOT_OPEN", text=text)]
    entry.status = next_status(entry.status, signal)
    if entry.status not in FINAL:
        return []
    del state.entries[order_id]
    disarm = DisarmTimer(ts_ns=ts_ns, name="entry_ttl", order_id=order_id)
    quality = watch_quality(state, ts_ns, state.kernel.dvs_band, state.kernel.dvs_c)
    return [disarm, *quality, *end_if_idle(state, ts_ns)]
