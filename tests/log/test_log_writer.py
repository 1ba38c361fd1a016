"""Appending: layout, numbers, what happens at the end of a segment, and no system call."""

import hashlib
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.log import tape
from trading_bot._fast import logscan
from trading_bot.core.event_log import EventLog, LogFull, LogReader, MemoryLog
from trading_bot.domain.errors import BotError, UsageError


class TestChecksum:
    def test_check_value_of_the_catalogue(self):
        assert logscan.crc32c(b"123456789") == 0xE3069283
        assert logscan.crc32c(b"123456789", software=True) == 0xE3069283

    def test_vectors_of_rfc_3720_b4(self):
        vectors = {bytes(32): 0x8A9136AA, b"\xff" * 32: 0x62A8AB43, bytes(range(32)): 0x46DD794E}
        for data, expected in vectors.items():
            assert logscan.crc32c(data) == logscan.crc32c(data, software=True) == expected

    @given(st.binary(max_size=300))
    def test_instruction_table_and_bitwise_reference_agree(self, data):
        assert logscan.crc32c(data) == logscan.crc32c(data, software=True) == tape.crc32c(data)


class TestLayout:
    def test_a_tick_keeps_its_64_bytes_and_gets_seq_crc_length_and_class(self, tmp_path):
        log = EventLog.create(tmp_path, b"x", tape.SEGMENT)
        given_record = tape.tick(41, kind=2)
        assert log.writer.append_record(given_record) == 1
        log.close()
        stored = tape.segment(tmp_path, 1).read_bytes()[tape.START : tape.START + 64]
        crc, length, seq, kind, cls = struct.unpack_from("<IIQBB", stored)
        assert (length, seq, kind, cls) == (64, 1, 2, 1)
        assert crc == tape.crc32c(stored[4:])
        assert stored[18:] == given_record[18:]

    def test_a_message_is_header_payload_and_zeros(self, tmp_path):
        log = EventLog.create(tmp_path, b"x", tape.SEGMENT)
        log.append_message(1, 5, 0, 0, b"first")
        assert log.append_message(3, -7, 9, 1, b"p" * 20) == 2
        log.close()
        offset, length, seq, kind = tape.frames(tape.segment(tmp_path, 1).read_bytes())[3]
        stored = tape.segment(tmp_path, 1).read_bytes()[offset : offset + length]
        assert (length, seq, kind) == (128, 2, 16)
        assert struct.unpack_from("<BHIqQII", stored, 17) is not None
        assert (stored[17], struct.unpack_from("<H", stored, 18)[0]) == (3, 9)
        assert struct.unpack_from("<IqQII", stored, 20) == (0, -7, 1, 20, 0)
        assert stored[48:] == b"p" * 20 + bytes(60)

    def test_a_sealed_segment_is_header_chain_records_and_seal(self, tmp_path):
        tape.two_segments(tmp_path)
        first, second = (tape.segment(tmp_path, i).read_bytes() for i in (1, 2))
        assert [(f[1], f[2], f[3]) for f in tape.frames(first)] == [
            (128, 1, 33),
            (64, 0, 34),
            (64, 1, 1),
            (64, 2, 1),
            (64, 3, 1),
            (384, 4, 16),
            (64, 4, 32),
        ]
        assert [f[2:] for f in tape.frames(second)] == [(5, 33), (4, 34), (5, 16), (6, 1), (6, 32)]
        assert struct.unpack_from("<8sIIQI32s", first, 32) == (b"TRDBTLOG", 1, 1, 65536, 3, b"two".ljust(32, b"\0"))
        digest = hashlib.sha256(first[:-64]).digest()
        assert first[-32:] == digest == second[160:192]
        assert first[160:192] == bytes(32)
        assert second[-32:] == hashlib.sha256(second[:-64]).digest()
        assert [struct.unpack_from("<I", data[-64:], 20)[0] for data in (first, second)] == [0, 1]  # the end is marked

    @pytest.mark.parametrize("record", [tape.tick(1, kind=0), tape.tick(1, kind=6), tape.tick(1, kind=16), b"short"])
    def test_what_is_no_market_record_is_refused_and_leaves_nothing(self, record):
        log = MemoryLog()
        with pytest.raises(ValueError, match=r"kind|64 bytes"):
            log.writer.append_record(record)
        assert log.writer.seq == 0

    def test_a_cause_must_be_an_earlier_record(self):
        log = MemoryLog()
        with pytest.raises(ValueError, match="cause_seq 1"):
            log.append_message(3, 0, 0, 1, b"")


class TestEndOfSegment:
    def test_ticks_stop_before_the_reserve_and_messages_use_it(self):
        log = MemoryLog(segment_bytes=tape.SEGMENT)
        writer = log.writer
        tape_bytes = b"".join(tape.tick(i) for i in range(3_000))
        room = tape.SEGMENT - tape.START - 64 - 16 * 1024  # a reserve of 64 KiB, but no more than a quarter
        assert writer.append_ticks(tape_bytes) == 2 * (room // 64)
        full_at = writer.seq
        with pytest.raises(LogFull, match="no next segment"):
            writer.append_record(tape.tick(1))
        exits = 0
        with pytest.raises(LogFull):
            while True:
                writer.append_message(3, 0, 0, full_at, b"exit")
                exits += 1
        assert exits == 16 * 1024 // 64 + room % 64 // 64
        assert writer.seq == full_at + exits
        log.maintain()
        assert writer.append_record(tape.tick(1)) == full_at + exits + 1
        assert sum(1 for _ in log.reader().frames()) == writer.seq

    def test_a_full_log_is_a_bot_error_and_nothing_is_half_written(self):
        log = MemoryLog(segment_bytes=tape.SEGMENT)
        log.writer.append_ticks(b"".join(tape.tick(i) for i in range(3_000)))
        before = [bytes(frame.payload) for frame in log.reader().frames()]
        with pytest.raises(BotError):
            log.writer.append_message(3, 0, 0, 1, b"z" * 40_000)
        assert [bytes(frame.payload) for frame in log.reader().frames()] == before

    def test_a_message_as_large_as_a_segment_fits_and_one_byte_more_says_what_to_do(self, tmp_path):
        log = EventLog.create(tmp_path, b"x", tape.SEGMENT)
        most = tape.SEGMENT - tape.START - 64 - 48
        for size in (most, most - 1, most):
            log.append_message(1, 0, 0, 0, b"m" * size)
        with pytest.raises(UsageError, match="segment_bytes"):
            log.append_message(1, 0, 0, 0, b"m" * (most + 1))
        log.close()
        with LogReader(tmp_path) as reader:
            assert [len(frame.payload) for frame in reader.frames()] == [most, most - 1, most]

    def test_a_closed_log_takes_nothing(self, tmp_path):
        log = tape.small_log(tmp_path)
        with pytest.raises(LogFull, match="closed"):
            log.writer.append_record(tape.tick(1))
        with pytest.raises(LogFull, match="closed"):
            log.writer.append_message(3, 0, 0, 1, b"")


STRACED = """
import os, sys
from tests.log import tape
from trading_bot.core.event_log import EventLog
log = EventLog.create(sys.argv[1], b"x", 1 << 20)
ticks = b"".join(tape.tick(i) for i in range(25_000))
writer = log.writer
payload = b"p" * 100
writer.append_message(1, 0, 0, 0, payload)
os.getppid()
done = writer.append_ticks(ticks)
seq = writer.append_message(3, 0, 0, 1, payload)
os.getppid()
assert (done, seq, writer.segment_index) == (25_000, 25_002, 2)
"""


def test_appending_and_switching_segments_makes_no_system_call(tmp_path):
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed; the kernel's view of the append cannot be recorded")
    trace = tmp_path / "trace"
    command = [strace, "-f", "-o", str(trace), sys.executable, "-c", STRACED, str(tmp_path / "log")]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, env=os.environ | {"PYTHONPATH": str(root)})
    if "ptrace" in done.stderr:
        pytest.skip(f"strace may not trace here: {done.stderr.strip().splitlines()[0]}")
    assert done.returncode == 0, done.stderr
    calls = trace.read_text().splitlines()
    marks = [i for i, line in enumerate(calls) if "getppid()" in line]
    assert len(marks) == 2
    assert calls[marks[0] + 1 : marks[1]] == []
