"""The seeded stream every row is measured on: five quotes to a trade, about 64 events a second, six and a half hours.

A stage for the kernel, no model of a market. Nothing but `random.Random.random` and whole numbers is drawn, so the same
seed gives the same bytes everywhere.
"""

import random
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter_ns
from typing import Any, Final

import msgspec

from trading_bot.adapters.calendar_files import load_calendar
from trading_bot.config_files import LoadedConfig, load_config
from trading_bot.core.documents import RunDocuments
from trading_bot.domain.instruments import instrument_by_symbol
from trading_bot.domain.kernel import KernelConfig
from trading_bot.domain.records import FRAME_ALIGN, TICK_RECORD, Aggressor, FrameClass, FrameKind
from trading_bot.domain.units import NS_PER_S
from trading_bot.engines.kernel_config import compile_kernel_config

ROOT: Final = Path(__file__).resolve().parents[1]
SEED: Final = 20261125
OPEN_NS: Final = 1_795_617_000_000_000_000  # 2026-11-25T14:30:00Z, the open of an ordinary Wednesday
TRADE_DATE: Final = 20261125
PRICE_TICKS: Final = 24_000
MEAN_GAP_NS: Final = 15_600_000  # 1.5 M events fill the 6.5 hours of a regular session
QUOTES_PER_TRADE: Final = 5
_WORDS: Final = FRAME_ALIGN // 8
_TS_WORDS: Final = (3, 4)  # where ts_ns and ts_event_ns stand in a record of eight 64-bit words
_SIDES: Final = (Aggressor.BUY, Aggressor.SELL)
_BATCH: Final = 4096  # records per read, as the file feeds give
_REGIME_EVENTS: Final = 20_000
# Drift per event and half width of one event's step, in ticks: quiet, ordinary, up, down, wide.
_REGIMES: Final = ((0.0, 0.05), (0.0, 0.12), (0.0012, 0.12), (-0.0012, 0.12), (0.0, 0.3))
_WIDE: Final = 0.2  # steps from which the spread may be two ticks
_WIDER: Final = 0.3  # how often it then is


def make_ticks(count: int, *, seed: int = SEED, start_ns: int = OPEN_NS) -> bytearray:
    """`count` tick records of 64 bytes in time order; the price stays near its start, so pieces can be joined."""
    draw = random.Random(seed).random  # noqa: S311 - a stage, not a secret
    out = bytearray(count * FRAME_ALIGN)
    pack = TICK_RECORD.pack_into
    fair = float(PRICE_TICKS)
    ts_ns, event_ns = start_ns, 0
    lean = 0.0  # of the hidden price within its tick: positive before it rises
    bid, ask = PRICE_TICKS - 1, PRICE_TICKS
    bid_qty = ask_qty = 20
    for index in range(count):
        ts_ns += int(draw() * 2 * MEAN_GAP_NS) + 1
        event_ns = max(event_ns, ts_ns - 200_000 - int(draw() * 300_000))  # an exchange's clock never goes back
        if index % (QUOTES_PER_TRADE + 1) == QUOTES_PER_TRADE:
            buys = draw() < 0.5 + 0.4 * lean
            qty = 1 + int(draw() * draw() * 12)
            record = (FrameKind.TRADE, FrameClass.INPUT, 1, 0, ts_ns, event_ns, ask if buys else bid, 0, qty, 0)
            side = _SIDES[not buys]
        else:
            drift, width = _REGIMES[(index // _REGIME_EVENTS) % len(_REGIMES)]
            fair += drift + width * (draw() + draw() - 1.0) + (PRICE_TICKS - fair) * 2e-5
            lean = 0.98 * lean + 0.02 * (2.0 * (fair - int(fair)) - 1.0) + 0.1 * (draw() - 0.5)
            lean = min(max(lean, -1.0), 1.0)
            spread = 2 if width > _WIDE and draw() < _WIDER else 1
            moved = (bid, ask) != (int(fair), int(fair) + spread)
            bid, ask = int(fair), int(fair) + spread
            of_bid = draw() < 0.5
            if moved or of_bid:
                bid_qty = max(1, int(30 * (1.0 + 0.5 * lean) * (0.7 + 0.6 * draw())))
            if moved or not of_bid:
                ask_qty = max(1, int(30 * (1.0 - 0.5 * lean) * (0.7 + 0.6 * draw())))
            record = (FrameKind.QUOTE, FrameClass.INPUT, 1, 0, ts_ns, event_ns, bid, ask, bid_qty, ask_qty)
            side = Aggressor.UNKNOWN
        pack(out, index * FRAME_ALIGN, 0, FRAME_ALIGN, 0, *record, side, 0, 0, 0)
    return out


def shift_ticks(ticks: bytes | bytearray, by_ns: int) -> bytearray:
    """The same records, later by `by_ns`."""
    words = array("q", bytes(ticks))
    for place in _TS_WORDS:
        words[place::_WORDS] = array("q", [ts + by_ns for ts in words[place::_WORDS]])
    return bytearray(words.tobytes())


def last_ts_ns(ticks: bytes | bytearray) -> int:
    """Receive time of the last record."""
    return int(TICK_RECORD.unpack_from(ticks, len(ticks) - FRAME_ALIGN)[7])


class TickFeed:
    """A feed of `count` records: one piece, over and over, each time later than the last. Holds two pieces at most.

    It notes when it was read: a run's log is made after the first read, so the steady part begins with the second.
    """

    resolution_ns = 1

    def __init__(self, piece: bytearray, count: int, on_read: Callable[[int], None] | None = None) -> None:
        """`on_read` is told the number of records given so far, at every read."""
        self._piece = piece
        self._left = count
        self._given = 0
        self._on_read = on_read
        self._span_ns = last_ts_ns(piece) - OPEN_NS + MEAN_GAP_NS
        self._now = memoryview(piece).toreadonly()
        self._at = 0
        self._began = (0, 0)
        self._ended = (0, 0)

    @property
    def rejected_by_reason(self) -> dict[str, int]:
        """Nothing is refused: no door stands before it."""
        return {}

    @property
    def description(self) -> dict[str, Any]:
        """What the run's documents say about the source."""
        return {"kind": "bench", "seed": SEED}

    @property
    def events_per_s(self) -> float:
        """Records per second from the second read to the end of the data: no start-up, no sealing."""
        records, took_ns = self._ended[0] - self._began[0], self._ended[1] - self._began[1]
        return records / took_ns * NS_PER_S

    def skip_records(self, count: int) -> None:
        """A bench run never goes on after a cut."""
        raise ValueError(f"a bench run starts from nothing; asked to skip {count} records")

    def read(self) -> memoryview | None:
        """The next records, None at the end."""
        if self._on_read is not None:
            self._on_read(self._given)
        if self._began == (0, 0) and self._given:
            self._began = (self._given, perf_counter_ns())
        if self._left <= 0:
            self._ended = (self._given, perf_counter_ns())
            return None
        if self._at == len(self._now):
            self._piece = shift_ticks(self._piece, self._span_ns)
            self._now, self._at = memoryview(self._piece).toreadonly(), 0
        end = min(self._at + _BATCH * FRAME_ALIGN, len(self._now), self._at + self._left * FRAME_ALIGN)
        found = self._now[self._at : end]
        self._at = end
        self._left -= len(found) // FRAME_ALIGN
        self._given += len(found) // FRAME_ALIGN
        return found


def shipped(name: str = "default.toml") -> LoadedConfig:
    """The shipped configuration `name` with the shipped strategies."""
    return load_config(ROOT / "configs" / name)


def documents(name: str = "default.toml") -> RunDocuments:
    """What a run over the stream depends on."""
    loaded = shipped(name)
    table = load_calendar(loaded.config.session.calendar, ROOT / "data")
    # The stream comes as files do: a live adapter would want a calendar of scheduled events, and enter nothing without.
    run = msgspec.structs.replace(loaded.config.run, adapter="files")
    return RunDocuments(
        config=msgspec.structs.replace(loaded.config, run=run),
        templates=loaded.templates,
        instrument=instrument_by_symbol(loaded.config.run.instrument),
        calendar=table.extract(TRADE_DATE, 40),
        resolution_ns=1,
        feed={"kind": "bench", "seed": SEED},
    )


def kernel_config() -> KernelConfig:
    """The kernel the shipped files make: every signal, the data score and the five templates."""
    loaded = shipped()
    table = load_calendar(loaded.config.session.calendar, ROOT / "data")
    instrument = instrument_by_symbol(loaded.config.run.instrument)
    days = table.days_from(TRADE_DATE, 40)
    return compile_kernel_config(loaded.config, loaded.templates, instrument, days, resolution_ns=1)


def open_mask(config: KernelConfig) -> int:
    """Every template open for entries."""
    return (1 << len(config.templates)) - 1


def quotes_of(ticks: bytes | bytearray) -> Iterator[tuple[int, int, int, int, int]]:
    """(ts_ns, bid_ticks, bid_qty, ask_ticks, ask_qty) of every quote."""
    for row in TICK_RECORD.iter_unpack(ticks):
        if row[3] == FrameKind.QUOTE:
            yield row[7], row[9], row[11], row[10], row[12]
