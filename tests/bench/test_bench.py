"""The bench itself: its document's shape, its arithmetic, and every row's harness at tiny sizes."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from tools import bench, bench_compare, bench_report
from tools.bench_bot import HEAVY, modules_of_a_run
from tools.bench_harness import QUICK, Beside, Row, interleave, met_all, percentile, ratio_of
from tools.bench_kernel import fresh_kernel, run_through
from tools.bench_log import framed_msgpack, read_framed, record_run
from tools.bench_peers import Peer
from tools.bench_stream import (
    MEAN_GAP_NS,
    OPEN_NS,
    PRICE_TICKS,
    QUOTES_PER_TRADE,
    SEED,
    TickFeed,
    kernel_config,
    last_ts_ns,
    make_ticks,
    shift_ticks,
)

from trading_bot.adapters.files.tape_generator import write_tape
from trading_bot.domain.instruments import instrument_by_symbol
from trading_bot.domain.records import TICK_RECORD, FrameKind

ROOT = Path(__file__).resolve().parents[2]
ROW_KEYS = {"metric", "ours", "peer", "ratio", "floor", "goal", "met"}
# What `make bench` is asked to show, and with how many rows.
SECTION_ROWS = {
    "kernel": 3,
    "call": 4,
    "append": 12,
    "replay": 2,
    "orders": 3,
    "bot": 1,
    "cold": 2,
    "memory": 2,
    "garbage": 1,
    "out": 3,
    "decode": 3,
    "wire": 8,
    "live": 1,
    "stream": 3,
}


def check_document(document):
    """The schema of benchmarks/latest.json and of each line of history.jsonl (issue 3, item 8)."""
    assert set(document) == {"commit", "cpu", "flags", "rows"}
    assert all(isinstance(document[key], str) and document[key] for key in ("commit", "cpu", "flags"))
    assert document["rows"]
    for row in document["rows"]:
        assert set(row) == ROW_KEYS
        assert isinstance(row["metric"], str)
        assert math.isfinite(row["ours"])
        for key in ("peer", "ratio", "floor"):
            assert row[key] is None or math.isfinite(row[key])
        assert row["peer"] is not None or row["floor"] is not None, f"{row['metric']} stands beside nothing"
        assert row["goal"] is None or isinstance(row["goal"], str)
        if row["goal"] is None:
            assert row["met"] is None
        else:
            assert row["met"] in {True, False, None}
    metrics = [row["metric"] for row in document["rows"]]
    assert len(set(metrics)) == len(metrics), "two rows have one name: they could not be compared with another run's"


class TestDocument:
    def test_committed_numbers_hold_the_schema_and_the_latest_is_the_last_of_the_history(self):
        latest = json.loads((ROOT / "benchmarks" / "latest.json").read_text())
        history = [json.loads(line) for line in (ROOT / "benchmarks" / "history.jsonl").read_text().splitlines()]
        for document in [latest, *history]:
            check_document(document)
        assert history[-1] == latest

    def test_the_committed_numbers_cover_every_row(self):
        latest = json.loads((ROOT / "benchmarks" / "latest.json").read_text())
        assert len(latest["rows"]) == sum(SECTION_ROWS.values())

    def test_writing_replaces_the_latest_and_appends_to_the_history(self, tmp_path):
        row = Row(name="a", unit="ns", ours=1.23456, floor=Beside("nothing", None), goal="≤ 2 ns", met=True)
        document = bench_report.document_of([row])
        bench_report.write(document, tmp_path)
        bench_report.write(document, tmp_path)
        lines = (tmp_path / "history.jsonl").read_text().splitlines()
        latest = json.loads((tmp_path / "latest.json").read_text())
        assert [json.loads(line) for line in lines] == [latest, latest]
        assert latest["rows"] == [
            {
                "metric": "a [ns] (floor nothing)",
                "ours": 1.235,
                "peer": None,
                "ratio": None,
                "floor": None,
                "goal": "≤ 2 ns",
                "met": True,
            }
        ]

    def test_the_flags_are_the_ones_of_the_build(self):
        flags = bench_report.document_of([]).flags
        assert "-O2" in flags
        assert "-ffp-contract=off" in flags


class TestArithmetic:
    def test_drift_between_rounds_cancels_in_the_ratio(self):
        ours, peer = [10.0, 20.0, 40.0], [20.0, 40.0, 80.0]
        assert ratio_of(ours, peer) == 0.5

    def test_percentiles(self):
        values = list(range(1, 1001))
        assert [percentile(values, share) for share in (0.5, 0.99, 0.999)] == [501, 991, 1000]

    def test_a_goal_is_open_while_a_part_is_unknown_and_missed_when_a_part_is(self):
        assert met_all(True, True) is True
        assert met_all(True, None) is None
        assert met_all(False, None) is False

    def test_rounds_are_interleaved_and_take_turns_in_going_first(self):
        order = []
        found = interleave([lambda: order.append("a") or len(order), lambda: order.append("b")], rounds=2, warm_up=1)
        assert "".join(order) == "baabba"
        assert found[0] == [3, 6], "the warm-up round is not counted"


class TestStream:
    def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(self):
        assert make_ticks(600) == make_ticks(600)
        assert make_ticks(600) != make_ticks(600, seed=SEED + 1)

    def test_five_quotes_to_a_trade_in_time_order_at_the_stated_density(self):
        rows = list(TICK_RECORD.iter_unpack(make_ticks(6_000)))
        kinds = [row[3] for row in rows]
        assert kinds.count(FrameKind.QUOTE) == QUOTES_PER_TRADE * kinds.count(FrameKind.TRADE) == 5_000
        stamps = [row[7] for row in rows]
        assert stamps == sorted(stamps)
        assert (stamps[-1] - OPEN_NS) / len(rows) == pytest.approx(MEAN_GAP_NS, rel=0.05)
        assert all(row[8] <= row[7] for row in rows)
        assert all(row[9] < row[10] for row in rows if row[3] == FrameKind.QUOTE)
        assert max(abs(row[9] - PRICE_TICKS) for row in rows) < 100

    def test_shifted_records_differ_in_their_stamps_alone(self):
        ticks = make_ticks(60)
        moved = shift_ticks(ticks, 5)
        for before, after in zip(TICK_RECORD.iter_unpack(ticks), TICK_RECORD.iter_unpack(moved), strict=True):
            assert (after[7], after[8]) == (before[7] + 5, before[8] + 5)
            assert after[:7] + after[9:] == before[:7] + before[9:]

    def test_a_feed_gives_exactly_what_was_asked_in_time_order(self):
        feed = TickFeed(make_ticks(600), 1_500)
        records = b"".join(bytes(batch) for batch in iter(feed.read, None))
        stamps = [row[7] for row in TICK_RECORD.iter_unpack(records)]
        assert len(stamps) == 1_500
        assert stamps == sorted(stamps)
        assert last_ts_ns(records) == stamps[-1]

    def test_decisions_occur_on_it(self):
        assert run_through(fresh_kernel(kernel_config()), bytes(make_ticks(QUICK.events))) > 10


def test_the_bot_trades_on_it(tmp_path):
    """A run that enters nothing would measure replay with fills without any."""
    machine = record_run(tmp_path, TickFeed(make_ticks(60_000), 60_000)).machine
    assert machine.counters.orders_placed > 0, machine.counters.skips_by_reason


class TestPeers:
    def test_the_framed_peer_reads_back_every_record_and_notices_damage(self):
        framed = framed_msgpack(bytes(make_ticks(60)))
        assert read_framed(framed) == 60
        with pytest.raises(ValueError, match="frame 0 is damaged"):
            read_framed(framed[:9] + bytes([framed[9] ^ 1]) + framed[10:])

    def test_a_peer_that_is_not_there_is_named_as_missing(self):
        peer = Peer("bench_peer_hft.py", "no_such_module_anywhere")
        assert (
            peer.absent == "no_such_module_anywhere not installed: its package could not be had (see the first lines)"
        )
        with peer.started(b"") as one_round:
            assert one_round is None


class TestCompare:
    """Two runs side by side: a rate is better when larger, a time when smaller."""

    @staticmethod
    def line(metric, ratio):
        return bench_report.Line(metric=metric, ours=1.0, peer=2.0, ratio=ratio, floor=None, goal=None, met=None)

    def test_a_ratio_more_than_a_tenth_worse_is_marked_whatever_its_direction(self):
        def document(commit, time_ratio, rate_ratio):
            rows = [self.line("a [ns] (peer x)", time_ratio), self.line("b [ticks/s] (peer x)", rate_ratio)]
            return bench_report.Document(commit=commit, cpu="c", flags="f", rows=rows)

        base = document("base", 1.0, 1.0)
        assert bench_compare.compare(base, document("same", 1.09, 0.92))[1] == []
        assert bench_compare.compare(base, document("slower", 1.11, 1.0))[1] == ["a [ns] (peer x)"]
        assert bench_compare.compare(base, document("lower", 1.0, 0.90))[1] == ["b [ticks/s] (peer x)"]
        assert bench_compare.compare(base, document("better", 0.5, 2.0))[1] == []

    def test_a_line_that_only_one_run_has_is_shown_and_not_judged(self):
        assert bench_compare.change(None, self.line("a [ns] (peer x)", 1.0)) is None
        assert bench_compare.change(self.line("a [ns] (peer x)", None), self.line("a [ns] (peer x)", 1.0)) is None

    def test_the_committed_history_can_be_held_side_by_side(self):
        command = [sys.executable, ROOT / "tools" / "bench_compare.py", "--", "0", "-1"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        assert done.returncode == 0, done.stderr
        assert "log append, full speed, sync on, p99 [ns]" in done.stdout
        unknown = subprocess.run([*command[:2], "nothing"], capture_output=True, text=True, check=False, cwd=ROOT)
        assert unknown.returncode != 0
        assert "no run 'nothing'" in unknown.stderr


@pytest.mark.parametrize("section", bench.SECTIONS)
def test_every_section_measures_at_tiny_sizes(section):
    rows = bench.measure([section], QUICK)
    assert len(rows) == SECTION_ROWS[section]
    document = bench_report.document_of(rows)
    check_document(json.loads(bench_report.msgspec.json.encode(document)))
    bench_report.show(document, rows, seconds=0.0)
    assert all(row.ours > 0 for row in rows if section not in {"memory", "garbage", "stream"})


def test_the_script_runs_by_path_and_a_part_writes_only_where_it_is_told(tmp_path):
    before = (ROOT / "benchmarks" / "history.jsonl").read_bytes()
    command = [sys.executable, ROOT / "tools" / "bench.py", "--quick", "--only", "append", "--out", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "log append, full speed, sync on, p99" in done.stdout
    check_document(json.loads((tmp_path / "latest.json").read_text()))
    assert (ROOT / "benchmarks" / "history.jsonl").read_bytes() == before


def test_a_whole_run_of_the_command_line_loads_neither_numpy_nor_pandas(tmp_path):
    tape = tmp_path / "tape.csv"
    write_tape(tape, seed=7, minutes=1, start_ns=OPEN_NS, instrument=instrument_by_symbol("MES"))
    assert modules_of_a_run(tape, tmp_path / "data", ("msgspec",)) == ["msgspec"]
    assert modules_of_a_run(tape, tmp_path / "data-2", HEAVY) == []
