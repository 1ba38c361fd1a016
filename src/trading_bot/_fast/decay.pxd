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
    ctypedef struct Gap "km_gap":
        int64_t dt
        double w[4]
    void see_gap "km_see_gap"(Gap* gap, int64_t dt) noexcept
    void div_pair "km_div_pair"(double* y, const double* a, const double* b) noexcept
    void over_mean_pair "km_over_mean_pair"(double* y, const double* f, const double* mean) noexcept
    void squash_times "km_squash_times"(double* y, const double* x, const int* id, const double* f, int n) noexcept
    ctypedef struct SlowPair "km_slow":
        double last[2]
        double scale[2]
        int64_t id[2]
    void squash_changed "km_squash_changed"(double* y, const double* x, SlowPair* pair) noexcept
    ctypedef struct TriggerPair "km_trigger":
        double low[2]
        double high[2]
        double sign[2]
        int64_t slot
    int sides_that_pass "km_pass"(const TriggerPair* trigger, int n, const double* x) noexcept
    ctypedef struct Term "km_term":
        double weight[2]
        int64_t signal
    void sum_terms "km_sum"(double* sums, const double* bar, const Term* term, int64_t n, const double* x) noexcept
    double smooth_pair "km_smooth"(double* pair, const double* sums, double w, double distance) noexcept
    int sides_that_reach "km_reaches"(const double* pair, double a, const double* threshold) noexcept
    ctypedef struct Step "km_step":
        double weight[2]
        int64_t signal[2]
    ctypedef struct Beliefs "km_beliefs":
        const double* bar[2]
        double* smoothed[2]
        double* distance[2]
        double a[2]
        double least_long[2]
        double least_short[2]
    int believe "km_believe"(Beliefs* both, const Step* step, int64_t n, const double* x, double w) noexcept
    double threshold_of "km_threshold"(double z, double w, double b) noexcept
    double root_of_variance "km_root_of_variance"(int64_t n, int64_t sum_x2, int64_t sum_x) noexcept
    double spread_of "km_spread_of"(const int64_t* x, int n, int64_t* sum_x) noexcept

cdef inline double decay(int64_t dt_ns, double tau8_ns) noexcept nogil:
    return 1.0 if dt_ns <= 0 else decay_after(dt_ns, tau8_ns)

cdef inline double squash(double x) noexcept nogil:
    return div(x, root(1.0 + x * x))

cdef inline double clamp(double x, double low, double high) noexcept nogil:
    return low if x < low else high if x > high else x

cdef inline int64_t to_e6(double x) noexcept nogil:
    return <int64_t>floor(x * 1000000.0 + 0.5)
