# cython: language_level=3
"""Data validity score of the ticks (docs/kernel.md, section 5), in hundredths."""
from libc.stdint cimport int64_t

from trading_bot._fast.config cimport Config
from trading_bot._fast.decay cimport SECOND_NS
from trading_bot._fast.session cimport is_open, row_at
from trading_bot._fast.state cimport Flow, Quality, State

cdef enum Component:
    CROSSED = 1
    LOCKED = 2
    REGRESSION = 4
    DELAY_SHORT = 8
    DELAY_LONG = 16
    OUTSIDE = 32
    REJECTED = 64
    DELAYED = 128

cdef enum:
    QUALITY_CHANGED = 2       # Outcome.QUALITY
    OUTSIDE_TICKS = 4
    DELAY_SHORT_NS = 250000000

cdef int64_t penalty_of_bits(int64_t bits) noexcept nogil
cdef void reset_quality(Quality* quality) noexcept nogil
cdef void roll_second(Quality* quality) noexcept nogil
# The whole second g is over: its frames are counted to the half hour of g.
cdef void count_frames(State* st, const Config* config, int64_t g) noexcept nogil
# The age penalty at grid point g, which is open and has seen a frame.
cdef int64_t age_penalty(State* st, const Config* config, int64_t g) noexcept nogil

cdef inline int score(Quality* quality, const Config* config) noexcept nogil:
    """Recompute the score; QUALITY_CHANGED when the band is another one than the last reported."""
    cdef int64_t dvs = 100 - config.penalty_c[quality.current | quality.closed] - quality.age_penalty - quality.bar_penalty
    if dvs < 0:
        dvs = 0
    if dvs == quality.dvs_c:
        return 0
    quality.dvs_c = dvs
    if dvs < quality.dvs_min_c:
        quality.dvs_min_c = dvs
    cdef int64_t band = (
        3 if dvs >= config.dvs_entry_c else 2 if dvs >= config.dvs_hold_c else 1 if dvs >= config.dvs_kill_c else 0
    )
    if band == quality.band:
        return 0
    quality.band = band
    return QUALITY_CHANGED

cdef inline void see_frame(Quality* quality, int64_t ts) noexcept nogil:
    quality.has_frame = 1
    quality.frame_ns = ts
    quality.age_penalty = 0

cdef inline void see_stamp(Quality* quality, const Config* config, int64_t ts, int64_t event_ns, int64_t* previous_ns) noexcept nogil:
    """A frame's event stamp (> 0) against the previous one of its kind, and its delay against the usual one."""
    if event_ns < previous_ns[0] - config.resolution_ns:     # previous is 0 before the first stamp
        quality.current |= REGRESSION
    previous_ns[0] = event_ns
    cdef int64_t delay = ts - event_ns - config.resolution_ns
    if delay < 0:
        delay = 0
    if quality.least_delay_ns < 0 or delay < quality.least_delay_ns:
        quality.least_delay_ns = delay
    if quality.median_delay_ns >= 0 and delay - quality.median_delay_ns > DELAY_SHORT_NS:
        quality.current |= DELAY_LONG if delay - quality.median_delay_ns > SECOND_NS else DELAY_SHORT

cdef inline void see_spread(State* st, const Config* config, int64_t t) noexcept nogil:
    """Crossed or locked at t, at a quote or a grid point."""
    cdef const Flow* flow = &st.flow
    if flow.bid_ticks < flow.ask_ticks or not flow.has_quote:
        return
    if flow.bid_ticks > flow.ask_ticks:
        if is_open(row_at(st, config, t), t):
            st.quality.current |= CROSSED
    elif t - st.quality.locked_since_ns > SECOND_NS and is_open(row_at(st, config, t), t):
        st.quality.current |= LOCKED

cdef inline void see_quote(State* st, const Config* config, int64_t ts) noexcept nogil:
    """The new book is in place."""
    if st.flow.bid_ticks < st.flow.ask_ticks:
        st.quality.locked = 0
        return
    if st.flow.bid_ticks > st.flow.ask_ticks:
        st.quality.locked = 0
    elif not st.quality.locked:
        st.quality.locked = 1
        st.quality.locked_since_ns = ts
    see_spread(st, config, ts)

cdef inline int judge_grid(State* st, const Config* config, int64_t g) noexcept nogil:
    see_spread(st, config, g)
    if st.quality.has_frame and g - st.quality.frame_ns > config.age_least_ns:
        st.quality.age_penalty = age_penalty(st, config, g)
    else:
        st.quality.age_penalty = 0
    return score(&st.quality, config)
