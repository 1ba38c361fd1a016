"""Time stamps of files to nanoseconds since the Unix epoch (UTC).

A stamp that cannot be read is 0, which the door refuses.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from trading_bot.domain.errors import ConfigError
from trading_bot.domain.units import is_whole

TimeFormat = Literal["iso", "s", "ms", "us", "ns"]
UNREADABLE_NS: Final = 0
_DIGITS_MAX: Final = 19  # of 64 bits
NS_PER: Final = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)


def zone(name: str, where: str) -> tzinfo:
    """The named time zone; raises ConfigError naming `where` it stands."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder of zones is an OSError
        raise ConfigError(f"{where}: unknown timezone {name!r}: expected a name such as America/New_York") from None


def stamp_reader(time_format: TimeFormat, time_zone: tzinfo) -> Callable[[str], int]:
    """A function from the text of a stamp to ns; the zone applies to `iso` stamps that carry none."""
    if time_format == "iso":
        return _IsoReader(time_zone).read
    factor = NS_PER[time_format]
    digits = len(str(factor)) - 1

    def read_number(text: str) -> int:
        whole, _, fraction = text.strip().partition(".")
        if not is_whole(whole, _DIGITS_MAX) or (fraction and not fraction.isdecimal()):
            return UNREADABLE_NS
        return _in_range(int(whole) * factor + int((fraction[:digits] + "0" * digits)[:digits] or 0))

    return read_number


def local_midnight_offsets(date: str, time_zone: tzinfo) -> Callable[[int], int]:
    """For files that count milliseconds of local wall time from midnight of `date` (YYYYMMDD): ms to ns UTC."""
    midnight = datetime.strptime(date, "%Y%m%d")  # noqa: DTZ007 - the zone is applied hour by hour below
    hours: dict[int, int] = {}

    def read_ms(ms: int) -> int:
        hour, rest_ms = divmod(ms, 3_600_000)
        base_ns = hours.get(hour)
        if base_ns is None:
            local = (midnight + timedelta(hours=hour)).replace(tzinfo=time_zone)
            base_ns = hours[hour] = (local - _EPOCH) // _SECOND * 1_000_000_000
        return base_ns + rest_ms * 1_000_000

    return read_ms


def _in_range(ts_ns: int) -> int:
    return ts_ns if ts_ns < 1 << 63 else UNREADABLE_NS


class _IsoReader:
    """`YYYY-MM-DD HH:MM:SS[.fraction][Z|±HH:MM]`, also with T or slashes; to the nanosecond, beyond is cut."""

    def __init__(self, time_zone: tzinfo) -> None:
        self._zone = time_zone
        self._hours: dict[tuple[str, tzinfo], int] = {}

    def read(self, text: str) -> int:
        text = text.strip()
        zone_here = self._zone
        if text.endswith("Z"):
            text, zone_here = text[:-1], UTC
        shift_s = 0
        if len(text) > 19 and text[-6] in "+-" and text[-3] == ":":
            if not (is_whole(text[-5:-3]) and is_whole(text[-2:])):
                return UNREADABLE_NS
            shift_s = (int(text[-5:-3]) * 60 + int(text[-2:])) * 60
            shift_s = -shift_s if text[-6] == "+" else shift_s
            text, zone_here = text[:-6], UTC
        minute, second, fraction = text[14:16], text[17:19], text[20:] or "0"
        if not (is_whole(minute) and is_whole(second) and fraction.isdecimal()) or text[13:14] + text[16:17] != "::":
            return UNREADABLE_NS
        if minute > "59" or second > "59" or text[19:20] not in {"", "."}:
            return UNREADABLE_NS
        base_s = self._hour_s(text[:13], zone_here)
        if base_s is None:
            return UNREADABLE_NS
        seconds = base_s + shift_s + int(minute) * 60 + int(second)
        return _in_range(seconds * 1_000_000_000 + int((fraction[:9] + "000000000")[:9]))

    def _hour_s(self, text: str, zone_here: tzinfo) -> int | None:
        """Seconds of `YYYY-MM-DD HH`; the same hour comes thousands of times in a row."""
        key = (text, zone_here)
        base_s = self._hours.get(key)
        if base_s is None:
            try:
                local = datetime(int(text[:4]), int(text[5:7]), int(text[8:10]), int(text[11:13]), tzinfo=zone_here)
            except ValueError:
                return None
            if len(self._hours) > 256:
                self._hours.clear()
            base_s = self._hours[key] = (local - _EPOCH) // _SECOND
        return base_s
