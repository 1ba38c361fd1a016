"""Layout of a log segment: its header, the chain that ties it to the one before, and its seal (docs/event-log.md).

Bytes in, values out: no file is touched here. A segment is

    header frame 128 bytes | chain frame 64 | records ... | seal frame 64 (sealed segments only)

and each of the three carries the frame header of every record, so one scan reads a whole file.
"""

import re
import struct
from enum import IntEnum
from typing import Final

import msgspec

from trading_bot._fast.logscan import find_frame, finish_frame, frame_at, scan_ticks
from trading_bot._fast.logsegment import SEGMENT_BYTES_MIN
from trading_bot._fast.logwriter import FRAME_START_BYTES, RECORDS_START_BYTES, SEAL_BYTES
from trading_bot.domain.errors import UsageError
from trading_bot.domain.records import FRAME_ALIGN, FRAME_HEADER, FrameClass, FrameKind

__all__ = [
    "CHAIN_OFFSET",
    "DIGEST_BYTES",
    "RECORDS_START_BYTES",
    "SEAL_BYTES",
    "SEGMENT_BYTES_DEFAULT",
    "SEGMENT_BYTES_MIN",
    "FrameHead",
    "SegmentHeader",
    "StructureKind",
    "chain_frame",
    "find_frame",
    "frame_at",
    "frame_head",
    "header_template",
    "is_seal_shaped",
    "parse_header",
    "scan_ticks",
    "seal_frame",
    "sealed_finally",
    "segment_index",
    "segment_name",
    "trailing_digest",
]

SCHEMA_VERSION: Final = 1
MAGIC: Final = b"TRDBTLOG"
DIGEST_BYTES: Final = 32
CHAIN_OFFSET: Final = FRAME_START_BYTES
SEGMENT_BYTES_DEFAULT: Final = 64 * 1024 * 1024
SEGMENT_BYTES_MAX: Final = 4096 * 1024 * 1024  # the largest that log.segment_mib allows
LOG_ID_BYTES_MAX: Final = 32
NO_DIGEST: Final = bytes(DIGEST_BYTES)
SEAL_FINAL_FLAG: Final = 1

# magic, schema version, segment index, segment size in bytes, length of the log id, log id; from byte 32 of the header
_HEADER_BODY: Final = struct.Struct("<8sIIQI32s")
_NAME: Final = re.compile(r"seg-(\d{6,})\.tbl")


class StructureKind(IntEnum):
    """Kinds of the frames that frame a segment; they carry no record number of their own."""

    SEAL = FrameKind.SEAL
    HEADER = 33
    CHAIN = 34


class FrameHead(msgspec.Struct, frozen=True, gc=False):
    """The 32 bytes every frame begins with; `length` in bytes, `ts_ns` receive time."""

    crc: int
    length: int
    seq: int
    kind: int
    cls: int
    instrument: int
    flags: int
    ts_ns: int


class SegmentHeader(msgspec.Struct, frozen=True):
    """What a segment says about itself. `first_seq` is the number of its first record."""

    schema_version: int
    index: int
    first_seq: int
    segment_bytes: int
    log_id: bytes


def segment_name(index: int) -> str:
    """File name of segment `index` (from 1)."""
    return f"seg-{index:06d}.tbl"


def segment_index(name: str) -> int | None:
    """Index of a segment file name; None for any other file."""
    found = _NAME.fullmatch(name)
    return int(found.group(1)) if found else None


def frame_head(data: bytes | bytearray | memoryview, offset: int = 0) -> FrameHead:
    """The frame header at byte `offset`; not verified."""
    return FrameHead(*FRAME_HEADER.unpack_from(data, offset))


def header_template(index: int, segment_bytes: int, log_id: bytes) -> bytearray:
    """Header frame of a segment nobody writes yet: all but seq, crc and length, which the writer stores on switching.

    Raises UsageError for a log id that is empty or longer than 32 bytes.
    """
    if not 1 <= len(log_id) <= LOG_ID_BYTES_MAX:
        raise UsageError(f"the log id has {len(log_id)} bytes; expected 1 to {LOG_ID_BYTES_MAX}")
    frame = bytearray(FRAME_START_BYTES)
    FRAME_HEADER.pack_into(frame, 0, 0, 0, 0, StructureKind.HEADER, FrameClass.STRUCTURE, 0, 0, 0)
    _HEADER_BODY.pack_into(frame, FRAME_HEADER.size, MAGIC, SCHEMA_VERSION, index, segment_bytes, len(log_id), log_id)
    return frame


def parse_header(frame: bytes | memoryview) -> SegmentHeader | None:
    """The segment header in an intact frame; None when the frame is not one of ours.

    Raises UsageError when a newer build wrote it.
    """
    head = frame_head(frame)
    if head.kind != StructureKind.HEADER or head.length != FRAME_START_BYTES:
        return None
    magic, version, index, segment_bytes, id_length, log_id = _HEADER_BODY.unpack_from(frame, FRAME_HEADER.size)
    if magic != MAGIC or id_length > LOG_ID_BYTES_MAX or not SEGMENT_BYTES_MIN <= segment_bytes <= SEGMENT_BYTES_MAX:
        return None  # a size that lies would be allocated when the log is gone on with
    if version > SCHEMA_VERSION:
        raise UsageError(
            f"segment {segment_name(index)} has log schema {version}; this build reads up to {SCHEMA_VERSION}. "
            "Read it with the build that wrote it, or a newer one"
        )
    return SegmentHeader(version, index, head.seq, segment_bytes, log_id[:id_length])


def chain_frame(previous_digest: bytes, last_seq: int) -> bytes:
    """Chain frame: the SHA-256 of the previous sealed segment (32 zeros in the first) and its last record's number."""
    return _digest_frame(StructureKind.CHAIN, previous_digest, last_seq, 0)


def seal_frame(digest: bytes, last_seq: int, *, final: bool) -> bytes:
    """Seal frame: the SHA-256 of all bytes before it; `final` when the log ended here in an orderly way."""
    return _digest_frame(StructureKind.SEAL, digest, last_seq, SEAL_FINAL_FLAG if final else 0)


def trailing_digest(frame: bytes | memoryview) -> bytes:
    """The digest a chain or seal frame carries."""
    return bytes(frame[FRAME_HEADER.size : FRAME_HEADER.size + DIGEST_BYTES])


def sealed_finally(head: FrameHead) -> bool:
    """Whether a seal says that the log ended there."""
    return bool(head.flags & SEAL_FINAL_FLAG)


def is_seal_shaped(frame: bytes) -> bool:
    """Whether 64 bytes look like a seal in all their fixed fields, intact or not."""
    head = frame_head(frame)
    fixed = (head.length, head.kind, head.cls, head.instrument, head.flags & ~SEAL_FINAL_FLAG, head.ts_ns)
    return fixed == (FRAME_ALIGN, StructureKind.SEAL, FrameClass.STRUCTURE, 0, 0, 0)


def _digest_frame(kind: StructureKind, digest: bytes, last_seq: int, flags: int) -> bytes:
    frame = bytearray(FRAME_ALIGN)
    FRAME_HEADER.pack_into(frame, 0, 0, 0, last_seq, kind, FrameClass.STRUCTURE, 0, flags, 0)
    frame[FRAME_HEADER.size :] = digest
    finish_frame(frame)
    return bytes(frame)
