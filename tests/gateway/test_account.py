"""Positions, money and executions, as the real library hears them."""

import asyncio

import pytest

from tests.gateway.bench import TICKS, WAY_MS, Bench, order
from trading_bot.adapters.gateway.order_decode import read_order
from trading_bot.adapters.gateway.wire import Fields
from trading_bot.adapters.ibkr.library import library

ROUND_TRIP_MS = 2 * WAY_MS + 1
MINUTE_MS = 60_000


@pytest.fixture
def bench():
    return Bench()


@pytest.fixture
def ib(bench):
    return bench.connect()


def asked(bench, question):
    """The answer to one of the library's coroutines: everything it asks is answered in one go."""

    async def main():
        task = asyncio.ensure_future(question())
        await asyncio.sleep(0)
        for _ in range(3):
            bench.wait(0)
            await asyncio.sleep(0)
        return await asyncio.wait_for(task, 1)

    return asyncio.get_event_loop_policy().get_event_loop().run_until_complete(main())


def traded(bench, ib, action, qty):
    trade = ib.placeOrder(bench.contract(), order(action, qty, "MKT"))
    bench.wait(ROUND_TRIP_MS)
    return trade


def test_positions_at_average_cost_with_commissions(bench, ib):
    asked(bench, ib.reqPositionsAsync)
    traded(bench, ib, "BUY", 1)
    bench.quote(TICKS + 3)
    traded(bench, ib, "BUY", 1)
    (position,) = ib.positions()
    # (6800.25 + 6801.00) x 5 and 1.25 a lot, halved.
    assert (position.position, position.avgCost, position.account) == (2, 34004.375, "DUSIM1")
    assert (position.contract.conId, position.contract.exchange) == (bench.front.con_id, "")
    traded(bench, ib, "SELL", 2)
    assert ib.positions() == []


@pytest.mark.parametrize(
    ("first", "points", "expected"),
    # Bought at 6800.25, sold at 6802.00; sold at 6800.00, bought at 6802.25. Five dollars a point, 1.25 a side and lot.
    [("BUY", 2, [None, 2 * (1.75 * 5 - 2.5)]), ("SELL", 2, [None, 2 * (-2.25 * 5 - 2.5)])],
)
def test_realized_profit_is_told_with_the_commission(bench, ib, first, points, expected):
    traded(bench, ib, first, 2)
    bench.quote(TICKS + 4 * points)
    traded(bench, ib, "SELL" if first == "BUY" else "BUY", 2)
    opening, closing = ib.fills()
    assert opening.commissionReport.realizedPNL == 0  # the library's reading of "no value"
    assert closing.commissionReport.realizedPNL == pytest.approx(expected[1])
    values = {v.tag: v.value for v in asked(bench, ib.accountSummaryAsync)}
    assert float(values["NetLiquidation"]) == pytest.approx(10_000 + expected[1])


def test_a_position_that_flips_realizes_what_it_closed(bench, ib):
    traded(bench, ib, "BUY", 1)
    bench.quote(TICKS + 4)
    traded(bench, ib, "SELL", 3)  # at 6801.00
    assert ib.fills()[-1].commissionReport.realizedPNL == pytest.approx(0.75 * 5 - 2.5)
    assert bench.desk.account.position_qty(bench.front.con_id) == -2
    assert bench.desk.account.positions[bench.front.con_id].average_cost == pytest.approx(6801 * 5 - 1.25)


def test_account_updates_and_portfolio(bench, ib):
    asked(bench, lambda: ib.reqAccountUpdatesAsync("DUSIM1"))
    traded(bench, ib, "BUY", 1)
    bench.trade(TICKS + 9)
    asked(bench, lambda: ib.reqAccountUpdatesAsync("DUSIM1"))
    values = {v.tag: v.value for v in ib.accountValues() if v.currency == "USD"}
    assert values["NetLiquidation"] == "10008.75"  # eight ticks of 1.25 and the commission
    assert (values["InitMarginReq"], values["AvailableFunds"]) == ("1300.00", "8708.75")
    (item,) = ib.portfolio()
    assert (item.position, item.marketPrice, item.marketValue) == (1, 6802.25, 34011.25)
    assert (item.averageCost, item.unrealizedPNL, item.realizedPNL) == (34002.5, 8.75, 0)


def test_account_updates_multi(bench, ib):
    asked(bench, lambda: ib.reqAccountUpdatesMultiAsync("DUSIM1"))
    values = {v.tag: v.value for v in ib.accountValues("DUSIM1")}
    assert values["NetLiquidation"] == "10000.00"


def test_profit_and_loss_every_second(bench, ib):
    one = ib.reqPnL("DUSIM1")
    single = ib.reqPnLSingle("DUSIM1", "", bench.front.con_id)
    bench.wait(0)
    assert (one.dailyPnL, single.position) == (0, 0)
    traded(bench, ib, "BUY", 2)
    bench.trade(TICKS + 5)
    bench.wait(1000)
    assert (one.dailyPnL, one.unrealizedPnL, one.realizedPnL) == (7.5, 7.5, 0)
    assert (single.position, single.unrealizedPnL, single.value) == (2, 7.5, 2 * 6801.25 * 5)
    ib.cancelPnL("DUSIM1")
    ib.cancelPnLSingle("DUSIM1", "", bench.front.con_id)
    assert (bench.desk.watch.pnl, bench.desk.watch.pnl_single) == (set(), {})


def test_an_unknown_account_is_an_error(bench, ib):
    ib.client.reqAccountUpdates(True, "U1")
    ib.client.reqPnL(91, "U1", "")
    bench.tell()
    assert [(req_id, code) for req_id, code, _ in ib.heard] == [(-1, 321), (91, 321)]


def test_what_an_order_would_cost(bench, ib):
    state = asked(bench, lambda: what_if(bench, ib))
    assert (state.initMarginBefore, state.initMarginChange, state.initMarginAfter) == ("0.00", "2600.00", "2600.00")
    assert (state.equityWithLoanAfter, state.commission, state.commissionCurrency) == ("10000.00", 2.5, "USD")
    assert list(bench.desk.open_orders()) == []
    bench.wait(1000)
    assert bench.desk.executions.rows == []


async def what_if(bench, ib):
    task = asyncio.ensure_future(ib.whatIfOrderAsync(bench.contract(), order("BUY", 2, "MKT")))
    await asyncio.sleep(0)
    bench.wait(ROUND_TRIP_MS)
    return await task


def test_executions_outlive_the_connection(bench, ib):
    traded(bench, ib, "BUY", 1)
    resting = ib.placeOrder(bench.contract(), order("SELL", 1, "LMT", limit=TICKS + 8, orderRef="run-7-T"))
    bench.wait(ROUND_TRIP_MS)
    bench.leave(ib)
    bench.quote(TICKS + 9)  # it fills while nobody is there
    bench.wait(1000)
    again = bench.connect()
    fills = asked(bench, again.reqExecutionsAsync)
    assert [fill.execution.side for fill in fills] == ["BOT", "SLD"]
    assert [fill.execution.price for fill in fills] == [6800.25, 6802.0]
    assert fills[1].execution.orderRef == "run-7-T"
    assert fills[1].execution.permId == resting.order.permId
    assert all(fill.commissionReport.commission == 1.25 for fill in fills)
    completed = asked(bench, lambda: again.reqCompletedOrdersAsync(False))
    assert [trade.order.permId for trade in completed] == [fill.execution.permId for fill in fills]


FILTERS = [({}, 3), ({"clientId": 2}, 1), ({"side": "SELL"}, 1), ({"side": "BUY"}, 2), ({"symbol": "MNQ"}, 0)]
FILTERS += [({"acctCode": "U1"}, 0), ({"secType": "FUT", "exchange": "CME"}, 3), ({"time": "20261123-16:10:30"}, 1)]
FILTERS += [({"time": "20261123 10:10:30 US/Central"}, 1), ({"time": "20261123 10:10:00"}, 3)]


@pytest.mark.parametrize(("asked_for", "count"), FILTERS, ids=[str(row[0]) for row in FILTERS])
def test_executions_by_filter(bench, ib, asked_for, count):
    traded(bench, ib, "BUY", 1)
    traded(bench, bench.connect(2), "BUY", 1)
    bench.wait(MINUTE_MS)
    traded(bench, ib, "SELL", 1)
    fills = asked(bench, lambda: ib.reqExecutionsAsync(library().ExecutionFilter(**asked_for)))
    assert len(fills) == count


def test_a_filter_that_is_no_time(bench, ib):
    ib.client.reqExecutions(77, library().ExecutionFilter(time="yesterday"))
    bench.tell()
    assert ib.heard[-1][:2] == (77, 321)


def test_yesterdays_executions_are_not_told(bench, ib):
    traded(bench, ib, "BUY", 1)
    bench.wait(24 * 60 * MINUTE_MS)
    assert asked(bench, ib.reqExecutionsAsync) == []


def test_orders_belong_to_their_client(bench, ib):
    mine = ib.placeOrder(bench.contract(), order("BUY", 1, "LMT", limit=TICKS - 8))
    other = bench.connect(2)
    bench.wait(ROUND_TRIP_MS)
    assert [t.order.permId for t in asked(bench, ib.reqOpenOrdersAsync)] == [mine.order.permId]
    assert asked(bench, other.reqOpenOrdersAsync) == []
    (seen,) = asked(bench, other.reqAllOpenOrdersAsync)
    assert (seen.order.clientId, seen.order.orderId, seen.order.permId) == (1, mine.order.orderId, mine.order.permId)
    bench.leave(ib)
    again = bench.connect()
    (adopted,) = asked(bench, again.reqOpenOrdersAsync)
    again.cancelOrder(adopted.order)
    bench.wait(ROUND_TRIP_MS)
    assert adopted.orderStatus.status == "Cancelled"


def test_the_master_client_hears_of_everybodys_orders():
    bench = Bench(master_client_id=9)
    ib, master, other = bench.connect(1), bench.connect(9), bench.connect(2)
    trade = traded(bench, ib, "BUY", 1)
    (seen,) = master.trades()
    assert (seen.order.clientId, seen.order.permId, len(seen.fills)) == (1, trade.order.permId, 1)
    assert (other.trades(), other.fills()) == ([], [])


def by_hand(bench, ib):
    """An order somebody enters at the screen."""
    written = []
    ib.client.sendMsg, sent = written.append, ib.client.sendMsg
    ib.client.placeOrder(0, bench.contract(), order("SELL", 1, "LMT", limit=TICKS + 40))
    ib.client.sendMsg = sent
    fields = Fields(written[0].encode())
    fields.int()
    return bench.desk.by_hand.place(read_order(fields, ib.client.serverVersion()))


def test_an_order_by_hand_is_nobodys(bench, ib):
    entered = by_hand(bench, ib)
    bench.wait(ROUND_TRIP_MS)
    assert ib.trades() == []
    (seen,) = asked(bench, ib.reqAllOpenOrdersAsync)
    assert (seen.order.clientId, seen.order.orderId, seen.order.permId) == (0, 0, entered.perm_id)
    ib.reqGlobalCancel()
    bench.wait(ROUND_TRIP_MS)
    assert entered.status == "Cancelled"


def test_client_0_binds_orders_by_hand(bench, ib):
    first = by_hand(bench, ib)
    bench.wait(ROUND_TRIP_MS)
    zero = bench.connect(0)
    zero.reqAutoOpenOrders(True)
    second = by_hand(bench, ib)
    bench.wait(ROUND_TRIP_MS)
    assert [trade.order.permId for trade in zero.openTrades()] == [first.perm_id, second.perm_id]
    assert all(trade.order.orderId < 0 for trade in zero.openTrades())
    zero.client.cancelOrder(second.order_id, "")
    bench.wait(ROUND_TRIP_MS)
    assert (first.status, second.status) == ("Submitted", "Cancelled")


def test_only_client_0_may_bind(bench, ib):
    ib.reqAutoOpenOrders(True)
    bench.tell()
    assert ib.heard[-1][:2] == (-1, 321)
