# cython: language_level=3
"""The hot path as other kernels see it: a decoder hands records to `step` and stops at an outcome."""
from libc.stdint cimport int64_t

from trading_bot._fast.logwriter cimport LogWriter
from trading_bot._fast.plan cimport Plan
from trading_bot._fast.records cimport TickRecord
from trading_bot._fast.state cimport State
from trading_bot._fast.step cimport Kernel
from trading_bot._fast.templates cimport Groups

cdef class HotPath:
    cdef Kernel kernel
    cdef Groups groups
    cdef State* st
    cdef Plan plan
    cdef LogWriter writer
    cdef bint logs                # there is a writer

    # Grid points up to the record, the log, the record; returns outcome bits. PENDING or LOG_FULL: it was not consumed.
    cdef int step(self, const TickRecord* rec) noexcept nogil
    # Steps records from `at` until an outcome, the deadline or the end; at[0] becomes the next index. -1: records[at[0]] is bad.
    cdef int run_records(self, const TickRecord* records, int64_t n, int64_t deadline_ns, int64_t* at) noexcept nogil
