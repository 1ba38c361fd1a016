"""Children for what their entry has filled, and no more (feature EX07).

The broker is said to size them itself as the entry fills; no public page promises it. A stop for more lots than there
are would open a position the other way, so what is too large is changed. What is too small the core leaves: it shows as
a stop that does not cover the position.
"""

import msgspec

from trading_bot.adapters.ibkr.order_index import Incarnation, LegState, OrderIndex
from trading_bot.domain.orders import ClientOrderId, Leg

_CLOSING = (Leg.STOP, Leg.TARGET, Leg.EXIT)


class Excess(msgspec.Struct, frozen=True):
    """A child that is open for more lots than its bracket holds; `qty` it should be for in all, 0: it should go."""

    state: LegState
    order: Incarnation
    qty: int


def excess(index: OrderIndex, order_id: ClientOrderId) -> list[Excess]:
    """Children of a bracket that are too large, once its entry has ended with fills."""
    entry = index.leg(order_id, Leg.ENTRY)
    if entry is None or entry.live or entry.executed == 0:
        return []
    held = entry.executed - sum(state.executed for leg in _CLOSING if (state := index.leg(order_id, leg)) is not None)
    found = []
    for leg in (Leg.STOP, Leg.TARGET):
        state = index.leg(order_id, leg)
        order = state.live[-1] if state is not None and state.live else None
        if state is not None and order is not None and order.total - order.filled > max(held, 0):
            found.append(Excess(state, order, order.filled + held if held > 0 else 0))
    return found
