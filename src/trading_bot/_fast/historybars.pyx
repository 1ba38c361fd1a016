# cython: language_level=3
"""Closed 60 s bars of recorded market records, as the kernel builds them (docs/kernel.md, section 4)."""
from libc.stdint cimport int64_t, uint8_t

from trading_bot._fast.decay cimport MINUTE_NS, floor_div
from trading_bot._fast.records cimport KIND_PRICE_GAP, KIND_TRADE, TickRecord

from trading_bot.domain.bars import MinuteBar


cdef class MinuteBars:
    """Takes one stream of 64-byte records, in runs of any length, up to `before_ns`; a bar that ends later is no bar.

    Trades with a size above 0 make bars. A price gap ends nothing and begins afresh: the trades of its minute before it
    belong to another price, and the kernel forgets them as well.
    """

    cdef readonly int64_t before_ns
    cdef readonly int64_t price_gaps
    cdef int64_t now_ns, ts_open_ns, open_ticks, high_ticks, low_ticks, close_ticks, volume, notional
    cdef bint open
    cdef list closed

    def __init__(self, int64_t before_ns):
        self.before_ns = before_ns
        self.closed = []

    def take(self, const uint8_t[::1] records not None):
        """Take records; True when one at or after `before_ns` was among them: what follows makes no bar.

        Raises:
            ValueError: the buffer is not a whole number of records.
        """
        cdef Py_ssize_t size = records.shape[0], offset = 0
        cdef const TickRecord* rec
        if size % <Py_ssize_t>sizeof(TickRecord) != 0:
            raise ValueError(f"{size} bytes are not a whole number of {sizeof(TickRecord)}-byte records")
        while offset < size and self.now_ns < self.before_ns:
            rec = <const TickRecord*>&records[offset]
            offset += <Py_ssize_t>sizeof(TickRecord)
            self.now_ns = max(self.now_ns, rec.ts_ns)       # the kernel takes an earlier stamp at its own time
            if self.now_ns >= self.before_ns:
                break
            if rec.kind == KIND_TRADE and rec.bid_qty > 0:
                self._add(rec.bid_ticks, rec.bid_qty)
            elif rec.kind == KIND_PRICE_GAP:
                self._close(self.now_ns)
                self.open = False
                self.price_gaps += 1
        return self.now_ns >= self.before_ns

    def bars(self):
        """The bars so far, oldest first; the last minute is among them when it ends at or before `before_ns`."""
        self._close(self.before_ns)
        return self.closed

    cdef void _close(self, int64_t until_ns) except *:
        """Close the open bar if its minute is over at `until_ns`."""
        if self.open and self.ts_open_ns + MINUTE_NS <= until_ns:
            self.closed.append(MinuteBar(
                self.ts_open_ns, self.open_ticks, self.high_ticks, self.low_ticks, self.close_ticks,
                self.volume, self.notional,
            ))
            self.open = False

    cdef inline void _add(self, int64_t price, int64_t qty) except *:
        if self.open and self.now_ns >= self.ts_open_ns + MINUTE_NS:
            self._close(self.now_ns)
        if not self.open:
            self.open = True
            self.ts_open_ns = floor_div(self.now_ns, MINUTE_NS) * MINUTE_NS
            self.open_ticks = self.high_ticks = self.low_ticks = price
            self.volume = self.notional = 0
        self.high_ticks = max(self.high_ticks, price)
        self.low_ticks = min(self.low_ticks, price)
        self.close_ticks = price
        self.volume += qty
        self.notional += price * qty
