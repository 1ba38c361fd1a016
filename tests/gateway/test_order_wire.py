"""Orders on the wire, at every version: bytes of the real library into our reader, ours into its decoder."""

import datetime as dt

import pytest

from tests.gateway.bench import MES, TICKS
from tests.gateway.clients import HIGHEST
from trading_bot.adapters.gateway import order_encode
from trading_bot.adapters.gateway.contracts import Listed
from trading_bot.adapters.gateway.order_decode import read_order
from trading_bot.adapters.gateway.orders import Execution, Order
from trading_bot.adapters.gateway.wire import Fields, encode
from trading_bot.adapters.ibkr.library import library

VERSIONS = range(157, HIGHEST + 1)
LISTED = Listed(instrument=MES, con_id=77, local_symbol="MESZ6", expiry=20261218, month=202612, market_rule=67)


def written(version, order, contract=None):
    """The fields the library writes for a placement."""
    ib, sent = library().IB(), []
    ib.disconnect = lambda: None  # which it calls when it is collected: there is no socket
    client = ib.client
    client._serverVersion, client.connState, client.sendMsg = version, 2, sent.append
    client.placeOrder(13, contract or future(), order)
    return sent[0]


def future():
    return library().Future(
        conId=77,
        symbol="MES",
        lastTradeDateOrContractMonth="20261218",
        exchange="CME",
        currency="USD",
        localSymbol="MESZ6",
        tradingClass="MES",
        multiplier="5",
    )


def full_order(**changes):
    values = {
        "action": "SELL",
        "totalQuantity": 2,
        "orderType": "STP LMT",
        "lmtPrice": 6750.25,
        "auxPrice": 6751.5,
        "tif": "GTC",
        "ocaGroup": "run-1",
        "ocaType": 2,
        "account": "DUSIM1",
        "orderRef": "run-7-S",
        "transmit": False,
        "parentId": 12,
        "triggerMethod": 2,
        "outsideRth": True,
    }
    return library().Order(**{**values, **changes})


def read(version, order, contract=None):
    fields = Fields(written(version, order, contract).encode())
    assert fields.int() == 3
    request = read_order(fields, version)
    assert fields.left == 0
    return request


@pytest.mark.parametrize("version", VERSIONS)
def test_a_placement_is_read_at_every_version(version):
    request = read(version, full_order())
    assert (request.order_id, request.contract.con_id, request.contract.local_symbol) == (13, 77, "MESZ6")
    assert (request.action, request.qty, request.order_type) == ("SELL", 2.0, "STP LMT")
    assert (request.limit_points, request.aux_points, request.tif) == (6750.25, 6751.5, "GTC")
    assert (request.oca_group, request.oca_type, request.account) == ("run-1", 2, "DUSIM1")
    assert (request.order_ref, request.transmit, request.parent_id) == ("run-7-S", False, 12)
    assert (request.trigger_method, request.outside_rth, request.what_if) == (2, True, False)
    assert request.unsupported == ()


@pytest.mark.parametrize("version", [157, HIGHEST])
def test_unset_prices_are_none(version):
    request = read(version, library().Order(action="BUY", totalQuantity=1, orderType="MKT"))
    assert (request.limit_points, request.aux_points, request.trail_stop_points) in [(None, None, None), (0, 0, None)]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("whatIf", {"whatIf": True}),
        ("algoStrategy", {"algoStrategy": "Adaptive"}),
        ("hedgeType", {"hedgeType": "D", "hedgeParam": "1"}),
        ("scalePriceIncrement", {"scalePriceIncrement": 0.25}),
        ("deltaNeutralOrderType", {"deltaNeutralOrderType": "MKT"}),
        ("conditions", {}),
    ],
)
def test_what_follows_a_variable_part_is_read_all_the_same(name, change):
    lib = library()
    order = full_order(**change)
    if name == "algoStrategy":
        order.algoParams = [lib.TagValue("adaptivePriority", "Normal"), lib.TagValue("a", "b")]
    if name == "conditions":
        order.conditions = [lib.PriceCondition(price=6700.0, conId=77, exch="CME"), lib.TimeCondition(time="20261125")]
    request = read(HIGHEST, order)
    assert request.what_if is (name == "whatIf")
    assert request.unsupported == (() if name == "whatIf" else (name,))


class Wrapper:
    """Hears what the library's decoder understood."""

    def __init__(self):
        self.heard = []
        setattr(self, "defaultTimezone", dt.UTC)  # noqa: B010 (the library's name)

    def __getattr__(self, name):
        return lambda *values: self.heard.append((name, values))


def decoded(version, values):
    """Our message as the library's decoder hands it to its wrapper."""
    wrapper = Wrapper()
    decoder = type(library().IB().client.decoder)(wrapper, version)
    decoder.interpret(encode(*values)[4:].decode().split("\0")[:-1])
    ((name, arguments),) = wrapper.heard
    return name, arguments


def placed():
    """An order of which one lot of two has filled."""
    order = Order(read(HIGHEST, full_order()), 3, LISTED, 1_400_000_900)
    order.accepted, order.released, order.group, order.oca_type = True, 2, "run-1", 2
    order.filled, order.value_ticks, order.last_fill_ticks = 1, TICKS, TICKS
    order.ended_ns, order.ended_text = 1_795_450_200_000_000_000, "Cancelled"
    return order


@pytest.mark.parametrize("version", VERSIONS)
def test_open_orders_are_understood_at_every_version(version):
    name, (order_id, contract, order, state) = decoded(
        version, order_encode.open_order(placed().view("DUSIM1"), version)
    )
    assert name == "openOrder"
    assert (order_id, order.orderId, order.clientId, order.permId, order.parentId) == (13, 13, 3, 1_400_000_900, 12)
    assert (contract.conId, contract.symbol, contract.secType, contract.exchange) == (77, "MES", "FUT", "CME")
    assert (contract.lastTradeDateOrContractMonth, contract.multiplier, contract.localSymbol) == (
        "20261218",
        "5",
        "MESZ6",
    )
    assert (order.action, order.totalQuantity, order.orderType, order.tif) == ("SELL", 2, "STP LMT", "GTC")
    assert (order.lmtPrice, order.auxPrice, order.outsideRth, order.triggerMethod) == (6750.25, 6751.5, True, 2)
    assert (order.ocaGroup, order.ocaType, order.account, order.orderRef) == ("run-1", 2, "DUSIM1", "run-7-S")
    assert (order.whatIf, order.conditions, state.status) == (False, [], "PreSubmitted")


@pytest.mark.parametrize("version", VERSIONS)
def test_completed_orders_are_understood_at_every_version(version):
    name, (contract, order, state) = decoded(version, order_encode.completed_order(placed().view("DUSIM1"), version))
    assert name == "completedOrder"
    assert (contract.conId, order.permId, order.action, order.totalQuantity) == (77, 1_400_000_900, "SELL", 2)
    assert (order.lmtPrice, order.auxPrice, order.orderRef, order.filledQuantity) == (6750.25, 6751.5, "run-7-S", 1)
    assert (state.completedTime, state.completedStatus) == ("20261123 10:10:00 US/Central", "Cancelled")


@pytest.mark.parametrize("version", VERSIONS)
def test_executions_are_understood_at_every_version(version):
    execution = Execution(
        exec_id="00000007.00000001.01.01",
        ts_ns=1_795_450_200_000_000_000,
        order_id=13,
        client_id=3,
        perm_id=1_400_000_900,
        con_id=77,
        symbol="MES",
        account="DUSIM1",
        exchange="CME",
        side=-1,
        qty=2,
        price_ticks=TICKS + 1,
        cum_qty=3,
        value_ticks=3 * TICKS + 2,
        order_ref="run-7-S",
        maker=True,
        commission_uusd=1_240_000,
        realized_uusd=-7_500_000,
    )
    name, (req_id, contract, told) = decoded(version, order_encode.exec_details(execution, LISTED, 41, version))
    assert (name, req_id, contract.conId, contract.localSymbol) == ("execDetails", 41, 77, "MESZ6")
    assert (told.execId, told.orderId, told.clientId, told.permId) == (execution.exec_id, 13, 3, 1_400_000_900)
    assert (told.side, told.shares, told.price, told.cumQty) == ("SLD", 2, 6800.25, 3)
    assert told.avgPrice == pytest.approx(6800 + 0.5 / 3, abs=1e-8)
    assert told.time == dt.datetime(2026, 11, 23, 16, 10, tzinfo=dt.UTC)
    assert (told.acctNumber, told.exchange, told.orderRef, told.lastLiquidity) == ("DUSIM1", "CME", "run-7-S", 1)
    name, (report,) = decoded(version, order_encode.commission_report(execution))
    assert (name, report.execId, report.commission) == ("commissionReport", execution.exec_id, 1.24)
    assert (report.currency, report.realizedPNL) == ("USD", -7.5)


def test_order_status_is_understood():
    name, values = decoded(HIGHEST, order_encode.order_status(placed().view("DUSIM1")))
    assert name == "orderStatus"
    assert values == (13, "PreSubmitted", 1, 1, 6800.0, 1_400_000_900, 12, 6800.0, 3, "trigger", 0)
