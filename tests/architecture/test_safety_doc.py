"""docs/safety.md says what is: every check, breaker and row after a fill, by name, with keys that exist."""

import re

import pytest

from tests.architecture.sources import ROOT
from trading_bot.config_keys import KEYS
from trading_bot.core.after_fill import CHECKS
from trading_bot.domain.reasons import SafetyCheck
from trading_bot.engines.breaker_table import RULES

TEXT = (ROOT / "docs" / "safety.md").read_text()
KEY = re.compile(r"`([a-z]+\.[a-z_]+)(?: = [^`]*)?`")


def rows(header):
    """Cells of the table under a header line."""
    lines = TEXT[TEXT.index(header) :].splitlines()[2:]
    table = []
    for line in lines:
        if not line.startswith("|"):
            break
        table.append([cell.strip() for cell in line.strip("|").split("|")])
    return table


def test_every_check_of_the_gate_has_its_row():
    found = [(int(number), name) for number, name, *_ in rows("| check | name |")]
    assert found == [(check.value, check.name) for check in SafetyCheck]


def test_every_breaker_has_its_row_and_its_limit():
    found = [(name, does, ends) for name, does, ends, _ in rows("| breaker | does |")]
    assert found == [(rule.breaker.value, rule.response.name, rule.reset.value) for rule in RULES]
    limits = {name: limit for name, _, _, limit in rows("| breaker | does |")}
    for rule in RULES:
        if rule.limit_key:
            assert limits[rule.breaker.value] == f"`breakers.{rule.limit_key}`"


def test_every_row_after_a_fill_is_there():
    assert [name for name, _ in rows("| row | must hold |")] == [name for name, _ in CHECKS]


@pytest.mark.parametrize("key", sorted(set(KEY.findall(TEXT))))
def test_every_key_exists(key):
    assert key in KEYS
