"""Requests as the client library writes them: the sound input of gateway-sim."""

from tests.fastpath.frames import frame
from tests.gateway.test_order_wire import full_order, future
from trading_bot.adapters.ibkr.library import library

VERSION = 176


def sample_requests(_folder):
    """Each request alone, and all in a row."""
    lib = library()
    ib, sent = lib.IB(), []
    ib.disconnect = lambda: None  # which it calls when it is collected: there is no socket
    client = ib.client
    client._serverVersion, client.connState, client.sendMsg = VERSION, 2, sent.append
    contract = future()
    client.placeOrder(13, contract, full_order())
    client.placeOrder(14, contract, lib.Order(action="BUY", totalQuantity=1, orderType="MKT"))
    client.cancelOrder(13, "")
    client.reqGlobalCancel()
    client.reqOpenOrders()
    client.reqAllOpenOrders()
    client.reqAutoOpenOrders(True)
    client.reqCompletedOrders(False)
    client.reqExecutions(15, lib.ExecutionFilter())
    client.reqContractDetails(16, contract)
    client.reqMktData(17, contract, "", False, False, [])
    client.reqTickByTickData(18, contract, "BidAsk", 0, False)
    client.cancelTickByTickData(18)
    client.reqHistoricalData(19, contract, "", "600 S", "1 min", "TRADES", 1, 1, False, [])
    client.reqHistoricalTicks(20, contract, "20261125 14:20:00 UTC", "", 10, "TRADES", 1, False, [])
    client.reqHeadTimeStamp(21, contract, "TRADES", 1, 1)
    client.reqRealTimeBars(22, contract, 5, "TRADES", False, [])
    client.reqMktDepth(23, contract, 5, False, [])
    client.reqPositions()
    client.reqAccountUpdates(True, "DUSIM1")
    client.reqAccountSummary(24, "All", "NetLiquidation")
    client.reqPnL(25, "DUSIM1", "")
    client.reqPnLSingle(26, "DUSIM1", "", 77)
    client.reqIds(1)
    client.reqCurrentTime()
    client.reqMarketDataType(1)
    client.reqMarketRule(67)
    frames = [frame(*text.removesuffix("\0").split("\0")) for text in sent]
    return [*frames, b"".join(frames)]
