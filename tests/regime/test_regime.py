"""SG11: one classifier; who needs a regime asks it, and everybody gets the same answer.

Numbers: TREND/CHOP at the noise of the K5 veto (specification 6.4), volatility at .7 and 1.5 (features SG11).
"""

import ast
from pathlib import Path

import pytest

from tests.core.handler_world import World, only
from tests.kernel.kit import GRID, MINUTE, T0, config, template
from trading_bot._fast import HotPath
from trading_bot.config_files import load_config
from trading_bot.core.regimes import regime_now
from trading_bot.core.surroundings import common_modifiers
from trading_bot.domain.signal_registry import SIGNAL_BY_NAME
from trading_bot.domain.trade_events import TradeClosed
from trading_bot.engines.regime import HIGH_ATR_N, LOW_ATR_N, NOISE_MAX, Regime, Trend, Volatility, classify

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "src" / "trading_bot"


@pytest.mark.parametrize(
    ("noise", "trend"),
    [(0.0, "TREND"), (0.70, "TREND"), (0.700001, "CHOP"), (1.0, "CHOP"), (None, "UNKNOWN")],
)
def test_the_way_is_a_trend_up_to_the_noise_that_k5_allows(noise, trend):
    assert classify(noise, 0.3).trend == trend


@pytest.mark.parametrize(
    ("ratio", "volatility", "bucket"),
    [
        (0.0, "LOW", 0),
        (0.69, "LOW", 0),
        (0.71, "NORMAL", 1),
        (1.49, "NORMAL", 1),
        (1.51, "HIGH", 2),
        (3.0, "HIGH", 2),
        (None, "UNKNOWN", 1),
    ],
)
def test_volatility_is_low_normal_or_high_around_its_usual(ratio, volatility, bucket):
    found = classify(0.5, None if ratio is None else ratio / 3).volatility
    assert (found, found.bucket) == (volatility, bucket)


def test_half_an_answer_stays_half():
    assert classify(None, 0.6) == Regime(Trend.UNKNOWN, Volatility.HIGH)
    assert classify(0.9, None).key == "CHOP-UNKNOWN"


class Signals:
    """A kernel whose noise and volatility are given."""

    def __init__(self, kernel, values):
        self._kernel, self._values = kernel, values

    def signal(self, number):
        return self._values.get(number, self._kernel.signal(number))

    def __getattr__(self, name):
        return getattr(self._kernel, name)


@pytest.mark.parametrize("values", [(0.9, 0.55), (0.2, 0.1), (0.7, 0.4), (None, None)])
def test_outcomes_modifiers_and_calibration_see_the_same_regime(values):
    world = World()
    numbers = (SIGNAL_BY_NAME["noise"].id, SIGNAL_BY_NAME["atr_14_n"].id)
    world.hold(1)
    world.state.kernel = Signals(world.state.kernel, dict(zip(numbers, values, strict=True)))
    regime = classify(*values)
    assert regime_now(world.state) == regime
    told = {name for name, _ in common_modifiers(world.state, world.now_ns)}
    assert ("VOLATILITY" in told) is (regime.volatility is Volatility.HIGH)
    assert only(world.close(), TradeClosed).outcome.regime == regime.key


@pytest.mark.parametrize("wild", [1, 3, 5, 6, 7, 9, 12, 15, 20, 30])
def test_the_kernel_takes_the_map_of_the_same_volatility(wild):
    kernel = HotPath(config(template("T", GRID, {"queue_imbalance": 1.0})))
    for k in range(80):
        reach = 10 if k < 66 else wild  # ticks of true range; the last 14 bars are ATR14
        kernel.on_bar(T0 + k * MINUTE, 4_000, 4_000 + reach, 4_000, 4_000, 10, 40_000)
    kernel.on_quote(T0 + 81 * MINUTE, 4_000, 10, 4_001, 10)
    regime = classify(kernel.signal(SIGNAL_BY_NAME["noise"].id), kernel.signal(SIGNAL_BY_NAME["atr_14_n"].id))
    assert kernel.terms(0, 1, 0.6, T0 + 81 * MINUTE).volatility == regime.volatility.bucket
    # 51 earlier values of ATR14, most of them 10: the ratio is what the last 14 bars are of it.
    assert regime.volatility == ("LOW" if wild < 7 else "HIGH" if wild > 15 else "NORMAL")


def test_the_shipped_veto_is_the_line_between_trend_and_chop():
    assert load_config(ROOT / "configs" / "default.toml").vetoes["K5"].max == NOISE_MAX


def test_nobody_else_draws_these_lines():
    """Outside the classifier no code that decides has a threshold of these values, nor names of its own for them."""
    found = [
        f"{path.relative_to(SOURCES)}:{node.lineno}"
        for folder in ("core", "engines", "research")
        for path in sorted((SOURCES / folder).glob("*.py"))
        if path.name != "regime.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in (NOISE_MAX, LOW_ATR_N, HIGH_ATR_N, "TREND", "CHOP")
    ]
    assert found == []
