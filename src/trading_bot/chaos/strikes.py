"""Faults that have no name of their own at the gateway: made of what its desk can do, in its own loop."""

from typing import TYPE_CHECKING

from trading_bot.chaos.moments import is_ours

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.gateway import Gateway


def fill_entries(gateway: "Gateway", lots: int = 0) -> None:
    """Every working entry of the bot fills at its limit now: `lots` of it, or all that is open."""
    desk = gateway.desk
    desk.catch_up()
    for order in list(desk.flow.live.values()):
        ref = order.request.order_ref
        if not is_ours(ref) or not ref.endswith("E") or order.open <= 0:
            continue
        floor = desk.floors.of(order.listed)
        floor.withdraw(order, desk.now_ns)
        if not order.ended and order.open > 0:
            desk.flow.filled(order, desk.now_ns, lots or order.open, order.limit_ticks, False)
            desk.flow.review(order)
