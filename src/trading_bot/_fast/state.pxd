# cython: language_level=3
"""Everything a HotPath remembers, as one C struct: a snapshot is its bytes.

Only 8-byte fields, so that there is no padding and equal states are equal bytes; flags are 0 or 1. Times are ns, prices
ticks. A change here changes the layout digest (hotpath.pyx) through LAYOUT_VERSION or a size.
"""
from libc.stdint cimport int64_t, uint64_t

cdef enum:
    LAYOUT_VERSION = 4
    TEMPLATES = 32
    WEIGHTS = 24
    TRIGGERS = 8
    VOLATILITIES = 3          # buckets of a calibration map: low, normal, high
    KNOTS = 8
    SIGNALS = 64              # SIGNAL_SLOTS of the registry
    BAR_SIGNALS = 32          # ids below this are bar signals, dvs excepted
    FEDS = 5                  # signals the core gives, from LEVEL_BIAS on
    PERIODS = 3
    BAR_RING = 128
    MID_RING = 512            # > 30 s of grid points; a power of two
    SLOTS = 21                # this session and 20 earlier ones
    BUCKETS = 48
    PER_BUCKET = 30
    MINUTES = 1440
    VPIN_RING = 50
    DELAY_RING = 60
    SECONDS_KEPT = 10
    MINUTES_KEPT = 10         # judged minutes a bar component is remembered for

cdef enum:                    # signal ids; the registry has the same numbers
    VWAP_Z = 0
    VWAP_SLOPE = 1
    ATR_14_N = 2
    RANGE_COMPRESSION = 3
    HHLL_TREND_STRENGTH = 4
    BREAKOUT_DISTANCE_N = 5
    REJECTION_WICK_N = 6
    CLOSE_LOCATION_VALUE = 7
    GAP_FROM_PREV_CLOSE_N = 8
    DISTANCE_FROM_POC_PROXY = 9
    MICRO_TREND_5 = 10
    REAL_BODY_IMPULSE_N = 11
    VOL_Z = 12
    VOL_SLOPE_20 = 13
    EFFORT_VS_RESULT = 14
    RANGE_EXPANSION_ON_VOLUME = 15
    CLIMAX_BAR_FLAG = 16
    QUIET_BAR_FLAG = 17
    CONSECUTIVE_HIGH_VOL_BARS = 18
    PARTICIPATION_EXPANSION_INDEX = 19
    SESSION_PHASE = 20
    OPENING_RANGE_BREAK = 21
    LUNCH_VOID_GATE = 22
    CLOSE_MAGNET_INDEX = 23
    SPREAD_TICKINESS = 24
    SLIPPAGE_RISK = 25
    FRICTION_REGIME_INDEX = 26
    DVS = 27
    NOISE = 28
    FAILED_BREAK = 29
    SWEEP_REVERSAL = 30
    SPREAD_TICKS = 32
    MICROPRICE_DEV = 33
    QUEUE_IMBALANCE = 34
    OFI_1S = 35
    OFI_5S = 36
    OFI_30S = 37
    TRADE_IMB_1S = 38
    TRADE_IMB_5S = 39
    TRADE_IMB_30S = 40
    MOM_1S = 41
    MOM_5S = 42
    MOM_30S = 43
    RV_30S = 44
    RV_300S = 45
    INTENSITY_SUM = 46
    INTENSITY_IMB = 47
    SWEEP_TICKS = 48
    ABSORPTION = 49
    KYLE_LAMBDA = 50
    VPIN = 51
    STREAM_AGE_MS = 52
    LEVEL_BIAS = 53
    CONTEXT_1 = 54
    CONTEXT_2 = 55
    CONTEXT_3 = 56
    CONTEXT_4 = 57

cdef struct Flow:                 # book, order-flow sums; all of it starts afresh at a PRICE_GAP
    int64_t has_quote
    int64_t bid_ticks
    int64_t ask_ticks
    int64_t bid_qty
    int64_t ask_qty
    int64_t mid2
    int64_t first_quote_ns
    int64_t quote_ns              # of the last quote
    double ofi_f[4]               # 1, 5, 30 s; the fourth lane is unused
    double ofi_d[4]
    double ofi_m[4]
    double rv_s[2]                # 30, 300 s
    int64_t rv_ns                 # of the last change of mid2
    double rv_grid_s[2]           # rv_s and rv_ns as of the last grid point
    int64_t rv_grid_changed_ns
    int64_t rv_grid_ns            # that grid point
    int64_t rv_grid_set
    int64_t has_trade
    int64_t first_trade_ns
    int64_t trade_ns              # of the last trade with qty > 0
    double imb_f[4]
    double imb_d[4]
    double imb_value[4]           # f / d as of the last trade
    double count_all              # intensity, decayed over 5 s
    double count_buy
    double count_sell
    int64_t sweep_side            # Aggressor; 0 before the first known one
    int64_t sweep_first_ticks
    int64_t sweep_extreme_ticks
    int64_t sweep_first_ns
    int64_t sweep_ns
    int64_t absorbed_buy
    int64_t absorbed_sell
    int64_t second_signed_qty     # since the last whole second
    int64_t second_mid2           # at the last whole second
    int64_t second_mid_set
    double kyle_p
    double kyle_q
    double kyle_value
    int64_t kyle_known
    int64_t vpin_filled
    int64_t vpin_buy2
    int64_t vpin_sell2
    int64_t vpin_count            # buckets ever filled
    int64_t vpin_sum              # of the ring
    double vpin_value
    int64_t vpin_known
    int64_t vpin_ring[VPIN_RING]
    int64_t grid_at               # number of the last grid point (g / 100 ms), 0 before the first
    int64_t mid_ring[MID_RING]    # mid2 at grid point (g / 100 ms) mod MID_RING
    int64_t mid_set[MID_RING]

cdef struct Bar:
    int64_t ts_open_ns
    int64_t open_ticks
    int64_t high_ticks
    int64_t low_ticks
    int64_t close_ticks
    int64_t volume
    int64_t notional              # price_ticks x qty
    int64_t trades                # 0 in an open bar: there is none
    int64_t tr_ticks              # from here on 60 s bars only
    int64_t anchored_notional
    int64_t anchored_volume

cdef struct BarSession:           # a session of bars (docs/kernel.md, section 3)
    int64_t bars
    int64_t first_open_ticks
    int64_t last_close_ticks
    int64_t sum_away              # of the closes less the first open: a deviation does not mind, and squares stay small
    int64_t sum_away2
    int64_t notional
    int64_t volume

cdef struct Bars:                 # starts afresh at a PRICE_GAP
    Bar open_bar[PERIODS]
    int64_t closed[PERIODS]       # bars ever closed; the ring holds the last BAR_RING
    int64_t has_close
    int64_t prev_close_ticks
    int64_t anchored_notional
    int64_t anchored_volume
    int64_t since_anchor
    BarSession session            # of the row we are in
    BarSession prior              # of the last row that had one
    int64_t range_bars            # opening range of this row
    int64_t range_high_ticks
    int64_t range_low_ticks
    int64_t high_volume_run       # bars in a row up to the newest with much volume
    int64_t spread_since_ns       # the quote's spread is accounted up to here
    int64_t spread_sum            # ticks x ns in this minute
    int64_t spread_ns
    uint64_t known                # bit per bar signal
    uint64_t prev_known
    uint64_t pooled               # bit per bar signal whose value came from a fallback
    double value[BAR_SIGNALS]
    double prev_value[BAR_SIGNALS]
    Bar ring[PERIODS][BAR_RING]

cdef struct History:
    int64_t slot
    int64_t atr_count[SLOTS][BUCKETS]
    int64_t atr_sum[SLOTS][BUCKETS][PER_BUCKET]
    int64_t volume[SLOTS][MINUTES]        # volume + 1; 0: none
    int64_t gap_seconds[SLOTS][BUCKETS]   # open seconds and the frames in them
    int64_t gap_frames[SLOTS][BUCKETS]
    int64_t usual_gap_ns[BUCKETS]         # of the earlier slots; 0: not known

cdef struct Session:
    int64_t row                   # of the latest time looked up
    int64_t called                # advance_session has run
    int64_t last_ns
    int64_t last_row
    int64_t next_ns               # no roll and no anchor before this time

cdef struct Quality:
    int64_t dvs_c
    int64_t dvs_min_c             # lowest so far
    int64_t band                  # last one reported
    int64_t current               # component bits of this second
    int64_t closed                # OR of the ten closed seconds
    int64_t seconds[SECONDS_KEPT]
    int64_t seconds_at
    int64_t age_penalty
    int64_t has_frame
    int64_t frame_ns
    int64_t locked                # an unbroken run of locked quotes
    int64_t locked_since_ns
    int64_t quote_event_ns        # last stamps; 0: none
    int64_t trade_event_ns
    int64_t least_delay_ns        # of this second; -1: no stamped frame
    int64_t median_delay_ns       # -1: not judged
    int64_t delays                # minima ever entered
    int64_t delay_ring[DELAY_RING]
    int64_t delay_order[DELAY_RING]   # the same values, ascending
    int64_t bar_penalty                   # of the components below, in hundredths
    int64_t minutes[MINUTES_KEPT]         # bar component bits of the last judged minutes
    int64_t minutes_at
    int64_t has_bar                       # a bar of this run was judged, and no price gap since
    int64_t bar_open_ns                   # of that bar
    int64_t stuck_run
    int64_t stuck_ticks
    int64_t touched                       # 1: a touch size changed in this minute, 2: since the last judged bar
    int64_t late                          # of the stamped trades of this minute: 1 one was late, 2 one was in time
    int64_t frames                        # quotes, trades and rejected up to the last whole second

cdef struct TemplateState:        # starts afresh at a PRICE_GAP
    double bar_part[2]            # odd and even sum over the bar signals
    double smoothed[2]            # os, es
    double d
    int64_t bar_known             # every bar weight has a value
    int64_t evaluated             # os, es, d hold a value
    int64_t evaluated_ns
    int64_t missing               # at the last evaluation
    int64_t side                  # the one that holds: +1, -1, 0
    int64_t looked[2]             # ever; long, short
    int64_t looked_ns[2]          # the last look
    int64_t fired_here[2]         # in this episode
    int64_t fired_verdict[2]      # of the last firing
    int64_t fired_masked[2]       # the template was masked then
    int64_t episode[2]

cdef struct Control:
    uint64_t entry_mask
    uint64_t on_mask
    double throttle[TEMPLATES]
    double sigma_p[TEMPLATES]
    double belief_factor[TEMPLATES]  # on what belief promises net of cost
    double commission_ticks
    double min_euc_ticks
    double entry_factor           # on expected slippage
    double stop_factor
    int64_t eqs_c
    int64_t position
    int64_t target_ticks
    int64_t stop_ticks
    int64_t time_stop_ns
    int64_t exit_mask
    uint64_t fed_known            # bit per signal id
    double fed[FEDS]

cdef struct CandidateRow:         # fields of domain.kernel.Candidate, in its order
    int64_t template_index
    int64_t side
    int64_t missing
    int64_t episode
    int64_t z_e6
    int64_t belief_e6
    int64_t p_e6
    int64_t p_be_e6
    int64_t stability_e6
    int64_t edge_e6
    int64_t uncertainty_e6
    int64_t cost_e6
    int64_t euc_e6
    int64_t required_e6
    int64_t cost_share_e6
    int64_t slippage_e6
    int64_t target_ticks
    int64_t stop_ticks
    int64_t p_stop_e6
    int64_t p_time_e6
    int64_t mark_e6
    int64_t entry_slippage_e6
    int64_t scale_e6
    int64_t volatility
    int64_t fitted
    int64_t verdict

cdef struct Report:               # what the latest call found: an answer, not part of a snapshot
    int64_t candidates
    CandidateRow candidate[TEMPLATES]

cdef struct State:
    int64_t started
    int64_t now_ns
    int64_t grid_ns               # last grid point passed
    int64_t quotes
    int64_t trades
    int64_t rejected
    int64_t last_exit_mask        # of the last outcome
    int64_t last_outcome_ns
    int64_t last_outcome_at_grid
    Quality quality
    Session session
    Control control
    Flow flow
    TemplateState template_state[TEMPLATES]
    Bars bars
    History history
    Report report                 # the last field
