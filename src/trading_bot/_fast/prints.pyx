# cython: language_level=3
"""The prints of a log added up: by spans of event time, and over the last of receive time."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from trading_bot._fast.records cimport KIND_REJECTED, KIND_TRADE, RejectedRecord, TickRecord

cdef enum:
    RECENT = 1 << 16        # prints whose receive time is remembered: minutes of the busiest market


cdef class PrintTally:
    """Prints of one instrument, in the order of the log.

    Memory is one row per span of event time and `RECENT` prints, whatever the length of the log.
    """

    cdef readonly int instrument
    cdef readonly int64_t span_ns
    cdef readonly int64_t lots
    cdef dict _rows
    cdef int64_t _begin_ns, _lots, _prints, _refused_lots
    cdef int32_t _low, _high
    cdef uint64_t _count
    cdef int64_t[RECENT] _ts_ns
    cdef int64_t[RECENT] _before    # lots of everything before that print

    def __init__(self, int instrument, int64_t span_ns):
        """`span_ns`: length of the spans, whole multiples of it since the epoch."""
        if span_ns < 1:
            raise ValueError(f"spans of {span_ns} ns: expected 1 or more")
        self.instrument, self.span_ns = instrument, span_ns
        self._rows = {}
        self._begin_ns = -1

    def take(self, const uint8_t[::1] records not None) -> None:
        """Add 64-byte records.

        Raises:
            ValueError: the buffer is not a whole number of records.
        """
        cdef Py_ssize_t size = records.shape[0], offset = 0
        cdef const TickRecord* rec
        cdef const RejectedRecord* refused
        if size % sizeof(TickRecord) != 0:
            raise ValueError(f"{size} bytes are not a whole number of {sizeof(TickRecord)}-byte records")
        while offset < size:
            rec = <const TickRecord*>(&records[offset])
            offset += <Py_ssize_t>sizeof(TickRecord)
            if rec.instrument != self.instrument:
                continue
            if rec.kind == KIND_TRADE:
                self._span(rec.ts_event_ns)
                self._ts_ns[self._count % RECENT] = rec.ts_ns
                self._before[self._count % RECENT] = self.lots
                self._count += 1
                self.lots += rec.bid_qty
                self._lots += rec.bid_qty
                self._prints += 1
                self._low = min(self._low, rec.bid_ticks)
                self._high = max(self._high, rec.bid_ticks)
            elif rec.kind == KIND_REJECTED:
                refused = <const RejectedRecord*>rec
                if refused.original_kind == KIND_TRADE:
                    self._span(refused.ts_event_ns)
                    self._refused_lots += max(refused.raw_qty, 0)

    def lots_until(self, int64_t ts_ns) -> int:
        """Lots of the prints received at `ts_ns` or before; of prints long gone as far as they are remembered."""
        cdef uint64_t back = 0, held = min(self._count, <uint64_t>RECENT)
        cdef int64_t lots = self.lots
        while back < held and self._ts_ns[(self._count - 1 - back) % RECENT] > ts_ns:
            lots = self._before[(self._count - 1 - back) % RECENT]
            back += 1
        return lots

    def rows(self) -> dict:
        """`{begin of the span, ns: (lots, prints, lowest, highest, refused lots)}`; prices in ticks, 0 without a print."""
        self._put()
        self._begin_ns = -1
        return dict(self._rows)

    cdef int _span(self, int64_t ts_event_ns) except -1:
        """Go on with the span of this event time; the prints of one span need not come in a row."""
        cdef int64_t begin_ns = ts_event_ns - ts_event_ns % self.span_ns
        if begin_ns == self._begin_ns:
            return 0
        self._put()
        self._begin_ns = begin_ns
        self._lots = self._prints = self._refused_lots = 0
        self._low, self._high = 2147483647, 0
        found = self._rows.get(begin_ns)
        if found is not None:
            self._lots, self._prints, low, self._high, self._refused_lots = found
            self._low = low if self._prints else self._low
        return 0

    cdef int _put(self) except -1:
        if self._begin_ns >= 0:
            low = self._low if self._prints else 0
            self._rows[self._begin_ns] = (self._lots, self._prints, low, self._high, self._refused_lots)
        return 0
