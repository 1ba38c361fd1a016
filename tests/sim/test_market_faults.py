"""Each fault does what its name says to the records of its time, and nothing to any other."""

import numpy as np
import pytest

from tests.sim.world import CALENDAR, HOUR_NS, REJECTED, SECOND_NS, at, content, digest, records, sim
from trading_bot.adapters.sim.faults import Fault, FaultKind, draw_faults
from trading_bot.domain.errors import UsageError
from trading_bot.domain.records import FrameKind, RejectReason, TickFlag

START = "2026-11-25T14:40:00"
SECONDS = 120
FROM = at(START) + 60 * SECOND_NS
UNTIL = FROM + 5 * SECOND_NS
SOUND = records(sim(START, SECONDS))
BEFORE, DURING, AFTER = (
    SOUND[SOUND["ts"] < FROM],
    SOUND[(SOUND["ts"] >= FROM) & (SOUND["ts"] < UNTIL)],
    SOUND[SOUND["ts"] >= UNTIL],
)
QUOTE, TRADE = FrameKind.QUOTE, FrameKind.TRADE


def faulty(kind, duration_ns=UNTIL - FROM, size=0):
    """The records of the fault's time; those before and after are checked to be what they are without it."""
    feed = sim(START, SECONDS, faults=[Fault(kind, FROM, duration_ns, size)])
    tape = records(feed)
    assert tape[: len(BEFORE)].tobytes() == BEFORE.tobytes(), "something changed before the fault"
    assert tape[len(tape) - len(AFTER) :].tobytes() == AFTER.tobytes(), "something changed after the fault"
    return tape[len(BEFORE) : len(tape) - len(AFTER)], feed


def changed_only(found, names, where=slice(None)):
    """Whether all other fields are those of the sound tape."""
    others = [name for name in SOUND.dtype.names if name not in names]
    return all((found[name][where] == DURING[name][where]).all() for name in others)


def test_there_is_enough_of_each_kind_to_see_a_difference():
    assert (DURING["kind"] == QUOTE).sum() > 20
    assert (DURING["kind"] == TRADE).sum() > 5


def test_a_stall_is_silence():
    found, _ = faulty(FaultKind.STALL)
    assert len(found) == 0


@pytest.mark.parametrize("size", [0, 3])
def test_crossed(size):
    found, feed = faulty(FaultKind.CROSSED, size=size)
    quotes = found[found["kind"] == QUOTE]
    assert (quotes["bid"] == quotes["ask"] + (size or 1)).all()
    assert changed_only(found, ["bid"])
    assert changed_only(found, [], found["kind"] == TRADE)
    assert feed.rejected_by_reason == {}


def test_locked():
    found, _ = faulty(FaultKind.LOCKED)
    quotes = found[found["kind"] == QUOTE]
    assert (quotes["bid"] == quotes["ask"]).all()
    assert changed_only(found, ["bid"])


@pytest.mark.parametrize(("size", "back_ns"), [(0, 2 * SECOND_NS), (700_000_000, 700_000_000)])
def test_stamps_going_back(size, back_ns):
    found, _ = faulty(FaultKind.STAMPS_BACK, size=size)
    assert changed_only(found, ["event"])
    assert (DURING["event"][::2] - found["event"][::2] == back_ns).all()
    assert (found["event"][1::2] == DURING["event"][1::2]).all()


def test_late_delivery_holds_up_what_follows():
    delay_ns = 3 * SECOND_NS
    tape = records(sim(START, SECONDS, faults=[Fault(FaultKind.LATE, FROM, UNTIL - FROM, delay_ns)]))
    assert tape[: len(BEFORE)].tobytes() == BEFORE.tobytes()
    assert len(tape) == len(SOUND)
    late = tape[len(BEFORE) : len(BEFORE) + len(DURING)]
    assert (late["ts"] == DURING["ts"] + delay_ns).all()
    assert changed_only(late, ["ts"])
    rest = tape[len(BEFORE) + len(DURING) :]
    assert (rest["ts"] == np.maximum(AFTER["ts"], late["ts"][-1])).all()
    assert (np.diff(tape["ts"]) >= 0).all()


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (FaultKind.OFF_GRID, RejectReason.OFF_GRID),
        (FaultKind.NEGATIVE_PRICE, RejectReason.NON_POSITIVE_PRICE),
        (FaultKind.NOT_A_NUMBER, RejectReason.NON_FINITE_PRICE),
        (FaultKind.OUTLIER, RejectReason.PRICE_BAND),
        (FaultKind.NEGATIVE_SIZE, RejectReason.NEGATIVE_SIZE),
    ],
)
def test_what_the_door_refuses_leaves_as_a_rejected_record(kind, reason):
    found, feed = faulty(kind)
    assert len(found) == len(DURING)
    assert (found["kind"] == FrameKind.REJECTED).all()
    refused = np.frombuffer(found.tobytes(), REJECTED)
    assert (refused["reason"] == reason).all()
    assert (refused["original"] == DURING["kind"]).all()
    assert (refused["ts"] == DURING["ts"]).all()
    assert feed.rejected_by_reason == {reason.name: len(DURING)}
    assert feed.price_gaps == 0, "outliers in turn move no band"
    bid_points = DURING["bid"] * 0.25
    expected = {
        FaultKind.OFF_GRID: bid_points + 0.125,
        FaultKind.NEGATIVE_PRICE: -bid_points,
        FaultKind.OUTLIER: bid_points + 0.25 * 5440 * np.where(np.arange(len(DURING)) % 2, -1, 1),
        FaultKind.NEGATIVE_SIZE: bid_points,
    }
    if kind in expected:
        assert (refused["raw_a"] == expected[kind]).all()


def test_duplicates_come_twice_in_a_row():
    found, _ = faulty(FaultKind.DUPLICATE)
    assert found.tobytes() == np.repeat(DURING, 2).tobytes()


def test_zero_sizes():
    found, feed = faulty(FaultKind.ZERO_SIZE)
    assert not found["bid_qty"].any()
    assert not found["ask_qty"].any()
    assert changed_only(found, ["bid_qty", "ask_qty"])
    assert feed.rejected_by_reason == {}


def test_delayed_data_is_flagged():
    found, _ = faulty(FaultKind.DELAYED_DATA)
    assert (found["flags"] == TickFlag.DELAYED_DATA).all()
    assert changed_only(found, ["flags"])


@pytest.mark.parametrize("kind", sorted(set(FaultKind) - {FaultKind.STALL, FaultKind.LATE}))
def test_without_a_duration_it_hits_one_record(kind):
    tape = records(sim(START, SECONDS, faults=[Fault(kind, FROM)]))
    quotes_only = kind in {FaultKind.CROSSED, FaultKind.LOCKED}
    hit = np.flatnonzero((SOUND["ts"] >= FROM) & ((SOUND["kind"] == QUOTE) | (not quotes_only)))[0]
    if kind is FaultKind.DUPLICATE:
        assert tape.tobytes() == np.insert(SOUND, hit, SOUND[hit]).tobytes()
    else:
        assert [*np.flatnonzero(tape != SOUND)] == [hit]


def test_faults_may_overlap():
    faults = [
        Fault(FaultKind.DELAYED_DATA, FROM, UNTIL - FROM),
        Fault(FaultKind.ZERO_SIZE, FROM + SECOND_NS, SECOND_NS),
    ]
    tape = records(sim(START, SECONDS, faults=faults))
    both = (tape["ts"] >= FROM + SECOND_NS) & (tape["ts"] < FROM + 2 * SECOND_NS)
    assert both.any()
    assert ((tape["flags"] == 1) == ((tape["ts"] >= FROM) & (tape["ts"] < UNTIL))).all()
    assert ((tape["bid_qty"] == 0) == both).all()


def test_the_order_of_the_list_does_not_matter():
    faults = list(draw_faults(3, at(START), at(START) + HOUR_NS, CALENDAR))
    assert len(faults) > 2
    first, second = (digest(content(sim(START, 3600, faults=some))) for some in (faults, faults[::-1]))
    assert first == second


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Fault(FaultKind.STALL, FROM), "a stall needs a duration"),
        (lambda: Fault(FaultKind.LOCKED, FROM, 1, 5), "LOCKED has no size"),
        (lambda: Fault(FaultKind.LATE, -1), "expected a time above 0"),
        (lambda: sim(faults=[Fault(FaultKind.OFF_GRID, FROM, 0, 250_000_000)]), "whole ticks"),
        (lambda: sim(faults=[Fault(FaultKind.OUTLIER, FROM, 0, 100)]), "expected a size of 3400 to 27199 ticks"),
    ],
)
def test_a_fault_that_would_do_nothing_is_refused(make, message):
    with pytest.raises(UsageError, match=message):
        make()


def test_drawn_faults_are_a_function_of_the_seed_and_lie_in_open_sessions():
    start, end = at("2026-11-25T14:00:00"), at("2026-11-28T14:00:00")
    one = draw_faults(7, start, end, CALENDAR)
    assert one == draw_faults(7, start, end, CALENDAR)
    assert one != draw_faults(8, start, end, CALENDAR)
    last_ns = start
    for fault in one:
        assert fault.at_ns >= last_ns, "two at once"
        last_ns = fault.at_ns + fault.duration_ns
        day = CALENDAR.trading_day(fault.at_ns)
        assert day.globex_open_ns <= fault.at_ns <= last_ns < day.globex_close_ns


def test_drawn_faults_are_of_every_kind_and_survive_a_run():
    start = at("2026-11-25T14:30:00")
    drawn = [fault for seed in range(60) for fault in draw_faults(seed, start, start + HOUR_NS, CALENDAR)]
    assert {fault.kind for fault in drawn} == set(FaultKind)
    assert 2 <= len(drawn) / 60 <= 10, "one in about ten minutes"
    for seed in range(6):
        feed = sim(seconds=3600, seed=seed, faults=draw_faults(seed, start, start + HOUR_NS, CALENDAR))
        assert (np.diff(records(feed)["ts"]) >= 0).all()
