"""Tick-by-tick data as tick records: what the runner pulls, and what the kernel takes without it.

`read` is where the connection's loop runs. Armed, the session's intake hands ticks to the kernel as they come
(docs/adr/0018); what it holds back, and what only the library could read, is what `read` returns. A batch ends with a
TIME record when something else waits for the core, or no tick has told the time since the last 100 ms of market time
began, so that timers, answers and the kernel's grid move while nothing trades.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from trading_bot._fast import HotPath
from trading_bot._fast.door import Door
from trading_bot.adapters.ibkr.session import IbkrSession
from trading_bot.adapters.ibkr.subscriptions import ASKED_AS, BID_ASK, LAST
from trading_bot.domain.instruments import Instrument
from trading_bot.domain.records import FRAME_ALIGN, TICK_RECORD, FrameClass, FrameKind, RejectReason, TickFlag
from trading_bot.domain.units import NS_PER_MS, NS_PER_S

EVENT_RESOLUTION_NS: Final = NS_PER_S  # ticks carry whole seconds (TWS API, reqTickByTickData)
GRID_NS: Final = 100 * NS_PER_MS  # the kernel's (docs/kernel.md 2)
_PUMP_S: Final = 0.02  # so that a signal or an operator's command is heard soon
_PUMP_MIN_S: Final = 0.001
_DOOR_RECORDS: Final = 16  # each tick is taken out at once
_SESSION_SILENCE_NS: Final = 1_800 * NS_PER_S  # the daily break is an hour; what comes after it may be far away
_SEEN: Final = frozenset({BID_ASK, LAST})  # kinds of streams of the seen market
_QTY_TOP: Final = 2.0**31
_TIME_S_TOP: Final = 9_000_000_000


class IbkrFeed:
    """The feed of one contract on a connection, or of two: the seen one's and, beside it, the traded one's.

    Ticks are those of the request ids it was told.
    """

    def __init__(
        self,
        session: IbkrSession,
        instrument: Instrument,
        description: dict[str, Any],
        *,
        beside: Instrument | None = None,
    ) -> None:
        """`description` goes into the log; listening begins now, requests are the subscriptions' business.

        `beside` is the traded instrument where `instrument` is another one, of the same prices.
        """
        self._session = session
        self._instrument = instrument
        self._door = _door(instrument)
        self._beside = None if beside is None else _door(beside)
        self._intake = session.intake
        self._doors: dict[int, Door] = {}  # by request id
        self._on_outcome: Callable[[int], int] = _nobody
        self._stepped = 0
        self._told_ns = 0  # the latest time that a record has told
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
        doors = [door for door in (self._door, self._beside) if door is not None]
        counts = {reason.name: sum(door.refused(reason) for door in doors) for reason in RejectReason}
        return {name: count for name, count in counts.items() if count}

    def set_request_ids(self, request_ids: Mapping[int, str]) -> None:
        """The streams that count, with their kinds; what still comes on an earlier id is of one that was given up."""
        beside = self._beside or self._door
        self._doors = {request_id: self._door if kind in _SEEN else beside for request_id, kind in request_ids.items()}
        if self._session.settings.fast_path:
            self._intake.watch(
                [(request_id, ASKED_AS[kind], self._doors[request_id]) for request_id, kind in request_ids.items()]
            )

    def set_delayed(self, *, delayed: bool) -> None:
        """Flag everything from here on as delayed data, or not."""
        self._intake.set_flags(int(TickFlag.DELAYED_DATA) if delayed else 0)

    def set_anchor(self, price_ticks: int) -> None:
        """The broker's prior close: what the price band is measured from before the first price."""
        for door in (self._door, self._beside):
            if door is not None:
                door.set_anchor(price_ticks)

    def first_ts_ns(self) -> int:
        """A time that no record `read` gives is before."""
        return self._session.stamp()

    def go_on_after(self, ts_ns: int) -> None:
        """Continue a log that ends at `ts_ns`: nothing is older. Before the first `read`; drops what came."""
        self._session.not_before(ts_ns + 1)
        self._intake.take()

    def skip_records(self, count: int) -> None:
        """Nothing is passed over: what a log holds already is not sent again by a live market."""

    def arm(self, kernel: HotPath, deadline_ns: int, on_outcome: Callable[[int], int]) -> None:
        """Until the next `read` returns `kernel` takes ticks below `deadline_ns` as they come.

        `on_outcome` decides on an outcome, at once, and answers the next deadline (0: no more).
        """
        if self._session.settings.fast_path and self._begun and not self._session.inputs and not self._intake.held:
            self._on_outcome = on_outcome
            self._intake.arm(kernel, deadline_ns, self._outcome)

    def take_stepped(self) -> int:
        """Records that the kernel has taken while armed, since this was asked last."""
        before, self._stepped = self._stepped, self._intake.stepped
        return self._stepped - before

    def _outcome(self, code: int) -> int:
        stages = self._session.stages
        stages.deciding = True
        deadline_ns = self._on_outcome(code)
        stages.deciding = False
        self._session.decided()
        return deadline_ns

    def read(self) -> memoryview:
        """What has come; empty when nothing has. The end of a live market is the runner's to decide."""
        if not self._begun:
            # At once, and with everything that was told on the way here as of now: the log begins with this batch.
            self._begun = True
            ticks = self._intake.take()
            record = self._time_record()
            self._session.restamp()
            return memoryview(ticks + record)
        if not self._intake.held:
            left_s = (self._next_grid_ns() - self._session.stamp()) / NS_PER_S / self._session.clock.speed
            self._session.pump(min(max(left_s, _PUMP_MIN_S), _PUMP_S))
        ticks = self._intake.take()
        if self._session.inputs or self._session.stamp() >= self._next_grid_ns():
            ticks += self._time_record()
        return memoryview(ticks)

    def _next_grid_ns(self) -> int:
        """When the next grid point comes that nothing has told yet."""
        told_ns = max(self._told_ns, self._intake.tick_ts_ns)
        return told_ns - told_ns % GRID_NS + GRID_NS

    def _time_record(self) -> bytes:
        """A record that says only what time it is; the log's writer numbers and seals it."""
        self._told_ns = self._session.stamp()
        header = (0, FRAME_ALIGN, 0, int(FrameKind.TIME), int(FrameClass.INPUT), self._instrument.id, 0, self._told_ns)
        return TICK_RECORD.pack(*header, 0, 0, 0, 0, 0, 0, 0, 0, 0)

    # Callbacks of the library, for whatever the intake does not read itself

    def _on_last(
        self, req_id: int, _kind: int, time_s: int, price: float, size: float, _attributes: Any, *_venue: Any
    ) -> None:
        if (door := self._doors.get(req_id)) is not None:
            ts_ns = self._session.stamp()
            door.trade_points(ts_ns, _event_ns(time_s), price, _lots(size), 0, self._intake.flags)
            self._intake.keep(door)

    def _on_bid_ask(
        self, req_id: int, time_s: int, bid: float, ask: float, bid_size: float, ask_size: float, _attributes: Any
    ) -> None:
        if (door := self._doors.get(req_id)) is not None:
            ts_ns, flags = self._session.stamp(), self._intake.flags
            door.quote_points(ts_ns, _event_ns(time_s), bid, _lots(bid_size), ask, _lots(ask_size), flags)
            self._intake.keep(door)


def _door(instrument: Instrument) -> Door:
    return Door(instrument.id, instrument.tick_size_e9, _DOOR_RECORDS, _SESSION_SILENCE_NS)


def _nobody(_code: int) -> int:
    """Nothing is armed yet."""
    return 0


def _event_ns(time_s: int) -> int:
    """A time that is none is refused at the door."""
    return time_s * NS_PER_S if 0 <= time_s < _TIME_S_TOP else 0


def _lots(size: float) -> int:
    """A size in lots; what is none is refused at the door, as a negative one."""
    return int(size) if 0 <= size < _QTY_TOP else -1
