# cython: language_level=3
"""The checking side of the event log: is this frame whole, how many ticks in a row are, does anything sound stand behind."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from trading_bot._fast.records cimport KIND_QUOTE, KIND_TIME, FrameHeader

cdef extern from "crc32c.h" nogil:
    int tb_crc32c_hardware
    void tb_crc32c_init()
    uint32_t tb_crc32c_run(uint32_t crc, const uint8_t* data, size_t size)
    uint32_t tb_crc32c_software_run(uint32_t crc, const uint8_t* data, size_t size)
    uint32_t tb_frame_crc(const uint8_t* frame, uint32_t length)
    uint32_t tb_record_crc(const uint8_t* record, uint32_t after_length)
    uint32_t tb_record_crc_start()
    void tb_store_length(uint8_t* frame, uint32_t length)
    uint32_t tb_load_length(const uint8_t* frame)

cdef enum:
    ALIGN = 64
    RECORD_BYTES = 64

tb_crc32c_init()
cdef uint32_t AFTER_LENGTH_64 = tb_record_crc_start()
HARDWARE_CRC = bool(tb_crc32c_hardware)


cdef uint32_t frame_length(const uint8_t* frame, uint64_t room) noexcept nogil:
    """Length of the whole, valid frame that starts here; 0 when nothing is committed; 1 when it is damaged or cut."""
    cdef uint32_t length
    if room < RECORD_BYTES:
        return 1
    length = tb_load_length(frame)
    if length == 0:
        return 0
    if length % ALIGN or length > room or tb_frame_crc(frame, length) != (<const FrameHeader*>frame).crc:
        return 1
    return length


def scan_ticks(const uint8_t[::1] data, offset: int, expected_seq: int, max_count: int) -> int:
    """How many market records in a row, from byte `offset` on, are committed, intact and numbered from `expected_seq`."""
    cdef uint64_t position = offset
    cdef uint64_t size = <uint64_t>data.shape[0]
    cdef uint64_t seq = expected_seq
    cdef uint64_t stop = seq + <uint64_t>max_count
    cdef const uint8_t* base
    cdef const FrameHeader* head
    if size == 0:
        return 0
    base = &data[0]
    with nogil:
        while seq < stop and position + RECORD_BYTES <= size:
            head = <const FrameHeader*>(base + position)
            if tb_load_length(base + position) != RECORD_BYTES:
                break
            if head.kind < KIND_QUOTE or head.kind > KIND_TIME or head.seq != seq:
                break
            if tb_record_crc(base + position, AFTER_LENGTH_64) != head.crc:
                break
            seq += 1
            position += RECORD_BYTES
    return seq - <uint64_t>expected_seq


def frame_at(const uint8_t[::1] data, offset: int) -> int:
    """Length of the intact frame at byte `offset`; 0 when nothing is committed there, -1 when it is damaged or cut."""
    cdef uint64_t size = <uint64_t>data.shape[0]
    cdef uint64_t position = offset
    cdef uint32_t length
    if position >= size:
        return -1
    with nogil:
        length = frame_length(&data[0] + position, size - position)
    return -1 if length == 1 else <int64_t>length


def find_frame(const uint8_t[::1] data, offset: int, above_seq: int) -> int:
    """Byte offset of the first intact frame with seq > `above_seq`, in steps of 64 from `offset` on; -1 when there is none."""
    cdef uint64_t size = <uint64_t>data.shape[0]
    cdef uint64_t position = offset
    cdef uint64_t seq = above_seq
    cdef uint32_t length
    cdef const uint8_t* base
    if size < RECORD_BYTES:
        return -1
    base = &data[0]
    with nogil:
        while position + RECORD_BYTES <= size:
            if (<const FrameHeader*>(base + position)).seq > seq:
                length = frame_length(base + position, size - position)
                if length > 1:
                    with gil:
                        return position
            position += ALIGN
    return -1


def finish_frame(frame: bytearray) -> None:
    """Stores length and crc of a frame that was put together in Python (header, chain, seal)."""
    cdef uint8_t[::1] view = frame
    cdef uint32_t length = <uint32_t>view.shape[0]
    if length < ALIGN or length % ALIGN:
        raise ValueError(f"a frame is a multiple of {ALIGN} bytes, this one has {length}")
    (<FrameHeader*>&view[0]).crc = tb_frame_crc(&view[0], length)
    tb_store_length(&view[0], length)


def crc32c(const uint8_t[::1] data, software: bool = False) -> int:
    """CRC32C of a buffer, by the processor's instruction where it has one unless `software` is set."""
    cdef size_t size = <size_t>data.shape[0]
    cdef const uint8_t* base = NULL
    cdef uint32_t crc = 0xFFFFFFFF
    if size:
        base = &data[0]
    if software:
        crc = tb_crc32c_software_run(crc, base, size)
    else:
        crc = tb_crc32c_run(crc, base, size)
    return crc ^ <uint32_t>0xFFFFFFFF
