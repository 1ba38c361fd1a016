"""Reads files of scheduled events (docs/events.md): TOML of a person to values the core can use without a time zone."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from trading_bot.domain.errors import ConfigError
from trading_bot.domain.scheduled import EventCalendar, EventKind, ScheduledEvent
from trading_bot.domain.units import NS_PER_S

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One `[[event]]` as it is written."""

    name: Annotated[str, Meta(min_length=1, max_length=80)]
    kind: EventKind
    ts: datetime
    press_conference: bool = False
    tier: Literal[1, 2, 3] = 2
    unverified: bool = False


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file, without its schema."""

    checked: date
    covers_from: date
    covers_to: date
    event: list[_Row] = []


def read_events(where: str, document: Mapping[str, Any]) -> EventCalendar:
    """The calendar a parsed file holds; `where` names the file in messages.

    Raises:
        ConfigError: an unknown key, a value of the wrong type, a time without zone, dates or rows that contradict.
    """
    try:
        file = msgspec.convert(document, _File)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {error}; docs/events.md describes the file") from error
    if file.covers_from > file.covers_to:
        raise ConfigError(f"{where}: covers_from {file.covers_from} is after covers_to {file.covers_to}")
    rows = [_event(f"{where}: event {number} ({row.name})", row, file) for number, row in enumerate(file.event, 1)]
    for index, row in enumerate(rows):
        if any((row.kind, row.ts_ns, row.name) == (one.kind, one.ts_ns, one.name) for one in rows[:index]):
            raise ConfigError(f"{where}: {row.name} stands there twice; remove one")
    return EventCalendar(
        source=where.rpartition("/")[2],  # what decides names no place on a machine
        checked=_number(file.checked),
        covers_from=_number(file.covers_from),
        covers_to=_number(file.covers_to),
        events=tuple(sorted(rows, key=_time)),
    )


def _event(where: str, row: _Row, file: _File) -> ScheduledEvent:
    if row.ts.tzinfo is None:
        raise ConfigError(f"{where}: ts {row.ts} has no zone; write it with one, such as {row.ts.isoformat()}-05:00")
    if not file.covers_from <= row.ts.date() <= file.covers_to:
        raise ConfigError(
            f"{where}: ts {row.ts} is outside covers_from {file.covers_from} to covers_to {file.covers_to}; "
            "extend them once the whole time is checked, or remove the row"
        )
    if row.press_conference and row.kind is not EventKind.FOMC:
        raise ConfigError(f"{where}: press_conference belongs to kind fomc, this one is {row.kind.value}")
    elapsed = row.ts.astimezone(UTC) - _EPOCH
    ts_ns = (elapsed.days * 86_400 + elapsed.seconds) * NS_PER_S + elapsed.microseconds * 1_000
    return ScheduledEvent(
        name=row.name,
        kind=row.kind,
        ts_ns=ts_ns,
        tier=row.tier,
        press_conference=row.press_conference,
        unverified=row.unverified,
    )


def _number(day: date) -> int:
    return day.year * 10_000 + day.month * 100 + day.day


def _time(event: ScheduledEvent) -> tuple[int, str]:
    return event.ts_ns, event.name
