"""A position from its first fill to its outcome: exits, stops that tighten, protection, partial fills, what is learnt.

Prices by hand: `World.hold(1)` buys at 24 001 with stop 23 993 (8 ticks) and target 24 013; a tick is 1.25 USD, and
so is a side of commission.
"""

import msgspec
import pytest

from tests.core.handler_world import HELD, START_NS, World, of, only
from tests.core.worlds import eager_template
from tests.engines.cases import candidate
from trading_bot.domain import events
from trading_bot.domain.effects import (
    Alert,
    ArmTimer,
    AskBroker,
    CancelOrder,
    DisarmTimer,
    LatchKillSwitch,
    ModifyStop,
    PlaceExit,
    PlaceOrder,
    PlaceShadow,
    SaveLearningState,
)
from trading_bot.domain.kernel import Outcome
from trading_bot.domain.learning import LearningState, LearningUpdate
from trading_bot.domain.orders import Leg, OrderStatus, Side
from trading_bot.domain.trade_events import (
    BreakerChanged,
    ExitDecided,
    RequestRefused,
    ShadowFilled,
    StopResident,
    TradeClosed,
    TradeOpened,
)
from trading_bot.domain.units import NS_PER_MIN, NS_PER_MS, NS_PER_S


@pytest.fixture
def world():
    return World()


def steady(**config):
    """A world whose only template never changes its mind: one look a second finds nothing to leave for."""
    template = eager_template(exits={"thesis_belief": 0.0})
    return World(config or None, E1=template)


class TestOpening:
    def test_the_first_fill_opens_a_trade_and_watches_it(self, world):
        results = world.hold(1, protected=False)
        opened = only(results, TradeOpened)
        assert (opened.side, opened.qty, opened.price_ticks) == (Side.BUY, 1, 24_001)
        assert (opened.stop_price_ticks, opened.target_price_ticks) == (23_993, 24_013)
        assert opened.hypothetical
        assert {(timer.name, timer.due_ns - START_NS) for timer in of(results, ArmTimer)} == {
            ("stop_deadline", 2 * NS_PER_S),
            ("exit_check", NS_PER_S),
        }
        assert world.state.position_qty == 1
        assert world.state.entries == {}
        assert world.state.entry_mask == 0

    def test_what_it_cost_is_in_the_ledger(self, world):
        world.hold(1)
        assert world.state.account.fees_uusd == 1_250_000
        assert world.state.budgets.fees_day_uusd == 1_250_000
        assert world.state.budgets.entries_day == 1
        assert world.state.equity_uusd == 10_000_000_000 - 1_250_000

    def test_an_execution_of_an_unknown_order_ends_trading(self, world):
        results = world.fill(Leg.ENTRY, Side.BUY, 1, 24_001)
        assert of(results, AskBroker)
        assert "not open here" in only(results, LatchKillSwitch).reason
        assert world.state.position.qty == 1, "what was executed is the position"

    def test_a_fill_after_the_cancel_wins(self, world):
        """The entry is gone for us, then its execution comes: position first, and it is protected like any other."""
        placed = world.place()
        world.state.entries[HELD] = world.state.entries.pop(placed.order.order_id)
        entry = world.state.entries[HELD]
        entry.order = msgspec.structs.replace(entry.order, order_id=HELD)
        world.apply(events.OrderCancelled(ts_ns=world.now_ns, order_id=HELD))
        assert world.state.entries == {}
        results = world.fill(Leg.ENTRY, Side.BUY, 1, 24_000)
        assert entry.status is OrderStatus.FILLED
        assert world.state.position_qty == 1
        assert of(results, TradeOpened)


class TestOutcome:
    @pytest.mark.parametrize(
        ("leg", "price_ticks", "reason", "gross_usd"),
        [(Leg.TARGET, 24_013, "TARGET", 15.0), (Leg.STOP, 23_993, "STOP", -10.0), (Leg.STOP, 23_990, "STOP", -13.75)],
    )
    def test_it_is_net_of_commission_and_says_why(self, world, leg, price_ticks, reason, gross_usd):
        world.hold(1)
        world.quote(START_NS + 5 * NS_PER_S)
        closed = only(world.fill(leg, Side.SELL, 1, price_ticks), TradeClosed)
        outcome = closed.outcome
        assert (outcome.pnl_usd, outcome.commission_round_trip) == (gross_usd, 2.5)
        assert outcome.actual_pnl_usd == gross_usd - 2.5
        assert (outcome.exit_reason, outcome.entry_ticks, outcome.exit_ticks) == (reason, 24_001, price_ticks)
        assert (outcome.side, outcome.qty, outcome.template) == (Side.BUY, 1, "E1")
        assert outcome.exit_ts_ns - outcome.entry_ts_ns == 5 * NS_PER_S
        assert (outcome.belief_e6, outcome.euc_e6, outcome.dvs_c) == (650_000, 1_000_000, 100)
        assert outcome.hypothetical
        assert world.state.account.net_uusd == round((gross_usd - 2.5) * 1_000_000)
        assert world.state.learning.metrics("E1").trades == 1

    def test_a_short_mirrors_it(self, world):
        world.hold(-1)
        closed = only(world.fill(Leg.TARGET, Side.BUY, 1, 23_988), TradeClosed)
        assert closed.outcome.pnl_usd == 15.0

    def test_its_timers_go_and_the_templates_open_again(self, world):
        opened = world.state.entry_mask
        world.hold(1)
        results = world.fill(Leg.TARGET, Side.SELL, 1, 24_013)
        assert {"exit_check", "stop_deadline"} <= {timer.name for timer in of(results, DisarmTimer)}
        assert world.state.trade is None
        assert world.state.entry_mask == opened != 0

    def test_the_excursion_counts_the_seconds_between_looks(self):
        """Price runs to 24 009 and back within a second: the closed second has it."""
        world = steady()
        world.hold(1)
        for ms, price in ((1_100, 24_001), (1_400, 24_009), (1_700, 23_999)):
            world.quote(START_NS + ms * NS_PER_MS)
            world.state.kernel.on_trade(START_NS + ms * NS_PER_MS, price, 1, 1)
        world.quotes(START_NS + 2 * NS_PER_S, START_NS + 4 * NS_PER_S)
        outcome = only(world.fill(Leg.EXIT, Side.SELL, 1, 24_000), TradeClosed).outcome
        assert (outcome.mfe_ticks, outcome.mae_ticks) == (8.0, 2.0)

    def test_the_tenth_trade_saves_and_so_does_a_change_of_state(self):
        world = World({"learning": {"look_every_trades": 5, "throttle_n_min": 5, "pseudo_trades": 5}})
        saves = []
        for number in range(1, 11):
            world.hold(1)
            results = world.fill(Leg.STOP, Side.SELL, 1, 23_993)
            saves += [(number, save.reason) for save in of(results, SaveLearningState)]
            for update in of(results, LearningUpdate):
                assert (number, update.template, update.state) == (5, "E1", LearningState.THROTTLED_150)
        assert saves[0] == (5, "TRANSITION")
        assert all(reason in {"TRANSITION", "TRADES"} for _, reason in saves)

    def test_a_throttle_reaches_the_kernel(self):
        """Required = throttle x (f + min_euc): 1.5 times what it was, for the same moment."""
        required = {}
        for losses in (0, 5):
            world = World({"learning": {"look_every_trades": 5, "throttle_n_min": 5, "pseudo_trades": 5}})
            for _ in range(losses):
                world.hold(1)
                world.fill(Leg.STOP, Side.SELL, 1, 23_993)
            for second in range(1, 20):
                world.quote(START_NS + second * NS_PER_S, bid_qty=40, ask_qty=5)
            found = [one for outcome in of(world.records, events.OutcomeReached) for one in outcome.candidates]
            required[losses] = found[-1].required_e6
        assert required[5] == pytest.approx(1.5 * required[0], abs=2)


class TestExits:
    def test_the_time_stop_leaves_by_a_marketable_limit_then_at_the_market(self):
        world = steady()
        world.hold(1, hold_s=60)
        records = world.quotes(START_NS + NS_PER_S, START_NS + 60 * NS_PER_S)
        left = only(records, PlaceExit)
        # 8 ticks through the bid of 24 000.
        assert (left.cause, left.limit_ticks, left.ts_ns) == ("TIME", 23_992, START_NS + 60 * NS_PER_S)
        records = world.quotes(START_NS + 61 * NS_PER_S, START_NS + 63 * NS_PER_S)
        again = only(records, PlaceExit)
        assert (again.cause, again.limit_ticks, again.ts_ns) == ("TIME", None, START_NS + 62 * NS_PER_S)

    def test_a_lost_thesis_ends_it_after_its_time(self):
        """The queue leans the other way: the template's own belief is below .45 for five seconds."""
        world = World(E1=eager_template(smoothing_s=1))
        world.hold(1)
        records = []
        for second in range(1, 15):
            records += world.quote(START_NS + second * NS_PER_S, bid_qty=5, ask_qty=40)
        decided = of(records, ExitDecided)[0]
        assert decided.cause == "THESIS"
        assert START_NS + 6 * NS_PER_S <= decided.ts_ns <= START_NS + 8 * NS_PER_S

    def test_bad_quality_tightens_first_and_leaves_after_its_time(self):
        """A crossed book costs .40, a refused record .20: the score is .40, below the hold gate of .60, for 45 s."""
        world = steady()
        world.hold(1)
        for second in range(1, 45):
            ts_ns = START_NS + second * NS_PER_S
            world.quote(ts_ns, spread=-1)
            world.quote(ts_ns + 100 * NS_PER_MS)
            world.state.kernel.on_rejected(ts_ns + 200 * NS_PER_MS)
        causes = [decided.cause for decided in of(world.records, ExitDecided)]
        assert world.state.kernel.dvs_c < 60
        assert causes[0] == "QUALITY"
        first = of(world.records, ExitDecided)[0]
        assert START_NS + 31 * NS_PER_S <= first.ts_ns <= START_NS + 33 * NS_PER_S
        # Half of the risk of 8 ticks from the bid of 24 000, as soon as it is noticed.
        move = only(world.records, ModifyStop)
        assert move.price_ticks == 23_996
        assert move.ts_ns <= START_NS + 2_500 * NS_PER_MS

    def test_a_touched_stop_is_left_to_the_broker_for_two_seconds(self):
        world = steady()
        world.hold(1)
        records = world.quote(START_NS + NS_PER_S, bid=23_993)
        assert of(records, events.ExitDetected)
        assert not of(records, PlaceExit), "the resident stop does it"
        records = []
        for second in (2, 3, 4):
            records += world.quote(START_NS + second * NS_PER_S, bid=23_993)
        assert [left.cause for left in of(records, PlaceExit)][:1] == ["STOP"]

    def test_a_touch_that_came_back_is_no_exit(self):
        """Touched by the quote alone; two seconds later the price is on the good side again: the stop works on."""
        world = steady()
        world.hold(1)
        world.quote(START_NS + NS_PER_S, bid=23_993)
        world.quote(START_NS + 1_500 * NS_PER_MS, bid=23_996)
        records = world.quotes(START_NS + 2 * NS_PER_S, START_NS + 6 * NS_PER_S)
        assert not of(records, PlaceExit)
        assert world.state.trade.stop_touched_ns is None
        records = world.quote(START_NS + 7 * NS_PER_S, bid=23_993)
        assert of(records, events.ExitDetected), "the next touch is seen again"

    def test_one_exit_at_a_time(self):
        """Time stop and thesis and stop together: one decision, one order, every cause in its mask."""
        world = steady()
        world.hold(1, hold_s=1)
        records = world.quote(START_NS + 2 * NS_PER_S, bid=23_980)
        assert len(of(records, PlaceExit)) <= 1

    def test_an_exit_that_is_refused_is_sent_again(self):
        """Nothing of it works: the next look decides anew."""
        world = steady()
        world.hold(1, hold_s=1)
        world.quotes(START_NS + NS_PER_S, START_NS + 2 * NS_PER_S)
        assert world.state.trade.limit_sent_ns is not None
        world.apply(RequestRefused(ts_ns=world.now_ns, order_id=HELD, leg=Leg.EXIT))
        assert world.state.trade.limit_sent_ns is None
        assert of(world.quotes(START_NS + 3 * NS_PER_S, START_NS + 4 * NS_PER_S), PlaceExit)

    def test_a_flattening_has_the_word(self):
        """Once a plan runs, no other cause sends an exit of its own."""
        world = steady()
        world.hold(1, hold_s=5)
        world.apply(events.FlattenRequested(ts_ns=world.now_ns, reason="now", source="cli"))
        records = world.apply(events.OrderCancelled(ts_ns=world.now_ns, order_id=HELD, leg=Leg.TARGET))
        assert only(records, PlaceExit).cause == "SESSION"
        records = world.quotes(START_NS + NS_PER_S, START_NS + 8 * NS_PER_S)
        assert {left.cause for left in of(records, PlaceExit)} <= {"SESSION"}


def test_a_template_has_its_own_exits():
    """[template.E2.exits]: the one that says so does not mind a lost thesis."""
    common, own = eager_template(), eager_template(exits={"thesis_belief": 0.0, "quality_exit_s": 1.0})
    rules = World(E1=common, E2=own).state.exit_rules
    assert (rules[0].thesis_belief_e6, rules[1].thesis_belief_e6) == (450_000, 0)
    assert (rules[0].quality_exit_ns, rules[1].quality_exit_ns) == (30 * NS_PER_S, NS_PER_S)


class TestTighterStops:
    def test_break_even_then_lock_and_never_back(self):
        """R = 8. At +1 R (24 009) the stop moves to entry + .25 R = 24 003; at +2 R to entry + 1 R = 24 009."""
        world = steady(exits={"trail": False})
        world.hold(1)
        moves = []
        for second, bid in enumerate((24_005, 24_009, 24_004, 24_012, 24_011), start=1):
            moves += of(world.quote(START_NS + second * 1_100 * NS_PER_MS, bid=bid), ModifyStop)
            world.state.trade.target_touched_ns = None
        assert [move.price_ticks for move in moves] == [24_003]
        moves = of(world.quote(START_NS + 10 * NS_PER_S, bid=24_017), ModifyStop)
        moves += of(world.quotes(START_NS + 11 * NS_PER_S, START_NS + 13 * NS_PER_S), ModifyStop)
        assert [move.price_ticks for move in moves] == [24_009]
        assert all(move.order_id == HELD for move in moves)

    def test_a_short_mirrors_it(self):
        world = steady(exits={"trail": False})
        world.hold(-1)  # at 24 000, stop 24 008
        moves = of(world.quote(START_NS + 1_100 * NS_PER_MS, bid=23_991), ModifyStop)
        moves += of(world.quote(START_NS + 2_200 * NS_PER_MS, bid=23_991), ModifyStop)
        assert [move.price_ticks for move in moves] == [23_998]

    def test_a_stop_that_is_not_at_the_broker_is_not_moved(self):
        world = steady(exits={"trail": False})
        world.hold(1, protected=False)
        assert not of(world.quote(START_NS + 1_100 * NS_PER_MS, bid=24_012), ModifyStop)

    def test_a_fill_of_a_moved_stop_is_called_trailing(self):
        world = steady(exits={"trail": False})
        world.hold(1)
        world.quote(START_NS + 1_100 * NS_PER_MS, bid=24_009)
        world.quote(START_NS + 2_200 * NS_PER_MS, bid=24_009)
        world.working(Leg.STOP, 24_003)
        outcome = only(world.fill(Leg.STOP, Side.SELL, 1, 24_003), TradeClosed).outcome
        assert outcome.exit_reason == "TRAILING"
        assert outcome.pnl_usd == 2.5


class TestNaked:
    def test_the_time_without_a_stop_is_measured(self, world):
        world.hold(1, protected=False)
        world.quote(START_NS + 5 * NS_PER_MS)
        results = world.working(Leg.STOP, 23_993)
        resident = only(results, StopResident)
        assert (resident.naked_ns, resident.price_ticks) == (5 * NS_PER_MS, 23_993)
        assert only(results, DisarmTimer).name == "stop_deadline"

    def test_after_two_seconds_it_is_left_at_the_market(self, world):
        world.hold(1, protected=False)
        records = world.quotes(START_NS + NS_PER_S // 2, START_NS + 2 * NS_PER_S, 0.5)
        left = only(records, PlaceExit)
        assert (left.limit_ticks, left.ts_ns) == (None, START_NS + 2 * NS_PER_S)
        assert "POSITION_NAKED" in [alert.code for alert in of(records, Alert)]

    def test_a_rejected_stop_is_left_at_once(self, world):
        world.hold(1, protected=False)
        results = world.apply(
            events.OrderRejected(ts_ns=world.now_ns, order_id=HELD, code=201, text="margin", leg=Leg.STOP)
        )
        assert only(results, PlaceExit).limit_ticks is None

    def test_a_stop_that_is_cancelled_begins_it_again(self, world):
        world.hold(1)
        results = world.apply(events.OrderCancelled(ts_ns=world.now_ns, order_id=HELD, leg=Leg.STOP))
        assert only(results, ArmTimer).name == "stop_deadline"
        assert world.state.trade.naked_since_ns == world.now_ns


class TestPartialFills:
    @pytest.fixture
    def world(self):
        return World({"safety": {"position_qty_max": 3, "open_risk_usd_max": 100.0}})

    def test_the_position_is_what_filled(self, world):
        """3 wanted, 2 filled at two prices, the rest withdrawn: average of the lots, commission of both."""
        world.hold(3, protected=False)
        # hold() fills all at once; begin again with parts.
        world.fill(Leg.STOP, Side.SELL, 3, 23_993)
        assert world.state.position_qty == 0

    def test_parts_add_up(self, world):
        world.hold(1)
        trade = world.state.trade
        entry = trade.entry
        entry.order = msgspec.structs.replace(entry.order, qty=3)
        entry.status = OrderStatus.PARTIAL
        world.state.entries[HELD] = world.state.final_entries.pop(HELD)
        world.fill(Leg.ENTRY, Side.BUY, 1, 24_003, left=1)
        assert world.state.position_qty == 2
        assert world.state.entries[HELD].filled_qty == 2
        assert world.state.budgets.entries_day == 1, "one entry, however many fills"
        world.apply(events.OrderCancelled(ts_ns=world.now_ns, order_id=HELD))
        results = world.fill(Leg.TARGET, Side.SELL, 1, 24_013, left=1)
        assert not of(results, TradeClosed)
        outcome = only(world.fill(Leg.TARGET, Side.SELL, 1, 24_013), TradeClosed).outcome
        # (24 013 - 24 001) + (24 013 - 24 003) = 22 ticks; four executions of 1.25.
        assert (outcome.qty, outcome.pnl_usd, outcome.commission_round_trip) == (2, 27.5, 5.0)
        assert outcome.entry_ticks == 24_002

    def test_an_entry_that_still_works_when_the_position_closes_is_withdrawn(self, world):
        world.hold(1)
        world.state.entries[HELD] = world.state.final_entries.pop(HELD)
        world.state.entries[HELD].status = OrderStatus.PARTIAL
        results = world.fill(Leg.STOP, Side.SELL, 1, 23_993)
        assert [cancel.reason for cancel in of(results, CancelOrder)] == ["POSITION_CLOSED"]

    def test_a_flip_is_flattened_at_once(self, world):
        """Stop and exit both filled: short one now, and the way to flat begins in that moment."""
        world.hold(1)
        results = world.fill(Leg.STOP, Side.SELL, 2, 23_993)
        assert "POSITION_FLIPPED" in [alert.code for alert in of(results, Alert)]
        assert world.state.position_qty == -1
        assert only(results, PlaceExit).side is Side.BUY


class TestSlippage:
    def test_worse_than_expected_by_more_than_two_ticks_costs_ten(self, world):
        """Expected .5: three ticks are 2.5 worse. Exactly two worse are not more than two."""
        world.hold(1)
        world.fill(Leg.STOP, Side.SELL, 1, 23_991)
        assert world.state.eqs_c == 100
        world.hold(1)
        world.fill(Leg.STOP, Side.SELL, 1, 23_990)
        assert world.state.eqs_c == 90

    def test_a_fill_after_the_time_to_live_costs_eight(self, world):
        world.hold(1, protected=False)
        world.close(Leg.STOP, 23_993)
        world.state.cooldowns.clear()
        placed = world.place()
        entry = world.state.entries.pop(placed.order.order_id)
        entry.order = msgspec.structs.replace(entry.order, order_id=HELD, expires_ns=world.now_ns - 1)
        world.state.entries[HELD] = entry
        world.fill(Leg.ENTRY, Side.BUY, 1, 24_000)
        assert world.state.eqs_c == 92

    def test_what_was_expected_and_what_came_is_in_the_outcome(self, world):
        world.hold(1)
        outcome = only(world.fill(Leg.STOP, Side.SELL, 1, 23_991), TradeClosed).outcome
        assert (outcome.slippage_ticks, outcome.slippage_expected_ticks) == (2.0, 1.0)


class TestBreakers:
    def lose(self, world, times):
        results = []
        for _ in range(times):
            world.hold(1)
            results += world.fill(Leg.STOP, Side.SELL, 1, 23_993)
        return results

    def test_four_losses_in_a_row_pause_for_twenty_minutes(self, world):
        results = self.lose(world, 4)
        changed = only(results, BreakerChanged)
        assert (changed.breaker, changed.tripped) == ("LOSSES_IN_ROW", True)
        assert changed.resumes_at_ns == START_NS + 20 * NS_PER_MIN
        assert only(world.fire(candidate()), events.DecisionMade).reason == "BREAKER"
        records = world.quotes(START_NS + NS_PER_S, START_NS + 20 * NS_PER_MIN)
        assert [(one.breaker, one.tripped) for one in of(records, BreakerChanged)] == [("LOSSES_IN_ROW", False)]

    def test_the_daily_loss_halts_and_stays_until_the_day_is_over(self):
        """3 % of 400 USD are 12 USD; one stop with commission costs 12.50."""
        world = World({"decision": {"equity_assumed_usd": 400.0}})
        results = self.lose(world, 1)
        tripped = [one.breaker for one in of(results, BreakerChanged)]
        assert {"DAILY_ALERT", "DAILY_REDUCE", "DAILY_HALT"} <= set(tripped)
        decision = only(world.fire(candidate()), events.DecisionMade)
        assert decision.reason == "BREAKER"
        after = World({"decision": {"equity_assumed_usd": 400.0}}, carried=world.state.carried())
        assert only(after.fire(candidate()), events.DecisionMade).reason == "BREAKER", "it survives a restart"

    def test_an_open_loss_counts_before_it_is_taken(self):
        """Long at 24 001, the bid at 23 990: 11 ticks are 13.75, above 3 % of 400. The position is left."""
        world = World({"decision": {"equity_assumed_usd": 400.0}})
        world.hold(1)
        records = world.quotes(START_NS + NS_PER_S, START_NS + NS_PER_S)
        records += world.quote(START_NS + 1_500 * NS_PER_MS, bid=23_990)
        records += world.quote(START_NS + 2_600 * NS_PER_MS, bid=23_990)
        assert "DAILY_HALT" in [one.breaker for one in of(records, BreakerChanged)]
        records += world.apply(events.OrderCancelled(ts_ns=world.now_ns, order_id=HELD, leg=Leg.TARGET))
        assert of(records, PlaceExit)

    def test_a_profit_never_trips_one(self, world):
        for _ in range(6):
            world.hold(1)
            assert not of(world.fill(Leg.TARGET, Side.SELL, 1, 24_013), BreakerChanged)


class TestShadows:
    @pytest.fixture
    def world(self):
        """E1 has lost its right to trade."""
        quick = {"look_every_trades": 5, "throttle_n_min": 5, "quarantine_n_min": 5, "pseudo_trades": 1}
        world = World({"learning": quick, "breakers": {"losses_in_row_max": 100}})
        for _ in range(5):
            world.hold(1)
            world.fill(Leg.STOP, Side.SELL, 1, 23_980)
        assert world.state.learning.state("E1") is LearningState.QUARANTINED
        world.state.breakers = type(world.state.breakers)()
        world.state.deficits = ()
        world.state.budgets = type(world.state.budgets)()
        world.state.cooldowns.clear()
        return world

    def test_a_quarantined_template_is_followed_without_being_sent(self, world):
        results = world.fire(candidate())
        assert only(results, events.DecisionMade).reason == "LEARNING_BLOCKED"
        shadow = only(results, PlaceShadow)
        assert (shadow.side, shadow.target_ticks, shadow.stop_ticks) == (Side.BUY, 12, 8)
        assert not of(results, PlaceOrder)
        assert not of(world.fire(candidate(episode=2)), PlaceShadow), "one at a time for each template"

    def test_its_result_is_evidence_of_its_own_kind(self, world):
        shadow = only(world.fire(candidate()), PlaceShadow)
        for leg, side, price in ((Leg.ENTRY, Side.BUY, 24_000), (Leg.TARGET, Side.SELL, 24_012)):
            world.apply(
                ShadowFilled(
                    ts_ns=world.now_ns,
                    order_id=shadow.order_id,
                    leg=leg,
                    side=side,
                    price_ticks=price,
                    commission_uusd=1_250_000,
                )
            )
        assert world.state.learning.metrics("E1", shadow=True).net_uusd == 15_000_000 - 2_500_000
        assert world.state.learning.metrics("E1").trades == 5
        assert world.state.shadows == {}


def test_the_kernel_forgets_a_closed_position(world):
    """No exit is found for a position that is gone."""
    world.hold(1)
    world.fill(Leg.TARGET, Side.SELL, 1, 24_013)
    records = world.quote(START_NS + NS_PER_S, bid=23_900)
    assert not of(records, events.ExitDetected)
    assert Outcome.EXIT not in [outcome.code for outcome in of(records, events.OutcomeReached)]
