# cython: language_level=3
"""One segment's memory as the writer holds it (`slot`), and the Python object that keeps it alive."""
from libc.stdint cimport uint8_t, uint64_t

cdef struct SegmentSlot:
    uint8_t* base
    uint64_t size_bytes
    uint64_t used_bytes       # end of the last record; final once the segment is retired
    uint64_t first_seq
    uint64_t last_seq         # first_seq - 1 while it holds no record
    uint64_t index
    SegmentSlot* older        # chain of retired segments, newest first

cdef class Segment:
    cdef SegmentSlot slot
    cdef Py_buffer view
    cdef bint held
    cdef object owner
