"""How long a tick waits for its decision, and how late the loop is: what the latency check is told (spec 8.1, 21)."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from trading_bot.adapters.ibkr.latency_watch import LatencyWatch

_KEPT_S: Final = 10.0  # one hiccup stays in the sample this long
_KEPT: Final = 1_000
_PERCENTILE: Final = 99
_US_PER_S: Final = 1e6
_LAG_EVERY_S: Final = 0.1
_LAGS_A_SAMPLE: Final = 10  # so that latency is told once a second


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

    def took(self, heard_s: float) -> None:
        """The core has decided, at once, on what came at `heard_s`."""
        now_s = self._now_s()
        self._taken.append((now_s, now_s - heard_s))

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


class LatencyTimer:
    """A timer that shows by its lateness how long the loop stood still; each second it tells what was measured."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        meter: LatencyMeter,
        tell: Callable[[float, float], None],
        watch: LatencyWatch,
    ) -> None:
        """`tell` gets tick to decision and the loop's lag, in microseconds; `watch` looks each tenth of a second."""
        self.started = False
        self._loop = loop
        self._meter = meter
        self._tell = tell
        self._watch = watch
        self._count = 0

    def start(self) -> None:
        """Measure from now on; once."""
        if not self.started:
            self.started = True
            self._watch.start()
            self._again()

    def _again(self) -> None:
        due_s = self._loop.time() + _LAG_EVERY_S
        self._loop.call_at(due_s, self._measure, due_s)

    def _measure(self, due_s: float) -> None:
        late_s = self._loop.time() - due_s
        self._meter.late(late_s)
        self._watch.look(late_s)
        self._count += 1
        if self._count % _LAGS_A_SAMPLE == 0:
            self._tell(*self._meter.sample())
        self._again()
