# cython: language_level=3
"""The append side of the event log.

Appending stores into a mapped segment: no GIL, no allocation, no system call, no lock. Files, sealing and disk space are the
shell's work (core/event_log.py); docs/event-log.md is the format.
"""
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from trading_bot._fast.logsegment cimport Segment, SegmentSlot
from trading_bot._fast.records cimport (
    CLASS_EFFECT,
    CLASS_INPUT,
    KIND_MESSAGE,
    KIND_QUOTE,
    KIND_TIME,
    FrameHeader,
    MessageHeader,
    TickRecord,
)

from trading_bot.domain.errors import BotError, UsageError

cdef extern from "crc32c.h" nogil:
    void tb_crc32c_init()
    uint32_t tb_frame_crc(const uint8_t* frame, uint32_t length)
    uint32_t tb_record_crc(const uint8_t* record, uint32_t after_length)
    uint32_t tb_record_crc_start()
    void tb_store_length(uint8_t* frame, uint32_t length)
    void* tb_exchange(void** where, void* value)
    void* tb_load_pointer(void** where)
    int tb_replace(void** where, void* expected, void* value)
    void tb_store_u64(uint64_t* where, uint64_t value)
    uint64_t tb_load_u64(uint64_t* where)

cdef enum:
    ALIGN = 64
    RECORD_BYTES = 64
    HEAD_BYTES = 128              # the segment header frame
    START_BYTES = 192             # header frame and chain frame: where the records begin
    FOOTER_BYTES = 64             # the seal, always kept free
    MESSAGE_HEADER_BYTES = 48
    RESERVE_MAX_BYTES = 65536

FRAME_START_BYTES = HEAD_BYTES
RECORDS_START_BYTES = START_BYTES
SEAL_BYTES = FOOTER_BYTES

tb_crc32c_init()
cdef uint32_t AFTER_LENGTH_64 = tb_record_crc_start()


class LogFull(BotError):
    """The log has no room: the segment is full and no next one could be prepared. Nothing was written."""

    exit_code = 5


cdef object append_one(LogWriter writer, const uint8_t* record, Py_ssize_t size):
    cdef int code
    if size != RECORD_BYTES:
        raise ValueError(f"a record has {RECORD_BYTES} bytes, this buffer has {size}")
    code = writer.append_tick(<const TickRecord*>record)
    if code == LOG_BAD_RECORD:
        raise ValueError(f"record kind {record[16]} is not a 64-byte market record; messages go through append_message")
    if code == LOG_FULL:
        raise LogFull(writer.full_text("a tick"))
    return writer.next_seq - 1


cdef class LogWriter:
    """Owner of the log's record numbers; appends to the current segment.

    `next_seq` (>= 1) is the number the first appended record gets.
    """

    def __init__(self, next_seq: int = 1):
        if next_seq < 1:
            raise ValueError(f"next_seq is {next_seq}; record numbers start at 1")
        self.segments = {}
        self.next_seq = next_seq

    cdef void use(self, SegmentSlot* slot, uint64_t position) noexcept nogil:
        cdef uint64_t reserve = slot.size_bytes // 4
        if reserve > RESERVE_MAX_BYTES:
            reserve = RESERVE_MAX_BYTES
        self.base = slot.base
        self.message_limit = slot.size_bytes - FOOTER_BYTES
        self.tick_limit = self.message_limit - reserve
        # In this order, so that `written` never joins one segment to another one's position.
        tb_store_u64(&self.position, 0)
        tb_exchange(<void**>&self.current, slot)
        tb_store_u64(&self.position, position)

    cdef bint switch_segment(self) noexcept nogil:
        """Makes the prepared segment the current one; False when there is none."""
        cdef SegmentSlot* fresh = <SegmentSlot*>tb_exchange(<void**>&self.prepared, NULL)
        cdef SegmentSlot* old = self.current
        cdef FrameHeader* head
        if fresh is NULL:
            return False
        fresh.first_seq = self.next_seq
        fresh.last_seq = self.next_seq - 1
        head = <FrameHeader*>fresh.base
        head.seq = self.next_seq
        head.crc = tb_frame_crc(fresh.base, HEAD_BYTES)
        tb_store_length(fresh.base, HEAD_BYTES)
        if old is not NULL:
            old.used_bytes = self.position
            old.last_seq = self.next_seq - 1
        self.use(fresh, START_BYTES)
        if old is not NULL:
            # Given away last: from here on the shell may seal it and take its memory.
            while True:
                old.older = <SegmentSlot*>tb_load_pointer(<void**>&self.retired)
                if tb_replace(<void**>&self.retired, old.older, old):
                    break
        return True

    cdef int append_tick(self, const TickRecord* rec) noexcept nogil:
        cdef uint8_t* frame
        cdef FrameHeader* head
        cdef uint64_t seq = self.next_seq
        if rec.kind < KIND_QUOTE or rec.kind > KIND_TIME:
            return LOG_BAD_RECORD
        if self.position + RECORD_BYTES > self.tick_limit and not self.switch_segment():
            return LOG_FULL
        frame = self.base + self.position
        head = <FrameHeader*>frame
        memcpy(frame + 8, <const uint8_t*>rec + 8, RECORD_BYTES - 8)
        head.seq = seq
        head.cls = CLASS_INPUT
        head.crc = tb_record_crc(frame, AFTER_LENGTH_64)
        tb_store_length(frame, RECORD_BYTES)
        tb_store_u64(&self.position, self.position + RECORD_BYTES)
        tb_store_u64(&self.next_seq, seq + 1)
        return LOG_OK

    cdef int append_frame(
        self, uint8_t cls, int64_t ts_ns, uint16_t instrument, uint64_t cause_seq, const uint8_t* payload, uint32_t payload_length
    ) noexcept nogil:
        cdef uint64_t length = (<uint64_t>MESSAGE_HEADER_BYTES + payload_length + ALIGN - 1) & ~<uint64_t>(ALIGN - 1)
        cdef uint8_t* frame
        cdef MessageHeader* head
        # A message leaves the segment where a tick would; without a next one it may use the reserve.
        if self.position + length > self.tick_limit and (
            self.position > START_BYTES or self.position + length > self.message_limit
        ):
            self.switch_segment()
        if self.position + length > self.message_limit:
            return LOG_FULL
        frame = self.base + self.position
        head = <MessageHeader*>frame
        head.seq = self.next_seq
        head.kind = KIND_MESSAGE
        head.cls = cls
        head.instrument = instrument
        head.flags = self.config_tag
        head.ts_ns = ts_ns
        head.cause_seq = cause_seq
        head.payload_length = payload_length
        head._pad32 = 0
        memcpy(frame + MESSAGE_HEADER_BYTES, payload, payload_length)
        memset(frame + MESSAGE_HEADER_BYTES + payload_length, 0, length - MESSAGE_HEADER_BYTES - payload_length)
        head.crc = tb_frame_crc(frame, <uint32_t>length)
        tb_store_length(frame, <uint32_t>length)
        tb_store_u64(&self.position, self.position + length)
        tb_store_u64(&self.next_seq, self.next_seq + 1)
        return LOG_OK

    # ---- from Python -------------------------------------------------------------------------------------------------

    @property
    def seq(self) -> int:
        """Number of the last record written; 0 before the first."""
        return tb_load_u64(&self.next_seq) - 1

    @property
    def segment_index(self) -> int:
        """Index of the segment being written; 0 when there is none."""
        cdef SegmentSlot* slot = <SegmentSlot*>tb_load_pointer(<void**>&self.current)
        return 0 if slot is NULL else slot.index

    @property
    def used_bytes(self) -> int:
        """End of the last record in the current segment."""
        return self.position

    @property
    def written(self) -> tuple:
        """(index of the segment being written, end of its last record), of one moment; (0, 0) when there is none."""
        cdef SegmentSlot* slot
        cdef uint64_t position
        while True:
            slot = <SegmentSlot*>tb_load_pointer(<void**>&self.current)
            if slot is NULL:
                return 0, 0
            position = tb_load_u64(&self.position)
            if position and slot is tb_load_pointer(<void**>&self.current):
                return slot.index, position

    @property
    def has_prepared(self) -> bool:
        return tb_load_pointer(<void**>&self.prepared) is not NULL

    def append_record(self, record) -> int:
        """Appends one 64-byte record (`TICK_RECORD` or `REJECTED_RECORD` layout) and returns its seq.

        crc, length, seq and cls are filled in here. Raises LogFull, or ValueError for anything but one market record.
        """
        cdef Py_buffer view
        if PyBytes_CheckExact(record):  # the usual case, and half the cost of asking for a buffer
            return append_one(self, <const uint8_t*>PyBytes_AS_STRING(record), PyBytes_GET_SIZE(record))
        PyObject_GetBuffer(record, &view, PyBUF_SIMPLE)
        try:
            return append_one(self, <const uint8_t*>view.buf, view.len)
        finally:
            PyBuffer_Release(&view)

    def append_ticks(self, const uint8_t[::1] records) -> int:
        """Appends records of 64 bytes each without the GIL; returns how many were appended, fewer than given when the log is full."""
        cdef Py_ssize_t offset = 0
        cdef Py_ssize_t size = records.shape[0]
        cdef const uint8_t* data
        cdef int code = LOG_OK
        if size % RECORD_BYTES:
            raise ValueError(f"{size} bytes are not a whole number of {RECORD_BYTES}-byte records")
        if size == 0:
            return 0
        data = &records[0]
        with nogil:
            while offset < size:
                code = self.append_tick(<const TickRecord*>(data + offset))
                if code != LOG_OK:
                    break
                offset += RECORD_BYTES
        if code == LOG_BAD_RECORD:
            raise ValueError(f"record {offset // RECORD_BYTES} has kind {records[offset + 16]}, not a 64-byte market record")
        return offset // RECORD_BYTES

    def append_message(self, cls: int, ts_ns: int, instrument: int, cause_seq: int, payload: bytes) -> int:
        """Appends one message and returns its seq.

        `cls` 0..3 (FrameClass), `ts_ns` receive time, `cause_seq` 0 for an input. Raises LogFull when there is no room even
        in the reserve, UsageError when the payload could not fit an empty segment.
        """
        cdef Py_ssize_t size = PyBytes_GET_SIZE(payload)
        if not 0 <= cls <= CLASS_EFFECT:
            raise ValueError(f"frame class {cls} is unknown; expected 0..{CLASS_EFFECT}")
        if not 0 <= cause_seq < self.next_seq:
            raise ValueError(f"cause_seq {cause_seq} is not an earlier record; the last one is {self.next_seq - 1}")
        if self.current is not NULL and <uint64_t>size > self.message_limit - START_BYTES - MESSAGE_HEADER_BYTES:
            raise UsageError(
                f"a message of {size} bytes does not fit a segment of {self.current.size_bytes} bytes; "
                "create the log with larger segments (segment_bytes)"
            )
        if self.append_frame(
            cls, ts_ns, instrument, cause_seq, <const uint8_t*>PyBytes_AS_STRING(payload), <uint32_t>size
        ) != LOG_OK:
            raise LogFull(self.full_text(f"a message of {size} bytes"))
        return self.next_seq - 1

    def set_config_tag(self, tag: int) -> None:
        """Marks every message from here on with the configuration it was decided under: the first four bytes of its hash."""
        self.config_tag = tag

    def full_text(self, what: str) -> str:
        if self.current is NULL:
            return f"{what} cannot be appended after seq {self.seq}: the log is closed; open it again with EventLog.open_append"
        return (
            f"{what} cannot be appended after seq {self.seq}: segment {self.current.index} is full at byte {self.position} "
            "and no next segment is prepared; free disk space and call prepare_next()"
        )

    # ---- from the shell ----------------------------------------------------------------------------------------------

    def offer(self, Segment segment) -> None:
        """Hands over the next segment; the append that finds the current one full switches to it."""
        self.segments[segment.slot.index] = segment
        if not tb_replace(<void**>&self.prepared, NULL, &segment.slot):
            del self.segments[segment.slot.index]
            raise ValueError(f"segment {segment.slot.index} offered while another one is still prepared")

    def begin(self) -> None:
        """Starts the first segment of this writer: the one just offered."""
        if self.current is not NULL or not self.switch_segment():
            raise ValueError("begin() needs an offered segment and no current one")

    def resume(self, Segment segment, position: int, first_seq: int) -> None:
        """Continues a segment that already holds records, at byte `position`."""
        if self.current is not NULL or position < START_BYTES or position > segment.slot.size_bytes - FOOTER_BYTES:
            raise ValueError(f"cannot resume segment {segment.slot.index} at byte {position}")
        self.segments[segment.slot.index] = segment
        segment.slot.first_seq = first_seq
        segment.slot.last_seq = self.next_seq - 1
        self.use(&segment.slot, position)

    def take_retired(self) -> list:
        """The segments left behind since the last call, oldest first; they are the caller's now."""
        cdef SegmentSlot* slot = <SegmentSlot*>tb_exchange(<void**>&self.retired, NULL)
        taken = []
        while slot is not NULL:
            taken.append(self.segments.pop(slot.index))
            slot = slot.older
        taken.reverse()
        return taken

    def finish(self) -> tuple:
        """Ends appending: (current segment, prepared segment), each None when there is none. Later appends find the log full.

        Only the appending thread may call it, or another one after that thread stopped.
        """
        cdef SegmentSlot* current = self.current
        cdef SegmentSlot* prepared = <SegmentSlot*>tb_exchange(<void**>&self.prepared, NULL)
        if current is not NULL:
            current.used_bytes = self.position
            current.last_seq = self.next_seq - 1
        self.current = NULL
        self.base = NULL
        self.position = 0
        self.tick_limit = 0
        self.message_limit = 0
        return (
            None if current is NULL else self.segments.pop(current.index),
            None if prepared is NULL else self.segments.pop(prepared.index),
        )
