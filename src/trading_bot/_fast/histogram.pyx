# cython: language_level=3
"""Durations in log-linear buckets: fixed memory, one increment per duration, nothing allocated.

Durations below 64 ns have a bucket each; every doubling from there on has 64, so that a bucket's width is at most 1/64
of what it holds. A percentile is the upper edge of its bucket: at most 1.6 % too high, never too low.
"""
import struct

from libc.stdint cimport int64_t
from libc.string cimport memset

_HEAD = struct.Struct("<q")     # the longest, ns
_ROW = struct.Struct("<HI")     # bucket, how many

cdef extern from *:
    int __builtin_clzll(unsigned long long value) nogil

cdef enum:
    LINEAR = 64                 # buckets below the first doubling, and in each one
    LINEAR_BITS = 6
    HIGHEST_BIT = 36


cdef inline int bucket_of(int64_t ns) noexcept nogil:
    cdef int bit
    if ns < LINEAR:
        return <int>ns if ns > 0 else 0
    bit = 63 - __builtin_clzll(<unsigned long long>ns)
    if bit > HIGHEST_BIT:
        return HISTOGRAM_BUCKETS - 1
    return (bit - LINEAR_BITS) * LINEAR + <int>(ns >> (bit - LINEAR_BITS))


cdef inline int64_t low_ns(int bucket) noexcept nogil:
    """The smallest duration of a bucket."""
    cdef int doubling = bucket >> LINEAR_BITS
    if doubling == 0:
        return bucket
    return (<int64_t>(LINEAR + (bucket & (LINEAR - 1)))) << (doubling - 1)


cdef class Histogram:
    """How often which duration was seen, from 1 ns to 137 s; longer ones count as the longest bucket."""

    cpdef void add(self, int64_t ns) noexcept nogil:
        """Count a duration in ns. Below 0, which a clock that never goes back does not give, counts as 0."""
        self.buckets[bucket_of(ns)] += 1
        self.taken += 1
        if ns > self.largest_ns:
            self.largest_ns = ns

    cdef int64_t percentile_ns(self, int64_t milli_percent) noexcept nogil:
        """The duration that `milli_percent` thousandths of a percent do not exceed; 0 when nothing was counted."""
        cdef int64_t rank, seen = 0, high_ns
        cdef int bucket
        rank = (self.taken * milli_percent + 99_999) // 100_000  # nearest rank, rounded up
        for bucket in range(HISTOGRAM_BUCKETS):
            seen += self.buckets[bucket]
            if seen >= rank and seen > 0:
                high_ns = low_ns(bucket + 1) - 1
                return high_ns if high_ns < self.largest_ns and bucket < HISTOGRAM_BUCKETS - 1 else self.largest_ns
        return 0

    @property
    def count(self):
        """Durations counted."""
        return self.taken

    @property
    def maximum(self):
        """The longest, exact, in ns; 0 when nothing was counted."""
        return self.largest_ns

    def percentile(self, double percent):
        """The duration in ns that `percent` of all do not exceed, by nearest rank: at most 1.6 % too high.

        Args:
            percent: 0 to 100, to a thousandth.

        Returns:
            0 when nothing was counted.

        Raises:
            ValueError: `percent` is outside 0 to 100.
        """
        if not 0 <= percent <= 100:
            raise ValueError(f"percentile {percent}: expected 0 to 100")
        return self.percentile_ns(round(percent * 1000))

    def counts(self):
        """The buckets that hold something: smallest duration in ns and how many, in order."""
        cdef int bucket
        return [(low_ns(bucket), self.buckets[bucket]) for bucket in range(HISTOGRAM_BUCKETS) if self.buckets[bucket]]

    def merge(self, Histogram other not None):
        """Count what another histogram has counted too."""
        cdef int bucket
        for bucket in range(HISTOGRAM_BUCKETS):
            self.buckets[bucket] += other.buckets[bucket]
        self.taken += other.taken
        if other.largest_ns > self.largest_ns:
            self.largest_ns = other.largest_ns

    def pack(self):
        """The histogram as bytes, for a log: the longest (i64, ns), then bucket (u16) and count (u32), little-endian."""
        cdef int bucket
        rows = [_ROW.pack(bucket, min(self.buckets[bucket], 2**32 - 1))
                for bucket in range(HISTOGRAM_BUCKETS) if self.buckets[bucket]]
        return _HEAD.pack(self.largest_ns) + b"".join(rows)

    def merge_packed(self, bytes data not None):
        """Count what `pack` gave too.

        Raises:
            ValueError: the bytes are not of `pack`; nothing was counted.
        """
        if len(data) < _HEAD.size or (len(data) - _HEAD.size) % _ROW.size:
            raise ValueError(f"{len(data)} bytes are no histogram: expected {_HEAD.size} and a multiple of {_ROW.size}")
        rows = list(_ROW.iter_unpack(data[_HEAD.size:]))
        if any(bucket >= HISTOGRAM_BUCKETS for bucket, _ in rows):
            raise ValueError(f"a histogram has {HISTOGRAM_BUCKETS} buckets, found bucket {max(rows)[0]}")
        for bucket, count in rows:
            self.buckets[bucket] += count
            self.taken += count
        self.largest_ns = max(self.largest_ns, _HEAD.unpack_from(data)[0])

    def clear(self):
        """Forget everything."""
        memset(self.buckets, 0, sizeof(self.buckets))
        self.taken = self.largest_ns = 0
