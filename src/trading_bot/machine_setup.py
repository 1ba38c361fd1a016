"""The trading thread on a core of its own (`machine.cpu`), the others kept off it, and whether it may spin.

None of it changes a decision: a run without it decides the same, later.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from trading_bot.cores import Cores, core_text
from trading_bot.domain.errors import UsageError
from trading_bot.domain.machine_config import CPU_NONE, MachineConfig

_THREADS: Final = Path("/proc/self/task")


class MachinePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What the process does with its cores: `core` of the trading thread (None: any), `others` for every other thread.

    `warnings` are sentences for a person: what was asked for is not had, or costs more than it gives.
    """

    core: int | None
    others: tuple[int, ...]
    spin: bool
    warnings: tuple[str, ...] = ()


ANYWHERE: Final = MachinePlan(core=None, others=(), spin=False)


def plan_machine(config: MachineConfig, cores: Cores) -> MachinePlan:
    """What the configuration asks for, on these cores.

    Raises:
        UsageError: `machine.cpu` does not exist. One that the scheduler leaves out (`isolcpus=`) does.
    """
    if config.cpu == CPU_NONE:
        warning = (
            "machine.spin is on without machine.cpu: the trading thread does not spin, as it would take a core from "
            "everything else wherever it runs; name its core with machine.cpu"
        )
        return msgspec.structs.replace(ANYWHERE, warnings=(warning,)) if config.spin else ANYWHERE
    _check_core(config.cpu, cores)
    others = tuple(core for core in cores.allowed if core != config.cpu)
    if not others:
        warning = (
            f"machine.cpu is {config.cpu}, the only core this process may use: log and trading share it"
            + (", and nothing spins" if config.spin else "")
            + "; give the process a second core"
        )
        return MachinePlan(core=config.cpu, others=cores.allowed, spin=False, warnings=(warning,))
    return MachinePlan(
        core=config.cpu, others=others, spin=config.spin, warnings=tuple(_shared(config, cores)) if config.spin else ()
    )


def _check_core(core: int, cores: Cores) -> None:
    if core not in cores.online:
        raise UsageError(
            f"machine.cpu is {core}: this machine has the cores {core_text(cores.online)}; name one of them, or -1 for "
            "any (`trading-bot doctor` lists them)"
        )


def _shared(config: MachineConfig, cores: Cores) -> Iterator[str]:
    """Why a core that spins is not the trading thread's alone."""
    if config.cpu not in cores.isolated:
        yield (
            f"machine.spin on core {config.cpu}, which is not isolated (isolated: {core_text(cores.isolated)}): other "
            f"programs run there too and wait; boot with isolcpus={config.cpu} nohz_full={config.cpu}"
        )
    twins = [core for core in cores.siblings.get(config.cpu, ()) if core != config.cpu and core in cores.online]
    if twins:
        yield (
            f"machine.spin on core {config.cpu}, whose other half is core {core_text(tuple(twins))}: a spinning thread "
            "slows it down; keep it free, or switch it off"
        )
    if cores.quota is not None and cores.quota < len(cores.allowed):
        yield (
            f"machine.spin under a limit of {cores.quota:g} cores' time: a spinning thread uses one all the time, and "
            "what is above the limit stands still; take the limit away"
        )


@contextmanager
def pinned(plan: MachinePlan) -> Iterator[None]:
    """The calling thread on its core while the body runs, every other thread of the process on the others.

    Raises:
        UsageError: the system refuses.
    """
    before = os.sched_getaffinity(0)
    if plan.core is not None:
        try:
            os.sched_setaffinity(0, {plan.core})  # 0 is the calling thread
        except OSError as error:
            raise UsageError(
                f"machine.cpu is {plan.core}: the system does not let this process run there ({error.strerror}): a "
                "container's or a service's cpuset leaves it out; allow it there, or name one of "
                f"{core_text(tuple(sorted(before)))}"
            ) from error
        keep_off(plan)
    try:
        yield
    finally:
        if plan.core is not None:
            os.sched_setaffinity(0, before)


def keep_off(plan: MachinePlan) -> None:
    """Put every thread but the calling one on the other cores: a thread begins where the one that starts it may run."""
    if plan.core is None:
        return
    ours = threading.get_native_id()
    for entry in _THREADS.iterdir():
        if int(entry.name) != ours:
            with suppress(ProcessLookupError):  # it has ended since
                os.sched_setaffinity(int(entry.name), plan.others)
