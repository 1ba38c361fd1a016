"""The feed as the runner sees it: order, restart, memory, and the generated tape."""

import gzip
import tracemalloc

import pytest

from tests.files.records import decode, read_all
from trading_bot.adapters.files import open_files
from trading_bot.adapters.files.tape_generator import SplitMix64, write_tape
from trading_bot.domain.errors import UsageError
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.records import FrameKind

MES, SPY = INSTRUMENTS["MES"], INSTRUMENTS["SPY"]
T0 = 1_700_000_000_000_000_000
MINUTE_NS = 60_000_000_000
HEADER = "ts_ns,bid,bid_qty,ask,ask_qty,price,qty,aggressor\n"


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    path = tmp_path_factory.mktemp("tape") / "tape.csv.gz"
    written = write_tape(path, seed=11, minutes=30, start_ns=T0, instrument=MES)
    return path, written


def trades_at(path, size, stamps):
    path.write_text(HEADER + "".join(f"{T0 + at},,,,,4800,{size},B\n" for at in stamps))
    return path


class TestMerge:
    def test_by_receive_time_and_at_equal_times_as_given(self, tmp_path):
        one = trades_at(tmp_path / "one.csv", 1, [0, 10, 10, 30])
        two = trades_at(tmp_path / "two.csv", 2, [5, 10, 20, 40])
        records = read_all(open_files([one, two], MES))
        assert [(r.ts_ns - T0, r.a_qty) for r in records] == [
            (0, 1), (5, 2), (10, 1), (10, 1), (10, 2), (20, 2), (30, 1), (40, 2),
        ]  # fmt: skip
        assert [r.a_qty for r in read_all(open_files([two, one], MES))] == [1, 2, 2, 1, 1, 2, 1, 2]

    def test_long_inputs_merge_as_a_sort_would(self, tmp_path):
        stamps = [sorted((k * step) % 1_000_003 for k in range(9000)) for step in (7919, 104_729, 1_299_709)]
        paths = [trades_at(tmp_path / f"{n}.csv", n + 1, s) for n, s in enumerate(stamps)]
        expected = sorted((at, n + 1) for n, s in enumerate(stamps) for at in s)
        found = [(r.ts_ns - T0, r.a_qty) for r in read_all(open_files(paths, MES, batch_records=100))]
        assert found == expected

    def test_an_unreadable_stamp_holds_nobody_up(self, tmp_path):
        one = tmp_path / "one.csv"
        one.write_text(f"{HEADER}{T0},,,,,4800,1,B\n0,,,,,4800,1,B\n{T0 + 50},,,,,4800,1,B\n")
        two = trades_at(tmp_path / "two.csv", 2, [20])
        records = read_all(open_files([one, two], MES))
        assert [r.kind for r in records] == [FrameKind.TRADE, FrameKind.REJECTED, FrameKind.TRADE, FrameKind.TRADE]


class TestRestart:
    @pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 2500])
    def test_skipping_continues_with_the_next_record(self, generated, count):
        everything = read_all(open_files([generated[0]], MES))
        feed = open_files([generated[0]], MES, batch_records=100)
        feed.skip_records(count)
        assert read_all(feed) == everything[count:]

    def test_counts_after_skipping_are_those_of_the_whole(self, generated):
        whole, rest = (open_files([generated[0]], MES) for _ in range(2))
        read_all(whole)
        rest.skip_records(1234)
        read_all(rest)
        assert (rest.quotes, rest.trades) == (whole.quotes, whole.trades)

    def test_skipping_everything_leaves_nothing_and_one_more_is_refused(self, generated):
        total = len(read_all(open_files([generated[0]], MES)))
        feed = open_files([generated[0]], MES)
        feed.skip_records(total)
        assert feed.read() is None
        with pytest.raises(UsageError, match=f"holds {total} records, the log already {total + 1}"):
            open_files([generated[0]], MES).skip_records(total + 1)


def test_a_batch_is_never_longer_than_asked_but_for_a_price_gap(generated):
    feed = open_files([generated[0]], MES, batch_records=64)
    while (batch := feed.read()) is not None:
        assert 0 < len(batch) <= 66 * 64


def test_memory_does_not_grow_with_the_file(tmp_path):
    def peak_bytes(rows):
        path = tmp_path / f"{rows}.csv.gz"
        with gzip.open(path, "wt", compresslevel=1) as file:
            file.write(HEADER)
            file.writelines(f"{T0 + k * 1000},4800,{k % 50},4800.25,3,4800,1,B\n" for k in range(rows))
        feed = open_files([path], MES)
        tracemalloc.start()
        while feed.read() is not None:
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert feed.trades == rows
        return peak

    small, large = peak_bytes(20_000), peak_bytes(120_000)
    assert large < 1.2 * small + 100_000


def test_the_description_names_inputs_without_paths(generated):
    feed = open_files([generated[0]], MES)
    (given,) = feed.description["inputs"]
    assert given == {
        "name": "tape.csv.gz",
        "size_bytes": generated[0].stat().st_size,
        "format": "csv",
        "contract": "",
    }


class TestGeneratedTape:
    def test_the_generator_is_splitmix64(self):
        # First outputs for seed 1234567, as published with the reference implementation.
        random = SplitMix64(1234567)
        assert [random.below(1 << 64) for _ in range(3)] == [
            6457827717110365317,
            3203168211198807973,
            9817491932198370423,
        ]

    def test_the_same_seed_gives_the_same_rows_another_does_not(self, generated, tmp_path):
        def rows(seed):
            write_tape(tmp_path / "tape.csv", seed=seed, minutes=30, start_ns=T0, instrument=MES)
            return (tmp_path / "tape.csv").read_bytes()

        assert rows(11) == gzip.decompress(generated[0].read_bytes())
        assert rows(12) != rows(11)

    def test_it_fills_its_minutes_and_passes_the_door(self, generated):
        path, written = generated
        feed = open_files([path], MES)
        records = read_all(feed)
        assert feed.rejected_by_reason == {}
        assert written.rows <= len(records)
        minutes = [(r.ts_ns - T0) // MINUTE_NS for r in records]
        assert set(minutes) == set(range(30))
        assert feed.quotes > 3000
        assert feed.trades > 1500
        quotes = [r for r in records if r.kind == FrameKind.QUOTE]
        assert all(1 <= r.b_ticks - r.a_ticks <= 2 and r.a_qty > 0 and r.b_qty > 0 for r in quotes)
        sides = [r.aggressor for r in records if r.kind == FrameKind.TRADE]
        assert 0.3 < sides.count(1) / len(sides) < 0.7

    def test_it_holds_sweeps_and_swings(self, generated):
        trades = [r for r in read_all(open_files([generated[0]], MES)) if r.kind == FrameKind.TRADE]
        sweeps = sum(
            abs(b.a_ticks - a.a_ticks) >= 5 and a.aggressor == b.aggressor and b.ts_ns - a.ts_ns <= 250_000_000
            for a, b in zip(trades, trades[5:], strict=False)
        )
        assert sweeps >= 3
        assert max(t.a_ticks for t in trades) - min(t.a_ticks for t in trades) >= 30

    @pytest.mark.parametrize("symbol", ["SPY", "YM", "RTY"])
    def test_any_grid(self, tmp_path, symbol):
        instrument = INSTRUMENTS[symbol]
        written = write_tape(tmp_path / "t.csv", seed=1, minutes=1, start_ns=T0, instrument=instrument)
        feed = open_files([written.path], instrument)
        assert len(decode(feed.read(), instrument=instrument.id)) > 50
        assert feed.rejected_by_reason == {}

    @pytest.mark.parametrize("wrong", [{"minutes": 0}, {"price_ticks": 10}])
    def test_impossible_tapes_are_refused(self, tmp_path, wrong):
        arguments = {"seed": 1, "minutes": 1, "start_ns": T0, "instrument": MES} | wrong
        with pytest.raises(UsageError):
            write_tape(tmp_path / "t.csv", **arguments)
        assert not list(tmp_path.iterdir())
