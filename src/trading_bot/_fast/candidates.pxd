# cython: language_level=3
"""The terms of a fired candidate (docs/kernel.md, section 8)."""
from libc.stdint cimport int64_t

from trading_bot._fast.config cimport Config
from trading_bot._fast.state cimport State

# Adds the candidate to those of this call, in index order. z is used when nothing is missing.
cdef void fire(State* st, const Config* config, int template_index, int side, double z, int64_t t) noexcept nogil
