"""The orders of a log once more, on the market the log recorded, through the exchange simulator (NV01).

Each order meets the recorded records from the moment its effect was logged, with every cancel, change and exit the bot
sent for it. What the bot would have done had the simulator's answers come instead is not asked: that is a backtest.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from trading_bot._fast import ExchangeSim
from trading_bot._fast.spans import market_only
from trading_bot.adapters.sim.broker import SimBroker
from trading_bot.core.documents import RunDocuments
from trading_bot.core.executions import Seen, remember, seen
from trading_bot.core.log_reader import MessageFrame, TickSpan
from trading_bot.domain import effects, events, log_records, trade_events
from trading_bot.domain.exchange import PRESETS, ExchangeConfig
from trading_bot.domain.orders import ApprovedOrder, ClientOrderId, Leg, Side
from trading_bot.domain.records import FRAME_ALIGN, FrameClass
from trading_bot.domain.units import NS_PER_MS, NS_PER_S
from trading_bot.engines.exchange_config import exchange_config
from trading_bot.research.fill_scores import FillRow, Fills, fill_row, model_fill

MEASURED_MIN: Final = 10  # acknowledgements, for latencies of the log's own
_AFTER_NS: Final = 10 * NS_PER_S  # what was under way when the log ended
_SENT: Final = (effects.PlaceOrder, effects.CancelOrder, effects.PlaceExit, effects.ModifyStop)
_NONE_LEFT_OUT: Final = memoryview(b"").cast("q")
Key = tuple[ClientOrderId, bool]  # an order, and whether it is its close


class Model:
    """One configuration of the simulator, driven by the log."""

    def __init__(self, name: str, config: ExchangeConfig, instrument_id: int) -> None:
        """Nothing has been sent."""
        self.name = name
        self.config = config
        self.fills: dict[Key, Fills] = {}
        self.refused = 0
        self._exchange = ExchangeSim(config)
        self._broker = SimBroker(self._exchange, suppress=False, instrument_id=instrument_id)

    def market(self, records: bytes) -> None:
        """Meet market records."""
        at, count = 0, len(records) // FRAME_ALIGN
        while at < count:
            at, news = self._exchange.run(records, at)
            if news:
                self.hear(self._exchange.now_ns)

    def send(self, effect: effects.BrokerEffect) -> None:
        """What the bot sent, at its time."""
        self.hear(effect.ts_ns)
        self._broker.dispatch(effect)

    def hear(self, ts_ns: int) -> None:
        """Every answer until then."""
        while (answer := self._broker.take(ts_ns)) is not None:
            if isinstance(answer, trade_events.OrderFilled):
                _add(self.fills, answer)
            elif isinstance(answer, events.OrderRejected):
                self.refused += 1


class FillParity:
    """One log: what the broker filled, and what each model would have."""

    def __init__(self, log: str, presets: Sequence[tuple[str, ExchangeConfig]], *, hypothetical: bool = False) -> None:
        """`presets` come on top of the run's own configuration. `hypothetical`: score fills of a simulator too."""
        self.log = log
        self.models: list[Model] = []
        self._presets = presets
        self._hypothetical = hypothetical
        self._market_id = -1
        self._orders: dict[ClientOrderId, ApprovedOrder] = {}
        self._sides: dict[ClientOrderId, Side] = {}  # of exits that belong to no entry
        self._fills: dict[Key, Fills] = {}
        self._rejected: set[ClientOrderId] = set()
        self._executions: dict[str, int | None] = {}
        self._last_ns = 0

    def take(self, item: TickSpan | MessageFrame) -> None:
        """The next part of the log."""
        if isinstance(item, TickSpan):
            records = market_only(item.buffer[: item.count * FRAME_ALIGN], self._market_id, _NONE_LEFT_OUT)
            for model in self.models:
                model.market(records)
            return
        self._last_ns = max(self._last_ns, item.ts_ns)
        record = log_records.decode(item.payload)
        if isinstance(record, events.RunStarted):
            self._begin(RunDocuments.unpack(record.documents, where=f"record {item.seq}"))
        elif item.cls == FrameClass.EFFECT and isinstance(record, _SENT):
            self._send(record)
        elif isinstance(record, trade_events.OrderFilled):
            self._filled(record)
        elif isinstance(record, events.OrderRejected) and record.leg is Leg.ENTRY:
            self._rejected.add(record.order_id)

    def _begin(self, documents: RunDocuments) -> None:
        self._market_id = documents.market_instrument.id
        traded = documents.instrument
        own = exchange_config(documents.config.simulator, traded, 0, documents.latency)
        self.models = [
            Model(name, config, traded.id) for name, config in (("configured", _no_faults(own)), *self._presets)
        ]

    def _send(self, effect: effects.BrokerEffect) -> None:
        if isinstance(effect, effects.PlaceOrder):
            self._orders[effect.order.order_id] = effect.order
        elif isinstance(effect, effects.PlaceExit):
            self._sides.setdefault(effect.order_id, effect.side)
        for model in self.models:
            model.send(effect)

    def _filled(self, record: trade_events.OrderFilled) -> None:
        if record.hypothetical and not self._hypothetical:
            return
        if seen(self._executions, record.exec_id) is Seen.NEW:
            _add(self._fills, record)
        remember(self._executions, record.exec_id, None)

    @property
    def executions(self) -> int:
        """Executions of the broker, each once."""
        return sum(fills.executions for fills in self._fills.values())

    def rows(self) -> list[FillRow]:
        """Every entry, and every close of either side, in the order of the log."""
        for model in self.models:
            model.hear(self._last_ns + _AFTER_NS)
        closes = {key for fills in (self._fills, *(model.fills for model in self.models)) for key in fills if key[1]}
        rows = []
        for order_id in sorted({*self._orders, *(order_id for order_id, _ in closes)}):
            if order_id in self._orders:
                rows.append(self._row(order_id, close=False))
            if (order_id, True) in closes:
                rows.append(self._row(order_id, close=True))
        return rows

    def _row(self, order_id: ClientOrderId, *, close: bool) -> FillRow:
        key, entry_key = (order_id, close), (order_id, False)
        real, entry, order = self._fills.get(key), self._fills.get(entry_key), self._orders.get(order_id)
        side = self._sides.get(order_id, Side.SELL) if order is None else _side(order.side, close=close)
        models = {
            model.name: model_fill(
                real,
                model.fills.get(key),
                comparable=not close or order is None or (entry is not None and entry_key in model.fills),
            )
            for model in self.models
        }
        asked = entry.qty if close and entry is not None else order.qty if order is not None else 0
        rejected = not close and order_id in self._rejected
        what = "CLOSE" if close else "ENTRY"
        return fill_row(
            *(self.log, order_id, what), side=side, asked_qty=asked, real=real, rejected=rejected, models=models
        )


def presets(round_trip_ns: int | None) -> list[tuple[str, ExchangeConfig]]:
    """The three presets (BT02); `measured` on top is the model with half the log's own round trip each way."""
    rows = list(PRESETS.items())
    if round_trip_ns is not None:
        way_ns = round_trip_ns // 2
        measured = msgspec.structs.replace(PRESETS["model"], entry_latency_ns=way_ns, response_latency_ns=way_ns)
        rows.append(("measured", measured))
    return rows


def round_trips(items: Iterable[TickSpan | MessageFrame]) -> list[int]:
    """From each entry's effect to the broker's acknowledgement, ns of the log; a simulator's do not count."""
    sent: dict[ClientOrderId, int] = {}
    took = []
    real = False
    for item in items:
        if isinstance(item, TickSpan):
            continue
        record = log_records.decode(item.payload)
        if isinstance(record, events.RunStarted):
            real = not record.hypothetical
        elif isinstance(record, effects.PlaceOrder) and real:
            sent[record.order.order_id] = record.ts_ns
        elif isinstance(record, events.OrderAcknowledged) and (at_ns := sent.pop(record.order_id, None)) is not None:
            took.append(record.ts_ns - at_ns)
    return took


def measured_ns(took_ns: Sequence[int]) -> int | None:
    """The median round trip; None of fewer than `MEASURED_MIN`."""
    return sorted(took_ns)[(len(took_ns) - 1) // 2] if len(took_ns) >= MEASURED_MIN else None


def latencies_ms(config: ExchangeConfig) -> tuple[float, float]:
    """Entry and response latency; of a model by burst the longest."""
    return config.entry_latency_max_ns / NS_PER_MS, config.response_latency_max_ns / NS_PER_MS


def _no_faults(config: ExchangeConfig) -> ExchangeConfig:
    """Rejects that were asked for would say nothing about the broker."""
    return msgspec.structs.replace(config, reject_every=0, reject_per_mille=0, reject_exit_every=0)


def _add(fills: dict[Key, Fills], record: trade_events.OrderFilled) -> None:
    key = (record.order_id, record.leg is not Leg.ENTRY)
    if key not in fills:
        fills[key] = Fills(side=record.side)
    fills[key].add(record.leg, record.qty, record.price_ticks, record.ts_ns)


def _side(entry: Side, *, close: bool) -> Side:
    if not close:
        return entry
    return Side.SELL if entry is Side.BUY else Side.BUY
