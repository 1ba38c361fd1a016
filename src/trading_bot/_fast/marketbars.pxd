# cython: language_level=3
"""Minute bars of generated trades, for the history a run warms up with."""
from libc.stdint cimport int64_t

from trading_bot._fast.raw_batch cimport RawTick
from trading_bot._fast.records cimport KIND_TRADE

cdef enum:
    BAR_NUMBERS = 7

cdef struct BarState:
    int64_t numbers[7]          # ts_open_ns, open, high, low, close, volume, notional (ticks × lots)
    bint open

cdef inline bint add_to_bar(BarState* bar, const RawTick* raw, int64_t tick_e9, int64_t* out) noexcept nogil:
    """Add a trade to its minute; true when that closed the bar before, which is then in `out`."""
    cdef int64_t minute_ns, price, length_ns = 60_000_000_000
    cdef bint closed = False
    cdef int k
    if raw.kind != KIND_TRADE:
        return False
    minute_ns = raw.ts_ns - raw.ts_ns % length_ns
    price = raw.a_e9 // tick_e9
    if bar.open and bar.numbers[0] != minute_ns:
        for k in range(BAR_NUMBERS):
            out[k] = bar.numbers[k]
        closed, bar.open = True, False
    if not bar.open:
        bar.open = True
        bar.numbers[0] = minute_ns
        bar.numbers[1] = bar.numbers[2] = bar.numbers[3] = price
        bar.numbers[5] = bar.numbers[6] = 0
    bar.numbers[2] = max(bar.numbers[2], price)
    bar.numbers[3] = min(bar.numbers[3], price)
    bar.numbers[4] = price
    bar.numbers[5] += raw.a_qty
    bar.numbers[6] += price * raw.a_qty
    return closed
