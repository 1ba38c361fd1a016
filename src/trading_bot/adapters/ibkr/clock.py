"""Receive time (architecture law 3): the system's, or for a gateway simulator that runs fast, the gateway's own."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from trading_bot.domain.units import NS_PER_S

_SYSTEM_SPEED: Final = 1.0
_SAMPLES: Final = 25


class Clock(Protocol):
    """Market time and wall time. Neither ever runs backwards."""

    @property
    def speed(self) -> float:
        """Market seconds in one second of wall time."""

    def now_ns(self) -> int:
        """Market time, ns since the Unix epoch (UTC)."""

    def wall_s(self) -> float:
        """Wall time in seconds from an arbitrary beginning, for deadlines, pacing and back-off."""

    @property
    def line(self) -> tuple[int, int, float]:
        """Market time as a line over the monotonic clock: (ns at its beginning, that beginning in ns, speed)."""


class SystemClock:
    """One reading of the wall clock, then the monotonic clock: steps of the system's time do not reach the run."""

    speed = _SYSTEM_SPEED

    def __init__(self) -> None:
        """Anchored now."""
        self._offset_ns = time.time_ns() - time.monotonic_ns()

    @property
    def line(self) -> tuple[int, int, float]:
        """As the protocol says."""
        return self._offset_ns, 0, _SYSTEM_SPEED

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

    @property
    def line(self) -> tuple[int, int, float]:
        """As the protocol says."""
        return self._at_ns, self._begin_ns, self.speed

    def now_ns(self) -> int:
        """Market time, ns."""
        return self._at_ns + round((time.monotonic_ns() - self._begin_ns) * self.speed)

    def wall_s(self) -> float:
        """Wall time, seconds."""
        return time.monotonic_ns() / NS_PER_S


async def read_gateway_clock(current_time: Callable[[], Awaitable[int]], speed: float) -> FeedClock:
    """A gateway's clock from what it answers in whole seconds: each answer bounds it, many bound it closely."""
    low_ns, high_ns = -(2**63), 2**63
    for number in range(_SAMPLES):
        sent_ns = time.monotonic_ns()
        second = await current_time()
        low_ns = max(low_ns, second * NS_PER_S - round(time.monotonic_ns() * speed))
        high_ns = min(high_ns, (second + 1) * NS_PER_S - round(sent_ns * speed))
        # Uneven, so that the answers do not fall on one phase of the gateway's second; below its limit of messages.
        await asyncio.sleep(0.021 + 0.0007 * (number % 9))
    return FeedClock((low_ns + high_ns) // 2, speed, monotonic_ns=0)
