"""Trades as facts, with the numbers a test is about and ordinary ones for the rest."""

from typing import Any

import msgspec

from trading_bot.domain.orders import Side
from trading_bot.reports.fact_records import Facts, OrderFact, SessionFact, TradeFact

TICK_UUSD = 1_250_000
ENTRY_NS = 1_795_617_000_000_000_000  # 2026-11-25T14:30:00Z
S = 1_000_000_000

TRADE = TradeFact(
    log="runs/r/20261125",
    run_id="r",
    mode="SIM",
    trade_date=20261125,
    instrument="MES",
    tick_value_uusd=TICK_UUSD,
    trade_id="100-0",
    outcome_seq=100,
    decision_seq=101,
    place_seq=103,
    opened_seq=110,
    closed_seq=120,
    fill_seqs=(109, 119),
    template="K1",
    regime="calm",
    bucket="0930",
    side=Side.BUY,
    qty=1,
    decision_ts_ns=ENTRY_NS - S,
    entry_ts_ns=ENTRY_NS,
    exit_ts_ns=ENTRY_NS + 60 * S,
    entry_ticks=20_000,
    exit_ticks=20_016,
    entry_cost_ticks=20_000,
    exit_value_ticks=20_016,
    exit_reason="TARGET",
    gross_uusd=16 * TICK_UUSD,
    commission_uusd=2_500_000,
    mae_ticks=2.0,
    mfe_ticks=16.0,
    slippage_ticks=0.0,
    slippage_expected_ticks=0.5,
    entry_slippage_ticks=0.0,
    exit_slippage_ticks=0.0,
    spread_ticks=1.0,
    passive=False,
    bid_ticks=19_999,
    ask_ticks=20_000,
    dvs_c=100,
    eqs_c=100,
    belief_e6=700_000,
    p_e6=500_000,
    p_stop_e6=500_000,
    edge_e6=4_000_000,
    uncertainty_e6=1_900_000,
    cost_e6=2_750_000,
    euc_e6=-650_000,
    required_e6=3_250_000,
    stop_ticks=8,
    target_ticks=16,
    volatility=1,
    hypothetical=True,
    shadow=False,
)

ORDER = OrderFact(
    log=TRADE.log,
    seq=103,
    ts_ns=ENTRY_NS - S,
    order_id="100-0",
    leg="ENTRY",
    outcome_seq=100,
    decision_seq=101,
    template="K1",
    side=Side.BUY,
    qty=1,
    limit_ticks=20_001,
    stop_price_ticks=19_992,
    target_price_ticks=20_016,
    expires_ns=ENTRY_NS + 9 * S,
    risk_uusd=10_000_000,
)


def trade(**changes: Any) -> TradeFact:
    """The ordinary winner, changed."""
    return msgspec.structs.replace(TRADE, **changes)


def facts(*trades: TradeFact, **changes: Any) -> Facts:
    """Facts of these trades alone."""
    empty = Facts(
        sessions=(),
        trades=trades,
        fills=(),
        orders=(),
        decisions=(),
        refusals=(),
        corrections=(),
        quality=(),
        rest={},
        notes=(),
    )
    return msgspec.structs.replace(empty, **changes)


__all__ = ["ENTRY_NS", "ORDER", "TICK_UUSD", "TRADE", "S", "SessionFact", "facts", "trade"]
