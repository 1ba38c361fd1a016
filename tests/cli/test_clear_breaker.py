"""`clear-breaker`: which names it takes, that it needs a reason, and what it leaves for a bot (SF11)."""

import fcntl
import json
import threading
import time

import pytest

from trading_bot.cli import main
from trading_bot.cli_breakers import CLEARABLE
from trading_bot.core.breaker_requests import CLEAR_FILE
from trading_bot.core.operator_desk import OperatorDesk


@pytest.fixture
def run(tmp_path, capfd):
    def start(*arguments):
        code = main(["clear-breaker", *arguments, "--data-dir", str(tmp_path)])
        out, err = capfd.readouterr()
        return code, out, err

    return start


def test_those_that_a_person_ends():
    assert CLEARABLE == ("DAILY_OUTER", "DRAWDOWN_HALT")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("WEEKLY_HALT", "--reason", "x"), "WEEKLY_HALT is not cleared by a person"),
        (("DRAWDOWN_HALT",), "needs --reason"),
        (("DRAWDOWN_HALT", "--reason", "  "), "needs --reason"),
    ],
)
def test_it_refuses_with_2_and_leaves_nothing(run, tmp_path, arguments, said):
    code, out, err = run(*arguments)
    assert code == 2
    assert said in out + err
    assert not (tmp_path / CLEAR_FILE).exists()


def test_without_a_bot_it_waits_for_the_next(run, tmp_path):
    code, out, _ = run("drawdown_halt", "--reason", "new plan", "--json")
    assert code == 0
    document = json.loads(out)
    assert (document["breaker"], document["taken"], document["bot"]["running"]) == ("DRAWDOWN_HALT", False, False)
    assert OperatorDesk(tmp_path).poll(1).breaker == "DRAWDOWN_HALT"


def test_a_running_bot_takes_it(run, tmp_path):
    desk, stop = OperatorDesk(tmp_path), threading.Event()
    taken = []

    def loop():
        while not stop.is_set():
            event = desk.poll(1)
            taken.extend([event] if event else [])
            time.sleep(0.01)

    with (tmp_path / "bot.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        thread = threading.Thread(target=loop)
        thread.start()
        code, out, _ = run("DRAWDOWN_HALT", "--reason", "new plan")
        stop.set()
        thread.join()
    assert code == 0
    assert "took it" in out
    assert [(event.breaker, event.reason) for event in taken] == [("DRAWDOWN_HALT", "new plan")]
