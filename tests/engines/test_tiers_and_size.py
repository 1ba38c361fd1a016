"""DE07, RK01, RK02, RK03: capital tiers (specification 6.5) and size (6.6), as a decision gives them."""

from decimal import Decimal

import msgspec
import pytest

from tests.engines import cases
from trading_bot.domain.config import BotConfig
from trading_bot.domain.errors import UsageError
from trading_bot.domain.instruments import instrument_by_symbol
from trading_bot.domain.units import UUSD_PER_USD


def decided(equity_usd, *, symbol="MES", config=None, **changes):
    """The decision at an equity, in dollars as text so that cents are exact."""
    equity_uusd = int(Decimal(equity_usd) * UUSD_PER_USD)
    engine = cases.engine(symbol, config)
    return engine.decide(cases.candidate(**changes), cases.inputs(equity_uusd=equity_uusd))


@pytest.mark.parametrize(
    ("equity_usd", "tier"),
    [
        ("-1", "S"),
        ("0", "S"),
        ("2499.99", "S"),
        ("2499.999999", "S"),
        ("2500", "A"),
        ("7499.99", "A"),
        ("7500", "B"),
        ("1000000", "B"),
    ],
)
def test_equity_gives_the_tier(equity_usd, tier):
    assert cases.engine().tier_name(int(Decimal(equity_usd) * UUSD_PER_USD)) == tier


def test_tiers_keep_the_users_name_and_the_specified_limits():
    tiers = cases.engine().tier_constraints
    assert {name: tiers[name].max_risk_usd for name in tiers} == {"S": 12.0, "A": 15.0, "B": 15.0}
    assert {name: tiers[name].stop_ticks_max for name in tiers} == {"S": 9, "A": 12, "B": 12}
    assert {name: tiers[name].min_euc_ticks for name in tiers} == {"S": 0.50, "A": 0.35, "B": 0.25}
    assert {name: tiers[name].templates for name in tiers} == {
        "S": ("K1",),
        "A": ("K1", "K2", "K3", "S1"),
        "B": ("*",),
    }


def test_tiers_written_in_another_order_are_the_same_tiers():
    shipped = msgspec.to_builtins(BotConfig())["decision"]["tiers"]
    backwards = {name: shipped[name] for name in ("B", "A", "S")}
    engine = cases.engine(config={"decision": {"tiers": backwards}})
    assert list(engine.tier_constraints) == ["S", "A", "B"]
    assert engine.tier_name(2_499_990_000) == "S"
    assert engine.tier_name(2_500_000_000) == "A"


@pytest.mark.parametrize(
    ("equity_usd", "template", "reason"),
    [
        pytest.param("2499.99", 0, "ENTER", id="S trades K1"),
        pytest.param("2499.99", 2, "TIER", id="S does not trade S1"),
        pytest.param("2500", 2, "ENTER", id="A trades S1"),
        pytest.param("2500", 1, "TIER", id="A does not trade K4"),
        pytest.param("7499.99", 1, "TIER", id="A does not trade K4 up to its last cent"),
        pytest.param("7500", 1, "ENTER", id="B trades everything"),
    ],
)
def test_a_tier_trades_its_templates(equity_usd, template, reason):
    assert decided(equity_usd, template=template).reason == reason


@pytest.mark.parametrize(
    ("equity_usd", "stop_ticks", "reason"),
    [
        pytest.param("2499.99", 9, "ENTER", id="S: 9 ticks are 11.25, within 12"),
        pytest.param("2499.99", 10, "STOP_TOO_WIDE", id="S: 10 ticks are too wide"),
        pytest.param("2500", 10, "ENTER", id="A: 10 ticks"),
        pytest.param("2500", 12, "ENTER", id="A: 12 ticks are 15.00 exactly"),
        pytest.param("2500", 13, "STOP_TOO_WIDE", id="A: 13 ticks"),
        pytest.param("7500", 12, "ENTER", id="B: 12 ticks"),
        pytest.param("7500", 13, "STOP_TOO_WIDE", id="B: 13 ticks"),
        pytest.param("750", 9, "ENTER", id="2 % of 750 are 15.00"),
        pytest.param("562.50", 9, "ENTER", id="2 % of 562.50 are 11.25 exactly"),
        pytest.param("562.49", 9, "SIZE_ZERO", id="2 % of 562.49 are 11.2498"),
        pytest.param("0", 1, "FEES_DAY", id="no equity: not even the fees"),
    ],
)
def test_stop_and_risk_both_bind(equity_usd, stop_ticks, reason):
    decision = decided(equity_usd, stop_ticks=stop_ticks)
    assert decision.reason == reason
    assert decision.qty == (1 if reason == "ENTER" else 0)


@pytest.mark.parametrize(
    ("equity", "max_risk_usd", "stop_ticks", "contracts"),
    [
        pytest.param(10_000, 15, 12, 1, id="12 ticks at 1.25 are 15.00: 1"),
        pytest.param(10_000, Decimal("14.99"), 12, 0, id="15.00 at a limit of 14.99: 0"),
        pytest.param(10_000, 100, 13, 0, id="13 ticks, whatever may be risked: 0"),
        pytest.param(750, 15, 12, 1, id="2 % of 750 are 15.00: 1"),
        pytest.param(749.99, 15, 12, 0, id="2 % of 749.99 are 14.9998: 0"),
        pytest.param(Decimal(600), 12, Decimal("9.5"), 1, id="9.5 ticks are 11.875, within 12 and within 2 %"),
        pytest.param(0, 15, 1, 0, id="no equity: 0"),
        pytest.param(-500, 15, 1, 0, id="negative equity: 0"),
    ],
)
def test_the_users_signature(equity, max_risk_usd, stop_ticks, contracts):
    assert cases.engine().compute_position_size(equity, max_risk_usd, stop_ticks) == contracts
    assert cases.engine().compute_position_size(equity, max_risk_usd, stop_ticks, 1.25, 0.25) == contracts
    assert (
        cases.engine().compute_position_size(
            equity=equity, max_risk_usd=max_risk_usd, stop_ticks=stop_ticks, tick_value=1.25, tick_size=0.25
        )
        == contracts
    )


@pytest.mark.parametrize(("tick_value", "contracts"), [(1.25, 1), (Decimal("1.250834"), 0)], ids=["15.00", "15.01"])
def test_a_cent_over_the_risk_limit_is_nothing(tick_value, contracts):
    """12 ticks: 1.25 each are 15.00; 1.250834 each are 15.010008."""
    assert cases.engine().compute_position_size(10_000, 15, 12, tick_value) == contracts


@pytest.mark.parametrize("bad", [0, -1, float("nan"), float("inf"), Decimal("NaN")])
def test_a_stop_that_is_none_raises(bad):
    with pytest.raises(ValueError, match="stop_ticks"):
        cases.engine().compute_position_size(10_000, 15, bad)


def test_the_configuration_bounds_the_size():
    """Percent of equity and the widest stop are the configuration's, not constants."""
    engine = cases.engine(
        config={
            "sizing": {"equity_risk_pct_max": 0.1, "stop_ticks_max": 8},
            "decision": {
                "tiers": {
                    name: {
                        "equity_usd_min": floor,
                        "templates": ["*"],
                        "stop_ticks_max": 8,
                        "max_risk_usd": 12,
                        "min_euc_ticks": 0.5,
                    }
                    for name, floor in (("S", 0), ("A", 2_500), ("B", 7_500))
                }
            },
        }
    )
    assert engine.compute_position_size(10_000, 15, 8) == 1, "0.1 % of 10 000 are 10.00"
    assert engine.compute_position_size(9_999, 15, 8) == 0
    assert engine.compute_position_size(100_000, 100, 9) == 0, "9 ticks are wider than 8"


def test_more_contracts_need_a_larger_position_limit_and_fit_the_risk():
    """Four ticks are 5.00: the 15.00 of tier B carry three, a position limit of two allows two."""
    for position_qty_max, contracts in ((1, 1), (2, 2), (3, 3), (10, 3)):
        config = {"safety": {"position_qty_max": position_qty_max}}
        assert decided("10000", config=config, stop_ticks=4).qty == contracts


@pytest.mark.parametrize(
    ("symbol", "stop_ticks", "reason"),
    [
        pytest.param("MES", 12, "ENTER", id="MES: 12 x 1.25 = 15.00"),
        pytest.param("ES", 1, "ENTER", id="ES: 12.50"),
        pytest.param("ES", 2, "SIZE_ZERO", id="ES: 25.00"),
        pytest.param("MNQ", 12, "ENTER", id="MNQ: 12 x 0.50 = 6.00"),
        pytest.param("NQ", 3, "ENTER", id="NQ: 3 x 5.00 = 15.00"),
        pytest.param("NQ", 4, "SIZE_ZERO", id="NQ: 20.00"),
        pytest.param("M2K", 12, "ENTER", id="M2K: 12 x 0.50 = 6.00"),
        pytest.param("MYM", 12, "ENTER", id="MYM: 12 x 0.50 = 6.00"),
        pytest.param("SPY", 12, "ENTER", id="SPY: a cent on 100 shares is 1.00; 12 x 1.00 = 12.00"),
    ],
)
def test_the_risk_of_a_stop_is_the_instruments_own(symbol, stop_ticks, reason):
    assert decided("10000", symbol=symbol, stop_ticks=stop_ticks).reason == reason


@pytest.mark.parametrize(
    ("equity_usd", "reason"),
    [
        pytest.param("2499.99", "SIZE_ZERO", id="S risks 12.00"),
        pytest.param("2500", "ENTER", id="A risks 15.00"),
        pytest.param("7500", "ENTER", id="B risks 15.00"),
    ],
)
def test_the_tier_bounds_the_risk_where_its_stop_does_not(equity_usd, reason):
    """Three ticks of NQ are 15.00, and narrow: on MES the 9 ticks of tier S (11.25) always bind before its 12.00."""
    assert decided(equity_usd, symbol="NQ", stop_ticks=3).reason == reason


def test_spy_is_worth_25_dollars_per_quarter_point():
    """Multiplier 100 x 0.25: the `tick_value` of the user's signature. 12 cents risk 12.00, 13 more than 12 ticks."""
    spy = instrument_by_symbol("SPY")
    assert spy.multiplier * 0.25 == 25.0
    engine = cases.engine("SPY")
    assert engine.compute_position_size(10_000, 12, 12, 25, 0.01) == 1
    assert engine.compute_position_size(10_000, Decimal("11.99"), 12, 25, 0.01) == 0
    # The same through a decision: tier S allows 12.00, so nine ticks (9.00) at any equity whose 2 % carry them.
    assert decided("450", symbol="SPY", stop_ticks=9).reason == "ENTER"
    assert decided("449.99", symbol="SPY", stop_ticks=9).reason == "SIZE_ZERO"


def test_an_unknown_instrument_is_no_instrument():
    with pytest.raises(UsageError, match="MES"):
        instrument_by_symbol("MESS")
