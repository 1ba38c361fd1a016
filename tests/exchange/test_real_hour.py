"""Brackets over the recorded holiday hour (25 423 quotes, 2 973 trades of ES, 2023-12-25 23:00-24:00 UTC)."""

from collections import Counter
from pathlib import Path

import pytest

from tests.exchange.test_laws import as_tuple, played, reference
from trading_bot.domain.exchange import PRESETS, OrderKind
from trading_bot.domain.records import Aggressor
from trading_bot.domain.units import NS_PER_S

TICK_SIZE = 0.25  # points
SIDES = {"B": Aggressor.BUY, "A": Aggressor.SELL, "N": Aggressor.UNKNOWN}
EVERY = 150  # records between two passive entries, which live for ten seconds
T0_NS = (
    1_703_545_200 * NS_PER_S
)  # the simulator's clock starts with the hour, so that its laws' end of time lies after it


@pytest.fixture(scope="module")
def records(shared_data: Path) -> list:
    parquet = pytest.importorskip("pyarrow.parquet")
    folder = shared_data / "es_l3_holiday"
    quotes = parquet.read_table(folder / "es_mbo_20231225_quotes.parquet").to_pylist()
    trades = parquet.read_table(folder / "es_mbo_20231225_trades.parquet").to_pylist()
    calls = [
        ("on_quote", (q["ts_recv"] - T0_NS, ticks(q["bid"]), q["bid_sz"], ticks(q["ask"]), q["ask_sz"])) for q in quotes
    ]
    calls += [("on_trade", (t["ts_recv"] - T0_NS, ticks(t["px"]), t["qty"], int(SIDES[t["side"]]))) for t in trades]
    assert (len(quotes), len(trades)) == (25_423, 2_973)
    return sorted(calls, key=lambda call: call[1][0])


def ticks(points: float) -> int:
    return round(points / TICK_SIZE)


def with_entries(records: list) -> list:
    """At every 150th record a lot on each side at its touch, target 4 and stop 4 ticks away, cancelled after 10 s."""
    calls, handle, book, pending = [], 0, None, []
    for number, (name, arguments) in enumerate(records):
        while pending and pending[0][0] <= arguments[0]:
            calls.append(("cancel", (pending[0][1], pending.pop(0)[0])))
        calls.append((name, arguments))
        if name == "on_quote":
            book = arguments
        if number % EVERY or book is None:
            continue
        for side, price in ((1, book[1]), (-1, book[3])):
            handle += 1
            ts = arguments[0]
            calls.append(
                ("place", (handle, ts, side, OrderKind.LIMIT, 1, price, 0, price - 4 * side, price + 4 * side))
            )
            pending.append((ts + 10 * NS_PER_S, handle))
    return calls


def test_real_records_give_the_reference_s_answers_and_the_presets_stand_in_order(records):
    calls = with_entries(records)
    placed = sum(name == "place" for name, _ in calls)
    entries = {}
    for name, preset in PRESETS.items():
        sim, heard = played(preset, calls, 4_000 * NS_PER_S)
        market = reference(preset, calls, 4_000 * NS_PER_S)
        assert [as_tuple(answer) for answer in heard] == market.heard
        assert sim.position == market.position == sum(answer.side * answer.qty for answer in heard if answer.exec_id)
        kinds = Counter((answer.leg.name, answer.kind.name) for answer in heard)
        entries[name] = kinds["ENTRY", "FILL"]
        assert kinds["TARGET", "FILL"] > 5
        assert kinds["STOP", "FILL"] > 5
        assert kinds["ENTRY", "FILL"] + kinds["ENTRY", "CANCELLED"] == placed
    assert entries["optimistic"] > entries["model"] > entries["pessimistic"]
