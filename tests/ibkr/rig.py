"""A connection to a gateway under test, its link and its streams; what they told the core, in order."""

import time
from contextlib import ExitStack, contextmanager

from trading_bot.adapters.gateway.background import running_gateway
from trading_bot.adapters.ibkr.link import Link
from trading_bot.adapters.ibkr.session import IbkrSession, IbkrSettings
from trading_bot.adapters.ibkr.subscriptions import Subscriptions
from trading_bot.domain.broker_events import BrokerNotice
from trading_bot.domain.events import LinkStatus
from trading_bot.domain.ibkr_config import IbkrConfig

GAP_S = 0.25  # of the gateway between two tick-by-tick requests, instead of 15 s
WAIT_S = 0.5  # ours
SPEED = 20.0  # market seconds a second: some 300 quotes and 70 trades a second of the wall


def settings(gateway, **changes):
    return IbkrSettings(
        **({"host": "127.0.0.1", "port": gateway.port, "client_id": 1, "request_timeout_s": 2.0} | changes)
    )


@contextmanager
def connected(gateway, *, speed=None, **changes):
    session = IbkrSession(settings(gateway, **changes), speed=speed)
    session.connect()
    try:
        yield session
    finally:
        session.close()


class Rig:
    """`told` are the inputs so far; `ids` the request ids whose ticks count."""

    def __init__(self, gateway, patience=1, beside=None, beside_trades=False, **changes):
        config = {"stale_s": 1.0, "probe_every_s": 1.0, "reconnect_waits_s": (0.1, 0.2)} | changes
        self.gateway = gateway
        self.told = []
        self.ids = []
        self.ticks = []
        self.patience = patience
        self.session = IbkrSession(settings(gateway))
        self.link = Link(self.session, IbkrConfig(**config), lambda _ts_ns: self.patience)
        self.session.connect()
        self.contract = self.qualified("MESZ6")
        self.subscriptions = Subscriptions(
            self.session,
            self.contract,
            WAIT_S,
            lambda ids: self.ids.append(set(ids)),
            beside=beside and self.qualified(beside),
            beside_trades=beside_trades,
        )
        for callback in ("tickByTickAllLast", "tickByTickBidAsk"):
            self.session.listen(callback, lambda request_id, *_: self.ticks.append(request_id))

    def qualified(self, local_symbol):
        query = self.session.lib.Contract(secType="FUT", localSymbol=local_symbol, exchange="CME", currency="USD")
        return self.session.ask(self.session.ib.reqContractDetailsAsync(query)).data[0].contract

    def start(self):
        self.link.start(self.subscriptions)
        self.until(lambda: self.state.up)
        self.pump(GAP_S)  # a gateway that was busy opening its market has heard the requests late

    def close(self):
        self.link.close()
        self.session.close()

    def do(self, action, **fields):
        self.gateway.call(lambda gateway: gateway.scenario.do(action, **fields))

    def pump(self, seconds=0.02):
        end_s = time.monotonic() + seconds
        while True:
            self.session.pump(max(min(0.02, end_s - time.monotonic()), 0))
            self.told.extend(self.session.inputs)
            self.session.inputs.clear()
            if time.monotonic() >= end_s:
                return

    def until(self, condition, timeout_s=6.0):
        end_s = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < end_s, f"not within {timeout_s} s: {self.state}, told {self.changes}"
            self.pump()

    @property
    def state(self):
        return self.session.link

    @property
    def statuses(self):
        return [event for event in self.told if isinstance(event, LinkStatus)]

    @property
    def changes(self):
        """(reason, socket, broker, farm, flowing) of every change of the link."""
        return [(one.reason, one.socket, one.broker, one.farm, one.flowing) for one in self.statuses]

    @property
    def notices(self):
        return [event for event in self.told if isinstance(event, BrokerNotice)]

    def streams(self):
        """What the gateway serves this client: {request id: class name}."""
        return self.gateway.call(
            lambda gateway: {
                request_id: type(stream).__name__
                for client in gateway.clients.values()
                for request_id, stream in client.subscriptions.items()
            }
        )


@contextmanager
def rig(*, gateway=None, started=True, patience=1, **changes):
    with ExitStack() as undo:
        given = {"speed": SPEED, "tick_by_tick_gap_s": GAP_S} | (gateway or {})
        running = undo.enter_context(running_gateway(**given))
        one = Rig(running, patience, **changes)
        undo.callback(one.close)
        if started:
            one.start()
        yield one
