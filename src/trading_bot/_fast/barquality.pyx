# cython: language_level=3
"""What is wrong with a minute: judged at its end, remembered for ten judged minutes."""
from libc.stdint cimport int64_t

from trading_bot._fast.barsignals cimport ago, has, range_sum
from trading_bot._fast.config cimport SessionRow
from trading_bot._fast.decay cimport MINUTE_NS, SECOND_NS
from trading_bot._fast.session cimport is_open, row_of
from trading_bot._fast.state cimport MINUTES_KEPT, VOL_Z, Bar, Bars

cdef enum:
    STUCK_BARS = 5
    BODIES = 60
    SAME_TRADES_MIN = 4
    WIDE_TICKS = 10
    GAP_S = 90


cdef void judge_minute(State* st, const Config* config, int64_t g, bint has_bar) noexcept nogil:
    cdef Quality* quality = &st.quality
    cdef int64_t bits = 0
    if has_bar:
        bits = judge_bar(st, config)
    elif is_zero_minute(config, g, st.session.last_row):
        bits = BAR_ZERO
    if has_bar or bits:
        quality.minutes[quality.minutes_at] = bits
        quality.minutes_at = quality.minutes_at + 1 if quality.minutes_at + 1 < MINUTES_KEPT else 0
        quality.bar_penalty = penalty_of_minutes(bits_of_minutes(quality))
    quality.touched &= ~TOUCHED_HERE
    quality.late = 0


cdef int64_t bits_of_minutes(const Quality* quality) noexcept nogil:
    cdef int64_t bits = 0
    cdef int i
    for i in range(MINUTES_KEPT):
        bits |= quality.minutes[i]
    return bits


cdef int64_t penalty_of_minutes(int64_t bits) noexcept nogil:
    cdef int64_t total = 0
    if bits & BAR_GAP:
        total += 50
    if bits & BAR_DUPLICATE:
        total += 50
    if bits & BAR_STUCK:
        total += 30
    if bits & BAR_ZERO:
        total += 20
    if bits & BAR_RANGE:
        total += 20
    if bits & BAR_LATE:
        total += 20
    if bits & BAR_WIDE:
        total += 15
    return total


cdef inline const SessionRow* row_at_time(const Config* config, int64_t t, int64_t hint) noexcept nogil:
    cdef int64_t at = row_of(config, t, hint)
    return NULL if at == config.rows else &config.row[at]


cdef bint is_zero_minute(const Config* config, int64_t g, int64_t hint) noexcept nogil:
    cdef const SessionRow* row = row_at_time(config, g - MINUTE_NS, hint)
    return row != NULL and row.rth_open_ns <= g - MINUTE_NS and g <= row.rth_close_ns


cdef int64_t judge_bar(State* st, const Config* config) noexcept nogil:
    cdef Quality* quality = &st.quality
    cdef const Bars* bars = &st.bars
    cdef const Bar* bar = ago(bars, 0)
    cdef int64_t bits = 0
    if quality.has_bar and missed(config, bar.ts_open_ns, quality.bar_open_ns, st.session.last_row):
        bits |= BAR_GAP
    quality.has_bar = 1
    quality.bar_open_ns = bar.ts_open_ns
    if bars.closed[2] >= 2 and is_duplicate(bar, ago(bars, 1)):
        bits |= BAR_DUPLICATE
    if is_stuck(quality, bar):
        bits |= BAR_STUCK
    if bars.closed[2] >= 30 and 30 * bar.tr_ticks > 6 * range_sum(st, 30) and not is_shock(st):
        bits |= BAR_RANGE
    if quality.late == ALL_LATE:
        bits |= BAR_LATE
    if bars.spread_sum > WIDE_TICKS * bars.spread_ns:
        bits |= BAR_WIDE
    return bits


cdef bint missed(const Config* config, int64_t ts_open, int64_t before, int64_t hint) noexcept nogil:
    """More than 90 s of session time from bar to bar."""
    cdef const SessionRow* row = row_at_time(config, ts_open, hint)
    if not is_open(row, ts_open):
        return False
    if before < row.open_ns:
        return False                                # a bar of another session
    if ts_open >= row.break_end_ns:
        before = max(before, row.break_end_ns - MINUTE_NS)
    return ts_open - before > GAP_S * SECOND_NS


cdef bint is_duplicate(const Bar* bar, const Bar* before) noexcept nogil:
    return (
        bar.high_ticks > bar.low_ticks
        and bar.trades >= SAME_TRADES_MIN
        and bar.open_ticks == before.open_ticks
        and bar.high_ticks == before.high_ticks
        and bar.low_ticks == before.low_ticks
        and bar.close_ticks == before.close_ticks
        and bar.volume == before.volume
        and bar.notional == before.notional
        and bar.trades == before.trades
    )


cdef bint is_stuck(Quality* quality, const Bar* bar) noexcept nogil:
    """The fifth bar in a row at one price, while no quote changed a size."""
    if bar.high_ticks != bar.low_ticks or bar.volume == 0:      # open and close lie between them
        quality.stuck_run = 0
    elif quality.stuck_run > 0 and bar.close_ticks == quality.stuck_ticks and not quality.touched & TOUCHED_SINCE_BAR:
        quality.stuck_run += 1
    else:
        quality.stuck_run = 0 if quality.touched & TOUCHED_HERE else 1
        quality.stuck_ticks = bar.close_ticks
    quality.touched &= ~TOUCHED_SINCE_BAR
    return quality.stuck_run >= STUCK_BARS


cdef bint is_shock(const State* st) noexcept nogil:
    """A large range that much volume and a large body stand behind."""
    cdef const Bars* bars = &st.bars
    cdef const Bar* bar = ago(bars, 0)
    cdef int64_t total = 0
    cdef int64_t squares = 0
    cdef int64_t body
    cdef int i
    if bars.closed[2] < BODIES + 1 or not has(bars, VOL_Z) or not 3.0 * bars.value[VOL_Z] > 2.5:
        return False
    if not 30 * bar.tr_ticks > 4 * range_sum(st, 30):
        return False
    for i in range(1, BODIES + 1):
        body = ago(bars, i).close_ticks - ago(bars, i).open_ticks
        total += body
        squares += body * body
    body = bar.close_ticks - bar.open_ticks
    return body * body * 3600 > 9 * (BODIES * squares - total * total)
