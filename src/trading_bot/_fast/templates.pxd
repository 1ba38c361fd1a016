# cython: language_level=3
"""Beliefs and candidates (docs/kernel.md, section 8)."""
from libc.stdint cimport int64_t, uint64_t

from trading_bot._fast.config cimport Config
from trading_bot._fast.decay cimport Beliefs, Gap, SlowPair, Step, Term, TriggerPair
from trading_bot._fast.state cimport BAR_SIGNALS, DVS, SIGNALS, TEMPLATES, TRIGGERS, WEIGHTS, State, TemplateState

# Ids of bar signals; dvs has its id among them.
cdef inline uint64_t bar_bits() noexcept nogil:
    return ((<uint64_t>1 << BAR_SIGNALS) - 1) & ~(<uint64_t>1 << DVS)

cdef enum:
    CANDIDATE_FIRED = 1       # Outcome.CANDIDATE
    CADENCES = 3
    CHANGES = 64              # place of bar signal i's change since the last bar: CHANGES + i
    PLACES = 96
    NOTHING = 63              # SIGNALS - 1, a place no signal has: its value is 0.0

cdef struct Member:           # a template that is on, with what an evaluation reads side by side
    TemplateState* state
    uint64_t needed           # bit per signal of a weight or of a trigger on its value; no weights of bar signals
    uint64_t weighed          # bit per signal of a weight; no bar signals
    uint64_t asked            # bit per signal of a trigger on its value
    uint64_t changes          # bit per signal of a trigger on its change
    double smoothing8_ns
    double a
    double threshold[3][2]    # by the side that holds (-1, 0, 1): least a * (es + os), a * (es - os) with which one may hold
    int index
    int terms
    int triggers
    Term term[WEIGHTS]
    TriggerPair trigger[TRIGGERS]
    uint64_t value_of[TRIGGERS]   # bit of the signal whose value it is, or whose change; the other one is 0
    uint64_t change_of[TRIGGERS]

cdef struct Duo:              # two members whose weights are all on odd signals, evaluated side by side
    Member* member[2]         # the second may be NULL: nobody
    TemplateState* state[2]
    int held                  # a side of one of them holds
    int steps
    int lane                  # of the gap's weights, -1: the smoothing is none of their constants
    double smoothing8_ns      # the same for both
    int64_t last_dt_ns        # what the last weight found here was of
    double last_weight
    Beliefs beliefs
    Step step[WEIGHTS]
    TemplateState nobody      # scratch for a lane without a member

cdef struct Group:            # the templates of one cadence that are on, and the signals they read
    int members
    int alone                 # members that are in no duo
    int duos
    int settled               # since the last 60 s bar all members were evaluated together and nothing was missing
    int bars_copied           # the bar signals stand in x as the last 60 s bar left them
    int64_t evaluated_ns      # last
    uint64_t needed           # of all members
    uint64_t changes
    uint64_t bars_known       # of bar_values, and of their changes, when last copied
    uint64_t changes_known
    uint64_t wanted           # bit per flow signal
    uint64_t bar_values       # bit per bar signal whose value or change is a trigger
    int quick                 # neighbours with scales that are powers of two: times the reciprocals, at every evaluation
    int quick_signal[SIGNALS]
    double quick_factor[SIGNALS]
    int slow                  # others, and those that mostly stay as they are: divided by the scale when they change
    SlowPair slow_pair[SIGNALS]
    int plain                 # enter as they are
    int plain_signal[SIGNALS]
    double entered[SIGNALS]   # signals as they enter a belief
    int alone_member[TEMPLATES]
    Duo duo[TEMPLATES]
    Member member[TEMPLATES]

cdef struct Groups:           # derived from configuration, control block and what holds; the rest is scratch without memory
    double x[PLACES]          # values as read, by signal id
    Gap gap                   # between quotes
    Group group[CADENCES]

# Evaluates one cadence at t; CANDIDATE_FIRED or 0.
cdef int evaluate(State* st, const Config* config, Groups* groups, Group* group, int64_t t) noexcept nogil
# The bar part of every belief, after a 60 s bar closed or nothing is known any more.
cdef void sum_bar_parts(State* st, const Config* config) noexcept nogil

cdef inline void follow_sides(Duo* duo) noexcept nogil:
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

cdef inline void unsettle(Groups* groups) noexcept nogil:
    """Bar signals and bar parts are others."""
    cdef int i
    for i in range(CADENCES):
        groups.group[i].settled = 0
        groups.group[i].bars_copied = 0

cdef double z_value(const State* st, const Config* config, int template_index, int side) noexcept nogil
