"""SG06: .4 direction, .3 steadiness, .3 coverage, on calls whose answer is known; and on a run of the simulator."""

import json
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from trading_bot.domain.signal_registry import SIGNALS
from trading_bot.research.reliability import reliability


@pytest.mark.parametrize(
    ("calls", "coverage", "right", "steadiness", "score"),
    [
        ([True] * 40, 1.0, 1.0, 1.0, 1.0),
        ([True, False] * 20, 1.0, 0.5, 1.0, 0.6),  # a coin: no direction, as steady as can be
        ([True] * 20 + [False] * 20, 1.0, 0.5, 0.0, 0.3),
        ([False] * 40, 0.5, 0.0, 1.0, 0.45),  # always wrong is not worth less than nothing
        ([True, True, True, False] * 10, 0.5, 0.75, 1.0, 0.4 * 0.5 + 0.3 + 0.15),
    ],
)
def test_the_weights(calls, coverage, right, steadiness, score):
    assert reliability(calls, coverage) == (right, steadiness, pytest.approx(score))


def test_too_few_calls_have_no_score():
    assert reliability([True] * 29, 1.0) == (None, None, None)


def test_a_run_of_the_simulator(tmp_path):
    line = ("--mode", "OBSERVE", "--adapter", "sim", "--seed", "4", "--duration", "7200", "--json")
    run = subprocess.run(
        [sys.executable, "-m", "trading_bot.cli", *line, "--data-dir", str(tmp_path)], capture_output=True, check=True
    )
    log = json.loads(run.stdout)["log_path"]
    told = subprocess.run(
        [sys.executable, "tools/signal_reliability.py", log, "--json"], cwd=ROOT, capture_output=True, check=True
    )
    rows = {row["signal"]: row for row in json.loads(told.stdout)}
    assert set(rows) == {spec.name for spec in SIGNALS}
    assert all(row["calls"] == 0 and row["score"] is None for name, row in rows.items() if name == "spread_ticks")
    assert rows["context_1"]["coverage"] == 0.0
    assert rows["queue_imbalance"]["coverage"] == 1.0
    assert rows["queue_imbalance"]["calls"] >= 30
    assert all(row["score"] is None or 0 <= row["score"] <= 1 for row in rows.values())
