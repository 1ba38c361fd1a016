"""A core whose gates are real, and the broker it speaks to: a book of orders with its own truth.

Messages may be lost, the link may go down, the process may die. Written from specification 11 and 12, not the core.
"""

from functools import cache

import msgspec

from tests.core.handler_world import START_NS, World, of
from tests.core.worlds import documents, eager_template
from tests.engines.cases import candidate
from trading_bot.core import opening
from trading_bot.core.opening import RunIdentity
from trading_bot.domain import effects, events, trade_events
from trading_bot.domain.orders import BrokerOrder, Leg, Side
from trading_bot.domain.units import NS_PER_S

S = NS_PER_S
EXPIRY = 20261218
ALIVE = ("working", "held")


@cache
def real_documents(speed_e3: int = 1_000):
    """One eager template that holds for an hour, on a contract of the broker's, with gates that an adapter tells."""
    plain = documents(templates={"E1": eager_template(hold_s=3_600)})
    return msgspec.structs.replace(plain, con_id=5, expiry=EXPIRY, gates_real=True, wall_speed_e3=speed_e3)


class Order(msgspec.Struct):
    """An order at the broker. `group` is the bracket whose OCA group it is in, None: it stands alone."""

    key: tuple
    leg: Leg
    side: Side
    left: int
    price: int
    perm: int
    state: str = "working"
    group: tuple | None = None
    ours: bool = True


class Broker:
    """Truth: a position, orders, executions. `out` are messages on their way to the bot, oldest first."""

    def __init__(self):
        self.position = 0
        self.orders: dict[tuple, Order] = {}  # by (order id, leg)
        self.executions = []  # as told: (order id, leg, side, qty, price, left, exec id)
        self.out = []
        self.placed = []  # every order that ever reached it
        self.perm = 100

    def send(self, effect, *, reaches=True):
        """An effect of the core arrives, or is lost on its way."""
        if not reaches:
            return
        match effect:
            case effects.PlaceOrder(order=order):
                other = Side.SELL if order.side is Side.BUY else Side.BUY
                self._add(order.order_id, Leg.ENTRY, order.side, order.qty, order.limit_ticks)
                for leg, price in ((Leg.STOP, order.stop_price_ticks), (Leg.TARGET, order.target_price_ticks)):
                    self._add(order.order_id, leg, other, order.qty, price, state="held", group=order.order_id)
                self.tell(events.OrderAcknowledged, order.order_id)
            case effects.CancelOrder():
                self._cancel(effect)
            case effects.PlaceExit():
                self._exit(effect)
            case effects.ModifyStop():
                stop = self.orders.get((effect.order_id, Leg.STOP))
                if stop is None or stop.state != "working":
                    self.tell(trade_events.RequestRefused, effect.order_id, leg=Leg.STOP)
                else:
                    stop.price = effect.price_ticks
                    self._working(stop)

    def _add(self, order_id, leg, side, qty, price, **more):
        self.perm += 1
        order = Order(key=(order_id, leg), leg=leg, side=side, left=qty, price=price, perm=self.perm, **more)
        self.orders[order_id, leg] = order
        self.placed.append(order.key)
        return order

    def _exit(self, effect):
        old = self.orders.get((effect.order_id, Leg.EXIT))
        if old is not None and old.state in ALIVE:
            old.state = "done"
        stop = self.orders.get((effect.order_id, Leg.STOP))
        group = effect.order_id if stop is not None and stop.state == "working" else None
        order = self._add(effect.order_id, Leg.EXIT, effect.side, effect.qty, effect.limit_ticks or 0, group=group)
        self._working(order)

    def _cancel(self, effect):
        order = self.orders.get((effect.order_id, effect.leg))
        if order is None or order.state not in ALIVE:
            self.tell(trade_events.RequestRefused, effect.order_id, leg=effect.leg)
            return
        self._end(order)
        if effect.leg is Leg.ENTRY:
            for child in self.orders.values():
                if child.group == effect.order_id and child.state == "held":
                    self._end(child)

    def _end(self, order):
        order.state = "done"
        self.tell(events.OrderCancelled, order.key[0], leg=order.leg)

    def _working(self, order):
        self.tell(trade_events.OrderWorking, order.key[0], leg=order.leg, price_ticks=order.price, remaining=order.left)

    def fill(self, order, qty):
        """An execution, with what the broker does to the rest of the bracket in the same instant."""
        qty = min(qty, order.left)
        order.left -= qty
        signed = qty if order.side is Side.BUY else -qty
        self.position += signed
        order.state = "done" if order.left == 0 else order.state
        told = (order.key[0], order.leg, order.side, qty, order.price or 24_000, order.left, f"e{len(self.executions)}")
        self.executions.append(told)
        self.out.append(("fill", told))
        if order.leg is Leg.ENTRY:
            filled = sum(one[3] for one in self.executions if one[:2] == order.key)
            for child in self.orders.values():
                if child.group == order.key[0] and child.leg in (Leg.STOP, Leg.TARGET) and child.state in ALIVE:
                    child.left, child.state = filled, "working"
                    self._working(child)
        elif order.group is not None:
            for other in self.orders.values():
                if other is not order and other.group == order.group and other.state == "working":
                    other.left -= qty
                    if other.left <= 0:
                        self._end(other)

    def tell(self, kind, order_id, **fields):
        self.out.append((kind, order_id, fields))

    def listed(self):
        """Every order that works, as a reconciliation lists it."""
        return tuple(
            BrokerOrder(
                order_id=one.key[0] if one.ours else None,
                leg=one.leg if one.ours else None,
                side=one.side,
                remaining=one.left,
                price_ticks=one.price,
                perm_ids=(one.perm,),
                order_ref=f"t-{one.perm}",
                held=one.state == "held",
            )
            for one in self.orders.values()
            if one.state in ALIVE
        )

    def working(self):
        """Orders that may fill now: children only while there is a position for them."""
        return [one for one in self.orders.values() if one.state == "working" and one.left > 0]


class BrokerWorld(World):
    """The core beside its broker. Questions are answered when the test says so."""

    def __init__(self, docs=None, *, start_ns=START_NS, connect=True):
        self.broker = Broker()
        self.asked = []  # reasons of questions that wait for an answer
        self.up = False
        self.lossy = False  # what the core sends does not arrive
        super().__init__(docs=docs or real_documents(), start_ns=start_ns, ready=False)
        for event in opening.opening_inputs(self.documents, start_ns, opening.Carried(), b""):
            self.apply(event)
        if connect:
            self.connect()
            self.answer()
            self.quote(start_ns + 1)

    def _record(self, event):
        results = super()._record(event)
        for result in results:
            if isinstance(result, effects.AskBroker):
                self.asked.append(result.reason)
            elif isinstance(result, effects.BrokerEffect):
                self.broker.send(result, reaches=self.up and not self.lossy)
        return results

    def connect(self):
        """The link stands, data flow, the account is told."""
        self.up = True
        ts_ns = self.now_ns
        results = self.apply(events.LinkStatus(ts_ns=ts_ns, up=True, reason="connected"))
        money = {"equity_uusd": 10_000_000_000, "margin_free_uusd": 10_000_000_000, "margin_per_contract_uusd": 10**9}
        results += self.apply(events.AccountSnapshot(ts_ns=ts_ns, account="DU1", **money))
        return results + self.apply(
            events.LatencySampled(ts_ns=ts_ns, decision_us_p99=100.0, loop_lag_us_max=100.0, modelled=True)
        )

    def cut(self):
        """The link is down: what was on its way is lost, and what is sent does not arrive."""
        self.up = False
        self.broker.out.clear()
        self.asked.clear()
        return self.apply(
            events.LinkStatus(ts_ns=self.now_ns, up=False, socket=False, broker=False, farm=False, flowing=False)
        )

    def restart(self):
        """The process dies and another goes on with its log."""
        self.up = False
        self.broker.out.clear()
        self.asked.clear()
        started = opening.process_started(
            self.documents, RunIdentity(), self.now_ns, last_seq=self.seq, torn_bytes=0, cold=False
        )
        return self.apply(started)

    def deliver(self, count=None):
        """The next messages arrive, all without a count."""
        results = []
        for _ in range(len(self.broker.out) if count is None else min(count, len(self.broker.out))):
            results += self._hear(self.broker.out.pop(0))
        return results

    def _hear(self, message):
        if message[0] != "fill":
            kind, order_id, fields = message
            return self.apply(kind(ts_ns=self.now_ns, order_id=order_id, **fields))
        order_id, leg, side, qty, price, left, exec_id = message[1]
        return self.apply(
            trade_events.OrderFilled(
                ts_ns=self.now_ns,
                order_id=order_id,
                leg=leg,
                side=side,
                qty=qty,
                price_ticks=price,
                remaining=left,
                final=left == 0,
                commission_uusd=620_000 * qty,
                exec_id=exec_id,
                hypothetical=False,
            )
        )

    def answer(self, *, ok=True, reason="asked"):
        """The broker answers: first every execution of the day, then what it has (docs/reconciliation.md)."""
        self.asked.clear()
        if not ok:
            return self.apply(
                events.Reconciled(
                    ts_ns=self.now_ns, ok=False, position_qty=0, working_orders=0, asked=True, reason="timed out"
                )
            )
        results = self.deliver()
        for told in list(self.broker.executions):
            results += self._hear(("fill", told))
        orders = self.broker.listed()
        return results + self.apply(
            events.Reconciled(
                ts_ns=self.now_ns,
                ok=True,
                position_qty=self.broker.position,
                working_orders=len(orders),
                asked=True,
                listed=True,
                orders=orders,
                reason=reason,
            )
        )

    def settle(self, rounds=8):
        """Time passes and the broker answers everything; what the core wants done is done."""
        before = len(self.records)
        for _ in range(rounds):
            self.deliver()
            self.quotes(self.now_ns + S, self.now_ns + 3 * S)
            if self.asked:
                self.answer()
        return self.records[before:]

    def enter(self, fill=1):
        """An entry that fills, with its bracket in force."""
        placed = of(self.fire(candidate()), effects.PlaceOrder)
        assert placed, self.records[-3:]
        order_id = placed[0].order.order_id
        self.deliver()
        if fill:
            self.broker.fill(self.broker.orders[order_id, Leg.ENTRY], fill)
            self.deliver()
        return order_id
