"""Rows of the whole bot: orchestrated from Python, from files, from a cold start, and its memory."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter_ns
from typing import Any, Final

from tools.bench_harness import WITHOUT_PEER, Beside, Row, Sizes, interleave, median, met_all, ratio_of
from tools.bench_log import temporary
from tools.bench_peers import peer_python
from tools.bench_stream import OPEN_NS, PRICE_TICKS, ROOT, SEED

from trading_bot.adapters.files import open_files
from trading_bot.adapters.files.tape_generator import write_tape
from trading_bot.domain.instruments import instrument_by_symbol
from trading_bot.domain.records import FRAME_ALIGN
from trading_bot.domain.units import NS_PER_MS, NS_PER_S

COLD_GOAL_MS: Final = 250.0
COLD_GOAL_RATIO: Final = 0.25
MEMORY_GOAL_MB: Final = 100.0
FLAT_GOAL_MB: Final = 1.0
_MILLION: Final = 1e6
_BYTECODE: Final = ROOT / "build" / "bench-bytecode"
_TINY_MINUTES: Final = 1
ARGUMENTS: Final = ("--mode", "OBSERVE", "--adapter", "files", "--instrument", "MES", "--json")
COMMAND: Final = (sys.executable, "-m", "trading_bot.cli", *ARGUMENTS)
HEAVY: Final = ("numpy", "pandas")
# The command line as it is, ended at the first result that is a decision.
_FIRST_DECISION: Final = """
import os, sys
from trading_bot.cli import main
from trading_bot.core import outgoing
from trading_bot.domain.events import DecisionMade

def carry_out(results, *arguments, inner=outgoing.carry_out, **named):
    failed = inner(results, *arguments, **named)
    if any(isinstance(result, DecisionMade) for result in results):
        os._exit(0)
    return failed

outgoing.carry_out = carry_out
sys.exit(main(sys.argv[1:]) or "the run ended without a decision")
"""
_NAUTILUS_START: Final = (
    "from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig;"
    "from nautilus_trader.config import LoggingConfig;"
    "BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True)))"
)


def bot_rows(sizes: Sizes) -> list[Row]:
    """Events per second through runner, gates and log from a compressed CSV file."""
    return [_from_files(sizes)]


def _from_files(sizes: Sizes) -> Row:
    instrument = instrument_by_symbol("MES")
    with temporary() as folder:
        tape = folder / "tape.csv.gz"
        write_tape(
            tape,
            seed=SEED,
            minutes=sizes.tape_minutes,
            start_ns=OPEN_NS,
            instrument=instrument,
            price_ticks=PRICE_TICKS,
        )
        counts: list[int] = []

        def ours() -> float:
            data = folder / f"data-{len(counts)}"
            summary = json.loads(_process_ms([*COMMAND, "--input", str(tape), "--data-dir", str(data)])[1])
            counts.append(summary["quotes"] + summary["trades"])
            return float(counts[-1] / summary["wall_s"])

        def floor() -> float:
            feed = open_files([tape], instrument)
            count = 0
            began = perf_counter_ns()
            while (batch := feed.read()) is not None:
                count += len(batch) // FRAME_ALIGN
            return count / (perf_counter_ns() - began) * NS_PER_S

        found, decoded = interleave([ours, floor], sizes.rounds_long)
    return Row(
        name="full bot from a gzip CSV to a sealed log",
        unit="events/s",
        ours=median(found),
        floor=Beside("decoding alone", median(decoded)),
        ratio=ratio_of(found, decoded),
        note=f"{counts[-1]} events a run; wall_s of the summary, making and sealing the log included",
    )


def cold_rows(sizes: Sizes) -> list[Row]:
    """A fresh process from nothing to its first decision, and to its summary with the log sealed."""
    nautilus = peer_python("nautilus_trader") if sizes.peers else None
    with temporary() as folder:
        tape = folder / "tape.csv"
        instrument = instrument_by_symbol("MES")
        write_tape(
            tape, seed=7, minutes=_TINY_MINUTES, start_ns=OPEN_NS, instrument=instrument, price_ticks=PRICE_TICKS
        )
        used = itertools.count()

        def command(*start: str) -> list[str]:
            return [*start, *ARGUMENTS, "--input", str(tape), "--data-dir", str(folder / f"data-{next(used)}")]

        sides = [
            lambda: _process_ms(command(sys.executable, "-c", _FIRST_DECISION))[0],
            lambda: _process_ms(command(sys.executable, "-m", "trading_bot.cli"))[0],
            lambda: _process_ms([sys.executable, "-c", "pass"])[0],
        ]
        if nautilus is not None:
            sides.append(lambda: _process_ms([nautilus, "-c", _NAUTILUS_START])[0])
        found = interleave(sides, sizes.rounds_long)
        loaded = modules_of_a_run(tape, folder / "data-modules", HEAVY)
    first, whole, bare = found[:3]
    ratio = ratio_of(first, found[3]) if nautilus is not None else None
    floor = Beside("python -c pass", median(bare))
    modules = ", ".join(loaded) or "neither numpy nor pandas"
    absent = "" if nautilus is not None else f"; nautilus_trader {WITHOUT_PEER}"
    return [
        Row(
            name="cold start to the first decision",
            unit="ms",
            ours=median(first),
            peer=Beside("nautilus_trader engine", median(found[3]) if nautilus is not None else None),
            floor=floor,
            ratio=ratio,
            goal="≤ 250 ms; ≤ 0.25 x peer; no numpy, no pandas",
            met=met_all(median(first) <= COLD_GOAL_MS, None if ratio is None else ratio <= COLD_GOAL_RATIO, not loaded),
            note=f"fastest {min(first):.0f} ms, bare Python {min(bare):.0f} ms; the run loads {modules}{absent}",
        ),
        Row(
            name="a whole run over one minute, cold",
            unit="ms",
            ours=median(whole),
            floor=floor,
            ratio=ratio_of(whole, bare),
            note="the log sealed and synced, the summary printed",
        ),
    ]


def _process_ms(command: list[str]) -> tuple[float, bytes]:
    """Wall time of a process and its output. Bytecode is kept between rounds, in a folder of the bench's own."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(_BYTECODE)
    began = perf_counter_ns()
    done = subprocess.run(command, capture_output=True, check=False, cwd=ROOT, env=environment)
    took = (perf_counter_ns() - began) / NS_PER_MS
    if done.returncode != 0:
        raise RuntimeError(f"{command} ended with {done.returncode}: {done.stderr.decode()}")
    return took, done.stdout


def modules_of_a_run(tape: Path, data_dir: Path, names: tuple[str, ...]) -> list[str]:
    """Which of the modules `names` the command line has loaded when a run over `tape` ends."""
    code = (
        "import sys; from trading_bot.cli import main; code = main(sys.argv[2:]);"
        "sys.stderr.write('\\n' + ' '.join(n for n in sys.argv[1].split() if n in sys.modules)); sys.exit(code)"
    )
    arguments = [*ARGUMENTS, "--input", str(tape), "--data-dir", str(data_dir)]
    command = [sys.executable, "-c", code, " ".join(names), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode != 0:
        raise RuntimeError(f"the run ended with {done.returncode}: {done.stderr}")
    return done.stderr.rsplit("\n", 1)[1].split()


def memory_rows(sizes: Sizes) -> list[Row]:
    """Growth of resident memory over a long run with the log on, in a process of its own."""
    script = Path(__file__).with_name("bench_memory.py")
    done = subprocess.run(
        [sys.executable, script, str(sizes.memory_piece), str(sizes.memory_ticks)], capture_output=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{script.name} ended with {done.returncode}: {done.stderr.decode()}")
    seen: dict[str, Any] = json.loads(done.stdout)
    log_mb = FRAME_ALIGN * _MILLION / 1e6
    grown = (seen["peak_mb"] - seen["before_mb"]) / (sizes.memory_ticks / _MILLION)
    flat = (seen["last_mb"] - seen["third_mb"]) / (sizes.memory_ticks * 2 / 3 / _MILLION)
    floor = Beside("the log's bytes", log_mb)
    return [
        Row(
            name="memory per million ticks, log on",
            unit="MB",
            ours=grown,
            floor=floor,
            ratio=grown / log_mb,
            goal="≤ 100 MB; flat (≤ 1 MB of private memory later)",
            met=grown <= MEMORY_GOAL_MB and flat <= FLAT_GOAL_MB,
            note=f"resident {seen['before_mb']:.0f} to {seen['peak_mb']:.0f} MB; log segments are mapped files",
        ),
        Row(
            name="memory per million ticks, private, later part",
            unit="MB",
            ours=flat,
            floor=floor,
            ratio=flat / log_mb,
        ),
    ]
