"""Bars and ticks of the past, as the real library decodes them, against the market they were made from."""

import asyncio
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.gateway.clients import connected, until
from tests.gateway.test_streams import MES, START_NS, S, play, push, quote, scripted, trade
from trading_bot.adapters.calendar_files import load_calendar
from trading_bot.adapters.gateway.background import running_gateway
from trading_bot.adapters.ibkr.library import library
from trading_bot.adapters.sim.market import SimFeed
from trading_bot.domain.records import TICK_RECORD

SEED = 13
CHICAGO = ZoneInfo("America/Chicago")
DATA = Path(__file__).parents[2] / ".." / "shared" / "data" / "es_l3_holiday"
SIZES_S = {"1 secs": 1, "5 secs": 5, "10 secs": 10, "15 secs": 15, "30 secs": 30, "1 min": 60, "2 mins": 120}
SIZES_S |= {"3 mins": 180, "5 mins": 300, "10 mins": 600, "15 mins": 900, "20 mins": 1200, "30 mins": 1800}
SIZES_S |= {"1 hour": 3600, "2 hours": 7200, "3 hours": 10800, "4 hours": 14400, "8 hours": 28800}
UNTIL_S = 600  # of the generated market


def sim(duration_s):
    calendar = load_calendar("us_index.csv", Path("data"))
    return SimFeed(
        MES, calendar, seed=SEED, start_ns=START_NS, duration_ns=duration_s * S, resolution_ns=S, batch_records=999
    )


@pytest.fixture(scope="module")
def market():
    """The first ten minutes: (ts_ns, bid, ask, bid_qty, ask_qty) and (ts_ns, price, qty), prices in points."""
    feed, quotes, trades = sim(UNTIL_S), [], []
    while (batch := feed.read()) is not None:
        for at in range(0, len(batch), 64):
            row = TICK_RECORD.unpack_from(batch, at)
            if row[3] == 1:
                quotes.append((row[7], row[9] / 4, row[10] / 4, row[11], row[12]))
            elif row[3] == 2:
                trades.append((row[7], row[9] / 4, row[11]))
    return quotes, trades


@pytest.fixture(scope="module")
def past():
    """Minutes before the start, prices in points."""
    rows = sim(UNTIL_S).history_bars(21)
    return [(one[0], one[1] / 4, one[2] / 4, one[3] / 4, one[4] / 4, one[5], one[6] / 4) for one in rows]


@pytest.fixture(scope="module")
def gateway():
    """A gateway whose clock has passed those ten minutes."""
    with running_gateway(seed=SEED, speed=600.0, messages_per_s=0, small_bars_per_10_min=0) as running:
        wait_for(running, START_NS + UNTIL_S * S)
        yield running


def wait_for(gateway, ts_ns):
    """A client, so that the clock runs, and the time until it has passed."""

    async def main():
        async with connected(gateway, 9):
            await until(lambda: gateway.call(lambda served: served.clock.now_ns()) > ts_ns)

    asyncio.run(main())


def bars_of(gateway, end, duration, size, show="TRADES", *, rth=False, date_format=2):
    async def work(ib, contract):
        asked = (contract, end, duration, size, show)
        return await ib.reqHistoricalDataAsync(*asked, useRTH=rth, formatDate=date_format)

    return play(gateway, work)


def grouped(prices, size_s):
    """Open, high, low and close of (ts_ns, price), by the multiple of the size each begins in."""
    groups = defaultdict(list)
    for ts_ns, price in prices:
        groups[ts_ns // S // size_s * size_s].append(price)
    return {begin: (rows[0], max(rows), min(rows), rows[-1]) for begin, rows in groups.items()}


def ohlc(bars):
    return {round(bar.date.timestamp()): (bar.open, bar.high, bar.low, bar.close) for bar in bars}


@pytest.mark.parametrize("size", [size for size, seconds in SIZES_S.items() if seconds <= 300])
def test_bars_of_trades_since_the_start(gateway, market, size):
    bars = bars_of(gateway, "20261125-14:30:00", f"{UNTIL_S} S", size)
    trades = market[1]
    assert ohlc(bars) == grouped([row[:2] for row in trades], SIZES_S[size])
    volumes = defaultdict(int)
    turnover = defaultdict(float)
    for ts_ns, price, qty in trades:
        begin = ts_ns // S // SIZES_S[size] * SIZES_S[size]
        volumes[begin] += qty
        turnover[begin] += price * qty
    for bar in bars:
        begin = round(bar.date.timestamp())
        assert bar.volume == volumes[begin]
        assert bar.average == pytest.approx(turnover[begin] / volumes[begin])
        assert bar.barCount == sum(ts_ns // S // SIZES_S[size] * SIZES_S[size] == begin for ts_ns, _, _ in trades)


@pytest.mark.parametrize("size", ["5 secs", "1 min"])
@pytest.mark.parametrize(
    ("show", "price"),
    [("BID", lambda row: row[1]), ("ASK", lambda row: row[2]), ("MIDPOINT", lambda row: (row[1] + row[2]) / 2)],
)
def test_bars_of_quotes_since_the_start(gateway, market, size, show, price):
    bars = bars_of(gateway, "20261125-14:30:00", f"{UNTIL_S} S", size, show)
    assert ohlc(bars) == grouped([(row[0], price(row)) for row in market[0]], SIZES_S[size])
    assert {(bar.volume, bar.average, bar.barCount) for bar in bars} == {(-1, -1, -1)}


@pytest.mark.parametrize("size", [size for size, seconds in SIZES_S.items() if seconds >= 60])
def test_bars_before_the_start(gateway, past, size):
    """The session of the day before: 17:00 to 16:00 in Chicago. No bar reaches over its ends."""
    begin, end = (int(datetime(2026, 11, day, hour, tzinfo=UTC).timestamp()) for day, hour in ((23, 23), (24, 22)))
    minutes = [row for row in past if begin <= row[0] // S < end]
    size_s = SIZES_S[size]
    groups = defaultdict(list)
    for row in minutes:
        groups[max(row[0] // S // size_s * size_s, begin)].append(row)
    bars = bars_of(gateway, "20261124-22:00:00", "1 D", size)
    assert ohlc(bars) == {
        at: (rows[0][1], max(row[2] for row in rows), min(row[3] for row in rows), rows[-1][4])
        for at, rows in groups.items()
    }
    for bar in bars:
        rows = groups[round(bar.date.timestamp())]
        volume = sum(row[5] for row in rows)
        assert bar.volume == volume
        assert bar.average == pytest.approx(sum(row[6] for row in rows) / volume)


def test_twenty_sessions_of_minutes(gateway, past):
    bars = bars_of(gateway, "20261125-14:20:00", "21 D", "1 min")
    first = min(bar.date for bar in bars)
    # The 21st session counted back from the 25th, 26 October, is open from the Sunday before at 17:00.
    assert first.astimezone(CHICAGO).strftime("%Y-%m-%d %H") == "2026-10-27 17"
    assert len(bars) == len([row for row in past if row[0] // S >= first.timestamp()])


def test_a_day_that_ends_in_the_daily_break_is_the_session_before_it(gateway):
    bars = bars_of(gateway, "20261124-22:30:00", "1 D", "1 hour")
    assert bars[0].date == datetime(2026, 11, 23, 23, tzinfo=UTC)
    assert bars[-1].date == datetime(2026, 11, 24, 21, tzinfo=UTC)


@pytest.mark.parametrize(("show", "ticks"), [("BID", 0), ("MIDPOINT", 0.5), ("ASK", 1)])
def test_quotes_before_the_start_lie_around_the_trades(gateway, past, show, ticks):
    (bar,) = bars_of(gateway, "20261124-19:00:00", "60 S", "1 min", show)
    (row,) = [one for one in past if one[0] // S == round(bar.date.timestamp())]
    assert _prices(bar) == tuple(price + ticks / 4 for price in row[1:5])


def test_days_weeks_and_months(gateway, past):
    def dates(size, duration):
        return [str(bar.date) for bar in bars_of(gateway, "20261124-23:30:00", duration, size)]

    assert dates("1 day", "4 D") == ["2026-11-20", "2026-11-23", "2026-11-24", "2026-11-25"]
    assert dates("1 week", "11 D")[-2:] == ["2026-11-20", "2026-11-25"]
    assert dates("1 month", "20 D") == ["2026-10-30", "2026-11-25"]
    (day,) = bars_of(gateway, "20261124-22:00:00", "1 D", "1 day")
    begin, end = (datetime(2026, 11, at, hour, tzinfo=UTC).timestamp() * S for at, hour in ((23, 23), (24, 22)))
    rows = [row for row in past if begin <= row[0] < end]
    assert (day.open, day.close, day.volume) == (rows[0][1], rows[-1][4], sum(row[5] for row in rows))


def test_regular_hours_only(gateway):
    """08:30 to 15:00 in Chicago; hours begin on the hour except the first."""
    bars = bars_of(gateway, "20261124-22:00:00", "2 D", "1 hour", rth=True)
    found = [bar.date.astimezone(CHICAGO).strftime("%d %H:%M") for bar in bars]
    hours = ("08:30", "09:00", "10:00", "11:00", "12:00", "13:00", "14:00")
    assert found == [f"{day} {hour}" for day in (23, 24) for hour in hours]
    (day,) = bars_of(gateway, "20261124-22:00:00", "1 D", "1 day", rth=True)
    assert (day.open, day.close, day.volume) == (bars[7].open, bars[13].close, sum(bar.volume for bar in bars[7:]))


@pytest.mark.parametrize("end", ["20261124 14:00:00 US/Eastern", "20261124 13:00:00", "20261124-19:00:00"])
def test_an_end_in_any_zone_and_times_in_the_exchanges(gateway, end):
    bars = bars_of(gateway, end, "120 S", "1 min", date_format=1)
    found = [bar.date.astimezone(UTC).strftime("%H:%M") for bar in bars]
    assert found == ["18:58", "18:59"]


def test_bars_that_go_on():
    async def work(ib, contract):
        heard = []
        # A library that was given no bar to begin with ignores those that follow.
        await until(lambda: gateway.call(lambda served: served.market.book(MES).trade is not None))
        bars = await ib.reqHistoricalDataAsync(
            contract, "", "60 S", "10 secs", "TRADES", useRTH=False, formatDate=2, keepUpToDate=True
        )
        bars.updateEvent += lambda _bars, new: heard.append((new, len(bars)))
        push(gateway, trade(1, 6800, 2), trade(4, 6803, 1), trade(7, 6799, 1), quote(8, 6799, 6799.25))
        push(gateway, trade(12, 6801, 5), trade(19, 6802, 1))
        await until(lambda: len(bars) >= 2 and bars[-1].close == 6802, 5)
        found = [(bar.date.timestamp() - START_NS / S, *_prices(bar), bar.volume, bar.barCount) for bar in bars]
        open_streams = gateway.call(lambda served: len(served.clients[1].subscriptions))
        ib.cancelHistoricalData(bars)
        await until(lambda: not gateway.call(lambda served: served.clients[1].subscriptions))
        return found, heard, open_streams

    with scripted(speed=10.0) as gateway:
        gateway.call(lambda served: served.market.push(MES, trade(0.0, 6805, 1)))
        found, heard, open_streams = play(gateway, work)
    assert open_streams == 1
    assert found == [(0, 6805, 6805, 6799, 6799, 5, 4), (10, 6801, 6802, 6801, 6802, 6, 2)]
    assert [new for new, _ in heard].count(True) == 1


def _prices(bar):
    return bar.open, bar.high, bar.low, bar.close


def test_small_bars_are_paced():
    async def work(ib, contract):
        async def ask(end, size="5 secs", show="TRADES"):
            return await ib.reqHistoricalDataAsync(contract, end, "60 S", size, show, useRTH=False)

        ends = [f"20261124-19:00:{second:02}" for second in range(10)]
        await ask(ends[0], "1 min")  # not small
        await ask(ends[0], "1 min")
        for end in ends[:5]:
            await ask(end)
        before = [text for _, code, text in ib.heard if code == 162]
        await ask(ends[5])  # the sixth for one contract and kind within two seconds
        await ask(ends[5], show="BID")  # another kind
        await ask(ends[5], show="BID")  # identical within fifteen
        return before, [text for _, code, text in ib.heard if code == 162][len(before) :]

    with scripted() as gateway:
        before, after = play(gateway, work)
    assert not any("pacing" in text for text in before)
    assert [("pacing" in text) for text in after] == [True, False, True]


@pytest.mark.parametrize(
    ("code", "asked"),
    [
        (321, ("", "1 D", "7 mins", "TRADES")),
        (321, ("", "1 D", "1 min", "SCHEDULE")),
        (321, ("", "100000 S", "1 min", "TRADES")),
        (321, ("", "400 D", "1 day", "TRADES")),
        (320, ("", "1 X", "1 min", "TRADES")),
        (320, ("yesterday", "1 D", "1 min", "TRADES")),
        (162, ("20200101-00:00:00", "1 D", "1 min", "TRADES")),
    ],
)
def test_bars_that_cannot_be_served(gateway, code, asked):
    async def work(ib, contract):
        # Asked below the library's own method: one of the two takes 321 for a warning and waits on.
        ib.client.reqHistoricalData(800, contract, *asked, False, 1, False, [])
        await until(lambda: 800 in [req_id for req_id, _, _ in ib.heard])
        return [found for req_id, found, _ in ib.heard if req_id == 800]

    assert play(gateway, work) == [code]


def test_going_on_ends_now_and_an_unknown_cancel_is_366(gateway):
    async def work(ib, contract):
        ib.client.reqHistoricalData(*(800, contract, "20261124-19:00:00", "1 D", "1 min", "TRADES", False, 1, True, []))
        ib.client.cancelHistoricalData(801)
        await until(lambda: {321, 366} <= set(ib.heard.codes()))

    play(gateway, work)


def test_the_first_time_there_is(gateway, past):
    async def work(ib, contract):
        found = [await ib.reqHeadTimeStampAsync(contract, "TRADES", rth, 2) for rth in (False, True)]
        return [*found, await ib.reqHeadTimeStampAsync(contract, "TRADES", useRTH=False, formatDate=1)]

    every, regular, text = play(gateway, work)
    assert every.timestamp() == past[0][0] / S
    assert text.timestamp() == past[0][0] / S
    assert regular.astimezone(CHICAGO).strftime("%H:%M") == "08:30"


def ticks_of(gateway, begin, end, number, show, *, rth=False):
    async def work(ib, contract):
        return await ib.reqHistoricalTicksAsync(contract, begin, end, number, show, useRth=rth)

    return play(gateway, work)


@pytest.mark.parametrize("show", ["TRADES", "BID_ASK", "MIDPOINT"])
def test_past_ticks_page_on_without_gap_or_overlap(gateway, market, show):
    """From one page's last second the next begins: what a download does."""
    quotes, trades = market
    rows = {
        "TRADES": [(row[0] // S, row[1], row[2]) for row in trades],
        "BID_ASK": [(row[0] // S, *row[1:]) for row in quotes],
        "MIDPOINT": [(row[0] // S, (row[1] + row[2]) / 2) for row in quotes],
    }[show]
    values = {
        "TRADES": lambda tick: (tick.price, tick.size),
        "BID_ASK": lambda tick: (tick.priceBid, tick.priceAsk, tick.sizeBid, tick.sizeAsk),
        "MIDPOINT": lambda tick: (tick.price,),
    }[show]
    found, begin = [], START_NS // S
    for _ in range(4):
        text = datetime.fromtimestamp(begin, UTC).strftime("%Y%m%d-%H:%M:%S")
        ticks = ticks_of(gateway, text, "", 60, show)
        found += [(round(tick.time.timestamp()), *values(tick)) for tick in ticks]
        begin = found[-1][0] + 1
    assert len(found) >= 240
    assert found == rows[: len(found)]


def test_past_ticks_up_to_an_end_and_in_regular_hours(gateway, market):
    ticks = ticks_of(gateway, "", "20261125-14:25:00", 10, "TRADES")
    end = datetime(2026, 11, 25, 14, 25, tzinfo=UTC).timestamp()
    rows = [row for row in market[1] if row[0] // S < end]
    first = rows[-10][0] // S
    assert [(tick.price, tick.size) for tick in ticks] == [row[1:] for row in rows if row[0] // S >= first]
    # The market opened before the regular session did, at 08:30 in Chicago.
    regular = ticks_of(gateway, "20261125-14:20:00", "", 10, "BID_ASK", rth=True)
    assert regular[0].time >= datetime(2026, 11, 25, 14, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "asked",
    [
        ("20261125-14:20:00", "20261125-14:21:00", 10, "TRADES"),
        ("", "", 10, "TRADES"),
        ("20261125-14:20:00", "", 1001, "TRADES"),
        ("20261125-14:20:00", "", 10, "BID"),
    ],
)
def test_ticks_that_cannot_be_served_are_321(gateway, asked):
    async def work(ib, contract):
        ib.client.reqHistoricalTicks(900, contract, *asked, False, False, [])
        await until(lambda: 321 in ib.heard.codes())

    play(gateway, work)


needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is not here")


@needs_data
def test_a_recorded_hour_is_served_as_it_was_recorded():
    """ES of 25 December 2023 from files: past ticks are the files' rows, and its bars are theirs."""
    pq = pytest.importorskip("pyarrow.parquet", reason="the research extra is not installed here")

    trades = pq.read_table(DATA / "es_mbo_20231225_trades.parquet").to_pylist()
    quotes = DATA / "es_mbo_20231225_quotes.parquet"
    start_ns = int(datetime(2023, 12, 25, 23, tzinfo=UTC).timestamp()) * S
    config = {"start_ns": start_ns, "inputs": (quotes, DATA / "es_mbo_20231225_trades.parquet"), "speed": 600.0}
    with running_gateway(**config) as gateway:

        async def main():
            async with connected(gateway, 1) as ib:
                (row,) = await ib.reqContractDetailsAsync(
                    library().Contract(secType="CONTFUT", symbol="ES", exchange="CME", currency="USD")
                )
                await until(lambda: gateway.call(lambda served: served.clock.now_ns()) > start_ns + 601 * S)
                ticks = await ib.reqHistoricalTicksAsync(row.contract, "20231225-23:00:00", "", 300, "TRADES", False)
                bars = await ib.reqHistoricalDataAsync(
                    row.contract, "20231225-23:10:00", "600 S", "1 min", "TRADES", useRTH=False, formatDate=2
                )
                return row.contract.localSymbol, ticks, bars

        symbol, ticks, bars = asyncio.run(main())
    assert symbol == "ESH4"
    stamp = next(name for name in ("ts_recv", "ts_event") if name in trades[0])
    rows = [(int(row[stamp]) // S, row["px"], row["qty"]) for row in trades]
    assert [(round(tick.time.timestamp()), tick.price, tick.size) for tick in ticks] == rows[: len(ticks)]
    assert len(ticks) >= 300
    assert ohlc(bars) == grouped([(at * S, price) for at, price, _ in rows if at < start_ns // S + 600], 60)


@needs_data
def test_a_recording_of_another_day_is_refused_with_what_to_do():
    from trading_bot.domain.errors import UsageError

    inputs = (DATA.parent / "es_tape" / "aferrante_ES_tbt_20220124.txt.gz",)
    with pytest.raises(UsageError, match="--start within a day"), running_gateway(inputs=inputs):
        pass


@needs_data
def test_files_are_the_market_of_one_index_and_the_others_are_silent():
    inputs = (DATA.parent / "es_tape" / "aferrante_ES_tbt_20220124.txt.gz",)
    start_ns = int(datetime(2022, 1, 24, 13, 30, tzinfo=UTC).timestamp()) * S
    with running_gateway(inputs=inputs, start_ns=start_ns, speed=100.0) as gateway:

        async def main():
            async with connected(gateway, 1) as ib:
                await until(lambda: gateway.call(lambda served: served.market.book(MES).trade is not None))
                for symbol in ("MES", "MNQ"):
                    (row,) = await ib.reqContractDetailsAsync(
                        library().Contract(secType="CONTFUT", symbol=symbol, exchange="CME", currency="USD")
                    )
                    yield await ib.reqHistoricalTicksAsync(row.contract, "20220124-13:30:00", "", 5, "TRADES", False)

        async def both():
            return [ticks async for ticks in main()]

        recorded, silent = asyncio.run(both())
    assert len(recorded) >= 5
    assert silent == []
