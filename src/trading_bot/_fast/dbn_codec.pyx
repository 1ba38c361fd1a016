# cython: language_level=3
"""Databento records to raw quotes and trades.

The vendor's decoder has framed, version-checked and upgraded each record; here its bytes are read by the published
layout of the current DBN version (mbo, mbp-1 and tbbo, trades). Prices stay integers in 1e-9 points.

Meaning of the records (databento.com/docs, conventions and schemas): T is the aggressing side of a trade and F the
resting one, neither changes the book, the C or M that follows does; a book may be looked at only after the record with
F_LAST; in mbp-1 and tbbo the levels beside a T are those before it.
"""
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from trading_bot._fast.raw_batch cimport RawBatch
from trading_bot._fast.mbo_book cimport Level, MboBook
from trading_bot._fast.records cimport AGGRESSOR_BUY, AGGRESSOR_SELL, AGGRESSOR_UNKNOWN

cdef enum:
    RTYPE_TRADES = 0x00
    RTYPE_MBP_1 = 0x01           # mbp-1 and tbbo
    RTYPE_MBO = 0xA0
    F_TOB = 0x40
    F_LAST = 0x80

cdef packed struct Header:       # 16 bytes
    uint8_t length_words
    uint8_t rtype
    uint16_t publisher_id
    uint32_t instrument_id
    uint64_t ts_event

cdef packed struct Mbo:          # 56 bytes
    Header head
    uint64_t order_id
    int64_t price
    uint32_t size
    uint8_t flags
    uint8_t channel_id
    uint8_t action
    uint8_t side
    uint64_t ts_recv
    int ts_in_delta
    uint32_t sequence

cdef packed struct Trade:        # 48 bytes
    Header head
    int64_t price
    uint32_t size
    uint8_t action
    uint8_t side
    uint8_t flags
    uint8_t depth
    uint64_t ts_recv
    int ts_in_delta
    uint32_t sequence

cdef packed struct Mbp1:         # 80 bytes
    Trade trade
    int64_t bid_px
    int64_t ask_px
    uint32_t bid_sz
    uint32_t ask_sz
    uint32_t bid_ct
    uint32_t ask_ct


cdef inline int64_t _stamp(uint64_t ts_ns) noexcept:
    """Undefined stamps are 2**64 - 1: to the door that is a time nobody could read."""
    return <int64_t>ts_ns if ts_ns <= <uint64_t>INT64_MAX else 0


cdef inline uint8_t _aggressor(uint8_t side) noexcept:
    return AGGRESSOR_BUY if side == c"B" else AGGRESSOR_SELL if side == c"A" else AGGRESSOR_UNKNOWN


cdef class DbnCodec:
    """Reads records of one instrument into a batch.

    `instrument_id` 0 takes the first one seen; `strangers` then holds the ids of others. A quote is put when the top of
    book (prices and sizes) differs from the last quote put and both sides exist.
    """

    cdef RawBatch _batch
    cdef MboBook _book
    cdef readonly uint32_t instrument_id
    cdef bint _given
    cdef int _publisher
    cdef readonly set strangers
    cdef readonly int64_t other_instruments
    cdef readonly int64_t other_records
    cdef int64_t _bid, _ask, _bid_qty, _ask_qty

    def __init__(self, RawBatch batch, uint32_t instrument_id=0):
        self._batch = batch
        self._book = MboBook()
        self._given = instrument_id != 0
        self.instrument_id = instrument_id
        self._publisher = -1
        self.strangers = set()

    @property
    def book(self):
        """The order book, for tests."""
        return self._book

    @property
    def publisher_mixed(self) -> bool:
        """True once a second venue appeared: books of two venues cannot be kept as one."""
        return self._publisher == -2

    def apply(self, list records):
        """Read decoded records in order. Raises ValueError for one shorter than its layout."""
        cdef bytes data
        cdef const uint8_t* raw
        cdef const Header* head
        cdef Py_ssize_t size
        for record in records:
            data = bytes(record)
            raw = data
            size = len(data)
            head = <const Header*>raw
            if size < <Py_ssize_t>sizeof(Header):
                raise ValueError(f"a record of {size} bytes: expected at least {sizeof(Header)}")
            if head.rtype not in (RTYPE_MBO, RTYPE_MBP_1, RTYPE_TRADES):
                self.other_records += 1
                continue
            if head.instrument_id != self.instrument_id:
                if self.instrument_id == 0:
                    self.instrument_id = head.instrument_id
                else:
                    self.other_instruments += 1
                    if not self._given:
                        self.strangers.add(head.instrument_id)
                    continue
            if self._publisher == -1:
                self._publisher = head.publisher_id
            elif self._publisher != head.publisher_id:
                self._publisher = -2
                continue
            if head.rtype == RTYPE_MBO and size >= <Py_ssize_t>sizeof(Mbo):
                self._mbo(<const Mbo*>raw)
            elif head.rtype == RTYPE_MBP_1 and size >= <Py_ssize_t>sizeof(Mbp1):
                self._mbp1(<const Mbp1*>raw)
            elif head.rtype == RTYPE_TRADES and size >= <Py_ssize_t>sizeof(Trade):
                self._trade(<const Trade*>raw)
            else:
                raise ValueError(f"a record of type {head.rtype:#04x} with {size} bytes: shorter than its layout")

    cdef int _mbo(self, const Mbo* record) except -1:
        cdef int side = 1 if record.side == c"A" else 0
        cdef bint sided = record.side == c"A" or record.side == c"B"
        cdef Level* bid
        cdef Level* ask
        if record.flags & F_TOB:
            self.other_records += 1      # venues that publish only their top: not an order-by-order book
            return 0
        if record.action == c"T":
            self._batch.put_trade_e9(_stamp(record.ts_recv), _stamp(record.head.ts_event), record.price, record.size,
                                     _aggressor(record.side), 0)
        elif record.action == c"R":
            self._book.clear()
        elif record.action == c"C":
            self._book.cancel(record.order_id, record.size)
        elif sided and record.price != INT64_MAX:
            if record.action == c"A":
                self._book.add(record.order_id, side, record.price, record.size)
            elif record.action == c"M":
                self._book.modify(record.order_id, side, record.price, record.size)
        if record.flags & F_LAST:
            bid, ask = self._book.best(0), self._book.best(1)
            if bid != NULL and ask != NULL:
                self._quote(_stamp(record.ts_recv), _stamp(record.head.ts_event), bid.price_e9, bid.qty,
                            ask.price_e9, ask.qty)
        return 0

    cdef int _mbp1(self, const Mbp1* record) except -1:
        cdef bint trade = record.trade.action == c"T"
        if (trade or record.trade.flags & F_LAST) and record.bid_px != INT64_MAX and record.ask_px != INT64_MAX:
            self._quote(_stamp(record.trade.ts_recv), _stamp(record.trade.head.ts_event), record.bid_px, record.bid_sz,
                        record.ask_px, record.ask_sz)
        if trade:
            self._trade(&record.trade)
        return 0

    cdef int _trade(self, const Trade* record) except -1:
        self._batch.put_trade_e9(_stamp(record.ts_recv), _stamp(record.head.ts_event), record.price, record.size,
                                 _aggressor(record.side), 0)
        return 0

    cdef int _quote(self, int64_t ts_ns, int64_t ts_event_ns, int64_t bid, int64_t bid_qty, int64_t ask,
                    int64_t ask_qty) except -1:
        if bid == self._bid and ask == self._ask and bid_qty == self._bid_qty and ask_qty == self._ask_qty:
            return 0
        self._bid, self._ask, self._bid_qty, self._ask_qty = bid, ask, bid_qty, ask_qty
        return self._batch.put_quote_e9(ts_ns, ts_event_ns, bid, bid_qty, ask, ask_qty, 0)
