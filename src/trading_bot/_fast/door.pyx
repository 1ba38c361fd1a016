# cython: language_level=3
"""The door every market value passes, from a file or from a socket (specification, section 2).

Raw values enter (floats in points or integers in 1e-9 points), 64-byte tick records leave into a buffer allocated once.
What is refused is counted by reason and leaves as a REJECTED record with its raw values: never applied, never lost.
Crossed and locked quotes pass; the kernel flags them. `seq` and `crc` stay 0: the log writer fills them.
"""
from libc.math cimport floor, isfinite
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint32_t
from libc.string cimport memset

from trading_bot._fast.raw_batch cimport RawTick, good_stamp
from trading_bot._fast.records cimport (
    AGGRESSOR_BUY, AGGRESSOR_SELL, AGGRESSOR_UNKNOWN, CLASS_INPUT, FLAG_AGGRESSOR_INFERRED, KIND_PRICE_GAP,
    KIND_QUOTE, KIND_REJECTED, KIND_TRADE, RejectedRecord, TickRecord,
)

cdef enum:
    RECORD_BYTES = 64
    SPARE_RECORDS = 2            # one raw value makes at most two records: a price gap and itself
    BAND_RUN = 20                # refused prices in a row before the band moves

cdef int64_t SECOND_NS = 1_000_000_000
cdef int64_t INT32_TOP = 2_147_483_647


cdef class Door:
    """Checks raw market values of one instrument and writes them as tick records.

    `session_gap_ns`: a silence of at least this long counts as a new session for the price band; 0 switches that off
    (the caller then says `new_session()` itself).
    """

    def __cinit__(self, int instrument_id, int64_t tick_size_e9, Py_ssize_t capacity=4096,
                  int64_t session_gap_ns=0):
        cdef int64_t a = 1_000_000_000, b = tick_size_e9
        if not 0 < instrument_id < 65536:
            raise ValueError(f"instrument id {instrument_id}: expected 1..65535")
        if not 0 < tick_size_e9 <= 1_000_000_000_000:
            raise ValueError(f"tick size {tick_size_e9} e-9 points: expected above 0 and at most 1000 points")
        if capacity < 1:
            raise ValueError(f"capacity {capacity}: expected at least 1")
        while b:
            a, b = b, a % b
        self._tick_num = tick_size_e9 // a
        self._tick_den = 1_000_000_000 // a
        if self._tick_num > 4_194_304:     # 2**53 / 2**31: above, ticks × numerator is not exact in a double
            raise ValueError(f"tick size {tick_size_e9} e-9 points is too fine a fraction to check floats exactly")
        self._memory = bytearray((capacity + SPARE_RECORDS) * RECORD_BYTES)
        self._records = <TickRecord*><char*>self._memory
        self.capacity = capacity
        self._tick_e9 = tick_size_e9
        self._ticks_per_e9 = 1.0 / <double>tick_size_e9
        self._instrument = instrument_id
        self._session_gap_ns = session_gap_ns

    # ---- what happened so far

    @property
    def held(self) -> int:
        """Records written since the last `take()`."""
        return self._held

    @property
    def full(self) -> bool:
        """True when `take()` must come before the next value."""
        return self._held >= self.capacity

    @property
    def quotes(self) -> int:
        """Quotes accepted."""
        return self._quotes

    @property
    def trades(self) -> int:
        """Trades accepted."""
        return self._trades

    @property
    def price_gaps(self) -> int:
        """Times the price band was re-anchored."""
        return self._gaps

    @property
    def anchor_ticks(self):
        """The price the band is around, in ticks; None before the first accepted one."""
        return self._anchor if self._anchor else None

    @property
    def ts_max_ns(self) -> int:
        """The largest receive time so far; 0 before the first."""
        return self._ts_max_ns

    def refused(self, int reason) -> int:
        """Values refused for a RejectReason."""
        if not 0 < reason < REASON_COUNT:
            raise ValueError(f"reject reason {reason}: expected 1..{REASON_COUNT - 1}")
        return self._refused[reason]

    def take(self):
        """Hand out the records written so far; the memory is reused by the next value that is let in."""
        cdef Py_ssize_t held = self._held
        self._held = 0
        return memoryview(self._memory)[:held * RECORD_BYTES]

    # ---- the price band

    def new_session(self):
        """Take the next sound price as it comes; one outside the band leaves a PRICE_GAP record."""
        self._fresh = True
        self._run_count = 0

    def set_anchor(self, int64_t price_ticks):
        """Put the band around the broker's prior close; one outside the old band leaves a PRICE_GAP record."""
        if not 0 < price_ticks <= INT32_TOP:
            raise ValueError(f"anchor {price_ticks} ticks: expected 1..{INT32_TOP}")
        cdef int64_t before = self._gap_from if self._gap_from else self._anchor
        self._gap_from = before if before and _outside(price_ticks, before) else 0
        self._anchor = price_ticks
        self._run_count = 0

    # ---- values, one by one; the reason is returned, 0 when accepted

    def quote_points(self, int64_t ts_ns, int64_t ts_event_ns, double bid, int64_t bid_qty, double ask,
                     int64_t ask_qty, uint32_t flags=0):
        """Let a quote in, prices in points. Raises BufferError when `take()` is due."""
        cdef RawTick raw
        memset(&raw, 0, sizeof(raw))
        raw.ts_ns, raw.ts_event_ns, raw.kind, raw.flags = ts_ns, ts_event_ns, KIND_QUOTE, flags
        raw.is_float, raw.a_points, raw.b_points, raw.a_qty, raw.b_qty = 1, bid, ask, bid_qty, ask_qty
        return self._one(&raw)

    def quote_e9(self, int64_t ts_ns, int64_t ts_event_ns, int64_t bid_e9, int64_t bid_qty, int64_t ask_e9,
                 int64_t ask_qty, uint32_t flags=0):
        """Let a quote in, prices in 1e-9 points (a value scaled otherwise is multiplied by the caller)."""
        cdef RawTick raw
        memset(&raw, 0, sizeof(raw))
        raw.ts_ns, raw.ts_event_ns, raw.kind, raw.flags = ts_ns, ts_event_ns, KIND_QUOTE, flags
        raw.a_e9, raw.b_e9, raw.a_qty, raw.b_qty = bid_e9, ask_e9, bid_qty, ask_qty
        return self._one(&raw)

    def trade_points(self, int64_t ts_ns, int64_t ts_event_ns, double price, int64_t qty, int aggressor=0,
                     uint32_t flags=0):
        """Let a trade in, price in points; aggressor 0 is inferred by the quote rule, then the tick rule."""
        cdef RawTick raw
        memset(&raw, 0, sizeof(raw))
        raw.ts_ns, raw.ts_event_ns, raw.kind, raw.flags = ts_ns, ts_event_ns, KIND_TRADE, flags
        raw.is_float, raw.a_points, raw.a_qty, raw.aggressor = 1, price, qty, <uint8_t>aggressor
        return self._one(&raw)

    def trade_e9(self, int64_t ts_ns, int64_t ts_event_ns, int64_t price_e9, int64_t qty, int aggressor=0,
                 uint32_t flags=0):
        """Let a trade in, price in 1e-9 points."""
        cdef RawTick raw
        memset(&raw, 0, sizeof(raw))
        raw.ts_ns, raw.ts_event_ns, raw.kind, raw.flags = ts_ns, ts_event_ns, KIND_TRADE, flags
        raw.a_e9, raw.a_qty, raw.aggressor = price_e9, qty, <uint8_t>aggressor
        return self._one(&raw)

    cdef int _one(self, const RawTick* raw) except -1:
        if self._held >= self.capacity:
            raise BufferError(f"the batch of {self.capacity} records is full: take() it first")
        return self.admit(raw)

    # ---- the checks

    cdef int admit(self, const RawTick* raw) noexcept nogil:
        """Check one raw value and write what it becomes; returns the reason, 0 when accepted."""
        cdef int64_t a = 0, b = 0, ts_ns = self._ts_max_ns
        cdef int reason = raw.reason
        if good_stamp(raw.ts_ns):
            # Asking for the silence before the clock moves; a stamp that is refused moves nothing.
            if self._session_gap_ns and ts_ns and raw.ts_ns - ts_ns >= self._session_gap_ns:
                self._fresh = True
                self._run_count = 0
            if raw.ts_ns > ts_ns:
                ts_ns = self._ts_max_ns = raw.ts_ns
        if reason == REASON_NONE and not (good_stamp(raw.ts_ns) and good_stamp(raw.ts_event_ns)):
            reason = REASON_BAD_TIMESTAMP
        if reason == REASON_NONE:
            reason = self._ticks_of(raw, False, &a)
        if reason == REASON_NONE and raw.kind == KIND_QUOTE:
            reason = self._ticks_of(raw, True, &b)
        if reason == REASON_NONE:
            if raw.a_qty < 0 or raw.b_qty < 0:
                reason = REASON_NEGATIVE_SIZE
            elif raw.a_qty > INT32_TOP or raw.b_qty > INT32_TOP:
                reason = REASON_OUT_OF_RANGE
        if reason == REASON_NONE:
            return self._accept(raw, a, b, ts_ns)
        return self._refuse(raw, reason, ts_ns)

    cdef int _accept(self, const RawTick* raw, int64_t a, int64_t b, int64_t ts_ns) noexcept nogil:
        """The last check, the band, and then the record; `a` and `b` are whole ticks (`b` of a quote only)."""
        cdef bint quote = raw.kind == KIND_QUOTE, gap = False
        cdef int64_t low = a, high = a, middle = a
        cdef TickRecord* record
        if quote:
            low, high, middle = min(a, b), max(a, b), (a + b) >> 1
        if self._band(low, high, middle, ts_ns, &gap) != REASON_NONE:
            return self._refuse(raw, REASON_PRICE_BAND, ts_ns)
        if gap or self._gap_from:
            self._emit_gap(self._gap_from if self._gap_from else self._anchor, middle, ts_ns, raw.ts_event_ns)
        # A quote so wide that its own middle says nothing about the price does not move the band.
        if not (_outside(low, middle) or _outside(high, middle)):
            self._anchor = middle
            self._fresh = False
        self._run_count = 0
        record = self._emit(raw.kind, ts_ns, raw.ts_event_ns, raw.flags)
        record.bid_ticks = <int>a
        record.bid_qty = <int>raw.a_qty
        if quote:
            record.ask_ticks = <int>b
            record.ask_qty = <int>raw.b_qty
            self._bid, self._ask = a, b
            self._quotes += 1
            return REASON_NONE
        record.aggressor = raw.aggressor
        if raw.aggressor == AGGRESSOR_UNKNOWN:
            record.aggressor = self._infer(a)
            if record.aggressor != AGGRESSOR_UNKNOWN:
                record.flags |= FLAG_AGGRESSOR_INFERRED
        self._last_trade = a
        self._last_side = record.aggressor
        self._trades += 1
        return REASON_NONE

    cdef int _ticks_of(self, const RawTick* raw, bint second, int64_t* ticks) noexcept nogil:
        """The price in whole ticks; nothing is ever rounded onto the grid."""
        cdef double points, scaled
        cdef int64_t e9
        if raw.is_float:
            points = raw.b_points if second else raw.a_points
            if not isfinite(points):
                return REASON_NON_FINITE_PRICE
            if points <= 0.0:
                return REASON_NON_POSITIVE_PRICE
            scaled = floor(points * <double>self._tick_den / <double>self._tick_num + 0.5)
            if scaled > <double>INT32_TOP:
                return REASON_OUT_OF_RANGE
            # On the grid means: the float nearest to that many ticks. Both factors are exact, the division rounds once.
            if scaled < 1.0 or scaled * <double>self._tick_num / <double>self._tick_den != points:
                return REASON_OFF_GRID
            ticks[0] = <int64_t>scaled
            return REASON_NONE
        e9 = raw.b_e9 if second else raw.a_e9
        if e9 == INT64_MAX:
            return REASON_NON_FINITE_PRICE
        if e9 <= 0:
            return REASON_NON_POSITIVE_PRICE
        # A guess by multiplication is right for whatever is on the grid and not far out; dividing takes several times as long.
        ticks[0] = <int64_t>(<double>e9 * self._ticks_per_e9 + 0.5)
        if ticks[0] * self._tick_e9 == e9 and ticks[0] <= INT32_TOP:
            return REASON_NONE
        if e9 % self._tick_e9:
            return REASON_OFF_GRID
        if e9 // self._tick_e9 > INT32_TOP:
            return REASON_OUT_OF_RANGE
        ticks[0] = e9 // self._tick_e9
        return REASON_NONE

    cdef int _band(self, int64_t low, int64_t high, int64_t middle, int64_t ts_ns, bint* gap) noexcept nogil:
        """Within 10 % of the last accepted price, or the twentieth of a steady run outside it."""
        if self._anchor == 0:
            return REASON_NONE
        if not (_outside(low, self._anchor) or _outside(high, self._anchor)):
            return REASON_NONE
        if _outside(low, middle) or _outside(high, middle):
            # So wide a quote is no evidence of where the price is: refused, and no part of a run.
            return REASON_PRICE_BAND
        if self._fresh:
            gap[0] = True
            return REASON_NONE
        if self._run_count:
            self._run_low = min(self._run_low, middle)
            self._run_high = max(self._run_high, middle)
        if self._run_count == 0 or (self._run_high - self._run_low) * 100 > self._run_low:
            self._run_low = self._run_high = middle
            self._run_start_ns = ts_ns
            self._run_count = 0
        self._run_count += 1
        if self._run_count >= BAND_RUN and ts_ns - self._run_start_ns >= SECOND_NS:
            gap[0] = True
            return REASON_NONE
        return REASON_PRICE_BAND

    cdef uint8_t _infer(self, int64_t price) noexcept nogil:
        """Quote rule: above the middle of the quote a buyer paid, below a seller gave; else the tick rule."""
        if self._bid and self._bid <= self._ask and 2 * price != self._bid + self._ask:
            return AGGRESSOR_BUY if 2 * price > self._bid + self._ask else AGGRESSOR_SELL
        if self._last_trade == 0:
            return AGGRESSOR_UNKNOWN
        if price == self._last_trade:
            return self._last_side
        return AGGRESSOR_BUY if price > self._last_trade else AGGRESSOR_SELL

    # ---- records

    cdef TickRecord* _emit(self, uint8_t kind, int64_t ts_ns, int64_t ts_event_ns, uint32_t flags) noexcept nogil:
        cdef TickRecord* record = &self._records[self._held]
        memset(record, 0, RECORD_BYTES)
        record.length = RECORD_BYTES
        record.kind = kind
        record.cls = CLASS_INPUT
        record.instrument = self._instrument
        record.flags = flags
        record.ts_ns = ts_ns
        record.ts_event_ns = ts_event_ns
        self._held += 1
        return record

    cdef void _emit_gap(self, int64_t old, int64_t new, int64_t ts_ns, int64_t ts_event_ns) noexcept nogil:
        cdef TickRecord* record = self._emit(KIND_PRICE_GAP, ts_ns, ts_event_ns, 0)
        record.bid_ticks = <int>old
        record.ask_ticks = <int>new
        self._gap_from = 0
        # What the aggressor was inferred from lies on the other side of the gap.
        self._bid = self._ask = self._last_trade = 0
        self._last_side = AGGRESSOR_UNKNOWN
        self._gaps += 1

    cdef int _refuse(self, const RawTick* raw, int reason, int64_t ts_ns) noexcept nogil:
        cdef RejectedRecord* record
        cdef int64_t qty = raw.a_qty
        self._refused[reason] += 1
        if ts_ns == 0:
            return reason        # nothing before it has a time, so a record of it would have none: counted only
        record = <RejectedRecord*>self._emit(KIND_REJECTED, ts_ns, raw.ts_event_ns, raw.flags)
        record.raw_a = raw.a_points if raw.is_float else <double>raw.a_e9 / 1e9
        if raw.kind == KIND_QUOTE:
            record.raw_b = raw.b_points if raw.is_float else <double>raw.b_e9 / 1e9
            qty = min(qty, raw.b_qty)
        record.reason = <uint8_t>reason
        record.original_kind = raw.kind
        record.raw_qty = <int>max(min(qty, INT32_TOP), -INT32_TOP - 1)
        return reason


cdef inline bint _outside(int64_t price, int64_t anchor) noexcept nogil:
    cdef int64_t distance = price - anchor
    return (distance if distance >= 0 else -distance) * 10 > anchor
