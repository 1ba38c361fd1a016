# cython: language_level=3
"""Beliefs and candidates (docs/kernel.md, section 8)."""
from libc.stdint cimport int64_t, uint64_t

from trading_bot._fast.config cimport Config
from trading_bot._fast.decay cimport Pair, Term, TriggerPair
from trading_bot._fast.state cimport SIGNALS, TEMPLATES, TRIGGERS, WEIGHTS, State, TemplateState

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
    uint64_t changes          # bit per signal of a trigger on its change
    double smoothing8_ns
    double a
    double threshold[3][2]    # by the side that holds (-1, 0, 1): least a * (es + os), a * (es - os) with which one may hold
    int index
    int terms
    int triggers
    Term term[WEIGHTS]
    TriggerPair trigger[TRIGGERS]

cdef struct Fresh:            # signals that enter squashed
    int n
    int signal[SIGNALS]       # an odd list is filled up with the last slot, which no signal has
    double factor[SIGNALS]

cdef struct Group:            # the templates of one cadence that are on, and the signals they read
    int members
    uint64_t wanted           # bit per flow signal
    uint64_t bar_values       # bit per bar signal whose value or change is a trigger
    Fresh quick               # scale is a power of two: times its reciprocal, two at a time, at every evaluation
    Fresh slow                # others, and those that mostly stay as they are: divided by the scale when they change
    int plain                 # enter as they are
    int plain_signal[SIGNALS]
    Member member[TEMPLATES]

cdef struct Groups:           # derived from configuration and control block; the rest is scratch without memory
    double x[PLACES]          # values as read, by signal id
    Pair entered[64]          # as they enter a belief
    double last_raw[64]       # what the last squash of each slow signal was of
    Group group[CADENCES]

# Lists the templates that are on; derived from the configuration and the control block, not part of the state.
cdef void arrange(Groups* groups, const Config* config, State* st) noexcept nogil
# Evaluates one cadence at t; CANDIDATE_FIRED or 0.
cdef int evaluate(State* st, const Config* config, Groups* groups, const Group* group, int64_t t) noexcept nogil
# The bar part of every belief, after a 60 s bar closed or nothing is known any more.
cdef void sum_bar_parts(State* st, const Config* config) noexcept nogil
cdef double z_value(const State* st, const Config* config, int template_index, int side) noexcept nogil
