"""Requests for sampled market data, depth and real-time bars."""

from typing import TYPE_CHECKING, Final

from trading_bot.adapters.gateway.bars import SHOWN
from trading_bot.adapters.gateway.client import Client
from trading_bot.adapters.gateway.contracts import Listed, Query
from trading_bot.adapters.gateway.depth import Depth
from trading_bot.adapters.gateway.level_one import LevelOne
from trading_bot.adapters.gateway.real_time_bars import RealTimeBars
from trading_bot.adapters.gateway.wire import Fields

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.dispatch import Handler
    from trading_bot.adapters.gateway.gateway import Gateway

DEPTH_MAX: Final = 3  # depth requests of one client at a time (field notes C)
LINES_MAX: Final = 100  # market data lines (field notes C)
# What may be asked for; of these the gateway has trades (233, 375) and says nothing of the others.
GENERIC_TICKS: Final = frozenset(
    map(str, (100, 101, 105, 106, 165, 221, 225, 232, 233, 236, 293, 294, 295, 318, 375, 411, 456, 460, 588))
)
_LIVE: Final = 1
_DELAYED_ACCEPTED: Final = {3, 4}


def market_data(gateway: "Gateway", client: Client, fields: Fields) -> None:
    """C> 1: S> 81, S> 58, then S> 1, 2, 45 and 46."""
    fields.int("version")
    req_id = fields.req_id()
    row = _row(gateway, client, req_id, fields)
    if row is None:
        return
    if fields.flag("delta neutral"):
        fields.text("delta neutral conId")
        fields.text("delta")
        fields.text("delta neutral price")
    ticks, snapshot = fields.text("genericTickList"), fields.flag("snapshot")
    fields.rest()
    if sum(isinstance(one, LevelOne) for one in client.subscriptions.values()) >= LINES_MAX:
        client.error(req_id, 101, "Max number of tickers has been reached")
        return
    if gateway.faults.data_type != _LIVE:
        if gateway.market.limits.of(client).data_type not in _DELAYED_ACCEPTED:
            client.error(
                req_id,
                354,
                f"Requested market data is not subscribed.Delayed market data is available.{row.local_symbol}",
            )
            return
        client.error(req_id, 10167, "Requested market data is not subscribed. Displaying delayed market data.")
    generic = {text.strip() for text in ticks.split(",") if text.strip()}
    if generic - GENERIC_TICKS:
        legal = ",".join(sorted(GENERIC_TICKS, key=int))
        text = f"Incorrect generic tick list of {ticks}.  Legal ones for (FUT) are: {legal}"
        client.error(req_id, 321, f"Error validating request.-'bW' : cause - {text}")
        return
    gateway.market.listen(LevelOne(gateway, client, req_id, row, generic=generic, snapshot=snapshot))


def market_depth(gateway: "Gateway", client: Client, fields: Fields) -> None:
    """C> 10: S> 12, or 13 for smart depth."""
    fields.int("version")
    req_id = fields.req_id()
    row = _row(gateway, client, req_id, fields)
    if row is None:
        return
    levels, smart = fields.int("numRows"), fields.flag("isSmartDepth")
    fields.rest()
    if sum(isinstance(one, Depth) for one in client.subscriptions.values()) >= DEPTH_MAX:
        client.error(req_id, 309, "Max number (3) of market depth requests has been reached")
        return
    if levels < 1:
        client.error(req_id, 321, f"Error validating request.-'numRows {levels}' : cause - expected 1 or more")
        return
    gateway.market.listen(Depth(client, req_id, row, levels, smart=smart))


def real_time_bars(gateway: "Gateway", client: Client, fields: Fields) -> None:
    """C> 50: S> 50 every five seconds with trades or quotes in them."""
    fields.int("version")
    req_id = fields.req_id()
    row = _row(gateway, client, req_id, fields)
    if row is None:
        return
    size, show, regular = fields.int("barSize"), fields.text("whatToShow"), fields.flag("useRTH")
    fields.rest()
    if size != 5 or show not in SHOWN:
        client.error(
            req_id, 321, f"Error validating request.-'{size} s {show}' : cause - expected 5 s of TRADES or a quote"
        )
        return
    gateway.market.listen(RealTimeBars(gateway, client, req_id, row, show, regular=regular))


def _row(gateway: "Gateway", client: Client, req_id: int, fields: Fields) -> Listed | None:
    query = Query.read(fields)
    row = gateway.contracts.one(query)
    if row is None:
        client.error(req_id, 200, gateway.contracts.why_not(query))
    elif req_id in client.subscriptions:
        client.error(req_id, 102, "Duplicate ticker ID.")
        return None
    return row


def cancel(gateway: "Gateway", client: Client, fields: Fields) -> None:
    """C> 2, 11 and 51: the end of a stream."""
    fields.int("version")
    req_id = fields.req_id()
    fields.rest()
    if not isinstance(client.subscriptions.get(req_id), LevelOne | Depth | RealTimeBars):
        client.error(req_id, 300, f"Can't find EId with tickerId:{req_id}")
        return
    gateway.market.drop(client, req_id)


HANDLERS: Final[dict[int, "Handler"]] = {
    1: market_data,
    2: cancel,
    10: market_depth,
    11: cancel,
    50: real_time_bars,
    51: cancel,
}
