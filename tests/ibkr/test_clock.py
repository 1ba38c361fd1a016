"""Receive time: never backwards, and at a simulator's speed when it says so (architecture law 3)."""

import time

import pytest

from trading_bot.adapters.ibkr.clock import FeedClock, SystemClock


def test_the_systems_clock_is_the_wall_clock_at_first_and_monotonic_from_there(monkeypatch):
    clock = SystemClock()
    assert abs(clock.now_ns() - time.time_ns()) < 50_000_000
    assert clock.speed == 1.0
    monkeypatch.setattr(time, "time_ns", lambda: 0)  # somebody sets the system's time back
    first = clock.now_ns()
    assert clock.now_ns() >= first > 10**18


@pytest.mark.parametrize("speed", [0.5, 1.0, 60.0])
def test_a_feeds_clock_runs_at_its_speed(monkeypatch, speed):
    clock = FeedClock(7_000, speed, monotonic_ns=100)
    monkeypatch.setattr(time, "monotonic_ns", lambda: 2_100)
    assert clock.now_ns() == 7_000 + 2_000 * speed
    assert clock.wall_s() == pytest.approx(2_100e-9)


@pytest.mark.parametrize("speed", [0.0, -1.0])
def test_a_clock_that_stands_is_refused(speed):
    with pytest.raises(ValueError, match="expected more than 0"):
        FeedClock(0, speed)
