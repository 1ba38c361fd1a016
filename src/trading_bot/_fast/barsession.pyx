# cython: language_level=3
"""Gap, prior value, phase, opening range, close; expected slippage and friction (rows of the registry)."""
from libc.stdint cimport int64_t

from trading_bot._fast.barsignals cimport ago, has, put, range_sum
from trading_bot._fast.candidates cimport expected_slippage
from trading_bot._fast.decay cimport HOUR_NS, MINUTE_NS, clamp, div, root_of_variance, squash
from trading_bot._fast.state cimport (
    CLOSE_MAGNET_INDEX, DISTANCE_FROM_POC_PROXY, FRICTION_REGIME_INDEX, GAP_FROM_PREV_CLOSE_N, LUNCH_VOID_GATE,
    OPENING_RANGE_BREAK, QUIET_BAR_FLAG, SESSION_PHASE, SLIPPAGE_RISK, VOL_Z, VWAP_Z, Bar, Bars, BarSession,
)

cdef enum:
    RANGE_MINUTES = 15
    RANGE_BARS_NEEDED = 10

# Ends of the phases, in minutes of a session of 390.
cdef int64_t[5] PHASE_ENDS = [60, 120, 240, 330, 390]


cdef inline bint in_session(const Config* config, const SessionRow* row, int64_t ts_open) noexcept nogil:
    if row == NULL:
        return False
    return not config.anchor_rth or row.rth_open_ns <= ts_open < row.rth_close_ns


cdef inline int64_t session_open(const Config* config, const SessionRow* row) noexcept nogil:
    return row.rth_open_ns if config.anchor_rth else row.open_ns


cdef void count_in_session(State* st, const Config* config, const SessionRow* row) noexcept nogil:
    cdef Bars* bars = &st.bars
    cdef BarSession* session = &bars.session
    cdef const Bar* bar = ago(bars, 0)
    cdef int64_t away, opens_ns
    if not in_session(config, row, bar.ts_open_ns):
        return
    if session.bars == 0:
        session.first_open_ticks = bar.open_ticks
    away = bar.close_ticks - session.first_open_ticks
    session.bars += 1
    session.last_close_ticks = bar.close_ticks
    session.sum_away += away
    session.sum_away2 += away * away
    session.notional += bar.notional
    session.volume += bar.volume
    opens_ns = session_open(config, row)
    if opens_ns <= bar.ts_open_ns < opens_ns + RANGE_MINUTES * MINUTE_NS:
        if bars.range_bars == 0 or bar.high_ticks > bars.range_high_ticks:
            bars.range_high_ticks = bar.high_ticks
        if bars.range_bars == 0 or bar.low_ticks < bars.range_low_ticks:
            bars.range_low_ticks = bar.low_ticks
        bars.range_bars += 1


cdef void evaluate_session_signals(
    State* st, const Config* config, const SessionRow* row, int64_t ends_ns
) noexcept nogil:
    cdef Bars* bars = &st.bars
    cdef int64_t s14 = range_sum(st, 14) if bars.closed[2] >= 14 else -1
    against_prior(bars, in_session(config, row, ago(bars, 0).ts_open_ns))
    if row != NULL and row.rth_close_ns > row.rth_open_ns:
        session_phase(bars, row)
    if s14 >= 0 and in_session(config, row, ago(bars, 0).ts_open_ns):
        opening_range_break(bars, session_open(config, row), s14)
    if has(bars, SESSION_PHASE) and has(bars, QUIET_BAR_FLAG):
        put(bars, LUNCH_VOID_GATE, 1.0 if bars.value[SESSION_PHASE] == 3.0 and bars.value[QUIET_BAR_FLAG] == 1.0 else 0.0)
    close_magnet_index(bars, row)
    costs(st, config, s14, ends_ns)


cdef void against_prior(Bars* bars, bint inside) noexcept nogil:
    cdef const BarSession* prior = &bars.prior
    cdef int64_t close = ago(bars, 0).close_ticks
    cdef double deviation
    if prior.bars == 0:
        return
    deviation = div(root_of_variance(prior.bars, prior.sum_away2, prior.sum_away), <double>prior.bars)
    if deviation == 0.0:
        return
    if inside:
        put(
            bars,
            GAP_FROM_PREV_CLOSE_N,
            clamp(div(<double>(bars.session.first_open_ticks - prior.last_close_ticks), deviation), -2.0, 2.0) / 2.0,
        )
    if prior.volume != 0:
        put(
            bars,
            DISTANCE_FROM_POC_PROXY,
            clamp(
                div(div(<double>(close * prior.volume - prior.notional), <double>prior.volume), deviation), -3.0, 3.0
            ) / 3.0,
        )


cdef void session_phase(Bars* bars, const SessionRow* row) noexcept nogil:
    cdef int64_t since = ago(bars, 0).ts_open_ns - row.rth_open_ns
    cdef int64_t length = row.rth_close_ns - row.rth_open_ns
    cdef int phase = 6
    cdef int i
    if since < 0:
        phase = 0
    else:
        for i in range(5):
            if since * 390 < PHASE_ENDS[i] * length:
                phase = i + 1
                break
    put(bars, SESSION_PHASE, <double>phase)


cdef void opening_range_break(Bars* bars, int64_t opened_ns, int64_t s14) noexcept nogil:
    cdef int64_t close = ago(bars, 0).close_ticks
    cdef int64_t beyond = 0
    if bars.range_bars < RANGE_BARS_NEEDED or ago(bars, 0).ts_open_ns < opened_ns + RANGE_MINUTES * MINUTE_NS:
        return
    if s14 == 0:
        put(bars, OPENING_RANGE_BREAK, 0.0)
        return
    if close > bars.range_high_ticks:
        beyond = close - bars.range_high_ticks
    elif close < bars.range_low_ticks:
        beyond = close - bars.range_low_ticks
    put(bars, OPENING_RANGE_BREAK, clamp(div(<double>beyond, <double>s14 / 14.0), -1.0, 1.0))


cdef void close_magnet_index(Bars* bars, const SessionRow* row) noexcept nogil:
    cdef int64_t ts_open = ago(bars, 0).ts_open_ns
    cdef double pull
    if row == NULL or not row.rth_close_ns - HOUR_NS <= ts_open < row.rth_close_ns:
        put(bars, CLOSE_MAGNET_INDEX, 0.0)
        return
    if has(bars, VWAP_Z) and has(bars, VOL_Z):
        pull = bars.value[VWAP_Z] if bars.value[VWAP_Z] >= 0.0 else -bars.value[VWAP_Z]
        put(bars, CLOSE_MAGNET_INDEX, 0.5 * (1.0 + squash(-(3.0 * pull) + 3.0 * bars.value[VOL_Z])))


cdef void costs(State* st, const Config* config, int64_t s14, int64_t ends_ns) noexcept nogil:
    cdef Bars* bars = &st.bars
    cdef double q = min(expected_slippage(st, config, ends_ns), config.slippage_cap_ticks)
    put(bars, SLIPPAGE_RISK, min(q / 6.0, 1.0))
    if s14 == 0:
        put(bars, FRICTION_REGIME_INDEX, 1.0)
    elif s14 > 0:
        put(
            bars,
            FRICTION_REGIME_INDEX,
            clamp(div(st.control.commission_ticks + q, <double>s14 / 14.0), 0.0, 1.0),
        )
