"""Mutants: each invariant, gate, check and breaker is broken in the product once, and its test has to notice.

`make mutants JSON=out.json`; ARGS="--only money" narrows. Rows are those of tools/mutants.toml and of the product's own
tables (`mutant_rows.py`). A mutation replaces a piece of one module's source as that module is imported: no file is
touched. Stdout is one line, `{"mutants":183,"killed":183,"survived":[]}`; the table goes to stderr. Exit code 1 when a
mutant survives, or when a row's test cannot be run.
"""

import argparse
import importlib.abc
import importlib.machinery
import os
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType, ModuleType

import msgspec
from mutant_rows import Mutant, all_mutants

ROOT = Path(__file__).parents[1]
TIMEOUT_S = 600
SURVIVED, NOTICED, BROKEN = 0, 1, 2  # exit codes of pytest
LINE = "{:<9} {:<58} {:<8} {:>6}  {}"


class Outcome(msgspec.Struct, frozen=True):
    """What became of a mutant: killed, survived, or broken (its test could not be run, and says why)."""

    name: str
    verdict: str
    seconds: float
    told: str


class Verdict(msgspec.Struct, frozen=True):
    """What the command answers."""

    mutants: int
    killed: int
    survived: list[str]


class Patched(importlib.machinery.SourceFileLoader):
    """Imports one module with its source changed."""

    mutant: Mutant | None = None

    def get_code(self, _fullname: str) -> CodeType | None:
        """Compiled from the changed source, never from a cache."""
        assert self.mutant is not None
        source = self.mutant.applied(Path(self.path).read_text(encoding="utf-8"))
        return self.source_to_code(source.encode(), self.path)


class Hook(importlib.abc.MetaPathFinder):
    """Finds the mutated module before anything else does."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec of the mutated module."""
        if fullname != self._mutant.module:
            return None
        path = str(ROOT / self._mutant.file)
        loader = Patched(fullname, path)
        loader.mutant = self._mutant
        return importlib.machinery.ModuleSpec(fullname, loader, origin=path)


def main() -> int:
    """Break the product once for each row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="rows whose name or kind has this in it")
    parser.add_argument("--json", type=Path, help="write the verdict there, and every outcome beside it")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--list", action="store_true", help="print the rows and end")
    asked = parser.parse_args()
    rows = [row for row in all_mutants() if asked.only in f"{row.kind} {row.name}"]
    if asked.list:
        for row in rows:
            print(f"{row.kind:<9} {row.name:<58} {row.file}: {row.killer}")
        return 0
    began_s = time.perf_counter()
    say(LINE.format("kind", "mutant", "verdict", "s", "noticed by"))
    outcomes: list[Outcome] = []
    for row, outcome in outcomes_of(rows, asked.processes):
        outcomes.append(outcome)
        say(LINE.format(row.kind, row.name, outcome.verdict, f"{outcome.seconds:.1f}", row.killer))
        if outcome.verdict != "killed":
            say(outcome.told)
    counts = Counter(one.verdict for one in outcomes)
    say(f"{dict(counts)} in {time.perf_counter() - began_s:.0f} s on {asked.processes} processes")
    lives = [one.name for one in outcomes if one.verdict != "killed"]
    verdict = Verdict(len(outcomes), counts["killed"], lives)
    if asked.json is not None:
        asked.json.write_bytes(msgspec.json.encode(verdict) + b"\n")
        asked.json.with_suffix(".details.json").write_bytes(msgspec.json.format(msgspec.json.encode(outcomes)))
    print(msgspec.json.encode(verdict).decode(), flush=True)
    return 0 if not lives else 1


def say(text: str) -> None:
    """For people."""
    print(text, file=sys.stderr, flush=True)


def outcomes_of(rows: Sequence[Mutant], processes: int) -> Iterator[tuple[Mutant, Outcome]]:
    """Each row with what became of it, as they end; so many at a time, each in a process of its own."""
    import hypothesis  # noqa: F401 (loaded once, for all the processes that are forked from this one)
    import pytest  # noqa: F401

    sys.path.insert(0, str(ROOT))  # the tests import each other as tests.…
    waiting = deque(rows)
    running: dict[int, tuple[Mutant, Path, float]] = {}
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        while waiting or running:
            while waiting and len(running) < processes:
                row = waiting.popleft()
                told = Path(folder) / f"{len(waiting)}.txt"
                running[begun(row, told)] = row, told, time.perf_counter()
            pid, status = os.wait()
            row, told, began_s = running.pop(pid)
            code = os.waitstatus_to_exitcode(status)
            verdict = {SURVIVED: "survived", NOTICED: "killed", -signal.SIGALRM: "killed"}.get(code, "broken")
            text = told.read_text(encoding="utf-8", errors="replace")[-3000:]
            yield row, Outcome(row.name, verdict, time.perf_counter() - began_s, text)


def begun(row: Mutant, told: Path) -> int:
    """The process of one mutant, which ends without looking back at its threads.

    One that hangs ends by its alarm, and was noticed.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    code = BROKEN
    try:
        with told.open("wb") as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        signal.alarm(TIMEOUT_S)
        os.chdir(ROOT)
        sys.meta_path.insert(0, Hook(row))
        code = simulated(row) if row.world else tested(row)
    except Exception:  # noqa: BLE001 (the table says which row, and why)
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def tested(row: Mutant) -> int:
    """The exit code of the row's tests."""
    import pytest

    # Loaded before the fork, so that hypothesis cannot be rewritten any more; it needs no rewriting.
    quiet = ["-W", "ignore::pytest.PytestAssertRewriteWarning", "-p", "no:cacheprovider", "--no-header", "--tb=line"]
    return int(pytest.main(["-x", "-q", *quiet, *row.tests]))


def simulated(row: Mutant) -> int:
    """Whether the simulation of the row's world says that its invariant is violated."""
    from mutant_worlds import WORLDS

    from trading_bot.research.simulate import simulate

    report = simulate(row.seed, change=WORLDS[row.world])
    print(f"violated: {report.violated}, {report.trades} trades, {report.trouble}")
    for violation in report.violations:
        print(f"  {violation.invariant}: {violation.text}")
    return NOTICED if row.notices in report.violated else SURVIVED


if __name__ == "__main__":
    sys.exit(main())
