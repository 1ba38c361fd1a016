"""The rows of `make mutants` are complete and still fit the product; the mutants themselves run behind the target."""

import ast
import importlib.util
import sys
from pathlib import Path

import pytest

from trading_bot.core import after_fill, invariants
from trading_bot.domain.reasons import GateReason, SafetyCheck
from trading_bot.engines.breaker_table import Breaker
from trading_bot.engines.budgets import Budget
from trading_bot.engines.session import SessionState

ROOT = Path(__file__).parents[2]


def tool(name):
    """A module of tools/, which is no package; its directory stays off the path."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(name, module)  # msgspec looks its types up there
    spec.loader.exec_module(module)
    return module


ROWS = tool("mutant_rows").all_mutants()
WORLDS = tool("mutant_worlds").WORLDS


def names(kind):
    return {row.name.split(" (")[0] for row in ROWS if row.kind == kind}


def test_each_invariant_is_broken_by_a_mutant():
    assert names("invariant") == set(invariants.NAMES)


def test_each_check_gate_breaker_and_budget_is_broken_by_a_mutant():
    assert names("check") == {check.name for check in SafetyCheck}
    assert names("breaker") == {breaker.name for breaker in Breaker}
    assert names("fill") == {name for name, _ in after_fill.CHECKS}
    assert names("budget") == {budget.name for budget in Budget}
    states = {f"SESSION {state.name}" for state in SessionState if state is not SessionState.ENTRIES}
    of_the_session = {reason.name for reason in GateReason if reason.name.startswith("SESSION_")}
    assert names("gate") == ({reason.name for reason in GateReason} - of_the_session | states) | {"SESSION_TOO_SHORT"}


def test_each_kind_of_rule_and_each_way_into_the_kill_switch_is_broken_by_a_mutant():
    tags = {"RULE_TRAILING_INTRADAY", "RULE_TRAILING_END_OF_DAY", "RULE_DAILY_LOSS", "RULE_CONSISTENCY", "RULE_FLAT_BY"}
    assert names("rule") >= tags
    callers = sum(
        path.read_text(encoding="utf-8").count("pull_kill_switch(state")
        for path in (ROOT / "src/trading_bot/core").glob("*.py")
    )
    rows = [row for row in ROWS if row.kind == "kill" and "pull_kill_switch(state" in row.old]
    assert len(rows) == callers - 1, "all but its definition"


def test_every_name_is_one_row():
    keys = [(row.kind, row.name) for row in ROWS]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.kind} {row.name}")
def test_a_mutant_fits_the_product_of_today(row):
    """Its text stands in the file once, and what comes out is a program: no mutant is killed by a syntax error."""
    source = (ROOT / row.file).read_text(encoding="utf-8")
    changed = row.applied(source)
    assert changed != source
    ast.parse(changed)
    if row.world:
        assert row.world in WORLDS
        assert row.notices in invariants.NAMES
        return
    assert row.tests
    for test in row.tests:
        assert (ROOT / test.split("::")[0]).exists(), test


def test_the_page_has_every_invariant():
    page = (ROOT / "docs" / "simulation.md").read_text(encoding="utf-8")
    missing = [name for name, text in invariants.NAMES.items() if f"| {name} | {text} |" not in page]
    assert not missing
