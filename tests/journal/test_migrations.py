"""The tables' revisions: an upgrade keeps the rows, what is made is what schema.py says, a newer one is refused."""

import sqlite3
from contextlib import closing

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from tests.journal.test_rebuild import ask, change, database
from trading_bot.domain.errors import UsageError
from trading_bot.journal import schema
from trading_bot.journal.backup import back_up
from trading_bot.journal.contents import contents
from trading_bot.journal.migrate import revisions, upgrade
from trading_bot.journal.rebuild import rebuild


def at_revision(url, revision):
    with database(url).writing() as connection:
        upgrade(connection, revision)


def old_rows(url):
    """Two tables of revision 0001 with rows of a run whose logs are gone."""
    at_revision(url, "0001")
    change(url, "INSERT INTO runs VALUES ('old', 'PAPER', 'ibkr', 'MES', 1250000, false)")
    session = "'old/20260102', 'old', 20260102, 'c', 'k', 1, 2, 3, 4, 0, 0, 'STOP'"
    change(url, f"INSERT INTO sessions VALUES ({session})")
    with database(url).reading() as connection:
        columns = sa.inspect(connection).get_columns("trades")
    values = [
        "'old/20260102'" if column["name"] == "log" else "7" if isinstance(column["type"], sa.BigInteger)
        else "false" if isinstance(column["type"], sa.Boolean) else "'x'"
        for column in columns
    ]  # fmt: skip
    change(url, f"INSERT INTO trades VALUES ({', '.join(values)})")


def test_the_newest_revision_is_the_one_the_code_asks_for():
    assert revisions() == ["0001", "0002"]
    assert revisions()[-1] == schema.HEAD


def test_what_the_revisions_make_is_what_the_code_expects(db):
    at_revision(db, schema.HEAD)
    with database(db).reading() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": schema.VERSION_TABLE, "compare_type": True}
        )
        assert compare_metadata(context, schema.METADATA) == []


def test_an_upgrade_keeps_the_rows(data, db):
    old_rows(db)
    found = rebuild(database(db), [data])
    assert (found.trades, found.runs_kept) == (3, 1)
    assert ask(db, "SELECT log, closed_seq, net_uusd, template, told FROM trades WHERE log LIKE 'old/%'") == [
        ("old/20260102", 7, 7, "x", True if db.startswith("p") else 1)
    ]
    assert ask(db, f"SELECT version_num FROM {schema.VERSION_TABLE}") == [("0002",)]


def test_an_upgrade_that_fails_leaves_the_old_tables(data, db):
    """Tables are changed in the transaction of the rows: here one that is in the way."""
    old_rows(db)
    change(db, "CREATE TABLE refusals (mine INTEGER)")
    with pytest.raises(UsageError, match=r"already exists.*database of its own"):
        rebuild(database(db), [data])
    assert ask(db, f"SELECT version_num FROM {schema.VERSION_TABLE}") == [("0001",)]
    with database(db).reading() as connection:
        assert "told" not in {column["name"] for column in sa.inspect(connection).get_columns("trades")}
        assert not sa.inspect(connection).has_table("corrections")


def test_a_newer_journal_is_refused(data, db):
    rebuild(database(db), [data])
    change(db, f"UPDATE {schema.VERSION_TABLE} SET version_num = '0003'")
    with pytest.raises(UsageError, match="revision 0003, this version knows up to 0002"):
        rebuild(database(db), [data])
    with pytest.raises(UsageError, match="revision 0003, this version knows up to 0002"):  # and not: rebuild mends it
        contents(database(db))
    with pytest.raises(UsageError, match="revision 0003, this version knows up to 0002"):  # its columns would be lost
        back_up(database(db), data, data / "backups", now_ns=0)
    assert list((data / "backups").iterdir()) == []


def test_a_table_that_is_somebody_elses_is_not_touched(data, tmp_path):
    file = tmp_path / "shop.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE orders (customer TEXT)")
        connection.execute("INSERT INTO orders VALUES ('somebody')")
    with pytest.raises(UsageError, match=r"orders.*already exists"):
        rebuild(database(f"sqlite:///{file}"), [data])
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT * FROM orders").fetchall() == [("somebody",)]
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (1,)
