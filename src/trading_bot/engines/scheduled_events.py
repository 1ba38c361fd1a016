"""Blackouts around scheduled events (specification 8.4): windows, the time to be flat, and the age of the calendar.

Everything is a function of the calendar, the configuration, a session and a time in ns UTC. A window includes its start
and excludes its end.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from trading_bot.domain.gate_config import EventsConfig
from trading_bot.domain.scheduled import EventCalendar, EventKind, ScheduledEvent
from trading_bot.domain.units import NS_PER_MIN, NS_PER_S
from trading_bot.engines.breaker_table import days_of
from trading_bot.engines.session import SessionWindow

_DAY_NS: Final = 86_400 * NS_PER_S
TIER_FLAT: Final = 1

# Minutes before and after. A release before the open has the window of the others.
_WINDOW_MIN: Final[dict[tuple[EventKind, bool], tuple[int, int]]] = {
    (EventKind.FOMC, True): (10, 75),
    (EventKind.FOMC, False): (10, 30),
    (EventKind.RELEASE, False): (2, 5),
    (EventKind.PREMARKET, False): (2, 5),
    (EventKind.MINUTES, False): (2, 15),
    (EventKind.AUCTION, False): (1, 5),
}


class Blackout(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The window of one event; `flatten_ns` is when the way to flat begins, None when a position may stay.

    `unverified`: nobody has compared its date with the source.
    """

    name: str
    event_ns: int
    start_ns: int
    end_ns: int
    flatten_ns: int | None = None
    unverified: bool = False


def blackouts(calendar: EventCalendar | None, config: EventsConfig, session: SessionWindow) -> tuple[Blackout, ...]:
    """The windows that touch a session, by start. A pre-market release counts only where the session covers it."""
    rows = (
        [] if calendar is None else [_blackout(event, config) for event in calendar.events if _counts(event, session)]
    )
    touching = [row for row in rows if row.start_ns < session.close_ns and row.end_ns > session.open_ns]
    return tuple(sorted(touching, key=_start))


def active(rows: Sequence[Blackout], ts_ns: int) -> Blackout | None:
    """The window a time is in; of several the first."""
    for row in rows:
        if row.start_ns <= ts_ns < row.end_ns:
            return row
    return None


def near(rows: Sequence[Blackout], ts_ns: int, near_ns: int) -> Blackout | None:
    """The event whose window begins within `near_ns`, or ended less than that ago; its own window is not near it."""
    for row in rows:
        if row.start_ns - near_ns <= ts_ns < row.start_ns or row.end_ns <= ts_ns < row.end_ns + near_ns:
            return row
    return None


def must_flatten(rows: Sequence[Blackout], ts_ns: int) -> Blackout | None:
    """The event for which the position has to go now, and until it has happened."""
    return next((row for row in rows if row.flatten_ns is not None and row.flatten_ns <= ts_ns < row.event_ns), None)


def next_step_ns(rows: Sequence[Blackout], ts_ns: int) -> int | None:
    """The next time at which any of the answers above changes, to arm a timer by."""
    steps = [step for row in rows for step in (row.start_ns, row.flatten_ns, row.end_ns) if step is not None]
    return min((step for step in steps if step > ts_ns), default=None)


def stale(calendar: EventCalendar | None, config: EventsConfig, adapter: str, ts_ns: int) -> str:
    """Why nothing may be entered for want of a current calendar; empty when one is there, or none is asked for.

    `adapter` is where market data come from: a recorded or simulated market needs no calendar under "live".
    """
    if config.required == "never" or (config.required == "live" and adapter != "ibkr"):
        return ""
    if calendar is None:
        return "there is no calendar of scheduled events"
    today = ts_ns // _DAY_NS
    age_days = today - days_of(calendar.checked)
    if age_days > config.stale_days_max:
        return f"the calendar of scheduled events was checked {age_days} days ago, on {calendar.checked}"
    if not days_of(calendar.covers_from) <= today <= days_of(calendar.covers_to):
        return f"the calendar of scheduled events covers {calendar.covers_from} to {calendar.covers_to} only"
    return ""


def _counts(event: ScheduledEvent, session: SessionWindow) -> bool:
    return event.kind is not EventKind.PREMARKET or session.open_ns <= event.ts_ns < session.close_ns


def _blackout(event: ScheduledEvent, config: EventsConfig) -> Blackout:
    before_min, after_min = _WINDOW_MIN[event.kind, event.press_conference]
    start_ns, flatten_ns = event.ts_ns - before_min * NS_PER_MIN, None
    if event.tier == TIER_FLAT:
        flatten_ns = event.ts_ns - (config.flat_before_s + config.flatten_lead_s) * NS_PER_S
        start_ns = min(start_ns, flatten_ns)  # what is entered after it would stay
    return Blackout(
        name=event.name,
        event_ns=event.ts_ns,
        start_ns=start_ns,
        end_ns=event.ts_ns + after_min * NS_PER_MIN,
        flatten_ns=flatten_ns,
        unverified=event.unverified,
    )


def _start(row: Blackout) -> int:
    return row.start_ns
