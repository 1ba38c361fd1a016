# cython: language_level=3
"""The hot path as other kernels see it: a decoder hands records to `step` and stops at an outcome."""
from libc.stdint cimport int64_t

from trading_bot._fast.beside cimport Beside
from trading_bot._fast.exchange cimport ExchangeSim
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
    cdef ExchangeSim exchange
    cdef bint matches             # there is an exchange
    cdef Beside besides           # the market whose records are logged and not stepped

    # Grid points up to the record, the log, the exchange, the record; returns outcome bits. PENDING or LOG_FULL: it was not
    # consumed. -2: the exchange lost answers, the record was not stepped.
    cdef int step(self, const TickRecord* rec) noexcept nogil
    cdef int _single(self, const TickRecord* rec) except -1
    # Steps records from `at` until an outcome, the deadline or the end; at[0] becomes the next index. -1: records[at[0]] is bad,
    # -2: the exchange lost answers at it.
    cdef int run_records(self, const TickRecord* records, int64_t n, int64_t deadline_ns, int64_t* at) noexcept nogil
