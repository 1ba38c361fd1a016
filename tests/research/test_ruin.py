"""VaR, shortfall and ruin against cases whose answer is known without a bootstrap."""

from math import comb

import pytest

from trading_bot.domain.errors import UsageError
from trading_bot.research.ruin import ruin_report

USD = 1_000_000


def test_var_and_shortfall_of_a_hundred_days():
    # Days of -100, -99, ... -1 dollars: the worst five are 100..96, so VaR 95 is 96 and their mean 98; VaR 99 is 100.
    days = [[-dollars * USD] for dollars in range(1, 101)]
    report = ruin_report(days, 100_000 * USD, paths=10)
    assert report.var_usd == {"95": 96.0, "99": 100.0}
    assert report.shortfall_usd == {"95": 98.0, "99": 100.0}
    assert report.net_usd_per_day == -50.5


def test_the_chance_of_ruin_of_a_coin():
    # A day loses 10 % of the start with probability 1/5, else nothing. In 20 days the drawdown reaches 25 % when at
    # least three are drawn: 1 - sum of the binomial for 0, 1, 2 = .794; the standard error of 20 000 paths is .003.
    days = [[-1_000 * USD], [0], [0], [0], [0]]
    exact = 1 - sum(comb(20, k) * 0.2**k * 0.8 ** (20 - k) for k in range(3))
    report = ruin_report(days, 10_000 * USD, paths=20_000)
    assert report.ruin_p == pytest.approx(exact, abs=0.012)
    assert not report.ok


def test_a_drawdown_counts_from_the_peak_and_inside_a_day():
    # Each day earns 100 and gives 60 back: the fall within the first day is 60 of 1 100, later ones are smaller.
    report = ruin_report([[100 * USD, -60 * USD]] * 5, 1_000 * USD, paths=10)
    assert report.drawdown_p95_pct == pytest.approx(100 * 60 / 1_100)
    assert report.ok


def test_no_equity_left_is_a_whole_loss():
    report = ruin_report([[-60 * USD]] * 5, 100 * USD, paths=10)
    assert report.drawdown_median_pct == 100.0
    assert report.ruin_p == 1.0


def test_the_seed_decides():
    days = [[-10 * USD, 20 * USD], [5 * USD], [-30 * USD], [], [7 * USD, -4 * USD]]
    first = ruin_report(days, 100 * USD, paths=200, seed=3)
    assert first == ruin_report(days, 100 * USD, paths=200, seed=3)
    assert first != ruin_report(days, 100 * USD, paths=200, seed=4)


@pytest.mark.parametrize(("days", "equity"), [([[1]] * 4, 1), ([[]] * 9, 1), ([[1]] * 9, 0)])
def test_too_little_is_refused(days, equity):
    with pytest.raises(UsageError, match="expected"):
        ruin_report(days, equity)
