# cython: language_level=3
"""Whether a state's indices and counters stay inside its own tables: bytes of a snapshot may be somebody else's.

Values are not judged: a forged one decides wrongly, and replay tells. What is looked at here is what would be read or
written beyond an array, or counted up to for ever. A new index into an array of State belongs here as well.
"""
from libc.stdint cimport int64_t

from trading_bot._fast.config cimport Config
from trading_bot._fast.state cimport (
    BUCKETS, DELAY_RING, MINUTES_KEPT, PER_BUCKET, PERIODS, SECONDS_KEPT, SLOTS, Flow, History, Quality, State,
)


cdef inline bint counts(int64_t value) noexcept nogil:
    return 0 <= value <= 1152921504606846976LL     # 2^60: far beyond what is ever counted, and room for more


cdef inline bint history_is_sane(const History* history) noexcept nogil:
    cdef int slot, bucket
    if not 0 <= history.slot < SLOTS:
        return False
    for slot in range(SLOTS):
        for bucket in range(BUCKETS):
            if not 0 <= history.atr_count[slot][bucket] <= PER_BUCKET:
                return False
    return True


cdef inline bint delays_are_sane(const Quality* quality) noexcept nogil:
    """The ordered copy holds what the ring holds: the oldest is looked for in it."""
    cdef int n = <int>min(quality.delays, <int64_t>DELAY_RING)
    cdef int i, k, more
    for i in range(1, n):
        if quality.delay_order[i - 1] > quality.delay_order[i]:
            return False
    for i in range(n):
        more = 0
        for k in range(n):
            more += (quality.delay_order[k] == quality.delay_ring[i]) - (quality.delay_ring[k] == quality.delay_ring[i])
        if more != 0:
            return False
    return True


cdef inline bint is_sane(const State* st, const Config* config) noexcept nogil:
    cdef const Quality* quality = &st.quality
    cdef const Flow* flow = &st.flow
    cdef int period
    for period in range(PERIODS):
        if not counts(st.bars.closed[period]):
            return False
    return (
        history_is_sane(&st.history)
        and 0 <= st.session.row <= config.rows
        and 0 <= st.session.last_row <= config.rows
        and 0 <= quality.seconds_at < SECONDS_KEPT
        and 0 <= quality.minutes_at < MINUTES_KEPT
        and counts(quality.delays)
        and delays_are_sane(quality)
        and counts(flow.vpin_count)
        and 0 <= flow.vpin_filled < config.vpin_bucket_qty
        and counts(flow.grid_at)
        and st.now_ns >= 0     # a time, and times of this century are above 2^60
    )
