"""docs/gateway.md says what the gateway does."""

import re
from pathlib import Path

import pytest

from trading_bot.adapters.gateway.actions import ACTIONS
from trading_bot.adapters.gateway.faults import Faults
from trading_bot.adapters.gateway.scenario import read_steps

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "gateway.md").read_text()
PACKAGE = ROOT / "src" / "trading_bot" / "adapters" / "gateway"


def test_every_action_stands_in_the_table():
    for name, action in ACTIONS.items():
        takes = ", ".join(f"`{one}`" for one in action.takes)
        lasts = "yes" if action.end is not None else ""
        assert f"\n| `{name}` | {takes} | {lasts} | {action.says} |\n" in PAGE
    assert PAGE.count("\n| `") >= len(ACTIONS)


def test_every_fault_has_an_action_that_sets_it():
    source = "".join(path.read_text() for path in (*PACKAGE.glob("*_actions.py"), PACKAGE / "gateway.py"))
    assert [field for field in Faults.__struct_fields__ if field not in source] == []


@pytest.mark.parametrize("text", re.findall(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL))
def test_an_example_of_the_page_can_be_played(tmp_path, text):
    path = tmp_path / "example.toml"
    path.write_text(text)
    assert len(read_steps(path)) == 3


def test_the_page_names_modules_that_exist():
    named = {
        name for row in re.findall(r"^\|.*\|$", PAGE, flags=re.MULTILINE) for name in re.findall(r"`(\w+\.py)`", row)
    }
    assert {name for name in named if not (PACKAGE / name).is_file()} == set()
