"""Sampled market data of one contract (reqMktData): what has changed, four times a second, and RTVolume per trade."""

from typing import TYPE_CHECKING, Final

from trading_bot.adapters.gateway.client import Client
from trading_bot.adapters.gateway.contracts import Listed
from trading_bot.adapters.gateway.market import Record
from trading_bot.domain.instruments import POINTS_E9
from trading_bot.domain.records import FrameKind
from trading_bot.domain.units import NS_PER_MS, NS_PER_S

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.gateway import Gateway

LIVE: Final = 1
DELAYED: Final = 3
_RT_TICKS: Final = {"233": 48, "375": 77}  # generic tick to the tick type that carries a trade
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
_TIME: Final = {LIVE: 45, DELAYED: 88}
_HALTED: Final = 49


class LevelOne:
    """One stream of sampled market data."""

    name = "Sampled"

    def __init__(
        self, gateway: "Gateway", client: Client, req_id: int, row: Listed, *, generic: set[str], snapshot: bool
    ) -> None:
        """`generic` are the generic ticks asked for; a snapshot ends after its first sample."""
        self.client = client
        self.req_id = req_id
        self.row = row
        self._gateway = gateway
        self._book = gateway.market.book(row.instrument)
        self._trades = [_RT_TICKS[one] for one in sorted(generic) if one in _RT_TICKS]
        self._snapshot = snapshot
        self._told: dict[int, object] = {}
        client.send(81, req_id, row.instrument.tick_size_points, "", 3)
        self._type = 0
        self._tell_type()

    def on_record(self, record: Record) -> None:
        """RTVolume leaves with every trade; everything else waits for the sample."""
        if record.kind is not FrameKind.TRADE or not self._trades or self._type != LIVE:
            return
        session = self._book.session()
        assert session is not None
        instrument = self.row.instrument
        mean = session.notional * instrument.tick_size_e9 / (session.volume * POINTS_E9)
        values = (instrument.points(record.price_ticks), record.qty, record.ts_ns // NS_PER_MS, session.volume, mean)
        text = ";".join((*map(str, values), "true"))
        for tick_type in self._trades:
            self.client.send(46, 6, self.req_id, tick_type, text)

    def on_time(self, now_ns: int) -> None:  # noqa: ARG002 (a sample is of what is)
        """A sample of what is now."""
        self._tell_type()
        self._sample()
        if self._snapshot:
            self.client.send(57, 1, self.req_id)
            self._gateway.market.drop(self.client, self.req_id)

    def _tell_type(self) -> None:
        """Live or delayed, at the start and when it changes."""
        kind = LIVE if self._gateway.faults.data_type == LIVE else DELAYED
        if kind != self._type:
            self._type = kind
            self.client.send(58, 1, self.req_id, kind)

    def _sample(self) -> None:
        quote, trade, book = self._book.quote, self._book.trade, self._book
        types = _LIVE_TYPES if self._type == LIVE else _DELAYED_TYPES
        if quote is not None:
            self._tell(*types["bid"], quote.bid_ticks * 2, quote.bid_qty)
            self._tell(*types["ask"], quote.ask_ticks * 2, quote.ask_qty)
        if trade is not None:
            self._tell(*types["last"], trade.price_ticks * 2, trade.qty)
            self._tell_value(46, _TIME[self._type], str(trade.ts_ns // NS_PER_S))
        if self._gateway.faults.halt or -_HALTED in self._told:
            self._tell_value(45, _HALTED, float(self._gateway.faults.halt))
        session = book.session()
        if session is not None:
            self._tell_value(2, _VOLUME[self._type], session.volume)
            self._tell(*types["high"], session.high_halves, 0)
            self._tell(*types["low"], session.low_halves, 0)
            self._tell(_OPEN[self._type], -1, session.open_halves, 0)
        close_halves = book.prior_close_halves()
        if close_halves is not None:
            self._tell(*types["close"], close_halves, 0)

    def _tell(self, price_type: int, size_type: int, halves: int, size: int) -> None:
        """A price with its size, then the size once more, as the broker does; of what has changed."""
        before = self._told.get(price_type)
        if before == (halves, size):
            return
        self._told[price_type] = (halves, size)
        if not isinstance(before, tuple) or before[0] != halves:
            price = halves * self.row.instrument.tick_size_e9 / (2 * POINTS_E9)
            self.client.send(1, 6, self.req_id, price_type, price, size, 1 if size_type >= 0 else 0)
        if size_type >= 0:
            self.client.send(2, 6, self.req_id, size_type, size)

    def _tell_value(self, message: int, tick_type: int, value: object) -> None:
        if self._told.get(-tick_type) != value:
            self._told[-tick_type] = value
            self.client.send(message, 6, self.req_id, tick_type, value)
