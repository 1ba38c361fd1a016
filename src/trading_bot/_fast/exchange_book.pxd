# cython: language_level=3
"""The displayed market, and one order's place in it (docs/simulator.md, sections 3 to 5).

Everything here is in an order's own coordinates: x = side * price. For buys and sells alike a lower x is the better price to
take, a print below x has gone through an order that rests at x, and a stop triggers at or above its x.
"""
cimport cython
from libc.stdint cimport int64_t, uint64_t

from trading_bot._fast.records cimport AGGRESSOR_BUY, AGGRESSOR_SELL, AGGRESSOR_UNKNOWN, TickRecord

cdef enum QueueModel:
    QUEUE_PESSIMISTIC = 0
    QUEUE_PROBABILISTIC = 1
    QUEUE_OPTIMISTIC = 2

cdef enum:
    EXECUTIONS = 32           # of one order at one instant; the last takes what is left

cdef struct Book:
    int64_t bid
    int64_t bid_qty
    int64_t ask
    int64_t ask_qty
    int64_t last
    int64_t last_ns
    int64_t taken[2]          # lots our buys [0] and sells [1] took since the touch came to its price
    int64_t taken_x[2]
    bint has_quote
    bint has_last

cdef struct View:             # the book in the coordinates of one side
    int64_t own               # the touch we would join
    int64_t own_qty
    int64_t opp               # the touch we would take: the worse of both when they are crossed
    int64_t opp_qty
    bint crossed              # or locked

cdef struct Queue:
    int64_t x
    int64_t ahead             # displayed lots before us; below 0: volume that reached us and did not fill us yet
    int64_t shown             # displayed at x when it was last looked at; -1: x was not the touch
    int64_t traded            # printed at x against us since that look
    uint64_t key
    uint64_t draws
    bint known                # `ahead` means something: x has been the touch, or was better than it

cdef inline int side_index(int64_t side) noexcept nogil:
    return 0 if side > 0 else 1

cdef inline View view_of(const Book* book, int64_t side) noexcept nogil:
    cdef View view
    if side > 0:
        view.own, view.own_qty, view.opp, view.opp_qty = book.bid, book.bid_qty, book.ask, book.ask_qty
    else:
        view.own, view.own_qty, view.opp, view.opp_qty = -book.ask, book.ask_qty, -book.bid, book.bid_qty
    view.crossed = view.own_qty > 0 and view.opp_qty > 0 and view.own >= view.opp
    if view.crossed:
        view.opp = view.own
    return view

cdef inline void show_quote(Book* book, const TickRecord* rec) noexcept nogil:
    book.bid, book.bid_qty = rec.bid_ticks, rec.bid_qty
    book.ask, book.ask_qty = rec.ask_ticks, rec.ask_qty
    book.has_quote = True
    # What we took stays taken until the touch leaves its price: the record does not know about our executions.
    if book.taken[0] and view_of(book, 1).opp != book.taken_x[0]:
        book.taken[0] = 0
    if book.taken[1] and view_of(book, -1).opp != book.taken_x[1]:
        book.taken[1] = 0

cdef inline void take_lots(Book* book, int64_t side, int64_t opp, int64_t lots) noexcept nogil:
    cdef int i = side_index(side)
    book.taken_x[i] = opp
    book.taken[i] += lots

# Marketable part: the touch, then one tick further for each size of the ladder.

@cython.cdivision(True)
cdef inline int64_t ladder_ticks(int64_t at, int64_t touch_qty, int64_t beyond) noexcept nogil:
    """How many ticks beyond the touch lot number `at` (from 0) stands. touch_qty and beyond are above zero."""
    return 0 if at < touch_qty else 1 + (at - touch_qty) // beyond

@cython.cdivision(True)
cdef inline int64_t ladder_room(int64_t at, int64_t touch_qty, int64_t beyond) noexcept nogil:
    """Lots left on the level where lot number `at` stands."""
    return touch_qty - at if at < touch_qty else beyond - (at - touch_qty) % beyond

cdef inline int64_t ladder_within(int64_t ticks, int64_t at, int64_t touch_qty, int64_t beyond) noexcept nogil:
    """Lots from number `at` on that stand at most `ticks` beyond the touch; none when that is below zero."""
    cdef int64_t lots = touch_qty + ticks * beyond - at
    return lots if ticks >= 0 and lots > 0 else 0

# Place in the queue

@cython.overflowcheck(False)
cdef inline uint64_t mix(uint64_t key, uint64_t draw) noexcept nogil:
    """A number from a key and a count: splitmix64 (Steele, Lea and Flood 2014), the same for every platform."""
    cdef uint64_t z = key + (draw + 1) * <uint64_t>0x9E3779B97F4A7C15
    z = (z ^ (z >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * <uint64_t>0x94D049BB133111EB
    return z ^ (z >> 31)

cdef inline void join(Queue* queue, const View* view, bint has_quote, int model) noexcept nogil:
    """Behind what is displayed at x; first where x is better than the touch; unknown behind the touch."""
    queue.ahead = 0
    queue.shown = -1
    queue.traded = 0
    queue.known = model == QUEUE_OPTIMISTIC
    if not has_quote or queue.known:
        return
    if queue.x == view.own:
        queue.known = True
        queue.ahead = queue.shown = view.own_qty
    elif queue.x > view.own:
        queue.known = True

@cython.cdivision(True)
cdef inline void shrink(Queue* queue, int64_t shown) noexcept nogil:
    """Cancellations fall on the lots before and behind us in proportion; fractions are drawn."""
    cdef int64_t before = queue.shown - queue.traded
    cdef int64_t gone = before - shown
    cdef int64_t share
    if queue.shown >= 0 and queue.ahead > 0 and gone > 0:
        share = gone * queue.ahead
        queue.ahead -= share // before
        if share % before:
            if <int64_t>(mix(queue.key, queue.draws) % <uint64_t>before) < share % before:
                queue.ahead -= 1
            queue.draws += 1
    if queue.ahead > shown:
        queue.ahead = shown

cdef inline void see_quote(Queue* queue, const View* view, int model) noexcept nogil:
    if model == QUEUE_OPTIMISTIC or view.crossed:
        return
    if view.own_qty > 0 and view.own == queue.x:
        if not queue.known:
            queue.known = True
            queue.ahead = view.own_qty
        elif model == QUEUE_PROBABILISTIC:
            shrink(queue, view.own_qty)
        queue.shown = view.own_qty
    else:
        if model == QUEUE_PROBABILISTIC and view.own <= queue.x:
            # Nobody is displayed at our price or at a better one.
            queue.known = True
            queue.ahead = min(queue.ahead, 0)
        queue.shown = -1
    queue.traded = 0

cdef inline bint hits(int64_t side, int aggressor, int model) noexcept nogil:
    """Whether a print at our price came from somebody who would have met us."""
    if side > 0:
        return aggressor == AGGRESSOR_SELL or (aggressor == AGGRESSOR_UNKNOWN and model == QUEUE_OPTIMISTIC)
    return aggressor == AGGRESSOR_BUY or (aggressor == AGGRESSOR_UNKNOWN and model == QUEUE_OPTIMISTIC)

cdef inline int64_t see_trade(Queue* queue, int64_t qty, int64_t volume) noexcept nogil:
    """A print of `qty` at x of which `volume` came past our own earlier orders; returns the lots that reached us."""
    queue.traded += qty
    queue.ahead -= volume
    return -queue.ahead if queue.ahead < 0 else 0
