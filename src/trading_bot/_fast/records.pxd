# cython: language_level=3
"""Layout of every frame in the event log; `domain/records.py` holds the same numbers for Python (a test compares them).

A frame is a multiple of 64 bytes. `length` is stored last: a zero there means nothing has been written yet.
`crc` is CRC32C over bytes 4 .. length.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum FrameKind:
    KIND_NONE = 0
    KIND_QUOTE = 1
    KIND_TRADE = 2
    KIND_REJECTED = 3     # refused at the door; carries the raw values and the reason
    KIND_PRICE_GAP = 4    # the price band was re-anchored: signals start afresh
    KIND_TIME = 5         # time passed without a tick (live timer)
    KIND_MESSAGE = 16     # msgpack payload
    KIND_SEAL = 32        # last frame of a sealed segment

cdef enum FrameClass:
    CLASS_STRUCTURE = 0
    CLASS_INPUT = 1
    CLASS_DERIVED = 2
    CLASS_EFFECT = 3

cdef enum Aggressor:
    AGGRESSOR_UNKNOWN = 0
    AGGRESSOR_BUY = 1
    AGGRESSOR_SELL = 2

cdef enum TickFlag:
    FLAG_DELAYED_DATA = 1     # delayed or frozen market data type
    FLAG_AGGRESSOR_INFERRED = 2

cdef struct FrameHeader:      # 32 bytes, shared by every frame
    uint32_t crc
    uint32_t length
    uint64_t seq
    uint8_t kind
    uint8_t cls
    uint16_t instrument
    uint32_t flags
    int64_t ts_ns             # receive time, non-decreasing

cdef struct TickRecord:       # 64 bytes
    uint32_t crc
    uint32_t length
    uint64_t seq
    uint8_t kind
    uint8_t cls
    uint16_t instrument
    uint32_t flags
    int64_t ts_ns
    int64_t ts_event_ns
    int32_t bid_ticks         # trade: price_ticks; PRICE_GAP: the old anchor
    int32_t ask_ticks         # trade: 0;           PRICE_GAP: the new anchor
    int32_t bid_qty           # trade: qty
    int32_t ask_qty           # trade: 0
    uint8_t aggressor         # trade only
    uint8_t _pad8
    uint16_t _pad16
    uint32_t _pad32

cdef struct RejectedRecord:   # 64 bytes, kind REJECTED
    uint32_t crc
    uint32_t length
    uint64_t seq
    uint8_t kind
    uint8_t cls
    uint16_t instrument
    uint32_t flags
    int64_t ts_ns
    int64_t ts_event_ns
    double raw_a              # trade: price in points; quote: bid in points
    double raw_b              # trade: 0.0;             quote: ask in points
    uint8_t reason            # RejectReason
    uint8_t original_kind     # KIND_QUOTE or KIND_TRADE
    uint16_t _pad16
    int32_t raw_qty           # trade: qty; quote: the smaller of the two sizes; saturated to 32 bits

cdef struct MessageHeader:    # 48 bytes, then the payload, then zeros to a multiple of 64
    uint32_t crc
    uint32_t length
    uint64_t seq
    uint8_t kind
    uint8_t cls
    uint16_t instrument
    uint32_t flags            # first four bytes of the configuration's hash
    int64_t ts_ns
    uint64_t cause_seq        # 0 for an input
    uint32_t payload_length
    uint32_t _pad32
