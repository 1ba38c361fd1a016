# cython: language_level=3
"""An order as it goes over the wire, ready but for its gaps.

A frame is four bytes of length (big-endian) and text fields that end with NUL each. What stands between the gaps is given once and
never looked at; what is written into a gap is digits and the caller's own words. Which bytes those are is the adapter's business.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL

cdef enum:
    LENGTH_BYTES = 4
    DIGITS = 20                   # of a 64-bit integer, with its sign
    NUMBERS = 4                   # order id, lots, parent and group type
    LEG_BYTES = 2                 # "-E"

GAPS = 7


cdef inline uint8_t* put_bytes(uint8_t* to, const char* source, Py_ssize_t size) noexcept:
    memcpy(to, source, size)
    return to + size


cdef inline uint8_t* put_number(uint8_t* to, int64_t value) noexcept:
    """Decimal digits, as Python writes an integer."""
    cdef uint8_t[DIGITS] digits
    cdef int left = DIGITS
    cdef uint64_t rest
    if value < 0:
        to[0] = c"-"
        to += 1
        rest = <uint64_t>0 - <uint64_t>value
    else:
        rest = <uint64_t>value
    while True:
        left -= 1
        digits[left] = <uint8_t>(c"0" + rest % 10)
        rest //= 10
        if rest == 0:
            break
    memcpy(to, &digits[left], DIGITS - left)
    return to + (DIGITS - left)


cdef struct Text:
    const char* at
    Py_ssize_t size


cdef inline Text text_of(str text):
    """Lives as long as the text does."""
    cdef Text found
    found.at = PyUnicode_AsUTF8AndSize(text, &found.size)
    return found


cdef class OrderFrame:
    """The bytes between seven gaps: order id, lots, price, group, reference, parent's order id, type of the group."""

    cdef tuple pieces
    cdef Py_ssize_t fixed_bytes

    def __init__(self, pieces: "Sequence[bytes]"):
        """`pieces` are the bytes before, between and after the gaps: one more than there are gaps.

        Raises:
            ValueError: there are more or fewer.
        """
        self.pieces = tuple(pieces)
        if len(self.pieces) != GAPS + 1:
            raise ValueError(f"{len(self.pieces)} pieces around {GAPS} gaps; expected {GAPS + 1}")
        if not all(type(piece) is bytes for piece in self.pieces):
            raise ValueError("a piece of a frame is bytes")
        self.fixed_bytes = sum(map(len, self.pieces))

    cdef Py_ssize_t most_bytes(self) noexcept:
        """Room for the frame, its texts aside."""
        return LENGTH_BYTES + self.fixed_bytes + NUMBERS * DIGITS

    cdef uint8_t* put(
        self, uint8_t* start, int64_t order_id, int64_t qty, Text price, Text group, Text reference, const char* leg,
        int64_t parent_id, int64_t group_type
    ):
        """Write the frame at `start`; its end. `leg` are the two characters that end a reference, or NULL."""
        cdef uint8_t* to = self.put_piece(start + LENGTH_BYTES, 0)
        cdef uint32_t length
        to = self.put_piece(put_number(to, order_id), 1)
        to = self.put_piece(put_number(to, qty), 2)
        to = self.put_piece(put_bytes(to, price.at, price.size), 3)
        to = self.put_piece(put_bytes(to, group.at, group.size), 4)
        to = put_bytes(to, reference.at, reference.size)
        if leg is not NULL:
            to = put_bytes(to, leg, LEG_BYTES)
        to = self.put_piece(to, 5)
        to = self.put_piece(put_number(to, parent_id), 6)
        to = self.put_piece(put_number(to, group_type), 7)
        length = <uint32_t>(to - start - LENGTH_BYTES)
        start[0] = <uint8_t>(length >> 24)
        start[1] = <uint8_t>(length >> 16 & 0xFF)
        start[2] = <uint8_t>(length >> 8 & 0xFF)
        start[3] = <uint8_t>(length & 0xFF)
        return to

    def render(
        self, int64_t order_id, int64_t qty, str price not None, str group not None, str reference not None, int64_t parent_id,
        int64_t group_type
    ) -> bytes:
        """The frame with its gaps filled; texts as they are, numbers in decimal."""
        cdef Text price_text = text_of(price), group_text = text_of(group), reference_text = text_of(reference)
        cdef Py_ssize_t most = self.most_bytes() + price_text.size + group_text.size + reference_text.size
        cdef bytes frame = PyBytes_FromStringAndSize(NULL, most)
        cdef uint8_t* start = <uint8_t*>PyBytes_AS_STRING(frame)
        cdef uint8_t* end = self.put(
            start, order_id, qty, price_text, group_text, reference_text, NULL, parent_id, group_type
        )
        return frame[:end - start]

    cdef uint8_t* put_piece(self, uint8_t* to, int number):
        cdef object piece = self.pieces[number]
        return put_bytes(to, PyBytes_AS_STRING(piece), PyBytes_GET_SIZE(piece))


cdef class BracketFrame:
    """Entry, target and stop as they leave together: order ids in a row, the group's name before each reference's leg."""

    cdef OrderFrame entry
    cdef OrderFrame target
    cdef OrderFrame stop

    def __init__(self, OrderFrame entry not None, OrderFrame target not None, OrderFrame stop not None):
        self.entry = entry
        self.target = target
        self.stop = stop

    def render(
        self, int64_t entry_id, int64_t qty, str entry_price not None, str target_price not None, str stop_price not None,
        str group not None, int64_t group_type
    ) -> bytes:
        """Three frames in one piece; prices as texts. The entry is in no group and has no parent."""
        cdef Text entry = text_of(entry_price), target = text_of(target_price), stop = text_of(stop_price)
        cdef Text name = text_of(group), nothing
        cdef Py_ssize_t most = self.entry.most_bytes() + self.target.most_bytes() + self.stop.most_bytes()
        cdef bytes frames
        cdef uint8_t* start
        cdef uint8_t* to
        nothing.at, nothing.size = name.at, 0
        most += entry.size + target.size + stop.size + 5 * name.size + 3 * LEG_BYTES
        frames = PyBytes_FromStringAndSize(NULL, most)
        start = <uint8_t*>PyBytes_AS_STRING(frames)
        to = self.entry.put(start, entry_id, qty, entry, nothing, name, b"-E", 0, 0)
        to = self.target.put(to, entry_id + 1, qty, target, name, name, b"-T", entry_id, group_type)
        to = self.stop.put(to, entry_id + 2, qty, stop, name, name, b"-S", entry_id, group_type)
        return frames[:to - start]
