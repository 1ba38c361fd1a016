"""Delayed data refuse entries and never kill (specification 4), also where only the records say so, not the link."""

import pytest

from tests.core.handler_world import START_NS, World, of, only
from tests.core.worlds import documents
from tests.engines.cases import candidate
from trading_bot.config_files import load_config
from trading_bot.core.documents import RunDocuments
from trading_bot.domain import events
from trading_bot.domain.effects import Alert
from trading_bot.domain.kernel import Outcome
from trading_bot.domain.records import TickFlag
from trading_bot.domain.units import NS_PER_S

S = NS_PER_S


@pytest.fixture(scope="module")
def shipped():
    loaded = load_config(overrides={"run.adapter": "sim"})
    plain = documents()
    return RunDocuments(
        config=loaded.config, templates=loaded.templates, instrument=plain.instrument, calendar=plain.calendar
    )


@pytest.fixture
def world(shipped):
    """The link says live (1); what the records say is the test's."""
    world = World(docs=shipped)
    assert world.state.data_type == 1
    return world


def delayed(world, from_s, until_s):
    """A delayed quote in each second of these, both included."""
    for second in range(from_s, until_s + 1):
        ts_ns = START_NS + second * S
        world.advance(ts_ns)
        code = world.state.kernel.on_quote(ts_ns, 24_000, 10, 24_001, 10, 0, TickFlag.DELAYED_DATA)
        assert not code & Outcome.PENDING
        if code:
            world._record(world.machine.outcome(code))


def kills(world):
    return [(record.ts_ns - START_NS) // S for record in of(world.records, Alert) if record.code == "KILL_SWITCH"]


def test_a_position_is_not_killed_by_them_however_long(world):
    world.hold(1)
    delayed(world, 1, 120)
    assert world.state.kernel.penalties()["delayed"] == 100
    assert world.state.kernel.dvs_c == 0
    assert not kills(world)


def test_flat_they_refuse_entries(world):
    delayed(world, 1, 5)
    assert world.state.data_down
    decision = only(world.fire(candidate()), events.DecisionMade)
    assert decision.action != "ENTER"
    assert world.state.entry_mask == 0
    assert not kills(world)


def test_live_records_again_end_it(world):
    world.hold(1)
    delayed(world, 1, 30)
    world.quotes(START_NS + 31 * S, START_NS + 90 * S)
    assert world.state.kernel.dvs_c == 80, "a minute without a trade costs .20, and nothing else is wrong"
    assert not world.state.quality_kill_armed
    assert not kills(world)


def test_silence_after_them_kills_once_they_are_forgotten(world):
    """The last delayed one is of second 30 and remembered to 41; by then the stream has been silent for ten seconds."""
    world.hold(1)
    delayed(world, 1, 30)
    world.advance(START_NS + 60 * S)
    assert [41 <= second <= 51 for second in kills(world)] == [True]


def test_a_poor_execution_score_kills_all_the_same(world):
    """Five rejections leave .25."""
    world.hold(1)
    delayed(world, 1, 15)
    for number in range(5):
        world.apply(events.OrderRejected(ts_ns=START_NS + 15 * S, order_id=(8_000, number), code=201, text="margin"))
    delayed(world, 16, 40)
    assert len(kills(world)) == 1
    assert "execution score" in world.state.kill_reason
