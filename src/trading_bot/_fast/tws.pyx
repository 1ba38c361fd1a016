# cython: language_level=3
"""Bytes of the broker's socket (TWS text protocol): ticks go through the door into the kernel, the rest to the library.

A frame is a length of 4 bytes, big-endian, and fields that each end with a zero byte. Only a tickByTick message (99) of
a watched stream in its plain form is decoded here: digits, at most one point, exactly the fields it should have.
Whatever is odd about one leaves it to the library, as every other message: whole frames, in the order they came.

Everything heard in one read of the socket has one receive stamp. While the intake is armed the kernel takes the ticks of
a packet at once; else they wait in arrival order for `take`.
"""
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE, PyByteArray_Resize
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.math cimport llrint
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy, memmove, memset

from trading_bot._fast.histogram cimport Histogram
from trading_bot._fast.raw_batch cimport RawTick
from trading_bot._fast.records cimport KIND_QUOTE, KIND_TRADE
from trading_bot._fast.refusals cimport raise_answers_lost, raise_bad_record
from trading_bot._fast.twsfields cimport is_kept, keep, lots, price_again, text, whole
from trading_bot.domain.errors import DataCorrupt

cdef extern from "time.h" nogil:
    cdef struct timespec:
        long tv_sec
        long tv_nsec
    int CLOCK_MONOTONIC
    int clock_gettime(int clock, timespec* at)

cdef extern from "cycles.h" nogil:
    uint64_t tb_cycles()

cdef enum:
    LENGTH_BYTES = 4
    MESSAGE_BYTES_MAX = 0xFFFFFF  # TWS API, EReader: MAX_MSG_LEN
    RECORD_BYTES = 64
    ROOM = 1024                   # records at first; grows
    ANSWERS_LOST = -2
    SAMPLE_EVERY = 16             # packets to a measurement; outcomes are all measured
    TYPE_LAST = 1
    TYPE_ALL_LAST = 2
    TYPE_BID_ASK = 3

cdef int64_t SECOND_NS = 1_000_000_000
cdef int64_t TIME_S_MAX = 9_000_000_000
cdef int64_t TRUSTED_NS = 1_000_000      # the processor's counter stands for the clock so long
cdef int64_t PACE_NS = 5_000_000       # measured before it does

_KINDS = {"BidAsk": KIND_QUOTE, "Last": KIND_TRADE, "AllLast": KIND_TRADE}


cdef inline int64_t monotonic_ns() noexcept nogil:
    cdef timespec at
    clock_gettime(CLOCK_MONOTONIC, &at)
    return at.tv_sec * SECOND_NS + at.tv_nsec


cdef class TickIntake:
    """What comes over one connection, from bytes to records.

    `on_messages(bytes)` gets whole frames that are not ours, `on_news()` is called when records wait for `take`,
    `on_failure(error)` gets what any of the callbacks raised: nothing leaves `data_received`.
    """

    def __cinit__(self, on_messages, on_news, on_failure):
        self._on_messages = on_messages
        self._on_news = on_news
        self._on_failure = on_failure
        self._doors = []
        self._out = bytearray(ROOM * RECORD_BYTES)
        self._carry = bytearray()
        self._clock_speed = 1.0
        self.decode_hist = Histogram()
        self.decide_hist = Histogram()

    # ---- time

    cdef int64_t _clock(self) noexcept nogil:
        """CLOCK_MONOTONIC, within a millisecond after it was read by the processor's counter and its pace until then.

        A counter that jumped, runs backwards or is not there leaves the clock to be read.
        """
        cdef uint64_t cycles = tb_cycles()
        cdef uint64_t since = cycles - self._reference_cycles
        cdef int64_t now_ns
        if since < self._trusted_cycles:
            return self._reference_ns + <int64_t>(<double><int64_t>since * self._ns_per_cycle)
        now_ns = monotonic_ns()
        if self._began_ns == 0 or cycles <= self._began_cycles:
            self._began_ns, self._began_cycles = now_ns, cycles
        if now_ns - self._began_ns >= PACE_NS:
            self._ns_per_cycle = <double>(now_ns - self._began_ns) / <double><int64_t>(cycles - self._began_cycles)
            self._trusted_cycles = <uint64_t>(<double>TRUSTED_NS / self._ns_per_cycle)
        self._reference_ns, self._reference_cycles = now_ns, cycles
        return now_ns

    def set_clock(self, int64_t at_ns, int64_t begin_ns, double speed):
        """Market time is `at_ns` plus `speed` times what the monotonic clock shows beyond `begin_ns`.

        A speed of 0 is a clock that stands until it is set again.
        """
        self._clock_at_ns = at_ns
        self._clock_begin_ns = begin_ns
        self._clock_speed = speed

    cdef int64_t _now(self, int64_t now_ns) noexcept nogil:
        """Market time at `now_ns` of the monotonic clock."""
        cdef int64_t passed = now_ns - self._clock_begin_ns
        if self._clock_speed != 1.0:
            passed = llrint(<double>passed * self._clock_speed)
        if self._clock_at_ns + passed > self._stamp_ns:
            self._stamp_ns = self._clock_at_ns + passed
        return self._stamp_ns

    def stamp(self) -> int:
        """The receive time of this moment, ns; of the packet while one is handled. Never below the one before."""
        return self._stamp_ns if self._in_packet else self._now(monotonic_ns())

    def not_before(self, int64_t ts_ns):
        """No stamp from here on is below `ts_ns`."""
        self._stamp_ns = max(self._stamp_ns, ts_ns)

    # ---- what is watched

    def watch(self, rows):
        """The streams whose ticks are decoded here from now on: (request id, kind as it was asked for, door) each."""
        cdef int count = 0
        cdef Door door
        if len(rows) > ROWS:
            raise ValueError(f"{len(rows)} streams of ticks: expected at most {ROWS}")
        kept = {self._rows[at].request_id: (self._rows[at].ticks, self._rows[at].last_ns) for at in range(self._row_count)}
        doors = [row[2] for row in rows]
        for request_id, kind, door in rows:
            self._rows[count].request_id = request_id
            self._rows[count].kind = _KINDS[kind]
            self._rows[count].ticks, self._rows[count].last_ns = kept.get(request_id, (0, 0))
            self._rows[count].door = <PyObject*>door
            # What is kept is of the stream that was there before.
            self._rows[count].head.length = 0
            self._rows[count].first_price.length = self._rows[count].second_price.length = 0
            count += 1
        self._row_count = count
        self._doors = doors

    def set_flags(self, unsigned int flags):
        """TickFlag bits of every tick from here on."""
        self.flags = flags

    def seen(self, int64_t request_id):
        """(ticks decoded here, monotonic ns of the latest) of a watched stream; (0, 0) for any other."""
        for at in range(self._row_count):
            if self._rows[at].request_id == request_id:
                return self._rows[at].ticks, self._rows[at].last_ns
        return 0, 0

    # ---- what the kernel takes at once

    def arm(self, HotPath kernel not None, int64_t deadline_ns, on_outcome):
        """Let `kernel` take ticks below `deadline_ns` as they come, until `disarm`.

        `on_outcome(code)` is called at an outcome and answers the next deadline, 0 to disarm.
        """
        self._kernel = kernel
        self._deadline_ns = deadline_ns
        self._on_outcome = on_outcome

    def disarm(self):
        """Records wait from now on."""
        self._deadline_ns = 0

    @property
    def armed(self) -> bool:
        """Whether the kernel takes ticks at once."""
        return self._deadline_ns > 0

    # ---- records that wait

    @property
    def held(self) -> int:
        """Records that wait."""
        return self._out_count

    def take(self) -> bytes:
        """The records that wait, in the order they came."""
        taken = PyBytes_FromStringAndSize(PyByteArray_AS_STRING(self._out), self._out_count * RECORD_BYTES)
        self._out_count = 0
        return taken

    def keep(self, Door door not None):
        """What was let in at a door by other hands comes behind what waits."""
        self._keep(door)
        self.tick_ts_ns = self._stamp_ns

    cdef int _keep(self, Door door) except -1:
        cdef Py_ssize_t more = door._held, room = PyByteArray_GET_SIZE(self._out) // RECORD_BYTES
        if self._out_count + more > room:
            PyByteArray_Resize(self._out, max(2 * room, self._out_count + more) * RECORD_BYTES)
        memcpy(
            PyByteArray_AS_STRING(self._out) + self._out_count * RECORD_BYTES, door._records, more * RECORD_BYTES
        )
        self._out_count += more
        door._held = 0
        return 0

    # ---- the socket

    def reset(self):
        """A new connection: what is left of a frame of the old one is void."""
        self._carry_size = 0
        self._broken = False

    def data_received(self, data):
        """One read of the socket (the protocol's method of asyncio and uvloop)."""
        self.socket_ns = self._clock()
        self._now(self.socket_ns)
        self._in_packet = True
        self.packets += 1
        try:
            self._split(data if type(data) is bytes else bytes(data))
            if self._out_count:
                self._decoded_cycles = tb_cycles()
                if self._deadline_ns > 0:
                    self._run()
                if self._out_count:
                    self._on_news()
        except BaseException as error:
            self.disarm()
            self._on_failure(error)
        finally:
            self._in_packet = False

    cdef int _split(self, bytes data) except -1:
        """Whole frames go on; the beginning of one waits for the rest."""
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data), done, before = self._carry_size
        if self._broken:
            return 0
        if before == 0:
            done = self._frames_of(PyBytes_AS_STRING(data), size)
            if done < size and not self._broken:
                self._carry_size = size - done
                if PyByteArray_GET_SIZE(self._carry) < self._carry_size:
                    PyByteArray_Resize(self._carry, self._carry_size)
                memcpy(PyByteArray_AS_STRING(self._carry), PyBytes_AS_STRING(data) + done, self._carry_size)
            return 0
        if PyByteArray_GET_SIZE(self._carry) < before + size:
            PyByteArray_Resize(self._carry, max(before + size, 2 * PyByteArray_GET_SIZE(self._carry)))
        memcpy(PyByteArray_AS_STRING(self._carry) + before, PyBytes_AS_STRING(data), size)
        size += before
        self._carry_size = 0          # a callback that resets finds nothing to forget
        done = self._frames_of(PyByteArray_AS_STRING(self._carry), size)
        if not self._broken:
            self._carry_size = size - done
            if done:              # a long message that comes in many packets stays where it is
                memmove(PyByteArray_AS_STRING(self._carry), PyByteArray_AS_STRING(self._carry) + done, size - done)
        return 0

    cdef Py_ssize_t _frames_of(self, const char* begin, Py_ssize_t size) except -1:
        """How many bytes were whole frames."""
        cdef const char* at = begin
        cdef const char* end = begin + size
        cdef const char* other = begin        # frames from here to `at` are the library's
        cdef const char* next
        cdef Py_ssize_t length
        while end - at >= LENGTH_BYTES:
            length = (<Py_ssize_t><uint8_t>at[0] << 24) | (<Py_ssize_t><uint8_t>at[1] << 16) | (
                <Py_ssize_t><uint8_t>at[2] << 8
            ) | <Py_ssize_t><uint8_t>at[3]
            if length > MESSAGE_BYTES_MAX:
                self._hand_over(other, at)
                self._broken = True
                raise DataCorrupt(f"a message of {length} bytes is announced; expected at most {MESSAGE_BYTES_MAX}")
            if end - at - LENGTH_BYTES < length:
                break
            self.frames += 1
            next = at + LENGTH_BYTES + length
            if self._row_count and length > 3 and at[4] == c'9' and at[5] == c'9' and at[6] == 0:
                self._hand_over(other, at)    # what came before it first: it may be about this stream
                other = next if self._tick(at + LENGTH_BYTES + 3, next) else at
            at = next
        self._hand_over(other, at)
        return at - begin

    cdef int _hand_over(self, const char* begin, const char* end) except -1:
        if begin < end:
            self._on_messages(PyBytes_FromStringAndSize(begin, end - begin))
        return 0

    cdef bint _tick(self, const char* at, const char* end) except -1:
        """Whether the fields of a tickByTick message are a tick of ours; then its record waits behind those before it."""
        cdef RawTick raw
        cdef const char* begin = at
        cdef int64_t request_id = 0
        cdef Row* row = NULL
        cdef int n
        memset(&raw, 0, sizeof(raw))
        for n in range(self._row_count):
            if is_kept(&self._rows[n].head, at, end):
                row = &self._rows[n]
                break
        if row == NULL:
            at = whole(at, end, 9, &request_id)
            for n in range(self._row_count if at != NULL else 0):
                if self._rows[n].request_id == request_id:
                    row = &self._rows[n]
                    break
        if row == NULL:
            self.declined += at == NULL
            return False
        if not self._read(row, begin, at, end, &raw):
            self.declined += 1
            return False
        raw.kind = <uint8_t>row.kind
        raw.ts_ns = self._stamp_ns
        raw.flags = self.flags
        (<Door>row.door).admit(&raw)
        row.ticks += 1
        row.last_ns = self.socket_ns
        self.ticks += 1
        self.tick_ts_ns = self._stamp_ns
        self._keep(<Door>row.door)
        return True

    cdef bint _read(self, Row* row, const char* begin, const char* at, const char* end, RawTick* raw) noexcept nogil:
        """The fields of a message of this stream, exactly those it should have: from `begin`, or behind its id, at `at`."""
        cdef int64_t tick_type = 0, time_s = 0, mask = 0
        if at == begin:                       # in the same second as the one before
            at += row.head.length
            time_s = row.head.value
        else:
            at = whole(at, end, 1, &tick_type)
            if at == NULL or (tick_type == TYPE_BID_ASK) != (row.kind == KIND_QUOTE):
                return False
            if not TYPE_LAST <= tick_type <= TYPE_BID_ASK:
                return False
            at = whole(at, end, 10, &time_s)
            if at == NULL or time_s > TIME_S_MAX:
                return False
            keep(&row.head, begin, at, time_s)
        raw.ts_event_ns = time_s * SECOND_NS
        at = price_again(&row.first_price, at, end, &raw.a_e9)
        if at != NULL and row.kind == KIND_QUOTE:
            at = price_again(&row.second_price, at, end, &raw.b_e9)
        if at != NULL:
            at = lots(at, end, &raw.a_qty)
        if at != NULL and row.kind == KIND_QUOTE:
            at = lots(at, end, &raw.b_qty)
        if at != NULL:
            at = whole(at, end, 9, &mask)
        if at != NULL and row.kind == KIND_TRADE:
            at = text(at, end)
            if at != NULL:
                at = text(at, end)
        return at == end

    @property
    def decoded_ns(self) -> int:
        """Monotonic time at which the ticks of the packet at hand were records."""
        return self._decoded()

    cdef int64_t _decoded(self) noexcept nogil:
        """The whole of a packet is decision while the counter is not trusted."""
        cdef int64_t since = <int64_t>(self._decoded_cycles - self._reference_cycles)
        return max(self.socket_ns, self._reference_ns + <int64_t>(<double>since * self._ns_per_cycle))

    cdef void _measure(self, int64_t decided_ns) noexcept nogil:
        cdef int64_t decoded_ns = min(self._decoded(), decided_ns)
        self.decode_hist.add(decoded_ns - self.socket_ns)
        self.decide_hist.add(decided_ns - decoded_ns)

    cdef int _run(self) except -1:
        """The kernel takes what waits, up to the deadline; what is left stays."""
        cdef int64_t at = 0, count = self._out_count
        cdef const TickRecord* records
        cdef int code
        try:
            while at < count and self._deadline_ns > 0:
                records = <const TickRecord*>PyByteArray_AS_STRING(self._out)
                code = self._kernel.run_records(records, count, self._deadline_ns, &at)
                if code == 0:
                    if self._kernel.matches:
                        self._deadline_ns = min(self._deadline_ns, self._kernel.exchange.due_ns())
                    if self.packets % SAMPLE_EVERY == 0:
                        self._measure(monotonic_ns())
                    break
                self.decided_ns = monotonic_ns()
                self._measure(self.decided_ns)
                if code == ANSWERS_LOST:
                    raise_answers_lost(records[at].ts_ns)
                if code < 0:
                    raise_bad_record(self._kernel.kernel.config, &records[at], at)
                self._deadline_ns = self._on_outcome(code)
        finally:
            self.stepped += at
            self._out_count = count - at
            if at and self._out_count:
                memmove(PyByteArray_AS_STRING(self._out), PyByteArray_AS_STRING(self._out) + at * RECORD_BYTES,
                        self._out_count * RECORD_BYTES)
        return 0
