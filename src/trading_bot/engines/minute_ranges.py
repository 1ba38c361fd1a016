"""True ranges by minute of the trading day, of the sessions before this one (specification 8.4).

A minute counts from the Globex open of its trade date, as in docs/kernel.md section 3, so that daylight saving moves
nothing. The kernel keeps volumes by minute, not ranges: these are the core's own.
"""

import zlib
from array import array
from collections import deque
from typing import Final

import msgspec

from trading_bot.domain.errors import DataCorrupt
from trading_bot.domain.inflated import inflated
from trading_bot.domain.units import NS_PER_MIN
from trading_bot.engines.session_table import SessionDay

SESSIONS_MAX: Final = 20
SESSIONS_MIN: Final = 5
_MINUTES: Final = 1440
_NONE: Final = -1
_SLOT: Final = _MINUTES + 1


class BarRange(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """True range of a closed minute in ticks, and twice the median of its minute of the day (None: not known)."""

    range_ticks: int
    median2_ticks: int | None


def true_range(high_ticks: int, low_ticks: int, close_before_ticks: int | None) -> int:
    """TR of a bar in ticks; high - low for the first one."""
    if close_before_ticks is None:
        return high_ticks - low_ticks
    return max(high_ticks, close_before_ticks) - min(low_ticks, close_before_ticks)


class MinuteRanges:
    """The newest 20 sessions and the current one; a minute without a bar has no range."""

    def __init__(self) -> None:
        """No session yet."""
        self._slots: deque[tuple[int, array[int]]] = deque(maxlen=SESSIONS_MAX + 1)

    def add(self, day: SessionDay, ts_open_ns: int, range_ticks: int) -> None:
        """Take the range of a closed bar; a second bar of one minute replaces the first, an older session is late."""
        minute = _minute(day, ts_open_ns)
        if minute is None or (self._slots and day.trade_date < self._slots[-1][0]):
            return
        if not self._slots or self._slots[-1][0] != day.trade_date:
            self._slots.append((day.trade_date, array("q", [_NONE]) * _MINUTES))
        self._slots[-1][1][minute] = range_ticks

    def median2_ticks(self, day: SessionDay, ts_open_ns: int) -> int | None:
        """Twice the median range of this minute in the sessions before; None with fewer than five that have one."""
        minute = _minute(day, ts_open_ns)
        if minute is None:
            return None
        before = (slot for trade_date, slot in self._slots if trade_date < day.trade_date)
        ranges = sorted(value for slot in list(before)[-SESSIONS_MAX:] if (value := slot[minute]) != _NONE)
        if len(ranges) < SESSIONS_MIN:
            return None
        return ranges[(len(ranges) - 1) // 2] + ranges[len(ranges) // 2]

    def plain(self) -> bytes:
        """The whole history as bytes, for digests."""
        numbers = array("q")
        for trade_date, slot in self._slots:
            numbers.append(trade_date)
            numbers.extend(slot)
        return numbers.tobytes()

    def pack(self) -> bytes:
        """The whole history, compressed; empty without any."""
        plain = self.plain()
        return zlib.compress(plain, 1) if plain else b""

    def load(self, packed: bytes) -> None:
        """Replace the history by a packed one.

        Raises:
            DataCorrupt: the bytes are not what `pack` wrote.
        """
        numbers = array("q")
        try:
            numbers.frombytes(inflated(packed) if packed else b"")
        except ValueError as error:
            raise DataCorrupt(f"packed minute ranges: {error}; expected what MinuteRanges.pack wrote") from error
        if len(numbers) % _SLOT:
            raise DataCorrupt(f"packed minute ranges: {len(numbers)} numbers, expected {_SLOT} a session")
        self._slots.clear()
        for at in range(0, len(numbers), _SLOT):
            self._slots.append((numbers[at], numbers[at + 1 : at + _SLOT]))


def _minute(day: SessionDay, ts_open_ns: int) -> int | None:
    minute = (ts_open_ns - day.globex_open_ns) // NS_PER_MIN
    return minute if 0 <= minute < _MINUTES else None
