# cython: language_level=3
"""Raw market values between a source and the door."""
from libc.stdint cimport int64_t, uint8_t, uint32_t


cdef struct RawTick:
    int64_t ts_ns               # receive time; 0 or less: the source could not read it
    int64_t ts_event_ns
    int64_t a_e9                # price or bid in 1e-9 points; INT64_MAX: no number
    int64_t b_e9                # ask
    double a_points             # the same in points, where the source has floats
    double b_points
    int64_t a_qty               # quantity or bid size
    int64_t b_qty               # ask size
    uint8_t kind                # KIND_QUOTE or KIND_TRADE
    uint8_t aggressor
    uint8_t is_float            # which of the two price forms holds
    uint8_t reason              # refused by the source already (OHLC order, unreadable stamp)
    uint32_t flags              # TickFlag bits

cdef inline bint good_stamp(int64_t ts_ns) noexcept nogil:
    """From 1990-01-01 to 2100-01-01 (UTC): anything else is no time of a market record."""
    return 631152000000000000LL <= ts_ns < 4102444800000000000LL


cdef class RawBatch:
    cdef RawTick* ticks
    cdef Py_ssize_t size        # ticks held
    cdef Py_ssize_t next        # first one not yet taken
    cdef Py_ssize_t room
    cdef public bint done       # the source has nothing more
    cdef RawTick* slot(self) except NULL
    cdef int put_quote_e9(self, int64_t ts_ns, int64_t ts_event_ns, int64_t bid_e9, int64_t bid_qty,
                          int64_t ask_e9, int64_t ask_qty, uint32_t flags) except -1
    cdef int put_trade_e9(self, int64_t ts_ns, int64_t ts_event_ns, int64_t price_e9, int64_t qty,
                          uint8_t aggressor, uint32_t flags) except -1
