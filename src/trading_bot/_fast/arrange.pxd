# cython: language_level=3
"""What an evaluation reads side by side, put together from the configuration (templates.pxd has its shape)."""
from trading_bot._fast.config cimport Config
from trading_bot._fast.state cimport State
from trading_bot._fast.templates cimport Groups

# Lists the templates that are on; derived from the configuration and the state, not part of it. Called whenever the
# control block or the state changed other than by evaluation.
cdef void arrange(Groups* groups, const Config* config, State* st) noexcept nogil
