# cython: language_level=3
"""The inner loop of the seeded market: segments of constant behaviour in, raw ticks out (docs/market-generator.md)."""
from libc.stdint cimport int64_t

from trading_bot._fast.door cimport Door
from trading_bot._fast.marketbars cimport BarState
from trading_bot._fast.marketfaults cimport FaultStage
from trading_bot._fast.raw_batch cimport RawTick
from trading_bot._fast.simdice cimport Dice

cdef enum SegmentFlag:
    SEGMENT_OPEN = 1            # trading opens: a fresh book, the price displaced while nobody traded
    SEGMENT_NEWS = 2            # news at its start: the fair price jumps, the book follows within a second
    SEGMENT_GAP = 4             # the book jumps without a trade

cdef struct SegmentRow:         # as the plan gives it, int64 each
    int64_t start_ns
    int64_t end_ns
    int64_t quotes_milli        # quote events in 1000 s
    int64_t trades_milli        # trade events in 1000 s
    int64_t vol_e6              # millionths of a tick per √s
    int64_t drift_e6            # millionths of a tick per s
    int64_t pull_e9             # share of the distance to the slow mean taken back each second, in 1e-9
    int64_t depth_milli         # lots at the touch in thousandths
    int64_t wide_ppm            # chance that a quote event widens the spread
    int64_t sweep_ppm           # chance that a trade is a sweep
    int64_t jump_milli          # displacement of the fair price at the start, thousandths of a tick
    int64_t flags

cdef struct SegmentRates:       # the same per second and in ticks
    double quotes
    double trades
    double vol
    double drift
    double pull
    double depth

cdef class MarketGen:
    cdef Door _door
    cdef FaultStage _faults
    cdef Dice _dice             # the market
    cdef Dice _line             # what the line to us adds: latency
    cdef int64_t _tick_e9
    cdef int64_t _resolution_ns
    cdef double _information    # how far sizes and trades lean
    cdef int64_t _hold_ppm
    # ---- the plan
    cdef SegmentRow* _segments
    cdef Py_ssize_t _count
    cdef Py_ssize_t _room
    cdef Py_ssize_t _at
    cdef int64_t _open_ns
    cdef int64_t _close_ns
    cdef SegmentRates _rates
    # ---- the market
    cdef int64_t _t             # now
    cdef bint _started
    cdef bint _close_by         # the next event belongs to the same cluster
    cdef double _fair           # ticks
    cdef double _mean           # slow mean of the fair price
    cdef double _floor          # the fair price is reflected here
    cdef double _swept          # displacement that a sweep left behind, decays in seconds
    cdef double _news           # news not yet in the quotes (negative of it), decays in fractions of a second
    cdef double _excited        # self-excitation of trades
    cdef int64_t _level         # the book is level, level + 1 while nothing is missing
    cdef int64_t _lag_bid       # ticks the bid is behind the level
    cdef int64_t _lag_ask
    cdef int64_t _bid_qty
    cdef int64_t _ask_qty
    cdef int64_t _parent        # side of the order being worked, +1 or −1
    # ---- records on their way
    cdef RawTick _queue[512]
    cdef int _queued
    cdef int _taken
    cdef RawTick _quote         # the last one emitted
    cdef int64_t _event_ns      # the largest event stamp
    # ---- the bar being built, for history
    cdef BarState _bar

    cdef void _enter(self) noexcept nogil
    cdef void _step(self) noexcept nogil
    cdef void _pass(self, int64_t dt_ns) noexcept nogil
    cdef void _events(self, double u, double fills, double trades) noexcept nogil
    cdef bint _follow(self) noexcept nogil
    cdef void _walk(self, int64_t side, int64_t levels, bint traded) noexcept nogil
    cdef void _quote_event(self) noexcept nogil
    cdef void _trade_event(self) noexcept nogil
    cdef double _lean(self) noexcept nogil
    cdef int64_t _target(self, int64_t side) noexcept nogil
    cdef int64_t _fresh(self, int64_t side, double low, double width) noexcept nogil
    cdef void _emit_trade(self, int64_t side, int64_t qty) noexcept nogil
    cdef void _emit_quote(self) noexcept nogil
    cdef void _push(self, RawTick* raw) noexcept nogil
