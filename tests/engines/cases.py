"""A decision that may be taken and an order that may pass; each test spoils one thing about them."""

from typing import Any

import msgspec

from trading_bot.domain.config import BotConfig
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.kernel import Candidate
from trading_bot.domain.templates import TemplateConfig
from trading_bot.engines.decision_v2 import DecisionEngineV2, DecisionInputs
from trading_bot.engines.entry_size import KellyFacts, SizeFacts
from trading_bot.engines.session import SessionState

SECOND_NS = 1_000_000_000
NOW_NS = 1_795_620_600 * SECOND_NS  # 2026-11-25 15:30 UTC
HOLD_S = 60

# As in specification 6.3: worth 4 - 0.5 = 3.5 ticks where 2 are needed; a cost of 1.7 is .14 of the target of 12.
CANDIDATE: dict[str, Any] = {
    "template": 0,
    "side": 1,
    "missing": False,
    "episode": 1,
    "z_e6": 1_000_000,
    "belief_e6": 850_000,
    "p_e6": 700_000,
    "p_be_e6": 580_000,
    "stability_e6": 100_000,
    "edge_e6": 4_000_000,
    "uncertainty_e6": 500_000,
    "cost_e6": 1_700_000,
    "euc_e6": 1_800_000,
    "required_e6": 2_000_000,
    "cost_share_e6": 140_000,
    "slippage_e6": 500_000,
    "target_ticks": 12,
    "stop_ticks": 8,
}

INPUTS: dict[str, Any] = {
    "ts_ns": NOW_NS,
    "stopping": False,
    "killed": False,
    "recovered": True,
    "link_up": True,
    "log_space_ok": True,
    "data_down": False,
    "dvs_c": 100,
    "eqs_c": 100,
    "session_state": SessionState.ENTRIES,
    "flatten_ns": NOW_NS + 3600 * SECOND_NS,
    "position_qty": 0,
    "working_entries": 0,
    "entries_last_minute": 0,
    "entries_last_hour": 0,
    "entries_today": 0,
    "attempts_today": 0,
    "fees_today_uusd": 0,
    "equity_uusd": 10_000_000_000,
    "bid_ticks": 24_000,
    "ask_ticks": 24_001,
    # A margin of a dollar and trades that prove an edge: what a case is about is then the limit it names.
    "size": SizeFacts(
        margin_used_uusd=0,
        margin_per_contract_uusd=1_000_000,
        kelly=(KellyFacts(trades=200, wins=150, won_uusd=3_000_000_000, lost_uusd=500_000_000),) * 3,
    ),
}


def candidate(**changes: Any) -> Candidate:
    """A candidate worth trading; a missing one has no terms, as the kernel reports it."""
    values = CANDIDATE | changes
    if values["missing"]:
        terms = {name: 0 for name in CANDIDATE if name.endswith(("_e6", "_ticks"))}
        values = CANDIDATE | terms | changes
    return Candidate(**values)


def inputs(**changes: Any) -> DecisionInputs:
    """A world in which nothing forbids an entry."""
    return DecisionInputs(**(INPUTS | changes))


def template(**changes: Any) -> TemplateConfig:
    """A template with a hold of `HOLD_S`."""
    values: dict[str, Any] = {
        "on": True,
        "title": "a template of the tests",
        "cadence": "tick",
        "entry": "passive",
        "target_ticks": 12,
        "stop_ticks": 8,
        "hold_s": HOLD_S,
        "weights": {"queue_imbalance": 1.0},
    }
    return msgspec.convert(values | changes, TemplateConfig)


def engine(symbol: str = "MES", config: dict[str, Any] | None = None) -> DecisionEngineV2:
    """The engine with templates K1 (0), K4 (1), S1 (2) and the numbers of the specification; a tier allows 10 lots."""
    templates = {"K1": template(), "K4": template(), "S1": template()}
    built = msgspec.convert(config or {}, BotConfig)
    tiers = {name: msgspec.structs.replace(tier, contracts_max=10) for name, tier in built.decision.tiers.items()}
    decision = msgspec.structs.replace(built.decision, tiers=tiers)
    return DecisionEngineV2(msgspec.structs.replace(built, decision=decision), templates, INSTRUMENTS[symbol])
