"""Brackets and OCA groups, placed by the real library."""

import pytest

from tests.gateway.bench import TICKS, WAY_MS, Bench, bracket, order

ROUND_TRIP_MS = 2 * WAY_MS + 1
SERVER_MS = 5


@pytest.fixture
def bench():
    return Bench()


@pytest.fixture
def ib(bench):
    return bench.connect()


def state(trade):
    return trade.orderStatus.status, trade.orderStatus.whyHeld


def position(bench):
    return bench.desk.account.position_qty(bench.front.con_id)


def test_nothing_leaves_before_the_last_leg_is_transmitted(bench, ib):
    parent = order("BUY", 1, "MKT", transmit=False)
    trade = ib.placeOrder(bench.contract(), parent)
    bench.wait(1000)
    assert not bench.desk.executions.rows
    stop = order("SELL", 1, "STP", stop=TICKS - 8, parentId=parent.orderId, tif="GTC")
    ib.placeOrder(bench.contract(), stop)
    bench.wait(ROUND_TRIP_MS)
    assert trade.orderStatus.status == "Filled"


def test_what_was_never_transmitted_goes_with_its_client(bench, ib):
    ib.placeOrder(bench.contract(), order("BUY", 1, "MKT", transmit=False))
    bench.leave(ib)
    again = bench.connect()
    again.client.reqAllOpenOrders()
    bench.tell()
    assert again.openTrades() == []


def test_children_wait_for_their_parent(bench, ib):
    parent, target, stop = bracket(bench, ib, 2, limit=TICKS, target=TICKS + 8, stop=TICKS - 8)
    bench.wait(ROUND_TRIP_MS)
    assert state(parent) == ("Submitted", "")
    assert state(target) == state(stop) == ("PreSubmitted", "child")
    bench.trade(TICKS + 8, 5, 1)  # a print where the target would be fills nothing: it is not in force
    bench.trade(TICKS - 9, 50, 2)
    bench.wait(WAY_MS + SERVER_MS + 1)
    assert parent.orderStatus.status == "Filled"
    # The parent was filled by the print that is through the stop: with the children in force the stop triggers.
    bench.wait(100)
    assert stop.orderStatus.status == "Filled"
    assert target.orderStatus.status == "Cancelled"
    assert position(bench) == 0


def test_children_have_as_many_lots_as_their_parent_filled(bench, ib):
    parent, target, stop = bracket(bench, ib, 3, limit=TICKS, target=TICKS + 8, stop=TICKS - 8)
    bench.wait(ROUND_TRIP_MS)
    bench.trade(TICKS, 21, 2)  # twenty before us
    bench.wait(ROUND_TRIP_MS + SERVER_MS)
    assert (parent.orderStatus.filled, parent.orderStatus.remaining) == (1, 2)
    assert [t.orderStatus.remaining for t in (target, stop)] == [1, 1]
    assert [t.order.totalQuantity for t in (target, stop)] == [1, 1]
    assert (state(target), state(stop)) == (("Submitted", ""), ("PreSubmitted", "trigger"))
    bench.trade(TICKS, 1, 2)
    bench.wait(ROUND_TRIP_MS + SERVER_MS)
    assert [t.orderStatus.remaining for t in (target, stop)] == [2, 2]
    ib.cancelOrder(parent.order)
    bench.wait(ROUND_TRIP_MS + SERVER_MS)
    assert parent.orderStatus.status == "Cancelled"
    assert [t.orderStatus.remaining for t in (target, stop)] == [2, 2]
    bench.quote(TICKS + 9)
    bench.wait(100)
    assert (target.orderStatus.status, target.orderStatus.filled) == ("Filled", 2)
    assert stop.orderStatus.status == "Cancelled"
    assert position(bench) == 0


def test_cancelling_a_parent_without_fills_cancels_its_children(bench, ib):
    legs = bracket(bench, ib, 1, limit=TICKS - 4, target=TICKS + 8, stop=TICKS - 8)
    bench.wait(ROUND_TRIP_MS)
    ib.cancelOrder(legs[0].order)
    bench.wait(ROUND_TRIP_MS)
    assert [leg.orderStatus.status for leg in legs] == ["Cancelled"] * 3


def test_a_refused_parent_takes_its_children_along(ib, bench):
    legs = bracket(bench, ib, 20, target=TICKS + 8, stop=TICKS - 8)  # 26 000 dollars of margin
    bench.wait(ROUND_TRIP_MS)
    assert 201 in [code for _, code, _ in ib.heard]
    assert [leg.orderStatus.status for leg in legs] == ["Inactive", "Cancelled", "Cancelled"]
    assert list(bench.desk.open_orders()) == []


def test_without_a_group_of_their_own_children_are_of_type_three(bench, ib):
    bracket(bench, ib, 1, limit=TICKS - 4, target=TICKS + 8, stop=TICKS - 8)
    bench.wait(ROUND_TRIP_MS)
    again = bench.connect(2)
    again.client.reqAllOpenOrders()
    bench.tell()
    told = sorted(again.openTrades(), key=lambda trade: trade.order.permId)
    assert [trade.order.ocaType for trade in told] == [0, 3, 3]
    assert [trade.order.ocaGroup for trade in told] == ["", *[str(told[0].order.permId)] * 2]
    assert [trade.order.parentId for trade in told] == [0, *[told[0].order.orderId] * 2]


def grouped(oca_type):
    return {"children": {"ocaGroup": "run-1", "ocaType": oca_type, "tif": "GTC"}}


def held(bench, ib, qty, oca_type):
    """A long position with target and stop in one group."""
    legs = bracket(bench, ib, qty, target=TICKS + 8, stop=TICKS - 8, **grouped(oca_type))
    bench.wait(ROUND_TRIP_MS + SERVER_MS)
    assert position(bench) == qty
    return legs


@pytest.mark.parametrize("oca_type", [1, 2, 3])
def test_whichever_child_fills_first_ends_the_other(bench, ib, oca_type):
    _, target, stop = held(bench, ib, 2, oca_type)
    bench.trade(TICKS - 8)
    bench.wait(200)
    assert (stop.orderStatus.status, target.orderStatus.status) == ("Filled", "Cancelled")
    assert position(bench) == 0


@pytest.mark.parametrize(("oca_type", "left"), [(1, 0), (2, 1), (3, 1)])
def test_a_partial_fill_cancels_or_reduces_the_others(bench, ib, oca_type, left):
    _, target, stop = held(bench, ib, 2, oca_type)
    bench.quote(TICKS + 7, 20)
    bench.quote(TICKS + 8, 1, TICKS + 9)  # one lot of the target is taken
    bench.wait(100)
    assert (target.orderStatus.filled, target.orderStatus.remaining) == (1, 1)
    assert stop.orderStatus.remaining == left if left else stop.orderStatus.status == "Cancelled"


@pytest.mark.parametrize("oca_type", [1, 2])
def test_an_exit_that_joins_the_group_never_flips_the_position(bench, ib, oca_type):
    _, target, stop = held(bench, ib, 2, oca_type)
    leaving = order("SELL", 2, "LMT", limit=TICKS + 4, ocaGroup="run-1", ocaType=oca_type)
    trade = ib.placeOrder(bench.contract(), leaving)
    bench.wait(ROUND_TRIP_MS)
    # One record is through the exit and the target both.
    bench.trade(TICKS + 20, 50, 1)
    bench.quote(TICKS + 20)
    bench.wait(200)
    assert trade.orderStatus.status == "Filled"
    assert (target.orderStatus.status, stop.orderStatus.status) == ("Cancelled", "Cancelled")
    assert position(bench) == 0


def test_an_exit_at_market_ends_target_and_stop(bench, ib):
    _, target, stop = held(bench, ib, 1, 1)
    trade = ib.placeOrder(bench.contract(), order("SELL", 1, "MKT", ocaGroup="run-1", ocaType=1))
    bench.wait(ROUND_TRIP_MS)
    assert trade.orderStatus.status == "Filled"
    assert (target.orderStatus.status, stop.orderStatus.status) == ("Cancelled", "Cancelled")


def test_a_target_works_again_when_the_exit_before_it_is_cancelled(bench, ib):
    _, target, _ = held(bench, ib, 1, 2)
    trade = ib.placeOrder(bench.contract(), order("SELL", 1, "LMT", limit=TICKS + 4, ocaGroup="run-1", ocaType=2))
    bench.wait(ROUND_TRIP_MS)
    ib.cancelOrder(trade.order)
    bench.wait(ROUND_TRIP_MS)
    bench.quote(TICKS + 9)
    bench.wait(100)
    assert target.orderStatus.status == "Filled"
    assert position(bench) == 0


def test_an_exit_that_comes_after_the_stop_has_filled_opens_nothing(bench, ib):
    held(bench, ib, 1, 1)
    bench.trade(TICKS - 8)
    bench.wait(100)
    late = ib.placeOrder(bench.contract(), order("SELL", 1, "MKT", ocaGroup="run-1", ocaType=1))
    bench.wait(ROUND_TRIP_MS)
    assert (late.order.orderId, 201) in [(req_id, code) for req_id, code, _ in ib.heard]
    assert position(bench) == 0


def test_without_block_two_members_can_fill_in_one_race(bench, ib):
    held(bench, ib, 1, 3)
    ib.placeOrder(bench.contract(), order("SELL", 1, "LMT", limit=TICKS + 4, ocaGroup="run-1", ocaType=3))
    bench.wait(ROUND_TRIP_MS)
    bench.trade(TICKS + 20, 50, 1)
    bench.wait(200)
    assert position(bench) == -1  # the flip a real broker's type 3 allows


def test_the_stop_of_a_bracket_is_moved_and_keeps_its_lots(bench, ib):
    _, _, stop = held(bench, ib, 2, 2)
    bench.quote(TICKS + 7, 20)
    bench.quote(TICKS + 8, 1, TICKS + 9)
    bench.wait(100)
    assert stop.order.totalQuantity == 1  # the library follows what it was told
    stop.order.auxPrice = (TICKS + 2) / 4
    ib.placeOrder(bench.contract(), stop.order)
    bench.wait(ROUND_TRIP_MS)
    assert (stop.orderStatus.remaining, stop.order.auxPrice) == (1, (TICKS + 2) / 4)
    bench.trade(TICKS + 2)
    bench.wait(100)
    assert stop.orderStatus.status == "Filled"
    assert position(bench) == 0


def test_a_group_of_a_living_order_cannot_be_changed(bench, ib):
    _, _, stop = held(bench, ib, 1, 1)
    stop.order.ocaGroup = "another"
    ib.placeOrder(bench.contract(), stop.order)
    bench.wait(ROUND_TRIP_MS)
    assert ib.heard[-1][:2] == (stop.order.orderId, 10326)
    assert stop.order.permId in bench.desk.flow.live


def test_both_sides_of_a_group_never_trade_on_one_record(bench, ib):
    bench.quote(TICKS, 0, TICKS + 1, 0)  # nobody there: orders to the market wait
    for action in ("BUY", "SELL"):
        ib.placeOrder(bench.contract(), order(action, 1, "MKT", ocaGroup="either", ocaType=1))
    bench.wait(ROUND_TRIP_MS)
    bench.quote()
    bench.wait(100)
    assert sorted(trade.orderStatus.status for trade in ib.trades()) == ["Cancelled", "Filled"]


def test_a_breakout_is_one_way(bench, ib):
    up = ib.placeOrder(bench.contract(), order("BUY", 1, "STP", stop=TICKS + 8, ocaGroup="out", ocaType=1))
    down = ib.placeOrder(bench.contract(), order("SELL", 1, "STP", stop=TICKS - 8, ocaGroup="out", ocaType=1))
    bench.wait(ROUND_TRIP_MS)
    bench.trade(TICKS - 8)
    bench.wait(100)
    bench.trade(TICKS + 8)
    bench.wait(100)
    assert (up.orderStatus.status, down.orderStatus.status) == ("Cancelled", "Filled")
    assert position(bench) == -1
