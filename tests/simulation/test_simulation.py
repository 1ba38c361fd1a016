"""Simulation by seed: worlds drawn alike, runs without a violation, and a report that is the same twice."""

import random
import runpy
import tomllib
from pathlib import Path

import msgspec
import pytest

from tests.exchange.scripts import latency_model
from trading_bot.adapters.calendar_files import load_calendar
from trading_bot.research import seeded_world, simulate
from trading_bot.research.seeded_world import draw_world

TABLE = load_calendar("us_index.csv", Path("data"))


KEPT = tomllib.loads(Path(__file__).with_name("seeds.toml").read_text(encoding="utf-8"))["seed"]


@pytest.mark.parametrize("seed", [pytest.param(row["seed"], id=str(row["seed"])) for row in KEPT])
def test_what_was_found_once_is_not_found_again(seed):
    report = simulate.simulate(seed)
    assert report.violations == []
    assert report.ok
    assert report.trades > 0


@pytest.mark.parametrize(
    ("seed", "kind", "against"),
    [
        pytest.param(1, "half", "rejects", id="a half day over its close"),
        pytest.param(3, "holiday", "outages", id="a holiday"),
        pytest.param(2, "ordinary", "OBSERVE", id="OBSERVE"),
        pytest.param(5, "ordinary", "clock step, full disk", id="a clock that is set, a disk that fills up"),
        pytest.param(13, "half", "echoes", id="answers twice and late"),
    ],
)
def test_nothing_is_violated(seed, kind, against):
    report = simulate.simulate(seed)
    assert report.violations == []
    assert report.ok
    assert against in report.trouble
    assert report.day_kind == kind
    assert (report.trades == 0) is (kind == "holiday")


def test_nothing_is_violated_where_latencies_are_drawn():
    """NV06: up to 300 ms a way, by burst; the run is killed and goes on as if nothing had been."""

    def drawn(world):
        latency = latency_model(random.Random(world.seed), 300_000_000)
        return msgspec.structs.replace(world, exchange=msgspec.structs.replace(world.exchange, latency=latency))

    report = simulate.simulate(10, change=drawn)
    assert report.violations == []
    assert (report.ok, report.restarted) == (True, "equal")
    assert report.trades > 10


def test_the_same_seed_gives_the_same_report():
    first, again = (simulate.simulate_all([13], told=lambda _: None) for _ in range(2))
    assert first.totals["trades"] > 0
    same = msgspec.structs.replace(again, wall_s=first.wall_s)
    assert msgspec.json.encode(first) == msgspec.json.encode(same)


def test_every_kind_of_world_is_drawn():
    worlds = [draw_world(seed, TABLE) for seed in range(200)]
    assert worlds == [draw_world(seed, TABLE) for seed in range(200)]
    assert {world.day_kind for world in worlds} == {"ordinary", "half", "holiday", "clocks"}
    assert {world.config.safety.position_qty_max for world in worlds} == {1, 2, 3, 4, 5}
    assert {world.exchange.queue_model for world in worlds} == {"pessimistic", "probabilistic", "optimistic"}
    assert {name for world in worlds for name in world.troubles.told} == {
        "OBSERVE",
        "echoes",
        "clock step",
        "full disk",
        "next day",
    }
    assert {what for world in worlds for _, what in world.operator} == {"flatten", "kill"}
    assert all(not (world.restart_at and world.outages) for world in worlds), "a restart does not know the link"
    for has in ("faults", "outages", "restart_at", "history_sessions"):
        assert 20 < sum(bool(getattr(world, has)) for world in worlds) < 180, has
    closes = [day.rth_close_ns for world in worlds if (day := TABLE.day(world.trade_date))]
    over = sum(bool(close) and w.start_ns < close < w.end_ns for w, close in zip(worlds, closes, strict=True))
    assert over > 90
    assert all(3_600 <= world.duration_ns // 10**9 <= 7 * 3_600 for world in worlds)
    assert seeded_world.HALF_DAY in {world.trade_date for world in worlds}


def test_the_command_answers_in_one_line(tmp_path, capsys, monkeypatch):
    """`{"seeds":1,"failed":[13]}`; what failed is told with the command that runs it again, and kept once."""
    kept = tmp_path / "seeds.toml"
    command = runpy.run_path("tools/simulate.py")
    report = simulate.simulate_all([13], told=lambda _: None)
    failing = msgspec.structs.replace(report.seeds[0], violated={"money_adds_up": 2})
    kept.write_text('[[seed]]\nseed = 1\nfound = "x"\n', encoding="utf-8")
    command["keep"](failing, kept)
    command["keep"](failing, kept)
    assert [row["seed"] for row in tomllib.loads(kept.read_text(encoding="utf-8"))["seed"]] == [1, 13]
    command["tell"](failing)
    assert "again: make sim SEED=13" in capsys.readouterr().err
    out = tmp_path / "out.json"
    monkeypatch.setattr("sys.argv", ["simulate.py", "--seed", "13", "--json", str(out)])
    assert command["main"]() == 0
    assert capsys.readouterr().out == out.read_text(encoding="utf-8") == '{"seeds":1,"failed":[]}\n'
    assert msgspec.json.decode((tmp_path / "out.details.json").read_bytes())["ok"] is True
