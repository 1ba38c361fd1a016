"""Rows from logs: whole runs, in one transaction, and only those runs whose logs have changed."""

import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
import sqlalchemy as sa

from trading_bot.domain.errors import DataCorrupt
from trading_bot.domain.units import usd_from_uusd
from trading_bot.journal import schema
from trading_bot.journal.database import Database
from trading_bot.journal.dump import Shape, counts, digest_of_run, of_runs, run_ids, shape_of
from trading_bot.journal.migrate import upgrade
from trading_bot.journal.quality_minutes import quality_minutes
from trading_bot.journal.rows import Rows, rows_of
from trading_bot.journal.sources import RunLogs, reader_digest, runs_at
from trading_bot.reports.trade_facts import read_facts

_ROWS_AT_ONCE: Final = 5_000

Progress = Callable[[int, int], None]


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """Trades of one kind: how many, what they earned after commission, and the commission."""

    trades: int
    net_usd: float
    fees_usd: float
    net_uusd: int
    fees_uusd: int


class Rebuilt(msgspec.Struct, frozen=True, kw_only=True):
    """What a rebuild did. All figures are of the runs asked for.

    `trades` to `fees_uusd` are of all trades that were entered (shadow trades are in no account); `real` and
    `hypothetical` are their two books, which no statistic may mix. `rows_digest` is the SHA-256 of the rows
    (docs/journal.md). `runs_read` were read, `runs_skipped` had not changed; `runs_kept` are in the database and were
    not asked for. `refused` names folders whose log is damaged: their rows are as they were.
    """

    db: str
    revision: str
    trades: int
    net_usd: float
    fees_usd: float
    net_uusd: int
    fees_uusd: int
    real: Book
    hypothetical: Book
    rows: dict[str, int]
    rows_digest: str
    runs: int
    runs_read: int
    runs_skipped: int
    runs_kept: int
    records: int
    refused: dict[str, str]
    notes: list[str]
    wall_s: float


def rebuild(
    database: Database, paths: Sequence[Path], *, full: bool = False, progress: Progress | None = None
) -> Rebuilt:
    """Make the rows of the runs at `paths` what their logs say. `full` reads those as well that have not changed.

    Everything happens in one transaction: a rebuild that is killed, or fails, leaves the rows as they were. A run that
    is in the database and not at `paths` keeps its rows: its logs may have been archived.

    Raises:
        UsageError: a path without a log, a run in two places, or a database that cannot be used.
        SourceUnreachable: the server does not answer.
    """
    began_s = time.perf_counter()
    found = runs_at(paths)
    read, skipped, refused, notes = 0, 0, dict(found.refused), list(found.notes)
    with database.writing() as connection:
        upgrade(connection)
        shape, whole = shape_of(connection), hashlib.sha256()
        for number, run in enumerate(found.runs):
            if progress is not None:
                progress(number, len(found.runs))
            if not full and _is_unchanged(connection, run):
                with_this = whole.copy()
                if _holds(connection, shape, run, with_this):
                    whole, skipped = with_this, skipped + 1
                    continue
            try:
                rows = _read(run, notes)
            except DataCorrupt as error:
                refused[str(run.path)] = str(error)
                digest_of_run(connection, shape, run.run_id, whole)
                continue
            read += 1
            _write(connection, run, rows)
            _remember(connection, run, digest_of_run(connection, shape, run.run_id, whole))
        asked = [run.run_id for run in found.runs]
        return _told(
            connection,
            asked,
            db=database.name,
            digest=whole.hexdigest(),
            read=read,
            skipped=skipped,
            refused=refused,
            notes=notes,
            began_s=began_s,
        )


def _is_unchanged(connection: sa.Connection, run: RunLogs) -> bool:
    table = schema.SOURCES
    found = connection.execute(
        sa.select(table.c.logs_digest, table.c.reader_digest).where(table.c.run_id == run.run_id)
    ).first()
    return found is not None and tuple(found) == (run.logs_digest, reader_digest())


def _holds(connection: sa.Connection, shape: Shape, run: RunLogs, whole: "hashlib._Hash") -> bool:
    """Whether the rows are still those that were written: a hand may have changed them."""
    table = schema.SOURCES
    written = connection.execute(sa.select(table.c.rows_digest).where(table.c.run_id == run.run_id)).scalar()
    return written == digest_of_run(connection, shape, run.run_id, whole)


def _read(run: RunLogs, notes: list[str]) -> Rows:
    facts = read_facts(run.path)
    notes += facts.notes
    return rows_of(facts, {session.log: quality_minutes(Path(session.log)) for session in facts.sessions})


def _write(connection: sa.Connection, run: RunLogs, rows: Rows) -> None:
    for table in reversed(schema.OF_LOG):
        connection.execute(sa.delete(table).where(of_runs(table, [run.run_id])))
    for table in (schema.SOURCES, schema.SESSIONS, schema.RUNS):
        connection.execute(sa.delete(table).where(table.c.run_id == run.run_id))
    for table in schema.PROJECTED:
        found = rows[table.name]
        for begin in range(0, len(found), _ROWS_AT_ONCE):
            connection.execute(sa.insert(table), found[begin : begin + _ROWS_AT_ONCE])


def _remember(connection: sa.Connection, run: RunLogs, rows_digest: str) -> None:
    connection.execute(
        sa.insert(schema.SOURCES),
        {
            "run_id": run.run_id,
            "path": str(run.path),
            "logs_digest": run.logs_digest,
            "reader_digest": reader_digest(),
            "rows_digest": rows_digest,
            "read_at_ns": time.time_ns(),
        },
    )


def _told(
    connection: sa.Connection,
    asked: list[str],
    *,
    db: str,
    digest: str,
    read: int,
    skipped: int,
    refused: dict[str, str],
    notes: list[str],
    began_s: float,
) -> Rebuilt:
    real, hypothetical = (book(connection, asked, hypothetical=kind) for kind in (False, True))
    held = set(run_ids(connection))
    net_uusd, fees_uusd = real.net_uusd + hypothetical.net_uusd, real.fees_uusd + hypothetical.fees_uusd
    sessions = schema.SESSIONS
    records = connection.execute(
        sa.select(sa.func.coalesce(sa.func.sum(sessions.c.records), 0)).where(sessions.c.run_id.in_(asked))
    ).scalar_one()
    return Rebuilt(
        db=db,
        revision=schema.HEAD,
        trades=real.trades + hypothetical.trades,
        net_usd=usd_from_uusd(net_uusd),
        fees_usd=usd_from_uusd(fees_uusd),
        net_uusd=net_uusd,
        fees_uusd=fees_uusd,
        real=real,
        hypothetical=hypothetical,
        rows=counts(connection, asked),
        rows_digest=digest,
        runs=len(asked),
        runs_read=read,
        runs_skipped=skipped,
        runs_kept=len(held - set(asked)),
        records=int(records),
        refused=refused,
        notes=notes,
        wall_s=time.perf_counter() - began_s,
    )


def book(connection: sa.Connection, asked: Sequence[str], *, hypothetical: bool) -> Book:
    """The entered trades of one kind of some runs, with commissions that were corrected after their trade's log."""
    trades, corrections = schema.TRADES, schema.CORRECTIONS
    kind = of_runs(trades, asked) & (trades.c.hypothetical == hypothetical) & (trades.c.shadow == sa.false())
    number, net_uusd, fees_uusd = connection.execute(
        sa.select(sa.func.count(), _sum(trades.c.net_uusd), _sum(trades.c.commission_uusd)).where(kind)
    ).one()
    late_uusd = connection.execute(
        sa.select(_sum(corrections.c.delta_uusd)).where(
            of_runs(corrections, asked)
            & (corrections.c.hypothetical == hypothetical)
            & (corrections.c.after_close == sa.true())
            & (corrections.c.trade_closed_seq == 0)
        )
    ).scalar_one()
    net, fees = int(net_uusd) - int(late_uusd), int(fees_uusd) + int(late_uusd)
    return Book(trades=number, net_usd=usd_from_uusd(net), fees_usd=usd_from_uusd(fees), net_uusd=net, fees_uusd=fees)


def _sum(column: "sa.Column[int]") -> sa.ColumnElement[int]:
    return sa.func.coalesce(sa.func.sum(column), 0)
