"""OP07: whatever the bot cries out about stands in docs/runbook.md, with what to do."""

import ast
import re

import pytest

from tests.conftest import ROOT
from trading_bot.core.after_fill import CODE as INVARIANT_BROKEN
from trading_bot.engines.reconciliation import TABLE, Severity

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
# Codes that are put together where the alert is made.
BUILT = (INVARIANT_BROKEN, "EFFECTS_ABANDONED", "FLATTEN_ALERT", "FLATTEN_DEAD_MAN")
BUILT += ("BREAKER_TRIPPED", "RULE_TRIPPED", "LOCKOUT_TRIPPED", "RECONCILE_NO_ANSWER")


def alert_codes():
    """Codes that stand in a call of `Alert` as they are."""
    for path in sorted((ROOT / "src" / "trading_bot").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Alert":
                codes = [word.value for word in node.keywords if word.arg == "code"]
                yield from (code.value for code in codes if isinstance(code, ast.Constant))


def test_there_are_alerts_to_look_for():
    assert len(set(alert_codes())) > 25


@pytest.mark.parametrize("code", sorted({*alert_codes(), *BUILT}))
def test_every_alert_is_in_the_runbook(code):
    assert re.search(rf"\b{code}\b", RUNBOOK), f"docs/runbook.md does not say what to do about {code}"


@pytest.mark.parametrize(
    "rule", [rule for rule in TABLE if rule.severity is not Severity.NONE], ids=lambda rule: rule.row
)
def test_every_difference_with_the_broker_that_is_told_is_in_the_runbook(rule):
    assert rule.row.value in RUNBOOK


@pytest.mark.parametrize(
    "outage",
    [
        "kill switch",
        "The process died",
        "The process froze",
        "ORPHAN_POSITION",
        "The disk",
        "The clock was set",
        "link",
    ],
)
def test_every_outage_has_its_place(outage):
    assert outage in RUNBOOK
