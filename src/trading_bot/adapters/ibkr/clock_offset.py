"""How far the gateway's clock is from ours, from answers in whole seconds (reqCurrentTime): feature MO10.

An answer S, given somewhere between our asking and our hearing it, bounds the difference to a second and the time the
answer took. The next question is asked when the gateway's clock should be just turning to a full second, so that its
answer halves what is left: a dozen answers make a second into milliseconds.
"""

from typing import Final

from trading_bot.domain.units import NS_PER_S

DRIFT_PPM: Final = 200  # how fast two clocks may part between two answers; more than any quartz does
_PPM: Final = 1_000_000


class ClockOffset:
    """Bounds of the gateway's time minus ours, in ns of market time."""

    def __init__(self) -> None:
        """Nothing was asked yet."""
        self.low_ns: int | None = None
        self.high_ns: int | None = None
        self.steps = 0  # answers that no drift explains: one of the clocks was set
        self._heard_ns = 0

    def heard(self, sent_ns: int, received_ns: int, second: int) -> int:
        """The gateway said `second` (since 1970) between two moments of our clock.

        Returns:
            0, or by how much its clock has stepped, as far as that is certain.
        """
        low_ns, high_ns = second * NS_PER_S - received_ns, (second + 1) * NS_PER_S - sent_ns
        if self.low_ns is None or self.high_ns is None:
            self.low_ns, self.high_ns, self._heard_ns = low_ns, high_ns, received_ns
            return 0
        drift_ns = max(received_ns - self._heard_ns, 0) * DRIFT_PPM // _PPM
        before_low_ns, before_high_ns = self.low_ns - drift_ns, self.high_ns + drift_ns
        self._heard_ns = received_ns
        if low_ns > before_high_ns or high_ns < before_low_ns:
            self.low_ns, self.high_ns = low_ns, high_ns
            self.steps += 1
            return low_ns - before_high_ns if low_ns > before_high_ns else high_ns - before_low_ns
        self.low_ns, self.high_ns = max(low_ns, before_low_ns), min(high_ns, before_high_ns)
        return 0

    def early_ns(self, at_ns: int) -> int:
        """How long before `at_ns` of our clock a question is worth most: less than a second of market time."""
        if self.low_ns is None or self.high_ns is None:
            return 0
        return (at_ns + (self.low_ns + self.high_ns) // 2) % NS_PER_S
