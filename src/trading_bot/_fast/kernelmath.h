/* The few operations Cython cannot say exactly: divisions without a Python zero check, roots without errno, 128-bit sums,
 * and two-lane forms of the decay and the squash. Every lane does the same IEEE operations in the same order as the
 * scalar form, so both give the same bits (docs/kernel.md, section 1). No other mathematics library is used. */
#ifndef TRADING_BOT_KERNELMATH_H
#define TRADING_BOT_KERNELMATH_H

#include <math.h>
#include <stdint.h>

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

/* y[i] = s(x[i] / k[i]) for n values (n even, k != 0). */
static inline void km_squash_many(double *y, const double *x, const double *k, int n) {
#if defined(__SSE2__)
    const __m128d one = _mm_set1_pd(1.0);
    for (int i = 0; i < n; i += 2) {
        __m128d v = _mm_div_pd(_mm_loadu_pd(x + i), _mm_loadu_pd(k + i));
        _mm_storeu_pd(y + i, _mm_div_pd(v, _mm_sqrt_pd(_mm_add_pd(one, _mm_mul_pd(v, v)))));
    }
#else
    for (int i = 0; i < n; i++) {
        double v = x[i] / k[i];
        y[i] = v / sqrt(1.0 + v * v);
    }
#endif
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

#endif
