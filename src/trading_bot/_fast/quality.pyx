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
        keep_delay(quality, quality.least_delay_ns)
        quality.least_delay_ns = -1
        quality.median_delay_ns = median_delay(quality)


cdef void count_frames(State* st, const Config* config, int64_t g) noexcept nogil:
    cdef int64_t frames = st.quotes + st.trades + st.rejected
    cdef const SessionRow* row = row_at(st, config, g)
    cdef int64_t bucket = bucket_of(row, g) if is_open(row, g) else -1
    if bucket >= 0:
        st.history.gap_seconds[st.history.slot][bucket] += 1
        st.history.gap_frames[st.history.slot][bucket] += frames - st.quality.frames
    st.quality.frames = frames


cdef void keep_delay(Quality* quality, int64_t delay) noexcept nogil:
    """Into the ring and its ordered copy, in the place of the oldest when the ring is full."""
    cdef int64_t* slot = &quality.delay_ring[quality.delays % DELAY_RING]
    cdef int64_t* order = quality.delay_order
    cdef int n = <int>min(quality.delays, DELAY_RING)
    cdef int last = n                                         # place to fill: the end, or that of the value that leaves
    if last == DELAY_RING:
        last = 0
        while order[last] != slot[0]:
            last += 1
    while last > 0 and order[last - 1] > delay:
        order[last] = order[last - 1]
        last -= 1
    while last + 1 < n and order[last + 1] < delay:
        order[last] = order[last + 1]
        last += 1
    order[last] = delay
    slot[0] = delay
    quality.delays += 1


cdef int64_t median_delay(const Quality* quality) noexcept nogil:
    cdef int n = <int>min(quality.delays, DELAY_RING)
    cdef int64_t upper = quality.delay_order[n >> 1]
    return upper if n & 1 else (quality.delay_order[(n >> 1) - 1] + upper) >> 1   # not negative: the shift is the floor


cdef int64_t age_penalty(State* st, const Config* config, int64_t g) noexcept nogil:
    cdef const SessionRow* row = row_at(st, config, g)
    if not is_open(row, g):
        return 0
    cdef int64_t since = max(st.quality.frame_ns, row.open_ns)
    if row.break_end_ns <= g:
        since = max(since, row.break_end_ns)
    cdef int64_t bucket = bucket_of(row, g)
    cdef int64_t usual_ns = st.history.usual_gap_ns[bucket] if bucket >= 0 else 0
    cdef int64_t factor = 1 if is_rth(row, g) else config.age_outside_rth_factor
    cdef int64_t age_ns = g - since
    if age_ns > factor * max(config.age_ns[2], 32 * usual_ns):
        return 100
    if age_ns > factor * max(config.age_ns[1], 16 * usual_ns):
        return 40
    if age_ns > factor * max(config.age_ns[0], 8 * usual_ns):
        return 10
    return 0
