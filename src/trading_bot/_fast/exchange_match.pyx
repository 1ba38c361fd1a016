# cython: language_level=3
"""Messages, activations and market records meet the orders. docs/simulator.md, sections 2 and 4 to 7."""
cimport cython
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t

from trading_bot._fast.exchange_book cimport (
    View, hits, ladder_within, mix, see_quote, see_trade, side_index, take_lots, view_of,
)
from trading_bot._fast.exchange_orders cimport (
    activate, arm, end, execute, find_arrived, is_live, leg_at, name_of, release, reply, rest, route, settle, slot_of, take, tell, trigger,
)
from trading_bot._fast.exchange_shadow cimport next_shadow_ns, run_shadows
from trading_bot._fast.exchange_state cimport (
    GROUPS, LEG_ALL, LEG_ARMED, LEG_ENTRY, LEG_EXIT, LEG_HELD, LEG_RESTING, LEG_ROUTING, LEG_SENT, LEG_STOP, LEG_TAKING,
    LEG_TARGET, LEGS, NOBODY, ORDER_LIMIT, ORDER_MARKET, ORDER_STOP_LIMIT, REPLY_ACK, REPLY_CANCELLED,
    REPLY_REFUSED, REPLY_REJECTED, REPLY_WORKING, REQUEST_CANCEL, REQUEST_EXIT, REQUEST_MODIFY, REQUEST_PLACE, REQUESTS,
    Exchange, Group, LegRow, Reply, Request,
)
from trading_bot._fast.records cimport AGGRESSOR_BUY, AGGRESSOR_SELL


# Messages

@cython.cdivision(True)
cdef bint is_rejected(Exchange* ex) noexcept nogil:
    """The exchange refuses every n-th order, or so many in a thousand."""
    ex.placed += 1
    if ex.settings.reject_every and ex.placed % ex.settings.reject_every == 0:
        return True
    return <int64_t>(mix(~ex.settings.seed, ex.placed) % 1000) < ex.settings.reject_per_mille


@cython.cdivision(True)
cdef bint is_exit_rejected(Exchange* ex) noexcept nogil:
    ex.exits += 1
    return ex.settings.reject_exit_every and ex.exits % ex.settings.reject_exit_every == 0


cdef void place_arrives(Exchange* ex, int slot) noexcept nogil:
    cdef Group* group = &ex.groups[slot]
    cdef LegRow* entry = &group.leg[LEG_ENTRY]
    cdef int name
    if is_rejected(ex):
        ex.rejected += 1
        entry.remaining = entry.qty
        end(ex, slot, LEG_ENTRY, REPLY_REJECTED)
        settle(ex, slot)
        release(ex, slot)
        return
    entry.remaining = entry.qty
    for name in range(LEGS):
        if is_live(&group.leg[name]):
            tell(ex, slot, name, REPLY_ACK, entry.qty)
    if entry.kind == ORDER_LIMIT:
        rest(ex, slot, LEG_ENTRY)
    elif entry.kind == ORDER_MARKET:
        route(ex, slot, LEG_ENTRY)
    else:
        arm(ex, slot, LEG_ENTRY)


cdef void refuse(Exchange* ex, const Request* request, int kind=REPLY_REFUSED) noexcept nogil:
    cdef Reply row
    cdef int slot = find_arrived(ex, request.handle)
    row.handle = request.handle
    row.leg = request.leg
    row.kind = kind
    row.side = 0
    row.qty = request.qty
    row.price = request.price
    row.remaining = 0
    if slot != NOBODY and request.leg != LEG_ALL:
        row.side = <int>ex.groups[slot].leg[request.leg].side
        row.remaining = ex.groups[slot].leg[request.leg].remaining
    row.commission_uusd = 0
    row.exec_id = 0
    row.shadow = False
    reply(ex, &row)


cdef bint cancel_leg(Exchange* ex, int slot, int name) noexcept nogil:
    if not is_live(&ex.groups[slot].leg[name]):
        return False
    end(ex, slot, name, REPLY_CANCELLED)
    if name == LEG_ENTRY:
        settle(ex, slot)
    return True


cdef void cancel_arrives(Exchange* ex, const Request* request) noexcept nogil:
    cdef int slot = find_arrived(ex, request.handle)
    cdef bint any = False
    cdef int name
    if slot != NOBODY:
        if request.leg == LEG_ALL:
            for name in range(LEGS):
                any = cancel_leg(ex, slot, name) or any
        else:
            any = cancel_leg(ex, slot, request.leg)
        release(ex, slot)
    if not any:
        refuse(ex, request)


cdef void modify_arrives(Exchange* ex, const Request* request) noexcept nogil:
    cdef int slot = find_arrived(ex, request.handle)
    cdef Group* group
    cdef LegRow* leg
    cdef int64_t x
    cdef bint keeps_place
    if slot == NOBODY:
        refuse(ex, request)
        return
    group = &ex.groups[slot]
    leg = &group.leg[request.leg]
    if leg.state != LEG_HELD and leg.state != LEG_RESTING and leg.state != LEG_ARMED:
        refuse(ex, request)
        return
    if request.qty > 0:
        if request.qty <= leg.filled:
            cancel_leg(ex, slot, request.leg)
            release(ex, slot)
            return
        keeps_place = request.qty <= leg.qty
        resize(ex, slot, request.leg, request.qty)
    else:
        keeps_place = True
    x = leg.side * request.price if request.price else (leg.x_limit if leg.kind == ORDER_LIMIT else leg.x_trigger)
    if leg.kind == ORDER_LIMIT or leg.kind == ORDER_STOP_LIMIT:
        if request.price:
            keeps_place = keeps_place and leg.x_limit == x
            leg.x_limit = x
    else:
        leg.x_trigger = x
    if leg.state == LEG_HELD:
        tell(ex, slot, request.leg, REPLY_ACK, leg.qty)
    elif leg.state == LEG_ARMED:
        arm(ex, slot, request.leg)
    elif keeps_place:
        tell(ex, slot, request.leg, REPLY_WORKING, leg.qty)
    else:
        rest(ex, slot, request.leg)


cdef void resize(Exchange* ex, int slot, int name, int64_t qty) noexcept nogil:
    cdef Group* group = &ex.groups[slot]
    group.leg[name].qty = qty
    group.leg[name].remaining = qty - group.leg[name].filled
    if name == LEG_ENTRY:
        group.leg[LEG_TARGET].qty = qty
        group.leg[LEG_STOP].qty = qty
        if qty > 1 and ex.settings.oca_type == 0:
            group.oca = 2


cdef bint has_oca_partner(const Group* group) noexcept nogil:
    cdef int name
    for name in range(LEG_TARGET, LEG_EXIT + 1):
        if is_live(&group.leg[name]) and (group.leg[name].remaining > 0 or group.child_pending > 0):
            return True
    return False


cdef void exit_arrives(Exchange* ex, const Request* request) noexcept nogil:
    cdef int slot = find_arrived(ex, request.handle)
    cdef LegRow* leg
    if slot == NOBODY or not has_oca_partner(&ex.groups[slot]):
        refuse(ex, request)
        return
    leg = &ex.groups[slot].leg[LEG_EXIT]
    if is_exit_rejected(ex):
        ex.rejected += 1
        refuse(ex, request, REPLY_REJECTED)
        return
    if not is_live(leg):
        leg.state = LEG_SENT
        leg.side = -ex.groups[slot].leg[LEG_ENTRY].side
        leg.filled = 0
    leg.kind = request.order_kind
    leg.x_limit = leg.side * request.price
    leg.x_worst = INT64_MIN
    leg.remaining = request.qty
    leg.qty = leg.filled + request.qty
    if leg.state == LEG_SENT:
        tell(ex, slot, LEG_EXIT, REPLY_ACK, leg.qty)
    if leg.kind == ORDER_LIMIT:
        rest(ex, slot, LEG_EXIT)
    else:
        route(ex, slot, LEG_EXIT)


cdef void deliver_request(Exchange* ex) noexcept nogil:
    cdef Request request = ex.requests[ex.first_request]
    ex.first_request = (ex.first_request + 1) & (REQUESTS - 1)
    ex.request_count -= 1
    if request.kind == REQUEST_PLACE:
        place_arrives(ex, request.slot)
    elif request.kind == REQUEST_CANCEL:
        cancel_arrives(ex, &request)
    elif request.kind == REQUEST_MODIFY:
        modify_arrives(ex, &request)
    elif request.kind == REQUEST_EXIT:
        exit_arrives(ex, &request)


# Time

cdef int64_t next_internal_ns(Exchange* ex) noexcept nogil:
    cdef int64_t due = next_shadow_ns(ex)
    cdef Group* group
    cdef int slot, name
    if ex.request_count:
        due = min(due, ex.requests[ex.first_request].ts_ns)
    for slot in range(GROUPS):
        group = &ex.groups[slot]
        if group.used:
            due = min(due, group.child_due_ns)
            for name in range(LEGS):
                if group.leg[name].state == LEG_ROUTING:
                    due = min(due, group.leg[name].due_ns)
    return due


cdef int look_ahead(Exchange* ex) noexcept nogil:
    ex.internal_due_ns = next_internal_ns(ex)
    ex.due_ns = ex.internal_due_ns
    if ex.reply_count:
        ex.due_ns = min(ex.due_ns, ex.replies[ex.first_reply].ts_ns)
    return EXCHANGE_OVERFLOW if ex.overflowed else EXCHANGE_NEWS


cdef void run_legs(Exchange* ex) noexcept nogil:
    cdef Group* group
    cdef int slot, name
    for slot in range(GROUPS):
        group = &ex.groups[slot]
        if group.used and group.child_due_ns <= ex.now_ns:
            activate(ex, slot)
        for name in range(LEGS):
            if group.used and group.leg[name].state == LEG_ROUTING and group.leg[name].due_ns <= ex.now_ns:
                route(ex, slot, name)


cdef void run_due(Exchange* ex, int64_t until) noexcept nogil:
    while ex.internal_due_ns <= until:
        ex.now_ns = max(ex.now_ns, ex.internal_due_ns)
        ex.changes += 1
        if ex.request_count and ex.requests[ex.first_request].ts_ns <= ex.now_ns:
            deliver_request(ex)
        else:
            run_legs(ex)
            run_shadows(ex)
        ex.internal_due_ns = next_internal_ns(ex)


# The market's records. A leg that arrives during a record has met it already and is passed over.

cdef void rest_sees_quote(Exchange* ex, int index, const View* view) noexcept nogil:
    cdef LegRow* leg = leg_at(ex, index)
    cdef int64_t taken = ex.book.taken[side_index(leg.side)]
    cdef int64_t beyond = ex.settings.beyond_touch_lots
    cdef int64_t lots
    if view.crossed or view.opp_qty <= 0 or view.opp > leg.queue.x:
        see_quote(&leg.queue, view, ex.settings.queue_model)
        return
    if taken == 0 and view.opp < leg.queue.x:
        lots = leg.remaining
    else:
        lots = ladder_within(leg.queue.x - view.opp, taken, view.opp_qty, beyond if beyond else view.opp_qty)
        if lots < leg.remaining and not ex.settings.partial_fills:
            lots = 0
        lots = min(lots, leg.remaining)
        take_lots(&ex.book, leg.side, view.opp, lots)
    if lots > 0:
        execute(ex, slot_of(index), name_of(index), lots, leg.queue.x)


cdef void legs_see_quote(Exchange* ex) noexcept nogil:
    cdef int64_t fence = ex.arrivals
    cdef View views[2]
    cdef const View* view
    cdef LegRow* leg
    cdef int index
    views[0] = view_of(&ex.book, 1)
    views[1] = view_of(&ex.book, -1)
    if ex.settings.stop_on_touch:
        index = ex.head
        while index != NOBODY:
            leg = leg_at(ex, index)
            if leg.arrived > fence:
                break
            ex.cursor = leg.next
            view = &views[side_index(leg.side)]
            if leg.state == LEG_ARMED and view.opp_qty > 0 and view.opp >= leg.x_trigger:
                trigger(ex, slot_of(index), name_of(index), leg.x_trigger)
            index = ex.cursor
    index = ex.head
    while index != NOBODY:
        leg = leg_at(ex, index)
        if leg.arrived > fence:
            break
        ex.cursor = leg.next
        if leg.state == LEG_RESTING:
            rest_sees_quote(ex, index, &views[side_index(leg.side)])
        elif leg.state == LEG_TAKING:
            take(ex, slot_of(index), name_of(index), False)
        index = ex.cursor
    ex.cursor = NOBODY


cdef int64_t rest_sees_trade(Exchange* ex, int index, const TickRecord* rec, int64_t volume) noexcept nogil:
    """Returns the lots of the print that reached us and are gone for our later orders."""
    cdef LegRow* leg = leg_at(ex, index)
    cdef int64_t x = leg.side * rec.bid_ticks
    cdef int64_t lots = 0
    cdef int ours = AGGRESSOR_BUY if leg.side > 0 else AGGRESSOR_SELL
    if x < leg.queue.x:
        # Others taking what we took before does not reach what is left of us.
        if rec.aggressor != ours or ex.book.taken[side_index(leg.side)] == 0:
            execute(ex, slot_of(index), name_of(index), leg.remaining, leg.queue.x)
        return 0
    if x > leg.queue.x or not leg.queue.known or not hits(leg.side, rec.aggressor, ex.settings.queue_model):
        return 0
    lots = see_trade(&leg.queue, rec.bid_qty, volume)
    if ex.settings.partial_fills:
        leg.queue.ahead = max(leg.queue.ahead, 0)
        lots = min(lots, leg.remaining)
    else:
        lots = leg.remaining if lots >= leg.remaining else 0
    if lots > 0:
        execute(ex, slot_of(index), name_of(index), lots, leg.queue.x)
    return lots


cdef void legs_see_trade(Exchange* ex, const TickRecord* rec) noexcept nogil:
    cdef int64_t fence = ex.arrivals
    cdef int64_t volume = rec.bid_qty
    cdef LegRow* leg
    cdef int index
    if not ex.settings.stop_on_touch:
        index = ex.head
        while index != NOBODY:
            leg = leg_at(ex, index)
            if leg.arrived > fence:
                break
            ex.cursor = leg.next
            if leg.state == LEG_ARMED and leg.side * rec.bid_ticks >= leg.x_trigger:
                trigger(ex, slot_of(index), name_of(index), leg.side * rec.bid_ticks)
            index = ex.cursor
    index = ex.head
    while index != NOBODY:
        leg = leg_at(ex, index)
        if leg.arrived > fence:
            break
        ex.cursor = leg.next
        if leg.state == LEG_RESTING:
            volume -= rest_sees_trade(ex, index, rec, volume)
        index = ex.cursor
    ex.cursor = NOBODY
