"""Simulation by seed: worlds drawn alike, runs without a violation, and a report that is the same twice."""

import random
from pathlib import Path

import msgspec
import pytest

from tests.exchange.scripts import latency_model
from trading_bot.adapters.calendar_files import load_calendar
from trading_bot.research import seeded_world, simulate
from trading_bot.research.seeded_world import draw_world

TABLE = load_calendar("us_index.csv", Path("data"))


@pytest.mark.parametrize("seed", [1, 3, 14, 47])
def test_nothing_is_violated(seed):
    """A half day over its close, a holiday, a flip, a restart on the first day after the clock change."""
    report = simulate.simulate(seed)
    assert report.violations == []
    assert report.ok
    assert (report.trades == 0) is (report.day_kind == "holiday")
    assert report.restarted in ({"equal", "abandoned"} if seed == 47 else {""})


def test_nothing_is_violated_where_latencies_are_drawn():
    """NV06: up to 300 ms a way, by burst; the run is killed and goes on as if nothing had been."""

    def drawn(world):
        latency = latency_model(random.Random(world.seed), 300_000_000)
        return msgspec.structs.replace(world, exchange=msgspec.structs.replace(world.exchange, latency=latency))

    report = simulate.simulate(6, change=drawn)
    assert report.violations == []
    assert (report.ok, report.restarted) == (True, "equal")
    assert report.trades > 10


def test_the_same_seed_gives_the_same_report():
    first, again = (simulate.simulate_all([21], told=lambda _: None) for _ in range(2))
    assert first.totals["trades"] > 0
    same = msgspec.structs.replace(again, wall_s=first.wall_s)
    assert msgspec.json.encode(first) == msgspec.json.encode(same)


def test_every_kind_of_world_is_drawn():
    worlds = [draw_world(seed, TABLE) for seed in range(200)]
    assert worlds == [draw_world(seed, TABLE) for seed in range(200)]
    assert {world.day_kind for world in worlds} == {"ordinary", "half", "holiday", "clocks"}
    assert {world.config.safety.position_qty_max for world in worlds} == {1, 2, 3, 4, 5}
    assert {world.exchange.queue_model for world in worlds} == {"pessimistic", "probabilistic", "optimistic"}
    assert {what for world in worlds for _, what in world.operator} == {"flatten", "kill"}
    assert all(not (world.restart_at and world.outages) for world in worlds), "a restart does not know the link"
    for has in ("faults", "outages", "restart_at", "history_sessions"):
        assert 20 < sum(bool(getattr(world, has)) for world in worlds) < 180, has
    closes = [day.rth_close_ns for world in worlds if (day := TABLE.day(world.trade_date))]
    over = sum(bool(close) and w.start_ns < close < w.end_ns for w, close in zip(worlds, closes, strict=True))
    assert over > 90
    assert all(3_600 <= world.duration_ns // 10**9 <= 7 * 3_600 for world in worlds)
    assert seeded_world.HALF_DAY in {world.trade_date for world in worlds}
