"""How long a broker has to answer: names and timers. All spans are wall time, counted on the market's clock."""

from typing import Final

from trading_bot.core.state import State
from trading_bot.domain.effects import ArmTimer
from trading_bot.domain.orders import ClientOrderId
from trading_bot.domain.units import NS_PER_MS, NS_PER_S

ORDER_ACK_TIMER: Final = "order_ack"
STOP_DEADLINE_TIMER: Final = "stop_deadline"
RECONCILE_TIMER: Final = "reconcile"
POSITION_UNKNOWN_TIMER: Final = "position_unknown"


def order_answer(state: State, ts_ns: int, order_id: ClientOrderId) -> ArmTimer:
    """An order or its withdrawal was sent: without an answer by then its state is unknown."""
    due_ns = ts_ns + state.wall_ns(state.config.orders.ack_deadline_ms * NS_PER_MS)
    return ArmTimer(ts_ns=ts_ns, name=ORDER_ACK_TIMER, due_ns=due_ns, order_id=order_id)


def order_unknown(state: State, ts_ns: int, order_id: ClientOrderId) -> ArmTimer:
    """An entry's state is unknown: past this the kill switch decides."""
    due_ns = ts_ns + state.wall_ns(state.config.orders.unknown_deadline_s * NS_PER_S)
    return ArmTimer(ts_ns=ts_ns, name=ORDER_ACK_TIMER, due_ns=due_ns, order_id=order_id)


def position_unknown(state: State, ts_ns: int) -> ArmTimer:
    """The same for the position."""
    due_ns = ts_ns + state.wall_ns(state.config.orders.unknown_deadline_s * NS_PER_S)
    return ArmTimer(ts_ns=ts_ns, name=POSITION_UNKNOWN_TIMER, due_ns=due_ns)


def stop_resident(state: State, ts_ns: int) -> ArmTimer:
    """A position without its stop has this long to get one."""
    due_ns = ts_ns + state.wall_ns(state.config.orders.stop_deadline_ms * NS_PER_MS)
    return ArmTimer(ts_ns=ts_ns, name=STOP_DEADLINE_TIMER, due_ns=due_ns)


def next_question(state: State, ts_ns: int) -> ArmTimer:
    """The next comparison with the broker."""
    due_ns = ts_ns + state.wall_ns(state.config.orders.reconcile_s * NS_PER_S)
    return ArmTimer(ts_ns=ts_ns, name=RECONCILE_TIMER, due_ns=due_ns)


def ask_again(state: State, ts_ns: int) -> ArmTimer:
    """Orders moved a moment ago: the next question comes as soon as they have settled."""
    due_ns = ts_ns + state.wall_ns(state.config.orders.settle_ms * NS_PER_MS)
    return ArmTimer(ts_ns=ts_ns, name=RECONCILE_TIMER, due_ns=due_ns)


def data_awaited_ns(state: State, ts_ns: int) -> int:
    """Until when a connection that has just come (back) may be without data: its streams have to be asked for again."""
    ibkr = state.config.ibkr
    return ts_ns + state.wall_ns(round((ibkr.resubscribe_wait_s + ibkr.stale_s) * NS_PER_S))
