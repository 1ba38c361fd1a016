# cython: language_level=3
"""What reaches the exchange, in the order of time: messages, activations, the market's records."""
from libc.stdint cimport int64_t

from trading_bot._fast.exchange_book cimport show_quote
from trading_bot._fast.exchange_latency cimport see_tick
from trading_bot._fast.exchange_shadow cimport shadows_see_quote, shadows_see_trade
from trading_bot._fast.exchange_state cimport NOBODY, Exchange
from trading_bot._fast.records cimport KIND_QUOTE, KIND_TRADE, TickRecord

cdef enum:
    EXCHANGE_NEWS = 1         # `due_ns` has to be looked at again
    EXCHANGE_OVERFLOW = -1    # answers were lost: nothing after this counts

# Everything of our own that is due up to and including `until`, each at its own time.
cdef void run_due(Exchange* ex, int64_t until) noexcept nogil
# Recomputes the due times after a change; EXCHANGE_NEWS or EXCHANGE_OVERFLOW.
cdef int look_ahead(Exchange* ex) noexcept nogil
cdef void legs_see_quote(Exchange* ex) noexcept nogil
cdef void legs_see_trade(Exchange* ex, const TickRecord* rec) noexcept nogil

cdef inline int match_record(Exchange* ex, const TickRecord* rec) noexcept nogil:
    cdef int64_t before = ex.changes
    cdef int64_t now = rec.ts_ns if rec.ts_ns > ex.now_ns else ex.now_ns
    if now >= ex.internal_due_ns:
        run_due(ex, now)
    ex.now_ns = now
    if ex.latency.buckets and (rec.kind == KIND_QUOTE or rec.kind == KIND_TRADE):
        see_tick(&ex.burst, now)
    if rec.kind == KIND_QUOTE:
        show_quote(&ex.book, rec)
        if ex.head != NOBODY:
            legs_see_quote(ex)
        if ex.shadow_count:
            shadows_see_quote(ex)
    elif rec.kind == KIND_TRADE:
        ex.book.last = rec.bid_ticks
        ex.book.last_ns = now
        ex.book.has_last = True
        if ex.head != NOBODY:
            legs_see_trade(ex, rec)
        if ex.shadow_count:
            shadows_see_trade(ex, rec)
    return look_ahead(ex) if ex.changes != before else 0
