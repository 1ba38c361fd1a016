"""A gateway without sockets or a clock of its own: the real library on one side, a market by hand on the other.

What the library writes goes through the gateway's frames and handlers; what the gateway sends waits until `tell` and
then goes through the library's own decoder, as bytes.
"""

from tests.gateway.clients import HIGHEST
from trading_bot.adapters.gateway.client import Client
from trading_bot.adapters.gateway.gateway import Gateway, GatewayConfig
from trading_bot.adapters.gateway.market import Record
from trading_bot.adapters.gateway.wire import Fields
from trading_bot.adapters.ibkr.library import library
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.records import FrameKind

MS = 1_000_000
SECOND = 1_000 * MS
MES = INSTRUMENTS["MES"]
MONDAY_10_CT = 1_795_450_200_000_000_000  # 2026-11-23T16:10:00Z, regular hours
WAY_MS = 25  # to the exchange, and back
TICKS = 27_200  # 6800.00


class HandClock:
    """Market time that a test sets."""

    speed = 1.0
    begun = True

    def __init__(self, start_ns):
        self.start_ns = self.ns = start_ns

    def begin(self):
        pass

    def now_ns(self):
        return self.ns

    def now_s(self):
        return self.ns // SECOND


class HandMarket:
    """One touch, one last price."""

    def __init__(self):
        self.quote, self.trade = (TICKS, 20, TICKS + 1, 20), TICKS

    def touch(self, _con_id):
        return self.quote

    def last(self, _con_id):
        return self.trade

    def forget(self, _client):
        pass

    def ready(self):
        pass


class Wired(Client):
    """The gateway's end: frames are kept until they are told."""

    def __init__(self, gateway):
        super().__init__(gateway)
        self.frames = []

    def send_frame(self, frame):
        if not self.closed:
            self.frames.append(frame)


class Bench:
    """A gateway, its market and its clients; times in ms of market time from the start."""

    def __init__(self, *, start_ns=MONDAY_10_CT, **config):
        self.gateway = Gateway(GatewayConfig(start_ns=start_ns, messages_per_s=0, **config))
        self.clock = self.gateway.clock = HandClock(start_ns)
        self.market = self.gateway.market = HandMarket()
        self.desk = self.gateway.desk
        self.front = self.gateway.contracts.front(MES)
        self._ends = []

    # Clients

    def connect(self, client_id=1, version=HIGHEST, ib=None):
        """The library's IB (its own, or one that a connection of ours has) at a version, as after its handshake."""
        ours, ib = ib is not None, ib or library().IB()
        if not ours:
            ib.disconnect = lambda: None  # which it calls when it is collected: there is no socket
        wired = Wired(self.gateway)
        wired.server_version = version
        wired.account = self.gateway.config.account
        self.gateway.started(wired, client_id)
        client = ib.client
        client._serverVersion = client.decoder.serverVersion = version
        client.connState, client._apiReady, client._accounts = 2, True, [wired.account]
        client.clientId = ib.wrapper.clientId = client_id
        client.updateReqId(self.desk.next_order_id(client_id))
        if not ours:
            client.sendMsg = lambda text: self.gateway.dispatcher.dispatch(wired, Fields(text.encode()))
        ib.heard, ib.wired = [], wired
        ib.errorEvent += lambda req_id, code, text, *_: ib.heard.append((req_id, code, text))
        self._ends.append((wired, client))
        return ib

    def leave(self, ib):
        """The socket breaks; what was not told is lost."""
        wired = ib.wired
        wired.frames.clear()
        wired.closed = True
        self.gateway.left(wired)
        for callback in wired.on_closed:
            callback()

    def tell(self):
        """Give every library what was sent to it."""
        for wired, client in self._ends:
            frames, wired.frames = wired.frames, []
            if frames and not wired.closed:
                client._onSocketHasData(b"".join(frames))
        assert self.gateway.failure is None, self.gateway.failure

    def contract(self, **changes):
        row = self.front
        values = {
            "conId": row.con_id,
            "symbol": "MES",
            "lastTradeDateOrContractMonth": str(row.expiry),
            "exchange": "CME",
            "currency": "USD",
            "localSymbol": row.local_symbol,
            "tradingClass": "MES",
            "multiplier": "5",
        }
        return library().Future(**{**values, **changes})

    # Time and market

    def wait(self, ms):
        """Let time pass; then everybody hears what there is."""
        self.clock.ns += round(ms * MS)
        self.desk.advance(self.clock.ns)
        self.tell()

    def quote(self, bid=TICKS, bid_qty=20, ask=None, ask_qty=20):
        ask = bid + 1 if ask is None else ask
        self.market.quote = (bid, bid_qty, ask, ask_qty)
        self.desk.on_record("SPX", Record(FrameKind.QUOTE, self.clock.ns, self.clock.ns, bid, ask, bid_qty, ask_qty))
        self.tell()

    def trade(self, price, qty=1, aggressor=0):
        self.market.trade = price
        record = Record(FrameKind.TRADE, self.clock.ns, self.clock.ns, price_ticks=price, qty=qty, aggressor=aggressor)
        self.desk.on_record("SPX", record)
        self.tell()


def order(action, qty, kind, *, limit=None, stop=None, **terms):
    """A library's order; prices in ticks of a quarter point."""
    values = {"tif": "DAY", "outsideRth": True, **terms}
    if limit is not None:
        values["lmtPrice"] = limit / 4
    if stop is not None:
        values["auxPrice"] = stop / 4
    return library().Order(action=action, totalQuantity=qty, orderType=kind, **values)


def statuses(trade):
    """The statuses an order went through, as the library logged them."""
    return [entry.status for entry in trade.log]


def bracket(bench, ib, qty, *, limit=None, target, stop, side="BUY", children=None, **terms):
    """Parent, target and stop, placed in one go; the three trades."""
    away = "SELL" if side == "BUY" else "BUY"
    parent = order(side, qty, "MKT" if limit is None else "LMT", limit=limit, transmit=False, **terms)
    parent.orderId = ib.client.getReqId()
    legs = [
        order(away, qty, "LMT", limit=target, transmit=False, **(children or {})),
        order(away, qty, "STP", stop=stop, **{"tif": "GTC", **(children or {})}),
    ]
    for leg in legs:
        leg.orderId, leg.parentId = ib.client.getReqId(), parent.orderId
    return [ib.placeOrder(bench.contract(), one) for one in (parent, *legs)]
