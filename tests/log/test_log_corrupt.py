"""Damage that is not a torn tail: found, named by record and byte, and never repaired."""

import hashlib
import shutil
import struct
from bisect import bisect_right

import pytest

from tests.log import tape
from trading_bot.core.event_log import EventLog, LogReader, recover, verify
from trading_bot.domain.errors import LogCorrupt, UsageError


def expected_seqs(data: bytes, first_seq: int) -> list[tuple[int, int]]:
    """(frame offset, number to report): header and chain stand for the first record, the seal for the last."""
    return [(offset, first_seq if kind in {33, 34} else seq) for offset, _, seq, kind in tape.frames(data)]


@pytest.mark.parametrize("mask", [0x01, 0x40, 0x80, 0xFF])
@pytest.mark.parametrize("which", ["only", "first", "last"])
def test_every_flipped_byte_of_a_sealed_segment_is_found(tmp_path, which, mask):
    (tape.small_log if which == "only" else tape.two_segments)(tmp_path)
    index = 2 if which == "last" else 1
    path = tape.segment(tmp_path, index)
    sound = path.read_bytes()
    known = expected_seqs(sound, 5 if index == 2 else 1)
    starts = [offset for offset, _ in known]
    step = 97 if which == "last" else 1  # the second segment is long: its header, its end and a sample between
    offsets = sorted({*range(0, len(sound), step), *range(200), *range(len(sound) - 200, len(sound))})
    assert verify(tmp_path).ok
    with path.open("r+b", buffering=0) as file:
        for offset in offsets:
            file.seek(offset)
            file.write(bytes([sound[offset] ^ mask]))
            frame, seq = known[bisect_right(starts, offset) - 1]
            report = verify(tmp_path)
            found = (report.ok, report.first_bad_seq, report.first_bad_offset, report.segment)
            assert found == (False, seq, frame, path.name), (offset, report)
            file.seek(offset)
            file.write(sound[offset : offset + 1])
    assert verify(tmp_path).ok


def test_reading_yields_everything_before_the_damage(tmp_path):
    tape.small_log(tmp_path)
    path = tape.segment(tmp_path, 1)
    data = bytearray(path.read_bytes())
    data[tape.ends(bytes(data))[4] + 40] ^= 1
    path.write_bytes(data)
    seen = []
    with LogReader(tmp_path) as reader, pytest.raises(LogCorrupt, match="expected seq 5") as caught:
        seen.extend(frame.seq for frame in reader.frames())
    assert seen == [1, 2, 3, 4]
    assert caught.value.exit_code == 6
    with pytest.raises(LogCorrupt):
        recover(tmp_path)


def test_a_forged_record_breaks_the_seal_and_a_forged_seal_breaks_the_chain(tmp_path):
    tape.two_segments(tmp_path)
    path = tape.segment(tmp_path, 1)
    forged = bytearray(path.read_bytes())
    forged[tape.START + 40] ^= 1
    tape.refresh(forged, tape.START)
    path.write_bytes(forged)
    report = verify(tmp_path)
    assert (report.ok, report.segment, report.first_bad_offset) == (False, path.name, len(forged) - 64)
    assert "SHA-256" in report.reason
    forged[-32:] = hashlib.sha256(forged[:-64]).digest()
    tape.refresh(forged, len(forged) - 64)
    path.write_bytes(forged)
    report = verify(tmp_path)
    assert (report.ok, report.segment, report.first_bad_offset, report.first_bad_seq) == (
        False,
        "seg-000002.tbl",
        128,
        5,
    )
    assert "chain" in report.reason


def test_a_cut_of_a_segment_that_is_not_the_last_is_corruption(tmp_path):
    tape.two_segments(tmp_path)
    path = tape.segment(tmp_path, 1)
    sound = path.read_bytes()
    for size in range(len(sound)):
        path.write_bytes(sound[:size])
        report = verify(tmp_path)
        assert not report.ok, size
        assert report.last_seq == max(0, sum(end <= size for end in tape.ends(sound)) - 1)


def test_the_seal_cut_off_cleanly_from_a_middle_segment_is_named(tmp_path):
    tape.two_segments(tmp_path)
    path = tape.segment(tmp_path, 1)
    path.write_bytes(path.read_bytes()[:-64])
    report = verify(tmp_path)
    assert (report.ok, report.segment, report.first_bad_seq) == (False, path.name, 4)
    assert "seal is missing" in report.reason


def test_bytes_after_the_seal_are_corruption(tmp_path):
    tape.small_log(tmp_path)
    path = tape.segment(tmp_path, 1)
    for extra in (b"x", bytes(63) + b"x", b"x" * 64, b"x" * 1_000):
        sound = path.read_bytes()
        path.write_bytes(sound + extra)
        assert not verify(tmp_path).ok
        path.write_bytes(sound)


@pytest.mark.parametrize("index", [1, 2])
def test_a_missing_segment_before_the_last_is_corruption(tmp_path, index):
    log = EventLog.create(tmp_path, b"x", tape.SEGMENT)
    for i in range(2_000):
        tape.append(log, tape.tick(i))
    log.close()
    assert verify(tmp_path).segments == 3
    first_missing = 1 if index == 1 else struct.unpack_from("<Q", tape.segment(tmp_path, 2).read_bytes(), 8)[0]
    tape.segment(tmp_path, index).unlink()
    report = verify(tmp_path)
    assert (report.ok, report.first_bad_seq, report.segment) == (False, first_missing, f"seg-00000{index}.tbl")


def test_a_segment_of_another_log_or_place_is_refused(tmp_path):
    tape.two_segments(tmp_path / "a")
    tape.two_segments(tmp_path / "b", log_id=b"other")
    shutil.copy(tape.segment(tmp_path / "b", 2), tape.segment(tmp_path / "a", 2))
    report = verify(tmp_path / "a")
    assert (report.ok, report.segment, report.first_bad_offset) == (False, "seg-000002.tbl", 0)
    assert "another log" in report.reason
    shutil.copy(tape.segment(tmp_path / "a", 1), tape.segment(tmp_path / "a", 2))
    report = verify(tmp_path / "a")
    assert (report.ok, report.segment, report.first_bad_offset) == (False, "seg-000002.tbl", 0)
    assert "another place" in report.reason


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_record_taken_out_or_doubled_is_found_even_under_a_forged_seal(tmp_path, number):
    tape.two_segments(tmp_path)
    tape.segment(tmp_path, 2).unlink()
    path = tape.segment(tmp_path, 1)
    sound = path.read_bytes()
    start = tape.START + 64 * (number - 1)
    record = sound[start : start + 64]
    for records in (b"", record * 2):
        forged = bytearray(sound[:start] + records + sound[start + 64 :])
        forged[-32:] = hashlib.sha256(forged[:-64]).digest()
        tape.refresh(forged, len(forged) - 64)
        path.write_bytes(forged)
        report = verify(tmp_path)
        bad = number + len(records) // 128
        assert (report.ok, report.first_bad_seq) == (False, bad)
        assert report.first_bad_offset == tape.START + 64 * (bad - 1)


def test_a_newer_schema_says_so(tmp_path):
    tape.small_log(tmp_path)
    path = tape.segment(tmp_path, 1)
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, 40, 2)
    tape.refresh(data, 0)
    path.write_bytes(data)
    for call in (verify, recover, EventLog.open_append):
        with pytest.raises(UsageError, match=r"schema 2.*up to 1"):
            call(tmp_path)
