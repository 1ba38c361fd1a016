"""OCA groups: who may be at the exchange, and what a fill takes from the others.

Types as the broker documents them: 1 cancels the rest, 2 reduces it in proportion, both with block; 3 reduces without.
"With block" is made here so that no two members can be filled beyond the group's lots: of the members on one side only
the best priced is at the exchange, and none beside an order to the market (docs/gateway.md).
"""

from collections.abc import Iterable
from typing import Final

from trading_bot.adapters.gateway.orders import STOP_TYPES, Order

CANCEL: Final = 1
REDUCE: Final = 2
REDUCE_WITHOUT_BLOCK: Final = 3
BLOCKED: Final = frozenset({CANCEL, REDUCE})


def at_once(members: Iterable[Order]) -> list[Order]:
    """Of members that could trade now, those that may be at the exchange together."""
    rows = list(members)
    if not any(order.oca_type in BLOCKED for order in rows):
        return rows
    best = [min(side, key=_priority) for side in ([o for o in rows if o.side == s] for s in (1, -1)) if side]
    if len(best) < 2:
        return best
    buy, sell = best
    if _to_market(buy) or _to_market(sell) or buy.limit_ticks >= sell.limit_ticks:
        return [min(best, key=lambda order: (not order.handle, not _to_market(order), order.perm_id))]
    return best


def _to_market(order: Order) -> bool:
    return order.request.order_type in {"MKT", "STP", "TRAIL"}


def _priority(order: Order) -> tuple[bool, bool, int, int]:
    """Orders to the market first, then triggered stop-limits, then the better limit, then the older."""
    stop_limit = order.request.order_type in STOP_TYPES
    return (not _to_market(order), not stop_limit, -order.side * order.limit_ticks, order.perm_id)


def reduction(other: Order, filled_qty: int, wanted_before: int) -> int:
    """Lots to take from `other` when a member that wanted so many filled `filled_qty` of them: in proportion."""
    lots = max(other.wanted, 0)
    return lots - lots * max(wanted_before - filled_qty, 0) // wanted_before if wanted_before > 0 else lots
