"""Keys that contradict each other are refused when a configuration is built, both named (features DG07, OP05).

A relation between keys of one section stands with the section; those across sections are rows here.
"""

from collections.abc import Callable
from operator import attrgetter, le, lt
from typing import Any, Final

import msgspec


class Relation(msgspec.Struct, frozen=True):
    """`low` may not be above `high`, nor equal to it where `strict`; `why` says what would be wrong."""

    low: str
    high: str
    why: str
    strict: bool = False


RELATIONS: Final[tuple[Relation, ...]] = (
    Relation("safety.position_qty_max", "sizing.order_qty_max", "no order could make such a position"),
    Relation("sizing.max_risk_usd", "safety.open_risk_usd_max", "a trade of the largest risk could never be sent"),
    Relation("breakers.reduced_entries_per_hour", "safety.entries_per_hour_max", "a reduction would allow more"),
    Relation("sizing.equity_risk_pct_max", "breakers.daily_halt_pct", "one stop alone would pass the halt of the day"),
    Relation("safety.spread_ticks_max", "lockouts.spread_ticks", "what may be entered at would lock out", strict=True),
    Relation("breakers.daily_halt_pct", "breakers.intraday_drawdown_pct", "the halt of the day would not be reached"),
    Relation("breakers.daily_halt_pct", "breakers.weekly_halt_pct", "the halt of the day would not be reached"),
    Relation("breakers.weekly_halt_pct", "breakers.monthly_halt_pct", "the halt of the week would not be reached"),
    Relation("breakers.rapid_loss_pct", "breakers.daily_halt_pct", "the day would be halted before that pause"),
)
_TIERS: Final = ("stop_ticks_max", "max_risk_usd")


def check_relations(config: Any) -> None:
    """Every row, and every capital tier against the limits of sizing; `config` is a `BotConfig`.

    Raises:
        ValueError: naming both keys, what they hold and why they contradict each other.
    """
    for name, tier in config.decision.tiers.items():
        for limit in _TIERS:
            found, most = getattr(tier, limit), getattr(config.sizing, limit)
            if found > most:
                raise ValueError(f"decision.tiers.{name}.{limit} ({found}) is above sizing.{limit} ({most})")
    for row in RELATIONS:
        low, high = attrgetter(row.low)(config), attrgetter(row.high)(config)
        holds: Callable[[Any, Any], bool] = lt if row.strict else le
        if not holds(low, high):
            is_what = "is not below" if row.strict else "is above"
            raise ValueError(f"{row.low} ({low}) {is_what} {row.high} ({high}): {row.why}")
