# cython: language_level=3
"""The parts of the data score that run once a second or when the stream is silent."""
from libc.stdint cimport int64_t
from libc.string cimport memset

from trading_bot._fast.config cimport Config, SessionRow
from trading_bot._fast.session cimport bucket_of, is_open, is_rth, row_at
from trading_bot._fast.state cimport DELAY_RING, SECONDS_KEPT, Quality, State


cdef int64_t penalty_of_bits(int64_t bits) noexcept nogil:
    cdef int64_t total = 0
    if bits & CROSSED:
        total += 40
    if bits & LOCKED:
        total += 10
    if bits & REGRESSION:
        total += 30
    if bits & DELAY_LONG:
        total += 30
    elif bits & DELAY_SHORT:
        total += 10
    if bits & OUTSIDE:
        total += 20
    if bits & REJECTED:
        total += 20
    if bits & DELAYED:
        total += 100
    return total


cdef void reset_quality(Quality* quality) noexcept nogil:
    memset(quality, 0, sizeof(Quality))
    quality.dvs_c = 100
    quality.dvs_min_c = 100
    quality.band = 3
    quality.least_delay_ns = -1
    quality.median_delay_ns = -1


cdef void roll_second(Quality* quality) noexcept nogil:
    cdef int i
    quality.seconds[quality.seconds_at] = quality.current
    quality.seconds_at = quality.seconds_at + 1 if quality.seconds_at + 1 < SECONDS_KEPT else 0
    if quality.current | quality.closed:
        quality.closed = 0
        for i in range(SECONDS_KEPT):
            quality.closed |= quality.seconds[i]
        quality.current = 0
    if quality.least_delay_ns >= 0:
        quality.delay_ring[quality.delays % DELAY_RING] = quality.least_delay_ns
        quality.delays += 1
        quality.least_delay_ns = -1
        quality.median_delay_ns = median_delay(quality)


cdef int64_t median_delay(const Quality* quality) noexcept nogil:
    cdef int64_t[DELAY_RING] ordered
    cdef int n = <int>min(quality.delays, DELAY_RING)
    cdef int i
    cdef int at
    cdef int64_t value
    for i in range(n):
        value = quality.delay_ring[i]
        at = i
        while at > 0 and ordered[at - 1] > value:
            ordered[at] = ordered[at - 1]
            at -= 1
        ordered[at] = value
    if n & 1:
        return ordered[n >> 1]
    return (ordered[(n >> 1) - 1] + ordered[n >> 1]) >> 1     # not negative: the shift is the floor of the half


cdef int64_t age_penalty(State* st, const Config* config, int64_t g) noexcept nogil:
    cdef const SessionRow* row = row_at(st, config, g)
    if not is_open(row, g):
        return 0
    cdef int64_t since = max(st.quality.frame_ns, row.open_ns)
    if row.break_end_ns <= g:
        since = max(since, row.break_end_ns)
    cdef int64_t bucket = bucket_of(row, g)
    cdef int64_t usual_ns = st.control.usual_gap_ns[bucket] if bucket >= 0 else 0
    cdef int64_t factor = 1 if is_rth(row, g) else config.age_outside_rth_factor
    cdef int64_t age_ns = g - since
    if age_ns > factor * max(config.age_ns[2], 32 * usual_ns):
        return 100
    if age_ns > factor * max(config.age_ns[1], 16 * usual_ns):
        return 40
    if age_ns > factor * max(config.age_ns[0], 8 * usual_ns):
        return 10
    return 0
