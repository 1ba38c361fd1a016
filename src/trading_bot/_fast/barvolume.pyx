# cython: language_level=3
"""Volume, effort and participation; noise, failed breaks and sweeps that came back (rows of the registry)."""
from libc.stdint cimport int64_t

from trading_bot._fast.barsignals cimport ago, has, put, range_sum, twice_median
from trading_bot._fast.decay cimport clamp, div, magnitude, squash
from trading_bot._fast.state cimport (
    CLIMAX_BAR_FLAG, CONSECUTIVE_HIGH_VOL_BARS, EFFORT_VS_RESULT, FAILED_BREAK, NOISE, PARTICIPATION_EXPANSION_INDEX,
    QUIET_BAR_FLAG, RANGE_EXPANSION_ON_VOLUME, SWEEP_REVERSAL, VOL_SLOPE_20, VOL_Z, Bar, Bars,
)

cdef enum:
    EFFORT_BARS = 100


cdef void evaluate_volume_signals(State* st, Scratch* scratch) noexcept nogil:
    cdef Bars* bars = &st.bars
    cdef int64_t n = bars.since_anchor
    cdef int64_t ranges = bars.closed[2]
    if n >= 20:
        vol_slope_20(bars)
    if n >= EFFORT_BARS + 1:
        effort_vs_result(bars, scratch.values)
    count_high_volume(bars, n)
    if has(bars, VOL_Z):
        if ranges >= 14:
            range_flags(bars, range_sum(st, 14))
        if ranges >= 30:
            expansion(bars, range_sum(st, 30))
    if n >= 21:
        noise(bars)
    if n >= 64:
        put(bars, FAILED_BREAK, came_back(bars, 3, 60, 4))
    if n >= 23:
        put(bars, SWEEP_REVERSAL, came_back(bars, 2, 20, 6))


cdef void vol_slope_20(Bars* bars) noexcept nogil:
    cdef int64_t total = 0
    cdef int64_t weighted = 0
    cdef int j
    for j in range(20):
        total += ago(bars, 19 - j).volume
        weighted += (2 * j - 19) * ago(bars, 19 - j).volume
    if total == 0:
        put(bars, VOL_SLOPE_20, 0.0)
        return
    cdef double slope = 2.0 * <double>weighted / 2660.0
    put(bars, VOL_SLOPE_20, clamp(div(20.0 * slope, <double>total / 20.0), -1.0, 1.0))


cdef void effort_vs_result(Bars* bars, int64_t* room) noexcept nogil:
    cdef const Bar* bar = ago(bars, 0)
    cdef int64_t volume2
    cdef int64_t body2
    cdef int i
    for i in range(EFFORT_BARS):
        room[i] = ago(bars, i + 1).volume
    volume2 = twice_median(room, EFFORT_BARS)
    for i in range(EFFORT_BARS):
        room[i] = magnitude(ago(bars, i + 1).close_ticks - ago(bars, i + 1).open_ticks)
    body2 = twice_median(room, EFFORT_BARS)
    if volume2 == 0 or body2 == 0:
        return
    cdef double effort = div(<double>(2 * bar.volume), <double>volume2)
    cdef double result = div(<double>(2 * magnitude(bar.close_ticks - bar.open_ticks)), <double>body2)
    put(bars, EFFORT_VS_RESULT, squash(effort - result))


cdef void count_high_volume(Bars* bars, int64_t n) noexcept nogil:
    if n <= 1:                              # an anchor, or the first bar ever
        bars.high_volume_run = 0
    if not has(bars, VOL_Z):
        bars.high_volume_run = 0
        return
    bars.high_volume_run = bars.high_volume_run + 1 if 3.0 * bars.value[VOL_Z] > 1.0 else 0
    put(bars, CONSECUTIVE_HIGH_VOL_BARS, <double>min(bars.high_volume_run, 5) / 5.0)


cdef void range_flags(Bars* bars, int64_t s14) noexcept nogil:
    cdef int64_t tr = ago(bars, 0).tr_ticks
    cdef double vz = 3.0 * bars.value[VOL_Z]
    put(bars, CLIMAX_BAR_FLAG, 1.0 if 7 * tr > s14 and vz > 2.0 else 0.0)
    put(bars, QUIET_BAR_FLAG, 1.0 if 28 * tr < s14 and vz < -1.0 else 0.0)


cdef void expansion(Bars* bars, int64_t s30) noexcept nogil:
    cdef double vz = 3.0 * bars.value[VOL_Z]
    cdef double ratio = div(<double>ago(bars, 0).tr_ticks, <double>s30 / 30.0) if s30 != 0 else 0.0
    put(bars, RANGE_EXPANSION_ON_VOLUME, min(ratio, 2.0) * max(vz, 0.0) / 6.0)
    if has(bars, EFFORT_VS_RESULT):
        put(bars, PARTICIPATION_EXPANSION_INDEX, 0.5 * (1.0 + squash(vz + ratio - 1.0 - bars.value[EFFORT_VS_RESULT])))


cdef void noise(Bars* bars) noexcept nogil:
    cdef int64_t path = 0
    cdef int i
    for i in range(20):
        path += magnitude(ago(bars, i).close_ticks - ago(bars, i + 1).close_ticks)
    if path == 0:
        put(bars, NOISE, 1.0)
        return
    put(bars, NOISE, 1.0 - div(<double>magnitude(ago(bars, 0).close_ticks - ago(bars, 20).close_ticks), <double>path))


cdef double came_back(const Bars* bars, int back, int window, int64_t depth) noexcept nogil:
    """A break of the range of the `window` bars before it, within the last `back` bars, from which the close has returned."""
    cdef int64_t close = ago(bars, 0).close_ticks
    cdef int64_t down = 0
    cdef int64_t up = 0
    cdef int64_t high
    cdef int64_t low
    cdef int i
    cdef int k
    for k in range(back + 1):
        high = ago(bars, k + 1).high_ticks
        low = ago(bars, k + 1).low_ticks
        for i in range(k + 2, k + window + 1):
            high = max(high, ago(bars, i).high_ticks)
            low = min(low, ago(bars, i).low_ticks)
        if down == 0 and low - ago(bars, k).low_ticks >= depth and close > low:
            down = low - ago(bars, k).low_ticks
        if up == 0 and ago(bars, k).high_ticks - high >= depth and close < high:
            up = ago(bars, k).high_ticks - high
    if down > 0 and up > 0:
        return 0.0
    return clamp(<double>(down - up) / 16.0, -1.0, 1.0)
