"""Databento files: the recorded ones against their independent decoding, and small synthetic ones."""

import datetime as dt
from types import SimpleNamespace

import pytest

from tests.files.records import read_all, read_to_the_damage
from trading_bot.adapters.files import open_files
from trading_bot.domain.errors import DataCorrupt, UsageError
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.records import Aggressor, FrameKind, TickFlag

dbn = pytest.importorskip("databento_dbn", reason="the research extra is not installed")
zstandard = pytest.importorskip("zstandard", reason="the research extra is not installed")
parquet = pytest.importorskip("pyarrow.parquet", reason="the research extra is not installed")

MES, ES = INSTRUMENTS["MES"], INSTRUMENTS["ES"]
OPEN_NS = 1_703_545_200_000_000_000  # 2023-12-25T23:00Z
T0 = 1_700_000_000_000_000_000
LAST = 0x80


@pytest.fixture(scope="module")
def mbo_path(shared_data):
    return shared_data / "es_l3_holiday" / "esh4_glbx_mdp3_20231225.mbo.dbn.zst"


@pytest.fixture(scope="module")
def holiday(mbo_path):
    feed = open_files([mbo_path], MES)
    return feed, read_all(feed)


class TestHoliday:
    def test_counts(self, holiday):
        feed, records = holiday
        assert (feed.quotes, feed.trades, feed.rejected_by_reason) == (25439, 2973, {})
        assert len(records) == 25439 + 2973
        assert feed.resolution_ns == 1

    def test_sixteen_quotes_before_the_open_fifteen_of_them_crossed(self, holiday):
        early = [r for r in holiday[1] if r.kind == FrameKind.QUOTE and r.ts_ns < OPEN_NS]
        assert (len(early), sum(r.a_ticks > r.b_ticks for r in early)) == (16, 15)

    def test_quotes_from_the_open_equal_the_decoded_ones_row_for_row(self, holiday, shared_data):
        rows = parquet.read_table(shared_data / "es_l3_holiday" / "es_mbo_20231225_quotes.parquet").to_pylist()
        expected = [(r["ts_event"], r["ts_recv"], r["bid"], r["bid_sz"], r["ask"], r["ask_sz"]) for r in rows]
        found = [
            (r.ts_event_ns, r.ts_ns, r.a_ticks * 0.25, r.a_qty, r.b_ticks * 0.25, r.b_qty)
            for r in holiday[1]
            if r.kind == FrameKind.QUOTE and r.ts_ns >= OPEN_NS
        ]
        assert found == expected

    def test_trades_equal_the_decoded_ones(self, holiday, shared_data):
        rows = parquet.read_table(shared_data / "es_l3_holiday" / "es_mbo_20231225_trades.parquet").to_pylist()
        expected = [(r["ts_event"], r["ts_recv"], r["px"], r["qty"], r["side"]) for r in rows]
        # A side the feed does not give is inferred, and says so.
        found = [
            (r.ts_event_ns, r.ts_ns, r.a_ticks * 0.25, r.a_qty, given_side(r))
            for r in holiday[1]
            if r.kind == FrameKind.TRADE
        ]
        assert found == expected

    def test_the_parquet_files_give_the_same_records(self, holiday, shared_data):
        folder = shared_data / "es_l3_holiday"
        names = ("es_mbo_20231225_trades.parquet", "es_mbo_20231225_quotes.parquet")
        records = read_all(open_files([folder / name for name in names], MES))
        for kind in (FrameKind.QUOTE, FrameKind.TRADE):
            expected = [r[:-1] for r in holiday[1] if r.kind == kind and r.ts_ns >= OPEN_NS]
            assert [r[:-1] for r in records if r.kind == kind] == expected

    def test_the_folder_picks_the_order_book_and_nothing_twice(self, shared_data):
        feed = open_files([shared_data / "es_l3_holiday"], MES)
        assert [item["format"] for item in feed.description["inputs"]] == ["dbn mbo"]

    @pytest.mark.parametrize("batch_records", [1, 7, 100_000])
    def test_the_size_of_a_batch_changes_nothing(self, holiday, mbo_path, batch_records):
        assert read_all(open_files([mbo_path], MES, batch_records=batch_records)) == holiday[1]


def given_side(record):
    if record.flags & TickFlag.AGGRESSOR_INFERRED or record.aggressor == Aggressor.UNKNOWN:
        return "N"
    return "B" if record.aggressor == Aggressor.BUY else "A"


class TestCut:
    def deliver(self, path):
        records, error = read_to_the_damage(feed := open_files([path], MES))
        with pytest.raises(DataCorrupt):
            feed.read()
        return records, str(error)

    def test_a_file_cut_in_half_gives_all_before_the_cut_and_then_says_so(self, holiday, mbo_path, tmp_path):
        data = mbo_path.read_bytes()
        cut = tmp_path / "cut_20231225.mbo.dbn.zst"
        cut.write_bytes(data[: len(data) // 2])
        # What is before the cut, by the decompressor alone: whole blocks of the second frame.
        head = zstandard.ZstdDecompressor().decompressobj()
        plain = head.decompress(cut.read_bytes())
        plain += zstandard.ZstdDecompressor().decompressobj().decompress(head.unused_data)
        whole = tmp_path / "whole.dbn"
        whole.write_bytes(plain[: len(plain) - (len(plain) - 206) % 56])
        expected = read_all(open_files([whole], MES))
        records, message = self.deliver(cut)
        assert 5_000 < len(records) < len(holiday[1])
        assert records == expected == holiday[1][: len(records)]
        assert "ends early" in message
        assert "cut_20231225" in message

    @pytest.mark.parametrize("left", [1, 17, 55])
    def test_a_plain_file_ending_inside_a_record(self, mbo_path, tmp_path, left):
        cut = tmp_path / "cut.dbn"
        cut.write_bytes(plain_of(mbo_path)[: 206 + 30_000 * 56 + left])
        records, message = self.deliver(cut)
        assert len(records) > 5_000
        assert f"{left} bytes into a record" in message

    def test_a_flipped_byte_in_a_compressed_file(self, mbo_path, tmp_path):
        data = bytearray(mbo_path.read_bytes())
        data[len(data) // 2] ^= 0x55
        damaged = tmp_path / "damaged.dbn.zst"
        damaged.write_bytes(data)
        _, message = self.deliver(damaged)
        assert "everything before it was read" in message

    @pytest.mark.parametrize("size", [0, 5, 100])
    def test_a_file_cut_inside_its_metadata(self, mbo_path, tmp_path, size):
        for name, data in (("a.dbn.zst", mbo_path.read_bytes()), ("a.dbn", plain_of(mbo_path))):
            cut = tmp_path / name
            cut.write_bytes(data[:size])
            with pytest.raises((DataCorrupt, UsageError), match=name):
                open_files([cut], MES).read()

    def test_with_two_inputs_the_sound_one_is_read_up_to_the_cut(self, mbo_path, tmp_path):
        cut = tmp_path / "cut.mbo.dbn.zst"
        cut.write_bytes(mbo_path.read_bytes()[:400_000])
        alone, _ = self.deliver(cut)
        tape = tmp_path / "tape.csv"
        step = (alone[-1].ts_ns - OPEN_NS) // 100
        stamps = [OPEN_NS + k * step for k in range(300)]
        tape.write_text(
            "ts_ns,bid,bid_qty,ask,ask_qty,price,qty,aggressor\n" + "".join(f"{s},,,,,4800,9999,B\n" for s in stamps)
        )
        records, _ = read_to_the_damage(open_files([cut, tape], MES))
        assert len([r for r in records if r.a_qty != 9999]) == len(alone)
        assert len([r for r in records if r.a_qty == 9999]) in {100, 101}


def plain_of(path):
    data, plain = path.read_bytes(), b""
    while data:
        frame = zstandard.ZstdDecompressor().decompressobj()
        plain += frame.decompress(data)
        data = frame.unused_data
    return plain


class TestTopOfBookFile:
    def test_mbp1_against_the_vendors_own_objects(self, shared_data):
        (path,) = (shared_data / "es_mbp1").glob("*mbp-1*")
        feed = open_files([path], ES)
        records = read_all(feed)
        decoder = dbn.DBNDecoder()
        decoder.write(plain_of(path))
        expected, top = [], None
        for record in decoder.decode()[1:]:
            level = record.levels[0]
            now = (level.bid_px, level.bid_sz, level.ask_px, level.ask_sz)
            is_trade = record.action == dbn.Action.TRADE
            # Beside a trade stand the levels before it; beside anything else those after the event.
            if now != top and (is_trade or record.flags & LAST):
                top = now
                expected.append((1, record.ts_recv, record.ts_event, *now))
            if is_trade:
                expected.append((2, record.ts_recv, record.ts_event, record.price, record.size, str(record.side)))
        sides = {Aggressor.BUY: "B", Aggressor.SELL: "A"}
        found = [
            (1, r.ts_ns, r.ts_event_ns, r.a_ticks * 250_000_000, r.a_qty, r.b_ticks * 250_000_000, r.b_qty)
            if r.kind == FrameKind.QUOTE
            else (2, r.ts_ns, r.ts_event_ns, r.a_ticks * 250_000_000, r.a_qty, sides[r.aggressor])
            for r in records
        ]
        assert found == expected
        assert feed.trades == 120

    def test_the_trades_file_holds_the_same_trades(self, shared_data):
        (mbp1,) = (shared_data / "es_mbp1").glob("*mbp-1*")
        (trades,) = (shared_data / "es_mbp1").glob("*trades*")
        of_trades = read_all(open_files([trades], ES))
        assert of_trades == [r for r in read_all(open_files([mbp1], ES)) if r.kind == FrameKind.TRADE]

    def test_both_files_at_once_would_count_trades_twice(self, shared_data):
        with pytest.raises(UsageError, match="both hold the trades"):
            open_files(sorted((shared_data / "es_mbp1").iterdir()), ES)

    def test_the_folder_picks_one(self, shared_data):
        feed = open_files([shared_data / "es_mbp1"], ES)
        assert [item["format"] for item in feed.description["inputs"]] == ["dbn mbp-1"]


def metadata(schema, names):
    return dbn.Metadata(
        dataset="GLBX.MDP3",
        start=T0,
        stype_in=dbn.SType.RAW_SYMBOL,
        stype_out=dbn.SType.INSTRUMENT_ID,
        schema=schema,
        symbols=list(names),
        partial=[],
        not_found=[],
        mappings=[
            SimpleNamespace(
                raw_symbol=name,
                intervals=[
                    SimpleNamespace(start_date=dt.date(2023, 11, 14), end_date=dt.date(2023, 11, 15), symbol=number)
                ],
            )
            for name, number in names.items()
        ],
    ).encode()


def mbo(action, side, order_id, price, size, *, flags=LAST, at=0, instrument=7, publisher=1):
    sides = {"B": dbn.Side.BID, "A": dbn.Side.ASK, "N": dbn.Side.NONE}
    actions = {str(one.value): one for one in (dbn.Action.ADD, dbn.Action.CANCEL, dbn.Action.MODIFY, dbn.Action.CLEAR,
                                               dbn.Action.TRADE, dbn.Action.FILL)}  # fmt: skip
    price_e9 = dbn.UNDEF_PRICE if price is None else int(price * 1_000_000_000)
    ts_ns = T0 + at
    return bytes(
        dbn.MBOMsg(publisher, instrument, ts_ns, order_id, price_e9, size, actions[action], sides[side], ts_ns, flags)
    )


def write_mbo(path, *records, names=None):
    path.write_bytes(metadata(dbn.Schema.MBO, {"ESH4": "7"} if names is None else names) + b"".join(records))
    return path


def tops(records):
    return [(r.a_ticks / 4, r.a_qty, r.b_ticks / 4, r.b_qty) for r in records if r.kind == FrameKind.QUOTE]


class TestSemantics:
    BOOK = (mbo("A", "B", 1, 4800, 5), mbo("A", "A", 2, 4800.25, 3))

    def test_no_quote_until_both_sides_exist_and_the_event_is_complete(self, tmp_path):
        path = write_mbo(
            tmp_path / "a.dbn",
            mbo("A", "B", 1, 4800, 5),
            mbo("A", "A", 2, 4800.25, 3, flags=0),
            mbo("A", "B", 3, 4800, 4, flags=0),
            mbo("A", "B", 4, 4799, 4),
        )
        assert tops(read_all(open_files([path], MES))) == [(4800, 9, 4800.25, 3)]

    def test_a_change_behind_the_top_is_no_quote(self, tmp_path):
        path = write_mbo(tmp_path / "a.dbn", *self.BOOK, mbo("A", "B", 3, 4799, 4), mbo("C", "B", 3, 4799, 4))
        assert len(read_all(open_files([path], MES))) == 1

    def test_trade_and_fill_change_nothing_the_cancel_after_them_does(self, tmp_path):
        path = write_mbo(
            tmp_path / "a.dbn",
            *self.BOOK,
            mbo("T", "B", 0, 4800.25, 2, flags=0),
            mbo("F", "A", 2, 4800.25, 2, flags=0),
            mbo("C", "A", 2, 4800.25, 2),
        )
        records = read_all(open_files([path], MES))
        assert [r.kind for r in records] == [FrameKind.QUOTE, FrameKind.TRADE, FrameKind.QUOTE]
        assert tops(records) == [(4800, 5, 4800.25, 3), (4800, 5, 4800.25, 1)]
        assert (records[1].a_qty, records[1].aggressor) == (2, Aggressor.BUY)

    def test_modify_moves_an_order_and_adds_an_unknown_one(self, tmp_path):
        path = write_mbo(tmp_path / "a.dbn", *self.BOOK, mbo("M", "B", 1, 4799.75, 6), mbo("M", "B", 9, 4800, 1))
        found = tops(read_all(open_files([path], MES)))
        assert found[1:] == [(4799.75, 6, 4800.25, 3), (4800, 1, 4800.25, 3)]

    def test_clear_empties_the_book(self, tmp_path):
        after = (mbo("R", "N", 0, None, 0), mbo("A", "B", 5, 4700, 1), mbo("A", "A", 6, 4701, 1))
        path = write_mbo(tmp_path / "a.dbn", *self.BOOK, *after)
        assert tops(read_all(open_files([path], MES)))[1:] == [(4700, 1, 4701, 1)]

    def test_an_undefined_receive_stamp_is_refused_at_the_door(self, tmp_path):
        late = dbn.MBOMsg(1, 7, T0, 0, 4800_000_000_000, 1, dbn.Action.TRADE, dbn.Side.BID, dbn.UNDEF_TIMESTAMP, LAST)
        feed = open_files([write_mbo(tmp_path / "a.dbn", *self.BOOK, bytes(late))], MES)
        read_all(feed)
        assert feed.rejected_by_reason == {"BAD_TIMESTAMP": 1}

    def test_an_undefined_trade_price_is_refused_at_the_door(self, tmp_path):
        feed = open_files([write_mbo(tmp_path / "a.dbn", *self.BOOK, mbo("T", "B", 0, None, 1))], MES)
        read_all(feed)
        assert feed.rejected_by_reason == {"NON_FINITE_PRICE": 1}


class TestInstruments:
    RECORDS = (mbo("T", "B", 0, 4800, 1), mbo("T", "B", 0, 15000, 2, instrument=8))

    def test_several_instruments_are_named(self, tmp_path):
        path = write_mbo(tmp_path / "a.dbn", *self.RECORDS, names={"ESH4": "7", "ESM4": "8"})
        with pytest.raises(UsageError, match=r"ESH4 \(7\), ESM4 \(8\)"):
            open_files([path], ES)

    @pytest.mark.parametrize("contract", ["ESM4", "esm4", "8"])
    def test_the_one_asked_for_is_read(self, tmp_path, contract):
        path = write_mbo(tmp_path / "a.dbn", *self.RECORDS, names={"ESH4": "7", "ESM4": "8"})
        feed = open_files([path], ES, contract=contract)
        assert [r.a_qty for r in read_all(feed)] == [2]
        assert feed.skipped_by_reason == {"other_instrument": 1}
        assert feed.description["inputs"][0]["contract"] == "ESM4"

    def test_the_only_one_of_the_product_is_taken(self, tmp_path):
        path = write_mbo(tmp_path / "a.dbn", *self.RECORDS, names={"ESH4": "7", "NQH4": "8"})
        assert [r.a_qty for r in read_all(open_files([path], ES))] == [1]

    def test_another_product_is_refused(self, tmp_path):
        path = write_mbo(tmp_path / "a.dbn", *self.RECORDS[:1], names={"NQH4": "7"})
        with pytest.raises(UsageError, match="run with --instrument NQ"):
            open_files([path], MES)

    def test_an_unknown_contract_names_those_found(self, tmp_path):
        path = write_mbo(tmp_path / "a.dbn", *self.RECORDS[:1])
        with pytest.raises(UsageError, match=r"no instrument 'ESZ9'; found ESH4 \(7\)"):
            open_files([path], MES, contract="ESZ9")

    def test_without_declared_symbols_a_second_instrument_stops_the_reading(self, tmp_path):
        feed = open_files([write_mbo(tmp_path / "a.dbn", *self.RECORDS, names={})], MES)
        with pytest.raises(UsageError, match="7, 8"):
            read_all(feed)

    def test_books_of_two_venues_are_not_mixed(self, tmp_path):
        path = write_mbo(tmp_path / "a.dbn", self.RECORDS[0], mbo("T", "B", 0, 4800, 1, publisher=2))
        with pytest.raises(UsageError, match="several venues"):
            read_all(open_files([path], MES))

    def test_a_schema_that_is_no_feed_is_refused_by_name(self, tmp_path):
        path = tmp_path / "bars.dbn"
        path.write_bytes(metadata(dbn.Schema.OHLCV_1M, {"ESH4": "7"}))
        with pytest.raises(UsageError, match="ohlcv-1m is no feed: expected mbo, mbp-1, tbbo, trades"):
            open_files([path], MES)
