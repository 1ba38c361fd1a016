"""NV06: profit and loss against latency, through the command line."""

import json
import subprocess
import sys

import pytest

from trading_bot.cli import main
from trading_bot.domain.errors import UsageError
from trading_bot.research.latency_curve import entries_of, latency_curve

# Enters often and without bars of earlier days, so that a quarter of an hour is enough.
EAGER = """schema = 1
[template.E1]
on = true
title = "with the queue"
cadence = "grid"
entry = "marketable"
target_ticks = 12
stop_ticks = 8
hold_s = 300
gain = 8.0
belief_enter = 0.6
belief_hold = 0.55
rearm_s = 1.0
weights = { queue_imbalance = 1.0 }
triggers = [{ signal = "queue_imbalance", min = 0.2 }]
"""
SHORT = """schema = 1
[run]
strategies = "eager.toml"
[simulator]
history_sessions = 0
[decision]
stability_max = 9.0
[costs]
cost_share_max = 1.0
"""
COMMAND = ["latency", "curve", "--adapter", "sim", "--seed", "3", "--duration", "1200"]


def write_config(folder):
    (folder / "short.toml").write_text(SHORT)
    (folder / "eager.toml").write_text(EAGER)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """The curve as JSON, with its runs kept, and the data directory."""
    folder = tmp_path_factory.mktemp("curve")
    write_config(folder)
    command = [sys.executable, "-m", "trading_bot.cli", *COMMAND, "--scales", "0,1,40", "--json"]
    command += ["--data-dir", str(folder / "data"), "--keep", str(folder / "runs")]
    command += ["--config", str(folder / "short.toml")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_each_point_has_the_latency_it_was_run_at(drawn):
    """25 ms each way by default: 50 ms from an order to its first answer."""
    assert [point["scale"] for point in drawn["points"]] == [0, 1, 40]
    assert [point["trip_ms_p50"] for point in drawn["points"]] == [0, 50, 2_000]
    assert [point["trip_ms_p99"] for point in drawn["points"]] == [0, 50, 2_000]
    assert (drawn["mode"], drawn["instrument"], drawn["seed"], drawn["latency_model"]) == ("SIM", "MES", 3, "")


def test_every_entry_of_a_point_is_filled_missed_or_rejected(drawn):
    for point in drawn["points"]:
        assert point["entries"] > 0
        assert point["filled"] + point["missed"] + point["rejected"] == point["entries"]
        assert point["exit_code"] == 0


def test_the_middle_point_is_the_run_without_a_curve(drawn, tmp_path, monkeypatch, capfdbinary):
    monkeypatch.chdir(tmp_path)
    write_config(tmp_path)
    command = ["--mode", "SIM", "--adapter", "sim", "--seed", "3", "--duration", "1200", "--json"]
    assert main([*command, "--config", "short.toml"]) == 0
    summary = json.loads(capfdbinary.readouterr().out)
    point = drawn["points"][1]
    assert point["effects_digest"] == summary["effects_digest"]
    assert point["pnl_usd"] == summary["pnl_hypothetical"] + summary["pnl_net_usd"]
    assert (point["fills"], point["trades"]) == (summary["fills"], summary["trades_closed"])
    assert entries_of(tmp_path / summary["log_path"]).placed == summary["orders"] == point["entries"]


def test_two_seconds_late_is_another_day_than_at_once(drawn):
    assert drawn["points"][0]["effects_digest"] != drawn["points"][2]["effects_digest"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--scales", "one"], "--scales 'one'"),
        (["--scales", "-1"], "expected numbers from 0 to 100"),
        (["--scales", "nan"], "expected numbers from 0 to 100"),
        (["--adapter", "ibkr"], "--adapter ibkr: a curve runs one market several times"),
        (["--adapter", "files"], "give at least one"),
    ],
)
def test_what_gives_no_curve_is_refused(more, said, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert main([*COMMAND, *more]) == 2
    assert said in capfd.readouterr().err


def test_no_scale_is_no_curve(tmp_path):
    with pytest.raises(UsageError, match="--scales"):
        latency_curve(None, [], tmp_path)
