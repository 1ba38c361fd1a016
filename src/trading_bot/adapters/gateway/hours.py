"""When the exchange trades, as the desk needs it: open or not, regular hours, the session's end."""

from typing import Final

from trading_bot.domain.units import TS_NEVER_NS
from trading_bot.engines.session_table import SessionDay, SessionTable

_DAYS_AHEAD: Final = 2


class Hours:
    """Questions to a session table. Without one the exchange never closes and all hours are regular."""

    def __init__(self, table: SessionTable | None) -> None:
        self._table = table

    def is_open(self, ts_ns: int) -> bool:
        """Is Globex trading?"""
        if self._table is None:
            return True
        day = self._table.trading_day(ts_ns)
        if day is None or not day.globex_open_ns <= ts_ns < day.globex_close_ns:
            return False
        return not any(start <= ts_ns < end for start, end in day.breaks)

    def is_regular(self, ts_ns: int) -> bool:
        """Is it open, in regular hours?"""
        if self._table is None:
            return True
        day = self._table.trading_day(ts_ns)
        if day is None or day.rth_open_ns is None or day.rth_close_ns is None:
            return False
        return self.is_open(ts_ns) and day.rth_open_ns <= ts_ns < day.rth_close_ns

    def session_close_ns(self, ts_ns: int) -> int:
        """When the session of `ts_ns` ends, which ends DAY orders; between two sessions that of the next."""
        day = self._table.trading_day(ts_ns) if self._table is not None else None
        return TS_NEVER_NS if day is None else day.globex_close_ns

    def next_open_ns(self, ts_ns: int) -> int:
        """When it trades next; `ts_ns` itself when it does."""
        at = ts_ns
        while not self.is_open(at):
            at = self.next_change_ns(at)
            if at == TS_NEVER_NS:
                break
        return at

    def next_change_ns(self, ts_ns: int) -> int:
        """The first boundary after `ts_ns`: an opening, a close, a halt, the edges of regular hours."""
        day = self._table.trading_day(ts_ns) if self._table is not None else None
        if self._table is None or day is None:
            return TS_NEVER_NS
        for row in self._table.days_from(day.trade_date, _DAYS_AHEAD):
            later = [at for at in _boundaries(row) if at > ts_ns]
            if later:
                return min(later)
        return TS_NEVER_NS


def _boundaries(day: SessionDay) -> list[int]:
    edges = [day.globex_open_ns, day.globex_close_ns, *(at for halt in day.breaks for at in halt)]
    return edges + [at for at in (day.rth_open_ns, day.rth_close_ns) if at is not None]
