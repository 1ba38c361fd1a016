"""Requests about the account: positions, account values, summaries, profit and loss."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from trading_bot.adapters.gateway.client import Client
from trading_bot.adapters.gateway.wire import Fields

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.dispatch import Handler
    from trading_bot.adapters.gateway.gateway import Gateway


def _known(gateway: "Gateway", client: Client, req_id: int, account: str, request: str) -> bool:
    if account in {"", "All", gateway.config.account}:
        return True
    client.error(req_id, 321, f"Error validating request.-'{request}' : cause - Invalid account code '{account}'.")
    return False


def req_account_updates(gateway: "Gateway", client: Client, fields: Fields) -> None:
    """C> 6: version, subscribe, account. S> 6, 7, 8, then 54; again at every fill and every three minutes."""
    fields.int("version")
    subscribe, account = fields.flag("subscribe"), fields.text("account")
    watch = gateway.desk.watch
    if not _known(gateway, client, -1, account, "reqAccountUpdates"):
        return
    if not subscribe:
        watch.updates.discard(client)
        return
    watch.updates.add(client)
    watch.follow(client)
    watch.send_updates(client)
    client.send(54, 1, gateway.config.account)


def req_positions(gateway: "Gateway", client: Client, fields: Fields) -> None:
    """C> 61: version. S> 61 each, then 62; then 61 at every change."""
    fields.int("version")
    watch = gateway.desk.watch
    watch.positions.add(client)
    watch.follow(client)
    watch.send_positions(client)


def cancel_positions(gateway: "Gateway", client: Client, fields: Fields) -> None:
    """C> 64: version."""
    fields.int("version")
    gateway.desk.watch.positions.discard(client)


def req_account_summary(gateway: "Gateway", client: Client, fields: Fields) -> None:
    """C> 62: version, request id, group, tags. S> 63 each, then 64; again at every fill."""
    fields.int("version")
    req_id, group, tags = fields.req_id(), fields.text("group"), fields.text("tags")
    watch = gateway.desk.watch
    if not _known(gateway, client, req_id, group, "reqAccountSummary"):
        return
    names = watch.summaries[client, req_id] = tuple(name.strip() for name in tags.split(",") if name.strip())
    watch.follow(client)
    watch.send_summary(client, req_id, names)


def req_account_updates_multi(gateway: "Gateway", client: Client, fields: Fields) -> None:
    """C> 76: version, request id, account, model, ledger and net liquidation only. S> 73 each, then 74."""
    fields.int("version")
    req_id, account, model = fields.req_id(), fields.text("account"), fields.text("model code")
    fields.flag("ledgerAndNLV")
    watch = gateway.desk.watch
    if _known(gateway, client, req_id, account, "reqAccountUpdatesMulti"):
        watch.multis[client, req_id] = model
        watch.follow(client)
        watch.send_multi(client, req_id, model)


def req_pnl(gateway: "Gateway", client: Client, fields: Fields) -> None:
    """C> 92: request id, account, model. S> 94, every second."""
    req_id, account = fields.req_id(), fields.text("account")
    fields.text("model code")
    watch = gateway.desk.watch
    if _known(gateway, client, req_id, account, "reqPnL"):
        watch.pnl.add((client, req_id))
        watch.follow(client)
        watch.send_pnl(client, req_id)


def req_pnl_single(gateway: "Gateway", client: Client, fields: Fields) -> None:
    """C> 94: request id, account, model, contract id. S> 95, every second."""
    req_id, account = fields.req_id(), fields.text("account")
    fields.text("model code")
    con_id = fields.int("conId")
    watch = gateway.desk.watch
    if _known(gateway, client, req_id, account, "reqPnLSingle"):
        watch.pnl_single[client, req_id] = con_id
        watch.follow(client)
        watch.send_pnl_single(client, req_id, con_id)


def _cancel(forget: "Callable[[Gateway, Client, int], object]", *, versioned: bool) -> "Handler":
    def handler(gateway: "Gateway", client: Client, fields: Fields) -> None:
        if versioned:
            fields.int("version")
        forget(gateway, client, fields.req_id())

    return handler


HANDLERS: Final[dict[int, "Handler"]] = {
    6: req_account_updates,
    61: req_positions,
    62: req_account_summary,
    63: _cancel(lambda g, c, r: g.desk.watch.summaries.pop((c, r), None), versioned=True),
    64: cancel_positions,
    76: req_account_updates_multi,
    77: _cancel(lambda g, c, r: g.desk.watch.multis.pop((c, r), None), versioned=True),
    92: req_pnl,
    93: _cancel(lambda g, c, r: g.desk.watch.pnl.discard((c, r)), versioned=False),
    94: req_pnl_single,
    95: _cancel(lambda g, c, r: g.desk.watch.pnl_single.pop((c, r), None), versioned=False),
}
