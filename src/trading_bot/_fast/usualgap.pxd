# cython: language_level=3
"""The usual time between frames by half hour of the session (docs/kernel.md, section 5)."""
from libc.stdint cimport int64_t

from trading_bot._fast.state cimport History

# The day has rolled: the new slot is empty, the medians of the earlier ones are taken.
cdef void roll_gaps(History* history) noexcept nogil
