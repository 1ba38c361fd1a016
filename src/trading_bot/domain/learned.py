"""Parameters of strategies that a person adopted from evidence (specification 9; docs/attribution.md).

A parameter is named `template.K1.weights.vwap_z`, `template.K1.belief_enter` or `template.K1.stop_ticks`. Values are
integers: millionths of the parameter's own unit (a weight, a belief, a tick).
"""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

Parameter = Annotated[str, Meta(pattern=r"^template\.[A-Z][A-Za-z0-9_]{0,15}\.[a-z0-9_.]{1,64}$")]


class SetKind(StrEnum):
    """How a set came about."""

    ADOPTED = "ADOPTED"
    ROLLED_BACK = "ROLLED_BACK"


class LearnedValue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A parameter that differs from the strategy file, and the evidence it was adopted on.

    `base_e6` is the strategy file's own value. `trades` could be attributed, `shadow_trades` were never sent;
    `actual_uusd` is what the trades made net of everything, `expected_uusd` what their decisions had expected.
    """

    parameter: Parameter
    base_e6: int
    value_e6: int
    trades: Annotated[int, Meta(ge=0)]
    shadow_trades: Annotated[int, Meta(ge=0)]
    actual_uusd: int
    expected_uusd: int
    reason: str


class LearnedSet(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All learned parameters that are in force together; none is in force that is not in it.

    `number` counts the sets of a book from 1. `restores` is the set a rollback went back to (0: the strategy file).
    `proposal` is the SHA-256 of what was adopted. `hypothetical_evidence`: the trades were a simulator's.
    """

    number: Annotated[int, Meta(ge=1)]
    kind: SetKind
    adopted_at_ns: Annotated[int, Meta(ge=0)]
    hypothetical_evidence: bool
    values: tuple[LearnedValue, ...]
    proposal: str = ""
    restores: Annotated[int, Meta(ge=0)] = 0


class LearnedBooks(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every set there ever was, newest last: those of runs with real fills, and those of runs with a simulator's."""

    real: tuple[LearnedSet, ...] = ()
    hypothetical: tuple[LearnedSet, ...] = ()

    def book(self, *, hypothetical: bool) -> tuple[LearnedSet, ...]:
        """The sets of a world."""
        return self.hypothetical if hypothetical else self.real

    def in_force(self, *, hypothetical: bool) -> LearnedSet | None:
        """The newest set of a world; None before the first."""
        sets = self.book(hypothetical=hypothetical)
        return sets[-1] if sets else None

    def with_set(self, newest: LearnedSet, *, hypothetical: bool) -> "LearnedBooks":
        """With one set more in the book of a world."""
        sets = (*self.book(hypothetical=hypothetical), newest)
        if hypothetical:
            return msgspec.structs.replace(self, hypothetical=sets)
        return msgspec.structs.replace(self, real=sets)


class ParamChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One value that a proposal wants changed, from what is in force to something else, and why."""

    parameter: Parameter
    old_e6: int
    new_e6: int
    trades: Annotated[int, Meta(ge=0)]
    shadow_trades: Annotated[int, Meta(ge=0)]
    actual_uusd: int
    expected_uusd: int
    reason: str
