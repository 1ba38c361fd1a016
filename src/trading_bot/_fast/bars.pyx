# cython: language_level=3
"""Closing of bars. Sums run from the oldest bar to the newest, over integers where the values are integers."""
from libc.stdint cimport int64_t
from libc.string cimport memset

from trading_bot._fast.barquality cimport judge_minute
from trading_bot._fast.barsession cimport count_in_session, evaluate_session_signals
from trading_bot._fast.barsignals cimport evaluate_bar_signals, range_sum
from trading_bot._fast.barvolume cimport evaluate_volume_signals
from trading_bot._fast.config cimport Config, SessionRow
from trading_bot._fast.decay cimport MINUTE_NS, SECOND_NS, floor_div
from trading_bot._fast.session cimport advance_session, bucket_of
from trading_bot._fast.state cimport BAR_RING, MINUTES, PER_BUCKET, Bar, Bars, History, State


cdef inline Bar* newest_slot(Bars* bars, int period) noexcept nogil:
    """Where the bar that is closing goes."""
    return &bars.ring[period][bars.closed[period] % BAR_RING]


cdef inline void merge(Bar* to, const Bar* bar, int64_t period_ns) noexcept nogil:
    if to.trades == 0:
        to.ts_open_ns = floor_div(bar.ts_open_ns, period_ns) * period_ns
        to.open_ticks = bar.open_ticks
        to.high_ticks = bar.high_ticks
        to.low_ticks = bar.low_ticks
    to.high_ticks = max(to.high_ticks, bar.high_ticks)
    to.low_ticks = min(to.low_ticks, bar.low_ticks)
    to.close_ticks = bar.close_ticks
    to.volume += bar.volume
    to.notional += bar.notional
    to.trades += bar.trades


cdef bint close_bars(State* st, const Config* config, Scratch* scratch, int64_t g) noexcept nogil:
    cdef Bars* bars = &st.bars
    cdef Bar* bar = &bars.open_bar[0]
    cdef bint minute = False
    if bar.trades:                                  # every grid point is run: it ends here
        newest_slot(bars, 0)[0] = bar[0]
        bars.closed[0] += 1
        merge(&bars.open_bar[1], bar, 5 * SECOND_NS)
        memset(bar, 0, sizeof(Bar))
    bar = &bars.open_bar[1]
    if bar.trades and bar.ts_open_ns + 5 * SECOND_NS <= g:
        newest_slot(bars, 1)[0] = bar[0]
        bars.closed[1] += 1
        merge(&bars.open_bar[2], bar, MINUTE_NS)
        memset(bar, 0, sizeof(Bar))
    if floor_div(g, MINUTE_NS) * MINUTE_NS == g:
        bar = &bars.open_bar[2]
        accrue_spread(bars, &st.flow, g)
        if bar.trades:
            close_minute(st, config, scratch, bar, True)
            memset(bar, 0, sizeof(Bar))
            minute = True
        judge_minute(st, config, g, minute)
        bars.spread_sum = 0
        bars.spread_ns = 0
    return minute


cdef bint take_history(State* st, const Config* config, Scratch* scratch, const Bar* bar) noexcept nogil:
    cdef Bars* bars = &st.bars
    cdef int64_t lower = min(bar.open_ticks, bar.close_ticks)
    cdef int64_t upper = max(bar.open_ticks, bar.close_ticks)
    if st.started or bar.volume < 0 or bar.low_ticks <= 0 or bar.low_ticks > lower or bar.high_ticks < upper:
        return False                                # a low above 0 and in order puts the other prices above 0
    if bars.closed[2] > 0 and bar.ts_open_ns <= bars.ring[2][(bars.closed[2] - 1) % BAR_RING].ts_open_ns:
        return False
    advance_session(st, config, bar.ts_open_ns)
    close_minute(st, config, scratch, bar, False)
    return True


cdef void close_minute(State* st, const Config* config, Scratch* scratch, const Bar* bar, bint spread_known) noexcept nogil:
    """A 60 s bar that just ended: ring, signals, histories. spread_known: the minute's spread sums belong to it."""
    cdef Bars* bars = &st.bars
    cdef Bar* kept = newest_slot(bars, 2)
    kept[0] = bar[0]
    if bars.has_close:
        kept.tr_ticks = max(bar.high_ticks, bars.prev_close_ticks) - min(bar.low_ticks, bars.prev_close_ticks)
    else:
        kept.tr_ticks = bar.high_ticks - bar.low_ticks
    bars.anchored_notional += bar.notional
    bars.anchored_volume += bar.volume
    bars.since_anchor += 1
    kept.anchored_notional = bars.anchored_notional
    kept.anchored_volume = bars.anchored_volume
    bars.closed[2] += 1
    cdef const SessionRow* row = NULL
    if st.session.called and st.session.last_row < config.rows:
        row = &config.row[st.session.last_row]
    cdef int64_t bucket = bucket_of(row, bar.ts_open_ns)
    cdef int64_t minute = minute_of(row, bar.ts_open_ns)
    count_in_session(st, config, row)
    evaluate_bar_signals(st, scratch, bucket, minute, spread_known)
    evaluate_volume_signals(st, scratch)
    evaluate_session_signals(st, config, row, bar.ts_open_ns + MINUTE_NS)
    if bucket >= 0 and bars.closed[2] >= 14:
        keep_range(&st.history, bucket, range_sum(st, 14))
    if minute >= 0:                     # a second bar of the same minute replaces the first
        st.history.volume[st.history.slot][minute] = bar.volume + 1
    bars.has_close = 1
    bars.prev_close_ticks = bar.close_ticks


cdef inline int64_t minute_of(const SessionRow* row, int64_t t) noexcept nogil:
    """Minute of the session, -1 when it has no number."""
    cdef int64_t minute = floor_div(t - row.open_ns, MINUTE_NS) if row != NULL else -1
    return minute if 0 <= minute < MINUTES else -1


cdef inline void keep_range(History* history, int64_t bucket, int64_t s14) noexcept nogil:
    cdef int64_t count = history.atr_count[history.slot][bucket]
    if count < PER_BUCKET:
        history.atr_sum[history.slot][bucket][count] = s14
        history.atr_count[history.slot][bucket] = count + 1
