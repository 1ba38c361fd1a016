"""RC01 to RC04, RC07, EX06, EX14: what the core does about each row, with gates that an adapter tells."""

import msgspec
import pytest

from tests.core.broker_world import BrokerWorld, Order, S, real_documents
from tests.core.handler_world import START_NS, of, only
from tests.engines.cases import candidate
from trading_bot.domain import events
from trading_bot.domain.broker_events import OrderUncertain
from trading_bot.domain.effects import Alert, AskBroker, CancelOrder, LatchKillSwitch, PlaceExit, PlaceOrder
from trading_bot.domain.orders import Leg, OrderStatus, Side
from trading_bot.domain.reconciling import ReconciliationDone, Row
from trading_bot.domain.trade_events import OrderWorking, RequestRefused, StopResident, TradeClosed
from trading_bot.engines.flatten import FlattenKind

YOUNG_S = 3  # older than orders.settle_ms


@pytest.fixture
def world():
    return BrokerWorld()


def rows(records):
    """Rows of the newest comparison."""
    return [finding.row for finding in of(records, ReconciliationDone)[-1].findings]


def reason(world):
    """Why a candidate of another episode is not traded, or ENTER."""
    world.episode = getattr(world, "episode", 0) + 1
    return only(world.fire(candidate(episode=world.episode)), events.DecisionMade).reason


def later(world, seconds=YOUNG_S):
    return world.advance(world.now_ns + seconds * S)


def events_of_stop(broker, order_id, remaining):
    """What the broker says of a stop that is in force for `remaining` lots."""
    price = broker.orders[order_id, Leg.STOP].price
    return (OrderWorking, order_id, {"leg": Leg.STOP, "price_ticks": price, "remaining": remaining})


class TestAsking:
    def test_nothing_is_entered_before_the_broker_has_answered(self):
        world = BrokerWorld(connect=False)
        assert reason(world) == "RECOVERY_INCOMPLETE"
        assert only(world.connect(), AskBroker).reason == "LINK_UP"
        world.quote(world.now_ns + 1)
        assert reason(world) == "RECOVERY_INCOMPLETE"
        world.answer()
        assert reason(world) == "ENTER"

    def test_every_thirty_seconds_of_wall_time(self, world):
        records = world.advance(START_NS + 30 * S - 1)
        assert not of(records, AskBroker)
        assert [one.reason for one in of(world.advance(START_NS + 30 * S), AskBroker)] == ["PERIODIC"]
        world.answer()
        assert of(world.advance(START_NS + 60 * S), AskBroker)

    def test_a_market_that_runs_sixty_times_as_fast_is_asked_as_often_by_the_wall(self):
        world = BrokerWorld(real_documents(60_000))
        assert not of(world.advance(START_NS + 1_800 * S - 1), AskBroker)
        assert of(world.advance(START_NS + 1_800 * S), AskBroker)

    def test_a_reconnect_asks_and_entries_wait_for_the_answer(self, world):
        world.cut()
        assert only(world.connect(), AskBroker).reason == "LINK_UP"
        assert reason(world) == "RECOVERY_INCOMPLETE"
        world.answer()
        world.quote(world.now_ns + 1)
        # The lost link has cost .10 of the execution score by now (specification 5), which .75 forgives.
        assert reason(world) == "ENTER"

    def test_no_entry_while_one_of_the_four_states_is_down(self, world):
        for part in ("socket", "broker", "farm", "flowing"):
            down = events.LinkStatus(ts_ns=world.now_ns, up=False, reason="test", **{part: False})
            world.apply(down)
            assert reason(world) == ("LINK_DOWN" if part in ("farm", "flowing") else "RECOVERY_INCOMPLETE")
            world.connect()
            world.answer()

    def test_data_that_stop_are_no_outage_of_the_link(self, world):
        world.apply(events.LinkStatus(ts_ns=world.now_ns, up=False, flowing=False))
        assert world.state.deficits == ()
        world.apply(events.LinkStatus(ts_ns=world.now_ns, up=False, flowing=False, broker=False))
        assert [one.name for one in world.state.deficits] == ["link_outage"]

    def test_soon_after_a_trade_what_is_left_of_its_bracket_is_asked(self, world):
        order_id = world.enter()
        world.broker.fill(world.broker.orders[order_id, Leg.STOP], 1)
        world.deliver()
        closed_ns = world.now_ns
        assert not of(world.quotes(closed_ns + S, closed_ns + 2 * S - 1), AskBroker)
        assert of(world.quotes(closed_ns + 2 * S, closed_ns + 3 * S), AskBroker)

    def test_every_comparison_is_in_the_log_with_its_counts(self, world):
        world.enter()
        later(world)
        done = only(world.answer(), ReconciliationDone)
        assert (done.ours_qty, done.theirs_qty, done.ours_working, done.theirs_working) == (1, 1, 2, 2)
        assert rows([done]) == [Row.AGREES]
        assert len(of(world.records, ReconciliationDone)) == 2  # the connection's, and this one


class TestUnknown:
    def test_an_answer_that_times_out_is_not_flat(self, world):
        world.enter()
        records = world.answer(ok=False)
        assert world.state.position_qty is None
        assert world.state.position.qty == 1, "what was executed stays ours to manage"
        assert only(records, Alert).code == "RECONCILE_NO_ANSWER"
        assert rows(records) == [Row.NO_ANSWER]

    def test_past_its_deadline_the_switch_is_pulled_and_the_position_left(self, world):
        world.enter()
        world.answer(ok=False)
        since_ns = world.now_ns
        for second in range(1, 30):
            world.quote(since_ns + second * S)
            world.asked.clear()
        assert world.state.kill_reason is None
        records = world.quotes(since_ns + 30 * S, since_ns + 31 * S)
        assert "unknown for 30 s" in only(records, LatchKillSwitch).reason
        left = of(records, PlaceExit) + of(world.quotes(since_ns + 32 * S, since_ns + 36 * S), PlaceExit)
        assert [(one.side, one.qty) for one in left][:1] == [(Side.SELL, 1)]

    def test_a_question_nobody_answers_counts_as_no_answer(self, world):
        world.advance(START_NS + 30 * S)
        assert world.state.reconciled
        records = world.advance(START_NS + 60 * S)
        assert not world.state.reconciled
        assert "RECONCILE_NO_ANSWER" in [alert.code for alert in of(records, Alert)]

    def test_flat_and_unknown_stops_entries_and_kills_nobody(self, world):
        world.answer(ok=False)
        world.advance(world.now_ns + 90 * S)
        world.quote(world.now_ns + 1)
        assert world.state.kill_reason is None
        assert reason(world) == "RECOVERY_INCOMPLETE"

    def test_while_the_link_is_down_no_deadline_counts(self, world):
        world.enter()
        world.answer(ok=False)
        world.cut()
        records = world.quotes(world.now_ns + S, world.now_ns + 70 * S)
        assert not [one for one in of(records, LatchKillSwitch) if "unknown" in one.reason]


class TestOrphan:
    def test_it_is_left_at_once_and_the_bot_halts(self, world):
        world.broker.position = -2
        records = world.answer()
        assert only(records, LatchKillSwitch).reason == "position 0 here, -2 at the broker"
        left = only(records, PlaceExit)
        assert (left.side, left.qty, left.limit_ticks) == (Side.BUY, 2, None)
        assert left.order_id[1] == 1_000, "an id of its own: no bracket of ours"
        world.broker.fill(world.broker.orders[left.order_id, Leg.EXIT], 2)
        world.settle()
        assert world.broker.position == 0
        assert (world.machine.end.reason, world.machine.end.exit_code) == ("KILL_SWITCH", 5)

    def test_its_own_stop_protects_it_until_the_exit_has_filled(self, world):
        key = (3, 0)
        stop = Order(key=(key, Leg.STOP), leg=Leg.STOP, side=Side.SELL, left=1, price=23_990, perm=7, group=key)
        target = Order(key=(key, Leg.TARGET), leg=Leg.TARGET, side=Side.SELL, left=1, price=24_020, perm=8, group=key)
        world.broker.orders |= {stop.key: stop, target.key: target}
        world.broker.position = 1
        records = world.answer()
        assert only(records, PlaceExit).order_id == key, "in the group of the stop"
        assert [(one.order_id, one.leg) for one in of(records, CancelOrder)] == [(key, Leg.TARGET)]
        assert stop.state == "working"
        world.broker.fill(world.broker.orders[key, Leg.EXIT], 1)
        world.settle()
        assert (world.broker.position, stop.state) == (0, "done")
        assert not world.broker.working()

    def test_its_result_is_not_ours(self, world):
        """Foreign positions move no breaker (specification 8.2): what it cost is not known."""
        world.broker.position = 1
        left = only(world.answer(), PlaceExit)
        net_before = world.state.account.gross_uusd
        world.broker.fill(world.broker.orders[left.order_id, Leg.EXIT], 1)
        world.settle()
        assert world.state.account.gross_uusd == net_before == 0

    def test_more_at_the_broker_than_here_is_left_whole(self, world):
        world.enter()
        later(world)
        world.broker.position = 2
        world.answer()
        records = world.records[-40:]
        assert "position 1 here, 2 at the broker" in [one.reason for one in of(records, LatchKillSwitch)]
        world.settle(rounds=3)
        assert [one.qty for one in of(world.records, PlaceExit)][-1] == 2


class TestPhantom:
    def test_it_is_corrected_and_its_bracket_withdrawn(self, world):
        order_id = world.enter()
        later(world)
        world.broker.position = 0
        records = world.answer()
        assert rows(records)[0] is Row.PHANTOM_POSITION
        assert (world.state.position_qty, world.state.trade) == (0, None)
        assert {(one.order_id, one.leg) for one in of(records, CancelOrder)} == {
            (order_id, Leg.STOP),
            (order_id, Leg.TARGET),
        }
        assert world.state.kill_reason is None

    def test_an_outage_that_ended_with_one_is_over(self, world):
        world.enter()
        later(world)
        world.cut()
        world.broker.position = 0
        world.connect()
        later(world)
        world.answer()
        assert world.state.outage is None
        assert [one.name for one in world.state.deficits] == ["link_outage"], "not clean: the whole of it stays"
        world.cut()
        assert len(world.state.deficits) == 2, "the next one is trouble of its own"

    def test_an_execution_a_moment_ago_is_no_phantom(self, world):
        """The broker's list may be older than what it told: the stop must not be withdrawn for that."""
        world.enter()
        world.broker.position = 0
        records = world.answer()
        assert of(records, ReconciliationDone)[-1].settling
        assert world.state.position_qty == 1
        assert not of(records, CancelOrder)
        world.broker.position = 1
        assert only(later(world), AskBroker).reason == "PERIODIC"
        assert rows(world.answer()) == [Row.AGREES]


class TestChildren:
    def test_a_position_whose_stop_is_gone_is_left_at_the_market(self, world):
        order_id = world.enter()
        later(world)
        world.broker.orders[order_id, Leg.STOP].state = "done"
        records = world.answer()
        left = only(records, PlaceExit)
        assert (left.order_id, left.limit_ticks) == (order_id, None)
        # Its exit stands in no group any more: the target would stay, and open a position.
        assert [(one.order_id, one.leg) for one in of(records, CancelOrder)] == [(order_id, Leg.TARGET)]
        assert "MISSING_STOP" in [alert.code for alert in of(records, Alert)]
        assert world.state.kill_reason is None

    def test_a_stop_for_one_of_two_is_no_protection(self):
        docs = real_documents()
        safety = msgspec.structs.replace(docs.config.safety, position_qty_max=3, open_risk_usd_max=100.0)
        world = BrokerWorld(msgspec.structs.replace(docs, config=msgspec.structs.replace(docs.config, safety=safety)))
        order_id = world.enter()
        entry = world.state.final_entries[order_id]
        entry.order = msgspec.structs.replace(entry.order, qty=2)
        later(world)
        world.state.position = msgspec.structs.replace(world.state.position, qty=2)
        world.broker.position = 2
        records = world.answer()
        assert Row.SHORT_STOP in rows(records)
        assert only(records, PlaceExit).qty == 2

    def test_a_target_that_is_gone_is_the_bots_to_watch(self, world):
        order_id = world.enter()
        later(world)
        world.broker.orders[order_id, Leg.TARGET].state = "done"
        assert not of(world.answer(), PlaceExit)
        assert not world.state.trade.target_resident

    def test_a_stop_whose_word_was_lost_counts_as_soon_as_it_is_listed(self, world):
        placed = only(world.fire(candidate()), PlaceOrder)
        world.deliver()
        world.broker.fill(world.broker.orders[placed.order.order_id, Leg.ENTRY], 1)
        world.deliver(1)  # the execution; what works is lost
        world.broker.out.clear()
        assert world.state.trade.naked_since_ns is not None
        for _ in range(4):  # the exit that the deadline sends is under way for a while
            world.answer()
        assert world.state.trade.resident_stop_ticks == placed.order.stop_price_ticks

    def test_an_exit_that_was_lost_is_decided_anew(self, world):
        """The time stop: nothing but the broker's list tells that its exit never arrived."""
        order_id = world.enter()
        world.state.trade.time_stop_ns = world.now_ns + S
        world.lossy = True
        lost = world.quotes(world.now_ns + S, world.now_ns + 6 * S)
        assert [one.limit_ticks is None for one in of(lost, PlaceExit)] == [False, True], "a limit, then the market"
        world.lossy = False
        assert not of(world.quotes(world.now_ns + S, world.now_ns + 6 * S), PlaceExit), "never blindly again"
        records = world.answer()
        assert Row.MISSING_EXIT in rows(records)
        world.quotes(world.now_ns + S, world.now_ns + 2 * S)
        assert world.broker.orders[order_id, Leg.EXIT].state == "working"

    def test_the_stop_has_to_follow_what_has_filled(self):
        """EX07: one of two filled and protected; with the second the stop is one short until it is for two."""
        docs = real_documents()
        safety = msgspec.structs.replace(docs.config.safety, position_qty_max=3, open_risk_usd_max=100.0)
        world = BrokerWorld(msgspec.structs.replace(docs, config=msgspec.structs.replace(docs.config, safety=safety)))
        order_id = only(world.fire(candidate()), PlaceOrder).order.order_id
        entry = world.state.entries[order_id]
        entry.order = msgspec.structs.replace(entry.order, qty=2)
        broker = world.broker
        for leg in (Leg.ENTRY, Leg.STOP, Leg.TARGET):
            broker.orders[order_id, leg].left = 2
        world.deliver()
        broker.fill(broker.orders[order_id, Leg.ENTRY], 1)
        world.deliver()
        assert world.state.trade.naked_since_ns is None
        broker.fill(broker.orders[order_id, Leg.ENTRY], 1)
        filled = broker.out.pop(0)
        stop_for_one = events_of_stop(broker, order_id, 1)
        world._hear(filled)
        assert world.state.trade.naked_since_ns == world.now_ns, "the stop is for one of two"
        world._hear(stop_for_one)
        assert world.state.trade.naked_since_ns is not None
        world.deliver()
        assert only(world.records[-4:], StopResident).naked_ns == 0
        assert world.state.trade.resident_stop_qty == 2

    def test_a_stop_that_does_not_follow_is_no_protection(self):
        docs = real_documents()
        safety = msgspec.structs.replace(docs.config.safety, position_qty_max=3, open_risk_usd_max=100.0)
        world = BrokerWorld(msgspec.structs.replace(docs, config=msgspec.structs.replace(docs.config, safety=safety)))
        order_id = world.enter(fill=0)
        entry = world.state.entries[order_id]
        entry.order = msgspec.structs.replace(entry.order, qty=2)
        world.broker.orders[order_id, Leg.ENTRY].left = 2
        for _ in range(2):
            world.broker.fill(world.broker.orders[order_id, Leg.ENTRY], 1)
            world.broker.out = [one for one in world.broker.out if one[0] == "fill"]
            world.deliver()
        left = only(world.quotes(world.now_ns + S, world.now_ns + 3 * S), PlaceExit)
        assert (left.qty, left.limit_ticks) == (2, None)

    def test_while_the_link_is_down_nothing_is_sent_and_afterwards_the_deadline_counts(self, world):
        order_id = world.enter(fill=0)
        broker = world.broker
        broker.fill(broker.orders[order_id, Leg.ENTRY], 1)
        world.deliver(1)
        broker.orders[order_id, Leg.STOP].state = "done"
        world.cut()
        assert not of(world.quotes(world.now_ns + S, world.now_ns + 8 * S), PlaceExit)
        world.connect()
        world.answer()
        assert world.broker.orders[order_id, Leg.EXIT].state == "working"

    def test_a_refused_exit_of_a_naked_position_is_tried_again_at_the_deadline(self, world):
        order_id = world.enter(fill=0)
        world.broker.fill(world.broker.orders[order_id, Leg.ENTRY], 1)
        world.deliver(1)
        world.broker.out.clear()
        first = world.quotes(world.now_ns + S, world.now_ns + 2 * S)
        assert len(of(first, PlaceExit)) == 1
        world.apply(RequestRefused(ts_ns=world.now_ns, order_id=order_id, leg=Leg.EXIT))
        again = world.quotes(world.now_ns + S, world.now_ns + 2 * S)
        assert len(of(again, PlaceExit)) == 1


class TestEntries:
    def test_one_that_was_dropped_is_over_and_never_sent_again(self, world):
        world.lossy = True
        placed = only(world.fire(candidate()), PlaceOrder)
        world.lossy = False
        records = world.advance(world.now_ns + 5 * S)
        assert "ORDER_UNKNOWN" in [one.reason for one in of(records, AskBroker)]
        records = world.answer()
        assert rows(records) == [Row.MISSING_ENTRY]
        assert world.state.final_entries[placed.order.order_id].status is OrderStatus.CANCELLED
        assert not of(records, PlaceOrder)
        assert world.state.entries == {}

    def test_one_whose_acknowledgement_was_lost_is_known_again(self, world):
        placed = only(world.fire(candidate()), PlaceOrder)
        world.broker.out.clear()
        world.advance(world.now_ns + 5 * S)
        entry = world.state.entries[placed.order.order_id]
        assert entry.status is OrderStatus.UNKNOWN
        world.answer()
        assert entry.status is OrderStatus.WORKING
        records = world.advance(world.now_ns + 4 * S)
        assert not of(records, LatchKillSwitch)

    def test_a_withdrawal_nobody_answers_is_asked_for_again_after_the_broker_was_asked(self, world):
        order_id = world.enter(fill=0)
        world.lossy = True
        ttl = world.advance(world.now_ns + 10 * S)
        assert only(ttl, CancelOrder).order_id == order_id
        world.lossy = False
        records = world.advance(world.now_ns + 5 * S)
        assert "ORDER_UNKNOWN" in [one.reason for one in of(records, AskBroker)]
        again = only(world.answer(), CancelOrder)
        assert (again.order_id, again.reason) == (order_id, "STILL_WORKING")
        world.deliver()
        assert world.state.entries == {}

    def test_an_error_that_does_not_tell_makes_it_unknown(self, world):
        order_id = world.enter(fill=0)
        doubt = OrderUncertain(ts_ns=world.now_ns, order_id=order_id, leg=Leg.ENTRY, code=461, text="?")
        records = world.apply(doubt)
        assert only(records, AskBroker).reason == "ORDER_UNCERTAIN"
        assert world.state.entries[order_id].status is OrderStatus.UNKNOWN
        assert not of(records, PlaceOrder)
        later(world)
        world.answer()
        assert world.state.entries[order_id].status is OrderStatus.WORKING

    @pytest.mark.parametrize("leg", [Leg.STOP, Leg.TARGET, Leg.EXIT])
    def test_a_doubtful_child_is_asked_about(self, world, leg):
        order_id = world.enter()
        records = world.apply(OrderUncertain(ts_ns=world.now_ns, order_id=order_id, leg=leg, code=461, text="?"))
        assert only(records, AskBroker).reason == "ORDER_UNCERTAIN"
        assert not of(records, PlaceExit), "it may be live"

    def test_one_that_works_although_it_is_over_here_is_withdrawn(self, world):
        world.lossy = True
        order_id = only(world.fire(candidate()), PlaceOrder).order.order_id
        world.lossy = False
        world.advance(world.now_ns + 5 * S)
        world.answer()
        results = world.apply(events.OrderAcknowledged(ts_ns=world.now_ns, order_id=order_id))
        assert only(results, CancelOrder).order_id == order_id


class TestOrdersOfOthers:
    def test_ones_of_ours_that_are_not_open_here_are_withdrawn(self, world):
        key = ((3, 0), Leg.STOP)
        world.broker.orders[key] = Order(key=key, leg=Leg.STOP, side=Side.SELL, left=1, price=23_900, perm=9)
        records = world.answer()
        assert [(one.order_id, one.leg) for one in of(records, CancelOrder)] == [((3, 0), Leg.STOP)]
        assert "UNKNOWN_ORDER" in [alert.code for alert in of(records, Alert)]

    def test_somebody_elses_is_told_once_and_never_touched(self, world):
        key = ((-1, 0), Leg.ENTRY)
        other = Order(key=key, leg=Leg.ENTRY, side=Side.BUY, left=5, price=23_000, perm=9, ours=False)
        world.broker.orders[key] = other
        first, second = world.answer(), world.answer()
        assert [alert.code for alert in of(first, Alert)] == ["FOREIGN_ORDER"]
        assert not of(first + second, CancelOrder)
        assert not of(second, Alert)
        assert rows(second) == [Row.FOREIGN_ORDER]
        assert reason(world) == "ENTER"

    def test_a_stop_at_another_price_counts_as_the_brokers(self, world):
        order_id = world.enter()
        later(world)
        world.broker.orders[order_id, Leg.STOP].price = 23_980
        assert rows(world.answer()) == [Row.PRICE_DRIFT]
        assert world.state.trade.resident_stop_ticks == 23_980


class TestRestart:
    def test_position_and_orders_are_unknown_until_the_broker_has_said(self, world):
        order_id = world.enter(fill=0)
        world.restart()
        state = world.state
        assert (state.link_up, state.reconciled, state.position_qty) == (False, False, None)
        assert state.entries[order_id].status is OrderStatus.UNKNOWN
        world.connect()
        world.answer()
        world.settle(rounds=1)
        assert (state.link_up, state.reconciled, state.position_qty) == (True, True, 0)

    def test_the_time_the_process_was_down_counts_for_no_deadline(self, world):
        order_id = world.enter(fill=0)
        world.restart()
        records = world.quotes(world.now_ns + 600 * S, world.now_ns + 601 * S)
        world.connect()
        world.answer()
        assert not of(records, LatchKillSwitch)
        assert world.state.kill_reason is None
        assert order_id not in world.state.entries or not world.state.entries[order_id].unknown_since_ns

    def test_what_filled_meanwhile_is_booked_and_protected(self, world):
        order_id = world.enter(fill=0)
        world.restart()
        world.broker.fill(world.broker.orders[order_id, Leg.ENTRY], 1)
        world.connect()
        world.answer()
        world.settle()
        assert world.state.position_qty == 1
        assert world.state.trade.resident_stop_ticks is not None
        assert world.state.kill_reason is None

    def test_a_stop_that_filled_meanwhile_closes_the_trade(self, world):
        order_id = world.enter()
        world.restart()
        world.broker.fill(world.broker.orders[order_id, Leg.STOP], 1)
        world.connect()
        closed = only(world.answer(), TradeClosed)
        assert closed.outcome.exit_reason == "STOP"
        assert world.state.kill_reason is None

    def test_no_exit_leaves_before_the_broker_has_said_what_there_is(self, world):
        """The stop may have filled meanwhile: an exit would open a position on the other side."""
        order_id = world.enter()
        world.state.trade.time_stop_ns = world.now_ns + S
        world.restart()
        world.broker.fill(world.broker.orders[order_id, Leg.STOP], 1)
        assert not of(world.advance(world.now_ns + 5 * S), PlaceExit)
        world.connect()
        assert not of(world.answer() + world.settle(), PlaceExit)
        assert world.broker.position == 0

    def test_a_kill_while_the_link_is_down_waits_for_the_answer(self, world):
        world.enter()
        world.cut()
        world.apply(events.KillRequested(ts_ns=world.now_ns, reason="test", source="cli"))
        assert not of(world.advance(world.now_ns + 20 * S), PlaceExit)
        assert world.state.flatten.kind is FlattenKind.KILL
        world.connect()
        records = world.answer() + world.settle(rounds=2)
        assert of(records, PlaceExit)
