"""The rules that tell a torn tail from corruption, applied in one pass over the segments of a log.

A segment that ends in a seal must be intact to the last byte. In one without a seal, a record that does not check is a
torn tail, unless an intact record with a higher number stands anywhere after it: then it is corruption. A length of
zero is "not written yet", so a log may be read while another thread or process appends to it.

No file is opened here: a `SegmentSource` brings the bytes.
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final, Protocol

import msgspec

from trading_bot.core import log_segments as layout
from trading_bot.core.log_segments import FrameHead, SegmentHeader, StructureKind
from trading_bot.domain.errors import LogCorrupt
from trading_bot.domain.records import FRAME_ALIGN, MESSAGE_HEADER, FrameKind

TICKS_PER_SPAN: Final = 4096  # 256 KiB: checked and then consumed while still in the processor's cache


class TickSpan(msgspec.Struct, frozen=True, gc=False):
    """`count` market records of 64 bytes in a row, numbered from `first_seq`; `buffer` is the mapping, read-only."""

    first_seq: int
    count: int
    buffer: memoryview


class MessageFrame(msgspec.Struct, frozen=True, gc=False):
    """One message; `cause_seq` is 0 for an input, `payload` (msgpack) is the mapping itself.

    `config_tag` is the first four bytes of the hash of the configuration in force.
    """

    seq: int
    cls: int
    ts_ns: int
    instrument: int
    cause_seq: int
    payload: memoryview
    config_tag: int = 0


class SegmentEnd(msgspec.Struct):
    """What reading one segment to its end found. `end_bytes` is the offset after the last good record."""

    index: int
    name: str
    header: SegmentHeader | None
    first_seq: int
    last_seq: int
    end_bytes: int
    has_chain: bool = False
    sealed: bool = False
    final: bool = False
    digest: bytes = layout.NO_DIGEST
    torn_bytes: int = 0


class SegmentSource(Protocol):
    """Where a segment's bytes are."""

    name: str
    index: int
    data: memoryview

    def size_bytes(self) -> int:
        """Present size; the file of a live log shrinks when it is sealed."""
        ...

    def read(self, offset: int, size: int) -> bytes:
        """A copy of up to `size` bytes; never faults when the file has become shorter than the mapping."""
        ...

    def close(self) -> None:
        """Gives up the file; views handed out stay valid."""
        ...


class Walk:
    """One pass over a log. After it, `ends` says where each segment, and so the log, ends."""

    def __init__(self, sources: Sequence[SegmentSource], *, max_ticks: int, live: bool, check_digests: bool) -> None:
        self.sources = sources
        self.live = live
        self.check_digests = check_digests
        self.max_ticks = max_ticks
        self.ends: list[SegmentEnd] = []
        self.expected_seq = 1
        self.log_id: bytes | None = None
        self.doubted = (0, 0)  # segment and offset that looked damaged once
        self.ended_unwritten = False  # the last segment ended in a length of zero, not in a damaged record

    def run(self, start_seq: int) -> Iterator[TickSpan | MessageFrame]:
        """Yields everything from the segment on that holds `start_seq`."""
        first = self._skip_to(start_seq)
        header = _header(self.sources[first])
        for position in range(first, len(self.sources)):
            source, later = self.sources[position], self.sources[position + 1 :]
            end = self._begin(source, later, position, header, skipped=position == first > 0)
            if end is None:
                return
            while True:
                yield from self._records(source, later, end)
                # Looked at in this order: what the next header promises is then surely visible in this segment.
                header = _header(later[0]) if later else None
                if end.sealed or not (self.ended_unwritten and self._committed(source, end.end_bytes)):
                    break
            if self.live and header is None:
                return

    def _skip_to(self, start_seq: int) -> int:
        """Position of the segment that holds `start_seq`, going by the headers."""
        chosen = 0
        for position, source in enumerate(self.sources):
            header = _header(source)
            if header is None or header.first_seq > start_seq:
                break
            chosen = position
            self.expected_seq = header.first_seq
        return chosen

    def _begin(
        self,
        source: SegmentSource,
        later: Sequence[SegmentSource],
        position: int,
        header: SegmentHeader | None,
        *,
        skipped: bool,
    ) -> SegmentEnd | None:
        """Checks header and chain; None where the log ends before this segment."""
        previous = self.ends[-1] if self.ends else None
        if source.index != position + 1:
            if any(_holds_frames(other) for other in (source, *later)):
                raise self._corrupt(layout.segment_name(position + 1), 0, "the segment is missing")
            return None
        end = SegmentEnd(source.index, source.name, header, self.expected_seq, self.expected_seq - 1, 0)
        if header is None:
            damaged = any(_holds_frames(other) for other in (source, *later)) or _seal_state(source) != "open"
            if _header(source) is not None:
                return None  # taken into use a moment ago: the log ended before it when we looked
            if damaged:
                raise self._corrupt(source.name, 0, "the segment header is damaged")
            if any(source.read(0, 8)):  # else prepared ahead: a template without a number
                end.torn_bytes = _torn_bytes(source.read(0, source.size_bytes()))
            self.ends.append(end)
            return None
        if header.index != source.index or (self.log_id is not None and header.log_id != self.log_id):
            raise self._corrupt(source.name, 0, "the segment belongs to another place or another log")
        if header.first_seq != self.expected_seq:
            raise self._corrupt(source.name, 0, f"the segment begins with seq {header.first_seq}")
        self.log_id = header.log_id
        end.end_bytes = layout.CHAIN_OFFSET
        self.ends.append(end)
        if not self._chain(source, later, end, None if skipped else previous, skipped=skipped):
            return None
        end.end_bytes = layout.RECORDS_START_BYTES
        return end

    def _chain(
        self,
        source: SegmentSource,
        later: Sequence[SegmentSource],
        end: SegmentEnd,
        previous: SegmentEnd | None,
        *,
        skipped: bool,
    ) -> bool:
        """Checks the tie to the previous segment; False when this one was cut before its records."""
        offset = layout.CHAIN_OFFSET
        length = layout.frame_at(source.data, offset)
        if length == 0:
            return True
        if length < 0:
            if any(_holds_frames(other, offset) for other in (source, *later)) or _seal_state(source) != "open":
                raise self._corrupt(source.name, offset, "the chain frame is damaged")
            end.torn_bytes = _torn_bytes(source.read(offset, source.size_bytes()))
            return False
        frame = source.data[offset : offset + FRAME_ALIGN]
        end.has_chain = True
        if skipped:
            return True
        if previous is not None and not previous.sealed:
            self._seal_seen_late(previous)
        if previous is not None and not previous.sealed:
            raise self._corrupt(previous.name, previous.end_bytes, "the seal is missing", self.expected_seq - 1)
        expected = layout.NO_DIGEST if previous is None else previous.digest
        if layout.frame_head(frame).kind != StructureKind.CHAIN or layout.trailing_digest(frame) != expected:
            raise self._corrupt(source.name, offset, "the chain does not continue the previous segment")
        return True

    def _seal_seen_late(self, previous: SegmentEnd) -> None:
        """The writer's shell may have sealed the previous segment after we left it."""
        source = next(source for source in self.sources if source.index == previous.index)
        if layout.frame_at(source.data, previous.end_bytes) > 0:
            self._take_seal(source, previous, layout.frame_head(source.data, previous.end_bytes))

    def _records(
        self, source: SegmentSource, later: Sequence[SegmentSource], end: SegmentEnd
    ) -> Iterator[TickSpan | MessageFrame]:
        data = source.data
        while True:
            offset = end.end_bytes
            count = layout.scan_ticks(data, offset, self.expected_seq, self.max_ticks)
            if count:
                self._advance(end, count, count * FRAME_ALIGN)
                yield TickSpan(self.expected_seq - count, count, data[offset : end.end_bytes])
                continue
            length = layout.frame_at(data, offset) if offset < len(data) else -1
            if length > 0:
                head = layout.frame_head(data, offset)
                if head.kind == FrameKind.MESSAGE and head.seq == self.expected_seq:
                    yield self._message(source, end, head)
                    continue
                if head.kind == StructureKind.SEAL and head.seq == self.expected_seq - 1:
                    self._take_seal(source, end, head)
                    return
            if self._settle(source, later, end, length):
                return

    def _message(self, source: SegmentSource, end: SegmentEnd, head: FrameHead) -> MessageFrame:
        offset = end.end_bytes
        cause_seq, size = MESSAGE_HEADER.unpack_from(source.data, offset)[8:10]
        start = offset + MESSAGE_HEADER.size
        if start + size > offset + head.length:
            raise self._corrupt(source.name, offset, f"a payload of {size} bytes exceeds its frame")
        self._advance(end, 1, head.length)
        return MessageFrame(
            head.seq, head.cls, head.ts_ns, head.instrument, cause_seq, source.data[start : start + size], head.flags
        )

    def _advance(self, end: SegmentEnd, count: int, size: int) -> None:
        self.expected_seq += count
        end.last_seq = self.expected_seq - 1
        end.end_bytes += size

    def _take_seal(self, source: SegmentSource, end: SegmentEnd, head: FrameHead) -> None:
        offset = end.end_bytes
        if head.kind != StructureKind.SEAL or head.seq != end.last_seq:
            return
        if not _blank(source.read(offset + FRAME_ALIGN, source.size_bytes())):
            raise self._corrupt(source.name, offset + FRAME_ALIGN, "bytes stand after the seal")
        if not end.has_chain and layout.frame_at(source.data, layout.CHAIN_OFFSET) <= 0:
            raise self._corrupt(source.name, layout.CHAIN_OFFSET, "the chain frame is missing", end.first_seq)
        end.sealed, end.final = True, layout.sealed_finally(head)
        end.digest = layout.trailing_digest(source.data[offset : offset + FRAME_ALIGN])
        if self.check_digests and hashlib.sha256(source.data[:offset]).digest() != end.digest:
            raise self._corrupt(source.name, offset, "the SHA-256 does not match the seal", end.first_seq)

    def _settle(self, source: SegmentSource, later: Sequence[SegmentSource], end: SegmentEnd, length: int) -> bool:
        """No further record checks at the end of `end`: True when the segment ends here, False to look again.

        Raises LogCorrupt when something that was written later is intact.
        """
        self.ended_unwritten = length == 0
        if self.live and length == 0 and not self._in_use(later):
            return True
        offset = end.end_bytes
        rest = source.read(offset, max(0, source.size_bytes() - offset))
        reason = self._written_later(source, later, offset, rest)
        if reason:
            # Of a log being written we saw two moments. What proves damage also makes visible whatever was written
            # before it: a record that is sound is there at the second look.
            if self.doubted != (source.index, offset):
                self.doubted = (source.index, offset)
                return False
            seq = self.expected_seq
            if len(rest) == FRAME_ALIGN and _seal_state(source) == "damaged":
                seq -= 1  # a seal carries the number of the record before it
            raise self._corrupt(source.name, offset, reason, seq)
        if not _blank(rest) and not self._in_use(later):
            cut = end.header is not None and source.size_bytes() < end.header.segment_bytes
            end.torn_bytes = _torn_bytes(rest, cut=cut)
        elif 0 < len(rest) < FRAME_ALIGN:
            end.torn_bytes = len(rest)
        return True

    def _written_later(
        self, source: SegmentSource, later: Sequence[SegmentSource], offset: int, rest: bytes
    ) -> str | None:
        """What proves that the record at `offset` had been written whole, or is gone; None for a torn tail."""
        state = _seal_state(source)
        if state != "open":
            return "a sealed segment is damaged" if len(rest) > FRAME_ALIGN else "the seal is damaged"
        found = layout.find_frame(rest, 0, self.expected_seq - 1)
        if found >= 0:
            return f"the record is damaged and an intact one stands at byte {offset + found}"
        for other in later:
            header = _header(other)
            if header is None:
                if _holds_frames(other):
                    return f"the record is missing and {other.name} holds later ones"
                continue
            if header.first_seq > self.expected_seq:
                return f"the record is missing and {other.name} begins with seq {header.first_seq}"
            if _blank(rest[:8]) and _blank(rest[FRAME_ALIGN:]):
                return None  # nothing, or a seal being written
            return f"the record is damaged and {other.name} continues after it"
        return None

    def _in_use(self, later: Sequence[SegmentSource]) -> bool:
        return bool(later) and _header(later[0]) is not None

    def _committed(self, source: SegmentSource, offset: int) -> bool:
        return offset < len(source.data) and layout.frame_at(source.data, offset) > 0

    def _corrupt(self, segment: str, offset: int, reason: str, seq: int | None = None) -> LogCorrupt:
        bad_seq = self.expected_seq if seq is None else seq
        return LogCorrupt(
            f"{segment}, byte {offset}, expected seq {bad_seq}: {reason}. Everything before it is intact; "
            "keep the folder as it is and start a new log",
            segment=segment,
            offset=offset,
            seq=bad_seq,
        )


def _header(source: SegmentSource) -> SegmentHeader | None:
    if layout.frame_at(source.data, 0) != layout.CHAIN_OFFSET:
        return None
    return layout.parse_header(source.data[: layout.CHAIN_OFFSET])


def _holds_frames(source: SegmentSource, offset: int = 0) -> bool:
    return layout.find_frame(source.read(offset, source.size_bytes()), 0, 0) >= 0


def _blank(data: bytes) -> bool:
    return data == bytes(len(data))


def _seal_state(source: SegmentSource) -> str:
    """Whether the file ends in a seal: `sealed`, `damaged` (it did once) or `open`."""
    size = source.size_bytes()
    if size < layout.RECORDS_START_BYTES + layout.SEAL_BYTES or size % FRAME_ALIGN:
        return "open"
    frame = source.read(size - layout.SEAL_BYTES, layout.SEAL_BYTES)
    if _blank(frame):
        return "open"
    if layout.frame_at(frame, 0) > 0 and layout.frame_head(frame).kind == StructureKind.SEAL:
        return "sealed"
    before = source.read(0, size - layout.SEAL_BYTES)
    if layout.is_seal_shaped(frame) or layout.trailing_digest(frame) == hashlib.sha256(before).digest():
        return "damaged"
    return "open"


def _torn_bytes(rest: bytes, *, cut: bool = True) -> int:
    """Bytes of an unfinished record at the start of `rest`; a cut file ends inside it, a preallocated one in zeros."""
    claimed = int.from_bytes(rest[4:8], "little")
    if cut and (len(rest) < FRAME_ALIGN or claimed > len(rest)):
        return len(rest)
    return len(rest.rstrip(b"\0"))
