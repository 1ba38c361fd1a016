"""Curves of a day from its records: the price thinned for a screen, the execution score from what it lost."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from trading_bot.domain import events, trade_events
from trading_bot.domain.effects import PlaceOrder
from trading_bot.domain.orders import ClientOrderId, Leg, Side
from trading_bot.domain.records import FRAME_ALIGN, FrameKind
from trading_bot.domain.units import NS_PER_S
from trading_bot.engines.quality import EqsDeficit, eqs_c, forget
from trading_bot.reports.day_records import Point

COLUMNS_MAX: Final = 2_000  # two points each
SLIPPAGE_SPARE_TICKS: Final = 2  # specification 5: slippage above expected + 2 ticks is a deficit
_SCORE_STEP_NS: Final = 20 * NS_PER_S  # between deficits the score recovers by itself; half-lives are 600 s and more
_BATCH_TICKS: Final = 1 << 16

_RECORD: Final = np.dtype(
    {
        "names": ["kind", "instrument", "ts_ns", "bid_ticks", "ask_ticks", "bid_qty", "ask_qty"],
        "formats": ["u1", "<u2", "<i8", "<i4", "<i4", "<i4", "<i4"],
        "offsets": [16, 18, 24, 40, 44, 48, 52],  # of TICK_RECORD
        "itemsize": FRAME_ALIGN,
    }
)

Times = npt.NDArray[np.int64]


class PriceSeries:
    """The mid of the quotes, thinned while they come: memory is a few seconds' worth per second of the day.

    A quote counts when both of its sides are there and it is not crossed.
    """

    def __init__(self, instrument_id: int = 0) -> None:
        """`instrument_id` is the market's whose quotes count; 0: whatever the log holds."""
        self.ticks = 0
        self._instrument_id = instrument_id
        self.ts_first_ns = self.ts_last_ns = 0
        self._pending: list[bytes] = []
        self._pending_ticks = 0
        self._ts: list[Times] = []
        self._sum: list[Times] = []  # bid + ask: twice the mid, an integer

    def add(self, buffer: memoryview, count: int) -> None:
        """`count` market records of 64 bytes in a row."""
        self._pending.append(bytes(buffer))
        self._pending_ticks += count
        if self._pending_ticks >= _BATCH_TICKS:
            self.flush()

    def flush(self) -> None:
        """Take in what is pending: before the times are read, and at the end of a log."""
        if not self._pending:
            return
        records = np.frombuffer(b"".join(self._pending), dtype=_RECORD)
        self._pending, self._pending_ticks = [], 0
        self.ticks += len(records)
        self.ts_first_ns = self.ts_first_ns or int(records["ts_ns"][0])
        self.ts_last_ns = max(self.ts_last_ns, int(records["ts_ns"][-1]))
        both = (records["bid_qty"] > 0) & (records["ask_qty"] > 0) & (records["ask_ticks"] > records["bid_ticks"])
        if self._instrument_id:  # the traded market may stand beside the one that was seen
            both &= records["instrument"] == self._instrument_id
        quotes = records[(records["kind"] == FrameKind.QUOTE) & both]
        ts, total = quotes["ts_ns"], quotes["bid_ticks"].astype(np.int64) + quotes["ask_ticks"]
        kept = extremes(ts, total, ts // NS_PER_S)
        self._ts.append(ts[kept])
        self._sum.append(total[kept])

    def points(self) -> tuple[Point, ...]:
        """Lowest and highest mid of each of up to `COLUMNS_MAX` columns of equal width, in ticks, in order of time."""
        self.flush()
        if not self._ts:
            return ()
        ts, total = np.concatenate(self._ts), np.concatenate(self._sum)
        if not len(ts):
            return ()
        width_ns = (int(ts.max()) - int(ts.min())) // COLUMNS_MAX + 1
        kept = extremes(ts, total, (ts - ts.min()) // width_ns)
        return tuple(Point(int(at), float(value) / 2) for at, value in zip(ts[kept], total[kept], strict=True))


def extremes(ts: Times, values: Times, columns: Times) -> Times:
    """Indices of the first lowest and the first highest value of each column, in order of time, none twice."""
    if not len(ts):
        return np.empty(0, dtype=np.int64)
    lows = _firsts(np.lexsort((ts, values, columns)), columns)
    highs = _firsts(np.lexsort((ts, -values, columns)), columns)
    kept = np.unique(np.concatenate((lows, highs)))
    return kept[np.argsort(ts[kept], kind="stable")]


def _firsts(order: npt.NDArray[np.intp], columns: Times) -> Times:
    """The first index of each column in an order that keeps columns together."""
    inside = columns[order]
    starts = np.concatenate(([True], inside[1:] != inside[:-1]))
    return order[starts].astype(np.int64)


class _OpenTrade(msgspec.Struct):
    """What judging the fills of a trade takes."""

    sign: int
    touch_ticks: int
    expected_e6: int
    stop_ticks: int
    stop_slips: list[tuple[int, int]] = []  # (ts_ns, slippage_ticks) of each fill of the stop


class ExecutionScore:
    """The execution score of a day, rebuilt from what costs it (specification 5): the log holds causes, not the score.

    Where a log says what was carried in or out, that is taken as well; what both know counts once.
    """

    def __init__(self) -> None:
        self._deficits: Counter[EqsDeficit] = Counter()
        self._expires_ns: dict[ClientOrderId, int] = {}
        self._trades: dict[ClientOrderId, _OpenTrade] = {}
        self._late: set[ClientOrderId] = set()

    def carried(self, state: Mapping[str, Any]) -> None:
        """The decoded state of `StateCarried` or `RunEnded`."""
        told = Counter(msgspec.convert(row, EqsDeficit) for row in state.get("deficits", ()))
        self._deficits |= told

    def observe(self, record: object) -> None:
        """One record of the log; others than those about orders change nothing."""
        if isinstance(record, PlaceOrder):
            self._expires_ns[record.order.order_id] = record.order.expires_ns
        elif isinstance(record, events.OrderRejected):
            self._lose("reject", record.ts_ns)
        elif isinstance(record, events.ExecutionPenalised):
            if record.replaces:
                self._deficits.pop(EqsDeficit(record.replaces, record.since_ns, record.quarter), None)
            self._deficits[EqsDeficit(record.name, record.since_ns, record.quarter)] += 1
        elif isinstance(record, trade_events.OrderFilled):
            self._filled(record)
        elif isinstance(record, trade_events.TradeOpened):
            sign = 1 if record.side is Side.BUY else -1
            touch_ticks = record.price_ticks - sign * record.slippage_ticks
            self._trades[record.order_id] = _OpenTrade(
                sign, touch_ticks, record.slippage_expected_e6, record.stop_price_ticks
            )
            self._judge(record.ts_ns, record.slippage_ticks, record.slippage_expected_e6)
        elif isinstance(record, trade_events.OrderWorking):
            trade = self._trades.get(record.order_id)
            if trade is not None and record.leg is Leg.STOP:
                trade.stop_ticks = record.price_ticks
        elif isinstance(record, trade_events.TradeClosed):
            self._closed(record)

    def points(self, ts_first_ns: int, ts_last_ns: int) -> tuple[Point, ...]:
        """The score in hundredths over the day: a point at each deficit and every 20 s while it recovers."""
        told = sorted(self._deficits.elements(), key=lambda deficit: deficit.since_ns)
        active: tuple[EqsDeficit, ...] = ()
        points, at_ns, waiting = [], ts_first_ns, iter([*told, None])
        deficit = next(waiting)
        while at_ns <= ts_last_ns:
            while deficit is not None and deficit.since_ns <= at_ns:
                active, deficit = (*active, deficit), next(waiting)
            active = forget(active, at_ns)
            points.append(Point(at_ns, float(eqs_c(active, at_ns))))
            next_ns = ts_last_ns + 1 if deficit is None else deficit.since_ns
            at_ns = min(next_ns, at_ns + _SCORE_STEP_NS) if active else next_ns
        if points and points[-1].ts_ns < ts_last_ns:
            points.append(Point(ts_last_ns, float(eqs_c(active, ts_last_ns))))
        return _without_repeats(points)

    def _lose(self, name: str, ts_ns: int) -> None:
        self._deficits[EqsDeficit(name, ts_ns)] += 1

    def _judge(self, ts_ns: int, slippage_ticks: int, expected_e6: int) -> None:
        if (slippage_ticks - SLIPPAGE_SPARE_TICKS) * 1_000_000 > expected_e6:
            self._lose("slippage", ts_ns)

    def _filled(self, record: trade_events.OrderFilled) -> None:
        trade = self._trades.get(record.order_id)
        if record.leg is Leg.ENTRY:
            expires_ns = self._expires_ns.get(record.order_id)
            if expires_ns is not None and record.ts_ns > expires_ns and record.order_id not in self._late:
                self._lose("late_fill", record.ts_ns)
            self._late.add(record.order_id)  # only the first fill is judged
            if trade is not None:  # the first fill's slippage stands in TRADE_OPENED, which follows it
                slippage_ticks = (record.price_ticks - trade.touch_ticks) * trade.sign
                self._judge(record.ts_ns, slippage_ticks, trade.expected_e6)
        elif record.leg is Leg.STOP and trade is not None:
            trade.stop_slips.append((record.ts_ns, (trade.stop_ticks - record.price_ticks) * trade.sign))

    def _closed(self, record: trade_events.TradeClosed) -> None:
        """What was expected of a stop is told only now: the outcome's expectation less the entry's."""
        trade = self._trades.pop(record.order_id, None)
        if trade is None:
            return
        expected_e6 = round(record.outcome.slippage_expected_ticks * 1_000_000) - trade.expected_e6
        for ts_ns, slippage_ticks in trade.stop_slips:
            self._judge(ts_ns, slippage_ticks, expected_e6)


def _without_repeats(points: Iterable[Point]) -> tuple[Point, ...]:
    """Without the inner points of a flat stretch."""
    kept: list[Point] = []
    for point in points:
        if len(kept) >= 2 and kept[-1].value == kept[-2].value == point.value:
            kept[-1] = point
        else:
            kept.append(point)
    return tuple(kept)


class DataScore:
    """The data score as the log last told it; it is recorded whenever the kernel stops."""

    def __init__(self) -> None:
        self._points: list[Point] = []

    def add(self, ts_ns: int, dvs_c: int) -> None:
        """A score that was recorded."""
        if not self._points or self._points[-1].value != dvs_c:
            self._points.append(Point(ts_ns, float(dvs_c)))

    def points(self) -> tuple[Point, ...]:
        """Changes only, each valid until the next."""
        return tuple(self._points)
