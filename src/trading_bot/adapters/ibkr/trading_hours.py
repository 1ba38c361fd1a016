"""The broker's trading hours of a contract, and its word about halts, as inputs for the core (engines/quorum.py).

The broker writes `20261124:1700-20261125:1600;20261126:CLOSED;...`: about a week, in the zone it names, breaks as
segments of their own (field notes E).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from trading_bot.adapters.ibkr.answers import Unknown
from trading_bot.adapters.ibkr.contracts import BoundContract
from trading_bot.domain.session_events import HaltTold, HoursTold, ToldHours
from trading_bot.domain.units import NS_PER_S
from trading_bot.engines.quorum import difference
from trading_bot.engines.session import SessionTable

if TYPE_CHECKING:
    import asyncio

    from trading_bot.adapters.ibkr.session import IbkrSession
    from trading_bot.adapters.ibkr.subscriptions import Subscriptions

_CLOSED: Final = "CLOSED"
_STAMP: Final = "%Y%m%d:%H%M"
_HALTED: Final = 49  # tick type: 0 it trades, 1 a halt, 2 a halt for volatility, below 0 not known
_HALTS: Final = (0, 1, 2)
_AGAIN_S: Final = 3600.0  # of wall time: a close may be brought forward on the day itself
_SEGMENTS_MAX: Final = 200  # the broker tells some ten; a text of thousands is none of its


def parse_hours(text: str, time_zone: str) -> tuple[ToldHours, ...]:
    """The hours of each trade date, in order; a session cut at a break has several spans.

    Raises:
        ValueError: the text or the zone is not understood.
    """
    try:
        zone = ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"time zone {time_zone!r} is not known") from error
    found: dict[int, list[tuple[int, int]]] = {}
    segments = [segment for segment in text.replace(",", ";").split(";") if segment]
    if len(segments) > _SEGMENTS_MAX:
        raise ValueError(f"{len(segments)} segments, expected at most {_SEGMENTS_MAX}")
    for segment in segments:
        begin, _, end = segment.partition("-")
        if not end:
            date, _, word = begin.partition(":")
            if word != _CLOSED or not _is_date(date):
                raise ValueError(f"segment {segment!r} is not understood")
            found.setdefault(int(date), [])
            continue
        open_ns, close_ns = (_ns(stamp, zone) for stamp in (begin, end))
        if open_ns >= close_ns:
            raise ValueError(f"segment {segment!r} ends before it begins")
        found.setdefault(int(end.partition(":")[0]), []).append((open_ns, close_ns))  # a session's day is its last
    return tuple(ToldHours(trade_date=date, spans=tuple(sorted(found[date]))) for date in sorted(found))


def hours_of(bound: BoundContract) -> HoursTold:
    """What the broker tells of a contract; a text that cannot be read is told as refused."""
    try:
        hours, refused = parse_hours(bound.trading_hours, bound.time_zone), ""
    except ValueError as error:
        hours, refused = (), str(error)
    return HoursTold(ts_ns=0, contract=bound.local_symbol, hours=hours, expiry=bound.expiry, refused=refused)


def later_differences(told: HoursTold, table: SessionTable, now_ns: int) -> Sequence[str]:
    """How days after the session under way (or the next one) differ from the table, as sentences for a person.

    That session itself is the core's to judge: nothing is entered, and the earlier close counts.
    """
    now = table.trading_day(now_ns)
    sentences = []
    for row in told.hours:
        if (now is not None and row.trade_date <= now.trade_date) or (told.expiry and row.trade_date >= told.expiry):
            continue  # on its last day a contract ends before the session does
        if not table.first_trade_date <= row.trade_date <= table.last_trade_date:
            continue
        day = table.day(row.trade_date)
        if day is not None and (text := difference(day, row)):
            sentences.append(f"{told.contract}, {text}. {_REPAIR}")
        elif day is None and row.spans:
            text = f"trade date {row.trade_date}: the calendar says shut, the broker not"
            sentences.append(f"{told.contract}, {text}. {_REPAIR}")
    return sentences


class HoursDesk:
    """Tells the hours at the start and on every trade date, asks for them anew when they have aged; and tells halts."""

    def __init__(self, session: "IbkrSession", bound: BoundContract, table: SessionTable) -> None:
        """`bound` has the hours as they were told at the start."""
        self._session = session
        self._bound = bound
        self._table = table
        self._hours = hours_of(bound)
        self._told_date = 0
        self._asked_s = session.clock.wall_s()
        self._halt = 0
        self._asking: asyncio.Task[None] | None = None

    def repeat(self) -> None:
        """A log has begun, maybe, or time has passed: tell what is known, and ask anew what may have changed."""
        day = self._table.trading_day(self._session.stamp())
        trade_date = day.trade_date if day else 0
        rolled = self._told_date not in {0, trade_date}
        if self._told_date != trade_date or not self._told_date:
            self._told_date = trade_date or -1
            self._tell()
        if rolled or self._session.clock.wall_s() - self._asked_s > _AGAIN_S:
            self.ask()

    def ask(self) -> None:
        """Ask for the hours; they are told if they differ from those of before. One question at a time."""
        if self._asking is None:
            self._asked_s = self._session.clock.wall_s()
            self._asking = self._session.loop.create_task(self._ask())
            self._asking.add_done_callback(self._answered)

    def watch(self, streams: "Subscriptions") -> None:
        """Listen to what the sampled stream of the seen market says of halts."""

        def on_generic(request_id: int, tick_type: int, value: float) -> None:
            if tick_type != _HALTED or request_id != streams.sampled_id or value not in _HALTS:
                return
            if int(value) != self._halt:
                self._halt = int(value)
                self._session.tell(HaltTold(ts_ns=0, halt=self._halt))

        self._session.listen("tickGeneric", on_generic)

    def _tell(self) -> None:
        self._session.tell(self._hours)
        if self._halt:
            self._session.tell(HaltTold(ts_ns=0, halt=self._halt))

    async def _ask(self) -> None:
        """The contract once more. Without an answer the hours of before go on to count."""
        answer = await self._session.asked(self._session.ib.reqContractDetailsAsync(self._bound.contract))
        if isinstance(answer, Unknown) or not answer.data:
            return
        row = answer.data[0]
        bound = msgspec.structs.replace(self._bound, trading_hours=row.tradingHours, time_zone=row.timeZoneId)
        if (hours := hours_of(bound)) != self._hours:
            self._hours = hours
            self._tell()

    def _answered(self, task: "asyncio.Task[None]") -> None:
        self._asking = None
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self._session.fail(error)


_REPAIR: Final = (
    "Find out which is right (cmegroup.com, trading hours) and correct data/calendars/us_index_overrides.toml "
    "(docs/calendar.md) before that day"
)


def _is_date(text: str) -> bool:
    return len(text) == 8 and text.isascii() and text.isdigit()


def _ns(stamp: str, zone: ZoneInfo) -> int:
    moment = datetime.strptime(stamp, _STAMP).replace(tzinfo=zone)
    return round(moment.timestamp()) * NS_PER_S
