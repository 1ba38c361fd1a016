"""RC04: asked to end where a trade has just closed at a broker, a run hears first what is left of its bracket."""

import pytest

from tests.core.broker_world import BrokerWorld, S
from tests.core.handler_world import of
from trading_bot.domain import events
from trading_bot.domain.effects import EndRun
from trading_bot.domain.orders import Leg


@pytest.fixture
def closed():
    """The target has filled; that the stop of its group is gone is on its way."""
    world = BrokerWorld()
    order_id = world.enter()
    world.answer()
    world.quote(world.now_ns + S)
    world.broker.fill(world.broker.orders[order_id, Leg.TARGET], 1)
    world.deliver(1)
    assert world.state.position_qty == 0
    return world


def stop(world):
    return world.apply(events.StopRequested(ts_ns=world.now_ns, reason="SIGTERM"))


def test_it_waits_for_the_broker_to_say_that_nothing_works(closed):
    assert not of(stop(closed), EndRun)
    records = closed.settle(rounds=3)
    (end,) = of(records, EndRun)
    told = [type(record) for record in records]
    assert told.index(EndRun) > told.index(events.OrderCancelled), "the stop's end is in the log"
    assert end.reason == "SIGTERM"


def test_a_run_whose_broker_was_heard_since_ends_at_once(closed):
    closed.settle(rounds=3)
    assert of(stop(closed), EndRun)


def test_a_run_that_never_traded_ends_at_once():
    assert of(stop(BrokerWorld()), EndRun)


def test_where_the_broker_says_nothing_it_does_not_end(closed):
    stop(closed)
    for _ in range(3):
        closed.quotes(closed.now_ns + S, closed.now_ns + 3 * S)
        closed.answer(ok=False)
    assert not of(closed.records, EndRun)
