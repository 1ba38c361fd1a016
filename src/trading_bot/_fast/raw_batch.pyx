# cython: language_level=3
"""Raw market values of a source, before they are merged and checked."""
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memset

from trading_bot._fast.records cimport KIND_QUOTE, KIND_TRADE


cdef class RawBatch:
    """Raw values of one source, in its own order, waiting to be merged. Grows as needed, keeps its memory."""

    def __cinit__(self, Py_ssize_t room=4096):
        if room < 1:
            raise ValueError(f"room {room}: expected at least 1")
        self.ticks = <RawTick*>PyMem_Malloc(room * sizeof(RawTick))
        if self.ticks == NULL:
            raise MemoryError(f"no memory for {room} raw ticks")
        self.room = room

    def __dealloc__(self):
        PyMem_Free(self.ticks)

    def __len__(self):
        return self.size - self.next

    cdef RawTick* slot(self) except NULL:
        cdef RawTick* grown
        if self.next == self.size:
            self.next = self.size = 0
        if self.size == self.room:
            grown = <RawTick*>PyMem_Realloc(self.ticks, 2 * self.room * sizeof(RawTick))
            if grown == NULL:
                raise MemoryError(f"no memory for {2 * self.room} raw ticks")
            self.ticks = grown
            self.room *= 2
        self.size += 1
        memset(&self.ticks[self.size - 1], 0, sizeof(RawTick))
        return &self.ticks[self.size - 1]

    cdef int put_quote_e9(self, int64_t ts_ns, int64_t ts_event_ns, int64_t bid_e9, int64_t bid_qty,
                          int64_t ask_e9, int64_t ask_qty, uint32_t flags) except -1:
        cdef RawTick* raw = self.slot()
        raw.ts_ns, raw.ts_event_ns = ts_ns, ts_event_ns
        raw.a_e9, raw.b_e9, raw.a_qty, raw.b_qty = bid_e9, ask_e9, bid_qty, ask_qty
        raw.kind, raw.flags = KIND_QUOTE, flags
        return 0

    cdef int put_trade_e9(self, int64_t ts_ns, int64_t ts_event_ns, int64_t price_e9, int64_t qty,
                          uint8_t aggressor, uint32_t flags) except -1:
        cdef RawTick* raw = self.slot()
        raw.ts_ns, raw.ts_event_ns = ts_ns, ts_event_ns
        raw.a_e9, raw.a_qty, raw.aggressor = price_e9, qty, aggressor
        raw.kind, raw.flags = KIND_TRADE, flags
        return 0

    def quote_e9(self, int64_t ts_ns, int64_t ts_event_ns, int64_t bid_e9, int64_t bid_qty,
                 int64_t ask_e9, int64_t ask_qty, int reason=0):
        """Add a quote, prices in 1e-9 points. `reason` is a RejectReason the source found itself, 0 for none."""
        self.put_quote_e9(ts_ns, ts_event_ns, bid_e9, bid_qty, ask_e9, ask_qty, 0)
        self.ticks[self.size - 1].reason = <uint8_t>reason

    def trade_e9(self, int64_t ts_ns, int64_t ts_event_ns, int64_t price_e9, int64_t qty, int aggressor=0,
                 int reason=0):
        """Add a trade, price in 1e-9 points, aggressor 0 where the source has none."""
        self.put_trade_e9(ts_ns, ts_event_ns, price_e9, qty, <uint8_t>aggressor, 0)
        self.ticks[self.size - 1].reason = <uint8_t>reason

    def quote_points(self, int64_t ts_ns, int64_t ts_event_ns, double bid, int64_t bid_qty, double ask,
                     int64_t ask_qty, int reason=0):
        """Add a quote, prices in points as floats."""
        self.put_quote_e9(ts_ns, ts_event_ns, 0, bid_qty, 0, ask_qty, 0)
        cdef RawTick* raw = &self.ticks[self.size - 1]
        raw.is_float, raw.a_points, raw.b_points, raw.reason = 1, bid, ask, <uint8_t>reason

    def trade_points(self, int64_t ts_ns, int64_t ts_event_ns, double price, int64_t qty, int aggressor=0,
                     int reason=0):
        """Add a trade, price in points as a float."""
        self.put_trade_e9(ts_ns, ts_event_ns, 0, qty, <uint8_t>aggressor, 0)
        cdef RawTick* raw = &self.ticks[self.size - 1]
        raw.is_float, raw.a_points, raw.reason = 1, price, <uint8_t>reason
