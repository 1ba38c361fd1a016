"""Trades as values for tests of analytics: each says only what its test is about."""

from typing import Any

from trading_bot.domain.orders import Side
from trading_bot.reports.fact_records import Facts, SessionFact, TradeFact

S_NS = 1_000_000_000
OPEN_NS = 1_795_617_000_000_000_000  # 2026-11-25 09:30 in New York
TICK_UUSD = 1_250_000
FEE_UUSD = 2_500_000  # round trip, one lot


def trade(number: int, gross_ticks: int, **changes: Any) -> TradeFact:
    """Trade `number` of a day: one lot of MES, one minute each, five minutes apart."""
    entry_ns = OPEN_NS + number * 300 * S_NS
    side = changes.get("side", Side.BUY)
    sign = 1 if side is Side.BUY else -1
    qty = changes.get("qty", 1)
    fields: dict[str, Any] = {
        "log": "log", "run_id": "run", "mode": "PAPER", "trade_date": 20261125, "instrument": "MES",
        "tick_value_uusd": TICK_UUSD, "trade_id": f"{number}-0", "outcome_seq": number * 100,
        "decision_seq": number * 100 + 1, "place_seq": number * 100 + 2, "opened_seq": number * 100 + 4,
        "closed_seq": number * 100 + 6, "fill_seqs": (), "template": "S1",
        "regime": "calm", "bucket": "1", "side": side, "qty": qty, "decision_ts_ns": entry_ns - S_NS,
        "entry_ts_ns": entry_ns, "exit_ts_ns": entry_ns + 60 * S_NS, "entry_ticks": 24_000,
        "exit_ticks": 24_000 + sign * gross_ticks, "entry_cost_ticks": 24_000 * qty,
        "exit_value_ticks": (24_000 + sign * gross_ticks) * qty, "exit_reason": "TARGET" if gross_ticks > 0 else "STOP",
        "gross_uusd": gross_ticks * TICK_UUSD * qty, "commission_uusd": FEE_UUSD * qty, "mae_ticks": 2.0,
        "mfe_ticks": 5.0, "slippage_ticks": 0.0, "slippage_expected_ticks": 0.5, "entry_slippage_ticks": 0.0,
        "exit_slippage_ticks": 0.0, "spread_ticks": 1.0, "passive": True, "bid_ticks": 24_000, "ask_ticks": 24_001,
        "dvs_c": 100, "eqs_c": 100, "belief_e6": 700_000, "p_e6": 600_000, "p_stop_e6": 400_000, "edge_e6": 3_000_000,
        "uncertainty_e6": 500_000, "cost_e6": 2_000_000, "euc_e6": 500_000, "required_e6": 1, "stop_ticks": 8,
        "target_ticks": 12, "volatility": 1, "hypothetical": False, "shadow": False,
    }  # fmt: skip
    return TradeFact(**(fields | changes))


# Net of 2.50 each: +10, +5, −12.50, +2.50, −7.50, +15, −10, +5, −5, +7.50: six wins, four losses.
NETS_USD = (10.0, 5.0, -12.5, 2.5, -7.5, 15.0, -10.0, 5.0, -5.0, 7.5)


def ten_trades() -> tuple[TradeFact, ...]:
    """Six wins and four losses: gross ticks are (net + 2.50) / 1.25."""
    return tuple(trade(number, round((net + 2.5) / 1.25)) for number, net in enumerate(NETS_USD))


def session(**changes: Any) -> SessionFact:
    """The log of those trades."""
    fields: dict[str, Any] = {
        "log": "log", "name": "20261125", "run_id": "run", "mode": "PAPER", "adapter": "ibkr", "instrument": "MES",
        "tick_value_uusd": TICK_UUSD, "trade_date": 20261125, "config_hash": "", "kernel_build": "",
        "hypothetical": False, "ts_first_ns": OPEN_NS, "ts_last_ns": OPEN_NS + 3_600 * S_NS, "records": 1, "ticks": 0,
        "torn_bytes": 0, "restarts": 0, "exit_reason": "DURATION",
    }  # fmt: skip
    return SessionFact(**(fields | changes))


def facts_of(trades: tuple[TradeFact, ...], **changes: Any) -> Facts:
    """Facts with these trades and nothing else."""
    dates = sorted({row.trade_date for row in trades})
    fields: dict[str, Any] = {
        "sessions": tuple(session(trade_date=date) for date in dates) or (session(),), "trades": trades, "fills": (),
        "orders": (), "decisions": (), "refusals": (), "corrections": (), "quality": (), "rest": {}, "notes": (),
    }  # fmt: skip
    return Facts(**(fields | changes))
