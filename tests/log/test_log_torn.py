"""A log cut or torn anywhere opens, says the last good record and the bytes dropped, and goes on from there."""

import random
import shutil
import struct
from pathlib import Path

import pytest

from tests.log import tape
from trading_bot.core.event_log import EventLog, LogReader, recover, verify
from trading_bot.domain.errors import LogCorrupt, UsageError


def goes_on(folder: Path, last_seq: int) -> None:
    """The log can be appended to, keeps its records, and checks to the last byte afterwards."""
    log = EventLog.open_append(folder)
    assert log.writer.seq == last_seq
    assert tape.append(log, tape.tick(99)) == last_seq + 1
    log.close()
    report = verify(folder)
    assert (report.ok, report.closed, report.last_seq, report.torn_bytes) == (True, True, last_seq + 1, 0)


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "crashed"])
def test_cut_at_every_byte(tmp_path, closed):
    tape.small_log(tmp_path / "whole", close=closed)
    whole = tape.segment(tmp_path / "whole", 1).read_bytes()
    record_ends = tape.ends(whole)
    assert len(record_ends) == 8
    for size in range(tape.START, record_ends[-1] + 64):
        folder = tmp_path / "cut"
        folder.mkdir()
        tape.segment(folder, 1).write_bytes(whole[:size])
        last_seq = sum(end <= size for end in record_ends) - 1
        dropped = size - max(end for end in record_ends if end <= size)
        if not closed and last_seq == 7:
            dropped = (
                dropped if dropped < 64 else 0
            )  # zeros that were allocated ahead; below 64 they could be a record's
        report = verify(folder)
        assert (report.ok, report.last_seq, report.records, report.torn_bytes) == (True, last_seq, last_seq, dropped), (
            size
        )
        recovered = recover(folder)
        assert (recovered.last_seq, recovered.torn_bytes) == (last_seq, dropped)
        assert recovered.torn_offset == (record_ends[last_seq] if dropped else None)
        goes_on(folder, last_seq)
        shutil.rmtree(folder)


def test_cut_inside_the_first_header_is_an_empty_log(tmp_path):
    tape.small_log(tmp_path / "whole")
    whole = tape.segment(tmp_path / "whole", 1).read_bytes()
    for size in range(tape.START):
        folder = tmp_path / "cut"
        folder.mkdir()
        tape.segment(folder, 1).write_bytes(whole[:size])
        report = verify(folder)
        assert (report.ok, report.last_seq, report.torn_bytes) == (True, 0, size if size < 128 else size - 128)
        if size < 128:
            assert recover(folder).segments == 0
            EventLog.create(folder, b"again", tape.SEGMENT).close()
        else:
            goes_on(folder, 0)
        shutil.rmtree(folder)


def test_cut_anywhere_in_a_later_segment(tmp_path):
    tape.two_segments(tmp_path / "whole")
    first, second = (tape.segment(tmp_path / "whole", i).read_bytes() for i in (1, 2))
    record_ends = tape.ends(second)
    sizes = [*range(tape.START + 70), *range(record_ends[1] - 70, record_ends[-1] + 64)]
    for size in sizes:
        folder = tmp_path / "cut"
        folder.mkdir()
        tape.segment(folder, 1).write_bytes(first)
        tape.segment(folder, 2).write_bytes(second[:size])
        good = [end for end in (0, 128, *record_ends) if end <= size]
        last_seq = 4 + sum(end <= size for end in record_ends[1:])
        report = verify(folder)
        assert (report.ok, report.last_seq, report.torn_bytes) == (True, last_seq, size - max(good)), size
        goes_on(folder, last_seq)
        shutil.rmtree(folder)


@pytest.mark.parametrize("filler", ["zeros", "garbage"])
def test_the_last_record_torn_at_every_byte(tmp_path, filler):
    """As a crash leaves it: the segment keeps its size, the last record's first bytes are there, then other bytes."""
    random_bytes = random.Random(7).randbytes
    for last in (7, 6):
        tape.small_log(tmp_path / "whole", close=False)
        whole = tape.segment(tmp_path / "whole", 1).read_bytes()
        shutil.rmtree(tmp_path / "whole")
        start, end = tape.ends(whole)[last - 1], tape.ends(whole)[last]
        for kept in range(start, end):
            folder = tmp_path / "torn"
            folder.mkdir()
            tail = bytes(end - kept) if filler == "zeros" else random_bytes(end - kept)
            torn = whole[:kept] + tail + bytes(len(whole) - end)
            tape.segment(folder, 1).write_bytes(torn)
            last_seq = last if torn[:end] == whole[:end] else last - 1
            dropped = len(torn[start:].rstrip(b"\0")) if last_seq < last else 0
            report = verify(folder)
            assert (report.ok, report.last_seq, report.torn_bytes) == (True, last_seq, dropped), (last, kept)
            assert recover(folder).torn_bytes == dropped
            after = tape.segment(folder, 1).read_bytes()[start if last_seq < last else end :]
            assert after == bytes(len(after))
            goes_on(folder, last_seq)
            shutil.rmtree(folder)


def test_a_bad_record_before_a_good_one_is_corruption_in_an_open_segment_too(tmp_path):
    tape.small_log(tmp_path, close=False)
    path = tape.segment(tmp_path, 1)
    whole = path.read_bytes()
    starts = tape.ends(whole)
    for number in range(1, 7):
        for damaged in (whole[: starts[number - 1]] + bytes(64), whole[: starts[number - 1]] + b"\xa5" * 64):
            path.write_bytes(damaged + whole[len(damaged) :])
            report = verify(tmp_path)
            assert (report.ok, report.first_bad_seq, report.first_bad_offset) == (False, number, starts[number - 1])
            assert (report.records, report.last_seq) == (number - 1, number - 1)
            with pytest.raises(LogCorrupt) as caught:
                recover(tmp_path)
            assert (caught.value.seq, caught.value.offset, caught.value.segment) == (
                number,
                starts[number - 1],
                "seg-000001.tbl",
            )
            with pytest.raises(LogCorrupt):
                EventLog.open_append(tmp_path)
            assert path.read_bytes()[: len(damaged)] == damaged  # evidence stays as it was


def test_a_stale_record_after_the_end_is_a_torn_tail(tmp_path):
    """An intact frame with a lower number proves nothing was written later."""
    tape.small_log(tmp_path, close=False)
    path = tape.segment(tmp_path, 1)
    whole = bytearray(path.read_bytes())
    end = tape.ends(bytes(whole))[-1]
    whole[end : end + 64] = whole[tape.START : tape.START + 64]
    path.write_bytes(whole)
    report = verify(tmp_path)
    assert (report.ok, report.last_seq, report.torn_bytes > 0) == (True, 7, True)
    goes_on(tmp_path, 7)


def test_the_segment_prepared_ahead_may_be_missing_or_cut(tmp_path):
    for size in (None, 0, 3, 64, 128, 4_096, 65_536):
        folder = tmp_path / str(size)
        tape.small_log(folder, close=False)
        ahead = tape.segment(folder, 2)
        assert ahead.stat().st_size == tape.SEGMENT
        if size is None:
            ahead.unlink()
        else:
            ahead.write_bytes(ahead.read_bytes()[:size])
        report = verify(folder)
        assert (report.ok, report.last_seq, report.torn_bytes, report.segments) == (True, 7, 0, 1)
        goes_on(folder, 7)


def test_a_crash_between_switching_and_sealing_is_finished_by_recovery(tmp_path):
    log = EventLog.create(tmp_path, b"x", tape.SEGMENT)
    ticks = b"".join(tape.tick(i) for i in range(1_200))
    assert log.writer.append_ticks(ticks) == 1_200
    log.abandon()
    assert verify(tmp_path).sealed == 0
    report = recover(tmp_path)
    assert (report.last_seq, report.segments, report.torn_bytes) == (1_200, 2, 0)
    assert (verify(tmp_path).ok, verify(tmp_path).sealed) == (True, 1)
    assert recover(tmp_path).last_seq == 1_200
    goes_on(tmp_path, 1_200)


def test_a_crash_while_a_seal_is_written_loses_nothing(tmp_path):
    """A seal's crc and length are stored last; before that, the bytes after them stand at the end of the records."""
    tape.two_segments(tmp_path / "whole")
    first, second = (tape.segment(tmp_path / "whole", i).read_bytes() for i in (1, 2))
    unchained = second[:128] + bytes(64) + second[192:-64] + bytes(tape.SEGMENT - len(second) + 64)
    for written in range(9, 65):
        folder = tmp_path / "crashed"
        folder.mkdir()
        seal = bytes(8) + first[-56:][: written - 8]
        tape.segment(folder, 1).write_bytes((first[:-64] + seal).ljust(tape.SEGMENT, b"\0"))
        tape.segment(folder, 2).write_bytes(unchained)
        report = verify(folder)
        assert (report.ok, report.records, report.sealed, report.torn_bytes) == (True, 6, 0, 0)
        assert recover(folder).last_seq == 6
        assert tape.segment(folder, 1).read_bytes() == first
        goes_on(folder, 6)
        shutil.rmtree(folder)


def test_ten_restarts_after_crashes_keep_every_record(tmp_path):
    EventLog.create(tmp_path, b"x", tape.SEGMENT).abandon()
    for run in range(10):
        log = EventLog.open_append(tmp_path)
        for i in range(150):
            tape.append(log, tape.tick(run * 150 + i + 1))
        if run % 3 == 2:
            log.close()
        else:
            log.abandon()
    with LogReader(tmp_path) as reader:
        bids = [struct.unpack_from("<i", frame.payload, 40)[0] for frame in reader.frames()]
    assert bids == [20_000 + i for i in range(1, 1_501)]


def test_a_cut_that_takes_whole_segments_is_said(tmp_path):
    tape.two_segments(tmp_path)
    tape.segment(tmp_path, 2).unlink()
    report = verify(tmp_path)
    assert (report.ok, report.closed, report.last_seq) == (True, False, 4)
    assert "missing" in report.reason
    goes_on(tmp_path, 4)


def test_no_log_is_a_usage_error(tmp_path):
    for call in (verify, recover, EventLog.open_append, LogReader):
        with pytest.raises(UsageError, match="seg-000001"):
            call(tmp_path / "absent")
        with pytest.raises(UsageError, match="seg-000001"):
            call(tmp_path)
