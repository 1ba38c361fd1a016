"""Reading a log: runs of ticks straight from the mapping, messages one by one (the rules stand in log_walk.py)."""

import contextlib
import mmap
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import msgspec

from trading_bot.core import log_segments as layout
from trading_bot.core.log_walk import TICKS_PER_SPAN, MessageFrame, SegmentEnd, SegmentSource, TickSpan, Walk
from trading_bot.domain.errors import UsageError
from trading_bot.domain.records import FRAME_ALIGN, FrameKind

__all__ = [
    "FileSegment",
    "Frame",
    "LogReader",
    "MemorySegment",
    "MessageFrame",
    "SegmentEnd",
    "TickSpan",
    "segment_paths",
]


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One record of any kind; a market record's `payload` is its whole 64 bytes."""

    seq: int
    kind: int
    cls: int
    ts_ns: int
    instrument: int
    cause_seq: int
    payload: memoryview


class FileSegment:
    """A segment file, mapped read-only."""

    def __init__(self, path: Path, index: int) -> None:
        self.name = path.name
        self.index = index
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        # Length 0 maps the size the file has at that moment: a live log's shrinks when it is sealed.
        empty = os.fstat(self._file).st_size == 0
        self.data = memoryview(b"" if empty else mmap.mmap(self._file, 0, prot=mmap.PROT_READ))

    def size_bytes(self) -> int:
        """Present size of the file, as far as it is mapped: one looked at while it was created has nothing yet."""
        return min(len(self.data), os.fstat(self._file).st_size)

    def read(self, offset: int, size: int) -> bytes:
        """A copy of up to `size` bytes."""
        return os.pread(self._file, max(0, min(size, len(self.data) - offset)), offset)

    def close(self) -> None:
        """Closes the file; the mapping lives as long as views of it."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class MemorySegment:
    """A segment in anonymous memory."""

    def __init__(self, name: str, index: int, data: memoryview) -> None:
        self.name = name
        self.index = index
        self.data = data

    def size_bytes(self) -> int:
        """Size of the memory."""
        return len(self.data)

    def read(self, offset: int, size: int) -> bytes:
        """A copy of up to `size` bytes."""
        return bytes(self.data[offset : offset + size])

    def close(self) -> None:
        """Nothing to give up."""


def segment_paths(path: Path) -> list[tuple[int, Path]]:
    """The segment files of a log directory, by index. Raises UsageError when `path` is not a directory."""
    if not path.is_dir():
        raise UsageError(f"{path} is not a log directory; expected a folder with {layout.segment_name(1)}")
    found = [(layout.segment_index(entry.name), entry) for entry in path.iterdir()]
    return sorted((index, entry) for index, entry in found if index is not None)


class LogReader:
    """Reads one log directory in order.

    After an iteration has ended, `segments` and the properties under it tell where the log ends and what was dropped.
    `live` leaves out the search behind the last record, which only matters after a crash.
    `check_digests` hashes every sealed segment as well (verification; about 40 ns per record).
    """

    def __init__(self, path: Path | str, *, live: bool = False, check_digests: bool = False) -> None:
        self.path = Path(path)
        self.live = live
        self.check_digests = check_digests
        paths = segment_paths(self.path)
        if not paths:
            raise UsageError(f"{path} holds no log segment; expected {layout.segment_name(1)}")
        opened: list[SegmentSource] = []
        for index, entry in paths:
            # A segment prepared ahead disappears when its log is closed; any other gap is found by the walk.
            with contextlib.suppress(FileNotFoundError):
                opened.append(FileSegment(entry, index))
        self.sources: Sequence[SegmentSource] = opened
        self.segments: list[SegmentEnd] = []

    @classmethod
    def over(cls, sources: Sequence[SegmentSource]) -> Self:
        """A reader over segments in memory."""
        reader = cls.__new__(cls)
        reader.path, reader.live, reader.check_digests = Path("(memory)"), True, False
        reader.sources, reader.segments = sources, []
        return reader

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the files; spans and payloads already handed out stay valid."""
        for source in self.sources:
            source.close()

    @property
    def last_seq(self) -> int:
        """Number of the last good record; 0 when there is none."""
        return self.segments[-1].last_seq if self.segments else 0

    @property
    def torn_bytes(self) -> int:
        """Bytes of the record, or records, whose writing was cut short."""
        return sum(end.torn_bytes for end in self.segments)

    @property
    def closed(self) -> bool:
        """Whether the log ends with the seal of an orderly end."""
        return bool(self.segments) and self.segments[-1].final

    def spans(self, start_seq: int = 1, max_ticks: int = TICKS_PER_SPAN) -> Iterator[TickSpan | MessageFrame]:
        """Everything from `start_seq` on: ticks in runs of up to `max_ticks`, messages singly.

        Segments that end before `start_seq` are not read. Raises LogCorrupt at the first record that is damaged, after
        everything before it was yielded; UsageError for a log of a newer build.
        """
        walk = Walk(self.sources, max_ticks=max_ticks, live=self.live, check_digests=self.check_digests)
        self.segments = walk.ends
        for item in walk.run(start_seq):
            if isinstance(item, MessageFrame):
                if item.seq >= start_seq:
                    yield item
            elif item.first_seq >= start_seq:
                yield item
            elif item.first_seq + item.count > start_seq:
                skip = start_seq - item.first_seq
                yield TickSpan(start_seq, item.count - skip, item.buffer[skip * FRAME_ALIGN :])

    def frames(self, start_seq: int = 1) -> Iterator[Frame]:
        """Everything from `start_seq` on, one record at a time. Raises as `spans`."""
        for item in self.spans(start_seq):
            if isinstance(item, MessageFrame):
                yield Frame(
                    item.seq, FrameKind.MESSAGE, item.cls, item.ts_ns, item.instrument, item.cause_seq, item.payload
                )
                continue
            for offset in range(0, item.count * FRAME_ALIGN, FRAME_ALIGN):
                record = item.buffer[offset : offset + FRAME_ALIGN]
                head = layout.frame_head(record)
                yield Frame(head.seq, head.kind, head.cls, head.ts_ns, head.instrument, 0, record)
