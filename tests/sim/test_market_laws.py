"""What holds for every record, and the times at which there may be records."""

import numpy as np
import pytest

from tests.sim.world import CALENDAR, HOUR_NS, SECOND_NS, at, records, sim
from trading_bot.adapters.sim.profile import MarketProfile
from trading_bot.domain.errors import UsageError
from trading_bot.domain.records import Aggressor, FrameKind


@pytest.fixture(scope="module", params=[1, 2, 3])
def day(request):
    """A Globex session from its open to its close, on the Wednesday of a news-rich seed."""
    return records(sim("2026-11-24T23:00:00", 23 * 3600, seed=request.param, profile=MarketProfile(news_milli=2000)))


def test_the_frame_is_what_the_log_expects(day):
    assert set(np.unique(day["kind"])) == {FrameKind.QUOTE, FrameKind.TRADE}
    assert (day["length"] == 64).all()
    assert (day["cls"] == 1).all()
    assert (day["instrument"] == 1).all()
    assert not day["crc"].any()
    assert not day["seq"].any()
    assert not day["flags"].any()


def test_time_goes_forward_and_events_precede_their_receipt(day):
    assert (np.diff(day["ts"]) >= 0).all()
    assert (np.diff(day["event"]) >= 0).all()
    assert (day["event"] <= day["ts"]).all()
    assert day["event"][0] >= at("2026-11-24T23:00:00")


def test_sizes_are_positive_and_books_are_sound(day):
    quotes, trades = day[day["kind"] == FrameKind.QUOTE], day[day["kind"] == FrameKind.TRADE]
    assert (quotes["bid_qty"] > 0).all()
    assert (quotes["ask_qty"] > 0).all()
    assert (trades["bid_qty"] > 0).all()
    assert (quotes["bid"] > 0).all()
    assert (quotes["ask"] > quotes["bid"]).all()


def test_each_quote_says_something_new(day):
    quotes = day[day["kind"] == FrameKind.QUOTE]
    columns = np.stack([quotes[name] for name in ("bid", "ask", "bid_qty", "ask_qty")])
    assert (np.diff(columns) != 0).any(axis=0).all()


def test_trades_meet_the_quote_before_them(day):
    """A buyer pays the ask, a seller gets the bid."""
    is_quote = day["kind"] == FrameKind.QUOTE
    last = np.maximum.accumulate(np.where(is_quote, np.arange(len(day)), 0))
    trades = np.flatnonzero(~is_quote)
    bought = day["aggressor"][trades] == Aggressor.BUY
    touch = np.where(bought, day["ask"][last[trades]], day["bid"][last[trades]])
    assert (day["bid"][trades] == touch).all()
    assert set(np.unique(day["aggressor"][trades])) == {Aggressor.BUY, Aggressor.SELL}
    # Together the prints between two quotes take no more than was shown.
    shown = np.where(bought, day["ask_qty"][last[trades]], day["bid_qty"][last[trades]])
    taken = np.bincount(last[trades], day["bid_qty"][trades])
    assert (taken[last[trades]] <= shown).all()


def test_nothing_is_refused_at_the_door():
    feed = sim(seconds=3600)
    records(feed)
    assert feed.rejected_by_reason == {}
    assert feed.price_gaps == 0


def test_it_begins_with_a_quote_at_the_price_asked_for():
    feed = sim("2026-11-25T14:20:00", 60, price_ticks=20_000)
    assert feed.first_ts_ns() == at("2026-11-25T14:20:00")
    first = records(feed)[0]
    assert (first["kind"], first["bid"], first["ask"]) == (FrameKind.QUOTE, 20_000, 20_001)


def spans(tape, pause_s=900):
    """First and last receive time of each stretch without a pause."""
    breaks = np.flatnonzero(np.diff(tape["ts"]) > pause_s * SECOND_NS)
    return [(tape["ts"][a], tape["ts"][b]) for a, b in zip(np.r_[0, breaks + 1], np.r_[breaks, -1], strict=True)]


@pytest.mark.parametrize(
    ("start", "hours", "expected"),
    [
        # Thanksgiving closes at 13:00 and the day after at 13:15 New York time (-5 h), each after an open at 18:00.
        (
            "2026-11-25T20:00:00",
            100,
            [
                ("2026-11-25T20:00:00", "2026-11-25T22:00:00"),
                ("2026-11-25T23:00:00", "2026-11-26T18:00:00"),
                ("2026-11-26T23:00:00", "2026-11-27T18:15:00"),
                ("2026-11-29T23:00:00", "2026-11-30T00:00:00"),
            ],
        ),
        # The clocks changed on Sunday, 2026-03-08: Friday closes at 22:00 UTC, Sunday opens at 22:00 UTC.
        (
            "2026-03-06T21:00:00",
            75,
            [
                ("2026-03-06T21:00:00", "2026-03-06T22:00:00"),
                ("2026-03-08T22:00:00", "2026-03-09T21:00:00"),
                ("2026-03-09T22:00:00", "2026-03-10T00:00:00"),
            ],
        ),
        # Until 2021 trading paused from 16:15 to 16:30 New York time.
        (
            "2015-06-10T20:00:00",
            3,
            [
                ("2015-06-10T20:00:00", "2015-06-10T20:15:00"),
                ("2015-06-10T20:30:00", "2015-06-10T21:00:00"),
                ("2015-06-10T22:00:00", "2015-06-10T23:00:00"),
            ],
        ),
    ],
    ids=["early close", "daylight saving", "halt"],
)
def test_there_is_nothing_outside_the_sessions(start, hours, expected):
    """Times read off the exchange's calendar, in UTC."""
    found = spans(records(sim(start, hours * 3600)), pause_s=840)
    assert len(found) == len(expected)
    for (first, last), (open_text, close_text) in zip(found, expected, strict=True):
        assert first == at(open_text), "the first record comes with the open"
        assert at(close_text) - 120 * SECOND_NS < last < at(close_text)


def test_spy_trades_in_the_regular_session_only():
    found = spans(records(sim("2026-11-24T00:00:00", 96 * 3600, symbol="SPY", price_ticks=68_000)))
    days = ("2026-11-24", "2026-11-25", "2026-11-27")
    assert [first for first, _ in found] == [at(f"{day}T14:30:00") for day in days]
    closes = [at("2026-11-24T21:00:00"), at("2026-11-25T21:00:00"), at("2026-11-27T18:00:00")]
    assert all(close - 60 * SECOND_NS < last < close for (_, last), close in zip(found, closes, strict=True))


def test_a_session_opens_displaced_from_the_close_before():
    tape = records(sim("2026-11-20T20:00:00", 72 * 3600, seed=3, profile=MarketProfile(gap_milli=10_000)))
    quotes = tape[tape["kind"] == FrameKind.QUOTE]
    gap = np.flatnonzero(np.diff(quotes["ts"]) > 40 * HOUR_NS)
    assert len(gap) == 1
    assert abs(int(quotes["bid"][gap[0] + 1]) - int(quotes["bid"][gap[0]])) > 20


@pytest.mark.parametrize("start", ["2026-11-28T12:00:00", "2012-06-01T15:00:00", "2031-01-06T15:00:00"])
def test_a_window_without_trading_is_refused(start):
    with pytest.raises(UsageError, match="does not trade between"):
        sim(start, 3600)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seconds": 0}, "duration of 0 ns"),
        ({"price_ticks": 100}, "found 100 ticks"),
        ({"profile_vol": 0}, "vol_milli = 0"),
    ],
)
def test_arguments_outside_their_bounds_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        if "profile_vol" in options:
            MarketProfile(vol_milli=options["profile_vol"])
        else:
            sim(**options)


def test_event_stamps_have_the_resolution_asked_for():
    tape = records(sim(seconds=300, resolution_ns=SECOND_NS))
    assert not (tape["event"] % SECOND_NS).any()
    fine = records(sim(seconds=300))
    assert (tape["event"] == fine["event"] - fine["event"] % SECOND_NS).all()
    assert (tape["ts"] == fine["ts"]).all()


def test_the_calendar_ends_the_market():
    last = CALENDAR.day(CALENDAR.last_trade_date)
    feed = sim("2029-12-31T20:00:00", 86_400 * 30)
    assert records(feed)["ts"][-1] < last.globex_close_ns
