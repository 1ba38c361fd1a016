# cython: language_level=3
"""Life of the orders at the exchange (docs/simulator.md, sections 4 to 8)."""
cimport cython
from libc.stdint cimport int64_t

from trading_bot._fast.exchange_state cimport GROUPS, LEG_DONE, LEG_ENTRY, LEG_NONE, LEG_SENT, LEGS, NOBODY, Exchange, LegRow, Reply

# A leg's index counts through all groups.

@cython.cdivision(True)
cdef inline int slot_of(int index) noexcept nogil:
    return index // LEGS

@cython.cdivision(True)
cdef inline int name_of(int index) noexcept nogil:
    return index % LEGS

cdef inline LegRow* leg_at(Exchange* ex, int index) noexcept nogil:
    return &ex.groups[slot_of(index)].leg[name_of(index)]

cdef inline bint is_live(const LegRow* leg) noexcept nogil:
    return leg.state != LEG_NONE and leg.state != LEG_DONE

cdef inline int find(Exchange* ex, int64_t handle) noexcept nogil:
    """The slot of a handle, NOBODY when nothing of it lives."""
    cdef int slot
    for slot in range(GROUPS):
        if ex.groups[slot].used and ex.groups[slot].handle == handle:
            return slot
    return NOBODY

cdef inline int find_arrived(Exchange* ex, int64_t handle) noexcept nogil:
    """As `find`, for messages: one that overtook its order finds nothing."""
    cdef int slot = find(ex, handle)
    return NOBODY if slot != NOBODY and ex.groups[slot].leg[LEG_ENTRY].state == LEG_SENT else slot

# Queues an answer, not before those about the same (all orders, or one shadow), and returns when it is delivered. A shadow's row
# brings the delivery of its own latest one as `ts_ns`; x of prices is turned back by the caller.
cdef int64_t reply(Exchange* ex, const Reply* row) noexcept nogil
# When a message of an order that is sent now reaches the exchange; not before the one sent last.
cdef int64_t arrival_ns(Exchange* ex, int64_t handle) noexcept nogil
# How long a shadow's order takes that is sent at `at_ns`.
cdef int64_t shadow_out_ns(Exchange* ex, int64_t handle, int64_t at_ns) noexcept nogil
# An order that waits; the entry is sent by the caller.
cdef void fill_leg(LegRow* leg, int64_t side, int kind, int64_t qty, int64_t limit_ticks, int64_t trigger_ticks) noexcept nogil
cdef void execute(Exchange* ex, int slot, int name, int64_t lots, int64_t x) noexcept nogil
# Marketable part of an order against the displayed market.
cdef void take(Exchange* ex, int slot, int name, bint limited) noexcept nogil
# A limit order arrives, or comes back to the end of its queue.
cdef void rest(Exchange* ex, int slot, int name) noexcept nogil
cdef void arm(Exchange* ex, int slot, int name) noexcept nogil
cdef void trigger(Exchange* ex, int slot, int name, int64_t x_print) noexcept nogil
# A triggered stop, or a market order, is at the exchange.
cdef void route(Exchange* ex, int slot, int name) noexcept nogil
# Children come into force for the lots their parent filled.
cdef void activate(Exchange* ex, int slot) noexcept nogil
# One leg ends as cancelled or rejected, and what hangs on it.
cdef void end(Exchange* ex, int slot, int name, int kind) noexcept nogil
cdef void tell(Exchange* ex, int slot, int name, int kind, int64_t qty) noexcept nogil
cdef void settle(Exchange* ex, int slot) noexcept nogil
cdef void release(Exchange* ex, int slot) noexcept nogil
