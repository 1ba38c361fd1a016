"""Times as requests write them and replies want them."""

from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from trading_bot.adapters.gateway.contracts import TIME_ZONE
from trading_bot.adapters.gateway.wire import BadRequest
from trading_bot.domain.units import NS_PER_S

_CHICAGO: Final = ZoneInfo(TIME_ZONE)
_HOUR_S: Final = 3_600
EPOCH_SECONDS: Final = 2  # of a request's formatDate


def time_of(text: str, now_s: int, name: str) -> int:
    """Seconds since the epoch: empty is now; `YYYYMMDD-HH:MM:SS` is UTC, `YYYYMMDD HH:MM:SS ZONE` the zone's.

    Without a zone it is the exchange's. Raises BadRequest for the field `name`.
    """
    if not text:
        return now_s
    try:
        if "-" in text and " " not in text:
            return int(datetime.strptime(text, "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC).timestamp())
        day, clock, *zone = text.split()
        where = ZoneInfo(zone[0]) if zone else _CHICAGO
        return int(datetime.strptime(f"{day} {clock}", "%Y%m%d %H:%M:%S").replace(tzinfo=where).timestamp())
    except (ValueError, ZoneInfoNotFoundError) as error:
        raise BadRequest(name, text) from error


def time_text(at_s: int) -> str:
    """A time in the exchange's zone: `20261125 08:30:00 US/Central`."""
    return f"{datetime.fromtimestamp(at_s, tz=_CHICAGO):%Y%m%d %H:%M:%S} {TIME_ZONE}"


class Stamps:
    """Texts of many bars' stamps; the calendar is asked once an hour of them."""

    def __init__(self, date_format: int) -> None:
        """`date_format` 2 gives seconds since the epoch, anything else the exchange's time."""
        self._epoch = date_format == EPOCH_SECONDS
        self._hour_s = -1
        self._hour = ""

    def text(self, stamp: int, *, whole_day: bool) -> str:
        """A stamp in ns, or of a whole day its trade date."""
        if whole_day:
            return str(stamp)
        at_s = stamp // NS_PER_S
        if self._epoch:
            return str(at_s)
        begin_s = at_s - at_s % _HOUR_S
        if begin_s != self._hour_s:
            self._hour_s, self._hour = begin_s, f"{datetime.fromtimestamp(begin_s, tz=_CHICAGO):%Y%m%d %H}"
        within_s = at_s - begin_s
        return f"{self._hour}:{within_s // 60:02}:{within_s % 60:02} {TIME_ZONE}"
