"""The broker's trading hours of a contract held against the session table: a close of ours that is late is no flatten.

The broker writes `20261124:1700-20261125:1600;20261126:CLOSED;...`: about a week, in the zone it names, breaks as
segments of their own (field notes E).
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from trading_bot.adapters.ibkr.contracts import BoundContract
from trading_bot.domain.errors import UsageError
from trading_bot.domain.units import NS_PER_S, iso_from_ns
from trading_bot.engines.session import SessionTable

_CLOSED: Final = "CLOSED"
_STAMP: Final = "%Y%m%d:%H%M"


class Hours(msgspec.Struct, frozen=True):
    """One trade date (yyyymmdd): open and close in ns UTC, both 0 where it is shut."""

    trade_date: int
    open_ns: int
    close_ns: int

    def __str__(self) -> str:
        """For people."""
        return f"{iso_from_ns(self.open_ns)} to {iso_from_ns(self.close_ns)}" if self.close_ns else "shut"


def parse_hours(text: str, time_zone: str) -> list[Hours]:
    """The hours of each trade date, in order; breaks inside a session are left out.

    Raises:
        ValueError: the text or the zone is not understood.
    """
    try:
        zone = ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"time zone {time_zone!r} is not known") from error
    found: dict[int, Hours] = {}
    for segment in text.replace(",", ";").split(";"):
        if not segment:
            continue
        begin, _, end = segment.partition("-")
        if not end:
            date, _, word = begin.partition(":")
            if word != _CLOSED or not date.isdigit():
                raise ValueError(f"segment {segment!r} is not understood")
            found.setdefault(int(date), Hours(int(date), 0, 0))
            continue
        open_ns, close_ns = (_ns(stamp, zone) for stamp in (begin, end))
        date = end.partition(":")[0]  # a session belongs to the day it ends on
        known = found.get(int(date))
        if known is not None and known.close_ns:
            open_ns, close_ns = min(known.open_ns, open_ns), max(known.close_ns, close_ns)
        found[int(date)] = Hours(int(date), open_ns, close_ns)
    return [found[date] for date in sorted(found)]


def check_hours(bound: BoundContract, table: SessionTable, now_ns: int) -> Sequence[str]:
    """What differs from the session table on later days, or cannot be compared, as sentences.

    Raises:
        UsageError: the session under way, or the next one, has other hours at the broker.
    """
    try:
        listed = parse_hours(bound.trading_hours, bound.time_zone)
    except ValueError as error:
        return [f"trading hours of {bound.local_symbol} cannot be compared with the calendar: {error}"]
    now = table.trading_day(now_ns)
    differing = list(_differences(bound, listed, table))
    for theirs, ours in differing:
        if now is not None and theirs.trade_date == now.trade_date:
            raise UsageError(f"{_sentence(bound, theirs, ours)}; nothing was sent. {_REPAIR}")
    return [f"{_sentence(bound, theirs, ours)}. {_REPAIR}" for theirs, ours in differing]


_REPAIR: Final = (
    "Find out which is right (cmegroup.com, trading hours) and correct data/calendars/us_index_overrides.toml "
    "(docs/calendar.md) before that day"
)


def _differences(bound: BoundContract, listed: Sequence[Hours], table: SessionTable) -> Iterator[tuple[Hours, Hours]]:
    for theirs in listed:
        # On its last day a contract ends before the session does; dates beyond the table are unknown anyway.
        if (bound.expiry and theirs.trade_date >= bound.expiry) or not _covered(table, theirs.trade_date):
            continue
        day = table.day(theirs.trade_date)
        ours = (
            Hours(theirs.trade_date, day.globex_open_ns, day.globex_close_ns) if day else Hours(theirs.trade_date, 0, 0)
        )
        if ours != theirs:
            yield theirs, ours


def _covered(table: SessionTable, trade_date: int) -> bool:
    return table.first_trade_date <= trade_date <= table.last_trade_date


def _sentence(bound: BoundContract, theirs: Hours, ours: Hours) -> str:
    return f"{bound.local_symbol} on {theirs.trade_date}: the broker's hours are {theirs}, the calendar's {ours}"


def _ns(stamp: str, zone: ZoneInfo) -> int:
    moment = datetime.strptime(stamp, _STAMP).replace(tzinfo=zone)
    return round(moment.timestamp()) * NS_PER_S
