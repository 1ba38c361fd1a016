"""The recorded holiday hour (25 423 quotes, 2 973 trades of ES, 2023-12-25 23:00-24:00 UTC) through both kernels."""

import itertools
from pathlib import Path

import pytest

from tests.property.driver import compare
from tests.property.shipped import shipped_config
from tests.property.tapes import Call
from trading_bot.domain.records import Aggressor

TICK_SIZE = 0.25  # points; ES and MES share the grid
SIDES = {"B": Aggressor.BUY, "A": Aggressor.SELL, "N": Aggressor.UNKNOWN}


@pytest.fixture(scope="module")
def holiday_hour(shared_data: Path) -> list[Call]:
    parquet = pytest.importorskip("pyarrow.parquet")
    folder = shared_data / "es_l3_holiday"
    quotes = parquet.read_table(folder / "es_mbo_20231225_quotes.parquet").to_pylist()
    trades = parquet.read_table(folder / "es_mbo_20231225_trades.parquet").to_pylist()
    calls: list[Call] = [
        (
            "on_quote",
            (q["ts_recv"], ticks(q["bid"]), q["bid_sz"], ticks(q["ask"]), q["ask_sz"], q["ts_event"], 0),
        )
        for q in quotes
    ]
    calls += [
        ("on_trade", (t["ts_recv"], ticks(t["px"]), t["qty"], int(SIDES[t["side"]]), t["ts_event"], 0)) for t in trades
    ]
    assert (len(quotes), len(trades)) == (25_423, 2_973)
    return sorted(calls, key=lambda call: call[1][0])


def ticks(points: float) -> int:
    return round(points / TICK_SIZE)


def test_kernel_equals_oracle_over_the_holiday_hour(holiday_hour: list[Call]) -> None:
    config = shipped_config(20_231_211)
    opened: list[Call] = [("set_entry_mask", ((1 << len(config.templates)) - 1,))]
    kernel = compare(config, [*opened, *holiday_hour], label="holiday hour")
    minutes = kernel.bars(60)
    assert len(minutes) >= 59
    assert all(later[0] - earlier[0] == 60 * 10**9 for earlier, later in itertools.pairwise(minutes[-30:]))
    assert kernel.counters()["quotes"] == 25_423
    assert kernel.counters()["trades"] == 2_973
