"""Two brokers under one contract: the exchange simulator, and the IBKR adapter before the simulated gateway.

The same market by hand, the same clock by hand, the same questions. The adapter's world is the real client library on
one side and the gateway's own handlers on the other, without sockets; what the gateway sends goes through the library's
decoder as bytes. Times are ms from the start.
"""

from tests.gateway.bench import MONDAY_10_CT, MS, TICKS, Bench
from trading_bot._fast import ExchangeSim
from trading_bot.adapters.gateway.wire import Fields
from trading_bot.adapters.ibkr.contracts import BoundContract
from trading_bot.adapters.ibkr.link_state import LinkState
from trading_bot.adapters.ibkr.orders import IbkrBroker
from trading_bot.adapters.ibkr.references import log_tag
from trading_bot.adapters.ibkr.session import IbkrSession, IbkrSettings
from trading_bot.adapters.sim.broker import SimBroker
from trading_bot.domain import effects, events, trade_events
from trading_bot.domain.exchange import ExchangeConfig
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.orders import ApprovedOrder, Leg, Side
from trading_bot.domain.units import TS_NEVER_NS

MES = INSTRUMENTS["MES"]
TAG = log_tag("run-1", 20261123)
ID = (7, 0)
FEE_UUSD = 620_000  # per lot and side, as the gateway is set to report it


def approved(*, order_id=ID, side=Side.BUY, qty=1, limit=TICKS + 1, stop=TICKS - 8, target=TICKS + 12):
    """An entry at the ask, as the touch stands at the start."""
    return ApprovedOrder(
        order_id=order_id,
        instrument_id=MES.id,
        template="t",
        side=side,
        qty=qty,
        limit_ticks=limit,
        stop_price_ticks=stop,
        target_price_ticks=target,
        expires_ns=TS_NEVER_NS,
        risk_uusd=1,
        checks_passed=1,
    )


class World:
    """What a test may do with a broker, and what the broker has told."""

    exact = True  # one event per fact; a real broker may say more than once what stands

    def __init__(self):
        self.told = []

    def place(self, **order):
        self.dispatch(effects.PlaceOrder(ts_ns=self.now_ns, order=approved(**order)))

    def cancel(self, leg=Leg.ENTRY, order_id=ID):
        self.dispatch(effects.CancelOrder(ts_ns=self.now_ns, order_id=order_id, reason="test", leg=leg))

    def leave(self, limit=None, *, qty=1, side=Side.SELL, order_id=ID):
        effect = effects.PlaceExit(
            ts_ns=self.now_ns, order_id=order_id, side=side, qty=qty, limit_ticks=limit, cause="test"
        )
        self.dispatch(effect)

    def move_stop(self, price, order_id=ID):
        self.dispatch(effects.ModifyStop(ts_ns=self.now_ns, order_id=order_id, price_ticks=price))

    def ask(self):
        self.dispatch(effects.AskBroker(ts_ns=self.now_ns, reason="test"))

    def enter(self, **order):
        """A filled entry with both children in force."""
        self.place(**order)
        self.wait(200)

    # What was told

    def of(self, kind, leg=None):
        return [event for event in self.told if isinstance(event, kind) and (leg is None or event.leg is leg)]

    def story(self):
        """Everything about orders, in short: (kind, leg)."""
        kinds = (
            events.OrderAcknowledged,
            trade_events.OrderWorking,
            trade_events.OrderFilled,
            events.OrderCancelled,
            events.OrderRejected,
            trade_events.RequestRefused,
            trade_events.StopTriggered,
        )
        return [(type(e).__name__, getattr(e, "leg", None)) for e in self.told if isinstance(e, kinds)]

    @property
    def position(self):
        """As executions say."""
        fills = self.of(trade_events.OrderFilled)
        return sum(fill.qty if fill.side is Side.BUY else -fill.qty for fill in fills)

    def closed(self):
        """Legs that were told to have ended, in order."""
        ends = []
        for event in self.told:
            if isinstance(event, events.OrderCancelled | events.OrderRejected):
                ends.append((type(event).__name__, event.leg))
            elif isinstance(event, trade_events.OrderFilled) and event.final:
                ends.append(("OrderFilled", event.leg))
        return ends


class SimWorld(World):
    """The exchange simulator as a broker."""

    def __init__(self):
        super().__init__()
        self.now_ns = MONDAY_10_CT
        config = ExchangeConfig(queue_model="optimistic", fee_per_side_uusd=FEE_UUSD)
        self.exchange = ExchangeSim(config)
        self.broker = SimBroker(self.exchange, suppress=False, instrument_id=MES.id)
        self.quote()

    def dispatch(self, effect):
        self.broker.dispatch(effect)

    def quote(self, bid=TICKS, bid_qty=20, ask=None, ask_qty=20):
        self.exchange.on_quote(self.now_ns, bid, bid_qty, bid + 1 if ask is None else ask, ask_qty)

    def trade(self, price, qty=1, aggressor=0):
        self.exchange.on_trade(self.now_ns, price, qty, aggressor)

    def wait(self, ms):
        end_ns = self.now_ns + round(ms * MS)
        while (due_ns := self.broker.next_due_ns) <= end_ns:
            event = self.broker.take(due_ns)
            if event is not None:
                self.told.append(event)
        self.now_ns = end_ns
        self.exchange.advance(end_ns)

    def close(self):
        pass


class HandClock:
    """The bench's market time as the adapter's clock: wall time is the same."""

    speed = 1.0

    def __init__(self, clock):
        self._clock = clock

    def now_ns(self):
        return self._clock.ns

    def wall_s(self):
        return self._clock.ns / 1e9


class HandSession(IbkrSession):
    """A connection whose other end is a function call."""

    def __init__(self, bench, client_id):
        self._dispatch = None
        super().__init__(IbkrSettings(host="127.0.0.1", port=1, client_id=client_id))
        self.clock = HandClock(bench.clock)
        self.outbox._pacing._transmit = self._transmit
        self.account = "DUSIM1"
        self.accounts = ("DUSIM1",)
        self.link = LinkState(socket=True, broker=True, farm=True, flowing=True)

    def attach(self, dispatch):
        self._dispatch = dispatch

    def stamp(self):
        self.intake.set_clock(self.clock.now_ns(), 0, 0.0)  # a clock that stands until the bench moves it
        return super().stamp()

    def _transmit(self, frames, _messages):
        while frames:
            end = 4 + int.from_bytes(frames[:4], "big")
            self._dispatch(frames[4:end].decode())
            frames = frames[end:]


class IbkrWorld(World):
    """The adapter on the real library, before the simulated gateway."""

    exact = False

    def __init__(self, *, client_id=1, bench=None):
        super().__init__()
        self.bench = bench or Bench(commission_usd=FEE_UUSD / 1e6)
        self.client_id = client_id
        self.connect()

    def connect(self):
        """A process with nothing in its memory."""
        self.session = HandSession(self.bench, self.client_id)
        self.attach()
        exchange = ExchangeSim(ExchangeConfig())
        self.broker = IbkrBroker(
            self.session,
            BoundContract(
                contract=self.bench.contract(),
                con_id=self.bench.front.con_id,
                symbol="MES",
                local_symbol=self.bench.front.local_symbol,
                expiry=self.bench.front.expiry,
                exchange="CME",
                trading_hours="",
                liquid_hours="",
                time_zone="US/Central",
            ),
            MES,
            tag_of=lambda _ts_ns: TAG,
            shadows=SimBroker(exchange, suppress=False, instrument_id=MES.id),
        )

    def attach(self):
        """The session's library is the gateway's client from here on."""
        self.ib = self.bench.connect(self.client_id, ib=self.session.ib)
        wired = self.ib.wired
        self.session.attach(lambda text: self.bench.gateway.dispatcher.dispatch(wired, Fields(text.encode())))

    def leave_gateway(self):
        """The socket breaks."""
        self.bench.leave(self.ib)
        self.ib.client.connState, self.ib.client._apiReady = 0, False
        self.ib.wrapper.reset()
        self.session.link = LinkState()

    def come_back(self):
        """The same process, connected again."""
        self.attach()
        self.session.link = LinkState(socket=True, broker=True, farm=True, flowing=True)

    def restart(self):
        """Another process, which knows what its log says and nothing else."""
        self.leave_gateway()
        self.session.close()
        self.connect()

    @property
    def now_ns(self):
        return self.bench.clock.ns

    @property
    def faults(self):
        return self.bench.gateway.faults

    def dispatch(self, effect):
        self.broker.dispatch(effect)
        self.settle()

    def quote(self, *args, **kwargs):
        self.bench.quote(*args, **kwargs)
        self.settle()

    def trade(self, *args, **kwargs):
        self.bench.trade(*args, **kwargs)
        self.settle()

    def wait(self, ms):
        """In steps, so that what the adapter owes to time happens at its time."""
        left = ms
        while left > 0:
            self.bench.wait(min(left, 5))
            left -= 5
            self.settle()

    def settle(self):
        """Let the adapter's tasks run until nothing moves."""
        for _ in range(6):
            self.bench.tell()
            self.session.pump(0)
        if (due_s := self.broker.book.due_s) is not None and due_s <= self.session.clock.wall_s():
            self.broker.overdue()
        while self.session.inputs:
            self.told.append(self.session.inputs.popleft())

    def close(self):
        self.session.close()

    # The truth behind it

    def live(self):
        return sorted((order.request.order_ref, order.open) for order in self.bench.desk.open_orders())

    @property
    def real_position(self):
        return self.bench.desk.account.position_qty(self.bench.front.con_id)
