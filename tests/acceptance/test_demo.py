"""`make demo`: one compressed day shows everything, its summary says so, and the log says the same (issue 3, item 6).

Counts are taken from the log's own records here, not through the ledger that the demo reads them with.
"""

import json
import struct
import subprocess
import sys
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from tools.demo_bot import Answer
from tools.demo_checks import checks
from tools.demo_day import KILL_9_NS, KILL_NS, Day, Proof

from tests.core.worlds import messages
from trading_bot.core.replay import session_logs
from trading_bot.domain import events
from trading_bot.domain.effects import LatchKillSwitch
from trading_bot.domain.trade_events import OrderFilled, TradeClosed
from trading_bot.reports.day_ledger import read_day

ROOT = Path(__file__).resolve().parents[2]
SCENARIO = ROOT / "tools" / "e2e_demo_scenario.py"
PROMISED = (
    *("stops", "targets", "time_stops", "throttled"),
    *("flatten_ts", "replay_equal", "restart_equal", "naked_ms_max"),
)


def scenario(*arguments):
    return subprocess.run(
        [sys.executable, str(SCENARIO), *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, timeout=180
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Folder, finished process and summary of one demo."""
    out = tmp_path_factory.mktemp("demo")
    done = scenario("--quick", "--out", out)
    assert done.returncode == 0, done.stdout + done.stderr
    return out, done, json.loads((out / "summary.json").read_text())


@pytest.fixture(scope="module")
def run(demo):
    """Folder of the run, and its messages in the order of its logs."""
    folder = next((demo[0] / "out" / "day" / "runs").iterdir())
    return folder, [record for log in session_logs(folder) for _, record in messages(log)]


@pytest.mark.slow
def test_the_day_shows_everything(demo):
    _, _, summary = demo
    assert summary["missing"] == []
    assert set(PROMISED) <= set(summary)
    assert summary["stops"] >= 1
    assert summary["targets"] >= 1
    assert summary["time_stops"] >= 1
    assert len(summary["throttled"]) >= 1
    assert summary["replay_equal"] is True
    assert summary["restart_equal"] is True
    # 15:55 in New York, winter time; the close is at 16:00.
    assert summary["flatten_ts"].startswith("2026-11-25T20:55:0")
    assert 0 < summary["naked_ms_max"] < 2_000  # orders.stop_deadline_ms
    assert summary["position_qty"] == 0
    assert (summary["kill_exit_code"], summary["latched_start_exit_code"]) == (5, 5)


@pytest.mark.slow
def test_the_summary_is_what_the_log_says(demo, run):
    _, _, summary = demo
    _, records = run
    closed = [record.outcome for record in records if isinstance(record, TradeClosed)]
    assert Counter(trade.exit_reason for trade in closed) == summary["exits"]
    skips = Counter(
        record.reason for record in records if isinstance(record, events.DecisionMade) and record.action == "SKIP"
    )
    assert skips == summary["skips_by_reason"]
    # Every fill once, at 1.25 USD a tick of MES: what they come to is what the trades say.
    cash_usd = 0.0
    for fill in (record for record in records if isinstance(record, OrderFilled)):
        signed = fill.qty if fill.side == "BUY" else -fill.qty
        cash_usd -= signed * fill.price_ticks * 1.25 + fill.commission_uusd / 1e6
    assert cash_usd == pytest.approx(summary["net_usd_hypothetical"], abs=0.005)


@pytest.mark.slow
def test_a_kill_minus_nine_went_on_warm_and_a_kill_was_cleared(run):
    folder, records = run
    assert [log.name for log in session_logs(folder)] == ["20261125", "20261125-02"]
    assert [record.recovery for record in records if isinstance(record, events.ProcessStarted)] == ["full"]
    latched = [index for index, record in enumerate(records) if isinstance(record, LatchKillSwitch)]
    cleared = [index for index, record in enumerate(records) if isinstance(record, events.KillCleared)]
    assert len(latched) == len(cleared) == 1
    assert latched[0] < cleared[0]
    # Nothing is entered between the two, and something is afterwards.
    entered = [
        index
        for index, record in enumerate(records)
        if isinstance(record, events.DecisionMade) and record.action == "ENTER"
    ]
    assert not [index for index in entered if latched[0] < index < cleared[0]]
    assert [index for index in entered if index > cleared[0]]


@pytest.mark.slow
def test_a_position_stands_where_the_day_is_killed(demo):
    """By the uninterrupted day, so that the speed of the machine does not matter; a minute to spare on either side."""
    whole = read_day(next((demo[0] / "out" / "proof" / "whole" / "runs").iterdir()))
    for ts_ns in (KILL_9_NS, KILL_NS):
        assert [t for t in whole.trades if t.entry_ts_ns < ts_ns - 60 * 10**9 and ts_ns + 60 * 10**9 < t.exit_ts_ns]


@pytest.mark.slow
def test_the_picture_and_the_tables_are_there(demo):
    out, done, _ = demo
    head = (out / "day.png").read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", head[16:]) == (1600, 1000)
    for shown in ("HYPOTHETICAL", "FREQUENCY_HOUR", "day.png", "summary.json", "replay identical"):
        assert shown in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("reason", ["STOP", "TARGET", "TIME"])
def test_a_day_without_one_of_its_endings_is_told(run, reason):
    """The checks can fail: each ending taken out of the ledger is missed, by name."""
    ledger = read_day(run[0])
    without = msgspec.structs.replace(ledger, trades=tuple(row for row in ledger.trades if row.exit_reason != reason))
    told = {"STOP": "a stop", "TARGET": "a target", "TIME": "a time stop"}[reason]
    assert told in missed(without)
    assert told not in missed(ledger)


@pytest.mark.slow
def test_a_replay_that_differs_and_a_cut_that_differs_are_told(run):
    ledger = read_day(run[0])
    assert "replay identical" in missed(ledger, replayed="other")
    assert "the same day, cut and whole, is equal" in missed(ledger, cut="other")


def missed(ledger, *, replayed="same", cut="same"):
    def answer(digest="same", code=0, **more):
        document = {"effects_digest": digest, "state_digest": "s", "run_id": "r", "position_qty": 0, "ok": True, **more}
        return Answer(code=code, document=document, said="", wall_s=0.0)

    day = Day(
        killed=answer(),
        halted=answer(code=5),
        refused=answer(code=5),
        cleared=answer(),
        ended=answer(),
        replayed=answer(replayed),
        verified=answer(),
    )
    proof = Proof(whole=answer(), cut=answer(cut), cut_ns=0, tries=1)
    return [check.what for check in checks(ledger, day, proof) if not check.seen]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--seed", "x"), "'x' is no seed; expected a whole number"),
        (("--seed", "-1"), "'-1' is no seed; expected a whole number"),
        (("--sed", "1"), "unrecognized arguments"),
    ],
)
def test_wrong_arguments_get_a_sentence(arguments, sentence):
    done = scenario(*arguments)
    assert done.returncode == 2
    assert sentence in done.stderr


def test_what_somebody_else_put_there_is_not_deleted(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    done = scenario("--out", tmp_path)
    assert done.returncode == 1
    assert "no demo wrote" in done.stderr
    assert (tmp_path / "out" / "thesis.txt").read_text() == "years of work"


def test_an_out_that_is_no_folder_gets_a_sentence(tmp_path):
    (tmp_path / "file").touch()
    done = scenario("--out", tmp_path / "file")
    assert done.returncode == 1
    assert "choose another --out" in done.stderr
    assert "Traceback" not in done.stderr
