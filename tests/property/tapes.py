"""Hostile tapes: lists of calls on a kernel, from a seed.

Each step is (method, arguments). The tape is hostile in what the specification names: crossed, locked, zero size, event
and receive time going backwards, gaps of 20 s, gaps over anchors and day rolls, jumps of ±60 ticks, sizes up to
2**31 - 1, unknown aggressors, rejected and price-gap records, delayed data.
"""

import random
from typing import Any

from tests.property.configs import DAY_NS, T0_NS
from tests.reference.arith import MINUTE_NS, NS_PER_MS, NS_PER_S
from trading_bot.domain.records import FrameKind
from trading_bot.domain.signal_registry import SIGNAL_BY_ID, SIGNALS

Call = tuple[str, tuple[Any, ...]]
HUGE = 2**31 - 1
P0 = 20_000
FED = tuple(spec.id for spec in SIGNALS if spec.cadence == "fed")
INPUTS = frozenset({"on_quote", "on_trade", "on_rejected", "on_gap", "on_time"})


def history(rng: random.Random) -> list[Call]:
    """Closed 60 s bars before T0: the same hour of earlier days, or the hours just before; some are malformed."""
    if rng.random() < 0.4:
        return []
    price = P0 + rng.randint(-200, 200)
    calls: list[Call] = []
    starts: list[int] = []
    for day in range(rng.choice([0, 3, 6, 23]), 0, -1):
        base = T0_NS - day * DAY_NS - 10 * MINUTE_NS
        starts += [base + i * MINUTE_NS for i in range(rng.choice([5, 20, 45])) if rng.random() < 0.95]
    starts += [T0_NS - i * MINUTE_NS for i in range(rng.choice([1, 20, 150]), 0, -1) if rng.random() < 0.97]
    flat = rng.random() < 0.1
    for ts in starts:
        o = price
        c = o if flat else o + rng.randint(-6, 6)
        h = max(o, c) + (0 if flat else rng.randint(0, 4))
        low = min(o, c) - (0 if flat else rng.randint(0, 4))
        volume = rng.choice([0, 1, 100, rng.randint(1, 5000), HUGE])
        bar = (ts, o, h, low, c, volume, volume * ((h + low) // 2))
        calls.append(("on_bar", bar))
        price = c
        if rng.random() < 0.02:
            calls.append(("on_bar", _malformed(rng, bar)))
    return calls


def _malformed(rng: random.Random, bar: tuple[int, ...]) -> tuple[int, ...]:
    ts, o, h, low, c, volume, notional = bar
    later = ts + 1
    return rng.choice(
        [
            (later, o, h, max(o, c) + 1, c, volume, notional),
            (later, o, min(o, c) - 1, low, c, volume, notional),
            (later, o, h, 0, c, volume, notional),
            (later, o, h, low, c, -1, notional),
            bar,
            (ts - MINUTE_NS, o, h, low, c, volume, notional),
        ]
    )


class TapeMaker:
    """A random market around P0, with hostility turned on by mood."""

    def __init__(self, seed: int, *, templates: int = 0, mirrored: bool = False, resolution_ns: int = 1_000) -> None:
        self.rng = random.Random(seed)
        self.templates = templates
        self.resolution_ns = resolution_ns
        self.mirrored = mirrored  # only what a mirror image exists for
        self.ts = T0_NS + self.rng.choice([0, 1, 50 * NS_PER_MS, 59 * NS_PER_S])
        self.bid = P0
        self.ask = P0 + 1
        self.pace_ns = self.rng.choice([5, 50, 300, 1000, 3000 if templates < 4 else 300]) * NS_PER_MS
        self.gap_rate = 0.0 if mirrored else self.rng.choice([0.0, 0.0005, 0.005])
        self.metronome = self.rng.random() < 0.3  # only whole 50 ms: ages and windows meet their limits exactly
        self.empty = self.rng.random() < 0.05  # quotes without any size
        self.stamped = self.rng.random() < 0.8
        self.event_ns = self.ts

    def size(self) -> int:
        rng = self.rng
        return rng.choice([0, 1, 2, HUGE]) if rng.random() < 0.05 else rng.randint(1, 60)

    def calls(self, count: int) -> list[Call]:
        made: list[Call] = []
        while len(made) < count:
            self._pass_time()
            made.append(self._input())
            if self.templates and self.rng.random() < 0.02:
                made.append(self._control())
        return made

    def _pass_time(self) -> None:
        rng = self.rng
        x = rng.random()
        if x < 0.003:
            self.ts += rng.choice([1, 3, 9]) * MINUTE_NS
        elif x < 0.01:
            self.ts += 20 * NS_PER_S + rng.randint(0, NS_PER_S)
        elif x < 0.2:
            self.ts += 0
        elif x < 0.22:
            self.ts = (self.ts // (100 * NS_PER_MS) + 1) * (100 * NS_PER_MS)  # exactly on a grid point
        else:
            self.ts += int(rng.expovariate(1.0) * self.pace_ns)
        if self.metronome:
            self.ts = self.ts // (50 * NS_PER_MS) * (50 * NS_PER_MS)

    def _stamps(self) -> tuple[int, int, int]:
        """Receive time, event time, flags."""
        rng = self.rng
        received = self.ts - (rng.randint(0, 2 * NS_PER_S) if rng.random() < 0.01 else 0)
        usual = NS_PER_MS if self.metronome else rng.randint(0, 2 * NS_PER_MS)
        event = received - usual if self.stamped else 0
        if self.stamped and rng.random() < 0.02:
            lags = [-NS_PER_S, 251 * NS_PER_MS, 400 * NS_PER_MS, 1001 * NS_PER_MS, 1100 * NS_PER_MS, 10 * NS_PER_S]
            lags += [received, usual + 1, usual + self.resolution_ns, usual + self.resolution_ns + 1]
            event = received - rng.choice(lags)
        return received, event, rng.choice([0, 1, 2, 3]) if rng.random() < 0.01 else 0

    def _input(self) -> Call:
        rng = self.rng
        x = rng.random()
        received, event, flags = self._stamps()
        if rng.random() < self.gap_rate:
            return ("on_gap", (received, P0, P0 + 40))
        if x < 0.62:
            self._move()
            bid_qty, ask_qty = (0, 0) if self.empty else (self.size(), self.size())
            return ("on_quote", (received, self.bid, bid_qty, self.ask, ask_qty, event, flags))
        if x < 0.95:
            beside = [self.bid - rng.randint(0, 6), self.ask + rng.randint(0, 6)]
            price = rng.choice([self.bid, self.ask, self.bid, self.ask, *beside])
            return ("on_trade", (received, price, self.size(), rng.choice([0, 1, 1, 2, 2]), event, flags))
        if x < 0.99:
            return ("on_time", (received,))
        return ("on_rejected", (received,))

    def _move(self) -> None:
        rng = self.rng
        x = rng.random()
        step = rng.choice([-1, 0, 0, 1])
        if x < 0.005:
            step = rng.choice([-60, 60])
        self.bid += step
        width = 1
        if x > 0.85:
            width = rng.choice([2, 3, 4])
        if 0.80 < x < 0.83:
            width = 0  # locked
        if 0.79 < x < 0.80:
            width = -rng.randint(1, 60)  # crossed
        self.bid = min(max(self.bid, P0 - 3000), P0 + 3000)
        self.ask = self.bid + width

    def _control(self) -> Call:
        rng = self.rng
        i = rng.randrange(self.templates)
        qty = rng.choice([-2, -1, 1, 3])
        direction = 1 if qty > 0 else -1
        return rng.choice(
            [
                ("set_entry_mask", (rng.getrandbits(self.templates),)),
                ("set_entry_mask", ((1 << self.templates) - 1,)),
                ("set_template_on", (i, rng.random() < 0.7)),
                ("set_throttle", (i, rng.choice([0.5, 1.0, 2.0]))),
                ("set_sigma_p", (i, rng.uniform(0.01, 0.2))),
                ("set_belief_factor", (i, rng.choice([0.0, 0.25, 0.6, 1.0]))),
                ("set_costs", (rng.uniform(0.2, 2.0), rng.choice([0.25, 0.5]))),
                ("set_slippage_factors", (rng.uniform(0.2, 2.0), rng.uniform(0.2, 2.0))),
                ("set_fed", (rng.choice(FED), rng.choice([None, 0.0, rng.uniform(0.0, 1.0)]))),
                ("set_eqs", (rng.randint(0, 100),)),
                (
                    "set_position",
                    (
                        qty,
                        rng.choice([0, self.bid + direction * rng.randint(1, 6)]),
                        rng.choice([0, self.bid - direction * rng.randint(1, 6)]),
                        rng.choice([0, self.ts + rng.randint(1, 20) * NS_PER_S]),
                    ),
                ),
                ("clear_position", ()),
            ]
        )


def hostile_tape(seed: int, count: int, *, templates: int = 0) -> list[Call]:
    """History bars, then `count` calls or a few more."""
    return history(random.Random(seed)) + TapeMaker(seed, templates=templates).calls(count)


def as_record(call: Call) -> tuple[int, ...]:
    """The record tuple of an input call (tests.reference.ref_kernel.pack makes its bytes)."""
    name, args = call
    match name:
        case "on_quote":
            ts, bid, bid_qty, ask, ask_qty, event, flags = args
            return (FrameKind.QUOTE, flags, ts, event, bid, ask, bid_qty, ask_qty, 0)
        case "on_trade":
            ts, price, qty, aggressor, event, flags = args
            return (FrameKind.TRADE, flags, ts, event, price, 0, qty, 0, aggressor)
        case "on_rejected":
            return (FrameKind.REJECTED, 0, args[0], 0, 0, 0, 0, 0, 0)
        case "on_gap":
            ts, old, new = args
            return (FrameKind.PRICE_GAP, 0, ts, 0, old, new, 0, 0, 0)
        case "on_time":
            return (FrameKind.TIME, 0, args[0], 0, 0, 0, 0, 0, 0)
        case _:
            raise ValueError(f"{name} is not an input record")


def mirror(call: Call, p0: int = P0) -> Call:
    """The same call with prices mirrored at p0, sides and aggressors swapped."""
    name, args = call
    match name:
        case "on_quote":
            ts, bid, bid_qty, ask, ask_qty, event, flags = args
            return name, (ts, 2 * p0 - ask, ask_qty, 2 * p0 - bid, bid_qty, event, flags)
        case "on_trade":
            ts, price, qty, aggressor, event, flags = args
            return name, (ts, 2 * p0 - price, qty, {0: 0, 1: 2, 2: 1}[aggressor], event, flags)
        case "on_bar":
            ts, o, h, low, c, volume, notional = args
            return name, (ts, 2 * p0 - o, 2 * p0 - low, 2 * p0 - h, 2 * p0 - c, volume, 2 * p0 * volume - notional)
        case "set_fed":
            signal, value = args
            odd = value is not None and SIGNAL_BY_ID[signal].parity == "odd"
            return name, (signal, -value if odd else value)
        case "set_position":
            qty, target, stop, time_stop = args
            return name, (-qty, 2 * p0 - target if target else 0, 2 * p0 - stop if stop else 0, time_stop)
        case _:
            return call
