"""Reads rule packs (docs/rules.md): TOML of a person, in dollars and New York time, to values the core can use."""

import re
from collections.abc import Mapping
from datetime import time
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from trading_bot.domain.errors import ConfigError
from trading_bot.domain.rule_pack import (
    Basis,
    Consistency,
    DailyLoss,
    FlatBy,
    Rule,
    RulePack,
    RuleResponse,
    TrailingDrawdown,
)
from trading_bot.domain.units import uusd_from_usd

_USD_MAX: Final = 1e8
_LATEST: Final = time(17, 0)  # a trade date ends there
_KIND: Final = "kind"
_Usd = Annotated[float, Meta(gt=0, le=_USD_MAX)]
_Buffer = Annotated[float, Meta(ge=0, le=_USD_MAX)]


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field=_KIND):
    """One `[[rule]]` as it is written."""


class _Trailing(_Row, frozen=True, kw_only=True, tag="trailing_drawdown"):
    limit_usd: _Usd
    basis: Basis
    locks_at_usd: _Usd | None = None
    buffer_usd: _Buffer = 0.0
    response: RuleResponse = RuleResponse.FLATTEN


class _Daily(_Row, frozen=True, kw_only=True, tag="daily_loss"):
    limit_usd: _Usd
    buffer_usd: _Buffer = 0.0
    response: RuleResponse = RuleResponse.FLATTEN


class _Consistency(_Row, frozen=True, kw_only=True, tag="consistency"):
    best_day_pct: Annotated[float, Meta(gt=0, lt=100)]
    buffer_usd: _Buffer = 0.0
    response: RuleResponse = RuleResponse.PAUSE


class _FlatBy(_Row, frozen=True, kw_only=True, tag="flat_by"):
    time_et: str
    lead_min: Annotated[int, Meta(ge=1, le=240)] = 5
    entries_end_min: Annotated[int, Meta(ge=1, le=600)] = 10
    response: Literal["flatten", "kill"] = "flatten"


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file, without its schema."""

    name: Annotated[str, Meta(min_length=1, max_length=60, pattern=r"^[A-Za-z0-9._-]+$")]
    account_usd: _Usd
    rule: Annotated[list[_Trailing | _Daily | _Consistency | _FlatBy], Meta(min_length=1)]
    attempt: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    profit_target_usd: _Buffer = 0.0
    days_min: Annotated[int, Meta(ge=0, le=1_000)] = 0


def read_rules(where: str, document: Mapping[str, Any]) -> RulePack:
    """The pack a parsed file holds; `where` names the file in messages.

    Raises:
        ConfigError: an unknown key, a value of the wrong type or out of range, rules that contradict each other.
    """
    try:
        file = msgspec.convert(document, _File)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {_plain(str(error))}; docs/rules.md describes the file") from error
    try:
        return _pack(where, file)
    except ValueError as error:  # an amount finer than a micro-dollar
        raise ConfigError(f"{where}: {error}; write amounts in dollars and cents") from error


def _pack(where: str, file: _File) -> RulePack:
    rules = tuple(_rule(f"{where}: rule {number}", row, file) for number, row in enumerate(file.rule, 1))
    names = [rule.name for rule in rules]
    if twice := [name for index, name in enumerate(names) if name in names[:index]]:
        raise ConfigError(f"{where}: two rules are {twice[0]}; keep the one that counts")
    return RulePack(
        name=file.name,
        account_uusd=uusd_from_usd(file.account_usd),
        rules=rules,
        attempt=file.attempt,
        profit_target_uusd=uusd_from_usd(file.profit_target_usd),
        days_min=file.days_min,
    )


def _rule(where: str, row: _Trailing | _Daily | _Consistency | _FlatBy, file: _File) -> Rule:
    match row:
        case _Trailing():
            return _trailing(where, row, file)
        case _Daily():
            _refuse_wide_buffer(where, row.buffer_usd, row.limit_usd)
            limit, buffer = uusd_from_usd(row.limit_usd), uusd_from_usd(row.buffer_usd)
            return DailyLoss(limit_uusd=limit, buffer_uusd=buffer, response=row.response)
        case _Consistency():
            if file.profit_target_usd == 0:
                raise ConfigError(
                    f"{where} (consistency): best_day_pct is a share of the profit target; give profit_target_usd"
                )
            _refuse_wide_buffer(where, row.buffer_usd, file.profit_target_usd * row.best_day_pct / 100)
            share = round(row.best_day_pct * 10_000)
            return Consistency(best_day_ppm=share, buffer_uusd=uusd_from_usd(row.buffer_usd), response=row.response)
        case _FlatBy():
            return _flat_by(where, row)


def _trailing(where: str, row: _Trailing, file: _File) -> TrailingDrawdown:
    _refuse_wide_buffer(where, row.buffer_usd, row.limit_usd)
    if row.limit_usd >= file.account_usd:
        raise ConfigError(f"{where}: limit_usd {row.limit_usd:g} is not below account_usd {file.account_usd:g}")
    if row.locks_at_usd is not None and row.locks_at_usd < file.account_usd - row.limit_usd:
        raise ConfigError(
            f"{where}: locks_at_usd {row.locks_at_usd:g} is below the line of the first day "
            f"({file.account_usd - row.limit_usd:g}); it is the balance above which the line no longer rises"
        )
    return TrailingDrawdown(
        limit_uusd=uusd_from_usd(row.limit_usd),
        basis=row.basis,
        locks_at_uusd=None if row.locks_at_usd is None else uusd_from_usd(row.locks_at_usd),
        buffer_uusd=uusd_from_usd(row.buffer_usd),
        response=row.response,
    )


def _flat_by(where: str, row: _FlatBy) -> FlatBy:
    if re.fullmatch(r"\d\d:\d\d", row.time_et) is None:
        raise ConfigError(f"{where}: time_et is {row.time_et!r}; expected a time of day in New York, such as 15:45")
    try:
        at = time.fromisoformat(row.time_et)
    except ValueError as error:
        raise ConfigError(f"{where}: time_et is {row.time_et!r}: {error}") from error
    if at > _LATEST:
        raise ConfigError(f"{where}: time_et is {row.time_et}; a trade date ends at {_LATEST:%H:%M} in New York")
    if row.entries_end_min < row.lead_min:
        raise ConfigError(
            f"{where}: entries_end_min ({row.entries_end_min}) is below lead_min ({row.lead_min}): entries would go on "
            "while the position is being left"
        )
    return FlatBy(
        minute_et=at.hour * 60 + at.minute,
        lead_min=row.lead_min,
        entries_end_min=row.entries_end_min,
        response=RuleResponse(row.response),
    )


def _refuse_wide_buffer(where: str, buffer_usd: float, limit_usd: float) -> None:
    if buffer_usd >= limit_usd:
        raise ConfigError(
            f"{where}: buffer_usd {buffer_usd:g} is not below the limit of {limit_usd:g}: the rule would be broken "
            "from the start"
        )


def _plain(text: str) -> str:
    """The library's path of a value as a person writes it."""
    return text.replace("`", "").replace("$.", "").replace("$[", "[")
