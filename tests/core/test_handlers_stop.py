"""How a run comes to rest, and what reaches the core from outside: kill switch, stops, brokers, disk, restarts."""

import msgspec
import pytest

from tests.core.handler_world import HELD, START_NS, World, of, only
from tests.engines.cases import candidate
from trading_bot.core import breaking
from trading_bot.core.carried import Carried
from trading_bot.domain import events
from trading_bot.domain.effects import (
    Alert,
    ArmTimer,
    AskBroker,
    BrokerEffect,
    CancelOrder,
    DisarmTimer,
    EndRun,
    LatchKillSwitch,
    PlaceExit,
    PlaceOrder,
)
from trading_bot.domain.kernel import Outcome
from trading_bot.domain.orders import Leg, OrderStatus, Side
from trading_bot.domain.trade_events import TradeClosed
from trading_bot.domain.units import NS_PER_S


@pytest.fixture
def world():
    return World()


def kill_event(world, reason="smoke"):
    return events.KillRequested(ts_ns=world.now_ns, reason=reason, source="cli")


def stop_event(world, reason="DURATION", exit_code=0):
    return events.StopRequested(ts_ns=world.now_ns, reason=reason, exit_code=exit_code)


def another_entry(world, placed, seconds_later):
    """A second working entry, as a larger position limit would allow it: its own id, its own time to live."""
    first = world.state.entries[placed.order.order_id]
    order = msgspec.structs.replace(
        first.order, order_id=(8_000, 0), expires_ns=first.order.expires_ns + seconds_later * NS_PER_S
    )
    world.state.entries[order.order_id] = type(first)(order=order, status=OrderStatus.WORKING, terms=first.terms)
    world.machine.timers[("entry_ttl", order.order_id)] = order.expires_ns
    return order


class TestKillSwitch:
    def test_it_latches_alerts_cancels_and_ends_with_5(self, world):
        placed = world.place()
        results = world.apply(kill_event(world))
        assert [type(result) for result in results][:3] == [LatchKillSwitch, Alert, CancelOrder]
        latch, alert, cancel = results[:3]
        assert (latch.reason, latch.source) == ("smoke", "cli")
        assert (alert.level, alert.code) == ("critical", "KILL_SWITCH")
        assert alert.text == "kill switch by cli: smoke"
        assert (cancel.order_id, cancel.reason) == (placed.order.order_id, "KILL_SWITCH")
        assert world.state.kill_reason == "smoke"
        assert world.state.entry_mask == 0
        assert not of(world.cancelled(placed.order.order_id), EndRun), "the broker has not confirmed it yet"
        ended = only(world.position(0), EndRun)
        assert (ended.reason, ended.exit_code) == ("KILL_SWITCH", 5)

    def test_while_nothing_is_open_it_ends_at_once(self, world):
        ended = only(world.apply(kill_event(world)), EndRun)
        assert (ended.reason, ended.exit_code) == ("KILL_SWITCH", 5)

    @pytest.mark.parametrize(("qty", "side", "limit_ticks"), [(2, Side.SELL, 23_992), (-1, Side.BUY, 24_009)])
    def test_a_position_is_left_before_the_end(self, qty, side, limit_ticks):
        """Targets first, then a marketable limit 8 ticks through the other side (specification 8.3, 11)."""
        world = World({"safety": {"position_qty_max": 2}})
        world.hold(qty)
        results = world.apply(kill_event(world))
        assert (only(results, CancelOrder).leg, of(results, PlaceExit)) == (Leg.TARGET, [])
        results = world.apply(events.OrderCancelled(ts_ns=world.now_ns, order_id=HELD, leg=Leg.TARGET))
        left = only(results, PlaceExit)
        assert (left.side, left.qty, left.limit_ticks, left.cause) == (side, abs(qty), limit_ticks, "KILL")
        assert not of(results, EndRun)
        ended = only(world.close(), EndRun)
        assert (ended.reason, ended.exit_code) == ("KILL_SWITCH", 5)

    def test_an_unknown_position_is_flattened_as_well_and_is_no_end(self, world):
        world.position(None)
        results = world.apply(kill_event(world))
        assert only(results, AskBroker).reason == "smoke"
        assert not of(results, EndRun)

    def test_a_second_pull_changes_nothing(self, world):
        world.place()
        world.apply(kill_event(world))
        before = world.state.facts()
        assert world.apply(kill_event(world, "again")) == []
        assert world.state.facts() == before
        assert world.state.kill_reason == "smoke"

    def test_it_takes_over_a_stop_that_waits(self, world):
        """The target is being withdrawn and the exit sent already: no second exit leaves."""
        world.hold(1)
        world.apply(stop_event(world))
        world.apply(events.OrderCancelled(ts_ns=world.now_ns, order_id=HELD, leg=Leg.TARGET))
        results = world.apply(kill_event(world))
        assert not of(results, PlaceExit)
        assert only(results, LatchKillSwitch).reason == "smoke"
        ended = only(world.close(), EndRun)
        assert (ended.reason, ended.exit_code) == ("KILL_SWITCH", 5)

    def test_a_run_that_rolls_into_its_next_session_halts_instead(self, world):
        world.hold(1)
        world.apply(stop_event(world, "SESSION_ROLL"))
        world.apply(kill_event(world))
        world.close()
        assert (world.machine.end.reason, world.machine.end.exit_code) == ("KILL_SWITCH", 5)

    def test_a_later_stop_does_not_soften_it(self, world):
        world.place()
        world.apply(kill_event(world))
        assert world.apply(stop_event(world)) == []
        assert (world.state.stopping, world.state.exit_code) == ("KILL_SWITCH", 5)

    def test_it_stays_pulled_in_the_next_session(self, world):
        world.apply(kill_event(world))
        after = World(carried=world.state.carried())
        assert after.state.kill_reason == "smoke"
        decision = only(after.fire(candidate()), events.DecisionMade)
        assert (decision.reason, decision.mask) == ("KILL_SWITCH", 1)
        assert after.state.entry_mask == 0

    def test_only_a_person_clears_it(self):
        after = World(carried=Carried(kill_reason="smoke"))
        results = after.apply(events.KillCleared(ts_ns=after.now_ns, reason="checked", source="cli"))
        alert = only(results, Alert)
        assert (alert.code, alert.text) == ("KILL_CLEARED", "kill switch cleared by cli: checked")
        assert after.state.kill_reason is None
        assert after.state.entry_mask != 0

    def test_a_core_that_failed_is_killed(self, world):
        world.apply(events.CoreFailed(ts_ns=world.now_ns, failed_seq=3, error="ValueError('x')"))
        assert world.state.kill_reason == "CORE_FAILED: ValueError('x')"
        assert world.state.carried().kill_reason == world.state.kill_reason


class TestStop:
    def test_while_nothing_is_open_it_is_the_end(self, world):
        ended = only(world.apply(stop_event(world)), EndRun)
        assert (ended.reason, ended.exit_code) == ("DURATION", 0)

    def test_it_waits_for_the_cancel_of_a_working_entry(self, world):
        placed = world.place()
        results = world.apply(stop_event(world))
        assert only(results, CancelOrder).order_id == placed.order.order_id
        assert not of(results, EndRun)
        assert world.state.entry_mask == 0
        gone = world.cancelled(placed.order.order_id)
        assert type(gone[0]) is DisarmTimer
        assert not of(gone, EndRun)
        assert of(world.position(0), EndRun)

    def test_it_waits_for_every_one(self, world):
        placed = world.place()
        second = another_entry(world, placed, 5)
        assert len(of(world.apply(stop_event(world)), CancelOrder)) == 2
        assert not of(world.cancelled(second.order_id) + world.position(0), EndRun)
        assert of(world.cancelled(placed.order.order_id) + world.position(0), EndRun)

    def test_it_waits_for_the_position(self, world):
        world.hold(1)
        world.apply(stop_event(world))
        results = world.apply(events.OrderCancelled(ts_ns=world.now_ns, order_id=HELD, leg=Leg.TARGET))
        assert only(results, PlaceExit).cause == "SESSION"
        assert not of(results, EndRun)
        assert only(world.close(), EndRun).exit_code == 0

    def test_a_second_stop_only_makes_the_exit_code_worse(self, world):
        placed = world.place()
        world.apply(stop_event(world))
        assert world.apply(stop_event(world, "LATER", exit_code=6)) == []
        assert world.apply(stop_event(world, "LATER", exit_code=3)) == []
        world.cancelled(placed.order.order_id)
        ended = only(world.position(0), EndRun)
        assert (ended.reason, ended.exit_code) == ("DURATION", 6)

    def test_entries_are_refused_by_its_name(self, world):
        world.hold(1)
        world.apply(stop_event(world))
        world.fill(Leg.TARGET, Side.SELL, 1, 24_013)
        assert only(world.fire(candidate()), events.DecisionMade).reason == "STOPPING"

    def test_a_source_that_ends_takes_the_link_down(self, world):
        placed = world.place()
        results = world.apply(events.FeedEnded(ts_ns=world.now_ns, reason="END"))
        assert not of(results, Alert)
        assert only(results, CancelOrder).reason == "FEED_ENDED"
        assert not world.state.link_up
        world.cancelled(placed.order.order_id)
        ended = only(world.position(0), EndRun)
        assert (ended.reason, ended.exit_code) == ("FEED_ENDED", 0)

    def test_a_source_that_fails_is_told_with_its_reason(self, world):
        results = world.apply(events.FeedEnded(ts_ns=world.now_ns, reason="cut in half", exit_code=6))
        assert (only(results, Alert).code, only(results, Alert).text) == ("FEED_FAILED", "cut in half")
        assert only(results, EndRun).exit_code == 6

    def test_the_last_record_ends_the_state(self, world):
        ended = events.RunEnded(ts_ns=world.now_ns, exit_reason="END", effects_digest="", state_digest="")
        assert world.apply(ended) == []
        assert world.state.ended


class TestTimeToLive:
    def test_an_entry_is_cancelled_when_its_time_has_come(self, world):
        placed = world.place()
        due_ns = START_NS + 10 * NS_PER_S
        assert placed.order.expires_ns == due_ns
        assert not of(world.quotes(START_NS + NS_PER_S, due_ns - 1), CancelOrder)
        cancel = only(world.advance(due_ns), CancelOrder)
        assert (cancel.order_id, cancel.reason, cancel.ts_ns) == (placed.order.order_id, "TIME_TO_LIVE", due_ns)

    def test_an_entry_is_not_chased(self, world):
        """EX08: its price stays while the market runs away (ADR 11: neither of the two allowed changes is made)."""
        placed = world.place()
        world.apply(events.OrderAcknowledged(ts_ns=START_NS + 1, order_id=placed.order.order_id))
        told = []
        for second in range(1, 10):
            told += world.quote(START_NS + second * NS_PER_S, bid=24_000 + 2 * second)
        assert not [record for record in told if isinstance(record, BrokerEffect) and not isinstance(record, AskBroker)]
        assert world.state.entries[placed.order.order_id].order.limit_ticks == placed.order.limit_ticks
        assert only(world.advance(START_NS + 10 * NS_PER_S), CancelOrder).order_id == placed.order.order_id

    def test_only_the_order_whose_time_has_come(self, world):
        placed = world.place()
        second = another_entry(world, placed, 5)
        cancel = only(world.quotes(START_NS + NS_PER_S, START_NS + 12 * NS_PER_S), CancelOrder)
        assert cancel.order_id == placed.order.order_id
        assert world.state.entries[second.order_id].status is OrderStatus.WORKING
        cancel = only(world.quotes(START_NS + 13 * NS_PER_S, START_NS + 16 * NS_PER_S), CancelOrder)
        assert (cancel.order_id, cancel.ts_ns) == (second.order_id, START_NS + 15 * NS_PER_S)

    def test_an_entry_that_is_being_withdrawn_is_not_withdrawn_again(self, world):
        world.place()
        world.apply(stop_event(world))
        assert not of(world.advance(START_NS + 11 * NS_PER_S), CancelOrder)

    def test_an_entry_that_is_gone_disarms_its_timer(self, world):
        placed = world.place()
        results = world.cancelled(placed.order.order_id)
        assert only(results, DisarmTimer).order_id == placed.order.order_id
        assert ("entry_ttl", placed.order.order_id) not in world.machine.timers
        assert world.state.working_entries == 0
        assert world.state.entry_mask != 0


class TestBroker:
    @pytest.mark.parametrize(
        "answer",
        [
            events.OrderSuppressed(ts_ns=START_NS, order_id=(77, 0)),
            events.OrderAcknowledged(ts_ns=START_NS, order_id=(77, 0)),
            events.OrderCancelled(ts_ns=START_NS, order_id=(77, 0)),
            events.OrderRejected(ts_ns=START_NS, order_id=(77, 0), code=201, text="margin"),
        ],
        ids=lambda answer: type(answer).__name__,
    )
    def test_an_answer_about_an_order_that_is_not_open_is_told(self, world, answer):
        placed = world.place()
        alerts = of(world.apply(answer), Alert)
        assert alerts[-1].code == "ORDER_NOT_OPEN"
        assert "(77, 0)" in alerts[-1].text
        assert list(world.state.entries) == [placed.order.order_id], "nothing else is touched"

    @pytest.mark.parametrize(
        ("answer", "status"),
        [(events.OrderSuppressed, OrderStatus.ACKED), (events.OrderAcknowledged, OrderStatus.ACKED)],
    )
    def test_an_order_follows_the_table(self, world, answer, status):
        order_id = only(world.fire(candidate()), PlaceOrder).order.order_id
        assert world.state.entries[order_id].status is OrderStatus.SENT
        disarmed = only(world.apply(answer(ts_ns=world.now_ns, order_id=order_id)), DisarmTimer)
        assert (disarmed.name, disarmed.order_id) == ("order_ack", order_id)
        assert world.state.entries[order_id].status is status

    def test_a_rejected_entry_is_told_counted_and_gone(self, world):
        placed = world.place()
        results = world.apply(
            events.OrderRejected(ts_ns=world.now_ns, order_id=placed.order.order_id, code=201, text="margin")
        )
        alert = only(results, Alert)
        assert (alert.code, alert.level) == ("ORDER_REJECTED", "error")
        assert "201 margin" in alert.text
        assert world.state.entries == {}
        assert world.state.eqs_c == 85

    def test_a_rejected_entry_ends_a_stop_that_waited_for_it(self, world):
        placed = world.place()
        world.apply(stop_event(world))
        results = world.apply(
            events.OrderRejected(ts_ns=world.now_ns, order_id=placed.order.order_id, code=201, text="margin")
        )
        assert not of(results, EndRun)
        assert only(world.position(0), EndRun).reason == "DURATION"


class TestFlatten:
    @pytest.mark.parametrize(("qty", "side"), [(1, Side.SELL), (-1, Side.BUY)])
    def test_a_time_stop_asks_for_zero(self, world, qty, side):
        world.hold(qty, hold_s=0)
        results = world.fire(code=Outcome.EXIT, exit_mask=4)
        detected = only(results, events.ExitDetected)
        assert (detected.exit_mask, detected.position_qty) == (4, qty)
        left = only(results, PlaceExit)
        assert (left.side, left.qty, left.cause) == (side, 1, "TIME")

    def test_flat_is_flat(self, world):
        assert not of(world.fire(code=Outcome.EXIT, exit_mask=4), PlaceExit)

    def test_no_gate_can_stop_it(self, world, monkeypatch):
        """Everything that forbids an entry at once, and gates that would raise if anybody asked them."""
        world.hold(1, hold_s=0)
        for spoil in (
            events.LogSpaceChanged(ts_ns=START_NS, ok=False),
            events.LinkStatus(ts_ns=START_NS, up=False, data_type=3),
        ):
            world.apply(spoil)
        world.state.equity_uusd = None
        world.state.data_down = True
        world.state.kill_reason = "smoke"
        for gate, asked in ((world.state.gate, "approve"), (world.state.decisions, "decide")):
            monkeypatch.setattr(gate, asked, lambda *_: pytest.fail("an exit asked an entry gate"))
        assert only(world.fire(code=Outcome.EXIT, exit_mask=4), PlaceExit).qty == 1

    def test_exits_come_before_candidates(self, world):
        """A quality change, an exit and a candidate of one moment: in the order of authority."""
        world.hold(1, hold_s=0)
        results = world.fire(candidate(), code=Outcome.EXIT | Outcome.CANDIDATE, exit_mask=4)
        kinds = [type(result) for result in results]
        assert kinds.index(events.ExitDetected) < kinds.index(PlaceExit) < kinds.index(events.DecisionMade)
        assert results[-1].reason == "POSITION_OPEN"

    def test_a_person_closes_the_position_and_the_run_goes_on(self, world):
        world.hold(1)
        asked = events.FlattenRequested(ts_ns=world.now_ns, reason="lunch", source="cli")
        assert only(world.apply(asked), Alert).code == "FLATTEN_REQUESTED"
        world.apply(events.OrderCancelled(ts_ns=world.now_ns, order_id=HELD, leg=Leg.TARGET))
        assert not of(world.close(), EndRun)
        assert world.state.position_qty == 0
        assert world.state.stopping is None
        assert world.state.entry_mask != 0


class TestPriceGap:
    def test_it_cancels_entries_and_is_told(self, world):
        placed = world.place()
        results = world.fire(code=Outcome.GAP)
        assert only(results, Alert).code == "PRICE_GAP_ACCEPTED"
        cancel = only(results, CancelOrder)
        assert (cancel.order_id, cancel.reason) == (placed.order.order_id, "PRICE_GAP")
        assert world.state.stopping is None


class TestLogSpace:
    def test_entries_stop_and_come_back(self, world):
        opened = world.state.entry_mask
        assert opened
        alert = only(world.apply(events.LogSpaceChanged(ts_ns=world.now_ns, ok=False, detail="1 MiB left")), Alert)
        assert (alert.code, alert.level) == ("LOG_SPACE_LOW", "error")
        assert "1 MiB left" in alert.text
        assert world.state.entry_mask == 0
        assert only(world.fire(candidate()), events.DecisionMade).reason == "LOG_SPACE_LOW"
        assert world.apply(events.LogSpaceChanged(ts_ns=world.now_ns, ok=True)) == []
        assert world.state.entry_mask == opened
        assert of(world.fire(candidate(episode=2)), PlaceOrder)

    def test_a_working_entry_goes_on(self, world):
        world.place()
        assert not of(world.apply(events.LogSpaceChanged(ts_ns=world.now_ns, ok=False)), CancelOrder)


class TestAbandoned:
    """The process ended after a record and before all its effects were in the log (architecture law 10)."""

    @staticmethod
    def abandon(world, results, kept):
        world.machine.abandoned(tuple(results), kept)
        return world.apply(events.EffectsAbandoned(ts_ns=world.now_ns, cause_seq=world.seq, kept=kept))

    def test_an_order_that_was_not_logged_was_never_there(self, world):
        results = world.fire(candidate())
        kept = [type(result) for result in results].index(PlaceOrder)
        again = self.abandon(world, results, kept)
        assert only(again, Alert).code == "EFFECTS_ABANDONED"
        assert not of(again, PlaceOrder)
        assert world.state.entries == {}
        assert not [timer for timer in of(again, ArmTimer) if timer.name == "entry_ttl"]
        assert ("entry_ttl", of(results, PlaceOrder)[0].order.order_id) not in world.machine.timers

    def test_an_order_whose_timer_was_not_logged_still_ends(self, world):
        results = world.fire(candidate())
        placed = only(results, PlaceOrder)
        kept = [type(result) for result in results].index(PlaceOrder) + 1
        again = self.abandon(world, results, kept)
        timer = next(timer for timer in of(again, ArmTimer) if timer.name == "entry_ttl")
        assert (timer.order_id, timer.due_ns) == (placed.order.order_id, placed.order.expires_ns)
        cancel = only(world.quotes(START_NS + NS_PER_S, START_NS + 10 * NS_PER_S), CancelOrder)
        assert cancel.order_id == placed.order.order_id

    def test_a_kill_is_not_lost(self, world):
        placed = world.place()
        results = world.apply(kill_event(world))
        again = self.abandon(world, results, 0)
        assert {alert.code for alert in of(again, Alert)} == {"EFFECTS_ABANDONED", "KILL_SWITCH"}
        assert only(again, CancelOrder).order_id == placed.order.order_id
        assert only(again, LatchKillSwitch).reason == "smoke"
        world.cancelled(placed.order.order_id)
        assert only(world.position(0), EndRun).exit_code == 5

    def test_an_exit_that_never_left_leaves_at_the_next_look(self, world):
        world.hold(1, hold_s=0)
        results = world.fire(code=Outcome.EXIT, exit_mask=4)
        kept = [type(result) for result in results].index(PlaceExit)
        assert not of(self.abandon(world, results, kept), PlaceExit)
        looked = world.quotes(world.now_ns + NS_PER_S, world.now_ns + 2 * NS_PER_S)
        left = of(looked, PlaceExit)[0]
        assert (left.cause, left.limit_ticks is None) == ("TIME", False)

    def test_the_exit_of_a_kill_that_never_left_is_sent_again(self, world):
        world.hold(1)
        world.apply(kill_event(world))
        gone = events.OrderCancelled(ts_ns=world.now_ns, order_id=HELD, leg=Leg.TARGET)
        results = world.apply(gone)
        kept = [type(result) for result in results].index(PlaceExit)
        self.abandon(world, results, kept)
        world.quotes(world.now_ns + NS_PER_S, world.now_ns + 12 * NS_PER_S)
        assert of(world.records[-60:], PlaceExit)

    def test_an_end_is_not_lost(self, world):
        results = world.apply(stop_event(world))
        assert only(self.abandon(world, results, 0), EndRun).reason == "DURATION"
        assert world.machine.end is not None

    def test_a_closed_trade_that_was_not_logged_is_told_again(self, world):
        """Its fill is in the log: account and evidence have it, so what counts trades must find it too."""
        world.hold(1)
        results = world.fill(Leg.STOP, Side.SELL, 1, 23_990)
        told = [type(result) for result in results].index(TradeClosed)
        again = self.abandon(world, results, told)
        assert only(again, TradeClosed).outcome == only(results, TradeClosed).outcome
        assert only(again, TradeClosed).ledger == breaking.ledger_bytes(world.state)
        assert not of(self.abandon(world, results, told + 1), TradeClosed)

    def test_a_kill_timer_is_armed_again(self, world):
        world.hold(1)
        world.advance(START_NS + 10_100_000_000)
        at_ns = START_NS + 10_100_000_000
        armed = [record for record in world.records if record.ts_ns == at_ns][1:]
        armed = list(world.state.last_results)
        assert "quality_kill" in [result.name for result in of(armed, ArmTimer)]
        self.abandon(world, armed, 0)
        records = world.advance(START_NS + 20_100_000_000)
        assert "KILL_SWITCH" in [alert.code for alert in of(records, Alert)]

    def test_a_second_cut_in_the_same_place_loses_nothing_either(self, world):
        results = world.fire(candidate())
        kept = [type(result) for result in results].index(PlaceOrder) + 1
        first = self.abandon(world, results, kept)
        second = self.abandon(world, first, 0)
        assert "entry_ttl" in [timer.name for timer in of(second, ArmTimer)]

    def test_an_outcome_that_was_never_recorded_decided_nothing(self, world):
        placed = only(world.fire(candidate()), PlaceOrder)
        again = world.apply(events.EffectsAbandoned(ts_ns=world.now_ns, cause_seq=0, kept=0))
        assert not of(again, PlaceOrder)
        assert list(world.state.entries) == [placed.order.order_id]

    def test_the_sessions_timer_is_armed_again(self):
        world = World(ready=False)
        started = world.state.last_results
        due_ns = only(list(started), ArmTimer).due_ns
        world.machine.abandoned(started, 1)
        assert world.machine.timers == {}
        again = world.apply(events.EffectsAbandoned(ts_ns=world.now_ns, cause_seq=world.seq, kept=1))
        assert (only(again, ArmTimer).name, only(again, ArmTimer).due_ns) == ("session", due_ns)


class TestGateInputs:
    def test_reconciliation_that_fails_makes_the_position_unknown(self, world):
        world.position(None)
        assert world.state.position_qty is None
        assert world.state.entry_mask == 0
        decision = only(world.fire(candidate()), events.DecisionMade)
        assert decision.reason == "RECOVERY_INCOMPLETE"
        world.position(0)
        assert world.state.entry_mask != 0

    @pytest.mark.parametrize(
        ("equity_usd", "min_euc_e6"),
        [(2_499, 500_000), (2_500, 350_000), (7_499, 350_000), (7_500, 250_000)],
    )
    def test_the_account_decides_the_tier_and_the_tier_the_least_utility(self, world, equity_usd, min_euc_e6):
        """Required = throttle x (f + min_euc): above the cost is the tier's .50, .35 or .25."""
        world.apply(
            events.AccountSnapshot(
                ts_ns=world.now_ns, account="D1", equity_uusd=equity_usd * 1_000_000, margin_free_uusd=0
            )
        )
        assert world.state.equity_uusd == equity_usd * 1_000_000
        for second in range(1, 20):
            world.quote(START_NS + second * NS_PER_S, bid_qty=40, ask_qty=5)
        found = [one for outcome in of(world.records, events.OutcomeReached) for one in outcome.candidates]
        assert found
        # Both numbers are rounded to millionths.
        assert all(abs(one.required_e6 - one.cost_e6 - min_euc_e6) <= 1 for one in found)

    def test_the_contract_is_known_from_its_binding(self, world):
        bound = events.InstrumentBound(
            ts_ns=world.now_ns,
            instrument_id=1,
            symbol="MES",
            con_id=5,
            tick_value_uusd=1_250_000,
            multiplier=5,
            expiry=20261218,
        )
        assert world.apply(bound) == []
        assert (world.state.con_id, world.state.expiry) == (5, 20261218)


def test_nothing_enters_until_a_flatten_is_confirmed(world):
    """The chaos lab's halt-with-a-position: its exit had filled, and an entry of that moment was left at the market."""
    world.hold(1)
    world.apply(events.FlattenRequested(ts_ns=world.now_ns, reason="lunch", source="cli"))
    world.quotes(world.now_ns + NS_PER_S, world.now_ns + 6 * NS_PER_S)
    world.fill(Leg.EXIT, Side.SELL, 1, 24_000)
    world.state.cooldowns.clear()
    decision = only(world.fire(candidate()), events.DecisionMade)
    assert (decision.action, decision.reason) == ("SKIP", "STOPPING")
    assert world.state.entry_mask == 0
    world.position(0)
    assert world.state.flatten.finished
    assert only(world.fire(candidate(episode=2)), PlaceOrder)
