"""Reads strategy files: `[template.K1]` tables to templates, refused where a rule could never do what it says.

What is checked here and not by the struct: names of signals, and whether a template that is on can ever pay its costs.
"""

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from trading_bot.config_keys import did_you_mean
from trading_bot.domain.config import BotConfig
from trading_bot.domain.errors import ConfigError
from trading_bot.domain.exit_config import TemplateExits
from trading_bot.domain.instruments import Instrument
from trading_bot.domain.kernel import TEMPLATES_MAX
from trading_bot.domain.secret_names import names_secret
from trading_bot.domain.signal_registry import SIGNAL_BY_NAME
from trading_bot.domain.templates import TemplateConfig, TriggerConfig, VetoConfig
from trading_bot.engines.template_terms import WIN_RATE_MAX, template_terms, tiers_of
from trading_bot.strategy_plugins import installed

_NAME: Final = re.compile(r"[A-Z][A-Za-z0-9_]{0,15}")
_MESSAGE: Final = re.compile(r"^(?P<text>.*?)(?: - at `\$\.?(?P<path>[^`]*)`)?$", re.DOTALL)
_FIELDS: Final = TemplateConfig.__struct_fields__
_TRIGGER_FIELDS: Final = TriggerConfig.__struct_fields__
_EXIT_FIELDS: Final = TemplateExits.__struct_fields__
_VETO_FIELDS: Final = VetoConfig.__struct_fields__
_TABLES: Final = ("template", "veto")


def read_strategies(
    path: Path, document: Mapping[str, Any], *, instrument: Instrument, config: BotConfig
) -> dict[str, TemplateConfig]:
    """Templates of a strategy file, in the order of the file, which breaks ties.

    Raises:
        ConfigError: naming file, template and key.
    """
    for key in document:
        if key not in _TABLES:
            raise ConfigError(
                f"{path}: unknown key {key}; a strategy file holds [template.NAME] and [veto.NAME] tables"
            )
    tables = document.get("template", {})
    if not isinstance(tables, Mapping) or not tables:
        raise ConfigError(f"{path}: no [template.NAME] table; a strategy file needs at least one")
    if len(tables) > TEMPLATES_MAX:
        raise ConfigError(f"{path}: {len(tables)} templates; at most {TEMPLATES_MAX}")
    templates = {}
    for name, table in tables.items():
        where = f"{path}: template.{name}"
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{where}: a template's name is a capital letter and up to 15 letters, digits or _")
        templates[name] = _template(where, table)
        _refuse_plugin(where, templates[name])
    refuse_unreachable(str(path), templates, instrument=instrument, config=config)
    return templates


def refuse_unreachable(
    where: str, templates: Mapping[str, TemplateConfig], *, instrument: Instrument, config: BotConfig
) -> None:
    """Templates that contradict the exits, or that are on and could never trade; `where` names their source.

    Raises:
        ConfigError: naming template and key.
    """
    for name, entry in templates.items():
        _refuse_thesis_above_entry(f"{where}: template.{name}", entry, config)
    reasons = [_why_unreachable(name, entry, instrument, config) for name, entry in templates.items() if entry.on]
    if any(reasons):
        raise ConfigError(
            f"{where}: "
            + "; ".join(filter(None, reasons))
            + f". Turn them off with `on = false`, or write a strategy file "
            f"for {instrument.symbol} and pass it with --strategies"
        )


def read_vetoes(
    path: Path, document: Mapping[str, Any], templates: Mapping[str, TemplateConfig]
) -> dict[str, VetoConfig]:
    """Vetoes of a strategy file, for the templates read from it.

    Raises:
        ConfigError: naming file, veto and key.
    """
    tables = document.get("veto", {})
    if not isinstance(tables, Mapping):
        raise ConfigError(f"{path}: veto is {tables!r}; expected [veto.NAME] tables")
    vetoes = {}
    for name, table in tables.items():
        where = f"{path}: veto.{name}"
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{where}: a veto's name is a capital letter and up to 15 letters, digits or _")
        vetoes[name] = _veto(where, table)
        for blocked in vetoes[name].blocks:
            if blocked not in templates:
                near = did_you_mean(blocked, templates)
                raise ConfigError(f"{where}.blocks names {blocked}, which is no template of this file{near}")
    return vetoes


def _veto(where: str, table: Any) -> VetoConfig:
    if not isinstance(table, Mapping):
        raise ConfigError(f"{where} is {table!r}; expected a table")
    _refuse_unknown(where, table, _VETO_FIELDS)
    _refuse_not_finite(where, table)
    _refuse_unknown_reason(where, table, _VETO_FIELDS)
    signal = table.get("signal")
    if isinstance(signal, str):
        _refuse_signal(where, signal)
        _refuse_unreachable_threshold(where, table)
        if SIGNAL_BY_NAME[signal].parity == "odd":
            raise ConfigError(f"{where}: {signal} has a side and a veto has none; use an even signal, or a trigger")
    try:
        return msgspec.convert(table, VetoConfig)
    except msgspec.ValidationError as error:
        raise _readable(where, table, str(error)) from error


def _template(where: str, table: Any) -> TemplateConfig:
    if not isinstance(table, Mapping):
        raise ConfigError(f"{where} is {table!r}; expected a table")
    _refuse_unknown(where, table, _FIELDS)
    weights = table.get("weights", {})
    if isinstance(weights, Mapping):
        for name, weight in weights.items():
            _refuse_signal(f"{where}.weights", name)
            if SIGNAL_BY_NAME[name].category:
                raise ConfigError(f"{where}.weights: {name} is a category and carries no weight; use it in a trigger")
            if isinstance(weight, bool) or not isinstance(weight, int | float) or not math.isfinite(weight):
                raise ConfigError(f"{where}.weights.{name} is {weight!r}; expected a finite number")
    for where_trigger, trigger in _triggers(where, table):
        _refuse_unknown(where_trigger, trigger, _TRIGGER_FIELDS)
        if isinstance(trigger.get("signal"), str):
            _refuse_signal(where_trigger, trigger["signal"])
            _refuse_unreachable_threshold(where_trigger, trigger)
    _refuse_not_finite(where, table)
    _refuse_secret(where, table.get("params"))
    _refuse_unknown_reason(where, table, _FIELDS)
    exits = table.get("exits", {})
    if isinstance(exits, Mapping):
        _refuse_unknown(f"{where}.exits", exits, _EXIT_FIELDS)
        _refuse_unknown_reason(f"{where}.exits", exits, _EXIT_FIELDS)
    try:
        return msgspec.convert(table, TemplateConfig)
    except msgspec.ValidationError as error:
        raise _readable(where, table, str(error)) from error


def _triggers(where: str, table: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    triggers = table.get("triggers", ())
    if isinstance(triggers, list):
        for index, trigger in enumerate(triggers):
            if isinstance(trigger, Mapping):
                yield f"{where}.triggers[{index}]", trigger


def _refuse_unknown(where: str, table: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in table:
        if key not in known:
            raise ConfigError(f"{where}: unknown key {key}{did_you_mean(key, known)} (known: {', '.join(known)})")


def _refuse_unknown_reason(where: str, table: Mapping[str, Any], known: tuple[str, ...]) -> None:
    assumed = table.get("assumed", {})
    if isinstance(assumed, Mapping):
        _refuse_unknown(f"{where}.assumed", assumed, known)


def _refuse_thesis_above_entry(where: str, template: TemplateConfig, config: BotConfig) -> None:
    """A thesis that is gone at the belief that enters: the trade would be left without anything having changed."""
    own = template.exits.thesis_belief
    thesis = config.exits.thesis_belief if own is None else own
    if thesis > template.belief_enter:
        key = "exits.thesis_belief" if own is None else f"{where}.exits.thesis_belief"
        raise ConfigError(
            f"{where}.belief_enter ({template.belief_enter:g}) is below {key} ({thesis:g}): the trade would be left "
            "as it is entered; raise the first or lower the second"
        )


def _refuse_plugin(where: str, template: TemplateConfig) -> None:
    """A strategy in Python has to be installed, and to take its params: it is made once, to see."""
    if not template.plugin:
        return
    try:
        installed(template.plugin).make(template.params)
    except ConfigError as error:
        raise ConfigError(f"{where}.plugin: {error}") from error


def _refuse_secret(where: str, params: Any) -> None:
    """What a strategy is made with stands in every log and digest, so no secret may be among it."""
    for name in params if isinstance(params, Mapping) else ():
        if names_secret(name):
            raise ConfigError(
                f"{where}.params.{name}: params are written into every log; a secret belongs into a file or a variable "
                "that the strategy reads by itself"
            )


def _refuse_signal(where: str, name: str) -> None:
    if name in SIGNAL_BY_NAME:
        return
    near = did_you_mean(name, SIGNAL_BY_NAME)
    raise ConfigError(f"{where}: unknown signal {name}{near} (`trading-bot config explain signal.NAME` describes one)")


def _refuse_unreachable_threshold(where: str, trigger: Mapping[str, Any]) -> None:
    """A threshold outside the signal's range: the trigger could never pass. Types are msgspec's to refuse."""
    spec = SIGNAL_BY_NAME[trigger["signal"]]
    if spec.low is None or spec.high is None:
        return
    width = spec.high - spec.low
    low, high = (-width, width) if trigger.get("of") == "delta" else (spec.low, spec.high)
    if spec.parity == "odd":
        low, high = min(low, -high), max(high, -low)
    for key, bound, sign in (("min", high, 1), ("max", low, -1)):
        value = trigger.get(key)
        if isinstance(value, int | float) and sign * value > sign * bound:
            raise ConfigError(
                f"{where}.{key} is {value:g}; {spec.name} lies between {low:g} and {high:g}: the trigger can never "
                f"pass (`trading-bot config explain signal.{spec.name}`)"
            )


def _refuse_not_finite(where: str, value: Any) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{where} is {value}; expected a finite number")
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _refuse_not_finite(f"{where}.{key}", inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _refuse_not_finite(f"{where}[{index}]", inner)


def _readable(where: str, table: Mapping[str, Any], message: str) -> ConfigError:
    """The error of msgspec says what was expected and where in the tree; add what was found there."""
    match = _MESSAGE.match(message)
    text, path = (match["text"], match["path"]) if match else (message, None)
    if not path:
        return ConfigError(f"{where}: {text[0].lower()}{text[1:]}")
    found: Any = table
    for name, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path):
        found = found[int(index)] if index else found.get(name) if isinstance(found, Mapping) else None
    return ConfigError(f"{where}.{path} is {found!r}; {text[0].lower()}{text[1:]}")


def _why_unreachable(name: str, template: TemplateConfig, instrument: Instrument, config: BotConfig) -> str:
    """Why a template could trade in no tier even at its best; empty when it can (specification 6.3, Reachability)."""
    tiers = tiers_of(name, template, config)
    if not tiers:
        return (
            f"template.{name}: no capital tier lists it (decision.tiers.*.templates) with room for its stop of "
            f"{template.stop_ticks} ticks"
        )
    smallest = min(tier.min_euc_ticks for tier in tiers.values())
    terms = template_terms(template, instrument, config, min_euc_ticks=smallest)
    share_max = config.costs.cost_share_max
    if terms.cost_share > share_max:
        return (
            f"template.{name}: its target of {template.target_ticks} ticks is below its costs: commission "
            f"{terms.commission_ticks:.1f} ticks of {instrument.symbol} and slippage are {terms.cost_share:.1%} of it, "
            f"costs.cost_share_max is {share_max:.1%}"
        )
    if terms.needed_p > WIN_RATE_MAX or terms.needed_belief > 1.0:
        return (
            f"template.{name}: a trade needs a win rate of {terms.needed_p:.0%} (belief {terms.needed_belief:.2f}) on "
            f"{instrument.symbol}; reachable are {WIN_RATE_MAX:.0%} and a belief below 1"
        )
    return ""
