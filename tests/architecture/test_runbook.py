"""The runbook says what to do about every alert the product can raise."""

import re

from tests.architecture.sources import PACKAGE, ROOT
from trading_bot.engines.reconciliation import TABLE, Severity

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
# Codes that are put together, or named by a variable, where they are raised.
PUT_TOGETHER = {
    "RECONCILE_NO_ANSWER", "BREAKER_TRIPPED", "BREAKER_RESET", "LOCKOUT_TRIPPED", "LOCKOUT_ENDED",
    "RULE_TRIPPED", "RULE_RESET", "FLATTEN_ALERT", "FLATTEN_DEAD_MAN",
}  # fmt: skip


def written_codes() -> set[str]:
    sources = [path.read_text() for path in PACKAGE.rglob("*.py")]
    return {code for text in sources for code in re.findall(r"Alert\([^#]*?code=\"([A-Z_]+)\"", text)}


def missing(runbook: str) -> list[str]:
    """Alert codes that the page does not name as a whole word."""
    rows = {rule.row.value for rule in TABLE if rule.severity is not Severity.NONE} - {"NO_ANSWER"}
    codes = written_codes() | rows | PUT_TOGETHER
    return sorted(code for code in codes if not re.search(rf"(?<![A-Z_]){code}(?![A-Z_])", runbook))


def test_every_alert_is_in_the_runbook():
    assert {"POSITION_NAKED", "BROKER_ERROR", "ORDER_UNCERTAIN"} <= written_codes()
    assert missing(RUNBOOK) == []


def test_an_alert_that_is_not_explained_is_noticed():
    assert missing(RUNBOOK.replace("ORPHAN_POSITION", "")) == ["ORPHAN_POSITION"]
