"""Hostile input: `make fuzz SECONDS=600` (docs/security.md). Every case is named, and can be made again.

    tools/fuzz.py --seconds 600                 every target in turn, each case with a number
    tools/fuzz.py --target config --case 7 123  one case of a seed (twice the same bytes)
    tools/fuzz.py --target config --input FILE  one kept file (zlib), such as one of tests/fuzz/regressions

The work is done in a child, so that a fault of the machine's kind (a segmentation fault, a hang in C, memory without
end) is a finding like any other. Exit code 1 when there is one; its input is kept in build/fuzz.
"""

import argparse
import contextlib
import faulthandler
import gc
import json
import mmap
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

if TYPE_CHECKING:
    from tests.fuzz.kit import Target

# Most doors are files, and nothing of them is kept: memory is enough.
SCRATCH = next((place for place in ("/dev/shm",) if os.access(place, os.W_OK)), None)  # noqa: S108
ROOM_BYTES = 1 << 30  # of address space beyond what the sound inputs needed
HANG_S = 30  # of one input inside C, where no signal is heard
FINDINGS_MAX = 20  # different ones, then it is time to repair


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long, over all targets")
    parser.add_argument("--cases", type=int, default=0, help="so many of each target, whatever the time")
    parser.add_argument("--seed", type=int, default=None, help="default: a new one each time")
    parser.add_argument("--target", action="append", help="only this one; repeatable")
    parser.add_argument("--case", type=int, nargs=2, metavar=("SEED", "NUMBER"), help="one case of one target")
    parser.add_argument("--input", type=Path, help="one file for one target")
    parser.add_argument("--json", type=Path, help="write the report there")
    parser.add_argument("--keep", type=Path, default=ROOT / "build" / "fuzz", help="where findings go")
    asked = parser.parse_args()
    from tests.fuzz.targets import TARGETS

    names = asked.target or list(TARGETS)
    unknown = [name for name in names if name not in TARGETS]
    if unknown:
        parser.error(f"no target {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    if asked.case or asked.input:
        if len(names) != 1:
            parser.error("--case and --input go with one --target")
        return _one(names[0], asked)
    seed = int(time.time()) if asked.seed is None else asked.seed
    print(f"seed {seed}, {len(names)} targets", flush=True)
    report = run(names, seed, seconds=asked.seconds, cases=asked.cases, keep=asked.keep)
    print(f"{'target':<20} {'cases':>9} {'seconds':>8}  findings")
    for name, row in report["targets"].items():
        print(f"{name:<20} {row['cases']:>9,} {row['seconds']:>8.1f}  {row['findings'] or '-'}")
    for one in report["findings"]:
        print(f"\n{one['target']}, case {one['case']}: {one['kind']}\n{one['text']}\nagain: {one['again']}")
        print(f"kept: {one['kept']}")
    if asked.json is not None:
        asked.json.write_text(json.dumps(report, indent=1) + "\n")
    return 1 if report["findings"] else 0


def _one(name: str, asked: argparse.Namespace) -> int:
    from tests.fuzz.kit import case, examine
    from tests.fuzz.targets import TARGETS

    target = TARGETS[name]
    faulthandler.enable()
    with tempfile.TemporaryDirectory(dir=SCRATCH) as place:
        folder = Path(place)
        data = (
            zlib.decompress(asked.input.read_bytes())
            if asked.input
            else case(target, _samples(target, folder), *asked.case)
        )
        print(f"{len(data)} bytes: {data[:200]!r}", flush=True)
        found = examine(target, data, _emptied(folder / "case"))
    print("no finding" if found is None else f"{found.kind}\n{found.text}")
    return 0 if found is None else 1


def run(names: list[str], seed: int, *, seconds: float, cases: int, keep: Path) -> dict:
    """Give every target its turn, with children that may die; the report is plain JSON."""
    rows: dict[str, dict] = {name: {"cases": 0, "seconds": 0.0, "findings": 0} for name in names}
    report: dict = {"seed": seed, "targets": rows, "findings": []}
    until_s = time.monotonic() + seconds
    share_s = seconds / len(names)
    with tempfile.TemporaryDirectory(dir=SCRATCH) as place:
        folder = Path(place)
        numbers = dict.fromkeys(names, 0)
        known: set[tuple[str, str]] = set()
        queue = list(names)
        while queue and len(report["findings"]) < FINDINGS_MAX:
            name = queue.pop(0)
            row = report["targets"][name]
            begin_s = time.monotonic()
            wanted = cases - numbers[name] if cases else 0
            end_s = float("inf") if cases else begin_s + min(max(1.0, share_s / 4), max(0.0, until_s - begin_s))
            done, found = _child(name, seed, numbers[name], wanted, end_s, folder)
            row["seconds"] += time.monotonic() - begin_s
            row["cases"] += done
            numbers[name] += done
            if found is not None:
                trail = found["text"].strip().splitlines()[-6:]
                mark = (name, "\n".join([found["kind"], *(line for line in trail if "File" in line)]))
                if mark not in known:
                    known.add(mark)
                    row["findings"] += 1
                    report["findings"].append(_kept(name, seed, found, keep))
            left = numbers[name] < cases if cases else time.monotonic() < until_s
            if left:
                queue.append(name)
    return report


def _kept(name: str, seed: int, found: dict, keep: Path) -> dict:
    keep.mkdir(parents=True, exist_ok=True)
    path = keep / f"{name}-{seed}-{found['case']}.z"
    path.write_bytes(zlib.compress(found.pop("data"), 9))
    again = f"tools/fuzz.py --target {name} --case {seed} {found['case']}"
    return {"target": name, **found, "again": again, "kept": str(path)}


def _child(name: str, seed: int, first: int, most: int, end_s: float, folder: Path) -> tuple[int, dict | None]:
    """Cases from `first` on in a child: how many were done, and the first finding. A fork: what is imported is warm."""
    shared = mmap.mmap(-1, (1 << 20) + 64)  # number of the case, bytes of its input, the input
    shared[0:8] = first.to_bytes(8, "little")
    answer, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(answer)
        code = 1
        try:
            found = _work(name, seed, first, most, end_s, _emptied(folder / f"{name}-{os.getpid()}"), shared)
            os.write(told, json.dumps(found).encode()[:60_000] if found else b"")
            code = 0
        except BaseException:  # noqa: BLE001 (a fork of this process must not go on as if it were this process)
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(told)
    said = b""
    with contextlib.closing(os.fdopen(answer, "rb", buffering=0)) as pipe:
        while piece := pipe.read(65_536):
            said += piece
    _, status = os.waitpid(pid, 0)
    shutil.rmtree(folder / f"{name}-{pid}", ignore_errors=True)
    number, size = (int.from_bytes(shared[at : at + 8], "little") for at in (0, 8))
    if status == 0 and not said:
        return number - first, None
    data = bytes(shared[16 : 16 + size])
    if said:
        return number - first, {**json.loads(said), "case": number - 1, "data": data}
    code = os.waitstatus_to_exitcode(status)
    ended = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return number - first, {"kind": f"the process died: {ended}", "text": "", "case": number - 1, "data": data}


def _work(name: str, seed: int, first: int, most: int, end_s: float, folder: Path, shared: mmap.mmap) -> dict | None:
    from tests.fuzz.kit import case, examine
    from tests.fuzz.targets import TARGETS

    target = TARGETS[name]
    faulthandler.enable()
    begun_s = time.monotonic()
    samples = _samples(target, folder)
    place = _emptied(folder / "case")
    for sample in samples:
        found = examine(target, target.shape(sample, None) if target.shape else sample, place)
        if found is not None:
            return {"kind": f"a sound input: {found.kind}", "text": found.text}
    end_s += time.monotonic() - begun_s  # making the sound inputs is no case
    _limit_memory()
    number = first
    while number < first + most if most else time.monotonic() < end_s:
        data = case(target, samples, seed, number)
        number += 1
        shared[0:8], shared[8:16] = number.to_bytes(8, "little"), len(data).to_bytes(8, "little")
        shared[16 : 16 + len(data)] = data
        faulthandler.dump_traceback_later(HANG_S, exit=True)
        found = examine(target, data, place)
        faulthandler.cancel_dump_traceback_later()
        if found is not None:
            return {"kind": found.kind, "text": found.text}
        if number % 200 == 0:
            _emptied(place)
            gc.collect()
    return None


def _samples(target: "Target", folder: Path) -> list[bytes]:
    return target.samples(_emptied(folder / "samples"))


def _emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _limit_memory() -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * mmap.PAGESIZE
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM_BYTES, resource.RLIM_INFINITY))


if __name__ == "__main__":
    sys.exit(main())
