"""Rows as canonical lines, and the digest over them: the same rows give the same bytes from every database.

A line is a JSON array: the table's name, then the columns in the order of schema.py. Runs come in the order of their
ids, in each its sessions in the order of their logs, in each the tables in the order of schema.py, in each the rows in
the order of their numbers. The digest is the SHA-256 of all lines, so that `sha256sum` of a dump gives it.
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final, Protocol

import orjson
import sqlalchemy as sa

from trading_bot.journal.schema import OF_LOG, PROJECTED, RUNS, SESSIONS

_ROWS_AT_ONCE: Final = 2_000

Shape = dict[str, tuple["sa.Column[object]", ...]]


class Hash(Protocol):
    """What `hashlib` makes."""

    def update(self, data: bytes, /) -> None:
        """Takes more bytes in."""


def shape_of(connection: sa.Connection) -> Shape:
    """The projected tables a database has, with the columns it has of them: an older revision has fewer."""
    inspector = sa.inspect(connection)
    there = set(inspector.get_table_names())
    shape: Shape = {}
    for table in PROJECTED:
        if table.name in there:
            names = {column["name"] for column in inspector.get_columns(table.name)}
            shape[table.name] = tuple(column for column in table.columns if column.name in names)
    return shape


def run_ids(connection: sa.Connection) -> list[str]:
    """The runs a database holds, in the order of dumps: not every database sorts text as Python does."""
    return sorted(connection.execute(sa.select(RUNS.c.run_id)).scalars())


def lines_of_run(connection: sa.Connection, shape: Shape, run_id: str) -> Iterator[bytes]:
    """The canonical lines of one run, several at a time; none when the database does not hold it."""
    yield from _lines(connection, shape, RUNS, RUNS.c.run_id == run_id)
    logs = sorted(connection.execute(sa.select(SESSIONS.c.log).where(SESSIONS.c.run_id == run_id)).scalars())
    for log in logs:
        yield from _lines(connection, shape, SESSIONS, SESSIONS.c.log == log)
        for table in OF_LOG:
            if table.name in shape:
                yield from _lines(connection, shape, table, table.c.log == log)


def digest_of_run(connection: sa.Connection, shape: Shape, run_id: str, whole: Hash) -> str:
    """SHA-256 (hex) of a run's lines, which go into `whole` as well."""
    digest = hashlib.sha256()
    for lines in lines_of_run(connection, shape, run_id):
        digest.update(lines)
        whole.update(lines)
    return digest.hexdigest()


def digest_of_all(connection: sa.Connection) -> str:
    """SHA-256 (hex) of every projected row of a database."""
    shape, whole = shape_of(connection), hashlib.sha256()
    for run_id in run_ids(connection) if shape else []:
        digest_of_run(connection, shape, run_id, whole)
    return whole.hexdigest()


def counts(connection: sa.Connection, run_ids_asked: Sequence[str] | None = None) -> dict[str, int]:
    """Rows of each table; of some runs, or of all."""
    found = {}
    for name in shape_of(connection):
        table = RUNS.metadata.tables[name]
        query = sa.select(sa.func.count()).select_from(table)
        if run_ids_asked is not None:
            query = query.where(of_runs(table, run_ids_asked))
        found[name] = connection.execute(query).scalar_one()
    return found


def of_runs(table: sa.Table, run_ids_asked: Sequence[str]) -> sa.ColumnElement[bool]:
    """The condition that a row belongs to one of some runs."""
    if "run_id" in table.c:
        return table.c.run_id.in_(run_ids_asked)
    return table.c.log.in_(sa.select(SESSIONS.c.log).where(SESSIONS.c.run_id.in_(run_ids_asked)))


def _lines(connection: sa.Connection, shape: Shape, table: sa.Table, where: sa.ColumnElement[bool]) -> Iterator[bytes]:
    # Within one log the key is a number; runs and sessions come one at a time.
    key = [column for column in table.primary_key.columns if isinstance(column.type, sa.BigInteger)]
    query = sa.select(*shape[table.name]).where(where).order_by(*key)
    found = connection.execute(query, execution_options={"stream_results": True})
    for rows in found.partitions(_ROWS_AT_ONCE):
        yield b"".join(orjson.dumps([table.name, *row], option=orjson.OPT_APPEND_NEWLINE) for row in rows)
