"""What a journal holds, for people: rows, their digest, and its runs."""

import msgspec
import sqlalchemy as sa

from trading_bot.domain.errors import UsageError
from trading_bot.domain.units import usd_from_uusd
from trading_bot.journal import schema
from trading_bot.journal.database import Database
from trading_bot.journal.dump import counts, digest_of_all, run_ids
from trading_bot.journal.migrate import check_known, revision_of
from trading_bot.journal.rebuild import book


class RunHeld(msgspec.Struct, frozen=True, kw_only=True):
    """One run in the database, and where it was read from; dates are yyyymmdd."""

    run_id: str
    mode: str
    instrument: str
    hypothetical: bool
    sessions: int
    trade_date_first: int
    trade_date_last: int
    trades: int
    net_usd: float
    path: str


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """All a database holds; `rows_digest` is over every row."""

    db: str
    revision: str
    rows: dict[str, int]
    rows_digest: str
    runs: list[RunHeld]


def contents(database: Database) -> Contents:
    """Read a journal; raises UsageError where there is none, or one of another revision."""
    with database.reading() as connection:
        revision = revision_of(connection)
        if revision is not None:
            check_known(revision, database.name)
        if revision != schema.HEAD:
            raise UsageError(
                f"{database.name} has {'no journal' if revision is None else f'revision {revision}'}, this version "
                f"reads {schema.HEAD}; `trading-bot journal rebuild` brings it there"
            )
        return Contents(
            db=database.name,
            revision=revision,
            rows=counts(connection),
            rows_digest=digest_of_all(connection),
            runs=[_run(connection, run_id) for run_id in run_ids(connection)],
        )


def _run(connection: sa.Connection, run_id: str) -> RunHeld:
    runs, sessions, sources = schema.RUNS, schema.SESSIONS, schema.SOURCES
    mode, instrument, hypothetical = connection.execute(
        sa.select(runs.c.mode, runs.c.instrument, runs.c.hypothetical).where(runs.c.run_id == run_id)
    ).one()
    number, first, last = connection.execute(
        sa.select(sa.func.count(), sa.func.min(sessions.c.trade_date), sa.func.max(sessions.c.trade_date)).where(
            sessions.c.run_id == run_id
        )
    ).one()
    path = connection.execute(sa.select(sources.c.path).where(sources.c.run_id == run_id)).scalar()
    books = [book(connection, [run_id], hypothetical=kind) for kind in (False, True)]
    return RunHeld(
        run_id=run_id,
        mode=mode,
        instrument=instrument,
        hypothetical=hypothetical,
        sessions=number,
        trade_date_first=first,
        trade_date_last=last,
        trades=sum(found.trades for found in books),
        net_usd=usd_from_uusd(sum(found.net_uusd for found in books)),
        path=path or "a backup",
    )
