"""What may be done at a time of a session: states, boundaries to arm timers by, the flatten ladder, session phases.

Everything is a function of a `SessionDay` of the session table, a `SessionPolicy` of the configuration and a time in
ns UTC. All intervals include their start and exclude their end.
"""

from bisect import bisect_right
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from typing import Final, Literal

import msgspec

from trading_bot.domain.errors import ConfigError
from trading_bot.domain.no_trade import Window
from trading_bot.engines.session_table import (
    SECOND_NS,
    DayOverride,
    SessionDay,
    SessionTable,
    overrides_from,
    parse_calendar,
)

__all__ = [
    "FLATTEN_LADDER",
    "MINUTE_NS",
    "SECOND_NS",
    "DayOverride",
    "FlattenStep",
    "SessionDay",
    "SessionPolicy",
    "SessionState",
    "SessionTable",
    "SessionWindow",
    "boundaries",
    "continuous_trading",
    "flatten_times",
    "minutes_remaining",
    "next_boundary_ns",
    "overrides_from",
    "parse_calendar",
    "phase_starts_ns",
    "session_phase",
    "session_state",
    "session_window",
]

MINUTE_NS: Final = 60 * SECOND_NS
SessionKind = Literal["rth", "globex"]


class SessionState(StrEnum):
    """State of the session; the value is the reason code of a skip. Entries are allowed in ENTRIES only."""

    UNKNOWN_DATE = "SESSION_UNKNOWN_DATE"
    NYSE_SHUT = "SESSION_NYSE_SHUT"
    PRE_OPEN = "SESSION_PRE_OPEN"
    OPEN_DELAY = "SESSION_OPEN_DELAY"
    ENTRIES = "SESSION_ENTRIES"
    BREAK = "SESSION_BREAK"
    TOO_SHORT = "SESSION_TOO_SHORT"
    CLOSE_BUFFER = "SESSION_CLOSE_BUFFER"
    FLATTEN = "SESSION_EXIT"
    CLOSED = "SESSION_CLOSED"
    DISPUTED = "SESSION_DISPUTED"  # the witnesses of the session disagree (engines/quorum.py)
    HALTED = "SESSION_HALTED"
    NO_TRADE = "SESSION_NO_TRADE"  # a window of the configuration


class FlattenStep(StrEnum):
    """Steps of the way to flat before the close (specification, section 10)."""

    EXIT = "EXIT"
    VERIFY = "VERIFY"
    MARKET = "MARKET"
    ALERT = "ALERT"
    KILL = "KILL"


# Time before the close at which each step is due when flattening starts 5 minutes before it. ALERT is the dead man too.
FLATTEN_LADDER: Final[tuple[tuple[FlattenStep, int], ...]] = (
    (FlattenStep.EXIT, 300 * SECOND_NS),
    (FlattenStep.VERIFY, 285 * SECOND_NS),
    (FlattenStep.MARKET, 240 * SECOND_NS),
    (FlattenStep.ALERT, 180 * SECOND_NS),
    (FlattenStep.KILL, 60 * SECOND_NS),
)
_LADDER_NS: Final = FLATTEN_LADDER[0][1]

# Minutes after the RTH open at which phases 1 to 6 start on a day of 390 minutes (specification, 3.1 row 21).
_PHASE_START_MIN: Final = (0, 60, 120, 240, 330, 390)
_RTH_MIN: Final = 390


class SessionPolicy(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """When to enter and when to be flat.

    `open_delay_ns` and `close_buffer_ns` bound the entries; `flatten_before_close_ns` is at least the 5 minutes the
    flatten ladder takes, and `close_buffer_ns` is not less, so that no entry is allowed while flattening. `no_trade`
    are windows without entries, in minutes after midnight in New York (below 0: the evening before).
    """

    kind: SessionKind
    open_delay_ns: int
    close_buffer_ns: int
    flatten_before_close_ns: int = _LADDER_NS
    no_trade: tuple[Window, ...] = ()

    def __post_init__(self) -> None:
        """Refuse values under which an entry could be open at the close."""
        if self.kind not in ("rth", "globex"):
            raise ConfigError(f"session.kind: found {self.kind!r}, expected 'rth' or 'globex'")
        if self.open_delay_ns < 0:
            raise ConfigError(f"session.open_delay: found {self.open_delay_ns} ns, expected 0 or more")
        if self.flatten_before_close_ns < _LADDER_NS:
            raise ConfigError(
                f"session.flatten_before_close: found {self.flatten_before_close_ns} ns, expected at least "
                f"{_LADDER_NS} ns (5 minutes): the steps from exit to kill switch take that long"
            )
        if self.close_buffer_ns < self.flatten_before_close_ns:
            raise ConfigError(
                f"session.close_buffer: found {self.close_buffer_ns} ns, expected at least flatten_before_close "
                f"({self.flatten_before_close_ns} ns): entries must end before flattening starts"
            )


class SessionWindow(msgspec.Struct, frozen=True, gc=False):
    """The boundaries of one day under a policy, ns UTC.

    `entry_open_ns == entry_close_ns` when the session is too short for any entry.
    """

    trade_date: int
    open_ns: int
    entry_open_ns: int
    entry_close_ns: int
    flatten_ns: int
    close_ns: int

    @property
    def too_short(self) -> bool:
        """Whether delay and buffer leave no time for an entry."""
        return self.entry_open_ns == self.entry_close_ns


def session_state(day: SessionDay | None, policy: SessionPolicy, ts_ns: int) -> SessionState:
    """State at `ts_ns`, a time of trade date `day` (from `SessionTable.trading_day`; None is an unknown date)."""
    if day is None:
        return SessionState.UNKNOWN_DATE
    steps = boundaries(day, policy)
    index = bisect_right(steps, ts_ns, key=_start) - 1
    if index >= 0:
        return steps[index][1]
    return SessionState.PRE_OPEN if steps else SessionState.NYSE_SHUT


def next_boundary_ns(day: SessionDay, policy: SessionPolicy, ts_ns: int) -> int | None:
    """Time of the first change of state after `ts_ns`, to arm a timer by; None when the day has no more."""
    steps = boundaries(day, policy)
    index = bisect_right(steps, ts_ns, key=_start)
    return steps[index][0] if index < len(steps) else None


@lru_cache(maxsize=64)
def boundaries(day: SessionDay, policy: SessionPolicy) -> tuple[tuple[int, SessionState], ...]:
    """The day as a table of (start in ns, state), in order; empty when NYSE is shut and the policy trades RTH.

    Before the first row the state is PRE_OPEN. A break replaces the states in which an entry could come, never the
    flatten: SESSION_EXIT stays the answer until the close.
    """
    window = session_window(day, policy)
    if window is None:
        return ()
    rows = [
        (window.open_ns, SessionState.TOO_SHORT if window.too_short else SessionState.OPEN_DELAY),
        (window.entry_open_ns, SessionState.ENTRIES),
        (window.entry_close_ns, SessionState.CLOSE_BUFFER),
        (window.flatten_ns, SessionState.FLATTEN),
        (window.close_ns, SessionState.CLOSED),
    ]
    # Without an open delay, or with a buffer that ends at the flatten, a state lasts no time and is left out.
    rows = [row for row, after in pairwise([*rows, (window.close_ns + 1, SessionState.CLOSED)]) if row[0] < after[0]]
    midnight_ns = new_york_midnight_ns(day)
    for start_min, end_min in policy.no_trade:
        start_ns = max(midnight_ns + start_min * MINUTE_NS, window.entry_open_ns)
        end_ns = min(midnight_ns + end_min * MINUTE_NS, window.entry_close_ns)
        rows = _without(rows, start_ns, end_ns, SessionState.NO_TRADE)
    for start_ns, end_ns in day.breaks:
        rows = _without(rows, start_ns, min(end_ns, window.flatten_ns), SessionState.BREAK)
    return tuple(rows)


def new_york_midnight_ns(day: SessionDay) -> int:
    """Midnight in New York at the start of the trade date, from the table: clocks change on Sunday mornings only.

    Regular hours begin at 09:30, the Globex session at 18:00 on the evening before.
    """
    if day.rth_open_ns is not None:
        return day.rth_open_ns - 570 * MINUTE_NS
    return day.globex_open_ns + 360 * MINUTE_NS


@lru_cache(maxsize=64)
def session_window(day: SessionDay, policy: SessionPolicy) -> SessionWindow | None:
    """Open, entry interval, flatten and close of a day; None when it has no session of this kind (NYSE shut)."""
    if policy.kind == "globex":
        open_ns, close_ns = day.globex_open_ns, day.globex_close_ns
    elif day.rth_open_ns is None or day.rth_close_ns is None:
        return None
    else:
        open_ns, close_ns = day.rth_open_ns, day.rth_close_ns
    flatten_ns = max(close_ns - policy.flatten_before_close_ns, open_ns)
    entry_open_ns, entry_close_ns = open_ns + policy.open_delay_ns, close_ns - policy.close_buffer_ns
    if entry_open_ns >= entry_close_ns:
        entry_open_ns = entry_close_ns = flatten_ns
    return SessionWindow(day.trade_date, open_ns, entry_open_ns, entry_close_ns, flatten_ns, close_ns)


def flatten_times(window: SessionWindow) -> tuple[tuple[FlattenStep, int], ...]:
    """When each flatten step is due, ns UTC, none before the open.

    A policy that flattens earlier than 5 minutes before the close moves the whole ladder by the difference.
    """
    earlier_ns = max(window.close_ns - window.flatten_ns - _LADDER_NS, 0)
    due = ((step, window.close_ns - before_ns - earlier_ns) for step, before_ns in FLATTEN_LADDER)
    return tuple((step, max(at_ns, window.open_ns)) for step, at_ns in due)


def minutes_remaining(window: SessionWindow, ts_ns: int) -> int:
    """Whole minutes left until the close, 0 from the last minute on."""
    return max(window.close_ns - ts_ns, 0) // MINUTE_NS


def continuous_trading(day: SessionDay | None, ts_ns: int, *, market: SessionKind = "globex") -> bool:
    """Whether the market matches orders continuously at `ts_ns`: open and not in a break.

    `market` is "globex" for the futures and "rth" for what trades in the NYSE session only (SPY in research).
    """
    if day is None:
        return False
    open_ns, close_ns = day.globex_open_ns, day.globex_close_ns
    if market == "rth":
        if day.rth_open_ns is None or day.rth_close_ns is None:
            return False
        open_ns, close_ns = day.rth_open_ns, day.rth_close_ns
    return open_ns <= ts_ns < close_ns and not any(start_ns <= ts_ns < end_ns for start_ns, end_ns in day.breaks)


def session_phase(day: SessionDay, ts_ns: int) -> int:
    """Part of the RTH day, 0 before its open to 6 after its close; 0 all day when NYSE is shut."""
    return bisect_right(phase_starts_ns(day), ts_ns)


@lru_cache(maxsize=64)
def phase_starts_ns(day: SessionDay) -> tuple[int, ...]:
    """Start of phases 1 to 6 in ns UTC, rounded up; a half-day scales them all. Empty when NYSE is shut."""
    if day.rth_open_ns is None or day.rth_close_ns is None:
        return ()
    length_ns = day.rth_close_ns - day.rth_open_ns
    return tuple(day.rth_open_ns - (-length_ns * minute // _RTH_MIN) for minute in _PHASE_START_MIN)


def _without(
    rows: list[tuple[int, SessionState]], start_ns: int, end_ns: int, state: SessionState
) -> list[tuple[int, SessionState]]:
    start_ns = max(start_ns, rows[0][0])
    if start_ns >= end_ns:
        return rows
    resumed = rows[bisect_right(rows, end_ns, key=_start) - 1][1]
    kept = [row for row in rows if not start_ns <= row[0] <= end_ns]
    return sorted([*kept, (start_ns, state), (end_ns, resumed)], key=_start)


def _start(row: tuple[int, SessionState]) -> int:
    return row[0]
