"""MO10: a clock that answers in whole seconds, found to milliseconds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_bot.adapters.ibkr.clock_offset import ClockOffset

S = 1_000_000_000
MS = 1_000_000


def asked(offset, *, apart_ns, at_ns, there_ns=100_000, back_ns=100_000):
    """One question to a gateway whose clock shows ours plus `apart_ns`."""
    second = (at_ns + there_ns + apart_ns) // S
    return offset.heard(at_ns, at_ns + there_ns + back_ns, second)


@given(
    st.integers(-(10**12), 10**12),
    st.integers(0, S),
    st.lists(st.tuples(st.integers(0, 30 * MS), st.integers(0, 30 * MS)), min_size=1, max_size=30),
)
def test_the_truth_is_always_between_the_bounds(apart_ns, phase_ns, ways):
    offset, now_ns = ClockOffset(), 1_790_000_000 * S + phase_ns
    for there_ns, back_ns in ways:
        assert asked(offset, apart_ns=apart_ns, at_ns=now_ns, there_ns=there_ns, back_ns=back_ns) == 0
        assert offset.low_ns <= apart_ns <= offset.high_ns
        now_ns += 10 * S - offset.early_ns(now_ns + 10 * S)
    assert offset.steps == 0


def test_a_dozen_answers_find_it_to_milliseconds():
    offset, now_ns = ClockOffset(), 1_790_000_000 * S + 123
    for _ in range(12):
        asked(offset, apart_ns=-437_211_000, at_ns=now_ns)
        now_ns += 10 * S - offset.early_ns(now_ns + 10 * S)
    assert offset.high_ns - offset.low_ns < 10 * MS


def test_a_clock_that_drifts_is_followed():
    """50 ppm, an hour of a question each ten seconds: 180 ms in all."""
    offset, begin_ns = ClockOffset(), 1_790_000_000 * S
    now_ns = begin_ns
    for _ in range(360):
        apart_ns = (now_ns - begin_ns) * 50 // 1_000_000
        asked(offset, apart_ns=apart_ns, at_ns=now_ns)
        assert offset.low_ns <= apart_ns + 10_000 <= offset.high_ns + 20_000
        now_ns += 10 * S - offset.early_ns(now_ns + 10 * S)
    assert offset.steps == 0
    assert offset.high_ns - offset.low_ns < 20 * MS


@pytest.mark.parametrize("step_ns", [-3_600 * S, -2 * S, 2 * S, 3_600 * S])
def test_a_clock_that_is_set_is_told_once(step_ns):
    offset, now_ns, told = ClockOffset(), 1_790_000_000 * S, []
    for number in range(20):
        apart_ns = 0 if number < 10 else step_ns
        told.append(asked(offset, apart_ns=apart_ns, at_ns=now_ns))
        assert offset.low_ns <= apart_ns <= offset.high_ns
        now_ns += 10 * S - offset.early_ns(now_ns + 10 * S)
    assert offset.steps == 1
    assert [number for number, step in enumerate(told) if step] == [10]
    assert abs(told[10] - step_ns) <= 1.1 * S
    assert told[10] * step_ns > 0
