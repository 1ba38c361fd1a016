"""`make crash`: what it counts, what it finds when something is wrong, and a short campaign."""

import json
import subprocess
import sys
from types import SimpleNamespace

import msgspec
import pytest

from tests.core import worlds
from tests.core.worlds import BUILD, OPEN_NS, ListFeed, documents, new_run
from trading_bot.chaos import crashes, log_shadow
from trading_bot.chaos.crash_moments import KINDS
from trading_bot.chaos.log_shadow import LogShadow
from trading_bot.core.operator_desk import OperatorDesk
from trading_bot.domain.units import NS_PER_S

TAPE = worlds.wavy_tape(OPEN_NS + 60 * NS_PER_S, 400)
CAMPAIGN_S = 280  # what it may take on a machine that does five other things; alone it is below 25


@pytest.fixture
def dead(tmp_path, monkeypatch):
    """A bot that died in the middle of its run: its log, and its last words."""
    monkeypatch.setattr(log_shadow, "build_digest", lambda: BUILD)
    folder = tmp_path / "data" / "runs" / "one"
    desk = OperatorDesk(tmp_path / "data")
    runner = new_run(folder, ListFeed(TAPE), documents(), desk=desk)
    while runner.machine is None or runner.records < 200:
        runner.run_once()
    desk._next_status_ns = 0
    runner._look_after_log()
    for _ in range(20):
        runner.run_once()
    worlds.vanish(runner)
    return tmp_path / "data", runner


def pid_of(data):
    return json.loads((data / "status.json").read_bytes())["pid"]


def test_a_replay_says_what_the_dead_process_said(dead):
    data, runner = dead
    shadow = LogShadow(data)
    assert list(shadow.died(pid_of(data))) == []
    assert shadow.records == runner.book.writing.writer.seq
    assert shadow.state_digest == runner.machine.state.digest()
    assert shadow.tail is not None


@pytest.mark.parametrize(("field", "wrong"), [("position_qty", 7), ("eqs_c", 1), ("trades", 3), ("breakers", ["X"])])
def test_last_words_that_the_log_does_not_bear_out_are_a_mismatch(dead, field, wrong):
    data, _ = dead
    words = json.loads((data / "status.json").read_bytes())
    (data / "status.json").write_text(json.dumps({**words, field: wrong}))
    (found,) = LogShadow(data).died(words["pid"])
    assert f"{field} {wrong!r}" in found


def test_a_log_cut_before_the_last_words_is_a_mismatch(dead):
    data, runner = dead
    shadow = LogShadow(data)
    words = json.loads((data / "status.json").read_bytes())
    (data / "status.json").write_text(json.dumps({**words, "log_seq": runner.book.writing.writer.seq + 5}))
    assert any("the log ends with" in text for text in shadow.died(words["pid"]))


def books(*executions, orders=(), own=None):
    held = sum(row.side * row.qty for row in executions) if own is None else own
    return crashes._Books(executions, orders, held, 0)


def row(exec_id, side=1):
    return SimpleNamespace(exec_id=exec_id, side=side, qty=1)


def shadow_of(*fills, state=None, entries=(), exits=()):
    position = sum(1 if fill.side == "BUY" else -1 for fill in fills)
    return SimpleNamespace(
        fills=list(fills),
        position=position,
        position_of_state=position if state is None else state,
        entries=dict.fromkeys(entries, 1),
        exits=set(exits),
    )


FILL = SimpleNamespace(exec_id="a", side="BUY", qty=1)


@pytest.mark.parametrize(
    ("at_broker", "shadow", "says"),
    [
        (books(row("a")), shadow_of(FILL), None),
        (books(row("a"), row("b", -1)), shadow_of(FILL), None),  # not told yet
        (books(row("a")), shadow_of(FILL, FILL), "2 times"),
        (books(), shadow_of(FILL), "not one of the broker's"),
        (books(row("a")), shadow_of(FILL, state=0), "the state has position 0"),
        (books(row("a"), own=0), shadow_of(FILL), "the broker has 0"),
        (books(orders=("tb.1-7-0-S",)), shadow_of(entries=((7, 0),)), None),
        (books(orders=("tb.1-7-0-S",)), shadow_of(), "not in the log"),
        (books(orders=("tb.1-7-0-X",)), shadow_of(entries=((7, 0),)), "not in the log"),
    ],
)
def test_what_log_and_broker_may_not_disagree_about(at_broker, shadow, says):
    found = list(crashes._differences(at_broker, shadow))
    assert (found == []) if says is None else any(says in text for text in found)


def test_an_execution_of_before_the_start_that_is_not_in_the_log_is_lost():
    assert crashes._missing((row("a"), row("b")), shadow_of(FILL)) == ["b"]


def test_every_invariant_of_the_lab_counts_as_one_of_the_three():
    assert set(crashes.CHECKS) >= crashes._LOST | crashes._DOUBLED
    finding = crashes.Finding(kind="lost_fills", kill=1, text="", count=2)
    report = msgspec.structs.replace(REPORT, findings=(finding, finding))
    assert (report.total("lost_fills"), report.total("dup_orders")) == (4, 0)


REPORT = crashes.RoundReport(
    seed=0, asked=1, kills=1, wall_s=0.0, moments={}, holding=0, working=0, torn=0, starts_compared=0, abandoned=0,
    executions=0, records=0, findings=(), folder="",
)  # fmt: skip


def test_a_short_campaign_loses_nothing(tmp_path):
    """PR05: killed and started again and again; the line is the one that the issue asks for."""
    out, details = tmp_path / "out.json", tmp_path / "details.json"
    done = subprocess.run(
        [sys.executable, "tools/crash.py", "--kills", "8", "--per-round", "4", "--seed", "1", "--json", str(out),
         "--details", str(details), "--folder", str(tmp_path / "crash")],
        cwd=worlds.ROOT, capture_output=True, text=True, timeout=CAMPAIGN_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    expected = '{"kills":8,"lost_fills":0,"dup_orders":0,"state_mismatch":0}\n'
    assert done.stdout == expected
    assert out.read_text() == expected
    reports = json.loads(details.read_bytes())
    assert sum(sum(one["moments"].values()) for one in reports) == 8
    assert set(reports[0]["moments"]) == set(KINDS)
