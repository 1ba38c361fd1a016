"""Numbers computed by hand from docs/kernel.md and the registry rows."""

from math import sqrt

import pytest

from tests.kernel.kit import (
    BUY,
    HOUR,
    MINUTE,
    MS,
    ONE_DAY,
    SELL,
    T0,
    UNKNOWN,
    S,
    config,
    plain,
    play,
    quote,
    sessions,
    template,
    trade,
    trigger,
)
from trading_bot._fast import HotPath
from trading_bot.domain.kernel import Cadence, ExitReason, Outcome
from trading_bot.domain.records import FrameKind, TickFlag

NOON = T0 + 12 * HOUR  # in RTH, neither its first nor its last hour


def decayed(dt_ns: int, tau_s: int) -> float:
    r = 1.0 / (1.0 + dt_ns / (8.0 * tau_s * 1e9))
    r2 = r * r
    r4 = r2 * r2
    return r4 * r4


def test_book_signals_weigh_each_side_by_the_other():
    kernel = HotPath(config())
    kernel.on_quote(NOON, 100, 30, 102, 10)
    found = kernel.signals()
    assert found["spread_ticks"] == 2.0
    assert found["queue_imbalance"] == 20 / 40
    assert found["microprice_dev"] == (2 * 20) / (2 * 40)
    assert kernel.book() == (100, 30, 102, 10)
    kernel.on_quote(NOON, 100, 0, 102, 0)
    assert kernel.signal(33) is None
    assert kernel.signal(34) is None


def test_order_flow_imbalance_is_none_until_warm_and_decays_when_read():
    kernel = HotPath(config())
    play(kernel, [quote(NOON, 100, 101, 10, 10)])
    # bid up: +7; ask unchanged: -4 new + 10 old -> 7 - 4 + 10 = 13 against a mean depth of (7 + 4) / 2
    play(kernel, [quote(NOON + 1 * S, 101, 101, 7, 4)])
    assert kernel.signals()["ofi_1s"] is None
    # bid down: -7 old; ask up: +4 old -> -3; depth (5 + 5) / 2
    play(kernel, [quote(NOON + 5 * S, 100, 102, 5, 5)])
    w = decayed(4 * S, 1)
    mean = (5.5 * w + 5.0) / (1.0 * w + 1.0)
    flow = 13.0 * w + -3.0
    assert kernel.signals()["ofi_1s"] == flow / mean
    assert kernel.signals()["ofi_5s"] is None
    play(kernel, [trade(NOON + 6 * S, 101, 1)])
    assert kernel.signals()["ofi_1s"] == (flow * decayed(1 * S, 1)) / mean


def test_trade_imbalance_and_intensity_count_trades_of_known_side():
    kernel = HotPath(config())
    play(kernel, [trade(NOON, 100, 3, BUY), trade(NOON + 20 * S, 100, 1, SELL), trade(NOON + 25 * S, 100, 0, SELL)])
    w = decayed(20 * S, 5)
    found = kernel.signals()
    assert found["trade_imb_5s"] == (3.0 * w - 1.0) / (3.0 * w + 1.0)
    assert found["intensity_imb"] == (1.0 * w - 1.0) / (1.0 * w + 1.0)
    assert found["intensity_sum"] == ((1.0 * w + 1.0) * decayed(5 * S, 5)) / 5.0
    assert found["trade_imb_30s"] is None


def test_momentum_looks_at_the_mid_of_the_last_grid_point_before_the_window():
    kernel = HotPath(config())
    play(kernel, [quote(NOON + 20 * MS, 100, 101), quote(NOON + 150 * MS, 104, 105)])
    assert kernel.signals()["mom_1s"] is None
    # at 1.15 s the window begins at 0.15 s, the grid point before it at 0.1 s: mid 100.5
    play(kernel, [quote(NOON + 1150 * MS, 106, 108)])
    assert kernel.signals()["mom_1s"] == (214 - 201) / 2.0
    play(kernel, [plain(FrameKind.TIME, NOON + 1200 * MS)])
    assert kernel.signals()["mom_1s"] == (214 - 209) / 2.0


def test_realised_volatility_is_that_of_the_last_grid_point():
    kernel = HotPath(config())
    play(kernel, [quote(NOON, 100, 101), quote(NOON + 100 * S, 101, 103)])
    play(kernel, [quote(NOON + 150 * S + 50 * MS, 110, 111)])
    # the last grid point is 150 s, before the second change: one move of mid2 by 3 half-ticks, 50 s ago
    expected = sqrt(9.0 * decayed(50 * S, 30) / 4.0 / 30.0)
    assert kernel.signals()["rv_30s"] == expected
    assert kernel.signals()["rv_300s"] is None


def test_a_sweep_spans_250_ms_and_ends_250_ms_after_its_last_trade():
    kernel = HotPath(config())
    play(kernel, [trade(NOON, 100, 1, UNKNOWN)])
    assert kernel.signals()["sweep_ticks"] is None
    play(kernel, [trade(NOON, 100, 1, SELL), trade(NOON + 100 * MS, 97, 1, SELL), trade(NOON + 250 * MS, 98, 1, SELL)])
    assert kernel.signals()["sweep_ticks"] == -3.0
    play(kernel, [trade(NOON + 251 * MS, 96, 1, SELL)])  # too late for the run: a new one
    assert kernel.signals()["sweep_ticks"] == 0.0
    play(kernel, [trade(NOON + 300 * MS, 101, 1, BUY), trade(NOON + 310 * MS, 103, 1, BUY)])
    assert kernel.signals()["sweep_ticks"] == 2.0
    play(kernel, [plain(FrameKind.TIME, NOON + 561 * MS)])
    assert kernel.signals()["sweep_ticks"] == 0.0


def test_absorption_counts_at_the_touch_until_the_touch_moves():
    kernel = HotPath(config())
    play(kernel, [quote(NOON, 100, 101), trade(NOON, 101, 5, BUY), trade(NOON, 100, 2, SELL), trade(NOON, 102, 9, BUY)])
    assert kernel.signals()["absorption"] == 3.0
    play(kernel, [quote(NOON, 100, 102, 1, 1)])
    assert kernel.signals()["absorption"] == -2.0
    play(kernel, [trade(NOON, 102, 7, BUY), quote(NOON, 99, 102, 1, 1)])
    assert kernel.signals()["absorption"] == 7.0


def test_kyle_lambda_regresses_second_moves_on_signed_volume():
    kernel = HotPath(config())
    play(kernel, [quote(NOON, 100, 101), trade(NOON + 1, 101, 4, BUY), plain(FrameKind.TIME, NOON + 1 * S)])
    # second 1 has no earlier mid; second 2: x = 3, dm = 2; then silence until the 300 s are over
    play(kernel, [trade(NOON + 1500 * MS, 101, 3, BUY), quote(NOON + 1600 * MS, 101, 102)])
    play(kernel, [plain(FrameKind.TIME, NOON + 301 * S)])
    w = decayed(1 * S, 60)
    p, q = 3.0 * 2.0, 3.0 * 3.0
    for _ in range(299):
        p, q = p * w + 0.0, q * w + 0.0
    assert kernel.signals()["kyle_lambda"] == p / q / 2.0


def test_vpin_needs_fifty_buckets_and_splits_trades_between_them():
    kernel = HotPath(config())
    play(kernel, [trade(NOON, 100, 7, BUY), trade(NOON, 100, 5, SELL)])  # 7 + 3 | 2
    play(kernel, [trade(NOON, 100, 488, UNKNOWN), plain(FrameKind.TIME, NOON + 1 * S)])  # 2 + 8 | 48 full ones
    # buckets: |14 - 6| = 8, |8 - 12| = 4, then 0 forty-eight times
    assert kernel.signals()["vpin"] == 12 / (2 * 50 * 10)


def test_bars_close_on_the_clock_and_skip_empty_periods():
    kernel = HotPath(config())
    play(kernel, [trade(NOON + 300 * MS, 100, 2), trade(NOON + 900 * MS, 103, 1), trade(NOON + 7 * S, 99, 4)])
    play(kernel, [trade(NOON + 7 * S, 101, 0), plain(FrameKind.TIME, NOON + 61 * S)])
    assert kernel.bars(1) == [
        (NOON, 100, 103, 100, 103, 3, 303, 2),
        (NOON + 7 * S, 99, 99, 99, 99, 4, 396, 1),
    ]
    assert [row[0] for row in kernel.bars(5)] == [NOON, NOON + 5 * S]
    assert kernel.bars(60) == [(NOON, 100, 103, 99, 99, 7, 699, 3)]


def history(count: int) -> list[tuple[int, ...]]:
    """Bar i: open 100 + i, high + 3, low - 1, close + 2, volume 10: TR 4, up one tick a bar."""
    return [(T0 + i * MINUTE, 100 + i, 103 + i, 99 + i, 102 + i, 10, 10 * (101 + i)) for i in range(count)]


def test_bar_signals_of_a_steady_rise():
    kernel = HotPath(config())
    for row in history(61):
        assert kernel.on_bar(*row) == 0
    found = kernel.signals()
    atr = (14 * 4) / 14
    assert found["hhll_trend_strength"] == 1.0
    assert found["breakout_distance_n"] == -0.0  # closes a tick below the range's high
    assert found["rejection_wick_n"] == ((160 - 159) - (163 - 162)) / 4
    assert found["close_location_value"] == ((162 - 159) - (163 - 162)) / 4
    assert found["micro_trend_5"] == (5 / (atr * sqrt(5.0)))
    assert found["real_body_impulse_n"] == (2 / atr) / 2
    assert found["range_compression"] == 1.5 - 1.0
    assert found["vol_z"] is None  # all volumes equal
    assert found["spread_tickiness"] is None
    assert found["atr_14_n"] == 2 * 56 / 112 / 3  # pooled: 47 values of 56 before this bar
    assert kernel.signal_flags()["atr_14_n"]
    # C - VWAP of bar i (from the anchor): 102 + i - (101 + i/2); its deviation over i = 1..60, clamped at 3
    x = [(102 + i) - (101 + i / 2) for i in range(1, 61)]
    mean = sum(x) / 60
    deviation = sqrt(sum((v - mean) ** 2 for v in x) / 60)
    assert found["vwap_z"] == min(x[-1] / deviation, 3.0) / 3 == 1.0
    # the VWAP rises half a tick a bar
    assert found["vwap_slope"] == pytest.approx(0.5 * sqrt(30) / 4, rel=1e-12)


def test_the_anchor_restarts_windows_but_not_true_range():
    day = sessions((T0, T0 + HOUR, 0, 0, 0, 0), (T0 + HOUR, T0 + 24 * HOUR, 0, 0, 0, 0))
    kernel = HotPath(config(sessions=day))
    for row in history(70):
        kernel.on_bar(*row)
    found = kernel.signals()
    assert found["hhll_trend_strength"] is None  # 10 bars since the open at minute 60
    assert found["micro_trend_5"] is not None
    assert found["range_compression"] is not None


def test_bars_that_cannot_be_are_refused():
    kernel = HotPath(config())
    assert kernel.on_bar(T0, 100, 103, 99, 102, 1, 100) == 0
    assert kernel.on_bar(T0, 100, 103, 99, 102, 1, 100) == -1  # not after the one before
    assert kernel.on_bar(T0 + MINUTE, 100, 101, 99, 102, 1, 100) == -1  # high below close
    assert kernel.on_bar(T0 + MINUTE, 100, 103, 101, 102, 1, 100) == -1  # low above open
    assert kernel.on_bar(T0 + MINUTE, 0, 103, 0, 102, 1, 100) == -1
    assert kernel.on_bar(T0 + MINUTE, 100, 103, 99, 102, -1, 100) == -1
    kernel.on_quote(T0 + HOUR, 100, 1, 101, 1)
    assert kernel.on_bar(T0 + 2 * MINUTE, 100, 103, 99, 102, 1, 100) == -1  # the kernel has started


def test_spread_is_weighted_by_time_within_the_minute():
    kernel = HotPath(config())
    play(kernel, [quote(NOON, 100, 101), quote(NOON + 15 * S, 100, 103), trade(NOON + 16 * S, 101, 1)])
    play(kernel, [plain(FrameKind.TIME, NOON + MINUTE)])
    spread = (1 * 15e9 + 3 * 45e9) / 60e9
    assert kernel.signals()["spread_tickiness"] == (spread - 1.0) / 2.0


def test_penalties_add_up_and_leave_after_ten_closed_seconds():
    kernel = HotPath(config())
    assert kernel.on_quote(NOON + 1, 101, 1, 100, 1) == Outcome.QUALITY  # crossed
    assert (kernel.dvs_c, kernel.dvs_band) == (60, 2)
    kernel.on_quote(NOON + 2, 100, 1, 101, 1)
    assert kernel.on_trade(NOON + 3, 106, 1, BUY) == Outcome.QUALITY  # 5 ticks above the ask
    assert kernel.dvs_c == 40
    assert kernel.on_rejected(NOON + 4) == Outcome.QUALITY
    assert kernel.dvs_c == 20
    assert kernel.on_rejected(NOON + 5) == 0
    for second in range(1, 11):
        assert kernel.on_quote(NOON + second * S, 100, 1, 101, 1) == 0
    assert kernel.dvs_c == 20
    assert kernel.on_time(NOON + 11 * S) == Outcome.QUALITY
    assert (kernel.dvs_c, kernel.dvs_min_c, kernel.last_outcome_ts_ns) == (100, 20, NOON + 11 * S)
    assert kernel.last_outcome_at_grid


@pytest.mark.parametrize(("age", "penalty"), [(2000, 0), (2100, 10), (5100, 40), (10100, 100)])
def test_silence_in_rth_is_judged_by_its_length(age, penalty):
    kernel = HotPath(config())
    kernel.on_quote(NOON, 100, 1, 101, 1)
    while kernel.on_time(NOON + age * MS):
        pass
    assert kernel.penalties()["age"] == penalty
    kernel.on_quote(NOON + age * MS, 100, 1, 101, 1)
    assert kernel.dvs_c == 100


def test_silence_outside_rth_counts_a_quarter():
    kernel = HotPath(config())
    kernel.on_quote(T0 + HOUR, 100, 1, 101, 1)
    while kernel.on_time(T0 + HOUR + 8100 * MS):
        pass
    assert kernel.penalties()["age"] == 10
    kernel = HotPath(config())
    kernel.on_quote(NOON, 100, 1, 101, 1)
    while kernel.on_time(NOON + 2 * S):
        pass
    assert kernel.penalties()["age"] == 0
    kernel.on_time(NOON + 2100 * MS)
    assert kernel.penalties()["age"] == 10


def test_locked_counts_after_a_second_and_only_while_open():
    for table, penalty in ((ONE_DAY, 10), (sessions((T0, T0 + HOUR, 0, 0, 0, 0)), 0)):
        kernel = HotPath(config(sessions=table))
        kernel.on_quote(NOON, 100, 1, 100, 1)
        kernel.on_quote(NOON + 1 * S, 100, 2, 100, 1)
        assert kernel.penalties()["locked"] == 0
        kernel.on_time(NOON + 1100 * MS)
        assert kernel.penalties()["locked"] == penalty


def test_event_stamps_show_regression_and_delay():
    kernel = HotPath(config(resolution_ns=1000))
    for second in range(5):
        kernel.on_quote(NOON + second * S, 100, 1, 101, 1, NOON + second * S - 10 * MS)
    assert kernel.dvs_c == 100
    kernel.on_quote(NOON + 5 * S, 100, 1, 101, 1, NOON + 5 * S - 270 * MS)
    assert kernel.penalties()["delay"] == 10
    kernel.on_trade(NOON + 5 * S + 1, 100, 1, BUY, NOON + 1 * S)  # trades have their own previous stamp
    assert {name: penalty for name, penalty in kernel.penalties().items() if penalty and name != "age"} == {"delay": 30}
    kernel.on_quote(NOON + 5 * S + 2, 100, 1, 101, 1, NOON + 5 * S - 270 * MS - 1001)
    assert kernel.penalties()["regression"] == 30
    kernel.on_quote(NOON + 5 * S + 3, 100, 1, 101, 1, 0, TickFlag.DELAYED_DATA)
    assert kernel.dvs_c == 0


def test_exits_fire_once_each_until_the_position_is_set_again():
    kernel = HotPath(config())
    kernel.on_quote(NOON, 100, 1, 101, 1)
    kernel.set_position(1, 104, 98, NOON + 1500 * MS)
    assert kernel.on_quote(NOON + 1, 104, 1, 105, 1) == Outcome.EXIT
    assert kernel.last_exit_mask == ExitReason.TARGET
    assert kernel.on_quote(NOON + 2, 105, 1, 106, 1) == 0
    assert kernel.on_trade(NOON + 3, 98, 0, SELL) == 0  # a trade of size 0 counts for nothing
    assert kernel.on_trade(NOON + 4, 98, 1, SELL) & Outcome.EXIT
    assert kernel.exit_mask == ExitReason.TARGET | ExitReason.STOP
    assert kernel.on_time(NOON + 1500 * MS) == Outcome.EXIT
    assert kernel.last_exit_mask == ExitReason.TIME
    kernel.set_position(-1, 98, 104, 0)
    assert kernel.exit_mask == 0
    assert kernel.on_quote(NOON + 1600 * MS, 103, 1, 104, 1) == Outcome.EXIT
    assert kernel.last_exit_mask == ExitReason.STOP
    assert kernel.on_quote(NOON + 1601 * MS, 96, 1, 98, 1) & Outcome.EXIT
    kernel.clear_position()
    assert kernel.exit_mask == 0


def test_terms_of_a_candidate():
    # one weight of 1 on queue imbalance (scale 0.5), a = 2: z = 2 s(x / 0.5), x = 0.75
    row = template("queue", Cadence.TICK, {"queue_imbalance": 1.0}, a=2.0, sigma_p=0.1)
    kernel = HotPath(config(row))
    kernel.set_throttle(0, 1.2)
    kernel.set_eqs(90)
    assert kernel.on_quote(NOON, 100, 35, 102, 5) == Outcome.CANDIDATE
    (found,) = kernel.candidates()
    x = 0.75 / 0.5
    z = 2.0 * (x / sqrt(1.0 + x * x))
    belief = 0.5 * (1.0 + z / sqrt(1.0 + z * z))
    slippage = 0.5 + 0.0 + 1.0  # a spread of two ticks
    p_be = (6 + 2.0 + slippage + slippage) / (14 + slippage)
    p = p_be + 0.5 * (belief - p_be)
    edge = p * 8 - (1 - p) * 6
    cost = 2.0 + slippage + (1 - p) * slippage
    doubt = 14 * 0.1 * (1.0 + 0.5 * 0.0 + 0.5 * (1.0 - 90 / 100.0))
    assert (found.template, found.side, found.missing, found.episode) == (0, 1, False, 1)
    assert (found.target_ticks, found.stop_ticks, found.stability_e6) == (8, 6, 0)
    expected = {
        "z": z, "belief": belief, "p": p, "p_be": p_be, "edge": edge, "uncertainty": doubt, "cost": cost,
        "euc": edge - doubt - cost, "required": 1.2 * (cost + 0.5), "cost_share": cost / 8, "slippage": slippage,
    }  # fmt: skip
    for name, value in expected.items():
        assert getattr(found, f"{name}_e6") == pytest.approx(value * 1e6, abs=1), name


def test_slippage_is_dearer_at_the_ends_of_rth_and_capped():
    row = template("queue", Cadence.TICK, {"queue_imbalance": 1.0}, a=2.0)
    for at, factor in ((T0 + 9 * HOUR, 1.0), (T0 + 10 * HOUR, 1.5), (T0 + 15 * HOUR, 1.3), (T0 + 16 * HOUR, 1.0)):
        kernel = HotPath(config(row))
        kernel.on_quote(at, 100, 35, 103, 5)
        assert kernel.candidates()[0].slippage_e6 == round((0.5 + 2.0) * factor * 1e6)
    kernel = HotPath(config(row, slippage_cap_ticks=2.25))
    kernel.on_quote(NOON, 100, 35, 103, 5)
    assert kernel.candidates()[0].slippage_e6 == 2_250_000


def test_an_open_template_fires_again_after_its_rearm_time_and_a_masked_one_does_not():
    row = template("queue", Cadence.TICK, {"queue_imbalance": 1.0}, a=2.0)

    def codes(mask: int) -> list[int]:
        kernel = HotPath(config(row))
        kernel.set_entry_mask(mask)
        return [kernel.on_quote(NOON + i * 500 * MS, 100, 35, 101, 5) for i in range(6)]

    assert codes(1) == [1, 0, 1, 0, 1, 0]
    assert codes(0) == [1, 0, 0, 0, 0, 0]


def test_a_side_holds_on_below_its_entry_threshold_and_a_new_episode_is_counted():
    row = template("queue", Cadence.TICK, {"queue_imbalance": 1.0}, a=2.0, rearm_ns=0)
    kernel = HotPath(config(row))
    assert kernel.on_quote(NOON, 100, 35, 101, 5) == Outcome.CANDIDATE
    assert kernel.on_quote(NOON + 1, 100, 23, 101, 17) == 0  # z = 0.57: holds on
    assert kernel.beliefs()[0][5]
    assert kernel.on_quote(NOON + 2, 100, 20, 101, 20) == 0
    assert not kernel.beliefs()[0][5]
    assert kernel.on_quote(NOON + 3, 100, 23, 101, 17) == 0  # not enough to enter
    assert kernel.on_quote(NOON + 4, 100, 5, 101, 35) == Outcome.CANDIDATE
    assert (kernel.candidates()[0].side, kernel.candidates()[0].episode) == (-1, 1)
    assert kernel.on_quote(NOON + 5, 100, 35, 101, 5) == Outcome.CANDIDATE
    assert (kernel.candidates()[0].side, kernel.candidates()[0].episode) == (1, 2)


def test_when_both_sides_hold_the_stronger_stays_and_equals_cancel():
    # b alone carries both sides over the threshold
    row = template("both", Cadence.TICK, {"queue_imbalance": 1.0}, b=2.0)
    kernel = HotPath(config(row))
    assert kernel.on_quote(NOON, 100, 10, 101, 10) == 0
    assert kernel.beliefs()[0][5:] == (False, False, False)
    assert kernel.on_quote(NOON + 1, 100, 11, 101, 10) == Outcome.CANDIDATE
    assert kernel.beliefs()[0][5:7] == (True, False)
    assert kernel.on_quote(NOON + 2, 100, 10, 101, 11) == Outcome.CANDIDATE
    assert kernel.beliefs()[0][5:7] == (False, True)


def test_a_missing_weight_leaves_the_available_triggers_to_decide():
    row = template(
        "young", Cadence.TICK, {"ofi_1s": 1.0}, trigger("queue_imbalance", 0.5), trigger("trade_imb_1s", 0.0)
    )
    kernel = HotPath(config(row))
    assert kernel.on_quote(NOON, 100, 10, 101, 10) == 0
    assert kernel.on_quote(NOON + 1, 100, 35, 101, 5) == Outcome.CANDIDATE
    (found,) = kernel.candidates()
    assert (found.missing, found.z_e6, found.target_ticks, found.stop_ticks) == (True, 0, 0, 0)
    assert kernel.beliefs()[0] == (None,) * 5 + (True, False, True)


def test_smoothing_follows_the_time_between_evaluations():
    row = template("smooth", Cadence.TICK, {"queue_imbalance": 2.0, "spread_ticks": 1.0}, smoothing_ns=S, z_enter=9.0)
    kernel = HotPath(config(row))
    kernel.on_quote(NOON, 100, 35, 101, 5)
    kernel.on_quote(NOON + 300 * MS, 100, 10, 102, 30)

    def entered(x: float) -> float:
        return x / sqrt(1.0 + x * x)

    w = decayed(300 * MS, 1)
    o1, e1, o2, e2 = 2.0 * entered(1.5), entered(0.5), 2.0 * entered(-1.0), entered(1.0)
    odd, even = o2 + w * (o1 - o2), e2 + w * (e1 - e2)
    distance = 0.0 * w + abs(odd - o1) + abs(even - e1)
    assert kernel.beliefs()[0][:5] == (odd, even, distance, (even + odd) / 3.0, (even - odd) / 3.0)


def test_a_price_gap_forgets_prices_and_keeps_time_and_quality():
    row = template("queue", Cadence.TICK, {"queue_imbalance": 1.0}, a=2.0, rearm_ns=HOUR)
    kernel = HotPath(config(row))
    kernel.on_quote(NOON, 100, 35, 101, 5)
    kernel.on_trade(NOON + 1, 101, 5, BUY)
    kernel.on_rejected(NOON + 2)
    assert kernel.on_gap(NOON + 3, 100, 200) == Outcome.GAP
    assert kernel.book() is None
    assert kernel.dvs_c == 80
    found = kernel.signals()
    assert found["absorption"] is None
    assert found["sweep_ticks"] is None
    assert found["stream_age_ms"] == 1 / 1_000_000.0
    assert kernel.on_quote(NOON + 4, 200, 35, 201, 5) == Outcome.CANDIDATE  # edges began afresh
    kernel.on_time(NOON + 2 * MINUTE)
    assert kernel.bars(60) == []


def test_the_vwap_rule_shortens_the_target():
    row = template("vwap", Cadence.TICK, {"queue_imbalance": 1.0}, a=2.0, target_rule=1, target_ticks=16)
    kernel = HotPath(config(row))
    kernel.on_bar(T0, 100, 100, 100, 100, 30, 3000)
    kernel.on_bar(T0 + MINUTE, 110, 110, 110, 110, 10, 1100)
    kernel.on_quote(NOON, 109, 35, 110, 5)
    # VWAP 102.5, close 110: 7.5 ticks away
    assert kernel.candidates()[0].target_ticks == 7
