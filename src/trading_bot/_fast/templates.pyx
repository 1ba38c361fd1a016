# cython: language_level=3
"""Evaluation of templates. Each signal of a cadence is read once per evaluation, whatever the number of templates."""
from libc.stdint cimport int64_t, uint64_t

from trading_bot._fast.candidates cimport draft, report
from trading_bot._fast.config cimport Template, Weights
from trading_bot._fast.decay cimport (
    Gap, believe, decay, div, sides_that_pass, sides_that_reach, smooth_pair, squash_changed, squash_times, sum_terms,
)
from trading_bot._fast.reading cimport read_signals
from trading_bot._fast.state cimport BAR_SIGNALS, Bars, CandidateRow, TemplateState


cdef int evaluate(State* st, const Config* config, Groups* groups, Group* group, int64_t t) noexcept nogil:
    cdef uint64_t known
    cdef int code = 0
    cdef int i
    known = read_signals(st, &groups.gap, t, group.wanted, groups.x)
    squash_times(group.entered, groups.x, group.quick_signal, group.quick_factor, group.quick)
    for i in range(group.slow):
        squash_changed(group.entered, groups.x, &group.slow_pair[i])
    for i in range(group.plain):
        group.entered[group.plain_signal[i]] = groups.x[group.plain_signal[i]]
    known |= group.bars_known
    if not group.settled or group.needed & ~known:
        return evaluate_apart(st, config, groups, group, known & ~bar_bits(), t)
    for i in range(group.duos):
        code |= evaluate_duo(st, config, groups, group, &group.duo[i], t)
    for i in range(group.alone):
        code |= evaluate_member(st, config, groups, group, &group.member[group.alone_member[i]], known, t)
    group.evaluated_ns = t
    return code


cdef int evaluate_apart(
    State* st, const Config* config, Groups* groups, Group* group, uint64_t known, int64_t t
) noexcept nogil:
    """One after the other: something is missing or was, or bars are new."""
    cdef bint bars_known = True
    cdef int code = 0
    cdef int i
    if not group.bars_copied:
        copy_bar_signals(&st.bars, group.bar_values, groups.x)
        group.bars_known = st.bars.known & group.bar_values
        group.changes_known = group.bars_known & st.bars.prev_known
        group.bars_copied = 1
    known |= group.bars_known
    for i in range(group.members):
        code |= evaluate_member(st, config, groups, group, &group.member[i], known, t)
        bars_known &= group.member[i].state.bar_known
    group.settled = bars_known and not (group.needed & ~known) | (group.changes & ~group.changes_known)
    if group.settled:
        for i in range(group.duos):
            follow_sides(&group.duo[i])
    group.evaluated_ns = t
    return code


cdef void copy_bar_signals(const Bars* bars, uint64_t wanted, double* x) noexcept nogil:
    cdef int i
    for i in range(BAR_SIGNALS):
        if (wanted >> i) & 1:
            x[i] = bars.value[i]
            x[CHANGES + i] = bars.value[i] - bars.prev_value[i]


cdef inline double smoothing_weight(double tau8_ns, int64_t dt_ns) noexcept nogil:
    return 0.0 if tau8_ns == 0.0 else decay(dt_ns, tau8_ns)


cdef inline double weight_of_duo(Duo* duo, const Gap* gap, int64_t dt_ns) noexcept nogil:
    if duo.lane >= 0 and dt_ns == gap.dt:
        return gap.w[duo.lane]
    if dt_ns != duo.last_dt_ns:
        duo.last_dt_ns = dt_ns
        duo.last_weight = smoothing_weight(duo.smoothing8_ns, dt_ns)
    return duo.last_weight


cdef inline void smooth(const Member* member, const double* entered, int64_t t) noexcept nogil:
    cdef TemplateState* ts = member.state
    cdef double[2] sums
    sum_terms(sums, ts.bar_part, member.term, member.terms, entered)
    if ts.evaluated:
        ts.d = smooth_pair(ts.smoothed, sums, smoothing_weight(member.smoothing8_ns, t - ts.evaluated_ns), ts.d)
    else:
        ts.smoothed[0] = sums[0]
        ts.smoothed[1] = sums[1]
        ts.d = 0.0
        ts.evaluated = 1
    ts.evaluated_ns = t


cdef inline int sides_available(const Member* member, const double* x, uint64_t known, uint64_t changes_known) noexcept nogil:
    """Sides on which the triggers that have a value pass; none when no trigger has one."""
    cdef int sides = 0
    cdef bint any_value = False
    cdef int i
    if not (member.asked & known | member.changes & changes_known):
        return 0
    for i in range(member.triggers):
        if member.value_of[i] & known or member.change_of[i] & changes_known:
            sides = sides_that_pass(&member.trigger[i], 1, x) & (sides if any_value else 3)
            any_value = True
    return sides


cdef inline double z_of(const Template* row, const TemplateState* ts, int side) noexcept nogil:
    # The constructor refuses a template whose weights sum to 0.
    cdef double sum_of_side = ts.smoothed[1] + ts.smoothed[0] if side > 0 else ts.smoothed[1] - ts.smoothed[0]
    return div(row.a * sum_of_side, row.total_weight) + row.b


cdef double z_value(const State* st, const Config* config, int template_index, int side) noexcept nogil:
    return z_of(&config.template_row[template_index], &st.template_state[template_index], side)


cdef int stronger_side(const Template* row, const TemplateState* ts, int sides) noexcept nogil:
    """Of the sides that hold the one with the larger z; 0 when both are equal."""
    if sides != 3:
        return 1 if sides == 1 else -1
    cdef double z_long = z_of(row, ts, 1)
    cdef double z_short = z_of(row, ts, -1)
    return 1 if z_long > z_short else -1 if z_short > z_long else 0


cdef inline int evaluate_member(
    State* st, const Config* config, const Groups* groups, const Group* group, const Member* member, uint64_t known, int64_t t
) noexcept nogil:
    cdef TemplateState* ts = member.state
    cdef int sides
    if ts.bar_known and ((member.needed & ~known) | (member.changes & ~group.changes_known)) == 0:
        smooth(member, group.entered, t)
        ts.missing = 0
        sides = sides_that_reach(ts.smoothed, member.a, member.threshold[ts.side + 1])
        return take_sides(st, config, groups, member, sides, t)
    if ts.bar_known and (member.weighed & ~known) == 0:
        smooth(member, group.entered, t)
    ts.missing = 1
    sides = sides_available(member, groups.x, known, group.changes_known)
    if sides == 1 or sides == 2:
        return hold(st, config, member.index, 1 if sides == 1 else -1, t)
    ts.side = 0                                     # both: neither
    return 0


cdef inline int take_sides(
    State* st, const Config* config, const Groups* groups, const Member* member, int sides, int64_t t
) noexcept nogil:
    """The belief reaches its threshold on these sides: it does so less often, and for longer, than triggers pass."""
    cdef int side = 0
    if sides:
        sides &= sides_that_pass(member.trigger, member.triggers, groups.x)
        if sides:
            side = stronger_side(&config.template_row[member.index], member.state, sides)
            if side:
                return hold(st, config, member.index, side, t)
    member.state.side = 0
    return 0


cdef inline int evaluate_duo(
    State* st, const Config* config, Groups* groups, const Group* group, Duo* duo, int64_t t
) noexcept nogil:
    cdef TemplateState* first = duo.state[0]
    cdef TemplateState* second = duo.state[1]
    cdef double weight = weight_of_duo(duo, &groups.gap, t - group.evaluated_ns)
    cdef int reached = believe(&duo.beliefs, duo.step, duo.steps, group.entered, weight)
    first.evaluated_ns = t
    second.evaluated_ns = t
    return hold_reached(st, config, groups, duo, reached, t) if reached | duo.held else 0


cdef int hold_reached(
    State* st, const Config* config, const Groups* groups, Duo* duo, int reached, int64_t t
) noexcept nogil:
    cdef int64_t first = duo.state[0].side
    cdef int64_t second = duo.state[1].side
    cdef int code = take_sides(st, config, groups, duo.member[0], reached & 1 | reached >> 1 & 2, t)
    if duo.member[1] != NULL:
        code |= take_sides(st, config, groups, duo.member[1], reached >> 1 & 1 | reached >> 2 & 2, t)
    if first != duo.state[0].side or second != duo.state[1].side:
        follow_sides(duo)
    return code


cdef int hold(State* st, const Config* config, int index, int side, int64_t t) noexcept nogil:
    """A side holds: episodes, looking and firing."""
    cdef const Template* row = &config.template_row[index]
    cdef TemplateState* ts = &st.template_state[index]
    cdef CandidateRow candidate
    cdef int at = 0 if side > 0 else 1
    cdef bint masked = not (st.control.entry_mask >> index) & 1
    if side != ts.side:
        ts.side = side
        ts.episode[at] += 1
        ts.fired_here[at] = 0
    if ts.looked[at] and t - ts.looked_ns[at] < row.rearm_ns:
        return 0
    if ts.fired_here[at] and masked:
        return 0
    ts.looked[at] = 1
    ts.looked_ns[at] = t
    draft(&candidate, st, config, index, side, z_of(row, ts, side), t)
    if ts.fired_here[at] and candidate.verdict and candidate.verdict == ts.fired_verdict[at] and not ts.fired_masked[at]:
        return 0                                    # the same refusal again
    ts.fired_here[at] = 1
    ts.fired_verdict[at] = candidate.verdict
    ts.fired_masked[at] = masked
    report(&st.report, &candidate)
    return CANDIDATE_FIRED


cdef void sum_bar_parts(State* st, const Config* config) noexcept nogil:
    cdef int i
    cdef bint known
    for i in range(config.templates):
        known = True
        st.template_state[i].bar_part[0] = bar_part(st, &config.template_row[i].bar_odd, &known)
        st.template_state[i].bar_part[1] = bar_part(st, &config.template_row[i].bar_even, &known)
        st.template_state[i].bar_known = known


cdef inline double bar_part(const State* st, const Weights* terms, bint* known) noexcept nogil:
    cdef double total = 0.0
    cdef int i
    for i in range(terms.n):
        total += terms.weight[i] * st.bars.value[terms.signal[i]]
        if not (st.bars.known >> terms.signal[i]) & 1:
            known[0] = False
    return total
