"""One happening of the market as the gateway holds it."""

from collections.abc import Callable, Iterator

import msgspec

from trading_bot.domain.records import FRAME_ALIGN, TICK_RECORD, FrameKind


class Record(msgspec.Struct, frozen=True, gc=False):
    """One quote or trade, prices in ticks; `ts_ns` is when it happens, `event_ns` its stamp."""

    kind: FrameKind
    ts_ns: int
    event_ns: int
    bid_ticks: int = 0
    ask_ticks: int = 0
    bid_qty: int = 0
    ask_qty: int = 0
    price_ticks: int = 0
    qty: int = 0
    aggressor: int = 0


def records_of(read: Callable[[], memoryview | None]) -> Iterator[Record]:
    """Quotes and trades of a feed's batches; what its door refused is not the market."""
    while (batch := read()) is not None:
        for at in range(0, len(batch), FRAME_ALIGN):
            row = TICK_RECORD.unpack_from(batch, at)
            ts_ns, event_ns, first_ticks, second_ticks, first_qty, second_qty, aggressor = row[7:14]
            if row[3] == FrameKind.QUOTE:
                yield Record(FrameKind.QUOTE, ts_ns, event_ns, first_ticks, second_ticks, first_qty, second_qty)
            elif row[3] == FrameKind.TRADE:
                yield Record(FrameKind.TRADE, ts_ns, event_ns, 0, 0, 0, 0, first_ticks, first_qty, aggressor)
