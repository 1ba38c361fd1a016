"""Requests for past bars, and bars that go on."""

from typing import TYPE_CHECKING, Final, NamedTuple

from trading_bot.adapters.gateway.bars import SHOWN, Bar, quote_fields, trade_fields
from trading_bot.adapters.gateway.client import Client
from trading_bot.adapters.gateway.contracts import Listed, Query
from trading_bot.adapters.gateway.history import BAR_SIZES_S, DAY_S, SMALL_S, UNITS_S, bars, begin_of
from trading_bot.adapters.gateway.market import Record
from trading_bot.adapters.gateway.times import Stamps, time_of, time_text
from trading_bot.adapters.gateway.wire import BadRequest, Fields, encode, encode_text
from trading_bot.domain.units import NS_PER_S

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.dispatch import Handler
    from trading_bot.adapters.gateway.gateway import Gateway

UPDATE_NS: Final = 5 * NS_PER_S  # how often bars that go on are told
_UPDATED_FROM_S: Final = 5
_SECONDS_MAX: Final = 86_400
_DAYS_MAX: Final = 365
_HMDS: Final = "Historical Market Data Service error message:"


class _Request(NamedTuple):
    """What is asked for, of a contract that is listed."""

    row: Listed
    size_s: int
    show: str
    begin_ns: int
    end_ns: int
    regular: bool
    date_format: int


def historical_data(gateway: "Gateway", client: Client, fields: Fields) -> None:
    """C> 20: S> 17 with the bars of the duration that ends at the time asked for; S> 90 as they go on."""
    req_id = fields.req_id()
    query = Query.read(fields)
    include_expired = fields.flag("includeExpired")
    end, size = fields.text("endDateTime"), fields.text("barSizeSetting")
    duration, regular = fields.text("durationStr"), fields.flag("useRTH")
    show, date_format = fields.text("whatToShow"), fields.int("formatDate", 1)
    goes_on = fields.flag("keepUpToDate")
    row = gateway.contracts.one(query, include_expired=include_expired, continuous=True)
    if row is None:
        client.error(req_id, 200, gateway.contracts.why_not(query))
        return
    reason = _refusal(size, show, duration, end, goes_on=goes_on)
    if reason:
        client.error(req_id, 321, f"Error validating request.-'bars' : cause - {reason}")
        return
    if req_id in client.subscriptions:
        client.error(req_id, 102, "Duplicate ticker ID.")
        return
    size_s = BAR_SIZES_S[size]
    rest = (size, duration, end, regular)
    if size_s <= SMALL_S and not gateway.market.limits.small_bars(client, row.con_id, show, rest):
        client.error(req_id, 162, f"{_HMDS}Historical data request pacing violation")
        return
    now_ns = gateway.clock.now_ns()
    end_ns = min(time_of(end, now_ns // NS_PER_S, "endDateTime") * NS_PER_S if end else now_ns, now_ns)
    number, unit = _duration(duration)
    begin_ns = begin_of(gateway.contracts.calendar, end_ns, number, unit)
    request = _Request(row, size_s, show, begin_ns, end_ns, regular, date_format)
    found = _found(gateway, request)
    if not found and not goes_on:
        what = f"{row.local_symbol}@{row.instrument.exchange} {show.title()}"
        client.error(req_id, 162, f"{_HMDS}HMDS query returned no data: {what}")
        return
    client.send_frame(_frame(req_id, request, found))
    if goes_on:
        gateway.market.listen(GoingOn(gateway, client, req_id, request))


def _refusal(size: str, show: str, duration: str, end: str, *, goes_on: bool) -> str:
    """Why such a request means nothing; empty when it does."""
    number, unit = _duration(duration)
    if size not in BAR_SIZES_S:
        return f"Historical data bar size setting is invalid: {size!r}. Legal ones are: {','.join(BAR_SIZES_S)}"
    if show not in SHOWN:
        return f"whatToShow {show!r}; served are {', '.join(SHOWN)}"
    if unit == "S" and number > _SECONDS_MAX:
        return f"a duration of {number} S; at most {_SECONDS_MAX} S, longer ones are in D"
    if unit == "D" and number > _DAYS_MAX:
        return "Historical data request for durations longer than 365 days must be made in years."
    if goes_on and end:
        return f"endDateTime {end!r} and keepUpToDate; bars that go on end now"
    if goes_on and BAR_SIZES_S[size] < _UPDATED_FROM_S:
        return f"keepUpToDate of {size}; bars that go on are of 5 secs and more"
    return ""


def _duration(text: str) -> tuple[int, str]:
    number, _, unit = text.partition(" ")
    if unit not in UNITS_S or not number.isdigit() or not int(number):
        raise BadRequest("durationStr", text)
    return int(number), unit


def _found(gateway: "Gateway", request: _Request) -> list[tuple[int, Bar]]:
    book = gateway.market.book(request.row.instrument)
    wanted = (request.show, request.size_s, request.begin_ns, request.end_ns)
    return list(bars(book, *wanted, regular=request.regular))


def _frame(req_id: int, request: _Request, found: list[tuple[int, Bar]]) -> bytes:
    """S> 17, written out: twenty sessions of minutes are 200,000 fields."""
    instrument, whole_day = request.row.instrument, request.size_s >= DAY_S
    fields = trade_fields if request.show == "TRADES" else quote_fields
    stamps = Stamps(request.date_format)
    span = (time_text(request.begin_ns // NS_PER_S), time_text(request.end_ns // NS_PER_S))
    parts = [f"17\0{req_id}\0{span[0]}\0{span[1]}\0{len(found)}\0"]
    for stamp, bar in found:
        parts.append(f"{stamps.text(stamp, whole_day=whole_day)}\0{bar.fields or fields(bar, instrument)}\0")
    return encode_text("".join(parts))


class GoingOn:
    """Bars that are kept up to date: the one under way every five seconds, and the last of the one before it."""

    name = "History"

    def __init__(self, gateway: "Gateway", client: Client, req_id: int, request: _Request) -> None:
        """After the bars up to now have been sent."""
        self.client = client
        self.req_id = req_id
        self.row = request.row
        self._gateway = gateway
        self._request = request
        self._from_ns = request.end_ns - request.size_s * NS_PER_S
        self._next_ns = 0
        self._told: dict[int, bytes] = {}

    def on_record(self, record: Record) -> None:
        """Everything waits for its time."""

    def on_time(self, now_ns: int) -> None:
        """What has changed, every five seconds."""
        if now_ns < self._next_ns:
            return
        self._next_ns = now_ns - now_ns % UPDATE_NS + UPDATE_NS
        request = self._request._replace(begin_ns=self._begin_ns(now_ns), end_ns=now_ns)
        for stamp, bar in _found(self._gateway, request)[-2:]:
            frame = self._update(stamp, bar)
            if self._told.get(stamp) != frame:
                self._told[stamp] = frame
                self.client.send_frame(frame)
        self._told = dict(list(self._told.items())[-2:])
        self._from_ns = now_ns - self._request.size_s * NS_PER_S

    def _begin_ns(self, now_ns: int) -> int:
        """Where the bar of `_from_ns` begins, or the session."""
        day = self._gateway.contracts.calendar.trading_day(now_ns)
        size_ns = self._request.size_s * NS_PER_S
        if day is None or self._request.size_s > DAY_S:
            return self._request.begin_ns
        return max(self._from_ns - self._from_ns % size_ns, day.globex_open_ns)

    def _update(self, stamp: int, bar: Bar) -> bytes:
        opened, high, low, close = bar.ohlc(self.row.instrument)
        traded = self._request.show == "TRADES"
        text = Stamps(self._request.date_format).text(stamp, whole_day=self._request.size_s >= DAY_S)
        tail = (bar.mean(self.row.instrument), bar.volume) if traded else (-1.0, -1)
        return encode(90, self.req_id, bar.count if traded else -1, text, opened, close, high, low, *tail)


def cancel_historical_data(gateway: "Gateway", client: Client, fields: Fields) -> None:
    """C> 25: the end of bars that go on; everything else was answered at once."""
    fields.int("version")
    req_id = fields.req_id()
    if not isinstance(client.subscriptions.get(req_id), GoingOn):
        client.error(req_id, 366, f"No historical data query found for ticker id:{req_id}")
        return
    gateway.market.drop(client, req_id)
    client.error(req_id, 162, f"{_HMDS}API historical data query cancelled: {req_id}")


HANDLERS: Final[dict[int, "Handler"]] = {20: historical_data, 25: cancel_historical_data}
