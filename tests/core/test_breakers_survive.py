"""SF03, SE08, RK05: a trip outlives its process, also one that died between trip and alert, and ends at its boundary.

Dates by hand: 2026-11-25 is a Wednesday, 26 is Thanksgiving, 27 a half day, 30 the Monday, 2026-12-01 a Tuesday.
"""

from functools import cache

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.handler_world import START_NS, World, of
from tests.engines.cases import candidate
from trading_bot.core import breaking
from trading_bot.core.carried import Carried
from trading_bot.domain import events
from trading_bot.domain.effects import Alert
from trading_bot.domain.events import DecisionMade
from trading_bot.domain.orders import Leg, Side
from trading_bot.domain.trade_events import BreakerChanged
from trading_bot.engines.breaker_table import RULES, Response
from trading_bot.engines.breakers import BreakerState
from trading_bot.engines.position import Position, open_account

DAY_NS = 86_400_000_000_000
FRIDAY, MONDAY, TUESDAY = START_NS + 2 * DAY_NS, START_NS + 5 * DAY_NS, START_NS + 6 * DAY_NS
USD = 1_000_000


def standing(world):
    return {trip.breaker.value for trip in world.state.breakers.trips}


def lose(world, usd, **account):
    """The account has lost so much today; what the core says of it."""
    world.state.account = msgspec.structs.replace(world.state.account, gross_uusd=-usd * USD, **account)
    return breaking.mark(world.state, world.now_ns)


def next_process(world, start_ns):
    """Another process, at another time, with what this one left: through bytes, as the log has it."""
    left = msgspec.msgpack.decode(msgspec.msgpack.encode(world.state.carried()), type=Carried)
    return World(start_ns=start_ns, carried=left)


def told(world, what="BREAKER_RESET"):
    return {alert.text.partition(" ")[0] for alert in of(world.records, Alert) if alert.code == what}


@pytest.mark.parametrize(
    ("usd", "account", "breaker", "still", "over"),
    [
        (300, {}, "DAILY_HALT", START_NS, FRIDAY),
        (0, {"day_high_uusd": 400 * USD}, "INTRADAY_DRAWDOWN", START_NS, FRIDAY),
        (0, {"week_closed_uusd": -1_000 * USD}, "WEEKLY_HALT", FRIDAY, MONDAY),
        (0, {"month_closed_uusd": -1_250 * USD}, "MONTHLY_HALT", MONDAY, TUESDAY),
    ],
)
def test_a_halt_stands_until_its_boundary_whatever_process_sees_it(usd, account, breaker, still, over):
    first = World()
    changes = lose(first, usd, **account)
    tripped = {change.breaker: change for change in of(changes, BreakerChanged)}[breaker]
    assert (tripped.tripped, tripped.ts_ns) == (True, first.now_ns)
    before = next_process(first, still)
    assert breaker in standing(before)
    trip = next(trip for trip in before.state.breakers.trips if trip.breaker == breaker)
    assert (trip.tripped_at_ns, trip.resumes_at_ns, trip.reason) == (
        tripped.ts_ns,
        tripped.resumes_at_ns,
        tripped.reason,
    )
    decision = of(before.fire(candidate()), DecisionMade)[0]
    assert (decision.action, decision.reason) == ("SKIP", "BREAKER")
    after = next_process(before, over)
    assert breaker not in standing(after)
    assert breaker in told(after), "a reset is told"


def test_what_only_a_person_ends_outlives_every_boundary():
    first = World()
    lose(first, 0, peak_uusd=12_000 * USD)
    assert "DRAWDOWN_HALT" in standing(first)
    assert "DRAWDOWN_HALT" in standing(next_process(next_process(first, MONDAY), TUESDAY))


def test_the_week_goes_on_over_a_holiday_and_anew_on_monday():
    """RK05: what was lost on Wednesday counts on Friday and not on Monday; the month goes on."""
    first = World()
    lose(first, 100)
    friday = next_process(first, FRIDAY)
    account = friday.state.account
    assert (account.net_uusd, account.week_uusd(0), account.month_uusd(0)) == (0, -100 * USD, -100 * USD)
    monday = next_process(friday, MONDAY).state.account
    assert (monday.week_uusd(0), monday.month_uusd(0)) == (0, -100 * USD)
    assert monday.week_start_uusd == 9_900 * USD
    tuesday = next_process(next_process(friday, MONDAY), TUESDAY).state.account
    assert (tuesday.week_uusd(0), tuesday.month_uusd(0), tuesday.month_base_uusd) == (0, 0, 9_900 * USD)


def tripping_fill(world):
    """A position whose fill loses 300 and trips the halt of the day: alert, cancels, the way to flat."""
    world.hold(1)
    world.state.account = msgspec.structs.replace(world.state.account, gross_uusd=-295 * USD)
    return world.fill(Leg.STOP, Side.SELL, 1, 23_993)


def test_a_process_that_dies_between_trip_and_alert_tells_it_after_its_restart():
    world = World()
    results = tripping_fill(world)
    changed = [index for index, result in enumerate(results) if isinstance(result, BreakerChanged)]
    halt = next(index for index in changed if results[index].breaker == "DAILY_HALT")
    for kept in (halt, halt + 1):  # before the record of the trip, and between it and its alert
        world = World()
        results = tripping_fill(world)
        world.machine.abandoned(tuple(results), kept)
        again = world.apply(events.EffectsAbandoned(ts_ns=world.now_ns, cause_seq=world.seq, kept=kept))
        alerts = [alert for alert in of(again, Alert) if alert.text.startswith("DAILY_HALT tripped")]
        assert [(alert.level, alert.code) for alert in alerts] == [("error", "BREAKER_TRIPPED")]
        recorded = [change for change in of(again, BreakerChanged) if change.breaker == "DAILY_HALT"]
        assert len(recorded) == (1 if kept == halt else 0)
        for change in recorded:  # a later process that begins cold reads the trip from here
            ledger = msgspec.msgpack.decode(change.ledger)
            assert "DAILY_HALT" in [trip["breaker"] for trip in ledger["breakers"]["trips"]]


def test_every_trip_and_every_reset_is_told_with_its_level():
    level = {Response.ALERT: "warning", Response.REDUCE: "warning", Response.PAUSE: "warning", Response.HALT: "error"}
    world = World()
    results = lose(world, 300)
    for change in of(results, BreakerChanged):
        alert = next(alert for alert in of(results, Alert) if alert.text.startswith(f"{change.breaker} tripped"))
        assert alert.level == level[Response[change.response]]
    assert {change.breaker for change in of(results, BreakerChanged)} >= {"DAILY_ALERT", "DAILY_REDUCE", "DAILY_HALT"}
    assert len(RULES) == 13


@pytest.mark.parametrize("equity_usd", [5_000, 20_000])
def test_a_deposit_in_the_middle_of_a_day_moves_no_breaker(equity_usd):
    """The broker's equity is read once a day: what came or went since is not ours (specification 8.2)."""
    world = World()
    lose(world, 140)
    before = (standing(world), world.state.account)
    world.apply(
        events.AccountSnapshot(
            ts_ns=world.now_ns,
            account="",
            equity_uusd=equity_usd * USD,
            margin_free_uusd=equity_usd * USD,
            assumed=True,
        )
    )
    assert (standing(world), world.state.account) == before


@pytest.mark.parametrize("bid", [23_000, 25_000])
def test_somebody_elses_position_moves_no_breaker(bid):
    """What it cost is not known here: whatever it gains or loses, it is no result of ours (specification 8.2)."""
    world = World()
    account = world.state.account
    world.state.position = Position(5)  # contracts without a lot: the broker's, not ours
    changes = breaking.mark(world.state, world.now_ns)
    world.quote(world.now_ns + 1_000_000_000, bid=bid)
    changes += breaking.mark(world.state, world.now_ns)
    assert not of(changes, BreakerChanged)
    assert world.state.account == account


@given(st.lists(st.tuples(st.integers(-400, 800), st.integers(0, 600)), min_size=1, max_size=30))
def test_a_profit_trips_nothing_in_the_loop(days):
    """From any history: a look after the result became better trips nothing that had not tripped."""
    world = plain_world()
    world.state.breakers, world.state.account = BreakerState(), open_account(10_000 * USD)
    for loss, profit in days:
        world.state.account = msgspec.structs.replace(world.state.account, gross_uusd=-loss * USD)
        breaking.mark(world.state, world.now_ns)
        before = standing(world)
        world.state.account = msgspec.structs.replace(world.state.account, gross_uusd=(profit - loss) * USD)
        changes = breaking.mark(world.state, world.now_ns)
        assert not [change for change in of(changes, BreakerChanged) if change.tripped]
        assert standing(world) <= before


@cache
def plain_world():
    return World()
