"""Backups: one file with the rows, as canonical lines, and the files of the data directory that cannot be rebuilt.

A `.tar.gz` of MANIFEST.json, rows.jsonl (dump.py) and files/…; being lines, it goes back into either kind of database.
"""

import hashlib
import io
import os
import re
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Final

import msgspec
import sqlalchemy as sa

from trading_bot.domain.errors import DataCorrupt, UsageError
from trading_bot.domain.units import NS_PER_S
from trading_bot.journal.database import Database, make_folder
from trading_bot.journal.dump import counts, lines_of_run, run_ids, shape_of
from trading_bot.journal.migrate import check_known, revision_of

FORMAT: Final = "trading_bot journal backup"
VERSION: Final = 1
FOLDER: Final = "backups"
KEEP_DAYS: Final = 30  # PR07
ROWS: Final = "rows.jsonl"
MANIFEST: Final = "MANIFEST.json"
FILES: Final = "files/"
_NAME: Final = re.compile(r"journal-(\d{8}T\d{6}Z)\.tar\.gz")
_STAMP: Final = "%Y%m%dT%H%M%SZ"
_FRESH: Final = timedelta(hours=1)  # assumed: a day's backup is not made anew within it
# What a data directory holds besides logs: the learning state, what was adopted and proposed, and what operators did.
# Latch, locks, keys and the status are of a moment: a backup must not bring an old one back.
_KEPT: Final = ("learning*.json", "learned*.json", "proposals/*.json", "logs/operator.jsonl", "logs/deadman.jsonl")
_MANIFEST_BYTES_MAX: Final = 1 << 20
_CHUNK_BYTES: Final = 1 << 20


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a backup holds. `rows_sha256` is the rows' digest, as a rebuild tells it; `files` have theirs."""

    format: str
    version: int
    made_at: str
    revision: str
    rows: dict[str, int]
    rows_sha256: str
    files: dict[str, str]


class BackedUp(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup did: the new file, what is in it, and which older ones were deleted."""

    file: str
    bytes: int
    made: bool
    db: str
    rows: dict[str, int]
    rows_digest: str
    files: list[str]
    deleted: list[str]
    kept: int


def back_up(
    database: Database, data_dir: Path, folder: Path, *, now_ns: int, keep_days: int = KEEP_DAYS, daily: bool = False
) -> BackedUp:
    """Write a backup into `folder`, whole or not at all, then delete those older than `keep_days`.

    `now_ns` is the wall's time, which goes into the name. `daily` keeps one of each day (UTC), its newest: none is made
    within an hour of it or where nothing has changed since, and a new one replaces it. The newest is never deleted.

    Raises:
        UsageError: there is no journal, or the folder cannot be written.
    """
    now = datetime.fromtimestamp(now_ns // NS_PER_S, tz=UTC)
    path = folder / f"journal-{now.strftime(_STAMP)}.tar.gz"
    today = [old for old in _backups(folder) if _made_at(old).date() == now.date()] if daily else []
    standing = _intact(today[-1]) if today else None
    if standing is not None and now - _made_at(today[-1]) < _FRESH:
        path, manifest = today[-1], standing
    else:
        if path.exists():  # a second one within the same second
            raise UsageError(f"{path} is there already; wait a second and run the command again")
        manifest = _write(database, data_dir, path, now, standing)
        if standing is not None and manifest is standing:
            path = today[-1]
    replaced = [old for old in today if old != path]
    for old in replaced:
        old.unlink()
    deleted = [*replaced, *prune(folder, now, keep_days)]
    return BackedUp(
        file=str(path),
        bytes=path.stat().st_size,
        made=manifest is not standing,
        db=database.name,
        rows=manifest.rows,
        rows_digest=manifest.rows_sha256,
        files=sorted(manifest.files),
        deleted=[str(old) for old in deleted],
        kept=len(_backups(folder)),
    )


def prune(folder: Path, now: datetime, keep_days: int) -> list[Path]:
    """Delete backups older than `keep_days` by the time in their names, never the newest; gives what was deleted."""
    found = _backups(folder)
    old = [path for path in found[:-1] if _made_at(path) < now - timedelta(days=keep_days)]
    for path in old:
        path.unlink()
    return old


@contextmanager
def opened(path: Path) -> Iterator[tuple[Manifest, tarfile.TarFile]]:
    """A backup whose rows and files are what its manifest says.

    Raises:
        UsageError: there is no such file.
        DataCorrupt: it is no backup, of a newer version, cut, or damaged.
    """
    if not path.is_file():
        raise UsageError(f"{path} is no file; expected a backup, say journal-20261125T220500Z.tar.gz in {FOLDER}/")
    try:
        with tarfile.open(path, "r:gz") as archive:
            manifest = _decoded(path, archive)
            wanted = {ROWS: manifest.rows_sha256, **{FILES + name: sha for name, sha in manifest.files.items()}}
            for name, sha256 in wanted.items():
                with member(archive, name) as file:
                    if _sha256(file) != sha256:
                        raise DataCorrupt(f"{path}: {name} is not what the manifest says; use another backup")
            yield manifest, archive
    except (tarfile.TarError, EOFError, OSError, KeyError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DataCorrupt(f"{path}: damaged, or no backup of the journal ({error}); use another one") from error


def member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    """A file in a backup. Raises KeyError where it is missing or no plain file."""
    file = archive.extractfile(name)
    if file is None:
        raise KeyError(f"{name} is no plain file")
    return file


def newest(folder: Path) -> Path:
    """The newest backup in a folder. Raises UsageError where there is none."""
    found = _backups(folder)
    if not found:
        raise UsageError(f"{folder} holds no backup; `trading-bot journal backup` makes one")
    return found[-1]


def kept_files(data_dir: Path) -> dict[str, Path]:
    """The files of a data directory that a backup takes, by their names in it."""
    found = {path for pattern in _KEPT for path in data_dir.glob(pattern) if path.is_file() and not path.is_symlink()}
    return {path.relative_to(data_dir).as_posix(): path for path in sorted(found)}


def _backups(folder: Path) -> list[Path]:
    """Oldest first: the time stands in the name."""
    return sorted(path for path in folder.glob("journal-*.tar.gz") if _NAME.fullmatch(path.name))


def _made_at(path: Path) -> datetime:
    found = _NAME.fullmatch(path.name)
    assert found is not None  # `_backups` chose it by its name
    try:
        return datetime.strptime(found[1], _STAMP).replace(tzinfo=UTC)
    except ValueError:  # a name nobody here gave: as if it were new, so that it is never deleted
        return datetime.max.replace(tzinfo=UTC)


def _write(database: Database, data_dir: Path, path: Path, now: datetime, standing: Manifest | None = None) -> Manifest:
    """Write a backup; none, and `standing` is the answer, where that one has the same content."""
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with tempfile.TemporaryFile(dir=path.parent) as lines:
            with database.reading() as connection:
                revision, rows, digest = _dump(connection, lines, database.name)
            files = {name: found.read_bytes() for name, found in kept_files(data_dir).items()}
            manifest = Manifest(
                format=FORMAT,
                version=VERSION,
                made_at=now.isoformat(),
                revision=revision,
                rows=rows,
                rows_sha256=digest,
                files={name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
            )
            if standing is not None and msgspec.structs.replace(manifest, made_at=standing.made_at) == standing:
                return standing
            _pack(temporary, manifest, lines, files, now)
        temporary.replace(path)
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
    return manifest


def _dump(connection: sa.Connection, lines: IO[bytes], name: str) -> tuple[str, dict[str, int], str]:
    revision = revision_of(connection)
    if revision is None:
        raise UsageError(f"{name} holds no journal; `trading-bot journal rebuild` makes it")
    check_known(revision, name)  # columns this version does not know would be left out
    shape, whole = shape_of(connection), hashlib.sha256()
    for run_id in run_ids(connection):
        for some in lines_of_run(connection, shape, run_id):
            whole.update(some)
            lines.write(some)
    return revision, counts(connection), whole.hexdigest()


def _pack(path: Path, manifest: Manifest, lines: IO[bytes], files: Mapping[str, bytes], now: datetime) -> None:
    # Orders and account ids are nobody else's business.
    with open(path, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        with tarfile.open(fileobj=file, mode="w:gz", compresslevel=6) as archive:
            head = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
            _add(archive, MANIFEST, io.BytesIO(head), len(head), now)
            size = lines.seek(0, os.SEEK_END)
            lines.seek(0)
            _add(archive, ROWS, lines, size, now)
            for name, content in files.items():
                _add(archive, FILES + name, io.BytesIO(content), len(content), now)
        file.flush()
        os.fsync(file.fileno())


def _add(archive: tarfile.TarFile, name: str, content: IO[bytes], size: int, now: datetime) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = size, 0o600, int(now.timestamp())
    archive.addfile(entry, content)


def _intact(path: Path) -> Manifest | None:
    """The manifest of a backup that can be restored; None for another, which counts as none."""
    try:
        with opened(path) as (manifest, _archive):
            return manifest
    except DataCorrupt:
        return None


def _decoded(path: Path, archive: tarfile.TarFile) -> Manifest:
    with member(archive, MANIFEST) as file:
        document = msgspec.json.decode(file.read(_MANIFEST_BYTES_MAX))
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise DataCorrupt(f"{path} is no backup of the journal; expected what `trading-bot journal backup` writes")
    if document.get("version") != VERSION:
        raise DataCorrupt(
            f"{path} has version {document.get('version')!r}, this version reads {VERSION}; use the newer"
        )
    return msgspec.convert(document, Manifest)


def _sha256(file: IO[bytes]) -> str:
    whole = hashlib.sha256()
    while chunk := file.read(_CHUNK_BYTES):
        whole.update(chunk)
    return whole.hexdigest()


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
