"""The tables (docs/journal.md). Whole numbers and text only, so that a row is the same row in every database.

Money in micro-dollars (`_uusd`), times in ns since the Unix epoch (`_ns`), prices and distances in ticks, scores in
hundredths (`_c`), what is no whole number in millionths (`_e6`). `log` names a session's log: run and folder.
"""

from typing import Final

import sqlalchemy as sa

HEAD: Final = "0002"  # the newest revision in migrations/versions
VERSION_TABLE: Final = "journal_schema"

METADATA: Final = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)


def _whole(name: str, *, optional: bool = False) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger, nullable=optional)


def _text(name: str, *, optional: bool = False) -> "sa.Column[str]":
    return sa.Column(name, sa.Text, nullable=optional)


def _flag(name: str) -> "sa.Column[bool]":
    return sa.Column(name, sa.Boolean, nullable=False)


def _log() -> "sa.Column[str]":
    return sa.Column(
        "log", sa.Text, sa.ForeignKey("sessions.log", ondelete="CASCADE"), primary_key=True, nullable=False
    )


def _key(name: str = "seq") -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger, primary_key=True, autoincrement=False)


RUNS: Final = sa.Table(
    "runs",
    METADATA,
    sa.Column("run_id", sa.Text, primary_key=True),
    _text("mode"),
    _text("adapter"),
    _text("instrument"),
    _whole("tick_value_uusd"),
    _flag("hypothetical"),
)

SESSIONS: Final = sa.Table(
    "sessions",
    METADATA,
    sa.Column("log", sa.Text, primary_key=True),
    sa.Column("run_id", sa.Text, sa.ForeignKey("runs.run_id", ondelete="CASCADE"), nullable=False, index=True),
    _whole("trade_date"),
    _text("config_hash"),
    _text("kernel_build"),
    _whole("ts_first_ns"),
    _whole("ts_last_ns"),
    _whole("records"),
    _whole("ticks"),
    _whole("torn_bytes"),
    _whole("restarts"),
    _text("exit_reason"),
)

TRADES: Final = sa.Table(
    "trades",
    METADATA,
    _log(),
    _key("closed_seq"),
    _whole("trade_date"),
    _text("trade_id"),
    _whole("outcome_seq"),
    _whole("decision_seq"),
    _whole("place_seq"),
    _whole("opened_seq"),
    _text("fill_seqs"),
    _text("template"),
    _text("regime"),
    _text("bucket"),
    _text("side"),
    _whole("qty"),
    _whole("decision_ts_ns"),
    _whole("entry_ts_ns"),
    _whole("exit_ts_ns"),
    _whole("entry_ticks"),
    _whole("exit_ticks"),
    _text("exit_reason"),
    _whole("gross_uusd"),
    _whole("commission_uusd"),
    _whole("net_uusd"),
    _whole("mae_ticks_e6", optional=True),
    _whole("mfe_ticks_e6", optional=True),
    _whole("slippage_ticks_e6"),
    _whole("slippage_expected_ticks_e6"),
    _whole("exit_slippage_ticks_e6", optional=True),
    _whole("spread_ticks_e6", optional=True),
    _whole("bid_ticks", optional=True),
    _whole("ask_ticks", optional=True),
    _whole("dvs_c", optional=True),
    _whole("eqs_c", optional=True),
    _whole("belief_e6", optional=True),
    _whole("p_e6", optional=True),
    _whole("edge_e6", optional=True),
    _whole("uncertainty_e6", optional=True),
    _whole("cost_e6", optional=True),
    _whole("euc_e6", optional=True),
    _whole("stop_ticks", optional=True),
    _whole("target_ticks", optional=True),
    _flag("hypothetical"),
    _flag("shadow"),
    # Since 0002: columns are only appended, so that an older dump is a prefix.
    sa.Column("told", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Index("ix_trades_trade_date", "trade_date"),
)

ORDERS: Final = sa.Table(
    "orders",
    METADATA,
    _log(),
    _key(),
    _whole("ts_ns"),
    _text("order_id"),
    _text("leg"),
    _whole("decision_seq"),
    _text("template"),
    _text("side"),
    _whole("qty"),
    _whole("limit_ticks", optional=True),
    _whole("stop_price_ticks", optional=True),
    _whole("target_price_ticks", optional=True),
    _whole("risk_uusd", optional=True),
    _text("cause"),
    _whole("filled_qty"),
    _whole("acknowledged_ns", optional=True),
    _whole("first_fill_ns", optional=True),
    _text("end"),
    _whole("end_seq"),
    _text("end_text"),
)

FILLS: Final = sa.Table(
    "fills",
    METADATA,
    _log(),
    _key(),
    _whole("ts_ns"),
    _text("order_id"),
    _text("leg"),
    _text("side"),
    _whole("qty"),
    _whole("price_ticks"),
    _whole("commission_uusd"),
    _flag("estimated"),
    _text("exec_id"),
    _whole("perm_id"),
    _text("fill_kind"),
    _whole("slippage_ticks", optional=True),
    _whole("trade_closed_seq"),
    _flag("counted"),
    _flag("hypothetical"),
)

DECISIONS: Final = sa.Table(
    "decisions",
    METADATA,
    _log(),
    _key(),
    _whole("ts_ns"),
    _text("action"),
    _text("reason"),
    _whole("mask"),
    _text("template"),
    _whole("side"),
    _whole("episode"),
    _text("live"),
    _text("modifiers"),
    _whole("belief_e6", optional=True),
    _whole("euc_e6", optional=True),
    _whole("required_e6", optional=True),
)

QUALITY_MINUTES: Final = sa.Table(
    "quality_minutes",
    METADATA,
    _log(),
    _key("minute_ns"),
    _whole("quotes"),
    _whole("prints"),
    _whole("rejected"),
    _whole("dvs_min_c", optional=True),
    _whole("dvs_last_c", optional=True),
    _whole("eqs_min_c", optional=True),
    _flag("data_down"),
    _whole("honesty", optional=True),
    _whole("lots_missing", optional=True),
)

BREAKERS: Final = sa.Table(
    "breakers",
    METADATA,
    _log(),
    _key(),
    _whole("ts_ns"),
    _text("breaker"),
    _text("response"),
    _flag("tripped"),
    _whole("resumes_at_ns"),
    _text("reason"),
)

LEARNING: Final = sa.Table(
    "learning",
    METADATA,
    _log(),
    _key(),
    _whole("ts_ns"),
    _text("template"),
    _flag("hypothetical"),
    _text("previous"),
    _text("state"),
    _whole("epoch"),
    _text("finding"),
    _flag("shadow"),
    _whole("n"),
    _whole("wins"),
    _whole("mean_uusd"),
    _whole("sd_uusd"),
    _whole("p_e6"),
    _whole("drawdown_uusd"),
    _whole("threshold_e6"),
)

# --- since 0002 ------------------------------------------------------------------------------------------------------

CORRECTIONS: Final = sa.Table(
    "corrections",
    METADATA,
    _log(),
    _key(),
    _whole("ts_ns"),
    _text("order_id"),
    _text("exec_id"),
    _whole("delta_uusd"),
    _flag("after_close"),
    _whole("trade_closed_seq"),
    _flag("hypothetical"),
)

REFUSALS: Final = sa.Table(
    "refusals",
    METADATA,
    _log(),
    _key(),
    _whole("ts_ns"),
    _text("order_id"),
    _text("template"),
    _text("failed"),
    _text("detail"),
)

PARAMETERS: Final = sa.Table(
    "parameters",
    METADATA,
    _log(),
    _key(),
    _whole("ts_ns"),
    _text("parameter"),
    _whole("old"),
    _whole("new"),
    _whole("fills"),
    _whole("actual"),
    _whole("expected"),
    _flag("hypothetical"),
    _whole("set_number"),
    _whole("shadow_trades"),
    _text("proposal"),
    _text("evidence"),
)

# Where rows come from: no part of the projection, and of no digest.
SOURCES: Final = sa.Table(
    "sources",
    METADATA,
    sa.Column("run_id", sa.Text, sa.ForeignKey("runs.run_id", ondelete="CASCADE"), primary_key=True),
    _text("path"),
    _text("logs_digest"),
    _text("reader_digest"),
    _text("rows_digest"),
    _whole("read_at_ns"),
)

# Tables of a session's log, in the order in which their rows are dumped.
OF_LOG: Final = (
    TRADES,
    ORDERS,
    FILLS,
    DECISIONS,
    QUALITY_MINUTES,
    BREAKERS,
    LEARNING,
    CORRECTIONS,
    REFUSALS,
    PARAMETERS,
)
PROJECTED: Final = (RUNS, SESSIONS, *OF_LOG)
