# cython: language_level=3
"""A KernelConfig as C numbers; `plan.pyx` fills and checks them once, after that they never change."""
from libc.stdint cimport int64_t

from trading_bot._fast.state cimport KNOTS, SIGNALS, TEMPLATES, TRIGGERS, VOLATILITIES, WEIGHTS

cdef enum:                    # domain.kernel.Cadence
    ON_TICK = 0
    ON_GRID = 1
    ON_BAR = 2

cdef struct SessionRow:
    int64_t trade_date_ns
    int64_t open_ns
    int64_t close_ns
    int64_t rth_open_ns
    int64_t rth_close_ns
    int64_t break_start_ns
    int64_t break_end_ns

cdef struct Weights:
    int n
    int signal[WEIGHTS]
    double weight[WEIGHTS]

cdef struct Trigger:
    int signal
    bint delta
    bint odd
    double low               # -inf where there is none
    double high

cdef struct Knot:             # domain.kernel.MapKnot
    double belief
    double p_target
    double p_stop
    double mark_ticks

cdef struct CalibrationMap:
    int knots                 # 0: uncalibrated
    Knot knot[KNOTS]

cdef struct Template:
    int cadence
    bint passive
    bint target_is_vwap
    int64_t target_ticks
    int64_t stop_ticks
    int64_t rearm_ns
    double smoothing8_ns     # 8.0 * smoothing; 0.0: none
    double a
    double b
    double z_enter
    double z_hold
    double applicability
    double rv_reference      # 0.0: target and stop never scale
    double total_weight      # 0.0: no weights, never evaluated
    CalibrationMap map[VOLATILITIES]
    Weights bar_odd          # each in the template's order
    Weights bar_even
    Weights flow_odd
    Weights flow_even
    int triggers
    Trigger trigger[TRIGGERS]

cdef struct Config:
    int64_t instrument_id
    int64_t resolution_ns
    bint anchor_rth
    int64_t rows
    SessionRow* row
    int64_t vpin_bucket_qty
    double slippage_base_ticks
    double slippage_cap_ticks
    double first_hour_factor
    double last_hour_factor
    int64_t stability_max_e6
    int64_t cost_share_max_e6
    int64_t dvs_entry_c
    int64_t dvs_hold_c
    int64_t dvs_kill_c
    int64_t age_ns[3]        # warn, stale, dead
    int64_t age_least_ns     # the smallest of them
    int64_t age_outside_rth_factor
    int64_t penalty_c[256]   # of a set of component bits
    double scale[SIGNALS]    # 0.0: enters as it is
    bint odd[SIGNALS]
    int templates
    Template template_row[TEMPLATES]
