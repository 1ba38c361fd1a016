# cython: language_level=3
"""Order flow: the sums behind the signals of specification 3.2 (rows 32.. of the registry) and how they are read."""
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset

from trading_bot._fast.decay cimport GRID_NS, FLOW_TAU8, RV_TAU8, Gap, decay, decay_after, decay_many, div_pair, floor_div, see_gap
from trading_bot._fast.config cimport Config
from trading_bot._fast.records cimport AGGRESSOR_BUY, AGGRESSOR_SELL
from trading_bot._fast.state cimport MID_RING, Flow, State

cdef enum:
    SWEEP_NS = 250000000

# Any signal at `t`; False when it has no value.
cdef bint signal_value(const State* st, int64_t t, int signal, double* out) noexcept nogil
# kyle_lambda and vpin at the whole second g.
cdef void close_second(Flow* flow, const Config* config, int64_t g) noexcept nogil
cdef void fill_vpin(Flow* flow, int64_t size, int64_t qty, int aggressor) noexcept nogil

cdef inline void reset_flow(Flow* flow) noexcept nogil:
    memset(flow, 0, sizeof(Flow))

cdef inline void flow_quote(
    Flow* flow, Gap* gap, int64_t ts, int64_t bid, int64_t bid_qty, int64_t ask, int64_t ask_qty
) noexcept nogil:
    """Order-flow sums against the previous quote, then the new book."""
    cdef int64_t mid2 = bid + ask
    if not flow.has_quote:
        flow.has_quote = 1
        flow.first_quote_ns = ts
        flow.rv_ns = ts
    else:
        add_order_flow(flow, gap, ts, bid, bid_qty, ask, ask_qty)
        if mid2 != flow.mid2:
            add_variance(flow, ts, mid2 - flow.mid2)
        if ask != flow.ask_ticks:
            flow.absorbed_buy = 0
        if bid != flow.bid_ticks:
            flow.absorbed_sell = 0
    flow.quote_ns = ts
    flow.bid_ticks = bid
    flow.ask_ticks = ask
    flow.bid_qty = bid_qty
    flow.ask_qty = ask_qty
    flow.mid2 = mid2

cdef inline void add_order_flow(
    Flow* flow, Gap* gap, int64_t ts, int64_t bid, int64_t bid_qty, int64_t ask, int64_t ask_qty
) noexcept nogil:
    cdef int64_t event = 0
    if bid >= flow.bid_ticks:
        event += bid_qty
    if bid <= flow.bid_ticks:
        event -= flow.bid_qty
    if ask <= flow.ask_ticks:
        event -= ask_qty
    if ask >= flow.ask_ticks:
        event += flow.ask_qty
    cdef double e = <double>event
    cdef double depth = 0.5 * <double>(bid_qty + ask_qty)
    cdef double* w = gap.w
    cdef int i
    if ts > flow.quote_ns:
        see_gap(gap, ts - flow.quote_ns)
        for i in range(4):
            flow.ofi_f[i] = flow.ofi_f[i] * w[i] + e
            flow.ofi_d[i] = flow.ofi_d[i] * w[i] + depth
            flow.ofi_m[i] = flow.ofi_m[i] * w[i] + 1.0
    else:                               # weight 1.0: x * 1.0 is x
        for i in range(4):
            flow.ofi_f[i] += e
            flow.ofi_d[i] += depth
            flow.ofi_m[i] += 1.0

cdef inline void add_variance(Flow* flow, int64_t ts, int64_t change) noexcept nogil:
    cdef double square = <double>(change * change)
    cdef double[2] w
    if ts > flow.rv_ns:
        decay_many(w, ts - flow.rv_ns, RV_TAU8, 2)
        flow.rv_s[0] = flow.rv_s[0] * w[0] + square
        flow.rv_s[1] = flow.rv_s[1] * w[1] + square
    else:
        flow.rv_s[0] += square
        flow.rv_s[1] += square
    flow.rv_ns = ts

cdef inline void flow_trade(Flow* flow, const Config* config, int64_t ts, int64_t price, int64_t qty, int aggressor) noexcept nogil:
    """A trade with qty > 0."""
    cdef int64_t signed_qty = qty if aggressor == AGGRESSOR_BUY else -qty if aggressor == AGGRESSOR_SELL else 0
    cdef double[4] w
    cdef int i
    if flow.has_trade and ts > flow.trade_ns:
        decay_many(w, ts - flow.trade_ns, FLOW_TAU8, 4)
        for i in range(4):
            flow.imb_f[i] = flow.imb_f[i] * w[i] + <double>signed_qty
            flow.imb_d[i] = flow.imb_d[i] * w[i] + <double>qty
        flow.count_all *= w[1]
        flow.count_buy *= w[1]
        flow.count_sell *= w[1]
    else:
        for i in range(4):
            flow.imb_f[i] += <double>signed_qty
            flow.imb_d[i] += <double>qty
    div_pair(flow.imb_value, flow.imb_f, flow.imb_d)              # the last trade is in D: it is above 0
    div_pair(&flow.imb_value[2], &flow.imb_f[2], &flow.imb_d[2])
    flow.count_all += 1.0
    if not flow.has_trade:
        flow.has_trade = 1
        flow.first_trade_ns = ts
    flow.trade_ns = ts
    flow.second_signed_qty += signed_qty
    fill_vpin(flow, config.vpin_bucket_qty, qty, aggressor)
    if aggressor == AGGRESSOR_BUY:
        flow.count_buy += 1.0
        if flow.has_quote and price == flow.ask_ticks:
            flow.absorbed_buy += qty
        extend_sweep(flow, ts, price, aggressor)
    elif aggressor == AGGRESSOR_SELL:
        flow.count_sell += 1.0
        if flow.has_quote and price == flow.bid_ticks:
            flow.absorbed_sell += qty
        extend_sweep(flow, ts, price, aggressor)

cdef inline void extend_sweep(Flow* flow, int64_t ts, int64_t price, int side) noexcept nogil:
    if flow.sweep_side == side and ts - flow.sweep_first_ns <= SWEEP_NS:
        if (price > flow.sweep_extreme_ticks) if side == AGGRESSOR_BUY else (price < flow.sweep_extreme_ticks):
            flow.sweep_extreme_ticks = price
    else:
        flow.sweep_side = side
        flow.sweep_first_ticks = price
        flow.sweep_extreme_ticks = price
        flow.sweep_first_ns = ts
    flow.sweep_ns = ts

cdef inline void remember_grid(Flow* flow, int64_t g) noexcept nogil:
    """What the grid signals and momentum need of the grid point g; the roots are taken when somebody asks."""
    flow.grid_at = floor_div(g, GRID_NS)
    cdef int64_t at = flow.grid_at & (MID_RING - 1)
    flow.rv_grid_s[0] = flow.rv_s[0]
    flow.rv_grid_s[1] = flow.rv_s[1]
    flow.rv_grid_changed_ns = flow.rv_ns
    flow.rv_grid_ns = g
    flow.rv_grid_set = flow.has_quote
    flow.mid_ring[at] = flow.mid2
    flow.mid_set[at] = flow.has_quote
