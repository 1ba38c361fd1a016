"""What can be made to go wrong, by name: one table of actions (docs/gateway.md)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from trading_bot.adapters.gateway.data_actions import DATA_ACTIONS
from trading_bot.adapters.gateway.link_actions import LINK_ACTIONS
from trading_bot.adapters.gateway.order_actions import ORDER_ACTIONS
from trading_bot.adapters.gateway.steps import NOTICES, Action, Step
from trading_bot.domain.errors import UsageError
from trading_bot.domain.instruments import INSTRUMENTS

__all__ = ["ACTIONS", "NOTICES", "Action", "Step", "check"]

ACTIONS: Final[Mapping[str, Action]] = MappingProxyType({**LINK_ACTIONS, **DATA_ACTIONS, **ORDER_ACTIONS})
_COMMON: Final = {"do", "at_s"}
_NUMBERS: Final = ("at_s", "for_s", "ms", "wall_s", "code", "qty", "ticks", "points", "client_id")
_CHOSEN: Final = ("leg", "side", "value")  # what `Action.values` lists


def check(step: Step, where: str) -> Action:
    """The action of a step that can be carried out.

    Raises:
        UsageError: an unknown action, a value it does not take, or one it needs and lacks.
    """
    action = ACTIONS.get(step.do)
    if action is None:
        raise UsageError(f"{where}: unknown action {step.do!r}; expected one of {', '.join(ACTIONS)}")
    takes = {*action.takes, *(() if action.end is None else ("for_s", "on"))}
    given = {name for name in step.__struct_fields__ if getattr(step, name) != getattr(_DEFAULT, name)} - _COMMON
    if given - takes:
        allowed = ", ".join(sorted(takes)) or "nothing else"
        raise UsageError(f"{where}: {step.do} does not take {', '.join(sorted(given - takes))}; it takes {allowed}")
    if step.on and (missing := action.needs - given):
        raise UsageError(f"{where}: {step.do} needs {', '.join(sorted(missing))}")
    if any(getattr(step, name) < 0 for name in _NUMBERS if name not in action.signed):
        allowed = ", ".join(name for name in _NUMBERS if name in takes or name == "at_s")
        raise UsageError(f"{where}: {step.do}: {allowed} are at least 0")
    _check_values(step, action, where)
    return action


def _check_values(step: Step, action: Action, where: str) -> None:
    chosen = next((name for name in _CHOSEN if name in action.takes), None)
    if chosen and action.values and step.on and getattr(step, chosen) not in action.values:
        found = getattr(step, chosen)
        raise UsageError(f"{where}: {step.do}: {chosen} is {found!r}; expected one of {', '.join(action.values)}")
    if step.symbol and step.symbol not in INSTRUMENTS:
        raise UsageError(f"{where}: {step.do}: symbol {step.symbol!r}; expected one of {', '.join(INSTRUMENTS)}")
    if step.do == "error" and not step.text and step.code not in NOTICES:
        raise UsageError(f"{where}: error {step.code} needs a text; known are {', '.join(map(str, NOTICES))}")


_DEFAULT: Final = Step(do="")
