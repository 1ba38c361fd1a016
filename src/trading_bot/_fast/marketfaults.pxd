# cython: language_level=3
"""Quality faults between the generated market and the door."""
from libc.stdint cimport int64_t

from trading_bot._fast.raw_batch cimport RawTick

cdef enum FaultKindCode:        # adapters.sim.faults.FaultKind, in its order
    FAULT_STALL = 1
    FAULT_CROSSED = 2
    FAULT_LOCKED = 3
    FAULT_STAMPS_BACK = 4
    FAULT_LATE = 5
    FAULT_OFF_GRID = 6
    FAULT_NEGATIVE_PRICE = 7
    FAULT_NOT_A_NUMBER = 8
    FAULT_OUTLIER = 9
    FAULT_DUPLICATE = 10
    FAULT_ZERO_SIZE = 11
    FAULT_NEGATIVE_SIZE = 12
    FAULT_DELAYED_DATA = 13

cdef struct FaultRow:
    int64_t kind
    int64_t at_ns
    int64_t end_ns              # at_ns: the next record it fits, and only that
    int64_t size
    int64_t hits

cdef class FaultStage:
    cdef FaultRow* _rows
    cdef Py_ssize_t _count
    cdef Py_ssize_t _first      # all before it are over
    cdef int64_t _tick_e9
    cdef int64_t _next_ns       # nothing to do for records before it
    cdef int64_t _last_ns       # receive time of the last record let through
    cdef int apply(self, RawTick* raw) noexcept nogil
    cdef int _hit(self, FaultRow* row, RawTick* raw, int copies) noexcept nogil
