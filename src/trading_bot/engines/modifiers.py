"""What the context adds to the expected utility an entry needs (specification 6.4; feature DE09).

Rows of a table, each a condition and a number of ticks. Confluence takes off what the others added, never more: the
utility of specification 6.3 is always needed. `_e6` are millionths of a tick.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

import msgspec

from trading_bot.domain.gate_config import ModifierConfig
from trading_bot.domain.units import NS_PER_MIN

LUNCH_PHASE: Final = 3
REGIME: Final = frozenset({"VOLATILITY"})  # additions that are throttles of a regime
CONFLICT: Final = "CONFLICT"
CONFLUENCE: Final = "CONFLUENCE"
_E6: Final = 1_000_000
_PPM: Final = 1_000_000

Modifier = tuple[str, int]


class Context(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What holds for every candidate of a moment.

    `phase` is the session's (specification 3.1 row 21), `entry_close_ns` its entry cut-off; `near_event` names the
    scheduled event before or after whose window this is.
    """

    ts_ns: int
    phase: int
    entry_close_ns: int | None
    near_event: str
    volatility_high: bool


def common(config: ModifierConfig, context: Context) -> tuple[Modifier, ...]:
    """The additions that are active whatever the candidate: (name, millionths of a tick)."""
    return tuple([addition for addition, holds in _in_use(config) if holds(config, context)])


def with_templates(
    config: ModifierConfig, before: Sequence[Modifier], holds: Sequence[int], template: int, side: int
) -> tuple[Modifier, ...]:
    """`before`, and what the other templates say of a candidate; `holds` is the side each holds now, 0 for none.

    The sum is not below 0.
    """
    sides = [held for index, held in enumerate(holds) if held and index != template]
    found = tuple(before)
    if config.conflict_ticks and -side in sides:
        found += ((CONFLICT, _e6(config.conflict_ticks)),)
    agree, held = 1 + sides.count(side), 1 + len(sides)
    enough = agree >= config.confluence_templates_min
    if config.confluence_ticks and enough and agree * _PPM >= held * round(config.confluence_share * _PPM):
        off_e6 = min(_e6(config.confluence_ticks), total_e6(found))
        if off_e6 > 0:
            found += ((CONFLUENCE, -off_e6),)
    return found


def without_regime(before: tuple[Modifier, ...]) -> tuple[Modifier, ...]:
    """`before` without the additions of a regime, which are advice outside LIVE (specification 8.5)."""
    if not any(name in REGIME for name, _ in before):
        return before
    return tuple(addition for addition in before if addition[0] not in REGIME)


def total_e6(modifiers: Sequence[Modifier]) -> int:
    """What they add together."""
    return sum(e6 for _, e6 in modifiers)


def texts(modifiers: Sequence[Modifier]) -> tuple[str, ...]:
    """For people: `LUNCH +0.25`."""
    return tuple(f"{name} {e6 / _E6:+.2f}" for name, e6 in modifiers)


def _late(config: ModifierConfig, context: Context) -> bool:
    cut_off_ns = context.entry_close_ns
    return cut_off_ns is not None and cut_off_ns - config.late_min * NS_PER_MIN <= context.ts_ns < cut_off_ns


def _e6(ticks: float) -> int:
    return round(ticks * _E6)


_Holds = Callable[[ModifierConfig, Context], bool]
_Row = tuple[str, Callable[[ModifierConfig], float], _Holds]

_COMMON: Final[tuple[_Row, ...]] = (
    ("LUNCH", lambda config: config.lunch_ticks, lambda _, context: context.phase == LUNCH_PHASE),
    ("LATE", lambda config: config.late_ticks, _late),
    ("EVENT", lambda config: config.event_ticks, lambda _, context: bool(context.near_event)),
    ("VOLATILITY", lambda config: config.volatility_ticks, lambda _, context: context.volatility_high),
)


@lru_cache(maxsize=16)
def _in_use(config: ModifierConfig) -> tuple[tuple[Modifier, _Holds], ...]:
    return tuple(((name, _e6(ticks(config))), holds) for name, ticks, holds in _COMMON if ticks(config))
