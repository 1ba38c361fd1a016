"""The regime of this moment, from the kernel's signals; what it means is decided in `engines/regime.py` alone."""

from typing import Final

from trading_bot.core.state import State
from trading_bot.domain.signal_registry import SIGNAL_BY_NAME
from trading_bot.engines.regime import Regime, classify

_NOISE: Final = SIGNAL_BY_NAME["noise"].id
_ATR_N: Final = SIGNAL_BY_NAME["atr_14_n"].id


def regime_now(state: State) -> Regime:
    """As of the last closed minute."""
    return classify(state.kernel.signal(_NOISE), state.kernel.signal(_ATR_N))
