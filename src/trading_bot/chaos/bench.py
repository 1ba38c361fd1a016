"""Runs incidents: each in a lab of its own, several at a time in processes of their own."""

import multiprocessing
import shutil
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import msgspec

from trading_bot.adapters.ibkr.library import library_name
from trading_bot.chaos.catalogue import incident_by_name
from trading_bot.chaos.evidence import Evidence, collect
from trading_bot.chaos.incident import Incident
from trading_bot.chaos.invariants import CHECKS
from trading_bot.chaos.lab import Lab, NotReached, open_lab
from trading_bot.domain.errors import BotError
from trading_bot.domain.units import NS_PER_S


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """What did not hold: an invariant, `incident` (it did not come about, or did not show what it must), or `lab`."""

    invariant: str
    text: str


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One incident, once. `naked_s` is the longest time without a resident stop, seconds of the wall."""

    name: str
    source: tuple[str, ...]
    passed: bool
    violations: tuple[Violation, ...]
    invariants: tuple[str, ...]
    wall_s: float
    exit_codes: tuple[int | None, ...]
    round_trips: int
    executions: int
    naked_s: float
    folder: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All of them. `skipped` do not apply to the client library that is installed."""

    incidents: int
    passed: int
    failed: int
    library: str
    wall_s: float
    skipped: tuple[str, ...]
    results: tuple[Result, ...]


def run_all(names: Sequence[str], folder: Path, *, jobs: int, told: Callable[[Result], None] | None = None) -> Report:
    """Run incidents by name, `jobs` at a time; `told` hears of each as it ends."""
    begin_s, library = time.monotonic(), library_name()
    chosen = [incident_by_name(name) for name in names]
    due = [one.name for one in chosen if library in one.libraries]
    results = {}
    for result in _results(due, folder, jobs):
        results[result.name] = result
        if told is not None:
            told(result)
    passed = sum(result.passed for result in results.values())
    return Report(
        incidents=len(due),
        passed=passed,
        failed=len(due) - passed,
        library=library,
        wall_s=time.monotonic() - begin_s,
        skipped=tuple(one.name for one in chosen if library not in one.libraries),
        results=tuple(results[name] for name in due),
    )


def _results(names: Sequence[str], folder: Path, jobs: int) -> Iterator[Result]:
    if jobs == 1 or len(names) == 1:
        yield from (run_one(name, folder) for name in names)
        return
    # A gateway needs an interpreter of its own: two in one would wait for each other's lock. Spawned, as threads run.
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        for done in as_completed([pool.submit(run_one, name, folder) for name in names]):
            yield done.result()


def run_one(name: str, folder: Path) -> Result:
    """Bring one incident about in `folder`/`name`, which is made new, and look at all its invariants."""
    incident = incident_by_name(name)
    place = folder / name
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    begin_s = time.monotonic()
    violations: list[Violation] = []
    known: dict[str, Any] = {"exit_codes": (), "round_trips": 0, "executions": 0, "naked_s": 0.0}
    try:
        with open_lab(incident, place) as lab:
            violations += _bring_about(incident, lab)
            lab.close()
            evidence = collect(lab)
            violations += _look(incident, evidence)
            known = _known(lab, evidence)
    except BotError as error:
        violations.append(Violation(invariant="lab", text=f"{type(error).__name__}: {error}"))
    except Exception as error:  # noqa: BLE001 (an incident that breaks the lab is a failure with its place, not the end of all)
        where = "".join(traceback.format_exception(error, limit=-4))
        violations.append(Violation(invariant="lab", text=where))
    return Result(
        name=name,
        source=incident.source,
        passed=not violations,
        violations=tuple(violations),
        invariants=incident.invariants,
        wall_s=time.monotonic() - begin_s,
        folder=str(place),
        **known,
    )


def _bring_about(incident: Incident, lab: Lab) -> Iterator[Violation]:
    try:
        incident.body(lab)
    except NotReached as error:
        yield Violation(invariant="incident", text=f"it did not come about: {error}")
        return
    for moment in lab.moments:
        if not moment.came:
            yield Violation(invariant="incident", text=f"it did not come about: {moment.what}")
    for text in lab.failures:
        yield Violation(invariant="incident", text=text)
    for bot in lab.bots:
        if bot.running:
            yield Violation(invariant="incident", text=f"bot {bot.number} was still running when the incident was over")


def _look(incident: Incident, evidence: Evidence) -> Iterator[Violation]:
    for name in incident.invariants:
        for text in CHECKS[name](evidence):
            yield Violation(invariant=name, text=text)


def _known(lab: Lab, evidence: Evidence) -> dict[str, Any]:
    return {
        "exit_codes": tuple(bot.exit_code for bot in lab.bots),
        "round_trips": evidence.final.round_trips,
        "executions": len(evidence.executions),
        "naked_s": max((row.reachable_ns for row in evidence.naked), default=0) / NS_PER_S,
    }
