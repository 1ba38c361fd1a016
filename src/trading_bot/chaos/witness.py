"""Who watches the gateway's desk from inside: positions, stops and requests on the gateway's own timeline.

It runs in the gateway's loop. It looks at every happening before any client is told, and every two milliseconds.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final

import msgspec

from trading_bot.adapters.gateway.order_decode import OrderRequest
from trading_bot.adapters.gateway.orders import Execution, Order
from trading_bot.chaos.moments import Predicate, Scene, is_ours, scene_of

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.gateway import Gateway

LOOK_S: Final = 0.002

Work = Callable[["Gateway"], None]


class Placed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A placement or change as it came in; `what_if` asks for margins and places nothing."""

    wall_ns: int
    order_id: int
    order_ref: str
    action: str
    order_type: str
    qty: int
    what_if: bool = False


class Stretch(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A time in which a position of the bot had no resident stop; `reachable_ns` of it the broker could be reached."""

    market_ns: int
    lots: int
    wall_ns: int
    reachable_ns: int


class Change(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The bot's or the account's position, or what works as entries, changed. `leg`: of the execution that did it."""

    wall_ns: int
    market_ns: int
    own: int
    position: int
    entry_lots: int
    leg: str


class _Awaited:
    """Work to do the first time a predicate is true."""

    def __init__(self, predicate: Predicate, work: Work | None) -> None:
        self.predicate = predicate
        self.work = work
        self.done: Future[Scene] = Future()


class Witness:
    """Watches one gateway. Everything but the constructor is called in the gateway's loop."""

    def __init__(self, gateway: "Gateway") -> None:
        """Begins at once. To be called in the gateway's loop."""
        self._gateway = gateway
        self._awaited: list[_Awaited] = []
        self._looking = False
        self._naked_since: Scene | None = None
        self._reachable_ns = 0
        self._last: Scene | None = None
        self.round_trips = 0
        self.placed: list[Placed] = []
        self.cancels: list[str] = []
        self.naked: list[Stretch] = []
        self.changes: list[Change] = []
        gateway.desk.teller.watchers.append(self._saw)
        gateway.start_task(self._watch())

    def scene(self) -> Scene:
        """The desk now."""
        return scene_of(self._gateway, self.round_trips)

    def when(self, predicate: Predicate, work: Work | None) -> "Future[Scene]":
        """Do `work` the first time the predicate is true; the scene it was true of."""
        awaited = _Awaited(predicate, work)
        self._awaited.append(awaited)
        self.look()
        return awaited.done

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            self.look()

    def _saw(self, what: str, thing: OrderRequest | Order | Execution) -> None:
        leg = ""
        if isinstance(thing, OrderRequest):
            row = self.scene()
            self.placed.append(
                Placed(
                    wall_ns=row.wall_ns,
                    order_id=thing.order_id,
                    order_ref=thing.order_ref,
                    action=thing.action,
                    order_type=thing.order_type,
                    qty=int(thing.qty),
                    what_if=thing.what_if,
                )
            )
        elif isinstance(thing, Execution):
            leg = thing.order_ref[-1:] if is_ours(thing.order_ref) else ""
        elif what == "cancel":
            self.cancels.append(thing.request.order_ref)
        self.look(leg)

    def look(self, leg: str = "") -> None:
        """Compare with the look before, and do what was waited for."""
        scene = self.scene()
        before, self._last = self._last, scene
        entry_lots = sum(max(order.wanted, 0) for order in scene.entries)
        state = (scene.own, scene.position, entry_lots)
        if not self.changes or state != (self.changes[-1].own, self.changes[-1].position, self.changes[-1].entry_lots):
            self.changes.append(
                Change(
                    wall_ns=scene.wall_ns,
                    market_ns=scene.market_ns,
                    own=scene.own,
                    position=scene.position,
                    entry_lots=entry_lots,
                    leg=leg,
                )
            )
        if before is not None and before.own and not scene.own:
            self.round_trips += 1
            scene = self._last = self.scene()
        self._measure(before, scene)
        if not self._looking:
            self._looking = True
            try:
                self._do_what_is_due()
            finally:
                self._looking = False

    def _measure(self, before: Scene | None, scene: Scene) -> None:
        if self._naked_since is not None and before is not None and before.reachable:
            self._reachable_ns += scene.wall_ns - before.wall_ns
        if abs(scene.held) > scene.covered:
            if self._naked_since is None:
                self._naked_since, self._reachable_ns = scene, 0
        elif self._naked_since is not None:
            self.close()

    def close(self) -> None:
        """What is still open at the end counts as well."""
        since, last = self._naked_since, self._last
        if since is None or last is None:
            return
        self.naked.append(
            Stretch(
                market_ns=since.market_ns,
                lots=since.held,
                wall_ns=last.wall_ns - since.wall_ns,
                reachable_ns=self._reachable_ns,
            )
        )
        self._naked_since = None

    def _do_what_is_due(self) -> None:
        for awaited in list(self._awaited):
            try:
                scene = self.scene()
                if not awaited.predicate(scene):
                    continue
                self._awaited.remove(awaited)
                if awaited.work is not None:
                    awaited.work(self._gateway)
            except Exception as error:  # noqa: BLE001 (raised in the thread that waits)
                if awaited in self._awaited:
                    self._awaited.remove(awaited)
                awaited.done.set_exception(error)
            else:
                awaited.done.set_result(scene)
