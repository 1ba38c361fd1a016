"""What a sync makes durable: every byte appended before it, however segments come and go meanwhile."""

import errno
import mmap
import os
import random
import threading

import pytest

from tests.log import tape
from trading_bot._fast.logsegment import Segment
from trading_bot.core import segment_file
from trading_bot.core.event_log import EventLog, LogReader, verify


@pytest.fixture
def disk(monkeypatch):
    """What a power cut would leave of each segment: the pages of the ranges that were written back, as they were then.

    Sealing syncs the whole file by its descriptor and needs no page of these.
    """
    kept = {}

    class Watched(Segment):
        def write_back(self, start, end):
            super().write_back(start, end)
            first = start // mmap.PAGESIZE * mmap.PAGESIZE
            image = kept.setdefault(self.index, bytearray(self.size_bytes))
            image[first:end] = memoryview(self.buffer)[first:end]

    monkeypatch.setattr(segment_file, "Segment", Watched)
    return kept


def used(log):
    """Segment index -> its bytes that hold records, of the segments that are not sealed."""
    current, end = log.writer.written
    return {
        index: bytes(opened.mapping[: end if index == current else opened.segment.used_bytes])
        for index, opened in log._files.items()
        if index <= current
    }


@pytest.mark.parametrize("seed", range(4))
def test_after_a_sync_the_disk_holds_every_byte_appended_before_it(tmp_path, disk, seed):
    draw = random.Random(seed)
    log = EventLog.create(tmp_path, b"x", tape.SEGMENT)
    for _ in range(60):
        for _ in range(draw.randrange(1, 90)):
            tape.append(log, tape.tick(draw.randrange(1000)))
        if draw.random() < 0.5:
            log.append_message(3, 0, 0, 1, bytes(draw.randrange(300)))
        if draw.random() < 0.3:
            log.maintain()
        log.sync()
        for index, written in used(log).items():
            assert bytes(disk[index][: len(written)]) == written, f"segment {index}"
    assert log.writer.written[0] > 2
    log.close()
    assert verify(tmp_path).ok


def test_a_log_opened_again_syncs_what_is_appended_from_then_on(tmp_path, disk):
    log = EventLog.create(tmp_path, b"x", tape.SEGMENT)
    log.writer.append_ticks(b"".join(tape.tick(i) for i in range(100)))
    log.abandon()
    disk.clear()
    log = EventLog.open_append(tmp_path)
    log.writer.append_record(tape.tick(100))
    log.sync()
    for index, written in used(log).items():
        assert bytes(disk[index][: len(written)]) == written
    log.close()


def test_sealing_does_not_wait_for_a_sync_and_the_mapping_outlives_it(tmp_path, monkeypatch):
    log = EventLog.create(tmp_path, b"x", tape.SEGMENT)
    first = log._files[1]
    inside, sealed = threading.Event(), threading.Event()
    ends, failures = [], []

    def slow(end_bytes):
        """A disk that answers only once the segment has been sealed behind the sync."""
        inside.set()
        assert sealed.wait(10)
        first.segment.write_back(0, end_bytes)
        ends.append(end_bytes)

    def sync():
        try:
            log.sync()
        except OSError as error:
            failures.append(error)

    log.writer.append_ticks(b"".join(tape.tick(i) for i in range(10)))
    end = log.writer.written[1]
    monkeypatch.setattr(first, "sync", slow)
    thread = threading.Thread(target=sync)
    thread.start()
    assert inside.wait(10)
    block = b"".join(tape.tick(i) for i in range(64))
    while log.writer.segment_index == 1:
        log.writer.append_ticks(block)
    assert log.maintain() == 1, "sealing waited for the disk"
    assert 1 not in log._files
    assert not first.mapping.closed
    sealed.set()
    thread.join(10)
    assert failures == []
    assert ends == [end]
    assert first.mapping.closed
    log.close()
    report = verify(tmp_path)
    assert (report.ok, report.closed) == (True, True)


def test_what_a_failed_sync_did_not_write_the_next_one_does(tmp_path, disk, monkeypatch):
    log = EventLog.create(tmp_path, b"x", tape.SEGMENT)
    opened = log._files[1]
    healthy = opened.segment

    class Broken:
        def write_back(self, *_):
            raise OSError(errno.EIO, "the disk fails")

    log.writer.append_ticks(b"".join(tape.tick(i) for i in range(200)))
    log.sync()
    opened.store_chain(bytes(range(32)), 0)
    log.writer.append_ticks(b"".join(tape.tick(i) for i in range(10)))
    monkeypatch.setattr(opened, "segment", Broken())
    with pytest.raises(OSError, match="the disk fails"):
        opened.sync(log.writer.written[1])
    monkeypatch.setattr(opened, "segment", healthy)
    log.sync()
    for index, written in used(log).items():
        assert bytes(disk[index][: len(written)]) == written
    log.abandon()


def test_keeping_pages_writable_changes_nothing_and_needs_no_file_behind_them(tmp_path):
    log = EventLog.create(tmp_path, b"x", tape.SEGMENT)
    log.writer.append_ticks(b"".join(tape.tick(i) for i in range(10)))
    before = bytes(log._files[1].mapping)
    log._files[1].keep_writable(log.writer.written[1])
    log._files[1].keep_writable(10 * tape.SEGMENT)
    assert bytes(log._files[1].mapping) == before
    os.truncate(log._files[1].path, mmap.PAGESIZE)  # a sealed segment is cut while a sync may still be under way
    log._files[1].keep_writable(log.writer.written[1])
    log.abandon()
    with LogReader(tmp_path) as reader:
        assert sum(item.count for item in reader.spans()) == 10


def test_the_written_end_is_of_one_segment_while_another_thread_switches(tmp_path):
    """A position that belongs to the next segment would leave the end of this one out of the sync."""
    log = EventLog.create(tmp_path, b"x", tape.SEGMENT)
    full = {}  # segment -> the largest end seen
    stop = threading.Event()

    def look():
        while not stop.is_set():
            index, end = log.writer.written
            assert end >= full.get(index, 0) or index == 0
            full[index] = max(end, full.get(index, 0))

    thread = threading.Thread(target=look)
    thread.start()
    block = b"".join(tape.tick(i) for i in range(64))
    while log.writer.segment_index < 40:
        log.writer.append_ticks(block)
        log.maintain()
    stop.set()
    thread.join(10)
    assert len(full) > 2
    assert all(0 < end <= tape.SEGMENT for end in full.values())
    log.close()
