"""Changes, sets and templates for tests of learned parameters."""

from typing import Any

import msgspec

from trading_bot.domain.learned import LearnedBooks, LearnedSet, LearnedValue, ParamChange, SetKind
from trading_bot.domain.templates import TemplateConfig
from trading_bot.domain.units import NS_PER_DAY

MONDAY_NS = 1_795_392_000_000_000_000  # 2026-11-23T00:00:00Z, a Monday
WEEK_NS = 7 * NS_PER_DAY
PROPOSAL = "0" * 64

K1 = TemplateConfig(
    on=True,
    title="a test's",
    cadence="grid",
    entry="marketable",
    target_ticks=16,
    stop_ticks=8,
    hold_s=600,
    belief_enter=0.64,
    belief_hold=0.58,
    weights={"vwap_z": -1.0, "ofi_30s": 0.4},
)
TEMPLATES = {"K1": K1}


def change(parameter: str, old_e6: int, new_e6: int, **given: Any) -> ParamChange:
    """A change with evidence enough, unless it is given."""
    evidence = {"trades": 10, "shadow_trades": 20, "actual_uusd": -3_000_000, "expected_uusd": 1_000_000} | given
    return ParamChange(parameter=parameter, old_e6=old_e6, new_e6=new_e6, reason="because", **evidence)


def value(parameter: str, base_e6: int, value_e6: int) -> LearnedValue:
    """A value in force with its evidence."""
    return LearnedValue(
        parameter=parameter,
        base_e6=base_e6,
        value_e6=value_e6,
        trades=12,
        shadow_trades=25,
        actual_uusd=-4_500_000,
        expected_uusd=2_250_000,
        reason="beliefs below .66 lost",
    )


def one_set(number: int, *values: LearnedValue, at_ns: int = MONDAY_NS, **given: Any) -> LearnedSet:
    """An adopted set."""
    held = LearnedSet(
        number=number,
        kind=SetKind.ADOPTED,
        adopted_at_ns=at_ns,
        hypothetical_evidence=True,
        values=values,
        proposal=PROPOSAL,
    )
    return msgspec.structs.replace(held, **given)


def books(*sets: LearnedSet) -> LearnedBooks:
    """Sets of the hypothetical book."""
    return LearnedBooks(hypothetical=sets)
