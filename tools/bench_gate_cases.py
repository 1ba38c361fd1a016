"""What the gate of `.ci/run` measures: each case a stretch of work that is the same every time, and a floor beside it.

Run as a child under callgrind (`bench_gate_cases.py MARKS`) it counts the instructions of each case. MARKS is the
library with callgrind's marks that bench_instructions.py builds.
"""

import ctypes
import gc
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import msgspec
from tools.bench_kernel import fresh_kernel, logged_records, nothing, run_through
from tools.bench_log import BUILD, record_run
from tools.bench_log import nothing as nothing_of_record
from tools.bench_stream import TickFeed, kernel_config, make_ticks, quotes_of

from trading_bot._fast.logscan import scan_ticks
from trading_bot.core.event_log import EventLog
from trading_bot.core.replay import replay
from trading_bot.domain.kernel import Outcome
from trading_bot.domain.records import FRAME_ALIGN

EVENTS: Final = 24_000
CALLS: Final = 6_000
_SEGMENT_BYTES: Final = 16 * 1024 * 1024


class Case(msgspec.Struct, frozen=True):
    """`prepare` makes one round ready and returns it; a round does `count` pieces of work. `floor` is to time it by."""

    name: str
    count: int
    prepare: Callable[[], Callable[[], object]]
    floor: Callable[[], object]


@contextmanager
def cases() -> Iterator[list[Case]]:
    """Every case; what they need on disk is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="tb-gate-"))
    try:
        yield [_batch(), _call(), _append(folder / "append"), _replay(folder / "replay")]
    finally:
        shutil.rmtree(folder)


def _batch() -> Case:
    config, ticks = kernel_config(), bytes(make_ticks(EVENTS))
    sealed = logged_records(ticks)

    def prepare() -> Callable[[], object]:
        kernel = fresh_kernel(config)
        return lambda: run_through(kernel, ticks)

    return Case("kernel batch", EVENTS, prepare, lambda: scan_ticks(sealed, 0, 1, EVENTS))


def _call() -> Case:
    config, quotes = kernel_config(), list(quotes_of(make_ticks(CALLS)))
    pending = int(Outcome.PENDING)

    def loop(call: Callable[[int, int, int, int, int], int]) -> None:
        for quote in quotes:
            code = call(*quote)
            while code & pending:
                code = call(*quote)

    def prepare() -> Callable[[], object]:
        kernel = fresh_kernel(config)
        return lambda: loop(kernel.on_quote)

    return Case("one call", len(quotes), prepare, lambda: loop(nothing))


def _append(folder: Path) -> Case:
    ticks = bytes(make_ticks(CALLS))
    records = [ticks[at : at + FRAME_ALIGN] for at in range(0, len(ticks), FRAME_ALIGN)]
    log = EventLog.create(folder, b"gate", _SEGMENT_BYTES)

    def loop(append: Callable[[bytes], int]) -> None:
        for record in records:
            append(record)

    return Case("log append", CALLS, lambda: lambda: loop(log.writer.append_record), lambda: loop(nothing_of_record))


def _replay(folder: Path) -> Case:
    record_run(folder, TickFeed(make_ticks(EVENTS), EVENTS))

    def once() -> None:
        report = replay(folder, build=BUILD)
        assert report.ok, report.reason
        assert report.ticks == EVENTS

    return Case("log replay", EVENTS, lambda: once, lambda: sum(at % 7 for at in range(100_000)))


def main() -> None:
    """Every case once to warm up, once more between two marks."""
    marks = ctypes.CDLL(sys.argv[1])
    with cases() as found:
        for case in found:
            case.prepare()()
            one_round = case.prepare()
            gc.collect()
            gc.disable()
            marks.tb_begin()
            one_round()
            marks.tb_end(case.name.encode())
            gc.enable()


if __name__ == "__main__":
    main()
