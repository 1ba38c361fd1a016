"""Every row of the field notes' incident tables is brought about by an incident, or left out with a reason."""

import re
import tomllib
from pathlib import Path

import pytest

from trading_bot.chaos.catalogue import INCIDENTS

TABLE = Path(__file__).with_name("coverage.toml")


@pytest.fixture(scope="module")
def rows():
    with TABLE.open("rb") as file:
        return tomllib.load(file)["row"]


@pytest.fixture(scope="module")
def ids(rows):
    return [identity for row in rows for identity in row["ids"]]


def test_each_row_is_covered_or_excluded_with_a_reason(rows):
    for row in rows:
        covered, excluded = row.get("incidents", []), row.get("excluded", "")
        assert bool(covered) != bool(excluded), f"{row['ids']}: incidents, or a reason, and not both"
        assert covered or len(excluded.split()) >= 5, f"{row['ids']}: {excluded!r} is no reason"


def test_no_row_stands_twice(ids):
    assert sorted(ids) == sorted(set(ids))


def test_the_table_names_incidents_that_claim_the_row(rows):
    for row in rows:
        for name in row.get("incidents", []):
            assert name in INCIDENTS, f"{row['ids']} names {name}, which does not exist"
            for identity in row["ids"]:
                assert identity in INCIDENTS[name].source, f"{name} does not claim {identity}"


def test_every_claim_of_an_incident_is_in_the_table(rows):
    told = {(identity, name) for row in rows for identity in row["ids"] for name in row.get("incidents", [])}
    claimed = {(source, name) for name, one in INCIDENTS.items() for source in one.source if source != "own"}
    assert claimed - told == set()


def test_all_25_rows_and_the_audit_are_there(ids):
    assert {f"2#{number}" for number in range(1, 26)} <= set(ids)
    assert {f"2c:{number}" for number in range(1, 12)} <= set(ids)
    assert set("ABCDEFG") <= set(ids)


def _table_after(text: str, heading: str) -> list[str]:
    """First cells of the table below a heading."""
    part = text[text.index(heading) + 3 :]
    lines = re.split(r"\n#{1,3} ", part, maxsplit=1)[0].splitlines()
    cells = [line.split("|")[1].strip() for line in lines if line.startswith("|")]
    return cells[2:]  # after the head and the rule


def test_the_table_has_every_row_of_the_field_notes(shared_design, ids):
    text = (shared_design / "field-notes.md").read_text()
    asks = _table_after(text, "## 2. The 25 strongest asks")
    codes = [code for cell in _table_after(text, "### 2b.") for code in re.findall(r"\b\d{3,5}\b", cell)]
    audit = [cell for cell in _table_after(text, "### 2c.") if cell]
    sections = re.findall(r"^## ([A-G])\. ", text, re.MULTILINE)
    wanted = [f"2#{number}" for number in asks if number.isdigit()]
    wanted += [f"2b:{code}" for code in codes]
    wanted += [f"2c:{number}" for number in range(1, len(audit) + 1)]
    assert len(asks) >= 25
    assert len(codes) > 40
    assert set(wanted) | set(sections) <= set(ids), set(wanted) | set(sections) - set(ids)
