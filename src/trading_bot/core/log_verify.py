"""Checking a whole log, and making one ready to be appended to again after a crash."""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from trading_bot.core import log_segments as layout
from trading_bot.core.log_reader import LogReader, segment_paths
from trading_bot.core.log_walk import MessageFrame, SegmentEnd
from trading_bot.domain.errors import LogCorrupt, UsageError
from trading_bot.domain.records import FRAME_ALIGN

READ_BYTES: Final = 1 << 20


class VerifyReport(msgspec.Struct, frozen=True):
    """Result of `verify`.

    `ok` is False for corruption only; a torn tail is reported in `torn_bytes` and `reason`. `closed` tells that the log
    ended in an orderly way. Offsets in bytes within `segment`.
    """

    ok: bool
    records: int
    segments: int
    sealed: int
    closed: bool
    last_seq: int
    torn_bytes: int
    first_bad_seq: int | None = None
    first_bad_offset: int | None = None
    segment: str | None = None
    reason: str | None = None


class RecoverReport(msgspec.Struct, frozen=True):
    """Where a log goes on: after `last_seq`; `torn_bytes` of an unfinished record at `torn_offset` were dropped.

    `end` is the last segment kept, None when there was not even a segment header.
    """

    last_seq: int
    segments: int
    closed: bool
    torn_bytes: int
    torn_segment: str | None
    torn_offset: int | None
    end: SegmentEnd | None


def verify(path: Path | str) -> VerifyReport:
    """Checks every record, number, seal and chain link of a log.

    Raises UsageError when there is no log at `path` or a newer build wrote it; corruption is an answer, not an error.
    """
    records = 0
    bad: LogCorrupt | None = None
    with LogReader(path, check_digests=True) as reader:
        try:
            for item in reader.spans():
                records += 1 if isinstance(item, MessageFrame) else item.count
        except LogCorrupt as error:
            bad = error
        used = [end for end in reader.segments if end.header is not None]
        torn = next((end for end in reader.segments if end.torn_bytes), None)
        return VerifyReport(
            ok=bad is None,
            records=records,
            segments=len(used),
            sealed=sum(end.sealed for end in used),
            closed=bad is None and reader.closed,
            last_seq=reader.last_seq,
            torn_bytes=reader.torn_bytes,
            first_bad_seq=bad.seq if bad else None,
            first_bad_offset=bad.offset if bad else None,
            segment=bad.segment if bad else (torn.name if torn else None),
            reason=str(bad) if bad else _end_text(reader, torn),
        )


def _end_text(reader: LogReader, torn: SegmentEnd | None) -> str | None:
    """What is worth saying about a log without corruption."""
    if torn is not None:
        return (
            f"torn tail: {torn.torn_bytes} bytes of {torn.name} from byte {torn.end_bytes} follow seq {reader.last_seq}"
        )
    if reader.segments and reader.segments[-1].sealed and not reader.closed:
        return f"cut: the segment after {reader.segments[-1].name} is missing; the last seq is {reader.last_seq}"
    return None if reader.closed else f"not closed: the last seq is {reader.last_seq}"


def recover(path: Path | str) -> RecoverReport:
    """Drops a torn tail, finishes seals a crash left undone and removes segments nobody wrote to; changes no record.

    Raises LogCorrupt for anything but a torn tail, UsageError when there is no log or another process is writing it.
    """
    with locked(Path(path)):
        return repair(Path(path))


def repair(path: Path) -> RecoverReport:
    """`recover` for a caller that holds the directory's lock."""
    with LogReader(path) as reader:
        for _ in reader.spans():
            pass
        ends, last_seq, torn_bytes, closed = reader.segments, reader.last_seq, reader.torn_bytes, reader.closed
    kept = [end for end in ends if end.header is not None and (end.index == 1 or end.last_seq >= end.first_seq)]
    torn = next((end for end in ends if end.torn_bytes), None)
    for index, entry in segment_paths(path):
        if index > len(kept):
            entry.unlink()
    digest: bytes | None = layout.NO_DIGEST
    for position, end in enumerate(kept):
        digest = _finish(path / end.name, end, digest, is_last=position == len(kept) - 1)
    sync_directory(path)
    return RecoverReport(
        last_seq=last_seq,
        segments=len(kept),
        closed=closed,
        torn_bytes=torn_bytes,
        torn_segment=torn.name if torn else None,
        torn_offset=torn.end_bytes if torn else None,
        end=kept[-1] if kept else None,
    )


def _finish(path: Path, end: SegmentEnd, previous_digest: bytes | None, *, is_last: bool) -> bytes | None:
    """Completes chain and seal of one segment and blanks its torn tail; returns its digest once it is sealed."""
    if end.sealed:
        with opened(path) as file:
            os.ftruncate(file, end.end_bytes + layout.SEAL_BYTES)
        return end.digest
    with opened(path) as file:
        size = os.fstat(file).st_size
        keep = end.end_bytes = max(end.end_bytes, layout.RECORDS_START_BYTES)
        if size % FRAME_ALIGN:
            os.ftruncate(file, size + -size % FRAME_ALIGN)  # what is left of a frame would be torn again
        if not end.has_chain:
            os.pwrite(
                file, layout.chain_frame(previous_digest or layout.NO_DIGEST, end.first_seq - 1), layout.CHAIN_OFFSET
            )
        # Blank, not shorter: what stands here next is written through a mapping of the full size.
        for offset in range(keep, size, READ_BYTES):
            stretch = os.pread(file, READ_BYTES, offset)
            if stretch != bytes(len(stretch)):
                os.pwrite(file, bytes(len(stretch)), offset)
        os.fsync(file)
        return None if is_last else seal_file(file, keep, end.last_seq, final=False)


def seal_file(file: int, end_bytes: int, last_seq: int, *, final: bool) -> bytes:
    """Writes the seal at `end_bytes`, cuts the file after it and makes both durable; returns the SHA-256 it holds."""
    digest = hashlib.sha256()
    for offset in range(0, end_bytes, READ_BYTES):
        digest.update(os.pread(file, min(READ_BYTES, end_bytes - offset), offset))
    frame = layout.seal_frame(digest.digest(), last_seq, final=final)
    # The first 8 bytes hold crc and length: written last, as everywhere, for a reader that looks now.
    os.pwrite(file, frame[8:], end_bytes + 8)
    os.pwrite(file, frame[:8], end_bytes)
    # Durable before the cut: a file as long as its records then always had its seal.
    os.fsync(file)
    os.ftruncate(file, end_bytes + layout.SEAL_BYTES)
    os.fsync(file)
    return digest.digest()


def sync_directory(path: Path) -> None:
    """Makes the creation and removal of files in `path` durable."""
    with opened(path, os.O_RDONLY) as file:
        os.fsync(file)


@contextlib.contextmanager
def opened(path: Path, flags: int = os.O_RDWR) -> Iterator[int]:
    """A file descriptor of `path`, closed afterwards."""
    file = os.open(path, flags | os.O_CLOEXEC)
    try:
        yield file
    finally:
        os.close(file)


def lock_directory(path: Path) -> int:
    """Takes the writer's lock of a log and returns its descriptor; closing it, or dying, gives the lock back.

    Raises UsageError when another process holds it.
    """
    if not path.is_dir():
        raise UsageError(f"{path} is not a log directory; expected a folder with {layout.segment_name(1)}")
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        raise UsageError(
            f"{path} is being written by another process; stop it, or choose another data directory"
        ) from None
    return file


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the writer's lock of a log."""
    file = lock_directory(path)
    try:
        yield
    finally:
        os.close(file)
