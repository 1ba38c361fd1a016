"""Frame layout of the event log, as seen from Python; `_fast/records.pxd` is the same layout in C."""

import struct
from enum import IntEnum, IntFlag
from typing import Final


class FrameKind(IntEnum):
    """What a frame carries."""

    QUOTE = 1
    TRADE = 2
    REJECTED = 3
    PRICE_GAP = 4
    TIME = 5
    MESSAGE = 16
    SEAL = 32


class FrameClass(IntEnum):
    """How replay treats a frame: inputs are fed again, derived frames and effects are recomputed and compared."""

    STRUCTURE = 0
    INPUT = 1
    DERIVED = 2
    EFFECT = 3


class Aggressor(IntEnum):
    """Side that crossed the spread."""

    UNKNOWN = 0
    BUY = 1
    SELL = 2


class TickFlag(IntFlag):
    """Bits of a tick record's `flags`."""

    DELAYED_DATA = 1
    AGGRESSOR_INFERRED = 2


class RejectReason(IntEnum):
    """Why a market record was refused at the door (specification, section 2)."""

    NON_FINITE_PRICE = 1
    NON_POSITIVE_PRICE = 2
    OFF_GRID = 3
    PRICE_BAND = 4
    NEGATIVE_SIZE = 5
    OHLC_ORDER = 6
    BAD_TIMESTAMP = 7
    OUT_OF_RANGE = 8


TICK_KINDS: Final = frozenset(
    {FrameKind.QUOTE, FrameKind.TRADE, FrameKind.REJECTED, FrameKind.PRICE_GAP, FrameKind.TIME}
)
FRAME_ALIGN: Final = 64

# crc, length, seq, kind, cls, instrument, flags, ts_ns
FRAME_HEADER: Final = struct.Struct("<IIQBBHIq")
# header, ts_event_ns, bid_ticks, ask_ticks, bid_qty, ask_qty, aggressor, padding
TICK_RECORD: Final = struct.Struct("<IIQBBHIqqiiiiBBHI")
# header, ts_event_ns, raw_a, raw_b, reason, original_kind, padding, raw_qty
REJECTED_RECORD: Final = struct.Struct("<IIQBBHIqqddBBHi")
# header, cause_seq, payload_length, padding
MESSAGE_HEADER: Final = struct.Struct("<IIQBBHIqQII")

assert FRAME_HEADER.size == 32
assert TICK_RECORD.size == FRAME_ALIGN
assert REJECTED_RECORD.size == FRAME_ALIGN
assert MESSAGE_HEADER.size == 48
