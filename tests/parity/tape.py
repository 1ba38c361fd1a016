"""Parts of a log made by hand: market records and messages, as a reader of the log hands them out."""

import struct

import msgspec

from trading_bot.core.documents import RunDocuments
from trading_bot.core.log_reader import MessageFrame, TickSpan
from trading_bot.domain import log_records
from trading_bot.domain.events import RunStarted
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.witness_events import MarketWitnessed

RECORD = struct.Struct("<IIQBBHIqqiiiiBBHI")
REFUSED = struct.Struct("<IIQBBHIqqddBBHi")
MES = INSTRUMENTS["MES"]
S = 1_000_000_000
MINUTE = 60 * S
BEGIN = 29_926_949 * MINUTE  # a whole minute of November 2026


def quote(ts_ns, bid, bid_qty, ask, ask_qty, instrument=MES.id):
    return RECORD.pack(0, 64, 0, 1, 1, instrument, 0, ts_ns, ts_ns, bid, ask, bid_qty, ask_qty, 0, 0, 0, 0)


def trade(ts_ns, price, qty, *, event_ns=None, instrument=MES.id, aggressor=0):
    event_ns = ts_ns - ts_ns % S if event_ns is None else event_ns
    return RECORD.pack(0, 64, 0, 2, 1, instrument, 0, ts_ns, event_ns, price, 0, qty, 0, aggressor, 0, 0, 0)


def refused(ts_ns, price, qty, *, kind=2, instrument=MES.id):
    return REFUSED.pack(0, 64, 0, 3, 1, instrument, 0, ts_ns, ts_ns - ts_ns % S, price, 0.0, 4, kind, 0, qty)


def gap(ts_ns, instrument=MES.id):
    return RECORD.pack(0, 64, 0, 4, 1, instrument, 0, ts_ns, ts_ns, 100, 200, 0, 0, 0, 0, 0, 0)


def time_mark(ts_ns, instrument=MES.id):
    return RECORD.pack(0, 64, 0, 5, 1, instrument, 0, ts_ns, 0, 0, 0, 0, 0, 0, 0, 0, 0)


def span(*records):
    return TickSpan(1, len(records), memoryview(b"".join(records)))


def message(record):
    cls = int(log_records.frame_class(record))
    return MessageFrame(1, cls, record.ts_ns, MES.id, 0, memoryview(log_records.encode(record)), 0)


def started(*, hypothetical=False, **documents):
    """The first record of a log of MES, under the default configuration."""
    changed = msgspec.structs.replace(RunDocuments.default(), **documents)
    return message(
        RunStarted(
            ts_ns=BEGIN,
            schema=1,
            run_id="made by hand",
            mode="PAPER",
            adapter="ibkr",
            instrument="MES",
            trade_date=20261125,
            config_hash="00" * 32,
            kernel_build="",
            documents=changed.pack(),
            digests={},
            hypothetical=hypothetical,
        )
    )


def witnessed(bar_at_s, volume, low, high, *, session=-1, told_s=None, instrument=MES.id):
    """A bar that began `bar_at_s` after BEGIN (None: only volume), told `told_s` after it."""
    told_ns = BEGIN + round(((bar_at_s or 0) + 5.5 if told_s is None else told_s) * S)
    return message(
        MarketWitnessed(
            ts_ns=told_ns,
            instrument_id=instrument,
            bar_begin_ns=0 if bar_at_s is None else BEGIN + bar_at_s * S,
            open_ticks=low,
            high_ticks=high,
            low_ticks=low,
            close_ticks=high,
            volume=volume,
            trades=1,
            session_volume=session,
            session_volume_ns=told_ns,
        )
    )
