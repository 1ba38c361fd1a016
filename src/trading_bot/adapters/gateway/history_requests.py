"""Requests for the past: bars."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from trading_bot.adapters.gateway.client import Client
from trading_bot.adapters.gateway.contracts import Listed, Query
from trading_bot.adapters.gateway.live_bars import joined
from trading_bot.adapters.gateway.market_requests import NO_DEFINITION
from trading_bot.adapters.gateway.wire import BadRequest, Fields
from trading_bot.domain.bars import MinuteBar
from trading_bot.domain.units import NS_PER_S

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.dispatch import Handler
    from trading_bot.adapters.gateway.gateway import Gateway

_MINUTE_S: Final = 60
_DAY_S: Final = 86_400
_CHICAGO: Final = ZoneInfo("US/Central")
BAR_SIZES_S: Final = {
    "1 min": 60,
    "2 mins": 120,
    "3 mins": 180,
    "5 mins": 300,
    "10 mins": 600,
    "15 mins": 900,
    "20 mins": 1_200,
    "30 mins": 1_800,
    "1 hour": 3_600,
    "2 hours": 7_200,
    "3 hours": 10_800,
    "4 hours": 14_400,
    "8 hours": 28_800,
    "1 day": _DAY_S,
}
_UNITS_S: Final = {"S": 1, "D": _DAY_S, "W": 7 * _DAY_S, "M": 30 * _DAY_S, "Y": 365 * _DAY_S}


def historical_data(gateway: "Gateway", client: Client, fields: Fields) -> None:
    """C> 20: S> 17 with the bars that end by the time asked for."""
    req_id = fields.req_id()
    query = Query.read(fields)
    fields.flag("includeExpired")
    end, size = fields.text("endDateTime"), fields.text("barSizeSetting")
    duration, regular = fields.text("durationStr"), fields.flag("useRTH")
    show, date_format = fields.text("whatToShow"), fields.int("formatDate", 1)
    fields.rest()
    rows = gateway.contracts.match(query, include_expired=True)
    if len(rows) != 1:
        client.error(req_id, 200, NO_DEFINITION)
        return
    row: Listed = rows[0]
    if size not in BAR_SIZES_S or show not in {"TRADES", "MIDPOINT", "BID", "ASK"}:
        client.error(req_id, 321, f"Error validating request.-'{size} {show}' : cause - Historical data bar size")
        return
    now_s = gateway.clock.now_ns() // NS_PER_S
    end_s = min(time_of(end, now_s), now_s)
    bars = _minutes(gateway, row, regular=regular)
    size_s = BAR_SIZES_S[size]
    chosen = [bar for bar in bars if bar.ts_open_ns < end_s * NS_PER_S]
    found = list(_grouped(gateway, chosen, size_s))
    begin = _begin(gateway, end_s, duration)
    found = [one for one in found if one[0] >= begin]
    if not found:
        client.error(req_id, 162, "Historical Market Data Service error message:HMDS query returned no data")
        return
    points = row.instrument.points
    values: list[object] = [17, req_id, time_text(begin, 1), time_text(end_s, 1), len(found)]
    for stamp_s, bar, count in found:
        prices = (points(bar.open_ticks), points(bar.high_ticks), points(bar.low_ticks), points(bar.close_ticks))
        mean = bar.notional / bar.volume * row.instrument.tick_size_points if bar.volume else 0.0
        stamp = _day_text(gateway, stamp_s) if size_s == _DAY_S else time_text(stamp_s, date_format)
        values += [stamp, *prices, bar.volume, mean, count]
    client.send(*values)


def _minutes(gateway: "Gateway", row: Listed, *, regular: bool) -> list[MinuteBar]:
    book = gateway.market.book(row.instrument)
    bars = [*book.past_bars(), *book.bars.until(gateway.clock.now_ns())]
    if not regular:
        return bars
    calendar = gateway.contracts.calendar
    kept = []
    for bar in bars:
        day = calendar.trading_day(bar.ts_open_ns)
        if day is None or day.rth_open_ns is None or day.rth_close_ns is None:
            continue
        if day.rth_open_ns <= bar.ts_open_ns < day.rth_close_ns:
            kept.append(bar)
    return kept


def _grouped(gateway: "Gateway", bars: Iterable[MinuteBar], size_s: int) -> Iterator[tuple[int, MinuteBar, int]]:
    """(stamp, bar, minutes in it) of each bar of the size; a day is a trading session."""
    calendar = gateway.contracts.calendar
    built: MinuteBar | None = None
    begin_s = minutes = 0
    for bar in bars:
        at_s = bar.ts_open_ns // NS_PER_S
        if size_s == _DAY_S:
            day = calendar.trading_day(bar.ts_open_ns)
            key_s = day.globex_open_ns // NS_PER_S if day is not None else at_s - at_s % _DAY_S
        else:
            key_s = at_s - at_s % size_s
        if built is not None and key_s == begin_s:
            built, minutes = joined(built, bar), minutes + 1
            continue
        if built is not None:
            yield begin_s, built, minutes
        built, begin_s, minutes = bar, key_s, 1
    if built is not None:
        yield begin_s, built, minutes


def _begin(gateway: "Gateway", end_s: int, duration: str) -> int:
    """Where the duration begins. Days are trading sessions, the one under way included."""
    number, _, unit = duration.partition(" ")
    if unit not in _UNITS_S or not number.isdigit():
        raise BadRequest("durationStr", duration)
    calendar = gateway.contracts.calendar
    day = calendar.trading_day(end_s * NS_PER_S - 1)
    if unit == "S" or day is None:
        return end_s - int(number) * _UNITS_S[unit]
    if unit == "D":
        begun = day.globex_open_ns < end_s * NS_PER_S  # a time in the daily break belongs to the session after it
        before = calendar.days_before(day.trade_date, int(number) - begun)
        return (before[0] if before else day).globex_open_ns // NS_PER_S
    return end_s - int(number) * _UNITS_S[unit]


def time_of(text: str, now_s: int) -> int:
    """The time of a request: empty is now; `YYYYMMDD-HH:MM:SS` is UTC, `YYYYMMDD HH:MM:SS ZONE` the zone's."""
    if not text:
        return now_s
    try:
        if "-" in text and " " not in text:
            return int(datetime.strptime(text, "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC).timestamp())
        day, clock, *zone = text.split()
        where = ZoneInfo(zone[0]) if zone else _CHICAGO
        return int(datetime.strptime(f"{day} {clock}", "%Y%m%d %H:%M:%S").replace(tzinfo=where).timestamp())
    except (ValueError, KeyError) as error:
        raise BadRequest("endDateTime", text) from error


def time_text(at_s: int, date_format: int) -> str:
    """A time as a reply writes it: with format 2 in seconds, else in the exchange's zone."""
    if date_format == 2:
        return str(at_s)
    return f"{datetime.fromtimestamp(at_s, tz=_CHICAGO):%Y%m%d %H:%M:%S} US/Central"


def _day_text(gateway: "Gateway", begin_s: int) -> str:
    day = gateway.contracts.calendar.trading_day(begin_s * NS_PER_S)
    if day is not None:
        return str(day.trade_date)
    return f"{datetime.fromtimestamp(begin_s, tz=UTC) + timedelta(hours=7):%Y%m%d}"


def cancel_historical_data(_gateway: "Gateway", client: Client, fields: Fields) -> None:
    """C> 25: everything asked for was answered at once."""
    fields.int("version")
    req_id = fields.req_id()
    client.error(req_id, 366, f"No historical data query found for ticker id:{req_id}")


HANDLERS: Final[dict[int, "Handler"]] = {20: historical_data, 25: cancel_historical_data}
