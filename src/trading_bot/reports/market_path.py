"""The recorded quotes at asked times: one walk over a log answers all of them (docs/microscope.md).

A quote counts when both of its sides are there and it is not crossed; it stands until the next one that counts.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from trading_bot.core.log_reader import LogReader, MessageFrame, TickSpan
from trading_bot.domain import events, log_records
from trading_bot.domain.errors import LogCorrupt
from trading_bot.domain.inflated import inflated
from trading_bot.domain.records import FRAME_ALIGN, FrameKind

_BATCH_TICKS: Final = 1 << 16
_RECORD: Final = np.dtype(
    {
        "names": ["seq", "kind", "instrument", "ts_ns", "bid_ticks", "ask_ticks", "bid_qty", "ask_qty"],
        "formats": ["<u8", "u1", "<u2", "<i8", "<i4", "<i4", "<i4", "<i4"],
        "offsets": [8, 16, 18, 24, 40, 44, 48, 52],  # of TICK_RECORD
        "itemsize": FRAME_ALIGN,
    }
)

Span = tuple[int, int]
_Quotes = npt.NDArray[Any]


class Touch(msgspec.Struct, frozen=True, gc=False):
    """The quote that stood at a time; `seq` and `ts_ns` (receive time) are the quote's own."""

    seq: int
    ts_ns: int
    bid_ticks: int
    ask_ticks: int

    @property
    def twice_mid_ticks(self) -> int:
        """Bid plus ask: an integer where the mid has a half."""
        return self.bid_ticks + self.ask_ticks


class Extreme(msgspec.Struct, frozen=True, gc=False):
    """The first time a price was as low, or as high, as it became; `seq` is the quote's."""

    price_ticks: int
    ts_ns: int
    seq: int


class PriceRange(msgspec.Struct, frozen=True, gc=False):
    """How far each side of the book went in a span of time, the quote that stood at its begin included."""

    bid_low: Extreme
    bid_high: Extreme
    ask_low: Extreme
    ask_high: Extreme


class MarketPath(msgspec.Struct, frozen=True):
    """Answers by what was asked. None: no quote had come yet, or the log had ended before the time."""

    touches: dict[int, Touch | None]
    ranges: dict[Span, PriceRange | None]
    quotes: int
    ts_last_ns: int


def read_market_path(log: Path, times_ns: Iterable[int], spans_ns: Iterable[Span] = ()) -> MarketPath:
    """Walk one session's log once: the touch at each time, the range in each span (begin, end; both included).

    Raises:
        UsageError: no log there.
        LogCorrupt: a damaged record.
    """
    spans = sorted(set(spans_ns))
    walk = _Walk(sorted({*times_ns, *(begin for begin, _ in spans)}), spans)
    with LogReader(log) as reader:
        for item in reader.spans():
            if isinstance(item, TickSpan):
                walk.add(item)
            elif item.seq == 1:
                walk.market_id = _market_id(item)
    walk.end()
    return walk.path()


def _market_id(frame: MessageFrame) -> int:
    record = log_records.decode(frame.payload)
    if not isinstance(record, events.RunStarted) or not record.documents:
        return 0
    try:
        found = msgspec.msgpack.decode(inflated(record.documents), type=_Markets)
    except (ValueError, RecursionError) as error:
        raise LogCorrupt(
            f"the embedded run documents do not decode ({error}); expected those of a run", segment="", offset=0, seq=1
        ) from error
    return (found.signal_instrument or found.instrument).id


class _Market(msgspec.Struct):
    id: int


class _Markets(msgspec.Struct):
    """Nothing else of a run's documents is decoded, so that logs of an older configuration can be read."""

    instrument: _Market
    signal_instrument: _Market | None = None


class _Walk:
    """Batches of records, in order of receive time, against sorted questions."""

    def __init__(self, times_ns: Sequence[int], spans: Sequence[Span]) -> None:
        self.market_id = 0  # 0: whatever the log holds
        self.quotes = 0
        self.ts_last_ns = 0
        self._times_ns = times_ns
        self._answered = 0
        self._touches: dict[int, Touch | None] = {}
        self._spans = np.array(spans, dtype=np.int64).reshape(-1, 2)
        self._ranges: dict[Span, list[Extreme | None]] = {span: [None] * len(_SIDES) for span in spans}
        self._standing: Touch | None = None
        self._pending: list[bytes] = []
        self._pending_ticks = 0

    def add(self, span: TickSpan) -> None:
        self._pending.append(bytes(span.buffer[: span.count * FRAME_ALIGN]))
        self._pending_ticks += span.count
        if self._pending_ticks >= _BATCH_TICKS:
            self._flush()

    def end(self) -> None:
        self._flush()
        while self._answered < len(self._times_ns):
            at_ns = self._times_ns[self._answered]
            self._touches[at_ns] = self._standing if at_ns <= self.ts_last_ns else None
            self._answered += 1

    def path(self) -> MarketPath:
        ranges = {span: self._range(span, sides) for span, sides in self._ranges.items()}
        return MarketPath(self._touches, ranges, self.quotes, self.ts_last_ns)

    def _flush(self) -> None:
        if not self._pending:
            return
        records = np.frombuffer(b"".join(self._pending), dtype=_RECORD)
        self._pending, self._pending_ticks = [], 0
        both = (records["bid_qty"] > 0) & (records["ask_qty"] > 0) & (records["ask_ticks"] > records["bid_ticks"])
        if self.market_id:  # the traded market may stand beside the one that was seen
            both &= records["instrument"] == self.market_id
        quotes = records[(records["kind"] == FrameKind.QUOTE) & both]
        self.quotes += len(quotes)
        self.ts_last_ns = max(self.ts_last_ns, int(records["ts_ns"][-1]))
        self._answer(quotes)
        self._widen(quotes)
        if len(quotes):
            self._standing = _touch(quotes[-1])

    def _answer(self, quotes: _Quotes) -> None:
        """Times before the newest record: a later record of the same time may still come."""
        first = self._answered
        while self._answered < len(self._times_ns) and self._times_ns[self._answered] < self.ts_last_ns:
            self._answered += 1
        asked = self._times_ns[first : self._answered]
        for at_ns, place in zip(asked, np.searchsorted(quotes["ts_ns"], asked, side="right"), strict=True):
            self._touches[at_ns] = _touch(quotes[place - 1]) if place else self._standing

    def _widen(self, quotes: _Quotes) -> None:
        if not len(quotes) or not len(self._spans):
            return
        met = (self._spans[:, 0] <= quotes["ts_ns"][-1]) & (self._spans[:, 1] >= quotes["ts_ns"][0])
        for begin_ns, end_ns in self._spans[met].tolist():
            low, high = np.searchsorted(quotes["ts_ns"], (begin_ns, end_ns + 1))
            if low < high:
                _widen(self._ranges[begin_ns, end_ns], quotes[low:high])

    def _range(self, span: Span, sides: list[Extreme | None]) -> PriceRange | None:
        standing = self._touches.get(span[0])
        if span[1] > self.ts_last_ns:
            return None
        if standing is not None:
            for place, (name, lowest) in enumerate(_SIDES):
                price_ticks, found = getattr(standing, name), sides[place]
                if found is None or (price_ticks <= found.price_ticks if lowest else price_ticks >= found.price_ticks):
                    sides[place] = Extreme(price_ticks, span[0], standing.seq)
        bid_low, bid_high, ask_low, ask_high = sides
        if bid_low is None or bid_high is None or ask_low is None or ask_high is None:
            return None
        return PriceRange(bid_low, bid_high, ask_low, ask_high)


# In the order of PriceRange: the side, and whether its lowest is wanted.
_SIDES: Final = (("bid_ticks", True), ("bid_ticks", False), ("ask_ticks", True), ("ask_ticks", False))


def _widen(sides: list[Extreme | None], quotes: _Quotes) -> None:
    for place, (name, lowest) in enumerate(_SIDES):
        prices = quotes[name]
        row = quotes[int(prices.argmin() if lowest else prices.argmax())]
        price_ticks, found = int(row[name]), sides[place]
        if found is None or (price_ticks < found.price_ticks if lowest else price_ticks > found.price_ticks):
            sides[place] = Extreme(price_ticks, int(row["ts_ns"]), int(row["seq"]))


def _touch(row: Any) -> Touch:
    return Touch(int(row["seq"]), int(row["ts_ns"]), int(row["bid_ticks"]), int(row["ask_ticks"]))
