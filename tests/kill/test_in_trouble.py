"""The kill switch while the loop is busy, and while no disk takes anything (specification 8.3, item 3)."""

import errno
import threading
import time
from types import SimpleNamespace

import pytest

from tests.core.worlds import BUILD, OPEN_NS, documents, messages, wavy_tape
from tests.kill.kit import PLAIN, runner_over, until_protected
from trading_bot.adapters import control_client
from trading_bot.adapters.control_socket import ControlSocket
from trading_bot.broker_source import BrokerSource
from trading_bot.core import apply as apply_module
from trading_bot.core import operator_files
from trading_bot.core.event_log import EventLog
from trading_bot.core.operator_desk import OperatorDesk
from trading_bot.core.replay import replay
from trading_bot.domain import events
from trading_bot.domain.effects import LatchKillSwitch, PlaceExit
from trading_bot.domain.units import NS_PER_S

TAPE = wavy_tape(OPEN_NS + 60 * NS_PER_S, 4_000)
BUSY_S = 1.2


@pytest.fixture
def desk(tmp_path):
    (tmp_path / "data").mkdir()
    opened = OperatorDesk(tmp_path / "data")
    control = ControlSocket(opened)
    control.start()
    yield opened
    control.close()


@pytest.fixture
def runner(tmp_path, desk):
    return runner_over(tmp_path / "run", documents(PLAIN | {"run": {"adapter": "sim"}}), TAPE, desk=desk)


def killed_flat(runner, tmp_path):
    """The run ended by the switch, with its position left, and a replay says the same."""
    assert (runner.exit_reason, runner.exit_code) == ("KILL_SWITCH", 5)
    assert runner.machine.state.position.qty == 0
    records = [record for _, record in messages(tmp_path / "run")]
    assert any(isinstance(record, PlaceExit) for record in records)
    assert sum(isinstance(record, LatchKillSwitch) for record in records) == 1
    assert replay(tmp_path / "run", build=BUILD).ok


def test_a_loop_that_is_busy_lets_no_entry_out_and_kills_when_it_comes_back(runner, desk, tmp_path, monkeypatch):
    """What a strategy in Python does to the loop: it computes and holds the interpreter."""
    until_protected(runner)
    real = apply_module._HANDLERS[events.OutcomeReached]
    seen = {}

    def busy(state, event, seq):
        if not seen:
            seen["begin"] = time.monotonic()
            threading.Thread(target=operator_files.pull, args=(desk.data_dir, "busy", "cli")).start()
            while time.monotonic() < seen["begin"] + BUSY_S:
                if desk.stopped_by and "stopped" not in seen:
                    seen["stopped"] = time.monotonic()
        return real(state, event, seq)

    monkeypatch.setitem(apply_module._HANDLERS, events.OutcomeReached, busy)
    runner.run()
    assert seen["stopped"] - seen["begin"] < BUSY_S, "known while the loop computed"
    killed_flat(runner, tmp_path)


def test_an_entry_does_not_leave_once_the_switch_is_pulled():
    """Whatever the loop is at: the broker's side asks before each one."""
    source = SimpleNamespace(arming=None)
    assert BrokerSource._why_not(source, "", 1) == ""
    assert "the kill switch is pulled: enough; nothing was sent" in BrokerSource._why_not(source, "enough", 1)


def test_a_full_disk_stops_no_kill(runner, desk, tmp_path, monkeypatch):
    """No segment, no status, no latch can be written: the socket still kills."""

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    until_protected(runner)
    monkeypatch.setattr(EventLog, "_allocate", full)
    monkeypatch.setattr(operator_files, "_temporary", full)
    monkeypatch.setattr(operator_files, "pull", full)
    assert control_client.ask(desk.data_dir, "kill", "the disk is full")["written"] is False
    runner.run()
    killed_flat(runner, tmp_path)
    assert desk.latched().reason == "the disk is full"
    assert not (desk.data_dir / "KILLSWITCH").exists()
    assert "KILLSWITCH: cannot be written" in desk.failure or "status.json: cannot be written" in desk.failure
