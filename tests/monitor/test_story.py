"""What a watcher counts from the log is what the run counted itself; a log that grows is read once."""

import shutil

from trading_bot.core.operator_files import read_status
from trading_bot.monitor.sight import Watcher
from trading_bot.monitor.story import NAMES_MAX, Story
from trading_bot.monitor.tail import LogTail


def test_counts_are_those_of_the_runs_own_summary(run):
    data_dir, summary = run
    story = LogTail(data_dir).poll(None)
    assert story.ended == summary["exit_reason"]
    skips = {name.partition("/")[2]: count for name, count in story.decided.items() if name.startswith("SKIP/")}
    assert skips == summary["skips_by_reason"]
    assert sum(story.decided.values()) == summary["decisions"]
    assert (story.fills, story.trades_closed) == (summary["fills"], summary["trades_closed"])
    assert story.ticks == summary["quotes"] + summary["trades"] + sum(summary["rejected_inputs"].values())
    assert dict(story.refused) == {
        name.removeprefix("SAFETY_GATE_"): count for name, count in summary["refusals_by_reason"].items()
    }


def test_the_newest_decision_is_the_last_one_with_its_record(run):
    story = LogTail(run[0]).poll(None)
    assert [one.seq for one in story.decisions] == sorted(one.seq for one in story.decisions)
    newest = story.decisions[-1]
    assert newest.text.startswith(f"{newest.template} ")
    assert newest.seq <= story.last_seq


def test_a_second_look_counts_nothing_twice(run):
    tail = LogTail(run[0])
    before = tail.poll(None)
    counts = (before.ticks, before.messages, sum(before.decided.values()))
    after = tail.poll(None)
    assert (after.ticks, after.messages, sum(after.decided.values())) == counts
    assert tail.problem == ""


def test_a_log_that_is_cut_anywhere_is_read_as_far_as_it_goes(run, tmp_path):
    shutil.copytree(run[0], tmp_path / "data")
    [segment, *_] = sorted((tmp_path / "data" / "runs").glob("*/*/seg-*.tbl"))
    content = segment.read_bytes()
    segment.write_bytes(content[: len(content) // 2] + bytes(4096))
    tail = LogTail(tmp_path / "data")
    cut = tail.poll(None)
    assert 0 < cut.last_seq < LogTail(run[0]).poll(None).last_seq
    before = cut.last_seq
    segment.write_bytes(content)
    assert tail.poll(None).last_seq > before
    assert tail.story.messages == LogTail(run[0]).poll(None).messages


def test_a_folder_without_a_run_is_a_sentence(tmp_path):
    tail = LogTail(tmp_path)
    tail.poll(None)
    assert "no run in" in tail.problem
    (tmp_path / "runs" / "x").mkdir(parents=True)
    tail.poll(None)
    assert "holds no log" in tail.problem


def test_a_damaged_log_is_a_sentence_and_no_traceback(run, tmp_path):
    shutil.copytree(run[0], tmp_path / "data")
    [segment, *_] = sorted((tmp_path / "data" / "runs").glob("*/*/seg-*.tbl"))
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 0xFF
    segment.write_bytes(content)
    sight = Watcher(tmp_path / "data").look()
    assert sight.log_problem.startswith("LogCorrupt")


def test_names_are_bounded():
    story = Story()
    from trading_bot.domain.effects import Alert

    for number in range(NAMES_MAX + 50):
        story.take(number + 1, Alert(ts_ns=1, level="info", code=f"C{number}", text=""))
    assert len(story.alerted) <= NAMES_MAX + 1
    assert sum(story.alerted.values()) == NAMES_MAX + 50
    assert len(story.alerts) == 32


def test_the_status_of_the_run_has_the_distances(run):
    status, problem = read_status(run[0])
    assert problem == ""
    rows = {row["rule"]: row for row in status.rules["rows"]}
    assert rows["RULE_DAILY_LOSS"]["distance_usd"] == round(1000 + status.rules["today_usd"], 2)
    assert status.rules["today_usd"] == status.pnl_net_usd
    halt = next(row for row in status.limits if row["limit"] == "DAILY_HALT")
    assert halt["limit_usd"] == 300.0  # 3 % of 10 000
    assert halt["distance_usd"] == round(300 + min(status.pnl_net_usd, status.pnl_net_usd), 2)
