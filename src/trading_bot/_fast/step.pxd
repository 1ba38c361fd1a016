# cython: language_level=3
"""One record, one grid point (docs/kernel.md, sections 2 and 6). Everything that feeds the kernel comes through here."""
from libc.stdint cimport int64_t

from trading_bot._fast.barquality cimport LATE_S, TOUCHED_HERE, TOUCHED_SINCE_BAR
from trading_bot._fast.bars cimport Scratch, accrue_spread, add_trade
from trading_bot._fast.config cimport ON_TICK, Config
from trading_bot._fast.decay cimport GRID_NS, SECOND_NS, floor_div
from trading_bot._fast.exits cimport price_exits
from trading_bot._fast.quality cimport DELAYED, OUTSIDE, OUTSIDE_TICKS, REJECTED, score, see_frame, see_quote, see_stamp
from trading_bot._fast.records cimport FLAG_DELAYED_DATA, KIND_PRICE_GAP, KIND_QUOTE, KIND_REJECTED, KIND_TRADE, TickRecord
from trading_bot._fast.signals cimport flow_quote, flow_trade
from trading_bot._fast.state cimport State
from trading_bot._fast.templates cimport Groups, evaluate

cdef enum OutcomeBit:         # domain.kernel.Outcome
    OUTCOME_EXIT = 4
    OUTCOME_GAP = 8
    OUTCOME_LOG_FULL = 16
    OUTCOME_BAR = 32
    OUTCOME_PENDING = 256

cdef struct Kernel:
    State* st
    const Config* config
    Groups* groups
    Scratch* scratch

# Runs grid points up to and including `until` until one has an outcome; the kernel has started.
cdef int run_grid(Kernel* kernel, int64_t until) noexcept nogil
# The state as at construction, the control block from the configuration; the control block is filled by the caller.
cdef void reset_state(Kernel* kernel) noexcept nogil
cdef void start_afresh(Kernel* kernel) noexcept nogil

cdef inline void start_at(State* st, int64_t ts) noexcept nogil:
    """The first record: grid points begin after it."""
    st.started = 1
    st.now_ns = ts
    st.grid_ns = floor_div(ts, GRID_NS) * GRID_NS

cdef inline int outcome(State* st, int code, int64_t exits, bint at_grid) noexcept nogil:
    if code:
        st.last_exit_mask = exits
        st.last_outcome_at_grid = at_grid
        st.last_outcome_ns = st.now_ns
    return code

cdef inline int take_quote(Kernel* kernel, const TickRecord* rec) noexcept nogil:
    cdef State* st = kernel.st
    cdef int64_t now = st.now_ns
    cdef int64_t exits = 0
    cdef int code
    st.quotes += 1
    see_frame(&st.quality, now)
    if rec.ts_event_ns > 0:
        see_stamp(&st.quality, kernel.config, now, rec.ts_event_ns, &st.quality.quote_event_ns)
    if rec.flags & FLAG_DELAYED_DATA:
        st.quality.current |= DELAYED
    accrue_spread(&st.bars, &st.flow, now)
    if st.flow.has_quote and (rec.bid_qty != st.flow.bid_qty or rec.ask_qty != st.flow.ask_qty):
        st.quality.touched = TOUCHED_HERE | TOUCHED_SINCE_BAR
    flow_quote(&st.flow, &kernel.groups.gap, now, rec.bid_ticks, rec.bid_qty, rec.ask_ticks, rec.ask_qty)
    see_quote(st, kernel.config, now)
    code = score(&st.quality, kernel.config)
    if st.control.position != 0:
        exits = price_exits(&st.control, rec.bid_ticks, rec.ask_ticks)
        if exits:
            code |= OUTCOME_EXIT
    if kernel.groups.group[ON_TICK].members:
        code |= evaluate(st, kernel.config, kernel.groups, &kernel.groups.group[ON_TICK], now)
    return outcome(st, code, exits, False)

cdef inline int take_trade(Kernel* kernel, const TickRecord* rec) noexcept nogil:
    cdef State* st = kernel.st
    cdef int64_t now = st.now_ns
    cdef int64_t price = rec.bid_ticks          # a trade's price and size stand in the bid fields
    cdef int64_t qty = rec.bid_qty
    cdef int64_t exits = 0
    cdef int code
    st.trades += 1
    see_frame(&st.quality, now)
    if rec.ts_event_ns > 0:
        see_stamp(&st.quality, kernel.config, now, rec.ts_event_ns, &st.quality.trade_event_ns)
    if rec.flags & FLAG_DELAYED_DATA:
        st.quality.current |= DELAYED
    if st.flow.has_quote and (price < st.flow.bid_ticks - OUTSIDE_TICKS or price > st.flow.ask_ticks + OUTSIDE_TICKS):
        st.quality.current |= OUTSIDE
    if qty > 0:
        flow_trade(&st.flow, kernel.config, now, price, qty, rec.aggressor)
        add_trade(&st.bars, now, price, qty)
        if rec.ts_event_ns > 0:
            st.quality.late |= 1 if now - rec.ts_event_ns - kernel.config.resolution_ns > LATE_S * SECOND_NS else 2
    code = score(&st.quality, kernel.config)
    if st.control.position != 0 and qty > 0:
        exits = price_exits(&st.control, price, price)
        if exits:
            code |= OUTCOME_EXIT
    if kernel.groups.group[ON_TICK].members:
        code |= evaluate(st, kernel.config, kernel.groups, &kernel.groups.group[ON_TICK], now)
    return outcome(st, code, exits, False)

cdef inline int take_record(Kernel* kernel, const TickRecord* rec) noexcept nogil:
    """A record whose grid points have been run."""
    cdef State* st = kernel.st
    if rec.ts_ns > st.now_ns:
        st.now_ns = rec.ts_ns
    if rec.kind == KIND_QUOTE:
        return take_quote(kernel, rec)
    if rec.kind == KIND_TRADE:
        return take_trade(kernel, rec)
    if rec.kind == KIND_REJECTED:
        st.rejected += 1
        see_frame(&st.quality, st.now_ns)
        st.quality.current |= REJECTED
        return outcome(st, score(&st.quality, kernel.config), 0, False)
    if rec.kind == KIND_PRICE_GAP:
        start_afresh(kernel)
        return outcome(st, OUTCOME_GAP, 0, False)
    return 0                                    # TIME
