# cython: language_level=3
"""Fields of a message in their plain form: each reader answers what follows the field, NULL when it is not plain.

Plain are digits with at most one point among them, as the broker writes prices and sizes. No sign, no exponent, no
blank: the library decides about those.
"""
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memchr, memcpy

cdef enum:
    PRICE_DIGITS = 6              # before the point; with 9 behind it every value is exact in a double, too
    FRACTION_DIGITS = 9
    SIZE_DIGITS = 15              # of a whole number
    WORD_BYTES = 8
    KEPT_BYTES = 24               # the longest stretch of text that is remembered


cdef struct Kept:                 # text that was read before, and what it said: the same bytes say the same
    uint64_t first                # its first 8 bytes, the next 8 of one longer than 16, its last 8
    uint64_t second
    uint64_t last
    int64_t value
    int length                    # 0: nothing is kept


cdef inline uint64_t word_at(const char* at) noexcept nogil:
    cdef uint64_t word
    memcpy(&word, at, WORD_BYTES)
    return word


cdef inline bint is_kept(const Kept* kept, const char* at, const char* end) noexcept nogil:
    """Whether the text at `at` begins with what is kept."""
    return (
        0 < kept.length <= end - at
        and word_at(at) == kept.first
        and word_at(at + kept.length - WORD_BYTES) == kept.last
        and (kept.length <= 2 * WORD_BYTES or word_at(at + WORD_BYTES) == kept.second)
    )


cdef inline void keep(Kept* kept, const char* begin, const char* next, int64_t value) noexcept nogil:
    """Remember what was read from `begin` to `next`. Of other lengths than 8 to 24 bytes nothing is remembered."""
    cdef Py_ssize_t length = next - begin
    kept.length = 0
    if WORD_BYTES <= length <= KEPT_BYTES:
        kept.first, kept.last = word_at(begin), word_at(next - WORD_BYTES)
        kept.second = word_at(begin + WORD_BYTES) if length > 2 * WORD_BYTES else 0
        kept.value, kept.length = value, <int>length


cdef inline const char* whole(const char* at, const char* end, int most, int64_t* value) noexcept nogil:
    """1 to `most` digits and the zero byte; what follows it, NULL for anything else."""
    cdef int64_t found = 0
    cdef const char* begin = at
    while at < end and c'0' <= at[0] <= c'9':
        found = found * 10 + (at[0] - c'0')
        at += 1
        if at - begin > most:
            return NULL
    if at == begin or at >= end or at[0] != 0:
        return NULL
    value[0] = found
    return at + 1


cdef inline const char* decimal(const char* at, const char* end, int most, int64_t* value, int64_t* parts_e9) noexcept nogil:
    """Digits with or without a fraction, and the zero byte; with one there are at most PRICE_DIGITS before the point."""
    cdef int64_t found = 0, parts = 0
    cdef const char* begin = at
    cdef int digits = 0
    while at < end and c'0' <= at[0] <= c'9':
        found = found * 10 + (at[0] - c'0')
        at += 1
        if at - begin > most:
            return NULL
    if at == begin or at >= end:
        return NULL
    if at[0] == c'.':
        if at - begin > PRICE_DIGITS:
            return NULL
        at += 1
        while at < end and c'0' <= at[0] <= c'9':
            parts = parts * 10 + (at[0] - c'0')
            at += 1
            digits += 1
            if digits > FRACTION_DIGITS:
                return NULL
        while digits < FRACTION_DIGITS:
            parts *= 10
            digits += 1
        if at >= end:
            return NULL
    if at[0] != 0:
        return NULL
    value[0] = found
    parts_e9[0] = parts
    return at + 1


cdef inline const char* price(const char* at, const char* end, int64_t* e9) noexcept nogil:
    cdef int64_t units = 0, parts = 0
    at = decimal(at, end, PRICE_DIGITS, &units, &parts)
    e9[0] = units * 1000000000LL + parts
    return at


cdef inline const char* price_again(Kept* kept, const char* at, const char* end, int64_t* e9) noexcept nogil:
    """`price`, where prices come again and again. What is kept begins with the zero byte of the field before."""
    cdef const char* begin = at
    if is_kept(kept, at - 1, end):
        e9[0] = kept.value
        return at - 1 + kept.length
    at = price(at, end, e9)
    if at != NULL:
        keep(kept, begin - 1, at, e9[0])
    return at


cdef inline const char* lots(const char* at, const char* end, int64_t* qty) noexcept nogil:
    """Whole lots, as the library's path counts them: a fraction is cut off; more than the door takes becomes -1."""
    cdef int64_t parts = 0
    at = decimal(at, end, SIZE_DIGITS, qty, &parts)
    if at != NULL and qty[0] > 2147483647LL:
        qty[0] = -1
    return at


cdef inline const char* text(const char* at, const char* end) noexcept nogil:
    """What follows a field of any text."""
    cdef const char* zero = <const char*>memchr(at, 0, end - at) if at < end else NULL
    return zero + 1 if zero != NULL else NULL
