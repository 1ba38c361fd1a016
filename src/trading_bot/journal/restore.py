"""A backup goes back: its rows into a database of either kind, its files into a data directory."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Final

import msgspec
import orjson
import sqlalchemy as sa

from trading_bot.core.operator_files import LOCK_FILE, is_locked, replace
from trading_bot.domain.errors import DataCorrupt, UsageError
from trading_bot.journal.backup import FILES, ROWS, Manifest, member, opened
from trading_bot.journal.database import Database
from trading_bot.journal.dump import Shape, counts, digest_of_all, shape_of
from trading_bot.journal.migrate import revision_of, revisions, upgrade
from trading_bot.journal.schema import HEAD, METADATA, VERSION_TABLE

_ROWS_AT_ONCE: Final = 5_000


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What a restore did. `rows_digest` is of the rows now; equal to the backup's unless the tables have changed since.

    `replaced` rows stood there before. `files_written` were put into the data directory, `files_same` were there, and
    `files_left` are in the backup, differ, and were not asked for.
    """

    backup: str
    made_at: str
    db: str
    revision_of_backup: str
    revision: str
    rows: dict[str, int]
    rows_digest: str
    replaced: int
    files_written: list[str]
    files_same: list[str]
    files_left: list[str]


def restore(database: Database, backup: Path, data_dir: Path, *, force: bool = False, files: bool = False) -> Restored:
    """Put the rows of a backup into `database`, which must hold none, and with `files` its files into `data_dir`.

    `force` replaces what is there. Nothing is changed unless everything is: rows in one transaction, checked against
    the backup's digest before it ends.

    Raises:
        UsageError: rows or files are in the way, a bot runs in the data directory, or the backup is of a newer version.
        DataCorrupt: the backup is damaged.
    """
    with opened(backup) as (manifest, archive):
        if manifest.revision not in revisions():
            raise UsageError(
                f"{backup} has revision {manifest.revision}, this version knows up to {HEAD}; use the newer version"
            )
        contents = {}
        for name in manifest.files:
            with member(archive, FILES + name) as file:
                contents[name] = file.read()
        same, differing = _compared(contents, data_dir)
        if files:
            _check_files(differing, data_dir, force=force)
        with database.writing() as connection:
            replaced = _clear(connection, database.name, force=force)
            upgrade(connection, manifest.revision)
            with member(archive, ROWS) as lines:
                _insert(connection, shape_of(connection), lines, manifest)
            upgrade(connection)
            digest, rows = digest_of_all(connection), counts(connection)
            if files:  # before the rows are committed: a disk that refuses them leaves both as they were
                for name in differing:
                    (data_dir / name).parent.mkdir(parents=True, exist_ok=True)
                    replace(data_dir / name, contents[name])
    return Restored(
        backup=str(backup),
        made_at=manifest.made_at,
        db=database.name,
        revision_of_backup=manifest.revision,
        revision=HEAD,
        rows=rows,
        rows_digest=digest,
        replaced=replaced,
        files_written=differing if files else [],
        files_same=same,
        files_left=[] if files else differing,
    )


def _compared(contents: dict[str, bytes], data_dir: Path) -> tuple[list[str], list[str]]:
    """Names of files that are there as they are in the backup, and of those that are not."""
    same: list[str] = []
    differing: list[str] = []
    for name, content in sorted(contents.items()):
        path = Path(name)
        if path.is_absolute() or ".." in path.parts:
            raise DataCorrupt(f"the backup names a file outside the data directory: {name!r}; do not use it")
        there = data_dir / path
        (same if there.is_file() and there.read_bytes() == content else differing).append(name)
    return same, differing


def _check_files(differing: Sequence[str], data_dir: Path, *, force: bool) -> None:
    if differing and is_locked(data_dir / LOCK_FILE):
        raise UsageError(f"a bot runs in {data_dir}; stop it before its files are replaced")
    there = [name for name in differing if (data_dir / name).exists()]
    if there and not force:
        raise UsageError(
            f"{data_dir} holds other versions of {', '.join(there)}; --force replaces them, without --files only the "
            "database is restored"
        )


def _clear(connection: sa.Connection, name: str, *, force: bool) -> int:
    """Make room: drop the journal's tables, whatever their revision; gives how many rows stood in them."""
    if revision_of(connection) is None:
        return 0
    held = sum(counts(connection).values())
    if held and not force:
        raise UsageError(f"{name} holds a journal of {held:,} rows; --force replaces it, or name an empty database")
    there = set(sa.inspect(connection).get_table_names())
    for table in reversed(METADATA.sorted_tables):
        if table.name in there:
            table.drop(connection)
    connection.execute(sa.text(f"DROP TABLE {VERSION_TABLE}"))
    return held


def _insert(connection: sa.Connection, shape: Shape, lines: IO[bytes], manifest: Manifest) -> None:
    """The rows into tables of the backup's revision. Rows of one table that follow each other go in together."""
    whole = hashlib.sha256()
    for name, rows in _batches(lines, whole):
        columns = shape.get(name)
        if columns is None or any(len(row) != len(columns) for row in rows):
            raise DataCorrupt(f"the backup has rows of {name!r} that do not fit revision {manifest.revision}")
        names = [column.name for column in columns]
        # Named columns only: a column that this revision does not have yet must not be filled.
        insert = sa.insert(METADATA.tables[name]).values({column: sa.bindparam(column) for column in names})
        connection.execute(insert, [dict(zip(names, row, strict=True)) for row in rows])
    found = digest_of_all(connection)
    if not whole.hexdigest() == found == manifest.rows_sha256:
        raise DataCorrupt(
            f"the restored rows have digest {found}, the backup's manifest says {manifest.rows_sha256}; nothing was "
            "changed; use another backup"
        )


def _batches(lines: IO[bytes], whole: "hashlib._Hash") -> Iterator[tuple[str, list[list[object]]]]:
    name = ""
    rows: list[list[object]] = []
    for line in lines:
        whole.update(line)
        table, *row = orjson.loads(line)
        if rows and (table != name or len(rows) >= _ROWS_AT_ONCE):
            yield name, rows
            rows = []
        name = table
        rows.append(row)
    if rows:
        yield name, rows
