"""Intervals, tails and ratios against independent references: closed forms, numpy's quantiles, pandas, brute force."""

from math import sqrt

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.analytics.ten_trades import OPEN_NS, S_NS, trade
from trading_bot.analytics.days import DayResult, depth_of, drawdown, ratios
from trading_bot.analytics.samples import (
    expected_shortfall,
    mean_interval,
    tail_of,
    tail_of_drawn_day,
    value_at_risk,
)

RNG = np.random.default_rng(7)


def days_of(nets):
    return [
        DayResult(trade_date=20260101 + k, trades=1, wins=0, gross_uusd=net, commission_uusd=0, net_uusd=net)
        for k, net in enumerate(nets)
    ]


def test_the_interval_of_a_mean_is_near_students_where_the_sample_is_normal():
    values = [round(value) for value in RNG.normal(1e6, 5e6, 200)]
    found = mean_interval(values)
    low, high = stats.t.interval(0.95, 199, loc=np.mean(values), scale=stats.sem(values))
    assert found.low == pytest.approx(low, abs=0.1 * (high - low))
    assert found.high == pytest.approx(high, abs=0.1 * (high - low))


def test_the_interval_of_a_skewed_mean_leans_to_the_long_side():
    """Many small wins and few large losses: what is uncertain is how bad it is, which Student's interval hides."""
    values = [1_000_000] * 90 + [-12_000_000] * 10
    found = mean_interval(values)
    mean = sum(values) / 100
    assert mean - found.low > 1.1 * (found.high - mean)


@pytest.mark.parametrize("values", [[], [5], [5, 5, 5]])
def test_nothing_is_said_of_samples_that_say_nothing(values):
    assert mean_interval(values) is None


def test_value_at_risk_is_numpys_inverted_cdf():
    for count in (20, 37, 100, 1_000):
        values = np.sort(RNG.normal(0, 1e6, count))
        assert value_at_risk(values) == -np.quantile(values, 0.05, method="inverted_cdf")


def test_expected_shortfall_is_the_integral_of_the_quantiles_below_the_tail():
    """ES = −1/α ∫ q(u) du over the worst α, worked out on a grid fine enough to hit every step."""
    for count in (20, 30, 50):
        values = np.sort(RNG.normal(0, 1e6, count))
        grid = (np.arange(60_000) + 0.5) / 60_000 * 0.05
        steps = values[np.ceil(grid * count).astype(int) - 1]
        assert expected_shortfall(values) == pytest.approx(-steps.mean(), rel=1e-3)


def test_the_tail_of_forty_trades_by_hand():
    """−40 … −1 dollars: the worst twentieth are −40 and −39: VaR 39, ES 39.50."""
    tail = tail_of([-k * 1_000_000 for k in range(1, 41)], "trade", 20)
    assert (tail.var_uusd, tail.es_uusd) == (39_000_000, 39_500_000)
    assert tail.var_interval.low <= 39_000_000 <= tail.var_interval.high
    assert tail.es_interval.low <= 39_500_000 <= tail.es_interval.high
    assert tail == tail_of([-k * 1_000_000 for k in range(1, 41)], "trade", 20)


def test_drawn_days_are_the_binomial_that_they_are():
    """Ten trades of ±1 dollar, evenly likely: the sum is 2·Bin(10, ½) − 10, its 5 % quantile −6, ES by its weights."""
    tail = tail_of_drawn_day([1_000_000, -1_000_000] * 20, 10)
    binomial = stats.binom(10, 0.5)
    assert tail.var_uusd == 6_000_000
    weights = {2 * k - 10: binomial.pmf(k) for k in range(11)}
    below = sum(weight for value, weight in weights.items() if value < -6)
    shortfall = -(sum(value * weight for value, weight in weights.items() if value < -6) - 6 * (0.05 - below)) / 0.05
    assert tail.es_uusd == pytest.approx(shortfall * 1e6, rel=0.02)


def test_too_few_for_a_tail_says_how_many():
    assert tail_of([1] * 19, "trade", 20).note.startswith("19 of 20 trades")
    assert tail_of_drawn_day([1] * 19, 5).var_uusd is None


def test_ratios_are_those_of_pandas():
    nets = [round(value) for value in RNG.normal(2e6, 2e7, 70)]
    month, quarter, year = ratios(days_of(nets))
    for row, window in ((month, 30), (quarter, 63)):
        series = pd.Series(nets[-window:], dtype="float64")
        equity = series.cumsum()
        deepest = (equity.cummax().clip(lower=0) - equity).max()
        assert row.sharpe == pytest.approx(series.mean() / series.std(ddof=1) * sqrt(252))
        assert row.sortino == pytest.approx(series.mean() / sqrt((series.clip(upper=0) ** 2).mean()) * sqrt(252))
        assert row.calmar == pytest.approx(series.mean() * 252 / deepest)
        assert row.note == ""
    assert (year.sharpe, year.sortino, year.calmar, year.note) == (
        None, None, None, "70 of 252 days with entries open: too few",
    )  # fmt: skip


def test_ratios_without_a_divisor_say_which():
    flat, rising = ratios(days_of([0] * 30), (30,))[0], ratios(days_of([1, 2] * 15), (30,))[0]
    assert (flat.sharpe, flat.sortino, flat.calmar) == (None, None, None)
    assert flat.note == "days do not differ; no losing day; no drawdown"
    assert rising.sharpe is not None
    assert (rising.sortino, rising.calmar, rising.note) == (None, None, "no losing day; no drawdown")


def test_the_drawdown_is_the_deepest_of_every_pair():
    for _ in range(50):
        gross = [int(ticks) for ticks in RNG.integers(-8, 12, 12)]
        trades = [trade(number, ticks) for number, ticks in enumerate(gross)]
        equity = np.concatenate([[0], np.cumsum([row.net_uusd for row in trades])])
        deepest = max(equity[early] - equity[late] for late in range(13) for early in range(late + 1))
        found = drawdown(trades)
        assert found.depth_uusd == depth_of([row.net_uusd for row in trades]) == deepest
        if deepest:
            peak = 0 if found.peak is None else found.peak + 1
            assert equity[peak] - equity[found.trough + 1] == deepest
            after = [at for at in range(found.trough + 1, 12) if equity[at + 1] >= equity[peak]]
            end = trades[after[0]].exit_ts_ns if after else None
            assert found.recovered_ts_ns == end
            began = trades[0].entry_ts_ns if found.peak is None else trades[found.peak].exit_ts_ns
            assert found.duration_s == ((end or trades[-1].exit_ts_ns) - began) / S_NS
            assert found.longest_s >= found.duration_s


def test_time_without_a_fall_is_no_drawdown():
    found = drawdown([trade(number, 4) for number in range(5)])
    assert (found.depth_uusd, found.duration_s, found.longest_s, found.peak_ts_ns) == (0, 0.0, 0.0, 0)
    assert drawdown([]).depth_uusd == 0


def test_a_fall_from_the_start_counts_from_the_first_entry():
    """−4 ticks and fees: 7.50 below nothing; back above it with the third trade."""
    found = drawdown([trade(0, -4), trade(1, 4), trade(2, 8)])
    assert (found.depth_uusd, found.peak, found.trough) == (7_500_000, None, 0)
    assert found.peak_ts_ns == OPEN_NS
    assert found.recovered_ts_ns == OPEN_NS + 660 * S_NS
