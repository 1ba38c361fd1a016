"""Seeded draws for plans and faults: draw n of a stream is a function of the stream's key and n alone."""

from typing import Final

from trading_bot._fast.marketgen import draw_u64

_MASK: Final = (1 << 64) - 1
_LANE: Final = (1 << 16) - 1
# Standard deviation of the sum of four 16-bit lanes, in thousandths.
_LANES_SD_MILLI: Final = 37_837_227


def stream_key(seed: int, *labels: int) -> int:
    """Key of a stream: one seed and different labels give streams that have nothing to do with each other."""
    key = seed & _MASK
    for label in labels:
        key = draw_u64(key ^ 0x51ED_270B_0A5F_2C4D, (label & _MASK) + 1)
    return key


class Draws:
    """Whole numbers from one stream, in order."""

    def __init__(self, seed: int, *labels: int) -> None:
        self._key = stream_key(seed, *labels)
        self._count = 0

    def bits(self) -> int:
        """64 random bits."""
        self._count += 1
        return draw_u64(self._key, self._count)

    def below(self, bound: int) -> int:
        """A whole number in 0 .. bound − 1."""
        return self.bits() * bound >> 64

    def between(self, low: int, high: int) -> int:
        """A whole number in low .. high."""
        return low + self.below(high - low + 1)

    def chance(self, per_mille: int) -> bool:
        """Whether something happens that does so `per_mille` times in a thousand."""
        return self.below(1000) < per_mille

    def normal(self, sd: int) -> int:
        """About normal around 0, cut at 3.46 standard deviations."""
        bits = self.bits()
        total = (bits & _LANE) + (bits >> 16 & _LANE) + (bits >> 32 & _LANE) + (bits >> 48) - 2 * _LANE
        return total * sd * 1000 // _LANES_SD_MILLI
