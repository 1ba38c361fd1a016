"""The mapped file that the loop touches, and what a bot does that thaws after the dead man has acted."""

import os
import time

import pytest

from trading_bot.core import operator_files as files
from trading_bot.core.emergency import guarded
from trading_bot.core.heartbeat import Described, Heartbeat, process_started, read_pulse
from trading_bot.core.operator_desk import OperatorDesk
from trading_bot.deadman.fence import fence
from trading_bot.domain.effects import Alert
from trading_bot.domain.errors import Halted, TakenOver
from trading_bot.domain.trade_events import FlattenAdvanced

PAPER = Described(run_id="r", mode="PAPER", sends=True, instrument="MES", account="DUSIM1", client_id=1, port=4002)


def test_a_run_from_its_start_to_its_orderly_end(tmp_path):
    heart = Heartbeat(tmp_path)
    heart.begin()
    found = read_pulse(tmp_path)
    assert (found.pid, found.beat_ns, found.owed, found.described) == (os.getpid(), 0, False, None)
    assert found.process_started == process_started(os.getpid()) > 0
    heart.describe(PAPER)
    heart.beat(time.monotonic_ns())
    found = read_pulse(tmp_path)
    assert (found.owed, found.beats, found.described) == (True, 1, PAPER)
    assert time.monotonic_ns() - found.beat_ns < 1_000_000_000
    heart.end()
    assert read_pulse(tmp_path).owed is False


def test_what_a_killed_run_left_stays_owed_through_a_start_that_fails(tmp_path):
    heart = Heartbeat(tmp_path)
    heart.begin()
    heart.describe(PAPER)
    heart.beat(time.monotonic_ns())
    Heartbeat(tmp_path).begin()
    assert read_pulse(tmp_path).owed is True
    observing = Heartbeat(tmp_path)
    observing.describe(Described(run_id="o", mode="OBSERVE", sends=False, instrument="MES"))
    observing.beat(time.monotonic_ns())
    observing.end()
    assert read_pulse(tmp_path).owed is True  # the end of a run that sends nothing closes no position


@pytest.mark.parametrize("content", [b"", b"x", b"TBHEART1", b"\xff" * 4096, b"TBHEART1" + b"\xff" * 4088])
def test_a_file_that_is_none_is_read_as_none_or_without_a_description(tmp_path, content):
    (tmp_path / "heartbeat").write_bytes(content)
    found = read_pulse(tmp_path)
    assert found is None or found.described is None


def test_no_file_and_a_link_are_no_heartbeat(tmp_path):
    assert read_pulse(tmp_path) is None
    (tmp_path / "heartbeat").symlink_to("/dev/zero")
    assert read_pulse(tmp_path) is None
    with pytest.raises(OSError, match="heartbeat"):
        Heartbeat(tmp_path)


def test_a_loop_that_asks_beats_and_a_start_that_asks_does_not(tmp_path):
    heart = Heartbeat(tmp_path)
    desk = OperatorDesk(tmp_path, heart)
    heart.describe(PAPER)
    desk.poll(0)
    assert read_pulse(tmp_path).beats == 0
    time.sleep(0.03)
    desk.poll(1)
    assert read_pulse(tmp_path).beats == 1


def test_who_thaws_after_the_dead_man_sends_nothing_and_ends(tmp_path):
    heart = Heartbeat(tmp_path)
    desk = OperatorDesk(tmp_path, heart)
    desk.poll(1)
    (tmp_path / files.TAKEN_OVER_FILE).write_text('{"reason": "froze with +1 MESZ6", "source": "deadman"}')
    desk.check()  # a loop that was never away looks at its files every 20 ms, and not at every decision
    heart.beat_ns -= 2_000_000_000
    with pytest.raises(Halted, match=r"froze with \+1 MESZ6"):
        desk.check()
    time.sleep(0.03)
    with pytest.raises(Halted):
        desk.poll(2)
    assert b"deadman_heeded" in (tmp_path / "logs" / "operator.jsonl").read_bytes()


def test_a_flatten_that_does_not_end_asks_for_help_until_it_does(tmp_path):
    """Specification 10, T-3:00: alert and dead man."""
    desk = OperatorDesk(tmp_path, Heartbeat(tmp_path))
    desk.told(Alert(ts_ns=1, level="critical", code="FLATTEN_ALERT", text=""))
    assert read_pulse(tmp_path).asked_ns == 0
    desk.told(Alert(ts_ns=1, level="critical", code="FLATTEN_DEAD_MAN", text=""))
    assert 0 < read_pulse(tmp_path).asked_ns <= time.monotonic_ns()
    done = {"plan": "SESSION", "command": "", "qty": 0, "reason": ""}
    desk.told(FlattenAdvanced(ts_ns=2, step="RETRY", **done))
    assert read_pulse(tmp_path).asked_ns > 0
    desk.told(FlattenAdvanced(ts_ns=3, step="DONE", **done))
    assert read_pulse(tmp_path).asked_ns == 0


def test_nobody_else_is_killed_in_the_bots_place(tmp_path):
    """The number of a process that has ended may be another's by now; and this one is not to be killed."""
    with (tmp_path / files.LOCK_FILE).open("a") as lock:
        import fcntl

        fcntl.flock(lock, fcntl.LOCK_EX)
        heart = Heartbeat(tmp_path)
        heart.begin()
        import msgspec

        other = msgspec.structs.replace(read_pulse(tmp_path), process_started=1)
        assert fence(tmp_path, other) == "other_process"
    assert fence(tmp_path, read_pulse(tmp_path)) == "gone"


def test_a_bot_that_was_taken_over_closes_nothing_on_its_way_out():
    """A failure of ours leaves the position; here it is the dead man's to close, and a second exit would open one."""

    class Run:
        """Of a run with a position, whose broker must not be asked for anything."""

        exit_reason, ended, exit_code = "", False, 0
        broker = desk = feed = None

        class book:  # noqa: N801
            log = object()

            class live:  # noqa: N801
                class state:  # noqa: N801
                    exposed = True

    with pytest.raises(TakenOver), guarded(Run()):
        raise TakenOver("the dead man closes it")
