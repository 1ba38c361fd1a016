"""Later commissions, refusals and learned values get tables; a trade says whether the log told its close."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add three tables and a column."""
    op.add_column("trades", sa.Column("told", sa.Boolean, nullable=False, server_default=sa.true()))
    op.create_table(
        "corrections",
        _log(),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("ts_ns", sa.BigInteger, nullable=False),
        sa.Column("order_id", sa.Text, nullable=False),
        sa.Column("exec_id", sa.Text, nullable=False),
        sa.Column("delta_uusd", sa.BigInteger, nullable=False),
        sa.Column("after_close", sa.Boolean, nullable=False),
        sa.Column("trade_closed_seq", sa.BigInteger, nullable=False),
        sa.Column("hypothetical", sa.Boolean, nullable=False),
    )
    op.create_table(
        "refusals",
        _log(),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("ts_ns", sa.BigInteger, nullable=False),
        sa.Column("order_id", sa.Text, nullable=False),
        sa.Column("template", sa.Text, nullable=False),
        sa.Column("failed", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )
    op.create_table(
        "parameters",
        _log(),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("ts_ns", sa.BigInteger, nullable=False),
        sa.Column("parameter", sa.Text, nullable=False),
        sa.Column("old", sa.BigInteger, nullable=False),
        sa.Column("new", sa.BigInteger, nullable=False),
        sa.Column("fills", sa.BigInteger, nullable=False),
        sa.Column("actual", sa.BigInteger, nullable=False),
        sa.Column("expected", sa.BigInteger, nullable=False),
        sa.Column("hypothetical", sa.Boolean, nullable=False),
        sa.Column("set_number", sa.BigInteger, nullable=False),
        sa.Column("shadow_trades", sa.BigInteger, nullable=False),
        sa.Column("proposal", sa.Text, nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
    )


def _log() -> "sa.Column[str]":
    return sa.Column("log", sa.Text, sa.ForeignKey("sessions.log", ondelete="CASCADE"), primary_key=True)
