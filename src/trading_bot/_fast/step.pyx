# cython: language_level=3
"""Grid points and the ways the state begins."""
from libc.stdint cimport int64_t
from libc.string cimport memset

from trading_bot._fast.barquality cimport forget_bar
from trading_bot._fast.bars cimport close_bars
from trading_bot._fast.config cimport ON_BAR, ON_GRID
from trading_bot._fast.decay cimport GRID_NS, SECOND_NS, floor_div
from trading_bot._fast.exits cimport grid_exits
from trading_bot._fast.quality cimport count_frames, judge_grid, reset_quality, roll_second
from trading_bot._fast.session cimport advance_session
from trading_bot._fast.signals cimport close_second, remember_grid, reset_flow
from trading_bot._fast.state cimport TEMPLATES, Bars, State, TemplateState
from trading_bot._fast.arrange cimport arrange
from trading_bot._fast.templates cimport sum_bar_parts, unsettle


cdef int run_grid(Kernel* kernel, int64_t until) noexcept nogil:
    cdef int code
    while until >= kernel.st.grid_ns + GRID_NS:
        code = grid_point(kernel, kernel.st.grid_ns + GRID_NS)
        if code:
            return code
    return 0


cdef inline int grid_point(Kernel* kernel, int64_t g) noexcept nogil:
    cdef State* st = kernel.st
    cdef bint whole_second = floor_div(g, SECOND_NS) * SECOND_NS == g
    cdef bint minute = False
    cdef int64_t exits = 0
    cdef int code
    st.grid_ns = g
    st.now_ns = g
    if whole_second:
        minute = close_bars(st, kernel.config, kernel.scratch, g)
        if minute:
            sum_bar_parts(st, kernel.config)
            unsettle(kernel.groups)
    advance_session(st, kernel.config, g)
    if whole_second:
        close_second(&st.flow, kernel.config, g)
        count_frames(st, kernel.config, g)
        roll_second(&st.quality)
    code = judge_grid(st, kernel.config, g)
    remember_grid(&st.flow, g)
    if st.control.position != 0:
        exits = grid_exits(st, kernel.config, g)
        if exits:
            code |= OUTCOME_EXIT
    if kernel.groups.group[ON_GRID].members:
        code |= evaluate(st, kernel.config, kernel.groups, &kernel.groups.group[ON_GRID], g)
    if minute and kernel.groups.group[ON_BAR].members:
        code |= evaluate(st, kernel.config, kernel.groups, &kernel.groups.group[ON_BAR], g)
    if minute:
        code |= OUTCOME_BAR
    return outcome(st, code, exits, True)


cdef void start_afresh(Kernel* kernel) noexcept nogil:
    """A price gap: nothing computed from prices survives, but for the histories by time of day."""
    cdef State* st = kernel.st
    reset_flow(&st.flow)
    memset(&st.bars, 0, sizeof(Bars))
    memset(&st.template_state, 0, sizeof(TemplateState) * TEMPLATES)
    st.quality.locked = 0                       # there is no quote
    forget_bar(&st.quality)
    sum_bar_parts(st, kernel.config)
    arrange(kernel.groups, kernel.config, st)   # nothing holds


cdef void reset_state(Kernel* kernel) noexcept nogil:
    memset(kernel.st, 0, sizeof(State))
    reset_quality(&kernel.st.quality)
    start_afresh(kernel)
