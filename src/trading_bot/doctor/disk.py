"""The disk under the data directory: room, and how long it takes to keep what was written."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from trading_bot.doctor.checks import Check, fail, ok, percentile, warn
from trading_bot.domain.errors import UsageError

SECTION: Final = "disk"
_MIB: Final = 1024 * 1024
_BLOCK: Final = 4096
SYNCS: Final = 40
SYNCS_BESIDE_A_BOT: Final = 10
ROOM_MIN_BYTES: Final = 500_000_000  # a day's log and everything beside it
_ROOM_WARN_MIB: Final = 5 * 1024  # some days of logs
_SEGMENTS_MIN: Final = 3  # one written, one prepared, and some for everything else


def disk_checks(data_dir: Path, *, segment_mib: int, sync_ms: int, syncs: int) -> Iterator[Check]:
    """`segment_mib` and `sync_ms` are the log's; `syncs` 0 measures nothing."""
    there = next((folder for folder in (data_dir, *data_dir.absolute().parents) if folder.is_dir()), Path("/"))
    yield _room(there, segment_mib)
    if data_dir.exists() and not data_dir.is_dir():
        yield _unwritable(data_dir, "it is a file")
        return
    if not data_dir.is_dir():
        yield ok(SECTION, "data directory", f"{data_dir} does not exist yet: the first run makes it")
        if not os.access(there, os.W_OK | os.X_OK):
            yield _unwritable(data_dir, f"{there} cannot be written")
            return
    try:
        took_ns = _syncs(there, syncs)
    except OSError as error:
        yield _unwritable(data_dir, error.strerror or str(error))
        return
    if took_ns:
        yield _synced(took_ns, sync_ms)


def _room(there: Path, segment_mib: int) -> Check:
    free = shutil.disk_usage(there).free
    free_mib = free // _MIB
    found = f"{free_mib / 1024:.1f} GiB free under {there}"
    needed = max(ROOM_MIN_BYTES, _SEGMENTS_MIN * segment_mib * _MIB)
    if free < needed:
        advice = (
            f"a session needs {needed // 1_000_000} MB (a log begins with {_SEGMENTS_MIN} segments of {segment_mib} "
            "MiB): free some, or another --data-dir"
        )
        return fail(SECTION, "room", found, advice, exit_code=UsageError.exit_code, values={"free_mib": free_mib})
    if free_mib < _ROOM_WARN_MIB:
        return warn(SECTION, "room", found, "a full disk stops the run: free some", values={"free_mib": free_mib})
    return ok(SECTION, "room", found, values={"free_mib": free_mib})


def _unwritable(data_dir: Path, why: str) -> Check:
    advice = "name a folder this user may write with --data-dir"
    return fail(SECTION, "data directory", f"{data_dir}: {why}", advice, exit_code=UsageError.exit_code)


def _syncs(folder: Path, count: int) -> list[int]:
    """Times of writing a block of a file that has its room already, and keeping it, as the log does; ns."""
    took_ns = []
    with tempfile.TemporaryFile(dir=folder, prefix=".doctor-") as file:
        os.posix_fallocate(file.fileno(), 0, _BLOCK * max(count, 1))
        os.fsync(file.fileno())
        block = b"\1" * _BLOCK
        for number in range(count):
            begin_ns = time.monotonic_ns()
            os.pwrite(file.fileno(), block, number * _BLOCK)
            os.fdatasync(file.fileno())
            took_ns.append(time.monotonic_ns() - begin_ns)
    return took_ns


def _synced(took_ns: list[int], sync_ms: int) -> Check:
    p50_ms, worst_ms = percentile(took_ns, 0.5) / 1e6, max(took_ns) / 1e6
    values = {"p50_ms": p50_ms, "max_ms": worst_ms, "samples": len(took_ns), "sync_ms": sync_ms}
    found = f"fdatasync p50 {p50_ms:.2f} ms, longest {worst_ms:.2f} ms (the log is kept every {sync_ms} ms)"
    if worst_ms > sync_ms:
        advice = "a power cut may cost more of the log than it says: a local SSD, not a network's disk"
        return warn(SECTION, "keeping the log", found, advice, values=values)
    return ok(SECTION, "keeping the log", found, values=values)
