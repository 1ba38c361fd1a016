"""A recorded tape with stated corruptions lowers the data score in time and recovers as specification 4 says.

The tape is SPY of 2013-10-07 around its quietest minutes: regular hours, so that the ages count in seconds.
"""

import pytest

from tests.quality.tape import MINUTE, MS, STEP, S, Tick, first_below, read_tape, scores
from trading_bot.domain.records import FrameKind

QUIET_S = 90  # of full score before the place that is spoilt
MEMORY_NS = 11 * S  # the current second and the ten before it


@pytest.fixture(scope="module")
def tape(shared_data):
    return read_tape(shared_data / "spy_sessions", "SPY", 20131007, date="20131007")


@pytest.fixture(scope="module")
def spot(tape):
    """A whole minute with full scores for 90 s before it and 150 s after it in the tape as recorded."""
    start_ns = tape.ticks[0].ts_ns // MINUTE * MINUTE + 5 * 60 * MINUTE  # 14:30 UTC is 10:30 ET or later
    found = scores(tape, tape.ticks, start_ns, start_ns + 60 * MINUTE)
    run_ns = start_ns
    for moment, dvs_c, _ in found:
        if dvs_c < 100:
            run_ns = moment
        spot_ns = -(-(run_ns + QUIET_S * S) // MINUTE) * MINUTE
        if moment >= spot_ns + 150 * S:
            return spot_ns
    raise AssertionError("no quiet minutes in the hour: choose another one")


def spoilt(tape, spot, change):
    """The tape with `change` applied to each record from the spot on; None drops it. Arrival order stays in time."""
    ticks, latest = [], 0
    for tick in tape.ticks:
        kept = tick if tick.ts_ns < spot else change(tick)
        if kept is not None:
            latest = max(latest, kept.ts_ns)
            ticks.append(kept._replace(ts_ns=latest))
    return ticks


def run(tape, spot, change, seconds=60):
    return scores(tape, spoilt(tape, spot, change), spot - S, spot + seconds * S)


def test_the_tape_as_it_was_recorded_has_a_full_score_there(tape, spot):
    found = run(tape, spot, lambda tick: tick)
    assert {dvs_c for _, dvs_c, _ in found} == {100}


def test_a_gap_of_twelve_seconds(tape, spot):
    gone = [tick.ts_ns for tick in tape.ticks if spot <= tick.ts_ns < spot + 12 * S]
    assert gone
    last_ns = max(tick.ts_ns for tick in tape.ticks if tick.ts_ns < spot)
    back_ns = min(tick.ts_ns for tick in tape.ticks if tick.ts_ns >= spot + 12 * S)
    found = run(tape, spot, lambda tick: None if tick.ts_ns < spot + 12 * S else tick)
    # Ages above 2, 5 and 10 s cost .10, .40 and everything.
    for age_s, left_c in ((2, 90), (5, 60), (10, 0)):
        at = next(moment for moment, dvs_c, _ in found if dvs_c <= left_c)
        assert last_ns + age_s * S < at <= last_ns + age_s * S + S
    # The age clears with the first frame; the minute of the gap has trades, so no minute is missed.
    assert next(dvs_c for moment, dvs_c, _ in found if moment >= back_ns + STEP) == 100


def test_stamps_going_back(tape, spot):
    found = run(
        tape, spot, lambda tick: tick._replace(ts_event_ns=tick.ts_event_ns - 30 * S) if tick.ts_ns < spot + S else tick
    )
    down_ns = first_below(found, 100)
    assert spot <= down_ns <= spot + S
    during = [penalties for moment, _, penalties in found if spot + S <= moment <= spot + MEMORY_NS - S]
    assert all(penalties["regression"] == 30 for penalties in during)
    # 30 s late as well as back: the delay costs .30 more, and both end with their memory.
    recovered = [dvs_c for moment, dvs_c, _ in found if moment > spot + S + MEMORY_NS + S]
    assert recovered
    assert min(recovered) >= 80  # a trade more than 5 s late is remembered for ten minutes


def test_late_delivery(tape, spot):
    """Later by 1.5 s and by the second that the feed's stamps leave open."""
    late_ns = 1_500 * MS + tape.resolution_ns
    found = run(
        tape, spot, lambda tick: tick._replace(ts_ns=tick.ts_ns + late_ns) if tick.ts_ns < spot + 2 * S else tick
    )
    down_ns = next(moment for moment, _, penalties in found if penalties["delay"])
    first_ns = min(tick.ts_ns for tick in tape.ticks if tick.ts_ns >= spot) + late_ns
    assert first_ns <= down_ns <= first_ns + S
    assert max(penalties["delay"] for _, _, penalties in found) == 30
    recovered = {dvs_c for moment, dvs_c, _ in found if moment > spot + 5 * S + MEMORY_NS + S}
    assert recovered == {100}


def test_a_delay_of_300_ms_costs_the_smaller_step(tape, spot):
    late_ns = 300 * MS + tape.resolution_ns
    found = run(tape, spot, lambda tick: tick._replace(ts_ns=tick.ts_ns + late_ns) if tick.ts_ns < spot + S else tick)
    assert max(penalties["delay"] for _, _, penalties in found) == 10
    assert min(dvs_c for _, dvs_c, _ in found) == 90


def test_off_grid_prices(tape, spot, tmp_path):
    """Through the door: the minute around the spot as a file, one quote a third of a tick off its grid."""
    rows = ["ts_ns,bid,bid_qty,ask,ask_qty,price,qty,aggressor"]
    spoilt_ns = 0
    for tick in tape.ticks:
        if not spot - MINUTE <= tick.ts_ns < spot + MINUTE:
            continue
        off = 0.0
        if not spoilt_ns and tick.ts_ns >= spot and not tick.is_trade:
            spoilt_ns, off = tick.ts_ns, 0.0033
        low, high = tick.bid_ticks / 100 + off, tick.ask_ticks / 100
        quote = f"{low:.4f},{tick.bid_qty},{high:.4f},{tick.ask_qty},,,"
        rows.append(f"{tick.ts_ns}," + (f",,,,{low:.4f},{tick.bid_qty},U" if tick.is_trade else quote))
    path = tmp_path / "tape.csv"
    path.write_text("\n".join(rows) + "\n")
    read = read_tape(path, "SPY", 20131007)
    assert sum(tick.kind == FrameKind.REJECTED for tick in read.ticks) == 1
    found = scores(read, read.ticks, spot - S, spot + 30 * S)
    assert spoilt_ns <= first_below(found, 100) <= spoilt_ns + S
    for moment, dvs_c, penalties in found:
        remembered = spoilt_ns <= moment < spoilt_ns // S * S + 11 * S
        assert (penalties["rejected"] == 20) == remembered, moment
        assert dvs_c == (80 if remembered else 100)


def test_duplicate_minutes(tape, spot):
    """The minute before the spot again and again: five copies, the first of them completes the first pair."""
    copy = [tick for tick in tape.ticks if spot - MINUTE <= tick.ts_ns < spot]
    trades = [tick for tick in copy if tick.is_trade and tick.bid_qty > 0]
    assert len({tick.bid_ticks for tick in trades}) > 1, "a flat minute is no duplicate"
    head = [tick for tick in tape.ticks if tick.ts_ns < spot]
    copies = [tick.shifted(n * MINUTE) for n in range(1, 6) for tick in copy]
    rest = [tick for tick in tape.ticks if tick.ts_ns >= spot + 5 * MINUTE]
    found = scores(tape, head + copies + rest, spot, spot + 18 * MINUTE)
    assert spot + MINUTE == next(moment for moment, _, penalties in found if penalties["duplicate"])
    assert {penalties["duplicate"] for moment, _, penalties in found if moment >= spot + MINUTE} == {0, 50}
    # Ten judged minutes after the last pair, which the fifth copy completes, it is forgotten.
    for moment, _, penalties in found:
        if moment >= spot + MINUTE:
            assert (penalties["duplicate"] == 50) == (moment < spot + 15 * MINUTE), moment


def test_five_stuck_minutes(tape, spot):
    """Trades at one price, and a book whose sizes never change: the fifth such minute completes them."""
    last = next(tick for tick in reversed(tape.ticks) if tick.ts_ns < spot and not tick.is_trade)
    price = last.bid_ticks
    stuck: list[Tick] = []
    for second in range(5 * 60):
        at = spot + second * S + 500 * MS
        stuck.append(last._replace(ts_ns=at, ts_event_ns=at))
        stuck.append(
            last._replace(
                kind=FrameKind.TRADE, ts_ns=at, ts_event_ns=at, bid_ticks=price, bid_qty=3, ask_ticks=0, ask_qty=0
            )
        )
    head = [tick for tick in tape.ticks if tick.ts_ns < spot]
    rest = [tick for tick in tape.ticks if tick.ts_ns >= spot + 5 * MINUTE]
    found = scores(tape, head + stuck + rest, spot, spot + 17 * MINUTE)
    assert spot + 5 * MINUTE == next(moment for moment, _, penalties in found if penalties["stuck"])
    for moment, _, penalties in found:
        assert (penalties["stuck"] == 30) == (spot + 5 * MINUTE <= moment < spot + 15 * MINUTE), moment


def test_a_changed_size_is_no_stuck_book(tape, spot):
    last = next(tick for tick in reversed(tape.ticks) if tick.ts_ns < spot and not tick.is_trade)
    living: list[Tick] = []
    for second in range(6 * 60):
        at = spot + second * S + 500 * MS
        living.append(last._replace(ts_ns=at, ts_event_ns=at, bid_qty=last.bid_qty + second // 60 % 2))
        living.append(
            last._replace(
                kind=FrameKind.TRADE,
                ts_ns=at,
                ts_event_ns=at,
                bid_ticks=last.bid_ticks,
                bid_qty=3,
                ask_ticks=0,
                ask_qty=0,
            )
        )
    head = [tick for tick in tape.ticks if tick.ts_ns < spot]
    found = scores(tape, head + living, spot, spot + 6 * MINUTE)
    assert not any(penalties["stuck"] for _, _, penalties in found)


def test_a_missed_minute_and_one_without_trades(tape, spot):
    """Trades vanish for two minutes while quotes go on: two empty minutes (.20), then a bar after a gap (.50)."""
    found = scores(
        tape,
        spoilt(tape, spot, lambda tick: None if tick.is_trade and tick.ts_ns < spot + 2 * MINUTE else tick),
        spot,
        spot + 14 * MINUTE,
    )
    assert spot + MINUTE == next(moment for moment, _, penalties in found if penalties["zero"])
    assert spot + 3 * MINUTE == next(moment for moment, _, penalties in found if penalties["gap"])
    for moment, _, penalties in found:
        # Judged: two empty minutes, then bars. The ring of ten lets the empty ones go 10 judged minutes after them.
        assert (penalties["zero"] == 20) == (spot + MINUTE <= moment < spot + 12 * MINUTE), moment
        assert (penalties["gap"] == 50) == (spot + 3 * MINUTE <= moment < spot + 13 * MINUTE), moment
