"""What a connection tells and what a broker answers, as one stream for the core; and what a new log is told again."""

import time

import pytest

from tests.ibkr.rig import connected
from trading_bot.adapters.gateway.background import running_gateway
from trading_bot.adapters.ibkr.account import Account
from trading_bot.adapters.ibkr.sink import SessionBroker
from trading_bot.domain.broker_events import BrokerNotice
from trading_bot.domain.effects import AskBroker
from trading_bot.domain.events import AccountSnapshot
from trading_bot.domain.units import TS_NEVER_NS


class Answers:
    """A broker with answers at fixed times."""

    def __init__(self, *due_ns):
        self.due_ns = list(due_ns)
        self.sent = []

    @property
    def next_due_ns(self):
        return self.due_ns[0] if self.due_ns else TS_NEVER_NS

    def dispatch(self, effect):
        self.sent.append(effect)

    def take(self, ts_ns):
        return (
            BrokerNotice(ts_ns=self.due_ns.pop(0), code=1, text="answer", error=False)
            if self.next_due_ns <= ts_ns
            else None
        )


@pytest.fixture
def session():
    with running_gateway() as gateway, connected(gateway) as session:
        yield session


def told(session, ts_ns, text):
    session.inputs.append(BrokerNotice(ts_ns=ts_ns, code=0, text=text, error=False))


def test_inputs_come_in_the_order_of_time_and_not_before_they_are_due(session):
    session.inputs.clear()
    broker = SessionBroker(session, Answers(20, 40), lambda: None)
    for ts_ns in (10, 20, 30):
        told(session, ts_ns, "told")
    assert broker.next_due_ns == 10
    assert broker.take(9) is None
    found = []
    while broker.next_due_ns <= 35:
        event = broker.take(broker.next_due_ns)
        found.append((event.ts_ns, event.text))
    # At equal times what the connection told comes first.
    assert found == [(10, "told"), (20, "told"), (20, "answer"), (30, "told")]
    assert broker.next_due_ns == 40


def test_a_question_of_the_core_is_sent_on_and_the_account_is_told_again(session):
    account, orders = Account(session), Answers()
    broker = SessionBroker(session, orders, account.repeat)
    question = AskBroker(ts_ns=1, reason="LINK_UP")
    broker.dispatch(question)
    assert orders.sent == [question]
    assert not [event for event in session.inputs if isinstance(event, AccountSnapshot)]  # nothing is known yet
    account.request()
    snapshots = []
    end_s = time.monotonic() + 3
    while not snapshots:
        assert time.monotonic() < end_s, "no snapshot within 3 s"
        session.pump(0.02)
        snapshots = [event for event in session.inputs if isinstance(event, AccountSnapshot)]
    session.inputs.clear()
    broker.dispatch(question)
    (again,) = [event for event in session.inputs if isinstance(event, AccountSnapshot)]
    assert (again.account, again.equity_uusd) == ("DUSIM1", 10_000_000_000)
    assert (again.equity_uusd, again.margin_free_uusd) == (snapshots[0].equity_uusd, snapshots[0].margin_free_uusd)
