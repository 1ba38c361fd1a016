"""What the gateway lists, as the real library decodes it, against the exchanges' own specifications."""

import asyncio
from datetime import UTC, datetime

import pytest

from tests.gateway.clients import connected, until
from trading_bot.adapters.gateway.background import running_gateway
from trading_bot.adapters.ibkr.library import library

# Exchange, multiplier and tick from the contract specifications of CME Group.
SPECIFIED = {
    "MES": ("CME", "5", 0.25),
    "ES": ("CME", "50", 0.25),
    "MNQ": ("CME", "2", 0.25),
    "NQ": ("CME", "20", 0.25),
    "M2K": ("CME", "5", 0.1),
    "RTY": ("CME", "50", 0.1),
    "MYM": ("CBOT", "0.5", 1.0),
    "YM": ("CBOT", "5", 1.0),
}


def ns(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


@pytest.fixture(scope="module")
def gateway():
    with running_gateway(speed=30.0, messages_per_s=0, tick_by_tick_gap_s=0.0) as running:
        yield running


def contract(**fields):
    return library().Contract(**{"secType": "FUT", "symbol": "MES", "exchange": "CME", "currency": "USD", **fields})


def ask(gateway, *queries, client_id=1):
    async def main():
        async with connected(gateway, client_id) as ib:
            return [await ib.reqContractDetailsAsync(query) for query in queries], ib.heard

    return asyncio.run(main())


@pytest.mark.parametrize("symbol", SPECIFIED)
def test_every_future_of_the_registry(gateway, symbol):
    exchange, multiplier, tick = SPECIFIED[symbol]

    async def main():
        async with connected(gateway) as ib:
            rows = await ib.reqContractDetailsAsync(contract(symbol=symbol, exchange=exchange))
            rule = await ib.reqMarketRuleAsync(int(rows[0].marketRuleIds.split(",")[0]))
            return rows, rule

    rows, rule = asyncio.run(main())
    assert [row.contract.localSymbol for row in rows] == [
        f"{symbol}{month}" for month in ("Z6", "H7", "M7", "U7", "Z7")
    ]
    for row in rows:
        found = row.contract
        assert (found.symbol, found.secType, found.exchange, found.currency) == (symbol, "FUT", exchange, "USD")
        assert (found.multiplier, row.minTick, found.tradingClass) == (multiplier, tick, symbol)
        assert row.realExpirationDate == found.lastTradeDateOrContractMonth
        assert found.lastTradeDateOrContractMonth.startswith(row.contractMonth)
        # As many rules as venues, and the grid of each is the tick.
        assert len(row.marketRuleIds.split(",")) == len(row.validExchanges.split(","))
        assert {"LMT", "STP", "STPLMT", "MKT"} <= set(row.orderTypes.split(","))
        assert (row.priceMagnifier, row.minSize, row.sizeIncrement) == (1, 1, 1)
    assert [(one.lowEdge, one.increment) for one in rule] == [(0.0, tick)]


def test_a_query_by_any_of_its_names_finds_the_contract(gateway):
    names = ({"localSymbol": "MESH7"}, {"lastTradeDateOrContractMonth": "202703"})
    names += ({"lastTradeDateOrContractMonth": "20270319"}, {"localSymbol": "MESH7", "symbol": "", "multiplier": "5"})
    answers, _ = ask(gateway, *(contract(**fields) for fields in names))
    found = [[row.contract.localSymbol for row in rows] for rows in answers]
    assert found == [["MESH7"]] * len(names)
    ids = {rows[0].contract.conId for rows in answers}
    assert len(ids) == 1
    (by_id,), _ = ask(gateway, library().Contract(conId=ids.pop()))
    assert by_id[0].contract.localSymbol == "MESH7"


@pytest.mark.parametrize(
    "fields",
    [
        {"symbol": "XYZ"},
        {"exchange": "CBOT"},
        {"currency": "EUR"},
        {"multiplier": "50"},
        {"localSymbol": "MESF7"},
        {"lastTradeDateOrContractMonth": "202701"},
        {"secType": "STK"},
        {"conId": 17},
    ],
    ids=str,
)
def test_what_is_not_listed_is_error_200(gateway, fields):
    (rows,), heard = ask(gateway, contract(**fields))
    assert rows == []
    assert [code for _, code, _ in heard if code not in {2104, 2106, 2158}] == [200]


def test_an_expired_contract_is_found_only_when_it_is_asked_for(gateway):
    answers, _ = ask(
        gateway,
        contract(localSymbol="MESU6"),
        contract(localSymbol="MESU6", includeExpired=True),
    )
    assert answers[0] == []
    assert answers[1][0].contract.lastTradeDateOrContractMonth == "20260918"
    (by_id,), _ = ask(gateway, library().Contract(conId=answers[1][0].contract.conId))
    assert by_id == []


@pytest.mark.parametrize(
    ("start", "front"),
    [
        # The third Friday of December 2026 is the 18th, the Monday before it the 14th.
        ("2026-12-11T15:00:00", "MESZ6"),
        ("2026-12-14T15:00:00", "MESH7"),
        ("2026-12-21T15:00:00", "MESH7"),
    ],
)
def test_a_continuous_future_is_the_front_month_which_changes_on_the_monday_before_expiry(start, front):
    with running_gateway(start_ns=ns(start)) as gateway:
        (rows, both), _ = ask(gateway, contract(secType="CONTFUT"), contract(secType="FUT+CONTFUT"))
    assert [(row.contract.localSymbol, row.contract.secType) for row in rows] == [(front, "CONTFUT")]
    assert [row.contract.localSymbol for row in both if row.contract.secType == "CONTFUT"] == [front]
    assert len([row for row in both if row.contract.secType == "FUT"]) == 5


def test_streams_take_one_contract_and_no_continuous_one(gateway):
    async def main():
        async with connected(gateway) as ib:
            # Not by the library's own method: one of the two asks for no contract without its id.
            ib.client.reqMktData(700, contract(), "", False, False, [])
            (front,) = await ib.reqContractDetailsAsync(contract(secType="CONTFUT"))
            bars = await ib.reqHistoricalDataAsync(front.contract, "", "1 D", "1 hour", "TRADES", useRTH=False)
            ib.client.reqMktData(701, front.contract, "", False, False, [])
            await until(lambda: ib.heard.codes().count(200) == 2)
            return bars, [text for _, code, text in ib.heard if code == 200]

    bars, texts = asyncio.run(main())
    assert len(bars) > 5
    assert "ambiguous" in texts[0]
    assert "No security definition" in texts[1]


@pytest.mark.parametrize("version", [157, 163, 164, 176])
def test_every_version_of_the_details_decodes(version):
    with running_gateway(server_version_max=version) as gateway:
        (rows,), heard = ask(gateway, contract(localSymbol="MESZ6"))
    (row,) = rows
    assert (row.contract.conId > 0, row.minTick, row.contract.multiplier) == (True, 0.25, "5")
    assert (row.timeZoneId, row.longName) == ("US/Central", "Micro E-mini S&P 500")
    assert row.underSymbol == "SPX"
    assert not set(heard.codes()) - {2104, 2106, 2158}


@pytest.mark.parametrize(
    ("start", "trading", "liquid"),
    [
        # Wednesday before Thanksgiving 2026, from the exchange's holiday schedule: Thursday no trade date of its own
        # in regular hours, Friday closes at 12:15 in Chicago.
        (
            "2026-11-24T15:00:00",
            ["20261123:1700-20261124:1600", "20261124:1700-20261125:1600"],
            ["20261124:0830-20261124:1500", "20261125:0830-20261125:1500", "20261126:CLOSED"],
        ),
        # A Saturday in July: daylight saving time, Sunday's open belongs to Monday.
        (
            "2026-07-18T15:00:00",
            ["20260718:CLOSED", "20260719:CLOSED", "20260719:1700-20260720:1600"],
            ["20260718:CLOSED", "20260719:CLOSED", "20260720:0830-20260720:1500"],
        ),
    ],
)
def test_trading_hours(start, trading, liquid):
    with running_gateway(start_ns=ns(start)) as gateway:
        (rows,), _ = ask(gateway, contract(secType="CONTFUT"))
    assert rows[0].tradingHours.split(";")[: len(trading)] == trading
    assert rows[0].liquidHours.split(";")[: len(liquid)] == liquid
