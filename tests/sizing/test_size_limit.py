"""The caps on the number of contracts, each with a row in which it binds, worked out by hand."""

from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_bot.engines.sizing import SizingInputs, size_limit

DOLLAR = 1_000_000

# Roomy everywhere: 20 by the tier, 10 by the order cap, 30 by open risk, 40 by margin (50 000 x .8 / 1 000),
# Kelly: p .6, W 10, L 10: f = .6 - .4 = .2; half of it .1; 5 000 dollars / 10 = 500.
ROOMY = SizingInputs(
    equity_uusd=50_000 * DOLLAR,
    risk_per_contract_uusd=10 * DOLLAR,
    tier_contracts_max=20,
    open_risk_budget_uusd=300 * DOLLAR,
    margin_used_uusd=0,
    margin_per_contract_uusd=1_000 * DOLLAR,
    kelly_trades=100,
    win_rate_shrunk_ppm=600_000,
    win_uusd=10 * DOLLAR,
    loss_uusd=10 * DOLLAR,
)


@pytest.mark.parametrize(
    ("changes", "contracts", "binding"),
    [
        pytest.param({}, 10, "order_cap", id="10 without a person's word"),
        pytest.param({"tier_contracts_max": 1}, 1, "tier_cap", id="tier"),
        pytest.param({"tier_contracts_max": 10}, 10, "tier_cap", id="of equal caps the first is named"),
        pytest.param({"open_risk_budget_uusd": 39 * DOLLAR}, 3, "open_risk_budget", id="39 / 10 floors to 3"),
        pytest.param({"open_risk_budget_uusd": -1}, 0, "open_risk_budget", id="a used-up budget"),
        pytest.param({"margin_used_uusd": 35_000 * DOLLAR}, 5, "margin_headroom", id="40 000 - 35 000 leaves 5"),
        pytest.param({"margin_used_uusd": 39_001 * DOLLAR}, 0, "margin_headroom", id="999 of 1 000 is none"),
        pytest.param({"margin_used_uusd": 45_000 * DOLLAR}, 0, "margin_headroom", id="already below 20 %"),
        pytest.param({"margin_used_uusd": None}, 0, "margin_headroom", id="unknown margin in use"),
        pytest.param({"margin_per_contract_uusd": None}, 0, "margin_headroom", id="unknown margin of a contract"),
        pytest.param({"kelly_trades": 99}, 1, "kelly_unproven", id="99 trades prove nothing"),
        pytest.param({"win_rate_shrunk_ppm": 501_000}, 5, "kelly_half", id="f = .002, half .001: 50 dollars / 10 = 5"),
        pytest.param({"win_rate_shrunk_ppm": 500_000}, 0, "kelly_half", id="no edge, no size"),
        pytest.param({"win_rate_shrunk_ppm": 300_000}, 0, "kelly_half", id="a negative edge"),
        pytest.param(
            {"win_rate_shrunk_ppm": 340_000, "win_uusd": 20 * DOLLAR, "equity_uusd": 10_000 * DOLLAR},
            5,
            "kelly_half",
            id="W 2L: f = .34 - .66 / 2 = .01, half .005: 50 dollars / 10 = 5",
        ),
        pytest.param(
            {"last_trade_lost_today": True, "last_contracts_today": 2}, 2, "no_growth_after_loss", id="after a loss"
        ),
        pytest.param({"last_trade_lost_today": False, "last_contracts_today": 2}, 10, "order_cap", id="after a win"),
        pytest.param({"last_trade_lost_today": True}, 10, "order_cap", id="no earlier size today"),
        pytest.param({"equity_uusd": 0}, 0, "margin_headroom", id="no equity"),
        pytest.param({"equity_uusd": -1}, 0, "margin_headroom", id="negative equity"),
    ],
)
def test_each_cap_binds_where_it_is_the_smallest(changes, contracts, binding):
    limit = size_limit(msgspec.structs.replace(ROOMY, **changes))
    assert (limit.max_contracts, limit.binding) == (contracts, binding)


def test_the_journal_gets_every_cap_by_name():
    assert size_limit(ROOMY).limits == (
        ("tier_cap", 20),
        ("order_cap", 10),
        ("open_risk_budget", 30),
        ("margin_headroom", 40),
        ("kelly_half", 500),
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"risk_per_contract_uusd": 0},
        {"win_uusd": 0},
        {"loss_uusd": -1},
        {"margin_per_contract_uusd": 0},
        {"margin_used_uusd": -1},
        {"kelly_trades": -1},
        {"tier_contracts_max": -1},
        {"last_contracts_today": -1},
        {"win_rate_shrunk_ppm": 1_000_001},
        {"margin_headroom_min_bps": 10_001},
    ],
)
def test_an_impossible_input_is_refused_by_name(changes):
    with pytest.raises(ValueError, match=f"^{next(iter(changes))}: found"):
        SizingInputs(**{**msgspec.structs.asdict(ROOMY), **changes})


money = st.integers(-1_000 * DOLLAR, 100_000 * DOLLAR)
positive = st.integers(1, 10_000 * DOLLAR)


@given(
    st.builds(
        SizingInputs,
        equity_uusd=money,
        risk_per_contract_uusd=positive,
        tier_contracts_max=st.integers(0, 30),
        open_risk_budget_uusd=money,
        margin_used_uusd=st.none() | st.integers(0, 50_000 * DOLLAR),
        margin_per_contract_uusd=st.none() | positive,
        kelly_trades=st.integers(0, 300),
        win_rate_shrunk_ppm=st.integers(0, 1_000_000),
        win_uusd=positive,
        loss_uusd=positive,
        last_contracts_today=st.none() | st.integers(0, 20),
        last_trade_lost_today=st.booleans(),
    )
)
def test_no_cap_is_ever_exceeded(inputs):
    limit = size_limit(inputs)
    size = limit.max_contracts
    assert dict(limit.limits)[limit.binding] == size == min(value for _, value in limit.limits)
    assert 0 <= size <= min(inputs.tier_contracts_max, 10)
    if size == 0:
        return
    assert size * inputs.risk_per_contract_uusd <= inputs.open_risk_budget_uusd
    used = inputs.margin_used_uusd + size * inputs.margin_per_contract_uusd
    assert inputs.equity_uusd - used >= Fraction(inputs.equity_uusd, 5)
    if inputs.kelly_trades >= 100:
        p = Fraction(inputs.win_rate_shrunk_ppm, 1_000_000)
        kelly = p - (1 - p) * Fraction(inputs.loss_uusd, inputs.win_uusd)
        assert size * inputs.loss_uusd <= kelly / 2 * inputs.equity_uusd
    else:
        assert size == 1
    if inputs.last_trade_lost_today and inputs.last_contracts_today is not None:
        assert size <= inputs.last_contracts_today
