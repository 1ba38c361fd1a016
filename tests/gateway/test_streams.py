"""Live data of a scripted market, as the real library decodes them."""

import asyncio
import contextlib
from datetime import UTC, datetime

import pytest

from tests.gateway.clients import connected, until
from trading_bot.adapters.gateway.background import running_gateway
from trading_bot.adapters.gateway.depth import Depth
from trading_bot.adapters.gateway.gateway import Gateway, GatewayConfig
from trading_bot.adapters.gateway.level_one import LevelOne
from trading_bot.adapters.gateway.real_time_bars import RealTimeBars
from trading_bot.adapters.gateway.record import Record
from trading_bot.adapters.gateway.streams import TickByTick
from trading_bot.adapters.ibkr.library import library
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.records import FrameKind

MES = INSTRUMENTS["MES"]
START_NS = 1_795_616_400_000_000_000  # 2026-11-25T14:20:00Z
S = 10**9


def quote(at_s, bid, ask, bid_qty=7, ask_qty=9):
    """Prices in points."""
    ts_ns = START_NS + round(at_s * S)
    return Record(FrameKind.QUOTE, ts_ns, ts_ns // S * S, round(bid * 4), round(ask * 4), bid_qty, ask_qty)


def trade(at_s, price, qty):
    ts_ns = START_NS + round(at_s * S)
    return Record(FrameKind.TRADE, ts_ns, ts_ns // S * S, price_ticks=round(price * 4), qty=qty)


@contextlib.contextmanager
def scripted(**config):
    """A gateway whose market is what a test pushes."""
    config = {"messages_per_s": 0, "tick_by_tick_gap_s": 0.0, **config}
    with running_gateway(**config) as gateway:
        gateway.call(lambda served: served.market.script(MES))
        gateway.call(lambda served: served.market.book(MES).past() and None)  # before the clock runs, not while
        yield gateway


def push(gateway, *records):
    gateway.call(lambda served: served.market.push(MES, *records))


async def front(ib):
    (row,) = await ib.reqContractDetailsAsync(
        library().Contract(secType="FUT", localSymbol="MESZ6", exchange="CME", currency="USD")
    )
    return row.contract


def tap(ib, *names):
    """The raw callbacks' arguments: the library itself keeps only some of them."""
    heard = []

    def listening(name, original):
        def call(*arguments):
            heard.append((name, *arguments))
            return original(*arguments)

        return call

    for name in names:
        setattr(ib.wrapper, name, listening(name, getattr(ib.wrapper, name)))
    return heard


def play(gateway, work):
    async def main():
        async with connected(gateway, 1) as ib:
            return await work(ib, await front(ib))

    return asyncio.run(main())


def test_the_four_kinds_of_tick_by_tick_data():
    async def work(ib, contract):
        heard = tap(ib, "tickByTickAllLast", "tickByTickBidAsk", "tickByTickMidPoint")
        for kind in ("Last", "AllLast", "BidAsk", "MidPoint"):
            ib.reqTickByTickData(contract, kind, 0, False)
        await until(lambda: gateway.call(lambda served: len(served.clients[1].subscriptions)) == 4)
        push(
            gateway,
            quote(0.001, 6800, 6800.25),
            quote(0.002, 6800, 6800.25, 5),
            trade(0.003, 6800.25, 3),
            quote(0.004, 6800.25, 6800.75),
        )
        await until(lambda: len(heard) >= 7)
        return heard

    with scripted(speed=10.0) as gateway:
        heard = play(gateway, work)
    second = START_NS // S
    lasts = [one for one in heard if one[0] == "tickByTickAllLast"]
    assert sorted(one[2] for one in lasts) == [1, 2]
    for one in lasts:
        assert one[3:6] == (second, 6800.25, 3)
        assert one[7] == "CME"
    quotes = [one[2:7] for one in heard if one[0] == "tickByTickBidAsk"]
    assert quotes == [
        (second, 6800.0, 6800.25, 7, 9),
        (second, 6800.0, 6800.25, 5, 9),
        (second, 6800.25, 6800.75, 7, 9),
    ]
    # The mid point comes when it changes.
    assert [one[2:] for one in heard if one[0] == "tickByTickMidPoint"] == [(second, 6800.125), (second, 6800.5)]


def test_sampled_data_say_what_has_changed_and_every_trade_as_rtvolume():
    async def work(ib, contract):
        heard = tap(ib, "priceSizeTick", "tickSize", "tickString", "marketDataType", "tickReqParams")
        push(gateway, quote(0.0, 6800, 6800.25), trade(0.0, 6800.25, 2), trade(0.1, 6799.75, 4))
        ticker = ib.reqMktData(contract, "233,375", False, False)
        await until(lambda: ticker.close > 0)  # the last value of the first sample
        heard_first = list(heard)
        heard.clear()
        push(gateway, trade(0.2, 6800.75, 6), quote(0.2, 6800.5, 6800.75, 7, 11))
        await until(lambda: any(one[0] == "tickSize" and one[2] == 8 for one in heard))
        await until(lambda: ticker.askSize == 11)
        ib.cancelMktData(contract)
        return ticker, heard_first, heard

    with scripted(speed=10.0) as gateway:
        before = gateway.call(lambda served: served.market.book(MES).past())
        ticker, first, later = play(gateway, work)
    assert ("marketDataType", first[0][1], 1) in first
    assert next(one for one in first if one[0] == "tickReqParams")[2] == 0.25
    assert (ticker.bid, ticker.bidSize, ticker.ask, ticker.askSize) == (6800.5, 7, 6800.75, 11)
    assert (ticker.last, ticker.lastSize) == (6800.75, 6)
    # The session began the evening before: volume, range and mean are of its bars and of what was pushed.
    open_ns = datetime(2026, 11, 24, 23, tzinfo=UTC).timestamp() * S
    session = [bar for bar in before if bar.begin_ns >= open_ns]
    volume = sum(bar.volume for bar in session) + 2 + 4 + 6
    turnover = sum(bar.notional for bar in session) / 4 + 2 * 6800.25 + 4 * 6799.75 + 6 * 6800.75
    assert ticker.volume == volume
    assert ticker.rtVolume == volume
    assert ticker.vwap == pytest.approx(turnover / volume)
    assert ticker.high == max(max(bar.high_halves for bar in session) / 8, 6800.75)
    assert ticker.low == min(min(bar.low_halves for bar in session) / 8, 6799.75)
    assert ticker.open == session[0].open_halves / 8
    assert ticker.close == next(bar for bar in reversed(before) if bar.begin_ns < open_ns).close_halves / 8
    texts = [one[3].split(";") for one in later if one[0] == "tickString" and one[2] in {48, 77}]
    assert [text[:4] for text in texts] == [["6800.75", "6", str((START_NS + 2 * S // 10) // 10**6), str(volume)]] * 2
    # What has not changed is not said again.
    assert {one[2] for one in later if one[0] == "priceSizeTick"} <= {1, 2, 4, 6}


def test_a_new_session_begins_with_nothing_but_the_close_of_the_one_before():
    """From ten seconds before the close at 16:00 in Chicago to the open at 17:00."""
    start_ns = int(datetime(2026, 11, 24, 21, 59, 50, tzinfo=UTC).timestamp()) * S
    offset_s = (start_ns - START_NS) / S

    async def work(ib, contract):
        ticker = ib.reqMktData(contract, "233", False, False)
        push(gateway, trade(offset_s + 5, 6805, 9), trade(offset_s + 8, 6810, 2))
        push(gateway, trade(offset_s + 3612, 6812, 3), trade(offset_s + 3613, 6811, 4))
        await until(lambda: ticker.last == 6810 and ticker.volume > 11, 5)
        before = ticker.volume
        await until(lambda: ticker.last == 6811 and ticker.volume < before, 5)
        return ticker

    with scripted(start_ns=start_ns, speed=1800.0) as gateway:
        ticker = play(gateway, work)
    assert (ticker.close, ticker.open, ticker.high, ticker.low) == (6810, 6812, 6812, 6811)
    assert (ticker.volume, ticker.rtVolume) == (7, 7)
    assert ticker.vwap == pytest.approx((3 * 6812 + 4 * 6811) / 7)


def test_a_snapshot_ends_by_itself():
    async def work(ib, contract):
        push(gateway, quote(0.0, 6800, 6800.25), trade(0.0, 6800, 1))
        (ticker,) = await ib.reqTickersAsync(contract)
        open_streams = gateway.call(lambda served: dict(served.clients[1].subscriptions))
        return ticker, open_streams

    with scripted(speed=10.0) as gateway:
        ticker, open_streams = play(gateway, work)
    assert (ticker.bid, ticker.ask, ticker.last) == (6800, 6800.25, 6800)
    assert open_streams == {}


@pytest.mark.parametrize("smart", [False, True])
def test_depth_has_the_touch_and_levels_a_tick_apart(smart):
    async def work(ib, contract):
        ticker = ib.reqMktDepth(contract, 4, smart)
        await until(lambda: gateway.call(lambda served: len(served.clients[1].subscriptions)) == 1)
        push(gateway, quote(0.001, 6800, 6800.5, 3, 4))
        await until(lambda: len(ticker.domBids) == len(ticker.domAsks) == 4)
        first = [(level.price, level.size) for level in ticker.domBids]
        push(gateway, quote(0.002, 6800.25, 6800.5, 8, 4), quote(0.003, 6800, 6800.5, 6, 4))
        await until(lambda: ticker.domBids[0].size == 6 and ticker.domBids[0].price == 6800)
        later = [(level.price, level.size) for level in ticker.domBids]
        asks, makers = [level.price for level in ticker.domAsks], {level.marketMaker for level in ticker.domBids}
        ib.cancelMktDepth(contract, smart)
        await until(lambda: not gateway.call(lambda served: served.clients[1].subscriptions))
        return first, later, asks, makers

    with scripted(speed=10.0) as gateway:
        first, later, asks, makers = play(gateway, work)
    assert [price for price, _ in first] == [6800, 6799.75, 6799.5, 6799.25]
    assert asks == [6800.5, 6800.75, 6801.0, 6801.25]
    assert first[0] == (6800, 3)
    assert later == [(6800, 6), *first[1:]], "a price that comes back has its size again"
    assert makers == {"CME" if smart else ""}


@pytest.mark.parametrize(
    ("show", "expected"),
    [
        ("TRADES", [(1, 6800, 6801, 6799, 6799, 6, 3), (2, 6802, 6802, 6802, 6802, 1, 1)]),
        (
            "MIDPOINT",
            [(1, 6800.25, 6800.25, 6799.75, 6799.75, -1, -1), (2, 6801.75, 6801.75, 6801.75, 6801.75, -1, -1)],
        ),
        ("BID", [(1, 6800, 6800, 6799.5, 6799.5, -1, -1), (2, 6801.5, 6801.5, 6801.5, 6801.5, -1, -1)]),
        ("ASK", [(1, 6800.5, 6800.5, 6800, 6800, -1, -1), (2, 6802, 6802, 6802, 6802, -1, -1)]),
    ],
)
def test_real_time_bars(show, expected):
    async def work(ib, contract):
        bars = ib.reqRealTimeBars(contract, 5, show, useRTH=False)
        await until(lambda: gateway.call(lambda served: len(served.clients[1].subscriptions)) == 1)
        push(gateway, quote(5, 6800, 6800.5), trade(5.5, 6800, 1), trade(6, 6801, 2), trade(9.9, 6799, 3))
        push(gateway, quote(9, 6799.5, 6800), quote(10, 6801.5, 6802), trade(14, 6802, 1))
        await until(lambda: len(bars) == 2, 5)
        return list(bars)

    with scripted(speed=10.0) as gateway:
        bars = play(gateway, work)
    begun = (START_NS // S, 5)
    found = [
        ((bar.time.timestamp() - begun[0]) / 5, bar.open_, bar.high, bar.low, bar.close, bar.volume, bar.count)
        for bar in bars
    ]
    assert found == expected
    if show == "TRADES":
        assert bars[0].wap == pytest.approx((6800 + 2 * 6801 + 3 * 6799) / 6)


def test_data_that_stop_say_nothing_and_go_on_later():
    async def work(ib, contract):
        heard = tap(ib, "tickByTickBidAsk", "tickSize")
        ib.reqTickByTickData(contract, "BidAsk", 0, False)
        ticker = ib.reqMktData(contract, "", False, False)
        push(gateway, quote(0.1, 6800, 6800.25))
        await until(lambda: ticker.bid == 6800)
        gateway.call(lambda served: served.scenario.do("stop_data"))
        heard.clear()
        push(gateway, quote(0.2, 6801, 6801.25))
        await asyncio.sleep(0.2)
        silent = list(heard)
        gateway.call(lambda served: served.scenario.do("resume_data"))
        push(gateway, quote(0.3, 6802, 6802.25))
        await until(lambda: ticker.bid == 6802)
        return silent, heard

    with scripted(speed=10.0) as gateway:
        silent, later = play(gateway, work)
    assert silent == []
    assert [one[3] for one in later if one[0] == "tickByTickBidAsk"] == [6802]


def test_delayed_data_need_leave_and_say_so_and_are_never_tick_by_tick():
    async def work(ib, contract):
        heard = tap(ib, "marketDataType", "priceSizeTick")
        gateway.call(lambda served: served.scenario.do("delayed_data"))
        push(gateway, quote(0.1, 6800, 6800.25), trade(0.1, 6800, 1))
        ib.reqTickByTickData(contract, "Last", 0, False)
        other = library().Contract(conId=contract.conId, secType="FUT", exchange="CME")
        ib.reqMktData(other, "", False, False)
        await until(lambda: {10189, 354} <= set(ib.heard.codes()))
        ib.reqMarketDataType(3)
        ticker = ib.reqMktData(contract, "", False, False)
        await until(lambda: ticker.last == 6800)
        assert 10167 in ib.heard.codes()
        kinds = [one[2] for one in heard if one[0] == "marketDataType"]
        types = {one[2] for one in heard if one[0] == "priceSizeTick"}
        gateway.call(lambda served: served.scenario.do("delayed_data", on=False))
        await until(lambda: ticker.marketDataType == 1)
        return kinds, types

    with scripted(speed=10.0) as gateway:
        kinds, types = play(gateway, work)
    assert kinds == [3]
    assert {66, 67, 68} <= types
    assert not types & {1, 2, 4}


def test_the_limits_of_streams():
    async def work(ib, contract):
        def again():
            return library().Contract(conId=contract.conId, secType="FUT", exchange="CME")

        client = ib.client
        for number, kind in enumerate(("Last", "BidAsk")):
            client.reqTickByTickData(500 + number, again(), kind, 0, False)
        client.reqTickByTickData(510, again(), "Last", 0, False)  # the same within the gap
        client.reqTickByTickData(511, again(), "AllLast", 0, False)
        client.reqTickByTickData(512, again(), "MidPoint", 0, False)  # the fourth stream
        client.reqMktDepth(500, again(), 5, False, [])  # an id in use
        client.reqTickByTickData(513, again(), "last", 0, False)  # case matters
        client.cancelTickByTickData(999)
        client.cancelMktData(998)
        client.reqMktData(514, again(), "233,999", False, False, [])
        for number in range(4):
            client.reqMktDepth(520 + number, again(), 5, False, [])
        client.reqRealTimeBars(530, again(), 10, "TRADES", False, [])
        client.reqMarketRule(4711)
        await until(lambda: 309 in ib.heard.codes() and len(ib.heard) >= 12)
        return [(req_id, code) for req_id, code, _ in ib.heard if code not in {2104, 2106, 2158}]

    with scripted(tick_by_tick_gap_s=15.0, tick_by_tick_max=3) as gateway:
        found = play(gateway, work)
    assert found == [
        *((510, 10186), (512, 10190), (500, 102), (513, 321), (999, 300), (998, 300), (514, 321), (523, 309)),
        *((530, 321), (-1, 321)),
    ]


class Recorder:
    """Stands where a connection stands: keeps what was sent."""

    server_version = 176

    def __init__(self):
        self.sent = []
        self.subscriptions = {}

    def send_frame(self, frame):
        self.sent.append(frame)

    def send(self, *values):
        self.sent.append(values)


def heard_with_steps(step_ns):
    """What five streams hear of two minutes of the generated market, advanced in steps of one size."""
    served = Gateway(GatewayConfig(seed=5))
    client, row = Recorder(), served.contracts.front(MES)
    for stream in (
        TickByTick(served, client, 1, row, 2),
        TickByTick(served, client, 2, row, 3),
        LevelOne(served, client, 3, row, generic={"233"}, snapshot=False),
        Depth(client, 4, row, 5, smart=False),
        RealTimeBars(served, client, 5, row, "TRADES", regular=False),
    ):
        served.market.listen(stream)
    for now_ns in range(START_NS, START_NS + 120 * S, step_ns):
        served.market.advance(now_ns)
    served.market.advance(START_NS + 120 * S)
    return client.sent


def test_what_is_heard_does_not_depend_on_how_often_the_pump_runs():
    async def main():
        return [heard_with_steps(step_ns) for step_ns in (7_000_000, 120_000_000, 3_300_000_000)]

    first, second, third = asyncio.run(main())
    assert len(first) > 1000
    assert first == second == third
