# cython: language_level=3
"""Hypothetical trades of one lot that touch nothing else (docs/simulator.md, section 9)."""
from libc.stdint cimport int64_t

from trading_bot._fast.exchange_state cimport Exchange
from trading_bot._fast.records cimport TickRecord

cdef int64_t next_shadow_ns(Exchange* ex) noexcept nogil
cdef void run_shadows(Exchange* ex) noexcept nogil
cdef void shadows_see_quote(Exchange* ex) noexcept nogil
cdef void shadows_see_trade(Exchange* ex, const TickRecord* rec) noexcept nogil
