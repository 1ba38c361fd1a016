# cython: language_level=3
"""Evaluation of templates. Each signal of a cadence is read once per evaluation, whatever the number of templates."""
from libc.math cimport INFINITY, NAN, frexp
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset

from trading_bot._fast.candidates cimport draft, report
from trading_bot._fast.config cimport Template, Trigger, Weights
from trading_bot._fast.decay cimport (
    FLOW_TAU8, Gap, SlowPair, Term, TriggerPair, believe, decay, div, sides_that_pass, sides_that_reach, smooth_pair,
    squash_changed, squash_times, sum_terms, threshold_of,
)
from trading_bot._fast.reading cimport read_signals
from trading_bot._fast.state cimport (
    ABSORPTION, BAR_SIGNALS, DVS, INTENSITY_IMB, KYLE_LAMBDA, MOM_1S, MOM_5S, MOM_30S, RV_30S, RV_300S, SIGNALS,
    SPREAD_TICKS, SWEEP_TICKS, TRADE_IMB_1S, TRADE_IMB_5S, TRADE_IMB_30S, VPIN, Bars, CandidateRow, TemplateState,
)

# Ids of bar signals; dvs has its id among them.
cdef uint64_t BAR_BITS = ((<uint64_t>1 << BAR_SIGNALS) - 1) & ~(<uint64_t>1 << DVS)


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
        return evaluate_apart(st, config, groups, group, known & ~BAR_BITS, t)
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


cdef void follow_sides(Duo* duo) noexcept nogil:
    """The thresholds of the sides that hold."""
    cdef const double* threshold
    cdef int lane
    duo.held = 0
    for lane in range(2):
        if duo.member[lane] != NULL:
            threshold = duo.member[lane].threshold[duo.state[lane].side + 1]
            duo.beliefs.least_long[lane] = threshold[0]
            duo.beliefs.least_short[lane] = threshold[1]
            duo.held |= duo.state[lane].side != 0


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


cdef void arrange(Groups* groups, const Config* config, State* st) noexcept nogil:
    cdef Group* group
    cdef Member* member
    cdef int i
    memset(groups, 0, sizeof(Groups))
    groups.gap.dt = -1
    for i in range(config.templates):
        # Without weights there is nothing to evaluate: such a template lives from HotPath.terms alone.
        if (st.control.on_mask >> i) & 1 and config.template_row[i].total_weight > 0.0:
            group = &groups.group[config.template_row[i].cadence]
            member = &group.member[group.members]
            member.index = i
            member.state = &st.template_state[i]
            fill_member(member, &config.template_row[i])
            group.wanted |= member.needed & ~BAR_BITS
            group.bar_values |= (member.needed | member.changes) & BAR_BITS
            group.needed |= member.needed
            group.changes |= member.changes
            if config.template_row[i].bar_even.n or config.template_row[i].flow_even.n:
                group.alone_member[group.alone] = group.members
                group.alone += 1
            else:
                join_duo(group, member)
            group.members += 1
    for i in range(CADENCES):
        list_signals(&groups.group[i], config)


cdef void join_duo(Group* group, Member* member) noexcept nogil:
    """The member's lane: beside one with the same smoothing, or beside nobody."""
    cdef Duo* duo
    cdef int lane = 1
    cdef int at = 0
    cdef int i
    while at < group.duos and (group.duo[at].member[1] != NULL or group.duo[at].smoothing8_ns != member.smoothing8_ns):
        at += 1
    duo = &group.duo[at]
    if at == group.duos:
        lane = 0
        group.duos += 1
        open_lane(duo, 1, &duo.nobody)
        duo.smoothing8_ns = member.smoothing8_ns
        duo.last_dt_ns = -1                         # of nothing yet
        duo.lane = -1
        for i in range(3):
            if member.smoothing8_ns == FLOW_TAU8[i]:
                duo.lane = i
        for i in range(WEIGHTS):
            duo.step[i].signal[0] = NOTHING
            duo.step[i].signal[1] = NOTHING
    duo.member[lane] = member
    open_lane(duo, lane, member.state)
    duo.beliefs.a[lane] = member.a
    for i in range(member.terms):
        duo.step[i].signal[lane] = member.term[i].signal
        duo.step[i].weight[lane] = member.term[i].weight[0]
    duo.steps = max(duo.steps, member.terms)
    follow_sides(duo)


cdef void open_lane(Duo* duo, int lane, TemplateState* state) noexcept nogil:
    duo.state[lane] = state
    duo.beliefs.bar[lane] = &state.bar_part[0]
    duo.beliefs.smoothed[lane] = &state.smoothed[0]
    duo.beliefs.distance[lane] = &state.d
    duo.beliefs.least_long[lane] = INFINITY
    duo.beliefs.least_short[lane] = INFINITY


cdef void fill_member(Member* member, const Template* row) noexcept nogil:
    cdef int i
    cdef double enter = threshold_of(row.z_enter, row.total_weight, row.b)
    cdef double keep = threshold_of(row.z_hold, row.total_weight, row.b)
    for i in range(3):
        member.threshold[i][0] = keep if i == 2 else enter
        member.threshold[i][1] = keep if i == 0 else enter
    member.a = row.a
    member.smoothing8_ns = row.smoothing8_ns
    for i in range(row.flow_odd.n):
        add_term(member, row.flow_odd.signal[i], row.flow_odd.weight[i], 0)
    for i in range(row.flow_even.n):
        add_term(member, row.flow_even.signal[i], row.flow_even.weight[i], 1)
    member.needed = member.weighed
    for i in range(row.triggers):
        add_trigger(member, &row.trigger[i])


cdef void add_term(Member* member, int signal, double weight, int lane) noexcept nogil:
    cdef Term* term = &member.term[member.terms]
    term.weight[lane] = weight
    term.signal = signal
    member.terms += 1
    member.weighed |= <uint64_t>1 << signal


cdef void add_trigger(Member* member, const Trigger* trigger) noexcept nogil:
    cdef TriggerPair* pair = &member.trigger[member.triggers]
    cdef int side
    for side in range(2):
        pair.low[side] = trigger.low
        pair.high[side] = trigger.high
    pair.sign[0] = 1.0
    pair.sign[1] = -1.0 if trigger.odd else 1.0
    if trigger.delta:
        pair.slot = CHANGES + trigger.signal
        member.changes |= <uint64_t>1 << trigger.signal
        member.change_of[member.triggers] = <uint64_t>1 << trigger.signal
    else:
        pair.slot = trigger.signal
        member.needed |= <uint64_t>1 << trigger.signal
        member.asked |= <uint64_t>1 << trigger.signal
        member.value_of[member.triggers] = <uint64_t>1 << trigger.signal
    member.triggers += 1


cdef void list_signals(Group* group, const Config* config) noexcept nogil:
    cdef uint64_t weighed = 0
    cdef int signal
    cdef int i
    for i in range(group.members):
        weighed |= group.member[i].weighed
    for signal in range(SIGNALS):
        if not (weighed >> signal) & 1:
            continue
        if config.scale[signal] == 0.0:
            group.plain_signal[group.plain] = signal
            group.plain += 1
        elif not is_quick(config, weighed, signal):
            append_slow(group, signal, config.scale[signal])
        elif is_quick(config, weighed, signal + 1):
            group.quick_signal[group.quick] = signal
            group.quick_factor[2 * group.quick] = 1.0 / config.scale[signal]
            group.quick_factor[2 * group.quick + 1] = 1.0 / config.scale[signal + 1]
            group.quick += 1
            weighed &= ~(<uint64_t>2 << signal)     # the neighbour is done
        else:
            append_slow(group, signal, config.scale[signal])


cdef void append_slow(Group* group, int signal, double scale) noexcept nogil:
    """Into the free lane of the last pair, or into a new pair beside nothing."""
    cdef SlowPair* pair = &group.slow_pair[group.slow - 1]
    if group.slow and pair.id[1] == NOTHING:
        pair.id[1] = signal
        pair.scale[1] = scale
        return
    pair = &group.slow_pair[group.slow]
    group.slow += 1
    pair.id[0] = signal
    pair.scale[0] = scale
    pair.id[1] = NOTHING
    pair.scale[1] = 1.0
    pair.last[0] = NAN                              # equal to nothing
    pair.last[1] = NAN


cdef bint is_quick(const Config* config, uint64_t weighed, int signal) noexcept nogil:
    return (
        signal < SIGNALS and (weighed >> signal) & 1 and not stays(signal) and config.scale[signal] != 0.0
        and is_power_of_two(config.scale[signal])
    )


cdef bint stays(int signal) noexcept nogil:
    """Whether most evaluations find the signal as it was."""
    return (
        signal == SPREAD_TICKS or signal == SWEEP_TICKS or signal == ABSORPTION or signal == RV_30S or signal == RV_300S
        or signal == KYLE_LAMBDA or signal == VPIN or signal == MOM_1S or signal == MOM_5S or signal == MOM_30S
        or signal == TRADE_IMB_1S or signal == TRADE_IMB_5S or signal == TRADE_IMB_30S or signal == INTENSITY_IMB
    )


cdef bint is_power_of_two(double x) noexcept nogil:
    """Then x's reciprocal is exact, and multiplying by it rounds like dividing by x."""
    cdef int exponent
    return frexp(x, &exponent) == 0.5
