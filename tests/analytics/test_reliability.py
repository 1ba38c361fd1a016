"""Calibration curves by hand, and against scikit-learn's definition written out (feature LE09)."""

import numpy as np
import pytest

from tests.analytics.ten_trades import trade
from trading_bot.analytics.reliability import curves


def test_brier_and_calibration_error_by_hand():
    """Beliefs .7 .7 .9 .9; won, lost, won, won. Brier (.09 + .49 + .01 + .01)/4 = .15; base ¾·¼ = .1875.
    Bins: .7 says .7, was ½ (.2 off); .9 says .9, was 1 (.1 off): (2·.2 + 2·.1)/4 = .15.
    """
    rows = [
        trade(number, ticks, belief_e6=belief)
        for number, (belief, ticks) in enumerate([(700_000, 9), (700_000, -9), (900_000, 9), (900_000, 9)])
    ]
    belief, _ = curves(rows)
    assert belief.brier == pytest.approx(0.15)
    assert belief.brier_base == pytest.approx(0.1875)
    assert belief.ece == pytest.approx(0.15)
    assert [(row.low, row.count, row.hits, row.members) for row in belief.bins] == [
        (0.7, 2, 1, (0, 1)),
        (0.9, 2, 2, (2, 3)),
    ]


def test_the_chance_of_the_target_is_held_against_leaving_at_it():
    """A time stop in profit is a win, and not the target."""
    rows = [trade(1, 9, exit_reason="TIME"), trade(2, 9), trade(3, 9, p_e6=None)]
    belief, target = curves(rows)
    assert (belief.count, target.count) == (3, 2)
    assert (target.bins[0].hits, target.bins[0].count) == (1, 2)
    assert target.brier == pytest.approx((0.36 + 0.16) / 2)


def test_forecasts_that_are_right_on_average_have_no_error_however_often_they_miss():
    rng = np.random.default_rng(3)
    told = rng.uniform(0.5, 1.0, 20_000)
    hits = rng.uniform(size=20_000) < told
    rows = [
        trade(number, 9 if hit else -9, belief_e6=int(belief * 1e6))
        for number, (belief, hit) in enumerate(zip(told, hits, strict=True))
    ]
    belief, _ = curves(rows)
    assert belief.ece < 0.01
    assert belief.brier == pytest.approx(float(np.mean(told * (1 - told))), abs=0.005)
    assert sum(row.count for row in belief.bins) == 20_000


def test_nothing_is_said_without_a_trade():
    assert [(curve.count, curve.brier, curve.bins) for curve in curves([])] == [(0, None, ())] * 2
