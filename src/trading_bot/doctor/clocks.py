"""Clocks and timers: which one, how fine, what a reading costs, and whether somebody keeps it right.

No server is asked: the kernel knows whether a time service steers its clock and how far it may be off, and a virtual
machine often has its host's clock beside its own.
"""

import ctypes
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from trading_bot.cores import read_line
from trading_bot.doctor.checks import Check, ok, percentile, warn
from trading_bot.domain.units import NS_PER_S

SECTION: Final = "clock"
_ROOT: Final = Path("/")
_FAST: Final = frozenset({"tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter"})
_READS: Final = 20_000
_READ_WARN_NS: Final = 500  # a system call; a reading without one takes a tenth
_SLEEPS: Final = 50
_SLEEP_NS: Final = 1_000_000
_LATE_WARN_NS: Final = 2_000_000
_OFF_WARN_NS: Final = 1_000_000_000  # sessions and lockouts go by this clock, to the second
_UNSYNC: Final = 0x0040  # STA_UNSYNC of adjtimex(2)
_LONGS: Final = 32  # of `struct timex`, on 64 bits: more than it has
_STATUS_AT: Final = 5 * 8  # after modes (padded), offset, freq, maxerror, esterror
_MAX_ERROR_AT: Final = 3 * 8


def clock_checks(root: Path = _ROOT, *, measures: bool = True) -> Iterator[Check]:
    """Source, cost of a reading, resolution and lateness of timers, and who keeps the time."""
    source = read_line(root / "sys/devices/system/clocksource/clocksource0/current_clocksource")
    cost_ns = _cost_ns()
    values = {"source": source, "read_ns": cost_ns}
    found = f"{source or 'not told'}, {cost_ns} ns a reading"
    if cost_ns > _READ_WARN_NS or (source and source not in _FAST):
        advice = "a reading is a system call with this source: boot with clocksource=tsc where the machine keeps it"
        yield warn(SECTION, "clock source", found, advice, values=values)
    else:
        yield ok(SECTION, "clock source", found, values=values)
    if measures:
        yield _timers(root)
    error_ns, kept = kernel_clock()
    yield kept_check(error_ns, kept=kept)
    yield from host_clock_checks(root)


def _cost_ns() -> int:
    begin_ns = time.perf_counter_ns()
    for _ in range(_READS):
        time.monotonic_ns()
    return (time.perf_counter_ns() - begin_ns) // _READS


def _timers(root: Path) -> Check:
    """How late a sleep of one millisecond ends."""
    late_ns = []
    for _ in range(_SLEEPS):
        begin_ns = time.monotonic_ns()
        time.sleep(_SLEEP_NS / NS_PER_S)
        late_ns.append(time.monotonic_ns() - begin_ns - _SLEEP_NS)
    slack = read_line(root / "proc/self/timerslack_ns")
    p50_ns, p99_ns = percentile(late_ns, 0.5), percentile(late_ns, 0.99)
    resolution_ns = round(time.clock_getres(time.CLOCK_MONOTONIC) * NS_PER_S)
    values = {
        "resolution_ns": resolution_ns,
        "slack_ns": int(slack) if slack.isdigit() else None,
        "late_p50_us": p50_ns / 1_000,
        "late_p99_us": p99_ns / 1_000,
    }
    found = (
        f"resolution {resolution_ns} ns, slack {slack or '?'} ns; 1 ms ends {p50_ns / 1_000:.0f} us late, "
        f"p99 {p99_ns / 1_000:.0f} us"
    )
    if p99_ns > _LATE_WARN_NS:
        return warn(
            SECTION,
            "timers",
            found,
            "the machine is busy, or its timers are coarse: deadlines come late",
            values=values,
        )
    return ok(SECTION, "timers", found, values=values)


def kernel_clock() -> tuple[int, bool | None]:
    """By how much the kernel's clock may be off, ns, and whether a service steers it (None: not known)."""
    buffer = (ctypes.c_byte * (_LONGS * 8))()  # modes 0: read, set nothing
    try:
        answer = ctypes.CDLL(None, use_errno=True).adjtimex(buffer)
    except (OSError, AttributeError):
        return 0, None
    if answer < 0 or ctypes.sizeof(ctypes.c_long) != 8:
        return 0, None
    status = ctypes.c_int.from_buffer(buffer, _STATUS_AT).value
    return ctypes.c_long.from_buffer(buffer, _MAX_ERROR_AT).value * 1_000, not status & _UNSYNC


def kept_check(error_ns: int, *, kept: bool | None) -> Check:
    """What the kernel says of its clock."""
    if kept is None:
        return ok(SECTION, "kept right", "the system does not tell")
    values = {"kept": kept, "max_error_ms": error_ns / 1_000_000 if kept else None}
    if not kept:
        advice = "nothing corrects this clock: run chrony (or systemd-timesyncd); sessions go by it"
        return warn(SECTION, "kept right", "no time service steers the kernel's clock", advice, values=values)
    found = f"a time service steers it; off by {error_ns / 1_000_000:.1f} ms at most, it says"
    if error_ns > _OFF_WARN_NS:
        return warn(SECTION, "kept right", found, "look at the time service: chronyc tracking", values=values)
    return ok(SECTION, "kept right", found, values=values)


def host_clock_checks(root: Path = _ROOT) -> Iterator[Check]:
    """Against a hardware or host clock this process may read (`/dev/ptp*`); nothing where there is none."""
    for device in sorted((root / "dev").glob("ptp[0-9]*")):
        try:
            descriptor = os.open(device, os.O_RDONLY)
        except OSError:
            continue
        try:
            clock = (~descriptor << 3) | 3  # how clock_gettime(2) is given a device's clock
            before_ns = time.time_ns()
            there_ns = time.clock_gettime_ns(clock)
            off_ns = (before_ns + time.time_ns()) // 2 - there_ns
        except OSError:
            continue
        finally:
            os.close(descriptor)
        name = read_line(root / "sys/class/ptp" / device.name / "clock_name") or device.name
        found = f"{off_ns / 1_000_000:+.3f} ms against {name}"
        values = {"offset_ns": off_ns}
        if abs(off_ns) > _OFF_WARN_NS:
            yield warn(SECTION, "host clock", found, "steer this clock by it: chrony, refclock PHC", values=values)
        else:
            yield ok(SECTION, "host clock", found, values=values)
