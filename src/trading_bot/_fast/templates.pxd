# cython: language_level=3
"""Beliefs and candidates (docs/kernel.md, section 8)."""
from libc.stdint cimport int64_t, uint64_t

from trading_bot._fast.config cimport Config
from trading_bot._fast.state cimport SIGNALS, TEMPLATES, TRIGGERS, WEIGHTS, State

cdef enum:
    CANDIDATE_FIRED = 1       # Outcome.CANDIDATE
    CADENCES = 3

cdef struct Terms:
    int n
    int at[WEIGHTS]           # place in the group's list of values
    double weight[WEIGHTS]

cdef struct Member:           # a template that is on
    int template_index
    uint64_t needed           # places its weights read
    Terms odd
    Terms even
    int trigger_at[TRIGGERS]  # place of a trigger's value, -1 for a bar signal

cdef struct Group:            # the templates of one cadence and every signal they read, each once
    int members
    Member member[TEMPLATES]
    int squashed              # values 0..squashed-1 enter beliefs squashed, the others as they are
    int values
    int signal[SIGNALS]
    double scale[SIGNALS]     # even count: the last one may be padding

cdef struct Groups:
    Group group[CADENCES]

# Lists the templates that are on; derived from the configuration and the control block, not part of the state.
cdef void arrange(Groups* groups, const Config* config, uint64_t on_mask) noexcept nogil
# Evaluates one cadence at t; CANDIDATE_FIRED or 0.
cdef int evaluate(State* st, const Config* config, const Group* group, int64_t t) noexcept nogil
# The bar part of every belief, after a 60 s bar closed or nothing is known any more.
cdef void sum_bar_parts(State* st, const Config* config) noexcept nogil
cdef double z_value(const State* st, const Config* config, int template_index, int side) noexcept nogil
