"""The pure statistics, against numbers worked by hand, integrals and an exact distribution."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.learning.trades import around
from trading_bot.core.learning_loop import Finding, LearningConfig, LearningState
from trading_bot.engines import learning
from trading_bot.engines.learning import LearningLimits

LIMITS = LearningLimits.compile(LearningConfig())
USD = 1_000_000


def uusd(nets_usd):
    return [round(net * USD) for net in nets_usd]


def integrated_normal(z: float) -> float:
    """Area under the bell curve from -12 to z by Simpson's rule."""
    steps = 20_000
    width = (z + 12.0) / steps
    heights = [math.exp(-0.5 * (-12.0 + index * width) ** 2) for index in range(steps + 1)]
    area = heights[0] + heights[-1] + 4 * sum(heights[1:-1:2]) + 2 * sum(heights[2:-1:2])
    return area * width / 3 / math.sqrt(2 * math.pi)


class TestNormal:
    @pytest.mark.parametrize("z", [-5.5, -3.0, -1.6448536, -0.8416212, -0.3853205, 0.0, 0.25, 1.2815516, 4.0])
    def test_the_series_is_the_integral(self, z):
        assert learning.normal_cdf(z) == pytest.approx(integrated_normal(z), abs=1e-8)

    @pytest.mark.parametrize(
        ("p", "z"),  # any table of the normal distribution
        [(0.05, -1.6448536), (0.20, -0.8416212), (0.35, -0.3853205), (0.5, 0.0), (0.90, 1.2815516), (0.99, 2.3263479)],
    )
    def test_thresholds_become_z_values(self, p, z):
        assert learning.normal_z(p) == pytest.approx(z, abs=5e-8)

    def test_far_out_it_is_certain(self):
        assert (learning.normal_cdf(-40.0), learning.normal_cdf(40.0)) == (0.0, 1.0)


class TestExpectancy:
    def test_worked_by_hand(self):
        """12 × +8 and 8 × −9: Σ = 24, Σ² = 1416; mean 24/40; sd² = (1416 − 24²/40)/20 = 70.08; z = .6·√40/sd."""
        result = learning.expectancy(uusd([8.0] * 12 + [-9.0] * 8), 20)
        assert (result.n, result.mean_uusd) == (20, 600_000)
        assert result.sd_uusd == round(math.sqrt(70.08) * USD)
        assert result.z == pytest.approx(0.6 * math.sqrt(40) / math.sqrt(70.08), rel=1e-14)

    def test_it_is_the_conjugate_posterior(self):
        """Sequential updating of a normal-inverse-gamma prior (μ0 = 0, κ0 = 20, α0 = β0 = 0), in exact fractions."""
        nets = uusd([3.25, -8.5, 12.0, -1.75, 0.0, 6.5, -20.0, 7.5])
        mean, kappa, alpha, beta = Fraction(0), Fraction(20), Fraction(0), Fraction(0)
        for net in nets:
            beta += kappa * (net - mean) ** 2 / (2 * (kappa + 1))
            mean = (kappa * mean + net) / (kappa + 1)
            kappa, alpha = kappa + 1, alpha + Fraction(1, 2)
        result = learning.expectancy(nets, 20)
        assert result.mean_uusd == round(mean)
        assert result.sd_uusd == round(math.sqrt(beta / alpha))
        assert result.z == pytest.approx(float(mean) / math.sqrt(beta / (alpha * kappa)), rel=1e-12)

    def test_without_evidence_nothing_is_claimed(self):
        for nets in ([], [0] * 30):
            assert learning.expectancy(nets, 20).z == 0.0

    def test_equal_losses_have_an_answer(self):
        """Twenty equal trades have no spread of their own; the prior's zero mean gives them one: z = n/√20 = −4.47."""
        assert learning.expectancy([-5 * USD] * 20, 20).z == pytest.approx(-math.sqrt(20))

    @given(
        st.lists(st.integers(-50 * USD, 50 * USD), min_size=1, max_size=200),
        st.integers(1, 20 * USD),
        st.integers(1, 60),
    )
    def test_the_order_of_trades_does_not_count_and_mirrored_trades_mirror(self, nets, worse, pseudo):
        result = learning.expectancy(nets, pseudo)
        assert learning.expectancy(nets[::-1], pseudo) == result
        assert learning.expectancy([-net for net in nets], pseudo).z == -result.z
        lowered = learning.expectancy([net - worse for net in nets], pseudo)
        assert lowered.mean_uusd <= result.mean_uusd


class TestWinRate:
    def test_it_starts_at_40_pseudo_trades(self):
        rate, sigma = learning.win_rate_sigma(0, 0, 40, 0.5)
        assert rate == 0.5
        assert sigma == math.sqrt(0.25 / 40)  # the kernel's own starting value, bit for bit

    def test_worked_by_hand(self):
        """30 wins in 60 trades on top of 40 at .70: 58/100; σ = √(.58·.42/100) = .04936."""
        rate, sigma = learning.win_rate_sigma(30, 60, 40, 0.70)
        assert rate == pytest.approx(0.58)
        assert sigma == pytest.approx(0.0493559, abs=5e-8)

    def test_the_confidence_cap_in_trades(self):
        assert learning.evidence_cap(40, 0.75) == 120  # 120/(120 + 40) = .75


class TestDrawdown:
    def test_worked_by_hand(self):
        """5, 2, −2, 0, −6: the highest point is 5, the end 11 below it."""
        assert learning.drawdown_now_uusd([5, -3, -4, 2, -6]) == 11
        assert learning.drawdown_now_uusd([-1, -2]) == 3
        assert learning.drawdown_now_uusd([-9, 10]) == 0

    def test_a_certain_path_has_a_certain_percentile(self):
        """Fifty losses of 1 fall by 50 on every path: 50 is not above it, 51 is."""
        assert learning.drawdown_limit_uusd([-1] * 50, 50, 500, 5) is None
        assert learning.drawdown_limit_uusd([-1] * 50, 51, 500, 5) == 50

    def test_the_percentile_is_that_of_the_distribution(self):
        """Heads +1, tails −1, a hundred times: the exact distribution of the largest drawdown, step by step."""

        def probability_of_reaching(level):
            at = [0.0] * level  # distance below the peak; at `level` it counts as reached
            at[0], reached = 1.0, 0.0
            for _ in range(100):
                moved = [0.0] * level
                for below, mass in enumerate(at):
                    moved[max(0, below - 1)] += mass / 2
                    if below + 1 == level:
                        reached += mass / 2
                    else:
                        moved[below + 1] += mass / 2
                at = moved
            return reached

        exact = next(level for level in range(1, 100) if probability_of_reaching(level + 1) <= 0.01)
        paths = 4000
        found = learning.drawdown_limit_uusd([1, -1] * 50, 100, paths, learning.paths_above_percentile(paths, 99.0))
        assert abs(found - exact) <= 1

    def test_the_percentile_itself_is_not_above_it(self):
        nets = [17, -5, 23, -31, 2, -11, 29, -23, 7, -13] * 5
        limit = learning.drawdown_limit_uusd(nets, 10**9, 500, 5)
        assert learning.drawdown_limit_uusd(nets, limit, 500, 5) is None
        assert learning.drawdown_limit_uusd(nets, limit + 1, 500, 5) == limit

    def test_one_path_in_a_hundred_may_lie_above(self):
        assert learning.paths_above_percentile(500, 99.0) == 5
        assert learning.paths_above_percentile(1000, 99.9) == 1

    def test_another_mean_keeps_the_spread(self):
        assert learning.shifted_to_mean([10, -20, 40], 0) == [0, -30, 30]


class TestJudging:
    """z of n results alternating by ±10 around d, with 20 pseudo-trades: n·d·√n/√(n(n+20)(d²+100) − n²d²)."""

    @pytest.mark.parametrize(
        ("mean_usd", "n", "p", "finding"),
        [
            pytest.param(-3.0, 19, None, Finding.TOO_FEW, id="fewer than 20 never throttle"),
            pytest.param(0.0, 20, 0.5, Finding.GOOD, id="nothing against it"),
            pytest.param(-1.0, 20, 0.3762, Finding.FAIR, id="between .35 and .45"),
            pytest.param(-1.5, 20, 0.3186, Finding.POOR, id="between .30 and .35"),
            pytest.param(-2.0, 20, 0.2656, Finding.WEAK, id="between .20 and .30"),
            pytest.param(-3.0, 20, 0.1767, Finding.BAD, id="below .20"),
            pytest.param(-8.0, 20, 0.0138, Finding.BAD, id="below .05, but fewer than 40"),
            pytest.param(-4.0, 40, 0.0221, Finding.LOST, id="below .05 with 40"),
        ],
    )
    def test_the_bands(self, mean_usd, n, p, finding):
        evidence = learning.judge_trades(LearningState.ACTIVE, uusd(around(mean_usd, n)), LIMITS)
        assert evidence.finding is finding
        if p is not None:
            z = n * mean_usd * math.sqrt(n) / math.sqrt(n * (n + 20) * (mean_usd**2 + 100) - (n * mean_usd) ** 2)
            assert evidence.p_e6 == pytest.approx(1e6 * integrated_normal(z), abs=2)
            assert evidence.p_e6 / 1e6 == pytest.approx(p, abs=5e-5)

    def test_a_drawdown_the_estimate_does_not_explain(self):
        """80 trades at +6, then 45 losses of 10: 30 still stand to its credit, and P is above one half.

        454 is the fall: 45 × 10, and the loss of 4 just before. Without an edge, 125 trades of this spread fall by some
        2.8 × 11.1 × √125 = 350 once in a hundred times.
        """
        nets = uusd(around(6.0, 80) + [-10.0] * 45)
        evidence = learning.judge_trades(LearningState.ACTIVE, nets, LIMITS)
        assert evidence.p_e6 > 500_000
        assert evidence.finding is Finding.DRAWDOWN
        assert evidence.drawdown_uusd == 454 * USD
        assert 250 * USD < evidence.drawdown_limit_uusd < 400 * USD
        assert evidence.threshold_e6 == 990_000

    def test_a_template_expected_to_lose_is_still_held_to_breaking_even(self):
        """+3 for 70 trades, then −3.5 for 130: 245 lost in all, 455 and the last step from the peak, P about .06.

        Trades of this spread without an edge fall by 2.8 × 10.5 × √200 = 415 once in a hundred times; with the mean
        these trades have (−1.2), such a fall would be ordinary.
        """
        evidence = learning.judge_trades(LearningState.ACTIVE, uusd(around(3.0, 70) + around(-3.5, 130)), LIMITS)
        assert evidence.p_e6 > 50_000
        assert evidence.finding is Finding.DRAWDOWN
        assert 330 * USD < evidence.drawdown_limit_uusd < 460 * USD

    def test_the_same_trades_shuffled_evenly_are_in_order(self):
        nets = uusd((around(6.0, 16) + [-10.0] * 9) * 5)
        assert learning.judge_trades(LearningState.ACTIVE, nets, LIMITS).finding is Finding.GOOD

    @pytest.mark.parametrize(
        ("mean_usd", "n", "finding"),
        [
            pytest.param(5.0, 59, Finding.SHADOW_OPEN, id="fewer than 60 never release"),
            pytest.param(5.0, 60, Finding.SHADOW_PROVEN, id="60 with P above .90 do"),
            pytest.param(1.0, 60, Finding.SHADOW_OPEN, id="P of .75 does not"),
            pytest.param(-5.0, 119, Finding.SHADOW_OPEN, id="fewer than 120 never archive"),
            pytest.param(-5.0, 120, Finding.SHADOW_HOPELESS, id="120 with P below .05 do"),
        ],
    )
    def test_shadow_trades(self, mean_usd, n, finding):
        evidence = learning.judge_shadow(LearningState.QUARANTINED, uusd(around(mean_usd, n)), LIMITS)
        assert evidence.finding is finding
        assert evidence.shadow


class TestConfig:
    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"quarantine_p": 0.25}, "quarantine_p"),
            ({"throttle_heavy_p": 0.40}, "throttle_heavy_p"),
            ({"hysteresis_p": 0.20}, "overlap"),
            ({"throttle_light": 1.6}, "throttle_light"),
            ({"archive_p": 0.95}, "archive_p"),
            ({"release_n_min": 300}, "never be reached"),
        ],
    )
    def test_contradictions_are_refused(self, fields, message):
        with pytest.raises(ValueError, match=message):
            LearningConfig(**fields)
