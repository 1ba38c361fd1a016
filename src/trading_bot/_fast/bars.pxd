# cython: language_level=3
"""Clock-aligned bars of 1, 5 and 60 s, their histories by time of day and the bar signals (registry ids 0..24)."""
from libc.stdint cimport int64_t

from trading_bot._fast.config cimport Config
from trading_bot._fast.decay cimport SECOND_NS, floor_div
from trading_bot._fast.state cimport BUCKETS, PER_BUCKET, SLOTS, Bar, Bars, Flow, State

cdef struct Scratch:              # room for a median over every value kept; not part of the state
    int64_t values[SLOTS * BUCKETS * PER_BUCKET]

# Closes the bars that end at the whole second g; True when a 60 s bar did.
cdef bint close_bars(State* st, const Config* config, Scratch* scratch, int64_t g) noexcept nogil
# A closed 60 s bar from before the start; False when it is refused.
cdef bint take_history(State* st, const Config* config, Scratch* scratch, const Bar* bar) noexcept nogil

cdef inline void accrue_spread(Bars* bars, const Flow* flow, int64_t ts) noexcept nogil:
    """Account the current quote's spread up to ts."""
    if flow.has_quote:
        bars.spread_sum += (flow.ask_ticks - flow.bid_ticks) * (ts - bars.spread_since_ns)
        bars.spread_ns += ts - bars.spread_since_ns
    bars.spread_since_ns = ts

cdef inline void add_trade(Bars* bars, int64_t ts, int64_t price, int64_t qty) noexcept nogil:
    """Into the open second; longer bars are put together from closed seconds."""
    cdef Bar* bar = &bars.open_bar[0]
    if bar.trades == 0:
        bar.ts_open_ns = floor_div(ts, SECOND_NS) * SECOND_NS
        bar.open_ticks = price
        bar.high_ticks = price
        bar.low_ticks = price
        bar.volume = 0
        bar.notional = 0
    elif price > bar.high_ticks:
        bar.high_ticks = price
    elif price < bar.low_ticks:
        bar.low_ticks = price
    bar.close_ticks = price
    bar.volume += qty
    bar.notional += price * qty
    bar.trades += 1
