"""Whatever is appended, in whatever order of sealing, syncing, closing and crashing, comes back equal and in order."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.log import tape
from trading_bot.core.event_log import EventLog, LogFull, LogReader, MemoryLog, recover, verify

i32 = st.integers(-(2**31), 2**31 - 1)
i64 = st.integers(-(2**63), 2**63 - 1)
ticks = st.tuples(
    st.just("tick"),
    st.builds(
        lambda kind, instrument, flags, ts, ts_event, numbers, aggressor: tape.struct.pack(
            "<IIQBBHIqqiiiiBBHI", 0, 0, 0, kind, 0, instrument, flags, ts, ts_event, *numbers, aggressor, 0, 0, 0
        ),
        st.integers(1, 5),
        st.integers(0, 2**16 - 1),
        st.integers(0, 2**32 - 1),
        i64,
        i64,
        st.tuples(i32, i32, i32, i32),
        st.integers(0, 255),
    ),
    st.integers(1, 400),
)
messages = st.tuples(
    st.just("message"),
    st.tuples(st.integers(0, 3), i64, st.integers(0, 2**16 - 1)),
    st.one_of(st.binary(max_size=200), st.integers(0, 65_000).map(lambda n: b"\xff" * n)),
)
steps = st.one_of(ticks, messages, st.tuples(st.sampled_from(["maintain", "sync", "close", "crash"])))


@given(st.lists(steps, max_size=12))
@settings(max_examples=40)
def test_round_trip_through_restarts(script):
    folder = Path(tempfile.mkdtemp())
    try:
        log = EventLog.create(folder, b"property", tape.SEGMENT)
        expected = []
        for step in script:
            log = take(log, folder, step, expected)
        log.close()
        report = verify(folder)
        assert (report.ok, report.closed, report.records, report.torn_bytes) == (True, True, len(expected), 0)
        with LogReader(folder) as reader:
            found = [(f.kind, f.cls, f.ts_ns, f.instrument, f.cause_seq, body(f)) for f in reader.frames()]
            assert [f.seq for f in reader.frames()] == list(range(1, len(expected) + 1))
        assert found == expected
        sound = [path.read_bytes() for path in sorted(folder.iterdir())]
        recover(folder)
        assert [path.read_bytes() for path in sorted(folder.iterdir())] == sound
    finally:
        shutil.rmtree(folder)


def take(log: EventLog, folder: Path, step: tuple, expected: list) -> EventLog:
    match step:
        case ("tick", record, count):
            kind, instrument, ts_ns = tape.struct.unpack_from("<BxH4xq", record, 16)
            for _ in range(count):
                assert tape.append(log, record) == len(expected) + 1
                expected.append((kind, 1, ts_ns, instrument, 0, record[18:]))
        case ("message", (cls, ts_ns, instrument), payload):
            cause_seq = len(expected) // 2
            assert log.append_message(cls, ts_ns, instrument, cause_seq, payload) == len(expected) + 1
            expected.append((16, cls, ts_ns, instrument, cause_seq, payload))
        case ("close",):
            log.close()
            return EventLog.open_append(folder)
        case ("crash",):
            log.abandon()
            return EventLog.open_append(folder)
        case (name,):
            getattr(log, name)()
    return log


def body(frame) -> bytes:
    return bytes(frame.payload) if frame.kind == 16 else bytes(frame.payload[18:])


@given(st.lists(st.one_of(ticks, messages), max_size=12))
def test_memory_and_disk_hold_the_same_records(script):
    folder = Path(tempfile.mkdtemp())
    try:
        disk, memory = EventLog.create(folder, b"same", tape.SEGMENT), MemoryLog(b"same", tape.SEGMENT)
        for log in (disk, memory):
            expected = []
            for step in script:
                take(log, folder, step, expected)
        disk.close()
        with LogReader(folder) as reader:
            on_disk = [(f.seq, f.kind, f.cls, f.cause_seq, bytes(f.payload)) for f in reader.frames()]
        assert [(f.seq, f.kind, f.cls, f.cause_seq, bytes(f.payload)) for f in memory.reader().frames()] == on_disk
    finally:
        shutil.rmtree(folder)


@given(st.lists(st.integers(1, 900), min_size=1, max_size=10))
def test_a_batch_is_the_same_as_single_appends(sizes):
    """`append_ticks` in any chunks, with the segment running full anywhere, writes what single appends write."""
    one, many = MemoryLog(segment_bytes=tape.SEGMENT), MemoryLog(segment_bytes=tape.SEGMENT)
    number = 0
    for size in sizes:
        records = [tape.tick(number + i, kind=1 + (number + i) % 5) for i in range(size)]
        number += size
        block = b"".join(records)
        while block:
            block = block[64 * many.writer.append_ticks(block) :]
            if block:
                many.maintain()
        for record in records:
            try:
                one.writer.append_record(record)
            except LogFull:
                one.maintain()
                one.writer.append_record(record)
    spans = [b"".join(s.buffer for s in log.reader().spans()) for log in (one, many)]
    assert spans[0] == spans[1]
    assert len(spans[0]) == 64 * number
