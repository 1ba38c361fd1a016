"""SF07: whatever closes the gate of entries, every way out passes; SF08: silence and errors stop entries, not exits."""

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.architecture.sources import PACKAGE
from tests.core.handler_world import HELD, START_NS, World, of, only
from tests.engines.cases import candidate
from trading_bot.domain import events
from trading_bot.domain.broker_events import BrokerNotice
from trading_bot.domain.effects import Alert, PlaceExit, PlaceOrder
from trading_bot.domain.kernel import Outcome
from trading_bot.domain.orders import Leg
from trading_bot.domain.reasons import SafetyCheck
from trading_bot.domain.trade_events import BreakerChanged
from trading_bot.domain.units import NS_PER_MIN, NS_PER_S
from trading_bot.engines import breakers
from trading_bot.engines.breaker_table import Breaker
from trading_bot.engines.breakers import BreakerState, Trip
from trading_bot.engines.session import SessionState

LATE_NS = START_NS + 374 * NS_PER_MIN  # 15:54 ET


def _spend(state):
    state.budgets = type(state.budgets)(attempts_day=10_000, entries_day=1_000, fees_day_uusd=10**12)


def _trip(breaker):
    def trip(state):
        trips = (*state.breakers.trips, Trip(breaker, START_NS, START_NS + 10**15, "test"))
        state.breakers = BreakerState(trips=tuple(sorted(trips, key=lambda row: list(Breaker).index(row.breaker))))

    return trip


def _set(**values):
    def change(state):
        for name, value in values.items():
            setattr(state, name, value)

    return change


def _slow(state):
    state.measured = type(state.measured)()
    state.latency = events.LatencySampled(ts_ns=START_NS, decision_us_p99=1e9, loop_lag_us_max=1e9)


# What closes the gate at each of its numbers, in the world of the core.
CLOSES = {
    SafetyCheck.KILL_SWITCH: _set(kill_reason="smoke"),
    SafetyCheck.RECOVERY: _set(reconciled=False),
    SafetyCheck.LINK: _set(link_up=False, data_type=3),
    SafetyCheck.ACCOUNT: _set(account_problem="another account", equity_uusd=None),
    SafetyCheck.INSTRUMENT: _set(contract_problem="another contract"),
    SafetyCheck.POSITION: lambda _: None,  # a position is open: no room for another
    SafetyCheck.ORDER_SIZE: lambda _: None,
    SafetyCheck.TRADE_RISK: lambda _: None,
    SafetyCheck.OPEN_RISK: lambda _: None,
    SafetyCheck.MARGIN: _set(margin_used_uusd=10**15),
    SafetyCheck.DAILY_LOSS: _trip(Breaker.DAILY_HALT),
    SafetyCheck.WEEKLY_LOSS: _trip(Breaker.WEEKLY_HALT),
    SafetyCheck.DRAWDOWN: _trip(Breaker.DRAWDOWN_HALT),
    SafetyCheck.BREAKER: _trip(Breaker.LOSSES_IN_ROW),
    SafetyCheck.BUDGET: _spend,
    SafetyCheck.PRICE: lambda _: None,
    SafetyCheck.SPREAD: lambda _: None,
    SafetyCheck.SESSION: _set(session_state=SessionState.CLOSED),
    SafetyCheck.EXPIRY: _set(expiry=20261125),
    SafetyCheck.DUPLICATE: _set(last_entry=None),
    SafetyCheck.LATENCY: _slow,
}


def kill(world):
    return world.apply(events.KillRequested(ts_ns=world.now_ns, reason="test", source="cli"))


def by_hand(world):
    return world.apply(events.FlattenRequested(ts_ns=world.now_ns, reason="test", source="cli"))


def stop(world):
    return world.apply(events.StopRequested(ts_ns=world.now_ns, reason="DURATION"))


def time_exit(world):
    return world.fire(code=Outcome.EXIT, exit_mask=4)


def session_end(world):
    """15:55 ET."""
    return world.advance(LATE_NS + NS_PER_MIN)


WAYS = [kill, by_hand, stop, time_exit, session_end]


def leaves(world, way):
    """Whether the exit of the position leaves: what stood in its way, the target, is withdrawn first."""
    before = len(world.records)
    world.state.kill_reason = None if way is kill else world.state.kill_reason
    way(world)
    if not of(world.records[before:], PlaceExit):
        world.apply(events.OrderCancelled(ts_ns=world.now_ns, order_id=HELD, leg=Leg.TARGET))
    return bool(of(world.records[before:], PlaceExit))


@pytest.mark.parametrize("way", WAYS)
def test_with_every_gate_closed_at_once_every_way_out_is_open(way):
    world = World(start_ns=LATE_NS)
    world.hold(1, hold_s=0 if way is time_exit else 3600 * 24)
    for close in CLOSES.values():
        close(world.state)
    assert leaves(world, way)


def test_every_number_of_the_gate_is_closed_here():
    assert list(CLOSES) == list(SafetyCheck)


@settings(max_examples=25, deadline=None)
@given(
    closed=st.sets(st.sampled_from(SafetyCheck), max_size=21), way=st.sampled_from(WAYS), side=st.sampled_from([1, -1])
)
def test_no_set_of_closed_gates_stops_a_way_out(closed, way, side):
    world = World(start_ns=LATE_NS)
    world.hold(side, hold_s=0 if way is time_exit else 3600 * 24)
    for check in closed:
        CLOSES[check](world.state)
    assert leaves(world, way)


# The modules an exit goes through; none of them knows the gate, or the decision.
WAY_OUT = ("leaving", "flattening", "stopping", "exit_watch", "after_fill", "carrier")


@pytest.mark.parametrize("module", WAY_OUT)
def test_no_module_on_the_way_out_knows_the_gate(module):
    text = (PACKAGE / "core" / f"{module}.py").read_text()
    imported = {
        alias.name if isinstance(node, ast.Import) else f"{node.module}.{alias.name}"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert not [name for name in imported if any(part in name for part in ("safety_gate", "decision_v2", "on_outcome"))]
    assert ".gate" not in text


class TestSilence:
    """Ten seconds without a frame in an open session (specification 8.2)."""

    def test_it_stops_entries_and_ends_with_the_next_frame(self):
        world = World()
        assert not of(world.advance(START_NS + 10 * NS_PER_S - 1), BreakerChanged)
        (tripped,) = of(world.advance(START_NS + 11 * NS_PER_S), BreakerChanged)
        assert (tripped.breaker, tripped.response, tripped.tripped) == ("STALE_DATA", "PAUSE", True)
        assert only(world.fire(candidate()), events.DecisionMade).reason == "BREAKER"
        changes = of(world.quotes(START_NS + 12 * NS_PER_S, START_NS + 15 * NS_PER_S), BreakerChanged)
        assert [(row.breaker, row.tripped) for row in changes] == [("STALE_DATA", False)]

    def test_the_position_is_left_all_the_same(self):
        world = World()
        world.hold(1)
        world.advance(START_NS + 11 * NS_PER_S)
        assert Breaker.STALE_DATA in breakers.verdict(world.state.breakers).blocking
        assert leaves(world, by_hand)


class TestErrors:
    """Five errors of class ERROR within a minute; notices are none."""

    @staticmethod
    def told(world, error, count=5, step_s=10):
        records = []
        for number in range(count):
            at_ns = START_NS + number * step_s * NS_PER_S
            world.quote(at_ns)
            records += world.apply(BrokerNotice(ts_ns=at_ns, code=321, text="x", error=error))
        return of(records, BreakerChanged)

    def test_five_pause(self):
        world = World()
        (tripped,) = self.told(world, True)
        assert (tripped.breaker, tripped.resumes_at_ns) == ("BROKER_ERRORS", START_NS + 340 * NS_PER_S)
        assert not of(world.fire(candidate()), PlaceOrder)
        world.hold(1)
        assert leaves(world, by_hand)

    def test_notices_and_four_do_not(self):
        assert self.told(World(), False) == []
        assert self.told(World(), True, count=4) == []
        assert self.told(World(), True, count=5, step_s=15) == []  # the first is a minute old


def test_a_refused_entry_leaves_the_exits_alone():
    world = World()
    world.hold(1)
    results = world.fire(candidate(), code=Outcome.CANDIDATE)
    assert only(results, events.DecisionMade).reason == "POSITION_OPEN"
    assert not of(results, Alert)
    assert leaves(world, stop)
