"""Strategies in Python as users install them: entry points of a distribution, the command line, a replay."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
STRATEGIES = """
schema = 1

[template.P1]
on = true
title = "Quiet pullback"
cadence = "bar"
entry = "marketable"
target_ticks = 16
stop_ticks = 8
hold_s = 600
plugin = "quiet_pullback"
params = { trend_min = 0.05, belief = 0.8 }
"""
ENTRY_POINTS = """[trading_bot.strategies]
quiet_pullback = quiet_pullback:QuietPullback
raises = quiet_pullback:Raises
no_on_bar = quiet_pullback:NoOnBar
seven = quiet_pullback:not_callable
gone = quiet_pullback_gone:Anything
"""


@pytest.fixture
def site(tmp_path):
    """A folder of installed packages with one distribution in it, as pip lays it out."""
    folder = tmp_path / "site"
    info = folder / "quiet_pullback-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: quiet-pullback\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    (folder / "quiet_pullback.py").write_text((HERE / "example_package" / "quiet_pullback.py").read_text())
    return folder


@pytest.fixture
def command(tmp_path, site):
    def run(*arguments):
        paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "trading_bot.cli",
                *map(str, arguments),
                "--json",
                "--data-dir",
                str(tmp_path / "d"),
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
            timeout=120,
        )
        return done.returncode, json.loads(done.stdout)

    return run


def observe(command, tmp_path, text):
    (tmp_path / "mine.toml").write_text(text)
    market = ("--adapter", "sim", "--seed", 5, "--duration", 5400, "--strategies", tmp_path / "mine.toml")
    return command("--mode", "OBSERVE", *market)


def rows(command, log, kind):
    return command("log", "show", log, "--kind", kind)[1]["rows"]


def test_proposals_go_through_the_gates_and_are_replayed(command, tmp_path, site):
    code, summary = observe(command, tmp_path, STRATEGIES)
    assert code == 0, summary
    proposals = rows(command, summary["log_path"], "STRATEGY_PROPOSED")
    decisions = rows(command, summary["log_path"], "DECISION_MADE")
    assert proposals
    assert {row["payload"]["template"] for row in decisions} == {"P1"}
    assert all(row["payload"]["candidate"]["belief_e6"] == 800_000 for row in proposals)
    # Proposals come at the close of a minute and nowhere else, and each about a side and bar by itself.
    assert all(row["ts_ns"] % 60_000_000_000 == 0 for row in proposals)
    assert summary["approvals"] > 0, summary
    assert summary["fills"] > 0
    placed = rows(command, summary["log_path"], "PLACE_ORDER")
    assert all(row["payload"]["order"]["template"] == "P1" for row in placed)
    code, again = command("replay", summary["log_path"])
    assert (code, again["ok"], again["reason"]) == (0, True, "")
    assert again["effects_digest"] == summary["effects_digest"]
    code, found = command("explain", summary["log_path"], decisions[0]["seq"])
    assert code == 0, found
    assert found["terms"]["belief"] == 0.8
    # Other code of the strategy: the log is read, and not compared.
    source = site / "quiet_pullback.py"
    source.write_text(source.read_text().replace('"trend_min", 0.1', '"trend_min", 0.2'))
    code, other = command("replay", summary["log_path"])
    assert code == 0
    assert "other code of a strategy" in other["reason"]


def test_a_strategy_that_raises_is_switched_off_and_told(command, tmp_path):
    text = STRATEGIES.replace('plugin = "quiet_pullback"', 'plugin = "raises"').replace("params =", "#")
    code, summary = observe(command, tmp_path, text)
    assert code == 0, summary
    failed = rows(command, summary["log_path"], "STRATEGY_FAILED")
    assert [row["payload"]["error"] for row in failed] == ["ZeroDivisionError: the third minute"]
    alerts = [row["payload"] for row in rows(command, summary["log_path"], "ALERT")]
    assert "STRATEGY_FAILED" in {alert["code"] for alert in alerts}
    assert command("replay", summary["log_path"])[1]["ok"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('plugin = "quiet_pullback"', 'plugin = "quiet_pulback"', ["not installed", "quiet_pullback"]),
        ("trend_min = 0.05", "trend = 0.05", ["refuses its params", "unknown params ['trend']"]),
        ('plugin = "quiet_pullback"', 'plugin = "no_on_bar"', ["without on_bar(view)"]),
        ('plugin = "quiet_pullback"', 'plugin = "seven"', ["expected a class or function"]),
        ('plugin = "quiet_pullback"', 'plugin = "gone"', ["cannot be imported", "quiet_pullback_gone"]),
        ('cadence = "bar"', 'cadence = "tick"', ["cadence must be bar"]),
        ('plugin = "quiet_pullback"', 'weights = { vwap_z = 1.0 }\nplugin = "quiet_pullback"', ["remove weights"]),
        ('plugin = "quiet_pullback"', "weights = { vwap_z = 1.0 }", ["params", "there is none"]),
    ],
)
def test_what_cannot_work_is_refused_before_the_run(command, tmp_path, old, new, said):
    assert old in STRATEGIES
    code, answer = observe(command, tmp_path, STRATEGIES.replace(old, new))
    assert code == 2, answer
    assert not [part for part in [*said, "template.P1"] if part not in answer["error"]["message"]], answer
