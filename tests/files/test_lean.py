"""LEAN zips: the two SPY sessions and the E-mini minutes, and small synthetic ones."""

import zipfile
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from tests.files.records import read_all, read_to_the_damage
from trading_bot.adapters.files import open_files
from trading_bot.domain.errors import DataCorrupt, UsageError
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.records import FrameKind, RejectReason, TickFlag

SPY, MES, ES = INSTRUMENTS["SPY"], INSTRUMENTS["MES"], INSTRUMENTS["ES"]
SECOND = 1_000_000_000


def ns(*when):
    return int(datetime(*when, tzinfo=UTC).timestamp()) * SECOND


def rows_of(path, member=None):
    with zipfile.ZipFile(path) as archive:
        name = member or archive.namelist()[0]
        return [line.split(",") for line in archive.read(name).decode().splitlines()]


@pytest.fixture
def lean_zip(tmp_path):
    def write(member, *rows, name="day.zip", **others):
        path = tmp_path / name
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for inner, lines in {member: rows, **others}.items():
                archive.writestr(inner, "".join(f"{row}\n" for row in lines))
        return path

    return write


class TestSpySessions:
    @pytest.mark.parametrize(("date", "suspicious"), [("20131007", 0), ("20131010", 10)])
    def test_every_print_and_every_second_once(self, shared_data, date, suspicious):
        folder = shared_data / "spy_sessions"
        prints = rows_of(folder / f"equity_usa_tick_spy_{date}_trade.zip")
        bars = rows_of(folder / f"equity_usa_second_spy_{date}_quote.zip")
        feed = open_files([folder], SPY, date=date)
        records = read_all(feed)
        assert feed.skipped_by_reason == ({"suspicious": suspicious} if suspicious else {})
        assert (feed.trades, feed.quotes, feed.rejected_by_reason) == (len(prints) - suspicious, len(bars), {})
        assert len(records) == feed.trades + feed.quotes
        # Midnight in New York was 04:00 UTC on both days; prices are 1/10 000 dollars, ticks are cents.
        midnight = ns(int(date[:4]), int(date[4:6]), int(date[6:]), 4)
        trades = [(r.ts_ns, r.a_ticks, r.a_qty) for r in records if r.kind == FrameKind.TRADE]
        assert trades == [
            (midnight + int(ms) * 1_000_000, int(price) // 100, int(size))
            for ms, price, size, _, _, flag in prints
            if flag == "0"
        ]
        quotes = [(r.ts_ns, r.a_ticks, r.a_qty, r.b_ticks, r.b_qty) for r in records if r.kind == FrameKind.QUOTE]
        assert quotes == [
            (midnight + int(b[0]) * 1_000_000 + SECOND, int(b[4]) // 100, int(b[5]), int(b[9]) // 100, int(b[10]))
            for b in bars
        ]

    def test_a_quote_bar_precedes_prints_at_its_end_and_follows_those_before(self, shared_data):
        records = read_all(open_files([shared_data / "spy_sessions"], SPY, date="20131007"))
        assert [r.ts_ns for r in records] == sorted(r.ts_ns for r in records)
        at_once = [(a.kind, b.kind) for a, b in pairwise(records) if a.ts_ns == b.ts_ns]
        assert (FrameKind.TRADE, FrameKind.QUOTE) not in at_once

    def test_the_folder_without_a_date_lists_the_days(self, shared_data):
        with pytest.raises(UsageError, match=r"several days: 20131007, 20131010; name one with --date"):
            open_files([shared_data / "spy_sessions"], SPY)

    def test_a_day_that_is_not_there_and_a_date_that_is_none(self, shared_data):
        with pytest.raises(UsageError, match="nothing for 20131008; it holds 20131007, 20131010"):
            open_files([shared_data / "spy_sessions"], SPY, date="2013-10-08")
        with pytest.raises(UsageError, match="expected a date such as"):
            open_files([shared_data / "spy_sessions"], SPY, date="yesterday")

    def test_tick_and_second_trades_together_would_count_twice(self, shared_data):
        folder = shared_data / "spy_sessions"
        paths = [folder / f"equity_usa_{kind}_spy_20131007_trade.zip" for kind in ("tick", "second")]
        with pytest.raises(UsageError, match="both hold the trades of 20131007"):
            open_files(paths, SPY)

    def test_another_instrument_is_refused(self, shared_data):
        with pytest.raises(UsageError, match="holds SPY, not MES: run with --instrument SPY"):
            open_files([shared_data / "spy_sessions"], MES, date="20131007")

    def test_prints_without_an_aggressor_get_an_inferred_one_that_says_so(self, shared_data):
        records = read_all(open_files([shared_data / "spy_sessions"], SPY, date="20131007"))
        flags = Counter(r.flags & TickFlag.AGGRESSOR_INFERRED for r in records if r.kind == FrameKind.TRADE)
        assert flags[TickFlag.AGGRESSOR_INFERRED] > 0.999 * flags.total()


class TestMinutes:
    def test_stamps_are_utc_rth_opens_with_its_volume(self, shared_data):
        # 09:30 in New York is 13:30 UTC on 2013-10-07 and 14:30 UTC on 2020-01-06.
        for date, opening in (("20131007", ns(2013, 10, 7, 13, 30)), ("20200106", ns(2020, 1, 6, 14, 30))):
            trades = [
                r for r in read_all(open_files([shared_data / "es_1min"], MES, date=date)) if r.kind == FrameKind.TRADE
            ]
            before = sum(r.a_qty for r in trades if opening - 1800 * SECOND < r.ts_ns <= opening)
            after = sum(r.a_qty for r in trades if opening < r.ts_ns <= opening + 1800 * SECOND)
            assert after > 5 * before

    def test_the_front_is_the_one_with_most_volume_and_can_be_chosen(self, shared_data):
        path = shared_data / "es_1min" / "future_cme_minute_es_20131218_trade.zip"
        volumes = {
            name[-10:-4]: sum(int(float(row[5])) for row in rows_of(path, name))
            for name in zipfile.ZipFile(path).namelist()
        }
        front = max(volumes, key=volumes.__getitem__)
        feed = open_files([shared_data / "es_1min"], ES, date="20131218")
        assert [item["contract"] for item in feed.description["inputs"]] == [front, front]
        assert sum(r.a_qty for r in read_all(feed) if r.kind == FrameKind.TRADE) == volumes[front]
        other = open_files([shared_data / "es_1min"], ES, date="20131218", contract="201312")
        assert sum(r.a_qty for r in read_all(other) if r.kind == FrameKind.TRADE) == volumes["201312"]

    def test_an_expiry_that_is_not_there(self, shared_data):
        with pytest.raises(UsageError, match="no expiry 209912; found 201312"):
            open_files([shared_data / "es_1min"], ES, date="20131218", contract="209912")

    def test_open_interest_is_no_feed(self, shared_data):
        with pytest.raises(UsageError, match="minute openinterest is no feed"):
            open_files([shared_data / "es_1min" / "future_cme_minute_es_20131218_openinterest.zip"], ES)


class TestSynthetic:
    def test_bars_become_their_close_at_their_end(self, lean_zip):
        quotes = lean_zip(
            "20131007_spy_second_quote.csv",
            "34200000,1674100,1674200,1674000,1674150,5,1674300,1674400,1674200,1674300,6",
            "34201000,1674100,1674200,1674000,1674100,5,1674300,1674400,1674200,1674300,6",
            name="q.zip",
        )
        trades = lean_zip("20131007_spy_second_trade.csv", "34200000,1674100,1674300,1674000,1674200,250", name="t.zip")
        feed = open_files([quotes, trades], SPY)
        first, trade, quote = read_all(feed)
        open_ns = ns(2013, 10, 7, 13, 30)
        assert (first.kind, first.reason, first.raw_a) == (FrameKind.REJECTED, RejectReason.OFF_GRID, 167.415)
        assert (trade.ts_ns, trade.a_ticks, trade.a_qty) == (open_ns + SECOND, 16742, 250)
        assert (quote.ts_ns, quote.a_ticks, quote.b_ticks) == (open_ns + 2 * SECOND, 16741, 16743)

    @pytest.mark.parametrize(
        "bar",
        ["1674100,1674000,1674200,1674100", "1674300,1674200,1674000,1674100", "1674100,1674200,1674000,1673900"],
        ids=["low above high", "open above high", "close below low"],
    )
    def test_a_bar_out_of_order_is_refused(self, lean_zip, bar):
        sound = "1674100,1674200,1674000,1674100"
        trades = lean_zip("20131007_spy_second_trade.csv", f"1000,{sound},5", f"34200000,{bar},250")
        quotes = lean_zip(
            "20131007_spy_second_quote.csv", f"34200000,{sound},1,{bar},1", f"34200000,{bar},1,{sound},1", name="q.zip"
        )
        feed = open_files([trades, quotes], SPY)
        read_all(feed)
        assert feed.rejected_by_reason == {"OHLC_ORDER": 3}

    def test_a_one_sided_bar_is_skipped_by_name(self, lean_zip):
        path = lean_zip("20131007_es_minute_quote_201312.csv", "0,1644.5,1644.5,1644.5,1644.5,5,,,,,0")
        feed = open_files([path], ES)
        assert read_all(feed) == []
        assert feed.skipped_by_reason == {"one_sided_quote": 1}

    def test_sub_penny_suspicious_and_unreadable_prints(self, lean_zip):
        path = lean_zip(
            "20131007_spy_Trade_Tick.csv",
            "34200000,1674100,100,P,20,0",
            "34200000,1674150,100,P,20,0",
            "34200000,1674100,100,P,20,1",
            "34200000,abc,100,P,20,0",
            "later,1674100,100,P,20,0",
        )
        feed = open_files([path], SPY)
        read_all(feed)
        assert feed.trades == 1
        assert feed.rejected_by_reason == {"NON_FINITE_PRICE": 1, "OFF_GRID": 1, "BAD_TIMESTAMP": 1}
        assert feed.skipped_by_reason == {"suspicious": 1}

    def test_the_folder_prefers_ticks_and_needs_one_file_of_a_kind(self, lean_zip, tmp_path):
        lean_zip("20131007_spy_second_trade.csv", "0,1,1,1,1,1", name="a.zip")
        lean_zip("20131007_spy_Trade_Tick.csv", "0,1674100,1,P,0,0", name="b.zip")
        feed = open_files([tmp_path], SPY)
        assert [item["name"] for item in feed.description["inputs"]] == ["b.zip"]
        lean_zip("20131007_spy_Trade_Tick.csv", "0,1674100,1,P,0,0", name="c.zip")
        with pytest.raises(UsageError, match=r"b\.zip, c\.zip hold the same thing"):
            open_files([tmp_path], SPY)

    def test_a_cut_zip_and_a_damaged_member(self, lean_zip):
        path = lean_zip("20131007_spy_Trade_Tick.csv", *(f"{k},1674100,{k % 91 + 1},P,0,0" for k in range(60_000)))
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])
        with pytest.raises(DataCorrupt, match="not a whole zip"):
            open_files([path], SPY)
        damaged = bytearray(data)
        damaged[len(data) * 3 // 4] ^= 0x10
        path.write_bytes(damaged)
        records, error = read_to_the_damage(open_files([path], SPY))
        assert len(records) > 1000
        assert "everything before it was read" in str(error)

    def test_another_zip_is_no_feed(self, lean_zip):
        with pytest.raises(UsageError, match="no LEAN data is no feed"):
            open_files([lean_zip("notes.txt", "hello")], SPY)
