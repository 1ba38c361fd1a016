"""The log while it lives: a full disk, a killed process, a reader beside the writer, the sync thread, the lock."""

import errno
import os
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.log import tape
from trading_bot.core import event_log
from trading_bot.core.event_log import EventLog, LogFull, LogReader, MessageFrame, SyncThread, verify
from trading_bot.domain.errors import UsageError

ROOT = Path(__file__).parents[2]


def fill(log: EventLog) -> int:
    """Ticks until the log refuses them; the number of the last one."""
    block = b"".join(tape.tick(i) for i in range(64))
    while log.writer.append_ticks(block) == 64:
        log.maintain()
    return log.writer.seq


@pytest.fixture
def small_disk(tmp_path):
    """A real file system with room for two and a half segments."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if not mounted or mounted.returncode:
        pytest.skip("mounting a small tmpfs needs root; the same rules are tested with a refused allocation below")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def exits_fit_and_nothing_is_lost(folder: Path, log: EventLog, make_room) -> None:
    ticks = fill(log)
    assert not log.space_ok
    assert "No space left" in log.space_error
    assert not log.prepare_next()
    last = log.writer.seq
    for n in range(8):
        assert log.append_message(3, n, 0, last, b"exit") == last + 1 + n
    with pytest.raises(LogFull):
        log.writer.append_record(tape.tick(1))
    assert verify(folder).records == ticks + 8
    make_room()
    assert log.prepare_next()
    assert log.space_ok
    assert log.writer.append_record(tape.tick(1)) == ticks + 9
    log.close()
    report = verify(folder)
    assert (report.ok, report.closed, report.records) == (True, True, ticks + 9)


def test_a_full_disk_stops_ticks_then_messages_and_loses_nothing(small_disk):
    folder = small_disk / "log"
    log = EventLog.create(folder, b"x", tape.SEGMENT)
    assert log.space_ok
    # Sealing cuts a segment by its unused reserve only, so the disk fills while the log turns over.
    exits_fit_and_nothing_is_lost(folder, log, lambda: grow(small_disk))


def grow(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=1m", str(disk)], check=True)


def test_a_disk_without_room_for_the_first_segment_says_so(small_disk):
    (small_disk / "ballast").write_bytes(bytes(120_000))
    with pytest.raises(LogFull, match=r"No space left.*65536 bytes are needed"):
        EventLog.create(small_disk / "log", b"x", tape.SEGMENT)
    assert not list((small_disk / "log").iterdir())
    grow(small_disk)
    EventLog.create(small_disk / "log", b"x", tape.SEGMENT).close()


def test_a_refused_allocation_stops_entries_before_the_log_is_full(tmp_path, monkeypatch):
    log = EventLog.create(tmp_path, b"x", tape.SEGMENT)
    allocate = os.posix_fallocate

    def refuse(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    assert log.space_ok  # the next one was prepared while there was room
    assert log.writer.append_ticks(b"".join(tape.tick(i) for i in range(800))) == 800
    log.maintain()
    assert not log.space_ok  # 800 ticks in, 700 more would fit
    assert sorted(p.name for p in tmp_path.iterdir()) == ["seg-000001.tbl", "seg-000002.tbl"]
    exits_fit_and_nothing_is_lost(tmp_path, log, lambda: monkeypatch.setattr(os, "posix_fallocate", allocate))


WRITER = """
import sys, os
from tests.log import tape
from trading_bot.core.event_log import EventLog, SyncThread
log = EventLog.create(sys.argv[1], b"killed", tape.SEGMENT)
thread = SyncThread(log, period_s=0.002)
thread.start()
seq = 0
while True:
    for _ in range(7):
        seq = tape.append(log, tape.tick(seq + 1))
    seq = log.append_message(3, seq, 0, seq, str(seq + 1).encode() * (seq % 90))
    os.write(1, seq.to_bytes(8, "little"))
"""


@pytest.mark.parametrize("wait_s", [0.02, 0.11, 0.23, 0.4])
def test_everything_a_killed_process_reported_is_there(tmp_path, wait_s):
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})
    told = bytearray()
    reading = threading.Thread(target=drain, args=(writer, told))
    reading.start()
    while not told and writer.poll() is None:
        time.sleep(0.001)
    time.sleep(wait_s)
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    reading.join()
    writer.stdout.close()
    reported = int.from_bytes(told[len(told) // 8 * 8 - 8 :][:8], "little")
    assert reported > 0
    report = verify(tmp_path)
    assert report.ok, report
    assert report.last_seq >= reported
    with LogReader(tmp_path) as reader:
        for frame in reader.frames():
            if frame.kind == 16:
                assert bytes(frame.payload) == str(frame.seq).encode() * ((frame.seq - 1) % 90)
            else:
                assert bytes(frame.payload[18:]) == tape.tick(frame.seq)[18:]
    log = EventLog.open_append(tmp_path)
    assert log.writer.seq == report.last_seq
    log.close()
    assert verify(tmp_path).closed


def drain(process: subprocess.Popen, told: bytearray) -> None:
    while block := process.stdout.read1(65_536):
        told += block


def test_a_message_meets_a_disk_that_refuses_as_it_meets_a_full_one(tmp_path, monkeypatch):
    log = EventLog.create(tmp_path / "log", b"life", 64 * 1024, ahead=False)

    def refused(*_where, **_how):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(event_log.SegmentFile, "allocate", refused)
    with pytest.raises(LogFull, match="Read-only file system"):
        for n in range(1_000):
            log.append_message(3, n, 0, log.writer.seq, b"exit" * 64)
    assert verify(tmp_path / "log").records == log.writer.seq
    log.abandon()


def test_the_appending_thread_prepares_a_segment_only_when_nobody_else_has_for_half_a_segment(tmp_path):
    """Sealing and preparing stop the market for as long as they take: there is a thread for it."""
    log = EventLog.create(tmp_path / "log", b"life", 64 * 1024, ahead=False)
    assert not log.writer.has_prepared
    while log.writer.used_bytes < 32 * 1024 - 64:
        log.writer.append_record(tape.tick(1))
        assert not log.is_short
    log.writer.append_record(tape.tick(1))
    log.writer.append_record(tape.tick(1))
    assert log.is_short
    log.maintain()
    assert not log.is_short
    log.close()


@pytest.mark.parametrize("live", [True, False])
def test_a_reader_beside_the_writer_sees_whole_records_in_order(tmp_path, live):
    log = EventLog.create(tmp_path, b"x", tape.SEGMENT)
    sync = SyncThread(log, period_s=0.001)
    sync.start()
    total = 60_000
    stop = threading.Event()

    def write() -> None:
        block = [b"".join(tape.tick(first + i) for i in range(50)) for first in range(1, total, 50)]
        for records in block:
            done = log.writer.append_ticks(records)
            while done < 50:  # the sync thread is preparing
                done += log.writer.append_ticks(records[64 * done :])
            if stop.is_set():
                return

    writer = threading.Thread(target=write)
    writer.start()
    seen = passes = 0
    while writer.is_alive() or seen < total:
        assert sync.failure is None
        before, seen = seen, 0
        with LogReader(tmp_path, live=live) as reader:
            for span in reader.spans():
                assert span.first_seq == seen + 1
                last = struct.unpack_from("<i", span.buffer, 64 * (span.count - 1) + 40)[0]
                assert last == 20_000 + span.first_seq + span.count - 1
                seen += span.count
        assert seen >= before
        passes += 1
    writer.join()
    sync.stop()
    assert sync.failure is None
    assert passes > 2
    log.close()
    assert verify(tmp_path).records == total


def test_reading_from_a_number_skips_what_ended_before_it(tmp_path):
    log = EventLog.create(tmp_path, b"x", tape.SEGMENT)
    for i in range(1, 2_001):
        tape.append(log, tape.tick(i))
        if i % 500 == 0:
            log.append_message(3, 0, 0, 1, b"m")
    log.close()
    with LogReader(tmp_path) as reader:
        everything = [(frame.seq, bytes(frame.payload)) for frame in reader.frames()]
        for start in (1, 2, 501, 502, 760, 761, 1_000, 2_003, 2_004, 2_005, 9_999):
            found = [(frame.seq, bytes(frame.payload)) for frame in reader.frames(start)]
            assert found == everything[start - 1 :]


def test_a_tick_span_is_the_mapping_itself(tmp_path):
    log = EventLog.create(tmp_path, b"x", tape.SEGMENT)
    log.writer.append_ticks(b"".join(tape.tick(i) for i in range(1, 101)))
    log.append_message(3, 0, 7, 1, b"m")
    log.writer.append_ticks(b"".join(tape.tick(i) for i in range(101, 111)))
    log.close()
    with LogReader(tmp_path) as reader:
        spans = list(reader.spans(max_ticks=64))
    assert [(type(s).__name__, getattr(s, "count", 1)) for s in spans] == [
        ("TickSpan", 64),
        ("TickSpan", 36),
        ("MessageFrame", 1),
        ("TickSpan", 10),
    ]
    message = next(s for s in spans if isinstance(s, MessageFrame))
    assert (message.seq, message.cls, message.instrument, message.cause_seq) == (101, 3, 7, 1)
    ticks = [s for s in spans if not isinstance(s, MessageFrame)]
    assert all(s.buffer.readonly and len(s.buffer) == 64 * s.count for s in ticks)
    assert ticks[0].buffer.obj is ticks[1].buffer.obj  # nothing was copied


class TestSyncThread:
    def test_it_seals_and_prepares_behind_the_writer(self, tmp_path):
        log = EventLog.create(tmp_path, b"x", tape.SEGMENT)
        thread = SyncThread(log, period_s=0.005)
        thread.start()
        log.writer.append_ticks(b"".join(tape.tick(i) for i in range(800)))
        deadline = time.monotonic() + 10
        while verify(tmp_path).sealed < 1 or not log.writer.has_prepared:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        thread.stop()
        assert thread.failure is None
        assert tape.segment(tmp_path, 3).exists()
        log.close()

    def test_an_error_of_the_disk_reaches_the_owner(self, tmp_path, monkeypatch):
        log = EventLog.create(tmp_path, b"x", tape.SEGMENT)
        told = []
        thread = SyncThread(log, period_s=0.001, on_failure=told.append)

        def broken(*_):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        monkeypatch.setattr(event_log.SegmentFile, "sync", broken)
        thread.start()
        for each in thread._threads:
            each.join(10)
        assert isinstance(thread.failure, OSError)
        assert told == [thread.failure]
        thread.stop()
        monkeypatch.undo()
        log.close()

    def test_stopping_a_thread_that_never_started_is_harmless(self, tmp_path):
        log = EventLog.create(tmp_path, b"x", tape.SEGMENT)
        SyncThread(log).stop()
        log.close()


def test_only_one_writer_at_a_time(tmp_path):
    log = EventLog.create(tmp_path, b"x", tape.SEGMENT)
    with pytest.raises(UsageError, match="another process"):
        EventLog.open_append(tmp_path)
    with pytest.raises(UsageError, match="another process"):
        event_log.recover(tmp_path)
    log.close()
    with pytest.raises(UsageError, match="holds a log already"):
        EventLog.create(tmp_path, b"x", tape.SEGMENT)
    EventLog.open_append(tmp_path).close()
    assert verify(tmp_path).closed
    assert len(list(tmp_path.iterdir())) == 1  # nothing was written: no new segment stays


@pytest.mark.parametrize("size", [0, 4_096, 65_535, 65_537])
def test_an_impossible_segment_size_is_refused(tmp_path, size):
    with pytest.raises(UsageError, match="segment_bytes"):
        EventLog.create(tmp_path, b"x", size)


@pytest.mark.parametrize("log_id", [b"", b"x" * 33])
def test_an_impossible_log_id_is_refused_and_leaves_nothing(tmp_path, log_id):
    with pytest.raises(UsageError, match="log id"):
        EventLog.create(tmp_path / "log", log_id, tape.SEGMENT)
    assert not list((tmp_path / "log").iterdir())
