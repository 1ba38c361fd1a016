# cython: language_level=3
"""Fields of a message in their plain form: each reader answers what follows the field, NULL when it is not plain.

Plain are digits with at most one point among them, as the broker writes prices and sizes. No sign, no exponent, no
blank: the library decides about those.
"""
from libc.stdint cimport int64_t
from libc.string cimport memchr

cdef enum:
    PRICE_DIGITS = 6              # before the point; with 9 behind it every value is exact in a double, too
    FRACTION_DIGITS = 9
    SIZE_DIGITS = 15              # of a whole number


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
