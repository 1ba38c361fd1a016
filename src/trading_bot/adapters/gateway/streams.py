"""Tick-by-tick streams: every trade, every change of the touch, with whole seconds as the broker sends them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from trading_bot.adapters.gateway.client import Client
from trading_bot.adapters.gateway.contracts import Listed
from trading_bot.adapters.gateway.market import Record
from trading_bot.adapters.gateway.wire import encode
from trading_bot.domain.records import FrameKind
from trading_bot.domain.units import NS_PER_MS, NS_PER_S

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.gateway import Gateway

KINDS: Final = {"Last": 1, "AllLast": 2, "BidAsk": 3, "MidPoint": 4}
_TICK_BY_TICK: Final = 99
_LIVE: Final = 1


class TickByTick:
    """One tick-by-tick stream of one client."""

    def __init__(self, gateway: "Gateway", client: Client, req_id: int, row: Listed, kind: int) -> None:
        """`kind` is a value of KINDS."""
        self._faults = gateway.faults
        self.client = client
        self.req_id = req_id
        self.row = row
        self._kind = kind
        self.name = next(name for name, number in KINDS.items() if number == kind)
        self._points = row.instrument.points
        self._encode: Callable[[Record], bytes | None] = {
            1: self._last,
            2: self._last,
            3: self._bid_ask,
            4: self._mid_point,
        }[kind]
        self._mid: float | None = None

    def on_record(self, record: Record) -> None:
        """A record of the underlying: a frame when it is of this stream's kind. These data never come delayed."""
        frame = self._encode(record)
        if frame is not None and self._faults.data_type == _LIVE:
            self.client.send_frame(frame)

    def on_time(self, now_ns: int) -> None:
        """Nothing depends on time here."""

    def _second(self, record: Record) -> int:
        """The stamp of a tick."""
        return (record.event_ns + self._faults.clock_skew_ms * NS_PER_MS) // NS_PER_S

    def _last(self, record: Record) -> bytes | None:
        if record.kind is not FrameKind.TRADE:
            return None
        second, venue = self._second(record), self.row.instrument.exchange
        price = self._points(record.price_ticks)
        return encode(_TICK_BY_TICK, self.req_id, self._kind, second, price, record.qty, 0, venue, "")

    def _bid_ask(self, record: Record) -> bytes | None:
        if record.kind is not FrameKind.QUOTE:
            return None
        second = self._second(record)
        bid, ask = self._points(record.bid_ticks), self._points(record.ask_ticks)
        bid_qty, ask_qty = record.bid_qty, record.ask_qty
        if self._faults.side_missing == "BUY":
            bid, bid_qty = 0.0, 0
        elif self._faults.side_missing == "SELL":
            ask, ask_qty = 0.0, 0
        return encode(_TICK_BY_TICK, self.req_id, 3, second, bid, ask, bid_qty, ask_qty, 0)

    def _mid_point(self, record: Record) -> bytes | None:
        if record.kind is not FrameKind.QUOTE:
            return None
        mid = (self._points(record.bid_ticks) + self._points(record.ask_ticks)) / 2
        if mid == self._mid:
            return None
        self._mid = mid
        return encode(_TICK_BY_TICK, self.req_id, 4, self._second(record), mid)
