"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    _runs()
    _sessions()
    _trades()
    _orders()
    _fills()
    _decisions()
    _quality_minutes()
    _breakers()
    _learning()
    _sources()


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("mode", sa.Text, nullable=False),
        sa.Column("adapter", sa.Text, nullable=False),
        sa.Column("instrument", sa.Text, nullable=False),
        sa.Column("tick_value_uusd", sa.BigInteger, nullable=False),
        sa.Column("hypothetical", sa.Boolean, nullable=False),
    )


def _sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("log", sa.Text, primary_key=True),
        sa.Column("run_id", sa.Text, sa.ForeignKey("runs.run_id", ondelete="CASCADE"), nullable=False),
        sa.Column("trade_date", sa.BigInteger, nullable=False),
        sa.Column("config_hash", sa.Text, nullable=False),
        sa.Column("kernel_build", sa.Text, nullable=False),
        sa.Column("ts_first_ns", sa.BigInteger, nullable=False),
        sa.Column("ts_last_ns", sa.BigInteger, nullable=False),
        sa.Column("records", sa.BigInteger, nullable=False),
        sa.Column("ticks", sa.BigInteger, nullable=False),
        sa.Column("torn_bytes", sa.BigInteger, nullable=False),
        sa.Column("restarts", sa.BigInteger, nullable=False),
        sa.Column("exit_reason", sa.Text, nullable=False),
    )
    op.create_index("ix_sessions_run_id", "sessions", ["run_id"])


def _trades() -> None:
    op.create_table(
        "trades",
        _log(),
        sa.Column("closed_seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("trade_date", sa.BigInteger, nullable=False),
        sa.Column("trade_id", sa.Text, nullable=False),
        sa.Column("outcome_seq", sa.BigInteger, nullable=False),
        sa.Column("decision_seq", sa.BigInteger, nullable=False),
        sa.Column("place_seq", sa.BigInteger, nullable=False),
        sa.Column("opened_seq", sa.BigInteger, nullable=False),
        sa.Column("fill_seqs", sa.Text, nullable=False),
        sa.Column("template", sa.Text, nullable=False),
        sa.Column("regime", sa.Text, nullable=False),
        sa.Column("bucket", sa.Text, nullable=False),
        sa.Column("side", sa.Text, nullable=False),
        sa.Column("qty", sa.BigInteger, nullable=False),
        sa.Column("decision_ts_ns", sa.BigInteger, nullable=False),
        sa.Column("entry_ts_ns", sa.BigInteger, nullable=False),
        sa.Column("exit_ts_ns", sa.BigInteger, nullable=False),
        sa.Column("entry_ticks", sa.BigInteger, nullable=False),
        sa.Column("exit_ticks", sa.BigInteger, nullable=False),
        sa.Column("exit_reason", sa.Text, nullable=False),
        sa.Column("gross_uusd", sa.BigInteger, nullable=False),
        sa.Column("commission_uusd", sa.BigInteger, nullable=False),
        sa.Column("net_uusd", sa.BigInteger, nullable=False),
        sa.Column("mae_ticks_e6", sa.BigInteger),
        sa.Column("mfe_ticks_e6", sa.BigInteger),
        sa.Column("slippage_ticks_e6", sa.BigInteger, nullable=False),
        sa.Column("slippage_expected_ticks_e6", sa.BigInteger, nullable=False),
        sa.Column("exit_slippage_ticks_e6", sa.BigInteger),
        sa.Column("spread_ticks_e6", sa.BigInteger),
        sa.Column("bid_ticks", sa.BigInteger),
        sa.Column("ask_ticks", sa.BigInteger),
        sa.Column("dvs_c", sa.BigInteger),
        sa.Column("eqs_c", sa.BigInteger),
        sa.Column("belief_e6", sa.BigInteger),
        sa.Column("p_e6", sa.BigInteger),
        sa.Column("edge_e6", sa.BigInteger),
        sa.Column("uncertainty_e6", sa.BigInteger),
        sa.Column("cost_e6", sa.BigInteger),
        sa.Column("euc_e6", sa.BigInteger),
        sa.Column("stop_ticks", sa.BigInteger),
        sa.Column("target_ticks", sa.BigInteger),
        sa.Column("hypothetical", sa.Boolean, nullable=False),
        sa.Column("shadow", sa.Boolean, nullable=False),
    )
    op.create_index("ix_trades_trade_date", "trades", ["trade_date"])


def _orders() -> None:
    op.create_table(
        "orders",
        _log(),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("ts_ns", sa.BigInteger, nullable=False),
        sa.Column("order_id", sa.Text, nullable=False),
        sa.Column("leg", sa.Text, nullable=False),
        sa.Column("decision_seq", sa.BigInteger, nullable=False),
        sa.Column("template", sa.Text, nullable=False),
        sa.Column("side", sa.Text, nullable=False),
        sa.Column("qty", sa.BigInteger, nullable=False),
        sa.Column("limit_ticks", sa.BigInteger),
        sa.Column("stop_price_ticks", sa.BigInteger),
        sa.Column("target_price_ticks", sa.BigInteger),
        sa.Column("risk_uusd", sa.BigInteger),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("filled_qty", sa.BigInteger, nullable=False),
        sa.Column("acknowledged_ns", sa.BigInteger),
        sa.Column("first_fill_ns", sa.BigInteger),
        sa.Column("end", sa.Text, nullable=False),
        sa.Column("end_seq", sa.BigInteger, nullable=False),
        sa.Column("end_text", sa.Text, nullable=False),
    )


def _fills() -> None:
    op.create_table(
        "fills",
        _log(),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("ts_ns", sa.BigInteger, nullable=False),
        sa.Column("order_id", sa.Text, nullable=False),
        sa.Column("leg", sa.Text, nullable=False),
        sa.Column("side", sa.Text, nullable=False),
        sa.Column("qty", sa.BigInteger, nullable=False),
        sa.Column("price_ticks", sa.BigInteger, nullable=False),
        sa.Column("commission_uusd", sa.BigInteger, nullable=False),
        sa.Column("estimated", sa.Boolean, nullable=False),
        sa.Column("exec_id", sa.Text, nullable=False),
        sa.Column("perm_id", sa.BigInteger, nullable=False),
        sa.Column("fill_kind", sa.Text, nullable=False),
        sa.Column("slippage_ticks", sa.BigInteger),
        sa.Column("trade_closed_seq", sa.BigInteger, nullable=False),
        sa.Column("counted", sa.Boolean, nullable=False),
        sa.Column("hypothetical", sa.Boolean, nullable=False),
    )


def _decisions() -> None:
    op.create_table(
        "decisions",
        _log(),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("ts_ns", sa.BigInteger, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("mask", sa.BigInteger, nullable=False),
        sa.Column("template", sa.Text, nullable=False),
        sa.Column("side", sa.BigInteger, nullable=False),
        sa.Column("episode", sa.BigInteger, nullable=False),
        sa.Column("live", sa.Text, nullable=False),
        sa.Column("modifiers", sa.Text, nullable=False),
        sa.Column("belief_e6", sa.BigInteger),
        sa.Column("euc_e6", sa.BigInteger),
        sa.Column("required_e6", sa.BigInteger),
    )


def _quality_minutes() -> None:
    op.create_table(
        "quality_minutes",
        _log(),
        sa.Column("minute_ns", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("quotes", sa.BigInteger, nullable=False),
        sa.Column("prints", sa.BigInteger, nullable=False),
        sa.Column("rejected", sa.BigInteger, nullable=False),
        sa.Column("dvs_min_c", sa.BigInteger),
        sa.Column("dvs_last_c", sa.BigInteger),
        sa.Column("eqs_min_c", sa.BigInteger),
        sa.Column("data_down", sa.Boolean, nullable=False),
        sa.Column("honesty", sa.BigInteger),
        sa.Column("lots_missing", sa.BigInteger),
    )


def _breakers() -> None:
    op.create_table(
        "breakers",
        _log(),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("ts_ns", sa.BigInteger, nullable=False),
        sa.Column("breaker", sa.Text, nullable=False),
        sa.Column("response", sa.Text, nullable=False),
        sa.Column("tripped", sa.Boolean, nullable=False),
        sa.Column("resumes_at_ns", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )


def _learning() -> None:
    op.create_table(
        "learning",
        _log(),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("ts_ns", sa.BigInteger, nullable=False),
        sa.Column("template", sa.Text, nullable=False),
        sa.Column("hypothetical", sa.Boolean, nullable=False),
        sa.Column("previous", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("finding", sa.Text, nullable=False),
        sa.Column("shadow", sa.Boolean, nullable=False),
        sa.Column("n", sa.BigInteger, nullable=False),
        sa.Column("wins", sa.BigInteger, nullable=False),
        sa.Column("mean_uusd", sa.BigInteger, nullable=False),
        sa.Column("sd_uusd", sa.BigInteger, nullable=False),
        sa.Column("p_e6", sa.BigInteger, nullable=False),
        sa.Column("drawdown_uusd", sa.BigInteger, nullable=False),
        sa.Column("threshold_e6", sa.BigInteger, nullable=False),
    )


def _sources() -> None:
    op.create_table(
        "sources",
        sa.Column("run_id", sa.Text, sa.ForeignKey("runs.run_id", ondelete="CASCADE"), primary_key=True),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("logs_digest", sa.Text, nullable=False),
        sa.Column("reader_digest", sa.Text, nullable=False),
        sa.Column("rows_digest", sa.Text, nullable=False),
        sa.Column("read_at_ns", sa.BigInteger, nullable=False),
    )


def _log() -> "sa.Column[str]":
    return sa.Column("log", sa.Text, sa.ForeignKey("sessions.log", ondelete="CASCADE"), primary_key=True)
