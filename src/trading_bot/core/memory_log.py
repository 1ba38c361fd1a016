"""The event log in memory, for a bot without a data directory and for tests: the same writer, frames and reader."""

from typing import Final

from trading_bot._fast.logsegment import Segment
from trading_bot._fast.logwriter import LogFull, LogWriter
from trading_bot.core import log_segments as layout
from trading_bot.core.log_reader import LogReader, MemorySegment

MEMORY_SEGMENT_BYTES: Final = 16 * 1024 * 1024


class MemoryLog:
    """A log that ends with the process. It grows by segments and is never sealed; the methods are EventLog's."""

    space_ok = True

    def __init__(self, log_id: bytes = b"memory", segment_bytes: int = MEMORY_SEGMENT_BYTES) -> None:
        self.log_id = log_id
        self.segment_bytes = segment_bytes
        self.writer = LogWriter()
        self._segments: list[MemorySegment] = []
        self.prepare_next()
        self.writer.begin()
        self.prepare_next()

    def append_message(self, cls: int, ts_ns: int, instrument: int, cause_seq: int, payload: bytes) -> int:
        """`writer.append_message`, growing first when there is no room."""
        try:
            return self.writer.append_message(cls, ts_ns, instrument, cause_seq, payload)
        except LogFull:
            self.maintain()
            return self.writer.append_message(cls, ts_ns, instrument, cause_seq, payload)

    def prepare_next(self) -> bool:
        """Adds a segment if none is waiting; always True."""
        if not self.writer.has_prepared:
            index = len(self._segments) + 1
            memory = bytearray(self.segment_bytes)
            memory[: layout.CHAIN_OFFSET] = layout.header_template(index, self.segment_bytes, self.log_id)
            self._segments.append(MemorySegment(layout.segment_name(index), index, memoryview(memory).toreadonly()))
            self.writer.offer(Segment(memory, index))
        return True

    @property
    def is_short(self) -> bool:
        """Whether no segment waits."""
        return not self.writer.has_prepared

    def maintain(self) -> int:
        """Prepares the next segment; there is nothing to seal."""
        self.writer.take_retired()
        self.prepare_next()
        return 0

    def sync(self) -> None:
        """Nothing to make durable."""

    def close(self) -> None:
        """Ends appending; what was written can still be read."""
        self.writer.take_retired()
        self.writer.finish()

    def reader(self) -> LogReader:
        """Reads everything appended so far."""
        return LogReader.over(self._segments)
