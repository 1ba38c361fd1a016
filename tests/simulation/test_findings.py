"""What the simulation found, each as small as it gets."""

from tests.core.handler_world import HELD, World, of, only
from tests.sim.broker_kit import ID, Desk, ms, place, show, sold
from trading_bot.domain import effects, events, trade_events
from trading_bot.domain.effects import LatchKillSwitch, PlaceExit
from trading_bot.domain.orders import Leg, Side
from trading_bot.domain.units import NS_PER_S


def fills(found):
    return [(one.leg, one.side, one.qty) for one in found if isinstance(one, trade_events.OrderFilled)]


def leave_flip(time, side, order_id=ID):
    return PlaceExit(ts_ns=ms(time), order_id=order_id, side=side, qty=1, limit_ticks=None, cause="test")


def test_what_a_flip_left_can_be_left():
    """Seed 14: long one, an exit of two: short one. No bracket is there any more; its exit buys, as the entry did."""
    over = effects.PlaceExit(ts_ns=ms(200), order_id=ID, side=Side.SELL, qty=2, limit_ticks=None, cause="test")
    tape = [show(0, 100, 101), show(150, 101, 102), show(900, 101, 102)]
    desk = Desk(tape, [place(10, 101), over, leave_flip(400, Side.BUY)])
    found = desk.run(1000)
    assert fills(found) == [
        (Leg.ENTRY, Side.BUY, 1),
        (Leg.EXIT, Side.SELL, 2),
        (Leg.EXIT, Side.BUY, 1),
    ]
    assert all(one.order_id == ID for one in found if isinstance(one, trade_events.OrderFilled))
    assert desk.exchange.position == 0
    assert desk.exchange.live_orders == 0


def test_a_position_that_no_trade_owns_is_left_once():
    """Seed 14: the trade closed at zero, then another lot of its exit filled. Killed, and bought back at once."""
    world = World()
    world.hold(1)
    world.fill(Leg.EXIT, Side.SELL, 1, 24_000, left=1)
    assert world.state.trade is None
    results = world.fill(Leg.EXIT, Side.SELL, 1, 24_000)
    assert only(results, LatchKillSwitch).reason == "EXIT filled 1 of an order that is not open here", "no log number"
    exit_order = only(results, PlaceExit)
    assert (exit_order.order_id, exit_order.side, exit_order.qty, exit_order.limit_ticks) == (HELD, Side.BUY, 1, None)
    later = world.advance(world.now_ns + 40 * NS_PER_S)
    assert not of(later, PlaceExit), "it works; another would flip again"
    world.fill(Leg.EXIT, Side.BUY, 1, 24_000)
    assert world.state.position_qty == 0


def test_a_rejected_exit_of_what_is_left_is_sent_again():
    world = World()
    world.hold(1)
    world.fill(Leg.EXIT, Side.SELL, 1, 24_000, left=1)
    world.fill(Leg.EXIT, Side.SELL, 1, 24_000)
    rejected = events.OrderRejected(ts_ns=world.now_ns, order_id=HELD, code=201, text="test", leg=Leg.EXIT)
    sent = of(world.apply(rejected), PlaceExit)
    sent += of(world.advance(world.now_ns + 40 * NS_PER_S), PlaceExit)
    assert sent


def test_the_exchange_draws_alike_whatever_the_numbers_of_the_log():
    """Seeds 23 and 47: a restart writes a record of its own, later ids shift, and the queue moved otherwise."""
    tape = [show(0, 100, 102, bid_qty=50)]
    for step in range(1, 400):
        tape += [show(step * 10, 100, 102, bid_qty=50 - step % 7 * 5), sold(step * 10 + 5, 100, step % 3 + 1)]
    told = []
    for order_id in ((7, 0), (8, 0), (900, 3)):
        desk = Desk(tape, [place(10, 100, qty=3, order_id=order_id)], queue_model="probabilistic", seed=5)
        told.append([(one.ts_ns, one.qty) for one in desk.run(5000) if isinstance(one, trade_events.OrderFilled)])
    assert told[0]
    assert told[0] == told[1] == told[2]


def test_a_child_that_comes_into_force_after_the_close_is_withdrawn():
    """Seed 71: the exit filled before the bracket stood; its target worked on and opened a position later."""
    world = World()
    world.hold(1, protected=False)
    world.fill(Leg.EXIT, Side.SELL, 1, 24_000)
    for leg in (Leg.STOP, Leg.TARGET):
        cancel = only(world.working(leg, 23_993), effects.CancelOrder)
        assert (cancel.order_id, cancel.leg) == (HELD, leg)


def early(world, leg, price_ticks):
    """The order's child is told to be in force before its execution is told."""
    (order_id,) = world.state.entries
    found = world.apply(
        trade_events.OrderWorking(ts_ns=world.now_ns, order_id=order_id, leg=leg, price_ticks=price_ticks, remaining=1)
    )
    return order_id, found


def filled(world, order_id, price_ticks):
    return world.apply(
        trade_events.OrderFilled(
            ts_ns=world.now_ns,
            order_id=order_id,
            leg=Leg.ENTRY,
            side=Side.BUY,
            qty=1,
            price_ticks=price_ticks,
            remaining=0,
            final=True,
            commission_uusd=0,
            exec_id="x1",
            hypothetical=True,
        )
    )


def test_a_child_that_overtakes_the_execution_of_its_entry_is_kept():
    """Seeds 19 and 22: the stop was withdrawn as one of a position that had closed, and the fill came after it."""
    world = World()
    order = world.place().order
    for leg, price_ticks in ((Leg.STOP, order.stop_price_ticks), (Leg.TARGET, order.target_price_ticks)):
        order_id, found = early(world, leg, price_ticks)
        assert found == []
    results = filled(world, order_id, order.limit_ticks)
    assert only(results, trade_events.StopResident).naked_ns == 0
    assert not of(results, effects.CancelOrder)
    assert not of(results, PlaceExit)
    trade = world.state.trade
    assert (trade.resident_stop_ticks, trade.target_resident) == (order.stop_price_ticks, True)


def test_an_early_stop_that_goes_before_the_execution_protects_nothing():
    world = World()
    order = world.place().order
    order_id, _ = early(world, Leg.STOP, order.stop_price_ticks)
    gone = world.apply(events.OrderCancelled(ts_ns=world.now_ns, order_id=order_id, leg=Leg.STOP))
    assert only(gone, effects.CancelOrder).leg is Leg.ENTRY
    results = filled(world, order_id, order.limit_ticks)
    assert not of(results, trade_events.StopResident)
    assert only(results, PlaceExit).limit_ticks is None


def test_a_position_whose_children_were_all_withdrawn_can_be_left():
    """Seed 19: the exit asked to join a group that was empty, was refused, and was asked again for 42 minutes."""
    tape = [show(0, 100, 101), show(900, 100, 101), show(1900, 100, 101)]
    gone = [effects.CancelOrder(ts_ns=ms(300), order_id=ID, reason="test", leg=leg) for leg in (Leg.STOP, Leg.TARGET)]
    leave = effects.PlaceExit(ts_ns=ms(1000), order_id=ID, side=Side.SELL, qty=1, limit_ticks=None, cause="test")
    desk = Desk(tape, [place(10, 101), *gone, leave])
    found = desk.run(2000)
    assert not [one for one in found if isinstance(one, trade_events.RequestRefused)]
    assert fills(found) == [(Leg.ENTRY, Side.BUY, 1), (Leg.EXIT, Side.SELL, 1)]
    assert (desk.exchange.position, desk.exchange.live_orders) == (0, 0)
