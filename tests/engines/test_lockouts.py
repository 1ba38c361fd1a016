"""DE08, specification 8.4: what trips a lockout, how long it lasts, what ends it."""

import statistics

import pytest

from trading_bot.domain.errors import DataCorrupt
from trading_bot.domain.gate_config import LockoutConfig
from trading_bot.domain.units import NS_PER_MIN, NS_PER_S
from trading_bot.engines import lockouts
from trading_bot.engines.lockouts import BarFacts, Lockout
from trading_bot.engines.minute_ranges import MinuteRanges, true_range
from trading_bot.engines.session_table import SessionDay

T0 = 1_795_620_600 * NS_PER_S
CONFIG = LockoutConfig()
# ATR30 of 10 ticks: a bar below 15 ticks is calm (TR/ATR30 < 1.5).
CALM, NOT_CALM = 14, 15


def bar(minute, *, shock="", range_ticks=NOT_CALM, range_30_ticks=300):
    return BarFacts(ts_ns=T0 + minute * NS_PER_MIN, shock=shock, range_ticks=range_ticks, range_30_ticks=range_30_ticks)


def locked(locks, minute, lockout=Lockout.VOLATILITY, *, before_ns=0):
    return lockouts.in_force(locks, lockout, T0 + minute * NS_PER_MIN - before_ns)


def bars(locks, minutes, **facts):
    for minute in minutes:
        locks, _ = lockouts.after_bar(locks, CONFIG, bar(minute, **facts))
    return locks


class TestVolatility:
    def test_a_shock_locks_for_fifteen_minutes(self):
        locks, changes = lockouts.after_bar((), CONFIG, bar(0, shock="ATR"))
        assert [(one.lockout, one.until_ns, one.reason, one.fresh) for one in changes] == [
            (Lockout.VOLATILITY, T0 + 15 * NS_PER_MIN, "ATR", True)
        ]
        assert locked(locks, 0)
        assert locked(locks, 15, before_ns=1)
        assert not locked(locks, 15)

    def test_its_end_is_told_once_when_its_time_is_over(self):
        locks, _ = lockouts.after_bar((), CONFIG, bar(0, shock="ATR"))
        assert lockouts.expire(locks, T0 + 15 * NS_PER_MIN - 1) == (locks, ())
        left, changes = lockouts.expire(locks, T0 + 15 * NS_PER_MIN)
        assert [(one.lockout, one.until_ns) for one in changes] == [(Lockout.VOLATILITY, 0)]
        assert lockouts.expire(left, T0 + 16 * NS_PER_MIN) == ((), ())

    def test_another_shock_begins_the_time_anew(self):
        locks = bars((), [0], shock="ATR")
        locks, changes = lockouts.after_bar(locks, CONFIG, bar(10, shock="TR"))
        assert [(one.until_ns, one.fresh) for one in changes] == [(T0 + 25 * NS_PER_MIN, False)]
        assert locked(locks, 25, before_ns=1)

    def test_five_calm_bars_end_it_early(self):
        locks = bars(bars((), [0], shock="ATR"), range(1, 5), range_ticks=CALM)
        assert locked(locks, 4)
        locks, changes = lockouts.after_bar(locks, CONFIG, bar(5, range_ticks=CALM))
        assert [(one.until_ns, one.fresh) for one in changes] == [(0, False)]
        assert not locked(locks, 5)

    @pytest.mark.parametrize(
        "between",
        [
            {"range_ticks": NOT_CALM},  # 15 / 10 is not below 1.5
            {"shock": "TR", "range_ticks": CALM},
            {"range_ticks": CALM, "range_30_ticks": None},  # not known is not calm
        ],
    )
    def test_they_are_counted_in_a_row(self, between):
        locks = bars(bars((), [0], shock="ATR"), range(1, 5), range_ticks=CALM)
        locks, _ = lockouts.after_bar(locks, CONFIG, bar(5, **between))
        locks = bars(locks, range(6, 10), range_ticks=CALM)
        assert locked(locks, 9)
        assert not locked(bars(locks, [10], range_ticks=CALM), 10)

    def test_a_calm_bar_alone_changes_nothing(self):
        assert lockouts.after_bar((), CONFIG, bar(0, range_ticks=CALM)) == ((), ())


class TestExecution:
    @pytest.mark.parametrize(
        ("spread", "slippage_e6", "trips"),
        [
            (3, 0, True),
            (2, 2_999_999, False),
            (1, 3_000_000, True),
            (None, 0, False),
            (None, 3_000_000, True),
        ],
    )
    def test_three_ticks_of_either_trip_it(self, spread, slippage_e6, trips):
        locks, changes = lockouts.after_quote((), CONFIG, T0, spread_ticks=spread, slippage_e6=slippage_e6)
        assert bool(changes) is trips
        assert locked(locks, 0, Lockout.EXECUTION) is trips
        if trips:
            assert changes[0].until_ns == T0 + 30 * NS_PER_MIN
            assert locked(locks, 30, Lockout.EXECUTION, before_ns=1)
            assert not locked(locks, 30, Lockout.EXECUTION)

    def test_while_it_lasts_it_is_told_once_a_minute(self):
        locks, told = (), []
        for second in range(0, 181, 10):
            ts_ns = T0 + second * NS_PER_S
            locks, changes = lockouts.after_quote(locks, CONFIG, ts_ns, spread_ticks=3, slippage_e6=0)
            told += [(second, one.fresh) for one in changes]
        assert told == [(0, True), (60, False), (120, False), (180, False)]

    def test_the_two_are_independent(self):
        locks, _ = lockouts.after_quote(bars((), [0], shock="ATR"), CONFIG, T0, spread_ticks=3, slippage_e6=0)
        assert locked(locks, 1)
        assert locked(locks, 1, Lockout.EXECUTION)
        left, _ = lockouts.expire(locks, T0 + 15 * NS_PER_MIN)
        assert [lock.lockout for lock in left] == [Lockout.EXECUTION]


class TestRestored:
    """From the log alone, where the state cannot be rebuilt."""

    def test_a_recorded_trip_stands_and_a_recorded_end_ends_it(self):
        locks = lockouts.restored((), "VOLATILITY", T0 + NS_PER_MIN, "ATR")
        assert locked(locks, 0)
        assert lockouts.restored(locks, "VOLATILITY", 0, "its time is over") == ()

    def test_the_window_of_an_event_is_no_lockout(self):
        assert lockouts.restored((), "EVENT", T0, "FOMC") == ()


def day(number):
    open_ns = T0 + number * 86_400 * NS_PER_S
    return SessionDay(20_260_000 + number, open_ns, open_ns + 23 * 3600 * NS_PER_S, None, None)


def at(number, minute):
    return day(number).globex_open_ns + minute * NS_PER_MIN


class TestRanges:
    """TR against the median of its minute of the day, over the 20 sessions before, known from five on."""

    @pytest.mark.parametrize(("bars", "expected"), [((9, 4, None), 5), ((9, 4, 12), 8), ((9, 4, 1), 8), ((9, 4, 6), 5)])
    def test_the_true_range_reaches_to_the_close_before(self, bars, expected):
        assert true_range(*bars) == expected

    @pytest.mark.parametrize("sessions", [5, 6, 20, 25])
    def test_the_median_is_of_the_newest_twenty_sessions_before(self, sessions):
        ranges, values = MinuteRanges(), [(37 * k) % 23 + 100 * (k < 6) for k in range(sessions)]
        for number, value in enumerate(values):
            ranges.add(day(number), at(number, 900), value)
            ranges.add(day(number), at(number, 901), 1000)
        expected = 2 * statistics.median(values[-20:])
        assert ranges.median2_ticks(day(sessions), at(sessions, 900)) == expected
        ranges.add(day(sessions), at(sessions, 900), 5000)  # of this session itself: does not count
        assert ranges.median2_ticks(day(sessions), at(sessions, 900)) == expected

    def test_four_sessions_are_not_enough(self):
        ranges = MinuteRanges()
        for number in range(5):
            assert ranges.median2_ticks(day(number), at(number, 0)) is None
            ranges.add(day(number), at(number, 0), 7)
        assert ranges.median2_ticks(day(5), at(5, 0)) == 14
        assert ranges.median2_ticks(day(5), at(5, 1)) is None, "another minute"

    def test_a_minute_outside_the_day_is_not_kept(self):
        ranges = MinuteRanges()
        ranges.add(day(0), at(0, -1), 7)
        ranges.add(day(0), at(0, 1440), 7)
        assert ranges.plain() == b""

    def test_it_survives_being_packed(self):
        ranges, copy = MinuteRanges(), MinuteRanges()
        for number in range(6):
            ranges.add(day(number), at(number, 17), number)
        copy.load(ranges.pack())
        assert copy.plain() == ranges.plain()
        assert copy.median2_ticks(day(6), at(6, 17)) == 2 * statistics.median(range(6))
        copy.load(b"")
        assert copy.plain() == b""

    @pytest.mark.parametrize("packed", [b"nothing", MinuteRanges().pack() + b"\x00"])
    def test_other_bytes_are_refused(self, packed):
        with pytest.raises(DataCorrupt, match="minute ranges"):
            MinuteRanges().load(packed)
