"""SE07 at the gateway: in a halt nothing trades and orders wait; what waited trades once when the market does."""

import pytest

from tests.gateway.bench import TICKS, WAY_MS, Bench, order, statuses

ROUND_TRIP_MS = 2 * WAY_MS + 1
MINUTE_MS = 60_000


@pytest.fixture
def bench():
    return Bench()


@pytest.fixture
def ib(bench):
    return bench.connect()


def halt(bench, *, on=True):
    bench.gateway.scenario.do("halt", on=on)


@pytest.mark.parametrize("limit", [None, TICKS + 8])
def test_an_order_that_comes_in_a_halt_waits_and_trades_once_after_it(bench, ib, limit):
    halt(bench)
    asked = order("BUY", 1, "MKT") if limit is None else order("BUY", 1, "LMT", limit=limit)
    trade = ib.placeOrder(bench.contract(), asked)
    bench.wait(MINUTE_MS)
    # Told with warning 399, of which one library makes a status of its own.
    assert statuses(trade)[:2] == ["PendingSubmit", "PreSubmitted"]
    assert not trade.fills
    halt(bench, on=False)
    bench.quote()
    bench.wait(ROUND_TRIP_MS)
    assert (trade.orderStatus.status, len(trade.fills)) == ("Filled", 1)


def test_an_order_that_works_is_withheld_and_a_stop_does_not_trigger(bench, ib):
    resting = ib.placeOrder(bench.contract(), order("BUY", 1, "LMT", limit=TICKS))
    stop = ib.placeOrder(bench.contract(), order("SELL", 1, "STP", stop=TICKS - 4))
    bench.wait(ROUND_TRIP_MS)
    halt(bench)
    bench.wait(ROUND_TRIP_MS)
    assert (resting.orderStatus.status, stop.orderStatus.status) == ("PreSubmitted", "PreSubmitted")
    bench.market.quote = (TICKS - 8, 20, TICKS - 7, 20)
    bench.wait(MINUTE_MS)
    assert not resting.fills
    assert not stop.fills
    halt(bench, on=False)
    bench.quote(TICKS - 8)
    bench.trade(TICKS - 8)
    bench.wait(ROUND_TRIP_MS)
    assert (resting.orderStatus.status, stop.orderStatus.status) == ("Filled", "Filled")


def test_an_order_can_be_withdrawn_after_a_halt(bench, ib):
    halt(bench)
    trade = ib.placeOrder(bench.contract(), order("BUY", 1, "LMT", limit=TICKS - 40))
    bench.wait(ROUND_TRIP_MS)
    halt(bench, on=False)
    ib.cancelOrder(trade.order)
    bench.wait(ROUND_TRIP_MS)
    assert trade.orderStatus.status == "Cancelled"
