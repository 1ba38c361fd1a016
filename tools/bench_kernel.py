"""Rows of the kernel: tick to decision in batch, log off and on, and one call at a time."""

import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter_ns

from tools.bench_harness import Beside, Row, Sizes, interleave, median, met_all, percentile, ratio_of
from tools.bench_peers import Peer
from tools.bench_stream import kernel_config, make_ticks, open_mask, quotes_of

from tests.reference.ref_kernel import RefHotPath
from trading_bot._fast import HotPath
from trading_bot._fast.logscan import scan_ticks
from trading_bot.core.event_log import EventLog
from trading_bot.core.log_segments import RECORDS_START_BYTES
from trading_bot.domain.kernel import KernelConfig, Outcome
from trading_bot.domain.records import FRAME_ALIGN

BATCH_GOAL_NS = 60.0
BATCH_GOAL_RATIO = 0.6
REFERENCE_GOAL_RATIO = 1 / 40
CALL_GOAL_NS = 150.0
CALL_GOAL_RATIO = 1 / 15
_SPARE_BYTES = 1 << 20
_PAGE_BYTES = 4096


def fresh_kernel(config: KernelConfig, log: EventLog | None = None) -> HotPath:
    """A cold kernel with every template open for entries."""
    kernel = HotPath(config, None if log is None else log.writer)
    kernel.set_entry_mask(open_mask(config))
    return kernel


def run_through(kernel: HotPath | RefHotPath, ticks: bytes) -> int:
    """Every record through `run`, resumed after each outcome, its candidates read. Returns the number of outcomes."""
    at = outcomes = 0
    while True:
        at, code = kernel.run(ticks, at, 2**63 - 1)
        if not code:
            return outcomes
        if code & Outcome.LOG_FULL:
            raise RuntimeError(f"the bench's log is too small: full at record {at}")
        outcomes += 1
        if code & Outcome.CANDIDATE:
            kernel.candidates()


def log_for(folder: Path, ticks: int) -> EventLog:
    """A log whose first segment holds `ticks` records."""
    room = ticks * FRAME_ALIGN * 4 // 3 + _SPARE_BYTES
    return EventLog.create(folder, b"bench", room // _PAGE_BYTES * _PAGE_BYTES)


def logged_records(ticks: bytes) -> bytes:
    """The records as a log holds them, numbered and with their checksums."""
    folder = Path(tempfile.mkdtemp(prefix="tb-bench-"))
    try:
        log = log_for(folder, len(ticks) // FRAME_ALIGN)
        log.writer.append_ticks(ticks)
        log.close()
        held = (folder / "seg-000001.tbl").read_bytes()
    finally:
        shutil.rmtree(folder)
    return held[RECORDS_START_BYTES : RECORDS_START_BYTES + len(ticks)]


def _timed_run(kernel: HotPath | RefHotPath, ticks: bytes) -> float:
    """Mean ns per event of a whole run."""
    began = perf_counter_ns()
    run_through(kernel, ticks)
    return (perf_counter_ns() - began) / (len(ticks) // FRAME_ALIGN)


def _logged_run(config: KernelConfig, ticks: bytes) -> float:
    """The same with every record appended to a log on disk; making the log and removing it is not counted."""
    folder = Path(tempfile.mkdtemp(prefix="tb-bench-"))
    log = log_for(folder, len(ticks) // FRAME_ALIGN)
    took = _timed_run(fresh_kernel(config, log), ticks)
    log.abandon()
    shutil.rmtree(folder)
    return took


def _timed_scan(sealed: bytes) -> float:
    """Mean ns per record of reading every byte and checking the checksum, in C."""
    count = len(sealed) // FRAME_ALIGN
    began = perf_counter_ns()
    found = scan_ticks(sealed, 0, 1, count)
    took = perf_counter_ns() - began
    if found != count:
        raise RuntimeError(f"{found} of {count} records have a right checksum")
    return took / count


def batch_rows(sizes: Sizes, hft: Peer) -> list[Row]:
    """Tick to decision in batch: log off beside hftbacktest, beside the reference in plain Python, then log on."""
    config = kernel_config()
    ticks = bytes(make_ticks(sizes.events))
    sealed = logged_records(ticks)
    sides: list[Callable[[], float]] = [
        lambda: _timed_run(fresh_kernel(config), ticks),
        lambda: _logged_run(config, ticks),
        lambda: _timed_scan(sealed),
    ]
    with hft.started(ticks) as hft_round:
        found = interleave(sides if hft_round is None else [*sides, hft_round], sizes.rounds)
    off, on, scan = found[:3]
    ratio = ratio_of(off, found[3]) if hft_round is not None else None
    outcomes = run_through(fresh_kernel(config), ticks)
    scanned = Beside("checksum scan", median(scan))
    return [
        Row(
            name="tick to decision, batch, log off",
            unit="ns/event",
            ours=median(off),
            peer=Beside("hftbacktest no-op", median(found[3]) if hft_round is not None else None),
            floor=scanned,
            ratio=ratio,
            goal="≤ 60 ns; ≤ 0.6 x peer",
            met=met_all(median(off) <= BATCH_GOAL_NS, None if ratio is None else ratio <= BATCH_GOAL_RATIO),
            note=f"{outcomes} outcomes in {sizes.events} events; fastest round {min(off):.0f} ns {hft.absent}",
        ),
        Row(
            name="tick to decision, batch, log on",
            unit="ns/event",
            ours=median(on),
            peer=Beside("log off", median(off)),
            floor=scanned,
            ratio=ratio_of(on, off),
            note=f"fastest round {min(on):.0f} ns",
        ),
        _reference_row(config, ticks[: sizes.oracle_events * FRAME_ALIGN], sizes.rounds_long),
    ]


def _reference_row(config: KernelConfig, ticks: bytes, rounds: int) -> Row:
    """The first events of the stream: the reference in plain Python is too slow for all of it."""

    def reference() -> float:
        oracle = RefHotPath(config)
        oracle.set_entry_mask(open_mask(config))
        return _timed_run(oracle, ticks)

    found, oracle_ns = interleave([lambda: _timed_run(fresh_kernel(config), ticks), reference], rounds)
    ratio = ratio_of(found, oracle_ns)
    return Row(
        name="tick to decision, batch, first events",
        unit="ns/event",
        ours=median(found),
        peer=Beside("plain Python", median(oracle_ns)),
        ratio=ratio,
        goal="≤ 1/40 x peer",
        met=ratio <= REFERENCE_GOAL_RATIO,
        note=f"{len(ticks) // FRAME_ALIGN} events; the peer is the tests' oracle, not written for speed",
    )


def nothing(ts_ns: int, bid_ticks: int, bid_qty: int, ask_ticks: int, ask_qty: int) -> int:  # noqa: ARG001
    """A call that does nothing."""
    return 0


Quotes = list[tuple[int, int, int, int, int]]
Call = Callable[[int, int, int, int, int], int]


def _loop(call: Call, quotes: Quotes) -> float:
    """Mean ns of one call, the loop and the unpacking of five numbers included; a pending quote is called again."""
    pending = int(Outcome.PENDING)
    began = perf_counter_ns()
    for ts_ns, bid, bid_qty, ask, ask_qty in quotes:
        code = call(ts_ns, bid, bid_qty, ask, ask_qty)
        while code & pending:
            code = call(ts_ns, bid, bid_qty, ask, ask_qty)
    return (perf_counter_ns() - began) / len(quotes)


def _timed_loop(call: Call, quotes: Quotes, samples: list[int]) -> None:
    """Nanoseconds of every single call, the timer's own cost included."""
    clock = perf_counter_ns
    pending = int(Outcome.PENDING)
    for ts_ns, bid, bid_qty, ask, ask_qty in quotes:
        before = clock()
        code = call(ts_ns, bid, bid_qty, ask, ask_qty)
        after = clock()
        samples.append(after - before)
        while code & pending:
            code = call(ts_ns, bid, bid_qty, ask, ask_qty)


def call_rows(sizes: Sizes, nautilus: Peer) -> list[Row]:
    """Tick to decision one call at a time: quotes of the stream in a Python loop."""
    config = kernel_config()
    ticks = bytes(make_ticks(sizes.calls * 6 // 5))
    quotes: Quotes = list(quotes_of(ticks))

    def ours() -> float:
        return _loop(fresh_kernel(config).on_quote, quotes)

    def floor() -> float:
        return _loop(nothing, quotes)

    sides: list[Callable[[], float]] = [ours, floor]
    with nautilus.started(ticks) as peer_round:
        found = interleave(sides if peer_round is None else [*sides, peer_round], sizes.rounds)
    call, empty = found[0], found[1]
    ratio = ratio_of(call, found[2]) if peer_round is not None else None
    return [
        Row(
            name="tick to decision, one call",
            unit="ns/call",
            ours=median(call),
            peer=Beside("nautilus_trader", median(found[2]) if peer_round is not None else None),
            floor=Beside("empty call", median(empty)),
            ratio=ratio,
            goal="≤ 150 ns; ≤ 1/15 x peer",
            met=met_all(median(call) <= CALL_GOAL_NS, None if ratio is None else ratio <= CALL_GOAL_RATIO),
            note=f"{ratio_of(call, empty):.2f} x the floor; fastest round {min(call):.0f} ns {nautilus.absent}",
        ),
        *_call_percentiles(config, quotes, sizes.rounds),
    ]


def _call_percentiles(config: KernelConfig, quotes: Quotes, rounds: int) -> list[Row]:
    def ours() -> list[int]:
        samples: list[int] = []
        _timed_loop(fresh_kernel(config).on_quote, quotes, samples)
        return samples

    def floor() -> list[int]:
        samples: list[int] = []
        _timed_loop(nothing, quotes, samples)
        return samples

    calls, empties = interleave([ours, floor], min(rounds, 10))
    return percentile_rows("tick to decision, one call, timer included", calls, empties)


def percentile_rows(
    name: str, ours: list[list[int]], floors: list[list[int]], goals: Mapping[str, float] | None = None
) -> list[Row]:
    """p50, p99 and p99.9 of single calls beside the same percentile of the floor: medians of the rounds' values.

    `goals`: the largest ratio to the floor, by percentile.
    """
    rows = []
    for label, share in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)):
        a = [percentile(samples, share) for samples in ours]
        b = [percentile(samples, share) for samples in floors]
        ratio = ratio_of(a, b)
        most = (goals or {}).get(label)
        rows.append(
            Row(
                name=f"{name}, {label}",
                unit="ns",
                ours=median(a),
                floor=Beside("empty call", median(b)),
                ratio=ratio,
                goal=None if most is None else f"≤ {most:g} x floor",
                met=None if most is None else ratio <= most,
            )
        )
    return rows
