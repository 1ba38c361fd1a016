"""The generated market beside recorded ES: the same functions on both (docs/market-generator.md has the numbers)."""

import io
import zipfile

import numpy as np
import pytest

from tests.sim.world import HOUR_NS, SECOND_NS, Quotes, at, autocorrelation, records, sim
from trading_bot.domain.records import FrameKind

parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow reads the recorded hour; it is in the research extra")


@pytest.fixture(scope="module")
def recorded(shared_data):
    """ESH4 on the evening of 2023-12-25: top of book and trades of a thin Globex hour."""
    folder = shared_data / "es_l3_holiday"
    table = parquet.read_table(folder / "es_mbo_20231225_quotes.parquet")
    column = {name: table[name].to_numpy() for name in table.column_names}
    bid, ask = (np.round(column[name] * 4).astype(int) for name in ("bid", "ask"))
    quotes = Quotes(column["ts_recv"].astype(np.int64), bid, ask, column["bid_sz"], column["ask_sz"])
    return quotes, parquet.read_table(folder / "es_mbo_20231225_trades.parquet")["qty"].to_numpy()


@pytest.fixture(scope="module", params=[20, 21])
def generated(request):
    tape = records(sim("2026-11-25T02:00:00", 4 * 3600, seed=request.param))
    return Quotes.of(tape), tape["bid_qty"][tape["kind"] == FrameKind.TRADE]


def gain_of_a_strong_lean(quotes):
    """Ticks the mid moves in 10 s towards an imbalance above 0.6."""
    later = np.searchsorted(quotes.ts, quotes.ts + 10 * SECOND_NS, side="right") - 1
    gain = (quotes.mid[later] - quotes.mid) * np.sign(quotes.imbalance)
    return gain[abs(quotes.imbalance) > 0.6].mean()


def test_the_book_is_as_wide_and_as_busy(recorded, generated):
    (real, real_sizes), (sim_quotes, sim_sizes) = recorded, generated
    assert abs((real.spread == 1).mean() - (sim_quotes.spread == 1).mean()) < 0.06
    real_ratio, sim_ratio = len(real_sizes) / len(real.ts), len(sim_sizes) / len(sim_quotes.ts)
    assert 0.5 < sim_ratio / real_ratio < 2
    assert np.median(real_sizes) == np.median(sim_sizes) == 1
    assert 0.4 < sim_sizes.mean() / real_sizes.mean() < 1.2


def test_the_queues_know_as_much_and_not_more(recorded, generated):
    real, market = recorded[0], generated[0]
    assert 0.35 * real.imbalance_and_next_move() < market.imbalance_and_next_move() < real.imbalance_and_next_move()
    assert abs(real.imbalance_and_return(1) - market.imbalance_and_return(1)) < 0.12
    assert abs((abs(real.imbalance) > 0.6).mean() - (abs(market.imbalance) > 0.6).mean()) < 0.15
    assert abs(gain_of_a_strong_lean(real) - gain_of_a_strong_lean(market)) < 0.15
    assert gain_of_a_strong_lean(market) < 0.5, "less than half a spread"


def test_prices_bounce_alike(recorded, generated):
    real, market = recorded[0], generated[0]
    assert abs(real.eta() - market.eta()) < 0.12
    for lag in (1, 5):
        first, second = (autocorrelation(abs(np.diff(quotes.mid_every(1))), lag) for quotes in (real, market))
        assert abs(first - second) < 0.15


ORDINARY_DAYS = {"20131007": 13.5, "20131008": 13.5, "20131009": 13.5, "20131010": 13.5, "20200106": 14.5}


def minute_volumes(path, open_hour):
    """Volume of the 390 RTH minutes of the busiest contract of a LEAN zip (ms since midnight, o, h, l, c, volume)."""
    with zipfile.ZipFile(path) as archive:
        tables = [np.loadtxt(io.BytesIO(archive.read(name)), delimiter=",", ndmin=2) for name in archive.namelist()]
    bars = max(tables, key=lambda table: table[:, 5].sum())
    minute = (bars[:, 0] / 60_000 - open_hour * 60).astype(int)
    inside = (minute >= 0) & (minute < 390)
    return np.bincount(minute[inside], bars[inside, 5], minlength=390)


def shape(volumes):
    """First half hour, the five around noon, and the last one, relative to the mean of the day."""
    half_hours = volumes.reshape(13, 30).sum(axis=1)
    half_hours = half_hours / half_hours.mean()
    return np.array([half_hours[0], half_hours[5:10].mean(), half_hours[-1]])


def test_the_day_has_the_shape_of_recorded_days(shared_data):
    folder = shared_data / "es_1min"
    real = np.array(
        [
            shape(minute_volumes(folder / f"future_cme_minute_es_{day}_trade.zip", open_hour))
            for day, open_hour in ORDINARY_DAYS.items()
        ]
    )
    volumes = np.zeros(390)
    for seed in range(20, 26):
        tape = records(sim(seed=seed))
        trades = tape[tape["kind"] == FrameKind.TRADE]
        minute = (trades["ts"] - at("2026-11-25T14:30:00")) // (HOUR_NS // 60)
        volumes += np.bincount(minute, trades["bid_qty"], minlength=390)
    market = shape(volumes)
    assert (real.min(axis=0) < market).all()
    assert (market < real.max(axis=0)).all()
