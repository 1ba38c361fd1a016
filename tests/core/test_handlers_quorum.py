"""The witnesses of the session in the core (NV09, SE07): a dispute denies entries and alerts; exits know nothing of it.

Expected times are 2026-11-25: regular hours 14:30 to 21:00 UTC, Globex until 22:00.
"""

import msgspec
import pytest

from tests.core.handler_world import START_NS, World, of, only
from tests.core.worlds import OPEN_NS
from tests.engines.cases import candidate
from trading_bot.domain import events
from trading_bot.domain.effects import Alert, ArmTimer, CancelOrder, PlaceExit, PlaceOrder
from trading_bot.domain.session_events import HaltTold, HoursTold, QuorumChanged, ToldHours
from trading_bot.domain.units import NS_PER_MIN, NS_PER_S

CLOSE_NS = OPEN_NS + 390 * NS_PER_MIN
GLOBEX_OPEN_NS, GLOBEX_CLOSE_NS = OPEN_NS - 930 * NS_PER_MIN, OPEN_NS + 450 * NS_PER_MIN
DATE = 20261125


def told(ts_ns, close_ns=GLOBEX_CLOSE_NS, **more):
    spans = ((GLOBEX_OPEN_NS, close_ns),) if close_ns else ()
    return HoursTold(ts_ns=ts_ns, contract="MESZ6", hours=(ToldHours(trade_date=DATE, spans=spans),), **more)


def trades(world, count=5):
    for _ in range(count):
        world.state.kernel.on_trade(world.now_ns, 24_000, 1, 1)


@pytest.fixture
def world():
    return World()


def reason(world):
    return only(world.fire(candidate()), events.DecisionMade).reason


def test_without_the_brokers_word_nothing_is_looked_at(world):
    world.advance(START_NS + 10 * NS_PER_MIN)
    assert not of(world.records, QuorumChanged)
    assert [timer for timer in of(world.records, ArmTimer) if timer.name == "quorum"] == []
    assert "quorum" not in world.state.facts()


def test_hours_that_agree_deny_nothing(world):
    records = world.apply(told(START_NS))
    assert not of(records, QuorumChanged)
    assert not of(records, Alert)
    assert only(world.fire(candidate()), PlaceOrder)


def test_other_hours_deny_entries_with_their_reason_withdraw_what_works_and_alert(world):
    placed = world.place()
    records = world.apply(told(START_NS, GLOBEX_CLOSE_NS - NS_PER_MIN))
    assert only(records, QuorumChanged).disputes == ("HOURS_DIFFER",)
    alert = only(records, Alert)
    assert (alert.level, alert.code) == ("error", "SESSION_DISPUTED")
    assert "2026-11-25T21:59" in alert.text
    assert only(records, CancelOrder).order_id == placed.order.order_id
    assert only(records, events.SessionChanged).state == "SESSION_DISPUTED"
    world.cancelled(placed.order.order_id)
    assert reason(world) == "SESSION_DISPUTED"


def test_corrected_hours_end_it(world):
    world.apply(told(START_NS, GLOBEX_CLOSE_NS - NS_PER_MIN))
    records = world.apply(told(START_NS))
    assert only(records, QuorumChanged).disputes == ()
    assert only(records, Alert).code == "SESSION_AGREED"
    assert only(world.fire(candidate()), PlaceOrder)


def test_the_earlier_close_is_the_one_that_counts_for_the_flatten():
    """The broker closes at 13:15 New York, the table at 16:00: flat at 13:10."""
    early_ns = OPEN_NS + 225 * NS_PER_MIN
    world = World(start_ns=early_ns - 6 * NS_PER_MIN)
    world.hold(1)
    world.apply(told(world.now_ns, early_ns))
    world.quotes(early_ns - 6 * NS_PER_MIN, early_ns - 5 * NS_PER_MIN)
    flat = only(world.records, events.SessionExitFlatten)
    assert (flat.ts_ns, flat.position_qty, flat.minutes_remaining) == (early_ns - 5 * NS_PER_MIN, 1, 5.0)
    assert of(world.records, PlaceExit)[0].ts_ns == flat.ts_ns


def test_hours_told_after_the_earlier_flatten_leave_at_once(world):
    world.hold(1)
    records = world.apply(told(START_NS, START_NS + 2 * NS_PER_MIN))
    assert only(records, events.SessionExitFlatten).minutes_remaining == 2.0
    assert only(records, PlaceExit)


def test_hours_that_cannot_be_read_are_an_alert_and_no_dispute(world):
    event = HoursTold(ts_ns=START_NS, contract="MESZ6", refused="segment 'x' is not understood")
    assert only(world.apply(event), Alert).code == "HOURS_REFUSED"
    assert only(world.fire(candidate()), PlaceOrder)


def test_a_silent_tape_denies_entries_and_trades_end_it(world):
    world.apply(told(START_NS))
    for ts_ns in range(START_NS + NS_PER_S, START_NS + 130 * NS_PER_S, NS_PER_S):
        world.quote(ts_ns)
    assert of(world.records, QuorumChanged)[-1].disputes == ("TAPE_SILENT",)
    assert of(world.records, QuorumChanged)[-1].ts_ns == START_NS + 120 * NS_PER_S
    assert reason(world) == "SESSION_DISPUTED"
    for ts_ns in range(world.now_ns, world.now_ns + 31 * NS_PER_S, NS_PER_S):
        world.quote(ts_ns)
        trades(world, 1)
    assert of(world.records, QuorumChanged)[-1].disputes == ()


def test_a_tape_that_trades_after_the_close_is_an_alert(world):
    world.advance(GLOBEX_CLOSE_NS - 1)
    after = World(start_ns=GLOBEX_CLOSE_NS - 30 * NS_PER_MIN, ready=False)
    after.apply(told(after.now_ns))
    after.advance(GLOBEX_CLOSE_NS + 2 * NS_PER_MIN)
    trades(after)
    records = after.advance(GLOBEX_CLOSE_NS + 3 * NS_PER_MIN)
    assert only(records, QuorumChanged).disputes == ("TAPE_WHILE_SHUT",)
    assert only(records, Alert).code == "SESSION_DISPUTED"


def test_a_halt_denies_entries_until_it_trades_again_and_exits_go_their_way(world):
    world.apply(told(START_NS))
    world.hold(1)
    records = world.apply(HaltTold(ts_ns=world.now_ns, halt=1))
    assert only(records, QuorumChanged).disputes == ("HALTED",)
    assert not of(records, PlaceExit)
    assert not of(records, CancelOrder)  # the stop is at the broker; nothing is sent because of the halt
    world.apply(events.FlattenRequested(ts_ns=world.now_ns, reason="test", source="cli"))
    left = world.quotes(START_NS + NS_PER_S, START_NS + 5 * NS_PER_S)
    assert only(left, PlaceExit).qty == 1
    world.close()
    world.quotes(world.now_ns + NS_PER_S, world.now_ns + 190 * NS_PER_S)  # the pause after an exit
    trades(world)
    world.quotes(world.now_ns + NS_PER_S, world.now_ns + 30 * NS_PER_S)
    assert reason(world) == "SESSION_HALTED"
    world.apply(HaltTold(ts_ns=world.now_ns, halt=0))
    assert world.state.session_state.value == "SESSION_ENTRIES"


def test_the_flatten_before_the_close_comes_in_a_halt_as_well():
    world = World(start_ns=CLOSE_NS - 6 * NS_PER_MIN)
    world.hold(1)
    world.apply(told(world.now_ns))
    world.apply(HaltTold(ts_ns=world.now_ns, halt=2))
    world.quotes(CLOSE_NS - 6 * NS_PER_MIN, CLOSE_NS - 5 * NS_PER_MIN)
    assert only(world.records, events.SessionExitFlatten).ts_ns == CLOSE_NS - 5 * NS_PER_MIN


def test_quotes_with_one_side_deny_entries_within_two_looks(world):
    world.apply(told(START_NS))
    for second in range(1, 31):
        world.advance(START_NS + second * NS_PER_S)
        world.state.kernel.on_rejected(world.now_ns)
        trades(world, 1)
    changed = of(world.records, QuorumChanged)
    assert [one.disputes for one in changed] == [("ONE_SIDED",)]
    assert changed[0].ts_ns <= START_NS + 30 * NS_PER_S
    assert world.state.session_state.value == "SESSION_HALTED"


def test_the_looks_end_nobody_and_are_armed_once(world):
    world.apply(told(START_NS))
    world.apply(msgspec.structs.replace(told(START_NS), expiry=20261218))
    world.advance(START_NS + NS_PER_MIN)
    looks = [event.ts_ns for event in of(world.records, events.TimerFired) if event.name == "quorum"]
    assert looks == [START_NS + 15 * number * NS_PER_S for number in range(1, 5)]


def test_a_halt_whose_end_was_never_told_ends_with_the_trades(world):
    world.apply(told(START_NS))
    trades(world)
    world.advance(START_NS + 16 * NS_PER_S)
    trades(world)
    world.advance(START_NS + 31 * NS_PER_S)
    world.apply(HaltTold(ts_ns=world.now_ns, halt=1))
    assert world.state.session_state.value == "SESSION_HALTED"  # what traded before it proves nothing
    for second in (40, 50):
        world.advance(START_NS + second * NS_PER_S)
        trades(world)
    world.advance(START_NS + 61 * NS_PER_S)
    assert world.state.session_state.value == "SESSION_ENTRIES"


def test_another_process_begins_to_look_anew(world):
    """Ten minutes without a process are no silence of the market."""
    world.apply(told(START_NS))
    world.advance(START_NS + 20 * NS_PER_S)
    later_ns = START_NS + 10 * NS_PER_MIN
    world.apply(
        events.ProcessStarted(
            ts_ns=later_ns, recovery="full", config_hash="", kernel_build="", last_seq=world.seq, torn_bytes=0
        )
    )
    world.quote(later_ns + NS_PER_S)
    assert not of(world.records, QuorumChanged)
    assert world.state.session_state.value == "SESSION_ENTRIES"
