"""What signals from outside mean while they live: weights, levels, lockouts (feature SG10; docs/context.md).

A name means one thing: a newer message of it replaces the one before, whoever sent it.
"""

from math import floor
from typing import Final

import msgspec

from trading_bot.domain.context import ContextReceived
from trading_bot.domain.context_config import ContextConfig, lockout_rule
from trading_bot.domain.units import NS_PER_MS, NS_PER_S, iso_from_ns
from trading_bot.engines.levels import E6, GivenLevel

SLOT_NAMES: Final = ("context_1", "context_2", "context_3", "context_4")
LEVEL_PREFIX: Final = "CTX:"
_POINT_E9: Final = 1_000_000_000
_VALUE_MAX: Final = 1e9
_POINTS_MAX: Final = 1e6
_SHOWN: Final = 40  # characters of a stranger's text


class ContextRules(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration, compiled. `lockouts` are (name, from the threshold upwards, threshold, text).

    `size_name` is the volatility index that scales the size (`sizing.vix_name`).
    """

    sources: tuple[str, ...]
    slots: tuple[str, ...]
    levels: tuple[str, ...]
    lockouts: tuple[tuple[str, bool, float, str], ...]
    life_ns_max: int
    ahead_ns_max: int
    tick_size_e9: int
    size_name: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that means something."""
        slots = (*self.slots, self.size_name)
        return (*(slot for slot in slots if slot), *self.levels, *(row[0] for row in self.lockouts))


class Held(msgspec.Struct, frozen=True, gc=False):
    """The newest message of a name; it counts until `expires_ns` (excluded)."""

    name: str
    source: str
    value: float
    conviction: float
    stamped_ns: int
    expires_ns: int


class ContextState(msgspec.Struct, frozen=True, gc=False):
    """`held` are living messages, oldest arrival first; `newest` is the stamp of the newest message taken of each name.

    `refused` counts those since the last alert about them, which was at `alerted_ns`.
    """

    held: tuple[Held, ...] = ()
    newest: dict[str, int] = {}
    refused: int = 0
    alerted_ns: int = 0


def context_rules(config: ContextConfig, tick_size_e9: int, *, size_name: str = "") -> ContextRules:
    """The rules of a configuration for an instrument with this tick; `size_name` as in `ContextRules`."""
    return ContextRules(
        sources=config.sources,
        slots=config.slots,
        levels=config.levels,
        lockouts=tuple((*lockout_rule(text), text) for text in config.lockouts),
        life_ns_max=round(config.time_to_live_s_max * NS_PER_S),
        ahead_ns_max=config.ahead_ms_max * NS_PER_MS,
        tick_size_e9=tick_size_e9,
        size_name=size_name,
    )


def problem(state: ContextState, message: ContextReceived, rules: ContextRules) -> str | None:
    """Why a message is not taken: what was found and what was expected; None when it is."""
    now_ns, name = message.ts_ns, message.name[:_SHOWN]
    if message.source not in rules.sources:
        return f"source {message.source[:_SHOWN]!r}; expected one of context.sources: {', '.join(rules.sources)}"
    if message.name not in rules.names:
        return f"name {name!r}; expected a name of context.slot_1 to slot_4, levels or lockouts"
    if not -_VALUE_MAX <= message.value <= _VALUE_MAX or not 0.0 <= message.conviction <= 1.0:
        return f"{name} has value {message.value:g}, conviction {message.conviction:g}; expected a number and 0 to 1"
    if message.name in rules.levels and not 0.0 < message.value <= _POINTS_MAX:
        return f"level {name} has value {message.value:g}; expected a price in points"
    if not 0 < message.time_to_live_ns <= rules.life_ns_max:
        found_s, most_s = message.time_to_live_ns / NS_PER_S, rules.life_ns_max / NS_PER_S
        return f"{name} asks for {found_s:g} s to live; expected more than 0 and at most {most_s:g}"
    if message.stamped_ns > now_ns + rules.ahead_ns_max:
        ahead_ms = rules.ahead_ns_max // NS_PER_MS
        return f"{name} is stamped {_when(message.stamped_ns)}; expected at most {ahead_ms} ms after {_when(now_ns)}"
    if message.stamped_ns + message.time_to_live_ns <= now_ns:
        ended = _when(message.stamped_ns + message.time_to_live_ns)
        return f"{name} ended at {ended}, before it came at {_when(now_ns)}; expected one that still lives"
    newest_ns = state.newest.get(message.name)
    if newest_ns is not None and message.stamped_ns < newest_ns:
        return f"{name} is stamped {_when(message.stamped_ns)}; expected none before the newest, {_when(newest_ns)}"
    return None


def taken(state: ContextState, message: ContextReceived) -> ContextState:
    """With a message without a problem. A stamp ahead of our time buys no longer life."""
    expires_ns = min(message.stamped_ns, message.ts_ns) + message.time_to_live_ns
    held = Held(message.name, message.source, message.value, message.conviction, message.stamped_ns, expires_ns)
    others = tuple(row for row in state.held if row.name != message.name)
    newest = {**state.newest, message.name: message.stamped_ns}
    return msgspec.structs.replace(state, held=(*others, held), newest=newest)


def expired(state: ContextState, ts_ns: int) -> tuple[ContextState, tuple[Held, ...]]:
    """Without the messages whose time is over, and those."""
    over = tuple(row for row in state.held if row.expires_ns <= ts_ns)
    if not over:
        return state, ()
    kept = tuple(row for row in state.held if row.expires_ns > ts_ns)
    return msgspec.structs.replace(state, held=kept), over


def next_expiry_ns(state: ContextState) -> int | None:
    """When the next message ends; None without any."""
    return min((row.expires_ns for row in state.held), default=None)


def slot_value(state: ContextState, rules: ContextRules, index: int, low: float, high: float) -> float | None:
    """Value times conviction of slot `index` (0..3), clamped to the range of its signal; None when nothing lives."""
    name = rules.slots[index]
    for row in state.held:
        if name and row.name == name:
            value = row.value * row.conviction
            return low if value < low else min(value, high)
    return None


def size_value_e6(state: ContextState, rules: ContextRules) -> int | None:
    """The living value that scales the size, in millionths; None when there is none. Its conviction plays no part."""
    found = next((held for held in state.held if held.name == rules.size_name), None)
    return None if found is None else round(found.value * E6)


def given_levels(state: ContextState, rules: ContextRules) -> tuple[GivenLevel, ...]:
    """Levels named from outside: the nearest tick to the value, the conviction as weight."""
    return tuple(
        GivenLevel(
            LEVEL_PREFIX + row.name,
            floor(row.value * _POINT_E9 / rules.tick_size_e9 + 0.5),
            floor(row.conviction * E6 + 0.5),
        )
        for row in state.held
        if row.name in rules.levels
    )


def lockouts(state: ContextState, rules: ContextRules) -> tuple[str, ...]:
    """The configured lockouts that hold now, as their texts; conviction plays no part in them."""
    if not rules.lockouts or not state.held:
        return ()
    values = {row.name: row.value for row in state.held}
    return tuple(
        text
        for name, upwards, threshold, text in rules.lockouts
        if name in values and (values[name] >= threshold if upwards else values[name] <= threshold)
    )


def _when(ts_ns: int) -> str:
    return iso_from_ns(ts_ns) if 0 <= ts_ns < 2**62 else f"{ts_ns} ns"
