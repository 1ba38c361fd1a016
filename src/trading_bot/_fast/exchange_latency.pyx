# cython: language_level=3
"""A latency model as the tables that messages are drawn from."""
from libc.string cimport memset

from trading_bot.domain import latency_model as names


cdef int read_latency(LatencyTables* to, object model) except -1:
    cdef int i, j
    assert (LATENCY_BUCKETS, LATENCY_POINTS, BURST_TICKS) == (names.BUCKETS_MAX, names.POINTS_MAX, names.BURST_TICKS_MAX)
    assert (BURST_WINDOW_NS, MILLION) == (names.BURST_WINDOW_NS, names.MILLION)
    memset(to, 0, sizeof(LatencyTables))
    if model is None:
        return 0
    to.points = len(model.points)
    for j, value in enumerate(model.points):
        to.point[j] = value
    for i, bucket in enumerate(model.buckets):
        to.burst_min[i] = bucket.burst_min
        for j in range(<int>to.points):
            to.entry_ns[i][j] = bucket.entry_ns[j]
            to.response_ns[i][j] = bucket.response_ns[j]
    to.buckets = len(model.buckets)
    return 0
