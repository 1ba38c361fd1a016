"""Breakers (specification 8.2, 8.5; RK04 to RK09, SF03, SF08, SF11). The account starts with 10 000 dollars."""

import json
from datetime import date, timedelta
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_bot.domain.breaker_config import ASSUMED, BreakerConfig
from trading_bot.domain.errors import DataCorrupt, UsageError
from trading_bot.domain.units import TS_NEVER_NS
from trading_bot.engines import breakers
from trading_bot.engines.breaker_table import (
    RULES,
    Breaker,
    DayBounds,
    Money,
    Reset,
    Response,
    day_bounds,
    entry_limits,
    reaches,
    week_of,
)
from trading_bot.engines.breakers import BreakerState
from trading_bot.engines.position import Account, next_day, open_account
from trading_bot.engines.position import marked as mark_account
from trading_bot.engines.session_table import SessionDay

USD = 1_000_000
S = 1_000_000_000
MIN = 60 * S
HOUR = 60 * MIN
NOON = 1_000 * HOUR
BOUNDS = DayBounds(day_end_ns=NOON + 10 * HOUR, week_end_ns=NOON + 80 * HOUR)
CONFIG = BreakerConfig()
CONSERVATIVE = BreakerConfig(losses_in_row_max=2, losses_pause_min=120)
FRESH = BreakerState()


def money(net=0, unrealised=0, worst=None, *, start=10_000, peak=None, week=0, full_stop=15):
    account = Account(
        day_start_uusd=start * USD,
        week_start_uusd=start * USD,
        peak_uusd=max(peak or start, start) * USD,
        gross_uusd=round(net * USD),
        week_closed_uusd=week * USD,
    )
    return Money(
        account=account,
        unrealised_uusd=round(unrealised * USD),
        worst_uusd=None if worst is None else round(worst * USD),
        full_stop_uusd=full_stop * USD,
    )


def marked(state, ts_ns, *args, config=CONFIG, **kwargs):
    return breakers.mark(state, config, BOUNDS, ts_ns, money(*args, **kwargs))


def tripped(state):
    return [trip.breaker for trip in state.trips]


# RAPID_LOSS would trip with most of the ladder; a wide limit keeps it out of the tests that are not about it.
SLOW = BreakerConfig(rapid_loss_stops=100)
# The drawdown of the day is measured at the mark and not at the stops: a test of its own.
LADDER = BreakerConfig(rapid_loss_stops=100, intraday_drawdown_pct=15)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (99.99, []),
        (100, ["DAILY_ALERT"]),
        (149.99, ["DAILY_ALERT"]),
        (150, ["DAILY_ALERT", "DAILY_REDUCE"]),
        (299.99, ["DAILY_ALERT", "DAILY_REDUCE"]),
        (300, ["DAILY_ALERT", "DAILY_REDUCE", "DAILY_HALT"]),
        (499.99, ["DAILY_ALERT", "DAILY_REDUCE", "DAILY_HALT"]),
        (500, ["DAILY_ALERT", "DAILY_REDUCE", "DAILY_HALT", "DAILY_OUTER"]),
    ],
)
def test_the_ladder_of_the_day(loss, expected):
    """1 % alert, 1.5 % half size, 3 % halt and flatten, 5 % outer limit; realised, unrealised or at the stops."""
    for split in (
        (-loss, 0, None),
        (0, -loss, None),
        (50 - loss, -50, None),
        (20 - loss, 30, -20),
        (0, 0, -loss),
        (0, -loss, -5),
    ):
        state, told = marked(FRESH, NOON, *split, config=LADDER)
        assert tripped(state) == expected, split
        assert [(change.breaker.value, change.tripped) for change in told] == [(name, True) for name in expected]


def test_an_account_without_money_trips_on_losses_only():
    assert tripped(marked(FRESH, NOON, start=0, full_stop=0)[0]) == []
    assert tripped(marked(FRESH, NOON, 5, start=-10, full_stop=0)[0]) == []
    assert Breaker.DAILY_HALT in tripped(marked(FRESH, NOON, -0.01, start=0)[0])


def test_what_each_rung_asks_for():
    asked = {loss: breakers.verdict(marked(FRESH, NOON, -loss)[0]) for loss in (100, 150, 300, 500)}
    assert asked[100] == breakers.Verdict((), reduced=False, flatten=False, kill=False)
    assert asked[150] == breakers.Verdict((), reduced=True, flatten=False, kill=False)
    assert asked[300] == breakers.Verdict((Breaker.DAILY_HALT,), reduced=True, flatten=True, kill=False)
    assert asked[500].kill
    assert breakers.verdict(FRESH) == breakers.Verdict((), reduced=False, flatten=False, kill=False)


def test_half_of_one_lot_is_one_entry_an_hour_at_twice_the_least_utility():
    reduced = breakers.verdict(marked(FRESH, NOON, -150)[0])
    assert breakers.entry_terms(CONFIG, reduced, 1) == breakers.EntryTerms(1, 1, 2_000_000)
    assert breakers.entry_terms(CONFIG, reduced, 3) == breakers.EntryTerms(1, None, 1_000_000)
    assert breakers.entry_terms(CONFIG, breakers.verdict(FRESH), 1) == breakers.EntryTerms(1, None, 1_000_000)


def test_a_halt_of_the_day_ends_with_the_day():
    state, _ = marked(FRESH, NOON, -300)
    halt = next(trip for trip in state.trips if trip.breaker is Breaker.DAILY_HALT)
    assert (halt.tripped_at_ns, halt.resumes_at_ns) == (NOON, BOUNDS.day_end_ns)
    assert breakers.next_resume_ns(state) == BOUNDS.day_end_ns
    still, told = breakers.expire(state, BOUNDS.day_end_ns - 1)
    assert (still, told) == (state, ())
    over, told = breakers.expire(state, BOUNDS.day_end_ns)
    assert Breaker.DAILY_HALT not in tripped(over)
    assert [(change.breaker, change.tripped) for change in told] == [(Breaker.DAILY_HALT, False)]
    # Winning the money back does not end it.
    assert Breaker.DAILY_HALT in tripped(marked(state, NOON + HOUR, 100)[0])


def test_a_halt_at_the_end_of_the_calendar_has_no_timer():
    ends = DayBounds(TS_NEVER_NS, TS_NEVER_NS)
    state, _ = breakers.mark(FRESH, SLOW, ends, NOON, money(-300))
    assert Breaker.DAILY_HALT in tripped(state)
    assert breakers.next_resume_ns(state) is None


def test_a_reduction_needs_time_and_recovery():
    """RK07. Half of 1.5 % of 10 000 is 75 dollars."""
    state, _ = marked(FRESH, NOON, -150, config=SLOW)
    hour = NOON + 60 * MIN
    assert Breaker.DAILY_REDUCE in tripped(marked(state, hour - 1, 0, config=SLOW)[0])
    assert Breaker.DAILY_REDUCE in tripped(marked(state, hour, -75.01, config=SLOW)[0])
    after, told = marked(state, hour, -75, config=SLOW)
    assert tripped(after) == [Breaker.DAILY_ALERT]
    assert [(change.breaker, change.tripped) for change in told] == [(Breaker.DAILY_REDUCE, False)]


def test_the_week_halts_until_monday():
    state, told = marked(FRESH, NOON, -50, week=-950)
    assert told[-1].breaker is Breaker.WEEKLY_HALT
    assert told[-1].resumes_at_ns == BOUNDS.week_end_ns
    assert breakers.verdict(state).flatten
    assert tripped(marked(FRESH, NOON, -49.99, week=-950)[0]) == []
    assert tripped(marked(FRESH, NOON, -40, worst=-10, week=-950)[0]) == [Breaker.WEEKLY_HALT]


def test_the_month_halts_until_the_next():
    """RK05: 12.5 % of what the month began with, whatever weeks it is spread over."""
    bounds = DayBounds(BOUNDS.day_end_ns, BOUNDS.week_end_ns, NOON + 400 * HOUR)
    account = Account(
        day_start_uusd=9_000 * USD,
        week_start_uusd=9_000 * USD,
        month_start_uusd=10_000 * USD,
        peak_uusd=9_000 * USD,
        month_closed_uusd=-1_200 * USD,
        gross_uusd=-49 * USD,
    )
    assert tripped(breakers.mark(FRESH, CONFIG, bounds, NOON, Money(account=account))[0]) == []
    lost = Money(account=msgspec.structs.replace(account, gross_uusd=-50 * USD))
    state, told = breakers.mark(FRESH, CONFIG, bounds, NOON, lost)
    assert [(change.breaker, change.resumes_at_ns) for change in told] == [(Breaker.MONTHLY_HALT, NOON + 400 * HOUR)]
    assert breakers.verdict(state).flatten
    assert tripped(breakers.expire(state, NOON + 400 * HOUR - 1)[0]) == [Breaker.MONTHLY_HALT]
    assert tripped(breakers.expire(state, NOON + 400 * HOUR)[0]) == []


def test_the_day_ends_where_its_best_result_is_given_back():
    """RK06: 4 % of the day's start below its high, 700 up and back to 300, though the day is won."""
    up = day_account(700)
    assert up.day_high_uusd == 700 * USD
    for result, expected in ((300.01, []), (300, [Breaker.INTRADAY_DRAWDOWN])):
        given_back = msgspec.structs.replace(up, gross_uusd=round(result * USD))
        state, _ = breakers.mark(FRESH, SLOW, BOUNDS, NOON, Money(account=given_back))
        assert tripped(state) == expected
    assert state.trips[0].resumes_at_ns == BOUNDS.day_end_ns
    # At the mark, not at the stops; and a high is one of closed and open result together.
    unhit = Money(account=up, unrealised_uusd=0, worst_uusd=-500 * USD)
    assert Breaker.INTRADAY_DRAWDOWN not in tripped(breakers.mark(FRESH, SLOW, BOUNDS, NOON, unhit)[0])
    open_high = marked_account(day_account(0), 700)
    assert open_high.day_high_uusd == 700 * USD
    # The next day has a high of its own.
    assert next_day(open_high, 10_700 * USD, new_week=False).day_high_uusd == 0


def day_account(result):
    """An account of 10 000 that has earned `result` today, at its high."""
    account = msgspec.structs.replace(open_account(10_000 * USD), gross_uusd=result * USD)
    return marked_account(account, 0)


def marked_account(account, unrealised):
    return mark_account(account, unrealised * USD)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(-300, 300)), min_size=1, max_size=40), st.integers(20260101, 20260128)
)
def test_the_month_is_the_sum_of_its_days(days, first):
    """Whatever weeks they fall into: the month's result is its days' results, and its base is where it began."""
    account, total = msgspec.structs.replace(open_account(10_000 * USD)), 0
    for new_week, result in days:
        account = msgspec.structs.replace(account, gross_uusd=result * USD)
        total += result
        assert account.month_uusd(0) == total * USD
        assert account.month_base_uusd == 10_000 * USD
        account = next_day(account, account.equity_uusd(0) + first, new_week=new_week)
    rolled = next_day(account, 7_000 * USD, new_week=False, new_month=True)
    assert (rolled.month_uusd(0), rolled.month_base_uusd) == (0, 7_000 * USD)


def test_a_ledger_without_a_month_began_it_with_its_week():
    old = Account(day_start_uusd=1, week_start_uusd=9_000 * USD, peak_uusd=1)
    assert old.month_base_uusd == 9_000 * USD


@pytest.mark.parametrize(
    ("equity", "expected"), [(9_001, []), (9_000, ["DRAWDOWN_ALERT"]), (8_500, ["DRAWDOWN_ALERT", "DRAWDOWN_HALT"])]
)
def test_drawdown_is_measured_from_the_peak(equity, expected):
    state, _ = marked(FRESH, NOON, start=equity, peak=10_000)
    assert tripped(state) == expected
    assert breakers.verdict(state).flatten is ("DRAWDOWN_HALT" in expected)


def test_a_stop_that_is_not_hit_is_no_drawdown():
    assert tripped(marked(FRESH, NOON, worst=-15, start=9_001, peak=10_000)[0]) == []


def test_only_a_person_ends_a_drawdown_halt_and_says_why():
    state, _ = marked(FRESH, NOON, start=8_500, peak=10_000)
    assert Breaker.DRAWDOWN_HALT in tripped(breakers.expire(state, TS_NEVER_NS)[0])
    with pytest.raises(UsageError, match="needs a reason"):
        breakers.clear(state, NOON, Breaker.DRAWDOWN_HALT, "  ")
    with pytest.raises(UsageError, match="not tripped; tripped are: DRAWDOWN_ALERT, DRAWDOWN_HALT"):
        breakers.clear(state, NOON, Breaker.DAILY_OUTER, "x")
    with pytest.raises(UsageError, match="not by a person"):
        breakers.clear(state, NOON, Breaker.DRAWDOWN_ALERT, "x")
    cleared, told = breakers.clear(state, NOON, Breaker.DRAWDOWN_HALT, "new capital plan")
    assert tripped(cleared) == [Breaker.DRAWDOWN_ALERT]
    assert (told[0].reason, told[0].tripped) == ("new capital plan", False)
    # Without a rebased peak its cause lasts.
    assert Breaker.DRAWDOWN_HALT in tripped(marked(cleared, NOON + S, start=8_500, peak=10_000)[0])
    assert Breaker.DRAWDOWN_HALT not in tripped(marked(cleared, NOON + S, start=8_500)[0])


@pytest.mark.parametrize(
    ("start", "full_stop", "fall", "trips"),
    [
        (10_000, 15, 99.99, False),  # 1 % is 100, 2.5 × 15 is 37.50
        (10_000, 15, 100, True),
        (1_000, 12, 29.99, False),  # 1 % is 10, 2.5 × 12 is 30
        (1_000, 12, 30, True),
    ],
)
def test_a_rapid_loss_pauses_half_an_hour(start, full_stop, fall, trips):
    state, _ = marked(FRESH, NOON, 40, start=start, full_stop=full_stop)
    state, told = marked(state, NOON + 5 * MIN, 40 - fall, start=start, full_stop=full_stop)
    rapid = [change for change in told if change.breaker is Breaker.RAPID_LOSS]
    assert bool(rapid) is trips
    if trips:
        assert rapid[0].resumes_at_ns == NOON + 35 * MIN
        assert Breaker.RAPID_LOSS in breakers.verdict(state).blocking
        assert not breakers.verdict(state).flatten
        assert Breaker.RAPID_LOSS not in tripped(breakers.expire(state, NOON + 35 * MIN)[0])


def test_a_loss_slower_than_the_window_is_not_rapid():
    state, _ = marked(FRESH, NOON, 60)
    state, _ = marked(state, NOON + 5 * MIN + 1, -40)
    assert Breaker.RAPID_LOSS not in tripped(state)


def test_a_point_swallowed_by_its_second_is_still_covered():
    """At 0 s +1, at .5 s 0, at 300.2 s -100: the 100 lost since .5 s lie within 5 minutes."""
    state, _ = marked(FRESH, NOON, 1)
    state, _ = marked(state, NOON + S // 2, 0)
    assert len(state.curve) == 1
    state, _ = marked(state, NOON + 300 * S + S // 5, -100)
    assert Breaker.RAPID_LOSS in tripped(state)


def test_the_rapid_loss_sees_across_a_day_roll_and_not_a_deposit():
    account = open_account(10_000 * USD)
    state, _ = breakers.mark(FRESH, CONFIG, BOUNDS, NOON, Money(account=account))
    richer = next_day(account, 5_000 * USD, new_week=False)
    state, told = breakers.mark(state, CONFIG, BOUNDS, NOON + S, Money(account=richer))
    assert (tripped(state), told) == ([], ())


@given(
    st.lists(st.tuples(st.integers(1, 90), st.integers(-150, 150)), min_size=1, max_size=60),
)
def test_the_window_is_the_brute_force_one(steps):
    """Steps of whole seconds; a limit of 1 % of 10 000."""
    state, at, points = FRESH, NOON, []
    for seconds, own in steps:
        at += seconds * S
        points.append((at, own))
        before = Breaker.RAPID_LOSS in tripped(state)
        expired = [trip for trip in state.trips if trip.breaker is Breaker.RAPID_LOSS and trip.resumes_at_ns <= at]
        state, _ = marked(state, at, own, full_stop=0)
        fall = max(value for when, value in points if when >= at - 300 * S) - own
        due = fall >= 100
        stood = before and not expired
        assert (Breaker.RAPID_LOSS in tripped(state)) is (stood or due)


@given(st.lists(st.tuples(st.integers(1, 3 * S), st.integers(-150, 150)), min_size=1, max_size=400))
def test_the_window_is_never_shorter_and_at_most_a_second_longer(steps):
    state, at, points = FRESH, NOON, []
    for gap, own in steps:
        at += gap
        points.append((at, own))
        state, _ = marked(msgspec.structs.replace(state, trips=()), at, own, full_stop=0)
        falls = [max(v for t, v in points if t >= at - 300 * S - extra) - own for extra in (0, S)]
        assert (falls[0] >= 100) <= (Breaker.RAPID_LOSS in tripped(state)) <= (falls[1] >= 100)
        assert len(state.curve) <= 302
        assert all(a[0] < b[0] and a[1] > b[1] for a, b in pairwise(state.curve))


def test_consecutive_losses_pause_by_profile():
    """Scalper: 4 losses, 20 minutes. Conservative: 2, 120 minutes [U]."""
    for config, count, minutes in ((CONFIG, 4, 20), (CONSERVATIVE, 2, 120)):
        state = FRESH
        for number in range(1, count + 1):
            assert tripped(state) == []
            state, told = breakers.trade_closed(state, config, NOON + number, -2 * USD)
        assert tripped(state) == [Breaker.LOSSES_IN_ROW]
        assert told[0].resumes_at_ns == NOON + count + minutes * MIN
        assert breakers.verdict(state).blocking == (Breaker.LOSSES_IN_ROW,)
        assert state.losses_in_row == 0
        assert tripped(breakers.expire(state, told[0].resumes_at_ns)[0]) == []


def test_a_win_after_costs_ends_a_row_of_losses():
    state = FRESH
    for net in (-1, -1, -1, 1, -1, -1, -1):
        state, _ = breakers.trade_closed(state, CONFIG, NOON, net)
    assert (tripped(state), state.losses_in_row) == ([], 3)
    # Nothing won is no win (specification 9: a win is a net result above 0).
    assert tripped(breakers.trade_closed(state, CONFIG, NOON, 0)[0]) == [Breaker.LOSSES_IN_ROW]


def test_five_broker_errors_in_a_minute_pause():
    state = FRESH
    for number in range(4):
        state, told = breakers.broker_error(state, CONFIG, NOON + number * 15 * S)
        assert told == ()
    assert tripped(breakers.broker_error(state, CONFIG, NOON + MIN)[0]) == []  # the first is a minute old
    state, told = breakers.broker_error(state, CONFIG, NOON + MIN - 1)
    assert (told[0].breaker, told[0].resumes_at_ns) == (Breaker.BROKER_ERRORS, NOON + MIN - 1 + 5 * MIN)


def test_stale_data_pause_until_they_flow():
    state, told = breakers.data_age(FRESH, CONFIG, NOON, 10 * S - 1, session_open=True)
    assert told == ()
    assert breakers.data_age(FRESH, CONFIG, NOON, 99 * S, session_open=False) == (FRESH, ())
    state, told = breakers.data_age(FRESH, CONFIG, NOON, 10 * S, session_open=True)
    assert (told[0].breaker, told[0].resumes_at_ns) == (Breaker.STALE_DATA, TS_NEVER_NS)
    again, told = breakers.data_age(state, CONFIG, NOON + S, 11 * S, session_open=True)
    assert (again, told) == (state, ())
    flowing, told = breakers.data_age(state, CONFIG, NOON + 2 * S, 0, session_open=True)
    assert (tripped(flowing), told[0].tripped) == ([], False)
    assert breakers.next_resume_ns(state) is None


def test_an_order_whose_worst_case_reaches_a_halt_is_refused():
    """Safety gate, checks 11 to 13: 3 % of the day is 300, 10 % of the week 1000, 15 % below the peak 1500."""

    def refused(config, lost, risk_uusd):
        return tuple(rule.breaker for rule, ppm in entry_limits(config) if reaches(rule, ppm, lost, risk_uusd))

    assert refused(CONFIG, money(-285.01), 15 * USD) == (Breaker.DAILY_HALT,)
    assert refused(CONFIG, money(-284.99), 15 * USD) == ()
    assert refused(CONFIG, money(-270, 0, -15), 15 * USD) == (Breaker.DAILY_HALT,)
    assert refused(CONFIG, money(-5, week=-980), 15 * USD) == (Breaker.WEEKLY_HALT,)
    assert refused(CONFIG, money(start=8_515, peak=10_000), 15 * USD) == (Breaker.DRAWDOWN_HALT,)
    assert refused(CONFIG, money(start=8_516, peak=10_000), 15 * USD) == ()


@given(
    st.integers(-600, 600), st.integers(-100, 100), st.integers(-100, 0), st.integers(0, 500), st.integers(0, 10**10)
)
def test_a_profit_never_trips(net, unrealised, worst, profit, later):
    """From any state: a better result, realised or at the mark and at the stops, trips nothing that had not tripped."""
    before, _ = marked(FRESH, NOON, net, unrealised, unrealised + worst)
    for better in ((net + profit, unrealised), (net, unrealised + profit)):
        after, told = marked(before, NOON + later, better[0], better[1], better[1] + worst)
        assert not [change for change in told if change.tripped]
        assert {trip.breaker for trip in after.trips} <= {trip.breaker for trip in before.trips}
    won, told = breakers.trade_closed(before, CONFIG, NOON + later, profit + 1)
    assert (told, won.losses_in_row) == ((), 0)


@given(st.integers(-3_000, 3_000), st.integers(1, 100_000))
def test_money_from_outside_moves_nothing(result, deposit):
    """After a transfer over night, from a thousandth to a hundredfold, the same breakers trip."""
    account = Account(
        day_start_uusd=10_000 * USD, week_start_uusd=10_000 * USD, peak_uusd=11_000 * USD, gross_uusd=result * USD
    )
    equity = account.equity_uusd(0)
    kept = next_day(account, equity, new_week=True)
    moved = next_day(account, equity * deposit // 1_000 + 1, new_week=True)
    if equity <= 0 or moved.day_start_uusd <= 0:
        return
    drawdowns = {Breaker.DRAWDOWN_ALERT, Breaker.DRAWDOWN_HALT}
    first = set(tripped(breakers.mark(FRESH, CONFIG, BOUNDS, NOON, Money(account=kept))[0])) & drawdowns
    second = set(tripped(breakers.mark(FRESH, CONFIG, BOUNDS, NOON, Money(account=moved))[0])) & drawdowns
    # One micro-dollar of rounding stands on the side of caution.
    assert first <= second
    assert (moved.net_uusd, moved.week_uusd(0), moved.own_uusd(0)) == (0, 0, result * USD)


STATES = st.lists(
    st.one_of(
        st.tuples(st.just("mark"), st.integers(-900, 400)),
        st.tuples(st.just("trade"), st.integers(-5, 5)),
        st.tuples(st.just("error"), st.just(0)),
        st.tuples(st.just("age"), st.integers(0, 20)),
        st.tuples(st.just("wait"), st.integers(1, 1_000)),
    ),
    max_size=40,
)


def played(steps):
    state, at, told = FRESH, NOON, []
    for kind, value in steps:
        at += S
        if kind == "mark":
            state, changes = marked(state, at, value)
        elif kind == "trade":
            state, changes = breakers.trade_closed(state, CONFIG, at, value)
        elif kind == "error":
            state, changes = breakers.broker_error(state, CONFIG, at)
        elif kind == "age":
            state, changes = breakers.data_age(state, CONFIG, at, value * S, session_open=True)
        else:
            at += value * MIN
            state, changes = breakers.expire(state, at)
        told += changes
    return state, told


@given(STATES)
def test_the_changes_tell_the_whole_story(steps):
    """Trips and resets, replayed, are the trips that stand; nothing trips twice or resets untripped."""
    state, told = played(steps)
    standing = {}
    for change in told:
        assert (change.breaker in standing) is not change.tripped
        if change.tripped:
            standing[change.breaker] = (change.ts_ns, change.resumes_at_ns, change.reason)
        else:
            del standing[change.breaker]
    assert {trip.breaker: (trip.tripped_at_ns, trip.resumes_at_ns, trip.reason) for trip in state.trips} == standing
    assert tripped(state) == [rule.breaker for rule in RULES if rule.breaker in standing]
    assert len(state.errors_ns) <= 5


@given(STATES)
def test_a_reload_is_exact(steps):
    state, _ = played(steps)
    stored = breakers.to_dict(state)
    assert breakers.from_dict(stored) == state
    assert breakers.from_dict(json.loads(json.dumps(stored))) == state
    assert breakers.from_dict(msgspec.msgpack.decode(msgspec.msgpack.encode(stored))) == state


@pytest.mark.parametrize(
    "damage",
    [
        {"version": 2},
        {"version": None},
        {"surprise": 1},
        {"losses_in_row": "3"},
        {"losses_in_row": -1},
        {"trips": [{"breaker": "DAILY_HALT", "tripped_at_ns": 1, "resumes_at_ns": 2}]},
        {"trips": [{"breaker": "NO_SUCH", "tripped_at_ns": 1, "resumes_at_ns": 2, "reason": ""}]},
        {"trips": [{"breaker": "DAILY_HALT", "tripped_at_ns": 1, "resumes_at_ns": 2, "reason": ""}] * 2},
        {"curve": [[1]]},
    ],
)
def test_a_damaged_state_is_refused_with_its_reason(damage):
    with pytest.raises(DataCorrupt, match="breaker state"):
        breakers.from_dict({**breakers.to_dict(FRESH), **damage})


def test_a_missing_field_is_refused():
    stored = breakers.to_dict(FRESH)
    del stored["curve"]
    with pytest.raises(DataCorrupt, match="rebuild it from the log"):
        breakers.from_dict(stored)


@given(st.integers(0, 40_000))
def test_a_week_is_monday_to_sunday(days):
    day = date(1990, 1, 1) + timedelta(days=days)  # a Monday
    number = int(day.strftime("%Y%m%d"))
    assert week_of(number) - week_of(19900101) == days // 7


def test_bounds_come_from_the_calendar():
    # Thanksgiving week 2026: Friday's session is followed by Monday's, which opens on Sunday.
    opens = {20261127: 1, 20261130: 4, 20261201: 5}
    days = [SessionDay(trade_date, at * S, at * S + 23, None, None) for trade_date, at in opens.items()]
    assert day_bounds(days) == DayBounds(4 * S, 4 * S, 5 * S)
    assert day_bounds(days[1:]) == DayBounds(5 * S, TS_NEVER_NS, 5 * S)
    assert day_bounds(days[2:]) == DayBounds(TS_NEVER_NS, TS_NEVER_NS, TS_NEVER_NS)


def test_the_table_names_every_breaker_once_and_only_people_end_what_only_people_may():
    assert [rule.breaker for rule in RULES] == list(Breaker)
    assert {rule.breaker for rule in RULES if rule.reset is Reset.PERSON} == {
        Breaker.DAILY_OUTER,
        Breaker.DRAWDOWN_HALT,
    }
    assert {rule.breaker for rule in RULES if rule.response >= Response.HALT} == {
        *(Breaker.DAILY_HALT, Breaker.DAILY_OUTER, Breaker.WEEKLY_HALT, Breaker.DRAWDOWN_HALT),
        *(Breaker.MONTHLY_HALT, Breaker.INTRADAY_DRAWDOWN),
    }


def test_the_numbers_are_the_specifications():
    assert (CONFIG.daily_alert_pct, CONFIG.daily_reduce_pct, CONFIG.daily_halt_pct, CONFIG.daily_outer_pct) == (
        1,
        1.5,
        3,
        5,
    )
    assert (CONFIG.weekly_halt_pct, CONFIG.drawdown_alert_pct, CONFIG.drawdown_halt_pct) == (10, 10, 15)
    assert (CONFIG.losses_in_row_max, CONFIG.losses_pause_min) == (4, 20)
    assert (CONFIG.rapid_loss_pct, CONFIG.rapid_loss_stops, CONFIG.rapid_loss_window_s) == (1, 2.5, 300)
    assert (CONFIG.rapid_loss_pause_min, CONFIG.broker_errors_max, CONFIG.stale_data_s) == (30, 5, 10)
    assert (CONFIG.reduced_entries_per_hour, CONFIG.reduced_euc_factor) == (1, 2)
    assert set(ASSUMED) == {
        *("restore_min", "restore_share", "broker_errors_pause_min"),
        *("intraday_drawdown_pct", "monthly_halt_pct"),
    }


@pytest.mark.parametrize("changes", [{"daily_halt_pct": 1.5}, {"daily_outer_pct": 3.0}, {"drawdown_alert_pct": 15.0}])
def test_rungs_out_of_order_are_refused(changes):
    with pytest.raises(ValueError, match="must hold"):
        BreakerConfig(**changes)
