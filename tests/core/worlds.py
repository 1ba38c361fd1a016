"""A small world for tests of the core: a tape as records, a feed over it, documents, and a run in a folder."""

import os
from pathlib import Path
from typing import Any

import msgspec

from trading_bot.adapters.calendar_files import load_calendar
from trading_bot.core.documents import RunDocuments
from trading_bot.core.event_log import LogReader
from trading_bot.core.log_walk import MessageFrame
from trading_bot.core.opening import RunIdentity
from trading_bot.core.recovery import recover_run
from trading_bot.core.replay import session_logs
from trading_bot.core.run_logs import FolderLogs
from trading_bot.core.runner import BotRunner
from trading_bot.core.shadow_broker import ShadowBroker
from trading_bot.domain import log_records
from trading_bot.domain.config import BotConfig
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.records import FRAME_ALIGN, TICK_RECORD, Aggressor, FrameClass, FrameKind
from trading_bot.domain.templates import TemplateConfig
from trading_bot.domain.units import NS_PER_MS

ROOT = Path(__file__).resolve().parents[2]
# 2026-11-25 is an ordinary Wednesday: RTH 14:30-21:00 UTC, flatten at 20:55.
OPEN_NS = 1_795_617_000_000_000_000
BUILD = "test-build"
SEGMENT_BYTES = 256 * 1024


def quote(ts_ns: int, bid: int, ask: int, bid_qty: int = 10, ask_qty: int = 10) -> bytes:
    """A quote record as a feed gives it."""
    return TICK_RECORD.pack(
        0, 64, 0, FrameKind.QUOTE, FrameClass.INPUT, 1, 0, ts_ns, ts_ns, bid, ask, bid_qty, ask_qty, 0, 0, 0, 0
    )


def trade(ts_ns: int, price: int, qty: int = 1, aggressor: Aggressor = Aggressor.BUY) -> bytes:
    """A trade record as a feed gives it."""
    return TICK_RECORD.pack(
        0, 64, 0, FrameKind.TRADE, FrameClass.INPUT, 1, 0, ts_ns, ts_ns, price, 0, qty, 0, aggressor, 0, 0, 0
    )


def wavy_tape(start_ns: int, count: int, step_ms: int = 250) -> list[bytes]:
    """Quotes whose imbalance swings from side to side, so that candidates of both sides come and go."""
    records = []
    for k in range(count):
        ts_ns = start_ns + k * step_ms * NS_PER_MS
        lean = (k // 8) % 4
        bid = 24_000 + (k // 16) % 3
        bid_qty, ask_qty = [(40, 5), (10, 10), (5, 40), (10, 10)][lean]
        records.append(quote(ts_ns, bid, bid + 1, bid_qty, ask_qty))
        if k % 5 == 0:
            records.append(trade(ts_ns, bid + (lean == 0), 1 + k % 3, Aggressor.BUY if lean == 0 else Aggressor.SELL))
    return records


class ListFeed:
    """Records in memory, in batches of `batch_records`; `error` is raised after the last one."""

    def __init__(self, records: list[bytes], batch_records: int = 64, error: Exception | None = None) -> None:
        self._records = records
        self._next = 0
        self._batch_records = batch_records
        self._error = error

    resolution_ns = 1

    @property
    def rejected_by_reason(self) -> dict[str, int]:
        return {}

    @property
    def description(self) -> dict[str, Any]:
        return {"kind": "list"}

    def read(self) -> memoryview | None:
        batch = self._records[self._next : self._next + self._batch_records]
        self._next += len(batch)
        if batch:
            return memoryview(b"".join(batch))
        if self._error is not None:
            raise self._error
        return None

    def skip_records(self, count: int) -> None:
        self._next += count


def eager_template(**changes: Any) -> TemplateConfig:
    """Enters whenever the queue leans and the belief is anything but small."""
    values: dict[str, Any] = {
        "on": True,
        "title": "lean with the queue",
        "cadence": "tick",
        "entry": "passive",
        "target_ticks": 12,
        "stop_ticks": 8,
        "hold_s": 60,
        "gain": 8.0,
        "belief_enter": 0.6,
        "belief_hold": 0.55,
        "weights": {"queue_imbalance": 1.0},
        "triggers": [{"signal": "queue_imbalance", "min": 0.3}],
    }
    return msgspec.convert(values | changes, TemplateConfig)


def documents(config: dict[str, Any] | None = None, templates: dict[str, TemplateConfig] | None = None) -> RunDocuments:
    """Documents with the shipped calendar around November 2026 and one eager template."""
    # A simulated market: one of a gateway needs a current calendar of scheduled events.
    plain = {"run": {"adapter": "sim"}, "decision": {"stability_max": 9.0}, "session": {"open_delay_min": 0}}
    chosen = plain | (config or {})
    table = load_calendar("us_index.csv", ROOT / "data")
    return RunDocuments(
        config=msgspec.convert(chosen, BotConfig),
        templates=templates if templates is not None else {"E1": eager_template()},
        instrument=INSTRUMENTS["MES"],
        calendar=table.extract(20261101, 40),
        resolution_ns=1,
    )


def new_run(folder: Path, feed: ListFeed, docs: RunDocuments, **options: Any) -> BotRunner:
    """A runner over a folder, not started."""
    logs = FolderLogs(folder, run_id="test", segment_bytes=SEGMENT_BYTES, sync_s=0.05)
    return BotRunner(docs, feed=feed, logs=logs, identity=RunIdentity(run_id="test", build=BUILD), **options)


def resumed_run(folder: Path, feed: ListFeed, docs: RunDocuments, *, build: str = BUILD, **options: Any) -> BotRunner:
    """A runner that continues the run in `folder`."""
    recovered = recover_run(folder, build=build, config_hash=docs.config_hash, sink=lambda: (ShadowBroker(), None))
    logs = FolderLogs(folder, run_id="test", segment_bytes=SEGMENT_BYTES, sync_s=0.05)
    return BotRunner(
        docs,
        feed=feed,
        logs=logs,
        broker=recovered.broker,
        identity=RunIdentity(run_id="test", build=build),
        recovered=recovered,
        **options,
    )


def vanish(runner: BotRunner) -> None:
    """As if the process were killed: nothing is sealed or closed, but the writer's lock is free again."""
    assert isinstance(runner.logs, FolderLogs)
    assert runner.logs._thread is not None
    runner.logs._thread.stop()
    os.close(runner.book.log._lock_file)  # type: ignore[union-attr]


def messages(folder: Path) -> list[tuple[int, Any]]:
    """(seq, record) of every message in a run's logs, decoded with the product's codec."""
    found = []
    for log in session_logs(folder):
        with LogReader(log) as reader:
            found += [
                (item.seq, log_records.decode(item.payload))
                for item in reader.spans()
                if isinstance(item, MessageFrame)
            ]
    return found


def digests(runner: BotRunner) -> tuple[str, str]:
    """Effects and state digest of a finished run."""
    assert runner.machine is not None
    return runner.machine.run_digest.hexdigest(), runner.machine.state.digest()


__all__ = [name for name in dir() if not name.startswith("_")]
assert TICK_RECORD.size == FRAME_ALIGN
