"""`explain` on a decision of a real SPY day and on an order of a simulated one, as a user meets it."""

import json
from math import sqrt

import pytest

from trading_bot.domain.reasons import GateReason

SPY = ("--mode", "OBSERVE", "--adapter", "files", "--instrument", "SPY", "--date", "20131007")


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    """The command line in a process of its own; gives exit code, stdout and stderr."""
    import subprocess
    import sys

    folder = tmp_path_factory.mktemp("explain")

    def run(*arguments):
        line = [sys.executable, "-m", "trading_bot.cli", *map(str, arguments), "--data-dir", str(folder / "data")]
        done = subprocess.run(line, capture_output=True, text=True, cwd=folder, check=False, timeout=300)
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture(scope="module")
def spy_log(command, shared_data):
    """The log of a whole SPY session."""
    code, out, err = command(*SPY, "--input", shared_data / "spy_sessions", "--json")
    assert code == 0, err
    return json.loads(out)["log_path"]


@pytest.fixture(scope="module")
def sim_log(command):
    """The log of an hour at the simulator, with trades."""
    code, out, err = command("--mode", "OBSERVE", "--adapter", "sim", "--seed", 11, "--duration", 3600, "--json")
    assert code == 0, err
    return json.loads(out)["log_path"]


def records(command, log, kind):
    """Messages of one kind as `log show` prints them."""
    code, out, err = command("log", "show", log, "--kind", kind, "--json")
    assert code == 0, err
    return json.loads(out)["rows"]


def test_a_decision_of_the_spy_day(command, spy_log):
    rows = records(command, spy_log, "DECISION_MADE")
    rows = [row for row in rows if "not warm" not in row["payload"]["text"]]
    for row in (rows[0], rows[len(rows) // 2], rows[-1]):
        code, out, err = command("explain", spy_log, row["seq"], "--json")
        assert code == 0, err
        found = json.loads(out)
        assert found["decision_seq"] == row["seq"]
        assert found["decision"]["text"] == row["payload"]["text"]
        mask = row["payload"]["mask"]
        assert [gate["blocks"] for gate in found["gates"]] == [bool(mask >> gate & 1) for gate in GateReason]
        assert_belief(found)


def assert_belief(found):
    """The parts give the belief that the log holds: the replay stands at the moment of the decision."""
    belief, terms = found["belief"], found["terms"]
    total = sum(abs(part["weight"]) for part in belief["signals"])
    assert sum(part["product"] for part in belief["signals"]) / total == pytest.approx(belief["now"])
    z = belief["z"]
    assert round((0.5 + 0.5 * z / sqrt(1 + z * z)) * 1e6) == pytest.approx(terms["belief"] * 1e6, abs=1)
    assert terms["euc"] == pytest.approx(terms["edge"] - terms["uncertainty"] - terms["cost"], abs=3e-6)


def test_an_order_from_tick_to_close(command, sim_log):
    closed = records(command, sim_log, "TRADE_CLOSED")[0]
    seq, number = closed["payload"]["order_id"]
    code, out, err = command("explain", sim_log, f"{seq}-{number}", "--json")
    assert code == 0, err
    found = json.loads(out)
    steps = [step["what"] for step in found["steps"]]
    assert found["decision"]["action"] == "ENTER"
    assert found["outcome_seq"] == seq
    assert steps[:2] == ["OUTCOME_REACHED", "DECISION_MADE"]
    for what in ("SAFETY_VERDICT", "PLACE_ORDER", "ORDER_FILLED", "STOP_RESIDENT", "TRADE_CLOSED"):
        assert what in steps
    assert [step["seq"] for step in found["steps"] if step["what"] == "TRADE_CLOSED"] == [closed["seq"]]
    assert found["ticks"]
    assert found["ticks"][-1]["seq"] < seq
    # The inputs are those before the order went out.
    assert found["inputs"]["working_entries"] == 0
    assert_belief(found)
    outcome, parts = closed["payload"]["outcome"], found["attribution"]
    net_uusd = round((outcome["pnl_usd"] - outcome["commission_round_trip"]) * 1e6)
    assert parts["net_uusd"] == parts["skill_uusd"] + parts["luck_uusd"] + parts["execution_uusd"] == net_uusd
    assert parts["closed_seq"] == closed["seq"]
    told = [line["what"] for line in found["story"]]
    assert [
        what for what in steps if what not in {"ARM_TIMER", "DISARM_TIMER", "TIMER_FIRED", "POSITION_HEARTBEAT"}
    ] == [what for what in told if what not in {"TIMER_FIRED", "POSITION_HEARTBEAT"}]
    code, out, err = command("explain", sim_log, f"{seq}-{number}")
    assert code == 0, err
    for heading in (
        "Belief: the signals",
        "Triggers",
        "Terms",
        "Gates",
        "What the gates saw",
        "What became of it",
        "What the result was made of",
    ):
        assert heading in out


def test_an_order_that_never_filled(command, sim_log):
    """Its time to live ended: the timer, the withdrawal, what the broker said; no trade, so nothing is attributed."""
    withdrawn = records(command, sim_log, "CANCEL_ORDER")[0]["payload"]
    assert withdrawn["reason"] == "TIME_TO_LIVE"
    seq, number = withdrawn["order_id"]
    code, out, err = command("explain", sim_log, f"{seq}-{number}", "--json")
    assert code == 0, err
    found = json.loads(out)
    told = [line["what"] for line in found["story"]]
    assert told[-5:-2] == ["TIMER_FIRED", "CANCEL_ORDER", "ORDER_CANCELLED"]
    assert "ORDER_FILLED" not in told
    assert found["attribution"] is None


def test_wrong_ids(command, sim_log):
    decision = records(command, sim_log, "DECISION_MADE")[0]["seq"]
    code, _, err = command("explain", sim_log, decision + 1)
    assert code == 2
    assert f"the nearest decision is {decision}" in err
    code, _, err = command("explain", sim_log, "1-99")
    assert code == 2
    assert "no order 1-99" in err
    code, _, err = command("explain", sim_log, "tomorrow")
    assert code == 2
    assert "expected the number of a decision" in err
    code, _, err = command("explain", "nowhere", decision)
    assert code == 2
    assert "nowhere" in err
