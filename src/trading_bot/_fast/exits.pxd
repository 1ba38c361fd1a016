# cython: language_level=3
"""Exit conditions (docs/kernel.md, section 7): detected here, decided on by the core."""
from libc.stdint cimport int64_t

from trading_bot._fast.config cimport Config
from trading_bot._fast.state cimport Control, State

cdef enum ExitBit:            # domain.kernel.ExitReason
    EXIT_TARGET = 1
    EXIT_STOP = 2
    EXIT_TIME = 4
    EXIT_QUALITY = 8

cdef inline int64_t new_reasons(Control* control, int64_t reasons) noexcept nogil:
    """Those not reported since the position was set; remembers them."""
    reasons &= ~control.exit_mask
    control.exit_mask |= reasons
    return reasons

cdef inline int64_t price_exits(Control* control, int64_t price_for_long, int64_t price_for_short) noexcept nogil:
    """A position is set. A long leaves at the bid, a short at the ask; a trade's price stands for both."""
    cdef int64_t target = control.target_ticks
    cdef int64_t stop = control.stop_ticks
    cdef int64_t reasons = 0
    if control.position > 0:
        if target != 0 and price_for_long >= target:
            reasons |= EXIT_TARGET
        if stop != 0 and price_for_long <= stop:
            reasons |= EXIT_STOP
    else:
        if target != 0 and price_for_short <= target:
            reasons |= EXIT_TARGET
        if stop != 0 and price_for_short >= stop:
            reasons |= EXIT_STOP
    return new_reasons(control, reasons) if reasons else 0

cdef inline int64_t grid_exits(State* st, const Config* config, int64_t g) noexcept nogil:
    """A position is set."""
    cdef int64_t reasons = 0
    if st.control.time_stop_ns != 0 and g >= st.control.time_stop_ns:
        reasons |= EXIT_TIME
    if st.quality.dvs_c < config.dvs_hold_c:
        reasons |= EXIT_QUALITY
    return new_reasons(&st.control, reasons) if reasons else 0
