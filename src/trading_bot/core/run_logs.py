"""Where a run's session logs go: a folder per run, a log per trading session inside; or memory."""

from pathlib import Path
from typing import Protocol

from trading_bot.core.event_log import EventLog, LogWriter, MemoryLog, SyncThread
from trading_bot.domain.errors import BotError


class SessionLog(Protocol):
    """One open session log."""

    writer: LogWriter

    @property
    def space_ok(self) -> bool:
        """Whether the next segment could be prepared."""

    @property
    def is_short(self) -> bool:
        """Whether it is time for the appending thread to see to the next segment itself."""

    def append_message(self, cls: int, ts_ns: int, instrument: int, cause_seq: int, payload: bytes) -> int:
        """Append a record and return its number."""

    def maintain(self) -> int:
        """Seal what is full and prepare the next segment."""

    def close(self) -> None:
        """Orderly end."""


class MemoryLogs:
    """Logs that live as long as the process: what `BotRunner()` starts with."""

    def __init__(self) -> None:
        """No log yet."""
        self.path: Path | None = None

    def create(self, _trade_date: int) -> SessionLog:
        """A log in memory."""
        return MemoryLog()

    def adopt(self, _log: EventLog) -> None:
        """Memory cannot be continued by another process, so nothing is ever adopted."""

    def release(self, log: SessionLog) -> None:
        """End a session's log."""
        log.close()

    def failure(self) -> BaseException | None:
        """Memory does not fail."""
        return None

    def waits_s(self) -> float:
        """Nor does it let anybody wait."""
        return 0.0


class FolderLogs:
    """Logs under `<run folder>/<trade date>/`, synced every `sync_s` off the hot thread."""

    def __init__(self, path: Path, *, run_id: str, segment_bytes: int, sync_s: float) -> None:
        """`segment_bytes` per file; `sync_s` seconds between syncs."""
        self.path: Path | None = path
        self.log_name = ""  # of the log that is open, or was last
        self._folder = path
        self._log_id = run_id.encode()
        self._segment_bytes = segment_bytes
        self._sync_s = sync_s
        self._thread: SyncThread | None = None

    def create(self, trade_date: int) -> SessionLog:
        """A new log for a trade date (0 when the calendar does not know it).

        Raises:
            LogFull: the disk has no room for a segment.
        """
        name, number = f"{trade_date:08d}", 1
        while (self._folder / name).exists():  # a halted run that goes on within the same session
            number += 1
            name = f"{trade_date:08d}-{number:02d}"
        log = EventLog.create(self._folder / name, self._log_id, self._segment_bytes, ahead=False)
        self.adopt(log)
        return log

    def adopt(self, log: EventLog) -> None:
        """Sync a log from now on."""
        self.log_name = log.path.name
        self._thread = SyncThread(log, self._sync_s)
        self._thread.start()

    def release(self, log: SessionLog) -> None:
        """Stop syncing, seal and close.

        Raises:
            BotError: the disk does not answer, or does not take the seal; the log is let go as it is.
        """
        if self._thread is not None:
            self._thread.stop()
            self._thread = None
        try:
            log.close()
        except OSError as error:
            if isinstance(log, EventLog):
                log.abandon()
            raise BotError(
                f"{self.path}: the log could not be sealed: {error.strerror}; the next start does"
            ) from error

    def failure(self) -> BaseException | None:
        """What ended the sync thread, if anything did."""
        return self._thread.failure if self._thread else None

    def waits_s(self) -> float:
        """How long the disk has not answered the sync that is under way, seconds of the wall; 0 without one."""
        return self._thread.waits_s if self._thread else 0.0
