"""kill, unkill, flatten and status against another process that holds the bot's lock (features SF02, SF11, OP01)."""

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import ROOT
from trading_bot.core import operator_files

# What a bot does with its desk, without a market: it holds bot.lock, takes requests, and a kill ends it with 5.
BOT = """
import fcntl, sys, time
from pathlib import Path
from trading_bot.core.operator_desk import OperatorDesk
from trading_bot.domain.events import FlattenRequested, KillRequested

data, flatten_s, deaf = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3] == "deaf"
lock = (data / "bot.lock").open("a")
fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
desk = OperatorDesk(data)
status = {
    "run_id": "run-1", "mode": "OBSERVE", "adapter": "sim", "instrument": "MES",
    "ts_market_ns": 1795617000000000000, "session_state": "SESSION_ENTRIES", "position_qty": 1,
    "position_avg_ticks": 24001.5, "pnl_net_usd": -3.75, "hypothetical": True, "working_entries": 1, "dvs_c": 97,
    "eqs_c": 88, "kill_reason": None, "stopping": None, "breakers": ["LOSS_STREAK"], "throttled": {"S2": "QUARANTINED"},
    "trades": 7, "last_exit": "STOP", "log_path": "data/runs/run-1",
}
if sys.argv[3] != "silent":
    desk.publish(lambda: status)
print("ready", flush=True)
while True:
    time.sleep(0.005)
    event = None if deaf else desk.poll(status["ts_market_ns"])
    if isinstance(event, KillRequested):
        desk.latch(event.reason, event.source)
        desk.publish(lambda: {**status, "kill_reason": event.reason, "stopping": "KILL_SWITCH"}, final=True)
        time.sleep(flatten_s)
        desk.publish(lambda: {**status, "position_qty": 0, "position_avg_ticks": None, "kill_reason": event.reason,
                      "stopping": "KILL_SWITCH", "working_entries": 0}, final=True)
        sys.exit(5)
    if isinstance(event, FlattenRequested):
        flat = {**status, "position_qty": 0, "position_avg_ticks": None, "last_exit": event.reason}
        desk.publish(lambda: flat, final=True)
"""


@pytest.fixture
def start_bot(tmp_path):
    """Starts the process above in `data`, and ends what is left of it."""
    processes = []

    def start(flatten_s=0.0, behaviour="hears"):
        data = tmp_path / "data"
        data.mkdir(exist_ok=True)
        process = subprocess.Popen(
            [sys.executable, "-c", BOT, data, str(flatten_s), behaviour], stdout=subprocess.PIPE, cwd=ROOT
        )
        processes.append(process)
        assert process.stdout.readline() == b"ready\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def answer(run_main, *arguments):
    """The JSON document of a command that must succeed."""
    code, out, err = run_main(*arguments, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


def refusal(run_main, *arguments):
    """Exit code and message of a command that is refused, the same for people and programs."""
    code, out, err = run_main(*arguments)
    assert out == ""
    code_json, out, _ = run_main(*arguments, "--json")
    error = json.loads(out)["error"]
    assert (code_json, error["code"]) == (code, code)
    assert error["message"].split(" s;")[0][:40] in err
    return code, error["message"]


def journal(data):
    return [json.loads(line) for line in (data / "logs" / "operator.jsonl").read_text().splitlines()]


# --- kill --------------------------------------------------------------------------------------------------------


def test_kill_reaches_the_running_bot_and_waits_until_it_has_halted(run_main, start_bot, tmp_path):
    bot = start_bot(flatten_s=0.4)
    begin_s = time.monotonic()
    document = answer(run_main, "kill", "--reason", "test")
    assert bot.wait(5) == 5
    assert 0.4 <= document["waited_s"] <= time.monotonic() - begin_s
    assert document["halted"] is True
    assert document["already"] is False
    assert document["position_qty"] == 0
    assert (document["latched"]["reason"], document["latched"]["source"]) == ("test", "cli")
    # The switch comes before its line in the journal, so the bot's line may be the first.
    assert sorted(line["event"] for line in journal(tmp_path / "data")) == ["kill", "kill_taken"]


def test_kill_from_a_second_process(start_bot, tmp_path):
    """As an operator does it, nothing shared but the folder."""
    bot = start_bot()
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "trading_bot.cli",
            "--data-dir",
            tmp_path / "data",
            "kill",
            "--reason",
            "second terminal",
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert bot.wait(5) == 5
    assert result.returncode == 0
    assert "kill switch latched: second terminal (by cli, 2" in result.stdout
    assert "has halted after" in result.stdout
    assert "its last status says position 0" in result.stdout
    assert "unkill --reason" in result.stdout


def test_touch_is_enough(run_main, start_bot, tmp_path):
    bot = start_bot()
    (tmp_path / "data" / "KILLSWITCH").touch()
    assert bot.wait(5) == 5
    assert "made by hand" in answer(run_main, "status")["latched"]["reason"]


def test_kill_latches_also_where_no_bot_runs(run_main, data):
    document = answer(run_main, "kill", "--reason", "before the start")
    assert document["bot"] == {"running": False, "pid": None}
    assert document["halted"] is None
    assert operator_files.latched(data).reason == "before the start"


def test_the_second_kill_tells_the_first_reason(run_main, data):
    run_main("kill", "--reason", "first")
    code, out, _ = run_main("kill", "--reason", "second")
    assert code == 0
    assert "was latched already: first (by cli" in out
    assert answer(run_main, "kill", "--reason", "third")["already"] is True
    assert [(line["reason"], line["already"]) for line in journal(data)] == [
        ("first", False),
        ("second", True),
        ("third", True),
    ]


def test_kill_ends_its_wait_at_a_bot_that_does_not_hear(run_main, start_bot):
    start_bot(behaviour="deaf")
    begin_s = time.monotonic()
    code, out, _ = run_main("kill", "--reason", "x", "--wait", "0.3")
    assert 0.3 <= time.monotonic() - begin_s < 5
    assert code == 0
    assert "still runs after 0.3 s" in out
    assert "close the position at the broker" in out
    assert answer(run_main, "kill", "--wait", "0")["halted"] is False


def test_kill_without_a_reason_latches(run_main, data):
    """Only clearing needs one: the switch must not be missed for want of a word."""
    assert answer(run_main, "kill")["latched"]["reason"] == "no reason given"
    assert operator_files.latched(data) is not None


@pytest.mark.parametrize(
    ("reason", "kept"),
    [
        ("x" * 10_240, "x" * 499 + "…"),
        ("a\x1b[2J\x07b\nc\td\u202ee", "a [2J b c d e"),
        ('"; {"quoted"} \\', '"; {"quoted"} \\'),
        ("Ärger — 停", "Ärger — 停"),
        ("bad\udcffbyte", "bad byte"),
        ("\x00\x01", "no reason given"),
    ],
)
def test_a_reason_becomes_one_printable_line(run_main, data, reason, kept):
    assert answer(run_main, "kill", "--reason", reason)["latched"]["reason"] == kept
    assert operator_files.latched(data).reason == kept
    assert journal(data)[0]["reason"] == kept


# --- unkill ------------------------------------------------------------------------------------------------------


def test_unkill_clears_with_a_reason_and_keeps_what_it_cleared(run_main, data):
    run_main("kill", "--reason", "test")
    document = answer(run_main, "unkill", "--reason", "looked at it")
    assert document["was_latched"] is True
    assert document["cleared"]["reason"] == "looked at it"
    assert document["cleared"]["latch"]["reason"] == "test"
    assert operator_files.latched(data) is None
    assert operator_files.cleared(data).latch.reason == "test"
    assert [line["event"] for line in journal(data)] == ["kill", "unkill"]
    code, out, _ = run_main("unkill", "--reason", "again")
    assert (code, out) == (0, "nothing to clear: the kill switch of data is not latched\n")


@pytest.mark.parametrize("reason", [[], ["--reason", ""], ["--reason", " \t"], ["--reason", "\x1b"]])
def test_unkill_without_a_reason_ends_with_2(run_main, data, reason):
    (data / "KILLSWITCH").touch()
    assert refusal(run_main, "unkill", *reason) == (
        2,
        "--reason says why the bot may trade again; it may not be empty",
    )
    assert (data / "KILLSWITCH").exists()


def test_unkill_is_refused_while_the_bot_flattens(run_main, start_bot, tmp_path):
    bot = start_bot(flatten_s=1.5)
    run_main("kill", "--reason", "test", "--wait", "0")
    code, message = refusal(run_main, "unkill", "--reason", "too soon")
    assert code == 2
    assert "still runs in data and is flattening" in message
    assert "trading-bot status" in message
    assert (tmp_path / "data" / "KILLSWITCH").exists()
    assert bot.wait(5) == 5
    assert answer(run_main, "unkill", "--reason", "now")["was_latched"] is True


def test_unkill_beside_a_bot_that_is_not_killed_says_so(run_main, start_bot):
    start_bot()
    assert answer(run_main, "unkill", "--reason", "x") == {"was_latched": False, "cleared": None}


# --- flatten -----------------------------------------------------------------------------------------------------


def test_flatten_is_taken_and_the_bot_goes_on(run_main, start_bot, tmp_path):
    bot = start_bot()
    document = answer(run_main, "flatten", "--reason", "news at two")
    assert document["taken"] is True
    assert not (tmp_path / "data" / "FLATTEN").exists()
    deadline_s = time.monotonic() + 5
    while (shown := answer(run_main, "status")["status"])["position_qty"] and time.monotonic() < deadline_s:
        time.sleep(0.02)
    assert (shown["position_qty"], shown["last_exit"]) == (0, "news at two")
    assert bot.poll() is None
    assert [line["event"] for line in journal(tmp_path / "data")] == ["flatten", "flatten_taken"]


def test_flatten_needs_a_running_bot(run_main, data):
    code, message = refusal(run_main, "flatten", "--reason", "x")
    assert code == 2
    assert message.startswith("no bot runs in data")
    assert "close the position at the broker" in message
    assert not (data / "FLATTEN").exists()


def test_flatten_that_nobody_takes_ends_with_3_and_stands(run_main, start_bot, tmp_path):
    start_bot(behaviour="deaf")
    code, message = refusal(run_main, "flatten", "--reason", "x", "--wait", "0.2")
    assert code == 3
    assert "has not taken the request within 0.2 s; it stands until it does" in message
    assert (tmp_path / "data" / "FLATTEN").exists()
    assert answer(run_main, "status")["flatten_waiting"] is True


def test_flatten_is_withdrawn_when_the_bot_ends_first(run_main, start_bot, tmp_path):
    bot = start_bot(behaviour="deaf")
    stop = subprocess.Popen(["/bin/sh", "-c", f"sleep 0.3; kill -9 {bot.pid}"])
    code, out, err = run_main("flatten", "--reason", "x")
    stop.wait()
    assert (code, out) == (2, "")
    assert "ended before it took the request, which is withdrawn" in err
    assert not (tmp_path / "data" / "FLATTEN").exists()


# --- status ------------------------------------------------------------------------------------------------------


def test_status_shows_what_the_bot_publishes(run_main, start_bot):
    bot = start_bot()
    document = answer(run_main, "status")
    assert document["bot"] == {"running": True, "pid": bot.pid}
    assert document["latched"] is None
    assert document["status"]["throttled"] == {"S2": "QUARANTINED"}
    assert 0 <= document["status_age_s"] < 5
    assert (document["status_stale"], document["problem"]) == (False, "")
    code, out, err = run_main("status")
    assert (code, err) == (0, "")
    rows = {line[:18].strip(): line[18:].strip() for line in out.splitlines() if line.strip()}
    assert rows["kill switch"] == "not latched"
    assert rows["bot"] == f"runs, pid {bot.pid}"
    assert rows["position"] == "+1 at 24,001.50 ticks"
    assert rows["profit and loss"] == "-3.75 USD net, hypothetical, 7 trades"
    assert rows["data score"] == "0.97"
    assert rows["execution score"] == "0.88"
    assert rows["breakers"] == "LOSS_STREAK"
    assert rows["throttled"] == "S2 QUARANTINED"
    assert rows["market time"] == "2026-11-25T14:30:00.000000000Z"


def test_status_tells_of_the_dead_man_who_lives(run_main, data):
    """A state without its lock is a dead man's who has died himself."""
    state = {"pid": 41, "doing": "watching", "connected": False, "bot_age_s": 0.24}
    (data / "deadman.json").write_text(json.dumps(state))
    assert answer(run_main, "status")["dead_man"] is None
    with (data / "deadman.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert answer(run_main, "status")["dead_man"]["pid"] == 41
        _, out, _ = run_main("status")
    (row,) = (line for line in out.splitlines() if line.strip().startswith("dead man"))
    assert row.split("dead man")[1].strip() == "watching (pid 41), heartbeat 0.2 s old, NOT CONNECTED to the gateway"


def test_status_says_that_a_status_is_not_current(run_main, start_bot, tmp_path):
    bot = start_bot()
    bot.send_signal(signal.SIGKILL)
    bot.wait()
    code, out, err = run_main("status")
    assert code == 0
    assert "does not run" in out
    assert "NOT CURRENT" in out
    assert "no bot runs: this is what the last one said" in err
    start_bot(behaviour="silent")
    path = tmp_path / "data" / "status.json"
    old = json.loads(path.read_text())
    path.write_text(json.dumps({**old, "ts_wall_ns": time.time_ns() - 60 * 10**9}))
    document = answer(run_main, "status")
    assert document["bot"] == {"running": True, "pid": None}
    assert document["status_stale"] is True
    assert "has said nothing for 60." in document["problem"]
    path.write_text(json.dumps({**old, "ts_wall_ns": time.time_ns() + 60 * 10**9}))
    assert "in the future" in answer(run_main, "status")["problem"]


def test_the_pid_in_the_lock_tells_an_earlier_bots_status(run_main, start_bot, data):
    bot = start_bot()
    (data / "bot.lock").write_text(f"{bot.pid + 1}\n")
    document = answer(run_main, "status")
    assert document["bot"] == {"running": True, "pid": bot.pid + 1}
    assert f"an earlier bot (pid {bot.pid})" in document["problem"]


@pytest.mark.parametrize("content", [None, "", "junk", "[]", '{"run_id": "x"}', '{"run_id": 3}'])
def test_status_guesses_nothing(run_main, data, content):
    if content is not None:
        (data / "status.json").write_text(content)
    document = answer(run_main, "status")
    assert document["status"] is None
    assert document["status_age_s"] is None
    assert ("there is no data/status.json" if content is None else "is not the status of this version") in document[
        "problem"
    ]
    code, out, err = run_main("status")
    assert code == 0
    assert "does not run" in out
    assert "position" not in out
    assert "data/status.json" in err


def test_status_shows_latch_and_clearing(run_main, data):
    run_main("kill", "--reason", "test")
    assert "LATCHED: test (by cli" in run_main("status")[1]
    run_main("unkill", "--reason", "mended")
    out = run_main("status")[1]
    assert "not latched" in out
    assert "mended (cli" in out
    assert answer(run_main, "status")["cleared"]["latch"]["reason"] == "test"
    assert not (data / "KILLSWITCH").exists()


# --- folders -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["kill", "--reason", "x"], ["unkill", "--reason", "x"], ["flatten"], ["status"]])
def test_a_folder_that_is_not_there_is_a_mistake_not_a_bot(run_main, tmp_path, command):
    """`kill` must not make the folder of a typing error and say that all is well."""
    code, message = refusal(run_main, *command, "--data-dir", "daat")
    assert code == 2
    assert message.startswith("--data-dir daat does not exist; name the data directory of the bot")
    assert not (tmp_path / "daat").exists()
    (tmp_path / "file").touch()
    assert "--data-dir file is no folder" in refusal(run_main, *command, "--data-dir", "file")[1]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("kill", "the kill switch data/KILLSWITCH cannot be written: Read-only file system; stop the bot"),
        ("unkill", "the kill switch stays latched: data: Read-only file system"),
        ("flatten", "data/FLATTEN cannot be written: Read-only file system; put that right, or stop the bot"),
    ],
)
def test_a_folder_that_takes_nothing_ends_with_2_and_what_to_do(run_main, data, monkeypatch, command, said):
    def refused(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    if command == "unkill":
        (data / "KILLSWITCH").touch()
    else:
        held = (data / "bot.lock").open("a")
        fcntl.flock(held, fcntl.LOCK_EX)
    real = os.open
    monkeypatch.setattr(operator_files, "_temporary", refused)
    monkeypatch.setattr(
        operator_files.os,
        "open",
        lambda path, flags, *more: (refused if flags & os.O_CREAT else real)(path, flags, *more),
    )
    code, message = refusal(run_main, command, "--reason", "x")
    assert code == 2
    assert said in message
    if command != "unkill":
        held.close()


def test_a_lock_that_cannot_be_read_is_not_taken_for_no_bot(run_main, data, monkeypatch):
    def refused(_folder):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(operator_files, "bot_runs", refused)
    document = answer(run_main, "kill", "--reason", "x")
    assert document["bot"]["running"] is None
    assert operator_files.latched(data) is not None
    assert "is not known" in run_main("kill")[1]
    for command in ("unkill", "flatten"):
        code, message = refusal(run_main, command, "--reason", "x")
        assert (code, message) == (2, "data/bot.lock cannot be read; run this command as the bot's user")
    assert "not known" in run_main("status")[1]


@pytest.mark.parametrize("command", ["kill", "unkill", "flatten", "status"])
def test_every_command_takes_the_common_options(run_main, command):
    code, out, _ = run_main(command, "--help")
    assert code == 0
    for option in ("--data-dir", "--config", "--json"):
        assert option in out


def test_a_wait_out_of_bounds_ends_with_2(run_main, data):
    assert run_main("kill", "--wait", "-1")[0] == 2
    assert run_main("kill", "--wait", "inf")[0] == 2
    assert not (data / "KILLSWITCH").exists()


# --- the real bot ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_killed_bot_stays_halted_until_a_person_clears_it_with_a_reason(run_main, data):
    """SF02, SF11: cancel, flatten, halt; a restart stays halted, also when somebody removes the file by hand."""
    run = ["--mode", "OBSERVE", "--adapter", "sim", "--seed", "12", "--duration", "20000000"]
    command = [sys.executable, "-m", "trading_bot.cli", *run, "--data-dir", str(data), "--json"]

    def start():
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=data.parent)
        deadline_s = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline_s:
            found, _ = operator_files.read_status(data)
            if found is not None and found.pid == process.pid:
                break
            time.sleep(0.05)
        return process

    def end_of(process):
        out, err = process.communicate(timeout=60)
        assert out, err.decode()
        return json.loads(out)

    bot = start()
    assert answer(run_main, "status")["bot"]["running"] is True
    document = answer(run_main, "kill", "--reason", "test", "--wait", "60")
    assert (document["halted"], document["position_qty"]) == (True, 0)
    summary = end_of(bot)
    assert (bot.returncode, summary["exit_code"], summary["exit_reason"]) == (5, 5, "KILL_SWITCH")
    assert summary["position_qty"] == 0

    halted = start()
    assert end_of(halted)["error"]["type"] == "Halted"
    assert halted.returncode == 5

    (data / "KILLSWITCH").unlink()
    halted = start()
    assert "test (by log)" in end_of(halted)["error"]["message"]
    assert halted.returncode == 5
    assert (data / "KILLSWITCH").exists()

    assert answer(run_main, "unkill", "--reason", "looked at it")["was_latched"] is True
    bot = start()
    assert answer(run_main, "status")["status"]["kill_reason"] is None
    bot.send_signal(signal.SIGTERM)
    summary = end_of(bot)
    assert (bot.returncode, summary["exit_reason"]) == (0, "SIGTERM")
    assert not (data / "KILLSWITCH.cleared").exists()
    code, out, _ = run_main("log", "show", summary["log_path"], "--kind", "KILL_CLEARED", "--json")
    assert code == 0
    assert [row["payload"]["reason"] for row in json.loads(out)["rows"]] == ["looked at it"]
