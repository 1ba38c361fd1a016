# cython: language_level=3
"""Reading of signals, and what happens to them once a second. The registry row is the definition of each."""
from libc.stdint cimport int64_t, uint64_t

from trading_bot._fast.decay cimport FLOW_TAU8, GRID_NS, RV_TAU8, SECOND_NS, decay, div, floor_div, magnitude, root
from trading_bot._fast.config cimport Config
from trading_bot._fast.records cimport AGGRESSOR_BUY, AGGRESSOR_SELL
from trading_bot._fast.state cimport (
    ABSORPTION, BAR_SIGNALS, DVS, INTENSITY_IMB, INTENSITY_SUM, KYLE_LAMBDA, MICROPRICE_DEV, MID_RING, MOM_1S, MOM_5S,
    MOM_30S, OFI_1S, OFI_5S, OFI_30S, QUEUE_IMBALANCE, RV_30S, RV_300S, SPREAD_TICKS, STREAM_AGE_MS, SWEEP_TICKS,
    TRADE_IMB_1S, TRADE_IMB_5S, TRADE_IMB_30S, VPIN, VPIN_RING, Flow, State,
)

# Steady state of a decayed count of ones per second, 8 tau / 7, for 5 s, 30 s and 300 s.
cdef double COUNT_5S = 8.0 * 5.0 / 7.0
cdef double COUNT_30S = 8.0 * 30.0 / 7.0
cdef double COUNT_300S = 8.0 * 300.0 / 7.0
# Weight of one second at 60 s, for kyle_lambda.
cdef double KYLE_WEIGHT = decay(SECOND_NS, 8.0 * 60e9)


cdef inline bint order_flow(const Flow* flow, int64_t t, int lane, int64_t warm_ns, double* out) noexcept nogil:
    # M >= 1 once a quote had a predecessor, so that D / M is defined exactly when M is not 0.
    if not flow.has_quote or t - flow.first_quote_ns < warm_ns or flow.ofi_m[lane] == 0.0:
        return False
    cdef double mean = div(flow.ofi_d[lane], flow.ofi_m[lane])
    if mean == 0.0:
        out[0] = 0.0
    elif t > flow.quote_ns:
        out[0] = div(flow.ofi_f[lane] * decay(t - flow.quote_ns, FLOW_TAU8[lane]), mean)
    else:
        out[0] = div(flow.ofi_f[lane], mean)
    return True


cdef inline bint trade_imbalance(const Flow* flow, int64_t t, int lane, int64_t warm_ns, double* out) noexcept nogil:
    if not flow.has_trade or t - flow.first_trade_ns < warm_ns:
        return False
    out[0] = div(flow.imb_f[lane], flow.imb_d[lane])     # the last trade's qty > 0 is in D
    return True


cdef inline bint momentum(const Flow* flow, int64_t t, int64_t window_ns, double* out) noexcept nogil:
    cdef int64_t at = floor_div(t - window_ns, GRID_NS) & (MID_RING - 1)
    if not flow.has_quote or not flow.mid_set[at]:
        return False
    out[0] = <double>(flow.mid2 - flow.mid_ring[at]) / 2.0
    return True


cdef inline bint volatility(const Flow* flow, int lane, int64_t warm_ns, double steady, double* out) noexcept nogil:
    if not flow.rv_grid_set or flow.rv_grid_ns - flow.first_quote_ns < warm_ns:
        return False
    cdef double w = decay(flow.rv_grid_ns - flow.rv_grid_changed_ns, RV_TAU8[lane])
    out[0] = root(div(flow.rv_grid_s[lane] * w / 4.0, steady))
    return True


cdef inline bint queue_signal(const Flow* flow, int signal, double* out) noexcept nogil:
    cdef int64_t depth = flow.bid_qty + flow.ask_qty
    cdef int64_t lead = flow.bid_qty - flow.ask_qty
    if not flow.has_quote or depth == 0:
        return False
    if signal == QUEUE_IMBALANCE:
        out[0] = div(<double>lead, <double>depth)
    else:
        out[0] = div(<double>((flow.ask_ticks - flow.bid_ticks) * lead), <double>(2 * depth))
    return True


cdef inline bint intensity(const Flow* flow, int64_t t, int signal, double* out) noexcept nogil:
    if not flow.has_trade or t - flow.first_trade_ns < 25 * SECOND_NS:
        return False
    if signal == INTENSITY_SUM:
        out[0] = div(flow.count_all * decay(t - flow.trade_ns, FLOW_TAU8[1]), COUNT_5S)
    else:
        out[0] = div(flow.count_buy - flow.count_sell, flow.count_all)       # the last trade counts 1 in A
    return True


cdef inline bint simple_signal(const State* st, int64_t t, int signal, double* out) noexcept nogil:
    cdef const Flow* flow = &st.flow
    if signal == SPREAD_TICKS:
        out[0] = <double>(flow.ask_ticks - flow.bid_ticks)
        return flow.has_quote != 0
    if signal == SWEEP_TICKS:
        out[0] = 0.0 if t - flow.sweep_ns > SWEEP_NS else <double>(flow.sweep_extreme_ticks - flow.sweep_first_ticks)
        return flow.sweep_side != 0
    if signal == ABSORPTION:
        out[0] = <double>(flow.absorbed_buy - flow.absorbed_sell)
        return flow.has_quote != 0
    if signal == KYLE_LAMBDA:
        out[0] = flow.kyle_value
        return flow.kyle_known != 0
    if signal == VPIN:
        out[0] = flow.vpin_value
        return flow.vpin_known != 0
    if signal == DVS:
        out[0] = <double>st.quality.dvs_c / 100.0
        return True
    if signal == STREAM_AGE_MS:
        out[0] = <double>(t - st.quality.frame_ns) / 1000000.0
        return st.quality.has_frame != 0
    return False


cdef inline bint flow_signal(const State* st, int64_t t, int signal, double* out) noexcept nogil:
    cdef const Flow* flow = &st.flow
    if signal == MICROPRICE_DEV or signal == QUEUE_IMBALANCE:
        return queue_signal(flow, signal, out)
    elif signal == OFI_1S:
        return order_flow(flow, t, 0, 5 * SECOND_NS, out)
    elif signal == OFI_5S:
        return order_flow(flow, t, 1, 25 * SECOND_NS, out)
    elif signal == OFI_30S:
        return order_flow(flow, t, 2, 150 * SECOND_NS, out)
    elif signal == TRADE_IMB_1S:
        return trade_imbalance(flow, t, 0, 5 * SECOND_NS, out)
    elif signal == TRADE_IMB_5S:
        return trade_imbalance(flow, t, 1, 25 * SECOND_NS, out)
    elif signal == TRADE_IMB_30S:
        return trade_imbalance(flow, t, 2, 150 * SECOND_NS, out)
    elif signal == MOM_1S:
        return momentum(flow, t, SECOND_NS, out)
    elif signal == MOM_5S:
        return momentum(flow, t, 5 * SECOND_NS, out)
    elif signal == MOM_30S:
        return momentum(flow, t, 30 * SECOND_NS, out)
    elif signal == RV_30S:
        return volatility(flow, 0, 150 * SECOND_NS, COUNT_30S, out)
    elif signal == RV_300S:
        return volatility(flow, 1, 1500 * SECOND_NS, COUNT_300S, out)
    elif signal == INTENSITY_SUM or signal == INTENSITY_IMB:
        return intensity(flow, t, signal, out)
    return simple_signal(st, t, signal, out)


cdef bint signal_value(const State* st, int64_t t, int signal, double* out) noexcept nogil:
    out[0] = 0.0
    if signal < BAR_SIGNALS and signal != DVS:
        out[0] = st.bars.value[signal]
        return (st.bars.known >> signal) & 1
    return flow_signal(st, t, signal, out)


cdef uint64_t flow_values(const State* st, int64_t t, const int* signals, int n, double* out) noexcept nogil:
    cdef uint64_t known = 0
    cdef int i
    for i in range(n):
        out[i] = 0.0
        if flow_signal(st, t, signals[i], &out[i]):
            known |= <uint64_t>1 << i
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
