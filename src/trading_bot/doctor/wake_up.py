"""How long a tick on loopback waits for this process: with a loop that sleeps, and with one that never does.

A second process sends a stamp a millisecond; what is measured is the time from just before its write to the callback.
"""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Final

from msgspec import structs

from trading_bot.doctor.checks import Check, Status, ok, percentile, warn
from trading_bot.doctor.pacer import STAMP
from trading_bot.domain.errors import UsageError
from trading_bot.domain.machine_config import MachineConfig
from trading_bot.machine_setup import MachinePlan, pinned

SECTION: Final = "measured"
_STAMPS: Final = 200
_SKIPPED: Final = 20  # at the beginning, while both processes warm up
_ECHOES: Final = 300
_LIMIT_S: Final = 10.0
_GAIN: Final = 0.8  # spinning saves more than half where the core is free
_LATE_WARN_US: Final = 500.0  # ten times what a virtual machine needs


class _Heard(asyncio.Protocol):
    """Ages of the stamps, and the end when all are there."""

    def __init__(self, count: int, done: "asyncio.Future[None]") -> None:
        self.ages_ns: list[int] = []
        self._count = count
        self._done = done
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        """As the bot's connection: stamped first, taken apart then."""
        now_ns = time.monotonic_ns()
        data = self._rest + data
        whole = len(data) - len(data) % STAMP.size
        self.ages_ns += [now_ns - sent_ns for (sent_ns,) in STAMP.iter_unpack(data[:whole])]
        self._rest = data[whole:]
        if len(self.ages_ns) >= self._count and not self._done.done():
            self._done.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        """Before all were there."""
        if not self._done.done():
            self._done.set_exception(error or ConnectionError("the other process ended early"))


def wake_up_checks(config: MachineConfig, plan: MachinePlan, *, spins: bool) -> Iterator[Check]:
    """The configured loop asleep, the same loop spinning (unless a bot needs the time), and a round trip.

    `plan` names the core it is measured on; None: wherever the system likes.
    """
    name = _loop_name(config)
    if name != config.loop:
        yield warn(
            SECTION, "event loop", f"{config.loop} is not installed", "pip install uvloop", values={"loop": name}
        )
    else:
        yield ok(SECTION, "event loop", name, values={"loop": name})
    try:
        ages_ns, echoes_ns = measure(name, plan, spin=False)
        yield _aged(f"wake-up, {name} asleep", ages_ns)
        if spins:
            spun_ns, _ = measure(name, plan, spin=True)
            yield _spun(f"wake-up, {name} spinning", spun_ns, ages_ns, wanted=config.spin)
        else:
            yield ok(SECTION, "wake-up spinning", "not measured: a bot runs here and needs its core")
        yield _round_trip(echoes_ns)
    except (OSError, TimeoutError, subprocess.SubprocessError, UsageError) as error:
        yield warn(SECTION, "wake-up", f"could not be measured: {error}", "is loopback TCP allowed here?")


def _loop_name(config: MachineConfig) -> str:
    return "asyncio" if config.loop == "uvloop" and find_spec("uvloop") is None else config.loop


def measure(loop_name: str, plan: MachinePlan, *, spin: bool) -> tuple[list[int], list[int]]:
    """(ages of stamps as they were heard, round trips), ns.

    Raises:
        OSError, TimeoutError, SubprocessError: no loopback, or the other process did not do its part.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(_LIMIT_S)
        port = listening.getsockname()[1]
        other = subprocess.Popen(  # noqa: S603 - this interpreter and this package
            [sys.executable, "-m", "trading_bot.doctor.pacer", str(port), str(_STAMPS)]
        )
        try:
            connection, _address = listening.accept()
            if plan.core is not None:
                os.sched_setaffinity(other.pid, plan.others)
            with connection, pinned(plan):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                ages_ns = _hear(connection.dup(), loop_name, spin=spin)
                echoes_ns = _echo(connection)
        finally:
            with contextlib.suppress(subprocess.TimeoutExpired):
                other.wait(1.0)
            if other.poll() is None:
                other.kill()
                other.wait()
    return ages_ns[_SKIPPED:], echoes_ns[_SKIPPED:]


def _hear(connection: socket.socket, loop_name: str, *, spin: bool) -> list[int]:
    loop = _new_loop(loop_name)
    try:
        done: asyncio.Future[None] = loop.create_future()
        heard = _Heard(_STAMPS, done)

        def again() -> None:
            loop.call_soon(again)  # a loop with something to do does not sleep

        async def all_of_them() -> None:
            transport, _ = await loop.create_connection(lambda: heard, sock=connection)
            if spin:
                again()
            try:
                await asyncio.wait_for(done, _LIMIT_S)
            finally:
                transport.pause_reading()
                transport.abort()

        loop.run_until_complete(all_of_them())
        return heard.ages_ns
    finally:
        loop.close()


def _new_loop(name: str) -> asyncio.AbstractEventLoop:
    if name == "uvloop":
        import uvloop

        loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        return loop
    return asyncio.new_event_loop()


def _echo(connection: socket.socket) -> list[int]:
    connection.setblocking(True)
    connection.settimeout(_LIMIT_S)
    trips_ns = []
    for _ in range(_ECHOES):
        begin_ns = time.monotonic_ns()
        connection.sendall(STAMP.pack(begin_ns))
        if not connection.recv(STAMP.size):
            raise ConnectionError("the other process ended early")
        trips_ns.append(time.monotonic_ns() - begin_ns)
    return trips_ns


def _aged(name: str, ages_ns: list[int]) -> Check:
    p50_us, p99_us = percentile(ages_ns, 0.5) / 1_000, percentile(ages_ns, 0.99) / 1_000
    values = {"p50_us": p50_us, "p99_us": p99_us, "max_us": max(ages_ns) / 1_000, "samples": len(ages_ns)}
    found = f"p50 {p50_us:.0f} us, p99 {p99_us:.0f} us"
    if p50_us > _LATE_WARN_US:
        return warn(
            SECTION, name, found, "something else has the cores; or machine.cpu and machine.spin", values=values
        )
    return ok(SECTION, name, found, values=values)


def _spun(name: str, spun_ns: list[int], asleep_ns: list[int], *, wanted: bool) -> Check:
    """Spinning is worth a core only where it is the trading thread's alone."""
    check = _aged(name, spun_ns)
    if percentile(spun_ns, 0.5) < _GAIN * percentile(asleep_ns, 0.5):
        return check
    advice = "no gain over sleeping: this core has other work; isolate it, or leave machine.spin off"
    status = Status.WARN if wanted else Status.OK
    return structs.replace(check, status=status, todo=advice if wanted else "")


def _round_trip(trips_ns: list[int]) -> Check:
    p50_us, p99_us = percentile(trips_ns, 0.5) / 1_000, percentile(trips_ns, 0.99) / 1_000
    values = {"p50_us": p50_us, "p99_us": p99_us, "samples": len(trips_ns)}
    return ok(
        SECTION, "loopback round trip", f"p50 {p50_us:.0f} us, p99 {p99_us:.0f} us (blocking sockets)", values=values
    )
