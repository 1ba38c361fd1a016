"""DG13, by hand: which prices are levels, what touches, accepts, merges and fades them (docs/levels.md).

A point is 4 ticks; the days are those of `kit.day`: RTH begins with minute 930 and ends with minute 1320.
"""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.levels.kit import MINUTE, OPEN, bar, day, rules, whole_day
from trading_bot.engines.level_spans import Place, Vwap
from trading_bot.engines.levels import (
    GivenLevel,
    Level,
    LevelState,
    advance,
    bias_e6,
    levels,
    remember,
)


def named(state, rule, outside=()):
    """The levels by their own names, merged ones under each."""
    return {name: level for level in levels(state, outside, rule) for name in level.name.split("+") if name}


def plain_rules(**config):
    """Nothing merges and nothing is left out."""
    return rules(merge_points=0.0, levels_max=64, **config)


class TestWhichPrices:
    def test_a_day_leaves_its_high_low_and_close_and_those_of_its_rth(self):
        rule = plain_rules()
        state = whole_day(LevelState(), 0, {10: (20_100, 19_900), 1_000: (20_050, 19_960)}, rule)
        found = named(whole_day(state, 1, {}, rule), rule)
        prices = {name: found[name].price_ticks for name in ("PSH", "PSL", "PDH", "PDL", "PDC")}
        assert prices == {"PSH": 20_050, "PSL": 19_960, "PDH": 20_100, "PDL": 19_900, "PDC": 20_000}
        weights = [found[name].weight_e6 for name in ("PSH", "PSL", "PDH", "PDL")]
        assert weights == [1_000_000, 1_000_000, 800_000, 800_000]

    def test_a_holiday_without_rth_leaves_its_day_and_keeps_the_session_before(self):
        rule = plain_rules()
        state = whole_day(LevelState(), 0, {1_000: (20_050, 19_960)}, rule)
        state = whole_day(state, 1, {50: (20_020, 19_990)}, rule, rth=False)
        found = named(whole_day(state, 2, {}, rule), rule)
        assert (found["PSH"].price_ticks, found["PDH"].price_ticks, found["PDL"].price_ticks) == (
            20_050,
            20_020,
            19_990,
        )

    def test_a_day_that_is_missing_is_not_replaced_by_an_older_one(self):
        rule = plain_rules()
        state = whole_day(LevelState(), 0, {1_000: (20_050, 19_960)}, rule)
        assert {"PSH", "PDH", "PDC"}.isdisjoint(named(whole_day(state, 2, {}, rule), rule))

    @pytest.mark.parametrize("gap", [True, False])
    def test_a_session_of_which_a_part_was_not_seen_has_no_high(self, gap):
        rule, today = plain_rules(), day(0)
        state = LevelState()
        for number in range(23 * 60):
            place = Place(today, True, gap and number == 1_100)
            state = remember(state, bar(today.globex_open_ns + number * MINUTE, 20_000), place, rule)
        assert ("PSH" in named(whole_day(state, 1, {}, rule), rule)) is not gap

    def test_the_night_counts_from_the_rth_open_on(self):
        rule, today = plain_rules(), day(0)
        state = LevelState()
        for number in range(931):
            assert "ONH" not in named(state, rule)
            high, low = (20_030, 19_970) if number == 400 else (20_000, 20_000)
            place = Place(today)
            state = advance(state, bar(today.globex_open_ns + number * MINUTE, 20_000, high, low), place, (), rule)
        found = named(state, rule)
        assert (found["ONH"].price_ticks, found["ONL"].price_ticks, found["ONH"].weight_e6) == (20_030, 19_970, 900_000)

    @pytest.mark.parametrize(("width", "counts"), [(7, False), (8, True)])
    def test_an_opening_range_below_two_points_is_ignored(self, width, counts):
        rule, today = plain_rules(), day(0)
        state = LevelState()
        for number in range(930, 945):
            assert "ORH" not in named(state, rule)
            high = 20_000 + (width if number == 935 else 0)
            state = advance(state, bar(today.globex_open_ns + number * MINUTE, 20_000, high), Place(today), (), rule)
        found = named(state, rule)
        assert ("ORH" in found) is counts
        if counts:
            assert (found["ORH"].price_ticks, found["ORL"].price_ticks) == (20_008, 20_000)
            assert found["ORH"].weight_e6 == 1_200_000

    @pytest.mark.parametrize(
        ("close", "names"),
        [
            (20_010, ["R5000", "R5010"]),
            (20_000, ["R4990", "R5000", "R5010"]),
            (19_999, ["R4990", "R5000"]),
        ],
    )
    def test_round_numbers_around_the_price(self, close, names):
        rule = plain_rules()
        state = advance(LevelState(), bar(OPEN, close), Place(day(0)), (), rule)
        assert [level.name for level in levels(state, (), rule)] == names

    def test_a_band_is_the_last_tick_inside_the_deviations(self):
        """Closes 100 and 110, one lot each: VWAP 105, deviation 5; 1.5 of them 7.5, 2 of them 10."""
        vwap = Vwap().with_bar(bar(0, 100, volume=1)).with_bar(bar(MINUTE, 110, volume=1))
        assert vwap.band(3) == (98, 112)
        assert vwap.band(4) == (95, 115)
        assert Vwap().with_bar(bar(0, 100)).band(3) is None


class TestWhatHappensAtThem:
    def at(self, closes, *, rule=None, price=20_010, wicks=None):
        """A level from outside at `price`, then bars with these closes."""
        rule = rule or plain_rules()
        outside = (GivenLevel("X", price, 1_000_000),)
        state = LevelState()
        for number, close in enumerate(closes):
            high, low = (wicks or {}).get(number, (close, close))
            state = advance(state, bar(OPEN + number * MINUTE, close, high, low), Place(day(0)), outside, rule)
        return named(state, rule, outside)["X"]

    @pytest.mark.parametrize(("reach", "touches"), [(20_007, 0), (20_008, 1), (20_010, 1), (20_015, 1)])
    def test_a_bar_within_two_ticks_touches(self, reach, touches):
        assert self.at([20_000, 20_000], wicks={1: (reach, 20_000)}).touches == touches

    def test_bars_in_a_row_are_one_touch_and_a_return_is_another(self):
        wicks = {1: (20_010, 20_000), 2: (20_010, 20_000), 5: (20_009, 20_000)}
        assert self.at([20_000] * 7, wicks=wicks).touches == 2

    @pytest.mark.parametrize(("bars", "left"), [(0, 1_000_000), (1, 800_000), (2, 640_000), (3, 512_000), (120, 0)])
    def test_a_touch_fades_by_a_fifth_a_bar(self, bars, left):
        found = self.at([20_000] * (2 + bars), wicks={1: (20_010, 20_000)})
        assert found.strength_e6 == 1_000_000 + left

    def test_a_touch_is_forgotten_after_120_bars(self):
        slow = plain_rules(recency=1.0)
        wicks = {1: (20_010, 20_000)}
        assert self.at([20_000] * 122, wicks=wicks, rule=slow).strength_e6 == 2_000_000
        assert self.at([20_000] * 123, wicks=wicks, rule=slow).strength_e6 == 1_000_000

    @pytest.mark.parametrize(
        ("closes", "accepted"),
        [
            ([20_000, 20_000, 20_000, 20_011], False),  # one close beyond
            ([20_000, 20_000, 20_000, 20_011, 20_011], True),
            ([20_000, 20_000, 20_000, 20_011, 20_010, 20_011], False),  # not in a row
            ([20_000, 20_000, 20_000, 20_010, 20_010], False),  # at it is not beyond it
            ([20_000, 20_000, 20_000, 20_011, 20_011, 20_009], True),
            ([20_000, 20_000, 20_000, 20_011, 20_011, 20_009, 20_009], False),  # and back again
            ([20_020, 20_020, 20_020, 20_009, 20_009], True),  # from above
        ],
    )
    def test_two_closes_beyond_accept_it(self, closes, accepted):
        assert self.at(closes).accepted is accepted

    def test_a_level_at_another_price_begins_anew_unless_it_moves(self):
        rule, place = plain_rules(), Place(day(0))
        for moving, touches in ((False, 0), (True, 1)):
            state = LevelState()
            for number, price in enumerate([20_010, 20_010, 20_011]):
                outside = (GivenLevel("X", price, 1_000_000, moving),)
                high = 20_010 if number == 1 else 20_000
                state = advance(state, bar(OPEN + number * MINUTE, 20_000, high), place, outside, rule)
            assert named(state, rule, outside)["X"].touches == touches


def level(price, strength=1_000_000, *, accepted=False):
    return Level("L", price, strength, strength, 0, accepted)


class TestBias:
    @pytest.mark.parametrize(
        ("found", "expected"),
        [
            ([], 0),
            ([level(19_980)], 208_333),  # half of the way to 10 points: .5 of a weight of 1, of at most 2.4
            ([level(20_020)], -208_333),
            ([level(19_980), level(20_020)], 0),
            ([level(19_960)], 0),
            ([level(20_000)], 0),  # at the price it is on neither side
            ([level(19_990, 2_400_000)], 750_000),
            ([level(19_990, accepted=True), level(19_980)], 208_333),  # the nearest live one
            ([level(19_970, 2_000_000), level(19_980)], 208_333),  # not the strongest
        ],
    )
    def test_the_nearest_live_level_on_each_side_pulls(self, found, expected):
        assert bias_e6(found, 20_000, rules()) == expected


class TestTheList:
    def test_levels_within_a_point_become_one_under_the_strongest(self):
        rule = rules()
        outside = (
            GivenLevel("A", 20_004, 700_000),
            GivenLevel("B", 20_005, 1_000_000),
            GivenLevel("C", 20_010, 500_000),
        )
        state = advance(LevelState(), bar(OPEN, 20_020), Place(day(0)), outside, rule)
        found = [(row.name, row.price_ticks) for row in levels(state, outside, rule)]
        assert found == [("R5000", 20_000), ("B+A", 20_005), ("C", 20_010), ("R5010", 20_040)]

    def test_the_twelve_nearest_are_kept(self):
        rule = rules()
        outside = tuple(GivenLevel(f"X{k}", 20_100 + 10 * k, 1_000_000) for k in range(20))
        state = advance(LevelState(), bar(OPEN, 20_115), Place(day(0)), outside, rule)
        found = levels(state, outside, rule)
        assert len(found) == 12
        assert max(row.price_ticks for row in found) == 20_200


walks = st.lists(st.tuples(st.integers(-9, 9), st.integers(0, 6), st.integers(0, 6)), min_size=2, max_size=60)


def walked(steps, mirror, rule):
    """A walk from 20 000 through the RTH open, or its mirror image at 20 000: a round number."""
    state, close, today = LevelState(), 20_000, day(0)
    for number, (step, up, down) in enumerate(steps):
        close += step
        high, low, shown = close + up, close - down, close
        if mirror:
            high, low, shown = 40_000 - low, 40_000 - high, 40_000 - close
        ts = today.globex_open_ns + (905 + number) * MINUTE
        state = advance(state, bar(ts, shown, high, low), Place(today), (), rule)
    return state


class TestProperties:
    @given(walks)
    def test_mirrored_prices_turn_the_bias_round(self, steps):
        rule = plain_rules()
        here, there = walked(steps, False, rule), walked(steps, True, rule)
        ours, theirs = levels(here, (), rule), levels(there, (), rule)
        assert [(row.price_ticks, row.strength_e6, row.accepted) for row in ours] == [
            (40_000 - row.price_ticks, row.strength_e6, row.accepted) for row in reversed(theirs)
        ]
        assert bias_e6(ours, here.close_ticks, rule) == -bias_e6(theirs, there.close_ticks, rule)

    @given(walks)
    def test_the_list_is_short_ordered_and_apart(self, steps):
        rule = rules()
        state = walked(steps, False, rule)
        prices = [row.price_ticks for row in levels(state, (), rule)]
        assert len(prices) <= 12
        assert all(right - left > 4 for left, right in pairwise(prices))
        assert -1_000_000 <= bias_e6(levels(state, (), rule), state.close_ticks, rule) <= 1_000_000
