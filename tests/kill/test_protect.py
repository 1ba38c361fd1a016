"""`run.stop = "protect"`: a signal leaves the position with its stop, and the next start goes on with it (item 3)."""

import pytest

from tests.core.broker_world import BrokerWorld, S, real_documents
from tests.core.handler_world import START_NS, World, of
from tests.core.worlds import BUILD, OPEN_NS, documents, messages, wavy_tape
from tests.kill.kit import PLAIN, runner_over, simulated, until_protected
from trading_bot.core.recovery import recover_run, unfinished
from trading_bot.core.replay import replay
from trading_bot.core.summarize import summarize
from trading_bot.domain import effects, events
from trading_bot.domain.orders import Leg


def told_to_leave(world):
    return world.apply(events.StopRequested(ts_ns=world.now_ns, reason="SIGTERM", protect=True))


@pytest.fixture
def world():
    return BrokerWorld()


def ended(world):
    end = world.machine.end
    return None if end is None else (end.reason, end.exit_code)


def legs(world):
    return sorted(order.leg.value for order in world.broker.working())


class TestTheCore:
    def test_entries_and_target_go_and_the_stop_stays(self, world):
        world.enter()
        results = told_to_leave(world)
        assert [(cancel.leg, cancel.reason) for cancel in of(results, effects.CancelOrder)] == [
            (Leg.TARGET, "PROTECTED")
        ]
        alert = of(results, effects.Alert)[0]
        assert (alert.level, alert.code) == ("warning", "POSITION_LEFT")
        assert ended(world) is None, "the broker has not said that the target is gone"
        world.deliver()
        assert ended(world) == ("PROTECTED", 0)
        assert (world.broker.position, legs(world)) == (1, ["STOP"])
        assert of(world.records, effects.PlaceExit) == []

    def test_without_a_position_it_is_the_end_of_a_flat_run(self, world):
        told_to_leave(world)
        world.settle()
        assert ended(world) == ("SIGTERM", 0)

    def test_a_working_entry_is_withdrawn_and_what_filled_meanwhile_is_left_too(self, world):
        order_id = world.enter(fill=0)
        world.lossy = True  # the withdrawal comes too late
        told_to_leave(world)
        world.lossy = False
        world.broker.fill(world.broker.orders[order_id, Leg.ENTRY], 1)
        world.deliver()
        world.deliver()
        assert ended(world) == ("PROTECTED", 0)
        assert legs(world) == ["STOP"]

    def test_a_working_entry_that_does_not_fill_leaves_a_flat_run(self, world):
        world.enter(fill=0)
        told_to_leave(world)
        world.settle(3)
        assert ended(world) == ("SIGTERM", 0)
        assert world.broker.working() == []

    @pytest.mark.parametrize("config", ["flatten"])
    def test_without_the_word_the_position_is_closed(self, world, config):
        assert config == world.documents.config.run.stop, "the default"
        world.enter()
        world.apply(events.StopRequested(ts_ns=world.now_ns, reason="SIGTERM"))
        world.settle(3)
        assert of(world.records, effects.PlaceExit)

    def test_a_position_without_its_stop_is_not_left(self):
        """Naked is no protection: the run waits, and its own deadline closes the position at the market."""
        world = World()
        world.hold(1, protected=False)
        world.apply(events.StopRequested(ts_ns=world.now_ns, reason="SIGTERM", protect=True))
        assert ended(world) is None
        world.quotes(START_NS + S, START_NS + 4 * S)
        assert of(world.records, effects.PlaceExit)
        world.close()
        assert ended(world) == ("SIGTERM", 0)

    def test_what_closes_a_position_already_is_not_stopped(self, world):
        world.enter()
        world.apply(events.FlattenRequested(ts_ns=world.now_ns, reason="a person", source="cli"))
        told_to_leave(world)
        assert world.state.stopping == "SIGTERM"

    def test_a_lost_withdrawal_of_the_target_is_asked_again(self, world):
        world.enter()
        world.lossy = True
        told_to_leave(world)
        world.lossy = False
        world.settle(14)  # past the next comparison with the broker
        assert ended(world) == ("PROTECTED", 0)
        assert legs(world) == ["STOP"]

    def test_a_kill_takes_over(self, world):
        world.enter()
        world.lossy = True
        told_to_leave(world)
        world.lossy = False
        world.apply(events.KillRequested(ts_ns=world.now_ns, reason="now", source="cli"))
        world.settle(3)
        assert of(world.records, effects.PlaceExit)

    def test_the_next_process_takes_it_over(self, world):
        world.enter()
        told_to_leave(world)
        world.deliver()
        world.restart()
        assert (world.machine.end, world.state.stopping) == (None, None)
        world.connect()
        world.answer()
        world.quote(world.now_ns + S)
        assert (world.state.position_qty, world.state.kill_reason) == (1, None)
        assert world.state.trade.resident_stop_qty == 1
        world.apply(events.FlattenRequested(ts_ns=world.now_ns, reason="a person", source="cli"))
        assert of(world.records, effects.PlaceExit)


# --- a run in a folder ---------------------------------------------------------------------------------------------

DOCS = PLAIN | {"run": {"adapter": "sim", "stop": "protect"}}


def test_a_run_that_left_its_position_goes_on_where_it_stopped(tmp_path):
    docs, tape = documents(DOCS), wavy_tape(OPEN_NS + 60 * S, 4_000)
    first = runner_over(tmp_path / "run", docs, tape)
    until_protected(first)
    first.stop_asked = "SIGTERM"
    first.run()
    assert (first.exit_reason, first.exit_code) == ("PROTECTED", 0)
    held = first.machine.state.position.qty
    assert held != 0
    assert f"position {held:+d} is left with its stop" in first.message
    assert summarize(first, log_path=tmp_path / "run", wall_s=1.0).position_qty == held
    assert replay(tmp_path / "run", build=BUILD).ok
    assert unfinished(tmp_path / "run")
    recovered = recover_run(tmp_path / "run", build=BUILD, config_hash=docs.config_hash, sink=lambda: simulated(docs))
    second = runner_over(tmp_path / "run", docs, tape, recovered=recovered)
    second.run_once()
    assert second.machine.state.position.qty == held
    second.run()
    assert second.exit_reason == "FEED_ENDED"
    assert second.machine.state.position.qty == 0
    assert replay(tmp_path / "run", build=BUILD).ok
    assert not unfinished(tmp_path / "run")
    kinds = [type(record) for _, record in messages(tmp_path / "run")]
    assert kinds.count(events.ProcessStarted) == 1
    assert real_documents().config.run.stop == "flatten"
