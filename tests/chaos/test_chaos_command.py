"""`trading-bot chaos`: the list, the quick incidents, and what a broken bot looks like to the lab."""

import json
import re
import subprocess
import sys

import msgspec
import pytest

from trading_bot.chaos import bench
from trading_bot.chaos.catalogue import INCIDENTS
from trading_bot.chaos.incident import INVARIANTS, LIBRARIES, SOURCE
from trading_bot.chaos.moments import filled
from trading_bot.cli import main

QUICK_S = 300  # what it may take on a machine that does five other things; alone it is below 60


def test_list_names_source_libraries_and_invariants(capfdbinary):
    assert main(["chaos", "list", "--json"]) == 0
    rows = json.loads(capfdbinary.readouterr().out)["incidents"]
    assert [row["name"] for row in rows] == list(INCIDENTS)
    for row in rows:
        assert row["says"]
        assert row["source"]
        assert all(re.fullmatch(r"2#\d+|2b:\d+|own", source) for source in row["source"])
        assert all(SOURCE.fullmatch(source) for source in row["also"])
        assert set(row["libraries"]) <= set(LIBRARIES)
        assert set(row["invariants"]) | set(row["tolerates"]) == set(INVARIANTS)


def test_an_unknown_name_ends_with_2_and_the_nearest(capfdbinary):
    assert main(["chaos", "run", "stop-refusd", "--json"]) == 2
    assert json.loads(capfdbinary.readouterr().out)["error"]["message"].endswith("; did you mean stop-refused?")


def test_the_quick_incidents_pass(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "trading_bot.cli", "chaos", "run", "quick", "--jobs", "2", "--json"],
        cwd=tmp_path,
        capture_output=True,
        timeout=QUICK_S,
    )
    report = json.loads(done.stdout)
    failed = {row["name"]: row["violations"] for row in report["results"] if not row["passed"]}
    assert failed == {}
    assert done.returncode == 0
    assert report["passed"] == report["incidents"] == sum(one.quick for one in INCIDENTS.values())


def _four_seconds_without_a_stop(lab):
    lab.fault("drop_leg", leg="S")
    bot = lab.start()
    lab.wait(filled, what="an entry that fills without its stop")
    lab.pause(4.0)
    lab.end(bot)


@pytest.mark.slow
def test_a_bot_that_waits_too_long_for_a_stop_is_found_out(tmp_path, monkeypatch):
    # The product itself, told to wait a minute for a stop that never comes instead of two seconds, in a market slow
    # enough that its price is not reached before.
    careless = msgspec.structs.replace(
        INCIDENTS["stop-missing"],
        body=_four_seconds_without_a_stop,
        speed=4.0,
        config={"orders.stop_deadline_ms": 60_000, "orders.reconcile_s": 600, "ibkr.request_timeout_s": 60.0},
    )
    monkeypatch.setattr(bench, "incident_by_name", lambda _name: careless)
    result = bench.run_one("stop-missing", tmp_path)
    assert not result.passed
    assert "stop_resident" in {violation.invariant for violation in result.violations}, result.violations
