"""What the decision reads: σ_p, win rate, confidence, finer keys, ageing, and when to save (6.3, 9; LE01, LE12)."""

import math

import pytest

from tests.learning.trades import around, feed, trade
from trading_bot.core.learning_loop import LearningConfig, LearningLoop
from trading_bot.domain.units import NS_PER_DAY


class TestSigma:
    def test_it_starts_at_the_kernels_prior(self):
        assert LearningLoop(templates=("K1",)).sigma_p("K1") == pytest.approx(0.079, abs=1e-3)

    def test_the_maps_probability_counts_as_40_trades(self):
        """10 wins in 20 on top of 40 at .65: (10 + 26)/60 = .6; σ = √(.24/60)."""
        loop = LearningLoop()
        feed(loop, around(0.0, 20))
        assert loop.win_rate("K1", 0.65) == pytest.approx(0.6)
        assert loop.sigma_p("K1", 0.65) == pytest.approx(math.sqrt(0.24 / 60))

    def test_confidence_never_passes_three_quarters(self):
        """The newest 120 of 200 count against 40: .75, and σ stays at √(.25/160)."""
        loop = LearningLoop()
        feed(loop, [1.0] * 80 + around(0.0, 120))
        assert loop.confidence("K1") == 0.75
        assert loop.win_rate("K1") == 0.5, "the 80 wins before are out of it"
        assert loop.sigma_p("K1") == pytest.approx(math.sqrt(0.25 / 160))

    def test_a_trade_that_only_pays_its_commission_is_no_win(self):
        loop = LearningLoop()
        feed(loop, [0.0] * 40)
        assert loop.win_rate("K1") == 0.25  # 20 of 80


class TestDecay:
    def test_without_trades_every_estimate_returns_to_its_prior(self):
        loop = LearningLoop(templates=("K1",))
        for day in range(100):
            loop.record(trade(10.0, ts_ns=day * NS_PER_DAY))
        shares = []
        for day in (100, 200, 230, 260, 300):
            loop.start_session(day * NS_PER_DAY)
            shares.append(loop.confidence("K1"))
        assert shares == [100 / 140, 80 / 120, 50 / 90, 20 / 60, 0.0]
        assert loop.sigma_p("K1") == LearningLoop().sigma_p("K1")
        assert loop.expectancy_uusd("K1") == 0
        assert loop.metrics("K1").trades == 100

    def test_evidence_is_the_newest_window(self):
        loop = LearningLoop(LearningConfig(window_trades=120))
        feed(loop, around(5.0, 200) + around(-1.0, 120))
        assert loop.evidence("K1").n == 120
        assert loop.expectancy_uusd("K1") == round(-120 / 140 * 1e6)


class TestFinerKeys:
    def loop(self) -> LearningLoop:
        loop = LearningLoop()
        feed(loop, around(4.0, 20), regime="calm", bucket="0930")
        feed(loop, around(-2.0, 20), regime="wild", bucket="0930")
        feed(loop, around(1.0, 20), regime="calm", bucket="1000")
        return loop

    def test_a_bad_key_shrinks_the_estimate(self):
        """Template (80 − 40 + 20)/80 = .75; the key's −40 with 20 pseudo-trades at .75: (−40 + 15)/40 = −.625."""
        loop = self.loop()
        assert loop.expectancy_uusd("K1") == 750_000
        assert loop.expectancy_uusd("K1", "wild", "0930") == -625_000

    def test_a_good_key_lifts_nothing(self):
        assert self.loop().expectancy_uusd("K1", "calm", "0930") == 750_000

    def test_a_key_without_trades_is_the_template(self):
        assert self.loop().expectancy_uusd("K1", "wild", "1500") == 750_000

    def test_one_part_of_a_key_can_stand_alone(self):
        """Bucket 0930: 80 − 40 = 40 over 40 trades, with 15: 55/60 = .917, above the template: no lift."""
        assert self.loop().expectancy_uusd("K1", bucket="0930") == 750_000
        assert self.loop().expectancy_uusd("K1", "wild") == -625_000

    def test_keys_change_no_state(self):
        loop = LearningLoop()
        feed(loop, around(-30.0, 19), regime="wild", bucket="0930")
        assert loop.throttle("K1") == 1.0


class TestSaving:
    def test_every_ten_trades_and_on_a_transition(self):
        loop = LearningLoop(templates=("K1",))
        due = []
        for index, net in enumerate(around(-8.0, 25), start=1):
            loop.record(trade(net))
            if loop.save_due:
                due.append(index)
                loop.mark_saved()
        assert due == [10, 20]
        loop = LearningLoop(LearningConfig(save_every_trades=1000), templates=("K1",))
        assert feed(loop, around(-8.0, 20))
        assert loop.save_due

    def test_it_counts_trades_of_every_template(self):
        loop = LearningLoop(templates=("K1", "S2"))
        feed(loop, [1.0] * 6, template="K1")
        assert not loop.save_due
        feed(loop, [1.0] * 4, template="S2", shadow=True)
        assert loop.save_due
        assert loop.trades_since_save == 10


def test_templates_are_known_from_the_start_or_from_their_first_trade():
    loop = LearningLoop(templates=("S2", "K1"))
    assert loop.templates == ("K1", "S2")
    assert (loop.throttle("K9"), loop.entries_allowed("K9")) == (1.0, True)
    feed(loop, [1.0], template="K3")
    assert loop.templates == ("K1", "K3", "S2")
