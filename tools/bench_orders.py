"""Rows with orders and fills: the whole bot over the stream, log off and on, beside peers that trade as well."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter_ns
from typing import Final

import msgspec
from tools.bench_harness import Beside, Row, Sizes, interleave, median, met_all, ratio_of
from tools.bench_kernel import fresh_kernel, run_through
from tools.bench_log import new_runner, record_run, temporary
from tools.bench_peers import Peer
from tools.bench_stream import OPEN_NS, PRICE_TICKS, ROOT, SEED, TickFeed, kernel_config, make_ticks

from trading_bot.adapters.files.tape_generator import write_tape
from trading_bot.core.machine import Machine
from trading_bot.core.run_logs import MemoryLogs, SessionLog
from trading_bot.core.session_book import SessionBook
from trading_bot.domain.instruments import instrument_by_symbol
from trading_bot.domain.records import FRAME_ALIGN
from trading_bot.domain.units import NS_PER_S

OFF_GOAL_PER_S: Final = 10e6
OFF_GOAL_RATIO: Final = 1.5
ON_GOAL_PER_S: Final = 6e6
BOT_GOAL_PER_S: Final = 1e6
BOT_GOAL_RATIO: Final = 5.0


class NoWriter:
    """Counts messages and keeps none."""

    seq = 0
    has_prepared = True

    def set_config_tag(self, tag: int) -> None:
        """Nothing is written, so nothing is marked."""

    def append_message(self, cls: int, ts_ns: int, instrument: int, cause_seq: int, payload: bytes) -> int:  # noqa: ARG002
        """Count it."""
        self.seq += 1
        return self.seq


class NoLog:
    """A log that keeps nothing."""

    space_ok = True
    is_short = False

    def __init__(self) -> None:
        """Empty, and it stays so."""
        self.writer = NoWriter()

    def append_message(self, cls: int, ts_ns: int, instrument: int, cause_seq: int, payload: bytes) -> int:
        """Count it."""
        return self.writer.append_message(cls, ts_ns, instrument, cause_seq, payload)

    def maintain(self) -> int:
        """Nothing to seal."""
        return 0

    def close(self) -> None:
        """Nothing to close."""


class NoLogs(MemoryLogs):
    """Logs that keep nothing."""

    def create(self, _trade_date: int) -> SessionLog:
        """A log that keeps nothing."""
        return NoLog()  # type: ignore[return-value]


class NoBook(SessionBook):
    """A machine without a log: its kernel writes no record. Messages are encoded as ever."""

    def open(self, machine: Machine, log: SessionLog) -> None:
        """From here on this machine runs, and nothing is kept."""
        machine.state.kernel.set_writer(None)
        machine.state.kernel.set_exchange(self._exchange)
        self.machine, self.log = machine, log


def unlogged_run(feed: TickFeed) -> None:
    """A finished OBSERVE run over the stream, filled by the simulator, nothing kept."""
    logs = NoLogs()
    runner = new_runner(feed, logs)
    runner.book = runner._care._book = NoBook(runner.documents, logs, runner.book._exchange)  # noqa: SLF001
    runner.run()
    if runner.exit_code != 0:
        raise RuntimeError(f"the run to measure ended with {runner.exit_reason}: {runner.message}")


class Measured(msgspec.Struct, frozen=True):
    """Events per second, a list of rounds each; a peer that was not there has None."""

    off: list[float]
    on: list[float]
    kernel: list[float]
    hft: list[float] | None
    nautilus: list[float] | None
    traded: str


def order_rows(sizes: Sizes, hft: Peer, nautilus: Peer) -> list[Row]:
    """Replay with decisions and fills, log off and on, and the same as the full bot."""
    found = _measured(sizes, hft, nautilus)
    floor = Beside("kernel alone", median(found.kernel))
    off, on = median(found.off), median(found.on)
    off_ratio = None if found.hft is None else ratio_of(found.off, found.hft)
    bot_ratio = None if found.nautilus is None else ratio_of(found.on, found.nautilus)
    ran, entered = nautilus.told.get("events", 0), nautilus.told.get("entries", 0)
    return [
        Row(
            name="replay with decisions and simulated fills, log off",
            unit="ticks/s",
            ours=off,
            peer=Beside("hftbacktest with orders", None if found.hft is None else median(found.hft)),
            floor=floor,
            ratio=off_ratio,
            goal="≥ 10 M ticks/s; ≥ 1.5 x peer",
            met=met_all(off >= OFF_GOAL_PER_S, None if off_ratio is None else off_ratio >= OFF_GOAL_RATIO),
            note=f"{found.traded}; the peer entered {hft.told.get('seen', 0):.0f} times {hft.absent}",
        ),
        Row(
            name="replay with decisions and simulated fills, log on",
            unit="ticks/s",
            ours=on,
            peer=Beside("log off", off),
            floor=floor,
            ratio=ratio_of(found.on, found.off),
            goal="≥ 6 M ticks/s",
            met=on >= ON_GOAL_PER_S,
            note=f"fastest round {max(found.on) / 1e6:.2f} M",
        ),
        Row(
            name="full bot orchestrated from Python, log on",
            unit="events/s",
            ours=on,
            peer=Beside("nautilus_trader with brackets", None if found.nautilus is None else median(found.nautilus)),
            floor=floor,
            ratio=bot_ratio,
            goal="≥ 1 M events/s; ≥ 5 x peer",
            met=met_all(on >= BOT_GOAL_PER_S, None if bot_ratio is None else bot_ratio >= BOT_GOAL_RATIO),
            note=f"the peer ran {ran:.0f} events and entered {entered:.0f} times {nautilus.absent}",
        ),
    ]


def _measured(sizes: Sizes, hft: Peer, nautilus: Peer) -> Measured:
    config = kernel_config()
    ticks = make_ticks(sizes.events)
    records = bytes(ticks)
    traded = ""

    def off() -> float:
        feed = TickFeed(ticks, sizes.events)
        unlogged_run(feed)
        return feed.events_per_s

    def on() -> float:
        nonlocal traded
        feed = TickFeed(ticks, sizes.events)
        with temporary() as folder:
            machine = record_run(folder, feed).machine
            assert machine is not None
            counted = machine.counters
        traded = f"{counted.messages} messages and {counted.orders_placed} entries in {sizes.events} events"
        return feed.events_per_s

    def kernel() -> float:
        cold = fresh_kernel(config)
        began = perf_counter_ns()
        run_through(cold, records)
        return sizes.events / (perf_counter_ns() - began) * NS_PER_S

    nautilus_ticks = records[: sizes.nautilus_events * FRAME_ALIGN]
    with hft.started(records) as hft_round, nautilus.started(nautilus_ticks) as nautilus_round:
        rounds = [_per_s(one_round) for one_round in (hft_round, nautilus_round) if one_round is not None]
        found = interleave([off, on, kernel, *rounds], sizes.rounds_long)
    peers = iter(found[3:])
    return Measured(
        off=found[0],
        on=found[1],
        kernel=found[2],
        hft=None if hft_round is None else next(peers),
        nautilus=None if nautilus_round is None else next(peers),
        traded=traded,
    )


def _per_s(one_round: Callable[[], float]) -> Callable[[], float]:
    return lambda: NS_PER_S / one_round()


def collection_rows(sizes: Sizes) -> list[Row]:
    """Garbage collections between the opening of a session's log and its last record."""
    with temporary() as folder:
        tape = folder / "tape.csv.gz"
        instrument = instrument_by_symbol("MES")
        write_tape(
            tape,
            seed=SEED,
            minutes=sizes.tape_minutes,
            start_ns=OPEN_NS,
            instrument=instrument,
            price_ticks=PRICE_TICKS,
        )
        quiet = _collections("quiet", tape, folder / "quiet")
        default = _collections("default", tape, folder / "default")
    total = float(sum(default))
    return [
        Row(
            name="garbage collections in a session",
            unit="collections",
            ours=float(sum(quiet)),
            floor=Beside("the interpreter's own policy", total),
            ratio=sum(quiet) / total if total else None,
            goal="0",
            met=sum(quiet) == 0,
            note=f"of generation 0, 1, 2: {quiet}, without the policy {default}",
        )
    ]


def _collections(policy: str, tape: Path, data_dir: Path) -> list[int]:
    script = Path(__file__).with_name("bench_session.py")
    arguments = ["--mode", "OBSERVE", "--adapter", "files", "--instrument", "MES", "--json"]
    command = [sys.executable, script, policy, *arguments, "--input", tape, "--data-dir", data_dir]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode != 0:
        raise RuntimeError(f"{script.name} ended with {done.returncode}: {done.stderr}")
    counts: list[int] = json.loads(done.stderr.rsplit("\n", 1)[1])
    return counts
