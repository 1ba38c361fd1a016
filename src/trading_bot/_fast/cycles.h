/* The processor's own counter: several times cheaper to read than the clock, steady on the machines that have it.
   0 where there is none; who uses it then reads the clock. */
#ifndef TRADING_BOT_CYCLES_H
#define TRADING_BOT_CYCLES_H

#include <stdint.h>

#if defined(__x86_64__)
#include <x86intrin.h>
static inline uint64_t tb_cycles(void) { return __rdtsc(); }
#elif defined(__aarch64__)
static inline uint64_t tb_cycles(void)
{
    uint64_t cycles;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(cycles));
    return cycles;
}
#else
static inline uint64_t tb_cycles(void) { return 0; }
#endif

#endif
