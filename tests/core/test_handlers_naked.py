"""No path may leave a position without a way out, or an order that could open one (specification 11 and 12)."""

import msgspec
import pytest

from tests.core.handler_world import HELD, START_NS, World, of, only
from trading_bot.core.carrier import emergency_stop
from trading_bot.core.player import Player
from trading_bot.core.trade import Entry
from trading_bot.domain import events
from trading_bot.domain.context import ContextChanged, ContextReceived
from trading_bot.domain.effects import CancelOrder, LatchKillSwitch, PlaceExit
from trading_bot.domain.orders import Leg, OrderStatus, Side
from trading_bot.domain.trade_events import OrderFilled, StopResident
from trading_bot.domain.units import NS_PER_S

OTHER = (8_000, 0)


@pytest.fixture
def world():
    return World()


def unknown_fill(world, side=Side.BUY, qty=1):
    return world.apply(
        OrderFilled(
            ts_ns=world.now_ns,
            order_id=(7_000, 0),
            leg=Leg.STOP,
            side=side,
            qty=qty,
            price_ticks=24_001,
            remaining=0,
            final=True,
            commission_uusd=1_250_000,
            exec_id=f"u{world.seq}",
            hypothetical=True,
        )
    )


def exits_until(world, seconds):
    return of(world.advance(world.now_ns + seconds * NS_PER_S), PlaceExit)


def test_a_fill_nobody_knows_is_left_although_the_switch_is_latched_already(world):
    """The switch can be pulled once only; the position that comes after it has to go all the same."""
    world.hold(1)
    world.close(Leg.EXIT, 24_000)
    world.apply(events.KillRequested(ts_ns=world.now_ns, reason="smoke", source="cli"))
    world.position(0)
    unknown_fill(world, Side.SELL)
    assert world.state.flatten is not None
    assert not world.state.flatten.finished


def test_a_stray_exit_that_never_left_is_sent_again(world):
    """The process died between the decision and the log: what was decided does not work at the broker."""
    world.hold(1)
    world.close(Leg.EXIT, 24_000)
    results = unknown_fill(world, Side.SELL)
    assert world.state.stray_exit
    kept = [type(result) for result in results].index(PlaceExit)
    world.machine.abandoned(tuple(results), kept)
    world.apply(events.EffectsAbandoned(ts_ns=world.now_ns, cause_seq=world.seq, kept=kept))
    world.position(-1)
    assert exits_until(world, 40)


def test_a_position_the_broker_does_not_have_leaves_no_order_behind(world):
    """The bracket of a phantom could open a position of its own."""
    world.hold(1)
    legs = {effect.leg for effect in of(world.position(0), CancelOrder)}
    assert {Leg.STOP, Leg.TARGET} <= legs


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_a_late_fill_beside_an_open_trade_ends_trading(world, side):
    """Two brackets and one position: the stop of one covers less, or nothing, of what is held."""
    world.hold(1)
    trade = world.state.trade
    order = msgspec.structs.replace(trade.entry.order, order_id=OTHER, side=side)
    world.state.final_entries[OTHER] = Entry(order=order, status=OrderStatus.CANCELLED, terms=trade.entry.terms)
    results = world.apply(
        OrderFilled(
            ts_ns=world.now_ns,
            order_id=OTHER,
            leg=Leg.ENTRY,
            side=side,
            qty=1,
            price_ticks=24_001,
            remaining=0,
            final=True,
            commission_uusd=1_250_000,
            exec_id="late",
            hypothetical=True,
        )
    )
    assert only(results, LatchKillSwitch)
    assert trade.entry_qty == 1
    if side is Side.SELL:
        assert {Leg.STOP, Leg.TARGET} <= {effect.leg for effect in of(results, CancelOrder)}
        assert world.state.trade is None
    else:
        world.apply(events.OrderCancelled(ts_ns=world.now_ns, order_id=HELD, leg=Leg.TARGET))
        left = of(world.records, PlaceExit) or exits_until(world, 10)
        assert (left[0].side, left[0].qty) == (Side.SELL, 2)


def test_a_failed_core_leaves_a_position_that_no_trade_owns(world):
    world.hold(1)
    world.close(Leg.EXIT, 24_000)
    unknown_fill(world, Side.SELL)
    world.state.stray_exit = False
    left = of(emergency_stop(world.state, world.now_ns), PlaceExit)
    assert [(exit_.side, exit_.qty) for exit_ in left] == [(Side.BUY, 1)]


def test_slippage_of_a_stop_is_an_event(world):
    """A cold restart rebuilds the execution score from the log alone."""
    world.hold(1)
    results = world.fill(Leg.STOP, Side.SELL, 1, 23_990)
    found = [row.name for row in of(results, events.ExecutionPenalised)]
    assert found == ["slippage"]


def test_a_message_from_outside_outlives_a_process_that_begins_cold():
    """Its lockout may be the reason that nothing is entered (features SG10); what was refused never counts."""
    player = Player(build="other")

    def receive(name, change, ts_ns):
        player._note(
            ContextReceived(
                ts_ns=ts_ns,
                source="news",
                name=name,
                value=3.0,
                conviction=1.0,
                stamped_ns=ts_ns,
                time_to_live_ns=60 * NS_PER_S,
                where="test",
            )
        )
        player._note(ContextChanged(ts_ns=ts_ns, change=change, source="news", name=name))

    receive("risk", "TAKEN", START_NS)
    receive("other", "REFUSED", START_NS)
    held = player.facts.carried.context.held
    assert [(row.name, row.value, row.expires_ns) for row in held] == [("risk", 3.0, START_NS + 60 * NS_PER_S)]


GONE = {
    "refused": lambda world, order_id, leg: events.OrderRejected(
        ts_ns=world.now_ns, order_id=order_id, code=201, text="no", leg=leg
    ),
    "cancelled": lambda world, order_id, leg: events.OrderCancelled(ts_ns=world.now_ns, order_id=order_id, leg=leg),
}


@pytest.mark.parametrize("leg", [Leg.STOP, Leg.TARGET])
@pytest.mark.parametrize("how", GONE)
def test_an_entry_that_loses_a_child_before_it_fills_is_withdrawn(world, how, leg):
    """Three live legs or none (EX05)."""
    order_id = world.place().order.order_id
    cancel = only(world.apply(GONE[how](world, order_id, leg)), CancelOrder)
    assert (cancel.order_id, cancel.leg) == (order_id, Leg.ENTRY)
    assert not of(world.apply(GONE[how](world, order_id, leg)), CancelOrder)


@pytest.mark.parametrize(("leg", "exits"), [(Leg.STOP, [None]), (Leg.TARGET, [])])
def test_what_fills_without_a_stop_to_come_is_left_at_once(world, leg, exits):
    """Not after the deadline in which a stop may still appear: this one will not."""
    order = world.place().order
    world.apply(GONE["refused"](world, order.order_id, leg))
    results = world.apply(
        OrderFilled(
            ts_ns=world.now_ns,
            order_id=order.order_id,
            leg=Leg.ENTRY,
            side=order.side,
            qty=1,
            price_ticks=order.limit_ticks,
            remaining=0,
            final=True,
            commission_uusd=1_250_000,
            exec_id="e1",
            hypothetical=True,
        )
    )
    assert [effect.limit_ticks for effect in of(results, PlaceExit)] == exits


def test_a_stop_for_a_part_of_the_position_does_not_protect_it(world):
    """EX07, NV03: two lots, and a stop in force for one of them: naked until it is for both."""
    world.hold(2, protected=False)
    assert not of(world.working(Leg.STOP, 23_993, 1), StopResident)
    assert world.state.trade.naked_since_ns is not None
    assert only(world.working(Leg.STOP, 23_993, 2), StopResident).price_ticks == 23_993
    assert world.state.trade.naked_since_ns is None
