# cython: language_level=3
"""The face of the exchange simulator. docs/simulator.md says what it does; this file says how Python reaches it."""
from hashlib import sha256

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

import msgspec

from trading_bot._fast.exchange_book cimport QUEUE_OPTIMISTIC, QUEUE_PESSIMISTIC, QUEUE_PROBABILISTIC
from trading_bot._fast.exchange_latency cimport read_latency
from trading_bot._fast.exchange_match cimport look_ahead, match_record, run_due
from trading_bot._fast.exchange_orders cimport arrival_ns, fill_leg, find, is_live, leg_at, shadow_out_ns, slot_of
from trading_bot._fast.exchange_state cimport (
    EXCHANGE_LAYOUT, GROUPS, LEG_ENTRY, LEG_EXIT, LEG_RESTING, LEG_SENT, LEG_STOP, LEG_TARGET, LEGS, NOBODY,
    ORDER_LIMIT, ORDER_MARKET, ORDER_STOP, ORDER_STOP_LIMIT, REPLIES, REQUEST_CANCEL, REQUEST_EXIT, REQUEST_MODIFY,
    REQUEST_PLACE, REQUESTS, SHADOW_SENT, SHADOWS, Group, LegRow, Reply, Request, Settings, Shadow,
)
from trading_bot._fast.records cimport KIND_QUOTE, KIND_TRADE

from trading_bot.domain import exchange as names

_QUEUES = {"pessimistic": QUEUE_PESSIMISTIC, "probabilistic": QUEUE_PROBABILISTIC, "optimistic": QUEUE_OPTIMISTIC}
_LEGS = tuple(names.Leg)
_KINDS = {kind.value: kind for kind in names.AnswerKind}
_LAYOUT = sha256(
    repr((EXCHANGE_LAYOUT, sizeof(Exchange), sizeof(Group), sizeof(LegRow), sizeof(Reply), sizeof(Request), sizeof(Shadow))).encode()
).digest()


cdef int64_t _within(int64_t value, int64_t low, int64_t high, str name) except? -1:
    if value < low or value > high:
        raise ValueError(f"{name} is {value}: expected {low} to {high}")
    return value


cdef class ExchangeSim:
    """One instrument's exchange and broker, fed by its market records. Prices in ticks, times in ns since the epoch.

    Calls take effect at the exchange after the entry latency; what came of them is told by `take` after the response
    latency. A call first lets time pass to its own; a time below the latest one is taken as the latest one. Raises ValueError for a value out of range, naming it,
    ExchangeFull when a fixed table is full.
    """

    def __cinit__(self, config=None):
        self.config = names.ExchangeConfig() if config is None else config
        self.ex = <Exchange*>calloc(1, sizeof(Exchange))
        if self.ex == NULL:
            raise MemoryError
        self.digest = _LAYOUT + sha256(msgspec.msgpack.encode(self.config)).digest()
        self._read_settings()
        self.ex.head = self.ex.tail = self.ex.cursor = NOBODY
        self.ex.internal_due_ns = self.ex.due_ns = INT64_MAX

    def __dealloc__(self):
        free(self.ex)

    def _read_settings(self):
        cdef Settings* to = &self.ex.settings
        config = self.config
        read_latency(&self.ex.latency, config.latency)
        to.entry_latency_ns = config.entry_latency_ns
        to.response_latency_ns = config.response_latency_ns
        to.child_latency_ns = config.child_latency_ns
        to.stop_latency_ns = config.stop_latency_ns
        to.beyond_touch_lots = config.beyond_touch_lots
        to.fee_uusd = config.fee_per_side_uusd
        to.oca_type = config.oca_type
        to.reject_every = config.reject_every
        to.reject_per_mille = config.reject_per_mille
        to.reject_exit_every = config.reject_exit_every
        to.seed = config.seed
        to.queue_model = _QUEUES[config.queue_model]
        to.stop_on_touch = config.stop_trigger == "touch"
        to.partial_fills = config.partial_fills

    # Market

    cdef int match(self, const TickRecord* rec) noexcept nogil:
        return match_record(self.ex, rec)

    cdef int64_t due_ns(self) noexcept nogil:
        return self.ex.due_ns

    def run(self, ticks, int64_t start=0, int64_t deadline_ns=2**63 - 1):
        """Match 64-byte tick records from index `start`; returns (next index, 1 when it stopped at news, else 0).

        Stops after a record with news and before the first record with `ts_ns >= deadline_ns`.
        """
        cdef Py_buffer view
        cdef const TickRecord* records
        cdef int64_t at = start
        cdef int64_t n
        cdef int code = 0
        PyObject_GetBuffer(ticks, &view, PyBUF_SIMPLE)
        try:
            n = view.len // <int64_t>sizeof(TickRecord)
            if view.len % <int64_t>sizeof(TickRecord):
                raise ValueError(f"{view.len} bytes are no array of {sizeof(TickRecord)}-byte records")
            _within(start, 0, n, "start")
            records = <const TickRecord*>view.buf
            with nogil:
                while at < n and code == 0 and records[at].ts_ns < deadline_ns:
                    code = match_record(self.ex, &records[at])
                    at += 1
            self._check_answers()
            return at, code
        finally:
            PyBuffer_Release(&view)

    def on_quote(self, int64_t ts_ns, int32_t bid_ticks, int32_t bid_qty, int32_t ask_ticks, int32_t ask_qty):
        """Match one quote; 1 when `next_due_ns` has to be looked at again."""
        cdef TickRecord rec
        memset(&rec, 0, sizeof(TickRecord))
        rec.kind, rec.ts_ns = KIND_QUOTE, _within(ts_ns, 0, INT64_MAX // 2, "ts_ns")
        rec.bid_ticks, rec.bid_qty, rec.ask_ticks, rec.ask_qty = bid_ticks, bid_qty, ask_ticks, ask_qty
        cdef int code = match_record(self.ex, &rec)
        self._check_answers()
        return code

    def on_trade(self, int64_t ts_ns, int32_t price_ticks, int32_t qty, uint8_t aggressor):
        """Match one trade, `aggressor` as `domain.records.Aggressor`; 1 when `next_due_ns` has to be looked at again."""
        cdef TickRecord rec
        memset(&rec, 0, sizeof(TickRecord))
        rec.kind, rec.ts_ns = KIND_TRADE, _within(ts_ns, 0, INT64_MAX // 2, "ts_ns")
        rec.bid_ticks, rec.bid_qty, rec.aggressor = price_ticks, qty, aggressor
        cdef int code = match_record(self.ex, &rec)
        self._check_answers()
        return code

    # Orders

    def place(
        self,
        int64_t handle,
        int64_t ts_ns,
        int side,
        int kind,
        int64_t qty,
        int64_t limit_ticks=0,
        int64_t trigger_ticks=0,
        int64_t stop_price_ticks=0,
        int64_t target_price_ticks=0,
    ):
        """Send an order of `side` +1 or -1 with up to two children: a stop and a target, 0 for none.

        `limit_ticks` belongs to LIMIT and STOP_LIMIT, `trigger_ticks` to STOP and STOP_LIMIT; 0 otherwise. A handle may be used
        again when nothing of it lives. Children are in force for the lots that were filled.
        """
        cdef Group* group
        cdef int slot
        _check_order(side, kind, qty, limit_ticks, trigger_ticks)
        _within(stop_price_ticks, 0, names.PRICE_TICKS_MAX, "stop_price_ticks")
        _within(target_price_ticks, 0, names.PRICE_TICKS_MAX, "target_price_ticks")
        if stop_price_ticks and target_price_ticks and side * (target_price_ticks - stop_price_ticks) <= 0:
            raise ValueError(f"order {handle}: target {target_price_ticks} is not beyond stop {stop_price_ticks} for side {side}")
        _let_pass(self, ts_ns)
        if find(self.ex, handle) != NOBODY:
            raise ValueError(f"handle {handle} belongs to an order that lives: give each order its own")
        slot = 0
        while slot < GROUPS and self.ex.groups[slot].used:
            slot += 1
        if slot == GROUPS:
            raise names.ExchangeFull(f"{GROUPS} orders live at the exchange: cancel some before placing {handle}")
        _send(self, ts_ns, handle, REQUEST_PLACE, LEG_ENTRY).slot = slot
        group = &self.ex.groups[slot]
        memset(group, 0, sizeof(Group))
        group.used, group.handle, group.child_due_ns = True, handle, INT64_MAX
        group.oca = self.ex.settings.oca_type or (1 if qty == 1 else 2)
        fill_leg(&group.leg[LEG_ENTRY], side, kind, qty, limit_ticks, trigger_ticks)
        if stop_price_ticks:
            fill_leg(&group.leg[LEG_STOP], -side, ORDER_STOP, qty, 0, stop_price_ticks)
        if target_price_ticks:
            fill_leg(&group.leg[LEG_TARGET], -side, ORDER_LIMIT, qty, target_price_ticks, 0)
        group.leg[LEG_ENTRY].state = LEG_SENT
        look_ahead(self.ex)

    def cancel(self, int64_t handle, int64_t ts_ns, int leg=names.Leg.ENTRY):
        """Withdraw one leg, or ALL. Answered by CANCELLED for each, or once by REFUSED when nothing is left to withdraw."""
        _within(leg, LEG_ENTRY, names.Leg.ALL, "leg")
        _send(self, ts_ns, handle, REQUEST_CANCEL, leg)
        look_ahead(self.ex)

    def modify(self, int64_t handle, int64_t ts_ns, int leg, int64_t price_ticks=0, int64_t qty=0):
        """Change a leg: its limit, or its trigger where it is a STOP, and its total quantity; 0 leaves either as it is.

        Children have the quantity their parent filled: theirs cannot be changed.
        """
        _within(leg, LEG_ENTRY, LEG_EXIT, "leg")
        _within(price_ticks, 0, names.PRICE_TICKS_MAX, "price_ticks")
        _within(qty, 0, names.LOTS_MAX, "qty")
        if qty and (leg == LEG_TARGET or leg == LEG_STOP):
            raise ValueError(f"order {handle}: the quantity of a child follows its parent's fills, found {qty}; give 0")
        cdef Request* request = _send(self, ts_ns, handle, REQUEST_MODIFY, leg)
        request.price, request.qty = price_ticks, qty
        look_ahead(self.ex)

    def exit(self, int64_t handle, int64_t ts_ns, int kind, int64_t limit_ticks, int64_t qty):
        """Send an exit, LIMIT or MARKET, into the OCA group of the order's children, or replace the one that works there.

        The stop goes when the exit fills, not before. REFUSED when no child is in force any more.
        """
        _within(kind, ORDER_LIMIT, ORDER_MARKET, "kind")
        _check_order(1, kind, qty, limit_ticks, 0)
        cdef Request* request = _send(self, ts_ns, handle, REQUEST_EXIT, LEG_EXIT)
        request.order_kind, request.price, request.qty = kind, limit_ticks, qty
        look_ahead(self.ex)

    def place_shadow(
        self,
        int64_t handle,
        int64_t ts_ns,
        int side,
        int kind,
        int64_t limit_ticks,
        int64_t target_ticks,
        int64_t stop_ticks,
        int64_t hold_ns,
        int64_t life_ns,
    ):
        """Follow a hypothetical trade of one lot: LIMIT or MARKET in, `target_ticks` and `stop_ticks` from its fill, out at
        the market `hold_ns` after the entry was heard of. An entry that is not filled after `life_ns` is CANCELLED.

        Its answers carry `shadow`, no exec_id, and count in no position or fee. Handles are their own space.
        """
        cdef Shadow* shadow
        _within(kind, ORDER_LIMIT, ORDER_MARKET, "kind")
        _check_order(side, kind, 1, limit_ticks, 0)
        _within(target_ticks, 1, names.PRICE_TICKS_MAX, "target_ticks")
        _within(stop_ticks, 1, names.PRICE_TICKS_MAX, "stop_ticks")
        _within(hold_ns, 0, INT64_MAX // 4, "hold_ns")
        _within(life_ns, 0, INT64_MAX // 4, "life_ns")
        _let_pass(self, ts_ns)
        if self.ex.shadow_count == SHADOWS:
            raise names.ExchangeFull(f"{SHADOWS} shadow trades are open: wait for one to end before following {handle}")
        shadow = &self.ex.shadows[self.ex.shadow_count]
        memset(shadow, 0, sizeof(Shadow))
        shadow.handle, shadow.side, shadow.kind, shadow.state = handle, side, kind, SHADOW_SENT
        shadow.x_limit, shadow.target_ticks, shadow.stop_ticks = side * limit_ticks, target_ticks, stop_ticks
        shadow.life_ns, shadow.hold_ns = life_ns, hold_ns
        shadow.due_ns = self.ex.now_ns + shadow_out_ns(self.ex, handle, self.ex.now_ns)
        self.ex.shadow_count += 1
        look_ahead(self.ex)

    # Time and answers

    def advance(self, int64_t ts_ns):
        """Let time pass without a record; 1 when something happened."""
        cdef int64_t before = self.ex.changes
        _let_pass(self, ts_ns)
        return int(self.ex.changes != before)

    def take(self, int64_t ts_ns):
        """Let time pass to `ts_ns`, then the next answer delivered by then, or None."""
        cdef Exchange* ex = self.ex
        cdef Reply* row = &ex.replies[ex.first_reply]
        self.advance(ts_ns)
        if ex.reply_count == 0 or row.ts_ns > ts_ns:
            return None
        answer = names.Answer(
            ts_ns=row.ts_ns,
            handle=row.handle,
            leg=_LEGS[row.leg],
            kind=_KINDS[row.kind],
            side=row.side,
            qty=row.qty,
            price_ticks=row.price,
            remaining=row.remaining,
            commission_uusd=row.commission_uusd,
            exec_id=row.exec_id,
            shadow=bool(row.shadow),
        )
        memset(row, 0, sizeof(Reply))
        ex.first_reply = (ex.first_reply + 1) & (REPLIES - 1)
        ex.reply_count -= 1
        look_ahead(ex)
        return answer

    def _check_answers(self):
        if self.ex.overflowed:
            raise names.ExchangeFull(f"more than {REPLIES} answers were waiting and some were lost: take() them when next_due_ns has come")

    # Reads

    @property
    def now_ns(self):
        """Time of the exchange: the latest record, call or activation."""
        return self.ex.now_ns

    @property
    def next_due_ns(self):
        """When `take` has something to do without a record: an arrival, an activation or a delivery; 2**63 - 1 for never."""
        return self.ex.due_ns

    @property
    def position(self):
        """Lots bought less lots sold, at the exchange: known to the caller only after the response latency."""
        return self.ex.position

    @property
    def fees_uusd(self):
        """Commissions of all executions."""
        return self.ex.fees_uusd

    @property
    def executions(self):
        """Executions so far: the latest exec_id."""
        return self.ex.executions

    @property
    def rejected(self):
        """Orders and exits rejected so far."""
        return self.ex.rejected

    @property
    def live_orders(self):
        """Legs that live, waiting children and orders under way included."""
        cdef int index
        cdef int count = 0
        for index in range(GROUPS * LEGS):
            count += self.ex.groups[slot_of(index)].used and is_live(leg_at(self.ex, index))
        return count

    @property
    def shadows(self):
        """Shadow trades being followed."""
        return self.ex.shadow_count

    def queue_ahead(self, int64_t handle, int leg=names.Leg.ENTRY):
        """Displayed lots before a resting order; None where that is not known or nothing rests."""
        cdef int slot = find(self.ex, handle)
        cdef LegRow* row
        _within(leg, LEG_ENTRY, LEG_EXIT, "leg")
        if slot == NOBODY:
            return None
        row = &self.ex.groups[slot].leg[leg]
        return max(row.queue.ahead, 0) if row.state == LEG_RESTING and row.queue.known else None

    # Snapshots

    def snapshot(self):
        """The whole state as bytes, for `restore` on a simulator of the same configuration and build."""
        return self.digest + PyBytes_FromStringAndSize(<const char*>self.ex, sizeof(Exchange))

    def restore(self, bytes data):
        """Continue from a snapshot; ValueError for one of another build or configuration."""
        cdef int64_t head = len(self.digest)
        if data[:32] != _LAYOUT or len(data) != head + <int64_t>sizeof(Exchange):
            raise ValueError("the snapshot was made by another build of the exchange simulator: use the build it came from")
        if data[:head] != self.digest:
            raise ValueError("the snapshot belongs to another configuration of the exchange simulator: use the one it was made with")
        memcpy(self.ex, PyBytes_AS_STRING(data) + head, sizeof(Exchange))


cdef int _let_pass(ExchangeSim sim, int64_t ts_ns) except -1:
    """A call comes after everything that is due by then, however often the caller has looked before."""
    _within(ts_ns, 0, INT64_MAX // 2, "ts_ns")
    run_due(sim.ex, ts_ns)
    sim.ex.now_ns = max(sim.ex.now_ns, ts_ns)
    look_ahead(sim.ex)
    sim._check_answers()
    return 0


cdef Request* _send(ExchangeSim sim, int64_t ts_ns, int64_t handle, int kind, int leg) except NULL:
    """The next free row of the messages under way."""
    cdef Exchange* ex = sim.ex
    cdef Request* request
    _let_pass(sim, ts_ns)
    if ex.request_count == REQUESTS:
        raise names.ExchangeFull(f"{REQUESTS} messages are under way to the exchange: let time pass before sending more")
    request = &ex.requests[(ex.first_request + ex.request_count) & (REQUESTS - 1)]
    memset(request, 0, sizeof(Request))
    request.ts_ns = arrival_ns(ex, handle)
    request.handle, request.kind, request.leg = handle, kind, leg
    ex.request_count += 1
    return request


cdef int _check_order(int side, int kind, int64_t qty, int64_t limit_ticks, int64_t trigger_ticks) except -1:
    if side != 1 and side != -1:
        raise ValueError(f"side is {side}: expected 1 (buy) or -1 (sell)")
    _within(kind, ORDER_LIMIT, ORDER_STOP_LIMIT, "kind")
    _within(qty, 1, names.LOTS_MAX, "qty")
    cdef bint limited = kind == ORDER_LIMIT or kind == ORDER_STOP_LIMIT
    cdef bint triggered = kind == ORDER_STOP or kind == ORDER_STOP_LIMIT
    _within(limit_ticks, limited, names.PRICE_TICKS_MAX if limited else 0, "limit_ticks")
    _within(trigger_ticks, triggered, names.PRICE_TICKS_MAX if triggered else 0, "trigger_ticks")
    if limited and triggered and side * (limit_ticks - trigger_ticks) < 0:
        raise ValueError(f"limit {limit_ticks} lies before trigger {trigger_ticks} for side {side}: such an order never trades at its trigger")
    return 0
