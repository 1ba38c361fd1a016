# cython: language_level=3
"""The market beside the one a kernel steps: its records are logged, and of it the newest quote is kept (docs/kernel.md, 2)."""
from libc.stdint cimport uint16_t
from libc.string cimport memcpy, memset

from trading_bot._fast.records cimport KIND_NONE, KIND_PRICE_GAP, KIND_QUOTE, TickRecord
from trading_bot._fast.state cimport State

cdef struct Beside:
    uint16_t id                   # the instrument, 0: none
    TickRecord quote              # of kind NONE before the first


cdef inline void take_beside(State* st, Beside* beside, const TickRecord* rec) noexcept nogil:
    """A record whose grid points have been run and which is in the log."""
    if rec.ts_ns > st.now_ns:
        st.now_ns = rec.ts_ns
    if rec.kind == KIND_QUOTE:
        memcpy(&beside.quote, rec, sizeof(TickRecord))
    elif rec.kind == KIND_PRICE_GAP:
        beside.quote.kind = KIND_NONE


cdef inline int begin_beside(Beside* beside, int instrument_id, int own_id) except -1:
    """From now on that instrument's, of which nothing is known yet."""
    if not 0 <= instrument_id < 65536 or instrument_id == own_id:
        raise ValueError(f"the market beside is {instrument_id}: expected another instrument's id, or 0 for none")
    memset(beside, 0, sizeof(Beside))
    beside.id = <uint16_t>instrument_id
    return 0


cdef inline object quote_of(const Beside* beside):
    cdef const TickRecord* rec = &beside.quote
    return None if rec.kind == KIND_NONE else (rec.bid_ticks, rec.bid_qty, rec.ask_ticks, rec.ask_qty, rec.ts_ns)
