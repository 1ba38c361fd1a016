"""One line of the doctor's answer."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

import msgspec


class Status(StrEnum):
    """`warn` costs time or certainty, `fail` keeps the bot from trading."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked at, what was found, and what to do about it.

    `values` are the numbers behind the words, named with their units; `exit_code` is that of a run that ends for this
    reason (specification 13), 0 unless it fails.
    """

    section: str
    name: str
    status: Status
    found: str
    todo: str = ""
    values: dict[str, Any] = {}
    exit_code: int = 0


Values = Mapping[str, Any]
NOTHING: Final[Values] = MappingProxyType({})


def ok(section: str, name: str, found: str, *, todo: str = "", values: Values = NOTHING) -> Check:
    """Nothing has to be done; `todo` says what would be better still."""
    return Check(section=section, name=name, status=Status.OK, found=found, todo=todo, values=dict(values))


def warn(section: str, name: str, found: str, todo: str, *, values: Values = NOTHING) -> Check:
    """It works, slower or less surely than it could."""
    return Check(section=section, name=name, status=Status.WARN, found=found, todo=todo, values=dict(values))


def fail(section: str, name: str, found: str, todo: str, *, exit_code: int, values: Values = NOTHING) -> Check:
    """The bot cannot trade like this."""
    return Check(
        section=section,
        name=name,
        status=Status.FAIL,
        found=found,
        todo=todo,
        values=dict(values),
        exit_code=exit_code,
    )


def percentile(samples: list[int], share: float) -> int:
    """The sample below which `share` (0..1) of the others lie."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
