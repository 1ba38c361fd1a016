"""The generated market as arrays, and plain statistics of a tape; real tapes go through the same functions."""

import hashlib
from datetime import datetime
from pathlib import Path

import numpy as np

from trading_bot.adapters.sim.market import SimFeed
from trading_bot.domain.instruments import instrument_by_symbol
from trading_bot.domain.records import FrameKind
from trading_bot.engines.session import parse_calendar

TABLE = Path(__file__).resolve().parents[2] / "data" / "calendars" / "us_index.csv"
CALENDAR = parse_calendar(TABLE.read_text(), source=TABLE.name)
SECOND_NS = 1_000_000_000
HOUR_NS = 3600 * SECOND_NS

# domain/records.py TICK_RECORD as an array type
TICK = np.dtype(
    [
        ("crc", "<u4"), ("length", "<u4"), ("seq", "<u8"), ("kind", "u1"), ("cls", "u1"), ("instrument", "<u2"),
        ("flags", "<u4"), ("ts", "<i8"), ("event", "<i8"), ("bid", "<i4"), ("ask", "<i4"), ("bid_qty", "<i4"),
        ("ask_qty", "<i4"), ("aggressor", "u1"), ("pad", "V7"),
    ]
)  # fmt: skip
REJECTED = np.dtype(
    [("head", "V16"), ("kind", "u1"), ("pad", "V7"), ("ts", "<i8"), ("event", "<i8"), ("raw_a", "<f8"),
     ("raw_b", "<f8"), ("reason", "u1"), ("original", "u1"), ("pad2", "V2"), ("raw_qty", "<i4")]
)  # fmt: skip


def at(text):
    """A UTC time such as 2026-11-25T14:30:00 in ns."""
    return int(datetime.fromisoformat(text + "+00:00").timestamp()) * SECOND_NS


def sim(start="2026-11-25T14:30:00", seconds=23_400, *, seed=11, symbol="MES", **options):
    return SimFeed(
        instrument_by_symbol(symbol),
        CALENDAR,
        seed=seed,
        start_ns=at(start),
        duration_ns=seconds * SECOND_NS,
        **options,
    )


def content(feed):
    return b"".join(bytes(batch) for batch in iter(feed.read, None))


def records(feed):
    return np.frombuffer(content(feed), TICK)


def digest(data):
    return hashlib.sha256(data).hexdigest()


class Quotes:
    """Top of book as arrays: receive time in ns, prices in ticks, sizes in lots."""

    def __init__(self, ts, bid, ask, bid_qty, ask_qty):
        self.ts, self.bid, self.ask = ts, bid.astype(np.int64), ask.astype(np.int64)
        self.bid_qty, self.ask_qty = bid_qty.astype(float), ask_qty.astype(float)
        self.mid = (self.bid + self.ask) / 2
        self.spread = self.ask - self.bid
        self.imbalance = (self.bid_qty - self.ask_qty) / (self.bid_qty + self.ask_qty)

    @classmethod
    def of(cls, tape):
        q = tape[tape["kind"] == FrameKind.QUOTE]
        return cls(q["ts"], q["bid"], q["ask"], q["bid_qty"], q["ask_qty"])

    def mid_every(self, step_s):
        """The mid on a grid of seconds, as it stood at each point."""
        grid = np.arange(self.ts[0], self.ts[-1], step_s * SECOND_NS)
        return self.mid[np.searchsorted(self.ts, grid, side="right") - 1]

    def imbalance_and_next_move(self):
        """Correlation of the queue imbalance with the sign of the next change of the mid."""
        changes = np.flatnonzero(np.diff(self.mid))
        index = np.arange(len(self.mid) - 1)
        following = np.searchsorted(changes, index)
        known = following < len(changes)
        move = np.sign(np.diff(self.mid)[changes[following[known]]])
        return np.corrcoef(self.imbalance[index[known]], move)[0, 1]

    def imbalance_and_return(self, seconds):
        later = np.searchsorted(self.ts, self.ts + seconds * SECOND_NS, side="right") - 1
        return np.corrcoef(self.imbalance, self.mid[later] - self.mid)[0, 1]

    def eta(self):
        """Continuations over twice the reversals of one-tick-wide levels (Robert and Rosenbaum 2011)."""
        level = self.bid[self.spread == 1]
        level = level[np.r_[True, np.diff(level) != 0]]
        side = np.sign(np.diff(level))
        return (side[1:] == side[:-1]).sum() / (2 * (side[1:] != side[:-1]).sum())

    def ofi_per_second(self):
        """Order-flow imbalance of Cont, Kukanov and Stoikov (2014) in each whole second, and the mid's change in it."""
        bid, ask, bq, aq = self.bid, self.ask, self.bid_qty, self.ask_qty
        rise, fall = np.diff(bid), np.diff(ask)
        demand = np.where(rise > 0, bq[1:], np.where(rise < 0, -bq[:-1], np.diff(bq)))
        supply = np.where(fall < 0, aq[1:], np.where(fall > 0, -aq[:-1], np.diff(aq)))
        change = np.diff(self.mid_every(1))
        flow = np.bincount((self.ts[1:] - self.ts[0]) // SECOND_NS, demand - supply, minlength=len(change))
        return flow[: len(change)], change


def autocorrelation(x, lag):
    x = x - x.mean()
    return (x[lag:] * x[:-lag]).mean() / x.var()
