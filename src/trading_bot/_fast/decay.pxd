# cython: language_level=3
"""Arithmetic of docs/kernel.md, section 1. Divisions go through `div`: whoever calls it has excluded zero."""
from libc.math cimport floor
from libc.stdint cimport int64_t

cdef extern from "kernelmath.h" nogil:
    const int64_t GRID_NS "KM_GRID_NS"
    const int64_t SECOND_NS "KM_SECOND_NS"
    const int64_t MINUTE_NS "KM_MINUTE_NS"
    const int64_t HALF_HOUR_NS "KM_HALF_HOUR_NS"
    const int64_t HOUR_NS "KM_HOUR_NS"
    const double FLOW_TAU8 "KM_FLOW_TAU8"[4]
    const double RV_TAU8 "KM_RV_TAU8"[2]
    double div "km_div"(double a, double b) noexcept
    int64_t floor_div "km_floor_div"(int64_t a, int64_t b) noexcept
    int64_t magnitude "km_abs"(int64_t a) noexcept
    double root "km_sqrt"(double x) noexcept
    double decay_after "km_decay"(int64_t dt_ns, double tau8_ns) noexcept
    void decay_many "km_decay_many"(double* w, int64_t dt_ns, const double* tau8_ns, int n) noexcept
    void squash_many "km_squash_many"(double* y, const double* x, const double* k, int n) noexcept
    double spread_of "km_spread_of"(const int64_t* x, int n, int64_t* sum_x) noexcept

cdef inline double decay(int64_t dt_ns, double tau8_ns) noexcept nogil:
    return 1.0 if dt_ns <= 0 else decay_after(dt_ns, tau8_ns)

cdef inline double squash(double x) noexcept nogil:
    return div(x, root(1.0 + x * x))

cdef inline double clamp(double x, double low, double high) noexcept nogil:
    return low if x < low else high if x > high else x

cdef inline int64_t to_e6(double x) noexcept nogil:
    return <int64_t>floor(x * 1000000.0 + 0.5)
