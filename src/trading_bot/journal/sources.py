"""Which runs a rebuild reads, and whether their logs are what they were."""

import contextlib
import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from trading_bot.core import log_segments as layout
from trading_bot.core.log_reader import segment_paths
from trading_bot.core.replay import session_logs
from trading_bot.domain.errors import DataCorrupt, UsageError
from trading_bot.reports.trade_facts import opening_of
from trading_bot.run_folders import ATTRIBUTE_FILE

# What the projection is made by, below the package.
_READERS: Final = ("domain", "journal", "reports", "core/log_*.py", "core/honesty.py", "core/executions.py")


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The runs at some paths in the order of their ids, what was found that is none, and damaged ones by folder."""

    runs: list["RunLogs"]
    notes: list[str]
    refused: dict[str, str]


class RunLogs(msgspec.Struct, frozen=True, kw_only=True):
    """One run: its folder and its sessions' logs in order. `logs_digest` is theirs as they are now."""

    run_id: str
    path: Path
    logs: tuple[Path, ...]
    logs_digest: str


def runs_at(paths: Sequence[Path]) -> Found:
    """The runs at `paths`.

    A path is the folder of a run, one session's log in it (the whole run is taken), a folder of runs, or a data
    directory.

    Raises:
        UsageError: a path that holds no log, or the same run in two places.
    """
    runs: dict[str, RunLogs] = {}
    notes: list[str] = []
    refused: dict[str, str] = {}
    for folder in dict.fromkeys(folder.resolve() for path in paths for folder in _folders(path)):
        logs = tuple(session_logs(folder))
        try:
            run_id = next((begun.run_id for log in logs if (begun := opening_of(log))), None)
        except DataCorrupt as error:
            refused[str(folder)] = str(error)
            continue
        if run_id is None:
            notes.append(f"{folder} holds no record yet")
            continue
        if run_id in runs:
            raise UsageError(f"run {run_id} is in {runs[run_id].path} and in {folder}; name one of them")
        runs[run_id] = RunLogs(run_id=run_id, path=folder, logs=logs, logs_digest=_logs_digest(logs))
    return Found(runs=[runs[run_id] for run_id in sorted(runs)], notes=notes, refused=refused)


@functools.cache
def reader_digest() -> str:
    """SHA-256 (hex) over the sources that make rows out of logs: another version reads all logs again."""
    root, whole = Path(__file__).resolve().parent.parent, hashlib.sha256()
    for name in _READERS:
        for path in sorted(root.glob(name) if name.endswith(".py") else (root / name).glob("*.py")):
            whole.update(path.relative_to(root).as_posix().encode())
            whole.update(hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


def _folders(path: Path) -> list[Path]:
    if not path.is_dir():
        raise UsageError(f"{path} is no folder; expected the log folder of a run, one log in it, or a data directory")
    if segment_paths(path):
        return [path.parent if (path.parent / ATTRIBUTE_FILE).is_file() else path]
    if _is_run(path):
        return [path]
    runs = path / "runs" if (path / "runs").is_dir() else path
    found = sorted(entry for entry in runs.iterdir() if entry.is_dir() and _is_run(entry))
    if not found and runs is path:
        raise UsageError(f"{path} holds no log; expected the log folder of a run, one log in it, or a data directory")
    return found


def _is_run(folder: Path) -> bool:
    return any(entry.is_dir() and segment_paths(entry) for entry in folder.iterdir())


def _logs_digest(logs: Sequence[Path]) -> str:
    """SHA-256 (hex) over the logs' names and contents; a sealed segment's content is known by its seal."""
    whole = hashlib.sha256()
    for log in logs:
        for _, path in segment_paths(log):
            with contextlib.suppress(FileNotFoundError):  # one prepared ahead goes when its log is closed
                whole.update(f"{log.name}/{path.name}\n".encode())
                whole.update(_seal_of(path) or _content_of(path))
    return whole.hexdigest()


def _seal_of(path: Path) -> bytes:
    """The seal that closes a segment, with the SHA-256 of all before it; empty for a segment without one."""
    size = path.stat().st_size
    if size < layout.RECORDS_START_BYTES + layout.SEAL_BYTES:
        return b""
    with path.open("rb") as file:
        file.seek(size - layout.SEAL_BYTES)
        frame = file.read(layout.SEAL_BYTES)
    return frame if layout.frame_at(frame, 0) > 0 and layout.is_seal_shaped(frame) else b""


def _content_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
