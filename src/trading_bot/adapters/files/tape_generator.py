"""A seeded two-sided tape for tests and the demo: the same arguments give the same rows on every machine.

Whole numbers only, with a generator of its own (splitmix64), so that no library version or floating-point unit can
change a tape. It is a stage for the bot's signals - quiet spells, trends, wide swings, sweeps that snap back - and no
model of a market: nothing measured on it says anything about profit.

    python -m trading_bot.adapters.files.tape_generator tape.csv.gz --start 2026-11-25T14:30:00Z --minutes 60 --seed 7
"""

import argparse
import gzip
import os
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from trading_bot.domain.errors import UsageError
from trading_bot.domain.instruments import POINTS_E9, Instrument, instrument_by_symbol

HEADER: Final = "ts_ns,bid,bid_qty,ask,ask_qty,price,qty,aggressor"
_MINUTE_NS: Final = 60_000_000_000
_MASK: Final = (1 << 64) - 1
_MILLI: Final = 1000  # the hidden price moves in thousandths of a tick


class _Regime(NamedTuple):
    """How the market behaves for a few minutes."""

    drift_milli: int  # thousandths of a tick per step
    swing_milli: int  # half width of one step
    gap_ms: int  # mean time between steps
    spread_ticks: int
    sweep_per_10000: int  # chance of a sweep at a step


_REGIMES: Final = (
    _Regime(0, 60, 260, 1, 2),  # quiet
    _Regime(0, 180, 160, 1, 6),  # ordinary
    _Regime(0, 180, 160, 1, 6),
    _Regime(9, 190, 130, 1, 8),  # trend up
    _Regime(-9, 190, 130, 1, 8),  # trend down
    _Regime(0, 420, 90, 1, 20),  # wide
    _Regime(0, 620, 70, 2, 30),  # wild
)


class SplitMix64:
    """The splitmix64 generator (Steele, Lea and Flood 2014)."""

    def __init__(self, seed: int) -> None:
        self._state = seed & _MASK

    def below(self, bound: int) -> int:
        """A whole number in 0 .. bound − 1."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        mixed = self._state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return ((mixed ^ (mixed >> 31)) * bound) >> 64

    def between(self, low: int, high: int) -> int:
        """A whole number in low .. high."""
        return low + self.below(high - low + 1)

    def swing(self, half_width: int) -> int:
        """A number around 0, the middle more likely than the ends."""
        return self.between(-half_width, half_width) + self.between(-half_width, half_width)


class Tape:
    """Rows of a tape: each a quote, a trade, or both (the quote is the market the trade met)."""

    def __init__(self, *, seed: int, minutes: int, start_ns: int, instrument: Instrument, price_ticks: int) -> None:
        if minutes < 1:
            raise UsageError(f"a tape of {minutes} minutes: expected at least 1")
        if price_ticks < 1000:
            raise UsageError(f"a tape from {price_ticks} ticks: expected at least 1000, prices must stay positive")
        self._random = SplitMix64(seed)
        self._instrument = instrument
        self._ts_ns = start_ns
        self._end_ns = start_ns + minutes * _MINUTE_NS
        self._fair_milli = price_ticks * _MILLI + _MILLI // 2
        self._home_milli = self._fair_milli
        self._regime = _REGIMES[1]
        self._regime_end_ns = start_ns
        self._quote = (0, 0, 0, 0)

    def rows(self) -> Iterator[str]:
        """CSV rows without the header, in time order, stamps strictly rising."""
        while True:
            self._wait(self._random.between(1, 2 * self._regime.gap_ms) * 1_000_000)
            if self._ts_ns >= self._end_ns:
                return
            if self._ts_ns >= self._regime_end_ns:
                self._regime = _REGIMES[self._random.below(len(_REGIMES))]
                self._regime_end_ns = self._ts_ns + self._random.between(2, 9) * _MINUTE_NS
            if self._random.below(10_000) < self._regime.sweep_per_10000:
                yield from self._sweep()
                continue
            # A weak pull home keeps a long tape near where it began.
            pull = (self._home_milli - self._fair_milli) // 200_000
            self._fair_milli += self._regime.drift_milli + pull + self._random.swing(self._regime.swing_milli)
            yield self._row(self._requote(), self._maybe_trade())

    def _wait(self, gap_ns: int) -> None:
        self._ts_ns += gap_ns + self._random.below(1_000_000)

    def _requote(self) -> bool:
        """Set the quote around the hidden price; sizes lean the way the price is about to go. True when it changed."""
        bid = (self._fair_milli - (self._regime.spread_ticks - 1) * _MILLI // 2) // _MILLI
        ask = bid + self._regime.spread_ticks
        lean = self._fair_milli % _MILLI + self._regime.drift_milli * 30  # 0: about to fall .. 1000: about to rise
        depth = 8 + self._random.below(24)
        bid_qty = max(1, depth * min(max(lean, 100), 900) // 500)
        ask_qty = max(1, depth * (_MILLI - min(max(lean, 100), 900)) // 500)
        if (bid, ask) == self._quote[::2] and self._random.below(3):
            return False
        changed = (bid, bid_qty, ask, ask_qty) != self._quote
        self._quote = (bid, bid_qty, ask, ask_qty)
        return changed

    def _maybe_trade(self) -> tuple[int, int, str] | None:
        if self._random.below(5) > 1:
            return None
        bid, bid_qty, ask, ask_qty = self._quote
        rising = self._fair_milli % _MILLI + self._regime.drift_milli * 20
        if self._random.below(_MILLI) < min(max(rising, 150), 850):
            return ask, 1 + self._random.below(max(ask_qty // 2, 1)), "B"
        return bid, 1 + self._random.below(max(bid_qty // 2, 1)), "S"

    def _sweep(self) -> Iterator[str]:
        """One side takes six to nine levels within a quarter of a second; two times in three the price comes back."""
        up = self._random.below(2) == 1
        levels = self._random.between(6, 9)
        for _ in range(levels):
            if self._ts_ns >= self._end_ns:
                return
            self._fair_milli += _MILLI if up else -_MILLI
            self._requote()
            bid, bid_qty, ask, ask_qty = self._quote
            yield self._row(True, (ask, ask_qty, "B") if up else (bid, bid_qty, "S"))
            self._wait(self._random.between(5, 25) * 1_000_000)
        if self._random.below(3):
            self._fair_milli += (-levels if up else levels) * _MILLI * 3 // 4

    def _row(self, quoted: bool, trade: tuple[int, int, str] | None) -> str:  # noqa: FBT001 - private, two callers
        bid, bid_qty, ask, ask_qty = self._quote
        left = f"{self._points(bid)},{bid_qty},{self._points(ask)},{ask_qty}" if quoted or trade is None else ",,,"
        right = ",," if trade is None else f"{self._points(trade[0])},{trade[1]},{trade[2]}"
        return f"{self._ts_ns},{left},{right}"

    def _points(self, price_ticks: int) -> str:
        whole, rest = divmod(price_ticks * self._instrument.tick_size_e9, POINTS_E9)
        return f"{whole}.{rest:09d}".rstrip("0").rstrip(".")


class Written(msgspec.Struct, frozen=True):
    """What was written."""

    path: Path
    rows: int


def write_tape(
    path: Path, *, seed: int, minutes: int, start_ns: int, instrument: Instrument, price_ticks: int = 24_000
) -> Written:
    """Write a tape of `minutes` market minutes from `start_ns` (ns UTC), gzipped when the name ends in .gz.

    `price_ticks` is where the price begins. The file appears whole or not at all.
    """
    tape = Tape(seed=seed, minutes=minutes, start_ns=start_ns, instrument=instrument, price_ticks=price_ticks)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".part")
    count = 0
    with unfinished.open("wb") as raw:
        # No name and no time in the gzip header: the same tape is the same file.
        file = gzip.GzipFile("", "wb", 6, raw, mtime=0) if path.name.endswith(".gz") else raw
        file.write(HEADER.encode() + b"\n")
        for row in tape.rows():
            file.write(row.encode() + b"\n")
            count += 1
        if file is not raw:
            file.close()
        raw.flush()
        os.fsync(raw.fileno())
    unfinished.replace(path)
    return Written(path, count)


def main() -> None:
    """Write one tape as the command line says."""
    parser = argparse.ArgumentParser(description="Write a seeded tape for tests and demonstrations.")
    parser.add_argument("path", type=Path)
    parser.add_argument("--start", default="2026-11-25T14:30:00Z", help="UTC, such as 2026-11-25T14:30:00Z")
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--instrument", default="MES")
    given = parser.parse_args()
    start_ns = int(datetime.fromisoformat(given.start).timestamp()) * 1_000_000_000
    instrument = instrument_by_symbol(given.instrument)
    written = write_tape(given.path, seed=given.seed, minutes=given.minutes, start_ns=start_ns, instrument=instrument)
    sys.stdout.write(f"{written.path}: {written.rows} rows\n")


if __name__ == "__main__":
    main()
