"""How long a tick waits for its decision, and how late the loop is: what the latency check is told (spec 8.1, 21)."""

from collections import deque
from collections.abc import Callable
from typing import Final

_KEPT_S: Final = 10.0  # one hiccup stays in the sample this long
_KEPT: Final = 1_000
_PERCENTILE: Final = 99
_US_PER_S: Final = 1e6


class LatencyMeter:
    """From the first thing heard in a turn of the loop to the next turn: by then the core has decided on all of it."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        """`now_s` is wall time, monotonic."""
        self._now_s = now_s
        self._heard_s: float | None = None
        self._taken: deque[tuple[float, float]] = deque(maxlen=_KEPT)  # when, how long
        self._late_s = 0.0

    def heard(self) -> None:
        """Something came for the core."""
        if self._heard_s is None:
            self._heard_s = self._now_s()

    def decided(self) -> None:
        """The core has taken everything that came."""
        if self._heard_s is not None:
            now_s = self._now_s()
            self._taken.append((now_s, now_s - self._heard_s))
            self._heard_s = None

    def late(self, late_s: float) -> None:
        """A timer of the loop came that much after its time."""
        self._late_s = max(self._late_s, late_s)

    def sample(self) -> tuple[float, float]:
        """99th percentile of tick to decision over the last 10 s, and the loop's largest delay since the last sample.

        Both in microseconds; 0 where nothing happened. Of fewer than 100 decisions the percentile is the largest.
        """
        oldest_s = self._now_s() - _KEPT_S
        while self._taken and self._taken[0][0] < oldest_s:
            self._taken.popleft()
        took = sorted(took_s for _, took_s in self._taken)
        late_s, self._late_s = self._late_s, 0.0
        rank = -(-len(took) * _PERCENTILE // 100)  # nearest rank, rounded up
        decision_s = took[rank - 1] if took else 0.0
        return decision_s * _US_PER_S, late_s * _US_PER_S
