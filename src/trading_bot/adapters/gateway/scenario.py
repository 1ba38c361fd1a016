"""Faults on a timeline, from a file or from a test: the chaos of a gateway, by name and by market time."""

import heapq
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from trading_bot.adapters.gateway.actions import Step, check
from trading_bot.adapters.text_documents import read_toml_tables
from trading_bot.domain.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.gateway import Gateway

_NS_PER_S = 1_000_000_000


class _Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A scenario file: `[[step]]` tables."""

    step: tuple[Step, ...] = ()


def read_steps(path: Path) -> tuple[Step, ...]:
    """The steps of a scenario file (TOML), checked.

    Raises:
        UsageError: it cannot be read, or a step cannot be carried out.
    """
    try:
        document = msgspec.convert(read_toml_tables(path), _Document)
    except ConfigError as error:
        raise UsageError(f"--scenario {error}; expected [[step]] tables with `do` and `at_s`") from error
    except msgspec.ValidationError as error:
        raise UsageError(f"--scenario {path}: {error}; expected [[step]] tables with `do` and `at_s`") from error
    for number, step in enumerate(document.step, start=1):
        check(step, f"--scenario {path}, step {number}")
    return document.step


class Scenario:
    """Carries steps out when the market's time has come, and ends what lasts."""

    def __init__(self, gateway: "Gateway", steps: tuple[Step, ...]) -> None:
        self._gateway = gateway
        self._due: list[tuple[int, int, bool, Step]] = []  # (market ns, order of coming, begins, step)
        self._count = 0
        for step in steps:
            self._put(gateway.clock.start_ns + int(step.at_s * _NS_PER_S), step, begins=True)

    def do(self, action: str, **values: Any) -> None:
        """Carry one step out now (`at_s` counts from now).

        Raises:
            UsageError: it means nothing.
        """
        where = f"scenario.do({action!r})"
        try:
            step = msgspec.convert({"do": action, **values}, Step)
        except msgspec.ValidationError as error:
            raise UsageError(f"{where}: {error}") from error
        check(step, where)
        if step.at_s:
            self._put(self._gateway.clock.now_ns() + int(step.at_s * _NS_PER_S), step, begins=True)
        else:
            self._carry_out(step, begins=True)

    def advance(self, now_ns: int) -> None:
        """Everything due at `now_ns`, in the order of time."""
        while self._due and self._due[0][0] <= now_ns:
            _, _, begins, step = heapq.heappop(self._due)
            self._carry_out(step, begins=begins)

    def _put(self, at_ns: int, step: Step, *, begins: bool) -> None:
        self._count += 1
        heapq.heappush(self._due, (at_ns, self._count, begins, step))

    def _carry_out(self, step: Step, *, begins: bool) -> None:
        action = check(step, "scenario")
        begins = begins and step.on
        given = {name: getattr(step, name) for name in action.takes if getattr(step, name)}
        self._gateway.tell("scenario", do=step.do, begins=begins, **given)
        if begins:
            action.begin(self._gateway, step)
            if step.for_s:
                self._put(self._gateway.clock.now_ns() + int(step.for_s * _NS_PER_S), step, begins=False)
        elif action.end is not None:
            action.end(self._gateway, step)
