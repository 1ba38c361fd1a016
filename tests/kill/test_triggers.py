"""Every trigger of the kill switch (specification 8.3).

Entries and targets go, the position goes, the run halts with 5, and neither the next session nor the next process may
trade before a person has cleared it.
"""

import pytest

from tests.core.broker_world import BrokerWorld, S, real_documents
from tests.core.handler_world import START_NS, World, of
from tests.core.worlds import OPEN_NS
from tests.engines.cases import candidate
from trading_bot.core.carrier import carry_out
from trading_bot.core.operator_desk import OperatorDesk
from trading_bot.domain import effects, events
from trading_bot.domain.errors import Halted
from trading_bot.domain.orders import Leg
from trading_bot.wiring import _refuse_halted

CLOSE_NS = OPEN_NS + 23_400 * S  # of an ordinary day


def asked(world, source="cli"):
    world.enter()
    return world.apply(events.KillRequested(ts_ns=world.now_ns, reason="enough", source=source))


def position_unknown(world):
    """The broker does not say for half a minute what there is."""
    world.enter()
    world.answer(ok=False)
    world.quotes(world.now_ns + S, world.now_ns + 35 * S)


def position_different(world):
    """The broker has a position that nobody here opened."""
    world.broker.position = 1
    world.answer()


def order_unknown(world):
    """Nothing is known of an entry for half a minute although the broker was asked."""
    world.lossy = True
    world.fire(candidate())
    world.quotes(world.now_ns + S, world.now_ns + 60 * S)
    world.lossy = False


def execution_unknown(world):
    order_id = world.enter()
    stranger = world.broker._add((8_888, 0), Leg.ENTRY, world.broker.orders[order_id, Leg.ENTRY].side, 1, 24_001)
    world.broker.fill(stranger, 1)
    world.deliver()


def data_score(world):
    """Ten seconds below .30 with a position: no data come at all."""
    world.enter()
    world.advance(world.now_ns + 25 * S)


def execution_score(world):
    """Ten seconds below .30 with a position: nothing but refusals."""
    world.enter()
    for number in range(8):
        rejected = events.OrderRejected(ts_ns=world.now_ns, order_id=(8_000, number), code=201, text="margin")
        world.apply(rejected)
    passed(world, world.now_ns + 12 * S)


def failed_flatten(world):
    """Nothing the bot sends at the session's end is heard."""
    world.enter()
    world.lossy = True
    passed(world, CLOSE_NS - 60 * S)
    world.lossy = False


def passed(world, until_ns):
    """Quotes and answers up to a time."""
    while world.now_ns < until_ns:
        world.quote(world.now_ns + 4 * S)
        if world.asked:
            world.answer()


TRIGGERS = {
    "a person": (asked, "cli"),
    "position unknown": (position_unknown, "reconciliation"),
    "position different from the broker's": (position_different, "reconciliation"),
    "order state unknown": (order_unknown, "orders"),
    "execution of an unknown order": (execution_unknown, "fill"),
    "data score": (data_score, "quality"),
    "execution score": (execution_score, "quality"),
    "failed flatten": (failed_flatten, "flatten"),
}


def come_to_rest(world):
    """The broker does what it is told: exits fill, questions are answered."""
    for _ in range(60):
        if world.machine.end is not None:
            return
        world.deliver()
        for order in world.broker.working():
            if order.leg is Leg.EXIT:
                world.broker.fill(order, order.left)
        world.deliver()
        world.quote(world.now_ns + S)
        if world.asked:
            world.answer()


@pytest.mark.parametrize("name", TRIGGERS)
def test_it_cancels_flattens_halts_and_stays(name, tmp_path):
    pull, source = TRIGGERS[name]
    world = BrokerWorld(start_ns=CLOSE_NS - 4_600 * S if pull is failed_flatten else START_NS)
    pull(world)
    latches = of(world.records, effects.LatchKillSwitch)
    assert [latch.source for latch in latches] == [source]
    assert [alert.level for alert in of(world.records, effects.Alert) if alert.code == "KILL_SWITCH"] == ["critical"]
    assert world.state.entry_mask == 0
    come_to_rest(world)
    assert world.broker.position == 0
    assert [order.leg for order in world.broker.working() if order.leg is not Leg.STOP] == []
    assert (world.machine.end.reason, world.machine.end.exit_code) == ("KILL_SWITCH", 5)
    # The next session of a process, and the next process.
    after = World(docs=real_documents(), carried=world.state.carried())
    assert after.state.kill_reason == world.state.kill_reason
    assert after.state.entry_mask == 0
    desk = OperatorDesk(tmp_path)
    carry_out(tuple(latches), world.state, None, desk, log="", seq=0)
    with pytest.raises(Halted, match="kill switch is latched"):
        _refuse_halted(OperatorDesk(tmp_path))
    OperatorDesk(tmp_path).clear("looked at it", "cli")
    _refuse_halted(OperatorDesk(tmp_path))
