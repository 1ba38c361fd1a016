"""The whole bot on the wire: the command line in PAPER against `gateway-sim`, with a relay between that has a clock.

What is inside the figure: the relay's send, the bot's socket, its decoder, kernel, core, every gate, the log, the
bracket's three messages in one write, the relay's receive. The strategy enters whenever it may and leaves after
seconds: an order every moment is what is wanted, not a good one.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
from tools.bench_harness import Beside, Row, Sizes, interleave, median, percentile
from tools.bench_log import temporary
from tools.bench_wire_processes import TOOLS, Wire, library_python

from trading_bot.chaos.bots import environment
from trading_bot.chaos.log_facts import log_folders
from trading_bot.core.log_reader import LogReader
from trading_bot.core.log_walk import MessageFrame
from trading_bot.domain import log_records
from trading_bot.domain.latency_events import OrderTimed
from trading_bot.domain.orders import Leg

APART_US: Final = 5_000  # between two packets of ticks
SPEED: Final = 10
_END_S: Final = 60
_ACCOUNT: Final = "DUSIM1"
_LIBRARY: Final = "ib_insync"
_STAGES: Final = ("decode", "decide", "gate", "write", "tick_to_write")
_MAIN: Final = (sys.executable, "-m", "trading_bot.cli")
_TEMPLATE: Final = """schema = 1
[template.W1]
on = true
title = "Bench: enters whenever it may"
cadence = "tick"
entry = "marketable"
target_ticks = 30
stop_ticks = 6
hold_s = 2
smoothing_s = 1
gain = 20.0
belief_enter = 0.60
belief_hold = 0.01
rearm_s = 0.1
weights = { queue_imbalance = 1.0 }
triggers = [{ signal = "spread_ticks", min = 1.0, max = 2.0 }]
"""


class Brackets(msgspec.Struct, frozen=True):
    """Nanoseconds of each bracket, and how many packets with ticks there were.

    `stages` are the bot's own stamps of its entries on ticks, by the names of `OrderTimed`.
    """

    ns: list[int]
    mixed: list[int]
    ticks: int
    stages: dict[str, list[int]] = {}


@contextmanager
def started(*command: str, **more: Any) -> Iterator["subprocess.Popen[str]"]:
    """A process with pipes, ended with this."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **more)
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=_END_S)


def port_of(process: "subprocess.Popen[str]") -> int:
    """The port in the first line it prints."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"{process.args!r} ended: its message stands above")
    return int(json.loads(line)["port"])


def bracket_times(seconds: float, *, fast: bool = True) -> Brackets:
    """How long brackets took, as often as it happened in so many seconds of the wall."""
    with temporary() as folder:
        return _bracket_times(folder, seconds, {"machine.fast_path": fast})


def _bracket_times(folder: Path, seconds: float, config: dict[str, Any]) -> Brackets:
    strategies = folder / "strategies.toml"
    strategies.write_text(_TEMPLATE, encoding="utf-8")
    gateway = ("gateway-sim", "--port", "0", "--seed", "7", "--start", "2026-11-25T14:35:00Z", "--speed", str(SPEED))
    told = ("--account", _ACCOUNT, "--data-dir", str(folder / "gateway"), "--json")
    env = environment(config)
    with (
        (folder / "gateway.log").open("w") as log,
        started(*_MAIN, *gateway, *told, env=env, stderr=log) as gate,
        started(sys.executable, str(TOOLS / "bench_wire_relay.py"), str(port_of(gate)), str(APART_US)) as relay,
    ):
        arguments = ("--mode", "PAPER", "--adapter", "ibkr", "--port", str(port_of(relay)), "--account", _ACCOUNT)
        market = ("--clock", "feed", "--speed", str(SPEED), "--duration", f"{seconds:g}")
        files = ("--strategies", str(strategies), "--data-dir", str(folder / "bot"), "--json")
        done = subprocess.run(
            (*_MAIN, *arguments, *market, *files), env=env, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(
                f"the bot to measure ended with {done.returncode}: {(done.stdout + done.stderr)[-2_000:]}"
            )
        assert relay.stdout is not None
        found = msgspec.json.decode(relay.stdout.readline(), type=Brackets)
    return msgspec.structs.replace(found, stages=stages_of(folder / "bot"))


def stages_of(data_dir: Path) -> dict[str, list[int]]:
    """Nanoseconds of each entry that a tick led to, stage by stage, as the bot's log has them."""
    found: dict[str, list[int]] = {stage: [] for stage in _STAGES}
    for log in log_folders(data_dir):
        with LogReader(log) as reader:
            for item in reader.spans():
                record = log_records.decode(item.payload) if isinstance(item, MessageFrame) else None
                if isinstance(record, OrderTimed) and record.leg is Leg.ENTRY and record.tick_to_write_ns is not None:
                    for stage in _STAGES:  # on the ordinary way the kernel's own time is not known
                        took_ns = getattr(record, f"{stage}_ns")
                        if took_ns is not None:
                            found[stage].append(took_ns)
    return found


def live_rows(sizes: Sizes) -> list[Row]:
    """The whole bot, beside a library that places three orders and canned bytes, at the same distance of ticks."""
    found: list[Brackets] = []

    def bot() -> list[int]:
        found.append(bracket_times(sizes.live_s))
        return found[-1].ns

    with Wire() as wire:
        bare = wire.client("bench_wire_bare.py", "PORT", "uvloop", "3")
        python = library_python(_LIBRARY) if sizes.peers else None
        lines = [bare] if python is None else [bare, _stock(wire, python)]
        sides = [_turns(wire, line, sizes) for line in lines]
        ours, *others = interleave([bot, *sides], sizes.rounds_live, warm_up=0)
    rounds = [waits for waits in ours if waits]
    if not rounds:
        raise RuntimeError("the bot to measure placed no bracket on a tick")
    p50 = [percentile(waits, 0.5) / 1e3 for waits in rounds]
    beside = [[percentile(waits, 0.5) / 1e3 for waits in side] for side in others]
    mixed = [wait for one in found for wait in one.mixed]
    inside = {stage: [ns / 1e3 for one in found for ns in one.stages[stage]] for stage in _STAGES}
    told = ", ".join(f"{stage} {median(us):.1f}" for stage, us in inside.items() if us)
    count = sum(map(len, rounds))
    return [
        Row(
            name=f"wire to wire, the whole bot to a bracket, ticks {APART_US // 1_000} ms apart, p50",
            unit="µs",
            ours=median(p50),
            peer=Beside(f"{_LIBRARY} placing three orders", None if python is None else median(beside[1])),
            floor=Beside("bare protocol, same loop", median(beside[0])),
            ratio=median(p50) / median(beside[1] if python is not None else beside[0]),
            note=f"{count} brackets that answer ticks alone, slowest {max(map(max, rounds)) / 1e3:.0f} µs; "
            f"{len(mixed)} that answer ticks among other messages, p50 {median(mixed) / 1e3 if mixed else 0:.0f} µs; "
            f"by the bot's own stamps, p50, µs: {told or 'none'}",
        )
    ]


def _stock(wire: Wire, python: str) -> int:
    return wire.client("bench_wire_stock.py", _LIBRARY, "PORT", "uvloop", "3", python=python)


def _turns(wire: Wire, line: int, sizes: Sizes) -> Callable[[], list[int]]:
    return lambda: wire.turns(line, count=sizes.live_turns, pause_us=APART_US, orders=3)
