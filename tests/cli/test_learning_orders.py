"""`learning archive` and `revive`: a person's word, from the command to the log and back (issue 8, item 1; LE02)."""

import json

import pytest

from tests.core.handler_world import World
from tests.engines.cases import candidate
from trading_bot.cli import main
from trading_bot.core.learning_requests import ORDER_FILE, take_order
from trading_bot.core.machine import Facts
from trading_bot.core.operator_desk import OperatorDesk
from trading_bot.domain.effects import Alert, PlaceOrder, PlaceShadow, SaveLearningState
from trading_bot.domain.events import DecisionMade
from trading_bot.domain.learning import Finding, LearningOrdered, LearningState, LearningUpdate


@pytest.fixture
def order(tmp_path, capfd):
    def start(*arguments):
        code = main(["learning", *arguments, "--data-dir", str(tmp_path)])
        out, err = capfd.readouterr()
        return code, out, err

    return start


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("archive", "K1"), "needs --reason"),
        (("revive", "K1", "--reason", " "), "needs --reason"),
        (("archive", " ", "--reason", "x"), "needs the name"),
        (("archive", "--reason", "x"), "Missing argument"),
    ],
)
def test_it_refuses_with_2_and_leaves_nothing(order, tmp_path, arguments, said):
    code, out, err = order(*arguments)
    assert code == 2
    assert said in out + err
    assert not (tmp_path / ORDER_FILE).exists()


@pytest.mark.parametrize(
    ("word", "finding"), [("archive", Finding.PERSON_ARCHIVES), ("revive", Finding.PERSON_REVIVES)]
)
def test_without_a_bot_it_waits_for_the_next(order, tmp_path, word, finding):
    code, out, _ = order(word, "K1", "--reason", "no longer wanted", "--json")
    assert (code, json.loads(out)["taken"]) == (0, False)
    told = OperatorDesk(tmp_path).poll(1)
    assert (told.template, told.finding, told.reason, told.source) == ("K1", finding, "no longer wanted", "cli")
    assert not (tmp_path / ORDER_FILE).exists()


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"order":"delete","template":"K1","reason":"x"}'])
def test_a_file_that_is_no_request_changes_nothing(tmp_path, content):
    (tmp_path / ORDER_FILE).write_bytes(content)
    assert take_order(tmp_path, 1) == (None, None)
    assert not (tmp_path / ORDER_FILE).exists()


def word(world, template, finding):
    return world.apply(
        LearningOrdered(ts_ns=world.now_ns, template=template, finding=finding, reason="a person's", source="cli")
    )


def of(records, kind):
    return [record for record in records if isinstance(record, kind)]


def test_a_word_is_told_and_saved_and_archived_is_archived():
    world = World()
    results = word(world, "E1", Finding.PERSON_ARCHIVES)
    [update] = of(results, LearningUpdate)
    assert (update.previous, update.state) == (LearningState.ACTIVE, LearningState.ARCHIVED)
    assert [one.reason for one in of(results, SaveLearningState)] == ["TRANSITION"]
    assert "a person's (cli)" in of(results, Alert)[0].text
    decided = world.fire(candidate())
    assert [made.reason for made in of(decided, DecisionMade)] == ["LEARNING_BLOCKED"]
    assert not of(decided, PlaceOrder)
    assert not of(decided, PlaceShadow), "not even shadow trades"
    [back] = of(word(world, "E1", Finding.PERSON_REVIVES), LearningUpdate)
    assert back.state is LearningState.QUARANTINED, "not to trading"


@pytest.mark.parametrize(
    ("template", "finding", "said"),
    [("E1", Finding.PERSON_REVIVES, "it is ACTIVE"), ("K9", Finding.PERSON_ARCHIVES, "this run has no such template")],
)
def test_what_the_table_does_not_have_is_refused_aloud(template, finding, said):
    world = World()
    before = world.state.learning.canonical()
    [alert] = of(word(world, template, finding), Alert)
    assert alert.code == "LEARNING_ORDER_REFUSED"
    assert said in alert.text
    assert world.state.learning.canonical() == before


def test_a_cold_restart_remembers_the_word():
    """Another configuration goes on with the log: trades and words since it began are taken in again."""
    facts = Facts()
    world = World()
    facts.outcomes.append(
        LearningOrdered(ts_ns=1, template="E1", finding=Finding.PERSON_ARCHIVES, reason="r", source="s")
    )
    fresh = world.machine.restarted(world.documents, facts)
    assert fresh.state.learning.state("E1") is LearningState.ARCHIVED
