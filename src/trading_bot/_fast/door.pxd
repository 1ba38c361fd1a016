# cython: language_level=3
"""The door: raw market values in, tick records out. Layouts and entry points other kernels may cimport."""
from libc.stdint cimport int64_t, uint8_t, uint32_t

from trading_bot._fast.raw_batch cimport RawTick
from trading_bot._fast.records cimport TickRecord


cdef enum Reason:               # domain.records.RejectReason
    REASON_NONE = 0
    REASON_NON_FINITE_PRICE = 1
    REASON_NON_POSITIVE_PRICE = 2
    REASON_OFF_GRID = 3
    REASON_PRICE_BAND = 4
    REASON_NEGATIVE_SIZE = 5
    REASON_OHLC_ORDER = 6
    REASON_BAD_TIMESTAMP = 7
    REASON_OUT_OF_RANGE = 8
    REASON_COUNT = 9

cdef class Door:
    cdef bytearray _memory
    cdef TickRecord* _records
    cdef readonly Py_ssize_t capacity
    cdef Py_ssize_t _held
    cdef int64_t _tick_e9
    cdef double _ticks_per_e9
    cdef int64_t _tick_num      # tick = num / den points, reduced, so that both fit a double exactly
    cdef int64_t _tick_den
    cdef int64_t _session_gap_ns
    cdef int _instrument
    cdef int64_t _ts_max_ns
    cdef int64_t _anchor        # last accepted price in ticks, 0: none yet
    cdef int64_t _gap_from      # the anchor that set_anchor() replaced, 0: none
    cdef bint _fresh            # a new session: the next price is taken as it comes
    cdef int64_t _run_count     # refused by the band in a row, all within 1 %
    cdef int64_t _run_low
    cdef int64_t _run_high
    cdef int64_t _run_start_ns
    cdef int64_t _bid           # last accepted quote, for the quote rule; 0: none
    cdef int64_t _ask
    cdef int64_t _last_trade
    cdef uint8_t _last_side
    cdef int64_t _quotes
    cdef int64_t _trades
    cdef int64_t _gaps
    cdef int64_t _refused[9]
    cdef int admit(self, const RawTick* raw) noexcept nogil
    cdef int _one(self, const RawTick* raw) except -1
    cdef int _accept(self, const RawTick* raw, int64_t a, int64_t b, int64_t ts_ns) noexcept nogil
    cdef int _ticks_of(self, const RawTick* raw, bint second, int64_t* ticks) noexcept nogil
    cdef int _band(self, int64_t low, int64_t high, int64_t middle, int64_t ts_ns, bint* gap) noexcept nogil
    cdef TickRecord* _emit(self, uint8_t kind, int64_t ts_ns, int64_t ts_event_ns, uint32_t flags) noexcept nogil
    cdef int _refuse(self, const RawTick* raw, int reason, int64_t ts_ns) noexcept nogil
    cdef void _emit_gap(self, int64_t old, int64_t new, int64_t ts_ns, int64_t ts_event_ns) noexcept nogil
    cdef uint8_t _infer(self, int64_t price) noexcept nogil
