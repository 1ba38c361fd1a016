"""From candidates of one moment to at most one order: best utility, ties, the safety gate's word, the journal."""

import msgspec
import pytest

from tests.core.handler_world import START_NS, World, of, only
from tests.core.worlds import eager_template
from tests.engines.cases import candidate
from trading_bot.core import on_outcome
from trading_bot.core.entry_facts import size_facts
from trading_bot.domain import events
from trading_bot.domain.context import ContextReceived
from trading_bot.domain.effects import ArmTimer, Effect, PlaceOrder
from trading_bot.domain.orders import Side
from trading_bot.domain.reasons import GateReason
from trading_bot.domain.units import NS_PER_HOUR, NS_PER_MIN, NS_PER_S
from trading_bot.engines import budgets
from trading_bot.engines.position import Lot, Position
from trading_bot.engines.quality import Band
from trading_bot.engines.session import SessionState


@pytest.fixture
def world():
    """Four templates that never fire by themselves on an even book."""
    return World(**{name: eager_template() for name in ("T0", "T1", "T2", "T3")})


def answers(results):
    """(template, side, reason) of every decision, in order."""
    return [(one.template, one.side, one.reason) for one in of(results, events.DecisionMade)]


class TestOneOfTheMoment:
    def test_the_best_utility_enters_and_the_others_are_told_so(self, world):
        results = world.fire(
            candidate(template=0, euc_e6=1_000_000),
            candidate(template=1, euc_e6=3_000_000, side=-1),
            candidate(template=2, euc_e6=2_000_000),
        )
        assert answers(results) == [
            ("T1", -1, "ENTER"),
            ("T2", 1, "BETTER_CANDIDATE"),
            ("T0", 1, "BETTER_CANDIDATE"),
        ]
        assert only(results, PlaceOrder).order.template == "T1"

    def test_of_equals_on_one_side_the_lower_template_wins(self, world):
        results = world.fire(candidate(template=2), candidate(template=1), candidate(template=3))
        assert answers(results) == [("T1", 1, "ENTER"), ("T2", 1, "BETTER_CANDIDATE"), ("T3", 1, "BETTER_CANDIDATE")]

    def test_long_and_short_tied_is_no_trade(self, world):
        results = world.fire(candidate(template=0), candidate(template=1, side=-1))
        assert answers(results) == [("T0", 1, "OPPOSITE_CANDIDATE"), ("T1", -1, "OPPOSITE_CANDIDATE")]
        assert not of(results, PlaceOrder)

    def test_nor_is_the_next_best_traded(self, world):
        results = world.fire(
            candidate(template=0), candidate(template=1, side=-1), candidate(template=2, euc_e6=1_700_000)
        )
        assert {reason for _, _, reason in answers(results)} == {"OPPOSITE_CANDIDATE"}

    def test_a_tie_is_seen_behind_an_equal_of_the_same_side(self, world):
        """Two long and one short, all worth the same: the market is as undecided as with one of each."""
        results = world.fire(candidate(template=0), candidate(template=1), candidate(template=2, side=-1))
        assert {reason for _, _, reason in answers(results)} == {"OPPOSITE_CANDIDATE"}

    def test_a_tie_below_the_best_does_not_stop_it(self, world):
        results = world.fire(
            candidate(template=0, euc_e6=1_900_000), candidate(template=1), candidate(template=2, side=-1)
        )
        assert answers(results) == [("T0", 1, "ENTER"), ("T1", 1, "BETTER_CANDIDATE"), ("T2", -1, "BETTER_CANDIDATE")]

    def test_a_tie_below_a_best_that_may_not_trade_is_a_tie(self, world):
        results = world.fire(
            candidate(template=0, euc_e6=1_900_000, stop_ticks=13),
            candidate(template=1),
            candidate(template=2, side=-1),
        )
        assert answers(results) == [
            ("T0", 1, "STOP_TOO_WIDE"),
            ("T1", 1, "OPPOSITE_CANDIDATE"),
            ("T2", -1, "OPPOSITE_CANDIDATE"),
        ]

    def test_when_the_best_may_not_trade_the_next_may(self, world):
        results = world.fire(candidate(template=0, euc_e6=9_000_000, stop_ticks=13), candidate(template=1))
        assert answers(results) == [("T0", 1, "STOP_TOO_WIDE"), ("T1", 1, "ENTER")]

    def test_a_candidate_without_terms_is_judged_last_and_ties_with_nothing(self, world):
        results = world.fire(
            candidate(template=0, missing=True, side=-1), candidate(template=1, euc_e6=-500_000), candidate(template=2)
        )
        assert answers(results)[0] == ("T2", 1, "ENTER")
        assert answers(results)[-1] == ("T0", -1, "MISSING_REQUIRED_SIGNAL")
        two = world.fire(
            candidate(template=0, missing=True, episode=2), candidate(template=1, missing=True, side=-1, episode=2)
        )
        assert not [one for one in answers(two) if one[2] == "OPPOSITE_CANDIDATE"]

    def test_a_candidate_worth_nothing_does_not_tie_with_one_that_has_no_terms(self, world):
        """Zero stands in the fields of a candidate without terms: it is not a utility of zero."""
        results = world.fire(candidate(template=0, missing=True, side=-1), candidate(template=1, euc_e6=0))
        assert answers(results) == [("T1", 1, "ENTER"), ("T0", -1, "MISSING_REQUIRED_SIGNAL")]

    def test_and_does_not_call_it_tied(self, world):
        results = world.fire(
            candidate(template=0, missing=True, side=-1), candidate(template=1, euc_e6=0, stop_ticks=13)
        )
        missing = of(results, events.DecisionMade)[-1]
        assert (missing.reason, missing.mask) == ("MISSING_REQUIRED_SIGNAL", 1 << GateReason.MISSING_REQUIRED_SIGNAL)


class TestTheOrder:
    @pytest.mark.parametrize(
        ("entry", "side", "order_side", "limit", "stop", "target"),
        [
            # The book is 24 000 bid, 24 001 asked; stop 8, target 12 ticks from the limit.
            ("passive", 1, Side.BUY, 24_000, 23_992, 24_012),
            ("passive", -1, Side.SELL, 24_001, 24_009, 23_989),
            ("marketable", 1, Side.BUY, 24_001, 23_993, 24_013),
            ("marketable", -1, Side.SELL, 24_000, 24_008, 23_988),
        ],
    )
    def test_its_prices(self, entry, side, order_side, limit, stop, target):
        world = World(E1=eager_template(entry=entry))
        order = only(world.fire(candidate(side=side)), PlaceOrder).order
        assert (order.side, order.limit_ticks, order.stop_price_ticks, order.target_price_ticks) == (
            order_side,
            limit,
            stop,
            target,
        )

    def test_its_identity_its_risk_and_its_end(self, world):
        results = world.fire(candidate(template=3, euc_e6=1), candidate(template=2))
        order = only(results, PlaceOrder).order
        cause = world.records.index(only(world.records, events.OutcomeReached)) + 1
        assert order.order_id == (cause, 0), "the number of the record that caused it, and its place there"
        assert (order.template, order.qty, order.risk_uusd) == ("T2", 1, 10_000_000)
        assert order.expires_ns == START_NS + 10 * NS_PER_S
        timers = [(timer.name, timer.due_ns, timer.order_id) for timer in of(results, ArmTimer)]
        answer_ns = START_NS + 5 * NS_PER_S
        assert timers == [("entry_ttl", order.expires_ns, order.order_id), ("order_ack", answer_ns, order.order_id)]
        assert world.state.budgets.attempts_day == 1

    def test_everything_about_its_moment_is_logged_before_it_leaves(self, world):
        results = world.fire(candidate(template=0), candidate(template=1, euc_e6=5))
        kinds = [isinstance(result, Effect) for result in results]
        assert kinds == sorted(kinds)
        assert [type(result).__name__ for result in results] == [
            "SafetyVerdict",
            "DecisionMade",
            "DecisionMade",
            "PlaceOrder",
            "ArmTimer",
            "ArmTimer",
        ]
        assert only(results, events.SafetyVerdict).verdict == "safety_gate_passed"


class TestTheSafetyGate:
    @staticmethod
    def duplicate(world):
        """The nominal entry, its cancel, and the same again within the second."""
        placed = only(world.fire(candidate()), PlaceOrder)
        world.cancelled(placed.order.order_id)
        world.quote(START_NS + NS_PER_S // 2)
        return world.fire(candidate(episode=2))

    def test_what_it_refuses_is_a_skip_with_its_reason(self, world):
        results = self.duplicate(world)
        verdict = only(results, events.SafetyVerdict)
        assert (verdict.verdict, verdict.failed) == ("safety_gate_blocked", (20,))
        decision = only(results, events.DecisionMade)
        assert (decision.action, decision.reason, decision.mask) == (
            "SKIP",
            "SAFETY_GATE_DUPLICATE",
            1 << GateReason.SAFETY_GATE,
        )
        assert not of(results, PlaceOrder)
        assert world.state.budgets.attempts_day == 1

    def test_its_line_does_not_say_enter(self, world):
        text = only(self.duplicate(world), events.DecisionMade).text
        assert text.startswith("T0 long SKIP SAFETY_GATE_DUPLICATE: ")
        assert "ENTER" not in text
        assert text.endswith("the safety gate refused: the same entry was sent 500 ms ago")

    def test_a_second_later_it_may_pass(self, world):
        placed = only(world.fire(candidate()), PlaceOrder)
        world.cancelled(placed.order.order_id)
        world.quote(START_NS + NS_PER_S)
        assert of(world.fire(candidate(episode=2)), PlaceOrder)

    def test_when_it_refuses_the_best_the_next_may_try(self, world):
        placed = only(world.fire(candidate()), PlaceOrder)
        world.cancelled(placed.order.order_id)
        results = world.fire(candidate(episode=2, euc_e6=9_000_000), candidate(template=1, side=-1))
        assert answers(results) == [("T0", 1, "SAFETY_GATE_DUPLICATE"), ("T1", -1, "ENTER")]

    def test_a_wide_spread_is_its_business(self):
        """Where it is no lockout already: three ticks are, from the specification on (8.4)."""
        world = World({"lockouts": {"spread_ticks": 100}}, T0=eager_template())
        world.quote(START_NS + NS_PER_S, spread=3)
        assert answers(world.fire(candidate())) == [("T0", 1, "SAFETY_GATE_SPREAD")]

    def test_working_orders_of_each_side_are_shown_to_it(self, world):
        world.place()
        facts = on_outcome._facts(world.state, START_NS, on_outcome.decision_inputs(world.state, START_NS, 100))
        assert (facts.working_buy_qty, facts.working_sell_qty, facts.open_risk_uusd) == (1, 0, 10_000_000)

    @pytest.mark.parametrize("qty", [1, -1, None])
    def test_the_risk_of_a_position_is_unknown_to_it(self, world, qty):
        world.position(qty)
        facts = on_outcome._facts(world.state, START_NS, on_outcome.decision_inputs(world.state, START_NS, 100))
        assert facts.open_risk_uusd is None


class TestTheJournal:
    def test_an_episode_is_one_line_per_reason(self, world):
        world.place()
        assert answers(world.fire(candidate())) == [("T0", 1, "WORKING_ENTRY")]
        assert answers(world.fire(candidate())) == []
        assert answers(world.fire(candidate(stability_e6=900_000))) == [], "a later gate changes nothing"
        assert answers(world.fire(candidate(episode=2))) == [("T0", 1, "WORKING_ENTRY")]
        assert answers(world.fire(candidate(episode=2, template=1))) == [("T1", 1, "WORKING_ENTRY")]
        assert answers(world.fire(candidate(episode=2, side=-1))) == [("T0", -1, "WORKING_ENTRY")]

    def test_a_change_of_reason_is_a_line(self, world):
        placed = world.place()
        assert answers(world.fire(candidate(stop_ticks=13, episode=2))) == [("T0", 1, "WORKING_ENTRY")]
        world.cancelled(placed.order.order_id)
        assert answers(world.fire(candidate(stop_ticks=13, episode=2))) == [("T0", 1, "STOP_TOO_WIDE")]

    def test_every_entry_is_a_line(self, world):
        for number in range(3):
            ts_ns = START_NS + number * 2 * NS_PER_S
            world.quote(ts_ns)
            results = world.fire(candidate())
            assert answers(results) == [("T0", 1, "ENTER")]
            world.cancelled(only(results, PlaceOrder).order.order_id)


class TestTheWorldOfADecision:
    def test_rolling_windows_of_entries(self, world):
        """Entries per minute and hour roll; the day's are all of the session's."""
        now_ns = START_NS + 2 * NS_PER_HOUR
        ages = (0, NS_PER_MIN - 1, NS_PER_MIN, NS_PER_HOUR - 1, NS_PER_HOUR)
        limits = budgets.limits_of(world.state.config.safety)
        for age in reversed(ages):
            world.state.budgets = budgets.with_entry(world.state.budgets, limits, now_ns - age, 1)
        inputs = on_outcome.decision_inputs(world.state, now_ns, 100)
        assert (inputs.entries_last_minute, inputs.entries_last_hour, inputs.entries_today) == (2, 4, 5)

    def test_the_session_is_asked_anew(self, world):
        """A candidate in the instant of a boundary does not depend on whether its timer came first."""
        window_end_ns = START_NS - 10 * NS_PER_MIN + 6 * NS_PER_HOUR + 15 * NS_PER_MIN  # 15:45 ET
        before = on_outcome.decision_inputs(world.state, window_end_ns - 1, 100)
        after = on_outcome.decision_inputs(world.state, window_end_ns, 100)
        assert before.session_state is SessionState.ENTRIES
        assert after.session_state is SessionState.CLOSE_BUFFER
        assert before.flatten_ns == window_end_ns + 10 * NS_PER_MIN  # 15:55 ET

    def test_without_a_book_there_is_no_quote(self):
        world = World(ready=False)
        inputs = on_outcome.decision_inputs(world.state, START_NS, 100)
        assert (inputs.bid_ticks, inputs.ask_ticks) == (None, None)
        assert (inputs.equity_uusd, inputs.link_up, inputs.recovered) == (None, False, False)


class TestTheEntryMask:
    """Templates are open to fire again only while everything is known and allowed."""

    def test_it_opens_for_all_templates(self, world):
        assert world.state.kernel.dvs_band == Band.ENTRY
        assert world.state.entry_mask == 0b1111

    def test_it_is_closed_until_every_gate_input_has_come(self):
        world = World(ready=False)
        world.quote(START_NS)
        inputs = [
            events.LinkStatus(ts_ns=START_NS, up=True),
            events.AccountSnapshot(ts_ns=START_NS, account="", equity_uusd=10_000_000_000, margin_free_uusd=0),
            events.Reconciled(ts_ns=START_NS, ok=True, position_qty=0, working_orders=0),
        ]
        masks = []
        for event in inputs:
            masks.append(world.state.entry_mask)
            world.apply(event)
        assert masks == [0, 0, 0]
        assert world.state.entry_mask == 1

    @pytest.mark.parametrize(
        ("fact", "value"),
        [
            ("session_state", SessionState.CLOSE_BUFFER),
            ("session_state", SessionState.UNKNOWN_DATE),
            ("stopping", "DURATION"),
            ("kill_reason", "smoke"),
            ("link_up", False),
            ("data_type", 0),
            ("data_type", 3),
            ("reconciled", False),
            ("log_space_ok", False),
            ("data_down", True),
            ("equity_uusd", None),
            ("position_known", False),
            ("position", Position(1, (Lot(24_000, 1, START_NS),))),
        ],
    )
    def test_one_thing_closes_it(self, world, fact, value):
        nothing = events.LatencySampled(ts_ns=world.now_ns, decision_us_p99=0.0, loop_lag_us_max=0.0)
        setattr(world.state, fact, value)
        world.apply(nothing)
        assert world.state.entry_mask == 0

    def test_a_working_entry_closes_it(self, world):
        placed = world.place()
        assert world.state.entry_mask == 0
        world.cancelled(placed.order.order_id)
        assert world.state.entry_mask == 0b1111

    def test_a_low_score_closes_it(self, world):
        world.advance(START_NS + 5_100_000_000)
        assert world.state.kernel.dvs_band == Band.HOLD
        assert world.state.entry_mask == 0
        world.quote(START_NS + 6 * NS_PER_S)
        assert world.state.entry_mask == 0b1111

    def test_the_kernel_obeys_it(self):
        """A masked template reports an episode once; an open one asks again after its re-arm time."""
        counts = {}
        for masked in (False, True):
            world = World()
            if masked:
                world.apply(events.LinkStatus(ts_ns=world.now_ns, up=False))
            # An entry without tier: nothing is placed, so the mask stays as it is.
            world.state.decisions.tier_constraints["B"] = msgspec.structs.replace(
                world.state.decisions.tier_constraints["B"], templates=("K1",)
            )
            for second in range(1, 31):
                world.quote(START_NS + second * NS_PER_S, bid_qty=40, ask_qty=5)
            outcomes = of(world.records, events.OutcomeReached)
            counts[masked] = sum(len(outcome.candidates) for outcome in outcomes)
        assert counts[True] == 1
        assert counts[False] > 10


def test_the_journal_has_a_line_on_each_change_of_reason_and_the_log_a_sample_at_each_look():
    """DE11: an episode of thirty seconds that is refused for one reason, and from the 16th second on for another."""
    world = World()
    world.state.decisions.tier_constraints["B"] = msgspec.structs.replace(
        world.state.decisions.tier_constraints["B"], templates=("K1",)
    )
    for second in range(1, 31):
        if second == 16:
            world.apply(events.KillRequested(ts_ns=world.now_ns, reason="enough", source="test"))
        world.quote(START_NS + second * NS_PER_S, bid_qty=40, ask_qty=5)
        if second == 16:
            world.state.kernel.set_entry_mask(0b1)  # else a killed bot is not asked again
    made = [one for one in of(world.records, events.DecisionMade) if one.template]
    samples = [one for outcome in of(world.records, events.OutcomeReached) for one in outcome.candidates]
    assert len({one.episode for one in made}) == 1
    assert [one.reason for one in made] == ["TIER", "KILL_SWITCH"]
    assert len(samples) > 10
    assert all(one.belief_e6 and one.edge_e6 and one.cost_e6 for one in samples), "with all terms"
    for one in made:
        assert one.mask >> GateReason[one.reason] & 1
        assert one.text.startswith(f"E1 long SKIP {one.reason}: p ")
        assert "\n" not in one.text


def test_the_volatility_index_from_outside_scales_the_size_while_it_lives():
    """RK13: at 50 and more LIVE would not trade; the message of an hour ends after its hour."""
    world = World({"context": {"sources": ["desk"]}})
    now_ns = world.state.ts_ns
    hour_ns = 3_600_000_000_000
    world.apply(
        ContextReceived(
            ts_ns=now_ns,
            source="desk",
            name="vix",
            value=50.25,
            conviction=1.0,
            stamped_ns=now_ns,
            time_to_live_ns=hour_ns,
            where="test",
        )
    )
    assert size_facts(world.state).vix_e6 == 50_250_000
    world.apply(events.TimerFired(ts_ns=now_ns + hour_ns, name="context", due_ns=now_ns + hour_ns))
    assert size_facts(world.state).vix_e6 is None
