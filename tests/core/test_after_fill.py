"""SF12: what must hold after every fill; each row has a fill that breaks it, and a broken one is a kill."""

import msgspec
import pytest

from tests.core.handler_world import HELD, World, of, only
from trading_bot.core import after_fill
from trading_bot.domain import events
from trading_bot.domain.effects import Alert, LatchKillSwitch, PlaceExit
from trading_bot.domain.orders import Leg, Side
from trading_bot.domain.trade_events import TradeClosed


def more_allowed():
    return World({"safety": {"position_qty_max": 5}})


def position_limit(world):
    """Two lots where one is the limit: an order that the gate never let pass."""
    return world.hold(2)


def entry_size(world):
    """Three executed of an order for two, the last of them called a part."""
    return entered(world, executed=3)


def entry_side(world):
    return entered(world, side=Side.SELL)


def entry_price(world):
    """A limit to buy at 24 001 that is told as bought at 24 002."""
    return entered(world, price_ticks=24_002)


def children(world):
    world.hold(3)
    world.state.trade.exit_qty = 1  # one lot more than was left
    return world.fill(Leg.TARGET, Side.SELL, 1, 24_013, left=2)


def stop_side(world):
    """A stop above the entry of a long protects nothing."""
    return entered(world, stop_price_ticks=24_002)


def entered(world, price_ticks=24_001, *, executed=1, side=Side.BUY, **changes):
    """A part of an entry to buy two at 24 001 with stop 23 993 and target 24 013."""
    world.hold(2, protected=False)
    entry = world.state.trade.entry
    world.state.trade = None
    world.state.position = type(world.state.position)()
    entry.order = msgspec.structs.replace(entry.order, **changes)
    entry.filled_qty = 0
    entry.status = type(entry.status).WORKING
    world.state.entries[HELD] = entry
    return world.fill(Leg.ENTRY, side, executed, price_ticks, left=1)


BROKEN = {
    "POSITION_LIMIT": (World, position_limit),
    "ENTRY_SIZE": (more_allowed, entry_size),
    "ENTRY_SIDE": (more_allowed, entry_side),
    "ENTRY_PRICE": (more_allowed, entry_price),
    "CHILDREN": (more_allowed, children),
    "STOP_SIDE": (more_allowed, stop_side),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_told_by_name_and_kills(name):
    make, breaks = BROKEN[name]
    world = make()
    results = breaks(world)
    told = [alert for alert in of(results, Alert) if alert.code == "INVARIANT_BROKEN"]
    assert [alert.text.partition(":")[0] for alert in told] == [name]
    assert told[0].level == "critical"
    latch = only(results, LatchKillSwitch)
    assert latch.source == "invariant"
    assert name in latch.reason
    assert world.state.kill_reason == latch.reason


def test_every_row_has_a_fill_that_breaks_it():
    assert [name for name, _ in after_fill.CHECKS] == list(BROKEN)


@pytest.mark.parametrize("name", BROKEN)
def test_a_removed_row_is_noticed(name, monkeypatch):
    make, breaks = BROKEN[name]
    monkeypatch.setattr(after_fill, "CHECKS", tuple(row for row in after_fill.CHECKS if row[0] != name))
    assert not [alert for alert in of(breaks(make()), Alert) if alert.code == "INVARIANT_BROKEN"]


@pytest.mark.parametrize(("qty", "stop_ticks"), [(1, 23_993), (-1, 24_008)])
def test_a_round_trip_breaks_nothing(qty, stop_ticks):
    """Bought at 24 001, or sold at 24 000, and stopped 8 ticks away; in two parts as well."""
    world = World()
    results = [*world.hold(qty), *world.close(Leg.STOP, stop_ticks)]
    assert only(results, TradeClosed)
    larger = more_allowed()
    side = Side.SELL if qty > 0 else Side.BUY
    results += larger.hold(2 * qty)
    results += larger.fill(Leg.TARGET, side, 1, 24_013 if qty > 0 else 23_988, left=1)
    results += larger.fill(Leg.STOP, side, 1, stop_ticks)
    assert not of(results, LatchKillSwitch)
    assert not [alert for alert in of(results, Alert) if alert.code == "INVARIANT_BROKEN"]


def test_a_stop_that_was_tightened_is_on_its_side():
    world = World()
    world.hold(1)
    world.state.trade.stop_ticks = 24_005
    assert after_fill._wrong_stop(world.state.trade) == ""
    world.state.trade.stop_ticks = 23_992
    assert "wider than the 23993" in after_fill._wrong_stop(world.state.trade)
    world.state.trade.stop_ticks = 24_013
    assert "beyond the target" in after_fill._wrong_stop(world.state.trade)


def test_an_entry_that_fills_once_more_than_it_was_is_an_unknown_fill_and_a_kill():
    """The order's table knows no fill of a filled order: the position counts all the same."""
    world = World()
    world.hold(1)
    results = world.fill(Leg.ENTRY, Side.BUY, 1, 24_001)
    assert world.state.position_qty == 2
    assert only(results, LatchKillSwitch).source == "fill"
    assert "POSITION_LIMIT" in [alert.text.partition(":")[0] for alert in of(results, Alert)]


def test_the_kill_leaves_the_position():
    world = World()
    results = world.hold(2)
    for leg in (Leg.ENTRY, Leg.TARGET):
        results += world.apply(events.OrderCancelled(ts_ns=world.now_ns, order_id=HELD, leg=leg))
    left = of(results, PlaceExit)[-1]
    assert (left.side, left.qty) == (Side.SELL, 2)
