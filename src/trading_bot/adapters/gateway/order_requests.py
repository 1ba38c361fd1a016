"""Requests about orders and executions."""

from typing import TYPE_CHECKING, Final

from trading_bot.adapters.gateway.client import Client
from trading_bot.adapters.gateway.executions import ExecutionFilter, side_of, since_ns
from trading_bot.adapters.gateway.order_decode import VERSION_MANUAL_TIME, read_order
from trading_bot.adapters.gateway.order_encode import commission_report, completed_order, exec_details
from trading_bot.adapters.gateway.order_telling import send_order
from trading_bot.adapters.gateway.wire import Fields

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trading_bot.adapters.gateway.dispatch import Handler
    from trading_bot.adapters.gateway.gateway import Gateway
    from trading_bot.adapters.gateway.orders import Order


def place_order(gateway: "Gateway", client: Client, fields: Fields) -> None:
    """C> 3."""
    gateway.desk.place(client, read_order(fields, client.server_version))


def cancel_order(gateway: "Gateway", client: Client, fields: Fields) -> None:
    """C> 4: version, order id, and a time from 169 on."""
    fields.int("version")
    order_id = fields.req_id("order id")
    if client.server_version >= VERSION_MANUAL_TIME:
        fields.text("manualCancelOrderTime")
    gateway.desk.cancel(client, order_id)


def global_cancel(gateway: "Gateway", _client: Client, fields: Fields) -> None:
    """C> 58: version."""
    fields.int("version")
    gateway.desk.cancel_all()


def _send_open(gateway: "Gateway", client: Client, orders: "Iterable[Order]") -> None:
    for order in orders:
        send_order(client, order.view(gateway.config.account))
    client.send(53, 1)


def req_open_orders(gateway: "Gateway", client: Client, fields: Fields) -> None:
    """C> 5: version. The client's own: S> 5 and 3 each, then 53."""
    fields.int("version")
    _send_open(gateway, client, gateway.desk.open_orders(client.client_id))


def req_all_open_orders(gateway: "Gateway", client: Client, fields: Fields) -> None:
    """C> 16: version. Everybody's: S> 5 and 3 each, then 53."""
    fields.int("version")
    _send_open(gateway, client, gateway.desk.open_orders())


def req_auto_open_orders(gateway: "Gateway", client: Client, fields: Fields) -> None:
    """C> 15: version, bind. Client 0 only: orders by hand become its own, with ids below 0."""
    fields.int("version")
    automatic = fields.flag("bAutoBind")
    if client.client_id != 0:
        client.error(-1, 321, "Error validating request.-'reqAutoOpenOrders' : cause - Only client 0 may bind orders")
        return
    gateway.desk.by_hand.bind(automatic=automatic)


def req_completed_orders(gateway: "Gateway", client: Client, fields: Fields) -> None:
    """C> 99: only the API's. S> 101 each, then 102."""
    fields.flag("apiOnly")
    for order in gateway.desk.flow.completed:
        client.send(*completed_order(order.view(gateway.config.account), client.server_version))
    client.send(102)


def req_executions(gateway: "Gateway", client: Client, fields: Fields) -> None:
    """C> 7: version, request id, filter. S> 11 and 59 each, then 55."""
    fields.int("version")
    req_id = fields.req_id()
    client_id, account, time = fields.int("clientId", 0), fields.text("acctCode"), fields.text("time")
    symbol, security_type, exchange, side = (fields.text(name) for name in ("symbol", "secType", "exchange", "side"))
    try:
        wanted = ExecutionFilter(
            client_id=client_id,
            account=account,
            since_ns=since_ns(time),
            symbol=symbol,
            security_type=security_type,
            exchange=exchange,
            side=side_of(side),
        )
    except ValueError as error:
        client.error(req_id, 321, f"Error validating request.-'reqExecutions' : cause - {error}")
        return
    for execution in gateway.desk.executions.matching(wanted, gateway.desk.now_ns):
        listed = gateway.contracts.find(execution.con_id)
        assert listed is not None, f"execution of contract {execution.con_id}, which was never listed"
        client.send(*exec_details(execution, listed, req_id, client.server_version))
        if not gateway.faults.commissions_lost:
            client.send(*commission_report(execution, gateway.faults.commission_value))
    client.send(55, 1, req_id)


HANDLERS: Final[dict[int, "Handler"]] = {
    3: place_order,
    4: cancel_order,
    5: req_open_orders,
    7: req_executions,
    15: req_auto_open_orders,
    16: req_all_open_orders,
    58: global_cancel,
    99: req_completed_orders,
}
