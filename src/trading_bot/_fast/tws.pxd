# cython: language_level=3
"""The broker's socket as the kernel sees it."""
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint64_t

from trading_bot._fast.door cimport Door
from trading_bot._fast.histogram cimport Histogram
from trading_bot._fast.hotpath cimport HotPath
from trading_bot._fast.raw_batch cimport RawTick
from trading_bot._fast.records cimport TickRecord
from trading_bot._fast.twsfields cimport Kept

cdef enum:
    ROWS = 8                     # streams that can be watched at once: the broker gives three


cdef struct Row:                 # one stream of ticks
    int64_t request_id
    int64_t ticks                # decoded here since it was watched
    int64_t last_ns              # monotonic time of the latest of them
    int kind                     # KIND_QUOTE or KIND_TRADE
    PyObject* door               # borrowed: `_doors` holds it
    Kept head                    # request id, type and second as they were last written, with the second
    Kept first_price             # bid, or price of a trade
    Kept second_price


cdef class TickIntake:
    cdef Row _rows[ROWS]
    cdef int _row_count
    cdef list _doors
    cdef object _on_messages
    cdef object _on_news
    cdef object _on_failure
    cdef object _on_outcome
    cdef HotPath _kernel
    cdef int64_t _deadline_ns    # armed while above 0
    cdef bytearray _out          # records that wait
    cdef Py_ssize_t _out_count
    cdef bytearray _carry        # the beginning of a frame whose rest has not come
    cdef Py_ssize_t _carry_size
    cdef bint _broken            # a length that no message has: the rest of the connection means nothing
    cdef bint _in_packet
    cdef int64_t _stamp_ns
    cdef int64_t _clock_at_ns
    cdef int64_t _clock_begin_ns
    cdef double _clock_speed
    cdef readonly unsigned int flags
    cdef readonly int64_t packets
    cdef readonly int64_t frames
    cdef readonly int64_t ticks
    cdef readonly int64_t declined
    cdef readonly int64_t stepped
    cdef readonly int64_t tick_ts_ns      # receive stamp of the latest tick
    cdef readonly int64_t socket_ns       # monotonic time of the packet at hand
    cdef uint64_t _decoded_cycles         # the processor's counter when the ticks of the packet were records
    cdef uint64_t _reference_cycles       # when the clock was read last
    cdef int64_t _reference_ns
    cdef uint64_t _began_cycles           # when it was read first
    cdef int64_t _began_ns
    cdef double _ns_per_cycle             # 0 until it is known
    cdef uint64_t _trusted_cycles         # from a reference on the counter stands for the clock so long
    cdef readonly int64_t decided_ns
    cdef readonly Histogram decode_hist   # packet in to records, ns: every SAMPLE_EVERY-th packet, and those with an outcome
    cdef readonly Histogram decide_hist   # records to the kernel's last word on them
    cdef int64_t _clock(self) noexcept nogil
    cdef int64_t _now(self, int64_t now_ns) noexcept nogil
    cdef int _split(self, bytes data) except -1
    cdef Py_ssize_t _frames_of(self, const char* begin, Py_ssize_t size) except -1
    cdef int _hand_over(self, const char* begin, const char* end) except -1
    cdef bint _tick(self, const char* at, const char* end) except -1
    cdef int _keep(self, Door door) except -1
    cdef int64_t _decoded(self) noexcept nogil
    cdef bint _read(self, Row* row, const char* begin, const char* at, const char* end, RawTick* raw) noexcept nogil
    cdef void _measure(self, int64_t decided_ns) noexcept nogil
    cdef int _run(self) except -1
