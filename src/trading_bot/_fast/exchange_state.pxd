# cython: language_level=3
"""Everything the exchange simulator remembers, in fixed tables. Copied whole into a snapshot."""
from libc.stdint cimport int32_t, int64_t, uint64_t

from trading_bot._fast.exchange_book cimport Book, Queue
from trading_bot._fast.exchange_latency cimport Burst, LatencyTables

cdef enum:
    EXCHANGE_LAYOUT = 2       # counted up with every change of meaning
    GROUPS = 64
    LEGS = 4
    SHADOWS = 64
    REQUESTS = 256
    REPLIES = 1024
    NOBODY = -1

cdef enum OrderKind:          # domain.exchange.OrderKind
    ORDER_LIMIT = 1
    ORDER_MARKET = 2
    ORDER_STOP = 3
    ORDER_STOP_LIMIT = 4

cdef enum:                    # domain.exchange.Leg; without a name, so that it can index
    LEG_ENTRY = 0
    LEG_TARGET = 1
    LEG_STOP = 2
    LEG_EXIT = 3
    LEG_ALL = 4

cdef enum ReplyKind:          # domain.exchange.AnswerKind
    REPLY_ACK = 1
    REPLY_WORKING = 2
    REPLY_PARTIAL = 3
    REPLY_FILL = 4
    REPLY_CANCELLED = 5
    REPLY_REJECTED = 6
    REPLY_STOP_TRIGGERED = 7
    REPLY_REFUSED = 8

cdef enum LegState:
    LEG_NONE = 0
    LEG_SENT = 1              # under way to the exchange
    LEG_HELD = 2              # a child with nothing to protect (yet)
    LEG_RESTING = 3           # a limit in the book
    LEG_ARMED = 4             # a stop that has not triggered
    LEG_ROUTING = 5           # triggered, under way from the broker to the exchange
    LEG_TAKING = 6            # a market order; there was no size to take
    LEG_DONE = 7

cdef enum RequestKind:
    REQUEST_PLACE = 1
    REQUEST_CANCEL = 2
    REQUEST_MODIFY = 3
    REQUEST_EXIT = 4

cdef enum ShadowState:
    SHADOW_SENT = 1
    SHADOW_RESTING = 2
    SHADOW_TAKING = 3
    SHADOW_OPEN = 4
    SHADOW_LEAVING = 5

cdef struct Settings:
    int64_t entry_latency_ns
    int64_t response_latency_ns
    int64_t child_latency_ns
    int64_t stop_latency_ns
    int64_t beyond_touch_lots
    int64_t fee_uusd
    int64_t oca_type
    int64_t reject_every
    int64_t reject_per_mille
    int64_t reject_exit_every
    uint64_t seed
    int queue_model
    bint stop_on_touch
    bint partial_fills

cdef struct LegRow:
    int64_t side
    int64_t qty               # lots asked for
    int64_t remaining         # lots in force
    int64_t filled
    int64_t x_limit
    int64_t x_trigger
    int64_t x_worst           # a triggered stop fills no better
    int64_t due_ns            # ROUTING: when the order reaches the exchange
    int64_t arrived           # place in the order of arrival
    Queue queue
    int32_t kind
    int32_t state
    int32_t next              # neighbours in the order of arrival, NOBODY at the ends
    int32_t before
    bint listed

cdef struct Group:
    int64_t handle
    int64_t child_pending     # filled lots whose children are not in force yet
    int64_t child_due_ns
    LegRow leg[LEGS]
    int32_t oca
    bint used

cdef struct Request:
    int64_t ts_ns             # when it reaches the exchange
    int64_t handle
    int64_t qty
    int64_t price             # ticks; of an exit: the limit
    int32_t slot
    int32_t leg
    int32_t kind
    int32_t order_kind

cdef struct Reply:
    int64_t ts_ns             # when it is delivered
    int64_t handle
    int64_t qty
    int64_t price
    int64_t remaining
    int64_t commission_uusd
    int64_t exec_id
    int32_t leg
    int32_t kind
    int32_t side
    bint shadow

cdef struct Shadow:
    int64_t handle
    int64_t side
    int64_t x_limit
    int64_t target_ticks
    int64_t stop_ticks
    int64_t life_ns           # of the entry
    int64_t hold_ns
    int64_t due_ns            # SENT: arrival; RESTING and TAKING: end of life; OPEN: time stop
    int64_t x_stop            # in the coordinates of the exit's side
    int64_t x_worst
    int64_t told_ns           # when its latest answer is delivered
    Queue queue               # of the entry, then of the target
    int32_t kind
    int32_t state
    int32_t leg               # LEAVING: which exit it is

cdef struct Exchange:
    Settings settings
    Book book
    int64_t now_ns
    int64_t internal_due_ns   # next arrival, activation, routing or shadow deadline
    int64_t due_ns            # that, or the next delivery
    int64_t told_ns           # when the latest answer about an order is delivered
    int64_t changes           # counts everything a caller may have to look at
    int64_t arrivals
    int64_t position
    int64_t fees_uusd
    int64_t executions
    int64_t placed
    int64_t exits
    int64_t rejected
    int64_t first_request
    int64_t request_count
    int64_t first_reply
    int64_t reply_count
    int64_t shadow_count
    int32_t head
    int32_t tail
    int32_t cursor            # next leg of the pass under way
    bint overflowed
    Request requests[REQUESTS]
    Reply replies[REPLIES]
    Group groups[GROUPS]
    Shadow shadows[SHADOWS]
    LatencyTables latency
    Burst burst               # of the ticks; kept where there are tables
