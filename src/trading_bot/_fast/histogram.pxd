# cython: language_level=3
"""Durations in log-linear buckets, for stage stamps on the tick path."""
cimport cython
from libc.stdint cimport int64_t


cdef enum:
    HISTOGRAM_BUCKETS = 2048    # 64 exact ones, then 64 in each doubling up to 2**37 ns (137 s)


@cython.final
cdef class Histogram:
    cdef int64_t buckets[HISTOGRAM_BUCKETS]
    cdef int64_t taken          # durations counted
    cdef int64_t largest_ns
    cpdef void add(self, int64_t ns) noexcept nogil
    cdef int64_t percentile_ns(self, int64_t milli_percent) noexcept nogil
