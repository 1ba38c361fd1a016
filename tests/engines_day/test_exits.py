"""One authority for exits (DE14, EX09 to EX12, SF07; specification 4, 5, 8.4, 11). Times in ns, prices in ticks."""

import ast
import inspect
from itertools import combinations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_bot.domain.config import QualityConfig
from trading_bot.domain.exit_config import ASSUMED, ExitConfig, TemplateExits
from trading_bot.engines import exits
from trading_bot.engines.exits import (
    ExitCause,
    ExitInputs,
    StopInputs,
    Urgency,
    decide_exit,
    exit_rules,
    tightened_stop,
)

NOW = 1_000_000_000_000
S = 1_000_000_000
MS = 1_000_000
CONFIG = ExitConfig()
RULES = exit_rules(CONFIG, QualityConfig())
# Long 1 from 20000, stop 19992, everything in order.
CALM = ExitInputs(
    ts_ns=NOW,
    position_qty=1,
    stop_ticks=19_992,
    resident_stop_ticks=19_992,
    target_resident=True,
    price_ticks=20_001,
    dvs_c=100,
    eqs_c=100,
    time_stop_ns=NOW + 600 * S,
    atr_n_e6=1_000_000,
)
# What makes each cause due, from the specification's words.
DUE = {
    ExitCause.KILL: {"killed": True},
    ExitCause.SESSION: {"session_over": True},
    ExitCause.STOP: {"stop_touched_ns": NOW, "resident_stop_ticks": None},
    ExitCause.TARGET: {"target_touched_ns": NOW, "target_resident": False},
    ExitCause.QUALITY: {"dvs_c": 59, "quality_low_since_ns": NOW - 30 * S},
    ExitCause.TIME: {"time_stop_ns": NOW},
    ExitCause.THESIS: {"thesis_low_since_ns": NOW - 5 * S},
    ExitCause.VOLATILITY: {"atr_n_e6": 2_550_000},
    ExitCause.TRAILING: {"stop_ticks": 20_002, "stop_touched_ns": NOW},
}


def with_(inputs, **changes):
    return msgspec.structs.replace(inputs, **changes)


def test_the_order_of_authority_is_the_tables():
    names = "KILL SESSION STOP TARGET QUALITY TIME THESIS VOLATILITY TRAILING"
    assert " ".join(cause.name for cause in sorted(ExitCause)) == names
    assert [cause for cause, _ in exits._CAUSES] == sorted(ExitCause)


def test_a_position_in_order_stays():
    assert decide_exit(CALM, RULES) is None


def test_a_flat_position_has_no_exit_whatever_is_due():
    for changes in DUE.values():
        assert decide_exit(with_(CALM, position_qty=0, **changes), RULES) is None


@pytest.mark.parametrize("cause", list(ExitCause))
@pytest.mark.parametrize("qty", [1, -2])
def test_each_cause_alone(cause, qty):
    changes = dict(DUE[cause])
    if qty < 0:  # the mirror of 20001, 19992 and 20002 at 20000
        mirrored = {"stop_ticks": 20_008, "resident_stop_ticks": 20_008, "price_ticks": 19_999}
        mirror = {key: None if value is None else 40_000 - value for key, value in changes.items() if "ticks" in key}
        changes = mirrored | changes | mirror
    decision = decide_exit(with_(CALM, position_qty=qty, **changes), RULES)
    assert (decision.cause, decision.urgency, decision.qty, decision.send) == (cause, Urgency.LIMIT, -qty, True)
    assert decision.mask == 1 << cause


def test_every_combination_has_the_one_answer_that_stands_highest():
    seen = 0
    for size in range(1, len(DUE) + 1):
        for causes in combinations(DUE, size):
            if {ExitCause.STOP, ExitCause.TRAILING} <= set(causes):
                continue  # a stop is either at the broker, or behind the one wanted
            changes = {key: value for cause in causes for key, value in DUE[cause].items()}
            decision = decide_exit(with_(CALM, **changes), RULES)
            assert decision.cause is min(causes)
            assert decision.mask == sum(1 << cause for cause in causes)
            seen += 1
    assert seen == 2**9 - 1 - 2**7


@pytest.mark.parametrize(
    ("changes", "due"),
    [
        ({"time_stop_ns": NOW + 1}, False),
        ({"time_stop_ns": NOW}, True),
        ({"dvs_c": 60, "eqs_c": 60, "quality_low_since_ns": NOW - 99 * S}, False),
        ({"eqs_c": 59, "quality_low_since_ns": NOW - 30 * S + 1}, False),
        ({"eqs_c": 59, "quality_low_since_ns": NOW - 30 * S}, True),
        ({"thesis_low_since_ns": NOW - 5 * S + 1}, False),
        ({"thesis_low_since_ns": NOW - 5 * S}, True),
        ({"atr_n_e6": 2_549_999}, False),
        ({"range_e6": 11_999_999, "range_median_e6": 3_000_000}, False),
        ({"range_e6": 12_000_000, "range_median_e6": 3_000_000}, True),
        ({"atr_n_e6": None, "range_e6": 12_000_000}, False),
        ({"range_e6": 1, "range_median_e6": 0}, False),
        ({"stop_ticks": 20_000}, False),  # one tick of room left
        ({"stop_ticks": 20_001}, True),
    ],
)
def test_each_limit_to_the_last_unit(changes, due):
    assert (decide_exit(with_(CALM, **changes), RULES) is not None) is due


def test_a_resident_stop_gets_its_time_and_no_second_order():
    touched = with_(CALM, stop_touched_ns=NOW, time_stop_ns=NOW)
    decision = decide_exit(touched, RULES)
    assert (decision.cause, decision.urgency, decision.send) == (ExitCause.STOP, Urgency.RESIDENT, False)
    assert exits.next_check_ns(touched, RULES) == NOW + 2 * S
    late = decide_exit(with_(touched, ts_ns=NOW + 2 * S), RULES)
    assert (late.cause, late.urgency, late.send) == (ExitCause.STOP, Urgency.LIMIT, True)


def test_a_touched_target_delays_a_weaker_exit_only_for_its_grace():
    touched = with_(CALM, target_touched_ns=NOW, time_stop_ns=NOW)
    assert decide_exit(touched, RULES).urgency is Urgency.RESIDENT
    after = decide_exit(with_(touched, ts_ns=NOW + S), RULES)
    assert (after.cause, after.send) == (ExitCause.TIME, True)
    # The kill switch does not wait for it.
    assert decide_exit(with_(touched, killed=True), RULES).cause is ExitCause.KILL


def test_a_limit_that_does_not_fill_becomes_a_market_order_once():
    sent = with_(CALM, sent_cause=ExitCause.TIME, limit_sent_ns=NOW)
    first = decide_exit(sent, RULES)
    assert (first.cause, first.urgency, first.send) == (ExitCause.TIME, Urgency.LIMIT, False)
    due_ns = exits.next_check_ns(sent, RULES)
    assert due_ns == NOW + 2_000 * MS
    late = decide_exit(with_(sent, ts_ns=due_ns), RULES)
    assert (late.urgency, late.send) == (Urgency.MARKET, True)
    done = decide_exit(with_(sent, ts_ns=due_ns, market_sent=True), RULES)
    assert (done.urgency, done.send) == (Urgency.MARKET, False)


def test_a_higher_cause_takes_over_without_a_second_order():
    sent = with_(CALM, sent_cause=ExitCause.TIME, limit_sent_ns=NOW, killed=True, target_touched_ns=NOW)
    decision = decide_exit(sent, RULES)
    assert (decision.cause, decision.send) == (ExitCause.KILL, False)


def test_an_exit_under_way_waits_for_no_resident_order_and_stays_decided():
    sent = with_(CALM, sent_cause=ExitCause.THESIS, limit_sent_ns=NOW - 2 * S, target_touched_ns=NOW)
    decision = decide_exit(sent, RULES)
    assert (decision.cause, decision.urgency, decision.send) == (ExitCause.THESIS, Urgency.MARKET, True)
    # The belief came back meanwhile: the exit was decided, and the mask still names it.
    assert decision.mask == 1 << ExitCause.THESIS


def test_quality_exits_at_once_where_configured():
    rules = exit_rules(ExitConfig(quality_action="exit"), QualityConfig())
    assert decide_exit(with_(CALM, dvs_c=59), RULES) is None
    assert decide_exit(with_(CALM, dvs_c=59), rules).cause is ExitCause.QUALITY


def test_a_template_has_its_own_rules():
    own = TemplateExits(thesis_belief=0.5, thesis_s=20.0, volatility_exit=False, trail=False)
    rules = exit_rules(CONFIG, QualityConfig(), own)
    assert (rules.thesis_belief_e6, rules.thesis_ns, rules.volatility_exit, rules.trail) == (
        500_000,
        20 * S,
        False,
        False,
    )
    assert rules.trail_atr_e6 == RULES.trail_atr_e6 == 750_000
    assert decide_exit(with_(CALM, atr_n_e6=9_000_000), rules) is None
    assert decide_exit(with_(CALM, thesis_low_since_ns=NOW - 5 * S), rules) is None


def test_time_below_a_level_is_counted_without_a_pause():
    since = exits.held_since(None, 10, low=True)
    assert (since, exits.held_since(since, 20, low=True)) == (10, 10)
    assert exits.held_since(10, 20, low=False) is None
    assert exits.held_since(10, 20, low=None) is None
    assert exits.thesis_low(449_999, RULES) is True
    assert exits.thesis_low(450_000, RULES) is False
    assert exits.thesis_low(None, RULES) is None


INPUTS = st.builds(
    ExitInputs,
    ts_ns=st.just(NOW),
    position_qty=st.integers(-3, 3),
    killed=st.booleans(),
    session_over=st.booleans(),
    stop_ticks=st.none() | st.integers(19_990, 20_010),
    resident_stop_ticks=st.none() | st.integers(19_990, 20_010),
    stop_touched_ns=st.none() | st.integers(NOW - 5 * S, NOW),
    target_resident=st.booleans(),
    target_touched_ns=st.none() | st.integers(NOW - 5 * S, NOW),
    price_ticks=st.none() | st.integers(19_985, 20_015),
    dvs_c=st.integers(0, 100),
    eqs_c=st.integers(0, 100),
    quality_low_since_ns=st.none() | st.integers(NOW - 60 * S, NOW),
    time_stop_ns=st.none() | st.integers(NOW - S, NOW + S),
    thesis_low_since_ns=st.none() | st.integers(NOW - 10 * S, NOW),
    atr_n_e6=st.none() | st.integers(0, 3_000_000),
    range_e6=st.none() | st.integers(0, 50_000_000),
    range_median_e6=st.none() | st.integers(0, 10_000_000),
    sent_cause=st.none() | st.sampled_from(list(ExitCause)),
    limit_sent_ns=st.none() | st.integers(NOW - 5 * S, NOW),
    market_sent=st.booleans(),
)


@given(INPUTS)
def test_any_inputs_have_one_answer_that_closes_the_position(inputs):
    decision = decide_exit(inputs, RULES)
    assert decision == decide_exit(inputs, RULES)
    if inputs.position_qty == 0:
        assert decision is None
        return
    if inputs.killed or inputs.session_over or inputs.sent_cause is not None:
        assert decision is not None
    if decision is None:
        return
    assert decision.qty == -inputs.position_qty
    assert decision.mask & -decision.mask == 1 << decision.cause
    if decision.urgency is Urgency.RESIDENT:
        assert not decision.send
        assert decision.cause in {ExitCause.STOP, ExitCause.TARGET}
    if inputs.market_sent:
        assert not decision.send


@given(INPUTS)
def test_mirrored_inputs_have_the_mirrored_answer(inputs):
    mirrored = with_(
        inputs,
        position_qty=-inputs.position_qty,
        **{
            name: None if getattr(inputs, name) is None else 40_000 - getattr(inputs, name)
            for name in ("stop_ticks", "resident_stop_ticks", "price_ticks")
        },
    )
    here, there = decide_exit(inputs, RULES), decide_exit(mirrored, RULES)
    assert there == (here and with_(here, qty=-here.qty))


@given(INPUTS)
def test_nothing_changes_before_the_next_check(inputs):
    due_ns = exits.next_check_ns(inputs, RULES)
    before = with_(inputs, ts_ns=(due_ns or NOW + 3600 * S) - 1)
    assert decide_exit(before, RULES) == decide_exit(inputs, RULES)


def test_no_entry_gate_is_within_reach():
    """SF07: exits read no budget, breaker, session rule or safety check."""
    imported = {
        node.module
        for node in ast.walk(ast.parse(inspect.getsource(exits)))
        if isinstance(node, ast.ImportFrom) and node.module.startswith("trading_bot")
    }
    assert imported == {"trading_bot.domain.config", "trading_bot.domain.exit_config", "trading_bot.domain.units"}


# --- the stop only tightens (EX10) -----------------------------------------------------------------------------------

# Long from 20000, R = 8, stop 19992.
LONG = StopInputs(sign=1, entry_ticks=20_000, risk_ticks=8, stop_ticks=19_992, best_ticks=20_000)
NO_TRAIL = exit_rules(ExitConfig(trail=False), QualityConfig())


@pytest.mark.parametrize(
    ("best", "stop"),
    [
        (20_007, 19_992),  # below 1 R nothing moves
        (20_008, 20_002),  # +1 R: entry + .25 R = 2 ticks
        (20_015, 20_002),
        (20_016, 20_008),  # 2 R lock 1 R
        (20_100, 20_008),
    ],
)
def test_break_even_and_lock(best, stop):
    assert tightened_stop(with_(LONG, best_ticks=best, atr_e6=1_000_000), NO_TRAIL) == stop
    short = with_(LONG, sign=-1, stop_ticks=20_008, best_ticks=40_000 - best)
    assert tightened_stop(short, NO_TRAIL) == 40_000 - stop


@pytest.mark.parametrize(
    ("best", "atr_e6", "stop"),
    [
        (20_010, 8_000_000, 20_004),  # .75 × 8 ticks behind the best
        (20_010, 8_000_001, 20_003),  # the distance rounds up: never tighter than asked
        (20_020, 1_000_000, 20_018),  # at least 2 ticks behind
        (20_020, 20_000_000, 20_008),  # .75 × 20 = 15 would be 20005: the 2 R lock is tighter
        (20_007, 4_000_000, 19_992),  # not before 1 R
        (20_020, None, 20_008),  # an unknown ATR trails nothing
    ],
)
def test_the_trail_follows_the_best_price(best, atr_e6, stop):
    assert tightened_stop(with_(LONG, best_ticks=best, atr_e6=atr_e6), RULES) == stop


def test_low_quality_halves_the_distance_to_the_price():
    low = with_(LONG, quality_low=True, price_ticks=20_001)
    assert tightened_stop(low, RULES) == 19_997
    assert tightened_stop(with_(low, price_ticks=None), RULES) == 19_992
    exiting = exit_rules(ExitConfig(quality_action="exit"), QualityConfig())
    assert tightened_stop(low, exiting) == 19_992


def test_a_step_that_is_too_small_waits():
    rules = exit_rules(ExitConfig(stop_step_ticks=3), QualityConfig())
    trailed = with_(LONG, stop_ticks=20_004, best_ticks=20_012, atr_e6=8_000_000)
    assert tightened_stop(trailed, rules) == 20_004
    assert tightened_stop(with_(trailed, best_ticks=20_013), rules) == 20_007


@given(
    sign=st.sampled_from([1, -1]),
    risk=st.integers(1, 24),
    path=st.lists(
        st.tuples(
            st.integers(-60, 60),
            st.none() | st.integers(0, 60_000_000),
            st.booleans(),
            st.none() | st.integers(-60, 60),
        ),
        max_size=30,
    ),
    action=st.sampled_from(["tighten", "exit"]),
)
def test_a_stop_never_loosens(sign, risk, path, action):
    """Whatever prices, ranges and scores come, in whatever order; long and short alike."""
    rules = exit_rules(ExitConfig(quality_action=action), QualityConfig())
    stops = {+1: 20_000 - risk * sign, -1: 20_000 + risk * sign}
    for best, atr, low, price in path:
        for side, stop in stops.items():
            inputs = StopInputs(
                sign=sign * side,
                entry_ticks=20_000,
                risk_ticks=risk,
                stop_ticks=stop,
                best_ticks=20_000 + best * side,
                price_ticks=None if price is None else 20_000 + price * side,
                atr_e6=atr,
                quality_low=low,
            )
            moved = tightened_stop(inputs, rules)
            assert (moved - stop) * sign * side >= 0
            assert tightened_stop(with_(inputs, stop_ticks=moved), rules) == moved
            stops[side] = moved
        assert stops[1] + stops[-1] == 40_000


# --- price -----------------------------------------------------------------------------------------------------------


def test_an_exit_limit_is_eight_ticks_through_the_touch():
    assert exits.exit_limit_ticks(1, 20_000, 20_001, RULES.limit_through_ticks) == 19_992
    assert exits.exit_limit_ticks(-1, 20_000, 20_001, RULES.limit_through_ticks) == 20_009
    assert exits.exit_limit_ticks(1, None, 20_001, 8) is None
    assert exits.exit_limit_ticks(-1, 20_000, None, 8) is None


# --- configuration ---------------------------------------------------------------------------------------------------


def test_numbers_of_the_specification_are_the_defaults():
    assert (CONFIG.limit_through_ticks, CONFIG.shock_atr_n, CONFIG.shock_range_ratio) == (8, 2.55, 4.0)
    assert (CONFIG.break_even_from_r, CONFIG.break_even_lock_r, CONFIG.lock_from_r, CONFIG.lock_r) == (
        1.0,
        0.25,
        2.0,
        1.0,
    )
    assert CONFIG.trail_atr == 0.75


def test_every_other_number_says_why():
    given_by_specification = {
        *("limit_through_ticks", "shock_atr_n", "shock_range_ratio", "break_even_from_r", "break_even_lock_r"),
        *("lock_from_r", "lock_r", "trail", "trail_atr"),
    }
    assert set(ASSUMED) == set(ExitConfig.__struct_fields__) - given_by_specification


@pytest.mark.parametrize(
    "changes",
    [{"break_even_lock_r": 1.0}, {"lock_r": 2.0}, {"break_even_from_r": 2.5}, {"lock_r": 0.1, "lock_from_r": 1.0}],
)
def test_rungs_that_contradict_each_other_are_refused(changes):
    with pytest.raises(ValueError, match="must"):
        ExitConfig(**changes)


def test_toml_values_are_checked():
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"thesis_belief": 1.5}, ExitConfig)
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert({"thesis_beleif": 0.5}, TemplateExits)
