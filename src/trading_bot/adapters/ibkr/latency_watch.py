"""All that is measured of one connection while it runs, told to the core as inputs (docs/latency.md)."""

import fcntl
import struct
import termios
import time
from collections.abc import Callable
from typing import Any, Final

from trading_bot._fast.histogram import Histogram
from trading_bot._fast.tws import TickIntake
from trading_bot.adapters.ibkr.clock_offset import ClockOffset
from trading_bot.adapters.ibkr.pauses import Pauses
from trading_bot.adapters.ibkr.stages import Stages, stage_times
from trading_bot.domain.events import Input
from trading_bot.domain.latency_config import LatencyConfig
from trading_bot.domain.latency_events import LatencySummary
from trading_bot.domain.units import NS_PER_S

_INT: Final = struct.Struct("i")
_FIRST_NS: Final = 10 * NS_PER_S  # a run that lasts no minute has one, too
_ORDER: Final = ("tick_to_write", "gate", "write", "ack", "fill")


class LatencyWatch:
    """Looks ten times a second, called by the loop's timer; tells orders when they are complete, and a summary."""

    def __init__(
        self,
        intake: TickIntake,
        config: LatencyConfig,
        tell: Callable[[Input], None],
        *,
        client_id: int,
        transport: Callable[[], Any],
        waiting: Callable[[], int],
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """`transport` is the connection's, or None; `waiting` says how many inputs wait for the core."""
        self.clock = ClockOffset()
        self.stages = Stages(intake, client_id, config.order_wait_s, now_ns)
        self._intake = intake
        self._tell = tell
        self._transport = transport
        self._waiting = waiting
        self._now_ns = now_ns
        self._every_ns = config.summary_s * NS_PER_S
        self._lag = Histogram()
        self._pauses = Pauses()
        self._counts = (0, 0, 0, 0)
        self._bytes_max = self._inputs_max = self._ticks_max = 0
        self._since_ns = self._due_ns = 0

    def start(self) -> None:
        """The run begins: a new span, and the collector is listened to."""
        self._pauses.start()
        self._pauses.take()
        self._since_ns = self._now_ns()
        self._due_ns = self._since_ns + min(self._every_ns, _FIRST_NS)

    def close(self) -> None:
        """Listen no more."""
        self._pauses.close()

    def look(self, late_s: float) -> None:
        """Called by a timer of the loop, which came so much after its time."""
        self._lag.add(round(late_s * NS_PER_S))
        self._bytes_max = max(self._bytes_max, unread_bytes(self._transport()))
        self._inputs_max = max(self._inputs_max, self._waiting())
        self._ticks_max = max(self._ticks_max, self._intake.held)
        for timed in self.stages.due():
            self._tell(timed)
        if self._since_ns and self._now_ns() >= self._due_ns:
            self._tell(self._summary())

    def gateway_time(self, asked_ns: int, heard_ns: int, second: int) -> bool:
        """The gateway told its time between two moments of our clock; whether one of the two was set meanwhile."""
        stepped = self.clock.heard(asked_ns, heard_ns, second) != 0
        if stepped and self._since_ns:
            self._tell(self._summary())
        return stepped

    def _summary(self) -> LatencySummary:
        intake, now_ns = self._intake, self._now_ns()
        counts = (intake.packets, intake.frames, intake.ticks, intake.declined)
        packets, frames, ticks, declined = (new - old for new, old in zip(counts, self._counts, strict=True))
        histograms = {"decode": intake.decode_hist, "decide": intake.decide_hist}
        histograms |= {name: self.stages.histograms[name] for name in _ORDER} | {"loop_lag": self._lag}
        collections, collection_ns = self._pauses.take()
        summary = LatencySummary(
            ts_ns=0,
            span_ns=now_ns - self._since_ns,
            stages=tuple(stage_times(name, one) for name, one in histograms.items() if one.count),
            packets=packets,
            frames=frames,
            ticks=ticks,
            declined=declined,
            collections=collections,
            collection_ns_max=collection_ns,
            clock_low_ns=self.clock.low_ns,
            clock_high_ns=self.clock.high_ns,
            clock_steps=self.clock.steps,
            waiting_bytes_max=self._bytes_max,
            waiting_inputs_max=self._inputs_max,
            waiting_ticks_max=self._ticks_max,
        )
        for histogram in histograms.values():
            histogram.clear()
        self._counts, self._since_ns, self._due_ns = counts, now_ns, now_ns + self._every_ns
        self._bytes_max = self._inputs_max = self._ticks_max = 0
        return summary


def unread_bytes(transport: Any) -> int:
    """What the kernel holds of a connection that nobody has read; 0 without one."""
    socket = None if transport is None else transport.get_extra_info("socket")
    if socket is None or (descriptor := socket.fileno()) < 0:
        return 0
    try:
        (count,) = _INT.unpack(fcntl.ioctl(descriptor, termios.FIONREAD, _INT.pack(0)))
    except OSError:
        return 0  # closed a moment ago
    unread: int = count
    return unread
