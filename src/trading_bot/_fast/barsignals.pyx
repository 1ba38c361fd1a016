# cython: language_level=3
"""Bar signals, those of price first. Sums run from the oldest bar to the newest; integer sums first, one division last.

Volume stands in barvolume.pyx, what belongs to a session or costs in barsession.pyx.
"""
from libc.stdint cimport int64_t, uint64_t

from trading_bot._fast.decay cimport clamp, div, root, spread_of
from trading_bot._fast.state cimport (
    ATR_14_N, BAR_SIGNALS, BREAKOUT_DISTANCE_N, BUCKETS, CLOSE_LOCATION_VALUE, HHLL_TREND_STRENGTH,
    MICRO_TREND_5, PER_BUCKET, RANGE_COMPRESSION, REAL_BODY_IMPULSE_N, REJECTION_WICK_N, SLOTS, SPREAD_TICKINESS, VOL_Z,
    VWAP_SLOPE, VWAP_Z, Bar, Bars, History,
)

cdef enum:
    SESSIONS_NEEDED = 5
    POOL_NEEDED = 30


cdef void evaluate_bar_signals(
    State* st, Scratch* scratch, int64_t bucket, int64_t minute, bint spread_known
) noexcept nogil:
    cdef Bars* bars = &st.bars
    cdef int64_t n = bars.since_anchor
    cdef int64_t ranges = bars.closed[2]
    cdef int i
    for i in range(BAR_SIGNALS):
        bars.prev_value[i] = bars.value[i]
        bars.value[i] = 0.0
    bars.prev_known = bars.known
    bars.known = 0
    bars.pooled = 0
    if n >= 60:
        vwap_z(bars)
    if n >= 30 and ranges >= 30:
        vwap_slope(bars, range_sum(st, 30))
    if ranges >= 30:
        range_compression(bars, range_sum(st, 5), range_sum(st, 30))
    if n >= 31:
        trend_strength(bars)
    shape_signals(bars)
    if ranges >= 14:
        range_signals(bars, n, range_sum(st, 14))
        atr_14_n(bars, &st.history, scratch, bucket, range_sum(st, 14))
    vol_z(bars, &st.history, minute, n)
    if spread_known and bars.spread_ns > 0:
        put(bars, SPREAD_TICKINESS, clamp((div(<double>bars.spread_sum, <double>bars.spread_ns) - 1.0) / 2.0, 0.0, 1.0))


cdef int64_t range_sum(const State* st, int n) noexcept nogil:
    cdef int64_t total = 0
    cdef int i
    for i in range(n):
        total += ago(&st.bars, i).tr_ticks
    return total


cdef inline double above_vwap(const Bar* bar, int64_t close_ticks) noexcept nogil:
    """Close minus the bar's anchored average price; 0.0 without volume."""
    if bar.anchored_volume == 0:
        return 0.0
    return div(<double>(close_ticks * bar.anchored_volume - bar.anchored_notional), <double>bar.anchored_volume)


cdef void vwap_z(Bars* bars) noexcept nogil:
    cdef double[60] x
    cdef double total = 0.0
    cdef double squares = 0.0
    cdef double mean
    cdef double deviation
    cdef int i
    for i in range(60):
        x[i] = above_vwap(ago(bars, 59 - i), ago(bars, 59 - i).close_ticks)
        total += x[i]
    mean = total / 60.0
    for i in range(60):
        squares += (x[i] - mean) * (x[i] - mean)
    deviation = root(squares / 60.0)
    if deviation != 0.0:
        put(bars, VWAP_Z, clamp(div(x[59], deviation), -3.0, 3.0) / 3.0)


cdef void vwap_slope(Bars* bars, int64_t s30) noexcept nogil:
    cdef double total = 0.0
    cdef double y
    cdef double slope
    cdef const Bar* bar
    cdef int j
    if s30 == 0:
        put(bars, VWAP_SLOPE, 0.0)
        return
    for j in range(30):
        bar = ago(bars, 29 - j)
        # (N - C V) / V: the negation of what above_vwap divides, which is exact either way; -0.0 adds like 0.0.
        y = -above_vwap(bar, ago(bars, 0).close_ticks)
        total += <double>(2 * j - 29) * y
    slope = 2.0 * total / 8990.0
    put(bars, VWAP_SLOPE, clamp(div(slope * root(30.0), <double>s30 / 30.0), -1.0, 1.0))


cdef void range_compression(Bars* bars, int64_t s5, int64_t s30) noexcept nogil:
    cdef double ratio = 0.0
    if s30 != 0:
        ratio = div(<double>s5 / 5.0, <double>s30 / 30.0)
    put(bars, RANGE_COMPRESSION, clamp(1.5 - ratio, 0.0, 1.0))


cdef void trend_strength(Bars* bars) noexcept nogil:
    cdef int64_t score = 0
    cdef const Bar* bar
    cdef const Bar* before
    cdef int i
    for i in range(30):
        bar = ago(bars, i)
        before = ago(bars, i + 1)
        if bar.high_ticks > before.high_ticks and bar.low_ticks > before.low_ticks:
            score += 1
        elif bar.low_ticks < before.low_ticks and bar.high_ticks < before.high_ticks:
            score -= 1
    put(bars, HHLL_TREND_STRENGTH, <double>score / 30.0)


cdef void shape_signals(Bars* bars) noexcept nogil:
    cdef const Bar* bar = ago(bars, 0)
    cdef int64_t lower = min(bar.open_ticks, bar.close_ticks) - bar.low_ticks
    cdef int64_t upper = bar.high_ticks - max(bar.open_ticks, bar.close_ticks)
    cdef int64_t place = (bar.close_ticks - bar.low_ticks) - (bar.high_ticks - bar.close_ticks)
    put(bars, REJECTION_WICK_N, div(<double>(lower - upper), <double>bar.tr_ticks) if bar.tr_ticks != 0 else 0.0)
    put(
        bars,
        CLOSE_LOCATION_VALUE,
        div(<double>place, <double>(bar.high_ticks - bar.low_ticks)) if bar.high_ticks != bar.low_ticks else 0.0,
    )


cdef void range_signals(Bars* bars, int64_t n, int64_t s14) noexcept nogil:
    """Distances in units of ATR14; 0.0 when it is 0."""
    cdef const Bar* bar = ago(bars, 0)
    cdef double atr = <double>s14 / 14.0
    cdef int64_t distance
    if s14 == 0:
        put(bars, REAL_BODY_IMPULSE_N, 0.0)
        if n >= 6:
            put(bars, MICRO_TREND_5, 0.0)
        if n >= 61:
            put(bars, BREAKOUT_DISTANCE_N, 0.0)
        return
    put(bars, REAL_BODY_IMPULSE_N, clamp(div(<double>(bar.close_ticks - bar.open_ticks), atr), -2.0, 2.0) / 2.0)
    if n >= 6:
        distance = bar.close_ticks - ago(bars, 5).close_ticks
        put(bars, MICRO_TREND_5, clamp(div(<double>distance, atr * root(5.0)), -1.0, 1.0))
    if n >= 61:
        put(bars, BREAKOUT_DISTANCE_N, clamp(div(<double>beyond_range(bars), atr), -2.0, 2.0) / 2.0)


cdef int64_t beyond_range(const Bars* bars) noexcept nogil:
    """Signed distance of the close beyond the range of the 60 bars before, 0 inside."""
    cdef int64_t high = ago(bars, 1).high_ticks
    cdef int64_t low = ago(bars, 1).low_ticks
    cdef int64_t close = ago(bars, 0).close_ticks
    cdef int i
    for i in range(2, 61):
        high = max(high, ago(bars, i).high_ticks)
        low = min(low, ago(bars, i).low_ticks)
    return close - high if close > high else close - low if close < low else 0


cdef void atr_14_n(Bars* bars, const History* history, Scratch* scratch, int64_t bucket, int64_t s14) noexcept nogil:
    cdef int n = 0
    cdef bint pooled = False
    cdef int64_t median2
    if bucket >= 0:
        n = gather_bucket(history, scratch.values, bucket)
    if n == 0:
        pooled = True
        n = gather_pool(history, scratch.values)
        if n < POOL_NEEDED:
            return
    median2 = twice_median(scratch.values, n)
    if median2 == 0:
        return
    put(bars, ATR_14_N, clamp(div(<double>(2 * s14), <double>median2), 0.0, 3.0) / 3.0)
    if pooled:
        bars.pooled |= <uint64_t>1 << ATR_14_N


cdef int gather_bucket(const History* history, int64_t* to, int64_t bucket) noexcept nogil:
    """Values of this bucket in the earlier sessions; 0 when fewer than five sessions have one."""
    cdef int n = 0
    cdef int sessions = 0
    cdef int64_t slot
    cdef int64_t i
    for slot in range(SLOTS):
        if slot == history.slot or history.atr_count[slot][bucket] == 0:
            continue
        sessions += 1
        for i in range(history.atr_count[slot][bucket]):
            to[n] = history.atr_sum[slot][bucket][i]
            n += 1
    return n if sessions >= SESSIONS_NEEDED else 0


cdef int gather_pool(const History* history, int64_t* to) noexcept nogil:
    cdef int n = 0
    cdef int64_t slot
    cdef int64_t bucket
    cdef int64_t i
    for slot in range(SLOTS):
        for bucket in range(BUCKETS):
            for i in range(history.atr_count[slot][bucket]):
                to[n] = history.atr_sum[slot][bucket][i]
                n += 1
    return n


cdef int64_t twice_median(int64_t* values, int n) noexcept nogil:
    """Sum of the two middle values (the middle one twice when n is odd); reorders the values; n >= 1."""
    cdef int64_t upper = select(values, n, n >> 1)
    cdef int64_t lower = upper
    cdef int i
    if n & 1 == 0:                       # select left nothing greater below the middle
        lower = values[0]
        for i in range(1, n >> 1):
            lower = max(lower, values[i])
    return lower + upper


cdef int64_t select(int64_t* values, int n, int k) noexcept nogil:
    """The k-th smallest value (from 0); smaller ones end up before it."""
    cdef int low = 0
    cdef int high = n - 1
    cdef int i
    cdef int j
    cdef int64_t pivot
    while low < high:
        pivot = values[(low + high) >> 1]
        i = low
        j = high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if k <= j:
            high = j
        elif k >= i:
            low = i
        else:
            break
    return values[k]


cdef void vol_z(Bars* bars, const History* history, int64_t minute, int64_t n) noexcept nogil:
    cdef int64_t[60] x
    cdef int64_t sum_x = 0
    cdef int k = 0
    cdef int64_t slot
    cdef double deviation
    if minute >= 0:
        for slot in range(SLOTS):
            if slot != history.slot and history.volume[slot][minute] != 0:
                x[k] = history.volume[slot][minute] - 1
                k += 1
    cdef bint fallback = k < SESSIONS_NEEDED
    if fallback:
        if n < 61:
            return
        for k in range(60):
            x[k] = ago(bars, k + 1).volume
        k = 60
    deviation = spread_of(x, k, &sum_x)
    if deviation == 0.0:
        return
    put(bars, VOL_Z, clamp(div(<double>(k * ago(bars, 0).volume - sum_x), deviation), -3.0, 3.0) / 3.0)
    if fallback:
        bars.pooled |= <uint64_t>1 << VOL_Z
