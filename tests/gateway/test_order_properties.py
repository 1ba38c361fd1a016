"""Random streams of orders, changes, cancels and records: what holds for every one of them.

The checks read the gateway's frames with a reader of their own (field numbers of tws-protocol.md, sections 5 and 6), so
that a client could have made them.
"""

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateway.bench import TICKS, Bench, Wired
from tests.gateway.clients import frame
from trading_bot.adapters.gateway.contracts import Query
from trading_bot.adapters.gateway.order_decode import OrderRequest
from trading_bot.adapters.gateway.wire import Fields

ENDED = {"Filled", "Cancelled", "Inactive"}
SERVER_MS = 6
QTY = 3


class Watcher:
    """What a client hears: statuses, executions and positions."""

    def __init__(self):
        self.bench = Bench(equity_usd=10_000_000)
        self.wired = Wired(self.bench.gateway)
        self.wired.server_version = 178
        self.wired.account = "DUSIM1"
        self.bench.gateway.started(self.wired, 1)
        self.statuses = defaultdict(list)  # order id -> (status, filled, remaining)
        self.fills = defaultdict(list)  # order id -> signed lots
        self.exec_ids = []
        self.position = 0
        self.totals = {}
        self.next_id = 1
        self.groups = defaultdict(list)
        self.families = {}
        self.send(61, 1)

    def send(self, *fields):
        payload = frame(*fields)[4:]
        self.bench.gateway.dispatcher.dispatch(self.wired, Fields(payload))

    def hear(self):
        frames, self.wired.frames = self.wired.frames, []
        for data in frames:
            self._hear(data[4:-1].decode().split("\0"))
        assert self.bench.gateway.failure is None, self.bench.gateway.failure

    def _hear(self, f):
        if f[0] == "3":
            self.statuses[int(f[1])].append((f[2], int(f[3]), int(f[4])))
        elif f[0] == "5":
            self.totals[int(f[1])] = int(f[14])
        elif f[0] == "11":
            assert f[14] not in self.exec_ids
            self.exec_ids.append(f[14])
            self.fills[int(f[2])].append(int(f[19]) if f[18] == "BOT" else -int(f[19]))
        elif f[0] == "61":
            self.position = int(f[14])

    def place(self, action, kind, qty, price, *, transmit=True, parent_id=0, group="", oca_type=0, tif="GTC"):
        row = self.bench.front
        order_id, self.next_id = self.next_id, self.next_id + 1
        request = OrderRequest(
            order_id=order_id,
            contract=Query(
                con_id=row.con_id,
                symbol="MES",
                security_type="FUT",
                expiry=str(row.expiry),
                multiplier="5",
                exchange="CME",
                primary_exchange="",
                currency="USD",
                local_symbol=row.local_symbol,
                trading_class="MES",
            ),
            action=action,
            qty=float(qty),
            order_type=kind,
            limit_points=price / 4 if kind in {"LMT", "STP LMT"} else None,
            aux_points=price / 4 if kind in {"STP", "STP LMT"} else None,
            tif=tif,
            transmit=transmit,
            parent_id=parent_id,
            outside_rth=True,
            oca_group=group,
            oca_type=oca_type,
        )
        self.bench.desk.place(self.wired, request)
        if group:
            self.groups[group, oca_type].append(order_id)
        return request

    def wait(self, ms):
        self.bench.clock.ns += ms * 1_000_000
        self.bench.desk.advance(self.bench.clock.ns)
        self.hear()


PRICES = st.integers(TICKS - 6, TICKS + 6)
SIDES = st.sampled_from(["BUY", "SELL"])
KINDS = st.sampled_from(["LMT", "MKT", "STP", "STP LMT"])
OCA = st.sampled_from([1, 2])
STEPS = st.one_of(
    st.tuples(st.just("order"), SIDES, KINDS, st.integers(1, 4), PRICES, st.sampled_from(["GTC", "DAY", "IOC"])),
    st.tuples(st.just("bracket"), SIDES, st.sampled_from(["LMT", "MKT"]), PRICES, OCA, st.integers(1, 5)),
    st.tuples(st.just("bracket"), SIDES, st.sampled_from(["LMT", "MKT"]), PRICES, OCA, st.integers(1, 5)),
    st.tuples(st.just("join"), KINDS, PRICES, st.integers(0, 9)),
    st.tuples(st.just("race"), st.integers(0, 9), PRICES, st.sampled_from([TICKS - 30, TICKS + 30])),
    st.tuples(st.just("change"), st.integers(0, 30), PRICES),
    st.tuples(st.just("cancel"), st.integers(0, 30)),
    st.tuples(st.just("quote"), PRICES, st.integers(0, 5), st.integers(0, 5)),
    st.tuples(st.just("trade"), PRICES, st.integers(1, 5), st.integers(0, 2)),
    st.tuples(st.just("trade"), PRICES, st.integers(1, 5), st.integers(0, 2)),
    st.tuples(st.just("wait"), st.integers(0, 80)),
)


def perform(watcher, placed, step):
    """One step of a stream; `placed` are the requests so far, children with the lots they follow."""
    match step:
        case ("order", side, kind, qty, price, tif):
            placed.append(watcher.place(side, kind, qty, price, tif=tif))
        case ("bracket", side, kind, price, oca_type, away):
            other, sign = ("SELL", 1) if side == "BUY" else ("BUY", -1)
            group = f"g{watcher.next_id}"
            parent = watcher.place(side, kind, QTY, price, transmit=False)
            family = {"parent_id": parent.order_id, "group": group, "oca_type": oca_type}
            target = watcher.place(other, "LMT", QTY, price + sign * away, transmit=False, **family)
            stop = watcher.place(other, "STP", QTY, price - sign * away, **family)
            watcher.families[parent.order_id] = (target.order_id, stop.order_id)
            placed += [parent, target, stop]
        case ("join", kind, price, number):
            grouped = [one for one in placed if one.oca_group]
            if grouped:
                like = grouped[number % len(grouped)]
                terms = {"group": like.oca_group, "oca_type": like.oca_type}
                placed.append(watcher.place(like.action, kind, QTY, price, **terms))
        case ("race", number, price, far):
            # Several members of a group rest, and one print is through all of them.
            watcher.wait(60)
            perform(watcher, placed, ("join", "LMT", price, number))
            watcher.wait(60)
            perform(watcher, placed, ("trade", far, 50, 0))
        case ("change", number, price):
            if placed:
                was = placed[number % len(placed)]
                limit = price / 4 if was.limit_points is not None else None
                aux = price / 4 if was.aux_points is not None else None
                request = {**{name: getattr(was, name) for name in was.__struct_fields__}, "transmit": True}
                request |= {"limit_points": limit, "aux_points": aux}
                watcher.bench.desk.place(watcher.wired, OrderRequest(**request))
        case ("cancel", number):
            watcher.send(4, 1, number + 1, "")
        case ("quote", bid, bid_qty, ask_qty):
            watcher.bench.quote(bid, bid_qty, bid + 1, ask_qty)
        case ("trade", price, qty, aggressor):
            watcher.bench.trade(price, qty, aggressor)
        case ("wait", ms):
            watcher.wait(ms)
    watcher.hear()


def check(watcher):
    """After everything under way has arrived."""
    done = {order_id: sum(map(abs, lots)) for order_id, lots in watcher.fills.items()}
    assert watcher.position == sum(sum(lots) for lots in watcher.fills.values())
    for order_id, told in watcher.statuses.items():
        ends = [status for status, _, _ in told if status in ENDED]
        assert len(ends) <= 1, (order_id, told)
        assert not ends or told[-1][0] == ends[0], (order_id, told)  # nothing after its end
        status, filled, remaining = told[-1]
        assert filled == done.get(order_id, 0)
        assert filled + remaining == watcher.totals[order_id] or status in ENDED
        if status == "Filled":
            assert (filled, remaining) == (watcher.totals[order_id], 0)
    for (_, oca_type), members in watcher.groups.items():
        lots = [done.get(order_id, 0) for order_id in members]
        assert sum(lots) <= QTY, (members, lots)
        assert oca_type == 2 or len([qty for qty in lots if qty]) <= 1
    for parent_id, children in watcher.families.items():
        check_family(watcher, done, parent_id, children)


def check_family(watcher, done, parent_id, children):
    """Children that live have the lots their parent filled, less what their group filled."""
    group = next(members for members in watcher.groups.values() if children[0] in members)
    taken = sum(done.get(order_id, 0) for order_id in group)
    for child in children:
        told = watcher.statuses.get(child)
        if told and told[-1][0] not in ENDED and done.get(parent_id, 0):
            assert told[-1][2] == done[parent_id] - taken


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, min_size=5, max_size=40))
def test_what_holds_for_every_stream(steps):
    watcher, placed = Watcher(), []
    for step in steps:
        perform(watcher, placed, step)
    watcher.wait(500)
    check(watcher)
    watcher.send(58, 1)
    watcher.wait(500)
    check(watcher)
    assert list(watcher.bench.desk.open_orders()) == []
    ended = {order_id for order_id, told in watcher.statuses.items() if told[-1][0] in ENDED}
    assert ended == set(watcher.statuses)
