"""The bot's side of kill, unkill and flatten: files that any process may write at any moment (specification 8.3)."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from trading_bot.core import operator_desk, operator_files
from trading_bot.core.learning_file import load_learning
from trading_bot.core.operator_desk import BotStatus, NoDesk, OperatorDesk
from trading_bot.domain.errors import UsageError
from trading_bot.domain.events import FlattenRequested, KillRequested
from trading_bot.engines.costs import Costs

STATUS = {
    "run_id": "r1",
    "mode": "OBSERVE",
    "adapter": "sim",
    "instrument": "MES",
    "ts_market_ns": 1_795_617_000_000_000_000,
    "session_state": "SESSION_ENTRIES",
    "position_qty": 1,
    "position_avg_ticks": 24_001.5,
    "pnl_net_usd": -3.75,
    "hypothetical": True,
    "working_entries": 0,
    "dvs_c": 97,
    "eqs_c": 88,
    "kill_reason": None,
    "stopping": None,
    "breakers": ["LOSS_STREAK"],
    "throttled": {"S2": "THROTTLED_120"},
    "trades": 7,
    "last_exit": "STOP",
    "log_path": "data/runs/r1",
    "lockouts": ["VOLATILITY until 2026-11-25T15:00:00Z (test)"],
    "costs": {"lots": 3, "commission_side_usd": None},
    "levels": [{"name": "PDH", "price": 6000.25}],
    "context": [{"source": "news", "name": "x"}],
    "link": {"kind": "LINK_STATUS", "up": True},
    "reconciliation": {"kind": "RECONCILIATION_DONE", "findings": []},
    "reconciliations": 3,
    "reconciled_rows": {"AGREES": 3},
    "log_seq": 7,
    "limits": [{"limit": "DAILY_HALT", "distance_usd": 12.5}],
    "rules": {"pack": "small-account", "rows": []},
    "held": {"standing": "12 s old", "ends_by": ["stop 4 ticks away, at the broker"]},
}


@pytest.fixture
def at_once(monkeypatch):
    """Every poll and publish looks at the disk."""
    monkeypatch.setattr(operator_desk, "POLL_NS", 0)
    monkeypatch.setattr(operator_desk, "RETRY_NS", 0)


def journal(folder):
    return [json.loads(line) for line in (folder / "logs" / "operator.jsonl").read_text().splitlines()]


def switch(folder):
    return json.loads((folder / "KILLSWITCH").read_text())


# --- the latch ---------------------------------------------------------------------------------------------------


def test_a_latch_says_who_why_and_when_and_survives_its_process(tmp_path):
    assert OperatorDesk(tmp_path).latched() is None
    OperatorDesk(tmp_path).latch("position differs from the broker's", "reconciliation")
    latch = OperatorDesk(tmp_path).latched()
    assert (latch.reason, latch.source) == ("position differs from the broker's", "reconciliation")
    written_s = (tmp_path / "KILLSWITCH").stat().st_mtime
    assert latch.when[:18] == time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(written_s))[:18]


def test_the_first_reason_wins_and_the_second_leaves_no_line(tmp_path):
    desk = OperatorDesk(tmp_path)
    desk.latch("first", "a")
    before = (tmp_path / "KILLSWITCH").read_bytes()
    desk.latch("second", "b")
    assert (tmp_path / "KILLSWITCH").read_bytes() == before
    assert [line["reason"] for line in journal(tmp_path)] == ["first"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["KILLSWITCH", "logs"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"fire in the data centre\n", "fire in the data centre"),
        (b'{"reason": "cut', '{"reason": "cut'),
        (b'{"reason": 7}', '{"reason": 7}'),
        (b"\xff\xfe\x00\x1b[2J", "KILLSWITCH was made by hand"),
        (b"[" * 60_000, "KILLSWITCH was made by hand"),
        (b'{"x":' * 12_000, "KILLSWITCH was made by hand"),
        (b"{}", "no reason given"),
        (b'{"reason": "in JSON"}', "in JSON"),
    ],
)
def test_whatever_stands_in_the_file_it_latches_and_kills(tmp_path, content, said):
    """`touch data/KILLSWITCH` is the way of somebody who has no time."""
    (tmp_path / "KILLSWITCH").write_bytes(content)
    desk = OperatorDesk(tmp_path)
    latch = desk.latched()
    assert said in latch.reason
    assert latch.source == "file"
    assert latch.reason.isprintable()
    event = desk.poll(5)
    assert event == KillRequested(ts_ns=5, reason=latch.reason, source="file")


def make_folder(path):
    path.mkdir()


def make_pipe(path):
    os.mkfifo(path)


def make_dangling_link(path):
    path.symlink_to("nowhere")


@pytest.mark.parametrize("make", [make_folder, make_pipe, make_dangling_link])
def test_what_is_no_file_latches_too_and_can_be_cleared(tmp_path, make):
    make(tmp_path / "KILLSWITCH")
    desk = OperatorDesk(tmp_path)
    assert "cannot be read" in desk.latched().reason
    assert isinstance(desk.poll(1), KillRequested)
    assert desk.clear("was a mistake", "cli") is not None
    assert OperatorDesk(tmp_path).latched() is None


def test_a_switch_that_cannot_be_read_kills(tmp_path, monkeypatch):
    (tmp_path / "KILLSWITCH").write_text("{}")

    def refused(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(operator_files.os, "open", refused)
    assert "Permission denied" in OperatorDesk(tmp_path).poll(1).reason


def test_a_folder_that_cannot_be_looked_into_kills(tmp_path):
    (tmp_path / "data").write_text("a file where the folder was")
    assert "cannot be looked at" in OperatorDesk(tmp_path / "data").poll(1).reason


# --- polling -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("at_once")
def test_a_kill_is_told_once(tmp_path):
    desk = OperatorDesk(tmp_path)
    assert desk.poll(1) is None
    assert operator_files.pull(tmp_path, "enough", "cli")
    assert desk.poll(7) == KillRequested(ts_ns=7, reason="enough", source="cli")
    desk.latch("enough", "cli")  # what the core answers
    assert [desk.poll(8), desk.poll(9)] == [None, None]
    assert [line["event"] for line in journal(tmp_path)] == ["kill", "kill_taken"]


@pytest.mark.usefixtures("at_once")
def test_its_own_latch_does_not_come_back_as_a_request(tmp_path):
    desk = OperatorDesk(tmp_path)
    desk.latch("by itself", "quality")
    assert desk.poll(1) is None


@pytest.mark.usefixtures("at_once")
def test_a_flatten_request_is_taken_once_and_removed(tmp_path):
    desk = OperatorDesk(tmp_path)
    operator_files.ask_to_flatten(tmp_path, "lunch", "cli")
    assert not operator_files.ask_to_flatten(tmp_path, "again", "cli")
    assert desk.poll(3) == FlattenRequested(ts_ns=3, reason="lunch", source="cli")
    assert not (tmp_path / "FLATTEN").exists()
    assert desk.poll(4) is None
    (tmp_path / "FLATTEN").touch()
    assert desk.poll(5) == FlattenRequested(ts_ns=5, reason="FLATTEN was made by hand, empty", source="file")
    assert [line["event"] for line in journal(tmp_path)] == ["flatten", "flatten", "flatten_taken", "flatten_taken"]


@pytest.mark.usefixtures("at_once")
def test_a_flatten_file_that_cannot_be_removed_counts_once(tmp_path):
    (tmp_path / "FLATTEN").mkdir()
    desk = OperatorDesk(tmp_path)
    assert isinstance(desk.poll(1), FlattenRequested)
    assert desk.poll(2) is None
    assert "cannot be removed" in desk.failure


@pytest.mark.usefixtures("at_once")
def test_a_kill_comes_before_a_flatten(tmp_path):
    desk = OperatorDesk(tmp_path)
    operator_files.ask_to_flatten(tmp_path, "f", "cli")
    operator_files.pull(tmp_path, "k", "cli")
    assert isinstance(desk.poll(1), KillRequested)
    assert isinstance(desk.poll(2), FlattenRequested)


def test_polling_costs_at_most_one_look_per_file_every_20_ms(tmp_path, monkeypatch):
    desk = OperatorDesk(tmp_path)
    desk.poll(0)
    looks = []
    real = Path.lstat
    monkeypatch.setattr(Path, "lstat", lambda path: (looks.append(path.name), real(path))[1])
    clock_ns = [time.monotonic_ns() + 10**9]
    monkeypatch.setattr(operator_desk.time, "monotonic_ns", lambda: clock_ns[0])
    for _ in range(1000):  # one second in steps of a millisecond
        desk.poll(0)
        clock_ns[0] += 1_000_000
    assert looks.count("KILLSWITCH") == looks.count("FLATTEN") == 50


# --- clearing ----------------------------------------------------------------------------------------------------


def test_clearing_says_who_why_and_what(tmp_path):
    desk = OperatorDesk(tmp_path)
    desk.latch("trouble", "core")
    latch = desk.latched()
    desk.clear("found and mended", "cli")
    after = OperatorDesk(tmp_path)
    assert after.latched() is None
    assert (after.cleared().reason, after.cleared().source, after.cleared().latch) == (
        "found and mended",
        "cli",
        latch,
    )
    assert [(line["event"], line["reason"]) for line in journal(tmp_path)] == [
        ("kill", "trouble"),
        ("unkill", "found and mended"),
    ]


@pytest.mark.parametrize("reason", ["", "  ", "\n\t\x1b\x00"])
def test_clearing_needs_a_reason(tmp_path, reason):
    desk = OperatorDesk(tmp_path)
    desk.latch("trouble", "core")
    with pytest.raises(UsageError, match="needs a reason"):
        desk.clear(reason, "cli")
    assert desk.latched() is not None


def test_nothing_to_clear_writes_nothing(tmp_path):
    """A clearing kept in store would clear a latch that nobody has looked at."""
    assert OperatorDesk(tmp_path).clear("just in case", "cli") is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", ["", "{}", '{"reason": "x"}', "junk"])
def test_a_clearing_that_does_not_say_why_clears_nothing(tmp_path, content):
    (tmp_path / "KILLSWITCH.cleared").write_text(content)
    assert OperatorDesk(tmp_path).cleared() is None


@pytest.mark.parametrize("by", ["the bot", "a person"])
def test_a_new_latch_takes_the_earlier_clearing_away(tmp_path, by):
    desk = OperatorDesk(tmp_path)
    desk.latch("one", "core")
    desk.clear("mended", "cli")
    if by == "the bot":
        desk.latch("two", "core")
    else:
        (tmp_path / "KILLSWITCH").touch()
        desk.latch("KILLSWITCH was made by hand, empty", "file")  # what the core answers to the request
    assert desk.cleared() is None
    (tmp_path / "KILLSWITCH").unlink()
    assert OperatorDesk(tmp_path).cleared() is None


@pytest.mark.usefixtures("at_once")
def test_a_clearing_serves_one_run(tmp_path):
    """The run that was told has it in its log; a later latch cut before it was written must not find it."""
    OperatorDesk(tmp_path).latch("one", "core")
    OperatorDesk(tmp_path).clear("mended", "cli")
    run = OperatorDesk(tmp_path)
    assert run.cleared() is not None
    run.poll(1)
    assert OperatorDesk(tmp_path).cleared() is None


# --- what the disk refuses ---------------------------------------------------------------------------------------


@pytest.fixture
def full_disk(monkeypatch):
    """No write succeeds, names still do."""

    def refused(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(operator_files, "_temporary", refused)
    return monkeypatch


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_still_latches(tmp_path):
    desk = OperatorDesk(tmp_path)
    desk.latch("trouble", "core")
    assert (tmp_path / "KILLSWITCH").read_bytes() == b""
    assert OperatorDesk(tmp_path).latched() is not None


@pytest.mark.usefixtures("at_once")
def test_a_latch_that_no_disk_takes_is_kept_told_and_tried_again(tmp_path):
    data = tmp_path / "gone"
    desk = OperatorDesk(data)
    desk.latch("trouble", "core")
    assert "KILLSWITCH: cannot be written: No such file or directory" in desk.failure
    assert desk.latched().reason == "trouble"
    assert desk.poll(1) is None
    data.mkdir()
    assert desk.poll(2) is None
    assert switch(data)["reason"] == "trouble"


def test_a_latch_that_is_not_written_takes_the_earlier_clearing_all_the_same(tmp_path, full_disk):
    (tmp_path / "KILLSWITCH.cleared").write_text("x")
    full_disk.setattr(operator_files.os, "open", operator_files._temporary)
    OperatorDesk(tmp_path).latch("trouble", "core")
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("full_disk")
def test_a_clearing_that_the_disk_refuses_leaves_the_latch(tmp_path):
    (tmp_path / "KILLSWITCH").touch()
    with pytest.raises(OSError, match="No space left"):
        OperatorDesk(tmp_path).clear("mended", "cli")
    assert OperatorDesk(tmp_path).latched() is not None


@pytest.mark.usefixtures("full_disk")
def test_a_status_that_the_disk_refuses_does_not_stop_the_bot(tmp_path):
    desk = OperatorDesk(tmp_path)
    desk.publish(lambda: STATUS)
    assert "status.json: cannot be written: No space left on device" in desk.failure


def test_learning_is_saved_or_the_reason_told(tmp_path):
    desk = OperatorDesk(tmp_path)
    assert desk.save_learning({"a": 1}, costs=Costs(), log="l", seq=9) is None
    found = load_learning(tmp_path / "learning_state.json")
    assert (found.state, found.log, found.seq) == ({"a": 1}, "l", 9)
    (tmp_path / "file").touch()
    reason = OperatorDesk(tmp_path / "file").save_learning({}, costs=Costs(), log="", seq=0)
    assert "learning_state.json: " in reason


# --- status ------------------------------------------------------------------------------------------------------


def test_the_status_is_published_once_a_second_and_at_the_end(tmp_path, monkeypatch):
    clock_ns, asked = [10**9], []
    monkeypatch.setattr(operator_desk.time, "monotonic_ns", lambda: clock_ns[0])
    desk = OperatorDesk(tmp_path)

    def trades_shown(trades, *, final=False):
        desk.publish(lambda: asked.append(trades) or {**STATUS, "trades": trades}, final=final)
        return operator_files.read_status(tmp_path)[0].trades

    assert trades_shown(1) == 1
    clock_ns[0] += 999_999_999
    assert trades_shown(2) == 1
    assert trades_shown(3, final=True) == 3
    assert asked == [1, 3]  # what nobody is shown is not put together
    clock_ns[0] += 10**9
    assert trades_shown(4) == 4


def test_the_status_comes_back_as_it_was_given_with_process_and_wall_time(tmp_path):
    before_ns = time.time_ns()
    OperatorDesk(tmp_path).publish(lambda: STATUS)
    found, problem = operator_files.read_status(tmp_path)
    assert problem == ""
    assert found.pid == os.getpid()
    assert before_ns <= found.ts_wall_ns <= time.time_ns()
    shown = json.loads(msgspec.json.encode(found))
    assert {name: shown[name] for name in STATUS} == STATUS
    assert set(STATUS) | {"pid", "ts_wall_ns", "kill_timeline_ms", "log_seq"} == set(BotStatus.__struct_fields__)


# --- killed at any moment ----------------------------------------------------------------------------------------

BUSY = """
import sys
from pathlib import Path
from trading_bot.core.operator_desk import OperatorDesk
desk = OperatorDesk(Path(sys.argv[1]))
status = {"text": "x" * 20_000}
n = 0
desk.latch("begin", "core")
print("ready", flush=True)
while True:
    n += 1
    desk.latch(f"reason {n} " + "y" * 300, "core")
    desk.publish(lambda: {**status, "n": n}, final=True)
    desk.clear("mended " + "z" * 300, "cli")
"""


def test_kill_9_while_writing_leaves_every_file_whole_or_absent(tmp_path):
    seen = {"KILLSWITCH": 0, "KILLSWITCH.cleared": 0, "status.json": 0}
    for round_number in range(12):
        process = subprocess.Popen([sys.executable, "-c", BUSY, tmp_path], stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(0.02 + 0.0037 * round_number)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        for name in seen:
            if (tmp_path / name).exists():
                seen[name] += 1
                document = json.loads((tmp_path / name).read_bytes())  # not a byte is missing
                assert document.keys() >= {"reason", "source", "when"} or len(document["text"]) == 20_000
        # Latched, or cleared by a person with a reason: never neither.
        desk = OperatorDesk(tmp_path)
        assert desk.latched() is not None or desk.cleared().reason.startswith("mended")
    assert all(seen.values()), seen


RACER = """
import sys
from pathlib import Path
from trading_bot.core.operator_files import pull
folders = [Path(sys.argv[1], str(n)) for n in range(60)]
print("ready", flush=True)
sys.stdin.readline()
for folder in folders:
    (folder / sys.argv[2]).touch()
    while sum(1 for entry in folder.iterdir() if entry.name.startswith("racer")) < 3:
        pass
    print(pull(folder, sys.argv[2], "cli"), flush=True)
"""


def test_of_many_at_once_one_latches(tmp_path):
    for number in range(60):
        (tmp_path / str(number)).mkdir()
    names = ["racer-a", "racer-b", "racer-c"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    racers = [subprocess.Popen([sys.executable, "-c", RACER, tmp_path, name], **pipes) for name in names]
    for racer in racers:
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.flush()
    said = [racer.communicate(timeout=60)[0].split() for racer in racers]
    for number in range(60):
        winners = [name for name, answers in zip(names, said, strict=True) if answers[number] == "True"]
        assert winners == [switch(tmp_path / str(number))["reason"]]


# --- without a desk ----------------------------------------------------------------------------------------------


def test_no_desk_keeps_the_latch_in_memory_and_touches_no_disk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    desk = NoDesk()
    assert desk.poll(1) is None
    desk.latch("first", "core")
    desk.latch("second", "core")
    assert desk.latched().reason == "first"
    with pytest.raises(UsageError):
        desk.clear(" ", "cli")
    assert desk.clear("mended", "cli").latch.reason == "first"
    assert desk.latched() is None
    assert desk.cleared().reason == "mended"
    assert desk.save_learning({}, costs=Costs(), log="", seq=0) is None
    desk.publish(lambda: STATUS, final=True)
    assert not list(tmp_path.iterdir())
