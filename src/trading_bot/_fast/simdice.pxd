# cython: language_level=3
"""Dice of the market generator: counter-based, so that draw n of a stream is a function of its key and n alone.

Whole numbers and correctly rounded + − × ÷ only: the same key gives the same draws on every machine. The generator is
splitmix64 (Steele, Lea and Flood 2014); exponential numbers come from von Neumann's comparisons (1951), which need no
logarithm; normal numbers are sums of four uniform ones, cut at 3.46 standard deviations (what is fat in the tails of a
market comes from its regimes, bursts and jumps).
"""
from libc.stdint cimport int64_t, uint64_t

# In C, because these products are meant to wrap, which the checked build (overflowcheck) would report.
cdef extern from *:
    """
    typedef struct { uint64_t key; uint64_t counter; } simdice;
    static inline uint64_t simdice_mixed(uint64_t z) {
        z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
        return z ^ (z >> 31);
    }
    static inline uint64_t simdice_draw(uint64_t key, uint64_t n) {
        return simdice_mixed(key + n * UINT64_C(0x9E3779B97F4A7C15));
    }
    static inline uint64_t simdice_roll(simdice *dice) {
        dice->counter += 1;
        return simdice_draw(dice->key, dice->counter);
    }
    """
    ctypedef struct Dice "simdice":
        uint64_t key
        uint64_t counter
    uint64_t draw "simdice_draw"(uint64_t key, uint64_t n) noexcept nogil
    uint64_t roll "simdice_roll"(Dice* dice) noexcept nogil

cdef inline double uniform(Dice* dice) noexcept nogil:
    """In 0 .. 1, the 1 excluded; 53 bits."""
    return <double>(roll(dice) >> 11) * 1.1102230246251565e-16

cdef inline int64_t below(Dice* dice, int64_t bound) noexcept nogil:
    """A whole number in 0 .. bound − 1; bound in 1 .. 2**31."""
    return <int64_t>(((roll(dice) >> 32) * <uint64_t>bound) >> 32)

cdef inline bint chance(Dice* dice, int64_t per_million) noexcept nogil:
    return below(dice, 1_000_000) < per_million

cdef inline double normal(Dice* dice) noexcept nogil:
    """Mean 0, standard deviation 1."""
    cdef uint64_t z = roll(dice)
    cdef int64_t total = <int64_t>((z & 0xFFFF) + ((z >> 16) & 0xFFFF) + ((z >> 32) & 0xFFFF) + (z >> 48))
    return <double>(total - 131_070) / 37837.227

cdef inline double exponential(Dice* dice) noexcept nogil:
    """Mean 1. The first run of falling numbers that ends after an even count is taken; each other run adds 1."""
    cdef double whole = 0.0
    cdef uint64_t first, last, z
    cdef int count
    while True:
        first = last = roll(dice)
        count = 1
        while True:
            z = roll(dice)
            count += 1
            if z >= last:
                break
            last = z
        if count % 2 == 0:
            return whole + <double>(first >> 11) * 1.1102230246251565e-16
        whole += 1.0

cdef inline double decayed(double s, double tau_s) noexcept nogil:
    """Weight after s seconds: (1 + s/8τ)⁻⁸, the decay of the signals (specification, section 3.2)."""
    cdef double r = 1.0 / (1.0 + s / (8.0 * tau_s))
    r = r * r
    r = r * r
    return r * r

cdef inline int64_t trade_lots(Dice* dice) noexcept nogil:
    """Size of a trade in lots, mean 2.2: ESH4 trades of 2023-12-25 had a mean of 3.3, those of 2024 one of 1.4."""
    cdef int64_t r = below(dice, 1000)
    if r < 640:
        return 1
    if r < 780:
        return 2
    if r < 850:
        return 3
    if r < 930:
        return 4 + below(dice, 2)
    if r < 960:
        return 6 + below(dice, 4)
    if r < 980:
        return 10
    if r < 995:
        return 11 + below(dice, 15)
    return 26 + below(dice, 35)

cdef inline int64_t size_change(Dice* dice) noexcept nogil:
    """By how many lots a queue changes at once, mean 2.9."""
    cdef int64_t r = below(dice, 100)
    if r < 50:
        return 1
    if r < 68:
        return 2
    if r < 78:
        return 3
    if r < 88:
        return 4 + below(dice, 2)
    if r < 96:
        return 6 + below(dice, 5)
    return 11 + below(dice, 10)
