# cython: language_level=3
"""Terms of a candidate: cold, it runs only when one fires."""
from libc.math cimport floor
from libc.stdint cimport int64_t
from libc.string cimport memmove, memset

from trading_bot._fast.config cimport Config, SessionRow, Template
from trading_bot._fast.decay cimport HOUR_NS, div, magnitude, squash, to_e6
from trading_bot._fast.session cimport row_at
from trading_bot._fast.state cimport ATR_14_N, BAR_RING, Bar, CandidateRow, Report, State, TemplateState


cdef void fire(State* st, const Config* config, int template_index, int side, double z, int64_t t) noexcept nogil:
    cdef CandidateRow* row = open_row(&st.report, template_index)
    cdef TemplateState* ts = &st.template_state[template_index]
    memset(row, 0, sizeof(CandidateRow))
    row.template_index = template_index
    row.side = side
    row.missing = ts.missing
    row.episode = ts.episode[0 if side > 0 else 1]
    if not ts.missing:
        fill_terms(row, st, config, &config.template_row[template_index], z, t)


cdef inline CandidateRow* open_row(Report* report, int template_index) noexcept nogil:
    """Room for one more, before those of later templates (a grid point may evaluate two cadences)."""
    cdef int64_t at = report.candidates
    while at > 0 and report.candidate[at - 1].template_index > template_index:
        at -= 1
    memmove(&report.candidate[at + 1], &report.candidate[at], sizeof(CandidateRow) * (report.candidates - at))
    report.candidates += 1
    return &report.candidate[at]


cdef void fill_terms(
    CandidateRow* row, State* st, const Config* config, const Template* template, double z, int64_t t
) noexcept nogil:
    cdef const TemplateState* ts = &st.template_state[row.template_index]
    cdef double throttle = st.control.throttle[row.template_index]
    cdef double sigma_p = st.control.sigma_p[row.template_index]
    row.target_ticks = target_distance(st, template)
    row.stop_ticks = template.stop_ticks
    cdef double target = <double>row.target_ticks
    cdef double stop = <double>row.stop_ticks
    cdef double both = <double>(row.target_ticks + row.stop_ticks)
    cdef double c = st.control.commission_ticks
    cdef double s = slippage(st, config, t)
    cdef double e = 0.0 if template.passive else s
    cdef double belief = 0.5 * (1.0 + squash(z))
    # target and stop are at least 1 and slippage is not negative: no denominator is 0
    cdef double p_be = div(stop + c + e + s, both + s)
    cdef double p = p_be + 0.5 * (belief - p_be) * template.applicability
    cdef double edge = p * target - (1.0 - p) * stop
    cdef double cost = c + e + (1.0 - p) * s
    cdef double doubt = (
        1.0 + 0.5 * (1.0 - <double>st.quality.dvs_c / 100.0) + 0.5 * (1.0 - <double>st.control.eqs_c / 100.0)
    )
    cdef double uncertainty = both * sigma_p * doubt
    row.z_e6 = to_e6(z)
    row.belief_e6 = to_e6(belief)
    row.p_e6 = to_e6(p)
    row.p_be_e6 = to_e6(p_be)
    row.stability_e6 = to_e6(div(ts.d, template.total_weight))
    row.edge_e6 = to_e6(edge)
    row.uncertainty_e6 = to_e6(uncertainty)
    row.cost_e6 = to_e6(cost)
    row.euc_e6 = to_e6(edge - uncertainty - cost)
    row.required_e6 = to_e6(throttle * (cost + st.control.min_euc_ticks))
    row.cost_share_e6 = to_e6(div(cost, target))
    row.slippage_e6 = to_e6(s)


cdef int64_t target_distance(const State* st, const Template* template) noexcept nogil:
    cdef const Bar* bar
    cdef int64_t away
    if not template.target_is_vwap or st.bars.closed[2] == 0:
        return template.target_ticks
    bar = &st.bars.ring[2][(st.bars.closed[2] - 1) % BAR_RING]
    if bar.anchored_volume == 0:
        return template.target_ticks
    away = magnitude(bar.close_ticks * bar.anchored_volume - bar.anchored_notional)
    away = <int64_t>floor(div(<double>away, <double>bar.anchored_volume))
    return min(template.target_ticks, max(1, away))


cdef double slippage(State* st, const Config* config, int64_t t) noexcept nogil:
    cdef double for_range = 0.0
    cdef double for_spread = 0.0
    cdef double expected
    cdef int64_t spread
    if (st.bars.known >> ATR_14_N) & 1:
        if st.bars.value[ATR_14_N] * 3.0 > 2.55:
            for_range = 2.0
        elif st.bars.value[ATR_14_N] * 3.0 > 2.1:
            for_range = 1.0
    if st.flow.has_quote:
        spread = st.flow.ask_ticks - st.flow.bid_ticks
        for_spread = 2.0 if spread >= 3 else 1.0 if spread >= 2 else 0.0
    expected = (config.slippage_base_ticks + for_range + for_spread) * hour_factor(st, config, t)
    return config.slippage_cap_ticks if config.slippage_cap_ticks < expected else expected


cdef double hour_factor(State* st, const Config* config, int64_t t) noexcept nogil:
    cdef const SessionRow* row = row_at(st, config, t)
    if row == NULL or not row.rth_open_ns <= t < row.rth_close_ns:
        return 1.0
    if t < row.rth_open_ns + HOUR_NS:
        return config.first_hour_factor
    if t >= row.rth_close_ns - HOUR_NS:
        return config.last_hour_factor
    return 1.0
