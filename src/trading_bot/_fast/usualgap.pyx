# cython: language_level=3
"""Medians of the sessions that are kept: how long it usually is from frame to frame at this time of day."""
from libc.stdint cimport int64_t

from trading_bot._fast.decay cimport SECOND_NS, floor_div
from trading_bot._fast.state cimport BUCKETS, SLOTS

cdef enum:
    SESSIONS_NEEDED = 5


cdef void roll_gaps(History* history) noexcept nogil:
    cdef int64_t bucket
    for bucket in range(BUCKETS):
        history.gap_seconds[history.slot][bucket] = 0
        history.gap_frames[history.slot][bucket] = 0
    for bucket in range(BUCKETS):
        history.usual_gap_ns[bucket] = usual_gap(history, bucket)


cdef int64_t usual_gap(const History* history, int64_t bucket) noexcept nogil:
    cdef int64_t[SLOTS] gap
    cdef int64_t slot
    cdef int64_t value
    cdef int n = 0
    cdef int i
    for slot in range(SLOTS):
        if slot == history.slot or history.gap_frames[slot][bucket] == 0:
            continue
        value = floor_div(history.gap_seconds[slot][bucket] * SECOND_NS, history.gap_frames[slot][bucket])
        i = n
        while i > 0 and gap[i - 1] > value:
            gap[i] = gap[i - 1]
            i -= 1
        gap[i] = value
        n += 1
    if n < SESSIONS_NEEDED:
        return 0
    return gap[n >> 1] if n & 1 else (gap[(n >> 1) - 1] + gap[n >> 1]) >> 1     # not negative: the shift is the floor
