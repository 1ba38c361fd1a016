# cython: language_level=3
"""Reading of flow signals: inline, so that an evaluation contains it. The registry row is the definition of each."""
from libc.stdint cimport int64_t, uint64_t

from trading_bot._fast.decay cimport FLOW_TAU8, Gap, RV_TAU8, SECOND_NS, decay, decay_many, div, div_pair, over_mean_pair, root
from trading_bot._fast.signals cimport SWEEP_NS
from trading_bot._fast.state cimport (
    ABSORPTION, CONTEXT_1, CONTEXT_2, CONTEXT_3, CONTEXT_4, DVS, FEDS, INTENSITY_IMB, INTENSITY_SUM, KYLE_LAMBDA,
    LEVEL_BIAS, MICROPRICE_DEV, MID_RING, MOM_1S, MOM_5S, MOM_30S, OFI_1S, OFI_5S, OFI_30S, QUEUE_IMBALANCE, RV_30S,
    RV_300S, SPREAD_TICKS, STREAM_AGE_MS, SWEEP_TICKS, TRADE_IMB_1S, TRADE_IMB_5S, TRADE_IMB_30S, VPIN, Control, Flow,
    State,
)

cdef inline uint64_t bit(int signal) noexcept nogil:
    return <uint64_t>1 << signal

# Families that are read together. Book, order flow and momentum need a quote, trades need a trade.
cdef inline uint64_t book() noexcept nogil:
    return bit(SPREAD_TICKS) | bit(MICROPRICE_DEV) | bit(QUEUE_IMBALANCE) | bit(ABSORPTION)

cdef inline uint64_t order_flow() noexcept nogil:
    return bit(OFI_1S) | bit(OFI_5S) | bit(OFI_30S)

cdef inline uint64_t trades() noexcept nogil:
    return bit(TRADE_IMB_1S) | bit(TRADE_IMB_5S) | bit(TRADE_IMB_30S) | intensity()

cdef inline uint64_t intensity() noexcept nogil:
    return bit(INTENSITY_SUM) | bit(INTENSITY_IMB)

cdef inline uint64_t momenta() noexcept nogil:
    return bit(MOM_1S) | bit(MOM_5S) | bit(MOM_30S)

cdef inline uint64_t volatilities() noexcept nogil:
    return bit(RV_30S) | bit(RV_300S)

cdef inline uint64_t others() noexcept nogil:
    return bit(KYLE_LAMBDA) | bit(VPIN) | bit(DVS) | bit(STREAM_AGE_MS)

cdef inline uint64_t fed() noexcept nogil:
    return bit(LEVEL_BIAS) | bit(CONTEXT_1) | bit(CONTEXT_2) | bit(CONTEXT_3) | bit(CONTEXT_4)

cdef inline uint64_t read_signals(const State* st, const Gap* gap, int64_t t, uint64_t wanted, double* x) noexcept nogil:
    """Values at t of the wanted signals (bit per id, no bar signals) into x[id]; answers which of them have one.

    The others' places are untouched or hold a number without meaning.
    """
    cdef const Flow* flow = &st.flow
    cdef uint64_t known = 0
    if flow.has_quote:
        if wanted & book():
            known |= read_book(flow, wanted, x)
        if wanted & order_flow() and flow.ofi_m[0] != 0.0:     # M >= 1 once a quote had a predecessor
            known |= read_order_flow(flow, gap, t, wanted, x)
        if wanted & momenta():
            known |= read_momentum(flow, wanted, x)
        if wanted & volatilities() and flow.rv_grid_set:
            known |= read_volatility(flow, wanted, x)
    if wanted & trades() and flow.has_trade:
        known |= read_trades(flow, t, wanted, x)
    if wanted & bit(SWEEP_TICKS) and flow.sweep_side:
        x[SWEEP_TICKS] = 0.0
        if t - flow.sweep_ns <= SWEEP_NS:
            x[SWEEP_TICKS] = <double>(flow.sweep_extreme_ticks - flow.sweep_first_ticks)
        known |= bit(SWEEP_TICKS)
    if wanted & others():
        known |= read_others(st, t, wanted, x)
    if wanted & fed():
        known |= read_fed(&st.control, wanted, x)
    return known

cdef inline uint64_t read_book(const Flow* flow, uint64_t wanted, double* x) noexcept nogil:
    cdef int64_t depth = flow.bid_qty + flow.ask_qty
    cdef int64_t lead = flow.bid_qty - flow.ask_qty
    cdef int64_t spread = flow.ask_ticks - flow.bid_ticks
    cdef double[2] leads
    cdef double[2] depths
    x[SPREAD_TICKS] = <double>spread
    x[ABSORPTION] = <double>(flow.absorbed_buy - flow.absorbed_sell)
    if depth == 0:
        return (bit(SPREAD_TICKS) | bit(ABSORPTION)) & wanted
    if wanted & (bit(MICROPRICE_DEV) | bit(QUEUE_IMBALANCE)):
        leads[0] = <double>(spread * lead)
        leads[1] = <double>lead
        depths[0] = <double>(2 * depth)
        depths[1] = <double>depth
        div_pair(&x[MICROPRICE_DEV], leads, depths)            # queue_imbalance has the next id
    return book() & wanted

cdef inline uint64_t read_order_flow(
    const Flow* flow, const Gap* gap, int64_t t, uint64_t wanted, double* x
) noexcept nogil:
    cdef int64_t since_ns = t - flow.first_quote_ns
    cdef uint64_t known = 0
    cdef double[2] mean
    cdef double[2] f
    if wanted & (bit(OFI_1S) | bit(OFI_5S)):
        div_pair(mean, flow.ofi_d, flow.ofi_m)
        if t > flow.quote_ns:
            if t - flow.quote_ns == gap.dt:
                f[0] = gap.w[0]
                f[1] = gap.w[1]
            else:
                decay_many(f, t - flow.quote_ns, FLOW_TAU8, 2)
            f[0] *= flow.ofi_f[0]
            f[1] *= flow.ofi_f[1]
            over_mean_pair(&x[OFI_1S], f, mean)
        else:
            over_mean_pair(&x[OFI_1S], flow.ofi_f, mean)
        if since_ns >= 5 * SECOND_NS:
            known |= bit(OFI_1S)
        if since_ns >= 25 * SECOND_NS:
            known |= bit(OFI_5S)
    if wanted & bit(OFI_30S) and since_ns >= 150 * SECOND_NS:
        x[OFI_30S] = slow_order_flow(flow, t)
        known |= bit(OFI_30S)
    return known & wanted

cdef inline double slow_order_flow(const Flow* flow, int64_t t) noexcept nogil:
    cdef double mean = div(flow.ofi_d[2], flow.ofi_m[2])
    if mean == 0.0:
        return 0.0
    return div(flow.ofi_f[2] * decay(t - flow.quote_ns, FLOW_TAU8[2]), mean)

cdef inline uint64_t momentum(const Flow* flow, int signal, int64_t window, double* x) noexcept nogil:
    # t lies less than 100 ms after the last grid point, and windows are multiples of 100 ms.
    cdef int64_t at = (flow.grid_at - window) & (MID_RING - 1)
    x[signal] = <double>(flow.mid2 - flow.mid_ring[at]) / 2.0
    return bit(signal) if flow.mid_set[at] else 0

cdef inline uint64_t read_momentum(const Flow* flow, uint64_t wanted, double* x) noexcept nogil:
    cdef uint64_t known = 0
    if wanted & bit(MOM_1S):
        known |= momentum(flow, MOM_1S, 10, x)
    if wanted & bit(MOM_5S):
        known |= momentum(flow, MOM_5S, 50, x)
    if wanted & bit(MOM_30S):
        known |= momentum(flow, MOM_30S, 300, x)
    return known

# `steady`, the steady state of a decayed count of one per second, is its tau: the decays of many small steps compound to
# exp(-t/tau).
cdef inline double volatility(const Flow* flow, int lane, double steady) noexcept nogil:
    cdef double w = decay(flow.rv_grid_ns - flow.rv_grid_changed_ns, RV_TAU8[lane])
    return root(div(flow.rv_grid_s[lane] * w / 4.0, steady))

cdef inline uint64_t read_volatility(const Flow* flow, uint64_t wanted, double* x) noexcept nogil:
    cdef int64_t since_ns = flow.rv_grid_ns - flow.first_quote_ns
    cdef uint64_t known = 0
    if wanted & bit(RV_30S) and since_ns >= 150 * SECOND_NS:
        x[RV_30S] = volatility(flow, 0, 30.0)
        known |= bit(RV_30S)
    if wanted & bit(RV_300S) and since_ns >= 1500 * SECOND_NS:
        x[RV_300S] = volatility(flow, 1, 300.0)
        known |= bit(RV_300S)
    return known

cdef inline uint64_t read_trades(const Flow* flow, int64_t t, uint64_t wanted, double* x) noexcept nogil:
    cdef int64_t since_ns = t - flow.first_trade_ns
    cdef uint64_t known = 0
    x[TRADE_IMB_1S] = flow.imb_value[0]
    x[TRADE_IMB_5S] = flow.imb_value[1]
    x[TRADE_IMB_30S] = flow.imb_value[2]
    if since_ns >= 150 * SECOND_NS:
        known = bit(TRADE_IMB_1S) | bit(TRADE_IMB_5S) | bit(TRADE_IMB_30S) | intensity()
    elif since_ns >= 25 * SECOND_NS:
        known = bit(TRADE_IMB_1S) | bit(TRADE_IMB_5S) | intensity()
    elif since_ns >= 5 * SECOND_NS:
        known = bit(TRADE_IMB_1S)
    if wanted & known & intensity():                            # A >= 1: the last trade is in it
        x[INTENSITY_SUM] = div(flow.count_all * decay(t - flow.trade_ns, FLOW_TAU8[1]), 5.0)
        x[INTENSITY_IMB] = div(flow.count_buy - flow.count_sell, flow.count_all)
    return known & wanted

cdef inline uint64_t read_others(const State* st, int64_t t, uint64_t wanted, double* x) noexcept nogil:
    cdef const Flow* flow = &st.flow
    cdef uint64_t known = bit(DVS)
    if wanted & bit(DVS):
        x[DVS] = <double>st.quality.dvs_c / 100.0
    if flow.kyle_known:
        x[KYLE_LAMBDA] = flow.kyle_value
        known |= bit(KYLE_LAMBDA)
    if flow.vpin_known:
        x[VPIN] = flow.vpin_value
        known |= bit(VPIN)
    if wanted & bit(STREAM_AGE_MS) and st.quality.has_frame:
        x[STREAM_AGE_MS] = <double>(t - st.quality.frame_ns) / 1000000.0
        known |= bit(STREAM_AGE_MS)
    return known & wanted

cdef inline uint64_t read_fed(const Control* control, uint64_t wanted, double* x) noexcept nogil:
    cdef int i
    for i in range(FEDS):
        x[LEVEL_BIAS + i] = control.fed[i]
    return control.fed_known & wanted
