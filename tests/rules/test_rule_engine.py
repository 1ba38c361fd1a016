"""NV12: distances and trips, against a plain account of floats in dollars that knows nothing of the engine."""

from itertools import accumulate

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trading_bot.domain.rule_pack import Consistency, DailyLoss, FlatBy, RulePack, TrailingDrawdown
from trading_bot.domain.units import NS_PER_MIN, TS_NEVER_NS
from trading_bot.engines import rule_pack
from trading_bot.engines.position import Account, next_day, open_account
from trading_bot.engines.rule_pack import RuleState
from trading_bot.engines.session_table import SessionDay

USD = 1_000_000
START_USD = 50_000
LIMIT_USD = 2_000
INTRADAY = TrailingDrawdown(limit_uusd=LIMIT_USD * USD, basis="intraday")
END_OF_DAY = TrailingDrawdown(limit_uusd=LIMIT_USD * USD, basis="end_of_day")
DAILY = DailyLoss(limit_uusd=1_000 * USD)
OPEN_NS = 1_795_617_000 * 10**9
DAY = SessionDay(20261125, OPEN_NS - 15 * 60 * NS_PER_MIN - 30 * NS_PER_MIN, OPEN_NS + 450 * NS_PER_MIN, OPEN_NS, None)


def pack(*rules, **changes):
    return RulePack(name="t", account_uusd=START_USD * USD, rules=rules, **changes)


class Run:
    """The engine over days of results in dollars: (closed, open) after each step."""

    def __init__(self, rules):
        self.pack, self.date = rules, 1
        self.account = open_account(7_777 * USD)  # what the account is worth is the broker's; rules look at results
        self.state = rule_pack.begin(rules, self.account, self.date)
        self.tripped = []

    def step(self, day_usd, open_usd=0):
        self.account = msgspec.structs.replace(self.account, gross_uusd=day_usd * USD)
        change = rule_pack.mark(self.state, self.pack, self.account, open_usd * USD, self.date, TS_NEVER_NS - 1)
        self.state = change[0]
        self.tripped += [one.rule for one in change[1]]
        return self

    def next_day(self):
        self.account = next_day(self.account, 123_456 * USD, new_week=False)  # a deposit, for good measure
        self.date += 1
        self.state, told = rule_pack.roll(self.state, self.account, self.date)
        return [(one.rule, one.tripped) for one in told]

    def distance(self, rule, open_usd=0):
        result = self.account.own_uusd(open_usd * USD) - self.state.start_uusd
        return rule_pack.to_breach_uusd(self.state, self.pack, rule, result) / USD


def test_an_intraday_line_follows_the_open_profit():
    """50 000, up to 51 500 open, back to 50 300: the line is 49 500, so 800 are left."""
    run = Run(pack(INTRADAY)).step(0, 1_500).step(300)
    assert run.distance(INTRADAY) == 800
    [row] = rule_pack.standings(run.state, run.pack, run.account, 0, None)
    assert row.line_uusd == 49_500 * USD
    assert run.step(-500).tripped == ["RULE_TRAILING_INTRADAY"]


def test_an_end_of_day_line_moves_when_the_day_ends():
    run = Run(pack(END_OF_DAY)).step(0, 1_500).step(900)
    assert run.distance(END_OF_DAY) == 2_900
    run.next_day()
    assert run.step(0).distance(END_OF_DAY) == 2_000
    assert run.step(-1_999).tripped == []
    assert run.step(-2_000).tripped == ["RULE_TRAILING_END_OF_DAY"]


def test_a_line_that_locks_rises_no_further():
    locked = msgspec.structs.replace(INTRADAY, locks_at_uusd=50_100 * USD)
    run = Run(pack(locked)).step(5_000)
    [row] = rule_pack.standings(run.state, run.pack, run.account, 0, None)
    assert (row.line_uusd, row.distance_uusd) == (50_100 * USD, 4_900 * USD)


def test_the_buffer_stops_before_the_line_and_the_distance_is_to_the_line():
    kept = msgspec.structs.replace(DAILY, buffer_uusd=50 * USD)
    run = Run(pack(kept)).step(-949)
    assert run.tripped == []
    assert run.step(-950).tripped == ["RULE_DAILY_LOSS"]
    assert run.distance(kept) == 50


def test_a_daily_loss_is_over_with_the_day_and_a_trailing_drawdown_never():
    run = Run(pack(DAILY, INTRADAY)).step(-2_000)
    assert run.tripped == ["RULE_DAILY_LOSS", "RULE_TRAILING_INTRADAY"]
    assert run.next_day() == [("RULE_DAILY_LOSS", False)]
    assert [trip.rule for trip in run.state.trips] == ["RULE_TRAILING_INTRADAY"]
    assert run.step(0).distance(DAILY) == 1_000


@pytest.mark.parametrize(
    ("earlier_usd", "cap_usd"),
    [
        (0, 900),  # 30 % of the target of 3 000
        (1_000, 900),
        (7_000, 3_000),  # 3 000 of 10 000 are 30 %
        (-500, 900),
    ],
)
def test_the_most_a_day_may_earn(earlier_usd, cap_usd):
    rule = Consistency(best_day_ppm=300_000)
    run = Run(pack(rule, profit_target_uusd=3_000 * USD)).step(earlier_usd)
    run.tripped.clear()
    run.next_day()
    assert run.step(cap_usd - 1).tripped == []
    assert run.distance(rule) == 1
    assert run.step(cap_usd).tripped == ["RULE_CONSISTENCY"]


def test_flat_by_ends_entries_first_and_the_position_later():
    rules = pack(FlatBy(minute_et=15 * 60 + 45, lead_min=5, entries_end_min=10))
    state, at_ns = RuleState(pack=rules.identity), OPEN_NS + 375 * NS_PER_MIN  # 15:45
    assert rule_pack.next_clock_ns(rules, DAY, OPEN_NS) == at_ns - 10 * NS_PER_MIN
    state, told = rule_pack.look_at_clock(state, rules, DAY, at_ns - 10 * NS_PER_MIN - 1)
    assert told == ()
    state, told = rule_pack.look_at_clock(state, rules, DAY, at_ns - 10 * NS_PER_MIN)
    assert [(one.rule, one.response) for one in told] == [("RULE_FLAT_BY_ENTRIES", "pause")]
    assert rule_pack.next_clock_ns(rules, DAY, at_ns - 10 * NS_PER_MIN) == at_ns - 5 * NS_PER_MIN
    state, told = rule_pack.look_at_clock(state, rules, DAY, at_ns - 5 * NS_PER_MIN)
    assert [(one.rule, one.response) for one in told] == [("RULE_FLAT_BY", "flatten")]
    assert rule_pack.next_clock_ns(rules, DAY, at_ns) is None


def test_new_york_time_on_a_day_without_rth_is_counted_from_the_globex_open():
    """A trade date begins at 18:00 the evening before: 12:30 is 18.5 hours later."""
    shut = SessionDay(20261126, OPEN_NS, OPEN_NS + 23 * 60 * NS_PER_MIN, None, None)
    rules = pack(FlatBy(minute_et=12 * 60 + 30, lead_min=5, entries_end_min=10))
    assert rule_pack.next_clock_ns(rules, shut, OPEN_NS) == OPEN_NS + (18 * 60 + 30 - 10) * NS_PER_MIN


def test_no_trade_is_begun_whose_stop_would_break_a_rule():
    run = Run(pack(DAILY)).step(-985)
    assert rule_pack.no_room(run.state, run.pack, run.account, 0, 15 * USD) == ["RULE_DAILY_LOSS"]
    assert rule_pack.no_room(run.state, run.pack, run.account, 0, 14 * USD) == []


def test_what_the_bot_earned_before_the_pack_counts_for_nothing():
    account = Account(day_start_uusd=0, week_start_uusd=0, peak_uusd=0, gross_uusd=700 * USD, closed_uusd=300 * USD)
    state = rule_pack.begin(pack(INTRADAY), account, 1)
    assert rule_pack.to_breach_uusd(state, pack(INTRADAY), INTRADAY, account.own_uusd(0) - state.start_uusd) == 2e9


days = st.lists(st.lists(st.integers(-900, 900), min_size=1, max_size=6), min_size=1, max_size=5)


@settings(max_examples=60, deadline=None)
@given(days)
def test_distances_are_those_of_a_plain_account(steps):
    """Each step is a closed trade; balances in dollars, the lines drawn by hand."""
    run = Run(pack(INTRADAY, END_OF_DAY, DAILY))
    balance = START_USD
    high = close_high = balance
    broken = {"RULE_TRAILING_INTRADAY": False, "RULE_TRAILING_END_OF_DAY": False}
    for number, day in enumerate(steps):
        if number:
            close_high = max(close_high, balance)
            run.next_day()
        began = balance
        for total in accumulate(day):
            balance = began + total
            high = max(high, balance)
            run.step(total)
            assert run.distance(INTRADAY) == balance - (high - LIMIT_USD)
            assert run.distance(END_OF_DAY) == balance - (close_high - LIMIT_USD)
            assert run.distance(DAILY) == 1_000 + balance - began
            broken["RULE_TRAILING_INTRADAY"] |= balance <= high - LIMIT_USD
            broken["RULE_TRAILING_END_OF_DAY"] |= balance <= close_high - LIMIT_USD
            names = {trip.rule for trip in run.state.trips}
            assert {name: name in names for name in broken} == broken


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 5_000), min_size=1, max_size=4), min_size=1, max_size=4))
def test_a_profit_never_trips_a_rule_on_losses(steps):
    run = Run(pack(INTRADAY, END_OF_DAY, DAILY))
    for day in steps:
        for total in accumulate(day):
            run.step(total)
        run.next_day()
    assert run.tripped == []


def test_the_state_comes_back_from_bytes():
    run = Run(pack(DAILY, INTRADAY)).step(900).step(-1_100)
    packed = msgspec.msgpack.encode(run.state)
    assert msgspec.msgpack.decode(packed, type=RuleState) == run.state
