"""What may be learned of a strategy, how far it may move in a week, and a strategy with it (features LE05, LE06).

Pure: values in, values out. The bounds are constants: no configuration widens them.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from trading_bot.domain.errors import ConfigError
from trading_bot.domain.learned import LearnedSet, LearnedValue, ParamChange, SetKind
from trading_bot.domain.templates import TemplateConfig
from trading_bot.domain.units import NS_PER_DAY

ONE_E6: Final = 1_000_000
WEIGHT_WEEK_E6: Final = 50_000  # ±.05
THRESHOLD_WEEK_E6: Final = 10_000  # ±.01
STOP_WEEK_E6: Final = 1_000_000  # ±1 tick
ATTRIBUTABLE_MIN: Final = 10  # trades
SHADOW_MIN: Final = 20
BELIEF_ENTER: Final = "belief_enter"
STOP_TICKS: Final = "stop_ticks"
WEIGHTS: Final = "weights"
_WEEK_MAX_E6: Final = {WEIGHTS: WEIGHT_WEEK_E6, BELIEF_ENTER: THRESHOLD_WEEK_E6, STOP_TICKS: STOP_WEEK_E6}


def parameter_name(template: str, field: str, key: str = "") -> str:
    """`template.K1.weights.vwap_z`, `template.K1.stop_ticks`."""
    return ".".join(filter(None, ("template", template, field, key)))


def parts_of(parameter: str) -> tuple[str, str, str]:
    """Template, field and key of a parameter; the key is empty where the field has none.

    Raises:
        ConfigError: nothing of that name is ever learned.
    """
    _, template, rest = parameter.split(".", 2)
    field, _, key = rest.partition(".")
    if field not in _WEEK_MAX_E6 or (field == WEIGHTS) is not bool(key):
        raise ConfigError(
            f"{parameter} is not learned; expected template.NAME.weights.SIGNAL, template.NAME.{BELIEF_ENTER} "
            f"or template.NAME.{STOP_TICKS}"
        )
    return template, field, key


def week_max_e6(parameter: str) -> int:
    """How far a parameter may move from where its week began, in millionths."""
    return _WEEK_MAX_E6[parts_of(parameter)[1]]


def value_e6(templates: Mapping[str, TemplateConfig], parameter: str) -> int | None:
    """A parameter of these templates in millionths; None where there is no such template or weight."""
    name, field, key = parts_of(parameter)
    template = templates.get(name)
    if template is None:
        return None
    value = template.weights.get(key) if field == WEIGHTS else getattr(template, field)
    return None if value is None else round(value * ONE_E6)


def with_learned(templates: Mapping[str, TemplateConfig], learned: LearnedSet | None) -> dict[str, TemplateConfig]:
    """The templates with a set in force; what it says of templates that are not here is left aside.

    Raises:
        ConfigError: the strategy file has another value than the one the set was adopted on, or the result is no
            template.
    """
    changed: dict[str, dict[str, Any]] = {}
    for value in learned.values if learned is not None else ():
        name, field, key = parts_of(value.parameter)
        if name not in templates:
            continue
        _refuse_other_base(templates, value)
        table = changed.setdefault(name, msgspec.to_builtins(templates[name]))
        if field == WEIGHTS:
            table[WEIGHTS][key] = value.value_e6 / ONE_E6
        else:
            table[field] = value.value_e6 // ONE_E6 if field == STOP_TICKS else value.value_e6 / ONE_E6
    return {name: _converted(name, changed[name]) if name in changed else own for name, own in templates.items()}


def without_learned(templates: Mapping[str, TemplateConfig], learned: LearnedSet | None) -> dict[str, TemplateConfig]:
    """The strategy file's own templates, from those that a run had with a set in force."""
    if learned is None:
        return dict(templates)
    undone = tuple(
        msgspec.structs.replace(value, base_e6=value.value_e6, value_e6=value.base_e6) for value in learned.values
    )
    return with_learned(templates, msgspec.structs.replace(learned, values=undone))


def _refuse_other_base(templates: Mapping[str, TemplateConfig], value: LearnedValue) -> None:
    found_e6 = value_e6(templates, value.parameter)
    if found_e6 != value.base_e6:
        found = "nothing" if found_e6 is None else f"{found_e6 / ONE_E6:g}"
        raise ConfigError(
            f"{value.parameter}: the strategy file has {found}, the learned {value.value_e6 / ONE_E6:g} was adopted on "
            f"{value.base_e6 / ONE_E6:g}; restore the file, or go back with `trading-bot learning rollback --all`"
        )


def _converted(name: str, table: dict[str, Any]) -> TemplateConfig:
    try:
        return msgspec.convert(table, TemplateConfig)
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"template.{name} with its learned parameters: {error}; go back with `trading-bot learning rollback`"
        ) from error


def week_of_ns(ts_ns: int) -> int:
    """Number of the week, Monday to Sunday in UTC, that a time is in; 1970-01-01 was a Thursday."""
    return (ts_ns // NS_PER_DAY + 3) // 7


def week_began_e6(sets: tuple[LearnedSet, ...], parameter: str, base_e6: int, now_ns: int) -> int:
    """A parameter as the week of `now_ns` began: what the newest set of an earlier week says, else the base."""
    week = week_of_ns(now_ns)
    earlier = [one for one in sets if week_of_ns(one.adopted_at_ns) < week]
    return _of(earlier[-1], parameter, base_e6) if earlier else base_e6


def _of(learned: LearnedSet, parameter: str, base_e6: int) -> int:
    return next((value.value_e6 for value in learned.values if value.parameter == parameter), base_e6)


def room_e6(sets: tuple[LearnedSet, ...], parameter: str, base_e6: int, now_ns: int) -> tuple[int, int]:
    """The lowest and the highest value a parameter may be given in the week of `now_ns`.

    A rollback may have led out of the week's bounds. Nothing leads back into them at one stride: until the next week
    only what is in force may be given then.
    """
    began_e6, most_e6 = week_began_e6(sets, parameter, base_e6, now_ns), week_max_e6(parameter)
    force_e6 = _of(sets[-1], parameter, base_e6) if sets else base_e6
    if abs(force_e6 - began_e6) > most_e6:
        return force_e6, force_e6
    return began_e6 - most_e6, began_e6 + most_e6


def adopted_set(
    sets: tuple[LearnedSet, ...],
    templates: Mapping[str, TemplateConfig],
    changes: tuple[ParamChange, ...],
    *,
    now_ns: int,
    hypothetical_evidence: bool,
    proposal: str,
) -> LearnedSet:
    """The set that follows the newest of `sets` when `changes` are adopted; `templates` are the strategy file's own.

    Raises:
        ConfigError: nothing to change, too little evidence, a value that is not the one in force, a move beyond the
            week's bound, or a result that is no template.
    """
    if not changes:
        raise ConfigError("the proposal changes nothing; there is nothing to adopt")
    newest = sets[-1] if sets else None
    values = {value.parameter: value for value in (newest.values if newest is not None else ())}
    for change in changes:
        base_e6 = value_e6(templates, change.parameter)
        if base_e6 is None:
            raise ConfigError(f"{change.parameter}: the strategy file has no such value; nothing was adopted")
        _refuse_unfounded(change)
        held = values.get(change.parameter)
        force_e6 = base_e6 if held is None else held.value_e6
        if force_e6 != change.old_e6:
            raise ConfigError(
                f"{change.parameter}: {force_e6 / ONE_E6:g} is in force, the proposal was made on "
                f"{change.old_e6 / ONE_E6:g}; propose anew"
            )
        low_e6, high_e6 = room_e6(sets, change.parameter, base_e6, now_ns)
        if not low_e6 <= change.new_e6 <= high_e6:
            raise ConfigError(
                f"{change.parameter}: {change.new_e6 / ONE_E6:g} is beyond this week's bounds, {low_e6 / ONE_E6:g} to "
                f"{high_e6 / ONE_E6:g}; wait for the next week"
            )
        values[change.parameter] = _value(change, base_e6)
    learned = LearnedSet(
        number=1 if newest is None else newest.number + 1,
        kind=SetKind.ADOPTED,
        adopted_at_ns=now_ns,
        hypothetical_evidence=hypothetical_evidence,
        values=tuple(values[name] for name in sorted(values) if values[name].value_e6 != values[name].base_e6),
        proposal=proposal,
    )
    with_learned(templates, learned)
    return learned


def _refuse_unfounded(change: ParamChange) -> None:
    if change.trades < ATTRIBUTABLE_MIN or change.shadow_trades < SHADOW_MIN:
        raise ConfigError(
            f"{change.parameter}: {change.trades} attributable and {change.shadow_trades} shadow trades are behind it; "
            f"at least {ATTRIBUTABLE_MIN} and {SHADOW_MIN} are needed"
        )


def _value(change: ParamChange, base_e6: int) -> LearnedValue:
    return LearnedValue(
        parameter=change.parameter,
        base_e6=base_e6,
        value_e6=change.new_e6,
        trades=change.trades,
        shadow_trades=change.shadow_trades,
        actual_uusd=change.actual_uusd,
        expected_uusd=change.expected_uusd,
        reason=change.reason,
    )


def rolled_back_set(sets: tuple[LearnedSet, ...], *, now_ns: int, to_file: bool = False) -> LearnedSet:
    """The set that undoes the newest: what was in force before it, or with `to_file` the strategy file's own values.

    A second rollback goes back one set more. It moves by more than a week's bound when it must: it leads back to what
    has traded before.

    Raises:
        ConfigError: nothing learned is in force.
    """
    if not sets or not sets[-1].values:
        raise ConfigError("nothing learned is in force; there is nothing to roll back")
    restored = None if to_file else _before(sets)
    return LearnedSet(
        number=sets[-1].number + 1,
        kind=SetKind.ROLLED_BACK,
        adopted_at_ns=now_ns,
        hypothetical_evidence=sets[-1].hypothetical_evidence if restored is None else restored.hypothetical_evidence,
        values=() if restored is None else restored.values,
        proposal="" if restored is None else restored.proposal,
        restores=0 if restored is None else restored.number,
    )


def _before(sets: tuple[LearnedSet, ...]) -> LearnedSet | None:
    """The adopted set that was in force before the one in force now; a rollback stands for the set it restored."""
    by_number = {one.number: one for one in sets}
    now = sets[-1]
    while now.kind is SetKind.ROLLED_BACK:
        if now.restores == 0:
            return None
        now = by_number[now.restores]
    before = by_number.get(now.number - 1)
    while before is not None and before.kind is SetKind.ROLLED_BACK:
        before = by_number.get(before.restores)
    return before
