# cython: language_level=3
"""The bar signals at the close of a 60 s bar; the registry rows of the 60 s bars are the definition."""
from libc.stdint cimport int64_t, uint64_t

from trading_bot._fast.bars cimport Scratch
from trading_bot._fast.state cimport BAR_RING, Bar, Bars, State

# The bar is the newest of the ring, its volume and S14 are not yet in the histories. bucket, minute: -1 when unknown.
cdef void evaluate_bar_signals(
    State* st, Scratch* scratch, int64_t bucket, int64_t minute, bint spread_known
) noexcept nogil
# Sum of the true ranges of the last n bars; there are that many.
cdef int64_t range_sum(const State* st, int n) noexcept nogil
# Sum of the two middle values (the middle one twice when n is odd); reorders the values; n >= 1.
cdef int64_t twice_median(int64_t* values, int n) noexcept nogil

cdef inline const Bar* ago(const Bars* bars, int64_t back) noexcept nogil:
    """The bar `back` before the newest."""
    return &bars.ring[2][(bars.closed[2] - 1 - back) & (BAR_RING - 1)]

cdef inline void put(Bars* bars, int signal, double value) noexcept nogil:
    bars.value[signal] = value
    bars.known |= <uint64_t>1 << signal

cdef inline bint has(const Bars* bars, int signal) noexcept nogil:
    return (bars.known >> signal) & 1
