"""Receive time (architecture law 3): the system's, or for a gateway simulator that runs fast, the gateway's own."""

import time
from typing import Final, Protocol

from trading_bot.domain.units import NS_PER_S

_SYSTEM_SPEED: Final = 1.0


class Clock(Protocol):
    """Market time and wall time. Neither ever runs backwards."""

    @property
    def speed(self) -> float:
        """Market seconds in one second of wall time."""

    def now_ns(self) -> int:
        """Market time, ns since the Unix epoch (UTC)."""

    def wall_s(self) -> float:
        """Wall time in seconds from an arbitrary beginning, for deadlines, pacing and back-off."""


class SystemClock:
    """One reading of the wall clock, then the monotonic clock: steps of the system's time do not reach the run."""

    speed = _SYSTEM_SPEED

    def __init__(self) -> None:
        """Anchored now."""
        self._offset_ns = time.time_ns() - time.monotonic_ns()

    def now_ns(self) -> int:
        """Market time, ns."""
        return self._offset_ns + time.monotonic_ns()

    def wall_s(self) -> float:
        """Wall time, seconds."""
        return time.monotonic()


class FeedClock:
    """The gateway's time at one moment, and from there `speed` times the time that has passed."""

    def __init__(self, at_ns: int, speed: float, *, monotonic_ns: int | None = None) -> None:
        """`at_ns` is the gateway's time when the monotonic clock showed `monotonic_ns` (now when None)."""
        if speed <= 0:
            raise ValueError(f"a clock's speed is {speed}; expected more than 0")
        self.speed = speed
        self._at_ns = at_ns
        self._begin_ns = time.monotonic_ns() if monotonic_ns is None else monotonic_ns

    def now_ns(self) -> int:
        """Market time, ns."""
        return self._at_ns + round((time.monotonic_ns() - self._begin_ns) * self.speed)

    def wall_s(self) -> float:
        """Wall time, seconds."""
        return time.monotonic_ns() / NS_PER_S
