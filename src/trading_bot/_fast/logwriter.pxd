# cython: language_level=3
"""What the hot path may call: `LogWriter.append_tick`. Everything else is for the shell (core/event_log.py).

One thread appends, one other thread at a time prepares and takes away segments. They meet in two words only: `prepared`
(shell puts, writer takes) and `retired` (writer puts, shell takes), both exchanged atomically.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from trading_bot._fast.logsegment cimport SegmentSlot
from trading_bot._fast.records cimport TickRecord

cdef enum LogResult:
    LOG_OK = 0
    LOG_FULL = 1              # nothing was written: no room here and no segment prepared
    LOG_BAD_RECORD = 2        # nothing was written: not one of the 64-byte kinds

cdef class LogWriter:
    cdef uint8_t* base
    cdef uint64_t position        # atomic; 0 for a moment while `current` changes
    cdef uint64_t tick_limit      # ticks stop here, so that messages (exits) still find room on a full disk
    cdef uint64_t message_limit
    cdef uint64_t next_seq        # number the next record gets; the first record of a log is 1
    cdef uint32_t config_tag      # first four bytes of the configuration's hash, on every message
    cdef SegmentSlot* current     # atomic
    cdef SegmentSlot* prepared    # atomic
    cdef SegmentSlot* retired     # atomic
    cdef dict segments            # index -> Segment: keeps the mappings alive

    cdef void use(self, SegmentSlot* slot, uint64_t position) noexcept nogil
    cdef bint switch_segment(self) noexcept nogil
    # Appends one 64-byte record (any kind of TICK_KINDS); fills seq, crc, length and cls=INPUT. No GIL, allocation or system call.
    cdef int append_tick(self, const TickRecord* rec) noexcept nogil
    # Appends one message; the caller has checked that it can fit an empty segment.
    cdef int append_frame(
        self, uint8_t cls, int64_t ts_ns, uint16_t instrument, uint64_t cause_seq, const uint8_t* payload, uint32_t payload_length
    ) noexcept nogil
