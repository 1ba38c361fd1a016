# cython: language_level=3
"""The hot path as other kernels see it: a decoder hands records to `step` and stops at an outcome."""
from libc.stdint cimport int64_t, uint16_t

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
    cdef uint16_t beside_id       # the instrument whose records are logged and not stepped; 0: none
    cdef TickRecord beside_quote  # its latest quote, of kind NONE before the first

    # Grid points up to the record, the log, the exchange, the record; returns outcome bits. PENDING or LOG_FULL: it was not
    # consumed. -2: the exchange lost answers, the record was not stepped.
    cdef int step(self, const TickRecord* rec) noexcept nogil
    # A record of the market beside, whose grid points have been run and which is in the log.
    cdef void take_beside(self, const TickRecord* rec) noexcept nogil
    cdef int _single(self, const TickRecord* rec) except -1
    # Steps records from `at` until an outcome, the deadline or the end; at[0] becomes the next index. -1: records[at[0]] is bad,
    # -2: the exchange lost answers at it.
    cdef int run_records(self, const TickRecord* records, int64_t n, int64_t deadline_ns, int64_t* at) noexcept nogil
