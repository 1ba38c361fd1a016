"""The verbs the README promises and the CI script runs exist and do what they say (OP03)."""

import os
import re
import subprocess

import pytest

from tests.architecture.sources import ROOT

VERBS = ("demo", "test", "lint", "bench", "debug", "clean", "features", "check")
CI = (ROOT / ".ci" / "run").read_text()


def dry_run(verb: str) -> str:
    """The commands `make VERB` would run, as if nothing had been built."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    result = subprocess.run(
        ["make", "--dry-run", "--always-make", verb], cwd=ROOT, env=clean, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_make_has_the_verb(verb):
    assert dry_run(verb)


@pytest.mark.parametrize("verb", ["demo", "test", "lint", "bench", "debug", "features"])
def test_every_verb_starts_from_nothing(verb):
    """A fresh clone has no environment and no kernels: each verb makes both first."""
    commands = dry_run(verb)
    assert "-m venv .venv" in commands
    assert "-e '.[dev]'" in commands
    assert commands.index("-m venv .venv") < commands.index("-e '.[dev]'") < commands.index("build_ext --inplace")


def test_lint_runs_the_linter_the_formatter_the_types_and_the_import_contracts():
    commands = dry_run("lint")
    for command in ("ruff check", "ruff format --check", "mypy", "lint-imports", "pytest -q tests/architecture"):
        assert command in commands


def test_debug_checks_the_kernels_and_restores_them():
    commands = dry_run("debug")
    checked, tests, restored = (
        commands.index("TRADING_BOT_DEBUG=1 .venv/bin/python setup.py"),
        commands.index("TRADING_BOT_DEBUG=1 .venv/bin/python -m pytest"),
        commands.index("restoring the normal kernels"),
    )
    assert checked < tests < restored


def test_ci_runs_the_readme_test_command_and_the_checks():
    stages = re.findall(r"^\s*(?:if )?stage ([\w-]+) (make (?:--keep-going )?[\w-]+)", CI, flags=re.MULTILINE)
    assert dict(stages) == {
        "build": "make build",
        "lint": "make --keep-going lint",
        "test": "make test",
        "ib-async": "make ib-async",
        "features": "make features",
        "sim": "make sim",
        "crash": "make crash",
        "gate": "make bench-gate",
    }
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_ci_stays_within_forty_minutes():
    assert int(re.search(r"BUDGET_S=(\d+)", CI).group(1)) <= 40 * 60


def test_the_readme_names_the_test_command_of_ci():
    readme = ROOT / "README.md"
    assert readme.is_file(), "README.md is not there"
    assert re.search(r"\bmake test\b", readme.read_text())


@pytest.mark.parametrize(
    "script", ["tools/bench.py", "tools/bench_instructions.py", "tools/e2e_demo_scenario.py", "tools/features.py"]
)
def test_the_scripts_the_verbs_start_exist(script):
    assert (ROOT / script).is_file()
