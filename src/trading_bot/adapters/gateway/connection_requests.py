"""Requests about the connection itself: start, ids, time."""

from typing import TYPE_CHECKING, Final

from trading_bot.adapters.gateway.client import Client
from trading_bot.adapters.gateway.wire import Fields

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.dispatch import Handler
    from trading_bot.adapters.gateway.gateway import Gateway

# What a gateway says once a client has started. Farm names as public logs show them; nothing depends on them.
FARMS_OK: Final = (
    (2104, "Market data farm connection is OK:usfuture"),
    (2106, "HMDS data farm connection is OK:ushmds"),
    (2158, "Sec-def data farm connection is OK:secdefnj"),
)
CLIENT_ID_TAKEN: Final = "Unable to connect as the client id is already in use. Retry with a unique client id."


def start_api(gateway: "Gateway", client: Client, fields: Fields) -> None:
    """C> 71: version, client id, optional capabilities. A taken id is refused and the connection closed."""
    fields.int("version")
    client_id = fields.int("client id")
    if client.ready:
        client.error(-1, 321, "Error validating request.-'startApi' : cause - this connection has started already")
        return
    if client_id in gateway.clients or client_id in gateway.lingering_ids:
        gateway.tell("client_id_taken", client_id=client_id, peer=client.peer)
        client.error(-1, 326, CLIENT_ID_TAKEN)
        client.close()
        return
    if len(gateway.clients) >= gateway.clients_max:
        gateway.tell("too_many_clients", client_id=client_id, peer=client.peer)
        client.error(
            -1, 321, f"Error validating request.-'startApi' : cause - {len(gateway.clients)} clients are connected"
        )
        client.close()
        return
    gateway.started(client, client_id)
    managed_accounts(gateway, client)
    client.send(9, 1, gateway.desk.next_order_id(client_id))
    for code, text in FARMS_OK:
        client.error(-1, code, text)


def managed_accounts(gateway: "Gateway", client: Client, _fields: Fields | None = None) -> None:
    """C> 17, and part of every start: S> 15."""
    client.send(15, 1, "" if gateway.faults.accounts_hidden else gateway.config.account)


def req_ids(gateway: "Gateway", client: Client, fields: Fields) -> None:
    """C> 8: version, a number nobody reads. S> 9."""
    fields.int("version")
    client.send(9, 1, gateway.desk.next_order_id(client.client_id))


def current_time(gateway: "Gateway", client: Client, fields: Fields) -> None:
    """C> 49: version. S> 49 with the whole second of the gateway's time."""
    fields.int("version")
    client.send(49, 1, gateway.told_s())


def set_server_log_level(gateway: "Gateway", client: Client, fields: Fields) -> None:
    """C> 14: version, level. Nothing is answered; levels are 1 to 5."""
    fields.int("version")
    gateway.tell("server_log_level", client=str(client), level=fields.int("log level"))


HANDLERS: "dict[int, Handler]" = {
    8: req_ids,
    14: set_server_log_level,
    17: managed_accounts,
    49: current_time,
    71: start_api,
}
