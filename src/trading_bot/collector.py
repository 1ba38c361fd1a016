"""Python's garbage collector: quiet while a session's log is open, at work between two sessions.

A full collection over what a session holds takes a tenth of a second, at a moment nobody chose. So what is there when a
session begins is set aside (`gc.freeze`) and nothing is collected until its log is closed; then the day's garbage goes.
What the core makes on the way to an order refers to nothing in circles and needs no collector.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trading_bot.core.event_log import EventLog
from trading_bot.core.run_logs import FolderLogs, SessionLog
from trading_bot.machine_setup import ANYWHERE, MachinePlan, keep_off


class QuietLogs(FolderLogs):
    """Logs on disk that hold the collector back while one of them is open, and sync off the trading thread's core."""

    def __init__(
        self, path: Path, *, run_id: str, segment_bytes: int, sync_s: float, plan: MachinePlan = ANYWHERE
    ) -> None:
        """As `FolderLogs`; `plan` says which cores the threads that sync may have."""
        super().__init__(path, run_id=run_id, segment_bytes=segment_bytes, sync_s=sync_s)
        self._plan = plan

    def adopt(self, log: EventLog) -> None:
        """Sync a log from now on; no collection until it is released."""
        super().adopt(log)
        keep_off(self._plan)
        gc.freeze()
        gc.disable()

    def release(self, log: SessionLog) -> None:
        """Stop syncing, seal and close; then collect. Raises BotError when the disk does not answer."""
        super().release(log)
        gc.enable()
        gc.collect()


@contextmanager
def collector_restored() -> Iterator[None]:
    """Leaves the collector as it was found, however a run ends."""
    was = gc.isenabled()
    try:
        yield
    finally:
        gc.unfreeze()
        if was:
            gc.enable()
        else:
            gc.disable()
