"""Tick-by-tick data of one contract as tick records: what the runner pulls.

`read` is where the connection's loop runs. A batch ends with a TIME record when 100 ms of market time have passed or
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
_PUMP_MIN_S: Final = 0.001
_DOOR_RECORDS: Final = 4_096
_SESSION_SILENCE_NS: Final = 1_800 * NS_PER_S  # the daily break is an hour; what comes after it may be far away
_QTY_TOP: Final = 2.0**31


class IbkrFeed:
    """The feed of one contract on a connection. Ticks are those of the request ids it was told."""

    def __init__(self, session: IbkrSession, instrument: Instrument, description: dict[str, Any]) -> None:
        """`description` goes into the log; listening begins now, requests are the subscriptions' business."""
        self._session = session
        self._instrument = instrument
        self._door = Door(instrument.id, instrument.tick_size_e9, _DOOR_RECORDS, _SESSION_SILENCE_NS)
        self._earlier = bytearray()  # what came before the door was emptied to go on
        self._request_ids: set[int] = set()
        self._flags = 0
        self._grid_ns = 0
        self._begun = False
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
        """A time that no record `read` gives is before."""
        return self._session.stamp()

    def go_on_after(self, ts_ns: int) -> None:
        """Continue a log that ends at `ts_ns`: nothing is older. Before the first `read`; drops what came."""
        self._session.not_before(ts_ns + 1)
        self._taken()

    def skip_records(self, count: int) -> None:
        """Nothing is passed over: what a log holds already is not sent again by a live market."""

    def read(self) -> memoryview:
        """What has come; empty when nothing has. The end of a live market is the runner's to decide."""
        if not self._begun:
            # At once, and with everything that was told on the way here as of now: the log begins with this batch.
            self._begun = True
            ticks = self._taken()
            record = self._time_record()
            self._session.restamp()
            return memoryview(ticks + record)
        if not self._door.held and not self._earlier:
            left_s = (self._grid_ns - self._session.stamp()) / NS_PER_S / self._session.clock.speed
            self._session.pump(min(max(left_s, _PUMP_MIN_S), _PUMP_S))
        ticks = self._taken()
        if self._session.inputs or self._session.stamp() >= self._grid_ns:
            ticks += self._time_record()
        return memoryview(ticks)

    def _taken(self) -> bytes:
        """Every tick since the last time."""
        ticks = bytes(self._earlier) + bytes(self._door.take())
        self._earlier.clear()
        return ticks

    def _time_record(self) -> bytes:
        """A record that says only what time it is; the log's writer numbers and seals it."""
        ts_ns = self._session.stamp()
        self._grid_ns = ts_ns - ts_ns % GRID_NS + GRID_NS
        header = (0, FRAME_ALIGN, 0, int(FrameKind.TIME), int(FrameClass.INPUT), self._instrument.id, 0, ts_ns)
        return TICK_RECORD.pack(*header, 0, 0, 0, 0, 0, 0, 0, 0, 0)

    # Callbacks of the library

    def _on_last(
        self, req_id: int, _kind: int, time_s: int, price: float, size: float, _attributes: Any, *_venue: Any
    ) -> None:
        if req_id in self._request_ids:
            door, ts_ns = self._open_door(), self._session.stamp()
            door.trade_points(ts_ns, time_s * NS_PER_S, price, _lots(size), 0, self._flags)
            self._session.wake()

    def _on_bid_ask(
        self, req_id: int, time_s: int, bid: float, ask: float, bid_size: float, ask_size: float, _attributes: Any
    ) -> None:
        if req_id in self._request_ids:
            door, ts_ns = self._open_door(), self._session.stamp()
            door.quote_points(ts_ns, time_s * NS_PER_S, bid, _lots(bid_size), ask, _lots(ask_size), self._flags)
            self._session.wake()

    def _open_door(self) -> Door:
        """With room for a tick: after a pause of ours one turn of the loop may bring more than the door holds."""
        if self._door.full:
            self._earlier += self._door.take()
        return self._door


def _lots(size: float) -> int:
    """A size in lots; what is none is refused at the door, as a negative one."""
    return int(size) if 0 <= size < _QTY_TOP else -1
