"""Tapes, logs and kernels for the tests of the history."""

from datetime import UTC, datetime
from pathlib import Path

from tests.kernel.kit import config
from tests.log.tape import append
from trading_bot._fast import HotPath
from trading_bot.adapters.files import open_files
from trading_bot.adapters.history import history_from_paths
from trading_bot.core.event_log import EventLog
from trading_bot.domain import events
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.log_records import encode
from trading_bot.domain.records import TICK_RECORD, FrameClass, FrameKind
from trading_bot.domain.signal_registry import SIGNALS
from trading_bot.engines.kernel_config import compile_sessions
from trading_bot.engines.session import parse_calendar

ROOT = Path(__file__).resolve().parents[2]
CALENDAR = parse_calendar((ROOT / "data/calendars/us_index.csv").read_text(), source="us_index.csv")
S = 1_000_000_000
MINUTE = 60 * S
NEVER = 2**62
BAR_SIGNALS = [spec.name for spec in SIGNALS if spec.cadence == "bar"]
# Only a quote tells it, and bars of the past bring none (docs/kernel.md, section 4).
BARS_TELL = [name for name in BAR_SIGNALS if name != "spread_tickiness"]


def ns(*when):
    return int(datetime(*when, tzinfo=UTC).timestamp()) * S


def trade(ts, price, qty, kind=FrameKind.TRADE):
    return TICK_RECORD.pack(0, 64, 0, kind, FrameClass.INPUT, 1, 0, ts, ts, price, 0, qty, 0, 1, 0, 0, 0)


def write_tape(path, trades):
    """A tape of trades (ts_ns, points, qty) in the plain columns."""
    rows = "".join(f"{ts},,,,,{price},{qty},B\n" for ts, price, qty in trades)
    path.write_text("ts_ns,bid,bid_qty,ask,ask_qty,price,qty,aggressor\n" + rows)
    return path


def write_log(folder, records, *, instrument="MES", trade_date=20261125, close=True):
    """A session log that begins as a run's does."""
    started = events.RunStarted(
        ts_ns=ns(2026, 11, 25, 14),
        schema=events.SCHEMA_VERSION,
        run_id="earlier",
        mode="OBSERVE",
        adapter="files",
        instrument=instrument,
        trade_date=trade_date,
        config_hash="",
        kernel_build="",
        documents=b"",
        digests={},
    )
    folder.parent.mkdir(parents=True, exist_ok=True)
    log = EventLog.create(folder, b"earlier", 256 * 1024)
    log.append_message(FrameClass.INPUT, started.ts_ns, 1, 0, encode(started))
    for record in records:
        append(log, record)
    log.close() if close else log.abandon()
    return folder


def history(*paths, before=NEVER, symbol="MES", **options):
    return history_from_paths(paths, INSTRUMENTS[symbol], calendar=CALENDAR, before_ns=before, **options)


def bars_of(sessions):
    return [tuple(bar) for session in sessions for bar in session.bars]


def kernel(trade_date, symbol, sessions=10):
    days = CALENDAR.days_from(trade_date, sessions)
    return HotPath(config(instrument_id=INSTRUMENTS[symbol].id, anchor_rth=True, sessions=compile_sessions(days)))


def records_of(paths, symbol, **options):
    """All records of files as one tape."""
    feed = open_files(paths, INSTRUMENTS[symbol], **options)
    return b"".join(bytes(batch) for batch in iter(feed.read, None))


def step_minutes(hot, tape, seen):
    """Run a tape, and call `seen` after every minute in which something happened."""
    at, end = 0, len(tape) // 64
    while at < end:
        ts_ns = int.from_bytes(tape[at * 64 + 24 : at * 64 + 32], "little")
        boundary = ts_ns - ts_ns % MINUTE + MINUTE
        while at < end:
            at, code = hot.run(tape, at, boundary + 1)
            if not code:
                break
        while hot.on_time(boundary):
            pass
        seen(boundary)


def kernel_bars(hot, tape):
    """Every 60 s bar the kernel closes over the tape; the ring holds 128 of them."""
    found = {}

    def keep(_boundary):
        found.update({bar[0]: bar[:7] for bar in hot.bars(60)})

    step_minutes(hot, tape, keep)
    return list(found.values())
