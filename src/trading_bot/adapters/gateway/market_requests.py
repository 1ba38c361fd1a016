"""Requests about contracts and live market data."""

import time
from typing import TYPE_CHECKING, Final

from trading_bot.adapters.gateway.client import Client
from trading_bot.adapters.gateway.contracts import ORDER_TYPES, TIME_ZONE, Listed, Query
from trading_bot.adapters.gateway.streams import KINDS, TickByTick
from trading_bot.adapters.gateway.wire import Fields

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.dispatch import Handler
    from trading_bot.adapters.gateway.gateway import Gateway

NO_DEFINITION: Final = "No security definition has been found for the request"
_BOND_ISSUER: Final = 176
_SIZE_RULES: Final = 164
_FRACTIONAL: Final = 163


def contract_details(gateway: "Gateway", client: Client, fields: Fields) -> None:
    """C> 9: S> 10 for each contract the query can mean, then S> 52."""
    fields.int("version")
    req_id = fields.req_id()
    query = Query.read(fields)
    rows = gateway.contracts.match(query, include_expired=fields.flag("includeExpired"))
    if not rows:
        client.error(req_id, 200, NO_DEFINITION)
        return
    for row in rows:
        client.send(*_details(gateway, client, req_id, row))
    client.send(52, 1, req_id)


def _details(gateway: "Gateway", client: Client, req_id: int, row: Listed) -> list[object]:
    instrument, version = row.instrument, client.server_version
    hours = gateway.contracts.hours
    month = str(row.month)
    values: list[object] = [10]
    if version < _SIZE_RULES:
        values.append(8)
    # The third word of the expiry would overwrite the time zone in one of the client libraries, and means the same.
    values += [req_id, instrument.symbol, "FUT", f"{row.expiry} 08:30:00 {TIME_ZONE}", 0.0, "", instrument.exchange]
    values += [instrument.currency, row.local_symbol, instrument.symbol, instrument.symbol, row.con_id]
    values.append(instrument.tick_size_points)
    if version < _SIZE_RULES:
        values.append("")
    values += [row.multiplier, ORDER_TYPES, f"{instrument.exchange},QBALGO", 1, 0, instrument.name, "", month]
    values += ["", "", "", TIME_ZONE, hours(liquid=False), hours(liquid=True), "", 0, 0, 2147483647]
    values += [instrument.underlying, "IND", f"{row.market_rule},{row.market_rule}", str(row.expiry), ""]
    if version == _FRACTIONAL:
        values.append(1)
    elif version >= _SIZE_RULES:
        values += [1, 1, 1]
    return values


def market_rule(gateway: "Gateway", client: Client, fields: Fields) -> None:
    """C> 91: S> 93 with one increment from 0 upwards."""
    number = fields.int("market rule")
    instrument = gateway.contracts.market_rule(number)
    if instrument is None:
        client.error(-1, 321, f"Error validating request.-'market rule {number}' : cause - unknown rule")
        return
    client.send(93, number, 1, 0, instrument.tick_size_points)


def tick_by_tick(gateway: "Gateway", client: Client, fields: Fields) -> None:
    """C> 97: a stream of S> 99. So many at a time, and not twice for one instrument within some seconds of the wall."""
    req_id = fields.req_id()
    query = Query.read(fields)
    kind = fields.text("tick type")
    fields.rest()
    row = gateway.contracts.one(query)
    if row is None:
        client.error(req_id, 200, NO_DEFINITION)
        return
    if kind not in KINDS:
        client.error(req_id, 321, f"Error validating request.-'tick type {kind}' : cause - expected {', '.join(KINDS)}")
        return
    if req_id in client.subscriptions:
        client.error(req_id, 102, "Duplicate ticker ID.")
        return
    streams = [one for one in client.subscriptions.values() if isinstance(one, TickByTick)]
    if len(streams) >= gateway.config.tick_by_tick_max:
        client.error(req_id, 10190, "Max number of tick-by-tick requests has been reached.")
        return
    if _too_soon(gateway, client, row, kind):
        client.error(
            req_id, 10186, "Failed to request tick-by-tick data:Same instrument within 15 seconds is not allowed"
        )
        return
    stream = TickByTick(client, req_id, row, KINDS[kind])
    client.subscriptions[req_id] = stream
    gateway.market.listen(row.instrument, stream)


_ASKED_S: Final = "tick_by_tick_asked_s"


def _too_soon(gateway: "Gateway", client: Client, row: Listed, kind: str) -> bool:
    """One request per instrument and kind of tick within the gap, whatever became of the one before."""
    asked: dict[tuple[int, str], float] = client.__dict__.setdefault(_ASKED_S, {})
    now_s, key = time.monotonic(), (row.con_id, kind)
    before_s = asked.get(key)
    asked[key] = now_s
    return before_s is not None and now_s - before_s < gateway.config.tick_by_tick_gap_s


def cancel_tick_by_tick(gateway: "Gateway", client: Client, fields: Fields) -> None:
    """C> 98."""
    req_id = fields.req_id()
    if not isinstance(client.subscriptions.pop(req_id, None), TickByTick):
        client.error(req_id, 300, f"Can't find EId with tickerId:{req_id}")
        return
    gateway.market.drop(client, req_id)


def market_data_type(_gateway: "Gateway", client: Client, fields: Fields) -> None:
    """C> 59: what the client would accept where live data are not to be had."""
    fields.int("version")
    client.__dict__["market_data_type"] = fields.int("market data type")


HANDLERS: Final[dict[int, "Handler"]] = {
    9: contract_details,
    59: market_data_type,
    91: market_rule,
    97: tick_by_tick,
    98: cancel_tick_by_tick,
}
