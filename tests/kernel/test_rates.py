"""What is called a rate is one: known streams give the known number per second, whatever formula computes it."""

import math

import pytest

from tests.kernel.kit import BUY, MS, T0, S, config, play, quote, trade
from trading_bot._fast import HotPath


@pytest.mark.parametrize("per_second", [5, 20, 100])
def test_intensity_is_trades_per_second(per_second):
    kernel = HotPath(config())
    gap_ns = S // per_second
    play(kernel, [quote(T0, 100, 101), *(trade(T0 + k * gap_ns, 101, 1, BUY) for k in range(per_second * 60))])
    found = kernel.signals()["intensity_sum"]
    assert found == pytest.approx(per_second, rel=0.03)


@pytest.mark.parametrize(("tau_s", "seconds"), [(30, 300), (300, 2400)])
def test_realised_volatility_is_ticks_per_root_second(tau_s, seconds):
    """A mid that goes one tick up and down four times a second moves by sqrt(4) ticks per root second."""
    kernel = HotPath(config())
    tape = []
    for k in range(4 * seconds):
        bid = 100 + k % 2
        tape.append(quote(T0 + k * 250 * MS, bid, bid + 1))
    play(kernel, tape)
    assert kernel.signals()[f"rv_{tau_s}s"] == pytest.approx(math.sqrt(4.0), rel=0.03)
