"""What is recorded beside the ticks: the broker's bars of 5 s and the session's volume, one event per bar."""

import math
import time
from pathlib import Path

import pytest

from tests.ibkr.rig import settings
from trading_bot.adapters.calendar_files import load_calendar
from trading_bot.adapters.gateway.background import running_gateway
from trading_bot.adapters.ibkr.contracts import bind
from trading_bot.adapters.ibkr.session import IbkrSession
from trading_bot.adapters.ibkr.subscriptions import BARS, BID_ASK, LAST, WITNESS, Subscriptions
from trading_bot.adapters.ibkr.witness import BAR_NS, MarketWitness
from trading_bot.adapters.sim.market import SimFeed
from trading_bot.domain.broker_events import BrokerNotice
from trading_bot.domain.config import BotConfig
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.records import TICK_RECORD, FrameKind
from trading_bot.domain.witness_events import MarketWitnessed

START_NS = 1_795_617_000_000_000_000  # 2026-11-25T14:30:00Z, the regular open
SEED, SPEED = 3, 60.0
MES = INSTRUMENTS["MES"]


class Line:
    """A connection with a witness, and what it told."""

    def __init__(self, gateway, *, bars=True):
        self.gateway = gateway
        self.session = IbkrSession(settings(gateway), speed=SPEED)
        self.session.connect()
        self.bound = bind(self.session, MES, BotConfig())
        self.streams = Subscriptions(self.session, self.bound.contract, 0.25, lambda _ids: None, bars=bars)
        self.witness = MarketWitness(self.session, MES, self.streams)
        self.told = []

    def pump(self, seconds):
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            self.session.pump(0.02)
            self.told += [one for one in self.session.inputs if isinstance(one, MarketWitnessed)]
            self.session.inputs.clear()

    def hear_volume(self, lots):
        self.witness._on_size(self.streams.sampled_id, 8, lots)

    def hear_bar(self, *values, time_s=1_795_617_000):
        self.witness._on_bar(self.streams.bars_id, time_s, *values)


@pytest.fixture
def line():
    with running_gateway(seed=SEED, speed=SPEED, start_ns=START_NS, tick_by_tick_gap_s=0.0) as gateway:
        one = Line(gateway)
        yield one
        one.session.close()


@pytest.fixture(scope="module")
def trades():
    """The gateway's market made here: (ts_ns, price, lots) of every trade of ten minutes."""
    feed = SimFeed(
        MES,
        load_calendar("us_index.csv", Path("data")),
        seed=SEED,
        start_ns=START_NS,
        duration_ns=600 * 10**9,
        resolution_ns=10**9,
        batch_records=4096,
    )
    rows = []
    while (batch := feed.read()) is not None:
        rows += [TICK_RECORD.unpack_from(batch, at) for at in range(0, len(batch), 64)]
    return [(row[7], row[9], row[11]) for row in rows if row[3] == FrameKind.TRADE]


def test_bars_are_those_of_the_market_and_one_event_tells_each(line, trades):
    line.streams.ask_due()
    line.pump(3.0)  # three minutes of the market
    bars = [one for one in line.told if one.bar_begin_ns]
    assert len(bars) > 20
    assert len({one.bar_begin_ns for one in bars}) == len(bars)
    for told in bars[1:]:  # the first one began before anybody listened
        inside = [(price, lots) for ts_ns, price, lots in trades if 0 <= ts_ns - told.bar_begin_ns < BAR_NS]
        prices = [price for price, _ in inside]
        expected = (prices[0], max(prices), min(prices), prices[-1], sum(lots for _, lots in inside), len(inside))
        found = (told.open_ticks, told.high_ticks, told.low_ticks, told.close_ticks, told.volume, told.trades)
        assert found == expected
        assert told.instrument_id == MES.id
        assert told.ts_ns >= told.bar_begin_ns + BAR_NS - 10**9  # our clock is only nearly the gateway's


def test_the_sessions_volume_goes_on_by_what_was_traded(line, trades):
    line.streams.ask_due()
    line.pump(2.0)
    told = [one for one in line.told if one.session_volume >= 0]
    first, last = told[0], told[-1]
    assert last.session_volume > first.session_volume
    # Sampled four times a second of the market; what is told may be that old.
    slack_ns = 10**9 // 4 + round(0.1 * SPEED * 1e9)
    low = sum(q for at, _, q in trades if first.session_volume_ns <= at <= last.session_volume_ns - slack_ns)
    high = sum(q for at, _, q in trades if first.session_volume_ns - slack_ns <= at <= last.session_volume_ns)
    assert low <= last.session_volume - first.session_volume <= high


def test_without_bars_volume_is_told_and_not_more_often_than_every_ten_seconds(line):
    line.session.close()
    alone = Line(line.gateway, bars=False)
    line.session = alone.session
    alone.streams.ask_due()
    alone.pump(1.5)
    assert 3 <= len(alone.told) <= 10  # in ninety seconds of the market
    assert all(one.bar_begin_ns == 0 and one.session_volume > 0 for one in alone.told)
    gaps = [b.ts_ns - a.ts_ns for a, b in zip(alone.told, alone.told[1:], strict=False)]
    assert min(gaps) > 2 * BAR_NS


def test_bars_that_are_refused_change_nothing_for_the_link_and_are_asked_for_again(line):
    from trading_bot.adapters.ibkr.link import Link
    from trading_bot.domain.ibkr_config import IbkrConfig

    link = Link(line.session, IbkrConfig(), lambda _ts_ns: 1)
    link.start(line.streams)
    line.pump(1.0)
    assert link.state.flowing
    before, statuses = line.streams.bars_id, []
    line.session.listen("error", lambda *_: statuses.append(link.state.flowing))
    line.session._tap.error(before, 420, "Invalid Real-time Query", "")
    told = list(line.session.inputs)
    assert any(isinstance(one, BrokerNotice) and one.code == 420 for one in told)
    assert statuses == [True]
    assert link.state.flowing
    line.pump(1.5)  # four times the wait of the others
    assert line.streams.bars_id not in {before, -1}
    link.close()


def test_bars_that_stop_without_a_word_are_asked_for_again(line, monkeypatch):
    line.streams.ask_due()
    line.pump(0.5)
    renewed = []
    monkeypatch.setattr(line.streams, "renew", renewed.append)
    now_s = line.session.clock.wall_s()
    monkeypatch.setattr(line.session.clock, "wall_s", lambda: now_s + 61.0)
    stamp_ns = line.session.stamp() + 3 * BAR_NS
    monkeypatch.setattr(line.session, "stamp", lambda: stamp_ns)
    line.hear_volume(1_000_000.0)
    assert renewed == [{BARS}]


@pytest.mark.parametrize("bad", [math.nan, math.inf, 0.0, -1.0, 1e300])
def test_a_bar_with_a_price_that_is_none_is_not_told(line, bad):
    line.streams.ask_due()
    line.session.inputs.clear()
    line.hear_bar(7000.0, bad, 7000.0, 7000.0, 5.0, 7000.0, 3)
    assert [one for one in line.session.inputs if isinstance(one, MarketWitnessed)] == []


def test_a_bar_without_trades_has_no_volume_and_one_of_another_stream_is_not_ours(line):
    line.streams.ask_due()
    line.session.inputs.clear()
    line.hear_bar(7000.0, 7000.0, 7000.0, 7000.0, -1.0, 7000.0, -1)
    line.witness._on_bar(line.streams.bars_id + 50, 1_795_617_000, 7000.0, 7000.0, 7000.0, 7000.0, 5.0, 7000.0, 3)
    (told,) = [one for one in line.session.inputs if isinstance(one, MarketWitnessed)]
    assert (told.volume, told.trades, told.close_ticks) == (0, 0, 28_000)


def test_all_four_streams_are_renewed_together_when_the_broker_lost_the_data(line):
    line.streams.ask_due()
    line.streams.renew()
    assert {stream.kind for stream in line.streams._streams if stream.wanted} == {WITNESS, BID_ASK, LAST, BARS}
