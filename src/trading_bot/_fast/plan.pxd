# cython: language_level=3
"""Owner of the checked configuration tables."""
from trading_bot._fast.config cimport Config

cdef class Plan:
    cdef Config config
    cdef readonly object source          # the KernelConfig
    cdef readonly bytes digest           # SHA-256 of it
