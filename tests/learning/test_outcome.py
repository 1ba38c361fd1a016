"""TradeOutcome and ReliabilityMetrics: the user's names and numbers (specification 9)."""

import math

import pytest

from trading_bot.core.learning_loop import ReliabilityMetrics, TradeOutcome


class TestOutcome:
    def test_it_takes_keywords_only(self):
        with pytest.raises(TypeError):
            TradeOutcome("K1", 10.0)

    def test_the_users_defaults(self):
        outcome = TradeOutcome(template="K1", pnl_usd=0.0)
        assert (outcome.slippage_expected_ticks, outcome.commission_round_trip) == (0.5, 2.50)

    @pytest.mark.parametrize(
        ("pnl_usd", "commission", "actual", "win"),
        [
            pytest.param(10.00, 2.50, 7.50, True, id="eight ticks of MES less the commission"),
            pytest.param(2.50, 2.50, 0.00, False, id="what only pays the commission is no win"),
            pytest.param(2.51, 2.50, 0.01, True, id="a cent more is"),
            pytest.param(-7.50, 2.50, -10.00, False, id="a stop costs its commission too"),
            pytest.param(20.00, 5.00, 15.00, True, id="the commission is for the whole quantity"),
            pytest.param(0.1 + 0.2, 0.1, 0.2, True, id="binary fractions do not show"),
        ],
    )
    def test_actual_pnl_is_net_of_commission(self, pnl_usd, commission, actual, win):
        outcome = TradeOutcome(template="K1", pnl_usd=pnl_usd, commission_round_trip=commission)
        assert outcome.actual_pnl_usd == actual
        assert outcome.net_uusd == round(actual * 1_000_000)
        assert outcome.win is win

    @pytest.mark.parametrize("amount", [math.nan, math.inf, -math.inf, 1e9])
    @pytest.mark.parametrize("name", ["pnl_usd", "commission_round_trip", "slippage_ticks", "slippage_expected_ticks"])
    def test_an_amount_that_is_none_is_refused_by_name(self, name, amount):
        with pytest.raises(ValueError, match=rf"trade t7 of K1: {name} is .* expected a number"):
            TradeOutcome(**{"template": "K1", "trade_id": "t7", "pnl_usd": 0.0, name: amount})

    @pytest.mark.parametrize("fields", [{"template": ""}, {"qty": 0}, {"exit_ts_ns": -1}])
    def test_a_trade_of_nothing_is_refused(self, fields):
        with pytest.raises(ValueError):
            TradeOutcome(**({"template": "K1", "pnl_usd": 0.0} | fields))


class TestReliability:
    def test_six_wins_and_four_losses(self):
        """By hand: 6 × (10 − 2.5) = 45, 4 × (−7.5 − 2.5) = −40; net 5 over 10 trades; 45/40 = 1.125."""
        metrics = ReliabilityMetrics()
        for pnl_usd in [10.0] * 6 + [-7.5] * 4:
            metrics.update_from_trade(TradeOutcome(template="K1", pnl_usd=pnl_usd, slippage_ticks=1.25))
        assert (metrics.trades, metrics.wins, metrics.losses) == (10, 6, 4)
        assert metrics.win_rate == 0.6
        assert metrics.net_pnl_usd == 5.0
        assert metrics.expectancy_usd == 0.5
        assert metrics.profit_factor == 1.125
        assert metrics.commission_uusd == 25_000_000
        assert metrics.slippage_excess_ticks == 0.75

    def test_nothing_known_is_not_zero(self):
        metrics = ReliabilityMetrics()
        assert metrics.win_rate is metrics.expectancy_usd is metrics.profit_factor is None
        metrics.update_from_trade(TradeOutcome(template="K1", pnl_usd=10.0))
        assert metrics.profit_factor is None, "nothing was lost yet"
