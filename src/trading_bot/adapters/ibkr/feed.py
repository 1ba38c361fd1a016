"""Tick-by-tick data of one contract as tick records: what the runner pulls.

`read` is where the connection's loop runs. Each batch ends with a TIME record when 100 ms of market time have passed or
something else waits for the core, so that timers, answers and the kernel's grid move while nothing trades.
"""

from typing import Any, Final

from trading_bot._fast.door import Door
from trading_bot.adapters.ibkr.session import IbkrSession
from trading_bot.domain.instruments import Instrument
from trading_bot.domain.records import FRAME_ALIGN, TICK_RECORD, FrameClass, FrameKind, RejectReason, TickFlag
from trading_bot.domain.units import NS_PER_MS, NS_PER_S

EVENT_RESOLUTION_NS: Final = NS_PER_S  # ticks carry whole seconds (TWS API, reqTickByTickData)
GRID_NS: Final = 100 * NS_PER_MS  # the kernel's (docs/kernel.md 2)
_PUMP_S: Final = 0.02  # so that a signal or an operator's command is heard soon
_DOOR_RECORDS: Final = 4_096


class IbkrFeed:
    """The feed of one contract on a connection. Ticks are those of the request ids it was told."""

    def __init__(self, session: IbkrSession, instrument: Instrument, description: dict[str, Any]) -> None:
        """`description` goes into the log; listening begins now, requests are the subscriptions' business."""
        self._session = session
        self._instrument = instrument
        self._door = Door(instrument.id, instrument.tick_size_e9, _DOOR_RECORDS)
        self._request_ids: set[int] = set()
        self._flags = 0
        self._grid_ns = 0
        self._held = memoryview(b"")
        self.description = description
        session.listen("tickByTickAllLast", self._on_last)
        session.listen("tickByTickBidAsk", self._on_bid_ask)

    @property
    def resolution_ns(self) -> int:
        """Step of the event stamps."""
        return EVENT_RESOLUTION_NS

    @property
    def rejected_by_reason(self) -> dict[str, int]:
        """Values refused at the door, by the name of the reason; only reasons that occurred."""
        counts = {reason.name: self._door.refused(reason) for reason in RejectReason}
        return {name: count for name, count in counts.items() if count}

    def set_request_ids(self, request_ids: set[int]) -> None:
        """The streams that count; what still comes on an earlier id is of a stream that was given up."""
        self._request_ids = request_ids

    def set_delayed(self, *, delayed: bool) -> None:
        """Flag everything from here on as delayed data, or not."""
        self._flags = int(TickFlag.DELAYED_DATA) if delayed else 0

    def set_anchor(self, price_ticks: int) -> None:
        """The broker's prior close: what the price band is measured from before the first price."""
        self._door.set_anchor(price_ticks)

    def first_ts_ns(self) -> int:
        """Receive time of the first record `read` gives: now. The run's log begins with it, and nothing is older."""
        if not self._held:
            self._held = self._time_record()
            self._session.restamp()
        return self._session.stamp()

    def skip_records(self, count: int) -> None:
        """Nothing is passed over: what a log holds already is not sent again by a live market."""

    def read(self) -> memoryview:
        """What has come; empty when nothing has. The end of a live market is the runner's to decide."""
        if self._held:
            held, self._held = self._held, memoryview(b"")
            return held
        if not self._door.held:
            self._session.pump(_PUMP_S)
        ticks = bytes(self._door.take()) if self._door.held else b""
        ts_ns = self._session.stamp()
        if not ticks and ts_ns < self._grid_ns and not self._session.inputs:
            return memoryview(b"")
        self._grid_ns = ts_ns - ts_ns % GRID_NS + GRID_NS
        return memoryview(ticks + self._time_record())

    def _time_record(self) -> memoryview:
        """A record that says only what time it is; the log's writer numbers and seals it."""
        ts_ns = self._session.stamp()
        header = (0, FRAME_ALIGN, 0, int(FrameKind.TIME), int(FrameClass.INPUT), self._instrument.id, 0, ts_ns)
        return memoryview(TICK_RECORD.pack(*header, 0, 0, 0, 0, 0, 0, 0, 0, 0))

    # Callbacks of the library

    def _on_last(
        self, req_id: int, _kind: int, time_s: int, price: float, size: float, _attributes: Any, *_venue: Any
    ) -> None:
        if req_id in self._request_ids:
            self._door.trade_points(self._session.stamp(), time_s * NS_PER_S, price, int(size), 0, self._flags)
            self._session.wake()

    def _on_bid_ask(
        self, req_id: int, time_s: int, bid: float, ask: float, bid_size: float, ask_size: float, _attributes: Any
    ) -> None:
        if req_id in self._request_ids:
            ts_ns, event_ns = self._session.stamp(), time_s * NS_PER_S
            self._door.quote_points(ts_ns, event_ns, bid, int(bid_size), ask, int(ask_size), self._flags)
            self._session.wake()
