"""Rows of the event log: what one append costs the thread that trades, and how fast a log is checked and replayed."""

import shutil
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter_ns
from typing import Final

import msgspec
from tools.bench_harness import Beside, Row, Sizes, interleave, median, ratio_of
from tools.bench_kernel import percentile_rows
from tools.bench_stream import TickFeed, documents, make_ticks

from trading_bot._fast import ExchangeSim
from trading_bot.adapters.sim.broker import SimBroker
from trading_bot.core.event_log import EventLog, SyncThread, verify
from trading_bot.core.opening import RunIdentity
from trading_bot.core.replay import replay, session_logs
from trading_bot.core.run_logs import FolderLogs, MemoryLogs
from trading_bot.core.runner import BotRunner
from trading_bot.domain.records import FRAME_ALIGN, TICK_RECORD, FrameKind
from trading_bot.domain.units import NS_PER_S

APPEND_GOAL_RATIO: Final = 3.0
REPLAY_GOAL_PER_S: Final = 10e6
PACE_NS: Final = NS_PER_S // 20_000
BUILD: Final = "bench"
_SEGMENT_BYTES: Final = 64 * 1024 * 1024
_NS_PER_S: Final = 1e9
_FRAME: Final = struct.Struct("<II")  # length and checksum of the framed peer


@contextmanager
def temporary() -> Iterator[Path]:
    """A folder on disk that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="tb-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def nothing(record: bytes) -> int:  # noqa: ARG001
    """A call that does nothing."""
    return 0


def _timed(call: Callable[[bytes], int], records: list[bytes], gap_ns: int) -> list[int]:
    """Nanoseconds of each call, timer included; `gap_ns` between the starts of two calls (0: as fast as it goes)."""
    clock = perf_counter_ns
    samples = [0] * len(records)
    due = clock()
    for index, record in enumerate(records):
        if gap_ns:
            due += gap_ns
            while clock() < due:
                pass
        before = clock()
        call(record)
        samples[index] = clock() - before
    return samples


def append_rows(sizes: Sizes) -> list[Row]:
    """One `LogWriter.append_record` beside an empty call: at full speed and at 20 000 a second, syncing and not."""
    ticks = bytes(make_ticks(max(sizes.append_calls, sizes.append_calls_paced)))
    records = [ticks[at : at + FRAME_ALIGN] for at in range(0, len(ticks), FRAME_ALIGN)]
    rows = []
    for syncs in (True, False):
        for gap_ns in (0, PACE_NS):
            count = sizes.append_calls_paced if gap_ns else sizes.append_calls
            rows += _append_rows(records[:count], gap_ns, sizes.rounds, syncs=syncs)
    return rows


def _append_rows(records: list[bytes], gap_ns: int, rounds: int, *, syncs: bool) -> list[Row]:
    with temporary() as folder:
        log = EventLog.create(folder, b"bench", _SEGMENT_BYTES)
        thread = SyncThread(log) if syncs else None
        if thread is not None:
            thread.start()
        append = log.writer.append_record

        def ours() -> list[int]:
            return _timed(append, records, gap_ns)

        def floor() -> list[int]:
            return _timed(nothing, records, gap_ns)

        found, empty = interleave([ours, floor], rounds)
        if thread is not None:
            thread.stop()
        log.abandon()
    rate = "20 k/s" if gap_ns else "full speed"
    goals = {"p99": APPEND_GOAL_RATIO} if syncs else None
    return percentile_rows(f"log append, {rate}, sync {'on' if syncs else 'off'}", found, empty, goals)


def new_runner(feed: TickFeed, logs: FolderLogs | MemoryLogs) -> BotRunner:
    """An OBSERVE run over the stream, filled by the simulator."""
    exchange = ExchangeSim()
    return BotRunner(
        documents(),
        feed=feed,
        broker=SimBroker(exchange, suppress=True, instrument_id=documents().instrument.id),
        exchange=exchange,
        logs=logs,
        identity=RunIdentity(run_id=BUILD, build=BUILD),
    )


def record_run(folder: Path, feed: TickFeed) -> BotRunner:
    """A finished run over a stretch of the stream, its log in `folder`."""
    runner = new_runner(feed, FolderLogs(folder, run_id=BUILD, segment_bytes=_SEGMENT_BYTES, sync_s=0.05))
    runner.run()
    if runner.exit_code != 0:
        raise RuntimeError(f"the run to measure ended with {runner.exit_reason}: {runner.message}")
    return runner


class Quote(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=FrameKind.QUOTE.value):
    """A quote of the framed peer."""

    ts_ns: int
    ts_event_ns: int
    bid_ticks: int
    bid_qty: int
    ask_ticks: int
    ask_qty: int
    flags: int


class Trade(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=FrameKind.TRADE.value):
    """A trade of the framed peer."""

    ts_ns: int
    ts_event_ns: int
    price_ticks: int
    qty: int
    aggressor: int
    flags: int


def framed_msgpack(ticks: bytes) -> bytes:
    """The same records as length, CRC-32 and a msgpack array each."""
    out = bytearray()
    encode = msgspec.msgpack.Encoder().encode
    for row in TICK_RECORD.iter_unpack(ticks):
        if row[3] == FrameKind.QUOTE:
            payload = encode(Quote(row[7], row[8], row[9], row[11], row[10], row[12], row[6]))
        else:
            payload = encode(Trade(row[7], row[8], row[9], row[11], row[13], row[6]))
        out += _FRAME.pack(len(payload), zlib.crc32(payload)) + payload
    return bytes(out)


def read_framed(framed: bytes) -> int:
    """Check and decode every frame; returns how many there were."""
    view = memoryview(framed)
    decode = msgspec.msgpack.Decoder(Quote | Trade).decode
    unpack, header, checksum = _FRAME.unpack_from, _FRAME.size, zlib.crc32
    at = count = 0
    end = len(framed)
    while at < end:
        length, expected = unpack(framed, at)
        at += header
        payload = view[at : at + length]
        if checksum(payload) != expected:
            raise ValueError(f"frame {count} is damaged")
        decode(payload)
        at += length
        count += 1
    return count


def replay_rows(sizes: Sizes) -> list[Row]:
    """Ticks per second of `replay` over a recorded run, beside framed msgpack and beside checking alone."""
    framed = framed_msgpack(bytes(make_ticks(sizes.msgpack_ticks)))
    with temporary() as folder:
        recorded = record_run(folder, TickFeed(make_ticks(sizes.events), sizes.log_ticks))
        assert recorded.machine is not None
        effects = recorded.machine.run_digest.count

        def ours() -> float:
            began = perf_counter_ns()
            report = replay(folder, build=BUILD)
            took = perf_counter_ns() - began
            assert report.ok, report.reason
            assert report.ticks == sizes.log_ticks, f"{report.ticks} ticks were replayed of {sizes.log_ticks}"
            return report.ticks / took * _NS_PER_S

        def checking() -> float:
            began = perf_counter_ns()
            reports = [verify(log) for log in session_logs(folder)]
            took = perf_counter_ns() - began
            assert all(report.ok for report in reports)
            return sizes.log_ticks / took * _NS_PER_S

        def framed_peer() -> float:
            began = perf_counter_ns()
            count = read_framed(framed)
            took = perf_counter_ns() - began
            assert count == sizes.msgpack_ticks
            return count / took * _NS_PER_S

        replayed, checked, decoded = interleave([ours, checking, framed_peer], sizes.rounds_long)
    peer = Beside("framed msgpack", median(decoded))
    return [
        Row(
            name="log replay, every effect compared",
            unit="ticks/s",
            ours=median(replayed),
            peer=peer,
            floor=Beside("verify alone", median(checked)),
            ratio=ratio_of(replayed, decoded),
            goal="≥ 10 M ticks/s",
            met=median(replayed) >= REPLAY_GOAL_PER_S,
            note=f"{effects} effects in {sizes.log_ticks} ticks; fastest round {max(replayed) / 1e6:.1f} M",
        ),
        Row(
            name="log verify, digests of seals included",
            unit="ticks/s",
            ours=median(checked),
            peer=peer,
            ratio=ratio_of(checked, decoded),
            goal="≥ 10 M ticks/s",
            met=median(checked) >= REPLAY_GOAL_PER_S,
        ),
    ]
