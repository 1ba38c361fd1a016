"""Rows and columns say what was appended."""

import csv
import hashlib
import json
import math
import struct

import msgspec
import pytest

from tests.log import tape
from trading_bot.core.event_log import EventLog
from trading_bot.domain.errors import LogCorrupt
from trading_bot.reports.log_export import export_parquet, show
from trading_bot.reports.log_texts import export_csv, export_jsonl

PLACED = {"kind": "PlaceOrder", "side": "BUY", "qty": 2}


@pytest.fixture
def folder(tmp_path):
    log = EventLog.create(tmp_path / "log", b"x", tape.SEGMENT)
    tape.append(log, record(1, 10, 20_000, 20_001, 7, 8))
    tape.append(log, record(2, 11, 20_001, 0, 3, 0, aggressor=2))
    log.append_message(3, 11, 5, 2, msgspec.msgpack.encode(PLACED))
    tape.append(log, record(4, 12, 20_000, 30_000, 0, 0))
    tape.append(log, record(5, 13, 0, 0, 0, 0))
    tape.append(log, struct.pack("<IIQBBHIqqddBBHi", 0, 0, 0, 3, 0, 5, 0, 14, 4, 5_000.25, math.inf, 4, 1, 0, -9))
    log.append_message(2, 14, 5, 6, msgspec.msgpack.encode(["Skipped", "SESSION_EXIT"]))
    log.append_message(1, 15, 0, 0, b"\xc1")
    log.close()
    return tmp_path / "log"


def record(kind, ts_ns, a, b, c, d, aggressor=0) -> bytes:
    return struct.pack("<IIQBBHIqqiiiiBBHI", 0, 0, 0, kind, 0, 5, 1, ts_ns, ts_ns - 10, a, b, c, d, aggressor, 0, 0, 0)


def head(seq, kind, ts_ns, **rest) -> dict:
    return {"seq": seq, "kind": kind, "class": "INPUT", "ts_ns": ts_ns, "instrument": 5} | rest


ROWS = [
    head(1, "QUOTE", 10, flags=1, ts_event_ns=0, bid_ticks=20_000, ask_ticks=20_001, bid_qty=7, ask_qty=8),
    head(2, "TRADE", 11, flags=1, ts_event_ns=1, price_ticks=20_001, qty=3, aggressor="SELL"),
    head(3, "MESSAGE", 11, cause_seq=2, tag="PlaceOrder", payload=PLACED) | {"class": "EFFECT"},
    head(4, "PRICE_GAP", 12, flags=1, ts_event_ns=2, old_anchor_ticks=20_000, new_anchor_ticks=30_000),
    head(5, "TIME", 13, flags=1, ts_event_ns=3),
    head(6, "REJECTED", 14, flags=0, ts_event_ns=4, raw_a=5_000.25, raw_b=math.inf)
    | {"reason": "PRICE_BAND", "original_kind": "QUOTE", "raw_qty": -9},
    head(7, "MESSAGE", 14, cause_seq=6, tag="Skipped", payload=["Skipped", "SESSION_EXIT"]) | {"class": "DERIVED"},
    head(8, "MESSAGE", 15, cause_seq=0, tag=None, payload={"undecodable_hex": "c1"}) | {"instrument": 0},
]


def test_every_kind_as_a_row(folder):
    assert list(show(folder)) == ROWS


@pytest.mark.parametrize(
    ("asked", "seqs"),
    [
        ({"from_seq": 3, "to_seq": 5}, [3, 4, 5]),
        ({"to_seq": 0}, []),
        ({"from_seq": 9}, []),
        ({"kinds": frozenset({"MESSAGE"})}, [3, 7, 8]),
        ({"kinds": frozenset({"PlaceOrder", "TRADE"})}, [2, 3]),
        ({"kinds": frozenset({"NoSuchKind"})}, []),
    ],
)
def test_range_and_kinds(folder, asked, seqs):
    assert [row["seq"] for row in show(folder, **asked)] == seqs


def test_columns_of_the_parquet_files(folder, tmp_path):
    pq = pytest.importorskip("pyarrow.parquet", reason="Parquet export is part of the research extra")
    report = export_parquet(folder, tmp_path / "out")
    assert (report.ticks, report.rejected, report.messages, report.last_seq) == (4, 1, 3, 8)
    ticks, rejected, messages = (
        pq.read_table(tmp_path / "out" / f"{name}.parquet").to_pylist() for name in ("ticks", "rejected", "messages")
    )
    values = [{name: value for name, value in row.items() if value is not None} for row in ticks]
    common = {"instrument": 5, "flags": 1}
    assert values == [
        common
        | {"seq": 1, "ts_ns": 10, "ts_event_ns": 0, "kind": 1}
        | {"bid_ticks": 20_000, "ask_ticks": 20_001, "bid_qty": 7, "ask_qty": 8},
        common
        | {"seq": 2, "ts_ns": 11, "ts_event_ns": 1, "kind": 2}
        | {"price_ticks": 20_001, "qty": 3, "aggressor": 2},
        common
        | {"seq": 4, "ts_ns": 12, "ts_event_ns": 2, "kind": 4}
        | {"old_anchor_ticks": 20_000, "new_anchor_ticks": 30_000},
        common | {"seq": 5, "ts_ns": 13, "ts_event_ns": 3, "kind": 5},
    ]
    assert rejected == [
        {"seq": 6, "ts_ns": 14, "ts_event_ns": 4, "instrument": 5, "flags": 0}
        | {"original_kind": 1, "reason": 4, "raw_a": 5_000.25, "raw_b": math.inf, "raw_qty": -9}
    ]
    assert [(m["seq"], m["class"], m["cause_seq"], m["tag"]) for m in messages] == [
        (3, "EFFECT", 2, "PlaceOrder"),
        (7, "DERIVED", 6, "Skipped"),
        (8, "INPUT", 0, None),
    ]
    assert msgspec.json.decode(messages[0]["json"]) == PLACED


def test_export_of_many_short_runs_keeps_few_row_groups(tmp_path):
    pq = pytest.importorskip("pyarrow.parquet", reason="Parquet export is part of the research extra")
    log = EventLog.create(tmp_path / "log", b"x", 1 << 20)
    for i in range(3_000):
        tape.append(log, tape.tick(i))
        log.append_message(2, i, 0, log.writer.seq, b"\x80")
    log.close()
    export_parquet(tmp_path / "log", tmp_path / "out")
    assert pq.ParquetFile(tmp_path / "out" / "ticks.parquet").metadata.num_row_groups == 1
    assert pq.read_table(tmp_path / "out" / "ticks.parquet")["seq"].to_pylist() == list(range(1, 6_000, 2))


def test_a_damaged_log_is_exported_up_to_the_damage(folder, tmp_path):
    pq = pytest.importorskip("pyarrow.parquet", reason="Parquet export is part of the research extra")
    path = tape.segment(folder, 1)
    data = bytearray(path.read_bytes())
    data[tape.ends(bytes(data))[3] + 40] ^= 1
    path.write_bytes(data)
    with pytest.raises(LogCorrupt, match="expected seq 4"):
        export_parquet(folder, tmp_path / "out")
    assert pq.read_table(tmp_path / "out" / "ticks.parquet").num_rows == 2
    rows = show(folder)
    assert [next(rows) for _ in range(3)] == ROWS[:3]
    with pytest.raises(LogCorrupt):
        next(rows)


def test_lines_of_json_are_the_rows_of_the_log(folder, tmp_path):
    report = export_jsonl(folder, tmp_path / "out")
    lines = (tmp_path / "out" / "records.jsonl").read_text().splitlines()
    assert [json.loads(line)["seq"] for line in lines] == list(range(1, 9))
    assert json.loads(lines[2])["payload"] == PLACED
    assert (report.ticks, report.rejected, report.messages, report.last_seq) == (4, 1, 3, 8)
    assert_sums_are_right(tmp_path / "out")


def test_csv_has_the_values_of_the_parquet_files(folder, tmp_path):
    pq = pytest.importorskip("pyarrow.parquet", reason="CSV export is made by pyarrow, of the research extra")
    report = export_csv(folder, tmp_path / "csv")
    export_parquet(folder, tmp_path / "parquet")
    assert (report.ticks, report.rejected, report.messages, report.last_seq) == (4, 1, 3, 8)
    assert sorted(one.name for one in (tmp_path / "csv").iterdir()) == sorted(
        ["SHA256SUMS", "messages.csv", "minutes.csv", "rejected.csv", "ticks.csv"]
    )
    for name in ("ticks", "rejected", "messages"):
        with (tmp_path / "csv" / f"{name}.csv").open(newline="") as file:
            found = list(csv.DictReader(file))
        wanted = pq.read_table(tmp_path / "parquet" / f"{name}.parquet").to_pylist()
        assert [[_cell(value) for value in row.values()] for row in wanted] == [list(row.values()) for row in found]
    assert_sums_are_right(tmp_path / "csv")


def _cell(value):
    """A value as the table of RFC 4180 has it; the numbers of the tape are whole, or inf and 5000.25."""
    return "" if value is None else str(value)


def assert_sums_are_right(folder):
    for line in (folder / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest


def test_a_damaged_log_leaves_no_half_of_a_text_file(folder, tmp_path):
    path = tape.segment(folder, 1)
    data = bytearray(path.read_bytes())
    data[tape.ends(bytes(data))[3] + 40] ^= 1
    path.write_bytes(data)
    for write in (export_jsonl, export_csv):
        with pytest.raises(LogCorrupt, match="expected seq 4"):
            write(folder, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
