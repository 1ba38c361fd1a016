# cython: language_level=3
"""Evaluation of templates. Each signal of a cadence is read once per evaluation, whatever the number of templates."""
from libc.math cimport NAN, frexp
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset

from trading_bot._fast.candidates cimport draft, report
from trading_bot._fast.config cimport Template, Trigger, Weights
from trading_bot._fast.decay cimport (
    Pair, Term, TriggerPair, decay, div, sides_that_pass, sides_that_reach, smooth_pair, squash, squash_times, sum_terms,
    threshold_of,
)
from trading_bot._fast.signals cimport read_signals
from trading_bot._fast.state cimport (
    ABSORPTION, BAR_SIGNALS, DVS, INTENSITY_IMB, KYLE_LAMBDA, MOM_1S, MOM_5S, MOM_30S, RV_30S, RV_300S, SIGNALS,
    SPREAD_TICKS, SWEEP_TICKS, TRADE_IMB_1S, TRADE_IMB_5S, TRADE_IMB_30S, VPIN, Bars, CandidateRow, TemplateState,
)

# Ids of bar signals; dvs has its id among them.
cdef uint64_t BAR_BITS = ((<uint64_t>1 << BAR_SIGNALS) - 1) & ~(<uint64_t>1 << DVS)


cdef struct Smoothing:        # the weight found last: templates of one cadence mostly share it
    int64_t since_ns
    double tau8_ns
    double weight


cdef int evaluate(State* st, const Config* config, Groups* groups, const Group* group, int64_t t) noexcept nogil:
    cdef uint64_t known
    cdef uint64_t changes_known = 0
    cdef Smoothing smoothing
    cdef int code = 0
    cdef int i
    known = read_signals(st, t, group.wanted, groups.x)
    squash_times(groups.entered, groups.x, group.quick.signal, group.quick.factor, group.quick.n)
    for i in range(group.slow.n):
        squash_slow(groups, group.slow.signal[i], group.slow.factor[i])
    for i in range(group.plain):
        enter(groups, group.plain_signal[i], groups.x[group.plain_signal[i]])
    if group.bar_values:
        copy_bar_signals(&st.bars, group.bar_values, groups.x)
        known |= st.bars.known & group.bar_values
        changes_known = known & st.bars.prev_known
    smoothing.since_ns = t
    smoothing.tau8_ns = -1.0                        # nothing found yet
    smoothing.weight = 0.0
    for i in range(group.members):
        code |= evaluate_member(st, config, groups, &group.member[i], known, changes_known, t, &smoothing)
    return code


cdef inline void enter(Groups* groups, int signal, double value) noexcept nogil:
    groups.entered[signal].lane[0] = value
    groups.entered[signal].lane[1] = value


cdef inline void squash_slow(Groups* groups, int signal, double scale) noexcept nogil:
    if groups.x[signal] != groups.last_raw[signal]:
        groups.last_raw[signal] = groups.x[signal]
        enter(groups, signal, squash(div(groups.x[signal], scale)))


cdef void copy_bar_signals(const Bars* bars, uint64_t wanted, double* x) noexcept nogil:
    cdef int i
    for i in range(BAR_SIGNALS):
        if (wanted >> i) & 1:
            x[i] = bars.value[i]
            x[CHANGES + i] = bars.value[i] - bars.prev_value[i]


cdef inline double smoothing_weight(Smoothing* memo, int64_t since_ns, double tau8_ns, int64_t t) noexcept nogil:
    if since_ns != memo.since_ns or tau8_ns != memo.tau8_ns:
        memo.since_ns = since_ns
        memo.tau8_ns = tau8_ns
        memo.weight = 0.0 if tau8_ns == 0.0 else decay(t - since_ns, tau8_ns)
    return memo.weight


cdef inline void smooth(const Member* member, const Pair* entered, int64_t t, Smoothing* memo) noexcept nogil:
    cdef TemplateState* ts = member.state
    cdef double[2] sums
    sum_terms(sums, ts.bar_part, member.term, member.terms, entered)
    if ts.evaluated:
        ts.d = smooth_pair(ts.smoothed, sums, smoothing_weight(memo, ts.evaluated_ns, member.smoothing8_ns, t), ts.d)
    else:
        ts.smoothed[0] = sums[0]
        ts.smoothed[1] = sums[1]
        ts.d = 0.0
        ts.evaluated = 1
    ts.evaluated_ns = t


cdef int sides_available(const Member* member, const double* x, uint64_t known, uint64_t changes_known) noexcept nogil:
    """Sides on which the triggers that have a value pass; none when no trigger has one."""
    cdef int sides = 0
    cdef bint any_value = False
    cdef int64_t slot
    cdef int i
    for i in range(member.triggers):
        slot = member.trigger[i].slot
        if (changes_known >> (slot - CHANGES) if slot >= CHANGES else known >> slot) & 1:
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
    State* st,
    const Config* config,
    Groups* groups,
    const Member* member,
    uint64_t known,
    uint64_t changes_known,
    int64_t t,
    Smoothing* memo,
) noexcept nogil:
    cdef TemplateState* ts = member.state
    cdef int side = 0
    cdef int sides
    if ts.bar_known and ((member.needed & ~known) | (member.changes & ~changes_known)) == 0:
        smooth(member, groups.entered, t, memo)
        ts.missing = 0
        # The belief first: it reaches its threshold less often, and for longer, than triggers pass.
        sides = sides_that_reach(ts.smoothed, member.a, member.threshold[ts.side + 1])
        if sides:
            sides &= sides_that_pass(member.trigger, member.triggers, groups.x)
            if sides:
                side = stronger_side(&config.template_row[member.index], ts, sides)
    else:
        if ts.bar_known and (member.weighed & ~known) == 0:
            smooth(member, groups.entered, t, memo)
        ts.missing = 1
        sides = sides_available(member, groups.x, known, changes_known)
        side = 1 if sides == 1 else -1 if sides == 2 else 0         # both: neither
    if side == 0:
        ts.side = 0
        return 0
    return hold(st, config, member.index, side, t)


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
    for i in range(64):
        groups.last_raw[i] = NAN                    # equal to nothing
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
            group.members += 1
    for i in range(CADENCES):
        list_signals(&groups.group[i], config)


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
    member.triggers += 1
    if trigger.delta:
        pair.slot = CHANGES + trigger.signal
        member.changes |= <uint64_t>1 << trigger.signal
    else:
        pair.slot = trigger.signal
        member.needed |= <uint64_t>1 << trigger.signal


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
        elif stays(signal) or not is_power_of_two(config.scale[signal]):
            append(&group.slow, signal, config.scale[signal])
        else:
            append(&group.quick, signal, 1.0 / config.scale[signal])
    if group.quick.n & 1:
        append(&group.quick, NOTHING, 1.0)


cdef inline void append(Fresh* to, int signal, double factor) noexcept nogil:
    to.signal[to.n] = signal
    to.factor[to.n] = factor
    to.n += 1


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
