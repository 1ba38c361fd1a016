"""What does not come from a client of this gateway: orders at the screen, orders of clients elsewhere, positions."""

from typing import TYPE_CHECKING

from msgspec import structs

from trading_bot.adapters.gateway import order_checks
from trading_bot.adapters.gateway.contracts import Listed, Query
from trading_bot.adapters.gateway.order_decode import OrderRequest
from trading_bot.adapters.gateway.orders import Order

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.desk import Desk
    from trading_bot.adapters.gateway.gateway import Gateway


class ByHand:
    """Orders somebody enters at the screen: of client 0, with order id 0 until client 0 binds them."""

    def __init__(self, gateway: "Gateway", desk: "Desk") -> None:
        self._gateway = gateway
        self._desk = desk
        self._binds = False
        self.orders: list[Order] = []

    def place(self, request: OrderRequest, client_id: int = 0) -> Order:
        """An order that no client of ours sent; `client_id` other than 0: another program's, with its order id.

        Raises ValueError when the gateway would refuse it.
        """
        desk = self._desk
        desk.catch_up()
        listed = self._gateway.contracts.one(request.contract)
        refusal = order_checks.before_leaving(request, listed, desk.account.name)
        if refusal is not None or listed is None:
            raise ValueError(f"order by hand: {refusal or order_checks.NO_CONTRACT}")
        order = Order(structs.replace(request, order_id=0), client_id, listed, desk.new_perm_id())
        desk.floors.of(listed)
        if client_id:
            order.order_id = desk.next_order_id(client_id)
            desk.register(order)
        else:
            self.orders.append(order)
            if self._binds:
                self._bind(order)
        desk.transmit(order)
        return order

    def bind(self, *, automatic: bool) -> None:
        """Client 0 takes orders by hand as its own, those that live and, while `automatic`, those to come."""
        self._binds = automatic
        for order in self.orders:
            if automatic and order.order_id == 0 and not order.ended:
                self._bind(order)
                self._desk.teller.order(order)

    def _bind(self, order: Order) -> None:
        order.order_id = self._desk.lowest_order_id() - 1
        self._desk.register(order)

    def give(self, listed: Listed, qty: int) -> None:
        """The account holds `qty` lots more (fewer below 0) at the last price: transferred, no execution."""
        desk = self._desk
        desk.catch_up()
        floor = desk.floors.of(listed)
        desk.account.give(listed, qty, floor.last_ticks)
        desk.watch.position_changed(listed.con_id)


def plain_request(
    listed: Listed, account: str, *, side: str, qty: int, points: float = 0.0, order_ref: str = ""
) -> OrderRequest:
    """An order at the market, or with `points` at that limit, good until cancelled at all hours."""
    row = listed.instrument
    contract = Query(
        con_id=listed.con_id,
        symbol=row.symbol,
        security_type=row.security_type,
        expiry=str(listed.expiry),
        multiplier=listed.multiplier,
        exchange=row.exchange,
        primary_exchange="",
        currency=row.currency,
        local_symbol=listed.local_symbol,
        trading_class=row.symbol,
    )
    return OrderRequest(
        order_id=0,
        contract=contract,
        action=side,
        qty=float(qty),
        order_type="LMT" if points else "MKT",
        limit_points=points or None,
        aux_points=None,
        tif="GTC",
        account=account,
        order_ref=order_ref,
        outside_rth=True,
    )
