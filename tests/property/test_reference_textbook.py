"""The oracle itself against textbook definitions in NumPy and pandas, within 1e-9: a misreading shared by the oracle
and the kernel would pass every comparison between the two, but not this.
"""

import copy
import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from tests.property.configs import DAY_NS, QUICK, T0_NS, daily_sessions, kernel_config, template
from tests.reference.arith import GRID_NS, MINUTE_NS, NS_PER_MS, NS_PER_S, weight
from tests.reference.bar_signals import BAR_SIGNALS
from tests.reference.ref_kernel import RefHotPath
from trading_bot._fast.hotpath import HotPath
from trading_bot.domain.kernel import Outcome
from trading_bot.domain.signal_registry import SIGNALS

TOLERANCE = 1e-9
MINUTES = 200


def close_to(expected: float) -> Any:
    return pytest.approx(expected, rel=TOLERANCE, abs=TOLERANCE)


def consumed(call: Callable[..., int], *args: int) -> None:
    """Call until the record is consumed: grid points before it may have outcomes."""
    while call(*args) & Outcome.PENDING:
        pass


class Recorded:
    """A calm random market of `minutes`, its inputs as frames, and the oracle's signals at every closed minute."""

    def __init__(self, seed: int, minutes: int, **config: Any) -> None:
        rng = random.Random(seed)
        self.kernel = RefHotPath(kernel_config(**config))
        quotes, trades, at_close = [], [], []
        ts, bid, minute = T0_NS, 20_000, T0_NS // MINUTE_NS
        while ts < T0_NS + minutes * MINUTE_NS:
            ts += int(rng.expovariate(1.0) * 2.0 * NS_PER_S)
            if ts // MINUTE_NS != minute:
                while self.kernel.on_time(ts // MINUTE_NS * MINUTE_NS):
                    pass
                at_close.append(self.kernel.signals() | {"ts_open": (ts // MINUTE_NS - 1) * MINUTE_NS})
                minute = ts // MINUTE_NS
            bid += rng.choice([-2, -1, 0, 0, 1, 2])
            quote = (ts, bid, rng.randint(1, 60), bid + rng.choice([1, 1, 1, 2]), rng.randint(1, 60))
            consumed(self.kernel.on_quote, *quote)
            quotes.append(quote)
            for _ in range(rng.choice([0, 1, 2])):
                side = rng.choice([0, 1, 2])
                trade = (ts, quote[3] if side == 1 else bid, rng.randint(1, 30), side)
                consumed(self.kernel.on_trade, *trade)
                trades.append(trade)
        self.end = ts
        self.quotes = pd.DataFrame(quotes, columns=["ts", "bid", "bid_qty", "ask", "ask_qty"])
        self.trades = pd.DataFrame(trades, columns=["ts", "price", "qty", "side"])
        self.at_close = pd.DataFrame(at_close).set_index("ts_open").astype(float)

    def bars(self, period_s: int) -> pd.DataFrame:
        """Textbook bars: group the trades by period."""
        frame = self.trades.assign(notional=self.trades.price * self.trades.qty)
        groups = frame.groupby(frame.ts // (period_s * NS_PER_S) * (period_s * NS_PER_S))
        bars = groups.price.ohlc()
        return bars.assign(volume=groups.qty.sum(), notional=groups.notional.sum(), trades=groups.size())


@pytest.fixture(scope="module")
def market() -> Recorded:
    return Recorded(11, MINUTES)


@pytest.fixture(scope="module")
def minutes(market: Recorded) -> pd.DataFrame:
    """Closed minutes with true range and anchored VWAP, as a textbook computes them."""
    bars = market.bars(60).iloc[:-1]
    prev = bars.close.shift(1)
    tr = pd.concat([bars.high - bars.low, (bars.high - prev).abs(), (bars.low - prev).abs()], axis=1).max(axis=1)
    return bars.assign(tr=tr, vwap=bars.notional.cumsum() / bars.volume.cumsum())


def assert_signal(market: Recorded, name: str, expected: pd.Series, first: int) -> None:
    """`expected` from the bar number `first` on; the oracle is None before."""
    got = market.at_close[name].reindex(expected.index)
    assert len(got) > first
    assert got.iloc[:first].isna().all(), f"{name} is not None before bar {first}"
    assert not got.iloc[first:].isna().any(), f"{name} is None after its warm-up"
    np.testing.assert_allclose(got.iloc[first:], expected.iloc[first:], rtol=TOLERANCE, atol=TOLERANCE, err_msg=name)


@pytest.mark.parametrize("period_s", [1, 5, 60])
def test_bars_are_the_grouped_trades(market: Recorded, period_s: int) -> None:
    columns = ["ts", "open", "high", "low", "close", "volume", "notional", "trades"]
    got = pd.DataFrame(market.kernel.bars(period_s), columns=columns).set_index("ts")
    expected = market.bars(period_s)
    expected = expected[expected.index + period_s * NS_PER_S <= market.end]
    assert_frame_equal(got, expected, check_names=False)


class TestBarSignals:
    def test_vwap_z(self, market: Recorded, minutes: pd.DataFrame) -> None:
        x = minutes.close - minutes.vwap
        z = x / x.rolling(60).std(ddof=0)
        assert_signal(market, "vwap_z", z.clip(-3, 3) / 3, 59)

    def test_vwap_slope_is_the_least_squares_slope(self, market: Recorded, minutes: pd.DataFrame) -> None:
        slope = minutes.vwap.rolling(30).apply(lambda y: np.polyfit(np.arange(30.0), y - y.iloc[0], 1)[0])
        atr = minutes.tr.rolling(30).mean()
        assert_signal(market, "vwap_slope", (slope * math.sqrt(30) / atr).clip(-1, 1), 29)

    def test_atr_14_n_over_the_pooled_median(self, market: Recorded, minutes: pd.DataFrame) -> None:
        atr = minutes.tr.rolling(14).mean()
        expected = (atr / atr.shift(1).expanding(30).median()).clip(0, 3) / 3
        assert_signal(market, "atr_14_n", expected, 13 + 30)

    def test_range_compression(self, market: Recorded, minutes: pd.DataFrame) -> None:
        r = minutes.tr.rolling(5).mean() / minutes.tr.rolling(30).mean()
        assert_signal(market, "range_compression", (1.5 - r).clip(0, 1), 29)

    def test_hhll_trend_strength(self, market: Recorded, minutes: pd.DataFrame) -> None:
        dh, dl = minutes.high.diff(), minutes.low.diff()
        step = ((dh > 0) & (dl > 0)).astype(int) - ((dh < 0) & (dl < 0)).astype(int)
        assert_signal(market, "hhll_trend_strength", step.rolling(30).sum() / 30, 30)

    def test_breakout_distance_n(self, market: Recorded, minutes: pd.DataFrame) -> None:
        high, low = minutes.high.shift(1).rolling(60).max(), minutes.low.shift(1).rolling(60).min()
        beyond = (minutes.close - high).clip(lower=0) + (minutes.close - low).clip(upper=0)
        assert_signal(market, "breakout_distance_n", (beyond / minutes.tr.rolling(14).mean()).clip(-2, 2) / 2, 60)

    def test_wick_and_close_location(self, market: Recorded, minutes: pd.DataFrame) -> None:
        body = minutes[["open", "close"]]
        wick = ((body.min(axis=1) - minutes.low) - (minutes.high - body.max(axis=1))) / minutes.tr
        assert_signal(market, "rejection_wick_n", wick.fillna(0.0), 0)
        clv = ((minutes.close - minutes.low) - (minutes.high - minutes.close)) / (minutes.high - minutes.low)
        assert_signal(market, "close_location_value", clv.fillna(0.0), 0)

    def test_micro_trend_and_body(self, market: Recorded, minutes: pd.DataFrame) -> None:
        atr = minutes.tr.rolling(14).mean()
        assert_signal(market, "micro_trend_5", (minutes.close.diff(5) / (atr * math.sqrt(5))).clip(-1, 1), 13)
        assert_signal(market, "real_body_impulse_n", ((minutes.close - minutes.open) / atr).clip(-2, 2) / 2, 13)

    def test_vol_z_against_the_sixty_bars_before(self, market: Recorded, minutes: pd.DataFrame) -> None:
        prior = minutes.volume.shift(1).rolling(60)
        z = (minutes.volume - prior.mean()) / prior.std(ddof=0)
        assert_signal(market, "vol_z", z.clip(-3, 3) / 3, 60)

    def test_spread_tickiness_is_the_time_weighted_spread(self, market: Recorded, minutes: pd.DataFrame) -> None:
        quotes = market.quotes
        edges = np.append(minutes.index.to_numpy(), minutes.index[-1] + MINUTE_NS)
        times = np.unique(np.concatenate([quotes.ts.to_numpy(), edges]))
        last = np.searchsorted(quotes.ts.to_numpy(), times, side="right") - 1
        spread = np.where(last >= 0, (quotes.ask - quotes.bid).to_numpy()[np.maximum(last, 0)], 0)
        dt = np.where(last >= 0, np.diff(times, append=times[-1]), 0)
        frame = pd.DataFrame({"minute": times // MINUTE_NS * MINUTE_NS, "dt": dt, "area": spread * dt})
        sums = frame.groupby("minute").sum().loc[minutes.index]
        assert_signal(market, "spread_tickiness", ((sums.area / sums["dt"] - 1) / 2).clip(0, 1), 0)


@pytest.fixture(scope="module")
def days() -> tuple[RefHotPath, pd.DataFrame]:
    rng = random.Random(5)
    kernel = RefHotPath(kernel_config(sessions=daily_sessions(24, 1)))
    rows, price = [], 20_000
    for day in range(12, -1, -1):
        for i in range(40):
            ts = T0_NS - day * DAY_NS + (i - 40) * MINUTE_NS
            o, c = price, price + rng.randint(-5, 5)
            high, low = max(o, c) + rng.randint(0, 4), min(o, c) - rng.randint(0, 4)
            bar = (ts, o, high, low, c, rng.randint(1, 900), 0)
            assert kernel.on_bar(*bar) == 0
            rows.append((day, i, *bar))
            price = c
    columns = ["day", "i", "ts", "open", "high", "low", "close", "volume", "notional"]
    return kernel, pd.DataFrame(rows, columns=columns)


class TestHistories:
    """Twelve earlier days of the same 40 minutes: the time-of-day medians and volumes are used, without flags."""

    def test_atr_14_n_over_the_median_of_this_half_hour(self, days: tuple[RefHotPath, pd.DataFrame]) -> None:
        kernel, bars = days
        prev = bars.close.shift(1)
        tr = pd.concat([bars.high - bars.low, (bars.high - prev).abs(), (bars.low - prev).abs()], axis=1).max(axis=1)
        atr = tr.rolling(14).mean()
        same = (bars.day > 0) & (bars.i >= 10)  # 14:00-14:30 of the earlier days; the last bar is 14:29 of day 0
        expected = min(atr.iloc[-1] / atr[same].median(), 3) / 3
        assert kernel.signal("atr_14_n") == close_to(expected)

    def test_vol_z_against_the_same_minute(self, days: tuple[RefHotPath, pd.DataFrame]) -> None:
        kernel, bars = days
        same = bars[(bars.i == 39) & (bars.day > 0)].volume
        z = (bars.volume.iloc[-1] - same.mean()) / same.std(ddof=0)
        assert kernel.signal("vol_z") == close_to(min(max(z, -3), 3) / 3)

    def test_twenty_earlier_sessions_are_kept(self) -> None:
        kernel = RefHotPath(kernel_config(sessions=daily_sessions(40, 1)))
        volumes = [50 + 7 * day for day in range(31)]
        for day in range(30, -1, -1):
            kernel.on_bar(T0_NS - day * DAY_NS, 20_000, 20_001, 19_999, 20_000, volumes[day], 20_000 * volumes[day])
        earlier = np.array(volumes[1:21])
        z = (volumes[0] - earlier.mean()) / earlier.std()
        assert kernel.signal("vol_z") == close_to(max(z, -3) / 3)


def decayed(values: np.ndarray, ts: np.ndarray, tau_ns: int) -> float:
    """The sum of values, each times the weights of all later steps."""
    steps = np.array([weight(int(dt), tau_ns) for dt in np.diff(ts)])
    later = np.append(np.cumprod(steps[::-1])[::-1], 1.0)
    return float(np.sum(values * later))


def test_a_weight_is_close_to_an_exponential_and_never_grows() -> None:
    tau = 5 * NS_PER_S
    dts = [0, 1, NS_PER_MS, NS_PER_S, tau, 3 * tau, 100 * tau]
    weights = [weight(dt, tau) for dt in dts]
    assert weights[0] == 1.0
    assert weights == sorted(weights, reverse=True)
    assert weight(tau, tau) == pytest.approx(math.exp(-1), rel=0.07)
    assert weight(-1, tau) == 1.0


class TestFlowSignals:
    def test_ofi_by_cases_of_cont_kukanov_and_stoikov(self, market: Recorded) -> None:
        q = market.quotes
        p = q.shift(1)
        bid_part = np.select([q.bid > p.bid, q.bid == p.bid], [q.bid_qty, q.bid_qty - p.bid_qty], -p.bid_qty)
        ask_part = np.select([q.ask > p.ask, q.ask == p.ask], [-p.ask_qty, q.ask_qty - p.ask_qty], q.ask_qty)
        flow, depth = (bid_part - ask_part)[1:], ((q.bid_qty + q.ask_qty) / 2).to_numpy()[1:]
        ts, now = q.ts.to_numpy()[1:], market.kernel.now_ns
        for tau_s in (1, 5, 30):
            tau = tau_s * NS_PER_S
            mean_depth = decayed(depth, ts, tau) / decayed(np.ones(len(ts)), ts, tau)
            expected = decayed(flow, ts, tau) * weight(int(now - ts[-1]), tau) / mean_depth
            assert market.kernel.signal(f"ofi_{tau_s}s") == close_to(expected)

    def test_trade_imbalance_and_intensity(self, market: Recorded) -> None:
        t = market.trades
        ts, now = t.ts.to_numpy(), market.kernel.now_ns
        sign = t.side.map({0: 0, 1: 1, 2: -1}).to_numpy()
        for tau_s in (1, 5, 30):
            tau = tau_s * NS_PER_S
            expected = decayed((sign * t.qty).to_numpy(), ts, tau) / decayed(t.qty.to_numpy(), ts, tau)
            assert market.kernel.signal(f"trade_imb_{tau_s}s") == close_to(expected)
        tau = 5 * NS_PER_S
        count = decayed(np.ones(len(t)), ts, tau)
        per_second = count * weight(int(now - ts[-1]), tau) / 5
        assert market.kernel.signal("intensity_sum") == close_to(per_second)
        assert market.kernel.signal("intensity_imb") == close_to(decayed(sign, ts, tau) / count)

    def test_realised_volatility(self, market: Recorded) -> None:
        mid = (market.quotes.bid + market.quotes.ask) / 2
        changed = mid.diff().fillna(0.0) != 0.0
        ts, steps = market.quotes.ts[changed].to_numpy(), mid.diff()[changed].to_numpy()
        grid = market.kernel.now_ns // GRID_NS * GRID_NS
        before = ts <= grid
        ts, steps = ts[before], steps[before]
        for tau_s in (30, 300):
            tau = tau_s * NS_PER_S
            total = decayed(steps**2, ts, tau) * weight(int(grid - ts[-1]), tau)
            assert market.kernel.signal(f"rv_{tau_s}s") == close_to(math.sqrt(total / tau_s))

    def test_momentum_is_the_mid_now_less_the_mid_then(self, market: Recorded) -> None:
        q = market.quotes
        mid = ((q.bid + q.ask) / 2).to_numpy()
        for seconds in (1, 5, 30):
            grid = (market.kernel.now_ns - seconds * NS_PER_S) // GRID_NS * GRID_NS
            # A quote exactly on a grid point comes after that point.
            then = mid[np.searchsorted(q.ts.to_numpy(), grid, side="left") - 1]
            assert market.kernel.signal(f"mom_{seconds}s") == close_to(mid[-1] - then)

    def test_microprice_and_queue(self, market: Recorded) -> None:
        q = market.quotes.iloc[-1]
        micro = (q.bid * q.ask_qty + q.ask * q.bid_qty) / (q.bid_qty + q.ask_qty)
        assert market.kernel.signal("microprice_dev") == close_to(micro - (q.bid + q.ask) / 2)
        assert market.kernel.signal("queue_imbalance") == close_to((q.bid_qty - q.ask_qty) / (q.bid_qty + q.ask_qty))
        assert market.kernel.signal("spread_ticks") == q.ask - q.bid

    def test_kyle_lambda_is_the_weighted_regression_through_the_origin(self, market: Recorded) -> None:
        q, t = market.quotes, market.trades
        first = int(q.ts.iloc[0])
        seconds = np.arange(first // NS_PER_S + 1, market.kernel.now_ns // NS_PER_S + 1) * NS_PER_S
        mid = ((q.bid + q.ask) / 2).to_numpy()[np.searchsorted(q.ts.to_numpy(), seconds, side="left") - 1]
        signed = (t.side.map({0: 0, 1: 1, 2: -1}) * t.qty).to_numpy()
        total = np.append(0, np.cumsum(signed))[np.searchsorted(t.ts.to_numpy(), seconds, side="left")]
        dm, x = np.diff(mid), np.diff(total)
        root = np.sqrt(weight(NS_PER_S, 60 * NS_PER_S) ** np.arange(len(dm))[::-1])
        expected = np.linalg.lstsq((x * root)[:, None], dm * root, rcond=None)[0][0]
        assert market.kernel.signal("kyle_lambda") == close_to(float(expected))

    def test_vpin_contract_by_contract(self, market: Recorded) -> None:
        last_second = market.kernel.now_ns // NS_PER_S * NS_PER_S
        t = market.trades[market.trades.ts < last_second]
        one_by_one = np.repeat(t.side.map({0: 0, 1: 1, 2: -1}).to_numpy(), t.qty.to_numpy())
        full = len(one_by_one) // 50 * 50
        buckets = np.abs(one_by_one[:full].reshape(-1, 50).sum(axis=1))[-50:]
        assert market.kernel.signal("vpin") == close_to(float(buckets.mean() / 50))


@pytest.mark.parametrize("kind", [RefHotPath, HotPath])
@pytest.mark.parametrize("seconds", [1, 2, 59, 60, 61, 90])
def test_the_delay_median_is_the_median_of_the_last_sixty_minima(
    kind: type[RefHotPath] | type[HotPath], seconds: int
) -> None:
    rng = random.Random(seconds)
    kernel = kind(kernel_config(resolution_ns=0))
    minima = []
    for second in range(1, seconds + 1):
        delays = [rng.randint(0, 9 * NS_PER_S) for _ in range(5)]
        for i, delay in enumerate(delays):
            ts = T0_NS + second * NS_PER_S + i * 100 * NS_PER_MS
            consumed(kernel.on_quote, ts, 20_000, 5, 20_001, 5, ts - delay)
        minima.append(min(delays))
    median = int(np.median(minima[-60:]))
    for late, penalty in ((250 * NS_PER_MS, 0), (250 * NS_PER_MS + 1, 10), (NS_PER_S, 10), (NS_PER_S + 1, 30)):
        # Wait without stamps until penalties are forgotten; the probe is undone, or it would become a minimum itself.
        for _ in range(12):
            ts += NS_PER_S
            consumed(kernel.on_quote, ts, 20_000, 5, 20_001, 5)
        assert kernel.penalties()["delay"] == 0
        saved = kernel.snapshot() if isinstance(kernel, HotPath) else copy.deepcopy(kernel)
        consumed(kernel.on_trade, ts, 20_000, 1, 1, ts - median - late)
        assert kernel.penalties()["delay"] == penalty
        if isinstance(kernel, HotPath):
            assert isinstance(saved, bytes)
            kernel.restore(saved)
        else:
            kernel = saved


def test_what_pays_at_the_break_even_rate_is_the_cost() -> None:
    """At p = p_be the edge is the cost: with belief = p_be (applicability 0), euc = -U (specification 6.2 and 6.3)."""
    for passive, target, stop in ((False, 16, 8), (True, 10, 6), (False, 12, 10)):
        row = template(passive=passive, target_ticks=target, stop_ticks=stop, applicability=0.0)
        kernel = RefHotPath(kernel_config(templates=(row,)))
        assert kernel.on_quote(T0_NS, 20_000, 30, 20_001, 10) == Outcome.CANDIDATE
        (found,) = kernel.candidates()
        assert found.side == 1
        assert abs(found.edge_e6 - found.cost_e6) <= 1
        assert abs(found.euc_e6 + found.uncertainty_e6) <= 1
        slippage = 0.5  # the base: no bars yet, a spread of one tick, and T0 is past RTH's first hour
        assert found.slippage_e6 == 500_000
        entry = 0.0 if passive else slippage
        assert found.p_be_e6 == round((stop + 1.0 + entry + slippage) / (target + stop + slippage) * 1e6)


def test_the_oracle_knows_every_signal_of_the_registry() -> None:
    kernel = RefHotPath(kernel_config())
    assert list(kernel.signals()) == [spec.name for spec in SIGNALS]
    assert {spec.name for spec in SIGNALS if spec.cadence == "bar"} == set(BAR_SIGNALS)
    assert set(QUICK) <= set(kernel.signals())
