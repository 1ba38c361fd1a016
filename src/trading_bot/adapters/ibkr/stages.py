"""The way of an order, stage by stage (docs/latency.md): socket, decode, decide, gate, write, acknowledgement, fill.

Stamps are CLOCK_MONOTONIC, wall time. While an order is on its way out only stamps are taken; what they amount to is
told later, by a timer.
"""

import time
from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec

from trading_bot._fast.histogram import Histogram
from trading_bot.domain.latency_events import OrderTimed, StageTimes
from trading_bot.domain.orders import ClientOrderId, Leg
from trading_bot.domain.units import NS_PER_S

_WAYS_OUT: Final = (Leg.ENTRY, Leg.EXIT)  # the legs that are sent for a reason of their own, and should fill at once
_PENDING_MAX: Final = 1_000
_GONE: Final = frozenset({"Cancelled", "ApiCancelled", "Inactive"})


class TickStamps(Protocol):
    """Where the packet at hand is known: the tick intake."""

    @property
    def socket_ns(self) -> int:
        """When it was read."""
        ...

    @property
    def decoded_ns(self) -> int:
        """When its ticks were records."""
        ...

    @property
    def decided_ns(self) -> int:
        """When the kernel came to the newest outcome."""
        ...

    @property
    def tick_ts_ns(self) -> int:
        """The receive stamp of the newest tick."""
        ...


class _Sent(msgspec.Struct):
    """One leg that was written. Stamps are monotonic ns; 0: not taken."""

    order_id: ClientOrderId
    leg: Leg
    socket_ns: int
    decoded_ns: int
    decided_ns: int
    gated_ns: int
    written_ns: int
    answered_ns: int = 0
    filled_ns: int = 0
    ended: bool = False


class Stages:
    """Stamps of the orders of one connection, and their histograms since they were last taken."""

    def __init__(
        self, intake: TickStamps, client_id: int, wait_s: float, now_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        """`wait_s` of wall time are given to answer and fill."""
        self.deciding = False  # inside an outcome on the packet at hand
        self.histograms = {name: Histogram() for name in ("gate", "write", "tick_to_write", "ack", "fill")}
        self._intake = intake
        self._client_id = client_id
        self._wait_ns = round(wait_s * NS_PER_S)
        self._now_ns = now_ns
        self._gated_ns = self._written_ns = 0
        self._tick = (0, 0, 0)
        self._pending: dict[int, _Sent] = {}  # by the broker's order id

    @property
    def listeners(self) -> tuple[tuple[str, Callable[..., None]], ...]:
        """Callbacks of the library to be heard, and who hears them."""
        return (
            ("openOrder", self.on_open_order),
            ("orderStatus", self.on_status),
            ("execDetails", self.on_execution),
            ("error", self.on_error),
        )

    # --- on the way out --------------------------------------------------------------------------------------------

    def gated(self, ts_ns: int) -> None:
        """An effect of this time leaves the core: it is approved, and in the log."""
        self._gated_ns, self._written_ns, intake = self._now_ns(), 0, self._intake
        if self.deciding:
            self._tick = (intake.socket_ns, intake.decoded_ns, intake.decided_ns)
        elif ts_ns == intake.tick_ts_ns:  # the kernel took the newest tick outside of its packet: when is not known
            self._tick = (intake.socket_ns, intake.decoded_ns, 0)
        else:
            self._tick = (0, 0, 0)

    def written(self, *, waits: bool) -> None:
        """The bytes of an order were given to the socket; `waits`: they have to wait for their second."""
        self._written_ns = 0 if waits else self._now_ns()

    def sent(self, api_order_id: int, order_id: ClientOrderId, leg: Leg) -> None:
        """That was this leg."""
        if self._written_ns and len(self._pending) < _PENDING_MAX:
            row = _Sent(order_id, leg, *self._tick, self._gated_ns, self._written_ns)
            self._pending[api_order_id] = row

    # --- what comes back: callbacks of the library -----------------------------------------------------------------

    def on_open_order(self, api_order_id: int, _contract: Any, order: Any, _state: Any) -> None:
        """An openOrder message."""
        if order.clientId == self._client_id and not order.whatIf:
            self._answered(api_order_id, ended=False)

    def on_status(self, api_order_id: int, status: str, *more: Any) -> None:
        """An orderStatus message; the client id is the ninth argument (TWS API, EWrapper)."""
        if more[6] == self._client_id:
            self._answered(api_order_id, ended=status in _GONE)

    def on_error(self, request_id: int, *_more: Any) -> None:
        """A message about an order is an answer too."""
        self._answered(request_id, ended=False)

    def on_execution(self, _request_id: int, _contract: Any, execution: Any) -> None:
        """An execDetails message."""
        row = self._pending.get(execution.orderId)
        if row is not None and execution.clientId == self._client_id and not row.filled_ns:
            row.filled_ns = self._intake.socket_ns
            row.answered_ns = row.answered_ns or row.filled_ns

    def _answered(self, api_order_id: int, *, ended: bool) -> None:
        row = self._pending.get(api_order_id)
        if row is not None:
            row.answered_ns = row.answered_ns or self._intake.socket_ns
            row.ended = row.ended or ended

    # --- telling ---------------------------------------------------------------------------------------------------

    def due(self) -> list[OrderTimed]:
        """Orders of which everything was heard, or waited for long enough; each once. `ts_ns` is left to the teller."""
        if not self._pending:
            return []
        now_ns = self._now_ns()
        done = [key for key, row in self._pending.items() if self._is_done(row, now_ns)]
        return [self._timed(self._pending.pop(key), now_ns) for key in done]

    def _is_done(self, row: _Sent, now_ns: int) -> bool:
        if now_ns - row.written_ns >= self._wait_ns:
            return True
        rests = row.leg not in _WAYS_OUT  # it fills when the market comes to it
        return bool(row.filled_ns or (row.answered_ns and (rests or row.ended)))

    def _timed(self, row: _Sent, now_ns: int) -> OrderTimed:
        own = row.leg in _WAYS_OUT
        timed = OrderTimed(
            ts_ns=0,
            order_id=row.order_id,
            leg=row.leg,
            decode_ns=_between(row.socket_ns, row.decoded_ns) if own else None,
            decide_ns=_between(row.decoded_ns, row.decided_ns) if own else None,
            gate_ns=_between(row.decided_ns or row.decoded_ns, row.gated_ns) if own else None,
            write_ns=_between(row.gated_ns, row.written_ns) if own else None,
            ack_ns=_between(row.written_ns, row.answered_ns),
            fill_ns=_between(row.written_ns, row.filled_ns) if own else None,
            waited_ns=now_ns - row.written_ns,
        )
        for name, histogram in self.histograms.items():
            if (took_ns := getattr(timed, f"{name}_ns")) is not None:
                histogram.add(took_ns)
        return timed


def stage_times(stage: str, histogram: Histogram) -> StageTimes:
    """What a log keeps of a histogram."""
    return StageTimes(
        stage=stage,
        count=histogram.count,
        p50_ns=histogram.percentile(50),
        p90_ns=histogram.percentile(90),
        p99_ns=histogram.percentile(99),
        p999_ns=histogram.percentile(99.9),
        max_ns=histogram.maximum,
        packed=histogram.pack(),
    )


def _between(begin_ns: int, end_ns: int) -> int | None:
    """None when one of the two stamps was not taken."""
    return max(end_ns - begin_ns, 0) if begin_ns and end_ns else None
