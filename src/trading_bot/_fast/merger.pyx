# cython: language_level=3
"""Several sources, one order: by receive time, then by the order the sources were given in."""
from libc.stdint cimport int64_t

from trading_bot._fast.door cimport Door
from trading_bot._fast.raw_batch cimport RawBatch, good_stamp


cdef class Merger:
    """Merges the batches of several sources by receive time into one door; equal times keep the order of the sources."""

    cdef list _batches
    cdef Door _door
    cdef RawBatch _only

    FULL = -1
    END = -2

    def __init__(self, list batches, Door door):
        if not batches:
            raise ValueError("no batch to merge: expected at least one")
        self._batches = [<RawBatch?>batch for batch in batches]
        self._door = door
        self._only = batches[0] if len(batches) == 1 else None

    def run(self) -> int:
        """Move values until the door is full (FULL), all sources ended (END) or one is empty (its index)."""
        if self._only is not None:
            return self._run_one()
        return self._run_many()

    cdef int _run_one(self) except? -9:
        cdef RawBatch batch = self._only
        cdef Door door = self._door
        with nogil:
            while batch.next < batch.size and door._held < door.capacity:
                door.admit(&batch.ticks[batch.next])
                batch.next += 1
        if door._held >= door.capacity:
            return -1
        return -2 if batch.done else 0

    cdef int _run_many(self) except? -9:
        cdef Py_ssize_t k, best, n = len(self._batches)
        cdef RawBatch batch, chosen
        cdef Door door = self._door
        cdef int64_t ts_ns, ts_best = 0
        while door._held < door.capacity:
            best = -1
            chosen = None
            for k in range(n):
                batch = <RawBatch>self._batches[k]
                if batch.next == batch.size:
                    if batch.done:
                        continue
                    return <int>k
                ts_ns = batch.ticks[batch.next].ts_ns
                if not good_stamp(ts_ns):
                    ts_ns = 0        # it cannot be placed in time: it leaves at once, for the door to refuse
                if best < 0 or ts_ns < ts_best:
                    best, ts_best, chosen = k, ts_ns, batch
            if best < 0:
                return -2
            door.admit(&chosen.ticks[chosen.next])
            chosen.next += 1
        return -1
