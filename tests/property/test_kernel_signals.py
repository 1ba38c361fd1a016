"""Signals against their registry rows: same names and ids, None until warm, inside their range."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.configs import T0_NS, kernel_config
from tests.property.driver import call_until_done, new_kernel
from tests.property.tapes import hostile_tape
from trading_bot.domain.signal_registry import SIGNAL_SLOTS, SIGNALS

MS = 1_000_000
SECOND = 1_000 * MS
MINUTE = 60 * SECOND
# Seconds after the first quote (which is also the first trade) at which a signal first has a value, and the minutes
# after it for bar signals. From the warm-up column of the registry, by hand.
WARM_AFTER_S = {
    "dvs": 0, "spread_ticks": 0, "microprice_dev": 0, "queue_imbalance": 0, "absorption": 0, "stream_age_ms": 0,
    "sweep_ticks": 0, "ofi_1s": 5, "ofi_5s": 25, "ofi_30s": 150, "trade_imb_1s": 5, "trade_imb_5s": 25,
    "trade_imb_30s": 150, "rv_30s": 150, "rv_300s": 1500, "intensity_sum": 25, "intensity_imb": 25, "kyle_lambda": 300,
}  # fmt: skip
WARM_AFTER_BARS = {
    "rejection_wick_n": 1, "close_location_value": 1, "spread_tickiness": 1, "micro_trend_5": 14,
    "real_body_impulse_n": 14, "range_compression": 30, "vwap_slope": 30, "hhll_trend_strength": 31, "atr_14_n": 44,
    "vwap_z": 60, "breakout_distance_n": 61, "vol_z": 61,
}  # fmt: skip


def test_the_kernel_has_the_signals_of_the_registry() -> None:
    kernel = new_kernel(kernel_config())
    assert list(kernel.signals()) == [spec.name for spec in SIGNALS]
    known = {spec.id: spec.name for spec in SIGNALS}
    for call in hostile_tape(4, 300):
        for _ in call_until_done(kernel, call):
            pass
    by_name = kernel.signals()
    for signal_id in range(-1, SIGNAL_SLOTS + 1):
        if signal_id in known:
            assert kernel.signal(signal_id) == by_name[known[signal_id]]
        else:
            with pytest.raises(ValueError, match="signal"):
                kernel.signal(signal_id)


def test_signals_are_none_until_warm_and_warm_when_due() -> None:
    """A quote and a trade every 250 ms for 62 minutes, started just after a whole minute."""
    kernel = new_kernel(kernel_config(vpin_bucket_qty=10))
    first, first_seen, flip = T0_NS + 250 * MS, {}, 0
    for step in range(62 * 240):
        ts = first + step * 250 * MS
        flip = (flip * 1_103_515_245 + 12_345) % 2**31
        price = 20_000 + (flip >> 16) % 7
        calls = [("on_quote", (ts, price, 1 + step % 9, price + 1, 4, 0, 0))]
        calls.append(("on_trade", (ts, price + step % 2, 1 + (flip >> 20) % 3, 1 + (step + 1) % 2, 0, 0)))
        for call in calls:
            for _ in call_until_done(kernel, call):
                pass
        if len(first_seen) == len(SIGNALS):
            break
        for name, value in kernel.signals().items():
            if value is not None:
                first_seen.setdefault(name, ts)
    expected = {name: first + seconds * SECOND for name, seconds in WARM_AFTER_S.items()}
    expected |= {name: T0_NS + bars * MINUTE for name, bars in WARM_AFTER_BARS.items()}
    # mom_W looks at the last grid point at or before t - W: the first one run is T0 + 300 ms.
    expected |= {f"mom_{w}s": T0_NS + 500 * MS + w * SECOND for w in (1, 5, 30)}
    # The cached ones appear at the next grid point or whole second.
    expected["rv_30s"], expected["rv_300s"] = (T0_NS + 500 * MS + s * SECOND for s in (150, 1500))
    expected["kyle_lambda"] = T0_NS + 301 * SECOND
    vpin = first_seen.pop("vpin")
    assert first_seen == expected
    assert (vpin - T0_NS) % SECOND == 0


@given(seed=st.integers(0, 2**32))
@settings(print_blob=False)
def test_signals_stay_inside_their_registered_range(seed: int) -> None:
    kernel = new_kernel(kernel_config())
    for index, call in enumerate(hostile_tape(seed, 300)):
        for _ in call_until_done(kernel, call):
            values = kernel.signals()
            for spec in SIGNALS:
                value = values[spec.name]
                if value is None:
                    continue
                where = f"seed {seed}, call {index} {call}: {spec.name} = {value}"
                assert spec.low is None or value >= spec.low, where
                assert spec.high is None or value <= spec.high, where
