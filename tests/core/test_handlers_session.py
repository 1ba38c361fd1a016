"""The session runs on timers (specification 10): each boundary arms the next; flat five minutes before the close."""

import pytest

from tests.core.handler_world import START_NS, World, of, only
from tests.core.worlds import OPEN_NS
from tests.engines.cases import candidate
from trading_bot.core import flattening
from trading_bot.domain import events
from trading_bot.domain.effects import Alert, ArmTimer, CancelOrder, LatchKillSwitch, PlaceExit
from trading_bot.domain.orders import Side
from trading_bot.domain.reasons import GateReason
from trading_bot.domain.units import NS_PER_MIN, NS_PER_S
from trading_bot.engines.flatten import FlattenKind

# 2026-11-25, an ordinary Wednesday: 09:30 ET is 14:30 UTC.
CLOSE_NS = OPEN_NS + 390 * NS_PER_MIN
DEFAULT = {"session": {"open_delay_min": 5}}
# 2026-11-27, the half-day after Thanksgiving: NYSE closes at 13:00 ET (18:00 UTC), flatten at 12:55.
HALF_DAY_OPEN_NS = OPEN_NS + 2 * 24 * 60 * NS_PER_MIN
HALF_DAY_CLOSE_NS = HALF_DAY_OPEN_NS + 210 * NS_PER_MIN


def changes(records):
    return [(record.ts_ns, record.state) for record in of(records, events.SessionChanged)]


def session_timers(records):
    return [timer.due_ns for timer in of(records, ArmTimer) if timer.name == "session"]


def test_each_boundary_arms_the_next_without_a_single_tick():
    world = World(DEFAULT, start_ns=OPEN_NS - 60 * NS_PER_MIN, ready=False)
    world.advance(CLOSE_NS + 30 * NS_PER_MIN)
    boundaries = [
        (OPEN_NS, "SESSION_OPEN_DELAY"),
        (OPEN_NS + 5 * NS_PER_MIN, "SESSION_ENTRIES"),
        (CLOSE_NS - 15 * NS_PER_MIN, "SESSION_CLOSE_BUFFER"),
        (CLOSE_NS - 5 * NS_PER_MIN, "SESSION_EXIT"),
        (CLOSE_NS, "SESSION_CLOSED"),
    ]
    assert changes(world.records) == [(OPEN_NS - 60 * NS_PER_MIN, "SESSION_PRE_OPEN"), *boundaries]
    assert session_timers(world.records)[: len(boundaries)] == [ts_ns for ts_ns, _ in boundaries]
    fired = [event.due_ns for event in of(world.records, events.TimerFired)]
    assert fired[: len(boundaries)] == [ts_ns for ts_ns, _ in boundaries]


@pytest.mark.parametrize(
    ("minutes", "state", "due_minutes"),
    [(2, "SESSION_OPEN_DELAY", 5), (100, "SESSION_ENTRIES", 375), (380, "SESSION_CLOSE_BUFFER", 385)],
)
def test_a_run_that_starts_within_the_session_finds_its_place(minutes, state, due_minutes):
    start_ns = OPEN_NS + minutes * NS_PER_MIN
    world = World(DEFAULT, start_ns=start_ns, ready=False)
    assert changes(world.records) == [(start_ns, state)]
    assert session_timers(world.records) == [OPEN_NS + due_minutes * NS_PER_MIN]


def test_the_half_day_is_flat_at_12_55_eastern():
    world = World(DEFAULT, start_ns=HALF_DAY_OPEN_NS + 10 * NS_PER_MIN)
    world.advance(HALF_DAY_CLOSE_NS)
    flat = only(world.records, events.SessionExitFlatten)
    assert flat.ts_ns == HALF_DAY_CLOSE_NS - 5 * NS_PER_MIN
    assert flat.minutes_remaining == 5.0


class TestFlatten:
    @pytest.fixture
    def world(self):
        return World()

    def test_it_comes_five_minutes_before_the_close(self, world):
        world.advance(CLOSE_NS)
        flat = only(world.records, events.SessionExitFlatten)
        assert flat.ts_ns == CLOSE_NS - 5 * NS_PER_MIN
        assert (flat.reason, flat.minutes_remaining, flat.position_qty) == ("MINUTES_TO_RTH_CLOSE", 5.0, 0)

    def test_it_is_journalled_as_a_skip_with_its_bit(self, world):
        records = world.advance(CLOSE_NS)
        decision = only(records, events.DecisionMade)
        assert (decision.action, decision.reason, decision.mask) == (
            "SKIP",
            "SESSION_EXIT",
            1 << GateReason.SESSION_EXIT,
        )
        assert decision.text == "SKIP SESSION_EXIT: 5 minutes to the close"

    @pytest.mark.parametrize("qty", [1, -1])
    def test_it_closes_the_position(self, qty):
        flatten_ns = CLOSE_NS - 5 * NS_PER_MIN
        world = World(start_ns=flatten_ns - 30 * NS_PER_S)
        world.hold(qty)
        records = world.quotes(flatten_ns - 29 * NS_PER_S, flatten_ns)
        left = only(records, PlaceExit)
        side = Side.SELL if qty > 0 else Side.BUY
        assert (left.ts_ns, left.side, left.qty, left.cause) == (flatten_ns, side, 1, "SESSION")

    def test_it_withdraws_entries_that_still_work(self):
        entry_end_ns, flatten_ns = CLOSE_NS - 6 * NS_PER_MIN, CLOSE_NS - 5 * NS_PER_MIN
        world = World({"session": {"open_delay_min": 0, "close_buffer_min": 6}}, start_ns=entry_end_ns - 3 * NS_PER_S)
        placed = world.place()
        world.machine.timers.pop(("entry_ttl", placed.order.order_id))  # as if its time to live were an hour
        cancel = only(world.quotes(entry_end_ns, flatten_ns), CancelOrder)
        assert (cancel.ts_ns, cancel.order_id, cancel.reason) == (flatten_ns, placed.order.order_id, "SESSION_EXIT")

    @pytest.mark.parametrize("before_close_s", [300, 299, 60, 1])
    def test_from_then_on_the_answer_is_session_exit(self, world, before_close_s):
        ts_ns = CLOSE_NS - before_close_s * NS_PER_S
        world.quotes(ts_ns - 70 * NS_PER_S, ts_ns)  # the score has recovered from the hours without a quote
        assert not world.state.data_down
        assert only(world.fire(candidate()), events.DecisionMade).reason == "SESSION_EXIT"

    def test_just_before_it_is_the_close_buffer(self, world):
        ts_ns = CLOSE_NS - 300 * NS_PER_S - 1
        world.quotes(ts_ns - 70 * NS_PER_S, ts_ns)
        assert only(world.fire(candidate()), events.DecisionMade).reason == "SESSION_CLOSE_BUFFER"

    @pytest.mark.parametrize("known", [True, False])
    def test_it_takes_over_a_stop_that_is_not_through(self, known):
        """The chaos lab's contract-rolls-with-a-position: a stop waits for the broker when the session ends."""
        flatten_ns = CLOSE_NS - 5 * NS_PER_MIN
        world = World(start_ns=flatten_ns - 8 * NS_PER_S)
        world.hold(1)
        if not known:
            world.position(None)
        world.apply(events.StopRequested(ts_ns=world.now_ns, reason="SIGTERM", exit_code=0))
        records = world.advance(flatten_ns)
        assert only(records, events.SessionExitFlatten).ts_ns == flatten_ns
        assert world.state.flatten.kind == "SESSION"
        assert not world.state.flatten.finished
        assert of(records, events.CoreFailed) == []

    def test_what_cannot_be_left_is_told_before_the_close_and_killed(self):
        """Specification 10: the broker answers no exit: T-3:00 alert and dead man, T-1:00 kill."""
        flatten_ns = CLOSE_NS - 5 * NS_PER_MIN
        world = World(start_ns=flatten_ns - 30 * NS_PER_S)
        world.hold(1)
        world.quotes(flatten_ns - 29 * NS_PER_S, CLOSE_NS)
        told = [(one.ts_ns, one.code) for one in of(world.records, Alert) if one.code.startswith("FLATTEN_")]
        alarm_ns = CLOSE_NS - 3 * NS_PER_MIN
        assert [row for row in told if row[0] <= alarm_ns] == [
            (alarm_ns, "FLATTEN_ALERT"),
            (alarm_ns, "FLATTEN_DEAD_MAN"),
        ]
        assert only(world.records, LatchKillSwitch).ts_ns == CLOSE_NS - NS_PER_MIN

    def test_it_happens_once(self, world):
        world.advance(CLOSE_NS + 10 * NS_PER_MIN)
        assert len(of(world.records, events.SessionExitFlatten)) == 1

    def test_a_run_that_starts_after_it_flattens_at_once(self):
        world = World(start_ns=CLOSE_NS - 2 * NS_PER_MIN)
        flat = only(world.records, events.SessionExitFlatten)
        assert flat.minutes_remaining == 2.0


def test_a_session_exit_on_a_day_without_a_calendar_flattens_as_a_stop_does():
    world = World()
    world.hold(1)
    world.state.day = None
    flattening.flatten(world.state, world.now_ns, FlattenKind.SESSION, "SESSION_EXIT")
    assert world.state.flatten.kind == "STOP"


def test_an_unknown_date_has_no_timer_and_no_entries():
    world = World(start_ns=START_NS)
    world.state.sessions = None
    results = world.apply(events.TimerFired(ts_ns=world.now_ns, name="session", due_ns=world.now_ns))
    assert only(results, events.SessionChanged).state == "SESSION_UNKNOWN_DATE"
    assert not session_timers(results)
    assert world.state.entry_mask == 0
    assert only(world.fire(candidate()), events.DecisionMade).reason == "SESSION_UNKNOWN_DATE"


def test_the_globex_session_flattens_before_the_globex_close():
    world = World({"session": {"kind": "globex"}}, start_ns=CLOSE_NS)
    globex_close_ns = CLOSE_NS + 60 * NS_PER_MIN  # 17:00 ET
    flat = only(world.advance(globex_close_ns), events.SessionExitFlatten)
    assert (flat.ts_ns, flat.reason) == (globex_close_ns - 5 * NS_PER_MIN, "MINUTES_TO_GLOBEX_CLOSE")


def test_a_timer_nobody_knows_is_a_bug():
    world = World()
    with pytest.raises(KeyError, match="tea"):
        world.apply(events.TimerFired(ts_ns=world.now_ns, name="tea", due_ns=world.now_ns))
