# cython: language_level=3
"""Bar signals of a session and of costs, and the sessions of bars they need (docs/kernel.md, section 3)."""
from libc.stdint cimport int64_t

from trading_bot._fast.config cimport Config, SessionRow
from trading_bot._fast.state cimport State

# Counts the newest bar in; before the signals. row: NULL when the date is unknown.
cdef void count_in_session(State* st, const Config* config, const SessionRow* row) noexcept nogil
# After the signals of price and volume; ends_ns is the end of the bar.
cdef void evaluate_session_signals(
    State* st, const Config* config, const SessionRow* row, int64_t ends_ns
) noexcept nogil
