"""The processor cores this process may use, and how quiet they are: read from /sys and /proc, changed nowhere.

A core is *isolated* when the scheduler puts nothing on it by itself (`isolcpus=`, or a cpuset partition), *tickless*
when the kernel's timer leaves it alone while one thread runs there (`nohz_full=`).
"""

import os
import re
from pathlib import Path
from typing import Final

import msgspec

_ROOT: Final = Path("/")
_CPU: Final = "sys/devices/system/cpu"
_PARAMETER: Final = re.compile(r"(?:^|\s)(isolcpus|nohz_full|rcu_nocbs)=(\S+)")


class Cores(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of cores, ascending. `siblings` share one physical core with their key; `governors` are by core.

    `quota` is how many cores' worth of time the container may use, None without a limit; `idle_driver` puts a core to
    sleep; texts are empty where the machine does not tell (a virtual one often does not).
    """

    online: tuple[int, ...]
    allowed: tuple[int, ...]
    isolated: tuple[int, ...]
    tickless: tuple[int, ...]
    callbacks_off: tuple[int, ...]
    siblings: dict[int, tuple[int, ...]]
    governors: dict[int, str]
    idle_driver: str
    idle_governor: str
    quota: float | None
    command_line: dict[str, str]


def read_cores(root: Path = _ROOT) -> Cores:
    """What the machine says now. `root` is where /sys and /proc are looked for."""
    cpu = root / _CPU
    allowed = tuple(sorted(os.sched_getaffinity(0)))
    online = core_list(read_line(cpu / "online")) or allowed
    given = dict(_PARAMETER.findall(read_line(root / "proc/cmdline")))
    return Cores(
        online=online,
        allowed=allowed,
        isolated=core_list(read_line(cpu / "isolated")),
        tickless=core_list(read_line(cpu / "nohz_full")) or core_list(given.get("nohz_full", "")),
        callbacks_off=core_list(given.get("rcu_nocbs", "")),
        siblings={core: core_list(read_line(cpu / f"cpu{core}/topology/thread_siblings_list")) for core in online},
        governors={
            core: governor for core in online if (governor := read_line(cpu / f"cpu{core}/cpufreq/scaling_governor"))
        },
        idle_driver=read_line(cpu / "cpuidle/current_driver"),
        idle_governor=read_line(cpu / "cpuidle/current_governor") or read_line(cpu / "cpuidle/current_governor_ro"),
        quota=_quota(root),
        command_line=given,
    )


def read_line(path: Path) -> str:
    """The first line of a file the kernel offers, empty where there is none or it does not answer."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").split("\n", 1)[0].strip()
    except OSError:
        return ""


def core_list(text: str) -> tuple[int, ...]:
    """Cores as the kernel writes them: `0-2,5`; flags such as isolcpus' `managed_irq,` are passed over."""
    found: set[int] = set()
    for part in text.split(","):
        low, dash, high = part.strip().partition("-")
        if low.isdigit() and (not dash or high.isdigit()):
            found.update(range(int(low), int(high or low) + 1))
    return tuple(sorted(found))


def core_text(cores: tuple[int, ...]) -> str:
    """Cores for people: `0-2,5`, or `none`."""
    parts: list[list[int]] = []
    for core in cores:
        if parts and core == parts[-1][-1] + 1:
            parts[-1].append(core)
        else:
            parts.append([core])
    return ",".join(str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts) or "none"


def _quota(root: Path) -> float | None:
    """Cores' worth of time a control group allows: version 2 writes `max 100000` for none, version 1 writes -1."""
    quota, _, period = read_line(root / "sys/fs/cgroup/cpu.max").partition(" ")
    if not quota:
        quota = read_line(root / "sys/fs/cgroup/cpu/cpu.cfs_quota_us")
        period = read_line(root / "sys/fs/cgroup/cpu/cpu.cfs_period_us")
    if not quota.isdigit() or not period.isdigit() or not int(period):
        return None
    return int(quota) / int(period)
