# cython: language_level=3
"""Shadow trades: one lot, always by the pessimistic queue, no part in the market. docs/simulator.md, section 9."""
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t
from libc.string cimport memmove

from trading_bot._fast.exchange_book cimport QUEUE_PESSIMISTIC, View, hits, join, see_quote, see_trade, view_of
from trading_bot._fast.exchange_orders cimport reply, shadow_out_ns
from trading_bot._fast.exchange_state cimport (
    LEG_ENTRY, LEG_EXIT, LEG_STOP, LEG_TARGET, ORDER_LIMIT, REPLY_CANCELLED, REPLY_FILL, SHADOW_LEAVING, SHADOW_OPEN,
    SHADOW_RESTING, SHADOW_SENT, SHADOW_TAKING, Exchange, Reply, Shadow,
)
from trading_bot._fast.records cimport TickRecord


cdef void tell_shadow(Exchange* ex, Shadow* shadow, int leg, int kind, int64_t x) noexcept nogil:
    """`x` in the coordinates of the side that trades: the shadow's for its entry, the other one for an exit."""
    cdef Reply row
    row.ts_ns = shadow.told_ns
    row.handle = shadow.handle
    row.leg = leg
    row.kind = kind
    row.side = <int>(shadow.side if leg == LEG_ENTRY else -shadow.side)
    row.qty = 1
    row.price = row.side * x
    row.remaining = 0
    row.commission_uusd = ex.settings.fee_uusd if kind == REPLY_FILL else 0
    row.exec_id = 0
    row.shadow = True
    shadow.told_ns = reply(ex, &row)


cdef void drop(Exchange* ex, int at) noexcept nogil:
    ex.shadow_count -= 1
    memmove(&ex.shadows[at], &ex.shadows[at + 1], (ex.shadow_count - at) * sizeof(Shadow))


cdef bint leave(Exchange* ex, int at, int leg) noexcept nogil:
    """Out at the market: no better than x_worst, and only where there is size. Returns whether the slot is free again."""
    cdef Shadow* shadow = &ex.shadows[at]
    cdef View view = view_of(&ex.book, -shadow.side)
    shadow.state = SHADOW_LEAVING
    shadow.leg = leg
    if view.opp_qty <= 0:
        return False
    tell_shadow(ex, shadow, leg, REPLY_FILL, max(view.opp, shadow.x_worst))
    drop(ex, at)
    return True


cdef bint enter(Exchange* ex, int at, int64_t x) noexcept nogil:
    cdef Shadow* shadow = &ex.shadows[at]
    cdef View view = view_of(&ex.book, -shadow.side)
    cdef int64_t x_last = -shadow.side * ex.book.last
    tell_shadow(ex, shadow, LEG_ENTRY, REPLY_FILL, x)
    shadow.state = SHADOW_OPEN
    # We hear of the entry, wait, and send the exit.
    shadow.due_ns = shadow.told_ns + shadow.hold_ns
    shadow.due_ns += shadow_out_ns(ex, shadow.handle, shadow.due_ns)
    # On the other side the entry stands at -x, the target above it (worse to take), the stop below.
    shadow.queue.x = -x - shadow.target_ticks
    shadow.x_stop = -x + shadow.stop_ticks
    join(&shadow.queue, &view, ex.book.has_quote, QUEUE_PESSIMISTIC)
    if ex.settings.stop_on_touch:
        if view.opp_qty > 0 and view.opp >= shadow.x_stop:
            shadow.x_worst = shadow.x_stop
            return leave(ex, at, LEG_STOP)
    elif ex.book.has_last and x_last >= shadow.x_stop:
        shadow.x_worst = max(shadow.x_stop, x_last) if ex.book.last_ns == ex.now_ns else shadow.x_stop
        return leave(ex, at, LEG_STOP)
    return False


cdef bint arrive(Exchange* ex, int at) noexcept nogil:
    cdef Shadow* shadow = &ex.shadows[at]
    cdef View view = view_of(&ex.book, shadow.side)
    shadow.due_ns = ex.now_ns + shadow.life_ns
    if view.opp_qty > 0 and (shadow.kind != ORDER_LIMIT or view.opp <= shadow.x_limit):
        return enter(ex, at, view.opp)
    if shadow.kind != ORDER_LIMIT:
        shadow.state = SHADOW_TAKING
        return False
    shadow.state = SHADOW_RESTING
    shadow.queue.x = shadow.x_limit
    join(&shadow.queue, &view, ex.book.has_quote, QUEUE_PESSIMISTIC)
    return False


cdef bint expire(Exchange* ex, int at) noexcept nogil:
    cdef Shadow* shadow = &ex.shadows[at]
    if shadow.state == SHADOW_SENT:
        return arrive(ex, at)
    if shadow.state == SHADOW_OPEN:
        shadow.due_ns = INT64_MAX
        shadow.x_worst = INT64_MIN
        return leave(ex, at, LEG_EXIT)
    tell_shadow(ex, shadow, LEG_ENTRY, REPLY_CANCELLED, shadow.x_limit)
    drop(ex, at)
    return True


cdef int64_t next_shadow_ns(Exchange* ex) noexcept nogil:
    cdef int64_t due = INT64_MAX
    cdef int at
    for at in range(ex.shadow_count):
        if ex.shadows[at].state != SHADOW_LEAVING:
            due = min(due, ex.shadows[at].due_ns)
    return due


cdef void run_shadows(Exchange* ex) noexcept nogil:
    cdef int at = 0
    while at < ex.shadow_count:
        if ex.shadows[at].state == SHADOW_LEAVING or ex.shadows[at].due_ns > ex.now_ns or not expire(ex, at):
            at += 1


cdef bint shadow_sees_quote(Exchange* ex, int at) noexcept nogil:
    cdef Shadow* shadow = &ex.shadows[at]
    cdef bint is_open = shadow.state == SHADOW_OPEN
    cdef View view = view_of(&ex.book, -shadow.side if is_open or shadow.state == SHADOW_LEAVING else shadow.side)
    if shadow.state == SHADOW_LEAVING:
        return leave(ex, at, shadow.leg)
    if shadow.state == SHADOW_TAKING:
        return view.opp_qty > 0 and enter(ex, at, view.opp)
    if is_open and ex.settings.stop_on_touch and view.opp_qty > 0 and view.opp >= shadow.x_stop:
        shadow.x_worst = shadow.x_stop
        return leave(ex, at, LEG_STOP)
    if not is_open and shadow.state != SHADOW_RESTING:
        return False
    if view.crossed or view.opp_qty <= 0 or view.opp > shadow.queue.x:
        see_quote(&shadow.queue, &view, QUEUE_PESSIMISTIC)
        return False
    return fill_at_limit(ex, at)


cdef bint fill_at_limit(Exchange* ex, int at) noexcept nogil:
    cdef Shadow* shadow = &ex.shadows[at]
    if shadow.state == SHADOW_RESTING:
        return enter(ex, at, shadow.queue.x)
    tell_shadow(ex, shadow, LEG_TARGET, REPLY_FILL, shadow.queue.x)
    drop(ex, at)
    return True


cdef bint shadow_sees_trade(Exchange* ex, int at, const TickRecord* rec) noexcept nogil:
    cdef Shadow* shadow = &ex.shadows[at]
    cdef int64_t side = -shadow.side if shadow.state == SHADOW_OPEN else shadow.side
    cdef int64_t x = side * rec.bid_ticks
    if shadow.state == SHADOW_OPEN and not ex.settings.stop_on_touch and x >= shadow.x_stop:
        shadow.x_worst = max(shadow.x_stop, x)
        return leave(ex, at, LEG_STOP)
    if shadow.state != SHADOW_OPEN and shadow.state != SHADOW_RESTING:
        return False
    if x < shadow.queue.x:
        return fill_at_limit(ex, at)
    if x > shadow.queue.x or not shadow.queue.known or not hits(side, rec.aggressor, QUEUE_PESSIMISTIC):
        return False
    return see_trade(&shadow.queue, rec.bid_qty, rec.bid_qty) > 0 and fill_at_limit(ex, at)


cdef void shadows_see_quote(Exchange* ex) noexcept nogil:
    cdef int at = 0
    while at < ex.shadow_count:
        if not shadow_sees_quote(ex, at):
            at += 1


cdef void shadows_see_trade(Exchange* ex, const TickRecord* rec) noexcept nogil:
    cdef int at = 0
    while at < ex.shadow_count:
        if not shadow_sees_trade(ex, at, rec):
            at += 1
