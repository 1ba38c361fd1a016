"""Six wins and four losses, every figure worked out by hand (feature AN01)."""

from math import sqrt

import pytest

from tests.analytics.ten_trades import NETS_USD, OPEN_NS, S_NS, facts_of, ten_trades
from trading_bot.analytics.analysis import analyse

USD = 1_000_000


@pytest.fixture(scope="module")
def book():
    return analyse(facts_of(ten_trades())).book(hypothetical=False)


def test_the_figures_are_those_worked_out_by_hand(book):
    """Nets: +10 +5 −12.50 +2.50 −7.50 +15 −10 +5 −5 +7.50.

    won  = 10 + 5 + 2.50 + 15 + 5 + 7.50 = 45.00 in 6 trades: 7.50 each
    lost = 12.50 + 7.50 + 10 + 5         = 35.00 in 4 trades: 8.75 each
    net  = 45 − 35 = 10.00; commission 10 × 2.50 = 25.00; gross = 35.00
    win rate 6/10 = .6; profit factor 45/35 = 9/7; payoff 7.50/8.75 = 6/7; expectancy 10/10 = 1.00
    ascending −12.50 −10 −7.50 −5 +2.50 +5 +5 +7.50 +10 +15: median (2.50 + 5)/2 = 3.75
    squares: 100 + 25 + 156.25 + 6.25 + 56.25 + 225 + 100 + 25 + 25 + 56.25 = 775; less 10 × 1² = 765; / 9 = 85
    """
    found = book.metrics
    assert (found.trades, found.wins, found.losses, found.flat, found.lots) == (10, 6, 4, 0, 10)
    assert (found.gross_uusd, found.commission_uusd, found.net_uusd) == (35 * USD, 25 * USD, 10 * USD)
    assert (found.won_uusd, found.lost_uusd) == (45 * USD, 35 * USD)
    assert found.win_rate == 0.6
    assert found.profit_factor == pytest.approx(9 / 7)
    assert found.payoff == pytest.approx(6 / 7)
    assert (found.average_win_uusd, found.average_loss_uusd) == (7.5 * USD, 8.75 * USD)
    assert (found.expectancy_uusd, found.median_uusd) == (1.0 * USD, 3.75 * USD)
    assert found.sd_uusd == pytest.approx(sqrt(85) * USD)
    assert (found.best_uusd, found.worst_uusd) == (15 * USD, -12.5 * USD)
    assert (found.hold_mean_s, found.hold_median_s) == (60.0, 60.0)
    assert (found.wins_in_row, found.losses_in_row) == (2, 1)
    assert book.net_uusd == 10 * USD


def test_the_drawdown_is_the_one_in_the_running_sum(book):
    """10, 15, 2.50, 5, −2.50, 12.50, 2.50, 7.50, 2.50, 10: highest 15 after trade 1, lowest after it −2.50 at trade 4.

    15 is never reached again: from the end of trade 1 to that of trade 9 are 8 × 300 s.
    """
    assert [point.equity_uusd / USD for point in book.equity] == [10, 15, 2.5, 5, -2.5, 12.5, 2.5, 7.5, 2.5, 10]
    fall = book.drawdown
    assert (fall.depth_uusd, fall.peak, fall.trough, fall.recovered_ts_ns) == (17_500_000, 1, 4, None)
    assert fall.peak_ts_ns == OPEN_NS + 360 * S_NS
    assert (fall.duration_s, fall.longest_s, fall.now_uusd) == (2_400.0, 2_400.0, 5 * USD)
    assert [point.below_uusd / USD for point in book.equity] == [0, 0, 12.5, 10, 17.5, 2.5, 12.5, 7.5, 12.5, 5]


def test_wilsons_interval_of_six_in_ten(book):
    """With z = 1.96: centre (6 + z²/2)/(10 + z²) = .5722, half-width z/(10 + z²) · sqrt(6·4/10 + z²/4) = .2596."""
    z = 1.959963985
    centre = (6 + z * z / 2) / (10 + z * z)
    half = z / (10 + z * z) * sqrt(6 * 4 / 10 + z * z / 4)
    interval = book.metrics.win_rate_interval
    assert (interval.low, interval.high) == pytest.approx((centre - half, centre + half))
    assert (round(centre, 4), round(half, 4)) == (0.5722, 0.2596)


def test_one_day_has_no_ratios_and_says_so(book):
    assert [(row.window_days, row.sharpe, row.sortino, row.calmar) for row in book.ratios] == [
        (30, None, None, None),
        (63, None, None, None),
        (252, None, None, None),
    ]
    assert book.ratios[0].note == "1 of 30 days with entries open: too few"


def test_ten_trades_have_no_tail_and_say_so(book):
    assert [tail.var_uusd for tail in book.tails] == [None, None, None]
    assert "10 of 20 trades" in book.tails[0].note


def test_the_expectancys_interval_holds_the_mean_and_is_the_same_twice(book):
    interval = book.metrics.expectancy_interval
    assert interval.low < 1 * USD < interval.high
    # ±1.96 · 9.22 / sqrt(10) = ±5.71 is what the normal distribution would say; the bootstrap is near it.
    assert interval.high - interval.low == pytest.approx(2 * 5.71 * USD, rel=0.25)
    again = analyse(facts_of(ten_trades())).book(hypothetical=False)
    assert again.metrics.expectancy_interval == interval


def test_nets_are_what_the_set_says():
    assert [row.net_uusd / USD for row in ten_trades()] == list(NETS_USD)
