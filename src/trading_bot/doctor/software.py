"""What runs here: the interpreter, the packages that pyproject.toml asks for, and how the kernels were compiled."""

import platform
import re
import struct
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Final

from trading_bot import _fast
from trading_bot.doctor.checks import Check, fail, ok, warn
from trading_bot.domain.errors import UsageError

SECTION: Final = "software"
PYTHONS: Final = ((3, 11), (3, 13))  # requires-python of pyproject.toml
_DISTRIBUTION: Final = "trading-bot"
_CLIENTS: Final = ("ib_insync", "ib_async")
_REQUIREMENT: Final = re.compile(r"([\w.-]+)\s*([^;]*)")
_CLAUSE: Final = re.compile(r"(>=|<=|==|<|>)\s*([\d.]+)")
_HOLDS: Final[dict[str, Callable[[list[int], list[int]], bool]]] = {
    ">=": lambda found, wanted: found >= wanted,
    "<=": lambda found, wanted: found <= wanted,
    "==": lambda found, wanted: found == wanted,
    "<": lambda found, wanted: found < wanted,
    ">": lambda found, wanted: found > wanted,
}
# What every build must have (docs/adr/0004): other flags may give other bits, and a replay would differ.
_FLAGS: Final = ("-ffp-contract=off", "-fno-fast-math", "-fwrapv")
_COMMANDS: Final = ".GCC.command.line"  # the section that -frecord-gcc-switches writes
_DEBUG: Final = ".debug_info"
_MAKE: Final = "build the kernels anew: `make build`"


def software_checks() -> Iterator[Check]:
    """Interpreter, packages, kernels."""
    yield _python()
    try:
        yield packages_check(metadata.requires(_DISTRIBUTION) or (), version_of)
    except metadata.PackageNotFoundError:
        yield ok(SECTION, "packages", "run from its sources: nothing is installed that says what it needs")
    yield from kernel_checks(Path(_fast.__file__).parent)


def version_of(name: str) -> str | None:
    """The version that is installed; None for none."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _python() -> Check:
    found = f"Python {platform.python_version()}, {platform.system()} {platform.release()}, {platform.machine()}"
    values = {"python": platform.python_version(), "system": platform.system(), "kernel": platform.release()}
    if not PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1] or sys.maxsize < 2**32:
        advice = "run it with a 64-bit Python 3.11, 3.12 or 3.13"
        return fail(SECTION, "environment", found, advice, exit_code=UsageError.exit_code, values=values)
    if platform.system() != "Linux":
        return warn(SECTION, "environment", found, "the bot is made for Linux and tested nowhere else", values=values)
    return ok(SECTION, "environment", found, values=values)


def packages_check(requirements: Iterable[str], installed: Callable[[str], str | None]) -> Check:
    """What is asked for against what is there; of the two client libraries one will do, and both are too many."""
    found: dict[str, str] = {}
    wrong: list[str] = []
    for requirement in requirements:
        if ";" in requirement:
            continue  # of an extra
        name, ranges = _named(requirement)
        version = installed(name)
        if name in _CLIENTS and version is None:
            continue
        if version is None:
            wrong.append(f"{name} is missing (expected {ranges})")
            continue
        found[name] = version
        if not within(version, ranges):
            wrong.append(f"{name} {version} (expected {ranges})")
    clients = [name for name in _CLIENTS if installed(name) is not None]
    if len(clients) != 1:
        wrong.append(f"client libraries {' and '.join(clients) or 'none'} (expected one: docs/adr/0016)")
    found |= {name: installed(name) or "" for name in clients}
    said = ", ".join(f"{name} {version}" for name, version in sorted(found.items()))
    values = {"packages": found}
    if wrong:
        advice = f"{'; '.join(wrong)}. Install what pyproject.toml asks for: `make build`, or pip install -e ."
        return fail(SECTION, "packages", said or "none", advice, exit_code=UsageError.exit_code, values=values)
    return ok(SECTION, "packages", said, values=values)


def _named(requirement: str) -> tuple[str, str]:
    parts = _REQUIREMENT.match(requirement)
    assert parts is not None, requirement
    return parts.group(1), parts.group(2).strip()


def within(version: str, ranges: str) -> bool:
    """Whether `15.0.1` is in `<16,>=14`; of a pre-release its numbers count."""
    found = _numbers(version)
    return all(_HOLDS[sign](found, _padded(wanted, found)) for sign, wanted in _CLAUSE.findall(ranges))


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version.split("+", maxsplit=1)[0])]


def _padded(wanted: str, found: list[int]) -> list[int]:
    numbers = _numbers(wanted)
    return numbers + [0] * (len(found) - len(numbers))


# --- kernels -------------------------------------------------------------------------------------------------------


def kernel_checks(folder: Path) -> Iterator[Check]:
    """Every extension is there, not older than its source, and compiled as setup.py says, without checks."""
    sources = sorted(folder.glob("*.pyx"))
    built = {source: next(iter(sorted(folder.glob(f"{source.stem}.*.so"))), None) for source in sources}
    missing = [source.stem for source, library in built.items() if library is None]
    stale = [
        source.stem
        for source, library in built.items()
        if library is not None and library.stat().st_mtime < source.stat().st_mtime
    ]
    libraries = [library for library in built.values() if library is not None]
    values = {"built": len(libraries), "sources": len(sources)}
    if missing:
        found = f"{len(missing)} of {len(sources)} are not built: {', '.join(missing[:5])}"
        yield fail(SECTION, "kernels", found, _MAKE, exit_code=UsageError.exit_code, values=values)
    elif stale:
        found = f"{len(libraries)} built, older than their source: {', '.join(stale[:5])}"
        yield warn(SECTION, "kernels", found, _MAKE, values=values)
    else:
        yield ok(SECTION, "kernels", f"{len(libraries)} built, none older than its source", values=values)
    yield flags_check(libraries)


def flags_check(libraries: Iterable[Path]) -> Check:
    """The compiler's own record in each extension."""
    seen = {library.name.split(".")[0]: sections(library) for library in libraries}
    flags = {name: _switches(found.get(_COMMANDS)) for name, found in seen.items()}
    debug = [
        name
        for name, found in seen.items()
        if any(flag.startswith("-DCYTHON_TRACE") for flag in flags[name] or ())
        or _optimised(flags[name]) == "-O0"
        or (flags[name] is None and _DEBUG in found)
    ]
    kinds = sorted({" ".join(_told(row)) for row in flags.values() if row is not None})
    values = {"flags": kinds, "debug": debug}
    if debug:
        advice = f"these check and trace every line and are many times slower: {_MAKE}"
        found = f"a debug build: {', '.join(debug[:5])}"
        return fail(SECTION, "build flags", found, advice, exit_code=UsageError.exit_code, values=values)
    wrong = [name for name, row in flags.items() if row is not None and not set(_FLAGS) <= set(row)]
    if wrong or any("-ffast-math" in (row or ()) for row in flags.values()):
        advice = f"{', '.join(_FLAGS)} keep every build at the same bits (docs/adr/0004): {_MAKE}"
        found = f"{', '.join(wrong[:5])} compiled with other flags than setup.py's"
        return fail(SECTION, "build flags", found, advice, exit_code=UsageError.exit_code, values=values)
    unknown = [name for name, row in flags.items() if row is None]
    if unknown:
        found = f"not recorded in {len(unknown)} of {len(flags)} kernels"
        return warn(
            SECTION, "build flags", found, f"they are of another compiler or an older build: {_MAKE}", values=values
        )
    return ok(SECTION, "build flags", "; ".join(kinds) or "no kernels", values=values)


def _switches(section: bytes | None) -> list[str] | None:
    """Switches of a record; None without one. Some compilers write a text for all, others one for each."""
    if section is None:
        return None
    return section.replace(b"\0", b" ").decode("utf-8", "replace").split()


def _optimised(switches: list[str] | None) -> str:
    """The last one counts."""
    return next((switch for switch in reversed(switches or []) if re.fullmatch(r"-O\w*", switch)), "")


def _told(switches: list[str]) -> list[str]:
    return [_optimised(switches), *(switch for switch in _FLAGS if switch in switches)]


def sections(library: Path) -> dict[str, bytes]:
    """Sections of a 64-bit little-endian ELF file by name: those that tell how it was compiled; others are empty.

    What is no such file has none.
    """
    data = library.read_bytes()
    if data[:6] != b"\x7fELF\x02\x01" or len(data) < 64:
        return {}
    (start,) = struct.unpack_from("<Q", data, 0x28)
    size, count, names_at = struct.unpack_from("<HHH", data, 0x3A)
    if size < 64 or start + size * count > len(data) or names_at >= count:
        return {}
    rows = [struct.unpack_from("<IIQQQQ", data, start + size * number) for number in range(count)]
    names = data[rows[names_at][4] : rows[names_at][4] + rows[names_at][5]]
    found: dict[str, bytes] = {}
    for name_at, _kind, _flags, _address, offset, length in rows:
        name = names[name_at : names.find(b"\0", name_at)].decode("ascii", "replace")
        found[name] = data[offset : offset + length] if name == _COMMANDS else b""
    return found
