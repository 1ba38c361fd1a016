"""DE09: each modifier is active where it should be, adds its ticks, and is written beside the decision."""

import pytest

from tests.engines import cases
from tests.engines.cases import NOW_NS, SECOND_NS
from trading_bot.domain.gate_config import ModifierConfig
from trading_bot.engines import modifiers
from trading_bot.engines.modifiers import Context, common, with_templates

CONFIG = ModifierConfig()
CUT_OFF_NS = NOW_NS + 3600 * SECOND_NS
CALM = {"ts_ns": NOW_NS, "phase": 2, "entry_close_ns": CUT_OFF_NS, "near_event": "", "volatility_high": False}


def active(**changes):
    return dict(common(CONFIG, Context(**(CALM | changes))))


class TestCommon:
    def test_a_plain_moment_has_none(self):
        assert active() == {}

    @pytest.mark.parametrize(
        ("changes", "found"),
        [
            ({"phase": 3}, {"LUNCH": 250_000}),
            ({"phase": 4}, {}),
            ({"entry_close_ns": NOW_NS + 900 * SECOND_NS}, {"LATE": 250_000}),
            ({"entry_close_ns": NOW_NS + 900 * SECOND_NS + 1}, {}),
            ({"entry_close_ns": NOW_NS + 1}, {"LATE": 250_000}),
            ({"entry_close_ns": NOW_NS}, {}),
            ({"entry_close_ns": None}, {}),
            ({"near_event": "FOMC"}, {"EVENT": 500_000}),
            ({"volatility_high": True}, {"VOLATILITY": 250_000}),
            ({"phase": 3, "volatility_high": True}, {"LUNCH": 250_000, "VOLATILITY": 250_000}),
        ],
    )
    def test_each_has_its_condition(self, changes, found):
        assert active(**changes) == found

    def test_one_of_zero_ticks_is_not_active(self):
        config = ModifierConfig(lunch_ticks=0.0)
        assert common(config, Context(**(CALM | {"phase": 3}))) == ()


class TestOtherTemplates:
    """The candidate is template 0, long."""

    @pytest.mark.parametrize(
        ("holds", "found"),
        [
            ((1, 0, 0), {}),
            ((1, -1, 0), {"CONFLICT": 500_000}),
            ((-1, 0, 0), {}),  # its own side is the candidate's, whatever was held before
            ((), {}),
        ],
    )
    def test_conflict(self, holds, found):
        assert dict(with_templates(CONFIG, (), holds, 0, 1)) == found

    @pytest.mark.parametrize(
        ("holds", "off_e6"),
        [
            ((1, 1), -250_000),
            ((1, 1, -1), None),  # 2 of 3 are 67 %
            ((1, 1, 1, -1), -250_000),  # 75 %
            ((1,) * 7 + (-1,) * 3, -250_000),  # 70 % exactly
            ((1, 0, 0), None),  # one alone agrees with itself
        ],
    )
    def test_confluence_needs_seventy_percent_and_two(self, holds, off_e6):
        found = dict(with_templates(CONFIG, (("LUNCH", 1_000_000),), holds, 0, 1))
        assert found.get("CONFLUENCE") == off_e6

    @pytest.mark.parametrize(("before_e6", "off_e6"), [(0, None), (100_000, -100_000), (250_000, -250_000)])
    def test_it_takes_off_no_more_than_was_added(self, before_e6, off_e6):
        before = (("LUNCH", before_e6),) if before_e6 else ()
        found = with_templates(CONFIG, before, (1, 1), 0, 1)
        assert dict(found).get("CONFLUENCE") == off_e6
        assert modifiers.total_e6(found) >= 0

    def test_a_short_is_judged_as_a_long(self):
        assert dict(with_templates(CONFIG, (), (0, 1), 0, -1)) == {"CONFLICT": 500_000}


class TestInTheDecision:
    """The nominal candidate is worth 3.5 ticks where 2 are needed: 1.5 to spare."""

    @staticmethod
    def decide(modifiers, **inputs):
        return cases.engine().decide(cases.candidate(), cases.inputs(modifiers=modifiers, **inputs))

    def test_an_addition_may_be_used_up_and_not_passed(self):
        assert self.decide((("LUNCH", 1_500_000),)).reason == "ENTER"
        assert self.decide((("LUNCH", 1_500_001),)).reason == "EUC_LOW"

    def test_confluence_makes_room_again(self):
        assert self.decide((("LUNCH", 1_750_000),)).reason == "EUC_LOW"
        assert self.decide((("LUNCH", 1_750_000),), holds=(1, 1)).reason == "ENTER"

    def test_but_never_below_what_is_needed_anyway(self):
        candidate = cases.candidate(required_e6=3_500_001)
        assert cases.engine().decide(candidate, cases.inputs(holds=(1, 1, 1))).reason == "EUC_LOW"

    def test_the_active_ones_are_recorded_and_read(self):
        decision = self.decide((("LUNCH", 250_000),), holds=(1, -1))
        assert decision.modifiers == ("LUNCH +0.25", "CONFLICT +0.50")
        assert "against 2.75 needed (cost 1.70, context LUNCH +0.25, CONFLICT +0.50)" in decision.text

    def test_none_is_said_where_none_is_active(self):
        decision = self.decide(())
        assert decision.modifiers == ()
        assert "context" not in decision.text
