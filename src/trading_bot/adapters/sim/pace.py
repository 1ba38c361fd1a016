"""A simulated market at a chosen speed, so that a person can follow it. What is in it does not change."""

import time
from typing import Any

from trading_bot.adapters.sim.market import SimFeed
from trading_bot.domain.records import FRAME_ALIGN, FRAME_HEADER

_NAP_S = 0.02  # so that a signal or a command is heard soon


class PacedFeed:
    """Gives a batch when its market time has come: `speed` market seconds a second, from the first batch on."""

    def __init__(self, feed: SimFeed, speed: float) -> None:
        """`speed` is above 0."""
        self._feed = feed
        self._speed = speed
        self._held: memoryview | None = None
        self._first_ns = 0
        self._first_clock_s = 0.0

    @property
    def resolution_ns(self) -> int:
        """Step of the event stamps."""
        return self._feed.resolution_ns

    @property
    def rejected_by_reason(self) -> dict[str, int]:
        """Records refused at the door, by reason."""
        return self._feed.rejected_by_reason

    @property
    def description(self) -> dict[str, Any]:
        """What it reads."""
        return self._feed.description

    def first_ts_ns(self) -> int | None:
        """Receive time of the first record; None without any."""
        return self._feed.first_ts_ns()

    def skip_records(self, count: int) -> None:
        """Pass over records a log already holds, at once."""
        self._feed.skip_records(count)

    def read(self) -> memoryview | None:
        """The next batch if its time has come, else an empty one after a short nap; None at the end."""
        if self._held is None:
            self._held = self._feed.read()
            if self._held is None:
                return None
        # A batch is due with its last record: nothing is known before it happened.
        count = len(self._held) // FRAME_ALIGN
        ts_ns: int = FRAME_HEADER.unpack_from(self._held, (count - 1) * FRAME_ALIGN)[7]
        if not self._first_ns:
            self._first_ns = FRAME_HEADER.unpack_from(self._held)[7]
            self._first_clock_s = time.monotonic()
        wait_s = (ts_ns - self._first_ns) / 1e9 / self._speed - (time.monotonic() - self._first_clock_s)
        if wait_s > 0:
            time.sleep(min(wait_s, _NAP_S))
            if wait_s > _NAP_S:
                return memoryview(b"")
        batch, self._held = self._held, None
        return batch
