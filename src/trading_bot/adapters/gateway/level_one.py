"""Sampled market data of one contract (reqMktData): what has changed, four times a second, and RTVolume per trade."""

from typing import TYPE_CHECKING, Final

from trading_bot.adapters.gateway.client import Client
from trading_bot.adapters.gateway.contracts import Listed
from trading_bot.adapters.gateway.market import Record
from trading_bot.domain.records import FrameKind
from trading_bot.domain.units import NS_PER_MS, NS_PER_S

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.gateway import Gateway

SAMPLE_NS: Final = 250 * NS_PER_MS
RT_VOLUME: Final = 233
LIVE: Final = 1
DELAYED: Final = 3
# Tick types of price and size; delayed ones are numbered from 66: bid, ask, last, their sizes, high, low, volume, ...
_LIVE_TYPES: Final = {"bid": (1, 0), "ask": (2, 3), "last": (4, 5), "high": (6, -1), "low": (7, -1), "close": (9, -1)}
_DELAYED_TYPES: Final = {
    "bid": (66, 69),
    "ask": (67, 70),
    "last": (68, 71),
    "high": (72, -1),
    "low": (73, -1),
    "close": (75, -1),
}
_VOLUME: Final = {LIVE: 8, DELAYED: 74}
_OPEN: Final = {LIVE: 14, DELAYED: 76}


class LevelOne:
    """One stream of sampled market data."""

    def __init__(
        self, gateway: "Gateway", client: Client, req_id: int, row: Listed, *, generic: set[int], snapshot: bool
    ) -> None:
        """`generic` are the generic ticks asked for; a snapshot ends after its first sample."""
        self.client = client
        self.req_id = req_id
        self.row = row
        self._gateway = gateway
        self._book = gateway.market.book(row.instrument)
        self._generic = generic
        self._snapshot = snapshot
        self._type = DELAYED if gateway.faults.data_type != LIVE else LIVE
        self._told: dict[object, object] = {}
        self._next_ns = 0
        self._turnover = 0
        self._volume = 0
        client.send(81, req_id, row.instrument.tick_size_points, "", 3)
        client.send(58, 1, req_id, self._type)

    def on_record(self, record: Record) -> None:
        """RTVolume leaves with every trade; everything else waits for the sample."""
        if record.kind is not FrameKind.TRADE:
            return
        self._volume += record.qty
        self._turnover += record.qty * record.price_ticks
        if RT_VOLUME in self._generic and self._type == LIVE:
            points = self.row.instrument.points
            mean = self._turnover / self._volume * self.row.instrument.tick_size_points
            values = (points(record.price_ticks), record.qty, record.ts_ns // NS_PER_MS, self._volume, mean, "true")
            self.client.send(46, 6, self.req_id, 48, ";".join(str(value) for value in values))

    def on_time(self, now_ns: int) -> None:
        """A sample when its time has come."""
        if now_ns < self._next_ns:
            return
        self._next_ns = now_ns - now_ns % SAMPLE_NS + SAMPLE_NS
        self._sample()
        if self._snapshot:
            self.client.send(57, 1, self.req_id)
            self.client.subscriptions.pop(self.req_id, None)
            self._gateway.market.drop(self.client, self.req_id)

    def _sample(self) -> None:
        quote, trade = self._book.quote, self._book.trade
        types = _LIVE_TYPES if self._type == LIVE else _DELAYED_TYPES
        if quote is not None:
            self._tell(*types["bid"], quote.bid_ticks, quote.bid_qty)
            self._tell(*types["ask"], quote.ask_ticks, quote.ask_qty)
        if trade is not None:
            self._tell(*types["last"], trade.price_ticks, trade.qty)
            self._once(self.req_id, 46, 45, trade.ts_ns // NS_PER_S)
            self._once("volume", 2, _VOLUME[self._type], self._book.volume)
        day = self._book.day_range(self._gateway.contracts.calendar, self._gateway.clock.now_ns())
        if day is not None:
            self._tell(*types["high"], day.high_ticks, 0)
            self._tell(*types["low"], day.low_ticks, 0)
            self._tell(_OPEN[self._type], -1, day.open_ticks, 0)
        close_ticks = self._book.prior_close_ticks(self._gateway.contracts.calendar, self._gateway.clock.now_ns())
        if close_ticks is not None:
            self._tell(*types["close"], close_ticks, 0)

    def _tell(self, price_type: int, size_type: int, ticks: int, size: int) -> None:
        """Price with its size, then the size once more, as the broker does."""
        before = self._told.get(price_type)
        if before == (ticks, size):
            return
        self._told[price_type] = (ticks, size)
        price = self.row.instrument.points(ticks)
        if not isinstance(before, tuple) or before[0] != ticks:
            self.client.send(1, 6, self.req_id, price_type, price, size, 1)
        if size_type >= 0:
            self.client.send(2, 6, self.req_id, size_type, size)

    def _once(self, key: object, message: int, tick_type: int, value: int) -> None:
        if self._told.get((key, tick_type)) != value:
            self._told[key, tick_type] = value
            self.client.send(message, 6, self.req_id, tick_type, value if message != 46 else str(value))
