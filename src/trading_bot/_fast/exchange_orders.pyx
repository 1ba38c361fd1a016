# cython: language_level=3
"""Orders at the exchange: resting, taking, triggering, brackets, OCA groups. docs/simulator.md is the definition."""
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t

from trading_bot._fast.exchange_book cimport (
    EXECUTIONS, View, join, ladder_room, ladder_ticks, ladder_within, mix, side_index, take_lots, view_of,
)
from trading_bot._fast.exchange_latency cimport WAY_BACK, WAY_OUT, WAY_SHADOW_BACK, WAY_SHADOW_OUT, drawn_ns
from trading_bot._fast.exchange_state cimport (
    LEG_ARMED, LEG_DONE, LEG_ENTRY, LEG_EXIT, LEG_HELD, LEG_NONE, LEG_RESTING, LEG_ROUTING, LEG_SENT, LEG_STOP,
    LEG_TAKING, LEG_TARGET, LEGS, NOBODY, ORDER_MARKET, ORDER_STOP, ORDER_STOP_LIMIT, REPLIES, REPLY_CANCELLED,
    REPLY_FILL, REPLY_PARTIAL, REPLY_STOP_TRIGGERED, REPLY_WORKING, REQUESTS, Exchange, Group, LegRow, Reply,
)


# Messages and answers

cdef int64_t arrival_ns(Exchange* ex, int64_t handle) noexcept nogil:
    cdef int64_t due = ex.now_ns + ex.settings.entry_latency_ns
    if ex.latency.buckets:
        due = ex.now_ns + drawn_ns(&ex.latency, &ex.burst, ex.settings.seed, WAY_OUT, handle, ex.now_ns, ex.now_ns)
        if ex.request_count:
            due = max(due, ex.requests[(ex.first_request + ex.request_count - 1) & (REQUESTS - 1)].ts_ns)
    return due


cdef int64_t shadow_out_ns(Exchange* ex, int64_t handle, int64_t at_ns) noexcept nogil:
    if ex.latency.buckets:
        return drawn_ns(&ex.latency, &ex.burst, ex.settings.seed, WAY_SHADOW_OUT, handle, at_ns, ex.now_ns)
    return ex.settings.entry_latency_ns


cdef int64_t reply(Exchange* ex, const Reply* row) noexcept nogil:
    cdef int way = WAY_SHADOW_BACK if row.shadow else WAY_BACK
    cdef int64_t due = ex.now_ns + ex.settings.response_latency_ns
    cdef int64_t at = ex.first_reply + ex.reply_count
    ex.changes += 1
    if ex.reply_count == REPLIES:
        ex.overflowed = True
        return due
    if ex.latency.buckets:
        due = ex.now_ns + drawn_ns(&ex.latency, &ex.burst, ex.settings.seed, way, row.handle, ex.now_ns, ex.now_ns)
        due = max(due, row.ts_ns if row.shadow else ex.told_ns)
        # Shadows and orders do not wait for each other; constant latencies never move anything here.
        while at > ex.first_reply and ex.replies[(at - 1) & (REPLIES - 1)].ts_ns > due:
            ex.replies[at & (REPLIES - 1)] = ex.replies[(at - 1) & (REPLIES - 1)]
            at -= 1
    if not row.shadow:
        ex.told_ns = due
    ex.replies[at & (REPLIES - 1)] = row[0]
    ex.replies[at & (REPLIES - 1)].ts_ns = due
    ex.reply_count += 1
    return due


cdef void fill_leg(LegRow* leg, int64_t side, int kind, int64_t qty, int64_t limit_ticks, int64_t trigger_ticks) noexcept nogil:
    leg.side, leg.kind, leg.qty, leg.state = side, kind, qty, LEG_HELD
    leg.x_limit, leg.x_trigger = side * limit_ticks, side * trigger_ticks
    leg.x_worst = INT64_MIN


cdef void tell(Exchange* ex, int slot, int name, int kind, int64_t qty) noexcept nogil:
    cdef LegRow* leg = &ex.groups[slot].leg[name]
    cdef Reply row
    row.handle = ex.groups[slot].handle
    row.leg = name
    row.kind = kind
    row.side = <int>leg.side
    row.qty = qty
    row.price = leg.side * leg.x_limit
    if leg.kind == ORDER_MARKET:
        row.price = 0
    elif leg.kind == ORDER_STOP or (leg.kind == ORDER_STOP_LIMIT and leg.state in (LEG_SENT, LEG_ARMED)):
        row.price = leg.side * leg.x_trigger
    row.remaining = leg.remaining
    row.commission_uusd = 0
    row.exec_id = 0
    row.shadow = False
    reply(ex, &row)


# Order of arrival

cdef void enlist(Exchange* ex, int slot, int name) noexcept nogil:
    """To the end of the order of arrival, wherever it stood."""
    cdef int index = slot * LEGS + name
    cdef LegRow* leg = leg_at(ex, index)
    delist(ex, slot, name)
    leg.listed = True
    leg.next = NOBODY
    leg.before = ex.tail
    if ex.tail == NOBODY:
        ex.head = index
    else:
        leg_at(ex, ex.tail).next = index
    ex.tail = index
    ex.arrivals += 1
    leg.arrived = ex.arrivals


cdef void delist(Exchange* ex, int slot, int name) noexcept nogil:
    cdef int index = slot * LEGS + name
    cdef LegRow* leg = leg_at(ex, index)
    if not leg.listed:
        return
    leg.listed = False
    if ex.cursor == index:
        ex.cursor = leg.next
    if leg.before == NOBODY:
        ex.head = leg.next
    else:
        leg_at(ex, leg.before).next = leg.next
    if leg.next == NOBODY:
        ex.tail = leg.before
    else:
        leg_at(ex, leg.next).before = leg.before


# Executions

cdef inline bint is_complete(const Group* group) noexcept nogil:
    """No further lots of the entry can come into force."""
    return group.leg[LEG_ENTRY].state == LEG_DONE and group.child_pending == 0


cdef void execute(Exchange* ex, int slot, int name, int64_t lots, int64_t x) noexcept nogil:
    cdef Group* group = &ex.groups[slot]
    cdef LegRow* leg = &group.leg[name]
    cdef Reply row
    cdef bint last
    leg.remaining -= lots
    leg.filled += lots
    last = leg.remaining == 0 and (name == LEG_ENTRY or name == LEG_EXIT or is_complete(group))
    ex.executions += 1
    ex.position += leg.side * lots
    ex.fees_uusd += lots * ex.settings.fee_uusd
    row.handle = group.handle
    row.leg = name
    row.kind = REPLY_FILL if last else REPLY_PARTIAL
    row.side = <int>leg.side
    row.qty = lots
    row.price = leg.side * x
    row.remaining = leg.remaining
    row.commission_uusd = lots * ex.settings.fee_uusd
    row.exec_id = ex.executions
    row.shadow = False
    reply(ex, &row)
    if leg.remaining == 0:
        delist(ex, slot, name)
        leg.state = LEG_DONE if last else LEG_HELD
    if name == LEG_ENTRY:
        hatch(ex, slot, lots)
    else:
        reduce_others(ex, slot, name, lots)
    release(ex, slot)


cdef void hatch(Exchange* ex, int slot, int64_t lots) noexcept nogil:
    cdef Group* group = &ex.groups[slot]
    if not is_live(&group.leg[LEG_STOP]) and not is_live(&group.leg[LEG_TARGET]):
        return
    group.child_pending += lots
    if ex.settings.child_latency_ns == 0:
        activate(ex, slot)
    elif group.child_due_ns == INT64_MAX:
        group.child_due_ns = ex.now_ns + ex.settings.child_latency_ns
        ex.changes += 1


cdef void activate(Exchange* ex, int slot) noexcept nogil:
    cdef Group* group = &ex.groups[slot]
    cdef LegRow* stop = &group.leg[LEG_STOP]
    cdef LegRow* target = &group.leg[LEG_TARGET]
    cdef int64_t lots = group.child_pending
    group.child_pending = 0
    group.child_due_ns = INT64_MAX
    # Both grow before either acts, so that one that fills at once reduces the other.
    if is_live(stop):
        stop.remaining += lots
    if is_live(target):
        target.remaining += lots
    if stop.state == LEG_HELD:
        arm(ex, slot, LEG_STOP)
    elif is_live(stop):
        tell(ex, slot, LEG_STOP, REPLY_WORKING, stop.qty)
        if stop.state == LEG_TAKING:
            take(ex, slot, LEG_STOP, False)
    if target.remaining > 0:
        rest(ex, slot, LEG_TARGET)
    settle(ex, slot)
    release(ex, slot)


cdef void reduce_others(Exchange* ex, int slot, int name, int64_t lots) noexcept nogil:
    """One of the OCA group executed: type 1 ends the others, type 2 takes the same lots off them."""
    cdef Group* group = &ex.groups[slot]
    cdef LegRow* leg
    cdef int other
    for other in range(LEG_TARGET, LEG_EXIT + 1):
        leg = &group.leg[other]
        if other == name or not is_live(leg):
            continue
        if group.oca == 1:
            end(ex, slot, other, REPLY_CANCELLED)
        elif leg.remaining > lots:
            leg.remaining -= lots
            tell(ex, slot, other, REPLY_WORKING, leg.qty)
        elif leg.remaining > 0:
            if other == LEG_EXIT or is_complete(group):
                end(ex, slot, other, REPLY_CANCELLED)
            else:
                leg.remaining = 0
                delist(ex, slot, other)
                leg.state = LEG_HELD


cdef void end(Exchange* ex, int slot, int name, int kind) noexcept nogil:
    cdef LegRow* leg = &ex.groups[slot].leg[name]
    cdef int64_t lots = leg.remaining
    leg.remaining = 0
    delist(ex, slot, name)
    tell(ex, slot, name, kind, lots)
    leg.state = LEG_DONE


cdef void settle(Exchange* ex, int slot) noexcept nogil:
    """Children that have nothing to protect and never will end."""
    cdef Group* group = &ex.groups[slot]
    cdef int name
    if is_complete(group):
        for name in range(LEG_TARGET, LEG_STOP + 1):
            if group.leg[name].state == LEG_HELD:
                end(ex, slot, name, REPLY_CANCELLED)


cdef void release(Exchange* ex, int slot) noexcept nogil:
    cdef Group* group = &ex.groups[slot]
    cdef int name
    for name in range(LEGS):
        if is_live(&group.leg[name]):
            return
    group.used = False


# Meeting the market

cdef void take(Exchange* ex, int slot, int name, bint limited) noexcept nogil:
    cdef LegRow* leg = &ex.groups[slot].leg[name]
    cdef View view = view_of(&ex.book, leg.side)
    cdef int64_t beyond = ex.settings.beyond_touch_lots
    cdef int64_t lots, within, at, x
    cdef int n
    if view.opp_qty <= 0:
        return
    if beyond == 0:
        beyond = view.opp_qty
    for n in range(EXECUTIONS):
        at = ex.book.taken[side_index(leg.side)]
        lots = leg.remaining
        if limited:
            within = ladder_within(leg.x_limit - view.opp, at, view.opp_qty, beyond)
            if within < lots and not ex.settings.partial_fills:
                return
            lots = min(lots, within)
        if ex.settings.partial_fills and n < EXECUTIONS - 1:
            lots = min(lots, ladder_room(at, view.opp_qty, beyond))
        if lots <= 0:
            return
        x = max(view.opp + ladder_ticks(at + lots - 1, view.opp_qty, beyond), leg.x_worst)
        if limited and x > leg.x_limit:
            return
        take_lots(&ex.book, leg.side, view.opp, lots)
        execute(ex, slot, name, lots, x)


cdef void rest(Exchange* ex, int slot, int name) noexcept nogil:
    cdef LegRow* leg = &ex.groups[slot].leg[name]
    cdef View view = view_of(&ex.book, leg.side)
    cdef int64_t handle = ex.groups[slot].handle
    take(ex, slot, name, True)
    if leg.remaining == 0:
        return
    leg.state = LEG_RESTING
    leg.x_worst = INT64_MIN
    leg.queue.x = leg.x_limit
    leg.queue.key = mix(mix(ex.settings.seed, handle), name)
    join(&leg.queue, &view, ex.book.has_quote, ex.settings.queue_model)
    enlist(ex, slot, name)
    tell(ex, slot, name, REPLY_WORKING, leg.qty)


cdef void arm(Exchange* ex, int slot, int name) noexcept nogil:
    cdef LegRow* leg = &ex.groups[slot].leg[name]
    cdef View view = view_of(&ex.book, leg.side)
    cdef int64_t x_last = leg.side * ex.book.last
    leg.state = LEG_ARMED
    leg.x_worst = INT64_MIN
    enlist(ex, slot, name)
    tell(ex, slot, name, REPLY_WORKING, leg.qty)
    if ex.settings.stop_on_touch:
        if view.opp_qty > 0 and view.opp >= leg.x_trigger:
            trigger(ex, slot, name, leg.x_trigger)
    elif ex.book.has_last and x_last >= leg.x_trigger:
        # A print of this instant is a gap; an older one only says that the level was passed.
        trigger(ex, slot, name, x_last if ex.book.last_ns == ex.now_ns else leg.x_trigger)


cdef void trigger(Exchange* ex, int slot, int name, int64_t x_print) noexcept nogil:
    cdef LegRow* leg = &ex.groups[slot].leg[name]
    tell(ex, slot, name, REPLY_STOP_TRIGGERED, leg.qty)
    leg.x_worst = max(leg.x_trigger, x_print)
    delist(ex, slot, name)
    leg.state = LEG_ROUTING
    if ex.settings.stop_latency_ns == 0:
        route(ex, slot, name)
    else:
        leg.due_ns = ex.now_ns + ex.settings.stop_latency_ns


cdef void route(Exchange* ex, int slot, int name) noexcept nogil:
    cdef LegRow* leg = &ex.groups[slot].leg[name]
    if leg.kind == ORDER_STOP_LIMIT:
        leg.state = LEG_TAKING
        rest(ex, slot, name)
        return
    leg.state = LEG_TAKING
    take(ex, slot, name, False)
    if leg.remaining > 0:
        enlist(ex, slot, name)
        tell(ex, slot, name, REPLY_WORKING, leg.qty)
