"""Durations in buckets: against sorted lists, over the whole range."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_bot._fast.histogram import Histogram

DURATIONS = st.lists(st.integers(0, 100_000_000_000), min_size=1, max_size=200)


def filled(durations):
    histogram = Histogram()
    for ns in durations:
        histogram.add(ns)
    return histogram


@given(DURATIONS, st.sampled_from([0.0, 1.0, 50.0, 90.0, 99.0, 99.9, 100.0]))
def test_a_percentile_is_the_nearest_rank_and_at_most_a_64th_too_high(durations, percent):
    rank = max(math.ceil(len(durations) * percent / 100 - 1e-9), 1)
    exact = sorted(durations)[rank - 1]
    found = filled(durations).percentile(percent)
    assert exact <= found <= exact + exact / 64


@given(DURATIONS)
def test_nothing_is_lost_and_the_longest_is_exact(durations):
    histogram = filled(durations)
    assert histogram.count == len(durations) == sum(count for _low_ns, count in histogram.counts())
    assert histogram.maximum == max(durations)
    lows = [low_ns for low_ns, _count in histogram.counts()]
    assert lows == sorted(set(lows))
    assert lows[0] <= min(durations)


@given(DURATIONS, DURATIONS)
def test_two_histograms_merge_as_if_one_had_counted_all(first, second):
    whole, other, packed = filled(first + second), filled(first), filled(first)
    other.merge(filled(second))
    packed.merge_packed(filled(second).pack())
    for merged in (other, packed):
        assert (merged.counts(), merged.maximum, merged.count) == (whole.counts(), whole.maximum, whole.count)


def test_nothing_counted_is_nothing():
    histogram = filled([5, 500])
    histogram.clear()
    assert (histogram.count, histogram.maximum, histogram.counts(), histogram.percentile(99)) == (0, 0, [], 0)


def test_what_is_out_of_range_counts_at_the_ends():
    histogram = filled([-7, 10**15])
    assert [count for _low_ns, count in histogram.counts()] == [1, 1]
    assert (histogram.percentile(50), histogram.percentile(100)) == (0, 10**15)


@pytest.mark.parametrize("percent", [-0.1, 100.1, math.nan])
def test_a_percentile_outside_of_its_range_is_refused(percent):
    with pytest.raises(ValueError, match="expected 0 to 100"):
        Histogram().percentile(percent)


@pytest.mark.parametrize("data", [b"", b"1234567", b"\0" * 9, b"\0" * 8 + b"\xff\xff\1\0\0\0"])
def test_bytes_that_are_no_histogram_are_refused_and_count_nothing(data):
    histogram = filled([3])
    with pytest.raises(ValueError, match=r"histogram"):
        histogram.merge_packed(data)
    assert histogram.counts() == [(3, 1)]
