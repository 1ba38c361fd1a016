"""Tick to decision and the loop's lag (specification 8.1, check 21)."""

import pytest

from trading_bot.adapters.ibkr.latency import LatencyMeter


class Meter:
    def __init__(self):
        self.now_s = 50.0
        self.meter = LatencyMeter(lambda: self.now_s)

    def decide(self, took_s):
        self.meter.heard()
        self.now_s += took_s
        self.meter.decided()


def test_nothing_heard_is_nothing_measured():
    one = Meter()
    one.meter.decided()
    assert one.meter.sample() == (0.0, 0.0)


def test_the_first_of_several_ticks_counts_until_all_are_decided():
    one = Meter()
    one.meter.heard()
    one.now_s += 0.001
    one.meter.heard()
    one.now_s += 0.002
    one.meter.decided()
    one.now_s += 0.5
    one.meter.decided()
    assert one.meter.sample()[0] == pytest.approx(3_000)


@pytest.mark.parametrize(
    ("count", "rank"), [(1, 1), (2, 2), (50, 50), (99, 99), (100, 99), (101, 100), (200, 198), (1000, 990)]
)
def test_the_percentile_is_the_nearest_rank(count, rank):
    one = Meter()
    for number in range(count):
        one.decide((number + 1) / 1e6)
    assert one.meter.sample()[0] == pytest.approx(rank, rel=1e-3)


def test_a_hiccup_is_forgotten_after_ten_seconds():
    one = Meter()
    one.decide(0.5)
    one.now_s += 9
    one.decide(0.001)
    assert one.meter.sample()[0] == pytest.approx(500_000)
    one.now_s += 1.5
    assert one.meter.sample()[0] == pytest.approx(1_000)


def test_the_largest_lag_since_the_last_sample():
    one = Meter()
    for late_s in (0.001, 0.03, 0.002):
        one.meter.late(late_s)
    assert one.meter.sample()[1] == pytest.approx(30_000)
    assert one.meter.sample()[1] == 0.0
