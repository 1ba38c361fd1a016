"""Questions in SQL about the facts of logs. The tables live in memory; no file can be read or written by a question."""

import tempfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from trading_bot.analytics.frames import tables
from trading_bot.domain.errors import UsageError
from trading_bot.reports.fact_records import Facts


class Answer(msgspec.Struct, frozen=True):
    """Rows of plain values under their columns; times as ISO 8601."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


def query(facts: Facts, sql: str) -> Answer:
    """The answer to one SQL statement (DuckDB's dialect) over the tables of `frames.tables`.

    Raises:
        UsageError: the statement is not understood, or asks for what is not there.
    """
    with duckdb.connect() as connection:
        _fill(connection, facts)
        connection.execute("SET enable_external_access = false")
        try:
            connection.execute(sql)
            found = connection.fetchall() if connection.description else []
        except duckdb.Error as error:
            names = ", ".join(tables_of(connection))
            raise UsageError(
                f"the query was not understood: {error}; the tables are {names}; DESCRIBE names the columns of one"
            ) from error
        columns = tuple(str(column[0]) for column in connection.description or ())
    return Answer(columns, tuple(tuple(_plain(value) for value in row) for row in found))


def _fill(connection: duckdb.DuckDBPyConnection, facts: Facts) -> None:
    """By way of Parquet files, which are gone afterwards: tables handed over in memory need pyarrow."""
    with tempfile.TemporaryDirectory(prefix="trading-bot-query-") as folder:
        for name, table in tables(facts).items():
            path = Path(folder) / f"{name}.parquet"
            table.write_parquet(path)
            connection.execute(f"CREATE TABLE {name} AS SELECT * FROM read_parquet(?)", [str(path)])  # noqa: S608 (ours)


def tables_of(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Names of the tables a connection has."""
    return [str(name) for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()]


def _plain(value: Any) -> Any:
    if isinstance(value, date | datetime):
        return value.isoformat()
    return value
