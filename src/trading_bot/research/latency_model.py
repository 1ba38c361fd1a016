"""Fits a latency model to the orders in logs: what was sent in which burst, and when its first answer came.

docs/latency-model.md says what is assumed. Integers only; the same logs give the same model.
"""

from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from trading_bot.broker_source import SIMULATED
from trading_bot.core.documents import RunDocuments
from trading_bot.core.event_log import LogReader, MessageFrame, TickSpan
from trading_bot.core.replay import session_logs
from trading_bot.domain import effects, events, log_records, trade_events
from trading_bot.domain.effects import Effect
from trading_bot.domain.errors import UsageError
from trading_bot.domain.events import Event
from trading_bot.domain.latency_events import OrderTimed
from trading_bot.domain.latency_model import (
    BUCKETS_MAX,
    BURST_TICKS_MAX,
    BURST_WINDOW_NS,
    LATENCY_NS_MAX,
    MILLION,
    LatencyBucket,
    LatencyModel,
    LatencySource,
)
from trading_bot.domain.orders import ClientOrderId, Leg
from trading_bot.domain.records import FRAME_ALIGN, FRAME_HEADER, FrameKind

SAMPLES_MIN: Final = 50  # in a bucket: its slowest order is then its 99th percentile
BUCKETS_DEFAULT: Final = 4
POINTS: Final = (
    0, 10_000, 50_000, 100_000, 250_000, 500_000, 750_000, 900_000, 950_000, 990_000, 995_000, 999_000, MILLION,
)  # fmt: skip
_TICKS: Final = (FrameKind.QUOTE, FrameKind.TRADE)
_ANSWERS: Final = (
    events.OrderAcknowledged,
    events.OrderSuppressed,
    trade_events.OrderWorking,
    trade_events.OrderFilled,
)
_Key = tuple[ClientOrderId, Leg]


class Sample(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One order: ticks in the second before it left, and how long both ways took, in wall time.

    `measured`: the bot's own part was told apart; otherwise it stands in both ways, half in each.
    """

    burst: int
    entry_ns: int
    response_ns: int
    measured: bool = False


class LogSamples(msgspec.Struct, frozen=True, kw_only=True):
    """What the logs of one run have to say. `interrupted`: the link went down before the answer."""

    source: LatencySource
    instrument: str
    simulated: bool
    samples: tuple[Sample, ...]
    unanswered: int
    rejected: int
    interrupted: int


class _Sent(msgspec.Struct, gc=False):
    """An order on its way."""

    ts_ns: int
    burst: int
    interrupted: bool = False


class _Reading:
    """One session's log, record by record."""

    def __init__(self) -> None:
        self.started: events.RunStarted | None = None
        self.documents: RunDocuments | None = None
        self.orders = 0
        self.samples: dict[_Key, Sample] = {}
        self.rejected = 0
        self.interrupted = 0
        self._pending: dict[_Key, _Sent] = {}
        self._ticks: deque[TickSpan] = deque()

    @property
    def unanswered(self) -> int:
        return len(self._pending)

    def span(self, ticks: TickSpan) -> None:
        """Market records; those older than the window before the next one are let go."""
        self._ticks.append(ticks)
        newest_ns = _head(ticks, 0)[1]
        while (
            len(self._ticks) > 1 and _head(self._ticks[0], self._ticks[0].count - 1)[1] <= newest_ns - self._window_ns
        ):
            self._ticks.popleft()

    def record(self, record: Event | Effect, where: str) -> None:
        """A message of the log."""
        match record:
            case events.RunStarted():
                self.started = record
                self.documents = RunDocuments.unpack(record.documents, where=where)
            case events.ProcessStarted() if record.documents:
                self.documents = RunDocuments.unpack(record.documents, where=where)
            case effects.PlaceOrder():
                self._send((record.order.order_id, Leg.ENTRY), record.ts_ns)
            case effects.PlaceExit():
                self._send((record.order_id, Leg.EXIT), record.ts_ns)
            case events.OrderRejected():
                self.rejected += self._pending.pop((record.order_id, record.leg), None) is not None
            case events.LinkStatus() if not record.up:
                for sent in self._pending.values():
                    sent.interrupted = True
            case OrderTimed():
                self._timed(record)
            case answer if isinstance(answer, _ANSWERS):
                self._answered((answer.order_id, getattr(answer, "leg", Leg.ENTRY)), answer.ts_ns)
            case _:
                pass  # says nothing about how long a message took

    def _send(self, key: _Key, ts_ns: int) -> None:
        """The first order of its kind: what replaces it is a change, answered by whatever comes first."""
        if key in self._pending or key in self.samples:
            return
        self.orders += 1
        self._pending[key] = _Sent(ts_ns, self._burst(ts_ns))

    def _answered(self, key: _Key, ts_ns: int) -> None:
        sent = self._pending.pop(key, None)
        if sent is None:
            return
        if sent.interrupted:
            self.interrupted += 1
            return
        round_ns = min((ts_ns - sent.ts_ns) * 1_000 // self._speed_e3, LATENCY_NS_MAX)
        self.samples[key] = Sample(burst=sent.burst, entry_ns=round_ns - round_ns // 2, response_ns=round_ns // 2)

    def _timed(self, times: OrderTimed) -> None:
        """How much of the time was between the order's bytes and the answer; all before that is the bot's own part."""
        key = (times.order_id, times.leg)
        before = self.samples.get(key)
        if before is None or times.ack_ns is None:
            return
        round_ns = min(max(before.entry_ns + before.response_ns, times.ack_ns), LATENCY_NS_MAX)
        back_ns = min(times.ack_ns, LATENCY_NS_MAX) // 2
        self.samples[key] = Sample(burst=before.burst, entry_ns=round_ns - back_ns, response_ns=back_ns, measured=True)

    @property
    def _speed_e3(self) -> int:
        """Market time in thousandths of wall time: messages travel in wall time."""
        return self.documents.wall_speed_e3 if self.documents is not None else 1_000

    @property
    def _window_ns(self) -> int:
        return BURST_WINDOW_NS * self._speed_e3 // 1_000

    def _burst(self, ts_ns: int) -> int:
        """Ticks of the market so far with a time in the second up to `ts_ns`, as many as the simulator would tell."""
        if self.documents is None:
            return 0
        market, after_ns, count = self.documents.market_instrument.id, ts_ns - self._window_ns, 0
        for ticks in reversed(self._ticks):
            for index in range(ticks.count - 1, -1, -1):
                (kind, instrument), at_ns = _head(ticks, index)
                if at_ns <= after_ns or count == BURST_TICKS_MAX:
                    return count
                count += kind in _TICKS and instrument == market
        return count


def _head(ticks: TickSpan, index: int) -> tuple[tuple[int, int], int]:
    """(kind, instrument) and time of one market record."""
    head = FRAME_HEADER.unpack_from(ticks.buffer, index * FRAME_ALIGN)
    return (head[3], head[5]), head[7]


def read_samples(path: Path) -> LogSamples:
    """The orders of a run's logs, or of one of them.

    Raises:
        UsageError: no log there, or one that holds nothing.
        LogCorrupt: a damaged log.
    """
    readings = []
    for log in session_logs(path):
        reading = _Reading()
        with LogReader(log) as reader:
            for item in reader.spans():
                if isinstance(item, MessageFrame):
                    reading.record(log_records.decode(item.payload), str(log))
                else:
                    reading.span(item)
        readings.append(reading)
    first = readings[0]
    if first.started is None or first.documents is None:
        raise UsageError(
            f"{path}: the log does not begin with a run: it was cut before anything was in it; leave it out"
        )
    account = str(first.documents.feed.get("account", ""))
    samples = [sample for reading in readings for sample in reading.samples.values()]
    return LogSamples(
        source=LatencySource(
            run_id=first.started.run_id,
            trade_date=first.started.trade_date,
            mode=first.started.mode,
            orders=sum(reading.orders for reading in readings),
            samples=len(samples),
            wall_speed_e3=first.documents.wall_speed_e3,
        ),
        instrument=first.documents.market_instrument.symbol,
        simulated=first.started.hypothetical or account.startswith(SIMULATED),
        samples=tuple(samples),
        unanswered=sum(reading.unanswered for reading in readings),
        rejected=sum(reading.rejected for reading in readings),
        interrupted=sum(reading.interrupted for reading in readings),
    )


def fit(
    logs: Sequence[LogSamples], *, fitted_at: str, simulated: bool = False, buckets_max: int = BUCKETS_DEFAULT
) -> LatencyModel:
    """The model of these logs: buckets between quantiles of the burst, each with `SAMPLES_MIN` orders or more.

    `simulated` lets in orders that a simulator answered, whose latency was somebody's choice. `fitted_at` is UTC as
    ISO 8601.

    Raises:
        UsageError: too few orders (it says how many are needed), logs of different markets, or of a simulator.
    """
    if not 1 <= buckets_max <= BUCKETS_MAX:
        raise UsageError(f"--buckets is {buckets_max}; expected 1 to {BUCKETS_MAX}")
    markets = sorted({log.instrument for log in logs})
    if len(markets) > 1:
        raise UsageError(
            f"the logs are of {' and '.join(markets)}; a burst of one is none of another: fit one at a time"
        )
    invented = [log.source.run_id for log in logs if log.simulated]
    if invented and not simulated:
        raise UsageError(
            f"{', '.join(invented)}: a simulator answered these orders, so the fit would give back the latency it was "
            "set to; name logs of PAPER or LIVE, or say --simulated where that is wanted"
        )
    samples = [sample for log in logs for sample in log.samples]
    if len(samples) < SAMPLES_MIN:
        raise UsageError(
            f"{len(logs)} run{'s' * (len(logs) != 1)} with {len(samples)} answered orders: a latency model needs "
            f"{SAMPLES_MIN}, and {SAMPLES_MIN} more for each further bucket; name more logs, or trade on paper until "
            f"there are {SAMPLES_MIN - len(samples)} more"
        )
    return LatencyModel(
        instrument=markets[0],
        fitted_at=fitted_at,
        points=POINTS,
        buckets=tuple(_bucket(least, rows) for least, rows in split(samples, buckets_max)),
        samples=len(samples),
        measured=sum(sample.measured for sample in samples),
        unanswered=sum(log.unanswered for log in logs),
        rejected=sum(log.rejected for log in logs),
        interrupted=sum(log.interrupted for log in logs),
        simulated=bool(invented),
        logs=tuple(log.source for log in logs),
    )


def split(samples: Sequence[Sample], buckets_max: int) -> list[tuple[int, list[Sample]]]:
    """(least burst, its orders) of each bucket: cut at quantiles of the burst where both sides keep enough orders."""
    ordered = sorted(samples, key=lambda sample: sample.burst)
    wanted = min(buckets_max, len(ordered) // SAMPLES_MIN)
    edges = [0]
    for index in range(1, wanted):
        edge = ordered[index * len(ordered) // wanted].burst
        below = sum(edges[-1] <= sample.burst < edge for sample in ordered)
        above = sum(sample.burst >= edge for sample in ordered)
        if edge > edges[-1] and below >= SAMPLES_MIN and above >= SAMPLES_MIN:
            edges.append(edge)
    ends = [*edges[1:], BURST_TICKS_MAX + 1]
    return [
        (low, [sample for sample in ordered if low <= sample.burst < high])
        for low, high in zip(edges, ends, strict=True)
    ]


def _bucket(least: int, samples: Sequence[Sample]) -> LatencyBucket:
    return LatencyBucket(
        burst_min=least,
        samples=len(samples),
        entry_ns=_table([sample.entry_ns for sample in samples]),
        response_ns=_table([sample.response_ns for sample in samples]),
    )


def _table(values: Sequence[int]) -> tuple[int, ...]:
    """Sample quantiles at the points, in proportion between two neighbours, rounded down."""
    ordered = sorted(values)
    table = []
    for point in POINTS:
        index, rest = divmod((len(ordered) - 1) * point, MILLION)
        low, high = ordered[index], ordered[min(index + 1, len(ordered) - 1)]
        table.append(low + (high - low) * rest // MILLION)
    return tuple(table)
