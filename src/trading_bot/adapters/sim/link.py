"""A link to the broker that breaks: a broker around a broker, with outages given or drawn from a seed."""

from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import msgspec

from trading_bot.adapters.sim.day_plan import open_intervals
from trading_bot.adapters.sim.draws import Draws
from trading_bot.domain.effects import AskBroker, BrokerEffect, PlaceOrder, PlaceShadow
from trading_bot.domain.errors import UsageError
from trading_bot.domain.events import Input, LinkStatus, OrderRejected
from trading_bot.domain.ports import Broker
from trading_bot.domain.trade_events import ShadowEnded
from trading_bot.domain.units import NS_PER_MS, NS_PER_S, TS_NEVER_NS
from trading_bot.engines.session import SessionKind, SessionTable

NOT_CONNECTED_CODE: Final = 504  # "not connected" of the IBKR API
_STREAM_OUTAGES: Final = 8  # labels of a seed's streams: see day_plan.py


class Outage(msgspec.Struct, frozen=True, gc=False):
    """The link is down from `down_ns` to before `up_ns`. `lost`: entries meant for that time are refused at once.

    Raises UsageError for times that mean nothing.
    """

    down_ns: int
    up_ns: int
    lost: bool

    def __post_init__(self) -> None:
        """Refuse what would do nothing."""
        if not 0 < self.down_ns < self.up_ns:
            raise UsageError(f"{self}: expected 0 < down_ns < up_ns; give the outage a beginning and a length")


class FaultyLink:
    """Tells each outage and holds what passes meanwhile; orders at the exchange work on.

    At `down_ns`: `LinkStatus` down. At `up_ns`: `LinkStatus` up, the answers held until then, all with that time, and
    what was queued is sent, with a question whose `Reconciled` follows. Without `lost` every effect is queued; with it
    an order is rejected and a shadow ended at once, while exits, cancels and changes are queued all the same. Questions
    are not queued: the one at `up_ns` stands for them.
    """

    def __init__(self, broker: Broker, outages: Sequence[Outage]) -> None:
        """`outages` in the order of time, with time between them.

        Raises:
            UsageError: two outages that touch or overlap.
        """
        for left, right in pairwise(outages):
            if left.up_ns >= right.down_ns:
                raise UsageError(f"{left} does not end before {right} begins: give outages in the order of time")
        self._broker = broker
        self._outages = deque(outages)  # the first is the one under way, or the next
        self._down = False
        self._held: list[Input] = []
        self._queued: list[BrokerEffect] = []
        self._ready: deque[Input] = deque()

    @property
    def next_due_ns(self) -> int:
        """When `take` has to be called; while the link is down, answers are fetched then, and held."""
        ready_ns = self._ready[0].ts_ns if self._ready else TS_NEVER_NS
        return min(ready_ns, self._edge_ns, self._broker.next_due_ns)

    @property
    def _edge_ns(self) -> int:
        """When the link changes next."""
        if not self._outages:
            return TS_NEVER_NS
        return self._outages[0].up_ns if self._down else self._outages[0].down_ns

    def dispatch(self, effect: BrokerEffect) -> None:
        """Pass an effect on, or keep or refuse it while the link is down at its time."""
        outage = self._outages[0] if self._outages else None
        if outage is None or not outage.down_ns <= effect.ts_ns < outage.up_ns:
            self._broker.dispatch(effect)
        elif outage.lost and isinstance(effect, PlaceOrder):
            self._ready.append(
                OrderRejected(
                    ts_ns=effect.ts_ns,
                    order_id=effect.order.order_id,
                    code=NOT_CONNECTED_CODE,
                    text="not connected: the link to the broker is down",
                )
            )
        elif outage.lost and isinstance(effect, PlaceShadow):
            self._ready.append(ShadowEnded(ts_ns=effect.ts_ns, order_id=effect.order_id))
        elif not isinstance(effect, AskBroker):
            self._queued.append(effect)

    def take(self, ts_ns: int) -> Input | None:
        """The next answer or change of the link by `ts_ns`."""
        edge_ns = self._edge_ns
        # What was refused in the instant of the break is told after it.
        if self._ready and self._ready[0].ts_ns <= ts_ns and (self._down or self._ready[0].ts_ns < edge_ns):
            return self._ready.popleft()
        if not self._down:
            answer = self._fetch(min(ts_ns, edge_ns - 1))
            if answer is not None or edge_ns > ts_ns:
                return answer
            self._down = True
            return LinkStatus(ts_ns=edge_ns, up=False, modelled=True)
        while (answer := self._fetch(min(ts_ns, edge_ns))) is not None:
            self._held.append(answer)
        if edge_ns > ts_ns:
            return None
        self._reconnect(edge_ns)
        return self._ready.popleft()

    def _fetch(self, until_ns: int) -> Input | None:
        while self._broker.next_due_ns <= until_ns:
            if (answer := self._broker.take(until_ns)) is not None:
                return answer
        return None

    def _reconnect(self, up_ns: int) -> None:
        self._outages.popleft()
        self._down = False
        self._ready.append(LinkStatus(ts_ns=up_ns, up=True, modelled=True))
        self._ready.extend(msgspec.structs.replace(answer, ts_ns=up_ns) for answer in self._held)
        for effect in self._queued:
            self._broker.dispatch(msgspec.structs.replace(effect, ts_ns=up_ns))
        self._broker.dispatch(AskBroker(ts_ns=up_ns, reason="LINK_UP"))
        self._held.clear()
        self._queued.clear()


def draw_outages(
    seed: int, start_ns: int, end_ns: int, calendar: SessionTable, *, market: SessionKind = "globex"
) -> tuple[Outage, ...]:
    """Outages of a run from `start_ns` to `end_ns`, drawn from a seed: one in about three hours of open market.

    One in four lasts up to ten minutes, the others up to half a minute. None begins or ends outside continuous trading.
    """
    draws = Draws(seed, _STREAM_OUTAGES)
    outages = []
    at_ns = start_ns
    while at_ns < end_ns:
        at_ns += draws.between(20 * 60, 340 * 60) * NS_PER_S + draws.below(NS_PER_S)
        long = draws.chance(250)
        short_ns, long_ns = draws.between(500, 30_000) * NS_PER_MS, draws.between(30_000, 600_000) * NS_PER_MS
        outage = Outage(at_ns, at_ns + (long_ns if long else short_ns), lost=draws.chance(500))
        day = calendar.trading_day(at_ns)
        spans = () if day is None else open_intervals(day, market)
        if outage.up_ns < end_ns and any(span.start_ns <= at_ns and outage.up_ns < span.end_ns for span in spans):
            outages.append(outage)
            at_ns = outage.up_ns
    return tuple(outages)
