"""Market records and shadow trades of the reference, from docs/simulator.md (section numbers in the comments)."""

from dataclasses import dataclass

from tests.exchange.reference import CANCELLED, ENTRY, EXIT, FILL, LIMIT, NEVER, STOP, TARGET, Order, Reference, mix
from trading_bot.domain.records import Aggressor


@dataclass
class Shadow:
    handle: int
    side: int
    kind: int
    limit: int
    target: int
    stop: int
    hold: int
    life: int
    due: int
    state: str = "sent"
    queue: Order | None = None
    x_stop: int = 0
    worst: int | None = None
    leg: int = EXIT


def counts(side, aggressor, model):
    """Whether a print at our price came from the other side (4)."""
    if aggressor == Aggressor.UNKNOWN:
        return model == "optimistic"
    return aggressor == (Aggressor.SELL if side > 0 else Aggressor.BUY)


def see_quote(queue, view, model):
    """An uncrossed quote that did not fill us moves us in the queue (4)."""
    own, own_qty, _, _, crossed = view
    if crossed or model == "optimistic":
        return
    displayed = own == queue.limit and own_qty > 0
    if displayed and queue.ahead is None:
        queue.ahead = own_qty
    elif displayed and model == "probabilistic":
        if queue.shown is not None and queue.ahead > 0:
            before = queue.shown - queue.traded
            gone = before - own_qty
            if gone > 0:
                cut, rest = divmod(gone * queue.ahead, before)
                if rest:
                    cut += mix(queue.key, queue.draws) % before < rest
                    queue.draws += 1
                queue.ahead -= cut
        queue.ahead = min(queue.ahead, own_qty)
    elif model == "probabilistic" and own <= queue.limit:
        queue.ahead = 0 if queue.ahead is None else min(queue.ahead, 0)
    queue.shown, queue.traded = own_qty if displayed else None, 0


class Market(Reference):
    """The whole reference."""

    def present(self, known):
        """Legs in force by arrival number `known`, in order of arrival, without those that left or came back since."""
        for slot, leg, number in list(self.line):
            if number <= known and (slot, leg, number) in self.line:
                yield slot, leg, self.slots[slot].legs[leg]

    def on_quote(self, ts, bid, bid_qty, ask, ask_qty):
        self.advance(ts)
        self.ticks.append(self.now)
        self.quote = (bid, bid_qty, ask, ask_qty)
        for side in (1, -1):
            if self.view(side)[2] != self.taken[side][1]:
                self.taken[side] = [0, None]
        known = self.arrivals
        if self.config.stop_trigger == "touch":
            for slot, leg, order in self.present(known):
                _, _, opp, opp_qty, _ = self.view(order.side)
                if order.state == "armed" and opp_qty > 0 and opp >= order.trigger:
                    self.trigger(slot, leg, order.trigger)
        for slot, leg, order in self.present(known):
            if order.state == "rests":
                self.rests_in_quote(slot, leg, order)
            elif order.state == "taking":
                self.take(slot, leg, None)
        for shadow in list(self.shadows):
            self.shadow_quote(shadow)

    def rests_in_quote(self, slot, leg, order):
        view = self.view(order.side)
        _, _, opp, opp_qty, crossed = view
        if crossed or opp_qty <= 0 or opp > order.limit:
            see_quote(order, view, self.config.queue_model)
            return
        lots = order.remaining
        if self.taken[order.side][0] or opp == order.limit:
            lots, _ = self.within(order.side, order.limit, order.remaining)
            if lots < order.remaining and not self.config.partial_fills:
                return
            self.take_from(order.side, lots)
        if lots:
            self.execute(slot, leg, lots, order.limit)

    def on_trade(self, ts, price, qty, aggressor):
        self.advance(ts)
        self.ticks.append(self.now)
        self.last = (price, self.now)
        known = self.arrivals
        if self.config.stop_trigger == "last":
            for slot, leg, order in self.present(known):
                if order.state == "armed" and order.side * price >= order.trigger:
                    self.trigger(slot, leg, order.side * price)
        volume = qty
        for slot, leg, order in self.present(known):
            if order.state == "rests":
                volume -= self.rests_in_trade(slot, leg, order, price, qty, volume, aggressor)
        for shadow in list(self.shadows):
            self.shadow_trade(shadow, price, qty, aggressor)

    def rests_in_trade(self, slot, leg, order, price, qty, volume, aggressor):
        x = order.side * price
        if x < order.limit:
            ours = Aggressor.BUY if order.side > 0 else Aggressor.SELL
            if aggressor != ours or not self.taken[order.side][0]:
                self.execute(slot, leg, order.remaining, order.limit)
            return 0
        if x > order.limit or order.ahead is None or not counts(order.side, aggressor, self.config.queue_model):
            return 0
        order.traded += qty
        order.ahead -= volume
        reached = max(0, -order.ahead)
        if self.config.partial_fills:
            order.ahead = max(0, order.ahead)
            lots = min(reached, order.remaining)
        else:
            lots = order.remaining if reached >= order.remaining else 0
        if lots:
            self.execute(slot, leg, lots, order.limit)
        return lots

    # --- shadow trades (9)

    def place_shadow(self, handle, ts, side, kind, limit, target, stop, hold, life):
        self.advance(ts)
        due = self.now + self.out(handle, 3)
        self.shadows.append(Shadow(handle, side, kind, side * limit, target, stop, hold, life, due))

    def shadow_says(self, shadow, leg, kind, x):
        side = shadow.side if leg == ENTRY else -shadow.side
        fee = self.config.fee_per_side_uusd if kind == FILL else 0
        self.tell(shadow.handle, leg, kind, side, 1, side * x, 0, fee, 0, True)

    def shadow_due(self, shadow):
        if shadow.state == "sent":
            shadow.due = self.now + shadow.life
            view = self.view(shadow.side)
            if view and view[3] > 0 and (shadow.kind != LIMIT or view[2] <= shadow.limit):
                self.shadow_enters(shadow, view[2])
            elif shadow.kind == LIMIT:
                shadow.state = "rests"
                shadow.queue = Order(shadow.side, LIMIT, 1, shadow.limit)
                self.place_in_queue(shadow.queue, "pessimistic")
            else:
                shadow.state = "taking"
        elif shadow.state == "open":
            shadow.worst = None
            self.shadow_leaves(shadow, EXIT)
        else:
            self.shadow_says(shadow, ENTRY, CANCELLED, shadow.limit)
            self.shadows.remove(shadow)

    def shadow_enters(self, shadow, x):
        self.shadow_says(shadow, ENTRY, FILL, x)
        price = shadow.side * x
        out = -shadow.side
        shadow.state = "open"
        heard = self.now + self.config.response_latency_ns if self.config.latency is None else self.told[shadow.handle]
        shadow.due = heard + shadow.hold + self.out(shadow.handle, 3, heard + shadow.hold)
        shadow.queue = Order(out, LIMIT, 1, out * (price + shadow.side * shadow.target))
        shadow.x_stop = out * (price - shadow.side * shadow.stop)
        self.place_in_queue(shadow.queue, "pessimistic")
        shadow.worst = self.passed(out, shadow.x_stop)
        if shadow.worst is not None:
            self.shadow_leaves(shadow, STOP)

    def shadow_leaves(self, shadow, leg):
        shadow.state, shadow.leg, shadow.due = "leaves", leg, NEVER
        view = self.view(-shadow.side)
        if view and view[3] > 0:
            x = view[2] if shadow.worst is None else max(view[2], shadow.worst)
            self.shadow_says(shadow, leg, FILL, x)
            self.shadows.remove(shadow)

    def shadow_limit_fills(self, shadow):
        if shadow.state == "rests":
            self.shadow_enters(shadow, shadow.limit)
        else:
            self.shadow_says(shadow, TARGET, FILL, shadow.queue.limit)
            self.shadows.remove(shadow)

    def shadow_quote(self, shadow):
        if shadow.state == "leaves":
            self.shadow_leaves(shadow, shadow.leg)
            return
        view = self.view(-shadow.side if shadow.state == "open" else shadow.side)
        _, _, opp, opp_qty, crossed = view
        if shadow.state == "taking" and opp_qty > 0:
            self.shadow_enters(shadow, opp)
        elif shadow.state == "open" and self.config.stop_trigger == "touch" and opp_qty > 0 and opp >= shadow.x_stop:
            shadow.worst = shadow.x_stop
            self.shadow_leaves(shadow, STOP)
        elif shadow.state in {"open", "rests"}:
            if not crossed and opp_qty > 0 and opp <= shadow.queue.limit:
                self.shadow_limit_fills(shadow)
            else:
                see_quote(shadow.queue, view, "pessimistic")

    def shadow_trade(self, shadow, price, qty, aggressor):
        if shadow.state not in {"open", "rests"}:
            return
        queue = shadow.queue
        x = queue.side * price
        if shadow.state == "open" and self.config.stop_trigger == "last" and x >= shadow.x_stop:
            shadow.worst = x
            self.shadow_leaves(shadow, STOP)
        elif x < queue.limit:
            self.shadow_limit_fills(shadow)
        elif x == queue.limit and queue.ahead is not None and counts(queue.side, aggressor, "pessimistic"):
            queue.ahead -= qty
            if queue.ahead < 0:
                self.shadow_limit_fills(shadow)
