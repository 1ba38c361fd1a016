# cython: language_level=3
"""How many messages go to the gateway, whose go first, and the write itself: every order waits for this.

The gateway counts the messages of each second and breaks the connection of a client that repeats more than 50 (TWS API,
message 100). So any second is counted as it does: a bucket that refills by and by would let nearly twice its size through
in one. A part of each second is kept for what protects a position.
"""
from collections import deque
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdlib cimport free, malloc

cdef extern from "unistd.h" nogil:
    Py_ssize_t write(int fd, const void* data, size_t size)

cdef enum:
    LANES = 3                     # adapters/ibkr/pacing.py: protect, entry, data
    PROTECT = 0

cdef double WINDOW_S = 1.0


def write_now(int fd, bytes frames) -> int:
    """Bytes that a socket which does not block took at once; 0 when it took none, for whatever reason.

    The interpreter is kept meanwhile: the write of an order waits for no other thread.
    """
    cdef Py_ssize_t sent = write(fd, PyBytes_AS_STRING(frames), PyBytes_GET_SIZE(frames))
    return max(sent, 0)


cdef class Pacing:
    """At most `per_s` messages in any second of wall time, `reserved` of them for what protects alone."""

    cdef public int lane              # of what the library sends next
    cdef int _most[LANES]
    cdef int _size                    # of the ring
    cdef int _first
    cdef int _count
    cdef double* _sent_s              # when each message of the newest second left, in a ring
    cdef object _now_s
    cdef public object _transmit
    cdef object _later
    cdef tuple _waiting
    cdef bint _alarm_set

    def __cinit__(self, int per_s, int reserved, *, now_s, transmit, later):
        """`transmit` writes so many messages to the socket; `later` calls something after so many seconds."""
        self.lane = LANES - 1
        self.allow(per_s, reserved)
        self._now_s, self._transmit, self._later = now_s, transmit, later
        self._waiting = tuple(deque() for _ in range(LANES))

    def __dealloc__(self):
        free(self._sent_s)

    def allow(self, int per_s, int reserved):
        """So many from now on; what was sent is forgotten."""
        if not 0 <= reserved < per_s:
            raise ValueError(f"{reserved} of {per_s} messages a second are reserved: expected 0 to {per_s - 1}")
        free(self._sent_s)
        self._sent_s = <double*>malloc(per_s * sizeof(double))
        if self._sent_s is NULL:
            raise MemoryError
        self._most[PROTECT] = self._size = per_s
        for lane in range(1, LANES):
            self._most[lane] = per_s - reserved
        self._first = self._count = 0

    cdef int _room(self, int lane, double now_s) noexcept:
        while self._count and self._sent_s[self._first] <= now_s - WINDOW_S:
            self._first = self._first + 1 if self._first + 1 < self._size else 0
            self._count -= 1
        return max(self._most[lane] - self._count, 0)

    cdef int _leave(self, bytes frames, int messages, double now_s) except -1:
        cdef int at
        for _ in range(messages):
            at = self._first + self._count
            self._sent_s[at if at < self._size else at - self._size] = now_s
            self._count += 1
        self._transmit(frames, messages)
        return 0

    @property
    def waiting(self) -> int:
        """Messages that wait for their second."""
        return sum(map(len, self._waiting))

    def waits(self, int lane) -> bool:
        """Whether messages of this lane wait for their second."""
        return bool(self._waiting[lane])

    def room(self, int lane) -> int:
        """Messages that this lane may send at once."""
        return self._room(lane, self._now_s())

    def send(self, int lane, bytes frames, int messages=1, *, bint or_not=False) -> bool:
        """Send so many messages, each with its length before it.

        Those without room wait for their turn, or with `or_not` are not sent at all: then the answer is False.
        """
        cdef double now_s = self._now_s()
        waiting = self._waiting[lane]
        if not waiting and self._room(lane, now_s) >= messages:
            self._leave(frames, messages, now_s)
            return True
        if or_not:
            return False
        waiting.extend(_cut(frames))
        self._drain()
        return True

    def clear(self):
        """What waits is for a connection that has ended, and so is what was counted."""
        self._first = self._count = 0
        for messages in self._waiting:
            messages.clear()

    cdef int _drain(self) except -1:
        cdef int lane
        for lane in range(LANES):
            messages = self._waiting[lane]
            while messages and self._room(lane, self._now_s()):
                self._leave(messages.popleft(), 1, self._now_s())
        if self.waiting and not self._alarm_set:
            self._alarm_set = True
            self._later(self._wait_s(), self._on_alarm)
        return 0

    cdef double _wait_s(self) except? -1:
        """Until the first lane that waits may send."""
        cdef int lane = next(lane for lane in range(LANES) if self._waiting[lane])
        cdef int blocking = self._first + self._count - self._most[lane]   # this one has to leave the window
        cdef double at_s = self._sent_s[blocking if blocking < self._size else blocking - self._size]
        return max(at_s + WINDOW_S - <double>self._now_s(), 0.0)

    def _on_alarm(self):
        self._alarm_set = False
        self._drain()


def _cut(bytes frames):
    """Whole messages, each with its four bytes of length."""
    found = []
    while frames:
        end = 4 + int.from_bytes(frames[:4], "big")
        found.append(frames[:end])
        frames = frames[end:]
    return found
