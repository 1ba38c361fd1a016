"""Penalties of the execution score that no fill or reject tells, through the shipped configuration (spec 5)."""

import msgspec
import pytest

from tests.core.handler_world import START_NS, World, of, only
from tests.engines.cases import candidate
from trading_bot.core.carried import Carried
from trading_bot.domain import events
from trading_bot.domain.effects import AskBroker, LatchKillSwitch, PlaceOrder
from trading_bot.domain.events import ExecutionPenalised, LinkStatus
from trading_bot.domain.orders import Leg, OrderStatus
from trading_bot.domain.trade_events import OrderFilled
from trading_bot.domain.units import NS_PER_MIN, NS_PER_S
from trading_bot.engines.quality import EqsDeficit, eqs_c

S = NS_PER_S


@pytest.fixture
def world():
    return World()


def link(world, up, after_s=0):
    return world.apply(LinkStatus(ts_ns=world.now_ns + after_s * S, up=up, modelled=True))


def reconciled(world, qty=0):
    return world.apply(events.Reconciled(ts_ns=world.now_ns, ok=True, position_qty=qty, working_orders=0))


def score(world):
    return eqs_c(world.state.deficits, world.now_ns)


def test_a_lost_link_costs_30_and_is_forgiven_by_half_every_ten_minutes(world):
    link(world, up=False)
    assert score(world) == 70
    link(world, up=True, after_s=31)
    reconciled(world)
    lost_ns = world.state.deficits[0].since_ns
    # 31 s are more than 30: it stays .30. After 600 s half of it is left, after 1 200 s a quarter.
    assert [eqs_c(world.state.deficits, lost_ns + seconds * S) for seconds in (0, 600, 1_200)] == [70, 85, 92]


def test_a_short_outage_that_reconciles_clean_costs_10(world):
    link(world, up=False)
    link(world, up=True, after_s=30)
    assert score(world) < 75, "not reconciled yet"
    eased = only(reconciled(world), ExecutionPenalised)
    assert (eased.name, eased.replaces) == ("link_outage_short", "link_outage")
    assert [deficit.name for deficit in world.state.deficits] == ["link_outage_short"]
    assert eqs_c(world.state.deficits, eased.since_ns) == 90
    assert reconciled(world) == [], "once"


def test_a_short_outage_with_another_position_stays_whole(world):
    link(world, up=False)
    link(world, up=True, after_s=5)
    reconciled(world, qty=1)
    assert [deficit.name for deficit in world.state.deficits] == ["link_outage"]


def test_lost_and_reconnected_and_lost_again_before_anything_was_reconciled_count_once(world):
    link(world, up=False)
    link(world, up=False, after_s=1)
    link(world, up=True, after_s=1)
    link(world, up=False, after_s=1)
    assert len(world.state.deficits) == 1
    link(world, up=True, after_s=1)
    reconciled(world)
    link(world, up=False, after_s=1)
    assert len(world.state.deficits) == 2


@pytest.mark.parametrize(
    ("minutes_after_open", "held", "score_c"),
    [
        pytest.param(345, False, 92, id="23:45 ET, flat: a quarter of 30 is 7.5"),
        pytest.param(404, False, 92, id="00:44 ET"),
        pytest.param(405, False, 70, id="00:45 ET is over"),
        pytest.param(344, False, 70, id="23:44 ET is before"),
        pytest.param(350, True, 70, id="not with a position"),
    ],
)
def test_the_brokers_reset_costs_a_quarter_while_flat(minutes_after_open, held, score_c):
    day_open_ns = World().state.day.globex_open_ns
    world = World(start_ns=day_open_ns + minutes_after_open * NS_PER_MIN - S, ready=True)
    if held:
        world.hold(1)
    at_ns = day_open_ns + minutes_after_open * NS_PER_MIN
    world.apply(LinkStatus(ts_ns=at_ns, up=False, modelled=True))
    assert eqs_c(world.state.deficits, at_ns) == score_c


def test_an_entry_without_an_answer_is_unknown_and_then_kills(world):
    placed = only(world.fire(candidate()), PlaceOrder)
    entry = world.state.entries[placed.order.order_id]
    sent_ns = world.now_ns
    world.advance(sent_ns + 5 * S - 1)
    assert entry.status is OrderStatus.SENT
    asked = world.advance(sent_ns + 5 * S)
    assert entry.status is OrderStatus.UNKNOWN
    assert only(asked, ExecutionPenalised).name == "order_state_unknown"
    assert only(asked, AskBroker).reason == "ORDER_UNKNOWN"
    assert not of(asked, PlaceOrder), "never sent again"
    assert score(world) == 75
    # Quotes go on: a silent stream would be another reason to stop.
    assert not of(world.quotes(sent_ns + 6 * S, sent_ns + 34 * S), LatchKillSwitch)
    assert "unknown for 30 s" in only(world.quotes(sent_ns + 35 * S, sent_ns + 36 * S), LatchKillSwitch).reason


def test_an_answer_in_time_ends_the_wait(world):
    placed = only(world.fire(candidate()), PlaceOrder)
    world.apply(events.OrderAcknowledged(ts_ns=world.now_ns + S, order_id=placed.order.order_id))
    records = world.advance(world.now_ns + 9 * S)
    assert not of(records, ExecutionPenalised)
    assert world.state.deficits == ()


def test_the_memory_survives_a_restart(world):
    link(world, up=False)
    deficits = world.state.deficits
    again = World(start_ns=START_NS + 60 * S, carried=Carried(deficits=deficits))
    assert again.state.deficits == deficits
    assert again.state.carried().deficits == deficits
    assert score(again) < 75
    assert deficits == (EqsDeficit("link_outage", deficits[0].since_ns),)


def test_a_partly_filled_entry_that_expires(world):
    placed = only(world.fire(candidate()), PlaceOrder)
    order_id = placed.order.order_id
    world.apply(events.OrderAcknowledged(ts_ns=world.now_ns, order_id=order_id))
    entry = world.state.entries[order_id]
    entry.order = _of_two(entry.order)
    world.apply(
        OrderFilled(
            ts_ns=world.now_ns,
            order_id=order_id,
            leg=Leg.ENTRY,
            side=entry.order.side,
            qty=1,
            price_ticks=entry.order.limit_ticks,
            remaining=1,
            final=False,
            commission_uusd=1_250_000,
            exec_id="p1",
            hypothetical=True,
        )
    )
    ended = world.cancelled(order_id)
    assert only(ended, ExecutionPenalised).name == "partial_left"
    assert score(world) == 90


def _of_two(order):
    return msgspec.structs.replace(order, qty=2)
