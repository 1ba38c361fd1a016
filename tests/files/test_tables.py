"""CSV and Parquet: declared columns, the recorded ES tape, and what is refused."""

import gzip

import pytest

from tests.files.records import read_all, read_to_the_damage
from trading_bot.adapters.files import CsvColumns, open_files
from trading_bot.domain.errors import ConfigError, DataCorrupt, SourceUnreachable, UsageError
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.records import Aggressor, FrameKind, TickFlag

MES = INSTRUMENTS["MES"]
T0 = 1_700_000_000_000_000_000
HEADER = "ts_ns,bid,bid_qty,ask,ask_qty,price,qty,aggressor\n"


@pytest.fixture
def tape(tmp_path):
    def write(*rows, name="tape.csv", header=HEADER):
        path = tmp_path / name
        data = (header + "".join(f"{row}\n" for row in rows)).encode()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    return write


@pytest.fixture
def recorded(shared_data):
    return shared_data / "es_tape" / "aferrante_ES_tbt_20220124.txt.gz"


class TestRecordedTape:
    def test_each_row_is_a_trade_and_its_quote_where_that_changed(self, recorded):
        feed = open_files([recorded], MES)
        records = read_all(feed)
        rows = [line.split(";") for line in gzip.decompress(recorded.read_bytes()).decode().splitlines()[1:]]
        expected, top = [], None
        for row in rows:
            price, volume, side, ask, bid, ask_size, bid_size = row[4:11]
            quote = (float(bid), int(bid_size), float(ask), int(ask_size))
            if quote != top:
                top = quote
                expected.append((FrameKind.QUOTE, *quote))
            expected.append(
                (FrameKind.TRADE, float(price), int(volume), {"1": Aggressor.SELL, "2": Aggressor.BUY}[side])
            )
        found = [
            (r.kind, r.a_ticks / 4, r.a_qty, r.b_ticks / 4, r.b_qty)
            if r.kind == FrameKind.QUOTE
            else (r.kind, r.a_ticks / 4, r.a_qty, r.aggressor)
            for r in records
        ]
        assert found == expected
        assert (feed.trades, feed.rejected_by_reason) == (2026, {})

    def test_the_quote_beside_a_trade_was_there_before_it(self, recorded):
        rows = [line.split(";") for line in gzip.decompress(recorded.read_bytes()).decode().splitlines()[1:]]
        assert all(int(depth_sequence) < int(sequence) for _, _, sequence, depth_sequence, *_ in rows)

    def test_stamps_are_utc_with_a_resolution_of_100_us(self, recorded):
        feed = open_files([recorded], MES)
        records = read_all(feed)
        assert feed.resolution_ns == 100_000
        assert records[0].ts_ns == 1_643_031_000_500_000_000  # 2022-01-24T13:30:00.5Z
        assert records[-1].ts_ns == 1_643_031_060_955_009_000
        # 19 rows go back in time within 100 µs: receive time is held, event stamps stay.
        assert [r.ts_ns for r in records] == sorted(r.ts_ns for r in records)
        assert any(r.ts_event_ns < r.ts_ns for r in records)


class TestPlainTape:
    def test_quote_trade_or_both_in_a_row_the_quote_first(self, tape):
        path = tape(
            f"{T0},4800,3,4800.25,4,,,", f"{T0 + 1},,,,,4800.25,2,B", f"{T0 + 2},4800.25,1,4800.5,2,4800.25,7,",
            name="tape.csv.gz",
        )  # fmt: skip
        records = read_all(open_files([path], MES))
        assert [(r.kind, r.ts_ns - T0, r.a_ticks, r.a_qty) for r in records] == [
            (FrameKind.QUOTE, 0, 19200, 3),
            (FrameKind.TRADE, 1, 19201, 2),
            (FrameKind.QUOTE, 2, 19201, 1),
            (FrameKind.TRADE, 2, 19201, 7),
        ]
        assert (records[-1].aggressor, records[-1].flags) == (Aggressor.SELL, TickFlag.AGGRESSOR_INFERRED)

    def test_every_refusal_is_counted_by_its_reason(self, tape):
        path = tape(
            f"{T0},,,,,4800,1,B",
            f"{T0},,,,,nan,1,B",
            f"{T0},,,,,price?,1,B",
            f"{T0},,,,,0,1,B",
            f"{T0},,,,,4800.1,1,B",
            f"{T0},,,,,6000,1,B",
            f"{T0},,,,,4800,-1,B",
            f"{T0},,,,,4800,99999999999,B",
            f"{T0},,,,,4800,1.5,B",
            f"{T0},,,,,4800,,B",
            "soon,,,,,4800,1,B",
            f"{T0},4800,1,,1,,,",
            f"{T0},,,,,,,",
        )
        feed = open_files([path], MES)
        records = read_all(feed)
        assert feed.rejected_by_reason == {
            "NON_FINITE_PRICE": 2,
            "NON_POSITIVE_PRICE": 1,
            "OFF_GRID": 1,
            "PRICE_BAND": 1,
            "NEGATIVE_SIZE": 1,
            "OUT_OF_RANGE": 3,
            "BAD_TIMESTAMP": 1,
        }
        assert feed.skipped_by_reason == {"one_sided_quote": 1, "empty_row": 1}
        assert (feed.trades, len(records)) == (1, 11)

    def test_a_last_line_without_its_end_counts_and_empty_lines_do_not(self, tmp_path):
        path = tmp_path / "tape.csv"
        path.write_text(f"{HEADER}{T0},,,,,4800,1,B\r\n\r\n{T0},,,,,4800,2,B")
        assert [r.a_qty for r in read_all(open_files([path], MES))] == [1, 2]


class TestDamage:
    def rows(self, count=5000):
        return [f"{T0 + k},,,,,{4800 + (k % 7) / 4},{k + 1},B" for k in range(count)]

    def test_a_gzip_cut_short_gives_what_came_before(self, tape):
        path = tape(*self.rows(), name="tape.csv.gz")
        data = path.read_bytes()
        path.write_bytes(data[: len(data) * 2 // 3])
        records, error = read_to_the_damage(open_files([path], MES))
        assert 1000 < len(records) < 5000
        assert [r.a_qty for r in records] == list(range(1, len(records) + 1))
        assert "ends early" in str(error)

    def test_a_damaged_gzip(self, tape):
        path = tape(*self.rows(), name="tape.csv.gz")
        data = bytearray(path.read_bytes())
        data[-6] ^= 1  # its checksum
        path.write_bytes(data)
        records, error = read_to_the_damage(open_files([path], MES))
        assert len(records) > 1000
        assert "damaged" in str(error)

    def test_a_row_cut_short(self, tape):
        rows = self.rows(10)
        path = tape(*rows[:9], rows[9][:25])
        records, error = read_to_the_damage(open_files([path], MES))
        assert len(records) == 9
        assert "line 11: found" in str(error)
        assert "expected 8" in str(error)

    def test_two_gzip_members_are_one_file(self, tape):
        path = tape(*self.rows(3), name="tape.csv.gz")
        path.write_bytes(path.read_bytes() + gzip.compress(f"{T0 + 9},,,,,4800,9,B\n".encode()))
        assert len(read_all(open_files([path], MES))) == 4

    @pytest.mark.parametrize("name", ["tape.csv", "tape.csv.gz"])
    def test_an_empty_file(self, tmp_path, name):
        (tmp_path / name).write_bytes(b"")
        with pytest.raises(DataCorrupt, match=r"empty|ends early"):
            open_files([tmp_path / name], MES)

    def test_a_cut_parquet_file(self, tmp_path):
        pytest.importorskip("pyarrow")
        (tmp_path / "a.parquet").write_bytes(b"PAR1 and then nothing")
        with pytest.raises(DataCorrupt, match="not a whole Parquet file"):
            open_files([tmp_path / "a.parquet"], MES)


class TestDeclaration:
    ROWS = ("07.03.2024 is no iso;1;2", "2024-03-07 08:30:00.25;5100.25;4", "2024-03-07T09:30:00-05:00;5100.5;2")
    HEADER = "when;last;lots\n"
    TOML = 'time = "when"\ntimezone = "America/Chicago"\nprice = "last"\nsize = "lots"\ndelimiter = ";"\n'

    def check(self, feed):
        records = read_all(feed)
        assert [r.ts_ns for r in records] == [1_709_821_800_250_000_000, 1_709_821_800_250_000_000]
        assert [r.ts_event_ns for r in records] == [1_709_821_800_250_000_000, 1_709_821_800_000_000_000]
        assert feed.rejected_by_reason == {"BAD_TIMESTAMP": 1}
        assert feed.resolution_ns == 1000

    @pytest.mark.parametrize("sidecar", ["trades.txt.columns.toml", "columns.toml"])
    def test_a_sidecar_declares_the_columns(self, tape, sidecar):
        path = tape(*self.ROWS, name="trades.txt", header=self.HEADER)
        path.with_name(sidecar).write_text(self.TOML)
        self.check(open_files([path], MES))

    def test_columns_given_by_the_caller(self, tape):
        path = tape(*self.ROWS, name="trades.txt", header=self.HEADER)
        columns = CsvColumns(time="when", timezone="America/Chicago", price="last", size="lots", delimiter=";")
        self.check(open_files([path], MES, columns=columns))

    def test_unknown_columns_are_shown_with_what_to_do(self, tape):
        path = tape(*self.ROWS, name="trades.txt", header=self.HEADER)
        with pytest.raises(
            UsageError, match=r"unknown columns: when;last;lots; declare them in trades.txt.columns.toml"
        ):
            open_files([path], MES)

    @pytest.mark.parametrize(
        ("toml", "message"),
        [
            ('time = "when"\nprise = "last"', "prise.*known keys are time"),
            ('time = "when"', "neither bid nor price"),
            ('time = "when"\nprice = "last"', "both price and size"),
            ('time = "when"\nbid = "last"', "needs all of bid"),
            ('time = "when"\nprice = "last"\nsize = "lots"\ndelimiter = ";;"', "one character"),
            ('time = "when"\nprice = "last"\nsize = "lots"\ntimezone = "X"\ndelimiter = ";"', "unknown timezone 'X'"),
            ('time = "when"\nprice = "last"\nsize = "lots"\ntime_format = "h"', "time_format"),
            ('time = "when"\nprice = "last"\nsize = "lots"\nresolution_ns = 0', "at least 1"),
            ('date = "when"\ntime = "when"\nprice = "last"\nsize = "lots"\ntime_format = "ms"', "time_format iso"),
            ("time = ", "Invalid value"),
        ],
    )
    def test_a_declaration_that_cannot_be_used_is_refused_by_name(self, tape, toml, message):
        path = tape(*self.ROWS, name="trades.txt", header=self.HEADER)
        path.with_name("columns.toml").write_text(toml)
        with pytest.raises(ConfigError, match=message):
            open_files([path], MES)

    def test_a_declared_column_that_is_not_there(self, tape):
        path = tape(*self.ROWS, name="trades.txt", header=self.HEADER)
        path.with_name("columns.toml").write_text(self.TOML.replace("lots", "size"))
        with pytest.raises(UsageError, match="no column 'size'; found when, last, lots"):
            open_files([path], MES)

    def test_declared_parquet_columns(self, tmp_path):
        pa = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        table = pa.table({
            "t": pa.array([T0 // 1000, None, T0 // 1000 + 5], pa.timestamp("us", tz="UTC")),
            "b": [4800.0, 4800.0, None], "bs": [1, 2, 3], "a": [4800.25, 4800.25, 4800.5], "as": [4, 5, 6],
        })  # fmt: skip
        parquet.write_table(table, tmp_path / "q.parquet")
        columns = CsvColumns(time="t", time_format="us", bid="b", bid_size="bs", ask="a", ask_size="as")
        feed = open_files([tmp_path / "q.parquet"], MES, columns=columns)
        assert [(r.ts_ns, r.a_qty, r.b_qty) for r in read_all(feed)[:1]] == [(T0, 1, 4)]
        assert (feed.rejected_by_reason, feed.skipped_by_reason) == ({"BAD_TIMESTAMP": 1}, {"one_sided_quote": 1})


class TestPaths:
    def test_a_missing_path_is_unreachable(self, tmp_path):
        with pytest.raises(SourceUnreachable, match=r"no such file.*nothing\.csv"):
            open_files([tmp_path / "nothing.csv"], MES)

    def test_an_unknown_format_names_the_known_ones(self, tmp_path):
        (tmp_path / "a.xlsx").write_bytes(b"x")
        with pytest.raises(UsageError, match=r"a\.xlsx: unknown format; known are Databento \.dbn"):
            open_files([tmp_path / "a.xlsx"], MES)

    def test_no_input(self):
        with pytest.raises(UsageError, match="--input"):
            open_files([], MES)

    def test_a_date_goes_with_a_folder(self, tape):
        with pytest.raises(UsageError, match="goes with a folder"):
            open_files([tape(f"{T0},,,,,4800,1,B")], MES, date="20231114")

    def test_bars_are_no_feed(self, shared_data):
        path = next(iter(sorted((shared_data / "es_5min").iterdir())))
        with pytest.raises(UsageError, match="unknown columns: Date, Time, Open"):
            open_files([path], MES)


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path):
    path = tmp_path / "excel.csv"
    path.write_bytes(b"\xef\xbb\xbf" + (HEADER + f"{T0},4800,1,4800.25,1,,,\n").encode())
    assert len(read_all(open_files([path], MES))) == 1


def test_bytes_that_are_no_text_are_not_echoed(tmp_path):
    path = tmp_path / "noise.csv"
    path.write_bytes(bytes(range(256)) * 20)
    with pytest.raises(UsageError, match="no text") as caught:
        open_files([path], MES)
    assert str(caught.value).isprintable()


def test_a_file_given_twice_is_refused(tape):
    path = tape(f"{T0},4800,1,4800.25,1,,,")
    with pytest.raises(UsageError, match="twice"):
        open_files([path, path.parent / "." / path.name], MES)
