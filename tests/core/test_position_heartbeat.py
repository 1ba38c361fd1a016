"""The position heartbeat (feature MO05): numbers by hand.

`World.hold(1)` buys at 24 001 with stop 23 993 and target 24 013; the quote is 24 000 at 24 001, a tick 1.25 USD.
"""

import msgspec
import pytest

from tests.core.handler_world import HELD, START_NS, World, of, only
from tests.core.worlds import eager_template
from trading_bot.core.opening import RunIdentity
from trading_bot.core.status import machine_status
from trading_bot.domain import log_records
from trading_bot.domain.effects import ModifyStop
from trading_bot.domain.orders import Leg, Side
from trading_bot.domain.trade_events import ExitDecided, PositionHeartbeat, TradeClosed
from trading_bot.domain.units import NS_PER_MS, NS_PER_S
from trading_bot.engines.position_text import ending_texts, held_rows, standing_text, thesis_text


def steady(**config):
    """A world whose only template never changes its mind."""
    return World(config or None, E1=eager_template(exits={"thesis_belief": 0.0, "trail": False}))


def second(number: float) -> int:
    return START_NS + round(number * 1_000) * NS_PER_MS


def test_it_comes_every_ten_seconds_from_the_first_fill_and_ends_with_the_position():
    world = steady()
    world.hold(1)
    world.quotes(second(1), second(35))
    assert [(beat.ts_ns, beat.age_ns // NS_PER_S) for beat in of(world.records, PositionHeartbeat)] == [
        (second(10), 10),
        (second(20), 20),
        (second(30), 30),
    ]
    world.fill(Leg.EXIT, Side.SELL, 1, 24_000)
    world.quotes(second(36), second(70))
    assert len(of(world.records, PositionHeartbeat)) == 3


def test_the_period_is_configured():
    world = steady(orders={"position_heartbeat_s": 3})
    world.hold(1)
    world.quotes(second(1), second(10))
    assert [beat.ts_ns for beat in of(world.records, PositionHeartbeat)] == [second(3), second(6), second(9)]


def test_it_tells_age_result_excursion_stop_and_thesis():
    """Best 24 004, worst 23 997, now 24 002: +1 tick against 24 001 is 1.25 USD, stop 9 and target 11 away."""
    world = steady()
    world.hold(1, hold_s=600)
    for number, bid in ((1, 24_000), (2, 24_004), (3, 23_997), (4, 24_002)):
        world.quote(second(number), bid=bid)
    for number in range(5, 11):
        world.quote(second(number), bid=24_002)
    beat = only(world.records, PositionHeartbeat)
    assert (beat.order_id, beat.template, beat.side, beat.qty, beat.known) == (HELD, "E1", Side.BUY, 1, True)
    assert (beat.price_ticks, beat.unrealised_uusd) == (24_002, 1_250_000)
    assert (beat.mae_ticks, beat.mfe_ticks) == (4, 3)
    assert (beat.stop_ticks, beat.stop_distance_ticks, beat.stop_resident) == (23_993, 9, True)
    assert beat.target_distance_ticks == 11
    assert beat.time_left_ns == 590 * NS_PER_S
    assert (beat.belief_entry_e6, beat.belief_exit_e6) == (650_000, 0)
    assert beat.session_left_ns == (15 * 60 + 55 - (9 * 60 + 40)) * 60 * NS_PER_S - 10 * NS_PER_S  # 15:55 ET
    assert log_records.decode(log_records.encode(beat)) == beat


def test_a_short_mirrors_it():
    world = steady()
    world.hold(-1)  # sold at 24 000, stop 24 008, target 23 988; leaving is at the ask
    world.quotes(second(1), second(10))
    beat = only(world.records, PositionHeartbeat)
    assert (beat.qty, beat.price_ticks, beat.unrealised_uusd) == (-1, 24_001, -1_250_000)
    assert (beat.stop_distance_ticks, beat.target_distance_ticks, beat.mae_ticks, beat.mfe_ticks) == (7, 13, 1, 0)


@pytest.mark.parametrize(
    ("leg", "price_ticks", "mae_ticks", "mfe_ticks"),
    [(Leg.EXIT, 24_000, 4.0, 3.0), (Leg.STOP, 23_990, 11.0, 3.0), (Leg.TARGET, 24_013, 4.0, 12.0)],
)
def test_the_trade_ends_with_the_excursion_that_was_told_and_the_price_it_was_left_at(
    leg, price_ticks, mae_ticks, mfe_ticks
):
    world = steady()
    world.hold(1)
    for number, bid in ((1, 24_000), (2, 24_004), (3, 23_997)):
        world.quote(second(number), bid=bid)
    for number in range(4, 31):
        world.quote(second(number), bid=24_000)
    told = of(world.records, PositionHeartbeat)[-1]
    assert (told.mae_ticks, told.mfe_ticks) == (4, 3)
    outcome = only(world.fill(leg, Side.SELL, 1, price_ticks), TradeClosed).outcome
    assert (outcome.mae_ticks, outcome.mfe_ticks) == (mae_ticks, mfe_ticks)


def test_a_thesis_that_is_lost_shows_before_it_ends_the_trade():
    """The queue leans the other way: below .45 from about the first second, and 20 s of it would end the trade."""
    template = eager_template(smoothing_s=1, exits={"thesis_s": 20.0})
    world = World({"orders": {"position_heartbeat_s": 10}}, E1=template)
    world.hold(1)
    for number in range(1, 12):
        world.quote(second(number), bid_qty=5, ask_qty=40)
    beat = only(world.records, PositionHeartbeat)
    assert beat.belief_e6 < beat.belief_exit_e6 == 450_000
    assert 5 * NS_PER_S < beat.thesis_low_ns <= 10 * NS_PER_S
    assert not of(world.records, ExitDecided)
    assert any("has been for" in text for text in ending_texts(beat))


def test_a_stop_that_moved_is_the_stop_that_is_told():
    world = World(E1=eager_template(exits={"thesis_belief": 0.0}))
    world.hold(1)
    for number in range(1, 11):
        world.quote(second(number), bid=24_010)  # 9 ticks: the stop goes to break-even and a quarter of R, 24 003
    beat = only(world.records, PositionHeartbeat)
    assert of(world.records, ModifyStop)[-1].price_ticks == beat.stop_ticks
    assert beat.stop_distance_ticks == 24_010 - beat.stop_ticks
    assert beat.stop_ticks >= 24_003


def test_status_shows_it_at_any_time_and_changes_nothing():
    world = steady()
    assert shown(world)["held"] == {}
    world.hold(1)
    world.quotes(second(1), second(4))
    before = world.state.digest()
    held = shown(world)["held"]
    assert (held["age_ns"], held["stop_distance_ticks"], held["unrealised_uusd"]) == (4 * NS_PER_S, 7, -1_250_000)
    assert world.state.digest() == before
    beat = msgspec.convert({**held, "ts_ns": held["ts_ns"]}, PositionHeartbeat)
    assert held_rows(held) == [
        ("trade", standing_text(beat)),
        ("thesis", thesis_text(beat)),
        ("ends by", "; ".join(ending_texts(beat))),
    ]
    assert standing_text(beat) == "4 s old, -1.25 USD before commission, worst -1, best +0 ticks"
    assert ending_texts(beat)[:2] == ("stop 7 ticks away, at the broker", "target 13 ticks away")


def shown(world):
    identity = RunIdentity()
    return machine_status(world.machine, identity, now_ns=world.now_ns, log_path="", log_seq=world.seq)
