# cython: language_level=3
"""Bar signals of volume, and the patterns of several bars."""
from trading_bot._fast.bars cimport Scratch
from trading_bot._fast.state cimport State

# After the signals of price: vol_z has its value, or none.
cdef void evaluate_volume_signals(State* st, Scratch* scratch) noexcept nogil
