"""What import-linter cannot see: the import and cimport lines of Cython files, and Python's imports of kernels.

The kernels sit between `engines` and `domain`: they may use each other and `domain`, the C library's arithmetic and
memory, and nothing that reads a clock, a file, a socket, a random source or a logger.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.architecture.sources import PACKAGE, Violation, relative, report, source_files

ALLOWED_OURS: Final = ("trading_bot._fast", "trading_bot.domain")
FORBIDDEN_ROOTS: Final = frozenset(
    [
        "aiohttp",
        "asyncio",
        "concurrent",
        "datetime",
        "fcntl",
        "glob",
        "httpx",
        "io",
        "logging",
        "mmap",
        "multiprocessing",
        "numpy",
        "os",
        "pandas",
        "pathlib",
        "polars",
        "posix",
        "random",
        "sched",
        "secrets",
        "select",
        "selectors",
        "shutil",
        "signal",
        "socket",
        "ssl",
        "structlog",
        "subprocess",
        "tempfile",
        "threading",
        "time",
        "urllib",
        "uuid",
        "uvloop",
        "zoneinfo",
    ]
)
FORBIDDEN_MODULES: Final = ("libc.time", "libc.stdio", "libc.signal", "cpython.datetime", "cpython.time")
# Law 2: half-lives are piecewise linear and thresholds are z-values, so that no libm decides anything.
FORBIDDEN_NAMES: Final = {
    "libc.math": frozenset(
        [
            "exp",
            "expf",
            "exp2",
            "expm1",
            "log",
            "logf",
            "log2",
            "log10",
            "log1p",
            "pow",
            "powf",
            "erf",
            "erfc",
            "sin",
            "cos",
            "tan",
            "tanh",
        ]
    ),
    "libc.stdlib": frozenset(["rand", "srand", "random", "srandom", "getenv", "system"]),
}
HEADERS_ALLOWED: Final = frozenset({"stdint.h", "stddef.h", "string.h", "stdlib.h", "math.h", "limits.h", "Python.h"})
# The broker's socket, in and out: receive stamps and the write of an order (docs/adr/0018). Nothing that decides may
# reach into these.
AT_THE_SOCKET: Final = {"tws": frozenset({"time.h", "cycles.h"}), "pacing": frozenset({"unistd.h"})}
LAYERS_WITHOUT_KERNELS: Final = ("domain",)


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines without comments, with parenthesised and backslash continuations joined; numbers of their first line."""
    pending, start = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        code = line.split("#")[0].rstrip()
        start = start or number
        pending += " " + code.removesuffix("\\")
        if code.endswith("\\") or pending.count("(") > pending.count(")"):
            continue
        yield start, pending.strip()
        pending, start = "", 0


def imported(text: str) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    """(line, module, names) of every import and cimport; names is empty for `import module`."""
    for number, line in logical_lines(text):
        if match := re.match(r"from\s+([\w.]+)\s+c?import\s+(.*)", line):
            names = re.sub(r"[()]", " ", match.group(2)).split(",")
            yield number, match.group(1), tuple(name.split(" as ")[0].strip() for name in names if name.strip())
        elif match := re.match(r"c?import\s+(.*)", line):
            for module in match.group(1).split(","):
                yield number, module.split(" as ")[0].strip(), ()


def kernel_import_violations(path: str, text: str, siblings: frozenset[str]) -> Iterator[Violation]:
    """Every import of a kernel file that points upwards or to a forbidden module."""
    for number, module, names in imported(text):
        # `from trading_bot import core` names its module in the second half.
        modules = [f"{module}.{name}" for name in names] if module in {"trading_bot", "."} else [module]
        for full in modules:
            root = full.split(".")[0]
            if root == "trading_bot" and not full.startswith(ALLOWED_OURS):
                yield Violation(path, number, f"{full}: kernels import only _fast and domain (architecture 5)")
            if full.startswith(".."):
                yield Violation(path, number, f"{full}: write the absolute name")
            if root in FORBIDDEN_ROOTS and root not in siblings:
                yield Violation(path, number, f"{full}: no clock, I/O, logging or random source in a kernel")
            if full in FORBIDDEN_MODULES:
                yield Violation(path, number, f"{full}: no clock and no I/O in a kernel")
        for name in sorted(FORBIDDEN_NAMES.get(module, frozenset()) & set(names)):
            yield Violation(path, number, f"{module}.{name}: law 2 keeps it out of what decides")
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.search(r'cdef\s+extern\s+from\s+["<]([^">]+)[">]', line)
        own = header and (PACKAGE / "_fast" / header.group(1)).is_file() and header.group(1) != "cycles.h"
        allowed = HEADERS_ALLOWED | AT_THE_SOCKET.get(Path(path).stem, frozenset())
        if header and header.group(1) not in allowed and not own:
            yield Violation(path, number, f"{header.group(1)}: a C header that may read clocks or files")


def kernel_users_below(path: str, text: str) -> Iterator[Violation]:
    """Imports of `_fast` from a layer below it; import-linter does not know compiled modules by name."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            modules = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        else:
            continue
        for module in modules:
            if module.startswith("trading_bot._fast"):
                yield Violation(path, node.lineno, f"{module}: domain is below the kernels")


KERNEL_FILES = source_files(".pyx", ".pxd", folders=(PACKAGE / "_fast",))
SIBLINGS = frozenset(path.stem for path in KERNEL_FILES)


def test_kernels_import_only_what_lies_below_them():
    found = [
        violation
        for path in KERNEL_FILES
        for violation in kernel_import_violations(relative(path), path.read_text(), SIBLINGS)
    ]
    assert not found, report(found)


def test_no_kernel_uses_one_that_reads_a_clock():
    modules = {f"trading_bot._fast.{name}" for name in AT_THE_SOCKET}
    for path in KERNEL_FILES:
        if path.stem not in AT_THE_SOCKET:
            assert not modules & {module for _, module, _ in imported(path.read_text())}, relative(path)


def test_kernels_live_in_one_package():
    """The scan above looks into `_fast` only, so nothing compiled may live elsewhere."""
    assert set(source_files(".pyx", ".pxd")) == set(KERNEL_FILES)
    assert KERNEL_FILES


def test_domain_does_not_import_the_kernels():
    files = source_files(".py", folders=tuple(PACKAGE / layer for layer in LAYERS_WITHOUT_KERNELS))
    assert files
    found = [violation for path in files for violation in kernel_users_below(relative(path), path.read_text())]
    assert not found, report(found)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("from libc.stdint cimport int64_t\nfrom trading_bot.core.state cimport State\n", 2),
        ("from trading_bot import engines\n", 1),
        ("import trading_bot.adapters.files\n", 1),
        ("from ..core cimport state\n", 1),
        ("import time\n", 1),
        ("cimport numpy as np\n", 1),
        ("def f():\n    import os, sys\n", 2),
        ("from libc.time cimport (\n    time,\n)\n", 1),
        ("from libc.math cimport sqrt, exp\n", 1),
        ("from posix.time cimport clock_gettime\n", 1),
        ('cdef extern from "sys/time.h":\n    pass\n', 1),
        ("from libc.stdlib cimport malloc, \\\n    rand\n", 1),
    ],
)  # fmt: skip
def test_a_forbidden_kernel_import_is_found(text, line):
    assert [violation.line for violation in kernel_import_violations("k.pyx", text, frozenset())] == [line]


def test_what_kernels_need_is_allowed():
    text = (
        "from libc.stdint cimport int64_t\nfrom libc.math cimport sqrt, fabs\nfrom libc.string cimport memcpy\n"
        "from trading_bot._fast.records cimport (\n    TickRecord,  # a frame\n)\n"
        "from trading_bot.domain import errors\n"
        "from cpython.buffer cimport PyBUF_SIMPLE\nimport msgspec\nfrom .book cimport Book\n"
        '# import time\ncdef extern from "stdint.h":\n    pass\n'
    )
    assert not list(kernel_import_violations("k.pyx", text, frozenset()))


def test_a_kernel_import_from_domain_is_found():
    text = "import msgspec\nfrom trading_bot._fast.hotpath import HotPath\nfrom trading_bot import _fast\n"
    assert [violation.line for violation in kernel_users_below("domain/x.py", text)] == [2, 3]
