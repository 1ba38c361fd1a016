# cython: language_level=3
"""One signal at a time, and what happens to them once a second. The registry row is the definition of each."""
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset

from trading_bot._fast.config cimport Config
from trading_bot._fast.decay cimport SECOND_NS, Gap, decay, div, magnitude
from trading_bot._fast.reading cimport bit, read_signals
from trading_bot._fast.records cimport AGGRESSOR_BUY, AGGRESSOR_SELL
from trading_bot._fast.state cimport BAR_SIGNALS, DVS, VPIN_RING, Flow, State

# Weight of one second at 60 s, for kyle_lambda.
cdef double KYLE_WEIGHT = decay(SECOND_NS, 8.0 * 60e9)


cdef bint signal_value(const State* st, int64_t t, int signal, double* out) noexcept nogil:
    cdef double[64] x
    cdef Gap none
    if signal < BAR_SIGNALS and signal != DVS:
        out[0] = st.bars.value[signal]
        return (st.bars.known >> signal) & 1
    x[signal] = 0.0
    memset(&none, 0, sizeof(Gap))       # no weights are kept
    none.dt = -1
    cdef bint known = read_signals(st, &none, t, bit(signal), x) != 0
    out[0] = x[signal]
    return known


cdef void close_second(Flow* flow, const Config* config, int64_t g) noexcept nogil:
    cdef double x
    cdef double change
    if flow.has_quote and flow.second_mid_set:
        x = <double>flow.second_signed_qty
        change = <double>(flow.mid2 - flow.second_mid2)
        flow.kyle_p = flow.kyle_p * KYLE_WEIGHT + x * change
        flow.kyle_q = flow.kyle_q * KYLE_WEIGHT + x * x
    flow.second_mid_set = flow.has_quote
    flow.second_mid2 = flow.mid2
    flow.second_signed_qty = 0
    flow.kyle_known = (
        flow.has_trade and g - flow.first_trade_ns >= 300 * SECOND_NS and flow.kyle_q != 0.0
    )
    flow.kyle_value = div(flow.kyle_p, flow.kyle_q) / 2.0 if flow.kyle_known else 0.0
    flow.vpin_known = flow.vpin_count >= VPIN_RING
    if flow.vpin_known:                 # the bucket size is at least 1
        flow.vpin_value = div(<double>flow.vpin_sum, <double>(2 * VPIN_RING * config.vpin_bucket_qty))


cdef void fill_vpin(Flow* flow, int64_t size, int64_t qty, int aggressor) noexcept nogil:
    cdef int64_t left = min(qty, 52 * size)
    cdef int64_t take
    cdef int64_t at
    while left > 0:
        take = min(left, size - flow.vpin_filled)
        left -= take
        flow.vpin_filled += take
        if aggressor == AGGRESSOR_BUY:
            flow.vpin_buy2 += 2 * take
        elif aggressor == AGGRESSOR_SELL:
            flow.vpin_sell2 += 2 * take
        else:
            flow.vpin_buy2 += take
            flow.vpin_sell2 += take
        if flow.vpin_filled == size:
            at = flow.vpin_count % VPIN_RING
            flow.vpin_sum -= flow.vpin_ring[at]
            flow.vpin_ring[at] = magnitude(flow.vpin_buy2 - flow.vpin_sell2)
            flow.vpin_sum += flow.vpin_ring[at]
            flow.vpin_count += 1
            flow.vpin_filled = 0
            flow.vpin_buy2 = 0
            flow.vpin_sell2 = 0
