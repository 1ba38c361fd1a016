"""Which bars make a history: sources, dates, order, what is left out and what is said about it."""

import gzip
import shutil
from itertools import pairwise

import pytest

from tests.files.history_kit import CALENDAR, MINUTE, NEVER, S, bars_of, history, ns, trade, write_log, write_tape
from trading_bot._fast.historybars import MinuteBars
from trading_bot.adapters.history import history_events
from trading_bot.adapters.sim.history import sim_history
from trading_bot.adapters.sim.market import SimFeed
from trading_bot.domain.bars import MinuteBar, unpack_bars
from trading_bot.domain.errors import DataCorrupt, SourceUnreachable, UsageError
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.records import FrameKind

# 2026-11-25 is an ordinary Wednesday, its Globex session 23:00 UTC of the day before to 22:00.
T0 = ns(2026, 11, 25, 15)


def built(*records, before=NEVER):
    bars = MinuteBars(before)
    bars.take(b"".join(records))
    return bars.bars()


class TestMinuteBars:
    def test_a_bar_by_hand(self):
        """Open 100, high 103, low 99, close 101; 2*100 + 1*103 + 4*99 + 1*101 = 800 ticks times lots in 8 lots."""
        records = [trade(T0, 100, 2), trade(T0 + S, 103, 1), trade(T0 + 2 * S, 99, 4), trade(T0 + MINUTE - 1, 101, 1)]
        assert built(*records) == [MinuteBar(T0, 100, 103, 99, 101, 8, 800)]

    def test_a_trade_at_the_full_minute_is_in_the_next_bar_and_an_idle_minute_makes_none(self):
        found = built(trade(T0 + 30 * S, 100, 1), trade(T0 + MINUTE, 105, 2), trade(T0 + 4 * MINUTE, 90, 3))
        assert [(bar.ts_open_ns - T0) // MINUTE for bar in found] == [0, 1, 4]
        assert [bar.volume for bar in found] == [1, 2, 3]

    def test_only_trades_of_a_size_make_bars(self):
        plain = [trade(T0 + S, 500, 7, kind) for kind in (FrameKind.QUOTE, FrameKind.REJECTED, FrameKind.TIME)]
        assert built(*plain, trade(T0 + 2 * S, 500, 0)) == []
        assert built(*plain, trade(T0 + 2 * S, 100, 1), trade(T0 + 3 * S, 200, 0)) == [
            MinuteBar(T0, 100, 100, 100, 100, 1, 100)
        ]

    def test_a_price_gap_drops_its_minute_so_far_as_the_kernel_does(self):
        gap = trade(T0 + MINUTE + 20 * S, 100, 0, FrameKind.PRICE_GAP)
        found = built(trade(T0, 100, 1), trade(T0 + MINUTE, 100, 1), gap, trade(T0 + MINUTE + 30 * S, 200, 3))
        assert found == [MinuteBar(T0, 100, 100, 100, 100, 1, 100), MinuteBar(T0 + MINUTE, 200, 200, 200, 200, 3, 600)]

    def test_a_stamp_that_goes_back_counts_at_the_time_reached(self):
        found = built(trade(T0 + MINUTE, 0, 0, FrameKind.TIME), trade(T0, 100, 1), trade(T0 + S, 101, 1))
        assert found == [MinuteBar(T0 + MINUTE, 100, 101, 100, 101, 2, 201)]

    @pytest.mark.parametrize(
        ("before", "minutes"),
        [(T0, 0), (T0 + 1, 0), (T0 + MINUTE - 1, 0), (T0 + MINUTE, 1), (T0 + 2 * MINUTE - 1, 1), (T0 + 3 * MINUTE, 3)],
    )
    def test_a_bar_that_ends_after_the_limit_is_none(self, before, minutes):
        tape = [trade(T0 + k * 10 * S, 100 + k, 1) for k in range(60)]
        found = built(*tape, before=before)
        assert found == built(*tape)[:minutes]

    def test_it_says_when_nothing_later_can_matter(self):
        bars = MinuteBars(T0 + MINUTE)
        assert not bars.take(trade(T0 + MINUTE - 1, 100, 1))
        assert bars.take(trade(T0 + MINUTE, 100, 1))
        assert bars.take(trade(T0, 100, 1))
        assert [bar.volume for bar in bars.bars()] == [1]

    def test_the_runs_a_stream_comes_in_do_not_matter(self):
        tape = [trade(T0 + k * 7 * S, 100 + k % 5, k % 3) for k in range(100)]
        one_by_one = MinuteBars(NEVER)
        for record in tape:
            one_by_one.take(record)
        assert one_by_one.bars() == built(*tape)

    def test_half_a_record_is_refused(self):
        with pytest.raises(ValueError, match="not a whole number"):
            MinuteBars(NEVER).take(bytes(96))


def minute_trades(start, count, price=6000.0):
    """One trade a minute, of 1, 2, 3, ... lots."""
    return [(start + k * MINUTE, price + k % 4, k + 1) for k in range(count)]


class TestSources:
    def test_a_file(self, tmp_path):
        tape = write_tape(tmp_path / "tape.csv", [(T0, 6000.25, 2), (T0 + 5 * S, 6001.0, 1), (T0 + MINUTE, 6000.5, 4)])
        (session,) = history(tape)
        assert (session.trade_date, session.source) == (20261125, "tape.csv")
        assert session.bars == (
            MinuteBar(T0, 24_001, 24_004, 24_001, 24_004, 3, 2 * 24_001 + 24_004),
            MinuteBar(T0 + MINUTE, 24_002, 24_002, 24_002, 24_002, 4, 4 * 24_002),
        )

    def test_a_folder_gives_every_day_in_it(self, tmp_path):
        for day in (23, 24, 25):
            write_tape(tmp_path / f"tape_202611{day}.csv", minute_trades(ns(2026, 11, day, 15), 3))
        (tmp_path / "notes.txt").write_text("no,feed\n")
        found = history(tmp_path)
        assert [(s.trade_date, len(s.bars)) for s in found] == [(20261123, 3), (20261124, 3), (20261125, 3)]
        assert found[0].source == f"{tmp_path.name} 20261123"

    def test_a_folder_counts_no_trade_twice(self, shared_data):
        """It holds ticks and seconds of the same trades."""
        folder = shared_data / "spy_sessions"
        both = history(folder, symbol="SPY")
        ticks = history(folder / "equity_usa_tick_spy_20131010_trade.zip", symbol="SPY")
        assert both[-2:] == tuple(
            type(session)(session.trade_date, f"{folder.name} 20131010", session.bars) for session in ticks
        )

    def test_the_evening_belongs_to_the_next_trade_date(self, tmp_path):
        evening = ns(2026, 11, 24, 21, 58)
        tape = write_tape(tmp_path / "tape.csv", minute_trades(evening, 3) + minute_trades(ns(2026, 11, 24, 23), 2))
        found = history(tape)
        assert [(s.trade_date, len(s.bars)) for s in found] == [(20261124, 2), (20261125, 3)]

    def test_a_session_log_and_the_folder_of_its_run(self, tmp_path):
        records = [trade(T0 + k * 20 * S, 24_000 + k, 1) for k in range(9)]
        log = write_log(tmp_path / "run" / "20261125", records)
        (session,) = history(log)
        assert session.trade_date == 20261125
        assert session.source == "log 20261125 of earlier (files)"
        assert session.bars == tuple(built(*records))
        assert history(tmp_path / "run") == (session,)

    def test_a_session_that_went_on_in_a_second_log_goes_on_within_the_minute(self, tmp_path):
        first = [trade(T0 + k * 20 * S, 24_000 + k, 1) for k in range(5)]
        second = [trade(T0 + k * 20 * S, 24_000 + k, 1) for k in range(5, 9)]
        write_log(tmp_path / "run" / "20261125", first)
        write_log(tmp_path / "run" / "20261125-02", second)
        assert bars_of(history(tmp_path / "run")) == [tuple(bar) for bar in built(*first, *second)]

    def test_a_log_that_was_cut_gives_what_it_holds(self, tmp_path):
        records = [trade(T0 + k * 20 * S, 24_000 + k, 1) for k in range(9)]
        log = write_log(tmp_path / "run" / "20261125", records, close=False)
        assert bars_of(history(log)) == [tuple(bar) for bar in built(*records)]

    def test_columns_are_declared_for_a_file_by_name(self, tmp_path):
        from trading_bot.adapters.files import CsvColumns

        tape = tmp_path / "own.csv"
        tape.write_text(f"when,last,lots\n{T0},6000.0,5\n")
        (session,) = history(tape, columns=CsvColumns(time="when", time_format="ns", price="last", size="lots"))
        assert session.bars == (MinuteBar(T0, 24_000, 24_000, 24_000, 24_000, 5, 120_000),)


class TestWhatIsKept:
    def test_no_bar_holds_or_follows_the_beginning_of_the_run(self, tmp_path):
        tape = write_tape(tmp_path / "tape.csv", minute_trades(T0, 30))
        for before in (T0 + k * MINUTE + off for k, off in ((1, 0), (2, -1), (10, -1), (10, 0), (10, 1), (90, 0))):
            found = bars_of(history(tape, before=before))
            assert [bar[0] for bar in found] == [T0 + k * MINUTE for k in range(30) if T0 + (k + 1) * MINUTE <= before]

    def test_what_follows_the_beginning_changes_nothing(self, tmp_path):
        before = T0 + 10 * MINUTE + 7 * S
        earlier = [*minute_trades(T0, 10), (T0 + 10 * MINUTE + S, 6000.0, 5)]
        found = history(write_tape(tmp_path / "tape.csv", earlier), before=before)
        longer = write_tape(tmp_path / "tape.csv", [*earlier, *minute_trades(before, 40, 6050.0)])
        assert history(longer, before=before) == found

    def test_the_last_sessions_and_the_one_the_run_is_in(self, tmp_path):
        days = [day for day in range(2, 26) if CALENDAR.day(20261100 + day) is not None]
        for day in days:
            write_tape(tmp_path / f"tape_202611{day:02d}.csv", minute_trades(ns(2026, 11, day, 15), 2))
        begin = ns(2026, 11, 25, 16)
        found = [s.trade_date for s in history(tmp_path, before=begin, sessions_max=5)]
        assert found == [20261118, 20261119, 20261120, 20261123, 20261124, 20261125]
        assert [s.trade_date for s in history(tmp_path, before=begin, sessions_max=0)] == [20261125]
        assert len(history(tmp_path, before=begin)) == len(days) <= 21
        files = sorted(tmp_path.iterdir())
        assert [s.trade_date for s in history(*files, before=begin, sessions_max=5)] == found

    def test_days_too_old_are_not_read(self, tmp_path):
        """Proof: the old file is damaged."""
        write_tape(tmp_path / "tape_20261124.csv", minute_trades(ns(2026, 11, 24, 15), 2))
        write_tape(tmp_path / "tape_20261123.csv", minute_trades(ns(2026, 11, 23, 15), 2))
        cut = tmp_path / "tape_20261104.csv"
        write_tape(cut, minute_trades(ns(2026, 11, 4, 15), 2))
        cut.write_text(cut.read_text() + "1,2\n")
        begin = ns(2026, 11, 25, 16)
        assert [s.trade_date for s in history(tmp_path, before=begin, sessions_max=2)] == [20261123, 20261124]
        with pytest.raises(DataCorrupt):
            history(tmp_path, before=begin, sessions_max=3)

    def test_a_minute_of_two_sources_is_taken_from_the_first(self, tmp_path):
        one = write_tape(tmp_path / "one.csv", minute_trades(T0, 5))
        two = write_tape(tmp_path / "two.csv", minute_trades(T0 + 3 * MINUTE, 5, 6100.0))
        (session,) = history(one, two)
        assert [bar.ts_open_ns for bar in session.bars] == [T0 + k * MINUTE for k in range(8)]
        assert session.bars[:5] == history(one)[0].bars
        assert session.bars[5:] == history(two)[0].bars[2:]
        assert session.source == "one.csv, two.csv [two.csv: 2 of its 5 bars are of minutes an earlier source gave]"

    def test_sources_in_any_order_give_bars_in_order(self, tmp_path):
        late = write_tape(tmp_path / "late.csv", minute_trades(T0, 5))
        early = write_tape(tmp_path / "early.csv", minute_trades(T0 - 30 * MINUTE, 5))
        found = bars_of(history(late, early))
        assert len(found) == 10
        assert all(left[0] < right[0] for left, right in pairwise(found))

    def test_dates_the_calendar_does_not_know_are_left_out_and_named(self, tmp_path):
        old = write_tape(tmp_path / "old.csv", minute_trades(ns(2012, 5, 8, 15), 4))
        late = write_tape(tmp_path / "late.csv", minute_trades(T0 + 60 * MINUTE, 4))
        tape = write_tape(tmp_path / "tape.csv", minute_trades(T0, 4))
        (session,) = history(old, late, tape, before=T0 + 60 * MINUTE)
        assert bars_of([session]) == bars_of(history(tape))
        assert session.source == (
            "tape.csv [old.csv: 4 of its 4 bars are of dates the calendar does not know; "
            "late.csv: no trade in a minute that ended before the run's first record]"
        )

    def test_old_history_and_changing_contracts_are_told(self, tmp_path, shared_data):
        tape = write_tape(tmp_path / "tape.csv", minute_trades(T0, 4))
        old = "the history ends with 20261125, the session before the run is 20261201"
        assert [session.source for session in history(tape, before=ns(2026, 12, 2, 15))] == [
            f"tape.csv [{old}: the first ranges compare with old prices]"
        ]
        assert [session.source for session in history(tape, before=ns(2026, 11, 26, 15))] == ["tape.csv"]
        for name in ("20131202", "20131220"):
            for file in (shared_data / "es_1min").glob(f"*{name}*"):
                shutil.copy(file, tmp_path)
        tape.unlink()
        found = [session.source for session in history(tmp_path, symbol="ES")]
        assert found[-1].endswith(" [contracts 201312 to 201403: the first ranges after a change span two contracts]")
        assert not any("[" in source for source in found[:-1])


class TestRefused:
    def test_a_path_that_is_not_there(self, tmp_path):
        with pytest.raises(SourceUnreachable, match=r"--history .*gone\.csv: there is no such file or folder"):
            history(tmp_path / "gone.csv")

    @pytest.mark.parametrize("before", [T0 - 24 * 3600 * S, T0, T0 + MINUTE - 1])
    def test_sources_that_lie_behind_the_beginning_of_the_run(self, tmp_path, before):
        one = write_tape(tmp_path / "one.csv", minute_trades(T0, 4))
        two = write_tape(tmp_path / "two.csv", minute_trades(T0 + MINUTE, 4))
        with pytest.raises(UsageError, match=r"no bar from before the run, which begins at 2026-11-2") as found:
            history(one, two, before=before)
        assert "one.csv: no trade in a minute that ended before the run's first record; two.csv: no" in str(found.value)
        assert str(found.value).endswith("name earlier files or logs, or leave --history out")
        assert history(one, before=T0 + MINUTE) != ()

    def test_sources_of_dates_the_calendar_does_not_know(self, tmp_path):
        tape = write_tape(tmp_path / "tape.csv", minute_trades(ns(2012, 5, 8, 15), 4))
        with pytest.raises(UsageError, match="4 of its 4 bars are of dates the calendar does not know"):
            history(tape, before=T0)

    def test_a_log_cut_before_its_first_record(self, tmp_path):
        log = write_log(tmp_path / "run" / "20261125", [trade(T0, 24_000, 1)])
        for segment in log.glob("seg-*.tbl"):
            segment.write_bytes(bytes(4096))
        with pytest.raises(UsageError, match=r"log 20261125: no trade .* or leave --history out"):
            history(log, before=T0 + 5 * MINUTE)

    def test_a_folder_without_data(self, tmp_path):
        with pytest.raises(UsageError, match="holds neither a log nor a market data file"):
            history(tmp_path)

    def test_an_unknown_format(self, tmp_path):
        (tmp_path / "bars.xyz").write_text("?")
        with pytest.raises(UsageError, match=r"--history .*unknown format; known are"):
            history(tmp_path / "bars.xyz")

    def test_a_log_of_another_instrument_names_both(self, tmp_path):
        log = write_log(tmp_path / "run" / "20261125", [trade(T0, 24_000, 1)], instrument="MNQ")
        with pytest.raises(UsageError, match="is a log of MNQ, the run is of MES"):
            history(log)

    def test_data_of_another_product(self, shared_data):
        with pytest.raises(UsageError, match="holds SPY, not MES"):
            history(shared_data / "spy_sessions")

    def test_a_damaged_file_says_what_to_do(self, tmp_path):
        tape = write_tape(tmp_path / "tape.csv", minute_trades(T0, 5_000))
        packed = tmp_path / "tape.csv.gz"
        packed.write_bytes(gzip.compress(tape.read_bytes())[:-2_000])
        with pytest.raises(DataCorrupt, match=r"--history .*tape\.csv\.gz.*restore it, or run without it"):
            history(packed)

    def test_damage_behind_the_beginning_of_the_run_is_not_met(self, tmp_path):
        tape = write_tape(tmp_path / "tape.csv", minute_trades(T0, 5_000))
        tape.write_text(tape.read_text() + "1,2\n")
        assert len(bars_of(history(tape, before=T0 + 20 * MINUTE))) == 20
        with pytest.raises(DataCorrupt):
            history(tape)

    def test_a_damaged_log(self, tmp_path):
        log = write_log(tmp_path / "run" / "20261125", [trade(T0 + k * S, 24_000, 1) for k in range(500)])
        segment = next(log.glob("seg-*.tbl"))
        data = bytearray(segment.read_bytes())
        data[16_000] ^= 1
        segment.write_bytes(data)
        with pytest.raises(DataCorrupt, match=r"--history .*restore it, or run without it"):
            history(log)

    def test_fewer_than_no_sessions(self, tmp_path):
        with pytest.raises(UsageError, match="expected 0 or more"):
            history(tmp_path, sessions_max=-1)


class TestEvents:
    def test_one_event_per_session_holds_its_bars(self, tmp_path):
        for day in (24, 25):
            write_tape(tmp_path / f"tape_202611{day}.csv", minute_trades(ns(2026, 11, day, 15), day))
        sessions = history(tmp_path)
        found = history_events(sessions, 77)
        assert [(event.ts_ns, event.source, event.count) for event in found] == [
            (77, f"{tmp_path.name} 20261124", 24),
            (77, f"{tmp_path.name} 20261125", 25),
        ]
        assert [tuple(unpack_bars(event.bars)) for event in found] == [session.bars for session in sessions]

    def test_the_simulated_market_has_its_own(self):
        feed = SimFeed(INSTRUMENTS["MES"], CALENDAR, seed=3, start_ns=T0 + 30 * S, duration_ns=60 * S)
        found = sim_history(feed, CALENDAR, 2, 99)
        assert [event.source for event in found] == ["sim 20261123", "sim 20261124", "sim 20261125"]
        bars = [bar for event in found for bar in unpack_bars(event.bars)]
        assert sum(event.count for event in found) == len(bars) > 2_500
        assert all(left.ts_open_ns < right.ts_open_ns for left, right in pairwise(bars))
        assert bars[-1].ts_open_ns + MINUTE <= T0 + 30 * S
        assert {event.ts_ns for event in found} == {99}
