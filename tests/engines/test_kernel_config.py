"""From configuration, templates and calendar to the plain numbers of the kernel."""

import struct
from decimal import Decimal, localcontext

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.engines.cases import template
from trading_bot.domain.calibration import CalibrationMap
from trading_bot.domain.config import BotConfig
from trading_bot.domain.errors import ConfigError
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.kernel import Cadence, MapKnot, TargetRule, TemplateRow, TriggerRow, WeightRow
from trading_bot.engines.kernel_config import (
    commission_ticks,
    compile_kernel_config,
    compile_sessions,
    compile_template,
    prior_sigma_p,
    z_from_probability,
)
from trading_bot.engines.session import SessionDay

DAY = SessionDay(
    trade_date=20261125,
    globex_open_ns=1_795_561_200_000_000_000,
    globex_close_ns=1_795_644_000_000_000_000,
    rth_open_ns=1_795_617_000_000_000_000,
    rth_close_ns=1_795_640_400_000_000_000,
    breaks=((1_795_641_300_000_000_000, 1_795_642_200_000_000_000),),
)


def sigma(x: float) -> Decimal:
    """Half of 1 + x / sqrt(1 + x^2), to 60 digits."""
    with localcontext() as context:
        context.prec = 60
        exact = Decimal(x)
        return (1 + exact / (1 + exact * exact).sqrt()) / 2


@given(st.floats(1e-12, 1 - 1e-12))
@example(0.5)
@example(0.6)
@example(0.76)
@example(1e-300)
@example(5e-324)
@example(1 - 2**-53)
def test_a_probability_becomes_the_z_that_gives_it_back(probability):
    assert abs(sigma(z_from_probability(probability)) - Decimal(probability)) < Decimal("1e-12")


@pytest.mark.parametrize(
    ("probability", "z"),
    [
        pytest.param(0.5, 0.0, id="one half is 0"),
        pytest.param(0.9, 4 / 3, id="(2p - 1) = .8 = x / sqrt(1 + x^2): x = .8 / .6"),
        pytest.param(0.8, 0.75, id=".6 / .8"),
        pytest.param(0.2, -0.75, id="odd around one half"),
    ],
)
def test_z_by_hand(probability, z):
    assert z_from_probability(probability) == pytest.approx(z, rel=1e-14)


@pytest.mark.parametrize(
    ("symbol", "ticks"),
    [("MES", 2.0), ("ES", 0.2), ("MNQ", 5.0), ("M2K", 5.0), ("SPY", 2.5)],
)
def test_the_commission_in_ticks(symbol, ticks):
    """2.50 a round trip over the value of a tick."""
    assert commission_ticks(INSTRUMENTS[symbol]) == pytest.approx(ticks)


def test_forty_pseudo_trades_know_the_rate_to_eight_points():
    assert prior_sigma_p(40) == pytest.approx(0.0790569415)  # sqrt(.25 / 40); the specification says about .08


def test_a_template_is_compiled_field_by_field():
    written = template(
        on=False,
        cadence="grid",
        entry="marketable",
        target_ticks=16,
        stop_ticks=7,
        hold_s=1200,
        target_rule="vwap",
        smoothing_s=5,
        gain=1.5,
        offset=-0.25,
        belief_enter=0.9,
        belief_hold=0.8,
        applicability=0.75,
        rearm_s=0.3,
        rv_reference=0.8,
        weights={"vwap_z": -1.0, "ofi_30s": 0.4},
        triggers=[
            {"signal": "vwap_z", "max": -0.5},
            {"signal": "vwap_z", "of": "delta", "min": 0.0},
            {"signal": "spread_ticks", "min": 1.0, "max": 2.0},
        ],
    )
    knots = (MapKnot(0.5, 0.4, 0.5, 0.0), MapKnot(0.7, 0.6, 0.3, 1.5))
    fitted = CalibrationMap(
        template="K1",
        instrument="MES",
        version=1,
        fitted_at="2026-11-20T22:00:00Z",
        trades=400,
        target_ticks=16,
        stop_ticks=7,
        hold_s=1200,
        high=knots,
    )
    row = compile_template("K1", written, pseudo_trades=100, fitted=fitted)
    assert row == TemplateRow(
        name="K1",
        enabled=False,
        cadence=Cadence.GRID,
        passive=False,
        target_ticks=16,
        stop_ticks=7,
        target_rule=TargetRule.VWAP,
        hold_ns=1_200_000_000_000,
        smoothing_ns=5_000_000_000,
        a=1.5,
        b=-0.25,
        z_enter=row.z_enter,
        z_hold=row.z_hold,
        applicability=0.75,
        sigma_p=0.05,
        rearm_ns=300_000_000,
        # vwap_z is number 1 of the specification's table; flow signals follow their own numbering in the registry.
        weights=(WeightRow(0, -1.0), WeightRow(37, 0.4)),
        triggers=(
            TriggerRow(signal=0, delta=False, low=None, high=-0.5),
            TriggerRow(signal=0, delta=True, low=0.0, high=None),
            TriggerRow(signal=32, delta=False, low=1.0, high=2.0),
        ),
        rv_reference=0.8,
        maps=((), (), knots),
    )
    assert row.z_enter == pytest.approx(4 / 3)
    assert row.z_hold == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("written", "field", "value"),
    [
        ({"cadence": "tick"}, "cadence", 0),
        ({"cadence": "bar"}, "cadence", 2),
        ({"entry": "passive"}, "passive", True),
        ({"target_rule": "fixed"}, "target_rule", 0),
        ({"on": True}, "enabled", True),
        ({"smoothing_s": 30}, "smoothing_ns", 30_000_000_000),
    ],
)
def test_the_other_choices_of_a_template(written, field, value):
    assert getattr(compile_template("T", template(**written), pseudo_trades=40), field) == value


def test_an_unknown_signal_is_refused_by_name():
    with pytest.raises(ConfigError, match="K9: unknown signal vwap_zz"):
        compile_template("K9", template(weights={"vwap_zz": 1.0}), pseudo_trades=40)
    with pytest.raises(ConfigError, match="K9: unknown signal ofi"):
        compile_template("K9", template(triggers=[{"signal": "ofi", "min": 0.1}]), pseudo_trades=40)


def test_sessions_are_seven_numbers_a_day():
    plain = msgspec.structs.replace(DAY, breaks=())
    shut = msgspec.structs.replace(DAY, rth_open_ns=None, rth_close_ns=None, breaks=())
    rows = list(struct.iter_unpack("<7q", compile_sessions((DAY, plain, shut))))
    head = (20261125, 1_795_561_200_000_000_000, 1_795_644_000_000_000_000)
    rth = (1_795_617_000_000_000_000, 1_795_640_400_000_000_000)
    assert rows == [
        (*head, *rth, 1_795_641_300_000_000_000, 1_795_642_200_000_000_000),
        (*head, *rth, 0, 0),
        (*head, 0, 0, 0, 0),
    ]


def test_a_day_with_two_breaks_is_refused():
    twice = msgspec.structs.replace(DAY, breaks=(*DAY.breaks, (1_795_642_800_000_000_000, 1_795_643_000_000_000_000)))
    with pytest.raises(ConfigError, match="20261125 has 2 breaks"):
        compile_sessions((twice,))


def test_every_number_of_the_kernel_comes_from_its_key():
    config = msgspec.convert(
        {
            "session": {"kind": "globex"},
            "quality": {
                "dvs_entry_c": 81,
                "dvs_hold_c": 61,
                "dvs_kill_c": 31,
                "age_warn_ms": 2_100,
                "age_stale_ms": 5_200,
                "age_dead_ms": 10_300,
                "age_outside_rth_factor": 3,
            },
            "costs": {
                "slippage_base_ticks": 0.6,
                "slippage_cap_ticks": 5.0,
                "first_hour_factor": 1.6,
                "last_hour_factor": 1.4,
                "cost_share_max": 0.36,
            },
            "decision": {"pseudo_trades": 25, "stability_max": 0.31},
            "signals": {"vpin_bucket_qty": 99},
        },
        BotConfig,
    )
    kernel = compile_kernel_config(
        config, {"A": template(), "B": template()}, INSTRUMENTS["ES"], (DAY,), resolution_ns=7
    )
    expected = {
        "instrument_id": 2,
        "resolution_ns": 7,
        "anchor_rth": False,
        "sessions": compile_sessions((DAY,)),
        "vpin_bucket_qty": 99,
        "commission_ticks": 0.2,
        "min_euc_ticks": 0.25,  # of tier B, until an account says which tier it is
        "slippage_base_ticks": 0.6,
        "slippage_cap_ticks": 5.0,
        "first_hour_factor": 1.6,
        "last_hour_factor": 1.4,
        "dvs_entry_c": 81,
        "dvs_hold_c": 61,
        "dvs_kill_c": 31,
        "age_warn_ns": 2_100_000_000,
        "age_stale_ns": 5_200_000_000,
        "age_dead_ns": 10_300_000_000,
        "age_outside_rth_factor": 3,
        "stability_max_e6": 310_000,
        "cost_share_max_e6": 360_000,
    }
    assert {name: getattr(kernel, name) for name in expected} == expected
    assert {*expected, "templates"} == {field.name for field in msgspec.structs.fields(kernel)}
    assert [row.name for row in kernel.templates] == ["A", "B"], "their order breaks ties"
    assert [row.sigma_p for row in kernel.templates] == [0.1, 0.1], "sqrt(.25 / 25)"


def test_an_rth_session_anchors_vwap_at_its_open():
    kernel = compile_kernel_config(BotConfig(), {}, INSTRUMENTS["MES"], (), resolution_ns=1)
    assert kernel.anchor_rth is True
    assert kernel.sessions == b""


def test_too_many_templates_are_refused():
    templates = {f"T{number}": template() for number in range(33)}
    with pytest.raises(ConfigError, match="33 templates found, at most 32"):
        compile_kernel_config(BotConfig(), templates, INSTRUMENTS["MES"], (), resolution_ns=1)
    del templates["T32"]
    kernel = compile_kernel_config(BotConfig(), templates, INSTRUMENTS["MES"], (), resolution_ns=1)
    assert len(kernel.templates) == 32
