"""One segment file of a log being written: allocated, mapped, prefaulted, made durable, closed (docs/event-log.md)."""

import mmap
import os
from pathlib import Path
from typing import Final, Self

from trading_bot._fast.logsegment import Segment
from trading_bot.core import log_segments as layout
from trading_bot.core.log_verify import sync_directory

# Kept writable before the writer: what 100 000 records a second fill between two syncs, and some more.
AHEAD_BYTES: Final = 512 * 1024


class SegmentFile:
    """A segment file this process writes: descriptor, mapping, and the writer's view of it.

    Bytes before `synced_bytes` are durable, but for the chain while `chain_dirty`. `syncs` under way keep the mapping:
    a segment that is closed meanwhile is let go by the last of them. The owner guards `syncs` and `close` by one lock.
    """

    def __init__(self, path: Path, file: int, index: int, size_bytes: int) -> None:
        """Maps the open file `file`, whose bytes are all allocated."""
        self.path = path
        self.file = file
        self.mapping = mmap.mmap(file, size_bytes)
        self.segment = Segment(self.mapping, index)
        self.synced_bytes = 0
        self.chain_dirty = False
        self.syncs = 0
        self.rest_due = False
        self._closing = False

    @classmethod
    def allocate(cls, path: Path, index: int, size_bytes: int, log_id: bytes, *, whole: bool = True) -> Self:
        """A new file for segment `index`, with the header but for its number. Raises OSError without room for it.

        All its pages are prefaulted, or with `whole` False the first ones (`prefault_rest` does the others).
        """
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            # Every block is there before the first append: a full disk shows here, never as a fault in the mapping.
            os.posix_fallocate(file, 0, size_bytes)
            os.pwrite(file, layout.header_template(index, size_bytes, log_id), 0)
            made = cls(path, file, index, size_bytes)
            if whole:
                made.segment.prefault(layout.RECORDS_START_BYTES)
            else:
                made.segment.make_writable(0, AHEAD_BYTES)
                made.rest_due = True
            sync_directory(path.parent)
        except BaseException:
            os.close(file)
            path.unlink()
            raise
        return made

    @classmethod
    def continued(cls, path: Path, index: int, size_bytes: int, used_bytes: int) -> Self:
        """A file that holds `used_bytes` already, at its full size again. Raises OSError without room for it."""
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.posix_fallocate(file, 0, size_bytes)
            made = cls(path, file, index, size_bytes)
            made.segment.prefault(used_bytes)
        except OSError:
            os.close(file)
            raise
        return made

    def prefault_rest(self) -> None:
        """What `allocate` left. The writer may be appending: no byte is changed."""
        if self.rest_due:
            self.rest_due = False
            self.segment.make_writable(AHEAD_BYTES, self.segment.size_bytes)

    def store_chain(self, digest: bytes, last_seq: int) -> None:
        """Writes the chain frame, in use or not: crc and length last, for a reader that looks now."""
        frame = layout.chain_frame(digest, last_seq)
        start = layout.CHAIN_OFFSET
        self.mapping[start + 8 : start + len(frame)] = frame[8:]
        self.mapping[start : start + 8] = frame[:8]
        self.chain_dirty = True

    def sync(self, end_bytes: int) -> None:
        """Makes the bytes before `end_bytes` durable, those written since the last time. Waits for the disk."""
        head, self.chain_dirty = self.chain_dirty, False
        try:
            self.segment.write_back(0 if head else self.synced_bytes, end_bytes)
        except OSError:
            self.chain_dirty |= head
            raise
        self.synced_bytes = max(self.synced_bytes, end_bytes)

    def keep_writable(self, end_bytes: int) -> None:
        """Takes the page faults of what the writer reaches next: a page that was written back is write-protected."""
        self.segment.make_writable(end_bytes, AHEAD_BYTES)

    def close(self) -> None:
        """Lets go of it, or leaves that to the syncs under way."""
        self._closing = True
        if not self.syncs:
            self.segment.release()
            self.mapping.close()
            os.close(self.file)

    def end_sync(self) -> None:
        """A sync that was counted in `syncs` is over."""
        self.syncs -= 1
        if self._closing:
            self.close()
