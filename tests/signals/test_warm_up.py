"""Each signal is None until exactly its row's warm-up, and has a value then; the numbers are that column's, by hand."""

import pytest

from tests.property.driver import call_until_done, new_kernel
from tests.signals.market import DAY, DAY0, MINUTE, S, kernel_config
from trading_bot._fast.hotpath import HotPath
from trading_bot.domain.signal_registry import SIGNALS

MS = 1_000_000
# Number of the closed bar, from 1, with which a value comes: bars from the Globex open (their anchor) without a pause,
# 120 on the first day of a table, then some of the second. Rows that need vol_z wait for its 61.
BARS = {
    "vwap_z": 60, "vwap_slope": 30, "range_compression": 30, "hhll_trend_strength": 31, "breakout_distance_n": 61,
    "atr_14_n": 44,  # the first S14 is that of bar 14, and 30 of earlier bars make a median
    "rejection_wick_n": 1, "close_location_value": 1, "micro_trend_5": 14, "real_body_impulse_n": 14, "vol_z": 61,
    "gap_from_prev_close_n": 121, "distance_from_poc_proxy": 121,  # with the first bar of the second day
    "vol_slope_20": 20, "effort_vs_result": 101, "range_expansion_on_volume": 61, "climax_bar_flag": 61,
    "quiet_bar_flag": 61, "consecutive_high_vol_bars": 61, "participation_expansion_index": 101, "session_phase": 1,
    "opening_range_break": 16,  # the first bar that opens 15 min after the open
    "lunch_void_gate": 61, "close_magnet_index": 1, "slippage_risk": 1, "friction_regime_index": 14, "noise": 21,
    "failed_break": 64, "sweep_reversal": 23,
}  # fmt: skip
# Time after the first quote (which is also the first trade, 250 ms after a whole minute).
LIVE_S = {
    "dvs": 0, "spread_ticks": 0, "microprice_dev": 0, "queue_imbalance": 0, "absorption": 0, "stream_age_ms": 0,
    "sweep_ticks": 0, "ofi_1s": 5, "ofi_5s": 25, "ofi_30s": 150, "trade_imb_1s": 5, "trade_imb_5s": 25,
    "trade_imb_30s": 150, "intensity_sum": 25, "intensity_imb": 25,
    # The first mid in the grid ring is that of 300 ms; mom_W looks for it 200 ms later, W ago.
    "mom_1s": 1.25, "mom_5s": 5.25, "mom_30s": 30.25,
    # The cached ones appear at the next grid point or whole second, seen at the record behind it.
    "rv_30s": 150.25, "rv_300s": 1500.25, "kyle_lambda": 300.75,
    "spread_tickiness": 59.75,  # with the close of the first minute
}  # fmt: skip
VPIN_BUCKETS = 50  # vpin: at the first whole second with 50 buckets
FED = {spec.name for spec in SIGNALS if spec.cadence == "fed"}


def test_every_signal_has_its_warm_up_here() -> None:
    assert {*BARS, *LIVE_S, "vpin", *FED} == {spec.name for spec in SIGNALS}


@pytest.fixture(scope="module")
def first_bars() -> dict[str, int]:
    kernel, found = new_kernel(kernel_config(anchor_rth=False)), {}
    for number in range(1, 140):
        minute = number - 1 if number <= 120 else number - 121
        ts = DAY0 + minute * MINUTE + (DAY if number > 120 else 0)
        up = number * number % 7
        bar = (ts, 100, 110 + up, 95 - number % 3, 101 + up, 10 + number % 11, 1000)
        assert kernel.on_bar(*bar) == 0
        for name, value in kernel.signals().items():
            if value is not None:
                found.setdefault(name, number)
    return found


@pytest.mark.parametrize("name", BARS)
def test_a_bar_signal_comes_with_its_bar(name: str, first_bars: dict[str, int]) -> None:
    assert first_bars[name] == BARS[name]


def test_no_other_signal_comes_from_history(first_bars: dict[str, int]) -> None:
    assert set(first_bars) == {*BARS, "dvs"}


@pytest.fixture(scope="module")
def first_seconds() -> tuple[dict[str, float], int]:
    """Quote and trade every 250 ms for 26 minutes; the seconds of first values, and vpin's buckets then."""
    kernel = new_kernel(kernel_config(vpin_bucket_qty=10))
    first, found, flip, volume = DAY0 + 250 * MS, {}, 0, 0
    buckets_at_vpin = 0
    for step in range(26 * 240):
        ts = first + step * 250 * MS
        flip = (flip * 1_103_515_245 + 12_345) % 2**31
        price, qty = 20_000 + (flip >> 16) % 7, 1 + (flip >> 20) % 3
        before = volume
        for call in (
            ("on_quote", (ts, price, 1 + step % 9, price + 1, 4, 0, 0)),
            ("on_trade", (ts, price + step % 2, qty, 1 + (step + 1) % 2, 0, 0)),
        ):
            for _ in call_until_done(kernel, call):
                pass
        volume += qty
        for name, value in kernel.signals().items():
            if value is not None and name not in found:
                found[name] = (ts - first) / S
                if name == "vpin":
                    buckets_at_vpin = before // 10
    return found, buckets_at_vpin


@pytest.mark.parametrize("name", LIVE_S)
def test_a_live_signal_comes_with_its_time(name: str, first_seconds: tuple[dict[str, float], int]) -> None:
    assert first_seconds[0][name] == LIVE_S[name]


def test_vpin_comes_with_its_fiftieth_bucket(first_seconds: tuple[dict[str, float], int]) -> None:
    found, buckets = first_seconds
    assert VPIN_BUCKETS <= buckets <= VPIN_BUCKETS + 1
    assert (found["vpin"] + 0.25) % 1 in (0.0, 0.25)


@pytest.mark.parametrize("name", sorted(FED))
def test_a_fed_signal_comes_when_it_is_given_and_goes_when_it_is_taken(name: str) -> None:
    kernel = HotPath(kernel_config())
    signal_id = next(spec.id for spec in SIGNALS if spec.name == name)
    kernel.on_quote(DAY0, 100, 1, 101, 1)
    assert kernel.signal(signal_id) is None
    kernel.set_fed(signal_id, 0.5)
    assert kernel.signal(signal_id) == 0.5
    kernel.on_gap(DAY0 + 1, 100, 200)
    assert kernel.signal(signal_id) == 0.5
    kernel.set_fed(signal_id, None)
    assert kernel.signal(signal_id) is None
