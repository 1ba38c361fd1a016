"""RC06, NV03, DG10: commissions, executions by id, notices, and deadlines in wall time; gates that an adapter tells."""

import msgspec
import pytest

from tests.core.broker_world import EXPIRY, BrokerWorld, S, real_documents
from tests.core.handler_world import START_NS, of, only
from tests.core.worlds import OPEN_NS, ListFeed, new_run, quote
from tests.engines.cases import candidate
from trading_bot.core import opening
from trading_bot.core.carried import Carried, Ledger
from trading_bot.core.counters import RunCounters
from trading_bot.core.executions import Seen, seen
from trading_bot.core.player import Player
from trading_bot.domain import events
from trading_bot.domain.broker_events import BrokerNotice, CommissionReported
from trading_bot.domain.effects import Alert, AskBroker, LatchKillSwitch, PlaceExit, PlaceOrder
from trading_bot.domain.orders import Leg, Side
from trading_bot.domain.trade_events import CommissionCorrected, OrderFilled, StopResident, TradeClosed
from trading_bot.domain.units import NS_PER_MS


@pytest.fixture
def world():
    return BrokerWorld()


def execution(world, exec_id, *, estimated=False, leg=Leg.ENTRY, order_id=None, side=Side.BUY, price=24_001, qty=1):
    return world.apply(
        OrderFilled(
            ts_ns=world.now_ns,
            order_id=order_id or next(iter(world.state.entries)),
            leg=leg,
            side=side,
            qty=qty,
            price_ticks=price,
            remaining=0,
            final=True,
            commission_uusd=620_000,
            commission_estimated=estimated,
            exec_id=exec_id,
            hypothetical=False,
        )
    )


def reported(world, exec_id, uusd, leg=Leg.ENTRY, order_id=(1, 0)):
    told = CommissionReported(
        ts_ns=world.now_ns, order_id=order_id, leg=leg, exec_id=exec_id, commission_uusd=uusd, estimated_uusd=620_000
    )
    return world.apply(told)


class TestCommission:
    def test_the_brokers_replaces_the_estimate_everywhere_once(self, world):
        """Estimated .62, charged .87: .25 more in fees, budget, the costs learned from, and equity."""
        order_id = world.enter(fill=0)
        execution(world, "a.b.01.01", estimated=True)
        state = world.state
        before = (state.account.fees_uusd, state.budgets.fees_day_uusd, state.costs.real.fees_uusd, state.equity_uusd)
        corrected = only(reported(world, "a.b.01.01", 870_000, order_id=order_id), CommissionCorrected)
        after = (state.account.fees_uusd, state.budgets.fees_day_uusd, state.costs.real.fees_uusd, state.equity_uusd)
        # A real broker's fills are in the book of the world the run is in; this one counts as hypothetical (OBSERVE).
        assert [new - old for new, old in zip(after, before, strict=True)] == [250_000, 250_000, 0, -250_000]
        assert state.costs.hypothetical.fees_uusd == 250_000
        assert state.trade.fees_uusd == 870_000
        assert (corrected.delta_uusd, corrected.trade_closed) == (250_000, False)
        assert reported(world, "a.b.01.01", 990_000) == [], "told twice"

    def test_one_that_was_never_estimated_changes_nothing(self, world):
        world.enter(fill=0)
        execution(world, "a.b.01.01")
        fees_uusd = world.state.account.fees_uusd
        assert reported(world, "a.b.01.01", 990_000) == reported(world, "stranger", 990_000) == []
        assert world.state.account.fees_uusd == fees_uusd

    def test_after_the_trade_closed_the_account_and_the_summary_learn_of_it(self, world):
        order_id = world.enter(fill=0)
        execution(world, "a.b.01.01", estimated=True)
        closed = execution(world, "a.b.02.01", leg=Leg.TARGET, order_id=order_id, side=Side.SELL, price=24_013)
        outcome = only(closed, TradeClosed).outcome
        assert outcome.commission_round_trip == 1.24
        counters = world.machine.counters
        counters.observe(only(closed, TradeClosed))
        corrected = only(reported(world, "a.b.01.01", 870_000, order_id=order_id), CommissionCorrected)
        net_uusd = counters.net_hypothetical_uusd + counters.net_uusd
        counters.observe(corrected)
        assert corrected.trade_closed
        assert counters.net_hypothetical_uusd + counters.net_uusd == net_uusd - 250_000
        assert world.state.account.fees_uusd == 620_000 * 2 + 250_000

    def test_a_cold_restart_knows_it_from_the_log(self, world):
        order_id = world.enter(fill=0)
        execution(world, "a.b.01.01", estimated=True)
        corrected = only(reported(world, "a.b.01.01", 870_000, order_id=order_id), CommissionCorrected)
        player = Player(build="other")
        player._note(corrected)
        ledger = msgspec.msgpack.decode(corrected.ledger, type=Ledger)
        assert player.facts.carried.ledger == ledger
        assert ledger.account.fees_uusd == 870_000
        assert player.facts.carried.costs.hypothetical.fees_uusd == 250_000


class TestExecutions:
    @pytest.mark.parametrize(
        ("known", "told", "expected"),
        [
            pytest.param("0000e1a7.67c1.01.01", "0000e1a7.67c1.01.01", Seen.REPEATED, id="the same"),
            pytest.param("0000e1a7.67c1.01.01", "0000e1a7.67c1.01.02", Seen.CORRECTED, id="corrected"),
            pytest.param("0000e1a7.67c1.01.01", "0000e1a7.67c1.02.01", Seen.NEW, id="the next of the same order"),
            pytest.param("0000e1a7.67c1.01.01", "0000e1a7.67c2.01.01", Seen.NEW, id="another order's"),
            pytest.param("sim-1", "sim-2", Seen.NEW, id="a simulator's"),
            pytest.param("x.1", "x.2", Seen.NEW, id="too short for a correction"),
        ],
    )
    def test_what_is_known_of_an_id(self, known, told, expected):
        assert seen({known: None}, told) is expected

    def test_one_that_is_told_again_is_not_booked_again(self, world):
        world.enter(fill=0)
        execution(world, "a.b.01.01")
        assert execution(world, "a.b.01.01", order_id=world.state.trade.order_id) == []
        assert world.state.position_qty == 1

    def test_the_summary_counts_an_execution_once(self):
        counters = RunCounters()
        for exec_id in ("a.b.01.01", "a.b.01.01", "a.b.01.02", "a.c.01.01"):
            counters.observe(
                OrderFilled(
                    ts_ns=1,
                    order_id=(1, 0),
                    leg=Leg.ENTRY,
                    side=Side.BUY,
                    qty=1,
                    price_ticks=24_001,
                    remaining=0,
                    final=True,
                    commission_uusd=620_000,
                    exec_id=exec_id,
                    hypothetical=False,
                )
            )
        assert (counters.fills, counters.fees_uusd) == (2, 1_240_000)

    def test_a_correction_is_told_and_asked_about(self, world):
        world.enter(fill=0)
        execution(world, "a.b.01.01")
        records = execution(world, "a.b.01.02", order_id=world.state.trade.order_id, price=24_002)
        assert world.state.position.lots[0].price_ticks == 24_001
        assert only(records, AskBroker).reason == "EXECUTION_CORRECTED"
        assert only(records, Alert).code == "EXECUTION_CORRECTED"

    def test_they_survive_a_cold_restart(self, world):
        world.enter(fill=0)
        execution(world, "a.b.01.01", estimated=True)
        carried = world.state.carried()
        assert carried.executions == (("a.b.01.01", 620_000),)
        player = Player(build="other")
        for record in [*world.records, *of(world.records, OrderFilled)]:
            player._note(record)
        assert player.facts.carried.position_qty == 1, "noted twice, counted once"
        assert player.facts.carried.executions == carried.executions

    def test_a_fresh_process_that_hears_an_old_execution_leaves_what_it_does_not_know(self):
        """A cold start: the entry's own facts are gone. What was executed is a position all the same, and it goes."""
        world = BrokerWorld()
        world.broker.position = 1
        records = execution(world, "old", order_id=(5, 0))
        assert world.state.position_qty == 1
        assert "is not open here" in only(records, LatchKillSwitch).reason
        left = only(records, PlaceExit)
        assert (left.side, left.qty) == (Side.SELL, 1)
        assert left.order_id[1] == 1_000


class TestColdStart:
    """Another configuration or build: the log's facts say how many contracts there are, not what they were for."""

    @pytest.fixture
    def cold(self):
        world = BrokerWorld(connect=False)
        world.state.take_over(Carried(position_qty=1))
        world.broker.position = 1
        assert (world.state.position.qty, world.state.position_qty) == (1, None)
        world.connect()
        return world

    def test_its_stop_that_filled_meanwhile_closes_it_and_nothing_halts(self, cold):
        told = execution(cold, "later", order_id=(5, 0), leg=Leg.STOP, side=Side.SELL, price=23_993)
        cold.broker.position = 0
        assert "LEFT_BY_ITS_BRACKET" in [alert.code for alert in of(told, Alert)]
        cold.settle(rounds=3)
        assert (cold.state.position_qty, cold.state.kill_reason) == (0, None)
        assert not of(cold.records, PlaceExit)

    def test_what_is_still_there_is_an_orphan(self, cold):
        records = cold.answer()
        assert "position 1 here, 1 at the broker" in only(records, LatchKillSwitch).reason
        assert [(one.side, one.qty) for one in of(records, PlaceExit)] == [(Side.SELL, 1)]
        assert not of(cold.answer(), LatchKillSwitch), "while it is being left it is nobody's orphan"

    def test_an_execution_that_makes_it_larger_ends_trading(self, cold):
        told = execution(cold, "later", order_id=(5, 0), leg=Leg.ENTRY)
        assert of(told, LatchKillSwitch)


class TestEntryOfADeadProcess:
    """It was on its way when the process died, and another configuration or build goes on: it is ours all the same."""

    ORDER = (7, 0)

    @pytest.fixture
    def dead(self):
        """What the log of the dead process says of its entry."""
        world = BrokerWorld()
        world.enter(fill=0)
        player = Player(build="other")
        for record in world.records:
            player._note(record)
        return world, player

    @pytest.fixture
    def cold(self, dead):
        before, player = dead
        (lots,) = player.facts.entries.values()
        world = BrokerWorld(connect=False)
        world.state.take_over(before.state.carried())
        world.state.left_entries = {self.ORDER: lots}
        return world

    def codes(self, records):
        return [alert.code for alert in of(records, Alert)]

    def test_filled_and_closed_by_its_bracket_while_nobody_lived_nothing_halts(self, cold):
        """24001 bought, 23993 sold: eight ticks of 1.25 and twice .62 are lost."""
        opened = execution(cold, "one", order_id=self.ORDER)
        closed = execution(cold, "two", order_id=self.ORDER, leg=Leg.STOP, side=Side.SELL, price=23_993)
        assert (self.codes(opened), self.codes(closed)) == (["LEFT_ENTRY_FILLED"], ["LEFT_BY_ITS_BRACKET"])
        cold.connect()
        cold.settle(rounds=3)
        assert (cold.state.position_qty, cold.state.kill_reason) == (0, None)
        assert not of(cold.records, PlaceExit)
        assert cold.state.account.gross_uusd == -8 * 1_250_000
        assert cold.state.account.fees_uusd == 2 * 620_000

    def test_what_it_has_opened_is_an_orphan_that_is_left(self, cold):
        execution(cold, "one", order_id=self.ORDER)
        cold.broker.position = 1
        cold.connect()
        cold.settle(rounds=4)
        assert "position 1 here, 1 at the broker" in only(cold.records, LatchKillSwitch).reason
        assert [(one.side, one.qty) for one in of(cold.records, PlaceExit)] == [(Side.SELL, 1)]

    @pytest.mark.parametrize(("side", "qty"), [(Side.SELL, 1), (Side.BUY, 2)])
    def test_another_side_or_more_than_was_sent_ends_trading(self, cold, side, qty):
        assert of(execution(cold, "one", order_id=self.ORDER, side=side, qty=qty), LatchKillSwitch)

    def test_one_told_after_all_of_it_ends_trading(self, cold):
        execution(cold, "one", order_id=self.ORDER)
        assert of(execution(cold, "more", order_id=self.ORDER), LatchKillSwitch)

    @pytest.mark.parametrize("last", ["filled", "withdrawn", "refused"])
    def test_one_that_ended_in_the_log_is_waited_for_no_more(self, dead, last):
        world, player = dead
        (order_id,) = world.state.entries
        if last == "filled":
            execution(world, "one")
        elif last == "withdrawn":
            world.apply(events.OrderCancelled(ts_ns=world.now_ns, order_id=order_id))
        else:
            world.apply(events.OrderRejected(ts_ns=world.now_ns, order_id=order_id, code=201, text="margin"))
        assert player.facts.entries == {order_id: 1}
        for record in world.records[-20:]:
            if isinstance(record, OrderFilled | events.OrderCancelled | events.OrderRejected):
                player._note(record)
        assert not player.facts.entries


class TestNotices:
    def test_errors_count_for_the_breaker_and_others_do_not(self, world):
        """Five of class ERROR in a minute pause entries (specification 8.2)."""
        for number in range(5):
            world.apply(BrokerNotice(ts_ns=world.now_ns + number, code=2104, text="farm OK", error=False))
        assert not world.state.breakers.trips
        for number in range(5):
            told = world.apply(BrokerNotice(ts_ns=world.now_ns + number, code=322, text="busy", error=True))
            assert "BROKER_ERROR" in [alert.code for alert in of(told, Alert)]
        assert [trip.breaker.value for trip in world.state.breakers.trips] == ["BROKER_ERRORS"]


class TestRealGates:
    def test_they_begin_closed(self):
        inputs = opening.gate_inputs(real_documents(), START_NS, Carried())
        bound, answer, link = inputs
        assert (bound.con_id, bound.expiry) == (5, EXPIRY)
        assert (answer.ok, link.up, link.data_type) == (False, False, 0)

    def test_a_session_that_follows_another_begins_with_the_link_as_it_is(self):
        up = events.LinkStatus(ts_ns=1, up=True, reason="connected")
        *_, link = opening.gate_inputs(real_documents(), START_NS, Carried(), up)
        assert (link.up, link.ts_ns, link.modelled) == (True, START_NS, False)

    def test_the_next_sessions_log_asks_again_and_goes_on(self, tmp_path):
        """The link is told when it changes, and at the roll it does not: the log restates it, and the rest is asked."""
        day_ns = 24 * 3_600 * S
        feed = ListFeed([quote(OPEN_NS + after_ns, 24_000, 24_001) for after_ns in (0, S, day_ns, day_ns + S)])
        told = [events.LinkStatus(ts_ns=OPEN_NS, up=True, reason="connected")]
        runner = new_run(tmp_path / "run", feed, real_documents(), first_inputs=told)
        states = []
        while not runner.ended:
            runner.run_once()
            machine = runner.machine
            if machine is not None and (not states or states[-1] is not machine.state):
                states.append(machine.state)
            if len(states) == 2 and machine.state.kernel.now_ns > OPEN_NS + day_ns:
                break
        second = states[1]
        assert (second.link_up, second.link.reason, second.reconciled, second.position_qty) == (
            True,
            "connected",
            True,
            0,
        )

    @pytest.mark.parametrize("data_type", [2, 3, 4])
    def test_delayed_or_frozen_data_enter_nothing(self, world, data_type):
        world.apply(events.LinkStatus(ts_ns=world.now_ns, up=True, data_type=data_type))
        assert only(world.fire(candidate()), events.DecisionMade).reason == "LINK_DOWN"

    def test_latency_that_is_old_or_too_long_enters_nothing(self, world):
        world.apply(events.LatencySampled(ts_ns=world.now_ns, decision_us_p99=50_001.0, loop_lag_us_max=0.0))
        assert only(world.fire(candidate()), events.DecisionMade).reason == "SAFETY_GATE_LATENCY"
        world.apply(events.LatencySampled(ts_ns=world.now_ns, decision_us_p99=50.0, loop_lag_us_max=0.0))
        world.quotes(world.now_ns + S, world.now_ns + 11 * S)
        told = only(world.fire(candidate(episode=2)), events.DecisionMade)
        assert told.reason == "SAFETY_GATE_LATENCY"
        assert "11.0 s ago" in told.text

    def test_four_days_before_expiry_enter_nothing(self):
        docs = msgspec.structs.replace(real_documents(), expiry=20261129)
        assert only(BrokerWorld(docs).fire(candidate()), events.DecisionMade).reason == "SAFETY_GATE_EXPIRY"
        docs = msgspec.structs.replace(real_documents(), expiry=20261130)
        assert of(BrokerWorld(docs).fire(candidate()), PlaceOrder)

    def test_the_brokers_margin_decides(self, world):
        """8 000 of 10 000 may be used: a contract of 8 000.01 is too much, whatever is assumed for it."""
        money = {"equity_uusd": 10_000_000_000, "margin_free_uusd": 10_000_000_000}
        for each_uusd, qty in ((8_000_000_000, 1), (8_000_010_000, 0)):
            world.apply(
                events.AccountSnapshot(ts_ns=world.now_ns, account="DU1", margin_per_contract_uusd=each_uusd, **money)
            )
            assert world.state.margin_per_contract_uusd == each_uusd
            decided = world.state.decisions
            assert decided is not None
            world.episode = getattr(world, "episode", 0) + 1
            placed = of(world.fire(candidate(episode=world.episode)), PlaceOrder)
            assert len(placed) == qty
            for one in placed:
                world.cancelled(one.order.order_id)


class TestWallTime:
    """A gateway simulator whose market runs sixty times as fast: two seconds of a deadline are 120 of the market."""

    @pytest.fixture
    def fast(self):
        return BrokerWorld(real_documents(60_000))

    def test_an_acknowledgement_has_five_seconds_of_the_wall(self, fast):
        fast.lossy = True
        sent_ns = fast.now_ns
        only(fast.fire(candidate()), PlaceOrder)
        # Its time to live is the market's.
        assert not of(fast.advance(sent_ns + 300 * S - 1), AskBroker)
        assert "ORDER_UNKNOWN" in [one.reason for one in of(fast.advance(sent_ns + 300 * S), AskBroker)]

    def test_a_naked_position_has_two_and_its_time_is_told_by_the_wall(self, fast):
        order_id = fast.enter(fill=0)
        fast.broker.fill(fast.broker.orders[order_id, Leg.ENTRY], 1)
        fast.deliver(1)
        filled_ns = fast.now_ns
        assert not of(fast.quotes(filled_ns + S, filled_ns + 119 * S), PlaceExit)
        fast.deliver()
        resident = of(fast.records, StopResident)[0]
        assert resident.naked_ns == 119 * S // 60
        assert 0 < resident.naked_ns < 2_000 * NS_PER_MS

    def test_without_its_stop_it_is_left_after_two(self, fast):
        order_id = fast.enter(fill=0)
        fast.broker.fill(fast.broker.orders[order_id, Leg.ENTRY], 1)
        fast.deliver(1)
        filled_ns = fast.now_ns
        assert of(fast.quotes(filled_ns + S, filled_ns + 121 * S), PlaceExit)

    def test_the_ladder_of_a_kill_runs_by_the_wall(self, fast):
        fast.enter()
        fast.lossy = True
        fast.apply(events.KillRequested(ts_ns=fast.now_ns, reason="test", source="cli"))
        due = [rung.due_ns - fast.state.flatten.started_ns for rung in fast.state.flatten.rungs]
        assert due
        assert all(span_ns % (60 * S) == 0 for span_ns in due)
