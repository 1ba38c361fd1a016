"""Cores, what else runs on them, and what the kernel lets this process do with memory and priority."""

import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from trading_bot.cores import Cores, core_text, read_line
from trading_bot.doctor.checks import Check, fail, ok, warn
from trading_bot.domain.errors import UsageError
from trading_bot.domain.machine_config import CPU_NONE, MachineConfig
from trading_bot.machine_setup import plan_machine

SECTION: Final = "machine"
_STEAL_WARN: Final = 0.01  # a hundredth of the time: tails of milliseconds
_CORES_WANTED: Final = 2  # one for the trading thread, one for the log, the gateway and everything else
STEAL_SPAN_S: Final = 1.0  # shorter ones hold too few ticks of 10 ms
_ROOT: Final = Path("/")
_STEAL: Final = 7  # place of steal time in a line of /proc/stat, after the name
_KIB: Final = 1024
_LOCK_WANTED_MIB: Final = 64  # two segments of the log, prefaulted


def core_checks(cores: Cores, config: MachineConfig) -> Iterator[Check]:
    """Cores, isolation, halves, frequency, sleep, limits of a container, and what `[machine]` asks for."""
    count = len(cores.online)
    values = {"online": cores.online, "allowed": cores.allowed}
    found = f"{count} online ({core_text(cores.online)}), {core_text(cores.allowed)} for this process"
    if count < _CORES_WANTED:
        yield warn(
            SECTION, "cores", found, "two at least: the log and the gateway take time from trading", values=values
        )
    else:
        yield ok(SECTION, "cores", found, values=values)
    yield _isolation(cores)
    yield _halves(cores)
    yield _frequency(cores)
    driver = f"{cores.idle_driver or 'no'} driver, governor {cores.idle_governor or 'none'}"
    yield ok(SECTION, "idle states", driver, values={"driver": cores.idle_driver, "governor": cores.idle_governor})
    if cores.quota is not None:
        limit = f"{cores.quota:g} cores' time a period"
        advice = "a bot that has used it up stands still until the next period: give the container no CPU limit"
        yield warn(SECTION, "container limit", limit, advice, values={"cores": cores.quota})
    yield _asked(cores, config)


def _isolation(cores: Cores) -> Check:
    found = f"isolated {core_text(cores.isolated)}, tickless {core_text(cores.tickless)}"
    values = {"isolated": cores.isolated, "nohz_full": cores.tickless, "rcu_nocbs": cores.callbacks_off}
    if cores.isolated:
        bare = [core for core in cores.isolated if core not in cores.tickless]
        todo = f"boot with nohz_full={core_text(tuple(bare))} too: the timer interrupts these" if bare else ""
        return ok(SECTION, "isolated cores", found, todo=todo, values=values)
    if len(cores.online) <= _CORES_WANTED:
        todo = ""  # none can be spared
    else:
        last = cores.online[-1]
        todo = f"for the shortest way boot with isolcpus={last} nohz_full={last} and set machine.cpu = {last}"
    return ok(SECTION, "isolated cores", found, todo=todo, values=values)


def _halves(cores: Cores) -> Check:
    pairs = {core_text(twins) for twins in cores.siblings.values() if len(twins) > 1}
    if not pairs:
        return ok(SECTION, "siblings", "every core is a whole one, as far as the machine tells", values={"pairs": []})
    found = f"two threads on one core: {' '.join(sorted(pairs))}"
    return ok(
        SECTION, "siblings", found, todo="keep the other half of machine.cpu free", values={"pairs": sorted(pairs)}
    )


def _frequency(cores: Cores) -> Check:
    values = {"governors": {str(core): governor for core, governor in cores.governors.items()}}
    slow = {core: governor for core, governor in cores.governors.items() if governor != "performance"}
    if not cores.governors:
        return ok(SECTION, "frequency", "not in this machine's hand (a virtual one, or fixed)", values=values)
    if not slow:
        return ok(SECTION, "frequency", "performance on every core", values=values)
    named = ", ".join(f"{core} {governor}" for core, governor in slow.items())
    return warn(
        SECTION,
        "frequency",
        named,
        "a core that slows down answers late: cpupower frequency-set -g performance",
        **values,
    )


def _asked(cores: Cores, config: MachineConfig) -> Check:
    """What `[machine]` gets here."""
    said = f"fast_path {config.fast_path}, loop {config.loop}, cpu {config.cpu}, spin {config.spin}"
    values: dict[str, Any] = {
        "cpu": config.cpu,
        "spin": config.spin,
        "loop": config.loop,
        "fast_path": config.fast_path,
    }
    try:
        plan = plan_machine(config, cores)
    except UsageError as error:
        return fail(SECTION, "[machine]", said, str(error), exit_code=error.exit_code, values=values)
    values["spins"] = plan.spin
    if plan.warnings:
        return warn(SECTION, "[machine]", said, "; ".join(plan.warnings), values=values)
    if not config.fast_path:
        return warn(SECTION, "[machine]", said, "ticks go through the client library: fast_path = true", values=values)
    todo = "" if config.cpu != CPU_NONE or len(cores.online) < _CORES_WANTED else "machine.cpu pins the trading thread"
    return ok(SECTION, "[machine]", said, todo=todo, values=values)


def cpu_times(root: Path = _ROOT) -> tuple[int, int]:
    """(all, stolen) in ticks since boot, of all cores: time another guest had while this one wanted it."""
    fields = [int(field) for field in read_line(root / "proc/stat").split()[1:] if field.isdigit()]
    stolen = fields[_STEAL] if len(fields) > _STEAL else 0
    return sum(fields[: _STEAL + 1]), stolen


def steal_check(before: tuple[int, int], after: tuple[int, int]) -> Check:
    """Time stolen while the doctor measured."""
    passed = after[0] - before[0]
    share = (after[1] - before[1]) / passed if passed > 0 else 0.0
    found = f"{share:.1%} of {passed / 100:.1f} core-seconds"  # ticks of 10 ms
    values = {"share": round(share, 4)}
    if share > _STEAL_WARN:
        return warn(
            SECTION,
            "steal time",
            found,
            "other guests take this one's time: a host with cores of its own",
            values=values,
        )
    return ok(SECTION, "steal time", found, values=values)


def limit_checks(root: Path = _ROOT) -> Iterator[Check]:
    """Memory and priority."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    unlimited = soft == resource.RLIM_INFINITY
    found = "unlimited" if unlimited else f"{soft // _KIB} KiB"
    enough = unlimited or soft >= _LOCK_WANTED_MIB * _KIB * _KIB
    swap = _swap_kib(root)
    todo = "" if enough else "memory cannot be kept from swapping (ulimit -l, LimitMEMLOCK=infinity)"
    values = {"limit_bytes": None if unlimited else soft}
    yield ok(SECTION, "memory lock limit", found, todo=todo if swap else "", values=values)
    if swap:
        advice = "a page of the bot that was swapped out costs milliseconds: swapoff -a, or vm.swappiness = 1"
        yield warn(SECTION, "swap", f"{swap // _KIB} MiB on", advice, values={"kib": swap})
    else:
        yield ok(SECTION, "swap", "off", values={"kib": 0})
    priority, _ = resource.getrlimit(resource.RLIMIT_RTPRIO)
    yield ok(
        SECTION,
        "realtime limit",
        f"priority {'unlimited' if priority == resource.RLIM_INFINITY else priority}",
        todo=""
        if priority
        else "without it the trading thread shares its core fairly: LimitRTPRIO=, or isolate a core",
        values={"priority": None if priority == resource.RLIM_INFINITY else priority},
    )
    pages = read_line(root / "sys/kernel/mm/transparent_hugepage/enabled")
    if "[always]" in pages:
        yield warn(
            SECTION,
            "huge pages",
            "always",
            "the kernel stops a process to make them: set madvise",
            values={"enabled": pages},
        )
    elif pages:
        yield ok(SECTION, "huge pages", pages.partition("[")[2].partition("]")[0], values={"enabled": pages})


def _swap_kib(root: Path) -> int:
    try:
        rows = (root / "proc/swaps").read_text(encoding="utf-8").splitlines()[1:]
    except OSError:
        return 0
    return sum(int(row.split()[2]) for row in rows if len(row.split()) > 2)
