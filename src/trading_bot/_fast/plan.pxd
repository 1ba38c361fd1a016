# cython: language_level=3
"""Owner of the checked configuration tables."""
from trading_bot._fast.config cimport Config
from trading_bot._fast.state cimport Control

cdef class Plan:
    cdef Config config
    cdef readonly object source          # the KernelConfig
    cdef readonly bytes digest           # SHA-256 of it

# The control block a KernelConfig begins with.
# A fed signal's value into the control block; None: it has none. Raises ValueError for another signal or out of its range.
cdef int feed(Control* to, object signal, object value) except -1
cdef int first_control(Control* to, object source) except -1
