# cython: language_level=3
"""Quality faults: what a feed can do to a sound market, between the generator and the door.

The stage draws nothing and tells the generator nothing: with and without faults the market behind them is the same, so
that outside the time of a fault every record is what it would have been (a late one holds up those behind it).
"""
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport INT64_MAX, int64_t

from trading_bot._fast.raw_batch cimport RawTick
from trading_bot._fast.records cimport FLAG_DELAYED_DATA, KIND_QUOTE

cdef enum:
    ROW_NUMBERS = 4


cdef class FaultStage:
    """Applies faults to raw values, in the order of the rows.

    `rows`: int64, four numbers a fault (kind, at_ns, end_ns, size), sorted by at_ns. A fault with end_ns = at_ns takes
    the next record it fits. `size` is in the unit of the kind (adapters.sim.faults.FaultKind).
    """

    def __cinit__(self, const int64_t[::1] rows, int64_t tick_e9):
        cdef Py_ssize_t k
        if rows.shape[0] % ROW_NUMBERS:
            raise ValueError(f"fault rows hold {rows.shape[0]} numbers: expected a multiple of {ROW_NUMBERS}")
        self._count = rows.shape[0] // ROW_NUMBERS
        self._rows = <FaultRow*>PyMem_Malloc(max(self._count, 1) * sizeof(FaultRow))
        if self._rows == NULL:
            raise MemoryError(f"no memory for {self._count} faults")
        for k in range(self._count):
            self._rows[k].kind = rows[4 * k]
            self._rows[k].at_ns = rows[4 * k + 1]
            self._rows[k].end_ns = rows[4 * k + 2]
            self._rows[k].size = rows[4 * k + 3]
            self._rows[k].hits = 0
            if k and self._rows[k].at_ns < self._rows[k - 1].at_ns:
                raise ValueError(f"fault {k} is before fault {k - 1}: sort them by at_ns")
        self._tick_e9 = tick_e9
        self._next_ns = self._rows[0].at_ns if self._count else INT64_MAX

    def __dealloc__(self):
        PyMem_Free(self._rows)

    cdef int apply(self, RawTick* raw) noexcept nogil:
        """Change one raw value as the faults of its time say; returns how many copies go on, 0 to 2."""
        cdef int copies = 1
        cdef int64_t ts_ns = raw.ts_ns
        cdef Py_ssize_t k
        cdef FaultRow* row
        if ts_ns >= self._next_ns:
            for k in range(self._first, self._count):
                row = &self._rows[k]
                if row.at_ns > ts_ns:
                    break
                if ts_ns < row.end_ns or (row.end_ns == row.at_ns and row.hits == 0):
                    copies = self._hit(row, raw, copies)
            while self._first < self._count and _over(&self._rows[self._first], ts_ns):
                self._first += 1
            self._next_ns = self._rows[self._first].at_ns if self._first < self._count else INT64_MAX
        if copies:
            # One connection: nothing overtakes what was sent before it.
            if raw.ts_ns < self._last_ns:
                raw.ts_ns = self._last_ns
            self._last_ns = raw.ts_ns
        return copies

    cdef int _hit(self, FaultRow* row, RawTick* raw, int copies) noexcept nogil:
        cdef int64_t kind = row.kind
        cdef int64_t shift_e9
        if (kind == FAULT_CROSSED or kind == FAULT_LOCKED) and raw.kind != KIND_QUOTE:
            return copies
        row.hits += 1
        if kind == FAULT_STALL:
            return 0
        if kind == FAULT_DUPLICATE:
            return 2 if copies else 0
        if kind == FAULT_CROSSED:
            raw.a_e9 = raw.b_e9 + row.size * self._tick_e9
        elif kind == FAULT_LOCKED:
            raw.a_e9 = raw.b_e9
        elif kind == FAULT_STAMPS_BACK:
            # Every other record, so that the stamps go back again and again and not only once.
            if row.hits & 1:
                raw.ts_event_ns -= row.size
        elif kind == FAULT_LATE:
            raw.ts_ns += row.size
        elif kind == FAULT_NOT_A_NUMBER:
            raw.a_e9 = INT64_MAX
        elif kind == FAULT_OFF_GRID:
            raw.a_e9 += row.size
            raw.b_e9 += row.size
        elif kind == FAULT_NEGATIVE_PRICE:
            raw.a_e9, raw.b_e9 = -raw.a_e9, -raw.b_e9
        elif kind == FAULT_OUTLIER:
            # Up and down in turn: no steady run that would move the door's price band.
            shift_e9 = row.size * self._tick_e9 if row.hits & 1 else -row.size * self._tick_e9
            raw.a_e9 += shift_e9
            raw.b_e9 += shift_e9
        elif kind == FAULT_ZERO_SIZE:
            raw.a_qty = raw.b_qty = 0
        elif kind == FAULT_NEGATIVE_SIZE:
            raw.a_qty, raw.b_qty = -raw.a_qty, -raw.b_qty
        elif kind == FAULT_DELAYED_DATA:
            raw.flags |= FLAG_DELAYED_DATA
        return copies


cdef inline bint _over(const FaultRow* row, int64_t ts_ns) noexcept nogil:
    return row.hits > 0 if row.end_ns == row.at_ns else ts_ns >= row.end_ns
