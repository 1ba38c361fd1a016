# cython: language_level=3
"""How long a message takes: a constant, or drawn by the burst it leaves in (docs/simulator.md, section 2)."""
cimport cython
from libc.stdint cimport int64_t, uint64_t

from trading_bot._fast.exchange_book cimport mix

cdef enum:
    LATENCY_BUCKETS = 8
    LATENCY_POINTS = 32
    BURST_TICKS = 4_096       # a power of two
    BURST_WINDOW_NS = 1_000_000_000
    MILLION = 1_000_000

cdef enum:                    # whose message it is; part of what is drawn from
    WAY_OUT = 1
    WAY_BACK = 2
    WAY_SHADOW_OUT = 3
    WAY_SHADOW_BACK = 4

cdef struct LatencyTables:
    int64_t buckets           # 0: the constants
    int64_t points
    int64_t burst_min[LATENCY_BUCKETS]
    int64_t point[LATENCY_POINTS]
    int64_t entry_ns[LATENCY_BUCKETS][LATENCY_POINTS]
    int64_t response_ns[LATENCY_BUCKETS][LATENCY_POINTS]

cdef struct Burst:
    int64_t seen              # ticks so far
    int64_t ts_ns[BURST_TICKS]

cdef inline void see_tick(Burst* burst, int64_t now_ns) noexcept nogil:
    burst.ts_ns[burst.seen & (BURST_TICKS - 1)] = now_ns
    burst.seen += 1

cdef inline int bucket_of(const LatencyTables* tables, const Burst* burst, int64_t now_ns) noexcept nogil:
    """The busiest bucket whose `burst_min` ticks came within the second up to now."""
    cdef int i
    cdef int64_t least
    for i in range(<int>tables.buckets - 1, 0, -1):
        least = tables.burst_min[i]
        if burst.seen >= least and burst.ts_ns[(burst.seen - least) & (BURST_TICKS - 1)] > now_ns - BURST_WINDOW_NS:
            return i
    return 0

@cython.cdivision(True)
cdef inline int64_t quantile(const LatencyTables* tables, const int64_t* table, int64_t chance) noexcept nogil:
    """Between the two points about `chance` (0 .. 999 999), in proportion, rounded down."""
    cdef int i = 0
    while tables.point[i + 1] <= chance:
        i += 1
    return table[i] + (table[i + 1] - table[i]) * (chance - tables.point[i]) // (tables.point[i + 1] - tables.point[i])

@cython.cdivision(True)
cdef inline int64_t drawn_ns(
    const LatencyTables* tables, const Burst* burst, uint64_t seed, int way, int64_t handle, int64_t at_ns, int64_t now_ns
) noexcept nogil:
    """A message of order `handle` that leaves at `at_ns`, in the burst of now. What leaves together takes as long."""
    cdef uint64_t key = mix(mix(mix(seed, way), <uint64_t>handle), <uint64_t>at_ns)
    cdef int i = bucket_of(tables, burst, now_ns)
    cdef const int64_t* table = &tables.response_ns[i][0]
    if way == WAY_OUT or way == WAY_SHADOW_OUT:
        table = &tables.entry_ns[i][0]
    return quantile(tables, table, <int64_t>(mix(key, 0) % <uint64_t>MILLION))

# The tables of a `domain.latency_model.LatencyModel`; None: the constants.
cdef int read_latency(LatencyTables* to, object model) except -1
