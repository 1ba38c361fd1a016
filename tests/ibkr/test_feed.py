"""What the runner reads from a connection: every tick of the gateway's market once, in order, and time between them."""

import itertools
import time
from pathlib import Path

import pytest

from tests.ibkr.rig import settings
from trading_bot.adapters.calendar_files import load_calendar
from trading_bot.adapters.gateway.background import running_gateway
from trading_bot.adapters.ibkr.contracts import bind
from trading_bot.adapters.ibkr.feed import GRID_NS, IbkrFeed
from trading_bot.adapters.ibkr.session import IbkrSession
from trading_bot.adapters.ibkr.subscriptions import Subscriptions
from trading_bot.adapters.sim.market import SimFeed
from trading_bot.domain.broker_events import BrokerNotice
from trading_bot.domain.config import BotConfig
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.records import TICK_RECORD, FrameKind, TickFlag

START_NS = 1_795_617_000_000_000_000  # 2026-11-25T14:30:00Z, the regular open
SEED, SPEED = 3, 60.0
MES = INSTRUMENTS["MES"]
KIND, TS, EVENT, FLAGS = 3, 7, 8, 6


class Line:
    """A connection with a feed that has not been read yet."""

    def __init__(self, gateway):
        self.session = IbkrSession(settings(gateway), speed=SPEED)
        self.session.connect()
        self.bound = bind(self.session, MES, BotConfig())
        self.feed = IbkrFeed(self.session, MES, {})
        self.streams = Subscriptions(self.session, self.bound.contract, 15.0, self.feed.set_request_ids)

    def read(self):
        """One batch as rows."""
        batch = bytes(self.feed.read())
        return [TICK_RECORD.unpack_from(batch, at) for at in range(0, len(batch), 64)]

    def rows(self, seconds):
        """Rows of every batch within so much time of the wall, batch by batch."""
        end_s = time.monotonic() + seconds
        batches = []
        while time.monotonic() < end_s:
            if rows := self.read():
                batches.append(rows)
            self.session.inputs.clear()
        return batches


@pytest.fixture
def line():
    with running_gateway(seed=SEED, speed=SPEED, start_ns=START_NS, tick_by_tick_gap_s=0.0) as gateway:
        one = Line(gateway)
        one.gateway = gateway
        yield one
        one.session.close()


@pytest.fixture(scope="module")
def generated():
    """The market as the gateway has it, made here: (kind, event second, prices and sizes)."""
    feed = SimFeed(
        MES,
        load_calendar("us_index.csv", Path("data")),
        seed=SEED,
        start_ns=START_NS,
        duration_ns=1_200 * 10**9,
        resolution_ns=10**9,
        batch_records=4096,
    )
    rows = []
    while (batch := feed.read()) is not None:
        rows += [content(TICK_RECORD.unpack_from(batch, at)) for at in range(0, len(batch), 64)]
    return rows


def content(row):
    """What a tick says without when it came; the broker does not tell who crossed."""
    kind, second = row[KIND], row[EVENT] // 10**9
    return (kind, second, row[9], row[11]) if kind == FrameKind.TRADE else (kind, second, *row[9:13])


def ticks(batches):
    return [row for batch in batches for row in batch if row[KIND] != FrameKind.TIME]


def test_every_tick_of_the_market_comes_once_and_in_order(line, generated):
    line.streams.ask_due()
    line.read()
    found = [content(row) for row in ticks(line.rows(3.0))]
    assert len(found) > 1_000
    # From the first trade on: the broker repeats the quote of the moment to whoever subscribes.
    first = next(n for n, row in enumerate(found) if row[0] == FrameKind.TRADE)
    begin = next(n for n in range(len(generated)) if generated[n : n + 50] == found[first : first + 50])
    assert found[first:] == generated[begin : begin + len(found) - first]


def test_stamps_are_receive_time_and_never_fall(line):
    line.streams.ask_due()
    line.read()
    rows = [row for batch in line.rows(1.0) for row in batch]
    stamps = [row[TS] for row in rows]
    assert stamps == sorted(stamps)
    for row in rows:
        if row[KIND] != FrameKind.TIME:
            # Whole seconds of the exchange; 25 ms of the wall for everything on the way are 1.5 s of this market.
            assert row[EVENT] % 10**9 == 0
            assert -(10**9) < row[TS] - row[EVENT] < 20 * 10**9


def test_time_passes_while_nothing_trades(line):
    line.read()
    batches = line.rows(0.5)
    assert len(batches) > 20
    for batch in batches:
        assert [row[KIND] for row in batch] == [FrameKind.TIME]
    grid = [batch[0][TS] // GRID_NS for batch in batches]
    assert all(before < after for before, after in itertools.pairwise(grid))


def test_the_first_batch_comes_at_once_and_what_was_told_before_it_is_no_older(line):
    line.session.notice(0, "told while connecting")
    begin_ns = line.feed.first_ts_ns()
    before_s = time.monotonic()
    (row,) = line.read()
    assert time.monotonic() - before_s < 0.02
    assert row[KIND] == FrameKind.TIME
    assert row[TS] >= begin_ns
    (told,) = line.session.inputs
    assert isinstance(told, BrokerNotice)
    assert told.ts_ns >= row[TS]


def test_a_batch_ends_with_the_time_when_an_input_waits(line):
    line.streams.ask_due()
    line.read()
    line.rows(0.3)
    line.session.notice(0, "something")
    rows = line.read()
    assert rows[-1][KIND] == FrameKind.TIME
    assert rows[-1][TS] >= line.session.inputs[0].ts_ns


def test_nothing_is_lost_when_one_turn_of_the_loop_brings_more_than_the_door_holds(line):
    line.read()
    line.feed.set_request_ids({5: "BidAsk", 6: "Last"})
    for n in range(10_000):
        line.feed._on_last(5, 1, 1_795_617_000, 7000.0 + n % 4 / 4, n + 1, None)
    found = [row for row in line.read() if row[KIND] == FrameKind.TRADE]
    assert [row[11] for row in found] == list(range(1, 10_001))


def test_ticks_of_a_stream_that_was_given_up_are_not_taken(line):
    line.read()
    line.feed.set_request_ids({6: "Last"})
    line.feed._on_last(5, 1, 1_795_617_000, 7000.0, 1, None)
    assert ticks(line.rows(0.1)) == []


@pytest.mark.parametrize("size", [float("nan"), float("inf"), -1.0, 2.0**40])
def test_a_size_that_is_none_is_refused_at_the_door_and_counted(line, size):
    line.read()
    line.feed.set_request_ids({5: "BidAsk"})
    line.feed._on_bid_ask(5, 1_795_617_000, 7000.0, 7000.25, size, 3.0, None)
    (row,) = ticks(line.rows(0.1))
    assert row[KIND] == FrameKind.REJECTED
    assert line.feed.rejected_by_reason == {"NEGATIVE_SIZE": 1}


def test_the_first_price_is_measured_from_the_prior_close(line):
    line.read()
    line.feed.set_request_ids({5: "BidAsk"})
    line.feed.set_anchor(28_000)  # 7000.00
    hear = line.feed._on_last
    hear(5, 1, 1_795_617_000, 6000.0, 1, None)  # 14 % away: outside the band of 10 %
    hear(5, 1, 1_795_617_000, 7001.0, 1, None)
    assert [row[KIND] for row in ticks(line.rows(0.1))] == [FrameKind.REJECTED, FrameKind.TRADE]


def test_delayed_data_are_flagged(line):
    line.read()
    line.feed.set_request_ids({5: "BidAsk"})
    line.feed.set_delayed(delayed=True)
    hear = line.feed._on_last
    hear(5, 1, 1_795_617_000, 7000.0, 1, None)
    line.feed.set_delayed(delayed=False)
    hear(5, 1, 1_795_617_000, 7000.0, 1, None)
    assert [bool(row[FLAGS] & TickFlag.DELAYED_DATA) for row in ticks(line.rows(0.1))] == [True, False]


def test_a_continued_log_gets_nothing_older_than_its_end(line):
    end_ns = line.session.stamp() + 30 * 10**9  # the clock was set back by half a minute
    line.session.notice(0, "told while connecting")
    line.feed.go_on_after(end_ns)
    rows = line.read()
    assert all(row[TS] > end_ns for row in rows)
    assert all(event.ts_ns > end_ns for event in line.session.inputs)
