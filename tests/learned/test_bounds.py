"""What may be adopted: the parameters and bounds of feature LE05, per week, over all adoptions."""

import pytest

from tests.learned.sets import K1, MONDAY_NS, PROPOSAL, TEMPLATES, WEEK_NS, change, one_set, value
from trading_bot.domain.errors import ConfigError
from trading_bot.domain.units import NS_PER_DAY
from trading_bot.engines.learned_params import (
    adopted_set,
    rolled_back_set,
    room_e6,
    value_e6,
    week_of_ns,
    with_learned,
)

WEIGHT = "template.K1.weights.ofi_30s"  # .4 in the file
BELIEF = "template.K1.belief_enter"  # .64
STOP = "template.K1.stop_ticks"  # 8


def adopt(sets, *changes, at_ns=MONDAY_NS, templates=TEMPLATES):
    return adopted_set(tuple(sets), templates, changes, now_ns=at_ns, hypothetical_evidence=True, proposal=PROPOSAL)


@pytest.mark.parametrize(
    ("parameter", "old_e6", "most_e6"),
    [(WEIGHT, 400_000, 50_000), (BELIEF, 640_000, 10_000), (STOP, 8_000_000, 1_000_000)],
    ids=["weight .05", "threshold .01", "stop 1 tick"],
)
def test_a_week_s_bound_is_the_feature_list_s(parameter, old_e6, most_e6):
    for new_e6 in (old_e6 - most_e6, old_e6 + most_e6):
        assert adopt([], change(parameter, old_e6, new_e6)).values[0].value_e6 == new_e6
    for new_e6 in (old_e6 - most_e6 - 1, old_e6 + most_e6 + 1):
        with pytest.raises(ConfigError, match="beyond this week's bounds"):
            adopt([], change(parameter, old_e6, new_e6))


def test_the_bound_holds_over_all_adoptions_of_a_week():
    first = adopt([], change(WEIGHT, 400_000, 440_000))
    friday_ns = MONDAY_NS + 4 * NS_PER_DAY
    with pytest.raises(ConfigError, match=r"0\.46 is beyond this week's bounds, 0\.35 to 0\.45"):
        adopt([first], change(WEIGHT, 440_000, 460_000), at_ns=friday_ns)
    second = adopt([first], change(WEIGHT, 440_000, 450_000), at_ns=friday_ns)
    # The next week starts from where this one ended.
    third = adopt([first, second], change(WEIGHT, 450_000, 500_000), at_ns=MONDAY_NS + WEEK_NS)
    assert [one.number for one in (first, second, third)] == [1, 2, 3]
    assert room_e6((first, second, third), WEIGHT, 400_000, MONDAY_NS + WEEK_NS) == (400_000, 500_000)


def test_a_rollback_opens_no_second_way_to_move_in_a_week():
    first = adopt([], change(WEIGHT, 400_000, 450_000))
    back = rolled_back_set((first,), now_ns=MONDAY_NS + 1)
    assert back.values == ()
    again = adopt([first, back], change(WEIGHT, 400_000, 450_000), at_ns=MONDAY_NS + 2)
    with pytest.raises(ConfigError, match="beyond this week's bounds"):
        adopt([first, back, again], change(WEIGHT, 450_000, 460_000), at_ns=MONDAY_NS + 3)


def test_after_a_rollback_out_of_the_week_s_bounds_nothing_leads_back_at_one_stride():
    """Four weeks of +.05 lie behind what is undone: the way to the bounds of the fifth is .15, more than a week's."""
    sets = ()
    for week in range(4):
        old_e6 = 400_000 + 50_000 * week
        sets += (adopt(sets, change(WEIGHT, old_e6, old_e6 + 50_000), at_ns=MONDAY_NS + week * WEEK_NS),)
    fifth_ns = MONDAY_NS + 4 * WEEK_NS
    sets += (rolled_back_set(sets, now_ns=fifth_ns, to_file=True),)
    assert room_e6(sets, WEIGHT, 400_000, fifth_ns) == (400_000, 400_000)
    for new_e6 in (410_000, 550_000, 600_000):
        with pytest.raises(ConfigError, match="wait for the next week"):
            adopt(sets, change(WEIGHT, 400_000, new_e6), at_ns=fifth_ns + 1)
    assert adopt(sets, change(WEIGHT, 400_000, 450_000), at_ns=fifth_ns + WEEK_NS).number == 6


@pytest.mark.parametrize(("trades", "shadow"), [(9, 20), (10, 19), (0, 0)])
def test_too_little_evidence_is_refused(trades, shadow):
    with pytest.raises(ConfigError, match="at least 10 and 20 are needed"):
        adopt([], change(WEIGHT, 400_000, 410_000, trades=trades, shadow_trades=shadow))


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ("template.K1.target_ticks", "is not learned"),
        ("template.K1.weights", "is not learned"),
        ("template.K1.belief_enter.x", "is not learned"),
        ("template.K9.stop_ticks", "has no such value"),
        ("template.K1.weights.noise", "has no such value"),
    ],
)
def test_nothing_else_is_learned(parameter, message):
    with pytest.raises(ConfigError, match=message):
        adopt([], change(parameter, 1_000_000, 1_010_000))


def test_a_proposal_made_on_other_values_is_refused():
    first = adopt([], change(WEIGHT, 400_000, 410_000))
    with pytest.raises(ConfigError, match=r"0\.41 is in force, the proposal was made on 0\.4"):
        adopt([first], change(WEIGHT, 400_000, 420_000))
    with pytest.raises(ConfigError, match="nothing to adopt"):
        adopt([])


def test_a_result_that_is_no_template_is_refused():
    """The stop lies between 1 and 12 ticks (specification 6.6), and the hold belief at or under the enter belief."""
    wide = {"K1": with_learned(TEMPLATES, one_set(1, value(STOP, 8_000_000, 12_000_000)))["K1"]}
    with pytest.raises(ConfigError, match="with its learned parameters"):
        adopt([], change(STOP, 12_000_000, 13_000_000), templates=wide)


def test_a_set_changes_the_template_and_nothing_else():
    learned = one_set(
        1, value(WEIGHT, 400_000, 450_000), value(STOP, 8_000_000, 9_000_000), value(BELIEF, 640_000, 650_000)
    )
    found = with_learned(TEMPLATES, learned)["K1"]
    assert (found.weights, found.stop_ticks, found.belief_enter) == ({"vwap_z": -1.0, "ofi_30s": 0.45}, 9, 0.65)
    assert found.target_ticks == K1.target_ticks
    assert value_e6({"K1": found}, WEIGHT) == 450_000
    assert with_learned(TEMPLATES, None) == TEMPLATES


def test_another_base_in_the_strategy_file_is_refused_and_another_file_left_alone():
    learned = one_set(1, value(WEIGHT, 500_000, 450_000))
    with pytest.raises(ConfigError, match=r"the strategy file has 0\.4, the learned 0\.45 was adopted on 0\.5"):
        with_learned(TEMPLATES, learned)
    assert with_learned({"S1": K1}, learned) == {"S1": K1}


def test_each_rollback_goes_back_one_set_and_the_last_one_to_the_file():
    first = adopt([], change(WEIGHT, 400_000, 410_000))
    second = adopt([first], change(WEIGHT, 410_000, 430_000))
    sets = [first, second]
    for expected in (first.values, ()):
        sets.append(rolled_back_set(tuple(sets), now_ns=MONDAY_NS))
        assert sets[-1].values == expected
    with pytest.raises(ConfigError, match="nothing to roll back"):
        rolled_back_set(tuple(sets), now_ns=MONDAY_NS)
    assert [one.restores for one in sets] == [0, 0, 1, 0]


def test_a_rollback_after_a_rollback_and_an_adoption_finds_its_way():
    first = adopt([], change(WEIGHT, 400_000, 410_000))
    second = adopt([first], change(WEIGHT, 410_000, 430_000))
    third = rolled_back_set((first, second), now_ns=MONDAY_NS)
    fourth = adopt([first, second, third], change(WEIGHT, 410_000, 420_000))
    assert rolled_back_set((first, second, third, fourth), now_ns=MONDAY_NS).values == first.values
    assert rolled_back_set((first, second, third, fourth), now_ns=MONDAY_NS, to_file=True).values == ()


def test_weeks_begin_on_monday():
    """2026-11-23 is a Monday (its ISO calendar says so); the second before it is the week before."""
    assert week_of_ns(MONDAY_NS) == week_of_ns(MONDAY_NS + WEEK_NS - 1) == week_of_ns(MONDAY_NS - 1) + 1
