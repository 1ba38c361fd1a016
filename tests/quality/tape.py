"""Recorded tapes as records that can be spoilt in stated ways, and a kernel of the shipped configuration."""

from typing import NamedTuple

from tests.files.history_kit import CALENDAR
from trading_bot._fast import HotPath
from trading_bot.adapters.files import open_files
from trading_bot.config_files import load_config
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.records import TICK_RECORD, FrameKind
from trading_bot.engines.kernel_config import compile_kernel_config

MS = 1_000_000
S = 1_000_000_000
MINUTE = 60 * S
STEP = 100 * MS


class Tick(NamedTuple):
    """One record; the fields that a log fills in are left out."""

    kind: int
    instrument: int
    flags: int
    ts_ns: int
    ts_event_ns: int
    bid_ticks: int
    ask_ticks: int
    bid_qty: int
    ask_qty: int
    aggressor: int

    @property
    def is_trade(self):
        return self.kind == FrameKind.TRADE

    def shifted(self, by_ns):
        return self._replace(ts_ns=self.ts_ns + by_ns, ts_event_ns=self.ts_event_ns + by_ns)


class Tape(NamedTuple):
    symbol: str
    trade_date: int
    resolution_ns: int
    ticks: list[Tick]

    def kernel(self):
        """Built from configs/default.toml, without templates, in the row of the tape's date."""
        config = compile_kernel_config(
            load_config().config,
            {},
            INSTRUMENTS[self.symbol],
            CALENDAR.days_from(self.trade_date, 3),
            resolution_ns=self.resolution_ns,
        )
        return HotPath(config)


def read_tape(path, symbol, trade_date, **options):
    feed = open_files([path], INSTRUMENTS[symbol], **options)
    ticks = []
    for batch in iter(feed.read, None):
        for values in TICK_RECORD.iter_unpack(bytes(batch)):
            _, _, _, kind, _, instrument, flags, ts, event, bid, ask, bid_qty, ask_qty, aggressor, *_ = values
            ticks.append(Tick(kind, instrument, flags, ts, event, bid, ask, bid_qty, ask_qty, aggressor))
    return Tape(symbol, trade_date, feed.resolution_ns, ticks)


def packed(ticks):
    return b"".join(
        TICK_RECORD.pack(0, 64, 0, t.kind, 1, t.instrument, t.flags, t.ts_ns, t.ts_event_ns, t.bid_ticks, t.ask_ticks,
                         t.bid_qty, t.ask_qty, t.aggressor, 0, 0, 0)
        for t in ticks
    )  # fmt: skip


def scores(tape, ticks, from_ns, until_ns):
    """(time, score, penalties) every 100 ms from `from_ns` to `until_ns`, records before them taken."""
    hot, at, found = tape.kernel(), 0, []
    buffer = packed([tick for tick in ticks if tick.ts_ns <= until_ns])
    end = len(buffer) // 64
    moment = from_ns - from_ns % STEP
    while moment <= until_ns:
        while at < end:
            before = at
            at, code = hot.run(buffer, at, moment + 1)
            if not code and at == before:
                break
            if not code and at < end:
                break
        while hot.on_time(moment):
            pass
        found.append((moment, hot.dvs_c, hot.penalties()))
        moment += STEP
    return found


def first_below(found, score_c):
    """When the score first stood below, or None."""
    return next((moment for moment, dvs_c, _ in found if dvs_c < score_c), None)
