"""DG13 in the core: the prior day survives a session's end and a restart, the history builds prices, a gap forgets."""

import time

from tests.core.handler_world import START_NS, World
from trading_bot.core import levels_desk
from trading_bot.core.levels_desk import level_rows
from trading_bot.domain.bars import MinuteBar, pack_bars, unpack_bars
from trading_bot.domain.config import canonical
from trading_bot.domain.events import HistoryLoaded, StateCarried
from trading_bot.domain.kernel import Outcome
from trading_bot.domain.signal_registry import SIGNAL_BY_NAME
from trading_bot.domain.units import NS_PER_MIN

LEVEL_BIAS = SIGNAL_BY_NAME["level_bias"].id


def history(world, days, high=24_100, low=23_900):
    """Minute bars of the trade dates before the world's, each with a high and a low of its RTH (an hour in)."""
    table, today = world.state.sessions, world.state.day
    bars = []
    for day in table.days_before(today.trade_date, days):
        ts_ns = day.globex_open_ns
        while ts_ns < day.globex_close_ns:
            wide = day.rth_open_ns is not None and ts_ns == day.rth_open_ns + 60 * NS_PER_MIN
            top, bottom = (high, low) if wide else (24_000, 24_000)
            bars.append(MinuteBar(ts_ns, 24_000, top, bottom, 24_000, 10, 240_000))
            ts_ns += NS_PER_MIN
    return HistoryLoaded(ts_ns=START_NS, source="test", count=len(bars), bars=pack_bars(bars))


def prices(world):
    return {name: row["price_points"] for row in level_rows(world.state) for name in row["name"].split("+")}


def test_history_names_the_prior_session():
    world = World(ready=False)
    world.apply(history(world, 1))
    assert world.state.kernel.signal(LEVEL_BIAS) is not None
    # The levels of today are those once a bar of today has come.
    today = world.state.day.globex_open_ns
    bar = [MinuteBar(today, 24_000, 24_000, 24_000, 24_000, 1, 24_000)]
    world.apply(HistoryLoaded(ts_ns=START_NS, source="test", count=1, bars=pack_bars(bar)))
    found = prices(world)
    assert (found["PSH"], found["PSL"], found["PDC"]) == (6_025.0, 5_975.0, 6_000.0)


def test_levels_are_carried_into_the_next_log():
    world = World(ready=False)
    world.apply(history(world, 1))
    other = World(ready=False)
    other.apply(StateCarried(ts_ns=START_NS, state=canonical(world.state.carried())))
    assert other.state.levels == world.state.levels
    assert other.state.kernel.signal(LEVEL_BIAS) == world.state.kernel.signal(LEVEL_BIAS)
    # What was carried is not taken again from the history of a restart.
    before = other.state.levels
    other.apply(history(other, 1, high=25_000))
    assert other.state.levels == before


def test_a_closed_minute_of_the_market_moves_them():
    world = World()
    world.quotes(START_NS, START_NS + 3 * NS_PER_MIN)
    bias = world.state.kernel.signal(LEVEL_BIAS)
    assert bias is None, "quotes make no bar"
    for minute in range(3):
        ts_ns = START_NS + (3 + minute) * NS_PER_MIN + 1
        world.advance(ts_ns)
        world.state.kernel.on_trade(ts_ns, 24_010, 1, 1)
    world.advance(START_NS + 7 * NS_PER_MIN)
    assert world.state.levels.close_ticks == 24_010
    # 10 above the round 6 000 and 30 below 6 010, both a touch ago or never: .6 * (1 - 10/40) - .6 * (1 - 30/40).
    assert abs(world.state.kernel.signal(LEVEL_BIAS) - 0.6 * (0.75 - 0.25) / 2.4) < 2e-6


def test_a_price_gap_forgets_them():
    world = World(ready=False)
    world.apply(history(world, 1))
    world.fire(code=Outcome.GAP)
    assert level_rows(world.state) == ()
    assert world.state.kernel.signal(LEVEL_BIAS) is None


def test_twenty_sessions_of_history_cost_no_start():
    world = World(ready=False)
    bars = list(unpack_bars(history(world, 20).bars))
    begin_s = time.perf_counter()
    levels_desk.history_loaded(world.state, bars)
    assert time.perf_counter() - begin_s < 0.3, "about a twentieth of that on the machine it was written on"
