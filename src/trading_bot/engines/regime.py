"""One classifier of the market's regime, for every caller: trend or chop, and volatility (feature SG11).

It reads two signals of the kernel and nothing else. Whoever wants to know a regime asks here; a test holds that nobody
else compares these signals with thresholds of its own (docs/levels.md, "Regime").
"""

from enum import StrEnum
from typing import Final, NamedTuple

NOISE_MAX: Final = 0.70  # specification 6.4: the K5 veto blocks above it
LOW_ATR_N: Final = 0.7  # of ATR14 over its median of the time of day (features SG11)
HIGH_ATR_N: Final = 1.5
_ATR_N_SPAN: Final = 3.0  # the signal atr_14_n is that ratio, clamped to 3 and divided by 3


class Trend(StrEnum):
    """Whether the way of the last 20 bars went anywhere."""

    TREND = "TREND"
    CHOP = "CHOP"
    UNKNOWN = "UNKNOWN"


class Volatility(StrEnum):
    """ATR14 against its median of this time of day."""

    LOW = "LOW"
    NORMAL = "NORMAL"
    HIGH = "HIGH"
    UNKNOWN = "UNKNOWN"

    @property
    def bucket(self) -> int:
        """Number of the calibration maps' bucket (docs/kernel.md, section 8): unknown counts as normal there."""
        return _BUCKET[self]


_BUCKET: Final = {Volatility.LOW: 0, Volatility.NORMAL: 1, Volatility.HIGH: 2, Volatility.UNKNOWN: 1}


class Regime(NamedTuple):
    """Both answers about one moment."""

    trend: Trend
    volatility: Volatility

    @property
    def key(self) -> str:
        """One word for outcomes and reports, such as `CHOP-HIGH`."""
        return f"{self.trend.value}-{self.volatility.value}"


def classify(noise: float | None, atr_14_n: float | None) -> Regime:
    """The regime of two signals as the kernel has them: `noise` 0..1, `atr_14_n` 0..1 (a third of the ratio).

    None is a signal without a value: that half of the answer is UNKNOWN.
    """
    return Regime(_trend(noise), _volatility(atr_14_n))


def _trend(noise: float | None) -> Trend:
    if noise is None:
        return Trend.UNKNOWN
    return Trend.TREND if noise <= NOISE_MAX else Trend.CHOP


def _volatility(atr_14_n: float | None) -> Volatility:
    if atr_14_n is None:
        return Volatility.UNKNOWN
    ratio = atr_14_n * _ATR_N_SPAN
    if ratio < LOW_ATR_N:
        return Volatility.LOW
    return Volatility.HIGH if ratio > HIGH_ATR_N else Volatility.NORMAL
