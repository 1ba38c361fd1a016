"""The session table: which trade date a time belongs to, read from a CSV text that the caller supplies.

Every boundary is in ns UTC as the table gives it, so daylight saving was decided when the table was generated
(`tools/make_calendar.py`) and no time zone is looked up here.
"""

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final

import msgspec

from trading_bot.domain.errors import ConfigError

SECOND_NS: Final = 1_000_000_000
COLUMNS: Final = "date,globex_open_utc,globex_close_utc,rth_open_utc,rth_close_utc,breaks"
# Friday to Tuesday is the longest pause between two sessions; more means that rows are missing.
PAUSE_NS_MAX: Final = 6 * 24 * 3600 * SECOND_NS

_DAY_S: Final = 24 * 3600
_DAYS_IN_MONTH: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_REPAIR: Final = "regenerate the table with tools/make_calendar.py, and put corrections into the overrides file"
_CLOSED_AT: Final = 10  # a row whose Globex fields are empty has ",," after the ten characters of its date


class SessionDay(msgspec.Struct, frozen=True, gc=False):
    """One Globex trade date; times in ns UTC, intervals include their start and exclude their end.

    `trade_date` is yyyymmdd. RTH is the part of the NYSE session in which Globex is open, None when NYSE is shut.
    `breaks` are halts inside the Globex session, in order.
    """

    trade_date: int
    globex_open_ns: int
    globex_close_ns: int
    rth_open_ns: int | None
    rth_close_ns: int | None
    breaks: tuple[tuple[int, int], ...] = ()


class DayOverride(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A correction of one date, as an overrides file gives it.

    None keeps the table's value, "" means shut. Texts are written as in the table: `date` 2026-11-27, times
    2026-11-27T18:15:00Z, `breaks` start/end pairs separated by blanks. `reason` says what the correction rests on.
    """

    date: str
    reason: str
    globex_open_utc: str | None = None
    globex_close_utc: str | None = None
    rth_open_utc: str | None = None
    rth_close_utc: str | None = None
    breaks: str | None = None


class SessionTable:
    """Sessions in order of trade date. Rows are decoded when first asked for and then kept."""

    __slots__ = ("_days", "_keys", "_rows", "_where", "source")

    def __init__(self, rows: Sequence[str], where: Sequence[str], *, source: str) -> None:
        """Use `parse_calendar`. `rows` are sorted CSV lines with a Globex session; `where` names each in errors."""
        self.source = source
        self._rows = rows
        self._where = where
        self._keys = [row[:_CLOSED_AT] for row in rows]
        self._days: list[SessionDay | None] = [None] * len(rows)

    def __len__(self) -> int:
        """Number of Globex sessions."""
        return len(self._rows)

    @property
    def first_trade_date(self) -> int:
        """First trade date covered, yyyymmdd."""
        return self._at(0).trade_date

    @property
    def last_trade_date(self) -> int:
        """Last trade date covered, yyyymmdd; later times are unknown."""
        return self._at(len(self._rows) - 1).trade_date

    def trading_day(self, ts_ns: int) -> SessionDay | None:
        """The trade date `ts_ns` belongs to; None outside the table, where nothing may be traded.

        The time from one session's Globex close to the next one's open belongs to the next session.
        """
        index = bisect_right(range(len(self._rows)), ts_ns, key=self._close_ns)
        if index == len(self._rows) or (index == 0 and ts_ns < self._at(0).globex_open_ns):
            return None
        return self._at(index)

    def day(self, trade_date: int) -> SessionDay | None:
        """The session of trade date yyyymmdd, None when Globex is shut or the date is not covered."""
        index = bisect_left(self._keys, _date_text(trade_date))
        if index == len(self._keys) or self._keys[index] != _date_text(trade_date):
            return None
        return self._at(index)

    def days_from(self, trade_date: int, count: int) -> tuple[SessionDay, ...]:
        """Up to `count` sessions from the first one on or after yyyymmdd; fewer at the table's end."""
        start = bisect_left(self._keys, _date_text(trade_date))
        return tuple(self._at(index) for index in range(start, min(start + max(count, 0), len(self._rows))))

    def days_before(self, trade_date: int, count: int) -> tuple[SessionDay, ...]:
        """Up to `count` sessions before yyyymmdd, oldest first; fewer at the table's start."""
        end = bisect_left(self._keys, _date_text(trade_date))
        return tuple(self._at(index) for index in range(max(end - max(count, 0), 0), end))

    def open_ns_between(self, start_ns: int, end_ns: int) -> int:
        """Continuous Globex trading time from `start_ns` to `end_ns`, in ns: a gap counted in session time."""
        index = bisect_right(range(len(self._rows)), start_ns, key=self._close_ns)
        total_ns = 0
        while index < len(self._rows):
            day = self._at(index)
            if day.globex_open_ns >= end_ns:
                break
            total_ns += _overlap_ns(start_ns, end_ns, day.globex_open_ns, day.globex_close_ns)
            total_ns -= sum(_overlap_ns(start_ns, end_ns, *halt) for halt in day.breaks)
            index += 1
        return total_ns

    def with_overrides(self, overrides: Sequence[DayOverride]) -> "SessionTable":
        """A table with the corrections applied: a date is changed, added, or removed when its Globex fields are "".

        Raises ConfigError when a corrected row is malformed, overlaps its neighbour or names a date twice.
        """
        rows = dict(zip(self._keys, zip(self._rows, self._where, strict=True), strict=True))
        changed: list[str] = []
        for override in overrides:
            where = f"{self.source}, override of {override.date}"
            if override.date in changed:
                raise ConfigError(f"{where}: found twice, expected one entry for each date; remove one")
            base = rows[override.date][0] if override.date in rows else override.date + ",,,,,"
            row = _overridden(base, override)
            changed.append(override.date)
            if not row.startswith(",,", _CLOSED_AT):
                rows[override.date] = (row, where)
            else:
                _check_closed(row, where)
                rows.pop(override.date, None)
        merged = sorted(rows.items())
        table = SessionTable([row for _, (row, _) in merged], [at for _, (_, at) in merged], source=self.source)
        table.check(changed)
        return table

    def extract(self, trade_date: int, count: int) -> str:
        """The table text of `days_from(trade_date, count)`, overrides included, for `parse_calendar` to read again."""
        start = bisect_left(self._keys, _date_text(trade_date))
        rows = "".join(row + "\n" for row in self._rows[start : start + max(count, 0)])
        return f"# calendar=extract schema=1 sha256={_digest(rows)}\n{COLUMNS}\n{rows}"

    def _at(self, index: int) -> SessionDay:
        day = self._days[index]
        if day is None:
            day = self._days[index] = _parse_row(self._rows[index], self._where[index])
        return day

    def _close_ns(self, index: int) -> int:
        return self._at(index).globex_close_ns

    def check(self, keys: Sequence[str] | None = None) -> None:
        """Decode the rows of `keys` (dates like 2026-11-27; None: all) and compare them with their neighbours.

        Raises ConfigError for a malformed row, overlapping sessions and a pause so long that rows must be missing.
        """
        for index in (bisect_left(self._keys, key) for key in (self._keys if keys is None else keys)):
            for left in (index - 1, index):
                if 0 <= left < len(self._rows):
                    self._at(left)
                if 0 <= left < len(self._rows) - 1:
                    self._check_pair(left)

    def _check_pair(self, left: int) -> None:
        pause_ns = self._at(left + 1).globex_open_ns - self._at(left).globex_close_ns
        if not 0 <= pause_ns <= PAUSE_NS_MAX:
            raise ConfigError(
                f"{self._where[left + 1]}: found a Globex open {pause_ns // SECOND_NS} s after the close of "
                f"{self._keys[left]}, expected 0 to {PAUSE_NS_MAX // SECOND_NS} s; {_REPAIR}"
            )


def parse_calendar(text: str, *, source: str) -> SessionTable:
    """Read a session table.

    `text` is a comment line, the column names and one row per date (see docs/calendar.md); `source` names it in
    errors. A `sha256=` in the comment is compared with the rows: when it matches, rows are decoded only when asked
    for (the live path starts in milliseconds); without one every row is decoded and checked here.

    Raises ConfigError naming the line, what was found and what was expected.
    """
    header, _, rest = text.partition("\n")
    if not header.startswith("#"):
        raise ConfigError(f"{source}:1: found {header[:60]!r}, expected a comment line starting with '#'; {_REPAIR}")
    columns, _, body = rest.partition("\n")
    if columns != COLUMNS:
        raise ConfigError(f"{source}:2: found {columns[:90]!r}, expected {COLUMNS!r}; {_REPAIR}")
    claimed = next((word[7:] for word in header.split() if word.startswith("sha256=")), None)
    if claimed is not None and claimed != _digest(body):
        raise ConfigError(
            f"{source}:1: found rows with sha256 {_digest(body)}, expected {claimed}: "
            f"the rows were edited or cut; {_REPAIR}"
        )
    lines = body.splitlines()
    _check_order(lines, source)
    rows = [line for line in lines if not line.startswith(",,", _CLOSED_AT)]
    if not rows:
        raise ConfigError(f"{source}: found no row with a Globex session, expected at least one; {_REPAIR}")
    numbers = [number for number, line in enumerate(lines, 3) if not line.startswith(",,", _CLOSED_AT)]
    table = SessionTable(rows, [f"{source}:{number}" for number in numbers], source=source)
    if claimed is None:
        for number, line in enumerate(lines, 3):
            if line.startswith(",,", _CLOSED_AT):
                _check_closed(line, f"{source}:{number}")
        table.check()
    return table


def overrides_from(document: Mapping[str, Any], *, source: str) -> tuple[DayOverride, ...]:
    """The corrections of a parsed overrides file (`[[day]]` tables); raises ConfigError naming the file and the key."""
    unknown = sorted(document.keys() - {"day"})
    if unknown:
        raise ConfigError(f"{source}: found key {unknown[0]!r}, expected only [[day]] tables; rename or remove it")
    try:
        return tuple(msgspec.convert(document.get("day", []), list[DayOverride]))
    except msgspec.ValidationError as error:
        keys = ", ".join(DayOverride.__struct_fields__)
        raise ConfigError(f"{source}: found a [[day]] that does not fit: {error}; expected the keys {keys}") from error


def _check_order(lines: Sequence[str], source: str) -> None:
    keys = [line[:_CLOSED_AT] for line in lines]
    if all(map(str.__lt__, keys, keys[1:])):
        return
    index = next(index for index in range(1, len(keys)) if keys[index - 1] >= keys[index])
    raise ConfigError(
        f"{source}:{index + 3}: found date {keys[index]!r} after {keys[index - 1]!r}, "
        f"expected dates to increase; {_REPAIR}"
    )


def _check_closed(row: str, where: str) -> None:
    fields = row.split(",")
    _utc_ns(fields[0] + "T00:00:00Z", where, "date")
    if len(fields) != 6 or any(fields[3:]):
        raise ConfigError(f"{where}: found {row!r}, expected no RTH and no breaks where Globex is shut; {_REPAIR}")


def _overridden(row: str, override: DayOverride) -> str:
    changes = (
        override.globex_open_utc,
        override.globex_close_utc,
        override.rth_open_utc,
        override.rth_close_utc,
        override.breaks,
    )
    date, *fields = row.split(",")
    return ",".join([date, *(old if new is None else new for old, new in zip(fields, changes, strict=True))])


def _parse_row(row: str, where: str) -> SessionDay:
    fields = row.split(",")
    if len(fields) != 6:
        raise ConfigError(f"{where}: found {len(fields)} fields in {row!r}, expected 6 ({COLUMNS}); {_REPAIR}")
    _utc_ns(fields[0] + "T00:00:00Z", where, "date")
    globex_open_ns = _utc_ns(fields[1], where, "globex_open_utc")
    globex_close_ns = _utc_ns(fields[2], where, "globex_close_utc")
    rth_open_ns = rth_close_ns = None
    if fields[3] or fields[4]:
        rth_open_ns = _utc_ns(fields[3], where, "rth_open_utc")
        rth_close_ns = _utc_ns(fields[4], where, "rth_close_utc")
    breaks = tuple(_break_ns(pair, where) for pair in fields[5].split(" ")) if fields[5] else ()
    times = [globex_open_ns, *(at for halt in breaks for at in halt), globex_close_ns]
    ordered = all(left < right for left, right in pairwise(times))
    if rth_open_ns is not None and rth_close_ns is not None:
        ordered = ordered and globex_open_ns <= rth_open_ns < rth_close_ns <= globex_close_ns
    if not ordered:
        raise ConfigError(
            f"{where}: found {row!r}, expected open < close, and RTH and breaks inside the Globex session in order; "
            + _REPAIR
        )
    trade_date = int(fields[0].replace("-", ""))
    return SessionDay(trade_date, globex_open_ns, globex_close_ns, rth_open_ns, rth_close_ns, breaks)


def _break_ns(text: str, where: str) -> tuple[int, int]:
    start, separator, end = text.partition("/")
    if not separator:
        raise ConfigError(f"{where}: found {text!r} in breaks, expected start/end; {_REPAIR}")
    return _utc_ns(start, where, "breaks"), _utc_ns(end, where, "breaks")


def _utc_ns(text: str, where: str, column: str) -> int:
    """Decode 2026-11-27T18:15:00Z to ns since the Unix epoch."""
    days, seconds = _days_of(text[:10]), _seconds_of(text[10:])
    if days is None or seconds is None:
        raise ConfigError(
            f"{where}: found {text!r} in {column}, expected a UTC time like 2026-11-27T18:15:00Z; {_REPAIR}"
        )
    return (days * _DAY_S + seconds) * SECOND_NS


# A table names each date and each time of day many times, and all of it is read at start-up.
@lru_cache(maxsize=2048)
def _days_of(text: str) -> int | None:
    """Days since the Unix epoch of a date like 2026-11-27; None for any other text."""
    digits = text[0:4] + text[5:7] + text[8:10]
    if len(text) != 10 or text[4] + text[7] != "--" or not (digits.isascii() and digits.isdigit()):
        return None
    year, month, day = int(text[0:4]), int(text[5:7]), int(text[8:10])
    if not (1 <= month <= 12 and 1 <= day <= _days_in_month(year, month)):
        return None
    return _days_since_epoch(year, month, day)


@lru_cache(maxsize=256)
def _seconds_of(text: str) -> int | None:
    """Seconds since midnight of a time like T18:15:00Z; None for any other text."""
    digits = text[1:3] + text[4:6] + text[7:9]
    if len(text) != 10 or text[0::3] != "T::Z" or not (digits.isascii() and digits.isdigit()):
        return None
    hour, minute, second = int(text[1:3]), int(text[4:6]), int(text[7:9])
    return hour * 3600 + minute * 60 + second if hour < 24 and minute < 60 and second < 60 else None


def _days_in_month(year: int, month: int) -> int:
    leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return _DAYS_IN_MONTH[month - 1] + leap


def _days_since_epoch(year: int, month: int, day: int) -> int:
    # The year is counted from March, so that the leap day is its last day.
    year -= month <= 2
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return year * 365 + year // 4 - year // 100 + year // 400 + of_year - 719_468


def _date_text(trade_date: int) -> str:
    return f"{trade_date // 10_000:04d}-{trade_date // 100 % 100:02d}-{trade_date % 100:02d}"


def _overlap_ns(start_ns: int, end_ns: int, from_ns: int, to_ns: int) -> int:
    return max(min(end_ns, to_ns) - max(start_ns, from_ns), 0)


def _digest(rows: str) -> str:
    return hashlib.sha256(rows.encode()).hexdigest()
