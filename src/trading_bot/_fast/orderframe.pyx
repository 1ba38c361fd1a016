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

    def render(
        self, int64_t order_id, int64_t qty, str price not None, str group not None, str reference not None, int64_t parent_id,
        int64_t group_type
    ) -> bytes:
        """The frame with its gaps filled; texts as they are, numbers in decimal."""
        cdef Py_ssize_t price_size = 0, group_size = 0, reference_size = 0, most
        cdef const char* price_text = PyUnicode_AsUTF8AndSize(price, &price_size)
        cdef const char* group_text = PyUnicode_AsUTF8AndSize(group, &group_size)
        cdef const char* reference_text = PyUnicode_AsUTF8AndSize(reference, &reference_size)
        cdef bytes frame
        cdef uint8_t* start
        cdef uint8_t* to
        cdef uint32_t length
        most = LENGTH_BYTES + self.fixed_bytes + NUMBERS * DIGITS + price_size + group_size + reference_size
        frame = PyBytes_FromStringAndSize(NULL, most)
        start = <uint8_t*>PyBytes_AS_STRING(frame)
        to = self.put_piece(start + LENGTH_BYTES, 0)
        to = self.put_piece(put_number(to, order_id), 1)
        to = self.put_piece(put_number(to, qty), 2)
        to = self.put_piece(put_bytes(to, price_text, price_size), 3)
        to = self.put_piece(put_bytes(to, group_text, group_size), 4)
        to = self.put_piece(put_bytes(to, reference_text, reference_size), 5)
        to = self.put_piece(put_number(to, parent_id), 6)
        to = self.put_piece(put_number(to, group_type), 7)
        length = <uint32_t>(to - start - LENGTH_BYTES)
        start[0] = <uint8_t>(length >> 24)
        start[1] = <uint8_t>(length >> 16 & 0xFF)
        start[2] = <uint8_t>(length >> 8 & 0xFF)
        start[3] = <uint8_t>(length & 0xFF)
        return frame[:LENGTH_BYTES + length]

    cdef uint8_t* put_piece(self, uint8_t* to, int number):
        cdef object piece = self.pieces[number]
        return put_bytes(to, PyBytes_AS_STRING(piece), PyBytes_GET_SIZE(piece))
