# cython: language_level=3
"""The memory of one log segment: what the writer appends into, and how its pages reach the disk."""
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.exc cimport PyErr_SetFromErrno
from libc.stdint cimport uint8_t, uint64_t

from trading_bot.domain.errors import UsageError

cdef extern from "logpages.h" nogil:
    int tb_write_back(uint8_t* base, size_t start, size_t end)
    void tb_make_writable(uint8_t* base, size_t start, size_t end)

cdef enum:
    ALIGN = 64
    START_BYTES = 192             # header frame and chain frame: where the records begin
    SEGMENT_MIN_BYTES = 65536
    PAGE_BYTES = 4096

SEGMENT_BYTES_MIN = SEGMENT_MIN_BYTES


cdef class Segment:
    """A writable buffer that holds, or will hold, one segment.

    `buffer` must be zero from RECORDS_START_BYTES on and must carry the header's constant fields (core/log_segments.py).
    """

    def __init__(self, buffer, index: int):
        PyObject_GetBuffer(buffer, &self.view, PyBUF_SIMPLE | PyBUF_WRITABLE)
        self.held = True
        self.owner = buffer
        if self.view.len < SEGMENT_MIN_BYTES or self.view.len % ALIGN:
            raise UsageError(
                f"segment {index} has {self.view.len} bytes; a segment is a multiple of {ALIGN} bytes and at least {SEGMENT_MIN_BYTES}"
            )
        self.slot.base = <uint8_t*>self.view.buf
        self.slot.size_bytes = <uint64_t>self.view.len
        self.slot.used_bytes = START_BYTES
        self.slot.index = index

    def __dealloc__(self):
        if self.held:
            PyBuffer_Release(&self.view)

    @property
    def buffer(self):
        return self.owner

    @property
    def index(self) -> int:
        return self.slot.index

    @property
    def first_seq(self) -> int:
        return self.slot.first_seq

    @property
    def last_seq(self) -> int:
        return self.slot.last_seq

    @property
    def used_bytes(self) -> int:
        return self.slot.used_bytes

    @property
    def size_bytes(self) -> int:
        return self.slot.size_bytes

    def prefault(self, used_bytes: int) -> None:
        """Writes one zero into every page after `used_bytes`, so that the hot thread meets no first-touch fault.

        Everything from `used_bytes` on must be zero already. Releases the GIL.
        """
        cdef uint64_t offset = (<uint64_t>used_bytes + PAGE_BYTES - 1) & ~<uint64_t>(PAGE_BYTES - 1)
        cdef volatile uint8_t* base = <volatile uint8_t*>self.slot.base
        with nogil:
            while offset < self.slot.size_bytes:
                base[offset] = 0
                offset += PAGE_BYTES

    def write_back(self, start: int, end: int) -> None:
        """Makes bytes `start` to `end` durable (msync): the buffer must be a shared mapping of a file. Releases the GIL.

        Only whole pages can be written, so a little more is. Raises OSError when the disk fails.
        """
        cdef size_t first = start
        cdef size_t last = min(<uint64_t>end, self.slot.size_bytes)
        cdef int failed
        with nogil:
            failed = tb_write_back(self.slot.base, first, last)
        if failed:
            PyErr_SetFromErrno(OSError)

    def make_writable(self, start: int, count: int) -> None:
        """Takes the faults of the next `count` bytes from `start` on, so that the hot thread does not. Changes no byte.

        A page that was written back is write-protected until it is written again. A wish: where the system has no call
        for it, or the file is shorter by now, nothing happens. Releases the GIL.
        """
        cdef size_t first = start
        cdef size_t last = min(<uint64_t>start + <uint64_t>count, self.slot.size_bytes)
        with nogil:
            tb_make_writable(self.slot.base, first, last)

    def release(self) -> None:
        """Gives the buffer back; the segment must not be the writer's any more."""
        if self.held:
            self.held = False
            PyBuffer_Release(&self.view)
        self.owner = None
