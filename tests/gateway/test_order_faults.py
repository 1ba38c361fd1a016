"""Faults where they touch orders (docs/gateway.md), as the real library suffers them."""

import pytest

from tests.gateway.bench import TICKS, WAY_MS, Bench, order, statuses

ROUND_TRIP_MS = 2 * WAY_MS + 1


@pytest.fixture
def bench():
    return Bench()


@pytest.fixture
def ib(bench):
    return bench.connect()


def bought(bench, ib, **terms):
    return ib.placeOrder(bench.contract(), order("BUY", 1, "MKT", **terms))


def test_a_muted_placement_vanishes(bench, ib):
    bench.gateway.scenario.do("mute_orders")
    trade = bought(bench, ib)
    bench.wait(60_000)
    assert (statuses(trade), ib.heard) == (["PendingSubmit"], [])
    assert bench.desk.executions.rows == []


def test_delayed_orders_arrive_later(bench, ib):
    bench.gateway.scenario.do("delay_orders", ms=400)
    bought(bench, ib)
    bench.wait(400 + WAY_MS - 1)
    assert bench.desk.executions.rows == []
    bench.wait(2)
    assert len(bench.desk.executions.rows) == 1


def test_every_placement_is_refused(bench, ib):
    bench.gateway.scenario.do("reject_orders", code=201, text="Order rejected - reason:so be it")
    trade = bought(bench, ib)
    bench.wait(ROUND_TRIP_MS)
    assert ib.heard == [(trade.order.orderId, 201, "Order rejected - reason:so be it")]
    assert list(bench.desk.open_orders()) == []


def test_acknowledgements_are_lost_and_fills_are_not(bench, ib):
    bench.gateway.scenario.do("lose_acks")
    trade = bought(bench, ib)
    bench.wait(1000)
    assert statuses(trade) == ["PendingSubmit", "PendingSubmit"]  # the second is the library's note of the fill
    assert len(trade.fills) == 1


def test_a_status_comes_twice(bench, ib):
    heard = []
    ib.wrapper.orderStatus = lambda order_id, status, *_: heard.append((order_id, status))
    bench.gateway.scenario.do("duplicate_status")
    trade = ib.placeOrder(bench.contract(), order("BUY", 1, "LMT", limit=TICKS - 8))
    bench.wait(ROUND_TRIP_MS)
    assert heard == [(trade.order.orderId, "Submitted")] * 2


def test_a_commission_comes_late(bench, ib):
    bench.gateway.scenario.do("delay_commission", ms=2000)
    trade = bought(bench, ib)
    bench.wait(ROUND_TRIP_MS + 1900)
    assert trade.fills[0].commissionReport.execId == ""
    bench.wait(200)
    assert trade.fills[0].commissionReport.commission == 1.25


def test_a_fill_comes_before_the_acknowledgement(bench, ib):
    bench.gateway.scenario.do("fill_before_ack")
    trade = bought(bench, ib)
    bench.wait(ROUND_TRIP_MS)
    assert len(trade.fills) == 1
    assert statuses(trade) == ["PendingSubmit", "PendingSubmit"]
    bench.wait(1000)
    assert statuses(trade)[-1] == "Filled"


def test_an_order_is_informed_about_and_works(bench, ib):
    bench.gateway.scenario.do("inform_order", code=2109, text="Order Event Warning: outside regular hours is ignored")
    trade = bought(bench, ib)
    bench.wait(ROUND_TRIP_MS)
    assert (trade.order.orderId, 2109) in [(req_id, code) for req_id, code, _ in ib.heard]
    assert len(trade.fills) == 1


def test_nothing_passes_while_the_broker_is_out_of_reach(bench, ib):
    resting = ib.placeOrder(bench.contract(), order("BUY", 1, "LMT", limit=TICKS))
    bench.wait(ROUND_TRIP_MS)
    bench.gateway.scenario.do("outage")
    bench.trade(TICKS - 1, 1, 2)  # the exchange goes on
    late = bought(bench, ib)
    bench.wait(10_000)
    assert (len(bench.desk.executions.rows), resting.fills, late.fills) == (1, [], [])
    bench.gateway.scenario.do("outage", on=False)
    bench.wait(ROUND_TRIP_MS)
    assert (len(resting.fills), len(late.fills)) == (1, 1)
    assert [code for _, code, _ in ib.heard] == [1100, 1102]


def test_a_correction_replaces_an_execution(bench, ib):
    trade = bought(bench, ib)
    bench.wait(ROUND_TRIP_MS)
    first = trade.fills[0].execution
    bench.desk.correct(first.execId, TICKS + 5)
    bench.wait(ROUND_TRIP_MS)
    second = ib.fills()[-1].execution
    assert (first.execId[-3:], second.execId) == (".01", first.execId[:-2] + "02")
    assert (second.price, second.avgPrice, second.permId) == (6801.25, 6801.25, first.permId)
    assert bench.desk.account.positions[bench.front.con_id].average_cost == 6801.25 * 5 + 1.25
    assert len(bench.desk.executions.rows) == 1
    with pytest.raises(KeyError):
        bench.desk.correct(first.execId, TICKS)
