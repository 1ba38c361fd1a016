# cython: language_level=3
"""The terms of a candidate and its verdict (docs/kernel.md, section 8)."""
from libc.stdint cimport int64_t

from trading_bot._fast.config cimport Config
from trading_bot._fast.state cimport CandidateRow, Report, State

# The candidate that a side of a template is now; z is used when nothing is missing.
cdef void draft(
    CandidateRow* row, const State* st, const Config* config, int template_index, int side, double z, int64_t t
) noexcept nogil
# The candidate that it would be with a belief from outside, 0 < belief < 1.
cdef void draft_given(
    CandidateRow* row, const State* st, const Config* config, int template_index, int side, double belief, int64_t t
) noexcept nogil
# Adds it to those of this call, in index order.
cdef void report(Report* to, const CandidateRow* row) noexcept nogil
# Expected slippage q in ticks, before factors and cap.
cdef double expected_slippage(const State* st, const Config* config, int64_t t) noexcept nogil
