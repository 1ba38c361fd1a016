"""Specification 8.4: the window of every kind of event, to the nanosecond; flat before tier 1; a stale calendar."""

import msgspec
import pytest

from trading_bot.domain.gate_config import EventsConfig
from trading_bot.domain.scheduled import EventCalendar, EventKind, ScheduledEvent
from trading_bot.domain.units import NS_PER_DAY, NS_PER_HOUR, NS_PER_MIN, NS_PER_S
from trading_bot.engines.scheduled_events import active, blackouts, must_flatten, near, next_step_ns, stale
from trading_bot.engines.session import SessionWindow

NOON_NS = 1_795_608_000 * NS_PER_S  # 2026-11-25T12:00Z, the event
DATE, MIDNIGHT_NS = 20_261_125, 1_795_564_800 * NS_PER_S
SESSION = SessionWindow(DATE, NOON_NS - 3 * NS_PER_HOUR, 0, 0, 0, NOON_NS + 3 * NS_PER_HOUR)

# Specification 8.4, in minutes around the event.
WINDOWS = [
    ({"kind": "fomc", "press_conference": True}, -10, 75),
    ({"kind": "fomc"}, -10, 30),
    ({"kind": "release"}, -2, 5),
    ({"kind": "minutes"}, -2, 15),
    ({"kind": "auction"}, -1, 5),
    ({"kind": "premarket"}, -2, 5),
]


def rows(*events, session=SESSION, config=None):
    values = [{"name": "E", "ts_ns": NOON_NS, "kind": "release", **event} for event in events]
    calendar = EventCalendar(
        source="test",
        checked=DATE,
        covers_from=20_260_101,
        covers_to=20_261_231,
        events=tuple(msgspec.convert(value, ScheduledEvent) for value in values),
    )
    return blackouts(calendar, config or EventsConfig(), session)


@pytest.mark.parametrize(("event", "before_min", "after_min"), WINDOWS)
def test_a_window_holds_its_first_instant_and_not_its_last(event, before_min, after_min):
    windows = rows(event)
    start_ns, end_ns = NOON_NS + before_min * NS_PER_MIN, NOON_NS + after_min * NS_PER_MIN
    inside = [start_ns, NOON_NS, end_ns - 1]
    outside = [start_ns - 1, end_ns]
    assert [active(windows, ts_ns) is not None for ts_ns in inside] == [True] * 3
    assert [active(windows, ts_ns) is not None for ts_ns in outside] == [False] * 2


def test_every_kind_has_a_window():
    assert {event["kind"] for event, *_ in WINDOWS} == {kind.value for kind in EventKind}


def test_a_release_before_the_open_counts_only_where_the_session_is_open():
    rth = msgspec.structs.replace(SESSION, open_ns=NOON_NS + 3 * NS_PER_MIN)
    assert active(rows({"kind": "premarket"}, session=rth), NOON_NS + 4 * NS_PER_MIN) is None
    assert active(rows({"kind": "release"}, session=rth), NOON_NS + 4 * NS_PER_MIN) is not None
    assert active(rows({"kind": "premarket"}), NOON_NS + 4 * NS_PER_MIN) is not None


def test_without_a_calendar_there_are_no_windows():
    assert blackouts(None, EventsConfig(), SESSION) == ()


class TestTierOne:
    """Flat two minutes before: the way there begins 30 s earlier, and nothing is entered from then on."""

    BEGIN_NS = NOON_NS - 150 * NS_PER_S

    @pytest.mark.parametrize("kind", ["fomc", "release", "auction"])
    def test_the_position_has_to_go(self, kind):
        windows = rows({"kind": kind, "tier": 1})
        assert must_flatten(windows, self.BEGIN_NS - 1) is None
        assert must_flatten(windows, self.BEGIN_NS) is not None
        assert must_flatten(windows, NOON_NS - 1) is not None
        assert must_flatten(windows, NOON_NS) is None
        assert active(windows, self.BEGIN_NS) is not None

    @pytest.mark.parametrize("tier", [2, 3])
    def test_it_stays_for_the_others(self, tier):
        assert must_flatten(rows({"kind": "fomc", "tier": tier}), NOON_NS - NS_PER_MIN) is None

    def test_the_lead_is_configuration(self):
        windows = rows({"tier": 1}, config=EventsConfig(flat_before_s=300, flatten_lead_s=0))
        assert must_flatten(windows, NOON_NS - 300 * NS_PER_S) is not None
        assert must_flatten(windows, NOON_NS - 300 * NS_PER_S - 1) is None


def test_every_change_has_its_timer():
    """Two overlapping events: each step in order, none twice, none missed."""
    windows = rows({"tier": 1, "kind": "fomc"}, {"ts_ns": NOON_NS + 20 * NS_PER_MIN})
    steps, ts_ns = [], 0
    while (due_ns := next_step_ns(windows, ts_ns)) is not None:
        steps.append((due_ns - NOON_NS) / NS_PER_MIN)
        ts_ns = due_ns
    assert steps == [-10, -2.5, 18, 25, 30]


def test_near_is_before_and_after_a_window_and_not_in_it():
    windows = rows({})
    near_ns = 15 * NS_PER_MIN
    times = {-17 * NS_PER_MIN - 1: False, -17 * NS_PER_MIN: True, -2 * NS_PER_MIN: False, 5 * NS_PER_MIN: True}
    times |= {5 * NS_PER_MIN - 1: False, 20 * NS_PER_MIN - 1: True, 20 * NS_PER_MIN: False}
    assert {after: near(windows, NOON_NS + after, near_ns) is not None for after in times} == times


class TestStale:
    CALENDAR = EventCalendar(source="test", checked=DATE, covers_from=20_261_101, covers_to=20_261_205)

    def answer(self, days, *, adapter="ibkr", calendar=CALENDAR, **config):
        return stale(calendar, EventsConfig(**config), adapter, MIDNIGHT_NS + round(days * NS_PER_DAY))

    def test_seven_days_are_current_and_eight_are_not(self):
        assert self.answer(7) == ""
        assert self.answer(7.999) == ""
        assert "checked 8 days ago, on 20261125" in self.answer(8)

    def test_a_date_outside_the_coverage_is_unknown(self):
        assert "covers 20261101 to 20261205 only" in self.answer(-25)
        assert self.answer(-24) == ""
        assert self.answer(10, stale_days_max=30) == ""
        assert "covers" in self.answer(11, stale_days_max=30)

    @pytest.mark.parametrize(
        ("required", "adapter", "blocks"),
        [
            ("live", "ibkr", True),
            ("live", "sim", False),
            ("live", "files", False),
            ("always", "sim", True),
            ("always", "ibkr", True),
            ("never", "ibkr", False),
        ],
    )
    def test_where_it_is_required(self, required, adapter, blocks):
        assert bool(self.answer(100, required=required, adapter=adapter)) is blocks
        assert bool(self.answer(0, required=required, adapter=adapter, calendar=None)) is blocks
