# cython: language_level=3
"""An order book kept order by order, read at its top."""
from libc.stdint cimport int64_t, uint8_t, uint64_t


cdef struct Order:
    uint64_t order_id
    int64_t price_e9
    int64_t qty
    uint8_t side            # 0 bid, 1 ask
    uint8_t used

cdef struct Level:
    int64_t price_e9
    int64_t qty
    int64_t orders

cdef struct Side:
    Level* levels           # worst first, best last: the busy end needs no moving
    Py_ssize_t count
    Py_ssize_t room

cdef class MboBook:
    cdef Order* _orders     # open addressing, linear probing
    cdef Py_ssize_t _mask
    cdef Py_ssize_t _count
    cdef Side _sides[2]
    cdef readonly int64_t unknown_orders
    cdef int add(self, uint64_t order_id, int side, int64_t price_e9, int64_t qty) except -1
    cdef int modify(self, uint64_t order_id, int side, int64_t price_e9, int64_t qty) except -1
    cdef int cancel(self, uint64_t order_id, int64_t qty) except -1
    cdef int clear(self) except -1
    cdef Level* best(self, int side) noexcept
    cdef Py_ssize_t _find(self, uint64_t order_id) noexcept
    cdef int _forget(self, Py_ssize_t slot) noexcept
    cdef int _grow(self) except -1
    cdef int _shift(self, int side, int64_t price_e9, int64_t qty, int orders) except -1
