"""NV12 in the loop: a broken rule stops entries, leaves the position, is told, and survives restarts and sessions."""

import msgspec
import pytest

from tests.core.handler_world import HELD, START_NS, World, of, only, plain_documents
from tests.core.worlds import OPEN_NS
from tests.engines.cases import candidate
from trading_bot.core import opening
from trading_bot.core.carried import Carried
from trading_bot.core.machine import Facts
from trading_bot.core.player import Player
from trading_bot.core.rule_watch import blocking, status_rows
from trading_bot.domain import events
from trading_bot.domain.effects import Alert, CancelOrder, LatchKillSwitch, PlaceExit
from trading_bot.domain.orders import Leg, Side
from trading_bot.domain.rule_events import RuleChanged, RulesMarked
from trading_bot.domain.rule_pack import (
    Consistency,
    DailyLoss,
    FlatBy,
    RulePack,
    RuleResponse,
    TrailingDrawdown,
)
from trading_bot.domain.trade_events import BreakerChanged
from trading_bot.domain.units import NS_PER_DAY, NS_PER_MIN, NS_PER_MS, NS_PER_S
from trading_bot.engines.breaker_table import Money

USD = 1_000_000
DAILY = DailyLoss(limit_uusd=40 * USD)


def world_of(*rules, carried=None, **options):
    pack = RulePack(name="t", account_uusd=10_000 * USD, rules=rules, profit_target_uusd=100 * USD)
    return World(docs=msgspec.structs.replace(plain_documents(), rules=pack), carried=carried, **options)


def lose(world, price_ticks=23_993):
    """Long at 24 001, out at the stop: 8 ticks are 10 USD, commission 2.50."""
    world.hold(1)
    return world.fill(Leg.STOP, Side.SELL, 1, price_ticks)


def changes(records):
    return [(one.rule, one.tripped) for one in of(records, RuleChanged)]


def rows(world):
    state = world.state
    return status_rows(state, Money(account=state.account) if state.account else None)


def test_without_a_pack_nothing_is_recorded_and_nothing_is_in_the_digest():
    world = World()
    lose(world)
    assert not of(world.records, RuleChanged) + of(world.records, RulesMarked)
    assert "rules" not in world.state.facts()


def test_the_distance_is_shown_rule_by_rule():
    world = world_of(DAILY, TrailingDrawdown(limit_uusd=100 * USD, basis="intraday"))
    lose(world)
    shown = rows(world)
    assert (shown["balance_usd"], shown["today_usd"], shown["pack"]) == (9_987.5, -12.5, "t")
    assert [(row["rule"], row["distance_usd"], row["line_usd"]) for row in shown["rows"]] == [
        ("RULE_DAILY_LOSS", 27.5, 9_960.0),
        ("RULE_TRAILING_INTRADAY", 87.5, 9_900.0),
    ]


def test_a_trade_whose_stop_would_break_a_rule_is_not_begun():
    """Two losses leave 15 USD of 40; a trade may lose 15 and its commission."""
    world = world_of(DAILY)
    assert only(world.fire(candidate()), events.DecisionMade).reason != "BREAKER"
    world = world_of(DAILY)
    lose(world)
    lose(world)
    assert only(world.fire(candidate()), events.DecisionMade).reason == "BREAKER"
    assert blocking(world.state, Money(account=world.state.account)) == ("RULE_DAILY_LOSS_NO_ROOM",)


def test_a_broken_rule_withdraws_entries_and_leaves_the_position():
    world = world_of(DAILY)
    placed = world.place()
    world.hold(1)
    records = world.quotes(START_NS + NS_PER_S, START_NS + NS_PER_S)
    records += world.quote(START_NS + 1_500 * NS_PER_MS, bid=23_960)
    records += world.quote(START_NS + 2_600 * NS_PER_MS, bid=23_960)
    assert changes(records) == [("RULE_DAILY_LOSS", True)]
    assert placed.order.order_id in [one.order_id for one in of(records, CancelOrder)]
    assert [one.code for one in of(records, Alert)].count("RULE_TRIPPED") == 1
    world.cancelled(placed.order.order_id)
    records += world.apply(events.OrderCancelled(ts_ns=world.now_ns, order_id=HELD, leg=Leg.TARGET))
    assert of(records, PlaceExit)


def test_entries_that_fill_after_the_rule_was_broken_are_left_at_once():
    world = world_of(DailyLoss(limit_uusd=10 * USD))
    assert changes(lose(world)) == [("RULE_DAILY_LOSS", True)]
    world.position(0)
    results = world.hold(1, protected=False)
    assert of(results, CancelOrder) + of(results, PlaceExit)
    assert world.state.flatten is not None
    assert not world.state.flatten.finished


def test_a_broken_rule_closes_the_kernels_mask_until_the_day_is_over():
    world = world_of(DailyLoss(limit_uusd=10 * USD))
    world.quote(START_NS + NS_PER_S)
    assert world.state.entry_mask != 0
    lose(world)
    world.position(0)
    world.quote(world.now_ns + NS_PER_S)
    assert world.state.entry_mask == 0


def test_a_start_after_the_flat_by_time_enters_nothing():
    rule = FlatBy(minute_et=10 * 60 + 30, lead_min=5, entries_end_min=10)
    world = world_of(rule)
    later = world_of(rule, carried=world.state.carried(), start_ns=OPEN_NS + 58 * NS_PER_MIN)
    assert changes(later.records) == [("RULE_FLAT_BY_ENTRIES", True), ("RULE_FLAT_BY", True)]
    afresh = world_of(rule, start_ns=OPEN_NS + 58 * NS_PER_MIN)
    assert changes(afresh.records) == [("RULE_FLAT_BY_ENTRIES", True), ("RULE_FLAT_BY", True)]


def test_a_cold_restart_keeps_the_time_of_day():
    """Timers die with a process: under another configuration only facts go on, and the pack's clock is wound again."""
    world = world_of(FlatBy(minute_et=10 * 60 + 30, lead_min=5, entries_end_min=10))
    machine = world.machine.restarted(world.documents, Facts(carried=world.state.carried()))
    began = opening.process_started(
        world.documents, opening.RunIdentity(), world.now_ns, last_seq=world.seq, torn_bytes=0, cold=True
    )
    machine.apply(began, world.seq + 1)
    assert machine.timers["rules", None] == OPEN_NS + 50 * NS_PER_MIN


def test_before_the_account_is_known_nothing_is_entered():
    world = world_of(DAILY)
    assert blocking(world.state, None) == ("RULES_UNKNOWN",)


def test_a_rule_may_pull_the_kill_switch():
    world = world_of(TrailingDrawdown(limit_uusd=10 * USD, basis="end_of_day", response=RuleResponse.KILL))
    assert only(lose(world), LatchKillSwitch).reason.startswith("rule RULE_TRAILING_END_OF_DAY: balance 9987.50 USD")


def test_a_consistency_rule_stops_entries_after_a_good_day_and_trips_no_breaker():
    world = world_of(Consistency(best_day_ppm=100_000))  # 10 USD a day
    world.hold(1)
    results = world.fill(Leg.TARGET, Side.SELL, 1, 24_013)  # 12 ticks are 15 USD, less 2.50
    assert changes(results) == [("RULE_CONSISTENCY", True)]
    assert not of(results, BreakerChanged)
    assert only(world.fire(candidate()), events.DecisionMade).reason == "BREAKER"


def test_flat_by_is_kept_by_a_timer_without_any_tick():
    """Flat by 10:30: entries end at 10:20, leaving begins at 10:25."""
    start_ns = OPEN_NS + 50 * NS_PER_MIN - NS_PER_S
    world = world_of(FlatBy(minute_et=10 * 60 + 30, lead_min=5, entries_end_min=10), start_ns=start_ns)
    assert changes(world.records) == []
    assert changes(world.advance(OPEN_NS + 50 * NS_PER_MIN)) == [("RULE_FLAT_BY_ENTRIES", True)]
    world.quotes(OPEN_NS + 54 * NS_PER_MIN, OPEN_NS + 55 * NS_PER_MIN - 2 * NS_PER_S)
    world.hold(1)
    world.advance(OPEN_NS + 55 * NS_PER_MIN - 1)
    assert world.state.flatten is None
    records = world.advance(OPEN_NS + 55 * NS_PER_MIN)
    assert changes(records) == [("RULE_FLAT_BY", True)]
    assert [one.leg for one in of(records, CancelOrder)] == [Leg.TARGET]


@pytest.mark.parametrize("later_ns", [0, NS_PER_MIN])
def test_a_broken_rule_survives_a_restart(later_ns):
    world = world_of(DailyLoss(limit_uusd=10 * USD))
    lose(world)
    after = world_of(DailyLoss(limit_uusd=10 * USD), carried=world.state.carried(), start_ns=START_NS + later_ns)
    assert [trip.rule for trip in after.state.rules.trips] == ["RULE_DAILY_LOSS"]
    assert only(after.fire(candidate()), events.DecisionMade).reason == "BREAKER"


def test_the_next_day_begins_with_its_own_loss_and_the_same_high():
    """Up 12.50 open, out at a loss: the line stays where the open profit brought it, the daily loss is over."""
    trailing = TrailingDrawdown(limit_uusd=60 * USD, basis="intraday")
    world = world_of(DailyLoss(limit_uusd=10 * USD), trailing)
    world.hold(1)
    world.quote(START_NS + 1_500 * NS_PER_MS, bid=24_009)
    world.quote(START_NS + 2_600 * NS_PER_MS, bid=24_009)
    high_uusd = world.state.rules.high_uusd
    assert high_uusd == 8 * 1_250_000 - 1_250_000
    world.fill(Leg.STOP, Side.SELL, 1, 23_993)
    # Thanksgiving lies between.
    after = world_of(
        DailyLoss(limit_uusd=10 * USD), trailing, carried=world.state.carried(), start_ns=START_NS + 2 * NS_PER_DAY
    )
    assert changes(after.records) == [("RULE_DAILY_LOSS", False)]
    [daily, kept] = rows(after)["rows"]
    assert (daily["distance_usd"], daily["tripped"]) == (10.0, False)
    assert kept["distance_usd"] == 60.0 - 12.5 - high_uusd / USD


def test_facts_alone_bring_back_what_the_rules_remember():
    """A restart under another configuration reads records and recomputes nothing."""
    trailing = TrailingDrawdown(limit_uusd=60 * USD, basis="intraday")
    world = world_of(DailyLoss(limit_uusd=10 * USD), trailing)
    world.hold(1)
    world.quote(START_NS + 1_500 * NS_PER_MS, bid=24_009)
    world.quote(START_NS + 2_600 * NS_PER_MS, bid=24_009)
    player = Player(build="another")
    player.facts = Facts(carried=Carried())
    for record in world.records:
        if isinstance(record, RuleChanged | RulesMarked):
            player._note(record)
    assert player.facts.carried.rules == world.state.rules
    world.fill(Leg.STOP, Side.SELL, 1, 23_993)
    player._note(of(world.records, RuleChanged)[-1])
    assert player.facts.carried.rules == world.state.rules


def test_another_attempt_counts_anew():
    world = world_of(TrailingDrawdown(limit_uusd=10 * USD, basis="intraday"))
    lose(world)
    docs = world.documents
    again = msgspec.structs.replace(docs, rules=msgspec.structs.replace(docs.rules, attempt=2))
    after = World(docs=again, carried=world.state.carried())
    assert after.state.rules.trips == ()
    assert rows(after)["rows"][0]["distance_usd"] == 10.0
