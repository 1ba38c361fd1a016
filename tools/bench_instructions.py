"""The gate of `.ci/run`: instructions of four stretches of work, counted by callgrind and held to a stored baseline.

    bench_instructions.py            count, print, exit 1 when a count is more than the tolerance above the baseline
    bench_instructions.py --renew    write benchmarks/instructions.json anew (make bench-gate RENEW=1)

Counts do not depend on how busy the machine is: the real interpreter runs with PYTHONHASHSEED=0 and without address
randomisation (setarch -R), each case is warmed up first. A baseline is of one interpreter and compiler; with others, or
where valgrind is not there, times of single cases beside a floor of the same process are held to the baseline's, with a
wider tolerance.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter_ns
from typing import Final

import msgspec

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

BASELINE: Final = ROOT / "benchmarks" / "instructions.json"
TOLERANCE: Final = 0.05
TOLERANCE_RATIOS: Final = 1.0
ROUNDS: Final = 30
_TIMEOUT_S: Final = 150
_MARKS: Final = """
#include <valgrind/callgrind.h>
void tb_begin(void) { CALLGRIND_START_INSTRUMENTATION; CALLGRIND_ZERO_STATS; }
void tb_end(const char *name) { CALLGRIND_DUMP_STATS_AT(name); CALLGRIND_STOP_INSTRUMENTATION; }
"""


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """What is allowed: instructions, and time beside the floor, of one piece of work of each case."""

    toolchain: str
    instructions: dict[str, float]
    ratios: dict[str, float]


class NotCounted(Exception):
    """Instructions cannot be counted here; the text says why."""


def toolchain() -> str:
    """Interpreter, compiler and processor type: what counts of instructions depend on besides the code."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    version = ""
    if compiler is not None:
        version = subprocess.run([compiler, "-dumpfullversion"], capture_output=True, text=True, check=False).stdout
    return f"CPython {platform.python_version()}, cc {version.strip() or 'unknown'}, {platform.machine()}"


def counted() -> dict[str, float]:
    """Instructions of one piece of work of each case.

    Raises:
        NotCounted: no valgrind, no compiler, or callgrind failed.
    """
    missing = [name for name in ("valgrind", "setarch", "cc") if shutil.which(name) is None]
    if missing:
        raise NotCounted(f"{', '.join(missing)} not installed")
    with tempfile.TemporaryDirectory(prefix="tb-gate-") as name:
        folder = Path(name)
        marks = folder / "marks.so"
        command = ["cc", "-shared", "-fPIC", "-O1", "-x", "c", "-", "-o", str(marks)]
        built = subprocess.run(command, input=_MARKS, capture_output=True, text=True, check=False)
        if built.returncode != 0:
            raise NotCounted(f"callgrind's header does not compile: {built.stderr.strip().splitlines()[0]}")
        _run_callgrind(folder, marks)
        return _read(folder)


def _run_callgrind(folder: Path, marks: Path) -> None:
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    valgrind = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={folder}/out"]
    child = [sys.executable, str(ROOT / "tools" / "bench_gate_cases.py"), str(marks)]
    command = ["setarch", platform.machine(), "-R", *valgrind, *child]
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, cwd=ROOT, timeout=_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        raise NotCounted(f"callgrind took longer than {_TIMEOUT_S} s") from None
    if done.returncode != 0:
        raise NotCounted(f"the counting process ended with {done.returncode}: {done.stderr[-600:]}")


def _read(folder: Path) -> dict[str, float]:
    """The counts out of callgrind's files, one per case: its name stands in `Client Request`, the count in `totals`."""
    from tools.bench_gate_cases import CALLS, EVENTS

    counts = {"kernel batch": EVENTS, "one call": CALLS * 5 // 6, "log append": CALLS, "log replay": EVENTS}
    found: dict[str, float] = {}
    for path in sorted(folder.glob("out*")):
        fields = dict(
            line.split(": ", 1)
            for line in path.read_text(encoding="utf-8").splitlines()
            if line.startswith(("desc: Trigger: ", "totals: "))
        )
        name = fields.get("desc", "").removeprefix("Trigger: Client Request: ")
        if name in counts:
            found[name] = int(fields["totals"]) / counts[name]
    if set(found) != set(counts):
        raise NotCounted(f"callgrind wrote counts of {sorted(found)}, expected {sorted(counts)}")
    return found


def timed() -> dict[str, float]:
    """The fastest round of each case over the fastest of its floor, in turns."""
    from tools.bench_gate_cases import cases
    from tools.bench_harness import quiet_gc

    ratios = {}
    with cases() as found:
        for case in found:
            ours, floors = [], []
            for _ in range(ROUNDS):
                one_round = case.prepare()
                with quiet_gc():
                    ours.append(_elapsed(one_round))
                    floors.append(_elapsed(case.floor))
            ratios[case.name] = min(ours) / min(floors)
    return ratios


def _elapsed(work: object) -> int:
    assert callable(work)
    began = perf_counter_ns()
    work()
    return perf_counter_ns() - began


def judge(found: dict[str, float], allowed: dict[str, float], tolerance: float, unit: str) -> list[str]:
    """Print a line per case; the names of those above the baseline by more than the tolerance, or without one."""
    failed = []
    for name, value in found.items():
        base = allowed.get(name)
        if base is None:
            verdict = "not in the baseline"
        elif value > base * (1 + tolerance):
            verdict = f"WORSE than {1 + tolerance:.0%} of the baseline"
        else:
            verdict = "ok" if value > base * (1 - tolerance) else "ok, much better: renew the baseline"
        change = "" if base is None else f"{value / base - 1:+8.2%}"
        print(f"{name:14} {value:12.2f} {unit:18} baseline {base or 0:12.2f} {change}  {verdict}")
        if not verdict.startswith("ok"):
            failed.append(name)
    return failed


def main() -> int:
    """Count or time, and judge; 1 when something got worse."""
    parser = argparse.ArgumentParser(description="Hold instruction counts to the stored baseline.")
    parser.add_argument("--renew", action="store_true", help="write the baseline anew instead of judging by it")
    asked = parser.parse_args()
    if asked.renew:
        try:
            baseline = Baseline(toolchain=toolchain(), instructions=counted(), ratios=timed())
        except NotCounted as error:
            sys.stderr.write(f"the baseline is not renewed: {error}\n")
            return 2
        rounded = msgspec.structs.replace(
            baseline,
            instructions={name: round(value, 2) for name, value in baseline.instructions.items()},
            ratios={name: round(value, 3) for name, value in baseline.ratios.items()},
        )
        BASELINE.write_bytes(msgspec.json.format(msgspec.json.encode(rounded), indent=2) + b"\n")
        print(BASELINE.read_text(encoding="utf-8"), end="")
        return 0
    baseline = msgspec.json.decode(BASELINE.read_bytes(), type=Baseline)
    try:
        if baseline.toolchain != toolchain():
            raise NotCounted(f"the baseline is of {baseline.toolchain}, this is {toolchain()}")
        failed = judge(counted(), baseline.instructions, TOLERANCE, "instructions")
    except NotCounted as error:
        print(f"instructions are not counted ({error}); times beside a floor instead")
        failed = judge(timed(), baseline.ratios, TOLERANCE_RATIOS, "x its floor")
    if failed:
        print(
            f"{', '.join(failed)}: slower than the baseline allows. Make it faster; or, when the work has grown for a"
        )
        print("reason, say so in the commit and renew the baseline: make bench-gate RENEW=1")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
