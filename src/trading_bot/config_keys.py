"""Every configuration key as data, read off the structs of `domain/config.py`: type, unit, bounds, default, meaning.

The loader checks one value at a time against these rows, so that an error can name the key, the value and its origin.
"""

import types
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Final, Literal, get_args, get_origin, get_type_hints

import msgspec

from trading_bot.domain import (
    breaker_config,
    context_config,
    deadman_config,
    exit_config,
    gate_config,
    ibkr_config,
    latency_config,
    learning_config,
    levels_config,
    quorum_config,
    simulator_config,
)
from trading_bot.domain.config import BotConfig
from trading_bot.domain.config_section import Section
from trading_bot.domain.errors import ConfigError

ENV_PREFIX: Final = "TRADING_BOT__"
TEXT_CHARS_MAX: Final = 4_000  # of a value: a path of Linux has at most 4,096 bytes
SHOWN_CHARS_MAX: Final = 200
_NAME_CHARS_MAX: Final = 80  # of a name that something near is looked for

# Defaults that neither the specification nor the user fixed; `config show` marks them (specification, first page).
ASSUMED_DEFAULTS: Final[Mapping[str, str]] = types.MappingProxyType(
    {
        "costs.fit_pseudo_fills": "as many as are needed before the first fit: half evidence, half expectation then",
        "costs.factor_min": "slippage of a quarter of what is expected is good luck rather than a market",
        "costs.factor_max": "four times the expectation is beyond the cap of 6 ticks at calm in every hour",
        "costs.factor_week_ratio_max": "one bad day must not make a strategy unreachable; three weeks triple a factor",
        "log.stall_s": "forty times the time between syncs; a disk that pauses for seconds is in trouble",
        "decision.equity_assumed_usd": "equity where no account exists; the specification itself assumes it (6.5)",
        "log.segment_mib": "a quarter of a million ticks; two segments are mapped and prefaulted: it is memory too",
        "orders.ack_deadline_ms": "a broker answers within a second; a link that has just come back needs a few",
        "orders.unknown_deadline_s": "the broker was asked and has not said: longer than any answer takes",
        "quality.reset_after_open_min": "IBKR's daily reset begins about 23:45 ET; Globex opens at 18:00 ET",
        "quality.reset_min": "until about 00:45 ET",
        "orders.stop_deadline_ms": "eighty answers of a broker; until then the position has no protection",
        "orders.settle_ms": "twice a slow answer: what the broker lists may be that much older than what it told",
        "orders.exit_check_ms": "sixty looks in the shortest hold; target and stop do not wait for it",
        "orders.position_heartbeat_s": "six a minute tell how a trade went; one a second would be most of a quiet log",
        "safety.decision_p99_ms_max": "a thousand times what a decision takes; beyond it the machine is not well",
        "safety.loop_lag_ms_max": "half of a second's sample: a loop that lags more answers to a market that has gone",
        "safety.latency_age_s_max": "ten samples: a bot that has not measured itself for so long does not run well",
        "safety.order_efficiency_messages_min": "below it a few entries cancelled unfilled would end the day",
        "signals.vpin_bucket_qty": "about 1/50 of a quiet hour of MES; to be fitted to the volume of each contract",
    }
    | {f"exits.{name}": reason for name, reason in exit_config.ASSUMED.items()}
    | {f"breakers.{name}": reason for name, reason in breaker_config.ASSUMED.items()}
    | gate_config.ASSUMED
    | {f"learning.{name}": reason for name, reason in learning_config.ASSUMED.items()}
    | {f"simulator.{name}": reason for name, reason in simulator_config.ASSUMED.items()}
    | {f"levels.{name}": reason for name, reason in levels_config.ASSUMED.items()}
    | {f"context.{name}": reason for name, reason in context_config.ASSUMED.items()}
    | {f"ibkr.{name}": reason for name, reason in ibkr_config.ASSUMED.items()}
    | {f"latency.{name}": reason for name, reason in latency_config.ASSUMED.items()}
    | {f"deadman.{name}": reason for name, reason in deadman_config.ASSUMED.items()}
    | {f"quorum.{name}": reason for name, reason in quorum_config.ASSUMED.items()}
)


class KeySpec(msgspec.Struct, frozen=True, kw_only=True):
    """One key. `low` and `high` are inclusive bounds in `unit`; `choices` is empty where any value of the type goes."""

    key: str
    type: Any
    unit: str
    meaning: str
    low: float | None
    high: float | None
    choices: tuple[str, ...]
    default: Any

    @property
    def environment_name(self) -> str:
        """Name of the environment variable that sets the key."""
        return ENV_PREFIX + self.key.upper().replace(".", "__")

    @property
    def fixed_by_user(self) -> bool:
        """The specification marks the number [U]: the user fixed it."""
        return self.meaning.startswith("[U]")

    @property
    def bounds(self) -> str:
        """Legal values for people: `1 .. 12`, `OBSERVE | PAPER | LIVE`, or the type."""
        if self.choices:
            return " | ".join(self.choices)
        if self.low is not None and self.high is not None:
            return f"{self.low:.10g} .. {self.high:.10g}"
        return _TYPE_TEXT.get(_plain(self.type), "")

    @property
    def expected(self) -> str:
        """Legal values as the end of an error message."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        text = _TYPE_TEXT.get(_plain(self.type), str(self.type))
        if self.low is not None and self.high is not None:
            text += f" from {self.low:.10g} to {self.high:.10g}"
        return text if self.unit in _UNITS_UNSAID else f"{text} ({self.unit})"


_TYPE_TEXT: Final[Mapping[Any, str]] = types.MappingProxyType(
    {
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "a text",
        tuple[str, ...]: "a list of texts",
        tuple[float, ...]: "a list of numbers",
    }
)
_UNITS_UNSAID: Final = frozenset({"1", "bool", "name", "names", "texts"})


def _plain(annotated: Any) -> Any:
    return get_args(annotated)[0] if get_origin(annotated) is Annotated else annotated


def _leaf(key: str, annotated: Any, default: Any) -> KeySpec:
    unit, meaning, low, high = "1", "", None, None
    for meta in get_args(annotated)[1:]:
        if isinstance(meta, msgspec.Meta):
            unit = (meta.extra or {}).get("unit", unit)
            meaning = meta.description or meaning
            low = meta.ge if meta.ge is not None else low
            high = meta.le if meta.le is not None else high
    plain = _plain(annotated)
    choices = get_args(plain) if get_origin(plain) is Literal else ()
    return KeySpec(
        key=key, type=annotated, unit=unit, meaning=meaning, low=low, high=high, choices=choices, default=default
    )


def _flatten_struct(prefix: str, value: msgspec.Struct) -> Iterator[KeySpec]:
    for name, annotated in get_type_hints(type(value), include_extras=True).items():
        key, current = f"{prefix}{name}", getattr(value, name)
        if isinstance(current, Section):
            yield from _flatten_struct(f"{key}.", current)
        elif isinstance(current, dict):
            for entry, section in current.items():
                yield from _flatten_struct(f"{key}.{entry}.", section)
        else:
            yield _leaf(key, annotated, current)


KEYS: Final[Mapping[str, KeySpec]] = types.MappingProxyType(
    {spec.key: spec for spec in _flatten_struct("", BotConfig())}
)
_TABLES: Final = frozenset(
    ".".join(parts[:depth]) for parts in (key.split(".") for key in KEYS) for depth in range(1, len(parts))
)


def flatten(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and values of nested TOML tables. An empty table is given as itself: its name may be misspelt."""
    for name, value in table.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{key}.")
        else:
            yield key, value


def unflatten(values: Mapping[str, Any]) -> dict[str, Any]:
    """Nested tables of dotted keys."""
    tree: dict[str, Any] = {}
    for key, value in values.items():
        *tables, name = key.split(".")
        node = tree
        for table in tables:
            node = node.setdefault(table, {})
        node[name] = value
    return tree


def did_you_mean(name: str, known: Iterable[str], *, cutoff: float = 0.5) -> str:
    """`; did you mean X?` with the nearest known name, or nothing when none is near."""
    near = get_close_matches(name[:_NAME_CHARS_MAX], list(known), n=1, cutoff=cutoff)
    return f"; did you mean {near[0]}?" if near else ""


def unknown_key(where: str, key: str) -> ConfigError:
    """The error for a key that no struct has. The right name in the wrong table is nearer than any spelling."""
    last = key.rpartition(".")[2]
    moved = [known for known in KEYS if known.rpartition(".")[2] == last]
    near = f"; did you mean {moved[0]}?" if moved else did_you_mean(key, KEYS, cutoff=0.4)
    return ConfigError(f"{where}: unknown key {key}{near} (`trading-bot config show` lists every key)")


def spec_of(where: str, key: str, value: Any) -> KeySpec | None:
    """The row of a key; None for an empty table whose name exists.

    Raises:
        ConfigError: the key does not exist, or a table was given a plain value.
    """
    spec = KEYS.get(key)
    if spec is not None:
        return spec
    if key in _TABLES:
        if isinstance(value, Mapping):
            return None
        inside = ", ".join(known for known in KEYS if known.startswith(f"{key}."))
        raise ConfigError(f"{where}: {key} is {shown(value)}; expected a table [{key}] with {inside}")
    raise unknown_key(where, key)


def checked(where: str, spec: KeySpec, value: Any, *, from_text: bool) -> Any:
    """The value in the key's own type.

    Args:
        where: file, variable or option the value was found in, for the message.
        spec: the key.
        value: what was found.
        from_text: the value is a text of the environment or the command line; lists are separated by commas.

    Raises:
        ConfigError: wrong type or out of bounds.
    """
    given = value
    if from_text and isinstance(value, str):
        if get_origin(_plain(spec.type)) is tuple:
            given = [part.strip() for part in value.split(",") if part.strip()]
        elif spec.choices:
            given = next((choice for choice in spec.choices if choice.lower() == value.strip().lower()), value)
    try:
        converted = msgspec.convert(given, spec.type, strict=not from_text) if _plain_text(given) else None
    except msgspec.ValidationError:
        converted = None
    if converted is None:  # every number has bounds, so NaN and infinity end here as well
        near = did_you_mean(str(value), spec.choices) if spec.choices else ""
        raise ConfigError(f"{where}: {spec.key} is {shown(value)}; expected {spec.expected}{near}")
    return converted


def shown(value: Any) -> str:
    """A value as messages quote it: its beginning, where it is long."""
    text = repr(value)
    return text if len(text) <= SHOWN_CHARS_MAX else f"{text[:SHOWN_CHARS_MAX]}… ({len(text)} characters)"


def _plain_text(value: Any) -> bool:
    """Whether a text, or each of a list, may stand in a configuration: printable, as names and paths are, and short."""
    if isinstance(value, list):
        return all(_plain_text(one) for one in value)
    return not isinstance(value, str) or (len(value) <= TEXT_CHARS_MAX and value.isprintable())
