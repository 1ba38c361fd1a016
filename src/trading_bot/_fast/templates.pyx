# cython: language_level=3
"""Evaluation of templates. Each signal of a cadence is read once per evaluation, whatever the number of templates."""
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset

from trading_bot._fast.candidates cimport fire
from trading_bot._fast.config cimport Template, Trigger, Weights
from trading_bot._fast.decay cimport decay, decay_after, div, squash_many
from trading_bot._fast.signals cimport flow_values
from trading_bot._fast.state cimport BAR_SIGNALS, DVS, TemplateState


cdef int evaluate(State* st, const Config* config, const Group* group, int64_t t) noexcept nogil:
    cdef double[SIGNALS] raw
    cdef double[SIGNALS] entered
    cdef uint64_t known
    cdef int code = 0
    cdef int i
    if group.members == 0:
        return 0
    known = flow_values(st, t, group.signal, group.values, raw)
    raw[group.values] = 0.0                         # the padding lane
    squash_many(entered, raw, group.scale, (group.squashed + 1) & ~1)
    for i in range(group.squashed, group.values):
        entered[i] = raw[i]
    cdef Smoothing smoothing
    smoothing.dt_ns = -1                            # nothing found yet
    smoothing.tau8_ns = 0.0
    smoothing.weight = 0.0
    for i in range(group.members):
        code |= evaluate_member(st, config, &group.member[i], known, raw, entered, t, &smoothing)
    return code


cdef struct Smoothing:        # the weight found last: templates mostly share it
    int64_t dt_ns
    double tau8_ns
    double weight


cdef inline double smoothing_weight(Smoothing* memo, int64_t dt_ns, double tau8_ns) noexcept nogil:
    if tau8_ns == 0.0:
        return 0.0
    if dt_ns <= 0:
        return 1.0
    if dt_ns != memo.dt_ns or tau8_ns != memo.tau8_ns:
        memo.dt_ns = dt_ns
        memo.tau8_ns = tau8_ns
        memo.weight = decay_after(dt_ns, tau8_ns)
    return memo.weight


cdef inline double weighted(const Terms* terms, const double* values) noexcept nogil:
    cdef double total = 0.0
    cdef int i
    for i in range(terms.n):
        total += terms.weight[i] * values[terms.at[i]]
    return total


cdef inline void smooth(
    TemplateState* ts, const Template* row, double o, double e, int64_t t, Smoothing* memo
) noexcept nogil:
    cdef double w
    cdef double os
    cdef double es
    if ts.evaluated:
        w = smoothing_weight(memo, t - ts.evaluated_ns, row.smoothing8_ns)
        os = o + w * (ts.os - o)
        es = e + w * (ts.es - e)
        ts.d = ts.d * w + abs(os - ts.os) + abs(es - ts.es)
        ts.os = os
        ts.es = es
    else:
        ts.os = o
        ts.es = e
        ts.d = 0.0
        ts.evaluated = 1
    ts.evaluated_ns = t


cdef struct Triggered:        # what the triggers of a template say
    bint missing              # some trigger has no value
    bint any                  # some trigger has one
    bint long_side            # every trigger with a value passes
    bint short_side


cdef inline bint trigger_value(
    const State* st, const Trigger* trigger, int at, uint64_t known, const double* raw, double* x
) noexcept nogil:
    if at >= 0:
        x[0] = raw[at]
        return (known >> at) & 1
    x[0] = st.bars.value[trigger.signal]
    if not trigger.delta:
        return (st.bars.known >> trigger.signal) & 1
    x[0] -= st.bars.prev_value[trigger.signal]
    return ((st.bars.known & st.bars.prev_known) >> trigger.signal) & 1


cdef inline Triggered judge_triggers(
    const State* st, const Template* row, const Member* member, uint64_t known, const double* raw
) noexcept nogil:
    cdef Triggered found
    cdef double x
    cdef int i
    found.missing = False
    found.any = False
    found.long_side = True
    found.short_side = True
    for i in range(row.triggers):
        if not trigger_value(st, &row.trigger[i], member.trigger_at[i], known, raw, &x):
            found.missing = True
            continue
        found.any = True
        if x < row.trigger[i].low or x > row.trigger[i].high:
            found.long_side = False
        if row.trigger[i].odd:
            x = -x
        if x < row.trigger[i].low or x > row.trigger[i].high:
            found.short_side = False
    return found


cdef inline double z_of(const Template* row, const TemplateState* ts, int side) noexcept nogil:
    # The constructor refuses a template whose weights sum to 0.
    return div(row.a * (ts.es + ts.os if side > 0 else ts.es - ts.os), row.total_weight) + row.b


cdef double z_value(const State* st, const Config* config, int template_index, int side) noexcept nogil:
    return z_of(&config.template_row[template_index], &st.template_state[template_index], side)


cdef inline int side_that_holds(const Template* row, TemplateState* ts, const Triggered* found, bint missing) noexcept nogil:
    cdef bint long_side = found.long_side
    cdef bint short_side = found.short_side
    cdef double z_long = 0.0
    cdef double z_short = 0.0
    if missing:
        if not found.any or long_side == short_side:
            return 0
        return 1 if long_side else -1
    if long_side:                       # triggers first: most evaluations need no division
        z_long = z_of(row, ts, 1)
        long_side = z_long >= (row.z_hold if ts.side > 0 else row.z_enter)
    if short_side:
        z_short = z_of(row, ts, -1)
        short_side = z_short >= (row.z_hold if ts.side < 0 else row.z_enter)
    if long_side and short_side:
        return 1 if z_long > z_short else -1 if z_short > z_long else 0
    return 1 if long_side else -1 if short_side else 0


cdef inline int evaluate_member(
    State* st,
    const Config* config,
    const Member* member,
    uint64_t known,
    const double* raw,
    const double* entered,
    int64_t t,
    Smoothing* memo,
) noexcept nogil:
    cdef int index = member.template_index
    cdef const Template* row = &config.template_row[index]
    cdef TemplateState* ts = &st.template_state[index]
    cdef bint missing = not ts.bar_known or (member.needed & ~known) != 0
    if not missing:
        smooth(ts, row, ts.o_bar + weighted(&member.odd, entered), ts.e_bar + weighted(&member.even, entered), t, memo)
    cdef Triggered found = judge_triggers(st, row, member, known, raw)
    missing = missing or found.missing
    ts.missing = missing
    cdef int side = side_that_holds(row, ts, &found, missing)
    cdef int at
    if side == 0:
        ts.side = 0
        return 0
    at = 0 if side > 0 else 1
    if side != ts.side:
        ts.side = side
        ts.episode[at] += 1
        ts.fired_here[at] = 0
    if ts.fired[at] and t - ts.fired_ns[at] < row.rearm_ns:
        return 0
    if ts.fired_here[at] and not (st.control.entry_mask >> index) & 1:
        return 0
    ts.fired[at] = 1
    ts.fired_ns[at] = t
    ts.fired_here[at] = 1
    fire(st, config, index, side, z_of(row, ts, side), t)
    return CANDIDATE_FIRED


cdef void sum_bar_parts(State* st, const Config* config) noexcept nogil:
    cdef int i
    cdef bint known
    for i in range(config.templates):
        known = True
        st.template_state[i].o_bar = bar_part(st, &config.template_row[i].bar_odd, &known)
        st.template_state[i].e_bar = bar_part(st, &config.template_row[i].bar_even, &known)
        st.template_state[i].bar_known = known


cdef inline double bar_part(const State* st, const Weights* terms, bint* known) noexcept nogil:
    cdef double total = 0.0
    cdef int i
    for i in range(terms.n):
        total += terms.weight[i] * st.bars.value[terms.signal[i]]
        if not (st.bars.known >> terms.signal[i]) & 1:
            known[0] = False
    return total


cdef void arrange(Groups* groups, const Config* config, uint64_t on_mask) noexcept nogil:
    cdef int cadence
    for cadence in range(CADENCES):
        arrange_group(&groups.group[cadence], config, on_mask, cadence)


cdef void arrange_group(Group* group, const Config* config, uint64_t on_mask, int cadence) noexcept nogil:
    cdef const Template* row
    cdef Member* member
    cdef int i
    memset(group, 0, sizeof(Group))
    for i in range(SIGNALS):
        group.scale[i] = 1.0
    # First what enters squashed, so that those values lie side by side.
    for i in range(config.templates):
        row = &config.template_row[i]
        if (on_mask >> i) & 1 and row.cadence == cadence:
            group.member[group.members].template_index = i
            group.members += 1
            list_scaled(group, config, &row.flow_odd)
            list_scaled(group, config, &row.flow_even)
    group.squashed = group.values
    for i in range(group.members):
        member = &group.member[i]
        row = &config.template_row[member.template_index]
        find_places(group, &member.odd, &row.flow_odd, &member.needed)
        find_places(group, &member.even, &row.flow_even, &member.needed)
        find_triggers(group, member, row)


cdef void list_scaled(Group* group, const Config* config, const Weights* terms) noexcept nogil:
    cdef int i
    cdef int at
    for i in range(terms.n):
        if config.scale[terms.signal[i]] != 0.0:
            at = place_of(group, terms.signal[i])
            group.scale[at] = config.scale[terms.signal[i]]


cdef int place_of(Group* group, int signal) noexcept nogil:
    """Place of a signal in the group's list; adds it at the end."""
    cdef int i
    for i in range(group.values):
        if group.signal[i] == signal:
            return i
    group.signal[group.values] = signal
    group.values += 1
    return group.values - 1


cdef void find_places(Group* group, Terms* to, const Weights* terms, uint64_t* needed) noexcept nogil:
    cdef int i
    to.n = terms.n
    for i in range(terms.n):
        to.at[i] = place_of(group, terms.signal[i])
        to.weight[i] = terms.weight[i]
        needed[0] |= <uint64_t>1 << to.at[i]


cdef void find_triggers(Group* group, Member* member, const Template* row) noexcept nogil:
    cdef int i
    for i in range(row.triggers):
        if row.trigger[i].signal < BAR_SIGNALS and row.trigger[i].signal != DVS:
            member.trigger_at[i] = -1
        else:
            member.trigger_at[i] = place_of(group, row.trigger[i].signal)
