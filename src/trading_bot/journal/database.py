"""Which database the journal is in, how it is opened, and what its errors say. Passwords are never in a text.

SQLite: one writer at a time, readers are not disturbed (WAL). PostgreSQL: an advisory lock keeps two writers apart.
"""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from trading_bot.domain.errors import BotError, DataCorrupt, SourceUnreachable, UsageError

FILE_NAME: Final = "journal.db"
URL_VARIABLE: Final = "TRADING_BOT_JOURNAL_DB"  # instead of --db, which `ps` shows
EXAMPLES: Final = "sqlite:////home/me/journal.db or postgresql://user@host/database"
_DRIVERS: Final = {
    "sqlite": "sqlite+pysqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
}
_SHOWN_OPTIONS: Final = frozenset({"host", "port", "dbname", "sslmode", "mode", "connect_timeout"})
_WAIT_S: Final = 30  # for another writer
_CONNECT_S: Final = 10
_LOCK_KEY: Final = 0x7472_6462_6A72  # "trdbjr": of the advisory lock
_REFUSED: Final = ("readonly", "read-only", "permission denied", "unable to open", "authentication", "does not exist")
_DAMAGED: Final = ("not a database", "malformed", "disk image")
_FULL: Final = ("is full", "no space left")


class Database:
    """One database, by URL. Open with `connect`; `name` is what may be shown."""

    def __init__(self, url: sa.URL) -> None:
        """`url` as `database_url` gives it."""
        self.url = url
        self.name = shown(url)
        self._secrets = _secrets(url)
        arguments: dict[str, Any] = {}
        if self.is_sqlite:
            arguments = {"timeout": _WAIT_S}
        elif "connect_timeout" not in url.query:
            arguments = {"connect_timeout": _CONNECT_S}
        # hide_parameters: an error of a statement must not quote a whole row.
        self._engine = sa.create_engine(
            url, connect_args=arguments, hide_parameters=True, poolclass=sa.NullPool, future=True
        )
        if self.is_sqlite:
            event.listen(self._engine, "connect", _prepare_sqlite)
            event.listen(self._engine, "begin", _begin_sqlite)

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file of this machine."""
        return self.url.get_backend_name() == "sqlite"

    @property
    def file(self) -> Path | None:
        """The file of an SQLite database."""
        return Path(self.url.database) if self.is_sqlite and self.url.database else None

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """One unchanging picture of the database.

        Raises:
            UsageError: there is no such database, or it may not be read.
            SourceUnreachable: the server does not answer.
        """
        if self.file is not None and not self.file.is_file():
            raise UsageError(f"{self.name}: there is no journal; `trading-bot journal rebuild` makes it")
        options = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with (
            self._told(),
            self._engine.connect() as connection,
            connection.execution_options(**options).begin(),
        ):
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """One transaction, the only one that writes: all of it or, whatever happens, nothing.

        Raises:
            UsageError: it may not be written, or is no database of the journal.
            SourceUnreachable: the server does not answer, or another writer does not end.
        """
        if self.file is not None:
            make_folder(self.file.parent)
        with (
            self._told(),
            self._engine.connect() as connection,
            connection.execution_options(journal_writes=True).begin(),
        ):
            if not self.is_sqlite:
                connection.execute(sa.text(f"SET LOCAL lock_timeout = '{_WAIT_S}s'"))
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
            yield connection

    def without_secrets(self, text: str) -> str:
        """The text with the password replaced, where a driver repeats what it was given."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise self._error(error) from None  # the original names the URL it was opened with

    def _error(self, error: SQLAlchemyError) -> BotError:
        cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
        said = self.without_secrets(" ".join(str(cause).split()))
        found = f"{self.name}: {said or type(cause).__name__}"
        lower = said.lower()
        if any(words in lower for words in _DAMAGED):
            return DataCorrupt(f"{found}; restore a backup, or move the file away and run `journal rebuild`")
        if any(words in lower for words in _FULL):
            return BotError(f"{found}; nothing was changed; make room and run the command again")
        if "already exists" in lower:
            return UsageError(f"{found}; a table of that name is not the journal's: give it a database of its own")
        if any(words in lower for words in _REFUSED) or not isinstance(error, sa.exc.OperationalError):
            return UsageError(f"{found}; nothing was changed; check --db, the user and what the user may do")
        return SourceUnreachable(f"{found}; nothing was changed; is the server up, or another command still writing?")


def database_url(given: str | None, data_dir: Path) -> sa.URL:
    """The URL of `--db`, else of the environment, else the SQLite file in the data directory.

    Raises:
        UsageError: no URL of a database this can use. The text of the URL is not repeated: it may hold a password.
    """
    text = given if given is not None else os.environ.get(URL_VARIABLE)
    if text is None:
        return sa.URL.create(_DRIVERS["sqlite"], database=str((data_dir / FILE_NAME).resolve()))
    origin = URL_VARIABLE if given is None else "--db"
    try:
        url = sa.make_url(text)
        backend = url.get_backend_name()
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise UsageError(f"{origin} is no URL of a database; expected one like {EXAMPLES}") from None
    driver = _DRIVERS.get(backend)
    if driver is None:
        raise UsageError(f"{origin} names a database of kind {backend!r}; expected sqlite or postgresql: {EXAMPLES}")
    url = url.set(drivername=driver)
    if backend == "sqlite":
        if not url.database or url.database == ":memory:":
            raise UsageError(f"{origin} names an SQLite database in memory, which ends with the command; give a file")
        url = url.set(database=str(Path(url.database).resolve()))
    elif not url.database:
        raise UsageError(f"{origin} names no database; expected {EXAMPLES}")
    return url


def make_folder(folder: Path) -> None:
    """Make a folder and those above it.

    Raises:
        UsageError: it cannot be made, or may not be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise BotError(f"{folder}: {error.strerror}; nothing was changed; make room and run it again") from error
        raise UsageError(
            f"{folder}: no folder that can be written ({error.strerror}); nothing was changed; name another, or see to "
            "its rights"
        ) from error


def shown(url: sa.URL) -> str:
    """The URL as it may be printed: without password, without driver, and of its options only the harmless."""
    options = {key: value for key, value in url.query.items() if key in _SHOWN_OPTIONS}
    plain = url.set(drivername=url.get_backend_name(), query=options)
    return plain.render_as_string(hide_password=True)


def _secrets(url: sa.URL) -> list[str]:
    values = [str(value) for key, value in url.query.items() if key not in _SHOWN_OPTIONS]
    if url.password:
        # As it is, and as a URL spells it.
        encoded = url.set(username="u", host="h").render_as_string(hide_password=False)
        values += [str(url.password), encoded.split("//u:", 1)[1].split("@h", 1)[0]]
    return sorted({value for value in values if value}, key=len, reverse=True)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver would begin a transaction only before the first change, and not before a table is made.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("journal_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
