"""What a day of the market looks like, in ranges that docs/market-generator.md states."""

import numpy as np
import pytest

from tests.sim.world import HOUR_NS, SECOND_NS, Quotes, at, autocorrelation, records, sim
from trading_bot.adapters.sim.profile import MarketProfile, NewsShock
from trading_bot.domain.records import Aggressor, FrameKind

OPEN = at("2026-11-25T14:30:00")
NIGHT = "2026-11-25T01:00:00"


class Day:
    def __init__(self, tape):
        self.tape = tape
        self.quotes = Quotes.of(tape)
        self.trades = tape[tape["kind"] == FrameKind.TRADE]
        self.seconds = (tape["ts"][-1] - tape["ts"][0]) / SECOND_NS
        self.minute_changes = np.diff(self.quotes.mid_every(60))


@pytest.fixture(scope="module")
def days():
    """Regular sessions of six seeds."""
    return [Day(records(sim(seed=seed))) for seed in range(20, 26)]


@pytest.fixture(scope="module")
def night():
    return Day(records(sim(NIGHT, 4 * 3600, seed=20)))


def mean(days, function):
    return float(np.mean([function(day) for day in days]))


def test_records_come_as_often_as_stated(days, night):
    for day in days:
        assert 5 < len(day.quotes.ts) / day.seconds < 15
        assert 0.1 < len(day.trades) / len(day.quotes.ts) < 0.3
    assert 0.5 < len(night.quotes.ts) / night.seconds < 4
    assert 0.02 < len(night.trades) / len(night.quotes.ts) < 0.2


def test_the_spread_is_mostly_one_tick(days, night):
    for day in [*days, night]:
        assert (day.quotes.spread == 1).mean() > 0.85
        assert 0.02 < (day.quotes.spread == 2).mean() < 0.15
        assert (day.quotes.spread > 4).mean() < 0.002


def test_sizes_look_like_those_of_the_future(days, night):
    for day in days:
        assert 12 < np.median(day.quotes.bid_qty) < 32
        assert np.median(day.trades["bid_qty"]) == 1
        assert 1.4 < day.trades["bid_qty"].mean() < 3.5
    assert np.median(night.quotes.bid_qty) < 15


def test_volume_is_a_u_over_the_day(days):
    half_hours = np.zeros(13)
    for day in days:
        half_hours += np.bincount((day.trades["ts"] - OPEN) // (HOUR_NS // 2), day.trades["bid_qty"], minlength=13)
    share = half_hours / half_hours.mean()
    assert share[0] > 1.5
    assert share[-1] > 1.4
    assert share[4:10].max() < 1.0
    assert share[4:10].mean() < 0.8


def test_the_open_swings_wider_than_noon(days):
    by_minute = np.array([day.minute_changes[:388] for day in days])
    early, noon = by_minute[:, :30].std(), by_minute[:, 150:240].std()
    assert 1.3 < early / noon < 3.5


def test_volatility_is_that_of_the_future(days):
    """ESZ24 moved 13.5 ticks in five minutes of RTH in autumn 2024; days differ by a factor of about two."""
    five_minutes = [np.diff(day.quotes.mid_every(300)).std() for day in days]
    assert 9 < np.mean(five_minutes) < 19
    assert max(five_minutes) < 4 * min(five_minutes)


def test_volatility_clusters(days):
    assert mean(days, lambda day: autocorrelation(abs(day.minute_changes), 1)) > 0.05
    assert mean(days, lambda day: autocorrelation(abs(day.minute_changes), 5)) > 0.03
    seconds = [abs(np.diff(day.quotes.mid_every(1))) for day in days]
    assert np.mean([autocorrelation(change, 10) for change in seconds]) > 0.05


def test_tails_are_fat(days):
    def kurtosis(day):
        change = day.minute_changes - day.minute_changes.mean()
        return (change**4).mean() / change.var() ** 2

    assert mean(days, kurtosis) > 3.5


def test_minutes_do_not_predict_minutes(days):
    assert abs(mean(days, lambda day: autocorrelation(day.minute_changes, 1))) < 0.08


def test_prices_bounce_in_the_small(days):
    for day in days:
        assert -0.25 < autocorrelation(np.diff(day.quotes.mid_every(1)), 1) < 0.02
        assert 0.1 < day.quotes.eta() < 0.45


def test_the_queues_lean_towards_the_next_move_a_little(days, night):
    for day in days:
        assert 0.08 < day.quotes.imbalance_and_next_move() < 0.35
        assert 0.05 < day.quotes.imbalance_and_return(1) < 0.35
        assert abs(day.quotes.imbalance_and_return(30)) < 0.12
    assert 0.1 < night.quotes.imbalance_and_next_move() < 0.45


def test_a_taker_earns_less_than_the_spread_from_the_queues(days):
    """A lean of 0.6 and more must not pay for crossing half a tick, let alone for two ticks of commission."""
    for day in days:
        q = day.quotes
        later = np.searchsorted(q.ts, q.ts + 10 * SECOND_NS, side="right") - 1
        gain = (q.mid[later] - q.mid) * np.sign(q.imbalance)
        assert 0 < gain[abs(q.imbalance) > 0.6].mean() < 0.5


def test_order_flow_moves_the_price_and_says_little_afterwards(days):
    for day in days:
        flow, change = day.quotes.ofi_per_second()
        assert np.corrcoef(flow, change)[0, 1] > 0.3
        assert abs(np.corrcoef(flow[:-1], change[1:])[0, 1]) < 0.12


def test_without_information_the_queues_say_nothing():
    tapes = {milli: records(sim(profile=MarketProfile(information_milli=milli))) for milli in (0, 1000, 3000)}
    leads = [Quotes.of(tape).imbalance_and_return(1) for tape in tapes.values()]
    # What is left is the bounce: after a move the queue left behind is short and the move is often taken back.
    assert abs(leads[0]) < 0.08
    assert leads[0] + 0.05 < leads[1] < leads[2] - 0.05


def test_trades_come_in_bursts_and_keep_their_side(days, night):
    for day in [*days, night]:
        gaps = np.diff(day.trades["ts"])
        assert gaps.std() / gaps.mean() > 1.3, "1 is a Poisson process"
    for day in days:
        side = np.where(day.trades["aggressor"] == Aggressor.BUY, 1.0, -1.0)
        assert 0.15 < autocorrelation(side, 1) < 0.45
        assert autocorrelation(side, 10) > 0.02
        assert abs(side.mean()) < 0.08


def test_trades_excite_trades(days):
    """Counts per second, less the mean of their minute, still hang together three seconds later: no Poisson process."""

    def memory(day):
        counts = np.bincount((day.trades["ts"] - OPEN) // SECOND_NS, minlength=23_400).reshape(390, 60).astype(float)
        counts -= counts.mean(axis=1, keepdims=True)
        return (counts[:, 3:] * counts[:, :-3]).mean() / counts.var()

    assert mean(days, memory) > 0.06


def sweeps(tape, levels):
    """(index after, side, price before) of trades of one side that took at least so many levels within 250 ms."""
    trades = tape[tape["kind"] == FrameKind.TRADE]
    found, first = [], 0
    for k in range(1, len(trades) + 1):
        same = (
            k < len(trades)
            and trades["aggressor"][k] == trades["aggressor"][first]
            and trades["ts"][k] - trades["ts"][first] < SECOND_NS // 4
        )
        if not same:
            moved = int(trades["bid"][k - 1]) - int(trades["bid"][first])
            if abs(moved) >= levels - 1:
                found.append((trades["ts"][k - 1], np.sign(moved), trades["bid"][first], trades["bid"][k - 1]))
            first = k
    return found


def test_sweeps_snap_back_in_part():
    profile = MarketProfile(sweep_milli=6_000, vol_milli=300, news_milli=0)
    tapes = [records(sim(seed=seed, profile=profile)) for seed in (1, 2, 3)]
    kept = []
    for tape in tapes:
        quotes = Quotes.of(tape)
        for ts, side, before, reached in sweeps(tape, 4):
            later = np.searchsorted(quotes.ts, ts + 20 * SECOND_NS) - 1
            kept.append((quotes.mid[later] - before) * side / abs(int(reached) - int(before)))
    assert len(kept) > 60
    assert 0.3 < np.mean(kept) < 0.8, "half of it, in the mean"


def test_sweeps_are_rare_and_can_be_switched_off(days):
    assert 3 < mean(days, lambda day: len(sweeps(day.tape, 4))) < 60
    calm = records(sim("2026-11-25T16:00:00", 7200, profile=MarketProfile(sweep_milli=0, news_milli=0, gap_milli=0)))
    often = records(sim("2026-11-25T16:00:00", 7200, profile=MarketProfile(sweep_milli=20_000, news_milli=0)))
    assert len(sweeps(calm, 6)) == 0
    assert len(sweeps(often, 6)) > 5


@pytest.mark.parametrize("jump_ticks", [40, -60])
def test_configured_news_moves_the_price_at_once_and_swings_for_minutes(jump_ticks):
    start, news_ns = "2026-11-25T15:30:00", at("2026-11-25T16:00:30")
    calm, shocked = (records(sim(start, 3600, seed=4, news=news)) for news in ([], [NewsShock(news_ns, jump_ticks)]))
    thin_ns = news_ns - 60 * SECOND_NS
    same = calm[calm["ts"] < thin_ns - SECOND_NS]
    assert shocked[: len(same)].tobytes() == same.tobytes(), "nothing moves before the minute before"
    quotes, quiet = Quotes.of(shocked), Quotes.of(calm)

    def mid_at(ts):
        return quotes.mid[np.searchsorted(quotes.ts, ts) - 1]

    moved = mid_at(news_ns + 2 * SECOND_NS) - mid_at(news_ns)
    assert 0.6 * abs(jump_ticks) < moved * np.sign(jump_ticks) < 1.4 * abs(jump_ticks)
    after = (quotes.ts > news_ns) & (quotes.ts < news_ns + 60 * SECOND_NS)
    assert quotes.spread[after].mean() > quiet.spread.mean() + 0.1
    assert quotes.bid_qty[after].mean() < 0.7 * quiet.bid_qty.mean()
    before, minutes = shocked["ts"] < thin_ns, (shocked["ts"] > news_ns) & (shocked["ts"] < news_ns + 180 * SECOND_NS)
    assert minutes.sum() / 180 > 1.5 * before.sum() / 1770


def test_drawn_news_is_known_and_comes_at_the_times_of_releases():
    feeds = [sim("2026-11-25T00:00:00", 20 * 3600, seed=seed) for seed in range(60)]
    shocks = [shock for feed in feeds for shock in feed.news]
    assert 30 < len(shocks) < 100
    scheduled = {at("2026-11-25T13:30:00"), at("2026-11-25T15:00:00"), at("2026-11-25T19:00:00")}
    assert sum(shock.at_ns in scheduled for shock in shocks) > 0.6 * len(shocks)
    assert all(5 <= abs(shock.jump_ticks) <= 40 for shock in shocks)
    assert sim("2026-11-25T00:00:00", 3600, news=[]).news == ()


def test_trends_can_be_made_to_matter():
    """Variance of half hours over that of half minutes: 1 for a random walk, more where moves go on."""

    def ratio(milli):
        long, short = [], []
        for seed in range(4):
            mid = Quotes.of(records(sim(seed=seed, profile=MarketProfile(trend_milli=milli, news_milli=0)))).mid_every(
                30
            )
            long += [*(mid[60:] - mid[:-60])]
            short += [*np.diff(mid)]
        return np.var(long) / (60 * np.var(short))

    assert ratio(10_000) > 2
    assert 0.4 < ratio(0) < 1.8
