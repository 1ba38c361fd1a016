"""Kill switch and orderly stops of a bot in a process of its own, with a position open at a gateway (item 3)."""

import json
import signal
import subprocess
import sys
import time

import pytest

from tests.cli.test_at_a_broker import OPEN_NS, orders_at, position_at
from trading_bot.adapters.gateway.background import running_gateway
from trading_bot.chaos import moments
from trading_bot.chaos.bots import STYLES, environment
from trading_bot.chaos.incidents.session import _still_market
from trading_bot.chaos.moments import scene_of
from trading_bot.core import apply
from trading_bot.core.kill_timeline import STAGES
from trading_bot.domain.trade_events import OrderFilled

LIMIT_S = 40.0
SPEED = 5.0
MARKET = ("--clock", "feed", "--speed", f"{SPEED:g}", "--strategies", "stand.toml")


@pytest.fixture
def gateway():
    with running_gateway(seed=7, speed=SPEED, start_ns=OPEN_NS) as running:
        yield running


@pytest.fixture
def start(gateway, tmp_path):
    """Starts the bot in PAPER; whatever still runs is ended."""
    processes = []

    (tmp_path / "stand.toml").write_text(STYLES["stand"])  # a position stands until somebody closes it

    def begin(**config):
        command = [sys.executable, "-m", "trading_bot.cli", "--mode", "PAPER", "--account", "DUSIM1", *MARKET, "--json"]
        command += ["--port", str(gateway.port), "--data-dir", str(tmp_path / "data")]
        env = environment(config)
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path, env=env)
        processes.append(process)
        return process

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def until(condition, what, process=None):
    end_s = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end_s, f"not in time: {what}"
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.01)


def scene(gateway):
    return gateway.call(lambda real: scene_of(real, 0))


def holding(gateway, process):
    """Until the bot has a position whose stop works at the broker."""
    until(lambda: moments.holding(scene(gateway)), "a position with its stop", process)


def answer(run_main, *arguments, code=0):
    found, out, err = run_main(*arguments, "--json")
    assert found == code, (out, err)
    return json.loads(out)


def ended(process):
    out, err = process.communicate(timeout=LIMIT_S)
    return process.returncode, json.loads(out), err.decode()


def test_kill_flattens_with_a_timeline_and_a_start_stays_halted_until_unkill(start, gateway, run_main, tmp_path):
    bot = start()
    holding(gateway, bot)
    document = answer(run_main, "kill", "--reason", "what I saw", "--wait", "30")
    assert (document["halted"], document["position_qty"]) == (True, 0)
    assert position_at(gateway) == 0
    assert scene(gateway).working == ()
    timeline = document["timeline_ms"]
    assert [stage for stage in STAGES if stage in timeline] == list(STAGES)
    assert list(timeline.values()) == sorted(timeline.values())
    assert timeline["taken"] < 1_000
    assert timeline["flat"] < 15_000  # cancels 5 s, exit 10 s (specification 8.3)
    code, summary, _ = ended(bot)
    assert (code, summary["exit_reason"], summary["position_qty"]) == (5, "KILL_SWITCH", 0)
    said = [json.loads(line) for line in (tmp_path / "data" / "logs" / "operator.jsonl").read_text().splitlines()]
    assert [line["timeline_ms"] for line in said if line["event"] == "halted"] == [timeline]
    assert not list((tmp_path / "data").glob("control.*"))
    placed = len(orders_at(gateway))
    code, out, _ = ended(start())
    assert code == 5
    assert "what I saw" in out["error"]["message"]
    assert "unkill --reason" in out["error"]["message"]
    assert len(orders_at(gateway)) == placed
    answer(run_main, "unkill", code=2)
    answer(run_main, "unkill", "--reason", "it was a test")
    (tmp_path / "data" / "status.json").unlink()
    bot = start()
    until((tmp_path / "data" / "status.json").exists, "the bot runs again", bot)
    bot.send_signal(signal.SIGTERM)
    assert ended(bot)[0] == 0


def test_a_signal_kills_and_sigterm_meanwhile_softens_nothing(start, gateway, tmp_path):
    bot = start()
    holding(gateway, bot)
    bot.send_signal(signal.SIGUSR1)
    code, summary, _ = ended(bot)
    assert (code, summary["exit_reason"]) == (5, "KILL_SWITCH")
    assert position_at(gateway) == 0
    latch = json.loads((tmp_path / "data" / "KILLSWITCH").read_text())
    assert (latch["reason"], latch["source"]) == ("SIGUSR1", "signal")


def test_protect_leaves_the_position_and_the_next_start_takes_it_over(start, gateway, run_main, tmp_path):
    leaves = {"run.stop": "protect"}
    bot = start(**leaves)
    holding(gateway, bot)
    gateway.call(lambda real: _still_market(real, real.clock.now_ns()))  # the stop is not reached meanwhile
    bot.send_signal(signal.SIGTERM)
    code, summary, err = ended(bot)
    assert (code, summary["exit_reason"]) == (0, "PROTECTED")
    assert abs(summary["position_qty"]) == 1
    assert summary["position_qty"] == position_at(gateway)
    assert f"position {summary['position_qty']:+d} is left with its stop" in summary["message"]
    assert "POSITION_LEFT" in err
    left = scene(gateway)
    assert (left.held, left.covered) == (summary["position_qty"], 1)
    assert left.working == left.stops
    second = start(**leaves)
    status = tmp_path / "data" / "status.json"
    status.unlink()
    until(lambda: status.exists() and json.loads(status.read_text())["position_qty"] is not None, "it is known", second)
    assert json.loads(status.read_text())["position_qty"] == position_at(gateway) != 0
    answer(run_main, "flatten", "--reason", "enough of it")
    until(lambda: scene(gateway).working == (), "flat", second)
    second.send_signal(signal.SIGTERM)
    code, summary, _ = ended(second)
    assert (code, summary["run_id"]) == (0, next((tmp_path / "data" / "runs").iterdir()).name)
    code, out, _ = run_main("replay", summary["log_path"], "--json")
    assert code == 0, out


def test_a_kill_without_a_gateway_is_told_and_carried_out_when_it_comes_back(start, gateway, run_main):
    """What is unknown is not flat: the bot asks and tries again, and says so."""
    bot = start()
    holding(gateway, bot)
    gateway.call(lambda real: real.scenario.do("refuse_connections"))
    gateway.call(lambda real: real.scenario.do("drop_clients"))
    code, out, _ = run_main("kill", "--reason", "no line", "--wait", "3")
    assert code == 0
    assert "still runs after 3." in out
    assert "Its link is DOWN: socket" in out
    assert "tries again until the broker has confirmed zero" in out
    assert answer(run_main, "kill", "--wait", "0")["halted"] is False
    gateway.call(lambda real: real.scenario.do("refuse_connections", on=False))
    for _ in range(3):  # and the link flaps, for as long as the bot has not confirmed zero and ended
        until(lambda: scene(gateway).clients or bot.poll() is not None, "connected again")
        gateway.call(lambda real: real.scenario.do("drop_clients"))
    code, summary, _ = ended(bot)
    assert (code, summary["exit_reason"], position_at(gateway)) == (5, "KILL_SWITCH", 0)


def test_a_core_that_fails_with_a_position_ends_flat_and_says_that_the_broker_confirmed_it(
    gateway, run_main, monkeypatch, tmp_path
):
    """Law 9: the log ends there, and shell code that trusts only the broker leaves the position."""

    def broken(*_):
        raise ZeroDivisionError("a bug of ours")

    (tmp_path / "stand.toml").write_text(STYLES["stand"])
    for name, value in environment({}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(apply._HANDLERS, OrderFilled, broken)
    code, out, _ = run_main("--mode", "PAPER", "--account", "DUSIM1", *MARKET, "--port", gateway.port, "--json")
    assert code == 1, out
    message = json.loads(out)["error"]["message"]
    assert "a bug of ours" in message
    assert "the broker has confirmed that nothing is open" in message
    assert position_at(gateway) == 0
    until(lambda: scene(gateway).working == (), "nothing works")
    assert "CORE_FAILED" in json.loads((tmp_path / "data" / "KILLSWITCH").read_text())["reason"]
    code, out, _ = run_main("--mode", "PAPER", "--account", "DUSIM1", *MARKET, "--port", gateway.port, "--json")
    assert code == 5, out
