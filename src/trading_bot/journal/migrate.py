"""Brings a database to the tables of this version. Alembic is loaded only when there is something to do."""

from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from trading_bot.domain.errors import UsageError
from trading_bot.journal.schema import HEAD, VERSION_TABLE

if TYPE_CHECKING:
    from alembic.config import Config


def revision_of(connection: sa.Connection) -> str | None:
    """The revision a database has; None where the journal has never been in it."""
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 (our name)


def revisions() -> list[str]:
    """All revisions this version knows, oldest first."""
    from alembic.script import ScriptDirectory

    script = ScriptDirectory.from_config(_config())
    return [revision.revision for revision in reversed(list(script.walk_revisions()))]


def upgrade(connection: sa.Connection, revision: str = HEAD) -> tuple[str | None, str]:
    """Bring the tables to `revision` within the transaction of `connection`; gives what it was before, and is now.

    Raises:
        UsageError: the database was made by a newer version.
    """
    before = revision_of(connection)
    if before == revision:
        return before, revision
    from alembic import command

    if before is not None:
        check_known(before, "the journal")
    command.upgrade(_config(connection), revision)
    return before, revision


def check_known(revision: str, name: str) -> None:
    """Refuse a journal that a newer version made: this one does not know all that is in it.

    Raises:
        UsageError: `revision` is not one of `revisions`.
    """
    if revision != HEAD and revision not in revisions():
        raise UsageError(
            f"{name} has revision {revision}, this version knows up to {HEAD}; use the newer version, or another "
            "database: it can be rebuilt from the logs"
        )


def _config(connection: sa.Connection | None = None) -> "Config":
    from alembic.config import Config

    config = Config()
    folder = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))  # values of a Config are interpolated
    config.attributes["connection"] = connection
    return config
