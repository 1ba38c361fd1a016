# cython: language_level=3
"""The bar part of the data score (docs/kernel.md, section 5), in hundredths."""
from libc.stdint cimport int64_t

from trading_bot._fast.config cimport Config
from trading_bot._fast.state cimport Quality, State

cdef enum BarComponent:
    BAR_GAP = 1
    BAR_DUPLICATE = 2
    BAR_STUCK = 4
    BAR_ZERO = 8
    BAR_RANGE = 16
    BAR_LATE = 32
    BAR_WIDE = 64

cdef enum:
    TOUCHED_HERE = 1
    TOUCHED_SINCE_BAR = 2
    LATE_S = 5
    ALL_LATE = 1              # 2: a stamped trade of the minute was in time

# The minute that ends at g; with a bar, it is the newest of the ring and its spread sums still stand.
cdef void judge_minute(State* st, const Config* config, int64_t g, bint has_bar) noexcept nogil
cdef int64_t penalty_of_minutes(int64_t bits) noexcept nogil
# The components of the minutes that are remembered.
cdef int64_t bits_of_minutes(const Quality* quality) noexcept nogil

cdef inline void forget_bar(Quality* quality) noexcept nogil:
    """A price gap: what is compared with the bar before starts afresh; what was found is remembered."""
    quality.has_bar = 0
    quality.stuck_run = 0
    quality.touched = 0
