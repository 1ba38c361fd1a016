"""History bars beside the kernel's own and an independent reckoning, and the signals that begin with them."""

import random

import pytest

from tests.files.history_kit import (
    BAR_SIGNALS,
    BARS_TELL,
    MINUTE,
    NEVER,
    S,
    bars_of,
    history,
    kernel,
    kernel_bars,
    ns,
    records_of,
    step_minutes,
    trade,
)
from tests.kernel.kit import market, plain
from trading_bot._fast.historybars import MinuteBars
from trading_bot.domain.records import FrameKind

SPY_DAYS = ("20131007", "20131010")


@pytest.fixture(scope="module")
def spy(shared_data):
    """The two recorded SPY sessions as tapes."""
    return {date: records_of([shared_data / "spy_sessions"], "SPY", date=date) for date in SPY_DAYS}


@pytest.fixture(scope="module")
def spy_bars(shared_data):
    return bars_of(history(shared_data / "spy_sessions", symbol="SPY"))


class TestEqualToTheKernel:
    def test_two_sessions_of_spy(self, spy, spy_bars):
        expected = [bar for date in SPY_DAYS for bar in kernel_bars(kernel(int(date), "SPY"), spy[date])]
        assert len(expected) > 1_500
        assert spy_bars == expected

    @pytest.mark.parametrize(
        ("name", "trade_date"),
        [
            ("es_l3_holiday/esh4_glbx_mdp3_20231225.mbo.dbn.zst", 20231222),
            ("es_mbp1/nautilus_futures_mbp-1_2024-07-01T23-58_2024-07-02T00-02.dbn.zst", 20240701),
            ("es_tape/aferrante_ES_tbt_20220124.txt.gz", 20220121),
        ],
    )
    def test_es(self, shared_data, name, trade_date):
        path = shared_data / name
        expected = kernel_bars(kernel(trade_date, "ES"), records_of([path], "ES"))
        assert len(expected) >= 2
        assert bars_of(history(path, symbol="ES")) == expected

    @pytest.mark.parametrize("seed", range(4))
    def test_a_tape_with_gaps_refusals_and_stamps_that_go_back(self, seed):
        tape = []
        rng = random.Random(seed)
        for record in market(seed, 20_000):
            ts_ns = int.from_bytes(record[24:32], "little")
            if rng.random() < 0.001:
                tape.append(plain(FrameKind.PRICE_GAP, ts_ns))
            if rng.random() < 0.01:
                tape.append(trade(ts_ns - rng.randrange(90) * S, 20_000 + rng.randrange(9), 1))
            tape.append(record)
        bars = MinuteBars(NEVER)
        bars.take(b"".join(tape))
        expected = kernel_bars(kernel(20240112, "MES"), b"".join(tape))
        assert bars.price_gaps > 5
        assert len(expected) > 15
        assert [tuple(bar) for bar in bars.bars()] == expected


class TestEqualToPandas:
    """The same trades read by pandas and resampled by it."""

    def minutes(self, pandas, ts_ns, price_ticks, qty):
        frame = pandas.DataFrame({"p": price_ticks, "q": qty, "n": price_ticks * qty}).set_index(
            pandas.to_datetime(ts_ns)
        )
        bins = frame[frame.q > 0].resample("60s")
        bars = bins.p.ohlc().join(bins[["q", "n"]].sum())
        bars = bars[bars.q > 0].astype("int64")
        return [(start.value, *(int(cell) for cell in row)) for start, *row in bars.itertuples()]

    def test_spy_prints(self, shared_data, spy_bars):
        pandas = pytest.importorskip("pandas")
        expected = []
        for date in SPY_DAYS:
            rows = pandas.read_csv(
                shared_data / f"spy_sessions/equity_usa_tick_spy_{date}_trade.zip",
                names=["ms", "price", "size", "exchange", "condition", "suspicious"],
                usecols=["ms", "price", "size", "suspicious"],
                compression="zip",
            )
            rows = rows[rows.suspicious == 0]
            midnight = pandas.Timestamp(date, tz="America/New_York").value
            expected += self.minutes(pandas, midnight + rows.ms * 1_000_000, rows.price // 100, rows["size"])
        assert spy_bars == expected

    def test_the_holiday_hour(self, shared_data):
        pandas = pytest.importorskip("pandas")
        path = shared_data / "es_l3_holiday/es_mbo_20231225_trades.parquet"
        rows = pandas.read_parquet(path)
        expected = self.minutes(pandas, rows.ts_recv.astype("int64"), (rows.px * 4).round().astype("int64"), rows.qty)
        assert len(expected) >= 59
        assert bars_of(history(path, symbol="ES")) == expected


def signals_by_minute(hot, tape, names):
    """The signals after each minute that made a bar, in order."""
    found = {}

    def keep(boundary):
        bars = hot.bars(60)
        if bars and bars[-1][0] == boundary - MINUTE:
            signals = hot.signals()
            found[boundary] = {name: signals[name] for name in names}

    step_minutes(hot, tape, keep)
    return found


def first_warm(by_minute):
    """Of each signal: with which bar of the tape (from 1) it is there for the first time."""
    found = {}
    for number, (_, signals) in enumerate(sorted(by_minute.items()), 1):
        for name, value in signals.items():
            if value is not None:
                found.setdefault(name, number)
    return found


# With which bar a signal comes, by the registry: 14 or 30 ranges are there at once after a day of history, and so is a
# median of ranges (cold: 14 bars make the first range sum, 30 sums before it a median); windows from the anchor wait.
WARM_AT_ONCE = {"atr_14_n": (44, 1), "range_compression": (30, 1), "real_body_impulse_n": (14, 1)}
ANCHORED = {
    "vwap_z": (60, 60),
    "vwap_slope": (30, 30),
    "hhll_trend_strength": (31, 31),
    "breakout_distance_n": (61, 61),
    "micro_trend_5": (14, 6),
    "vol_z": (61, 61),
}
ANY_BAR = {"rejection_wick_n": (1, 1), "close_location_value": (1, 1)}


def warmed(hot, *paths, before, symbol="SPY"):
    refused = [bar for bar in bars_of(history(*paths, before=before, symbol=symbol)) if hot.on_bar(*bar) != 0]
    assert not refused
    return hot


class TestWarmUp:
    def test_a_second_day_begins_with_its_signals(self, shared_data, spy):
        """Those that need ranges of bars alone; a window that begins at the anchor waits for its own bars."""
        first, second = (spy[date] for date in SPY_DAYS)
        folder = shared_data / "spy_sessions"
        begin = int.from_bytes(second[24:32], "little")
        cold = signals_by_minute(kernel(20131007, "SPY"), second, BAR_SIGNALS)
        warm = signals_by_minute(warmed(kernel(20131007, "SPY"), folder, before=begin), second, BAR_SIGNALS)
        both_days = kernel(20131007, "SPY")
        signals_by_minute(both_days, first, BAR_SIGNALS)
        both = signals_by_minute(both_days, second, BAR_SIGNALS)

        expected = WARM_AT_ONCE | ANCHORED | ANY_BAR
        come_cold, come_warm = first_warm(cold), first_warm(warm)
        assert {name: (come_cold[name], come_warm[name]) for name in expected} == expected
        assert warm.keys() == both.keys()
        for minute, signals in warm.items():
            assert {name: signals[name] for name in BARS_TELL} == {name: both[minute][name] for name in BARS_TELL}
        last = max(both)
        assert warm[last] == both[last]
        assert all(warm[last][name] is not None for name in expected)

    @pytest.mark.parametrize("hour", [13, 15, 19])
    def test_a_day_begun_in_its_middle_goes_on_as_if_it_had_been_seen(self, shared_data, spy, hour):
        """Also what counts from the anchor: before the RTH open, two hours after it, in the afternoon."""
        tape = spy["20131010"]
        middle = ns(2013, 10, 10, hour)
        at = next(k for k in range(0, len(tape), 64) if int.from_bytes(tape[k + 24 : k + 32], "little") >= middle)
        whole = signals_by_minute(kernel(20131009, "SPY"), tape, BAR_SIGNALS)
        late = kernel(20131009, "SPY")
        path = shared_data / "spy_sessions/equity_usa_tick_spy_20131010_trade.zip"
        rest = signals_by_minute(warmed(late, path, before=middle), tape[at:], BAR_SIGNALS)
        assert len(rest) > 240
        for number, (minute, signals) in enumerate(sorted(rest.items())):
            names = BAR_SIGNALS if number else BARS_TELL  # the quote of before is not known in the first minute
            assert {name: signals[name] for name in names} == {name: whole[minute][name] for name in names}

    def test_a_kernel_without_history_knows_less(self, spy):
        """What the comparison above rests on: half a day without its morning has other signals."""
        tape = spy["20131010"]
        at = next(
            k
            for k in range(0, len(tape), 64)
            if int.from_bytes(tape[k + 24 : k + 32], "little") >= ns(2013, 10, 10, 15)
        )
        whole = signals_by_minute(kernel(20131009, "SPY"), tape, BAR_SIGNALS)
        rest = signals_by_minute(kernel(20131009, "SPY"), tape[at:], BAR_SIGNALS)
        first = min(rest)
        # What one bar tells: its shape, the phase, the magnet of another hour, spread and expected slippage.
        told = {name for name, value in rest[first].items() if value is not None}
        assert told == {
            "rejection_wick_n",
            "close_location_value",
            "session_phase",
            "close_magnet_index",
            "spread_tickiness",
            "slippage_risk",
        }
        assert all(whole[first][name] is not None for name in ("vwap_z", "vwap_slope", "vol_z", "atr_14_n"))
        assert first == ns(2013, 10, 10, 15) + MINUTE
