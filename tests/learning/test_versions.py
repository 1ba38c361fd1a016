"""An earlier version's file is raised, a newer one refused (issue 8, item 1; LE10)."""

import json
import shutil
from pathlib import Path

import pytest

from tests.learning.trades import feed
from trading_bot.core.learning_file import load_learning, save_learning
from trading_bot.core.learning_loop import LearningLoop, LearningState
from trading_bot.domain.errors import DataCorrupt
from trading_bot.engines.costs import CostBook, Costs

FIRST = Path(__file__).parent / "data" / "learning_state_v1.json"  # written by the version that knew only schema 1


def test_a_file_of_version_1_goes_on_where_it_stood(tmp_path):
    """25 trades of K1 around -2 USD and two of S2 were in it; K1 was found at ×1.2 at its 20th."""
    path = tmp_path / "learning_state.json"
    shutil.copy(FIRST, path)
    found = load_learning(path)
    assert (found.version, found.seq, found.known_costs()) == (1, 4711, None)
    loop = LearningLoop(templates=("K1", "S2"))
    loop.load_from_dict(found.state)
    assert (loop.state("K1"), loop.throttle("K1")) == (LearningState.THROTTLED_120, 1.2)
    assert (loop.metrics("K1").trades, loop.metrics("S2").net_uusd) == (25, 1_000_000)
    assert loop.belief_factor("K1") == 1.0
    assert loop.adopt_beliefs(20261123) == [], "its trades say nothing of belief"
    assert feed(loop, [-2.0] * 14, template="K1") == []
    assert feed(loop, [-2.0], template="K1"), "15 more are the next look: the count goes on"
    save_learning(path, loop.export_to_dict(), costs=Costs())
    assert json.loads(path.read_bytes())["version"] == 2
    assert load_learning(path).state["schema"] == 2


def test_what_it_held_is_what_the_raised_one_holds():
    old = json.loads(FIRST.read_bytes())["state"]
    loop = LearningLoop()
    loop.load_from_dict(old)
    for before, after in zip(old["rows"], loop.export_to_dict()["rows"], strict=True):
        assert [result[:4] for result in after["real"]] == before["real"]
        assert [result[4:] for result in after["real"]] == [[None] * 3] * len(before["real"])
        same = before.keys() - {"real", "shadow"}
        assert {name: after[name] for name in same} == {name: before[name] for name in same}


def test_one_changed_byte_of_a_version_1_file_is_refused(tmp_path):
    path = tmp_path / "learning_state.json"
    path.write_bytes(FIRST.read_bytes().replace(b'"seq":4711', b'"seq":4712'))
    with pytest.raises(DataCorrupt, match="checksum"):
        load_learning(path)


@pytest.mark.parametrize(("name", "value"), [("version", 3), ("version", 0), ("version", True), ("version", "2")])
def test_another_version_is_refused_by_name(tmp_path, name, value):
    path = tmp_path / "learning_state.json"
    path.write_text(json.dumps(json.loads(FIRST.read_bytes()) | {name: value}))
    with pytest.raises(DataCorrupt, match=f"version {value!r}, expected 2 or 1"):
        load_learning(path)


@pytest.mark.parametrize("spoil", [lambda row: row.update(real=7), lambda row: row.pop("template"), lambda row: row])
def test_a_version_1_state_that_says_nonsense_is_refused_whole(spoil):
    state = json.loads(FIRST.read_bytes())["state"]
    spoil(state["rows"][0])
    state["rows"][0]["real"] = (
        state["rows"][0]["real"] if isinstance(state["rows"][0]["real"], int) else [[0, 1.5, "", ""]]
    )
    with pytest.raises(DataCorrupt, match="learning state"):
        LearningLoop().load_from_dict(state)


def test_costs_are_saved_with_the_state_and_guarded_by_the_same_checksum(tmp_path):
    path = tmp_path / "learning_state.json"
    costs = Costs(real=CostBook(fees_uusd=1_250_000, lots=2, entry_factor_e6=1_200_000))
    save_learning(path, LearningLoop().export_to_dict(), costs=costs)
    assert load_learning(path).known_costs() == costs
    path.write_bytes(path.read_bytes().replace(b"1200000", b"1300000"))
    with pytest.raises(DataCorrupt, match="checksum"):
        load_learning(path)
