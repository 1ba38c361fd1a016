"""`compute_position_size` as specification 6.6 fixes it. Expected values are worked out by hand in each row."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_bot.engines.sizing import compute_position_size, stop_ticks_limit


@pytest.mark.parametrize(
    ("equity", "max_risk", "stop", "contracts"),
    [
        # The risk is 1.25 dollars per tick of stop; 2 % of equity and the dollar limit both bound it.
        pytest.param(10_000, 15, 8, 1, id="8 ticks are 10.00: inside 15 and 200"),
        pytest.param(10_000, 15, 12, 1, id="12 ticks are 15.00: reaching the limit is allowed"),
        pytest.param(10_000, Decimal("14.99"), 12, 0, id="one cent less is not enough"),
        pytest.param(10_000, 15, 13, 0, id="13 ticks: over 12 ticks and over 15 dollars"),
        pytest.param(10_000, 100, 13, 0, id="13 ticks are refused however much may be risked"),
        pytest.param(10_000, 100, Decimal("12.25"), 0, id="a quarter tick over 12 as well"),
        pytest.param(750, 15, 12, 1, id="2 % of 750 is exactly 15.00"),
        pytest.param(Decimal("749.99"), 15, 12, 0, id="2 % of 749.99 is 14.9998"),
        pytest.param(500, 15, 8, 1, id="2 % of 500 is exactly 10.00"),
        pytest.param(Decimal("499.99"), 15, 8, 0, id="2 % of 499.99 is 9.9998"),
        pytest.param(0, 15, 8, 0, id="no equity"),
        pytest.param(-100, 15, 8, 0, id="negative equity is a real account state"),
        pytest.param(10_000, 0, 8, 0, id="nothing may be risked"),
        pytest.param(10_000, -1, 8, 0, id="a used-up budget"),
        pytest.param(1e12, 15, 1, 1, id="the default is at most one contract"),
    ],
)
def test_the_default_answer_is_0_or_1(equity, max_risk, stop, contracts):
    assert compute_position_size(equity, max_risk, stop) == contracts


@pytest.mark.parametrize(
    ("equity", "max_risk", "stop", "most", "contracts"),
    [
        pytest.param(10_000, 15, 4, 10, 3, id="15 / 5.00 = 3"),
        pytest.param(10_000, 15, 5, 10, 2, id="15 / 6.25 = 2.4"),
        pytest.param(10_000, 1_000, 8, 100, 20, id="2 % of 10 000 is 200; 200 / 10.00 = 20"),
        pytest.param(10_000, 1_000, 8, 10, 10, id="the cap"),
        pytest.param(10_000, 15, 4, 0, 0, id="a cap of 0"),
        pytest.param(10_000, 30, 8, 10, 3, id="30 / 10.00 = 3 exactly"),
    ],
)
def test_more_contracts_only_with_a_larger_cap(equity, max_risk, stop, most, contracts):
    assert compute_position_size(equity, max_risk, stop, max_contracts=most) == contracts


@pytest.mark.parametrize(
    ("stop", "tick_value", "tick_size", "max_risk", "contracts"),
    [
        pytest.param(12, 12.50, 0.25, 150, 1, id="ES: 12 x 12.50 = 150"),
        pytest.param(12, 12.50, 0.25, 149, 0, id="ES: 150 is more than 149"),
        pytest.param(8, 0.125, 1, 4, 1, id="MYM: 1 point is 4 quarters of 0.125 = 0.50; 8 ticks are 4.00"),
        pytest.param(8, 0.125, 1, Decimal("3.99"), 0, id="MYM: 4.00 is more than 3.99"),
        pytest.param(12, 25, 0.01, 12, 1, id="SPY: 100 x 0.25 = 25; 0.01 / 0.25 x 25 = 1.00 a tick"),
        pytest.param(12, 25, 0.01, Decimal("11.99"), 0, id="SPY: 12.00 is more than 11.99"),
        pytest.param(12, 12.5, 0.1, 60, 1, id="M2K with ES money: 12 x 0.4 x 12.50 = 60.00 exactly, though 0.1 is not"),
        pytest.param(12, Decimal("1.250000001"), 0.25, 15, 0, id="12 nano-dollars over 15: risk is rounded up"),
        pytest.param(10, 250, 0.0078125, 78.125, 1, id="a 1/128 grid: 10 / 32 x 250 = 78.125"),
    ],
)
def test_tick_value_is_dollars_per_quarter_point_whatever_the_grid(stop, tick_value, tick_size, max_risk, contracts):
    assert compute_position_size(100_000, max_risk, stop, tick_value, tick_size) == contracts


@pytest.mark.parametrize(
    ("equity", "max_risk", "stop", "contracts"),
    [
        pytest.param(10_000, (0.1 + 0.2) * 50, 12, 1, id="15.000000000000002 and 15"),
        pytest.param(10_000, 15 - 2e-15, 12, 1, id="the last bit below 15"),
        pytest.param(10_000, 15, 40 * (0.1 + 0.2), 1, id="12.000000000000002 ticks are 12"),
        pytest.param(10_000, 0.7 + 0.1 + 0.45, 1, 1, id="1.2499999999999998 buys a tick of 1.25"),
        pytest.param(749.9999999999999, 15, 12, 1, id="the last bit below 750"),
        pytest.param(10_000, 14.999999, 12, 0, id="a micro-dollar short is short"),
    ],
)
def test_the_last_bit_of_a_float_does_not_decide(equity, max_risk, stop, contracts):
    assert compute_position_size(equity, max_risk, stop) == contracts


@pytest.mark.parametrize("kind", [int, float, Decimal])
def test_decimal_int_and_float_say_the_same(kind):
    assert compute_position_size(kind(750), kind(15), kind(12)) == 1
    assert compute_position_size(kind(749), kind(15), kind(12)) == 0


def test_the_limits_come_from_the_caller_where_the_configuration_moved_them():
    assert compute_position_size(10_000, 100, 13, stop_ticks_max=13) == 1
    assert compute_position_size(1_500, 15, 12, risk_pct_max=1) == 1  # 1 % of 1 500 is 15.00
    assert compute_position_size(1_499, 15, 12, risk_pct_max=1) == 0
    assert compute_position_size(3_000, 15, 12, risk_pct_max=Decimal("0.5")) == 1


NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        pytest.param((NAN, 15, 8), "equity", id="equity NaN"),
        pytest.param((10_000, NAN, 8), "max_risk_usd", id="risk NaN"),
        pytest.param((10_000, 15, NAN), "stop_ticks", id="stop NaN"),
        pytest.param((10_000, 15, 8, NAN), "tick_value", id="tick value NaN"),
        pytest.param((10_000, 15, 8, 1.25, NAN), "tick_size", id="tick size NaN"),
        pytest.param((10_000, 15, Decimal("NaN")), "stop_ticks", id="Decimal NaN"),
        pytest.param((10_000, 15, Decimal("sNaN")), "stop_ticks", id="Decimal signalling NaN"),
        pytest.param((INFINITY, 15, 8), "equity", id="infinite equity"),
        pytest.param((0, 15, NAN), "stop_ticks", id="NaN raises before empty equity answers 0"),
        pytest.param((10_000, 15, 0), "stop_ticks", id="zero stop"),
        pytest.param((10_000, 15, -4), "stop_ticks", id="negative stop"),
        pytest.param((-5, 15, 0), "stop_ticks", id="zero stop without equity"),
        pytest.param((10_000, 15, 8, 0), "tick_value", id="zero tick value"),
        pytest.param((10_000, 15, 8, 1.25, -0.25), "tick_size", id="negative tick size"),
    ],
)
def test_a_number_that_cannot_be_meant_raises_and_names_the_argument(arguments, names):
    with pytest.raises(ValueError, match=f"^{names}: found .* expected"):
        compute_position_size(*arguments)


def test_a_negative_cap_raises():
    with pytest.raises(ValueError, match="max_contracts"):
        compute_position_size(10_000, 15, 8, max_contracts=-1)


@pytest.mark.parametrize(
    ("arguments", "keywords"),
    [(("10000", 15, 8), {}), ((10_000, True, 8), {}), ((10_000, 15, 8), {"max_contracts": 1.0})],
)
def test_another_type_raises(arguments, keywords):
    with pytest.raises(TypeError, match="expected"):
        compute_position_size(*arguments, **keywords)


dollars = st.decimals(0, 1_000_000, places=2)
stops = st.one_of(st.integers(1, 40), st.decimals(Decimal("0.25"), 40, places=2))
tick_values = st.sampled_from([Decimal("1.25"), Decimal("12.5"), Decimal("0.125"), Decimal(25), Decimal("0.5")])
grids = st.sampled_from([Decimal("0.25"), Decimal("0.01"), Decimal(1), Decimal("0.1")])
caps = st.integers(0, 50)


@given(dollars, dollars, stops, tick_values, grids, caps)
def test_the_risk_never_exceeds_any_limit_and_one_more_contract_would(equity, max_risk, stop, value, grid, cap):
    contracts = compute_position_size(equity, max_risk, stop, value, grid, max_contracts=cap)
    risk = Fraction(stop) * Fraction(grid) * 4 * Fraction(value)
    limit = min(Fraction(max_risk), Fraction(equity) / 50)
    assert 0 <= contracts <= cap
    assert contracts * risk <= limit
    assert contracts == 0 or stop <= 12
    if stop <= 12 and contracts < cap:
        assert (contracts + 1) * risk > limit


@given(dollars, dollars, stops, caps, dollars, st.integers(0, 20), st.integers(0, 10))
def test_more_money_or_cap_never_means_less_size_and_a_wider_stop_never_more(
    equity, max_risk, stop, cap, more_money, wider, more_cap
):
    size = compute_position_size(equity, max_risk, stop, max_contracts=cap)
    assert compute_position_size(equity + more_money, max_risk, stop, max_contracts=cap) >= size
    assert compute_position_size(equity, max_risk + more_money, stop, max_contracts=cap) >= size
    assert compute_position_size(equity, max_risk, stop, max_contracts=cap + more_cap) >= size
    assert compute_position_size(equity, max_risk, stop + wider, max_contracts=cap) <= size


@given(st.integers(1, 1_000_000_00), st.integers(1, 100_00), st.integers(1, 12), caps)
def test_a_float_answers_as_the_decimal_it_is_written_as(equity_cents, risk_cents, stop, cap):
    equity, max_risk = Decimal(equity_cents) / 100, Decimal(risk_cents) / 100
    exact = compute_position_size(equity, max_risk, stop, max_contracts=cap)
    assert compute_position_size(float(equity), float(max_risk), float(stop), max_contracts=cap) == exact


@pytest.mark.parametrize(
    ("max_risk", "tier_ticks", "ticks"),
    [
        pytest.param(15, 12, 12, id="tier A and B: 15 / 1.25 = 12"),
        pytest.param(12, 9, 9, id="tier S: 12 / 1.25 = 9.6, the tier says 9"),
        pytest.param(12, 12, 9, id="the dollars bind: 9.6 floors to 9"),
        pytest.param(100, 20, 12, id="never above 12"),
        pytest.param(1, 12, 0, id="not even one tick"),
        pytest.param(-5, 12, 0, id="a used-up budget"),
    ],
)
def test_the_widest_stop_is_the_smallest_of_three_limits(max_risk, tier_ticks, ticks):
    assert stop_ticks_limit(max_risk, tier_ticks) == ticks


@given(st.decimals(0, 100, places=2), st.integers(1, 12))
def test_a_stop_at_the_limit_can_be_sized_and_one_tick_more_cannot(max_risk, tier_ticks):
    ticks = stop_ticks_limit(max_risk, tier_ticks)
    if ticks:
        assert compute_position_size(1_000_000, max_risk, ticks) == 1
    if ticks < tier_ticks:
        assert compute_position_size(1_000_000, max_risk, ticks + 1) == 0
