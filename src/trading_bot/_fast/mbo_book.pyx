# cython: language_level=3
"""An order book kept order by order (market by order), of which only the top is read.

Orders sit in a hash table, levels in two sorted arrays with the best price at the end. Memory grows with the number of
resting orders and is kept.
"""
cimport cython
from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc, PyMem_Realloc
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memmove, memset

cdef enum:
    ORDERS_AT_START = 16384      # a power of two
    LEVELS_AT_START = 2048


@cython.overflowcheck(False)     # the product is meant to wrap: that is the hash
cdef inline Py_ssize_t _home(uint64_t order_id, Py_ssize_t mask) noexcept nogil:
    return <Py_ssize_t>((order_id * <uint64_t>0x9E3779B97F4A7C15) >> 20) & mask


cdef class MboBook:
    """Bids (side 0) and asks (side 1) of one instrument. Prices in 1e-9 points."""

    def __cinit__(self):
        cdef int side
        self._orders = <Order*>PyMem_Calloc(ORDERS_AT_START, sizeof(Order))
        self._mask = ORDERS_AT_START - 1
        for side in range(2):
            self._sides[side].levels = <Level*>PyMem_Malloc(LEVELS_AT_START * sizeof(Level))
            self._sides[side].room = LEVELS_AT_START
        if self._orders == NULL or self._sides[0].levels == NULL or self._sides[1].levels == NULL:
            raise MemoryError("no memory for an order book")

    def __dealloc__(self):
        PyMem_Free(self._orders)
        PyMem_Free(self._sides[0].levels)
        PyMem_Free(self._sides[1].levels)

    def __len__(self):
        return self._count

    def levels(self, int side) -> list:
        """Price in 1e-9 points and quantity of every level, best first (for tests and pictures)."""
        if side not in (0, 1):
            raise ValueError(f"side {side}: expected 0 (bid) or 1 (ask)")
        cdef Side* half = &self._sides[side]
        return [(half.levels[k].price_e9, half.levels[k].qty) for k in range(half.count - 1, -1, -1)]

    def apply(self, str action, int side, uint64_t order_id, int64_t price_e9, int64_t qty):
        """One change from Python: A add, M modify, C cancel, R clear."""
        if side not in (0, 1):
            raise ValueError(f"side {side}: expected 0 (bid) or 1 (ask)")
        if action == "A":
            self.add(order_id, side, price_e9, qty)
        elif action == "M":
            self.modify(order_id, side, price_e9, qty)
        elif action == "C":
            self.cancel(order_id, qty)
        elif action == "R":
            self.clear()
        else:
            raise ValueError(f"action {action!r}: expected A, M, C or R")

    cdef Level* best(self, int side) noexcept:
        cdef Side* half = &self._sides[side]
        return &half.levels[half.count - 1] if half.count else NULL

    cdef int add(self, uint64_t order_id, int side, int64_t price_e9, int64_t qty) except -1:
        cdef Py_ssize_t slot = self._find(order_id)
        if self._orders[slot].used:
            # The same id again is a replacement: two orders under one id would leave a ghost behind.
            return self.modify(order_id, side, price_e9, qty)
        if 2 * (self._count + 1) > self._mask + 1:
            self._grow()
            slot = self._find(order_id)
        self._shift(side, price_e9, qty, 1)
        self._orders[slot] = Order(order_id, price_e9, qty, side, 1)
        self._count += 1
        return 0

    cdef int modify(self, uint64_t order_id, int side, int64_t price_e9, int64_t qty) except -1:
        cdef Py_ssize_t slot = self._find(order_id)
        cdef Order* order = &self._orders[slot]
        if not order.used:
            return self.add(order_id, side, price_e9, qty)
        self._shift(order.side, order.price_e9, -order.qty, -1)
        self._shift(side, price_e9, qty, 1)
        order.side, order.price_e9, order.qty = side, price_e9, qty
        return 0

    cdef int cancel(self, uint64_t order_id, int64_t qty) except -1:
        cdef Py_ssize_t slot = self._find(order_id)
        cdef Order* order = &self._orders[slot]
        if not order.used:
            self.unknown_orders += 1
            return 0
        if qty < order.qty:
            self._shift(order.side, order.price_e9, -qty, 0)
            order.qty -= qty
            return 0
        self._shift(order.side, order.price_e9, -order.qty, -1)
        return self._forget(slot)

    cdef int clear(self) except -1:
        memset(self._orders, 0, (self._mask + 1) * sizeof(Order))
        self._count = self._sides[0].count = self._sides[1].count = 0
        return 0

    cdef Py_ssize_t _find(self, uint64_t order_id) noexcept:
        """The slot of the order, or the free slot where it belongs. The table is at most half full."""
        cdef Py_ssize_t slot = _home(order_id, self._mask)
        while self._orders[slot].used and self._orders[slot].order_id != order_id:
            slot = (slot + 1) & self._mask
        return slot

    cdef int _forget(self, Py_ssize_t slot) noexcept:
        """Empty a slot and move later ones of the same run back, so that probing never meets a hole."""
        cdef Py_ssize_t hole = slot, home, probe = slot
        while True:
            probe = (probe + 1) & self._mask
            if not self._orders[probe].used:
                break
            home = _home(self._orders[probe].order_id, self._mask)
            if ((probe - home) & self._mask) >= ((probe - hole) & self._mask):
                self._orders[hole] = self._orders[probe]
                hole = probe
        self._orders[hole].used = 0
        self._count -= 1
        return 0

    cdef int _grow(self) except -1:
        cdef Order* old = self._orders
        cdef Py_ssize_t k, size = self._mask + 1
        cdef Order* grown = <Order*>PyMem_Calloc(2 * size, sizeof(Order))
        if grown == NULL:
            raise MemoryError(f"no memory for {2 * size} resting orders")
        self._orders = grown
        self._mask = 2 * size - 1
        for k in range(size):
            if old[k].used:
                self._orders[self._find(old[k].order_id)] = old[k]
        PyMem_Free(old)
        return 0

    cdef int _shift(self, int side, int64_t price_e9, int64_t qty, int orders) except -1:
        """Add to a level (its quantity and number of orders may shrink), making or removing it as needed."""
        cdef Side* half = &self._sides[side]
        cdef Py_ssize_t low = 0, high = half.count, middle
        cdef int64_t wanted = price_e9 if side == 0 else -price_e9, found
        cdef Level* grown
        # Most changes are at the top: look there before searching.
        if high and half.levels[high - 1].price_e9 == price_e9:
            low = high - 1
        else:
            while low < high:
                middle = (low + high) >> 1
                found = half.levels[middle].price_e9 if side == 0 else -half.levels[middle].price_e9
                if found < wanted:
                    low = middle + 1
                else:
                    high = middle
        if low < half.count and half.levels[low].price_e9 == price_e9:
            half.levels[low].qty += qty
            half.levels[low].orders += orders
            if half.levels[low].orders <= 0:
                memmove(&half.levels[low], &half.levels[low + 1], (half.count - low - 1) * sizeof(Level))
                half.count -= 1
            return 0
        if half.count == half.room:
            grown = <Level*>PyMem_Realloc(half.levels, 2 * half.room * sizeof(Level))
            if grown == NULL:
                raise MemoryError(f"no memory for {2 * half.room} price levels")
            half.levels = grown
            half.room *= 2
        memmove(&half.levels[low + 1], &half.levels[low], (half.count - low) * sizeof(Level))
        half.levels[low] = Level(price_e9, qty, orders)
        half.count += 1
        return 0
