"""The gateway's own time, which a bot beside it follows with `--clock feed`."""

import time
from typing import Final

NS_PER_S: Final = 1_000_000_000


class GatewayClock:
    """Market time: a start, and a speed in market seconds a second. It stands still until `begin`."""

    def __init__(self, start_ns: int, speed: float) -> None:
        """`start_ns` since the epoch (UTC), above 0; `speed` above 0, 1.0 is real time."""
        self.start_ns = start_ns
        self.speed = speed
        self._began_ns: int | None = None

    @property
    def begun(self) -> bool:
        """Does it run?"""
        return self._began_ns is not None

    def begin(self) -> None:
        """Run from now on; a second call changes nothing."""
        if self._began_ns is None:
            self._began_ns = time.monotonic_ns()

    def step(self, ahead_ns: int) -> None:
        """Market time jumps `ahead_ns` ahead, 0 or more: what was due in between happens at once.

        Raises ValueError for a step back: market time never decreases.
        """
        if ahead_ns < 0:
            raise ValueError(f"a clock was to step {ahead_ns} ns back; expected 0 or more")
        if self._began_ns is None:
            self.start_ns += ahead_ns
        else:
            self._began_ns -= int(ahead_ns / self.speed)

    def now_ns(self) -> int:
        """Market time in ns since the epoch, never decreasing."""
        if self._began_ns is None:
            return self.start_ns
        return self.start_ns + int((time.monotonic_ns() - self._began_ns) * self.speed)

    def now_s(self) -> int:
        """The whole second of now, since the epoch: what the protocol's stamps carry."""
        return self.now_ns() // NS_PER_S

    def wall_s_until(self, ts_ns: int) -> float:
        """Wall seconds until market time `ts_ns`; 0.0 when it has passed."""
        return max(0.0, (ts_ns - self.now_ns()) / self.speed / NS_PER_S)
