"""How long things took (docs/latency.md), in nanoseconds of wall time on a monotonic clock."""

import msgspec

from trading_bot.domain.events import Input
from trading_bot.domain.orders import ClientOrderId, Leg


class OrderTimed(Input, frozen=True, gc=False, kw_only=True, tag="ORDER_TIMED"):
    """The way of one order to the broker and back; each time begins where the one before it ends.

    `decode_ns`: from the packet at the socket to tick records. `decide_ns`: to the kernel's outcome. `gate_ns`: to the
    order approved and in the log. `write_ns`: to its bytes given to the socket. From there `ack_ns` to the broker's
    first word about this leg and `fill_ns` to its first execution. None: not heard or not measured. A timer's order has
    no tick; without a stamp of the outcome `gate_ns` holds the decision too; stop and target left with their entry.
    `waited_ns` is how long was waited for answer and fill.
    """

    order_id: ClientOrderId
    leg: Leg
    decode_ns: int | None = None
    decide_ns: int | None = None
    gate_ns: int | None = None
    write_ns: int | None = None
    ack_ns: int | None = None
    fill_ns: int | None = None
    waited_ns: int = 0

    @property
    def tick_to_write_ns(self) -> int | None:
        """From the packet at the socket to the bytes of the order; None without a tick."""
        if self.decode_ns is None or self.gate_ns is None or self.write_ns is None:
            return None
        return self.decode_ns + (self.decide_ns or 0) + self.gate_ns + self.write_ns


class StageTimes(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One stage over a span: percentiles by nearest rank, at most 1.6 % too high. `packed`: the whole histogram."""

    stage: str
    count: int
    p50_ns: int
    p90_ns: int
    p99_ns: int
    p999_ns: int
    max_ns: int
    packed: bytes = b""


class LatencySummary(Input, frozen=True, gc=False, kw_only=True, tag="LATENCY_SUMMARY"):
    """What was measured over the last `span_ns`: the stages, and what made the loop wait.

    The clock offset is the gateway's time minus ours, between `clock_low_ns` and `clock_high_ns` (market time); None
    while it was not asked. `waiting_*` are the most that was seen at once: bytes unread in the socket, inputs and
    ticks that waited for the core. Packets, frames and ticks are of the span; `declined` ticks went to the library.
    """

    span_ns: int
    stages: tuple[StageTimes, ...]
    packets: int = 0
    frames: int = 0
    ticks: int = 0
    declined: int = 0
    collections: int = 0
    collection_ns_max: int = 0
    clock_low_ns: int | None = None
    clock_high_ns: int | None = None
    clock_steps: int = 0
    waiting_bytes_max: int = 0
    waiting_inputs_max: int = 0
    waiting_ticks_max: int = 0
