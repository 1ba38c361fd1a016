"""What an incident is: a name, where it comes from, the gateway and the bot it happens to, and how it comes about."""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

if TYPE_CHECKING:
    from trading_bot.chaos.lab import Lab

LIBRARIES: Final = ("ib_insync", "ib_async")
# Each is a function of chaos/invariants.py and is looked at after every incident.
INVARIANTS: Final = (
    "no_duplicate_exposure",
    "exits_only_close",
    "no_lost_fill",
    "position_as_broker",
    "stop_resident",
    "flat_or_protected",
    "replay_identical",
    "ended_in_order",
)
SPEED: Final = 30.0  # market seconds a second
NAKED_S: Final = 3.0  # orders.stop_deadline_ms (2 s) and a second for the way to the broker on a busy machine
SOURCE: Final = re.compile(r"2#\d{1,2}|2b:\d{3,5}|2c:\d{1,2}|[A-G]|own")
_NAME: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that went wrong for somebody, or could.

    `source`: rows of the field notes (`2#1`, `2b:10349`, `2c:3`, a section `D`) or `own`. `style` is how the bot trades
    (chaos/bots.py). `gateway` are fields of GatewayConfig, `config` keys of the configuration. `exit_codes` are those
    the bot may end with. `naked_s` bounds, in seconds of the wall while the broker can be reached, how long a position
    may be without a resident stop. `tolerates` names an invariant this incident itself breaks, with the reason.
    """

    name: str
    says: str
    source: tuple[str, ...]
    body: "Callable[[Lab], None]"
    libraries: tuple[str, ...] = LIBRARIES
    quick: bool = False
    style: Literal["stand", "late", "quick", "rest"] = "stand"
    speed: float = SPEED
    gateway: Mapping[str, Any] = _NOTHING
    config: Mapping[str, Any] = _NOTHING
    exit_codes: tuple[int, ...] = (0,)
    naked_s: float = NAKED_S
    tolerates: Mapping[str, str] = _NOTHING

    def __post_init__(self) -> None:
        """A table's mistake is found when it is read."""
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"incident {self.name!r}: expected words of a-z and 0-9 with - between")
        if not self.source or any(SOURCE.fullmatch(one) is None for one in self.source):
            raise ValueError(f"incident {self.name}: source {self.source}: expected 2#N, 2b:CODE, 2c:N, A to G, or own")
        if unknown := set(self.tolerates) - set(INVARIANTS):
            raise ValueError(f"incident {self.name}: no such invariant: {', '.join(sorted(unknown))}")

    @property
    def rows(self) -> tuple[str, ...]:
        """Rows of sections 2 and 2b it is from; `own` for one that is of none."""
        return tuple(one for one in self.source if one.startswith(("2#", "2b:"))) or ("own",)

    @property
    def also(self) -> tuple[str, ...]:
        """Other places of the field notes that tell of it."""
        return tuple(one for one in self.source if one not in self.rows and one != "own")

    @property
    def invariants(self) -> tuple[str, ...]:
        """What is looked at after it."""
        return tuple(name for name in INVARIANTS if name not in self.tolerates)
