"""The repository's own lint: what ruff cannot say. `# tidy-ok: reason` on a line exempts that line."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.architecture import tidy_rules
from tests.architecture.sources import (
    PACKAGE,
    ROOT,
    Violation,
    is_exempt,
    relative,
    report,
    source_files,
    without_exempt,
)

Rule = Callable[[str, str], Iterator[Violation]]

PYTHON_FILES = source_files(".py", ".pyi")
KERNEL_FILES = source_files(".pyx", ".pxd", ".h")
TOOL_FILES = source_files(".py", folders=(ROOT / "tools",))
DECIDING_FILES = [
    path for path in PYTHON_FILES if tidy_rules.is_deciding(relative(path)) or "trading_bot/domain/" in relative(path)
]


def broken(rule: Rule, paths: list[Path]) -> list[Violation]:
    found = []
    for path in paths:
        text = path.read_text()
        found += without_exempt(rule(relative(path), text), text)
    return found


@pytest.mark.parametrize(
    ("rule", "paths"),
    [
        pytest.param(tidy_rules.long_module, [*PYTHON_FILES, *KERNEL_FILES, *TOOL_FILES], id="module length"),
        pytest.param(tidy_rules.long_functions, [*PYTHON_FILES, *TOOL_FILES], id="function length"),
        pytest.param(tidy_rules.long_pyx_functions, source_files(".pyx"), id="kernel function length"),
        pytest.param(tidy_rules.banned_calls, PYTHON_FILES, id="banned calls"),
        pytest.param(tidy_rules.swallowed_exceptions, [*PYTHON_FILES, *TOOL_FILES], id="swallowed exceptions"),
        pytest.param(tidy_rules.set_iterations, DECIDING_FILES, id="set iteration where decisions are made"),
        pytest.param(tidy_rules.pyx_banned, KERNEL_FILES, id="banned in kernels"),
        pytest.param(tidy_rules.unfinished, [*PYTHON_FILES, *KERNEL_FILES], id="unfinished"),
    ],
)
def test_the_sources_keep_the_rule(rule, paths):
    found = broken(rule, paths)
    assert not found, report(found)


def test_the_rules_see_the_sources():
    """A moved folder must not turn every rule into one about nothing."""
    assert PACKAGE / "domain" / "records.py" in PYTHON_FILES
    assert PACKAGE / "_fast" / "records.pxd" in KERNEL_FILES
    assert DECIDING_FILES


CORE = "src/trading_bot/core/sample.py"
BAD = [
    (tidy_rules.long_module, CORE, "x = 1\n" * 401, 1),
    (tidy_rules.long_functions, CORE, "def f():\n" + "    x = 1\n" * 60, 1),
    (tidy_rules.long_pyx_functions, "k.pyx", "cdef int f(int a,\n            int b) nogil:\n" + "    x = 1\n" * 59, 1),
    (tidy_rules.long_pyx_functions, "k.pyx", "class A:\n    def f(self):\n" + "        x = 1\n\n" * 40 + "y = 1\n", 2),
    (tidy_rules.banned_calls, CORE, "import time\nx = time.time()\n", 2),
    (tidy_rules.banned_calls, CORE, "from datetime import datetime\nx = datetime.now(tz)\n", 2),
    (tidy_rules.banned_calls, CORE, "print('x')\n", 1),
    (tidy_rules.banned_calls, CORE, "x = hash('a')\n", 1),
    (tidy_rules.banned_calls, CORE, "import math\nx = math.exp(1.0)\n", 2),
    (tidy_rules.swallowed_exceptions, CORE, "try:\n    f()\nexcept:\n    raise\n", 3),
    (tidy_rules.swallowed_exceptions, CORE, "try:\n    f()\nexcept Exception:\n    pass\n", 3),
    (tidy_rules.swallowed_exceptions, CORE, "try:\n    f()\nexcept (OSError, Exception):\n    ...\n", 3),
    (tidy_rules.set_iterations, CORE, "for x in {1, 2}:\n    f(x)\n", 1),
    (tidy_rules.set_iterations, CORE, "names = set(a)\nfor x in names:\n    f(x)\n", 2),
    (tidy_rules.set_iterations, CORE, "def f(open_ids: set[int]):\n    return [g(x) for x in open_ids]\n", 2),
    (tidy_rules.set_iterations, CORE, "class A:\n    s: set[str]\n    def f(self):\n        return [*self.s]\n", 4),
    (tidy_rules.set_iterations, CORE, "x = tuple(a.union(b))\n", 1),
    (tidy_rules.pyx_banned, "k.pyx", "cdef f():\n    print(1)\n", 2),
    (tidy_rules.pyx_banned, "k.pyx", "try:\n    f()\nexcept:\n    g()\n", 3),
    (tidy_rules.unfinished, CORE, "x = 1\ny = 2  # TODO: more\n", 2),
    (tidy_rules.unfinished, CORE, "raise NotImplementedError\n", 1),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "path", "text", "line"), BAD)
def test_each_rule_can_fail(rule, path, text, line):
    assert [violation.line for violation in rule(path, text)] == [line]


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (tidy_rules.long_module, "x = 1\n" * 400),
        (tidy_rules.long_functions, 'def f():\n    """One.\n\n    Two.\n    """\n' + "    x = 1\n" * 59),
        (tidy_rules.long_pyx_functions, 'cdef int f(int a):\n    """One.\n    Two.\n    """\n' + "    x = 1\n" * 59),
        (tidy_rules.long_pyx_functions, "cdef int x = f(1)\n" + "y = 2\n" * 70),
        (tidy_rules.banned_calls, "x = clock.time()\ny = event.print()\n"),
        (tidy_rules.swallowed_exceptions, "try:\n    f()\nexcept KeyError:\n    pass\n"),
        (tidy_rules.set_iterations, "names = set(a)\nfor x in sorted(names):\n    f(x)\n"),
        (tidy_rules.set_iterations, "names = {1, 2}\nok = any(x > 1 for x in names) or 3 in names\n"),
        (tidy_rules.unfinished, "return NotImplemented\n"),
    ],
)
def test_no_rule_fails_on_what_is_allowed(rule, text):
    assert not list(rule(CORE, text))


def test_an_exemption_needs_its_reason():
    assert is_exempt("x = f()  # tidy-ok: the shell's one clock")
    assert not is_exempt("x = f()  # tidy-ok: ")
    text = "print(1)  # tidy-ok: shown to the operator\nprint(2)\n"
    assert [violation.line for violation in without_exempt(tidy_rules.banned_calls(CORE, text), text)] == [2]
