# cython: language_level=3
"""The bar signals at the close of a 60 s bar; the registry rows 0..24 are the definition."""
from libc.stdint cimport int64_t

from trading_bot._fast.bars cimport Scratch
from trading_bot._fast.state cimport State

# The bar is the newest of the ring, its volume and S14 are not yet in the histories. bucket, minute: -1 when unknown.
cdef void evaluate_bar_signals(
    State* st, Scratch* scratch, int64_t bucket, int64_t minute, bint spread_known
) noexcept nogil
# Sum of the true ranges of the last n bars; there are that many.
cdef int64_t range_sum(const State* st, int n) noexcept nogil
