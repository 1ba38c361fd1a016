"""Orders over a socket, in a generated market: what the wired bench cannot show."""

import asyncio

from tests.gateway.bench import order
from tests.gateway.clients import connected, until
from trading_bot.adapters.gateway.background import running_gateway
from trading_bot.adapters.ibkr.library import library

SPEED = 20.0


async def front(ib):
    details = await ib.reqContractDetailsAsync(library().Future("MES", exchange="CME", currency="USD"))
    return min((row.contract for row in details), key=lambda contract: contract.lastTradeDateOrContractMonth)


def legs(ib, price):
    """A bracket of one lot, far from the market on both sides."""
    group = {"ocaGroup": "run-1", "ocaType": 1}
    parent = order("BUY", 1, "MKT", transmit=False, orderId=ib.client.getReqId(), orderRef="run-1-E")
    target = order("SELL", 1, "LMT", limit=(price + 50) * 4, transmit=False, orderRef="run-1-T", **group)
    stop = order("SELL", 1, "STP", stop=(price - 50) * 4, tif="GTC", orderRef="run-1-S", **group)
    for leg in (target, stop):
        leg.orderId, leg.parentId = ib.client.getReqId(), parent.orderId
    return parent, target, stop


def test_a_bracket_outlives_a_broken_connection(caplog):
    async def main(gateway):
        async with connected(gateway, 7) as ib:
            contract = await front(ib)
            (ticker,) = await ib.reqTickersAsync(contract)
            parent, target, stop = (ib.placeOrder(contract, leg) for leg in legs(ib, round(ticker.bid)))
            await until(lambda: parent.orderStatus.status == "Filled" and target.orderStatus.status == "Submitted")
            await until(lambda: stop.orderStatus.whyHeld == "trigger" and parent.fills[0].commissionReport.execId)
            told = [trade.order.permId for trade in (parent, target, stop)]
            gateway.call(lambda: gateway.scenario.do("drop_clients"))
            await until(lambda: not ib.isConnected())
        async with connected(gateway, 7) as ib:
            assert [trade.order.permId for trade in ib.openTrades()] == told[1:]
            assert [trade.order.orderRef for trade in ib.openTrades()] == ["run-1-T", "run-1-S"]
            assert [fill.execution.permId for fill in ib.fills()] == told[:1]
            assert [position.position for position in ib.positions()] == [1]
            for trade in ib.openTrades():
                ib.cancelOrder(trade.order)
            ib.placeOrder(contract, order("SELL", 1, "MKT"))
            await until(lambda: not ib.openTrades() and not ib.positions())
            assert ib.client.getReqId() > max(trade.order.orderId for trade in ib.trades())

    with running_gateway(speed=SPEED) as gateway:
        asyncio.run(main(gateway))
    assert not [record for record in caplog.records if record.name.endswith("Decoder")]


def test_a_burst_of_orders_is_filled_to_the_last():
    async def main(gateway):
        async with connected(gateway, 7) as ib:
            contract = await front(ib)
            trades = [ib.placeOrder(contract, order("BUY", 1, "MKT")) for _ in range(7)]
            trades += [ib.placeOrder(contract, order("SELL", 1, "MKT")) for _ in range(7)]
            await until(lambda: all(trade.orderStatus.status == "Filled" for trade in trades))
            assert sum(len(trade.fills) for trade in trades) == 14
            assert 100 not in ib.heard.codes()

    with running_gateway(speed=SPEED) as gateway:
        asyncio.run(main(gateway))
