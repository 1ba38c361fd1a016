"""Requests about contracts and live market data."""

from typing import TYPE_CHECKING, Final

from trading_bot.adapters.gateway.client import Client
from trading_bot.adapters.gateway.contracts import (
    BOTH,
    CONTINUOUS,
    NO_DEFINITION,
    ORDER_TYPES,
    TIME_ZONE,
    Listed,
    Query,
    underlying_id,
)
from trading_bot.adapters.gateway.streams import KINDS, TickByTick
from trading_bot.adapters.gateway.wire import Fields

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.dispatch import Handler
    from trading_bot.adapters.gateway.gateway import Gateway

_SIZE_RULES: Final = 164
_FRACTIONAL: Final = 163
_SECOND_VENUE: Final = "QBALGO"
_FAILED: Final = "Failed to request tick-by-tick data"
_NO_GROUP: Final = 2147483647
_LIVE: Final = 1
_DATA_TYPES: Final = (1, 2, 3, 4)


def contract_details(gateway: "Gateway", client: Client, fields: Fields) -> None:
    """C> 9: S> 10 for each contract the query can mean, then S> 52."""
    fields.int("version")
    req_id = fields.req_id()
    query = Query.read(fields)
    contracts = gateway.contracts
    rows = contracts.match(query, include_expired=fields.flag("includeExpired"))
    if not rows:
        client.error(req_id, 200, NO_DEFINITION)
        return
    kind = CONTINUOUS if query.security_type == CONTINUOUS else "FUT"
    for row in rows:
        client.send(*_details(gateway, client, req_id, row, kind))
    if query.security_type == BOTH:
        for front in {row.instrument.symbol: contracts.front(row.instrument) for row in rows}.values():
            client.send(*_details(gateway, client, req_id, front, CONTINUOUS))
    client.send(52, 1, req_id)


def _details(gateway: "Gateway", client: Client, req_id: int, row: Listed, kind: str) -> list[object]:
    """S> 10. A continuous future is told with the id and the name of the contract it stands for."""
    instrument, version = row.instrument, client.server_version
    hours = gateway.contracts.hours
    values: list[object] = [10]
    if version < _SIZE_RULES:
        values.append(8)
    # The third word of the expiry would overwrite the time zone in one of the client libraries, and means the same.
    values += [req_id, instrument.symbol, kind, f"{row.expiry} 08:30:00 {TIME_ZONE}", 0.0, "", instrument.exchange]
    values += [instrument.currency, row.local_symbol, instrument.symbol, instrument.symbol, row.con_id]
    values.append(instrument.tick_size_points)
    if version < _SIZE_RULES:
        values.append("")
    venues = f"{instrument.exchange},{_SECOND_VENUE}"
    values += [row.multiplier, ORDER_TYPES, venues, 1, underlying_id(instrument), instrument.name, "", str(row.month)]
    values += ["", "", "", TIME_ZONE, hours(liquid=False), hours(liquid=True), "", 0, 0, _NO_GROUP]
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
        client.error(req_id, 200, gateway.contracts.why_not(query))
        return
    if kind not in KINDS:
        client.error(req_id, 321, f"Error validating request.-'tick type {kind}' : cause - expected {', '.join(KINDS)}")
        return
    if req_id in client.subscriptions:
        client.error(req_id, 102, "Duplicate ticker ID.")
        return
    reason = _tick_by_tick_refusal(gateway, client, row, kind)
    if reason is not None:
        client.error(req_id, *reason)
        return
    gateway.market.listen(TickByTick(gateway, client, req_id, row, KINDS[kind]))


def _tick_by_tick_refusal(gateway: "Gateway", client: Client, row: Listed, kind: str) -> tuple[int, str] | None:
    """Code and text of what speaks against one more stream."""
    if not gateway.market.limits.tick_by_tick(client, row.con_id, kind):
        gap_s = gateway.config.tick_by_tick_gap_s
        return 10186, f"{_FAILED}: the same instrument within {gap_s:g} seconds"
    if gateway.faults.data_type != _LIVE:
        instrument = row.instrument
        return 10189, f"{_FAILED}.No market data permissions for {instrument.exchange} {instrument.security_type}"
    streams = sum(isinstance(one, TickByTick) for one in client.subscriptions.values())
    if streams >= gateway.config.tick_by_tick_max:
        return 10190, "Max number of tick-by-tick requests has been reached."
    return None


def cancel_tick_by_tick(gateway: "Gateway", client: Client, fields: Fields) -> None:
    """C> 98."""
    req_id = fields.req_id()
    if not isinstance(client.subscriptions.get(req_id), TickByTick):
        client.error(req_id, 300, f"Can't find EId with tickerId:{req_id}")
        return
    gateway.market.drop(client, req_id)


def market_data_type(gateway: "Gateway", client: Client, fields: Fields) -> None:
    """C> 59: what the client would accept where live data are not to be had."""
    fields.int("version")
    kind = fields.int("market data type")
    if kind not in _DATA_TYPES:
        client.error(-1, 321, f"Error validating request.-'market data type {kind}' : cause - expected 1 to 4")
        return
    gateway.market.limits.of(client).data_type = kind


HANDLERS: Final[dict[int, "Handler"]] = {
    9: contract_details,
    59: market_data_type,
    91: market_rule,
    97: tick_by_tick,
    98: cancel_tick_by_tick,
}
