"""What the gateway lists: every future of the registry by quarterly expiry, and how a request's contract finds one.

Sources: field notes E (MES as the broker shows it). Contract ids are ours, the same in every run.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import msgspec

from trading_bot.adapters.calendar_files import load_calendar
from trading_bot.adapters.gateway.wire import Fields
from trading_bot.domain.instruments import INSTRUMENTS, Instrument
from trading_bot.domain.units import NS_PER_MS, NS_PER_S
from trading_bot.engines.session import SessionDay, SessionTable

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.gateway import Gateway

MONTH_CODES: Final = {3: "H", 6: "M", 9: "U", 12: "Z"}
TIME_ZONE: Final = "US/Central"
_CHICAGO: Final = ZoneInfo(TIME_ZONE)
MARKET_RULE_FIRST: Final = 67  # rules are numbered from here in the order of the registry
_CON_ID_FIRST: Final = 600_000_000
_INDEX_ID_FIRST: Final = 500_000_000
_LISTED_AHEAD: Final = 5  # quarterly expiries at a time (CME lists five of MES)
_LISTED_BEHIND: Final = 4  # expired ones that a request may ask for
_HOURS_DAYS: Final = 7  # of trading hours a request tells
_FRIDAY: Final = 4
CONTINUOUS: Final = "CONTFUT"
BOTH: Final = "FUT+CONTFUT"
NO_DEFINITION: Final = "No security definition has been found for the request"
AMBIGUOUS: Final = "The contract description specified for {} is ambiguous."
_CALENDAR: Final = "us_index.csv"
ORDER_TYPES: Final = "ACTIVETIM,ADJUST,ALERT,DAY,GTC,GTD,IOC,LMT,MKT,STP,STPLMT,TRAIL,WHATIF"


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """One contract. `expiry` is its last trade date, YYYYMMDD; `month` its contract month, YYYYMM."""

    instrument: Instrument
    con_id: int
    local_symbol: str
    expiry: int
    month: int
    market_rule: int

    @property
    def multiplier(self) -> str:
        """Dollars per point as the broker writes it."""
        return f"{self.instrument.multiplier:g}"

    def wire(self) -> tuple[object, ...]:
        """Contract id to trading class: the fields of an execution or an order."""
        row = self.instrument
        return (
            *(self.con_id, row.symbol, row.security_type, str(self.expiry), 0.0, "", self.multiplier, row.exchange),
            *(row.currency, self.local_symbol, row.symbol),
        )


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """The contract of a request: what was given, empty or 0 where nothing was."""

    con_id: int
    symbol: str
    security_type: str
    expiry: str
    multiplier: str
    exchange: str
    primary_exchange: str
    currency: str
    local_symbol: str
    trading_class: str

    @classmethod
    def read(cls, fields: Fields) -> "Query":
        """The twelve fields of a contract in a request."""
        con_id = fields.int("conId", 0)
        symbol, security_type, expiry = fields.text("symbol"), fields.text("secType"), fields.text("expiry")
        fields.text("strike")
        fields.text("right")
        return cls(
            con_id=con_id,
            symbol=symbol,
            security_type=security_type,
            expiry=expiry,
            multiplier=fields.text("multiplier"),
            exchange=fields.text("exchange"),
            primary_exchange=fields.text("primaryExchange"),
            currency=fields.text("currency"),
            local_symbol=fields.text("localSymbol"),
            trading_class=fields.text("tradingClass"),
        )


class ContractBook:
    """The contracts listed at the gateway's date."""

    def __init__(self, gateway: "Gateway") -> None:
        """Reads the session table, for trading hours."""
        self._gateway = gateway
        self.calendar: SessionTable = load_calendar(_CALENDAR, Path("data"))
        self._rules = {symbol: MARKET_RULE_FIRST + n for n, symbol in enumerate(INSTRUMENTS)}
        self._by_id: dict[int, Listed] = {}

    @property
    def today(self) -> date:
        """The exchange's date."""
        return datetime.fromtimestamp(self._gateway.clock.now_s(), tz=_CHICAGO).date()

    def listed(self, instrument: Instrument) -> list[Listed]:
        """The living expiries, the nearest first."""
        today = _number(self.today)
        return [row for row in self._around(instrument) if row.expiry >= today][:_LISTED_AHEAD]

    def expired(self, instrument: Instrument) -> list[Listed]:
        """The last that have expired."""
        today = _number(self.today)
        return [row for row in self._around(instrument) if row.expiry < today]

    def front(self, instrument: Instrument) -> Listed:
        """The one with the most volume: the nearest, until the Monday before its expiry."""
        rows = self.listed(instrument)
        expiry = _date(rows[0].expiry)
        return rows[1] if self.today >= expiry - timedelta(days=expiry.weekday()) else rows[0]

    def find(self, con_id: int) -> Listed | None:
        """The contract of an id, living or expired."""
        if con_id not in self._by_id:
            for instrument in INSTRUMENTS.values():
                if instrument.security_type == "FUT":
                    self._by_id.update({row.con_id: row for row in self._around(instrument)})
        return self._by_id.get(con_id)

    def match(self, query: Query, *, include_expired: bool = False) -> list[Listed]:
        """Every contract the query can mean; a continuous future means the front month."""
        if query.con_id:
            row = self.find(query.con_id)
            rows = [row] if row is not None and (include_expired or row.expiry >= _number(self.today)) else []
        else:
            found = self._instruments(query)
            rows = [row for instrument in found for row in self._of(instrument, query, include_expired)]
        return [row for row in rows if _fits(row, query)]

    def one(self, query: Query, *, include_expired: bool = False, continuous: bool = False) -> Listed | None:
        """The one contract the query means; None for none or several.

        A continuous future means one only where it is allowed: for history, not for orders or streams.
        """
        if query.security_type != "FUT" and not query.con_id and not (continuous and query.security_type == CONTINUOUS):
            return None
        if query.security_type == CONTINUOUS and not continuous:
            return None
        rows = self.match(query, include_expired=include_expired)
        return rows[0] if len(rows) == 1 else None

    def why_not(self, query: Query) -> str:
        """What error 200 says of a query that `one` does not answer."""
        if len(self.match(query)) > 1:
            return AMBIGUOUS.format(query.symbol or query.local_symbol)
        return NO_DEFINITION

    def market_rule(self, number: int) -> Instrument | None:
        """The instrument whose price grid the rule is."""
        return next((INSTRUMENTS[symbol] for symbol, rule in self._rules.items() if rule == number), None)

    def hours(self, *, liquid: bool) -> str:
        """Trading hours of the coming week, as the broker writes them: `20261124:1700-20261125:1600;...`."""
        day = self.today
        parts = []
        for offset in range(_HOURS_DAYS):
            trade_date = _number(day + timedelta(days=offset))
            found = self.calendar.day(trade_date)
            early_ns = self._gateway.faults.hours_early_ms * NS_PER_MS
            spans = list(_spans(found, liquid=liquid, early_ns=early_ns)) if found is not None else []
            parts.append(",".join(spans) if spans else f"{trade_date}:CLOSED")
        return ";".join(parts)

    def _instruments(self, query: Query) -> Iterator[Instrument]:
        for instrument in INSTRUMENTS.values():
            named = instrument.symbol in {query.symbol, query.local_symbol[:-2]}
            if named and instrument.security_type == "FUT":
                yield instrument

    def _of(self, instrument: Instrument, query: Query, include_expired: bool) -> list[Listed]:  # noqa: FBT001
        if query.security_type == CONTINUOUS:
            return [self.front(instrument)]
        return [*(self.expired(instrument) if include_expired else []), *self.listed(instrument)]

    def _last_trade(self, day: date) -> date:
        """The day, or the business day before when the stock exchange is shut: the settlement needs its opening."""
        calendar = self.calendar
        while calendar.first_trade_date <= _number(day) <= calendar.last_trade_date:
            found = calendar.day(_number(day))
            if found is not None and found.rth_open_ns is not None:
                break
            day -= timedelta(days=1)
        return day

    def _around(self, instrument: Instrument) -> Iterator[Listed]:
        today = self.today
        first = today.year * 4 + (today.month - 1) // 3 - _LISTED_BEHIND
        for quarter in range(first, first + _LISTED_BEHIND + _LISTED_AHEAD + 1):
            year, month = quarter // 4, quarter % 4 * 3 + 3
            expiry = self._last_trade(third_friday(year, month))
            yield Listed(
                instrument=instrument,
                con_id=_CON_ID_FIRST + instrument.id * 1_000_000 + (year - 2000) * 100 + month,
                local_symbol=f"{instrument.symbol}{MONTH_CODES[month]}{year % 10}",
                expiry=_number(expiry),
                month=year * 100 + month,
                market_rule=self._rules[instrument.symbol],
            )


def underlying_id(instrument: Instrument) -> int:
    """Id of the index a future is on; the gateway serves no data of it."""
    return _INDEX_ID_FIRST + min(row.id for row in INSTRUMENTS.values() if row.underlying == instrument.underlying)


def third_friday(year: int, month: int) -> date:
    """When an index future expires, holidays aside."""
    first = date(year, month, 1)
    return first + timedelta(days=(_FRIDAY - first.weekday()) % 7 + 14)


def _fits(row: Listed, query: Query) -> bool:
    instrument = row.instrument
    continuous = query.security_type == CONTINUOUS
    expiry = "" if continuous else query.expiry
    wanted = (
        (query.symbol, instrument.symbol),
        ("" if continuous or query.security_type == BOTH else query.security_type, instrument.security_type),
        (query.multiplier, row.multiplier),
        (query.exchange, instrument.exchange),
        (query.currency, instrument.currency),
        ("" if continuous else query.local_symbol, row.local_symbol),
        (query.trading_class, instrument.symbol),
    )
    return all(not asked or asked == found for asked, found in wanted) and (
        not expiry or expiry in {str(row.expiry), str(row.month)}
    )


def _spans(day: SessionDay, *, liquid: bool, early_ns: int = 0) -> Iterator[str]:
    """One trade date: from the evening before to its close, cut at its breaks; liquid is RTH. `early_ns`: a fault."""
    if liquid:
        if day.rth_open_ns is not None and day.rth_close_ns is not None:
            yield f"{_central(day.rth_open_ns)}-{_central(day.rth_close_ns)}"
        return
    begin_ns = day.globex_open_ns
    for break_begin_ns, break_end_ns in day.breaks:
        yield f"{_central(begin_ns)}-{_central(break_begin_ns)}"
        begin_ns = break_end_ns
    yield f"{_central(begin_ns)}-{_central(day.globex_close_ns - early_ns)}"


def _central(ts_ns: int) -> str:
    return f"{datetime.fromtimestamp(ts_ns // NS_PER_S, tz=_CHICAGO):%Y%m%d:%H%M}"


def _date(number: int) -> date:
    return date(number // 10_000, number // 100 % 100, number % 100)


def _number(day: date) -> int:
    return day.year * 10_000 + day.month * 100 + day.day
