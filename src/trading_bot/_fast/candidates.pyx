# cython: language_level=3
"""Terms and verdict of a candidate: cold, they are worked out only when a side that holds is looked at."""
from libc.math cimport floor
from libc.stdint cimport int64_t
from libc.string cimport memmove, memset

from trading_bot._fast.config cimport CalibrationMap, Config, Knot, SessionRow, Template
from trading_bot._fast.decay cimport HOUR_NS, clamp, div, magnitude, root, squash, to_e6
from trading_bot._fast.session cimport row_of
from trading_bot._fast.signals cimport signal_value
from trading_bot._fast.state cimport ATR_14_N, BAR_RING, RV_300S, Bar, CandidateRow, Report, State, TemplateState

cdef enum:                    # domain.kernel.Verdict
    MISSING = 1
    UNSTABLE = 2
    COST_SHARE = 4
    EUC_LOW = 8

cdef struct Chances:          # what a belief means: ways to end, and the mean mark at the time stop
    double p_target
    double p_stop
    double p_time
    double mark_ticks


cdef void draft(
    CandidateRow* row, const State* st, const Config* config, int template_index, int side, double z, int64_t t
) noexcept nogil:
    cdef const TemplateState* ts = &st.template_state[template_index]
    begin(row, template_index, side)
    row.episode = ts.episode[0 if side > 0 else 1]
    if ts.missing or not scale_distances(row, st, &config.template_row[template_index], t):
        row.missing = 1
        row.verdict = MISSING
        return
    row.z_e6 = to_e6(z)
    # only templates with weights are evaluated: the total is not 0
    row.stability_e6 = to_e6(div(ts.d, config.template_row[template_index].total_weight))
    fill_terms(row, st, config, 0.5 * (1.0 + squash(z)), t)


cdef void draft_given(
    CandidateRow* row, const State* st, const Config* config, int template_index, int side, double belief, int64_t t
) noexcept nogil:
    begin(row, template_index, side)
    if not scale_distances(row, st, &config.template_row[template_index], t):
        row.missing = 1
        row.verdict = MISSING
        return
    # the belief lies between 0 and 1, and so does its product with the rest of 1: the root is not 0
    row.z_e6 = to_e6(div(2.0 * belief - 1.0, 2.0 * root(belief * (1.0 - belief))))
    fill_terms(row, st, config, belief, t)


cdef inline void begin(CandidateRow* row, int template_index, int side) noexcept nogil:
    memset(row, 0, sizeof(CandidateRow))
    row.template_index = template_index
    row.side = side


cdef void report(Report* to, const CandidateRow* row) noexcept nogil:
    """Before those of later templates: a grid point may evaluate two cadences."""
    cdef int64_t at = to.candidates
    while at > 0 and to.candidate[at - 1].template_index > row.template_index:
        at -= 1
    memmove(&to.candidate[at + 1], &to.candidate[at], sizeof(CandidateRow) * (to.candidates - at))
    to.candidate[at] = row[0]
    to.candidates += 1


cdef bint scale_distances(CandidateRow* row, const State* st, const Template* template, int64_t t) noexcept nogil:
    """Target and stop with the volatility of now; False when that has no value."""
    cdef double scale = 1.0
    cdef double volatility
    if template.rv_reference > 0.0:
        if not signal_value(st, t, RV_300S, &volatility):
            return False
        scale = clamp(div(volatility, template.rv_reference), 0.5, 2.0)
    row.scale_e6 = to_e6(scale)
    row.stop_ticks = scaled(template.stop_ticks, scale)
    row.target_ticks = target_distance(st, template, scaled(template.target_ticks, scale))
    return True


cdef inline int64_t scaled(int64_t ticks, double scale) noexcept nogil:
    return max(1, <int64_t>floor(<double>ticks * scale + 0.5))


cdef void fill_terms(CandidateRow* row, const State* st, const Config* config, double belief, int64_t t) noexcept nogil:
    cdef const Template* template = &config.template_row[row.template_index]
    cdef double target = <double>row.target_ticks
    cdef double stop = <double>row.stop_ticks
    cdef double both = <double>(row.target_ticks + row.stop_ticks)
    cdef double c = st.control.commission_ticks
    cdef double q = expected_slippage(st, config, t)
    cdef double s = min(q * st.control.stop_factor, config.slippage_cap_ticks)
    cdef double e = 0.0 if template.passive else min(q * st.control.entry_factor, config.slippage_cap_ticks)
    cdef double half_spread = 0.5 * <double>(st.flow.ask_ticks - st.flow.bid_ticks) if st.flow.has_quote else 0.0
    # target and stop are at least 1 and slippage is not negative: no denominator is 0
    cdef double p_be = div(stop + c + e + s, both + s)
    cdef Chances chances
    row.volatility = volatility_bucket(st)
    row.fitted = template.map[row.volatility].knots > 0
    if row.fitted:
        read_map(&chances, &template.map[row.volatility], belief)
    else:
        chances.p_target = p_be + 0.5 * (belief - p_be) * template.applicability
        chances.p_stop = 1.0 - chances.p_target
        chances.p_time = 0.0
        chances.mark_ticks = 0.0
    cdef double edge = edge_of(&chances, target, stop)
    cdef double cost = cost_of(&chances, c + e, s, half_spread)
    cdef double factor = st.control.belief_factor[row.template_index]
    if factor < 1.0 and edge > cost:
        withhold(&chances, div((1.0 - factor) * (edge - cost), both + s))
        edge = edge_of(&chances, target, stop)
        cost = cost_of(&chances, c + e, s, half_spread)
    cdef double doubt = (
        1.0 + 0.5 * (1.0 - <double>st.quality.dvs_c / 100.0) + 0.5 * (1.0 - <double>st.control.eqs_c / 100.0)
    )
    cdef double uncertainty = both * st.control.sigma_p[row.template_index] * doubt
    row.belief_e6 = to_e6(belief)
    row.p_e6 = to_e6(chances.p_target)
    row.p_be_e6 = to_e6(p_be)
    row.edge_e6 = to_e6(edge)
    row.uncertainty_e6 = to_e6(uncertainty)
    row.cost_e6 = to_e6(cost)
    row.euc_e6 = to_e6(edge - uncertainty - cost)
    row.required_e6 = to_e6(st.control.throttle[row.template_index] * (cost + st.control.min_euc_ticks))
    row.cost_share_e6 = to_e6(div(cost, target))
    row.slippage_e6 = to_e6(s)
    row.p_stop_e6 = to_e6(chances.p_stop)
    row.p_time_e6 = to_e6(chances.p_time)
    row.mark_e6 = to_e6(chances.mark_ticks)
    row.entry_slippage_e6 = to_e6(e)
    row.verdict = verdict_of(row, config)


cdef inline double edge_of(const Chances* of, double target, double stop) noexcept nogil:
    return of.p_target * target - of.p_stop * stop + of.p_time * of.mark_ticks


cdef inline double cost_of(const Chances* of, double fixed, double s, double half_spread) noexcept nogil:
    return fixed + (of.p_stop + of.p_time) * s + of.p_time * half_spread


cdef inline void withhold(Chances* of, double share) noexcept nogil:
    """Chance that belief promises and trades have not shown: counted as a stop instead of a target."""
    share = min(share, of.p_target)
    of.p_target -= share
    of.p_stop += share


cdef inline int64_t verdict_of(const CandidateRow* row, const Config* config) noexcept nogil:
    cdef int64_t verdict = 0
    if row.stability_e6 > config.stability_max_e6:
        verdict |= UNSTABLE
    if row.cost_share_e6 > config.cost_share_max_e6:
        verdict |= COST_SHARE
    if row.edge_e6 - row.uncertainty_e6 < row.required_e6:
        verdict |= EUC_LOW
    return verdict


cdef void read_map(Chances* to, const CalibrationMap* fitted, double belief) noexcept nogil:
    """Straight lines between the knots; outside them what the nearest one says."""
    cdef const Knot* low = &fitted.knot[0]
    cdef const Knot* high
    cdef double share = 0.0
    cdef int i = 0
    if belief >= fitted.knot[fitted.knots - 1].belief:
        low = &fitted.knot[fitted.knots - 1]
        high = low
    elif belief < low.belief:
        high = low
    else:
        while belief >= fitted.knot[i + 1].belief:
            i += 1
        low = &fitted.knot[i]
        high = &fitted.knot[i + 1]
        share = div(belief - low.belief, high.belief - low.belief)      # knots ascend: no denominator is 0
    to.p_target = low.p_target + share * (high.p_target - low.p_target)
    to.p_stop = low.p_stop + share * (high.p_stop - low.p_stop)
    to.p_time = 1.0 - to.p_target - to.p_stop
    to.mark_ticks = low.mark_ticks + share * (high.mark_ticks - low.mark_ticks)


cdef inline int64_t volatility_bucket(const State* st) noexcept nogil:
    """0 low, 1 normal or not known, 2 high."""
    if not (st.bars.known >> ATR_14_N) & 1:
        return 1
    cdef double ratio = st.bars.value[ATR_14_N] * 3.0
    return 0 if ratio < 0.7 else 2 if ratio > 1.5 else 1


cdef int64_t target_distance(const State* st, const Template* template, int64_t target_ticks) noexcept nogil:
    cdef const Bar* bar
    cdef int64_t away
    if not template.target_is_vwap or st.bars.closed[2] == 0:
        return target_ticks
    bar = &st.bars.ring[2][(st.bars.closed[2] - 1) % BAR_RING]
    if bar.anchored_volume == 0:
        return target_ticks
    away = magnitude(bar.close_ticks * bar.anchored_volume - bar.anchored_notional)
    away = <int64_t>floor(div(<double>away, <double>bar.anchored_volume))
    return min(target_ticks, max(1, away))


cdef double expected_slippage(const State* st, const Config* config, int64_t t) noexcept nogil:
    cdef double for_range = 0.0
    cdef double for_spread = 0.0
    cdef int64_t spread
    if (st.bars.known >> ATR_14_N) & 1:
        if st.bars.value[ATR_14_N] * 3.0 > 2.55:
            for_range = 2.0
        elif st.bars.value[ATR_14_N] * 3.0 > 2.1:
            for_range = 1.0
    if st.flow.has_quote:
        spread = st.flow.ask_ticks - st.flow.bid_ticks
        for_spread = 2.0 if spread >= 3 else 1.0 if spread >= 2 else 0.0
    return (config.slippage_base_ticks + for_range + for_spread) * hour_factor(st, config, t)


cdef double hour_factor(const State* st, const Config* config, int64_t t) noexcept nogil:
    cdef int64_t at = row_of(config, t, st.session.row)
    if at == config.rows:
        return 1.0
    cdef const SessionRow* row = &config.row[at]
    if not row.rth_open_ns <= t < row.rth_close_ns:
        return 1.0
    if t < row.rth_open_ns + HOUR_NS:
        return config.first_hour_factor
    if t >= row.rth_close_ns - HOUR_NS:
        return config.last_hour_factor
    return 1.0
