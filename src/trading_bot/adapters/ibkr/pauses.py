"""What Python's garbage collector did: nothing, while a session's log is open (`collector.py`); if it did, how long."""

import gc
import time


class Pauses:
    """Collections since they were last taken, and the longest of them in ns of wall time."""

    def __init__(self) -> None:
        """Counts from `start` on."""
        self._began_ns = self._count = self._longest_ns = 0
        self._started = False

    def start(self) -> None:
        """Listen to the collector; once."""
        if not self._started:
            self._started = True
            gc.callbacks.append(self._on_phase)

    def close(self) -> None:
        """Listen no more. A second call does nothing."""
        if self._started:
            self._started = False
            gc.callbacks.remove(self._on_phase)

    def take(self) -> tuple[int, int]:
        """How many since the last call, and the longest of them."""
        taken = self._count, self._longest_ns
        self._count = self._longest_ns = 0
        return taken

    def _on_phase(self, phase: str, _info: dict[str, int]) -> None:
        if phase == "start":
            self._began_ns = time.monotonic_ns()
        elif self._began_ns:
            self._count += 1
            self._longest_ns = max(self._longest_ns, time.monotonic_ns() - self._began_ns)
