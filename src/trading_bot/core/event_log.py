"""The shell's side of the event log: files, disk space, durability. Appending itself is `_fast/logwriter.pyx`.

One thread appends through `EventLog.writer`; the methods here may be called by that thread or by others
(`SyncThread`). docs/event-log.md states the format and what is lost when.
"""

import contextlib
import errno
import mmap
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Self

from trading_bot._fast.logsegment import Segment
from trading_bot._fast.logwriter import LogFull, LogWriter
from trading_bot.core import log_segments as layout
from trading_bot.core.log_reader import Frame, LogReader, MessageFrame, SegmentEnd, TickSpan
from trading_bot.core.log_verify import (
    RecoverReport,
    VerifyReport,
    lock_directory,
    recover,
    repair,
    seal_file,
    sync_directory,
    verify,
)
from trading_bot.core.memory_log import MemoryLog
from trading_bot.core.segment_file import SegmentFile
from trading_bot.domain.errors import BotError, UsageError

__all__ = [
    "EventLog",
    "Frame",
    "LogFull",
    "LogReader",
    "LogWriter",
    "MemoryLog",
    "MessageFrame",
    "RecoverReport",
    "SegmentEnd",
    "SyncThread",
    "TickSpan",
    "VerifyReport",
    "recover",
    "verify",
]

SYNC_PERIOD_S: Final = 0.05
NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class EventLog:
    """A log on disk, open for appending. `recovery` says what was found when it was opened again, None for a new one.

    `space_ok` is False while the next segment cannot be allocated: time to stop entries. Ticks are then refused 64 KiB
    before the end of the current segment, messages at the end.
    """

    def __init__(self, path: Path, lock: int, log_id: bytes, segment_bytes: int, writer: LogWriter) -> None:
        self.path = path
        self.log_id = log_id
        self.segment_bytes = segment_bytes
        self.writer = writer
        self.recovery: RecoverReport | None = None
        self.space_error: str | None = None
        self._lock_file = lock
        self._files: dict[int, SegmentFile] = {}
        self._to_seal: list[Segment] = []
        self._current: Segment | None = None  # what close() still has to seal
        self._next_index = 1
        self._mutex = threading.RLock()  # one shell call at a time, except sync
        self._table = threading.Lock()  # guards _files; never held while the disk works
        self._closed = False

    @classmethod
    def create(
        cls,
        path: Path | str,
        log_id: bytes,
        segment_bytes: int = layout.SEGMENT_BYTES_DEFAULT,
        *,
        ahead: bool = True,
    ) -> Self:
        """Starts a new log in `path` (made if absent) with its first segment and the next one prepared.

        With `ahead` False preparing is left to `maintain`, which a `SyncThread` calls as soon as it starts.

        `log_id` 1 to 32 bytes; `segment_bytes` a multiple of 4096, at least 64 KiB. Raises UsageError when `path` holds
        a log already or cannot be used, LogFull when the disk has no room for the first segment.
        """
        folder = Path(path)
        if segment_bytes < layout.SEGMENT_BYTES_MIN or segment_bytes % mmap.PAGESIZE:
            raise UsageError(
                f"segment_bytes is {segment_bytes}; expected a multiple of {mmap.PAGESIZE} "
                f"and at least {layout.SEGMENT_BYTES_MIN}"
            )
        folder.mkdir(parents=True, exist_ok=True)
        with _lock_for_good(folder) as lock:
            if any(layout.segment_index(entry.name) for entry in folder.iterdir()):
                raise UsageError(f"{folder} holds a log already; continue it with open_append or choose another folder")
            log = cls(folder, lock, log_id, segment_bytes, LogWriter())
            log._begin(layout.NO_DIGEST, whole=ahead)
        if ahead:
            log.prepare_next()
        return log

    @classmethod
    def open_append(cls, path: Path | str) -> Self:
        """Continues a log after its last good record, after `recover`.

        Raises LogCorrupt, UsageError (no log, an empty one, or one being written), LogFull (no room to go on).
        """
        folder = Path(path)
        with _lock_for_good(folder) as lock:
            recovery = repair(folder)
            end = recovery.end
            if end is None or end.header is None:
                raise UsageError(f"{folder} held no complete segment header, so no record; start a new log there")
            log = cls(folder, lock, end.header.log_id, end.header.segment_bytes, LogWriter(recovery.last_seq + 1))
            log.recovery = recovery
            log._next_index = end.index + 1
            if end.sealed:
                log._begin(end.digest)
            else:
                log._resume(end)
        log.prepare_next()
        return log

    @property
    def space_ok(self) -> bool:
        """Whether the last attempt to prepare a segment succeeded."""
        return self.space_error is None

    @property
    def is_short(self) -> bool:
        """Whether half of the segment is used and none waits: somebody else should have seen to it long ago.

        Sealing and preparing take a tenth of a second, in which the market would wait for the appending thread.
        """
        return not self.writer.has_prepared and self.writer.used_bytes > self.segment_bytes // 2

    def append_message(self, cls: int, ts_ns: int, instrument: int, cause_seq: int, payload: bytes) -> int:
        """`writer.append_message`, preparing a segment first when none is there. Shell only: it may touch the disk.

        Raises:
            LogFull: there is no room, and the disk gives none, for whatever reason.
        """
        try:
            return self.writer.append_message(cls, ts_ns, instrument, cause_seq, payload)
        except LogFull as full:
            try:
                self.maintain()
            except OSError as error:  # a disk that refuses gives as little room as a full one
                raise LogFull(f"{full}; {error}") from error
            return self.writer.append_message(cls, ts_ns, instrument, cause_seq, payload)

    def prepare_next(self) -> bool:
        """Allocates and prefaults the next segment if none waits; False (and `space_ok` False) without room for it."""
        with self._mutex:
            if self._closed or self.writer.has_prepared:
                return not self._closed
            try:
                opened = self._allocate(self._next_index)
            except OSError as error:
                self.space_error = f"{self.path / layout.segment_name(self._next_index)}: {error.strerror}"
                if error.errno in NO_SPACE:
                    return False
                raise
            self.space_error = None
            with self._table:
                self._files[self._next_index] = opened
            self._next_index += 1
            self.writer.offer(opened.segment)
            return True

    def maintain(self) -> int:
        """Seals the segments the writer has left, then prepares the next one; returns how many were sealed."""
        with self._mutex:
            sealed = self._seal_retired()
            for opened in list(self._files.values()):
                opened.prefault_rest()
            self.prepare_next()
            return sealed

    def sync(self) -> None:
        """Makes everything appended so far durable. Waits for the disk; neither writer nor sealing does.

        Only what was written since the last time is written back: a sync of the whole file would write-protect the
        pages prepared ahead as well, and the writer would take a fault at each of them.
        """
        index, end_bytes = self.writer.written
        with self._table:
            held = [opened for number, opened in sorted(self._files.items()) if number <= index]
            for opened in held:
                opened.syncs += 1
        try:
            for opened in held:
                if opened.segment.index == index:
                    opened.sync(end_bytes)
                    opened.keep_writable(end_bytes)
                else:
                    opened.sync(opened.segment.used_bytes)
        finally:
            with self._table:
                for opened in held:
                    opened.end_sync()

    def close(self) -> None:
        """Orderly end: seals what was written, cuts it to its records, removes the segment prepared ahead. Idempotent.

        Only the appending thread may call it, or another one after that thread stopped.
        """
        with self._mutex:
            if self._closed:
                return
            current, prepared = self.writer.finish()
            self._current = current or self._current
            if prepared is not None:
                self._discard(prepared.index)
            self._seal_retired()
            if (
                self._current is not None
                and self._current.index > 1
                and self._current.last_seq < self._current.first_seq
            ):
                self._discard(self._current.index)  # opened again and nothing written: the seal before it is the end
            elif self._current is not None:
                self._seal(self._current, final=True)
            self._let_go()
            sync_directory(self.path)

    def abandon(self) -> None:
        """Lets go of the files as they are, as a crash would: what was appended stays, the next start recovers it."""
        with self._mutex:
            if not self._closed:
                self.writer.finish()
                with self._table:
                    for opened in self._files.values():
                        opened.close()
                    self._files.clear()
                self._let_go()

    def _let_go(self) -> None:
        self._to_seal.clear()
        self._current = None
        self._closed = True
        os.close(self._lock_file)

    def _begin(self, previous_digest: bytes, *, whole: bool = True) -> None:
        """Allocates and starts the first segment this process writes."""
        index = self._next_index
        try:
            opened = self._allocate(index, whole=whole)
        except OSError as error:
            raise LogFull(
                f"{self.path / layout.segment_name(index)}: {error.strerror}; {self.segment_bytes} bytes are needed. "
                "Free disk space, or choose another data directory"
            ) from error
        opened.store_chain(previous_digest, self.writer.seq)
        self._files[index] = opened
        self._next_index = index + 1
        self.writer.offer(opened.segment)
        self.writer.begin()

    def _resume(self, end: SegmentEnd) -> None:
        """Maps the open segment again, at its full size."""
        path = self.path / end.name
        try:
            opened = SegmentFile.continued(path, end.index, self.segment_bytes, end.end_bytes)
        except OSError as error:
            raise LogFull(
                f"{path}: {error.strerror}; {self.segment_bytes} bytes are needed. Free disk space and start again"
            ) from error
        self._files[end.index] = opened
        self.writer.resume(opened.segment, end.end_bytes, end.first_seq)

    def _allocate(self, index: int, *, whole: bool = True) -> SegmentFile:
        path = self.path / layout.segment_name(index)
        return SegmentFile.allocate(path, index, self.segment_bytes, self.log_id, whole=whole)

    def _seal_retired(self) -> int:
        self._to_seal.extend(self.writer.take_retired())
        sealed = 0
        while self._to_seal:  # one that fails stays first, so that a later call tries it again
            self._seal(self._to_seal[0], final=False)
            self._to_seal.pop(0)
            sealed += 1
        return sealed

    def _seal(self, segment: Segment, *, final: bool) -> None:
        opened = self._files[segment.index]
        digest = seal_file(opened.file, segment.used_bytes, segment.last_seq, final=final)
        if not final:
            self._files[segment.index + 1].store_chain(digest, segment.last_seq)
        with self._table:
            del self._files[segment.index]
            opened.close()

    def _discard(self, index: int) -> None:
        with self._table:
            opened = self._files.pop(index)
            opened.close()
        opened.path.unlink()


class SyncThread:
    """Off the hot thread, every 50 ms: sync in one thread, seal and prepare in another; neither delays the other.

    An error ends both, stays in `failure` and is told to `on_failure` once, in the thread it happened in. No room on
    the disk is not an error here: `EventLog.space_ok` says it, and preparing is tried again each time.
    """

    def __init__(
        self,
        log: EventLog,
        period_s: float = SYNC_PERIOD_S,
        on_failure: Callable[[BaseException], None] | None = None,
    ) -> None:
        self.failure: BaseException | None = None
        self._log = log
        self._period_s = period_s
        self._on_failure = on_failure
        self._stop = threading.Event()
        self._failing = threading.Lock()
        self._sync_since_s: float | None = None
        self._threads = [
            threading.Thread(target=self._run, args=(work,), name=f"log-{work.__name__.strip('_')}", daemon=True)
            for work in (self._sync, log.maintain)
        ]

    def start(self) -> None:
        """Starts the threads, once."""
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Ends the threads after a last round. Raises BotError when the disk does not let them end in time."""
        self._stop.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(timeout_s)
            if thread.is_alive():
                raise BotError(
                    f"{thread.name} did not end within {timeout_s} s: the disk under {self._log.path} does not answer; "
                    "records after the last sync may be lost in a power cut"
                )

    @property
    def waits_s(self) -> float:
        """How long the sync under way has taken so far, in seconds of the wall; 0 between two."""
        since_s = self._sync_since_s
        return 0.0 if since_s is None else time.monotonic() - since_s

    def _sync(self) -> None:
        self._sync_since_s = time.monotonic()
        self._log.sync()
        self._sync_since_s = None

    def _run(self, work: Callable[[], object]) -> None:
        try:
            stopping = False
            while not stopping:
                work()
                stopping = self._stop.wait(self._period_s)
            work()
        except BaseException as error:  # noqa: BLE001 - told to the owner, whatever it is
            self._stop.set()
            with self._failing:
                if self.failure is not None:
                    return
                self.failure = error
            if self._on_failure is not None:
                self._on_failure(error)


@contextlib.contextmanager
def _lock_for_good(path: Path) -> Iterator[int]:
    """The writer's lock, kept unless the body fails."""
    with contextlib.ExitStack() as stack:
        lock = lock_directory(path)
        stack.callback(os.close, lock)
        yield lock
        stack.pop_all()
