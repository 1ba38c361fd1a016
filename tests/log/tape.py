"""Records to append and an independent reading of a segment file, written from docs/event-log.md."""

import struct
from itertools import pairwise
from pathlib import Path

from trading_bot.core.event_log import EventLog, LogFull

SEGMENT = 64 * 1024
START = 192  # header frame 128 + chain frame 64


def tick(i: int, kind: int = 1) -> bytes:
    """Record number i of a tape; every field depends on i."""
    return struct.pack(
        "<IIQBBHIqqiiiiBBHI",
        *(0, 0, 0, kind, 0, 3, i % 4, 1_000 + i, 900 + i, 20_000 + i, 20_001 + i, i % 50, i % 40, i % 3, 0, 0, 0),
    )


def crc32c(data: bytes) -> int:
    """Bit by bit, from the polynomial 0x1EDC6F41 (reflected)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def frames(data: bytes) -> list[tuple[int, int, int, int]]:
    """(offset, length, seq, kind) of every frame of a sound segment file."""
    found, offset = [], 0
    while offset + 64 <= len(data):
        crc, length, seq, kind = struct.unpack_from("<IIQB", data, offset)
        if length == 0:
            break
        assert length % 64 == 0
        assert crc == crc32c(data[offset + 4 : offset + length])
        found.append((offset, length, seq, kind))
        offset += length
    return found


def refresh(data: bytearray, offset: int) -> None:
    """Makes the crc of the frame at `offset` right again, as a forger would."""
    length = struct.unpack_from("<I", data, offset + 4)[0]
    struct.pack_into("<I", data, offset, crc32c(bytes(data[offset + 4 : offset + length])))


def append(log: EventLog, record: bytes) -> int:
    try:
        return log.writer.append_record(record)
    except LogFull:
        log.maintain()
        return log.writer.append_record(record)


def small_log(folder: Path, *, close: bool = True) -> EventLog:
    """Seven records of both shapes in one segment: ticks, messages of 64, 128 and 320 bytes, a tick last."""
    log = EventLog.create(folder, b"small", SEGMENT)
    append(log, tick(1))
    append(log, tick(2, kind=2))
    log.append_message(3, 1_002, 3, 2, b"\x81\xa4kind\xa1A")
    log.append_message(2, 1_002, 3, 2, bytes(range(1, 80)))
    append(log, tick(5, kind=5))
    log.append_message(1, 1_005, 0, 0, bytes(range(1, 256)))
    append(log, tick(7))
    if close:
        log.close()
    else:
        log.sync()
        log.abandon()
    return log


def two_segments(folder: Path, *, close: bool = True, log_id: bytes = b"two") -> EventLog:
    """A short sealed segment (a message that does not fit moves on) and a second one with that message and a tick."""
    log = EventLog.create(folder, log_id, SEGMENT)
    for i in range(1, 4):
        append(log, tick(i))
    log.append_message(3, 1_003, 3, 3, b"x" * 300)
    log.append_message(3, 1_003, 3, 3, b"y" * 48_400)
    append(log, tick(6))
    log.maintain()
    if close:
        log.close()
    else:
        log.abandon()
    return log


def segment(folder: Path, index: int) -> Path:
    return folder / f"seg-{index:06d}.tbl"


def ends(data: bytes) -> list[int]:
    """End offset of every record of a sound segment, the start of the records first."""
    offsets = [START, *(offset + length for offset, length, _, kind in frames(data)[2:] if kind < 32)]
    assert all(a < b for a, b in pairwise(offsets))
    return offsets
