# cython: language_level=3
"""Counting in runs of market records."""
from libc.stdint cimport uint8_t
from trading_bot._fast.records cimport TickRecord


def count_kind(const uint8_t[::1] records not None, int kind) -> int:
    """How many of the 64-byte records are of `kind` (FrameKind).

    Raises:
        ValueError: the buffer is not a whole number of records.
    """
    cdef Py_ssize_t size = records.shape[0], offset = 0
    cdef Py_ssize_t found = 0
    if size % sizeof(TickRecord) != 0:
        raise ValueError(f"{size} bytes are not a whole number of {sizeof(TickRecord)}-byte records")
    if size == 0:
        return 0
    cdef const uint8_t* start = &records[0]
    with nogil:
        while offset < size:
            found += (<const TickRecord*>(start + offset)).kind == kind
            offset += <Py_ssize_t>sizeof(TickRecord)
    return found
