# cython: language_level=3
"""The exchange simulator as other kernels see it. One call per market record: after the grid points up to it and after the record
is in the log, before the core steps it; exactly once."""
from libc.stdint cimport int64_t

from trading_bot._fast.exchange_match cimport EXCHANGE_NEWS, EXCHANGE_OVERFLOW
from trading_bot._fast.exchange_state cimport Exchange
from trading_bot._fast.records cimport TickRecord

cdef class ExchangeSim:
    cdef Exchange* ex
    cdef readonly object config
    cdef bytes digest

    # EXCHANGE_NEWS when `due_ns` may have come nearer, EXCHANGE_OVERFLOW (below 0) when answers were lost, else 0.
    cdef int match(self, const TickRecord* rec) noexcept nogil
    # When the shell has to come: the deadline of a nogil loop.
    cdef int64_t due_ns(self) noexcept nogil
