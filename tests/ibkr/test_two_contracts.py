"""Two contracts on one connection: ES is seen, MES is traded and recorded beside it."""

import time
from contextlib import contextmanager

import msgspec
import pytest

from tests.ibkr.rig import rig, settings
from tests.ibkr.test_feed import KIND, SEED, SPEED, START_NS, TS, content
from trading_bot.adapters.gateway.background import running_gateway
from trading_bot.adapters.ibkr.contracts import bind
from trading_bot.adapters.ibkr.feed import IbkrFeed
from trading_bot.adapters.ibkr.session import IbkrSession
from trading_bot.adapters.ibkr.subscriptions import BESIDE, BESIDE_LAST, Subscriptions
from trading_bot.domain.config import BotConfig
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.records import TICK_RECORD, FrameKind

ES, MES = INSTRUMENTS["ES"], INSTRUMENTS["MES"]
ID = 5  # of TICK_RECORD


@contextmanager
def line(*, fast_path=True, trades=False):
    """A connection whose feed has been asked for both contracts."""
    with running_gateway(seed=SEED, speed=SPEED, start_ns=START_NS, tick_by_tick_gap_s=0.0) as gateway:
        session = IbkrSession(msgspec.structs.replace(settings(gateway), fast_path=fast_path), speed=SPEED)
        session.connect()
        try:
            seen, traded = (bind(session, which, BotConfig()).contract for which in (ES, MES))
            feed = IbkrFeed(session, ES, {}, beside=MES)
            streams = Subscriptions(session, seen, 15.0, feed.set_request_ids, beside=traded, beside_trades=trades)
            yield session, feed, streams
        finally:
            session.close()


def rows(session, feed, seconds):
    end_s, found = time.monotonic() + seconds, []
    while time.monotonic() < end_s:
        batch = bytes(feed.read())
        found += TICK_RECORD.iter_unpack(batch)
        session.inputs.clear()
    return found


@pytest.mark.parametrize("fast_path", [True, False])
@pytest.mark.parametrize("trades", [True, False])
def test_each_tick_carries_the_id_of_its_contract(fast_path, trades):
    """The gateway's markets move together a quote apart, so what MES told is what ES told."""
    with line(fast_path=fast_path, trades=trades) as (session, feed, streams):
        streams.ask_due()
        feed.read()
        found = rows(session, feed, 2.0)
        assert bool(session.intake.ticks) is fast_path
    stamps = [row[TS] for row in found]
    assert stamps == sorted(stamps)
    ticks = [row for row in found if row[KIND] != FrameKind.TIME]
    assert {row[ID] for row in found if row[KIND] == FrameKind.TIME} == {ES.id}
    kinds = {(row[ID], row[KIND]) for row in ticks}
    own = {(MES.id, FrameKind.QUOTE), *([(MES.id, FrameKind.TRADE)] if trades else [])}
    assert kinds == {(ES.id, FrameKind.QUOTE), (ES.id, FrameKind.TRADE)} | own
    quotes = {which.id: [content(row) for row in ticks if (row[ID], row[KIND]) == (which.id, 1)] for which in (ES, MES)}
    assert min(len(rows) for rows in quotes.values()) > 500
    seen, own_quotes = quotes[ES.id], quotes[MES.id][1:]  # the first is what was there when it was asked for
    begin = next(n for n in range(len(seen) - 50) if seen[n : n + 50] == own_quotes[:50])
    common = min(len(seen) - begin, len(own_quotes)) - 50
    assert common > 100
    assert seen[begin : begin + common] == own_quotes[:common]


def beside(one):
    return next(stream for stream in one.subscriptions._beside if stream.kind == BESIDE)


def test_a_refused_stream_beside_leaves_the_seen_market_flowing_and_is_asked_for_again():
    with rig(gateway={"tick_by_tick_max": 2}, beside="ESZ6") as one:
        one.until(lambda: 10190 in [notice.code for notice in one.notices])
        assert one.state.up
        assert one.subscriptions.flowing
        asked_s = beside(one).asked_s
        one.until(lambda: beside(one).asked_s > asked_s)
        assert one.state.up
        assert not any(change[0] == "CODE_10190" for change in one.changes)


def test_a_silent_stream_beside_is_asked_for_again_and_nothing_else_is():
    with rig(stale_s=1.0, beside="ESZ6", beside_trades=True) as one:
        one.until(lambda: beside(one).ticked)
        assert {stream.kind for stream in one.subscriptions._beside} == {BESIDE, BESIDE_LAST}
        before = {stream.kind: stream.request_id for stream in one.subscriptions._streams}
        changes = list(one.changes)
        for stream in one.subscriptions._beside:
            one.gateway.call(
                lambda gateway, lost=stream.request_id: [
                    gateway.market.drop(client, lost) for client in gateway.clients.values()
                ]
            )
        one.until(lambda: beside(one).request_id != before[BESIDE] and beside(one).ticked)
        assert one.state.up
        assert one.changes == changes
        after = {stream.kind: stream.request_id for stream in one.subscriptions._streams}
        assert {kind for kind in after if after[kind] == before[kind]} == set(before) - {BESIDE, BESIDE_LAST}


def test_a_new_connection_asks_for_both_contracts_again():
    with rig(beside="ESZ6") as one:
        one.until(lambda: beside(one).ticked)
        assert len(one.ids[-1]) == 3
        one.do("drop_clients")
        one.until(lambda: not one.state.socket)
        one.until(lambda: one.state.up and beside(one).ticked)
        assert len(one.ids[-1]) == 3
        assert set(one.streams()) >= one.ids[-1]
