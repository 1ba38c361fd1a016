"""Faults that have no name of their own at the gateway: made of what its desk can do, in its own loop."""

from typing import TYPE_CHECKING

from trading_bot.chaos.moments import is_ours

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.gateway import Gateway


def fill_entries(gateway: "Gateway") -> None:
    """Every working entry of the bot fills at its limit now."""
    _fill(gateway, "E")


def fill_targets(gateway: "Gateway") -> None:
    """Every working target of the bot fills at its limit now."""
    _fill(gateway, "T")


def _fill(gateway: "Gateway", leg: str) -> None:
    desk = gateway.desk
    desk.catch_up()
    for order in list(desk.flow.live.values()):
        ref = order.request.order_ref
        if not is_ours(ref) or not ref.endswith(leg) or order.open <= 0:
            continue
        desk.floors.of(order.listed).withdraw(order, desk.now_ns)
        if not order.ended and order.open > 0:
            desk.flow.filled(order, desk.now_ns, order.open, order.limit_ticks, maker=False)
