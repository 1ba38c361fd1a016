"""Scheduled events as values: what an event file (docs/events.md) becomes, and what a log embeds."""

from enum import StrEnum

import msgspec


class EventKind(StrEnum):
    """Kinds of events; `engines/scheduled_events.py` has the window of each."""

    FOMC = "fomc"
    RELEASE = "release"
    PREMARKET = "premarket"
    MINUTES = "minutes"
    AUCTION = "auction"


class ScheduledEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One event at `ts_ns` UTC. Tier 1 is left flat; `press_conference` follows an FOMC decision.

    `unverified`: nobody has compared the date with its source; it counts, and that is told.
    """

    name: str
    kind: EventKind
    ts_ns: int
    tier: int = 2
    press_conference: bool = False
    unverified: bool = False


class EventCalendar(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The events of the dates from `covers_from` to `covers_to`, both included, as known on `checked` (yyyymmdd)."""

    source: str
    checked: int
    covers_from: int
    covers_to: int
    events: tuple[ScheduledEvent, ...] = ()
