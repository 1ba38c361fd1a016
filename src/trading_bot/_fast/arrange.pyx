# cython: language_level=3
"""Lists, pairs and thresholds of the templates that are on: cold, it runs when the control block or the state changes."""
from libc.math cimport INFINITY, NAN, frexp
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset

from trading_bot._fast.config cimport Template, Trigger
from trading_bot._fast.decay cimport FLOW_TAU8, SlowPair, Term, TriggerPair, threshold_of
from trading_bot._fast.state cimport (
    ABSORPTION, INTENSITY_IMB, KYLE_LAMBDA, MOM_1S, MOM_5S, MOM_30S, RV_30S, RV_300S, SIGNALS, SPREAD_TICKS,
    SWEEP_TICKS, TRADE_IMB_1S, TRADE_IMB_5S, TRADE_IMB_30S, VPIN, WEIGHTS, TemplateState,
)
from trading_bot._fast.templates cimport CADENCES, CHANGES, NOTHING, Duo, Group, Member, bar_bits, follow_sides


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
            group.wanted |= member.needed & ~bar_bits()
            group.bar_values |= (member.needed | member.changes) & bar_bits()
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
