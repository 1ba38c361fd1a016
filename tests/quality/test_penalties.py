"""Each penalty of specification 4 by itself, in size and in time, on a calm tape through the shipped configuration."""

import pytest

from tests.files.history_kit import ns
from tests.quality.tape import MINUTE, MS, S, Tape, Tick, scores
from trading_bot.domain.records import Aggressor, FrameKind, TickFlag

T0 = ns(2026, 11, 25, 15, 0)  # a Wednesday, 10:00 ET
SPOT = T0 + 40 * MINUTE
PRICE = 27_000


def quote(ts, bid=PRICE, ask=PRICE + 1, size=10, *, delay=5 * MS, flags=0):
    return Tick(FrameKind.QUOTE, 1, flags, ts, ts - delay, bid, ask, size, 10, 0)


def trade(ts, price=PRICE, qty=1, *, delay=5 * MS):
    return Tick(FrameKind.TRADE, 1, 0, ts, ts - delay, price, 0, qty, 0, Aggressor.BUY)


def rejected(ts):
    return Tick(FrameKind.REJECTED, 1, 0, ts, 0, 0, 0, 0, 0, 0)


def calm(from_ns, until_ns, *, low=PRICE, width=1):
    """Each second a quote whose size breathes, and a trade that goes up and down within `width` ticks."""
    ticks = []
    for second in range((until_ns - from_ns) // S):
        at = from_ns + second * S
        ticks.append(quote(at + 100 * MS, size=10 + second % 3))
        # No minute like the one before: the pattern of a minute repeats, its volume does not.
        ticks.append(trade(at + 300 * MS, low + second % (width + 1), 1 + at // MINUTE % 3))
    return ticks


def run(ticks, from_ns, until_ns, before=None):
    head = calm(T0, SPOT) if before is None else before
    return scores(Tape("MES", 20261125, 0, []), sorted([*head, *ticks], key=lambda tick: tick.ts_ns), from_ns, until_ns)


def held(found, name):
    """(first, last) time at which a penalty stands."""
    times = [moment for moment, _, penalties in found if penalties[name]]
    return (times[0], times[-1]) if times else None


@pytest.mark.parametrize(
    ("name", "points", "spoil"),
    [
        ("crossed", 40, [quote(SPOT + 400 * MS, PRICE + 2, PRICE), quote(SPOT + 500 * MS)]),
        ("outside", 20, [trade(SPOT + 400 * MS, PRICE + 6)]),
        ("outside", 0, [trade(SPOT + 400 * MS, PRICE + 5)]),  # 4 ticks outside are not more than 4
        ("regression", 30, [quote(SPOT + 400 * MS, delay=2 * S)]),
        ("rejected", 20, [rejected(SPOT + 400 * MS)]),
        ("delayed", 100, [quote(SPOT + 400 * MS, flags=TickFlag.DELAYED_DATA)]),
        ("delay", 10, [trade(SPOT + 400 * MS, delay=256 * MS)]),
        ("delay", 30, [trade(SPOT + 400 * MS, delay=1_006 * MS)]),
        ("delay", 0, [trade(SPOT + 400 * MS, delay=255 * MS)]),
    ],
)
def test_tick_penalties_last_for_their_second_and_ten_more(name, points, spoil):
    found = run([*spoil, *calm(SPOT, SPOT + 30 * S)], SPOT - S, SPOT + 20 * S)
    assert max(penalties[name] for _, _, penalties in found) == points
    if not points:
        return
    # Found at the record, seen at the next 100 ms; the second ends at SPOT + 1 s, and ten more are remembered.
    assert held(found, name) == (SPOT + 400 * MS, SPOT + 11 * S - 100 * MS)
    assert {dvs_c for moment, dvs_c, _ in found if moment >= SPOT + 12 * S} == {100}


def test_a_lock_counts_after_a_second():
    locked = [quote(SPOT + 400 * MS + k * 100 * MS, PRICE, PRICE, size=10 + k % 2) for k in range(15)]
    trades = [trade(SPOT + k * S + 300 * MS, PRICE + k % 2) for k in range(30)]
    after = [quote(SPOT + k * S + 100 * MS, size=10 + k % 3) for k in range(2, 30)]
    found = run([*locked, *trades, *after], SPOT - S, SPOT + 20 * S)
    assert held(found, "locked")[0] == SPOT + 1_500 * MS  # locked since .4, more than a second after 1.4
    assert max(penalties["locked"] for _, _, penalties in found) == 10


@pytest.mark.parametrize(("silence_s", "points"), [(2, 0), (3, 10), (6, 40), (11, 100)])
def test_age_steps_in_regular_hours(silence_s, points):
    """The last frame is 700 ms before the spot; an age of exactly 2 s is not more than 2 s."""
    after = calm(SPOT + silence_s * S, SPOT + 30 * S)
    found = run(after, SPOT - S, SPOT - 700 * MS + silence_s * S)
    assert max(penalties["age"] for _, _, penalties in found) == points
    assert run(after, SPOT, SPOT + 20 * S)[-1][1] == 100


def test_age_is_four_times_as_patient_outside_regular_hours():
    start = ns(2026, 11, 25, 2, 0)
    head, spot = calm(start, start + 10 * MINUTE), start + 10 * MINUTE
    for silence_s, points in ((8, 0), (9, 10), (21, 40), (41, 100)):
        until = spot - 700 * MS + silence_s * S
        found = run(calm(spot + silence_s * S, spot + 50 * S), spot, until, before=head)
        assert max(penalties["age"] for _, _, penalties in found) == points


def burst(price):
    """A minute that ends far away: two trades, with the book there."""
    moved = [quote(SPOT + 20 * S + k * S, price, price + 1, size=10 + k % 3) for k in range(40)]
    return [*calm(SPOT, SPOT + 20 * S), *moved, trade(SPOT + 30 * S, price), trade(SPOT + 40 * S, price)]


def test_a_range_beyond_six_times_the_usual_without_a_reason():
    """The calm minutes have a range of 1 tick: ATR30 with one of 60 is 89/30, and 60 is more than six times that."""
    tape = [*burst(PRICE + 60), *calm(SPOT + MINUTE, SPOT + 13 * MINUTE, low=PRICE + 60)]
    tape = [
        tick._replace(bid_ticks=PRICE + 60, ask_ticks=PRICE + 61)
        if tick.kind == FrameKind.QUOTE and tick.ts_ns >= SPOT + MINUTE
        else tick
        for tick in tape
    ]
    found = run(tape, SPOT, SPOT + 12 * MINUTE)
    assert held(found, "range") == (SPOT + MINUTE, SPOT + 11 * MINUTE - 100 * MS)
    assert max(penalties["range"] for _, _, penalties in found) == 20


@pytest.mark.parametrize(("heavy", "minutes", "points"), [(900, 65, 0), (1, 65, 20), (900, 50, 20)])
def test_a_range_with_a_reason_is_a_shock_and_costs_nothing(heavy, minutes, points):
    """DG12: range above 4 ATR30, volume more than 2.5 deviations up, body above 3 deviations of 60 bodies.

    The same minute without the volume, or before 60 bodies are known, is a range without a reason.
    """
    spot = T0 + minutes * MINUTE
    shift = spot - SPOT
    minute = [tick.shifted(shift) for tick in burst(PRICE + 60)]
    minute = [
        tick._replace(bid_qty=heavy) if tick.is_trade and tick.bid_ticks == PRICE + 60 else tick for tick in minute
    ]
    found = run(minute, spot, spot + MINUTE + S, before=calm(T0, spot))
    assert found[-1][2]["range"] == points


def test_a_minute_that_is_late_altogether():
    late = [quote(SPOT + k * S + 100 * MS, size=10 + k % 3) for k in range(60)]
    late += [trade(SPOT + k * S + 300 * MS, PRICE + k % 2, delay=6 * S) for k in range(60)]
    found = run([*late, *calm(SPOT + MINUTE, SPOT + 13 * MINUTE)], SPOT, SPOT + 12 * MINUTE)
    assert held(found, "late") == (SPOT + MINUTE, SPOT + 11 * MINUTE - 100 * MS)
    assert max(penalties["late"] for _, _, penalties in found) == 20


def test_one_late_print_is_no_late_minute():
    found = run([trade(SPOT + 350 * MS, delay=9 * S), *calm(SPOT, SPOT + 3 * MINUTE)], SPOT, SPOT + 2 * MINUTE)
    assert held(found, "late") is None


@pytest.mark.parametrize(("ask", "points"), [(PRICE + 10, 0), (PRICE + 11, 15)])
def test_a_minute_with_a_wide_spread(ask, points):
    wide = [quote(SPOT + k * S, PRICE, ask, size=10 + k % 3) for k in range(60)]
    wide += [trade(SPOT + k * S + 300 * MS, PRICE + k % 2) for k in range(60)]
    found = run([*wide, *calm(SPOT + MINUTE, SPOT + 13 * MINUTE)], SPOT, SPOT + 12 * MINUTE)
    assert max(penalties["wide"] for _, _, penalties in found) == points
    if points:
        assert held(found, "wide") == (SPOT + MINUTE, SPOT + 11 * MINUTE - 100 * MS)


def test_what_adds_up_and_stops_at_nothing():
    """Crossed .40, outside .20 and a rejected input .20 leave .20; delayed data on top leave 0."""
    spoil = [quote(SPOT + 400 * MS, PRICE + 2, PRICE), trade(SPOT + 450 * MS, PRICE + 20), rejected(SPOT + 500 * MS)]
    found = run([*spoil, *calm(SPOT + S, SPOT + 5 * S)], SPOT, SPOT + 2 * S)
    assert min(dvs_c for _, dvs_c, _ in found) == 20
    worse = [*spoil, quote(SPOT + 600 * MS, flags=TickFlag.DELAYED_DATA)]
    assert min(dvs_c for _, dvs_c, _ in run([*worse, *calm(SPOT + S, SPOT + 5 * S)], SPOT, SPOT + 2 * S)) == 0
