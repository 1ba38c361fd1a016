"""`trading-bot doctor` from its command line: what fails it, with which exit code, and that it changes nothing."""

import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trading_bot.adapters.gateway.background import running_gateway
from trading_bot.domain.units import NS_PER_S

DECIDED = ("quotes", "trades", "decisions", "skips_by_reason", "fills", "pnl_hypothetical", "dvs_last", "ts_last_ns")
NO_GATEWAY = ("--quick", "--no-gateway")


@pytest.fixture
def doctor(run_main):
    """Runs it; the exit code and its checks by name."""

    def run(*arguments):
        code, out, _ = run_main("doctor", "--json", *arguments)
        document = json.loads(out)
        assert document["exit_code"] == code
        assert document["ok"] is (code == 0)
        return code, {check["name"]: check for check in document["checks"]}

    return run


def test_a_machine_that_can_trade_is_said_so(doctor):
    code, found = doctor(*NO_GATEWAY)
    assert code == 0
    assert all(check["status"] in {"ok", "warn"} for check in found.values())
    assert all(check["todo"] for check in found.values() if check["status"] == "warn")
    assert found["cores"]["values"]["online"]
    assert "20291231" in found["calendar"]["found"]
    assert found["running"]["values"]["running"] is False
    assert list(Path().iterdir()) == []


def test_every_shipped_template_says_at_which_scales_it_trades(doctor):
    """Specification 6.4: the range of scale that can trade, within one half and two."""
    _, found = doctor(*NO_GATEWAY)
    scales = {name: check["values"]["scales"] for name, check in found.items() if name.startswith("template ")}
    assert {f"template {name}" for name in ("K1", "K2", "K3", "K4", "S1", "S2", "S3")} == set(scales)
    for tiers in scales.values():
        for low, high in (scale for scale in tiers.values() if scale):
            assert 0.5 <= low <= 1.0 <= high <= 2.0  # as shipped, each trades unscaled


def test_it_measures_this_machine(doctor):
    code, found = doctor("--no-gateway", "--no-nominal-day")
    assert code == 0
    asleep = found["wake-up, uvloop asleep"]["values"]
    assert asleep["samples"] > 100
    assert 0 < asleep["p50_us"] <= asleep["p99_us"] <= asleep["max_us"]
    assert found["loopback round trip"]["values"]["p50_us"] > 0
    assert found["timers"]["values"]["late_p50_us"] > 0
    assert found["keeping the log"]["values"]["p50_ms"] > 0


def test_no_gateway_ends_with_3(doctor):
    code, found = doctor("--quick", "--port", "1")
    assert code == 3
    assert "nothing listens at 127.0.0.1:1" in found["reachable"]["todo"]


def test_a_gateway_is_asked_without_taking_a_client_id(doctor):
    with running_gateway(seed=7, clock_from="launch", start_ns=time.time_ns() - 20 * NS_PER_S) as gateway:
        code, found = doctor("--quick", "--port", str(gateway.port))
        assert gateway.call(lambda real: dict(real.clients)) == {}
        offset_s = (gateway.call(lambda real: real.clock.now_ns()) - time.time_ns()) / NS_PER_S
    assert code == 0
    assert 157 <= found["API version"]["values"]["server_version"] <= 178
    assert found["clock"]["status"] == "warn"
    assert found["clock"]["values"]["offset_s"] == pytest.approx(offset_s, abs=0.6)


def test_a_latched_kill_switch_ends_with_5(doctor, run_main):
    Path("data").mkdir()
    run_main("kill", "--reason", "a look first")
    code, found = doctor(*NO_GATEWAY)
    assert code == 5
    assert "a look first" in found["kill switch"]["found"]
    assert "unkill" in found["kill switch"]["todo"]


def test_a_damaged_log_ends_with_6_and_a_whole_one_is_counted(doctor, run_main, tmp_path):
    code, out, _ = run_main("--mode", "SIM", "--adapter", "sim", "--seed", "1", "--duration", "60", "--json")
    assert code == 0, out
    code, found = doctor(*NO_GATEWAY)
    assert (code, found["last log"]["status"]) == (0, "ok")
    assert found["last log"]["values"]["records"] > 100
    (segment,) = tmp_path.glob("data/runs/*/*/seg-000001.tbl")
    data = bytearray(segment.read_bytes())
    data[8_192] ^= 1
    segment.chmod(0o600)
    segment.write_bytes(data)
    code, found = doctor(*NO_GATEWAY)
    assert code == 6
    assert "log verify" in found["last log"]["todo"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[machine]\ncpu = 4095\n", "machine.cpu is 4095: this machine has the cores"),
        ("[machine]\nloop = 'libev'\n", "loop"),
        ("[session]\ncalendar = 'none.csv'\n", "no file none.csv"),
    ],
)
def test_a_configuration_that_cannot_run_ends_with_2(doctor, tmp_path, text, said):
    (tmp_path / "bot.toml").write_text(text)
    code, found = doctor("--config", "bot.toml", *NO_GATEWAY)
    assert code == 2
    assert any(said in check["todo"] for check in found.values() if check["status"] == "fail")


def test_it_works_while_a_bot_holds_the_directory(doctor, tmp_path):
    (tmp_path / "data").mkdir()
    with (tmp_path / "data" / "bot.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        code, found = doctor("--no-gateway")
    assert code == 0
    assert found["running"]["values"] == {"running": True, "pid": os.getpid()}
    assert "a bot runs" in found["wake-up spinning"]["found"]
    assert found["keeping the log"]["values"]["samples"] == 10


def test_people_get_a_table(run_main):
    code, out, _ = run_main("doctor", *NO_GATEWAY)
    assert code == 0
    assert "[machine]" in out
    assert "Nothing keeps the bot from trading here" in out


def test_a_run_on_a_core_that_is_not_there_is_refused(run_main, tmp_path):
    (tmp_path / "bot.toml").write_text("[machine]\ncpu = 4095\n")
    sim = ("--mode", "SIM", "--adapter", "sim", "--duration", "5", "--config", "bot.toml", "--json")
    code, out, _ = run_main(*sim)
    assert code == 2
    assert "machine.cpu is 4095" in json.loads(out)["error"]["message"]


def test_a_pinned_run_decides_the_same(run_main, tmp_path):
    core = max(os.sched_getaffinity(0))
    (tmp_path / "bot.toml").write_text(f"[machine]\ncpu = {core}\n")
    run = ("--mode", "SIM", "--adapter", "sim", "--seed", "3", "--duration", "600", "--json")
    told = []
    for more in ((), ("--config", "bot.toml")):
        code, out, _ = run_main(*run, "--data-dir", f"data-{len(told)}", *more)
        assert code == 0, out
        summary = json.loads(out)
        told.append({name: summary[name] for name in DECIDED})
    assert told[0] == told[1]
    assert told[0]["decisions"] > 0


def test_the_pacer_is_a_program_of_its_own():
    answer = subprocess.run(
        [sys.executable, "-m", "trading_bot.doctor.pacer", "1", "0"], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 1
    assert "ConnectionRefusedError" in answer.stderr
