"""NV06 in the core: orders that took too long stop entries, exits are free, and time heals (docs/latency.md)."""

import msgspec
import pytest

from tests.core.broker_world import BrokerWorld, S, real_documents
from tests.core.handler_world import of
from tests.engines.cases import candidate
from trading_bot.domain import log_records
from trading_bot.domain.effects import PlaceOrder
from trading_bot.domain.events import DecisionMade
from trading_bot.domain.latency_events import LatencySummary, OrderTimed
from trading_bot.domain.orders import Leg

MS = 1_000_000
FAST = {"decode_ns": 9_000, "decide_ns": 3_000, "gate_ns": 60_000, "write_ns": 20_000, "ack_ns": 8 * MS}


def documents(speed_e3=1_000, **changes):
    docs = real_documents(speed_e3)
    latency = {"orders_min": 3, "orders_window_s": 20, "ack_p99_ms_max": 500.0} | changes
    config = msgspec.structs.replace(docs.config, latency=msgspec.structs.replace(docs.config.latency, **latency))
    return msgspec.structs.replace(docs, config=config)


def timed(world, count=1, **changes):
    for _ in range(count):
        fields = FAST | {"waited_ns": 12 * S} | changes
        assert world.apply(OrderTimed(ts_ns=world.now_ns, order_id=(1, 0), leg=Leg.ENTRY, **fields)) == []


def decision(world):
    world.episode = getattr(world, "episode", 0) + 1
    world.quotes(world.now_ns + S, world.now_ns + 2 * S)  # past the time in which an entry counts as sent twice
    results = world.fire(candidate(episode=world.episode))
    for placed in of(results, PlaceOrder):
        world.cancelled(placed.order.order_id)
    return of(results, DecisionMade)[-1]


@pytest.fixture
def world():
    return BrokerWorld(documents())


@pytest.mark.parametrize(
    "slow", [{"ack_ns": 501 * MS}, {"gate_ns": 101 * MS}, {"decode_ns": 101 * MS}, {"ack_ns": None}]
)
def test_slow_orders_stop_entries_with_their_reason(world, slow):
    timed(world, 3)
    assert decision(world).action == "ENTER"
    timed(world, **slow)
    told = decision(world)
    assert (told.action, told.reason) == ("SKIP", "SAFETY_GATE_LATENCY")
    assert ("ack p99" if "ack_ns" in slow else "tick to write p99") in told.text


def test_two_orders_are_not_judged(world):
    timed(world, 2, ack_ns=9 * S)
    assert decision(world).action == "ENTER"
    timed(world, ack_ns=MS)
    assert decision(world).reason == "SAFETY_GATE_LATENCY"


def test_what_was_not_measured_is_not_slow(world):
    timed(world, 5, decode_ns=None, decide_ns=None, gate_ns=None)
    assert [stage.stage for stage in world.state.measured.stages] == ["write", "ack"]
    assert decision(world).action == "ENTER"


def test_only_the_window_counts(world):
    timed(world, 3, ack_ns=2 * S)
    world.quotes(world.now_ns + S, world.now_ns + 16 * S)
    world.connect()
    assert decision(world).reason == "SAFETY_GATE_LATENCY"
    world.quotes(world.now_ns + S, world.now_ns + 5 * S)
    world.connect()
    assert decision(world).action == "ENTER"


def test_the_window_is_wall_time():
    """A market twenty times as fast: twenty seconds of the wall are 400 of its own."""
    world = BrokerWorld(documents(20_000))
    timed(world, 3, ack_ns=2 * S)
    world.quotes(world.now_ns + S, world.now_ns + 100 * S)
    world.connect()
    assert decision(world).reason == "SAFETY_GATE_LATENCY"


def test_a_hundred_orders_are_kept(world):
    timed(world, 150)
    assert len(world.state.measured.samples) == 100


def test_a_clock_that_is_off_stops_entries_until_it_is_not(world):
    for low_s, high_s, action in ((6, 7, "SKIP"), (-1, 1, "ENTER"), (-8, -6, "SKIP"), (4, 9, "ENTER")):
        bounds = {"clock_low_ns": low_s * S, "clock_high_ns": high_s * S}
        assert world.apply(LatencySummary(ts_ns=world.now_ns, span_ns=60 * S, stages=(), **bounds)) == []
        assert decision(world).action == action, (low_s, high_s)


def test_another_process_knows_nothing_of_it(world):
    timed(world, 3, ack_ns=2 * S)
    world.restart()
    assert world.state.measured.samples == ()


def test_a_state_that_measured_nothing_has_the_digest_it_always_had(world):
    """Files and simulators: their digests stand in logs and tests."""
    assert "measured" not in world.state.facts()
    before = world.state.digest()
    timed(world)
    assert "measured" in world.state.facts()
    assert world.state.digest() != before


def test_both_come_back_from_a_log():
    for record in (
        OrderTimed(ts_ns=5, order_id=(3, 0), leg=Leg.STOP, ack_ns=7, waited_ns=9),
        LatencySummary(ts_ns=5, span_ns=60, stages=(), clock_low_ns=-1, clock_high_ns=2),
    ):
        assert log_records.decode(log_records.encode(record)) == record
