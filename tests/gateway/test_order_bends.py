"""Faults that bend an order's way: legs that are refused or vanish, twins, cancels, groups, executions, commissions."""

import pytest

from tests.gateway.bench import TICKS, WAY_MS, Bench, bracket, order, statuses

ROUND_TRIP_MS = 2 * WAY_MS + 1
SERVER_MS = 6


@pytest.fixture
def bench():
    return Bench()


@pytest.fixture
def ib(bench):
    return bench.connect()


def do(bench, action, **values):
    bench.gateway.scenario.do(action, **values)


def opened(bench, ib, qty=1):
    """A long position with its target ten ticks above and its stop ten below."""
    trades = bracket(bench, ib, qty, target=TICKS + 10, stop=TICKS - 10)
    bench.wait(ROUND_TRIP_MS + SERVER_MS)
    bench.wait(ROUND_TRIP_MS)
    return trades


def working(bench):
    return sorted(one.leg for one in bench.desk.open_orders())


def test_the_broker_refuses_one_leg_of_a_bracket(bench, ib):
    do(bench, "reject_leg", leg="S", code=201, text="Order rejected - reason:no stop")
    _parent, _target, stop = opened(bench, ib)
    assert (working(bench), statuses(stop)[-1]) == (["T"], "Inactive")
    assert (stop.order.orderId, 201, "Order rejected - reason:no stop") in ib.heard


def test_a_refused_entry_takes_its_children_along(bench, ib):
    do(bench, "reject_leg", leg="E", code=201)
    opened(bench, ib)
    assert (working(bench), bench.desk.executions.rows) == ([], [])


@pytest.mark.parametrize(("leg", "left"), [("S", ["T"]), ("T", ["S"]), ("E", [])])
def test_a_leg_vanishes_without_a_word(bench, ib, leg, left):
    do(bench, "drop_leg", leg=leg)
    trades = dict(zip("ETS", opened(bench, ib), strict=True))
    assert working(bench) == left
    assert statuses(trades[leg]) == ["PendingSubmit"]
    ib.client.cancelOrder(trades[leg].order.orderId)
    bench.wait(ROUND_TRIP_MS)
    assert ib.heard[-1][:2] == (trades[leg].order.orderId, 10147)


@pytest.mark.parametrize(("code", "status"), [(163, None), (201, "Inactive")])
def test_a_price_band_refuses_what_is_outside(bench, ib, code, status):
    """109, 163 and 382 come from the gateway, without an order; 201 from the exchange, of one the broker has."""
    do(bench, "price_band", ticks=40, code=code)
    inside = ib.placeOrder(bench.contract(), order("BUY", 1, "LMT", limit=TICKS - 40))
    outside = ib.placeOrder(bench.contract(), order("BUY", 1, "LMT", limit=TICKS - 41))
    bench.wait(ROUND_TRIP_MS)
    assert statuses(inside)[-1] == "Submitted"
    assert [(req_id, heard) for req_id, heard, _ in ib.heard] == [(outside.order.orderId, code)]
    if status:
        assert statuses(outside)[-1] == status


def test_a_band_holds_for_a_change_too(bench, ib):
    trade = ib.placeOrder(bench.contract(), order("BUY", 1, "LMT", limit=TICKS - 8))
    bench.wait(ROUND_TRIP_MS)
    do(bench, "price_band", ticks=40, code=201)
    trade.order.lmtPrice = (TICKS - 41) / 4
    ib.placeOrder(bench.contract(), trade.order)
    bench.wait(ROUND_TRIP_MS)
    assert ib.heard[-1][:2] == (trade.order.orderId, 201)
    assert next(bench.desk.open_orders()).limit_ticks == TICKS - 8


def test_only_some_lots_of_an_order_trade_until_the_rest_may(bench, ib):
    do(bench, "hold_lots", qty=2)
    parent, target, stop = opened(bench, ib, qty=3)
    live = {one.order_id: one for one in bench.desk.open_orders()}
    assert [live[trade.order.orderId].open for trade in (parent, target, stop)] == [0, 2, 2]
    assert (bench.desk.account.position_qty(bench.front.con_id), statuses(parent)[-1]) == (2, "Submitted")
    do(bench, "hold_lots", on=False)
    bench.wait(ROUND_TRIP_MS)
    assert bench.desk.account.position_qty(bench.front.con_id) == 3
    assert statuses(parent)[-1] == "Filled"


def test_a_change_leaves_a_twin_and_two_cancels_end_both(bench, ib):
    """Field notes 2#2: two live permIds under one reference; the cancel of one is confirmed, the other works on."""
    trade = ib.placeOrder(bench.contract(), order("BUY", 1, "LMT", limit=TICKS - 8, orderRef="ours"))
    bench.wait(ROUND_TRIP_MS)
    do(bench, "twin_orders")
    trade.order.lmtPrice = (TICKS - 4) / 4
    ib.placeOrder(bench.contract(), trade.order)
    bench.wait(ROUND_TRIP_MS)
    first, second = bench.desk.open_orders()
    assert (first.limit_ticks, second.limit_ticks) == (TICKS - 8, TICKS - 4)
    assert (first.order_id, first.request.order_ref) == (second.order_id, second.request.order_ref)
    assert second.perm_id > first.perm_id
    ib.client.cancelOrder(trade.order.orderId)
    bench.wait(ROUND_TRIP_MS)
    assert list(bench.desk.open_orders()) == [first]
    ib.client.cancelOrder(trade.order.orderId)
    bench.wait(ROUND_TRIP_MS)
    assert list(bench.desk.open_orders()) == []


def changed_price(bench, ib):
    """What becomes of a working bid that is moved by a tick."""
    trade = ib.placeOrder(bench.contract(), order("BUY", 1, "LMT", limit=TICKS - 8))
    bench.wait(ROUND_TRIP_MS)
    trade.order.lmtPrice = (TICKS - 7) / 4
    ib.placeOrder(bench.contract(), trade.order)
    bench.wait(ROUND_TRIP_MS)
    return next(bench.desk.open_orders()).limit_ticks, [heard[:2] for heard in ib.heard], trade.order.orderId


def test_changes_vanish(bench, ib):
    do(bench, "mute_changes")
    assert changed_price(bench, ib)[:2] == (TICKS - 8, [])


def test_changes_are_refused_and_the_order_works_on(bench, ib):
    do(bench, "reject_changes", code=105)
    price, heard, order_id = changed_price(bench, ib)
    assert (price, heard) == (TICKS - 8, [(order_id, 105)])


@pytest.mark.parametrize(
    ("action", "values", "heard"),
    [("mute_cancels", {}, []), ("hold_cancels", {}, []), ("reject_cancels", {"code": 161}, [161])],
)
def test_cancels_go_wrong(bench, ib, action, values, heard):
    trade = ib.placeOrder(bench.contract(), order("BUY", 1, "LMT", limit=TICKS - 8))
    bench.wait(ROUND_TRIP_MS)
    do(bench, action, **values)
    ib.client.cancelOrder(trade.order.orderId)
    bench.wait(ROUND_TRIP_MS)
    assert ([code for _, code, _ in ib.heard], working(bench)) == (heard, ["X"])
    do(bench, action, on=False)
    bench.wait(ROUND_TRIP_MS)
    assert working(bench) == ([] if action == "hold_cancels" else ["X"])


def test_the_broker_withdraws_a_leg_unasked(bench, ib):
    _parent, _target, stop = opened(bench, ib)
    do(bench, "withdraw_leg", leg="S")
    bench.wait(ROUND_TRIP_MS)
    assert (working(bench), statuses(stop)[-1]) == (["T"], "Cancelled")


def test_both_children_fill(bench, ib):
    """Field notes D: fill of one child cancels the sibling at the server, so a race (both filled) is possible."""
    _parent, target, stop = opened(bench, ib)
    do(bench, "fill_groups")
    bench.wait(ROUND_TRIP_MS)
    assert (len(target.fills), len(stop.fills)) == (1, 1)
    assert bench.desk.account.position_qty(bench.front.con_id) == -1
    assert target.fills[0].execution.price == (TICKS + 10) / 4
    assert stop.fills[0].execution.price == (TICKS - 10) / 4


def test_a_lost_group_leaves_the_sibling_working(bench, ib):
    opened(bench, ib)
    do(bench, "lose_oca")
    bench.trade(TICKS + 11)
    bench.wait(ROUND_TRIP_MS)
    assert (working(bench), bench.desk.account.position_qty(bench.front.con_id)) == (["S"], 0)


def test_the_reason_comes_after_the_status(bench, ib):
    """Field notes 2#12: Cancelled before error 201, so that a reject reads as a normal cancel."""
    do(bench, "delay_reasons", ms=300)
    do(bench, "reject_leg", leg="X", code=201)
    trade = ib.placeOrder(bench.contract(), order("BUY", 1, "LMT", limit=TICKS - 8))
    bench.wait(ROUND_TRIP_MS)
    assert (statuses(trade)[-1], ib.heard) == ("Inactive", [])
    bench.wait(300)
    assert [code for _, code, _ in ib.heard] == [201]


class Told:
    """Executions and commission reports as they come, before the library makes anything of them."""

    def __init__(self, ib):
        self.executions, self.commissions = [], []
        ib.wrapper.execDetails = lambda _req, _contract, one: self.executions.append(one)
        ib.wrapper.commissionReport = self.commissions.append


def bought(bench, ib):
    told = Told(ib)
    ib.placeOrder(bench.contract(), order("BUY", 1, "MKT", orderRef="ours"))
    bench.wait(ROUND_TRIP_MS)
    return told


def test_executions_are_lost(bench, ib):
    do(bench, "lose_executions")
    told = bought(bench, ib)
    assert (told.executions, told.commissions, len(bench.desk.executions.rows)) == ([], [], 1)


def test_executions_come_twice(bench, ib):
    do(bench, "duplicate_executions")
    told = bought(bench, ib)
    assert len(told.executions) == len(told.commissions) == 2
    assert told.executions[0].execId == told.executions[1].execId
    assert len(bench.desk.executions.rows) == 1


def test_executions_have_no_name(bench, ib):
    do(bench, "nameless_executions")
    one = bought(bench, ib).executions[0]
    assert (one.orderId, one.orderRef, one.permId) == (0, "", bench.desk.executions.rows[0].perm_id)


def test_executions_are_corrected(bench, ib):
    do(bench, "correct_executions", ticks=-2, ms=500)
    told = bought(bench, ib)
    bench.wait(450)
    assert len(told.executions) == 1
    bench.wait(100 + WAY_MS)
    first, second = told.executions
    assert (second.execId, second.price) == (first.execId[:-2] + "02", first.price - 0.5)


@pytest.mark.parametrize(
    ("value", "read"), [("0", 0.0), ("-1", -1.0), ("1.7976931348623157E308", 1.7976931348623157e308)]
)
def test_commissions_carry_what_is_no_commission_and_the_true_one_follows(bench, ib, value, read):
    do(bench, "commission_value", value=value, ms=200)
    told = bought(bench, ib)
    assert [one.commission for one in told.commissions] == [read]
    bench.wait(200)
    assert [one.commission for one in told.commissions] == [read, 1.25]


def test_commissions_are_lost(bench, ib):
    do(bench, "lose_commissions")
    assert bought(bench, ib).commissions == []


def test_a_persons_order_and_another_programs(bench, ib):
    do(bench, "order_by_hand", side="BUY", qty=2)
    do(bench, "order_by_hand", side="SELL", qty=1, points=(TICKS + 20) / 4, client_id=7)
    bench.wait(ROUND_TRIP_MS)
    assert bench.desk.account.position_qty(bench.front.con_id) == 2
    left = next(bench.desk.open_orders())
    assert (left.client_id, left.order_id, left.limit_ticks) == (7, 1, TICKS + 20)
    assert ib.heard == []


@pytest.mark.parametrize(("symbol", "qty"), [("MNQ", 3), ("MES", -2)])
def test_a_position_without_an_execution(bench, ib, symbol, qty):
    told = []
    ib.wrapper.position = lambda _account, contract, lots, _cost: told.append((contract.symbol, lots))
    ib.client.reqPositions()
    do(bench, "give_position", symbol=symbol, qty=qty)
    bench.wait(ROUND_TRIP_MS)
    assert told == [(symbol, qty)]
    assert bench.desk.executions.rows == []


def test_a_given_position_outlives_a_correction(bench, ib):
    do(bench, "give_position", qty=3)
    bought(bench, ib)
    row = bench.desk.executions.rows[0]
    bench.desk.correct(row.exec_id, row.price_ticks + 1)
    assert bench.desk.account.position_qty(bench.front.con_id) == 4
