"""Frequency and fee budgets (specification 8.1 check 15, 8.5; RK10)."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_bot.domain.config import SafetyConfig
from trading_bot.domain.reasons import GateReason
from trading_bot.engines import budgets as b
from trading_bot.engines.budgets import Budget, Budgets, BudgetVerdict

USD = 1_000_000
S = 1_000_000_000
MIN = 60 * S
HOUR = 60 * MIN
NOW = 1_000 * HOUR
ROUND_TRIP = 2_500_000
EQUITY = 10_000 * USD
SCALPER = b.limits_of(SafetyConfig())
CONSERVATIVE = b.limits_of(SafetyConfig(entries_per_day_max=2, entries_per_hour_max=1, entries_per_minute_max=1))
FREE = BudgetVerdict((), None)


def judged(budgets, limits=SCALPER, at=NOW, equity=EQUITY):
    return b.verdict(budgets, limits, at, equity_uusd=equity, round_trip_uusd=ROUND_TRIP)


def entered(times, limits=SCALPER, budgets=None):
    budgets = budgets or Budgets()
    for at in times:
        budgets = b.with_entry(budgets, limits, at, 1)
    return budgets


def test_the_limits_are_the_profiles():
    assert (SCALPER.entries_minute, SCALPER.entries_hour, SCALPER.entries_day, SCALPER.attempts_day) == (2, 15, 40, 200)
    assert (SCALPER.fees_day_uusd, SCALPER.fees_equity_ppm, SCALPER.efficiency_ratio) == (100 * USD, 20_000, 10)
    assert (CONSERVATIVE.entries_minute, CONSERVATIVE.entries_hour, CONSERVATIVE.entries_day) == (1, 1, 2)


def test_budgets_are_named_as_the_gates():
    assert {budget.value for budget in Budget} - set(GateReason.__members__) <= {"ORDER_EFFICIENCY"}


def test_two_in_a_minute_and_the_third_waits():
    budgets = entered([NOW, NOW + 10 * S])
    assert judged(entered([NOW]), at=NOW + 10 * S) == FREE
    assert judged(budgets, at=NOW + 10 * S) == BudgetVerdict((Budget.FREQUENCY_MINUTE,), NOW + MIN)
    assert judged(budgets, at=NOW + MIN - 1).blocked == (Budget.FREQUENCY_MINUTE,)
    assert judged(budgets, at=NOW + MIN) == FREE


def test_fifteen_in_an_hour():
    budgets = entered([NOW + n * 2 * MIN for n in range(15)])
    assert judged(budgets, at=NOW + 30 * MIN) == BudgetVerdict((Budget.FREQUENCY_HOUR,), NOW + HOUR)
    assert judged(budgets, at=NOW + HOUR) == FREE


def test_two_budgets_are_free_when_the_later_is():
    hourly = msgspec.structs.replace(SCALPER, entries_hour=3)
    budgets = entered([NOW, NOW + 30 * MIN, NOW + 30 * MIN])
    assert judged(budgets, hourly, NOW + 30 * MIN) == BudgetVerdict(
        (Budget.FREQUENCY_MINUTE, Budget.FREQUENCY_HOUR), NOW + HOUR
    )
    assert b.entries_since(budgets, NOW + 31 * MIN, MIN) == 0
    assert b.entries_since(budgets, NOW + 31 * MIN - 1, MIN) == 2


def test_a_breaker_leaves_one_an_hour():
    limits = b.limits_of(SafetyConfig(), entries_hour_max=1)
    assert judged(entered([NOW], limits), limits, NOW + HOUR - 1).blocked == (Budget.FREQUENCY_HOUR,)
    assert judged(entered([NOW], limits), limits, NOW + HOUR) == FREE
    assert b.limits_of(SafetyConfig(entries_per_hour_max=1), entries_hour_max=5).entries_hour == 1
    none_left = b.limits_of(SafetyConfig(), entries_hour_max=0)
    assert judged(Budgets(), none_left) == BudgetVerdict((Budget.FREQUENCY_HOUR,), None)


def test_two_a_day_in_the_conservative_profile():
    budgets = entered([NOW, NOW + 2 * HOUR], CONSERVATIVE)
    assert judged(budgets, CONSERVATIVE, NOW + 9 * HOUR) == BudgetVerdict((Budget.FREQUENCY_DAY,), None)
    assert judged(b.next_session(budgets), CONSERVATIVE, NOW + 9 * HOUR) == FREE


def test_the_rolling_hour_does_not_end_with_the_session():
    budgets = b.next_session(entered([NOW + n * 2 * MIN for n in range(15)]))
    assert judged(budgets, at=NOW + 30 * MIN).blocked == (Budget.FREQUENCY_HOUR,)
    assert budgets.entries_day == 0


def test_two_hundred_attempts_a_day():
    budgets = Budgets(attempts_day=198, executed_day=100)
    budgets = b.with_attempt(budgets)
    assert judged(budgets) == FREE
    assert judged(b.with_attempt(budgets)).blocked == (Budget.ATTEMPTS_DAY,)


def test_ten_messages_for_an_executed_order_are_too_many():
    # 100 messages: with 9 executed orders the ratio is 100 / 10 = 10, with 10 it is 9.09.
    assert judged(Budgets(messages_day=100, executed_day=9)).blocked == (Budget.ORDER_EFFICIENCY,)
    assert judged(Budgets(messages_day=100, executed_day=10)) == FREE
    assert judged(Budgets(messages_day=99, executed_day=0)) == FREE  # too few to judge
    counted = b.with_execution(b.with_message(b.with_attempt(Budgets())))
    assert (counted.messages_day, counted.executed_day, counted.attempts_day) == (2, 1, 1)


@pytest.mark.parametrize(
    ("equity_usd", "fees_usd", "free"),
    [
        (10_000, 97.50, True),  # 97.50 + 2.50 = 100
        (10_000, 97.51, False),
        (2_000, 37.50, True),  # 2 % of 2000 = 40
        (2_000, 37.51, False),
        (0, 0, False),
        (-5, 0, False),
    ],
)
def test_fees_stay_below_the_smaller_of_100_dollars_and_2_percent(equity_usd, fees_usd, free):
    budgets = b.with_fee(Budgets(), round(fees_usd * USD))
    expected = () if free else (Budget.FEES_DAY,)
    assert judged(budgets, equity=equity_usd * USD).blocked == expected


def test_a_budget_that_time_does_not_free_has_no_time():
    budgets = msgspec.structs.replace(entered([NOW, NOW]), attempts_day=200)
    assert judged(budgets) == BudgetVerdict((Budget.FREQUENCY_MINUTE, Budget.ATTEMPTS_DAY), None)


@given(
    st.lists(st.integers(0, 10 * MIN), max_size=120), st.integers(0, 2 * HOUR), st.sampled_from([SCALPER, CONSERVATIVE])
)
def test_bounded_memory_answers_like_all_of_it(gaps, later, limits):
    budgets, times, at = Budgets(), [], NOW
    for gap in gaps:
        at += gap
        times.append(at)
        budgets = b.with_entry(budgets, limits, at, 1)
        assert len(budgets.entries_ns) <= limits.entries_hour
    at += later
    found = judged(budgets, limits, at).blocked
    minute, hour = (sum(1 for time in times if at - time < window) for window in (MIN, HOUR))
    assert (Budget.FREQUENCY_MINUTE in found) is (minute >= limits.entries_minute)
    assert (Budget.FREQUENCY_HOUR in found) is (hour >= limits.entries_hour)
    assert (Budget.FREQUENCY_DAY in found) is (len(times) >= limits.entries_day)
    assert b.entries_since(budgets, at, MIN) == min(minute, limits.entries_hour)


@given(st.lists(st.integers(0, 5 * MIN), min_size=1, max_size=40))
def test_the_freeing_time_is_the_first_that_frees(gaps):
    budgets, at = Budgets(), NOW
    for gap in gaps:
        at += gap
        budgets = b.with_entry(budgets, SCALPER, at, 1)
    limits = msgspec.structs.replace(SCALPER, entries_day=1_000)
    answer = judged(budgets, limits, at)
    if answer.blocked:
        assert judged(budgets, limits, answer.free_at_ns) == FREE
        assert judged(budgets, limits, answer.free_at_ns - 1).blocked
