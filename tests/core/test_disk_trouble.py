"""A disk that is full, refuses or does not answer: entries stop, exits work, the same command goes on (PR06)."""

import errno
import threading

import pytest

from tests.core import worlds
from tests.core.worlds import BUILD, OPEN_NS, ListFeed, documents, messages
from trading_bot._fast import LogFull
from trading_bot.core.event_log import EventLog
from trading_bot.core.opening import RunIdentity
from trading_bot.core.recovery import recover_run, unfinished
from trading_bot.core.replay import replay
from trading_bot.core.run_logs import FolderLogs
from trading_bot.core.runner import BotRunner
from trading_bot.core.segment_file import SegmentFile
from trading_bot.core.session_book import SessionBook
from trading_bot.core.shadow_broker import ShadowBroker
from trading_bot.domain import effects, events
from trading_bot.domain.units import NS_PER_S

TAPE = worlds.wavy_tape(OPEN_NS + 60 * NS_PER_S, 12_000, step_ms=50)
NO_ROOM = OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def disk(tmp_path, monkeypatch):
    """Room for so many more segments of 256 KiB; logs that other tests have left running are on another disk."""
    allocate = SegmentFile.allocate.__func__
    room = {"segments": 3}

    def limited(cls, path, *what, **how):
        if tmp_path in path.parents:
            if room["segments"] == 0:
                raise NO_ROOM
            room["segments"] -= 1
        return allocate(cls, path, *what, **how)

    monkeypatch.setattr(SegmentFile, "allocate", classmethod(limited))
    return room


def runner_of(folder, feed, *, stands, recovered=None, **options):
    docs = documents()
    logs = FolderLogs(folder, run_id="test", segment_bytes=worlds.SEGMENT_BYTES, sync_s=0.05)
    identity = RunIdentity(run_id="test", build=BUILD, clock_stands=stands)
    broker = recovered.broker if recovered is not None else ShadowBroker()
    return BotRunner(docs, feed=feed, broker=broker, logs=logs, identity=identity, recovered=recovered, **options)


def recovered(folder):
    docs = documents()
    return recover_run(folder, build=BUILD, config_hash=docs.config_hash, sink=lambda: (ShadowBroker(), None))


def test_a_recorded_market_goes_on_when_there_is_room_again(tmp_path, disk):
    """Nothing is late there, so nothing is decided about the disk but that no entry begins."""
    folder = tmp_path / "run"
    first = runner_of(folder, ListFeed(TAPE), stands=True)
    first.run()
    assert (first.exit_reason, first.exit_code) == ("LOG_FULL", 5)
    assert "free disk space" in first.message
    assert unfinished(folder)
    disk["segments"] = 100
    second = runner_of(folder, ListFeed(TAPE), stands=True, recovered=recovered(folder))
    second.run()
    assert second.exit_reason == "FEED_ENDED"
    report = replay(folder, build=BUILD)
    assert report.ok, report.reason
    assert report.ticks == len(TAPE)
    changes = [record.ok for _, record in messages(folder) if isinstance(record, events.LogSpaceChanged)]
    assert changes == [False, True]


def test_a_live_run_ends_in_order_and_the_next_start_is_the_same_run(tmp_path, disk):
    folder = tmp_path / "run"
    first = runner_of(folder, ListFeed(TAPE), stands=False)
    first.run()
    assert (first.exit_reason, first.exit_code) == ("LOG_FULL", 5)
    last = [record for _, record in messages(folder)][-1]
    assert isinstance(last, events.RunEnded)
    assert len([1 for _, record in messages(folder) if isinstance(record, events.StopRequested)]) == 1
    assert unfinished(folder)
    disk["segments"] = 100
    second = runner_of(folder, ListFeed(TAPE), stands=False, recovered=recovered(folder))
    second.run()
    assert second.exit_reason == "FEED_ENDED"
    assert replay(folder, build=BUILD).ok
    assert len([entry for entry in folder.iterdir() if entry.is_dir()]) == 2


def test_an_end_that_had_no_room_is_written_by_the_next_start_which_goes_on(tmp_path, disk, monkeypatch):
    """What is carried over is the largest record of all."""
    folder = tmp_path / "run"
    first = runner_of(folder, ListFeed(TAPE), stands=False)
    append = SessionBook.append

    def no_end(book, cls, record, cause_seq):
        if isinstance(record, events.RunEnded):
            raise LogFull("no room")
        return append(book, cls, record, cause_seq)

    monkeypatch.setattr(SessionBook, "append", no_end)
    first.run()
    assert (first.exit_reason, first.exit_code) == ("LOG_FULL", 5)
    assert "has no end" in first.message
    monkeypatch.setattr(SessionBook, "append", append)
    disk["segments"] = 100
    second = runner_of(folder, ListFeed(TAPE), stands=False, recovered=recovered(folder))
    second.run()
    assert second.exit_reason == "FEED_ENDED"
    report = replay(folder, build=BUILD)
    assert report.ok, report.reason
    assert report.logs == 2


def test_no_room_for_a_message_latches_the_switch_and_withdraws_what_works(tmp_path, monkeypatch):
    """Beyond the reserve: what cannot be written is not decided any more; the broker hears what closes."""
    folder, said, latched = tmp_path / "run", [], []
    runner = runner_of(folder, ListFeed(TAPE), stands=False)
    while runner.machine is None or not runner.machine.state.entries:
        runner.run_once()
    monkeypatch.setattr(runner.desk, "latch", lambda reason, source: latched.append((reason, source)))
    monkeypatch.setattr(runner.broker, "dispatch", said.append)

    def full(*_more):
        raise LogFull("no room")

    monkeypatch.setattr(runner.book, "append", full)
    with pytest.raises(LogFull) as raised:
        runner.run()
    assert raised.value.exit_code == 5
    assert [type(effect) for effect in said] == [effects.CancelOrder]
    assert latched
    monkeypatch.undo()
    assert unfinished(folder)
    assert replay(folder, build=BUILD).ok


@pytest.mark.parametrize("refusal", [errno.EIO, errno.EROFS])
def test_a_disk_that_refuses_ends_a_live_run_in_order(tmp_path, monkeypatch, refusal):
    """Appends go to the page cache and are kept; what the disk will not take is told, and no entry begins."""
    folder = tmp_path / "run"
    runner = runner_of(folder, ListFeed(TAPE), stands=False)
    while runner.machine is None or runner.records < 4_000:
        runner.run_once()
    refused = threading.Event()

    def refuse(*_more):
        refused.set()
        raise OSError(refusal, "refused")

    monkeypatch.setattr(SegmentFile, "sync", refuse)
    assert refused.wait(10.0)
    runner.logs._thread._threads[0].join(10.0)
    runner.run()
    assert (runner.exit_reason, runner.exit_code) == ("LOG_FAILED", 5)
    assert "could not be written" in runner.message
    monkeypatch.undo()
    low = next(seq for seq, record in messages(folder) if isinstance(record, events.LogSpaceChanged))
    assert not [1 for seq, record in messages(folder) if isinstance(record, effects.PlaceOrder) and seq > low]
    assert replay(folder, build=BUILD).ok
    assert unfinished(folder)


def test_a_segment_that_cannot_be_made_is_no_bug_of_ours(tmp_path, monkeypatch):
    """A file system that became read-only."""
    folder = tmp_path / "run"
    runner = runner_of(folder, ListFeed(TAPE), stands=False)
    while runner.machine is None or runner.records < 1_000:
        runner.run_once()
    made = EventLog._allocate

    def refuse(log, index, **how):
        if index > 2:
            raise OSError(errno.EROFS, "Read-only file system")
        return made(log, index, **how)

    monkeypatch.setattr(EventLog, "_allocate", refuse)
    runner.run()
    assert (runner.exit_reason, runner.exit_code) == ("LOG_FAILED", 5)
    assert replay(folder, build=BUILD).ok


def test_a_disk_that_does_not_answer_stops_entries_until_it_does(tmp_path, monkeypatch):
    folder, answer, asked = tmp_path / "run", threading.Event(), threading.Event()
    sync = SegmentFile.sync

    def slow(opened, end_bytes):
        asked.set()
        answer.wait(20.0)
        sync(opened, end_bytes)

    docs = documents({"log": {"stall_s": 0.1}})
    logs = FolderLogs(folder, run_id="test", segment_bytes=worlds.SEGMENT_BYTES, sync_s=0.01)
    runner = BotRunner(docs, feed=ListFeed(TAPE), logs=logs, identity=RunIdentity(run_id="test", build=BUILD))
    while runner.machine is None or runner.records < 1_000:
        runner.run_once()
    monkeypatch.setattr(SegmentFile, "sync", slow)
    assert asked.wait(10.0)
    state = runner.machine.state
    while state.log_space_ok and not runner.ended:
        runner._look_after_log()
    assert not runner.ended
    for _ in range(500):
        runner.run_once()
    answer.set()
    while not state.log_space_ok:
        runner._look_after_log()
    runner.run()
    assert runner.exit_reason == "FEED_ENDED"
    told = [(seq, record) for seq, record in messages(folder) if isinstance(record, events.LogSpaceChanged)]
    assert [record.ok for _, record in told] == [False, True]
    assert "has not answered" in told[0][1].detail
    between = [record for seq, record in messages(folder) if told[0][0] < seq < told[1][0]]
    assert {r.reason for r in between if isinstance(r, events.DecisionMade)} <= {"LOG_SPACE_LOW"}
    assert replay(folder, build=BUILD).ok
