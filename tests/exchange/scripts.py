"""Random scripts: records and calls on a small grid of prices and times, so that everything happens at once often."""

import random

import msgspec

from tests.exchange.driver import BUY, LIMIT, MARKET, SELL, STOP, STOP_LIMIT
from trading_bot.domain.exchange import ExchangeConfig
from trading_bot.domain.latency_model import LatencyBucket, LatencyModel

MIDDLE = 1_000
RECORDS = {"on_quote", "on_trade"}


def configuration(rng):
    return ExchangeConfig(
        entry_latency_ns=rng.choice([0, 0, 3, 20]),
        response_latency_ns=rng.choice([0, 2, 9]),
        child_latency_ns=rng.choice([0, 0, 4]),
        stop_latency_ns=rng.choice([0, 0, 5]),
        queue_model=rng.choice(["pessimistic", "probabilistic", "optimistic"]),
        stop_trigger=rng.choice(["last", "touch"]),
        partial_fills=rng.random() < 0.8,
        beyond_touch_lots=rng.choice([0, 0, 1, 7]),
        oca_type=rng.choice([0, 0, 1, 2]),
        reject_every=rng.choice([0, 0, 0, 7]),
        reject_per_mille=rng.choice([0, 0, 100]),
        reject_exit_every=rng.choice([0, 0, 3]),
        seed=rng.getrandbits(63),
    )


class Script:
    """A list of (method, arguments), in time order."""

    def __init__(self, rng, steps):
        self.rng = rng
        self.ts = 100
        self.bid = MIDDLE
        self.handle = 0
        self.shadow = 0
        self.calls = []
        self.pace = rng.choice([1, 4, 12])
        for _ in range(steps):
            self.ts += rng.choice([0, 0, 1, self.pace, 3 * self.pace])
            self.calls.append(self.step())

    def step(self):
        x = self.rng.random()
        if x < 0.42:
            return self.quote()
        if x < 0.75:
            return self.trade()
        if x < 0.85 and self.handle < 60:
            return self.order()
        if x < 0.88 and self.shadow < 60:
            self.shadow += 1
            side, kind = self.rng.choice([BUY, SELL]), self.rng.choice([LIMIT, MARKET])
            limit = self.near() if kind == LIMIT else 0
            terms = (self.rng.randint(1, 4), self.rng.randint(1, 4), self.rng.randint(0, 60), self.rng.randint(0, 40))
            return "place_shadow", (self.shadow, self.ts, side, kind, limit, *terms)
        return self.change()

    def near(self, spread=3):
        return self.bid + self.rng.randint(-spread, spread + 1)

    def quote(self):
        rng = self.rng
        self.bid = min(max(self.bid + rng.choice([-4, -1, -1, 0, 0, 0, 0, 1, 1, 4]), MIDDLE - 15), MIDDLE + 15)
        width = rng.choice([1, 1, 1, 1, 2, 3, 0, -2])
        sizes = [rng.choice([0, 1, 2, 5, 9, 30]) if rng.random() < 0.9 else 2**31 - 1 for _ in range(2)]
        return "on_quote", (self.ts, self.bid, sizes[0], self.bid + width, sizes[1])

    def trade(self):
        lots = self.rng.choice([0, 1, 1, 2, 5, 20])
        return "on_trade", (self.ts, self.near(1), lots, self.rng.choice([0, 1, 1, 2, 2]))

    def order(self):
        rng = self.rng
        self.handle += 1
        side, kind, qty = (
            rng.choice([BUY, SELL]),
            rng.choice([LIMIT, LIMIT, MARKET, STOP, STOP_LIMIT]),
            rng.choice([1, 1, 2, 3, 40]),
        )
        trigger = self.near() if kind in {STOP, STOP_LIMIT} else 0
        limit = self.near() if kind == LIMIT else trigger + side * rng.randint(0, 2) if kind == STOP_LIMIT else 0
        anchor = limit or trigger or self.bid
        stop = anchor - side * rng.randint(1, 4) if rng.random() < 0.8 else 0
        target = anchor + side * rng.randint(1, 4) if rng.random() < 0.8 else 0
        return "place", (self.handle, self.ts, side, kind, qty, limit, trigger, stop, target)

    def change(self):
        rng = self.rng
        handle = max(1, self.handle - rng.choice([0, 0, 1, 2, 5]))
        x = rng.random()
        if x < 0.35:
            return "cancel", (handle, self.ts, rng.choice([0, 0, 1, 2, 3, 4]))
        if x < 0.7:
            leg = rng.choice([0, 1, 2, 3])
            qty = rng.choice([0, 1, 2, 5]) if leg in {0, 3} else 0
            return "modify", (handle, self.ts, leg, rng.choice([0, self.near()]), qty)
        kind = rng.choice([LIMIT, MARKET])
        return "exit", (handle, self.ts, kind, self.near() if kind == LIMIT else 0, rng.choice([1, 1, 2, 40]))


def mirrored(calls):
    """The same script with prices mirrored and sides swapped."""
    return [_MIRROR[name](*arguments) for name, arguments in calls]


def _p(price):
    return 2 * MIDDLE - price if price else 0


_MIRROR = {
    "on_quote": lambda ts, bid, bq, ask, aq: ("on_quote", (ts, _p(ask), aq, _p(bid), bq)),
    "on_trade": lambda ts, price, lots, who: ("on_trade", (ts, _p(price), lots, {0: 0, 1: 2, 2: 1}[who])),
    "place": lambda handle, ts, side, kind, qty, *prices: ("place", (handle, ts, -side, kind, qty, *map(_p, prices))),
    "place_shadow": lambda handle, ts, side, kind, limit, *terms: (
        "place_shadow",
        (handle, ts, -side, kind, _p(limit), *terms),
    ),
    "cancel": lambda *arguments: ("cancel", arguments),
    "modify": lambda handle, ts, leg, price, qty: ("modify", (handle, ts, leg, _p(price), qty)),
    "exit": lambda handle, ts, kind, limit, qty: ("exit", (handle, ts, kind, _p(limit), qty)),
}


def script(seed, steps=300):
    rng = random.Random(seed)
    return configuration(rng), Script(rng, steps).calls


# --- with a latency model: the same scripts on a grid of 25 ms, so that the second of a burst begins and ends in them

GRID_NS = 25_000_000
SLOW_END = 40 * 1_000_000_000_000


def latency_model(rng, longest_ns=20 * GRID_NS):
    """Any model: crooked points, up to eight buckets, tables that touch zero."""
    points = (0, *sorted(rng.sample(range(1, 1_000_000), rng.randint(0, 30))), 1_000_000)
    bursts = (0, *sorted(rng.sample(range(1, rng.choice([12, 60])), rng.randint(0, 7))))

    def table():
        return tuple(sorted(rng.choice([0, rng.randint(0, longest_ns)]) for _ in points))

    return LatencyModel(
        instrument="MES",
        fitted_at="2026-11-21T15:00:00Z",
        points=points,
        buckets=tuple(
            LatencyBucket(burst_min=burst, samples=50, entry_ns=table(), response_ns=table()) for burst in bursts
        ),
        samples=50,
    )


def slow_script(seed, steps=300):
    """A script whose latencies are drawn."""
    rng = random.Random(seed)
    config = configuration(rng)
    config = msgspec.structs.replace(
        config,
        latency=latency_model(rng),
        child_latency_ns=config.child_latency_ns * GRID_NS,
        stop_latency_ns=config.stop_latency_ns * GRID_NS,
    )
    return config, [(name, _slowed(name, arguments)) for name, arguments in Script(rng, steps).calls]


def _slowed(name, arguments):
    times = {"on_quote": (0,), "on_trade": (0,), "place_shadow": (1, 7, 8)}.get(name, (1,))
    return tuple(value * GRID_NS if index in times else value for index, value in enumerate(arguments))
