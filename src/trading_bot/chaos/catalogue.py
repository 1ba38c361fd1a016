"""Every incident there is, by name."""

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from trading_bot.chaos.incidents import (
    data,
    days,
    dead_man,
    disk,
    link,
    orders_changing,
    orders_filling,
    orders_placing,
    recovering,
    session,
)
from trading_bot.config_keys import did_you_mean
from trading_bot.domain.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trading_bot.chaos.incident import Incident

_MODULES: Final = (
    orders_placing,
    orders_filling,
    orders_changing,
    recovering,
    dead_man,
    disk,
    link,
    data,
    session,
    days,
)
_ALL: Final = tuple(one for module in _MODULES for one in module.INCIDENTS)
INCIDENTS: "Final[Mapping[str, Incident]]" = MappingProxyType({one.name: one for one in _ALL})
assert len(INCIDENTS) == len(_ALL), "two incidents have one name"


def incident_by_name(name: str) -> "Incident":
    """The incident of a name.

    Raises:
        UsageError: there is none; names the nearest.
    """
    found = INCIDENTS.get(name)
    if found is None:
        near = did_you_mean(name, list(INCIDENTS))
        raise UsageError(f"there is no incident {name} (`trading-bot chaos list` names all {len(INCIDENTS)}){near}")
    return found
