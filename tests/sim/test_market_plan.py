"""What a seed has in store for its sessions: regimes and trends, before any tick is drawn."""

from itertools import groupby

import numpy as np
import pytest

from tests.sim.world import CALENDAR, SECOND_NS, Quotes, records, sim
from trading_bot.adapters.sim.day_plan import DayPlanner
from trading_bot.adapters.sim.profile import DOWN, FREE, NORMAL, QUIET, RANGE, UP, WILD, MarketProfile

MINUTE_NS = 60 * SECOND_NS


def minutes_of(seed, trade_date):
    planner = DayPlanner(seed, MarketProfile(), CALENDAR, "globex", None)
    return planner._minutes(CALENDAR.day(trade_date))


@pytest.fixture(scope="module")
def drawn():
    return [minutes_of(seed, 20261125) for seed in range(60)]


def test_regimes_take_their_share_of_the_time(drawn):
    regimes = np.array([minute.regime for day in drawn for minute in day])
    # By hand: what enters a regime leaves it, quiet at 40 ‰ against 25 ‰, wild at 125 ‰ against 20 ‰.
    weights = np.array([25 / 40, 1, 20 / 125])
    for regime, share in zip((QUIET, NORMAL, WILD), weights / weights.sum(), strict=True):
        assert abs((regimes == regime).mean() - share) < 0.04


def test_regimes_last(drawn):
    """The mean stay is one over the chance of leaving: 25 minutes quiet, 22 normal, 8 wild."""
    stays = {QUIET: [], NORMAL: [], WILD: []}
    for day in drawn:
        for regime, stay in groupby(minute.regime for minute in day):
            stays[regime].append(len(list(stay)))
    assert 20 < np.mean(stays[QUIET]) < 30
    assert 18 < np.mean(stays[NORMAL]) < 26
    assert 6 < np.mean(stays[WILD]) < 10


def test_trends_go_both_ways(drawn):
    trends = np.array([minute.trend for day in drawn for minute in day])
    for trend, share in ((FREE, 0.45), (RANGE, 0.25), (UP, 0.15), (DOWN, 0.15)):
        assert abs((trends == trend).mean() - share) < 0.04


def test_the_market_obeys_its_regime():
    """Wild minutes move three times as far as quiet ones (1900 against 620), and more happens in them."""
    moves, counts = {QUIET: [], NORMAL: [], WILD: []}, {QUIET: [], NORMAL: [], WILD: []}
    for seed in range(8):
        plan = minutes_of(seed, 20261125)[-450:-120]  # 14:30 to 20:00 UTC
        tape = records(sim(seed=seed, seconds=330 * 60, profile=MarketProfile(news_milli=0)))
        quotes = Quotes.of(tape)
        first_ns = tape["ts"][0]
        per_minute = np.bincount((quotes.ts - first_ns) // MINUTE_NS, minlength=330)
        scale = np.diff(quotes.mid_every(60)).std()
        for index, change in enumerate(np.diff(quotes.mid_every(60))):
            moves[plan[index].regime].append(change / scale)
            counts[plan[index].regime].append(per_minute[index])
    assert 1.8 < np.std(moves[WILD]) / np.std(moves[QUIET]) < 4.5
    assert np.std(moves[QUIET]) < np.std(moves[NORMAL]) < np.std(moves[WILD])
    assert np.mean(counts[QUIET]) < np.mean(counts[NORMAL]) < np.mean(counts[WILD])
