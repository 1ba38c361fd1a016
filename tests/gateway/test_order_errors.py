"""What is refused, with which code, and what has become of the order then. Codes: field notes 2b, tws-protocol 7."""

import pytest

from tests.gateway.bench import TICKS, WAY_MS, Bench, order

ROUND_TRIP_MS = 2 * WAY_MS + 1


@pytest.fixture
def bench():
    return Bench()


@pytest.fixture
def ib(bench):
    return bench.connect()


def codes(ib, trade):
    return [code for req_id, code, _ in ib.heard if req_id == trade.order.orderId]


REFUSED = [
    (110, {"limit": TICKS + 0.4}),
    (388, {"qty": 0}),
    (10243, {"qty": 1.5}),
    (387, {"kind": "MIDPRICE"}),
    (403, {"kind": "STP", "stop": 0}),
    (321, {"action": "SHORT"}),
    (321, {"tif": "OPG"}),
    (321, {"account": "U7654321"}),
    (321, {"ocaGroup": "g", "ocaType": 4}),
    (321, {"hidden": True}),
    (321, {"algoStrategy": "Adaptive"}),
    (321, {"allOrNone": True}),
    (10006, {"parentId": 4711}),
]


@pytest.mark.parametrize(("code", "asked"), REFUSED, ids=[f"{code} {asked}" for code, asked in REFUSED])
def test_the_gateway_refuses_at_once(bench, ib, code, asked):
    values = {"action": "BUY", "qty": 1, "kind": "LMT", "limit": TICKS - 8, **asked}
    action, qty, kind = (values.pop(name) for name in ("action", "qty", "kind"))
    trade = ib.placeOrder(bench.contract(), order(action, qty, kind, **values))
    bench.tell()
    assert codes(ib, trade) == [code]
    bench.wait(1000)
    assert list(bench.desk.open_orders()) == []
    assert codes(ib, trade) == [code]


@pytest.mark.parametrize(
    ("code", "contract"),
    [(200, {"conId": 1}), (200, {"symbol": "MNQ"}), (321, {"exchange": ""}), (321, {"secType": "CONTFUT"})],
)
def test_a_contract_that_cannot_be_ordered(bench, ib, code, contract):
    named = bench.contract()
    for name, value in contract.items():
        setattr(named, name, value)
    trade = ib.placeOrder(named, order("BUY", 1, "MKT"))
    bench.tell()
    assert codes(ib, trade) == [code]


def test_a_contract_is_found_by_its_local_symbol(bench, ib):
    named = bench.contract(conId=0, symbol="", lastTradeDateOrContractMonth="", multiplier="", tradingClass="")
    trade = ib.placeOrder(named, order("BUY", 1, "MKT"))
    bench.wait(ROUND_TRIP_MS)
    assert trade.orderStatus.status == "Filled"


def test_an_id_below_the_sequence_is_a_duplicate(bench, ib):
    ib.placeOrder(bench.contract(), order("BUY", 1, "LMT", limit=TICKS - 8, orderId=20))
    late = ib.placeOrder(bench.contract(), order("BUY", 1, "LMT", limit=TICKS - 8, orderId=19))
    bench.wait(ROUND_TRIP_MS)
    assert codes(ib, late) == [103]
    assert len(list(bench.desk.open_orders())) == 1


def test_next_valid_id_survives_the_connection_and_is_each_clients_own(bench, ib):
    ib.placeOrder(bench.contract(), order("BUY", 1, "LMT", limit=TICKS - 8, orderId=20))
    bench.leave(ib)
    assert (bench.desk.next_order_id(1), bench.desk.next_order_id(2)) == (21, 1)


def test_a_filled_order_cannot_be_changed(bench, ib):
    trade = ib.placeOrder(bench.contract(), order("BUY", 1, "MKT"))
    bench.wait(ROUND_TRIP_MS)
    ib.client.placeOrder(trade.order.orderId, bench.contract(), order("BUY", 2, "MKT"))
    bench.tell()
    assert codes(ib, trade) == [104]


def test_a_change_that_is_overtaken_by_the_fill(bench, ib):
    trade = ib.placeOrder(bench.contract(), order("BUY", 1, "LMT", limit=TICKS))
    bench.wait(ROUND_TRIP_MS)
    trade.order.lmtPrice = 6799.0
    ib.placeOrder(bench.contract(), trade.order)
    bench.wait(5)
    bench.trade(TICKS - 1, 1, 2)
    bench.wait(100)
    assert codes(ib, trade) == [104]
    assert len(trade.fills) == 1


@pytest.mark.parametrize("change", [{"action": "SELL"}, {"account": "DUSIM2"}])
def test_a_change_keeps_what_the_order_is(bench, ib, change):
    trade = ib.placeOrder(bench.contract(), order("BUY", 1, "LMT", limit=TICKS - 8))
    bench.wait(ROUND_TRIP_MS)
    for name, value in change.items():
        setattr(trade.order, name, value)
    ib.client.placeOrder(trade.order.orderId, bench.contract(), trade.order)
    bench.wait(ROUND_TRIP_MS)
    assert codes(ib, trade) == [321 if "account" in change else 105]
    assert [one.side for one in bench.desk.open_orders()] == [1]


def test_a_change_off_the_grid_leaves_the_order_as_it_was(bench, ib):
    trade = ib.placeOrder(bench.contract(), order("BUY", 1, "LMT", limit=TICKS - 8))
    bench.wait(ROUND_TRIP_MS)
    trade.order.lmtPrice = 6798.1
    ib.client.placeOrder(trade.order.orderId, bench.contract(), trade.order)
    bench.wait(ROUND_TRIP_MS)
    assert codes(ib, trade) == [110]
    assert [one.limit_ticks for one in bench.desk.open_orders()] == [TICKS - 8]


def test_cancels_that_find_nothing(bench, ib):
    ib.client.cancelOrder(4711, "")
    bench.tell()
    assert ib.heard[-1][:2] == (4711, 10147)
    trade = ib.placeOrder(bench.contract(), order("BUY", 1, "MKT"))
    bench.wait(ROUND_TRIP_MS)
    ib.client.cancelOrder(trade.order.orderId, "")
    bench.tell()
    assert codes(ib, trade) == [10148]


def test_another_clients_order_is_not_found(bench, ib):
    trade = ib.placeOrder(bench.contract(), order("BUY", 1, "LMT", limit=TICKS - 8))
    bench.wait(ROUND_TRIP_MS)
    other = bench.connect(2)
    other.client.cancelOrder(trade.order.orderId, "")
    bench.wait(ROUND_TRIP_MS)
    assert other.heard[-1][:2] == (trade.order.orderId, 10147)
    assert trade.orderStatus.status == "Submitted"


def test_the_broker_refuses_what_the_margin_does_not_allow(bench, ib):
    trade = ib.placeOrder(bench.contract(), order("BUY", 8, "LMT", limit=TICKS - 8))  # 10 400 of 10 000 dollars
    bench.wait(ROUND_TRIP_MS)
    assert codes(ib, trade) == [201]
    assert "[10000.00 USD] MUST EXCEED THE INITIAL MARGIN [10400.00 USD]" in ib.heard[-1][2]
    assert trade.orderStatus.status == "Inactive"


def test_working_orders_count_in_the_margin_and_an_exit_needs_none(bench, ib):
    held = ib.placeOrder(bench.contract(), order("BUY", 7, "MKT"))
    bench.wait(ROUND_TRIP_MS)
    more = ib.placeOrder(bench.contract(), order("BUY", 1, "LMT", limit=TICKS - 8))
    leaving = ib.placeOrder(bench.contract(), order("SELL", 7, "MKT"))
    bench.wait(ROUND_TRIP_MS)
    assert [one.orderStatus.status for one in (held, more, leaving)] == ["Filled", "Inactive", "Filled"]


def test_twenty_active_orders_of_a_side(bench):
    bench = Bench(equity_usd=1_000_000)
    ib = bench.connect()
    trades = [ib.placeOrder(bench.contract(), order("BUY", 1, "LMT", limit=TICKS - 8 - n)) for n in range(21)]
    bench.wait(ROUND_TRIP_MS)
    assert [trade.orderStatus.status for trade in trades] == ["Submitted"] * 20 + ["Inactive"]
    assert codes(ib, trades[-1]) == [201]


def test_ioc_at_a_closed_exchange(bench):
    bench = Bench(start_ns=1_795_428_000_000_000_000 - 12 * 3600 * 10**9)  # Sunday 22:00 UTC, an hour before the open
    ib = bench.connect()
    trade = ib.placeOrder(bench.contract(), order("BUY", 1, "LMT", limit=TICKS + 4, tif="IOC"))
    bench.wait(ROUND_TRIP_MS)
    assert codes(ib, trade) == [201]


def test_an_empty_tif_is_day_by_preset_and_the_order_works(bench, ib):
    trade = ib.placeOrder(bench.contract(), order("BUY", 1, "LMT", limit=TICKS - 8, tif=""))
    bench.wait(ROUND_TRIP_MS)
    assert codes(ib, trade) == [10349]
    # Both libraries believe it cancelled, which the next message corrects; it is not.
    (living,) = bench.desk.open_orders()
    assert (living.tif, living.status) == ("DAY", "Submitted")


def test_a_second_cancel_is_answered(bench, ib):
    trade = ib.placeOrder(bench.contract(), order("BUY", 1, "LMT", limit=TICKS - 8))
    bench.wait(ROUND_TRIP_MS)
    for _ in range(2):
        ib.client.cancelOrder(trade.order.orderId, "")
    bench.wait(ROUND_TRIP_MS)
    assert codes(ib, trade) == [10148, 202]
    assert trade.orderStatus.status == "Cancelled"
