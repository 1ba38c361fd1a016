# cython: language_level=3
"""The state as Python values; nothing here changes it."""
from libc.stdint cimport int64_t

from trading_bot._fast.config cimport Config
from trading_bot._fast.state cimport State

cdef tuple candidates_of(const State* st)
cdef object signal_of(const State* st, int64_t signal_id)
cdef dict signals_of(const State* st)
cdef dict flags_of(const State* st)
cdef dict changes_of(const State* st)
cdef list bars_of(const State* st, int64_t period_s)
cdef list beliefs_of(const State* st, const Config* config)
cdef dict penalties_of(const State* st)
cdef object terms_of(const State* st, const Config* config, int index, int64_t side, double belief, int64_t ts_ns)
# SHA-256 of what a snapshot's bytes mean.
cdef bytes layout_digest()
