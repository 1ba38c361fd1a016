"""What the market did after an entry, whatever became of the trade: target or stop first, and where it stood then.

Prices are those one could have left at: the bid for a long trade, the ask for a short one. A quote counts when both of
its sides are there and it is not crossed. One walk over a log answers for all of its trades (docs/attribution.md).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from trading_bot.core.log_reader import LogReader, TickSpan
from trading_bot.domain.errors import LogCorrupt
from trading_bot.domain.events import RunStarted
from trading_bot.domain.inflated import inflated
from trading_bot.domain.records import FRAME_ALIGN, FrameKind
from trading_bot.reports.trade_facts import decode_message

_BATCH_TICKS: Final = 1 << 16
_RECORD: Final = np.dtype(
    {
        "names": ["kind", "instrument", "ts_ns", "bid_ticks", "ask_ticks", "bid_qty", "ask_qty"],
        "formats": ["u1", "<u2", "<i8", "<i4", "<i4", "<i4", "<i4"],
        "offsets": [16, 18, 24, 40, 44, 48, 52],  # of TICK_RECORD
        "itemsize": FRAME_ALIGN,
    }
)
_Quotes = npt.NDArray[Any]


class _Market(msgspec.Struct):
    id: int


class _Markets(msgspec.Struct):
    """Nothing else of a run's documents is decoded, so that logs of an older configuration can be read."""

    instrument: _Market
    signal_instrument: _Market | None = None


class Asked(msgspec.Struct, frozen=True):
    """An entry at `ts_ns` (ns) in the direction of `sign`, and the prices in ticks of its target and its stop."""

    ts_ns: int
    sign: int
    target_price_ticks: int
    stop_price_ticks: int


class Look(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The market up to a horizon after an entry.

    `target_ns` and `stop_ns` are when the target's and the stop's price could first be had, None where never.
    `mark_ticks` is the price one could have left at in the end.
    """

    target_ns: int | None
    stop_ns: int | None
    mark_ticks: int


def look_forward(log: Path, asked: Sequence[Asked], horizons_ns: Sequence[int]) -> list[tuple[Look | None, ...]]:
    """For each of `asked`, a look per horizon; None where the log ends before it, or has no quote by then.

    Raises:
        UsageError: no log there.
        LogCorrupt: a damaged record.
    """
    walks = [_Walk(one, horizons_ns) for one in asked]
    market_id, pending, held = 0, list[bytes](), 0
    with LogReader(log) as reader:
        for item in reader.spans():
            if isinstance(item, TickSpan):
                pending.append(bytes(item.buffer[: item.count * FRAME_ALIGN]))
                held += item.count
                if held >= _BATCH_TICKS:
                    _show(b"".join(pending), market_id, walks)
                    pending, held = [], 0
            elif item.seq == 1:
                record = decode_message(item, log)
                if isinstance(record, RunStarted) and record.documents:
                    market_id = _market_id(record.documents, log)
    _show(b"".join(pending), market_id, walks)
    return [walk.looks() for walk in walks]


def _market_id(documents: bytes, log: Path) -> int:
    try:
        found = msgspec.msgpack.decode(inflated(documents), type=_Markets)
    except (ValueError, RecursionError) as error:
        raise LogCorrupt(
            f"{log}: the embedded run documents do not decode ({error})", segment="", offset=0, seq=1
        ) from error
    return (found.signal_instrument or found.instrument).id


def _show(batch: bytes, market_id: int, walks: Sequence["_Walk"]) -> None:
    if not batch:
        return
    records = np.frombuffer(batch, dtype=_RECORD)
    last_ns = int(records["ts_ns"][-1])
    both = (records["bid_qty"] > 0) & (records["ask_qty"] > 0) & (records["ask_ticks"] > records["bid_ticks"])
    if market_id:  # the traded market may stand beside the one that was seen
        both &= records["instrument"] == market_id
    quotes = records[(records["kind"] == FrameKind.QUOTE) & both]
    for walk in walks:
        walk.see(quotes, last_ns)


class _Walk:
    """One trade on its way through a log."""

    def __init__(self, asked: Asked, horizons_ns: Sequence[int]) -> None:
        self._asked = asked
        self._ends_ns = [asked.ts_ns + horizon_ns for horizon_ns in horizons_ns]
        self._marks: list[int | None] = [None] * len(self._ends_ns)
        self._target_ns: int | None = None
        self._stop_ns: int | None = None
        self._seen_ns = 0

    def see(self, quotes: _Quotes, last_ns: int) -> None:
        """The quotes of a batch that ends at `last_ns`."""
        before_ns, self._seen_ns = self._seen_ns, max(self._seen_ns, last_ns)
        if last_ns < self._asked.ts_ns or before_ns >= max(self._ends_ns) or not len(quotes):
            return
        times = quotes["ts_ns"]
        first, last = np.searchsorted(times, (self._asked.ts_ns, max(self._ends_ns) + 1))
        prices = quotes["bid_ticks" if self._asked.sign > 0 else "ask_ticks"]
        for place, end_ns in enumerate(self._ends_ns):
            upto = int(np.searchsorted(times, end_ns, side="right"))
            if upto:
                self._marks[place] = int(prices[upto - 1]) if times[upto - 1] <= end_ns else self._marks[place]
        gained = prices[first:last].astype(np.int64) * self._asked.sign
        self._target_ns = self._first(
            self._target_ns, gained >= self._asked.target_price_ticks * self._asked.sign, times[first:last]
        )
        self._stop_ns = self._first(
            self._stop_ns, gained <= self._asked.stop_price_ticks * self._asked.sign, times[first:last]
        )

    @staticmethod
    def _first(known_ns: int | None, met: npt.NDArray[np.bool_], times: npt.NDArray[np.int64]) -> int | None:
        if known_ns is not None or not met.any():
            return known_ns
        return int(times[int(met.argmax())])

    def looks(self) -> tuple[Look | None, ...]:
        """One per horizon."""
        return tuple(
            None
            if mark_ticks is None or self._seen_ns < end_ns
            else Look(
                target_ns=self._until(self._target_ns, end_ns),
                stop_ns=self._until(self._stop_ns, end_ns),
                mark_ticks=mark_ticks,
            )
            for mark_ticks, end_ns in zip(self._marks, self._ends_ns, strict=True)
        )

    @staticmethod
    def _until(at_ns: int | None, end_ns: int) -> int | None:
        return at_ns if at_ns is not None and at_ns <= end_ns else None
