"""Contracts, live data and history of the gateway, decoded by the real library, against the generated market."""

import asyncio
import itertools
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.gateway.clients import connected, until
from trading_bot.adapters.calendar_files import load_calendar
from trading_bot.adapters.gateway.background import running_gateway
from trading_bot.adapters.ibkr.library import library
from trading_bot.adapters.sim.market import SimFeed
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.records import TICK_RECORD

START_NS = 1_795_616_400_000_000_000  # 2026-11-25T14:20:00Z
SEED = 11
CHICAGO = ZoneInfo("America/Chicago")
CALENDAR = load_calendar("us_index.csv", Path("data"))


@pytest.fixture(scope="module")
def gateway():
    with running_gateway(seed=SEED, speed=30.0, messages_per_s=0, tick_by_tick_gap_s=0.0) as running:
        yield running


@pytest.fixture(scope="module")
def generated():
    """The first minutes of the same market, as (kind, ts_ns, event_ns, fields), made here."""
    feed = SimFeed(
        INSTRUMENTS["MES"],
        CALENDAR,
        seed=SEED,
        start_ns=START_NS,
        duration_ns=3600 * 10**9,
        resolution_ns=10**9,
        batch_records=4096,
    )
    rows = []
    while (batch := feed.read()) is not None:
        for at in range(0, len(batch), 64):
            row = TICK_RECORD.unpack_from(batch, at)
            rows.append((row[3], row[7], row[8], row[9:14]))
    return rows


def future(**fields):
    return library().Contract(secType="FUT", exchange="CME", currency="USD", **fields)


async def front(ib, symbol="MES"):
    rows = await ib.reqContractDetailsAsync(future(symbol=symbol))
    return min(rows, key=lambda row: row.contract.lastTradeDateOrContractMonth).contract


def test_a_future_by_symbol_is_every_listed_quarter_with_what_the_exchange_says_of_it(gateway):
    async def main():
        async with connected(gateway) as ib:
            return await ib.reqContractDetailsAsync(future(symbol="MES"))

    rows = asyncio.run(main())
    assert [row.contract.localSymbol for row in rows] == ["MESZ6", "MESH7", "MESM7", "MESU7", "MESZ7"]
    # Third Fridays, from a calendar of those years; on 18 June 2027 the stock exchange is shut (Juneteenth).
    assert [row.contract.lastTradeDateOrContractMonth for row in rows] == [
        *("20261218", "20270319", "20270617", "20270917", "20271217")
    ]
    row = rows[0]
    assert (row.contract.multiplier, row.contract.currency, row.contract.exchange) == ("5", "USD", "CME")
    assert (row.contract.tradingClass, row.minTick, row.contractMonth) == ("MES", 0.25, "202612")
    assert row.timeZoneId == "US/Central"
    # Globex 17:00 to 16:00 and NYSE 08:30 to 15:00 in Chicago; Thanksgiving and the half-day after it.
    trading, liquid = row.tradingHours.split(";"), row.liquidHours.split(";")
    assert trading[0] == "20261124:1700-20261125:1600"
    assert trading[2].endswith("20261127:1215")
    assert liquid[:3] == ["20261125:0830-20261125:1500", "20261126:CLOSED", "20261127:0830-20261127:1200"]
    assert len({row.contract.conId for row in rows}) == 5


def test_a_continuous_future_is_the_front_month_and_what_is_not_listed_is_200(gateway):
    async def main():
        async with connected(gateway) as ib:
            continuous = await ib.reqContractDetailsAsync(
                library().Contract(secType="CONTFUT", symbol="ES", exchange="CME", currency="USD")
            )
            by_id = await ib.reqContractDetailsAsync(library().Contract(conId=continuous[0].contract.conId))
            nothing = await ib.reqContractDetailsAsync(future(symbol="XYZ"))
            return continuous, by_id, nothing, ib.heard.codes()

    continuous, by_id, nothing, codes = asyncio.run(main())
    assert [row.contract.localSymbol for row in continuous] == ["ESZ6"]
    assert [row.contract.localSymbol for row in by_id] == ["ESZ6"]
    assert nothing == []
    assert 200 in codes


def test_the_market_rule_of_a_contract_is_its_grid(gateway):
    async def main():
        async with connected(gateway) as ib:
            rows = await ib.reqContractDetailsAsync(future(symbol="M2K"))
            number = int(rows[0].marketRuleIds.split(",")[0])
            return await ib.reqMarketRuleAsync(number)

    (rule,) = asyncio.run(main())
    assert (rule.lowEdge, rule.increment) == (0, 0.1)


def test_ticks_are_the_generated_markets_in_order_and_complete(gateway, generated):
    heard = []

    async def main():
        async with connected(gateway, 2) as ib:
            contract = await front(ib)
            wrapper = ib.wrapper
            for name in ("tickByTickAllLast", "tickByTickBidAsk"):
                tap(wrapper, name, heard, ib)
            ib.reqTickByTickData(contract, "Last", 0, False)
            ib.reqTickByTickData(contract, "BidAsk", 0, False)
            await until(lambda: len(heard) > 400, 20)

    asyncio.run(main())
    quotes = [(row[1], row[2], row[3], row[4], row[5]) for row in heard if len(row) == 7]
    trades = [(row[2], row[3], row[4]) for row in heard if len(row) == 8]
    assert len(quotes) > 50
    assert len(trades) > 20
    made_quotes = [(e // 10**9, f[0] / 4, f[1] / 4, f[2], f[3]) for kind, _, e, f in generated if kind == 1]
    made_trades = [(e // 10**9, f[0] / 4, f[2]) for kind, _, e, f in generated if kind == 2]
    assert sublist(quotes, made_quotes)
    assert sublist(trades, made_trades)


def tap(wrapper, name, heard, ib):
    """Hear the raw callback: the library itself stamps ticks with its own time."""
    original = getattr(wrapper, name)

    def call(*arguments):
        heard.append(arguments)
        return original(*arguments)

    setattr(wrapper, name, call)
    ib.client.decoder.wrapper = wrapper


def sublist(part, whole):
    first = whole.index(part[0])
    return any(whole[at : at + len(part)] == part for at in range(first, len(whole)) if whole[at] == part[0])


def test_sampled_data_have_the_touch_the_last_trade_and_the_volume_of_trades(gateway):
    async def main():
        async with connected(gateway, 3) as ib:
            contract = await front(ib)
            ticker = ib.reqMktData(contract, "233", False, False)
            await until(lambda: ticker.bid == ticker.bid and ticker.last == ticker.last and ticker.close > 0, 10)
            await until(lambda: ticker.volume > 0 and ticker.rtVolume > 0, 10)
            assert 0 < ticker.ask - ticker.bid <= 5
            assert ticker.low <= ticker.last <= ticker.high
            assert ticker.marketDataType == 1
            snapshot = (await ib.reqTickersAsync(contract))[0]
            assert snapshot.bid > 0
            ib.cancelMktData(contract)

    asyncio.run(main())


def test_depth_is_inserted_before_it_is_updated_and_steps_by_a_tick(gateway):
    async def main():
        async with connected(gateway, 4) as ib:
            contract = await front(ib)
            ticker = ib.reqMktDepth(contract, 5)
            await until(lambda: len(ticker.domBids) == 5 and len(ticker.domAsks) == 5, 10)
            bids = [level.price for level in ticker.domBids]
            asks = [level.price for level in ticker.domAsks]
            assert [a - b for a, b in itertools.pairwise(bids)] == [0.25] * 4
            assert [b - a for a, b in itertools.pairwise(asks)] == [0.25] * 4
            assert bids[0] < asks[0]

    asyncio.run(main())


def test_real_time_bars_hold_five_seconds_of_the_generated_trades(gateway, generated):
    async def main():
        async with connected(gateway, 5) as ib:
            contract = await front(ib)
            bars = ib.reqRealTimeBars(contract, 5, "TRADES", False)
            await until(lambda: len(bars) >= 4, 15)
            return list(bars)[1:]  # the first may have begun before it was asked for

    for bar in asyncio.run(main()):
        begin_ns = round(bar.time.timestamp()) * 10**9
        assert begin_ns % (5 * 10**9) == 0
        trades = [f for kind, ts, _, f in generated if kind == 2 and begin_ns <= ts < begin_ns + 5 * 10**9]
        prices = [f[0] / 4 for f in trades]
        found = (bar.open_, bar.high, bar.low, bar.close, bar.volume, bar.count)
        assert found == (prices[0], max(prices), min(prices), prices[-1], sum(f[2] for f in trades), len(trades))


def test_minute_bars_before_the_start_are_the_simulators_history(gateway):
    feed = SimFeed(
        INSTRUMENTS["MES"],
        CALENDAR,
        seed=SEED,
        start_ns=START_NS,
        duration_ns=10**9,
        resolution_ns=10**9,
        batch_records=64,
    )
    made = {bar.ts_open_ns // 10**9: bar for bar in feed.history_bars(21)}

    async def main():
        async with connected(gateway, 6) as ib:
            contract = await front(ib)
            return await ib.reqHistoricalDataAsync(
                contract,
                endDateTime="20261125-14:00:00",
                durationStr="2 D",
                barSizeSetting="1 min",
                whatToShow="TRADES",
                useRTH=False,
                formatDate=2,
            )

    bars = asyncio.run(main())
    assert len(bars) > 2_000
    assert bars[-1].date < datetime(2026, 11, 25, 14, 0, tzinfo=UTC)
    for bar in bars:
        twin = made[round(bar.date.timestamp())]
        found = (bar.open, bar.high, bar.low, bar.close, bar.volume)
        assert found == (
            *(t / 4 for t in (twin.open_ticks, twin.high_ticks, twin.low_ticks, twin.close_ticks)),
            twin.volume,
        )
        assert bar.average == pytest.approx(twin.notional / twin.volume / 4)


def test_bars_of_a_day_are_sessions_and_regular_hours_are_new_yorks(gateway):
    async def main():
        async with connected(gateway, 7) as ib:
            contract = await front(ib)
            days = await ib.reqHistoricalDataAsync(contract, "", "5 D", "1 day", "TRADES", useRTH=False)
            half_hours = await ib.reqHistoricalDataAsync(
                contract, "20261124-23:00:00", "1 D", "30 mins", "TRADES", useRTH=True, formatDate=2
            )
            return days, half_hours

    days, half_hours = asyncio.run(main())
    assert [str(bar.date) for bar in days] == ["2026-11-19", "2026-11-20", "2026-11-23", "2026-11-24", "2026-11-25"]
    times = [bar.date.astimezone(CHICAGO).strftime("%d %H:%M") for bar in half_hours]
    assert (times[0], times[-1], len(times)) == ("24 08:30", "24 14:30", 13)


def test_past_ticks_page_by_whole_seconds(gateway, generated):
    async def main():
        async with connected(gateway, 8) as ib:
            contract = await front(ib)
            await asyncio.sleep(1.0)
            return await ib.reqHistoricalTicksAsync(contract, "20261125-14:20:00", "", 50, "TRADES", useRth=False)

    ticks = asyncio.run(main())
    made = [(ts // 10**9, f[0] / 4, f[2]) for kind, ts, _, f in generated if kind == 2]
    found = [(round(tick.time.timestamp()), tick.price, tick.size) for tick in ticks]
    assert 50 <= len(found) < 100
    assert found == made[: len(found)]
    assert made[len(found)][0] > found[-1][0], "the last second is complete"


def test_what_cannot_be_served_is_told_by_code(gateway):
    async def main():
        async with connected(gateway, 9) as ib:
            contract = await front(ib)
            for _ in range(4):
                copy = library().Contract(conId=contract.conId)
                ib.reqMktDepth(copy, 5)
            await ib.reqHistoricalDataAsync(contract, "20200101-00:00:00", "1 D", "1 min", "TRADES", useRTH=False)
            await until(lambda: {309, 162} <= set(ib.heard.codes()))

    asyncio.run(main())
