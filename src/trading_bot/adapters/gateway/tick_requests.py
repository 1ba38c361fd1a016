"""Requests for past ticks, and for how far back the past reaches."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from trading_bot.adapters.gateway.client import Client
from trading_bot.adapters.gateway.contracts import Listed, Query
from trading_bot.adapters.gateway.history_requests import time_of, time_text
from trading_bot.adapters.gateway.market import Record
from trading_bot.adapters.gateway.market_requests import NO_DEFINITION
from trading_bot.adapters.gateway.wire import Fields
from trading_bot.domain.records import FrameKind
from trading_bot.domain.units import NS_PER_S

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.dispatch import Handler
    from trading_bot.adapters.gateway.gateway import Gateway

TICKS_MAX: Final = 1_000
_MESSAGES: Final = {"MIDPOINT": 96, "BID_ASK": 97, "TRADES": 98}


def historical_ticks(gateway: "Gateway", client: Client, fields: Fields) -> None:
    """C> 96: S> 96, 97 or 98. From a start onwards, or up to an end; the last whole second is given complete."""
    req_id = fields.req_id()
    query = Query.read(fields)
    fields.flag("includeExpired")
    begin, end = fields.text("startDateTime"), fields.text("endDateTime")
    number, show = fields.int("numberOfTicks"), fields.text("whatToShow")
    fields.rest()
    rows = gateway.contracts.match(query, include_expired=True)
    if len(rows) != 1:
        client.error(req_id, 200, NO_DEFINITION)
        return
    if show not in _MESSAGES or not 1 <= number <= TICKS_MAX or bool(begin) == bool(end):
        text = (
            f"'{show} {number} ticks from {begin!r} to {end!r}' : cause - one of start and end, 1 to {TICKS_MAX} ticks"
        )
        client.error(req_id, 321, f"Error validating request.-{text}")
        return
    now_s = gateway.clock.now_ns() // NS_PER_S
    kind = FrameKind.TRADE if show == "TRADES" else FrameKind.QUOTE
    ticks = [one for one in gateway.market.book(rows[0].instrument).ticks if one.kind is kind]
    chosen = _from(ticks, time_of(begin, now_s), number) if begin else _until(ticks, time_of(end, now_s), number)
    _send(client, req_id, rows[0], show, chosen)


def _from(ticks: Sequence[Record], begin_s: int, number: int) -> Sequence[Record]:
    """The first `number` ticks, and what else there is in the second of the last."""
    first = bisect_left(ticks, begin_s * NS_PER_S, key=_stamp)
    last = min(first + number, len(ticks))
    while 0 < last < len(ticks) and _second(ticks[last]) == _second(ticks[last - 1]):
        last += 1
    return ticks[first:last]


def _until(ticks: Sequence[Record], end_s: int, number: int) -> Sequence[Record]:
    """The last `number` ticks before the end, and what else there is in the second of the first."""
    last = bisect_left(ticks, end_s * NS_PER_S, key=_stamp)
    first = max(last - number, 0)
    while 0 < first < last and _second(ticks[first]) == _second(ticks[first - 1]):
        first -= 1
    return ticks[first:last]


def _stamp(record: Record) -> int:
    return record.ts_ns - record.ts_ns % NS_PER_S


def _second(record: Record) -> int:
    return record.ts_ns // NS_PER_S


def _send(client: Client, req_id: int, row: Listed, show: str, ticks: Sequence[Record]) -> None:
    points = row.instrument.points
    values: list[object] = [_MESSAGES[show], req_id, len(ticks)]
    for tick in ticks:
        second = _second(tick)
        if show == "TRADES":
            values += [second, 0, points(tick.price_ticks), tick.qty, row.instrument.exchange, ""]
        elif show == "BID_ASK":
            values += [second, 0, points(tick.bid_ticks), points(tick.ask_ticks), tick.bid_qty, tick.ask_qty]
        else:
            values += [second, 0, (points(tick.bid_ticks) + points(tick.ask_ticks)) / 2, 0]
    client.send(*values, 1)


def head_timestamp(gateway: "Gateway", client: Client, fields: Fields) -> None:
    """C> 87: S> 88 with the time of the first bar there is."""
    req_id = fields.req_id()
    query = Query.read(fields)
    fields.flag("includeExpired")
    fields.flag("useRTH")
    fields.text("whatToShow")
    date_format = fields.int("formatDate", 1)
    rows = gateway.contracts.match(query, include_expired=True)
    if len(rows) != 1:
        client.error(req_id, 200, NO_DEFINITION)
        return
    book = gateway.market.book(rows[0].instrument)
    bars = [*book.past_bars(), *book.bars.until(gateway.clock.now_ns())]
    if not bars:
        client.error(req_id, 162, "Historical Market Data Service error message:No head time stamp")
        return
    client.send(88, req_id, time_text(bars[0].ts_open_ns // NS_PER_S, date_format))


def cancel_head_timestamp(_gateway: "Gateway", _client: Client, fields: Fields) -> None:
    """C> 90: it was answered at once."""
    fields.req_id()


HANDLERS: Final[dict[int, "Handler"]] = {87: head_timestamp, 90: cancel_head_timestamp, 96: historical_ticks}
