"""The dead man at the broker: his way to flat against gateway-sim, and his arithmetic against a broker made for it."""

import time

import pytest

from trading_bot.adapters.gateway.background import running_gateway
from trading_bot.adapters.ibkr.answers import Known
from trading_bot.adapters.ibkr.rescue import Holding, Rescue, Seen, Sent, Working, cancel_as
from trading_bot.adapters.ibkr.session import IbkrSettings
from trading_bot.deadman import closing
from trading_bot.deadman.closing import Closing
from trading_bot.deadman.journal import Journal
from trading_bot.domain.deadman_config import DeadmanConfig
from trading_bot.domain.instruments import instrument_by_symbol

MES = instrument_by_symbol("MES")
START_NS = 1_795_617_300_000_000_000  # 2026-11-25T14:35:00Z
QUICK = DeadmanConfig(cancel_wait_s=1.0, limit_wait_s=0.5)


@pytest.fixture
def gateway():
    with running_gateway(seed=7, speed=5.0, start_ns=START_NS, equity_usd=100_000.0) as running:
        yield running


@pytest.fixture
def rescue(gateway):
    settings = settings_of(gateway, 99)
    link = Rescue(settings, MES)
    yield link
    link.close()


def settings_of(gateway, client_id):
    return IbkrSettings(
        host="127.0.0.1",
        port=gateway.port,
        client_id=client_id,
        account="DUSIM1",
        loop="asyncio",
        fast_path=False,
    )


def do(gateway, action, **values):
    gateway.call(lambda served: served.scenario.do(action, **values))


def held(gateway):
    return gateway.call(lambda served: sum(row.qty for row in served.desk.account.positions.values()))


def working(gateway):
    return gateway.call(lambda served: sorted(order.client_id for order in served.desk.open_orders()))


def case(link, tmp_path, cancel=None, config=QUICK):
    return Closing(link, config, Journal(tmp_path), bot_client=1, cancel_as_bot=cancel)


def events(found):
    return [line["event"] for line in found._journal.lines]


@pytest.mark.parametrize("qty", [2, -1])
def test_a_position_and_its_orders_are_gone(gateway, rescue, tmp_path, qty):
    do(gateway, "give_position", qty=qty)
    away = "SELL" if qty > 0 else "BUY"
    far = 7_200.0 if qty > 0 else 6_000.0
    do(gateway, "order_by_hand", side=away, qty=abs(qty), points=far, client_id=1)
    rescue.idle(0.3)
    seen = rescue.look()
    assert isinstance(seen, Known)
    assert [one.qty for one in seen.data.holdings] == [qty]
    assert [one.client_id for one in seen.data.orders] == [1]
    found = case(rescue, tmp_path)
    assert found.attempt()
    assert (held(gateway), working(gateway)) == (0, [])
    assert events(found) == ["cancel_everything", "close", "closed"]
    closed = gateway.call(lambda served: [(row.side, row.qty) for row in served.desk.executions.rows])
    assert sum(side * lots for side, lots in closed) == -qty  # one order's worth, and not one lot more


def test_nothing_there_is_flat_and_nothing_is_sent(gateway, rescue, tmp_path):
    found = case(rescue, tmp_path)
    assert found.attempt()
    assert events(found) == []
    assert gateway.call(lambda served: len(served.desk.executions.rows)) == 0


def test_somebody_elses_orders_stay_where_the_bots_own_can_be_withdrawn(gateway, rescue, tmp_path):
    client = Rescue(settings_of(gateway, 1), MES)
    order = client.session.lib.Order(
        action="BUY", totalQuantity=1, orderType="LMT", lmtPrice=6_000.0, tif="DAY", account="DUSIM1", orderRef="tbx-E"
    )
    month = gateway.call(lambda served: served.contracts.front(MES).con_id)
    client.session.ib.client.placeOrder(client.session.ib.client.getReqId(), client._contract(month), order)
    client.idle(0.3)
    client.close()
    do(gateway, "order_by_hand", side="BUY", qty=1, points=5_900.0, symbol="ES", client_id=7)
    rescue.idle(0.3)
    assert working(gateway) == [1, 7]
    found = case(rescue, tmp_path, cancel=lambda: cancel_as(settings_of(gateway, 1), MES))
    assert found.attempt()
    assert working(gateway) == [7]
    assert events(found) == ["cancel_as_bot"]


def test_without_a_quote_it_goes_at_the_market(gateway, rescue, tmp_path, monkeypatch):
    monkeypatch.setattr(closing, "_QUOTE_S", 0.2)
    do(gateway, "give_position", qty=1)
    do(gateway, "stop_data", for_s=3_600)
    found = case(rescue, tmp_path)
    assert found.attempt()
    assert [line["order"] for line in found._journal.lines if line["event"] == "close"] == ["market"]


class Broker:
    """A link to a broker that tells what the test wants; `told` are the positions it tells, one a look."""

    def __init__(self, told, *, fills=True, answers=True):
        self.told, self.fills, self.answers = list(told), fills, answers
        self.sent = []
        self.instrument = MES
        self.session = type("Session", (), {"settings": type("Settings", (), {"client_id": 99})})

    def look(self):
        qty = self.told.pop(0) if len(self.told) > 1 else self.told[0]
        return Known(Seen(holdings=(Holding(con_id=5, name="MESZ6", qty=qty),) if qty else ()))

    def touch(self, _con_id, _wait_s):
        return 6_800.0, 6_800.25

    def close_position(self, holding, _limit):
        sent = Sent(order_id=len(self.sent) + 1, executions=[])
        self.sent.append(holding.qty)
        if self.answers:
            sent.over, sent.filled = True, abs(holding.qty) if self.fills else 0
        return sent

    def wait_for(self, _sent, _seconds):
        pass

    def idle(self, _seconds):
        time.sleep(0.001)

    def cancel_everything(self):
        raise AssertionError("there are no orders")


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(closing, "_SETTLE_S", 0.05)


def test_a_position_that_is_told_late_is_not_closed_twice(tmp_path):
    """Executions come before positions: the broker goes on telling +1 after the fill."""
    broker = Broker([1])
    found = case(broker, tmp_path)
    assert not found.attempt()
    assert broker.sent == [1]
    assert "in_doubt" in events(found)


def test_an_order_without_an_answer_is_waited_for(tmp_path, monkeypatch):
    broker = Broker([1], answers=False)
    found = case(broker, tmp_path)
    for _ in range(3):
        assert not found.attempt()
    assert broker.sent == [1]
    monkeypatch.setattr(closing, "DOUBT_S", 0.0)
    found.attempt()
    assert len(broker.sent) > 1  # lost on its way, as far as half a minute tells


def test_what_the_limit_leaves_goes_at_the_market(tmp_path):
    broker = Broker([2], fills=False)
    assert not case(broker, tmp_path).attempt()
    assert broker.sent == [2, 2]


def test_a_stop_that_filled_meanwhile_leaves_nothing_to_close(tmp_path):
    broker = Broker([1, 0])  # asked before the cancels, and after them
    found = case(broker, tmp_path)
    assert found.attempt()
    assert broker.sent == []


def test_orders_are_known_by_their_client(tmp_path):
    row = Working(order_id=3, perm_id=9, client_id=4, con_id=5, symbol="MES", order_ref="", status="Submitted")
    found = case(Broker([0]), tmp_path)
    assert found._foreign(Seen(orders=(row,)))
    assert not found._foreign(Seen(orders=(Working(**{**_fields(row), "client_id": 1}),)))
    assert found._foreign(Seen(others=(row,)))


def _fields(row):
    return {name: getattr(row, name) for name in row.__struct_fields__}
