"""The bars before a run: closed, in the sessions, of the same seed, and ending where the feed begins."""

import numpy as np
import pytest

from tests.sim.world import CALENDAR, SECOND_NS, at, records, sim
from trading_bot.adapters.sim.day_plan import DayPlanner, open_intervals
from trading_bot.adapters.sim.profile import MarketProfile
from trading_bot.domain.errors import UsageError
from trading_bot.domain.records import FrameKind

START = "2026-11-30T15:07:20"
MINUTE_NS = 60 * SECOND_NS


@pytest.fixture(scope="module")
def bars():
    return list(sim(START, 60, price_ticks=21_000).history_bars(5))


def test_bars_are_whole_minutes_of_open_sessions_before_the_start(bars):
    opens = np.array([bar.ts_open_ns for bar in bars])
    assert not (opens % MINUTE_NS).any()
    assert (np.diff(opens) > 0).all()
    assert opens[-1] + MINUTE_NS <= at(START)
    for ts in opens:
        day = CALENDAR.trading_day(int(ts))
        assert any(span.start_ns <= ts < span.end_ns for span in open_intervals(day, "globex"))


def test_it_is_the_sessions_asked_for_and_the_one_of_the_start(bars):
    dates = sorted({CALENDAR.trading_day(bar.ts_open_ns).trade_date for bar in bars})
    # Thanksgiving is a Globex session of its own.
    assert dates == [20261123, 20261124, 20261125, 20261126, 20261127, 20261130]
    of_last = [bar.ts_open_ns for bar in bars if bar.ts_open_ns >= at("2026-11-29T23:00:00")]
    # 16 h and 7 min, few of them without a trade.
    assert 0.9 * 967 < len(of_last) <= 967


def test_the_numbers_of_a_bar_fit_together(bars):
    for bar in bars:
        assert bar.low_ticks <= min(bar.open_ticks, bar.close_ticks)
        assert bar.high_ticks >= max(bar.open_ticks, bar.close_ticks)
        assert bar.volume > 0
        assert bar.low_ticks * bar.volume <= bar.notional <= bar.high_ticks * bar.volume


def test_the_last_bar_ends_where_the_feed_begins(bars):
    assert abs(bars[-1].close_ticks - 21_000) <= 5
    nothing_between = list(sim("2026-11-30T15:07:00", 60, price_ticks=21_000).history_bars(5))
    assert nothing_between == bars


def test_another_price_shifts_the_bars_and_no_more():
    low, high = (list(sim(START, 60, price_ticks=price).history_bars(0)) for price in (21_000, 21_500))
    assert [bar.volume for bar in low] == [bar.volume for bar in high]
    assert {b.close_ticks - a.close_ticks for a, b in zip(low, high, strict=True)} == {500}
    assert all(b.notional - a.notional == 500 * a.volume for a, b in zip(low, high, strict=True))


def test_the_feed_is_not_disturbed_by_asking_for_history():
    asked, silent = sim(START, 300), sim(START, 300)
    list(asked.history_bars(1))
    assert records(asked).tobytes() == records(silent).tobytes()


def test_history_has_the_volume_of_the_feed():
    """A bar of the feed's own trades, minute by minute over six RTH days, against history of the same days."""
    history = list(sim("2026-11-25T21:00:00", 60, seed=6).history_bars(5))
    past = sum(b.volume for b in history if at("2026-11-24T14:30:00") <= b.ts_open_ns < at("2026-11-24T21:00:00"))
    tape = records(sim("2026-11-24T14:30:00", 23_400, seed=6))
    lived = int(tape["bid_qty"][tape["kind"] == FrameKind.TRADE].sum())
    assert 0.8 < past / lived < 1.25, "the same day of the same seed has the same regimes"


def test_history_swings_as_the_feed_does():
    history = list(sim("2026-11-25T21:00:00", 60, seed=6).history_bars(8))
    closes = [b.close_ticks for b in history if at("2026-11-24T14:30:00") <= b.ts_open_ns < at("2026-11-24T21:00:00")]
    tape = records(sim("2026-11-24T14:30:00", 23_400, seed=6))
    trades = tape[tape["kind"] == FrameKind.TRADE]
    minute = trades["ts"] // MINUTE_NS
    lived = trades["bid"][np.flatnonzero(np.diff(minute))]
    assert 0.7 < np.diff(closes).std() / np.diff(lived.astype(int)).std() < 1.4


def test_a_plan_is_the_same_wherever_a_run_starts():
    planner = DayPlanner(9, MarketProfile(), CALENDAR, "globex", None)
    day = CALENDAR.day(20261125)
    whole, late = (
        np.array(next(planner.plans(day, start, at("2026-11-25T22:00:00")))).reshape(-1, 12)
        for start in (day.globex_open_ns, at("2026-11-25T16:00:00"))
    )
    assert (late == whole[-len(late) :]).all()
    assert len(late) >= 360


def test_more_sessions_than_the_table_has_give_those_it_has():
    dates = {CALENDAR.trading_day(bar.ts_open_ns).trade_date for bar in sim("2013-01-03T15:00:00", 60).history_bars(9)}
    assert dates == {20130102, 20130103}


def test_a_history_without_end_is_refused():
    with pytest.raises(UsageError, match="history of 61 sessions: expected 0 to 60"):
        list(sim(START, 60).history_bars(61))
