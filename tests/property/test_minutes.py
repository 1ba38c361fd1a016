"""Minutes with the faults the bar part of the data score knows, through kernel and oracle, over days and price gaps."""

import random

import pytest

from tests.property.configs import HOUR_NS, T0_NS, kernel_config, table
from tests.property.driver import call_until_done, compare, new_kernel
from tests.property.tapes import P0, Call
from tests.reference.arith import MINUTE_NS, NS_PER_S

FAULTS = ("gap", "duplicate", "stuck", "zero", "range", "late", "wide")
KINDS = ("plain", "copy", "flat", "flat", "flat", "flat", "none", "jump", "shock", "late", "wide", "pause", "touched")


class MinuteMaker:
    """One minute of quotes and trades after another, each with one kind of fault."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.price = P0
        self.before: list[tuple[int, int, int]] = []  # (offset in ns, price, size) of the last minute's trades
        self.kind = "plain"

    def minute(self, ts: int) -> list[Call]:
        rng = self.rng
        if self.kind != "flat" or rng.random() < 0.2:
            self.kind = rng.choice(KINDS)
        kind = self.kind
        width = 30 if kind == "wide" else 1
        size = rng.randint(1, 9) if kind != "flat" else 5
        calls: list[Call] = []
        if kind != "flat" or rng.random() < 0.3:
            calls.append(("on_quote", (ts, self.price, size, self.price + width, size, 0, 0)))
        if kind in ("none", "pause"):
            return calls
        moves = {"jump": (0, 60, -60, 0), "shock": (0, 20, 40, 90), "flat": (0, 0)}.get(kind, (0, 1, -2, 1))
        volume = 500 if kind == "shock" else rng.randint(1, 20)
        trades = [(i * NS_PER_S, self.price + move, volume) for i, move in enumerate(moves)]
        if kind == "copy" and self.before:
            trades = self.before
        late = 7 * NS_PER_S if kind == "late" else 0
        for offset, price, qty in trades:
            at = ts + 3 * NS_PER_S + offset
            stamp = at - late if late or rng.random() < 0.5 else 0
            calls.append(("on_trade", (at, price, qty, rng.choice([0, 1, 2]), stamp, 0)))
        if kind == "touched":
            calls.append(("on_quote", (ts + 40 * NS_PER_S, self.price, size + 1, self.price + 1, size, 0, 0)))
        self.before, self.price = trades, trades[-1][1]
        return calls

    def calls(self, start: int, minutes: int) -> list[Call]:
        found: list[Call] = []
        for i in range(minutes):
            found += self.minute(start + i * MINUTE_NS)
            if self.rng.random() < 0.002:
                found.append(("on_gap", (start + i * MINUTE_NS + 50 * NS_PER_S, P0, P0 + 9)))
        return found


DAYS = 8
DAY_MINUTES = 65


def short_days() -> bytes:
    """Days of an hour, RTH in its second half, with a break; five minutes between them."""
    rows = []
    for day in range(DAYS):
        opened = T0_NS + day * DAY_MINUTES * MINUTE_NS
        rth, pause = opened + 30 * MINUTE_NS, opened + 15 * MINUTE_NS
        rows.append((opened, opened + HOUR_NS, rth, rth + 30 * MINUTE_NS, pause, pause + 3 * MINUTE_NS))
    return table(*rows)


@pytest.mark.parametrize("seed", range(2))
def test_kernel_equals_oracle_over_days_of_faulty_minutes(seed: int) -> None:
    config = kernel_config(sessions=short_days(), anchor_rth=seed == 1, resolution_ns=1_000)
    compare(config, MinuteMaker(seed).calls(T0_NS, DAYS * DAY_MINUTES), label=f"minutes {seed}")


def test_every_fault_is_met() -> None:
    kernel, met = new_kernel(kernel_config(sessions=short_days())), set()
    for call in MinuteMaker(0).calls(T0_NS, DAYS * DAY_MINUTES):
        for _ in call_until_done(kernel, call):
            met |= {name for name, penalty in kernel.penalties().items() if penalty}
    assert met >= set(FAULTS)
