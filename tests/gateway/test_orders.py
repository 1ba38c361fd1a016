"""Single orders: every request written by the real library, every answer decoded by it."""

import pytest

from tests.gateway.bench import SECOND, TICKS, WAY_MS, Bench, order, statuses
from trading_bot.adapters.ibkr.library import library_name

ROUND_TRIP_MS = 2 * WAY_MS + 1


@pytest.fixture
def bench():
    return Bench()


@pytest.fixture
def ib(bench):
    return bench.connect()


def test_a_market_order_is_filled_at_the_touch_and_told_in_full(bench, ib):
    trade = ib.placeOrder(bench.contract(), order("BUY", 3, "MKT", orderRef="run-7-E"))
    bench.wait(ROUND_TRIP_MS - 2)
    assert statuses(trade) == ["PendingSubmit"]
    bench.wait(2)
    assert statuses(trade)[-1] == "Filled"
    done = trade.orderStatus
    assert (done.filled, done.remaining, done.avgFillPrice, done.lastFillPrice) == (3, 0, 6800.25, 6800.25)
    (fill,) = trade.fills
    told = fill.execution
    assert (told.shares, told.price, told.cumQty, told.avgPrice) == (3, 6800.25, 3, 6800.25)
    assert (told.side, told.acctNumber, told.exchange, told.orderRef) == ("BOT", "DUSIM1", "CME", "run-7-E")
    assert (told.orderId, told.clientId, told.permId, told.lastLiquidity) == (
        trade.order.orderId,
        1,
        trade.order.permId,
        2,
    )
    # 16:10:00 UTC and the 25 ms to the exchange.
    assert told.time.timestamp() == bench.clock.start_ns // SECOND
    assert fill.commissionReport.commission == 3.75  # 1.25 a side and contract
    assert fill.commissionReport.currency == "USD"
    assert fill.commissionReport.execId == told.execId


def test_a_limit_order_rests_until_the_market_comes_to_it(bench, ib):
    trade = ib.placeOrder(bench.contract(), order("BUY", 2, "LMT", limit=TICKS))
    bench.wait(ROUND_TRIP_MS)
    assert statuses(trade)[-1] == "Submitted"
    assert trade.orderStatus.remaining == 2
    bench.trade(TICKS, 20, 2)  # twenty lots stand before it
    bench.wait(100)
    assert not trade.fills
    bench.trade(TICKS, 1, 2)
    bench.wait(WAY_MS)
    assert (trade.orderStatus.status, trade.orderStatus.filled, trade.orderStatus.remaining) == ("Submitted", 1, 1)
    bench.trade(TICKS - 1, 1, 2)
    bench.wait(WAY_MS)
    assert [(one.execution.shares, one.execution.price, one.execution.cumQty) for one in trade.fills] == [
        (1, 6800.0, 1),
        (1, 6800.0, 2),
    ]
    assert trade.orderStatus.status == "Filled"
    assert trade.fills[0].execution.lastLiquidity == 1


def test_a_limit_order_that_takes_is_told_as_such(bench, ib):
    trade = ib.placeOrder(bench.contract(), order("BUY", 1, "LMT", limit=TICKS + 1))
    bench.wait(ROUND_TRIP_MS)
    assert trade.fills[0].execution.lastLiquidity == 2


def test_a_stop_is_held_by_the_broker_until_the_last_price_is_there(bench, ib):
    trade = ib.placeOrder(bench.contract(), order("SELL", 1, "STP", stop=TICKS - 8, tif="GTC"))
    bench.wait(ROUND_TRIP_MS)
    assert (trade.orderStatus.status, trade.orderStatus.whyHeld) == ("PreSubmitted", "trigger")
    bench.quote(TICKS - 9)  # the touch is through it: only a print counts
    bench.wait(100)
    assert (trade.orderStatus.status, trade.orderStatus.whyHeld) == ("PreSubmitted", "trigger")
    bench.trade(TICKS - 8)
    bench.wait(100)
    assert statuses(trade)[-1] == "Filled"
    assert trade.orderStatus.avgFillPrice == 6800 - 9 / 4


def test_a_stop_limit_beyond_its_limit_rests(bench, ib):
    trade = ib.placeOrder(bench.contract(), order("SELL", 1, "STP LMT", stop=TICKS - 4, limit=TICKS - 6))
    bench.wait(ROUND_TRIP_MS)
    bench.quote(TICKS - 9)
    bench.trade(TICKS - 9)
    bench.wait(100)
    assert trade.orderStatus.status == "Submitted"
    bench.quote(TICKS - 6)
    bench.wait(100)
    assert (trade.orderStatus.status, trade.orderStatus.avgFillPrice) == ("Filled", 6800 - 6 / 4)


def test_a_trailing_stop_follows_and_never_goes_back(bench, ib):
    trade = ib.placeOrder(bench.contract(), order("SELL", 1, "TRAIL", stop=8))
    bench.wait(ROUND_TRIP_MS)
    bench.trade(TICKS + 20)
    bench.trade(TICKS + 13)
    bench.wait(100)
    assert trade.orderStatus.status == "PreSubmitted"
    bench.quote(TICKS + 12)
    bench.trade(TICKS + 12)  # eight ticks below the high
    bench.wait(100)
    assert trade.orderStatus.status == "Filled"


def test_ioc_takes_what_there_is_and_ends(bench, ib):
    bench.quote(TICKS, 20, TICKS + 1, 2)
    trade = ib.placeOrder(bench.contract(), order("BUY", 5, "LMT", limit=TICKS + 1, tif="IOC"))
    bench.wait(ROUND_TRIP_MS)
    assert (trade.orderStatus.status, trade.orderStatus.filled) == ("Cancelled", 2)
    assert (trade.order.orderId, 202) in [(req_id, code) for req_id, code, _ in ib.heard]


def test_a_changed_price_takes_effect_after_the_way_to_the_exchange(bench, ib):
    trade = ib.placeOrder(bench.contract(), order("BUY", 1, "LMT", limit=TICKS - 8))
    bench.wait(ROUND_TRIP_MS)
    trade.order.lmtPrice = 6800.25
    ib.placeOrder(bench.contract(), trade.order)
    bench.wait(WAY_MS - 1)
    assert not bench.desk.executions.rows
    bench.wait(1)
    assert len(bench.desk.executions.rows) == 1
    bench.wait(WAY_MS)
    assert (trade.orderStatus.status, trade.orderStatus.avgFillPrice) == ("Filled", 6800.25)


def test_a_changed_quantity_is_the_new_total(bench, ib):
    trade = ib.placeOrder(bench.contract(), order("BUY", 3, "LMT", limit=TICKS))
    bench.wait(ROUND_TRIP_MS)
    bench.trade(TICKS, 21, 2)
    bench.wait(WAY_MS)
    assert trade.orderStatus.filled == 1
    trade.order.totalQuantity = 2
    ib.placeOrder(bench.contract(), trade.order)
    bench.wait(ROUND_TRIP_MS)
    assert (trade.orderStatus.filled, trade.orderStatus.remaining) == (1, 1)
    bench.trade(TICKS - 1, 1, 2)
    bench.wait(WAY_MS)
    assert (trade.orderStatus.status, trade.orderStatus.filled) == ("Filled", 2)


def test_a_cancel_goes_through_pending_cancel(bench, ib):
    trade = ib.placeOrder(bench.contract(), order("BUY", 1, "LMT", limit=TICKS - 8))
    bench.wait(ROUND_TRIP_MS)
    ib.cancelOrder(trade.order)
    bench.wait(WAY_MS)
    assert trade.orderStatus.status == "PendingCancel"
    bench.wait(ROUND_TRIP_MS)
    assert trade.orderStatus.status == "Cancelled"
    assert ib.heard[-1] == (trade.order.orderId, 202, "Order Canceled - reason:")


def test_a_fill_that_overtakes_a_cancel_stands(bench, ib):
    trade = ib.placeOrder(bench.contract(), order("BUY", 1, "LMT", limit=TICKS))
    bench.wait(ROUND_TRIP_MS)
    ib.cancelOrder(trade.order)
    bench.wait(5)
    bench.trade(TICKS - 1, 1, 2)
    bench.wait(100)
    assert len(trade.fills) == 1
    assert bench.desk.account.position_qty(bench.front.con_id) == 1
    assert (trade.order.orderId, 10148) in [(req_id, code) for req_id, code, _ in ib.heard]


def test_a_cancel_in_the_daily_break_is_answered_when_the_exchange_opens(bench, ib):
    trade = ib.placeOrder(bench.contract(), order("BUY", 1, "LMT", limit=TICKS - 80, tif="GTC"))
    stop = ib.placeOrder(bench.contract(), order("SELL", 1, "STP", stop=TICKS - 80, tif="GTC"))
    bench.wait(6 * 3600 * 1000)  # 16:10 in Chicago
    for one in (trade, stop):
        ib.cancelOrder(one.order)
    bench.wait(40 * 60_000)
    # The broker has the stop itself; the limit order is the exchange's to give back.
    assert (trade.orderStatus.status, stop.orderStatus.status) == ("PendingCancel", "Cancelled")
    bench.wait(20 * 60_000)
    assert trade.orderStatus.status == "Cancelled"


def test_a_limit_order_becomes_one_to_the_market(bench, ib):
    trade = ib.placeOrder(bench.contract(), order("SELL", 1, "LMT", limit=TICKS + 40))
    bench.wait(ROUND_TRIP_MS)
    trade.order.orderType, trade.order.lmtPrice = "MKT", 0.0
    ib.placeOrder(bench.contract(), trade.order)
    bench.wait(ROUND_TRIP_MS)
    assert (trade.orderStatus.status, trade.orderStatus.avgFillPrice) == ("Filled", 6800.0)


def test_a_stop_that_is_moved_to_the_market_triggers_at_once(bench, ib):
    trade = ib.placeOrder(bench.contract(), order("SELL", 1, "STP", stop=TICKS - 40, tif="GTC"))
    bench.wait(ROUND_TRIP_MS)
    trade.order.auxPrice = 6800.0
    ib.placeOrder(bench.contract(), trade.order)
    bench.wait(ROUND_TRIP_MS + 5)
    assert (trade.orderStatus.status, trade.orderStatus.avgFillPrice) == ("Filled", 6800.0)


def test_a_day_order_ends_with_its_session_and_gtc_does_not(bench, ib):
    day = ib.placeOrder(bench.contract(), order("BUY", 1, "LMT", limit=TICKS - 80))
    lasting = ib.placeOrder(bench.contract(), order("SELL", 1, "STP", stop=TICKS - 80, tif="GTC"))
    bench.wait(ROUND_TRIP_MS)
    bench.wait(6 * 3600 * 1000)  # to 16:10 in Chicago, in the break
    assert (day.orderStatus.status, lasting.orderStatus.status) == ("Cancelled", "PreSubmitted")


def test_an_order_of_regular_hours_waits_for_them():
    bench = Bench(start_ns=1_795_446_000_000_000_000 - 2 * 3600 * SECOND)  # 13:00 UTC, 07:00 in Chicago
    ib = bench.connect()
    held = ib.placeOrder(bench.contract(), order("BUY", 1, "MKT", outsideRth=False))
    bench.wait(ROUND_TRIP_MS)
    # One library turns the warning into a status of its own.
    assert statuses(held) == ["PendingSubmit", "PreSubmitted", *["ValidationError"] * (library_name() == "ib_async")]
    assert (held.order.orderId, 399) in [(req_id, code) for req_id, code, _ in ib.heard]
    bench.wait(2 * 3600 * 1000)
    assert held.orderStatus.status == "Filled"


def test_a_global_cancel_ends_every_clients_orders(bench, ib):
    other = bench.connect(2)
    trades = [one.placeOrder(bench.contract(), order("BUY", 1, "LMT", limit=TICKS - 8)) for one in (ib, other)]
    bench.wait(ROUND_TRIP_MS)
    ib.reqGlobalCancel()
    bench.wait(ROUND_TRIP_MS)
    assert [trade.orderStatus.status for trade in trades] == ["Cancelled", "Cancelled"]


def test_perm_ids_increase_over_all_clients(bench, ib):
    other = bench.connect(2)
    trades = [one.placeOrder(bench.contract(), order("BUY", 1, "LMT", limit=TICKS - 8)) for one in (ib, other, ib)]
    bench.wait(ROUND_TRIP_MS)
    ids = [trade.order.permId for trade in trades]
    assert ids == sorted(set(ids))
    assert ids[0] > 0
