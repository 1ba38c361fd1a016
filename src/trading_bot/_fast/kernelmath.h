/* The few operations Cython cannot say exactly: divisions without a Python zero check, roots without errno, 128-bit sums,
 * and two-lane forms of decay, squash and belief. Every lane does the same IEEE operations in the same order as the
 * scalar form, so both give the same bits (docs/kernel.md, section 1). No other mathematics library is used. */
#ifndef TRADING_BOT_KERNELMATH_H
#define TRADING_BOT_KERNELMATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#if defined(CYTHON_TRACE) && CYTHON_TRACE
#define KM_CHECK(condition) do { if (!(condition)) __builtin_trap(); } while (0)
#else
#define KM_CHECK(condition) ((void)0)
#endif

#define KM_GRID_NS INT64_C(100000000)
#define KM_SECOND_NS INT64_C(1000000000)
#define KM_MINUTE_NS INT64_C(60000000000)
#define KM_HALF_HOUR_NS INT64_C(1800000000000)
#define KM_HOUR_NS INT64_C(3600000000000)

/* 8.0 * tau_ns of the decayed sums: order and trade flow 1, 5, 30 s (fourth lane unused), volatility 30, 300 s. */
static const double KM_FLOW_TAU8[4] = {8.0 * 1e9, 8.0 * 5e9, 8.0 * 30e9, 8.0 * 30e9};
static const double KM_RV_TAU8[2] = {8.0 * 30e9, 8.0 * 300e9};

/* a / b; the caller has excluded b == 0 (the debug build traps there). */
static inline double km_div(double a, double b) {
    KM_CHECK(b != 0.0);
    return a / b;
}

/* floor(a / b) of integers, b > 0. */
static inline int64_t km_floor_div(int64_t a, int64_t b) {
    KM_CHECK(b > 0);
    int64_t q = a / b;
    return q - (a % b < 0);
}

static inline int64_t km_abs(int64_t a) { return a < 0 ? -a : a; }

/* sqrt without errno; x >= 0. */
static inline double km_sqrt(double x) {
#if defined(__SSE2__)
    __m128d v = _mm_set_sd(x);
    return _mm_cvtsd_f64(_mm_sqrt_sd(v, v));
#else
    return sqrt(x);
#endif
}

/* Decay weight for dt > 0; tau8 = 8.0 * tau_ns > 0. */
static inline double km_decay(int64_t dt, double tau8) {
    double r = 1.0 / (1.0 + (double)dt / tau8);
    double r2 = r * r;
    double r4 = r2 * r2;
    return r4 * r4;
}

/* Decay weights of n constants (n even) for one dt > 0. */
static inline void km_decay_many(double *w, int64_t dt, const double *tau8, int n) {
#if defined(__SSE2__)
    const __m128d one = _mm_set1_pd(1.0);
    const __m128d x = _mm_set1_pd((double)dt);
    for (int i = 0; i < n; i += 2) {
        __m128d r = _mm_div_pd(one, _mm_add_pd(one, _mm_div_pd(x, _mm_loadu_pd(tau8 + i))));
        __m128d r2 = _mm_mul_pd(r, r);
        __m128d r4 = _mm_mul_pd(r2, r2);
        _mm_storeu_pd(w + i, _mm_mul_pd(r4, r4));
    }
#else
    for (int i = 0; i < n; i++) w[i] = km_decay(dt, tau8[i]);
#endif
}

/* The decay weights of order flow over one gap between quotes, kept: reading it at a trade and smoothing a belief with one of
 * these constants often need them again. */
typedef struct {
    int64_t dt; /* -1: none yet */
    double w[4];
} km_gap;

/* dt > 0 */
static inline void km_see_gap(km_gap *gap, int64_t dt) {
    gap->dt = dt;
    km_decay_many(gap->w, dt, KM_FLOW_TAU8, 4);
}

/* Two quotients at once: y[i] = a[i] / b[i]; b is not 0. */
static inline void km_div_pair(double *y, const double *a, const double *b) {
#if defined(__SSE2__)
    _mm_storeu_pd(y, _mm_div_pd(_mm_loadu_pd(a), _mm_loadu_pd(b)));
#else
    y[0] = a[0] / b[0];
    y[1] = a[1] / b[1];
#endif
}

/* y[i] = f[i] / mean[i] for two lanes, 0.0 where mean is 0. */
static inline void km_over_mean_pair(double *y, const double *f, const double *mean) {
#if defined(__SSE2__)
    const __m128d m = _mm_loadu_pd(mean);
    _mm_storeu_pd(y, _mm_andnot_pd(_mm_cmpeq_pd(m, _mm_setzero_pd()), _mm_div_pd(_mm_loadu_pd(f), m)));
#else
    for (int i = 0; i < 2; i++) y[i] = mean[i] == 0.0 ? 0.0 : f[i] / mean[i];
#endif
}

/* y[id] = s(x[id] * f) and the same of the place behind it, for the n listed places; two factors to a place. */
static inline void km_squash_times(double *y, const double *x, const int *id, const double *f, int n) {
#if defined(__SSE2__)
    const __m128d one = _mm_set1_pd(1.0);
    for (int i = 0; i < n; i++) {
        __m128d v = _mm_mul_pd(_mm_loadu_pd(x + id[i]), _mm_loadu_pd(f + 2 * i));
        v = _mm_div_pd(v, _mm_sqrt_pd(_mm_add_pd(one, _mm_mul_pd(v, v))));
        _mm_storeu_pd(y + id[i], v);
    }
#else
    for (int i = 0; i < 2 * n; i++) {
        double v = x[id[i / 2] + i % 2] * f[i];
        y[id[i / 2] + i % 2] = v / sqrt(1.0 + v * v);
    }
#endif
}

/* Two signals that mostly stay as they are: y[id] = s(x[id] / scale), worked out anew when one of them changed. `last`
 * keeps what it was worked out of; at first not-a-number, which equals nothing. */
typedef struct {
    double last[2], scale[2];
    int64_t id[2];
} km_slow;

static inline void km_squash_changed(double *y, const double *x, km_slow *pair) {
#if defined(__SSE2__)
    __m128d v = _mm_set_pd(x[pair->id[1]], x[pair->id[0]]);
    if (_mm_movemask_pd(_mm_cmpeq_pd(v, _mm_loadu_pd(pair->last))) == 3) return;
    _mm_storeu_pd(pair->last, v);
    v = _mm_div_pd(v, _mm_loadu_pd(pair->scale));
    v = _mm_div_pd(v, _mm_sqrt_pd(_mm_add_pd(_mm_set1_pd(1.0), _mm_mul_pd(v, v))));
    _mm_storel_pd(y + pair->id[0], v);
    _mm_storeh_pd(y + pair->id[1], v);
#else
    for (int i = 0; i < 2; i++) {
        double v = x[pair->id[i]];
        if (v == pair->last[i]) continue;
        pair->last[i] = v;
        v = v / pair->scale[i];
        y[pair->id[i]] = v / sqrt(1.0 + v * v);
    }
#endif
}

/* A trigger for both sides at once: x * sign within low..high, lane 0 long, lane 1 short. */
typedef struct {
    double low[2], high[2], sign[2];
    int64_t slot; /* place of its number */
} km_trigger;

/* Bit 0: every trigger passes for the long side; bit 1: for the short side. */
static inline int km_pass(const km_trigger *trigger, int n, const double *x) {
#if defined(__SSE2__)
    __m128d pass = _mm_castsi128_pd(_mm_set1_epi32(-1));
    for (int i = 0; i < n; i++) {
        __m128d v = _mm_mul_pd(_mm_set1_pd(x[trigger[i].slot]), _mm_loadu_pd(trigger[i].sign));
        pass = _mm_and_pd(pass, _mm_cmpge_pd(v, _mm_loadu_pd(trigger[i].low)));
        pass = _mm_and_pd(pass, _mm_cmple_pd(v, _mm_loadu_pd(trigger[i].high)));
    }
    return _mm_movemask_pd(pass);
#else
    int pass = 3;
    for (int i = 0; i < n; i++)
        for (int side = 0; side < 2; side++) {
            double v = x[trigger[i].slot] * trigger[i].sign[side];
            if (!(v >= trigger[i].low[side] && v <= trigger[i].high[side])) pass &= ~(1 << side);
        }
    return pass;
#endif
}

/* A weight of a belief: lane 0 counts in the odd sum, lane 1 in the even one; the other lane is 0.0, which adds nothing. */
typedef struct {
    double weight[2];
    int64_t signal, unused; /* 32 bytes: an index is a shift */
} km_term;

/* The odd and even sum over n terms, each in the order of the terms, on top of the bar part. */
static inline void km_sum(double *sum, const double *bar, const km_term *term, int64_t n, const double *x) {
#if defined(__SSE2__)
    __m128d total = _mm_setzero_pd();
    for (const km_term *end = term + n; term < end; term++)
        total = _mm_add_pd(total, _mm_mul_pd(_mm_loadu_pd(term->weight), _mm_set1_pd(x[term->signal])));
    _mm_storeu_pd(sum, _mm_add_pd(_mm_loadu_pd(bar), total));
#else
    double odd = 0.0, even = 0.0;
    for (int64_t i = 0; i < n; i++) {
        odd += term[i].weight[0] * x[term[i].signal];
        even += term[i].weight[1] * x[term[i].signal];
    }
    sum[0] = bar[0] + odd;
    sum[1] = bar[1] + even;
#endif
}

/* Smooths a pair of sums (odd, even) towards new ones; answers `distance`, decayed, plus how far both moved. */
static inline double km_smooth(double *pair, const double *sum, double w, double distance) {
#if defined(__SSE2__)
    const __m128d fresh = _mm_loadu_pd(sum);
    const __m128d old = _mm_loadu_pd(pair);
    const __m128d now = _mm_add_pd(fresh, _mm_mul_pd(_mm_set1_pd(w), _mm_sub_pd(old, fresh)));
    const __m128d moved = _mm_andnot_pd(_mm_set1_pd(-0.0), _mm_sub_pd(now, old));
    _mm_storeu_pd(pair, now);
    return distance * w + _mm_cvtsd_f64(moved) + _mm_cvtsd_f64(_mm_unpackhi_pd(moved, moved));
#else
    const double odd = sum[0] + w * (pair[0] - sum[0]), even = sum[1] + w * (pair[1] - sum[1]);
    distance = distance * w + fabs(odd - pair[0]) + fabs(even - pair[1]);
    pair[0] = odd;
    pair[1] = even;
    return distance;
#endif
}

/* a * (even + odd) for the long side, a * (even - odd) for the short one: bit 0, bit 1 where it reaches the threshold. */
static inline int km_reaches(const double *pair, double a, const double *threshold) {
#if defined(__SSE2__)
    const __m128d both = _mm_loadu_pd(pair);
    const __m128d odd = _mm_xor_pd(_mm_unpacklo_pd(both, both), _mm_set_pd(-0.0, 0.0));
    const __m128d v = _mm_mul_pd(_mm_set1_pd(a), _mm_add_pd(_mm_unpackhi_pd(both, both), odd));
    return _mm_movemask_pd(_mm_cmpge_pd(v, _mm_loadu_pd(threshold)));
#else
    return (a * (pair[1] + pair[0]) >= threshold[0]) | (a * (pair[1] - pair[0]) >= threshold[1]) << 1;
#endif
}

/* Two beliefs side by side, of templates whose signals are all odd: lane k is belief k, its even sum is 0.0. A belief with
 * fewer terms is filled up with weights of 0.0, which add nothing. */
typedef struct {
    double weight[2];
    int64_t signal[2];
} km_step;

typedef struct {
    const double *bar[2]; /* the odd bar part, os and D of each */
    double *smoothed[2];
    double *distance[2];
    double a[2], least_long[2], least_short[2]; /* what a * os and -(a * os) have to reach */
} km_beliefs;

/* Sums, smooths with w, and answers who reaches its threshold: bits 0, 1 the long sides of both, bits 2, 3 the short ones. */
static inline int km_believe(km_beliefs *both, const km_step *step, int64_t n, const double *x, double w) {
#if defined(__SSE2__)
    const __m128d weight = _mm_set1_pd(w);
    __m128d total = _mm_setzero_pd();
    for (const km_step *end = step + n; step < end; step++)
        total = _mm_add_pd(total, _mm_mul_pd(_mm_loadu_pd(step->weight), _mm_set_pd(x[step->signal[1]], x[step->signal[0]])));
    const __m128d fresh = _mm_add_pd(_mm_set_pd(*both->bar[1], *both->bar[0]), total);
    const __m128d old = _mm_set_pd(*both->smoothed[1], *both->smoothed[0]);
    const __m128d now = _mm_add_pd(fresh, _mm_mul_pd(weight, _mm_sub_pd(old, fresh)));
    const __m128d sign = _mm_set1_pd(-0.0);
    const __m128d moved = _mm_andnot_pd(sign, _mm_sub_pd(now, old));
    const __m128d distance = _mm_set_pd(*both->distance[1], *both->distance[0]);
    const __m128d further = _mm_add_pd(_mm_mul_pd(distance, weight), moved);
    _mm_storel_pd(both->smoothed[0], now);
    _mm_storeh_pd(both->smoothed[1], now);
    _mm_storel_pd(both->distance[0], further);
    _mm_storeh_pd(both->distance[1], further);
    const __m128d v = _mm_mul_pd(_mm_loadu_pd(both->a), now);
    const __m128d is_long = _mm_cmpge_pd(v, _mm_loadu_pd(both->least_long));
    const __m128d is_short = _mm_cmpge_pd(_mm_xor_pd(v, sign), _mm_loadu_pd(both->least_short));
    return _mm_movemask_pd(is_long) | _mm_movemask_pd(is_short) << 2;
#else
    int reached = 0;
    for (int k = 0; k < 2; k++) {
        double total = 0.0;
        for (int64_t i = 0; i < n; i++) total += step[i].weight[k] * x[step[i].signal[k]];
        const double fresh = *both->bar[k] + total, old = *both->smoothed[k];
        const double now = fresh + w * (old - fresh), v = both->a[k] * now;
        *both->distance[k] = *both->distance[k] * w + fabs(now - old);
        *both->smoothed[k] = now;
        reached |= (v >= both->least_long[k]) << k | (-v >= both->least_short[k]) << (2 + k);
    }
    return reached;
#endif
}

/* The double that stands `key` places above -infinity. */
static inline double km_double_at(uint64_t key) {
    const uint64_t top = UINT64_C(1) << 63, infinity = UINT64_C(0x7ff0000000000000);
    uint64_t bits = key <= infinity ? (top | (infinity - key)) : key - infinity - 1;
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Smallest v with v / w + b >= z (w > 0): both steps round monotonically, so v >= it says the same without a division. */
static inline double km_threshold(double z, double w, double b) {
    uint64_t low = 0, high = UINT64_C(0xffe0000000000001); /* -infinity, +infinity */
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (km_double_at(middle) / w + b >= z)
            high = middle;
        else
            low = middle + 1;
    }
    return km_double_at(low);
}

/* sqrt(n * sum x^2 - (sum x)^2) over integers, exact until the conversion; *sum_x receives the plain sum. */
static inline double km_spread_of(const int64_t *x, int n, int64_t *sum_x) {
    __int128 sum = 0, squares = 0;
    for (int i = 0; i < n; i++) {
        sum += x[i];
        squares += (__int128)x[i] * x[i];
    }
    *sum_x = (int64_t)sum;
    return km_sqrt((double)(squares * n - sum * sum));
}

/* sqrt(n * sum x^2 - (sum x)^2) of sums that are there already. */
static inline double km_root_of_variance(int64_t n, int64_t sum_x2, int64_t sum_x) {
    return km_sqrt((double)((__int128)sum_x2 * n - (__int128)sum_x * sum_x));
}

#endif
