"""What the gateway's desk looks like at one moment, and the moments worth waiting for."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from trading_bot.adapters.gateway.orders import STOP_TYPES, Execution, Order

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.gateway import Gateway

_OURS: Final = "tb"  # how every order reference of the bot begins (adapters/ibkr/references.py)
_LEGS: Final = frozenset("ESTX")
BOT_CLIENT: Final = 1  # the client id a bot has unless it is told otherwise


class Scene(msgspec.Struct, frozen=True, gc=False):
    """The desk at one moment. Lots, below 0 when short; orders are those that live, by the leg of their reference.

    `position` is the account's, over all contracts; `own` what the bot's executions come to. `round_trips` counts how
    often the bot's own executions came back to zero. `foreign` are orders that are not the bot's.
    """

    wall_ns: int
    market_ns: int
    position: int
    own: int
    entries: tuple[Order, ...]
    stops: tuple[Order, ...]
    targets: tuple[Order, ...]
    exits: tuple[Order, ...]
    foreign: tuple[Order, ...]
    executions: int
    round_trips: int
    clients: tuple[int, ...]
    reachable: bool

    @property
    def working(self) -> tuple[Order, ...]:
        """Every living order of the bot."""
        return (*self.entries, *self.stops, *self.targets, *self.exits)

    @property
    def held(self) -> int:
        """Lots of the bot that still stand: of the account's position no more than the bot's executions come to."""
        if self.own * self.position <= 0:
            return 0
        return min(abs(self.own), abs(self.position)) * (1 if self.own > 0 else -1)

    @property
    def covered(self) -> int:
        """Lots of `held` that an order at the broker ends by itself: a stop, triggered or not, or one to the market."""
        side = -1 if self.held > 0 else 1
        lots = sum(
            max(order.open, 0)
            for order in (*self.stops, *self.exits, *self.targets)
            if order.side == side and order.request.order_type in STOP_TYPES | {"MKT"}
        )
        return min(lots, abs(self.held))

    def told(self) -> dict[str, object]:
        """For a report."""
        return {
            "position": self.position,
            "own": self.own,
            "working": [f"{order.request.order_ref} {order.status}" for order in self.working],
            "foreign": [f"{order.client_id}/{order.order_id} {order.status}" for order in self.foreign],
            "executions": self.executions,
            "round_trips": self.round_trips,
            "clients": list(self.clients),
        }


Predicate = Callable[[Scene], bool]


def is_ours(order_ref: str) -> bool:
    """Does a reference say that the bot placed it?"""
    return order_ref.startswith(_OURS) and order_ref[-1:] in _LEGS


def own_lots(executions: list[Execution]) -> int:
    """What the bot's executions come to."""
    return sum(row.side * row.qty for row in executions if is_ours(row.order_ref))


def scene_of(gateway: "Gateway", round_trips: int) -> Scene:
    """The desk now. To be called in the gateway's loop."""
    desk, faults = gateway.desk, gateway.faults
    legs: dict[str, list[Order]] = {leg: [] for leg in "ESTX"}
    foreign: list[Order] = []
    for order in desk.flow.live.values():
        ref = order.request.order_ref
        (legs[ref[-1]] if is_ours(ref) else foreign).append(order)
    clients = tuple(sorted(gateway.clients))
    return Scene(
        wall_ns=time.monotonic_ns(),
        market_ns=desk.now_ns,
        position=sum(row.qty for row in desk.account.positions.values()),
        own=own_lots(desk.executions.rows),
        entries=tuple(legs["E"]),
        stops=tuple(legs["S"]),
        targets=tuple(legs["T"]),
        exits=tuple(legs["X"]),
        foreign=tuple(foreign),
        executions=len(desk.executions.rows),
        round_trips=round_trips,
        clients=clients,
        reachable=BOT_CLIENT in gateway.clients and not faults.broker_down and not faults.stalled,
    )


# The moments most incidents begin at.


def holding(scene: Scene) -> bool:
    """A position of the bot stands, with its stop at the broker."""
    return scene.held != 0 and scene.covered == abs(scene.held)


def filled(scene: Scene) -> bool:
    """A position of the bot stands, this very moment perhaps."""
    return scene.own != 0


def entry_working(scene: Scene) -> bool:
    """An entry is with the broker and nothing of it has filled."""
    return bool(scene.entries) and scene.own == 0


def flat(scene: Scene) -> bool:
    """No position, and no order of the bot."""
    return scene.own == 0 and not scene.working


def traded(count: int) -> Predicate:
    """The bot has made `count` round trips and is flat."""
    return lambda scene: scene.round_trips >= count and scene.own == 0


def one_more(count: Callable[[], int]) -> Predicate:
    """`count()` is higher than it is now."""
    before = count()
    return lambda _scene: count() > before
