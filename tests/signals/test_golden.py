"""One golden vector per signal: constants from `golden_bars.py` and `golden_flow.py`, in the words of statistics.

The kernel and that derivation must both give them, each within 1e-11: neither can drift with the other.
"""

import pytest

from tests.property.driver import call_until_done, new_kernel
from tests.property.tapes import Call
from tests.signals import golden_bars, golden_flow
from tests.signals.market import kernel_config
from trading_bot.domain.signal_registry import SIGNALS

BARS = {
    "a quiet bar at lunch": {
        "vwap_z": 0.588599338899816,
        "vwap_slope": 0.03137025387547736,
        "atr_14_n": 0.35034013605442177,
        "range_compression": 0.7592592592592592,
        "hhll_trend_strength": 0.03333333333333333,
        "breakout_distance_n": 0.0,
        "rejection_wick_n": 0.0,
        "close_location_value": 0.0,
        "gap_from_prev_close_n": -0.05781049150643854,
        "distance_from_poc_proxy": 0.46021763831539403,
        "micro_trend_5": -0.18235894185435178,
        "real_body_impulse_n": 0.0,
        "vol_z": -1.0,
        "vol_slope_20": -0.30091595601114135,
        "effort_vs_result": 0.004618888373571374,
        "range_expansion_on_volume": 0.0,
        "climax_bar_flag": 0.0,
        "quiet_bar_flag": 1.0,
        "consecutive_high_vol_bars": 0.0,
        "participation_expansion_index": 0.01489585518140979,
        "session_phase": 3.0,
        "opening_range_break": 0.0,
        "lunch_void_gate": 1.0,
        "close_magnet_index": 0.0,
        "spread_tickiness": 0.33333333333333337,
        "slippage_risk": 0.25,
        "friction_regime_index": 0.33980582524271846,
        "noise": 0.7837837837837838,
        "failed_break": 0.0,
        "sweep_reversal": 0.0,
    },
    "a poke above the range, heavily traded, in the last hour": {
        "vwap_z": 0.8982880430566363,
        "vwap_slope": 0.055046153008170104,
        "atr_14_n": 0.35845896147403683,
        "range_compression": 0.6183673469387754,
        "hhll_trend_strength": 0.06666666666666667,
        "breakout_distance_n": 0.0,
        "rejection_wick_n": -0.8421052631578947,
        "close_location_value": -0.8947368421052632,
        "gap_from_prev_close_n": -0.05781049150643854,
        "distance_from_poc_proxy": 1.0,
        "micro_trend_5": -0.058513928383172056,
        "real_body_impulse_n": -0.06542056074766354,
        "vol_z": 1.0,
        "vol_slope_20": 1.0,
        "effort_vs_result": 0.9888704015962719,
        "range_expansion_on_volume": 1.0,
        "climax_bar_flag": 1.0,
        "quiet_bar_flag": 0.0,
        "consecutive_high_vol_bars": 0.2,
        "participation_expansion_index": 0.9789643807466177,
        "session_phase": 5.0,
        "opening_range_break": 1.0,
        "lunch_void_gate": 0.0,
        "close_magnet_index": 0.6459256891066847,
        "spread_tickiness": 0.6666666666666667,
        "slippage_risk": 0.5416666666666666,
        "friction_regime_index": 0.5560747663551402,
        "noise": 0.676923076923077,
        "failed_break": -0.625,
        "sweep_reversal": -0.625,
    },
    "a break of the range": {
        "vwap_z": 0.7612398117540743,
        "vwap_slope": -0.030506607220121718,
        "atr_14_n": 0.3841269841269841,
        "range_compression": 0.1578947368421053,
        "hhll_trend_strength": 0.06666666666666667,
        "breakout_distance_n": 0.17355371900826447,
        "rejection_wick_n": 0.0,
        "close_location_value": 0.9230769230769231,
        "gap_from_prev_close_n": -0.05781049150643854,
        "distance_from_poc_proxy": 0.6529192766701891,
        "micro_trend_5": 1.0,
        "real_body_impulse_n": 1.0,
        "vol_z": 0.8152353911482835,
        "vol_slope_20": 0.1394603102450754,
        "effort_vs_result": -0.986025797851092,
        "range_expansion_on_volume": 0.8152353911482835,
        "climax_bar_flag": 1.0,
        "quiet_bar_flag": 0.0,
        "consecutive_high_vol_bars": 0.2,
        "participation_expansion_index": 0.9928578140627834,
        "session_phase": 2.0,
        "opening_range_break": 0.578512396694215,
        "lunch_void_gate": 0.0,
        "close_magnet_index": 0.0,
        "spread_tickiness": 0.0,
        "slippage_risk": 0.08333333333333333,
        "friction_regime_index": 0.17355371900826447,
        "noise": 0.7096774193548387,
        "failed_break": 0.0,
        "sweep_reversal": 0.0,
    },
}
LIVE = {
    "dvs": 0.8,
    "spread_ticks": 2.0,
    "microprice_dev": 0.25,
    "queue_imbalance": 0.25,
    "sweep_ticks": 18.0,
    "absorption": 9.0,
    "stream_age_ms": 200.0,
    "ofi_1s": 0.5452765497503816,
    "trade_imb_1s": 0.8345958167036013,
    "mom_1s": 2.5,
    "ofi_5s": 0.8597223659452526,
    "trade_imb_5s": 0.8295234520170242,
    "mom_5s": -3.0,
    "ofi_30s": 0.26548540378384855,
    "trade_imb_30s": 0.3660012054770434,
    "mom_30s": -3.0,
    "rv_30s": 1.0885164459837782,
    "rv_300s": 0.4178876088918794,
    "intensity_sum": 1.1058357057981465,
    "intensity_imb": 0.6548287201975173,
    "kyle_lambda": -0.021706804581791948,
    "vpin": 0.6839999999999999,
}
FED_VALUE = 0.25  # comes out as it was given
BAR_CASES = [(case, name) for case, values in BARS.items() for name in values]
FED = [spec.name for spec in SIGNALS if spec.cadence == "fed"]


def close_to(expected: float) -> object:
    return pytest.approx(expected, rel=1e-11, abs=1e-11)


def values_after(calls: list[Call]) -> dict[str, float | None]:
    kernel = new_kernel(kernel_config(vpin_bucket_qty=golden_flow.BUCKET))
    for spec in SIGNALS:
        if spec.cadence == "fed":
            kernel.set_fed(spec.id, FED_VALUE)
    for call in calls:
        for _ in call_until_done(kernel, call):
            pass
    return kernel.signals()


@pytest.fixture(scope="module")
def at_bars() -> dict[str, dict[str, float | None]]:
    return {name: values_after(golden_bars.calls_of(case)) for name, case in golden_bars.CASES.items()}


@pytest.fixture(scope="module")
def derived() -> dict[str, dict[str, float]]:
    return {name: golden_bars.expected(case) for name, case in golden_bars.CASES.items()}


@pytest.fixture(scope="module")
def live() -> dict[str, float | None]:
    return values_after(golden_flow.calls())


def test_every_signal_has_a_golden_vector() -> None:
    for values in BARS.values():
        assert set(values) == {spec.name for spec in SIGNALS if spec.cadence == "bar"}
    assert {*LIVE, *FED} == {spec.name for spec in SIGNALS if spec.cadence != "bar"}


def test_no_golden_vector_is_zero_throughout() -> None:
    assert all(any(values[name] for values in BARS.values()) for _, name in BAR_CASES)
    assert all(LIVE.values())


@pytest.mark.parametrize(("case", "name"), BAR_CASES)
def test_a_bar_signal(
    case: str, name: str, at_bars: dict[str, dict[str, float | None]], derived: dict[str, dict[str, float]]
) -> None:
    assert derived[case][name] == close_to(BARS[case][name])
    assert at_bars[case][name] == close_to(BARS[case][name])


@pytest.mark.parametrize("name", LIVE)
def test_a_live_signal(name: str, live: dict[str, float | None]) -> None:
    assert golden_flow.expected()[name] == close_to(LIVE[name])
    assert live[name] == close_to(LIVE[name])


@pytest.mark.parametrize("name", FED)
def test_a_fed_signal(name: str, live: dict[str, float | None]) -> None:
    assert live[name] == FED_VALUE
