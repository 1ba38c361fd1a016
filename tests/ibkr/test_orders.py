"""The adapter's orders before the simulated gateway, by the real client library: terms, faults, lost connections."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contract.worlds import FEE_UUSD, ID, MES, TAG, TICKS, IbkrWorld, approved
from tests.gateway.bench import order as library_order
from trading_bot.adapters.ibkr.answers import Known, Unknown
from trading_bot.adapters.ibkr.link_state import LinkState
from trading_bot.adapters.ibkr.references import Reference, log_tag
from trading_bot.domain import effects, events, trade_events
from trading_bot.domain.broker_events import BrokerNotice, CommissionReported, OrderUncertain
from trading_bot.domain.orders import Leg, Side

FILLED, WORKING, CANCELLED = trade_events.OrderFilled, trade_events.OrderWorking, events.OrderCancelled


@pytest.fixture
def world():
    world = IbkrWorld()
    yield world
    world.close()


def requests(world):
    """Orders at the gateway by leg, the newest of each."""
    rows = {}
    for order in world.bench.desk._orders.values():
        rows[order.request.order_ref[-1:]] = order.request
    return rows


def answer(world):
    world.ask()
    world.wait(100)
    return world.of(events.Reconciled)[-1]


def listed(world):
    return sorted((order.leg, order.remaining, order.price_ticks) for order in answer(world).orders)


# --- terms (specification 11) ---------------------------------------------------------------------------------------


def test_every_leg_carries_its_terms(world):
    world.place()
    entry, target, stop = (requests(world)[letter] for letter in "ETS")
    for leg in (entry, target, stop):
        assert (leg.outside_rth, leg.account, leg.qty) == (True, "DUSIM1", 1)
    assert (entry.order_type, entry.action, entry.tif, entry.limit_points) == ("LMT", "BUY", "DAY", (TICKS + 1) / 4)
    assert (target.order_type, target.action, target.tif, target.limit_points) == (
        "LMT",
        "SELL",
        "DAY",
        (TICKS + 12) / 4,
    )
    assert (stop.order_type, stop.action, stop.tif, stop.aux_points) == ("STP", "SELL", "GTC", (TICKS - 8) / 4)
    assert (entry.transmit, target.transmit, stop.transmit) == (False, False, True)
    assert target.parent_id == stop.parent_id == entry.order_id
    assert target.oca_group == stop.oca_group == str(Reference(TAG, ID, Leg.STOP))[:-2]
    assert (entry.oca_group, target.oca_type, stop.oca_type) == ("", 1, 1)
    assert stop.trigger_method == 2  # the last price
    assert entry.order_ref == f"{TAG}-7-0-E"


def test_several_lots_are_reduced_and_not_cancelled_by_a_part(world):
    world.place(qty=3)
    assert requests(world)["S"].oca_type == requests(world)["T"].oca_type == 2


def test_an_exit_joins_the_group_of_the_stop(world):
    world.enter()
    world.leave(TICKS + 20)
    stop, leave = requests(world)["S"], requests(world)["X"]
    assert (leave.oca_group, leave.oca_type) == (stop.oca_group, stop.oca_type)
    assert (leave.tif, leave.outside_rth, leave.account, leave.parent_id) == ("DAY", True, "DUSIM1", 0)


def test_an_exit_decided_before_the_fill_of_the_stop_was_heard_is_not_sent_alone(world):
    """Outside the group, which has ended, it would open a position (make demo, an exit a tick before the stop)."""
    world.enter()
    before_ns = world.now_ns
    world.wait(1)
    world.trade(TICKS - 8)
    world.quote(TICKS - 9)
    world.wait(200)
    assert (len(world.of(FILLED, Leg.STOP)), world.real_position) == (1, 0)
    late = effects.PlaceExit(ts_ns=before_ns, order_id=ID, side=Side.SELL, qty=1, limit_ticks=TICKS - 12, cause="test")
    world.dispatch(late)
    world.wait(200)
    assert (world.real_position, world.live()) == (0, [])
    assert [event.leg for event in world.of(trade_events.RequestRefused)] == [Leg.EXIT]
    assert "X" not in requests(world)


def test_an_exit_decided_in_the_packet_that_tells_the_fill_is_not_sent_alone(world):
    """Entry and stop fill in one packet, and so at one stamp: the exit decided between them (clock-steps-ahead)."""
    world.enter()
    world.bench.trade(TICKS - 8)
    world.bench.quote(TICKS - 9)
    world.bench.wait(200)  # told by the broker, and not heard by the core
    filled = next(one for one in world.session.inputs if isinstance(one, trade_events.OrderFilled))
    world.dispatch(
        effects.PlaceExit(ts_ns=filled.ts_ns, order_id=ID, side=Side.SELL, qty=1, limit_ticks=TICKS - 12, cause="test")
    )
    world.wait(200)
    assert (world.real_position, world.live()) == (0, [])
    assert [event.leg for event in world.of(trade_events.RequestRefused)] == [Leg.EXIT]


def test_an_exit_decided_after_the_fill_is_sent(world):
    """One that closes what two fills have flipped."""
    world.enter()
    world.trade(TICKS - 8)
    world.quote(TICKS - 9)
    world.wait(200)
    world.leave(side=Side.BUY)
    world.wait(200)
    assert requests(world)["X"].action == "BUY"


def test_a_moved_stop_keeps_its_terms(world):
    world.enter()
    before = requests(world)["S"]
    world.move_stop(TICKS - 4)
    world.wait(100)
    changed = requests(world)["S"]
    assert changed.aux_points == (TICKS - 4) / 4
    for name in ("order_id", "tif", "oca_group", "oca_type", "parent_id", "order_ref", "outside_rth", "account", "qty"):
        assert getattr(changed, name) == getattr(before, name)


def test_the_margin_of_one_contract_is_asked_and_nothing_is_placed(world):
    session = world.session
    task = session.loop.create_task(world.broker.questions.margin_per_contract(world.broker._form.what_if()))
    while not task.done():
        world.wait(50)
    margin = task.result()
    assert isinstance(margin, Known)
    assert margin.data == MES.margin_assumed_uusd  # what the gateway asks for one contract (docs/gateway.md)
    assert world.live() == []
    assert not world.told


# --- faults ---------------------------------------------------------------------------------------------------------


def placements(world):
    return len(world.bench.desk._orders)


def test_a_placement_that_vanishes_is_doubted_asked_about_and_never_sent_again(world):  # EX06
    world.faults.orders_muted = True
    world.place()
    world.wait(6_000)
    assert {event.leg for event in world.of(OrderUncertain)} == {Leg.ENTRY, Leg.STOP, Leg.TARGET}
    assert not world.of(events.OrderRejected)
    assert answer(world).orders == ()
    world.faults.orders_muted = False
    world.wait(5_000)
    world.place()  # even if somebody asked for it again
    assert placements(world) == 0
    assert len(world.of(events.OrderRejected)) == 1


def test_without_any_status_the_executions_tell(world):
    world.faults.acks_lost = True
    world.enter()
    assert [fill.leg for fill in world.of(FILLED)] == [Leg.ENTRY]
    assert listed(world) == [(Leg.STOP, 1, TICKS - 8), (Leg.TARGET, 1, TICKS + 12)]
    world.quote(TICKS + 13)
    world.wait(300)
    assert world.position == 0


@pytest.mark.parametrize("fault", ["status_duplicated", "fill_before_ack"])
def test_messages_repeated_or_late_come_to_the_same(world, fault):
    setattr(world.faults, fault, True)
    world.enter()
    world.wait(1_000)
    assert len(world.of(events.OrderAcknowledged)) <= 1
    assert [event.remaining for event in world.of(WORKING, Leg.STOP)] == [1]
    world.leave()
    world.wait(2_000)
    assert world.position == 0
    ends = [leg for _kind, leg in world.closed()]
    assert sorted(ends) == sorted(set(ends))


def test_a_late_commission_comes_as_its_own(world):
    world.faults.commission_delay_ms = 2_000
    world.enter()
    (fill,) = world.of(FILLED)
    assert fill.commission_estimated
    assert not world.of(CommissionReported)
    world.wait(2_500)
    (report,) = world.of(CommissionReported)
    assert (report.exec_id, report.commission_uusd) == (fill.exec_id, FEE_UUSD)


@pytest.mark.parametrize("code", [10349, 399])
def test_information_about_an_order_leaves_it_working(world, code):
    world.faults.inform_code, world.faults.inform_text = code, "for your information"
    world.enter()
    assert [fill.leg for fill in world.of(FILLED)] == [Leg.ENTRY]
    assert not world.of(CANCELLED)
    assert code in {notice.code for notice in world.of(BrokerNotice)}


def test_a_refused_bracket_is_one_rejection(world):
    world.faults.reject_code, world.faults.reject_text = 201, "Order rejected - reason:test"
    world.place()
    world.wait(1_000)
    assert [(event.leg, event.code) for event in world.of(events.OrderRejected)] == [(Leg.ENTRY, 201)]
    assert {event.leg for event in world.of(CANCELLED)} == {Leg.STOP, Leg.TARGET}
    assert world.live() == []


def test_a_parent_the_broker_refuses_takes_its_children_along(world):
    world.place(qty=20)  # more margin than there is
    world.wait(1_000)
    assert [event.leg for event in world.of(events.OrderRejected)] == [Leg.ENTRY]
    assert {event.leg for event in world.of(CANCELLED)} == {Leg.STOP, Leg.TARGET}


def test_nobody_answers_is_not_nothing(world):  # RC07
    world.session.settings = msgspec.structs.replace(world.session.settings, request_timeout_s=0.05)
    world.ib.client.decoder.handlers[53] = lambda _fields: None  # the end of the list never comes
    world.ask()
    import time

    time.sleep(0.1)
    world.wait(10)
    reply = world.of(events.Reconciled)[-1]
    assert (reply.ok, reply.asked, reply.listed) == (False, True, False)
    assert "no answer within" in reply.reason


# --- connections ----------------------------------------------------------------------------------------------------


def test_nothing_is_kept_for_later_while_there_is_no_connection(world):
    world.enter()
    world.leave_gateway()
    world.place(order_id=(9, 0))
    (rejected,) = world.of(events.OrderRejected)
    assert (rejected.order_id, rejected.code) == ((9, 0), 504)
    world.leave()
    world.cancel(Leg.TARGET)
    world.come_back()
    world.wait(500)
    assert listed(world) == [(Leg.STOP, 1, TICKS - 8), (Leg.TARGET, 1, TICKS + 12)]


def test_a_fill_while_away_is_told_once_from_the_executions(world):  # EX14, row 7
    world.enter()
    world.leave_gateway()
    world.quote(TICKS + 13)
    world.wait(500)
    assert world.position == 1
    world.come_back()
    reply = answer(world)
    assert world.position == 0
    assert (reply.position_qty, reply.orders) == (0, ())
    assert ("OrderCancelled", Leg.STOP) in world.closed()
    before = list(world.told)
    answer(world)
    assert [event for event in world.told[len(before) :] if not isinstance(event, events.Reconciled)] == []


def test_an_entry_that_filled_while_away_has_its_protection(world):
    world.place(limit=TICKS - 4)
    world.wait(100)
    world.leave_gateway()
    world.quote(TICKS - 6)
    world.wait(500)
    world.come_back()
    assert listed(world) == [(Leg.STOP, 1, TICKS - 8), (Leg.TARGET, 1, TICKS + 12)]
    assert world.position == 1
    assert [event.price_ticks for event in world.of(WORKING, Leg.STOP)] == [TICKS - 8]


def test_ten_restarts_change_nothing(world):
    world.enter()
    before, count = world.live(), placements(world)
    for _ in range(10):
        world.restart()
        world.told.clear()
        assert listed(world) == [(Leg.STOP, 1, TICKS - 8), (Leg.TARGET, 1, TICKS + 12)]
        names = {(order.order_id, order.leg) for order in world.of(events.Reconciled)[-1].orders}
        assert names == {(ID, Leg.STOP), (ID, Leg.TARGET)}
        assert not world.of(WORKING)
        assert [fill.exec_id for fill in world.of(FILLED)] == ["00000007.00000001.01.01"]  # the core knows it
    assert (world.live(), placements(world)) == (before, count)


def test_a_new_process_can_leave_what_an_earlier_one_entered(world):
    world.enter()
    world.restart()
    answer(world)
    world.move_stop(TICKS - 6)
    world.wait(100)
    assert [event.price_ticks for event in world.of(WORKING, Leg.STOP)][-1] == TICKS - 6
    world.leave()
    world.wait(500)
    assert world.real_position == 0
    assert world.live() == []
    assert requests(world)["X"].oca_group == requests(world)["S"].oca_group


def test_order_ids_of_a_new_process_are_above_all_before(world):
    world.enter()
    highest = max(order_id for _client, order_id in world.bench.desk._orders)
    world.restart()
    answer(world)
    world.place(order_id=(20, 0), limit=TICKS - 4)
    world.wait(100)
    assert requests(world)["E"].order_id > highest
    assert not world.of(events.OrderRejected)


def test_order_ids_do_not_go_back_when_the_gateway_counts_anew(world):  # row 3
    world.enter()
    highest = max(order_id for _client, order_id in world.bench.desk._orders)
    world.leave_gateway()
    world.come_back()
    world.ib.client._reqIdSeq = 1
    world.place(order_id=(20, 0), limit=TICKS - 4)
    world.wait(100)
    assert requests(world)["E"].order_id > highest
    assert not world.of(events.OrderRejected)


def test_a_remnant_of_an_earlier_log_is_named_and_can_be_withdrawn(world):
    world.enter()
    world.restart()
    world.told.clear()
    world.broker._index._tag = lambda: log_tag("run-2", 20261124)  # a new run: its log does not hold the order
    reply = answer(world)
    names = {order.order_id for order in reply.orders}
    assert ID not in names
    assert len(names) == 2
    assert not world.of(FILLED)  # what was executed before is the earlier run's
    for order in reply.orders:
        world.cancel(order.leg, order.order_id)
    world.wait(200)
    assert world.live() == []


def test_an_orphans_exit_joins_the_group_of_the_stop_that_an_earlier_run_left(world):  # RC02
    world.enter()
    world.restart()
    world.told.clear()
    world.broker._index._tag = lambda: log_tag("run-2", 20261124)
    world.broker._tag_of = lambda _ts_ns: log_tag("run-2", 20261124)
    (stop,) = [order for order in answer(world).orders if order.leg is Leg.STOP]
    world.leave(order_id=stop.order_id)
    world.wait(300)
    assert world.real_position == 0
    assert world.live() == []
    (fill,) = world.of(FILLED)
    assert (fill.order_id, fill.leg, fill.final) == (stop.order_id, Leg.EXIT, True)


def test_another_clients_order_is_listed_and_left_alone(world):
    other = world.bench.connect(2)
    other.placeOrder(world.bench.contract(), library_order("SELL", 1, "LMT", limit=TICKS + 40, orderRef="mine"))
    world.wait(100)
    (order,) = answer(world).orders
    assert (order.order_id, order.leg, order.order_ref, order.price_ticks) == (None, None, "mine", TICKS + 40)
    assert len(world.live()) == 1
    assert [type(event) for event in world.told] == [events.Reconciled]


def test_a_change_while_the_broker_is_away_is_refused(world):
    world.enter()
    world.session.link = LinkState(socket=True, broker=False)
    world.move_stop(TICKS - 4)
    world.place(order_id=(9, 0))
    world.wait(200)
    assert [event.leg for event in world.of(trade_events.RequestRefused)] == [Leg.STOP]
    assert [event.code for event in world.of(events.OrderRejected)] == [504]
    assert requests(world)["S"].aux_points == (TICKS - 8) / 4


def test_entries_are_refused_before_what_protects_has_to_wait(world):  # EX15
    world.enter()
    for number in range(30):
        world.dispatch(
            effects.PlaceOrder(ts_ns=world.now_ns, order=approved(order_id=(100 + number, 0), limit=TICKS - 40))
        )
    refused = world.of(events.OrderRejected)
    assert refused
    assert {event.code for event in refused} == {100}
    sent = placements(world)
    world.leave()  # in the same second
    assert placements(world) == sent + 1


def test_an_entry_of_another_instrument_is_refused(world):
    order = msgspec.structs.replace(approved(), instrument_id=2)
    world.dispatch(effects.PlaceOrder(ts_ns=world.now_ns, order=order))
    assert "instrument 2" in world.of(events.OrderRejected)[0].text
    assert placements(world) == 0


def test_a_question_the_library_cannot_ask_is_unknown(world):
    world.leave_gateway()
    reply = answer(world)
    assert not reply.ok
    assert isinstance(world.session.run(world.broker.questions.margin_per_contract(None)), Unknown)


@settings(max_examples=15, deadline=None)
@given(
    st.integers(1, 4),
    st.lists(st.sampled_from(["sell", "quote", "cancel", "exit", "leave", "back"]), min_size=1, max_size=6),
)
def test_whatever_happens_the_stop_covers_the_position_and_no_more(qty, steps):  # EX05, EX07
    world = IbkrWorld()
    try:
        world.place(qty=qty, limit=TICKS, stop=TICKS - 60, target=TICKS + 60)
        world.wait(100)
        away = False
        for step in steps:
            if step == "sell":
                world.trade(TICKS, 21, 2)
            elif step == "quote":
                world.quote(TICKS - 1, ask=TICKS)
            elif step == "cancel":
                world.cancel()
            elif step == "exit" and world.position > 0:
                world.cancel()  # an exit that fills ends the group: what fills of the entry after it has no children
                world.wait(100)
                world.leave(qty=world.position)
            elif step == "leave" and not away:
                world.leave_gateway()
                away = True
            elif step == "back" and away:
                world.come_back()
                away = False
            world.wait(200)
        if away:
            world.come_back()
        reply = answer(world)
        world.wait(1_000)
        assert world.position == world.real_position == reply.position_qty >= 0
        stops = [order for order in world.bench.desk.open_orders() if order.request.order_ref.endswith("S")]
        covered = sum(order.open for order in stops)
        assert covered == world.real_position
        assert placements(world) <= 4
    finally:
        world.close()
