"""NV08: `reconcile --explain` from another process: from the status of a bot that runs, and from a log."""

import json

import msgspec
import pytest

from tests.cli.test_operate import BOT, answer, data, start_bot
from tests.core.broker_world import BrokerWorld
from tests.core.worlds import OPEN_NS, ListFeed, documents, new_run, quote
from trading_bot.domain.events import LinkStatus, Reconciled
from trading_bot.domain.reconciling import Row
from trading_bot.domain.units import NS_PER_MS
from trading_bot.engines.reconciliation import TABLE

__all__ = ["data", "start_bot"]  # fixtures
RUNNING = "while True:\n"


@pytest.fixture
def bot_of_a_broker(start_bot, monkeypatch):
    """A process that publishes what a core with a broker's position found."""
    world = BrokerWorld()
    world.broker.position = 1
    world.answer(reason="PERIODIC")
    done = msgspec.to_builtins(world.state.reconciliation)
    status = {
        "adapter": "ibkr",
        "reconciliation": done,
        "reconciliations": 3,
        "reconciled_rows": {"AGREES": 2, "ORPHAN_POSITION": 1},
    }
    status["link"] = msgspec.to_builtins(world.state.link)
    changed = f"import json\nstatus.update(json.loads({json.dumps(json.dumps(status))!s}))\nif sys.argv[3]"
    monkeypatch.setattr("tests.cli.test_operate.BOT", BOT.replace("if sys.argv[3]", changed, 1))
    return start_bot()


@pytest.mark.usefixtures("bot_of_a_broker")
def test_it_shows_the_newest_comparison_of_the_running_bot(run_main):
    document = answer(run_main, "reconcile", "--explain")
    assert (document["runs"], document["rows"]) == (3, {"AGREES": 2, "ORPHAN_POSITION": 1})
    last = document["last"]
    assert (last["ours_qty"], last["theirs_qty"], last["reason"]) == (0, 1, "PERIODIC")
    assert [(one["row"], one["deed"]) for one in last["findings"]] == [("ORPHAN_POSITION", "FLATTEN_HALT")]
    assert [one["row"] for one in document["table"]] == [rule.row.value for rule in TABLE]
    code, out, err = run_main("reconcile", "--explain")
    assert (code, err) == (0, "")
    assert "+0 here, +1 at the broker" in out
    assert "FLATTEN_HALT" in out
    assert all(row.value in out for row in Row)


@pytest.mark.usefixtures("bot_of_a_broker")
def test_without_explain_the_table_stays_away(run_main):
    assert answer(run_main, "reconcile")["table"] == []
    assert "SIBLINGS" not in run_main("reconcile")[1]


@pytest.mark.usefixtures("bot_of_a_broker")
def test_status_names_it_in_one_line(run_main):
    out = run_main("status")[1]
    assert "ORPHAN_POSITION at 2026-11-25" in out
    assert "link" in out


def test_a_simulators_bot_has_nothing_to_compare(run_main, start_bot):
    start_bot()
    document = answer(run_main, "reconcile")
    assert (document["runs"], document["last"]) == (0, {})
    assert "a simulator stands for the broker" in document["problem"]


def test_a_log_tells_every_comparison(run_main, tmp_path):
    docs = msgspec.structs.replace(documents(), gates_real=True, con_id=5, expiry=20261218)
    silence = Reconciled(ts_ns=OPEN_NS, ok=False, position_qty=0, working_orders=0, asked=True, reason="silence")
    told = [LinkStatus(ts_ns=OPEN_NS, up=True), silence]
    feed = ListFeed([quote(OPEN_NS + ms * NS_PER_MS, 24_000, 24_001) for ms in (0, 500)])
    new_run(tmp_path / "run", feed, docs, first_inputs=told).run()
    document = answer(run_main, "reconcile", "--log", str(tmp_path / "run"))
    assert document["rows"]["AGREES"] >= 1
    assert document["rows"]["NO_ANSWER"] == 1, "the one that timed out; at the opening nothing was asked"
    assert document["runs"] == sum(document["rows"].values())


def test_a_log_without_any_says_so(run_main, tmp_path):
    runner = new_run(tmp_path / "run", ListFeed([quote(OPEN_NS, 24_000, 24_001)]), documents())
    runner.run()
    document = answer(run_main, "reconcile", "--log", str(tmp_path / "run"))
    assert document["runs"] == 0
    assert "no comparison with a broker" in document["problem"]


def test_a_folder_that_is_none_is_refused(run_main):
    code, _, err = run_main("reconcile", "--data-dir", "nowhere")
    assert code == 2
    assert "nowhere" in err
