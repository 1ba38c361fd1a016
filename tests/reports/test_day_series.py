"""Curves of a day: the thinned price keeps its extremes, the execution score is that of specification 5."""

import random

import msgspec
import numpy as np
import pytest

from tests.reports import day_log as day
from trading_bot.domain import events, trade_events
from trading_bot.domain.orders import Leg, Side
from trading_bot.reports.day_ledger import read_day
from trading_bot.reports.day_records import Point
from trading_bot.reports.day_series import COLUMNS_MAX, PriceSeries, extremes


def series(records):
    price = PriceSeries()
    for record in records:
        price.add(memoryview(record), 1)
    return price


def test_the_price_is_the_mid_of_quotes_with_two_sides():
    records = [
        day.quote(day.at(0), 24_000, 24_001),
        day.quote(day.at(1), 24_000, 24_002, ask_qty=0),  # no ask
        day.quote(day.at(2), 24_010, 24_008),  # crossed
        day.quote(day.at(3), 24_004, 24_006),
    ]
    price = series(records)
    assert price.points() == (Point(day.at(0), 24_000.5), Point(day.at(3), 24_005.0))
    assert (price.ticks, price.ts_first_ns, price.ts_last_ns) == (4, day.at(0), day.at(3))


def test_thinning_keeps_lowest_and_highest_of_every_column():
    dice = random.Random(5)
    bids = [24_000]
    for _ in range(40_000):
        bids.append(bids[-1] + dice.choice((-1, 0, 1)))
    times = [day.at(k) for k in range(len(bids))]
    points = series(day.quote(ts, bid, bid + 1) for ts, bid in zip(times, bids, strict=True)).points()
    assert len(points) <= 2 * COLUMNS_MAX
    assert [point.ts_ns for point in points] == sorted(point.ts_ns for point in points)
    width = (times[-1] - times[0]) // COLUMNS_MAX + 1
    wanted, found = {}, {}
    for ts, value in zip(times, bids, strict=True):
        wanted.setdefault((ts - times[0]) // width, []).append(value + 0.5)
    for point in points:
        found.setdefault((point.ts_ns - times[0]) // width, []).append(point.value)
    assert {column: (min(rows), max(rows)) for column, rows in found.items()} == {
        column: (min(rows), max(rows)) for column, rows in wanted.items()
    }


def test_a_spike_within_a_second_is_kept_wherever_batches_end():
    quotes = [day.quote(day.at(0.001 * k), 24_000, 24_001) for k in range(70_000)]
    quotes[65_535] = day.quote(day.at(65.535), 24_040, 24_041)
    quotes[65_536] = day.quote(day.at(65.536), 23_960, 23_961)
    values = {point.value: point.ts_ns for point in series(quotes).points()}
    assert (values[24_040.5], values[23_960.5]) == (day.at(65.535), day.at(65.536))


def test_extremes_are_the_first_of_each_column_and_none_is_told_twice():
    ts = np.arange(8, dtype=np.int64)
    values = np.array([5, 5, 5, 2, 9, 2, 9, 4], dtype=np.int64)
    columns = np.array([0, 0, 0, 1, 1, 1, 1, 2], dtype=np.int64)
    assert extremes(ts, values, columns).tolist() == [0, 3, 4, 7]
    assert extremes(ts[:0], values[:0], columns[:0]).tolist() == []


def score(tmp_path, records, end_s=4_000.0):
    ledger = read_day(day.write(tmp_path / "log", [day.started(), *records, day.skip(end_s, "EUC_LOW")]))

    def value(seconds):
        return [point.value for point in ledger.execution_score if point.ts_ns <= day.at(seconds)][-1]

    return value


def test_a_reject_costs_fifteen_and_half_of_it_is_forgiven_after_twenty_minutes(tmp_path):
    value = score(tmp_path, [events.OrderRejected(ts_ns=day.at(100), order_id=(1, 0), code=201, text="no")])
    # 1 - .15 = .85; after one half-life .075 is left, so .925, rounded down
    assert (value(99), value(100), value(1_300), value(4_000)) == (100, 85, 92, 98)


@pytest.mark.parametrize(
    ("slippage_ticks", "expected_e6", "after"), [(3, 500_000, 90), (2, 0, 100), (3, 1_000_000, 100)]
)
def test_entry_slippage_beyond_what_was_expected_and_two_ticks_costs_ten(tmp_path, slippage_ticks, expected_e6, after):
    opened = day.opened(10, 1, 24_000, 23_994, slippage_ticks=slippage_ticks, slippage_expected_e6=expected_e6)
    value = score(tmp_path, [day.filled(10, 1, Leg.ENTRY, Side.BUY, 24_000), opened])
    assert value(10) == after


def test_stop_slippage_is_measured_from_the_trigger_and_its_own_expectation(tmp_path):
    """Bought at 24000, stop moved to 23996 and filled at 23992: 4 ticks, more than 1.5 expected + 2."""
    records = [
        day.filled(10, 1, Leg.ENTRY, Side.BUY, 24_000),
        day.opened(10, 1, 24_000, 23_990, slippage_expected_e6=250_000),
        trade_events.OrderWorking(ts_ns=day.at(11), order_id=(1, 0), leg=Leg.STOP, price_ticks=23_996, remaining=1),
        day.filled(50, 1, Leg.STOP, Side.SELL, 23_992),
    ]
    gap = day.closed(1, "S1", Side.BUY, 1, (10, 50), (24_000, 23_992), "STOP", -10.0, slippage_expected_ticks=1.75)
    assert score(tmp_path / "a", [*records, gap])(50) == 90
    expected = day.closed(1, "S1", Side.BUY, 1, (10, 50), (24_000, 23_992), "STOP", -10.0, slippage_expected_ticks=2.25)
    assert score(tmp_path / "b", [*records, expected])(50) == 100


def test_a_fill_after_its_time_to_live_costs_eight_once(tmp_path):
    late = [day.filled(21, 9, Leg.ENTRY, Side.BUY, 24_000), day.filled(22, 9, Leg.ENTRY, Side.BUY, 24_000)]
    assert score(tmp_path / "late", [day.placed(10, 9, 20), *late])(25) == 92
    assert score(tmp_path / "timely", [day.placed(10, 9, 30), *late])(25) == 100


def test_what_is_carried_in_counts_and_what_both_know_counts_once(tmp_path):
    before = {"name": "link_outage", "since_ns": day.at(-600)}
    reject = events.OrderRejected(ts_ns=day.at(100), order_id=(1, 0), code=201, text="no")
    told = {"deficits": [before, {"name": "reject", "since_ns": day.at(100)}]}
    ended = events.RunEnded(
        ts_ns=day.at(200), exit_reason="END", effects_digest="", state_digest="", carried=msgspec.msgpack.encode(told)
    )
    value = score(tmp_path, [day.carried(deficits=[before]), reject, ended])
    assert value(0) == 85  # .30 with a half-life of 600 s, taken 600 s ago
    # at 100 s: .30 * (2 - 1/6) / 4 = .1375 and .15: 1 - .2875, rounded down
    assert value(100) == 71
