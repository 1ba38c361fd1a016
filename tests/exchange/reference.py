"""The exchange simulator once more, slowly, in plain Python, from docs/simulator.md (section numbers in the comments).

Here: orders, brackets, messages and time. `reference_market.py` adds records and shadow trades.
"""

from dataclasses import dataclass, field

NEVER = 2**63 - 1
ENTRY, TARGET, STOP, EXIT, ALL = range(5)
LIMIT, MARKET, STOP_ORDER, STOP_LIMIT = 1, 2, 3, 4
ACK, WORKING, PARTIAL, FILL, CANCELLED, REJECTED, TRIGGERED, REFUSED = range(1, 9)
MASK = 2**64 - 1


def mix(a, n):  # 10
    z = (a + (n + 1) * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


@dataclass
class Order:
    side: int
    kind: int
    qty: int
    limit: int = 0  # x
    trigger: int = 0  # x
    state: str = "waits"  # sent waits rests armed routing taking done
    remaining: int = 0
    filled: int = 0
    worst: int | None = None
    due: int = NEVER
    ahead: int | None = None
    shown: int | None = None
    traded: int = 0
    key: int = 0
    draws: int = 0

    @property
    def lives(self):
        return self.state != "done"


@dataclass
class Group:
    handle: int
    oca: int
    legs: dict
    pending: int = 0
    due: int = NEVER

    def complete(self):
        return self.legs[ENTRY].state == "done" and self.pending == 0

    def lives(self):
        return any(order.lives for order in self.legs.values())


@dataclass
class Reference:
    config: object
    now: int = 0
    quote: tuple | None = None
    last: tuple | None = None  # price, time
    taken: dict = field(default_factory=lambda: {1: [0, None], -1: [0, None]})  # lots, opp they were taken from
    slots: list = field(default_factory=lambda: [None] * 64)
    line: list = field(default_factory=list)  # (slot, leg, number of arrival) in force, in order
    arrivals: int = 0
    messages: list = field(default_factory=list)
    shadows: list = field(default_factory=list)
    heard: list = field(default_factory=list)
    position: int = 0
    fees: int = 0
    executions: int = 0
    placed: int = 0
    exits: int = 0
    ticks: list = field(default_factory=list)  # when each came
    told: dict = field(default_factory=dict)  # latest delivery: of orders, of each shadow

    # --- how long a message takes (2)

    def drawn(self, way, handle, leaves):
        """`way` 1 and 3: out, of an order and of a shadow; 2 and 4: back."""
        model = self.config.latency
        burst = sum(1 for at in self.ticks if at > self.now - 1_000_000_000)
        bucket = [row for row in model.buckets if row.burst_min <= burst][-1]
        table = bucket.entry_ns if way in {1, 3} else bucket.response_ns
        key = mix(mix(mix(self.config.seed, way), handle & MASK), leaves)
        chance = mix(key, 0) % 1_000_000
        spans = zip(model.points, model.points[1:], table, table[1:], strict=False)
        low, high, first, last = next(span for span in spans if span[0] <= chance < span[1])
        return first + (last - first) * (chance - low) // (high - low)

    def out(self, handle, way=1, leaves=None):
        if self.config.latency is None:
            return self.config.entry_latency_ns
        return self.drawn(way, handle, self.now if leaves is None else leaves)

    def delivery(self, handle, shadow):
        if self.config.latency is None:
            return self.now + self.config.response_latency_ns
        who = handle if shadow else "orders"
        due = self.now + self.drawn(4 if shadow else 2, handle, self.now)
        self.told[who] = max(due, self.told.get(who, 0))
        return self.told[who]

    # --- answers

    def tell(self, handle, leg, kind, side, qty, price, remaining, fee=0, number=0, shadow=False):
        ts = self.delivery(handle, shadow)
        self.heard.append((ts, handle, leg, kind, side, qty, price, remaining, fee, number, shadow))

    def about(self, slot, leg, kind, qty=None):
        group = self.slots[slot]
        order = group.legs[leg]
        price = order.side * order.limit
        if order.kind == MARKET:
            price = 0
        elif order.kind == STOP_ORDER or (order.kind == STOP_LIMIT and order.state in {"sent", "armed"}):
            price = order.side * order.trigger
        self.tell(group.handle, leg, kind, order.side, order.qty if qty is None else qty, price, order.remaining)

    # --- the market as one side sees it (3)

    def view(self, side):
        """own, own size, opp, opp size, crossed; None before the first quote."""
        if self.quote is None:
            return None
        bid, bid_qty, ask, ask_qty = self.quote
        own, own_qty, opp, opp_qty = (bid, bid_qty, ask, ask_qty) if side > 0 else (-ask, ask_qty, -bid, bid_qty)
        crossed = bid_qty > 0 and ask_qty > 0 and bid >= ask
        return own, own_qty, max(own, opp) if crossed else opp, opp_qty, crossed

    def levels(self, side):
        """The lots that can be taken, best first, as (x, lots) without end (6)."""
        _, _, opp, size, _ = self.view(side)
        gone = self.taken[side][0]
        step = self.config.beyond_touch_lots or size
        x, lots = opp, size
        while True:
            left = max(0, lots - gone)
            gone -= lots - left
            if left:
                yield x, left
            x, lots = x + 1, step

    def within(self, side, limit, wanted):
        """How many of the wanted lots stand at or below the limit, and where the last of them stands."""
        lots, at = 0, None
        for x, room in self.levels(side):
            if (limit is not None and x > limit) or lots == wanted:
                return lots, at
            lots, at = min(wanted, lots + room), x
        raise AssertionError

    def take_from(self, side, lots):
        self.taken[side][0] += lots
        self.taken[side][1] = self.view(side)[2]

    # --- executions and groups (8)

    def execute(self, slot, leg, lots, x):
        group = self.slots[slot]
        order = group.legs[leg]
        order.remaining -= lots
        order.filled += lots
        self.position += order.side * lots
        self.fees += lots * self.config.fee_per_side_uusd
        self.executions += 1
        last = order.remaining == 0 and (leg in {ENTRY, EXIT} or group.complete())
        fee = lots * self.config.fee_per_side_uusd
        kind = FILL if last else PARTIAL
        self.tell(group.handle, leg, kind, order.side, lots, order.side * x, order.remaining, fee, self.executions)
        if order.remaining == 0:
            self.leave_line(slot, leg)
            order.state = "done" if last else "waits"
        if leg == ENTRY:
            if any(group.legs[child].lives for child in (TARGET, STOP) if child in group.legs):
                group.pending += lots
                if self.config.child_latency_ns == 0:
                    self.children(slot)
                else:
                    group.due = min(group.due, self.now + self.config.child_latency_ns)
        else:
            self.others(slot, leg, lots)
        self.free(slot)

    def children(self, slot):
        group = self.slots[slot]
        lots, group.pending, group.due = group.pending, 0, NEVER
        alive = [leg for leg in (STOP, TARGET) if leg in group.legs and group.legs[leg].lives]
        for leg in alive:
            group.legs[leg].remaining += lots
        if STOP in alive:
            stop = group.legs[STOP]
            if stop.state == "waits":
                self.arm(slot, STOP)
            else:
                self.about(slot, STOP, WORKING)
                if stop.state == "taking":
                    self.take(slot, STOP, None)
        if TARGET in alive and group.legs[TARGET].remaining > 0:
            self.rest(slot, TARGET)
        self.settle(slot)
        self.free(slot)

    def others(self, slot, leg, lots):
        group = self.slots[slot]
        for other in (TARGET, STOP, EXIT):
            order = group.legs.get(other)
            if other == leg or order is None or not order.lives:
                continue
            if group.oca == 1:
                self.finish(slot, other, CANCELLED)
            elif order.remaining > lots:
                order.remaining -= lots
                self.about(slot, other, WORKING)
            elif order.remaining > 0 and (other == EXIT or group.complete()):
                self.finish(slot, other, CANCELLED)
            elif order.remaining > 0:
                order.remaining = 0
                self.leave_line(slot, other)
                order.state = "waits"

    def finish(self, slot, leg, kind):
        order = self.slots[slot].legs[leg]
        lots, order.remaining = order.remaining, 0
        self.leave_line(slot, leg)
        self.about(slot, leg, kind, lots)
        order.state = "done"

    def settle(self, slot):
        group = self.slots[slot]
        if group is not None and group.complete():
            for leg in (TARGET, STOP):
                if leg in group.legs and group.legs[leg].state == "waits":
                    self.finish(slot, leg, CANCELLED)

    def free(self, slot):
        if self.slots[slot] is not None and not self.slots[slot].lives():
            self.slots[slot] = None

    def leave_line(self, slot, leg):
        self.line = [entry for entry in self.line if entry[:2] != (slot, leg)]

    def join_line(self, slot, leg):
        self.leave_line(slot, leg)
        self.arrivals += 1
        self.line.append((slot, leg, self.arrivals))

    # --- meeting the market (4, 6, 7)

    def take(self, slot, leg, limit):
        order = self.slots[slot].legs[leg]
        view = self.view(order.side)
        if view is None or view[3] <= 0:
            return
        for count in range(32):
            if order.remaining == 0:
                return
            lots, x = self.within(order.side, limit, order.remaining)
            if not lots or (not self.config.partial_fills and lots < order.remaining):
                return
            if self.config.partial_fills and count < 31:
                x, room = next(iter(self.levels(order.side)))
                lots = min(lots, room)
            if order.worst is not None:
                x = max(x, order.worst)
            if limit is not None and x > limit:
                return
            self.take_from(order.side, lots)
            self.execute(slot, leg, lots, x)

    def place_in_queue(self, order, model):
        order.ahead, order.shown, order.traded = None, None, 0
        view = self.view(order.side)
        if model == "optimistic" or (view and order.limit > view[0]):
            order.ahead = 0
        elif view and order.limit == view[0]:
            order.ahead = order.shown = view[1]

    def rest(self, slot, leg):
        group = self.slots[slot]
        order = group.legs[leg]
        self.take(slot, leg, order.limit)
        if order.remaining == 0:
            return
        order.state, order.worst = "rests", None
        order.key = mix(mix(self.config.seed, group.handle & MASK), leg)
        self.place_in_queue(order, self.config.queue_model)
        self.join_line(slot, leg)
        self.about(slot, leg, WORKING)

    def arm(self, slot, leg):
        order = self.slots[slot].legs[leg]
        order.state, order.worst = "armed", None
        self.join_line(slot, leg)
        self.about(slot, leg, WORKING)
        bound = self.passed(order.side, order.trigger)
        if bound is not None:
            self.trigger(slot, leg, bound)

    def passed(self, side, trigger):
        """The worst-case bound of a stop that comes into force beyond its trigger, None when it is not there (7)."""
        if self.config.stop_trigger == "touch":
            view = self.view(side)
            return trigger if view and view[3] > 0 and view[2] >= trigger else None
        if self.last is None or side * self.last[0] < trigger:
            return None
        return side * self.last[0] if self.last[1] == self.now else trigger

    def trigger(self, slot, leg, bound):
        order = self.slots[slot].legs[leg]
        self.about(slot, leg, TRIGGERED)
        self.leave_line(slot, leg)
        order.worst, order.state, order.due = bound, "routing", self.now + self.config.stop_latency_ns
        if self.config.stop_latency_ns == 0:
            self.route(slot, leg)

    def route(self, slot, leg):
        order = self.slots[slot].legs[leg]
        order.state = "taking"
        if order.kind == STOP_LIMIT:
            self.rest(slot, leg)
            return
        self.take(slot, leg, None)
        if order.remaining:
            self.join_line(slot, leg)
            self.about(slot, leg, WORKING)

    # --- messages

    def send(self, handle, ts, message):
        self.advance(ts)
        behind = self.messages[-1][0] if self.messages else 0
        self.messages.append((max(behind, self.now + self.out(handle)), message))

    def place(self, handle, ts, side, kind, qty, limit=0, trigger=0, stop_price=0, target_price=0):
        entry = Order(side, kind, qty, side * limit, side * trigger, "sent")
        legs = {ENTRY: entry}
        if target_price:
            legs[TARGET] = Order(-side, LIMIT, qty, -side * target_price)
        if stop_price:
            legs[STOP] = Order(-side, STOP_ORDER, qty, 0, -side * stop_price)
        self.advance(ts)
        slot = self.slots.index(None)
        self.slots[slot] = Group(handle, self.config.oca_type or (1 if qty == 1 else 2), legs)
        self.send(handle, ts, lambda: self.arrives(slot))

    def arrives(self, slot):
        legs = self.slots[slot].legs
        entry = legs[ENTRY]
        entry.remaining = entry.qty
        self.placed += 1
        every = self.config.reject_every
        drawn = mix(MASK - self.config.seed, self.placed) % 1000 < self.config.reject_per_mille
        if drawn or (every and self.placed % every == 0):
            self.finish(slot, ENTRY, REJECTED)
            self.settle(slot)
            self.free(slot)
            return
        for leg in sorted(legs):
            self.about(slot, leg, ACK)
        {LIMIT: self.rest, MARKET: self.route}.get(entry.kind, self.arm)(slot, ENTRY)

    def find(self, handle):
        """The slot of an order that has arrived."""
        for slot, group in enumerate(self.slots):
            if group and group.handle == handle and group.legs[ENTRY].state != "sent":
                return slot
        return None

    def refuse(self, handle, leg, qty, price, kind=REFUSED):
        slot = self.find(handle)
        order = self.slots[slot].legs.get(leg) if slot is not None else None
        self.tell(handle, leg, kind, order.side if order else 0, qty, price, order.remaining if order else 0)

    def cancel(self, handle, ts, leg=ENTRY):
        self.send(handle, ts, lambda: self.cancels(handle, leg))

    def cancels(self, handle, leg):
        slot = self.find(handle)
        ended = False
        for each in [ENTRY, TARGET, STOP, EXIT] if leg == ALL else [leg]:
            if slot is None or each not in self.slots[slot].legs or not self.slots[slot].legs[each].lives:
                continue
            self.finish(slot, each, CANCELLED)
            ended = True
            if each == ENTRY:
                self.settle(slot)
        if slot is not None:
            self.free(slot)
        if not ended:
            self.refuse(handle, leg, 0, 0)

    def modify(self, handle, ts, leg, price=0, qty=0):
        self.send(handle, ts, lambda: self.modifies(handle, leg, price, qty))

    def modifies(self, handle, leg, price, qty):
        slot = self.find(handle)
        order = self.slots[slot].legs.get(leg) if slot is not None else None
        if order is None or order.state not in {"waits", "rests", "armed"}:
            self.refuse(handle, leg, qty, price)
            return
        if qty and qty <= order.filled:
            self.cancels(handle, leg)
            return
        moved = qty > order.qty
        if qty:
            order.qty, order.remaining = qty, qty - order.filled
            if leg == ENTRY:
                for child in (TARGET, STOP):
                    if child in self.slots[slot].legs:
                        self.slots[slot].legs[child].qty = qty
                if qty > 1 and self.config.oca_type == 0:
                    self.slots[slot].oca = 2
        if price and order.kind in {LIMIT, STOP_LIMIT}:
            moved = moved or order.limit != order.side * price
            order.limit = order.side * price
        elif price:
            order.trigger = order.side * price
        if order.state == "waits":
            self.about(slot, leg, ACK)
        elif order.state == "armed":
            self.arm(slot, leg)
        elif moved:
            self.rest(slot, leg)
        else:
            self.about(slot, leg, WORKING)

    def exit(self, handle, ts, kind, limit, qty):
        self.send(handle, ts, lambda: self.exits_arrive(handle, kind, limit, qty))

    def exits_arrive(self, handle, kind, limit, qty):
        slot = self.find(handle)
        group = self.slots[slot] if slot is not None else None
        members = [group.legs[leg] for leg in (TARGET, STOP, EXIT) if leg in group.legs] if group else []
        if not any(order.lives and (order.remaining or group.pending) for order in members):
            self.refuse(handle, EXIT, qty, limit)
            return
        self.exits += 1
        if self.config.reject_exit_every and self.exits % self.config.reject_exit_every == 0:
            self.refuse(handle, EXIT, qty, limit, REJECTED)
            return
        side = -group.legs[ENTRY].side
        fresh = EXIT not in group.legs or not group.legs[EXIT].lives
        if fresh:
            group.legs[EXIT] = Order(side, kind, 0, state="sent", draws=getattr(group.legs.get(EXIT), "draws", 0))
        order = group.legs[EXIT]
        order.kind, order.limit, order.worst = kind, side * limit, None
        order.remaining, order.qty = qty, order.filled + qty
        if fresh:
            self.about(slot, EXIT, ACK)
        (self.rest if kind == LIMIT else self.route)(slot, EXIT)

    # --- time (2)

    def due(self):
        times = [at for at, _ in self.messages[:1]]
        for group in filter(None, self.slots):
            times += [group.due] + [order.due for order in group.legs.values() if order.state == "routing"]
        times += [shadow.due for shadow in self.shadows if shadow.state != "leaves"]
        return min(times, default=NEVER)

    def advance(self, until):
        while (due := self.due()) <= until and due < NEVER:
            self.now = max(self.now, due)
            if self.messages and self.messages[0][0] <= self.now:
                self.messages.pop(0)[1]()
                continue
            for slot in range(64):
                if self.slots[slot] and self.slots[slot].due <= self.now:
                    self.children(slot)
                for leg in (ENTRY, TARGET, STOP, EXIT):
                    order = self.slots[slot].legs.get(leg) if self.slots[slot] else None
                    if order and order.state == "routing" and order.due <= self.now:
                        self.route(slot, leg)
            for shadow in list(self.shadows):
                if shadow.state != "leaves" and shadow.due <= self.now:
                    self.shadow_due(shadow)
        self.now = max(self.now, until)
