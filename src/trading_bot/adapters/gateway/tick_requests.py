"""Requests for past ticks, and for how far back the past reaches."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from trading_bot.adapters.gateway.book import halves_of
from trading_bot.adapters.gateway.client import Client
from trading_bot.adapters.gateway.contracts import Listed, Query
from trading_bot.adapters.gateway.history import is_regular
from trading_bot.adapters.gateway.market import Record
from trading_bot.adapters.gateway.times import EPOCH_SECONDS, time_of, time_text
from trading_bot.adapters.gateway.wire import Fields
from trading_bot.domain.instruments import POINTS_E9
from trading_bot.domain.units import NS_PER_S

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.dispatch import Handler
    from trading_bot.adapters.gateway.gateway import Gateway

TICKS_MAX: Final = 1_000
_MESSAGES: Final = {"MIDPOINT": 96, "BID_ASK": 97, "TRADES": 98}


def historical_ticks(gateway: "Gateway", client: Client, fields: Fields) -> None:
    """C> 96: S> 96, 97 or 98. From a start onwards, or up to an end; the second of the last tick comes complete."""
    req_id = fields.req_id()
    row = _row(gateway, client, req_id, fields)
    if row is None:
        return
    begin, end = fields.text("startDateTime"), fields.text("endDateTime")
    number, show, regular = fields.int("numberOfTicks"), fields.text("whatToShow"), fields.flag("useRth")
    fields.rest()
    if show not in _MESSAGES or not 1 <= number <= TICKS_MAX or bool(begin) == bool(end):
        text = (
            f"'{show} {number} ticks from {begin!r} to {end!r}' : cause - one of start and end, 1 to {TICKS_MAX} ticks"
        )
        client.error(req_id, 321, f"Error validating request.-{text}")
        return
    now_s = gateway.clock.now_s()
    book = gateway.market.book(row.instrument)
    ticks: Sequence[Record] = book.trades if show == "TRADES" else book.quotes
    if regular:
        ticks = [one for one in ticks if is_regular(book.calendar, one.ts_ns)]
    if begin:
        chosen = _from(ticks, time_of(begin, now_s, "startDateTime"), number)
    else:
        chosen = _until(ticks, time_of(end, now_s, "endDateTime"), number)
    _send(client, req_id, row, show, chosen)


def _row(gateway: "Gateway", client: Client, req_id: int, fields: Fields) -> Listed | None:
    query = Query.read(fields)
    row = gateway.contracts.one(query, include_expired=fields.flag("includeExpired"), continuous=True)
    if row is None:
        client.error(req_id, 200, gateway.contracts.why_not(query))
    return row


def _from(ticks: Sequence[Record], begin_s: int, number: int) -> Sequence[Record]:
    """The first `number` ticks, and what else there is in the second of the last."""
    first = bisect_left(ticks, begin_s, key=_second)
    last = min(first + number, len(ticks))
    while first < last < len(ticks) and _second(ticks[last]) == _second(ticks[last - 1]):
        last += 1
    return ticks[first:last]


def _until(ticks: Sequence[Record], end_s: int, number: int) -> Sequence[Record]:
    """The last `number` ticks before the end, and what else there is in the second of the first."""
    last = bisect_left(ticks, end_s, key=_second)
    first = max(last - number, 0)
    while 0 < first < last and _second(ticks[first]) == _second(ticks[first - 1]):
        first -= 1
    return ticks[first:last]


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
            mid = halves_of(tick, show) * row.instrument.tick_size_e9 / (2 * POINTS_E9)
            values += [second, 0, mid, 0]
    client.send(*values, 1)


def head_timestamp(gateway: "Gateway", client: Client, fields: Fields) -> None:
    """C> 87: S> 88 with the time of the first bar there is."""
    req_id = fields.req_id()
    row = _row(gateway, client, req_id, fields)
    if row is None:
        return
    regular = fields.flag("useRTH")
    fields.text("whatToShow")
    date_format = fields.int("formatDate", 1)
    book = gateway.market.book(row.instrument)
    bars = (*book.past(), *book.minutes)
    first = next((bar for bar in bars if not regular or is_regular(book.calendar, bar.begin_ns)), None)
    if first is None:
        client.error(req_id, 162, "Historical Market Data Service error message:No head time stamp")
        return
    first_s = first.begin_ns // NS_PER_S
    client.send(88, req_id, str(first_s) if date_format == EPOCH_SECONDS else time_text(first_s))


def cancel_head_timestamp(_gateway: "Gateway", _client: Client, fields: Fields) -> None:
    """C> 90: it was answered at once."""
    fields.req_id()


HANDLERS: Final[dict[int, "Handler"]] = {87: head_timestamp, 90: cancel_head_timestamp, 96: historical_ticks}
