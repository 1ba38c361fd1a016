"""What the broker lists, as a reconciliation has it: ours by the core's names, everybody else's as they are."""

from collections.abc import Iterator
from typing import Final

from trading_bot.adapters.ibkr import broker_rows
from trading_bot.adapters.ibkr.order_index import Incarnation, LegState, OrderIndex
from trading_bot.adapters.ibkr.order_phases import Phase
from trading_bot.adapters.ibkr.questions import Listing
from trading_bot.domain.orders import BrokerOrder, Leg

_CHILDREN: Final = (Leg.STOP, Leg.TARGET)


def listed(index: OrderIndex, listing: Listing) -> Iterator[BrokerOrder]:
    """Everything that works; an order of ours with several identities once."""
    ours: dict[int, tuple[LegState, list[Incarnation]]] = {}
    for perm_id, row in listing.orders.items():
        found = index.by_perm(perm_id)
        if found is None:
            yield _foreign(listing, perm_id)
        elif row.status not in broker_rows.ENDED:
            ours.setdefault(id(found[0]), (found[0], []))[1].append(found[1])
    for state, incarnations in ours.values():
        kept = [order for order in incarnations if not order.cancel_asked] or incarnations
        newest = max(kept, key=state.orders.index)
        status = listing.statuses.get(newest.perm_id)
        yield BrokerOrder(
            order_id=state.order_id,
            leg=state.leg,
            side=newest.side,
            remaining=status.remaining if status is not None else max(newest.total - newest.filled, 0),
            price_ticks=newest.price_ticks,
            perm_ids=tuple(sorted(order.perm_id for order in kept)),
            order_ref=str(state.reference),
            held=newest.phase is Phase.HELD and state.leg in _CHILDREN,
        )


def _foreign(listing: Listing, perm_id: int) -> BrokerOrder:
    row, status = listing.orders[perm_id], listing.statuses.get(perm_id)
    return BrokerOrder(
        order_id=None,
        leg=None,
        side=row.side,
        remaining=row.total if status is None else status.remaining,
        price_ticks=row.price_ticks,
        perm_ids=(perm_id,),
        order_ref=row.order_ref,
    )
