"""The gateway from outside, without a client id: is it there, which protocol, and does its clock agree?"""

import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from trading_bot.adapters.ibkr import library
from trading_bot.adapters.ibkr.probe import PORT_LIVE, PORT_PAPER, VERSION_MAX, VERSION_MIN, Gateway, probe
from trading_bot.doctor.checks import Check, fail, ok, warn
from trading_bot.domain.errors import BotError, UsageError
from trading_bot.domain.units import NS_PER_S

SECTION: Final = "gateway"
PORTS: Final = {True: PORT_LIVE, False: PORT_PAPER}  # by whether the mode is LIVE
_LOOKS: Final = 4  # each bounds the offset to a second; uneven pauses bound it closer
_PAUSE_S: Final = 0.23
_ZONE_S: Final = 900  # zones differ by quarters of an hour, so nothing has to know which one a gateway writes
_OFF_WARN_S: Final = 1.0
_STAMP: Final = re.compile(r"(\d{8})[ -](\d\d:\d\d:\d\d)")

Probe = Callable[[str, int], Gateway]


def gateway_checks(host: str, port: int, *, ask: Probe = probe) -> Iterator[Check]:
    """Client library, protocol and clock. The gateway sees a few greetings that hang up."""
    yield _library()
    bounds: list[tuple[float, float]] = []
    found: Gateway | None = None
    for number in range(_LOOKS):
        if number:
            time.sleep(_PAUSE_S)
        begin_ns = time.time_ns()
        try:
            found = ask(host, port)
        except BotError as error:
            yield fail(
                SECTION,
                "reachable",
                f"{host}:{port}",
                str(error),
                exit_code=error.exit_code,
                values={"host": host, "port": port},
            )
            return
        second_s = stamp_s(found.connected_at)
        if second_s is not None:
            # Its second began at most one second before it wrote it, and it wrote it while this one waited.
            bounds.append((second_s - time.time_ns() / NS_PER_S, second_s + 1 - begin_ns / NS_PER_S))
    assert found is not None
    spoken = f"API version {found.server_version} (this client speaks {VERSION_MIN} to {VERSION_MAX})"
    yield ok(SECTION, "reachable", f"{host}:{port}", values={"host": host, "port": port})
    yield ok(SECTION, "API version", spoken, values={"server_version": found.server_version})
    yield clock_check(bounds, found.connected_at)


def _library() -> Check:
    try:
        name = library.library_name()
    except UsageError as error:
        return fail(SECTION, "client library", "none", str(error), exit_code=error.exit_code)
    try:
        number = version(name)
    except PackageNotFoundError:
        number = "of unknown version"
    return ok(SECTION, "client library", f"{name} {number}", values={"library": name, "version": number})


def stamp_s(text: str) -> int | None:
    """`20261120 14:30:00 EST` in seconds since the epoch as if it were UTC; None when it is no time."""
    parts = _STAMP.match(text)
    if parts is None:
        return None
    try:
        told = datetime.strptime(" ".join(parts.groups()), "%Y%m%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return round(told.timestamp())


def clock_check(bounds: list[tuple[float, float]], told: str) -> Check:
    """The gateway's clock minus this one, from what each look allows; whole quarters of an hour are its zone's."""
    if not bounds:
        return warn(SECTION, "clock", f"its time reads {told!r}", "no time can be read from that: compare it yourself")
    first = round((bounds[0][0] + bounds[0][1]) / 2 / _ZONE_S) * _ZONE_S
    low_s, high_s = max(low for low, _ in bounds) - first, min(high for _, high in bounds) - first
    if low_s > high_s:
        advice = (
            "its time runs at another speed, as gateway-sim's does: start the bot with --clock feed and its --speed"
        )
        return warn(SECTION, "clock", "does not keep this machine's pace", advice)
    offset_s = (low_s + high_s) / 2
    values = {"offset_s": round(offset_s, 3), "within_s": round((high_s - low_s) / 2, 3), "told": told}
    found = f"{offset_s:+.2f} s against this machine's, to {(high_s - low_s) / 2:.2f} s"
    if low_s > _OFF_WARN_S or high_s < -_OFF_WARN_S:
        advice = (
            "set this machine's clock right (NTP): sessions and lockouts go by it; or the gateway's machine is wrong"
        )
        return warn(SECTION, "clock", found, advice, values=values)
    return ok(SECTION, "clock", found, values=values)
