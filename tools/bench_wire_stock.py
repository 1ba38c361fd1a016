"""Client process of the wire rows: a client library as it is. `bench_wire_stock.py LIBRARY PORT LOOP ORDERS [PATH]`.

The library connects, asks for quotes and calls an event handler of the ticker with each packet. The handler places
`ORDERS` limit orders with `IB.placeOrder`; with a `PATH` it only keeps each tick's number and when it was called, and
writes both there when the gateway hangs up. What is changed: the library's own limit of 45 messages a second is off
(the row is about one order, not about waiting), its log is off, the collector rests. Nothing else.
"""

import asyncio
import gc
import importlib
import logging
import sys
import time
from array import array
from typing import Any

_CONTRACT = {
    "conId": 1001,
    "symbol": "MES",
    "lastTradeDateOrContractMonth": "20261218",
    "exchange": "CME",
    "currency": "USD",
    "multiplier": "5",
    "localSymbol": "MESZ6",
    "tradingClass": "MES",
}


async def connected(ib: Any, port: int) -> None:
    """Handshake and ids; not the library's downloads of orders and positions, which the gateway does not have."""
    ib.client.MaxRequests = 0
    ib.wrapper.clientId = 1
    await ib.client.connectAsync("127.0.0.1", port, 1, 10.0)


def order_handler(ib: Any, lib: Any, contract: Any, orders: int) -> Any:
    """Buys at the bid of the tick it is called with."""
    account = ib.client.getAccounts()[0]

    def place(ticker: Any) -> None:
        for _ in range(orders):
            order = lib.LimitOrder("BUY", 1, ticker.bid, account=account, orderRef="TB-1-1-E", tif="DAY")
            ib.placeOrder(contract, order)

    return place


def keeping_handler(numbers: "array[int]", stamps: "array[int]") -> Any:
    """Keeps what came and when."""
    now = time.monotonic_ns

    def keep(ticker: Any) -> None:
        stamp = now()
        for one in ticker.tickByTicks:
            numbers.append(int(one.bidSize) - 1)
            stamps.append(stamp)

    return keep


def main() -> None:
    """Connect, ask for quotes, and answer until the gateway hangs up."""
    name, port, kind, orders = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    if kind == "uvloop":
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    lib = importlib.import_module(name)
    logging.getLogger(name).setLevel(logging.CRITICAL)
    ib = lib.IB()
    loop.run_until_complete(connected(ib, port))
    contract = lib.Future(**_CONTRACT)
    numbers, stamps = array("q"), array("q")
    ticker = ib.reqTickByTickData(contract, "BidAsk")
    path = sys.argv[5] if sys.argv[5:] else None
    ticker.updateEvent += order_handler(ib, lib, contract, orders) if path is None else keeping_handler(numbers, stamps)
    ib.client.apiEnd += loop.stop
    gc.collect()
    gc.disable()
    loop.run_forever()
    if path is not None:
        with open(path, "wb") as file:  # noqa: PTH123 - beside the gateway's file
            numbers.tofile(file)
            stamps.tofile(file)


if __name__ == "__main__":
    main()
