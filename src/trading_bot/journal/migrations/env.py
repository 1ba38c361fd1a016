"""Run by Alembic: applies revisions on the connection, and so inside the transaction, that it is given."""

from alembic import context

from trading_bot.journal.schema import METADATA, VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"], target_metadata=METADATA, version_table=VERSION_TABLE
)
with context.begin_transaction():
    context.run_migrations()
