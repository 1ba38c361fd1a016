/* CRC32C (Castagnoli, RFC 3720 appendix B.4) and the few atomic operations of the event log.
 *
 * SSE4.2 does one 8-byte word per instruction; the table version (slicing by 8) gives the same numbers everywhere else.
 * Which one runs is decided once, by asking the processor, in tb_crc32c_init.
 */
#ifndef TRADING_BOT_CRC32C_H
#define TRADING_BOT_CRC32C_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the event log is little-endian: frames are read and written in place"
#endif

#define TB_CRC32C_POLYNOMIAL 0x82F63B78u /* 0x1EDC6F41 with its bits reversed */

static uint32_t tb_crc32c_table[8][256];
static int tb_crc32c_hardware = 0;

static void tb_crc32c_init(void) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ ((crc & 1u) ? TB_CRC32C_POLYNOMIAL : 0u);
        tb_crc32c_table[0][i] = crc;
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int k = 1; k < 8; k++)
            tb_crc32c_table[k][i] =
                (tb_crc32c_table[k - 1][i] >> 8) ^ tb_crc32c_table[0][tb_crc32c_table[k - 1][i] & 0xFFu];
#if defined(__x86_64__)
    __builtin_cpu_init();
    tb_crc32c_hardware = __builtin_cpu_supports("sse4.2") ? 1 : 0;
#endif
}

static inline uint64_t tb_load_word(const uint8_t *p) {
    uint64_t word;
    memcpy(&word, p, 8);
    return word;
}

static uint32_t tb_crc32c_software_run(uint32_t crc, const uint8_t *p, size_t n) {
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t w = tb_load_word(p) ^ crc;
        crc = tb_crc32c_table[7][w & 0xFF] ^ tb_crc32c_table[6][(w >> 8) & 0xFF] ^
              tb_crc32c_table[5][(w >> 16) & 0xFF] ^ tb_crc32c_table[4][(w >> 24) & 0xFF] ^
              tb_crc32c_table[3][(w >> 32) & 0xFF] ^ tb_crc32c_table[2][(w >> 40) & 0xFF] ^
              tb_crc32c_table[1][(w >> 48) & 0xFF] ^ tb_crc32c_table[0][w >> 56];
    }
    for (; n; n--, p++) crc = (crc >> 8) ^ tb_crc32c_table[0][(crc ^ *p) & 0xFF];
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t tb_crc32c_hardware_run(uint32_t crc, const uint8_t *p, size_t n) {
    uint64_t c = crc;
    for (; n >= 8; n -= 8, p += 8) c = __builtin_ia32_crc32di(c, tb_load_word(p));
    for (; n; n--, p++) c = __builtin_ia32_crc32qi((uint32_t)c, *p);
    return (uint32_t)c;
}

/* Bytes 8..64 of a record, unrolled: the only crc on the tick path. */
__attribute__((target("sse4.2"))) static uint32_t tb_crc32c_hardware_56(uint32_t crc, const uint8_t *p) {
    uint64_t c = crc;
    c = __builtin_ia32_crc32di(c, tb_load_word(p));
    c = __builtin_ia32_crc32di(c, tb_load_word(p + 8));
    c = __builtin_ia32_crc32di(c, tb_load_word(p + 16));
    c = __builtin_ia32_crc32di(c, tb_load_word(p + 24));
    c = __builtin_ia32_crc32di(c, tb_load_word(p + 32));
    c = __builtin_ia32_crc32di(c, tb_load_word(p + 40));
    return (uint32_t)__builtin_ia32_crc32di(c, tb_load_word(p + 48));
}
#endif

/* Continues a running (not yet inverted) crc over n bytes. */
static inline uint32_t tb_crc32c_run(uint32_t crc, const uint8_t *p, size_t n) {
#if defined(__x86_64__)
    if (tb_crc32c_hardware) return tb_crc32c_hardware_run(crc, p, n);
#endif
    return tb_crc32c_software_run(crc, p, n);
}

/* crc of a frame whose final length is `length` (its length field may not be stored yet): bytes 4 .. length. */
static inline uint32_t tb_frame_crc(const uint8_t *frame, uint32_t length) {
    uint8_t head[4];
    memcpy(head, &length, 4);
    return ~tb_crc32c_run(tb_crc32c_run(0xFFFFFFFFu, head, 4), frame + 8, length - 8);
}

/* The same for a 64-byte record; `after_length` is the running crc after the four bytes of the number 64. */
static inline uint32_t tb_record_crc(const uint8_t *record, uint32_t after_length) {
#if defined(__x86_64__)
    if (tb_crc32c_hardware) return ~tb_crc32c_hardware_56(after_length, record + 8);
#endif
    return ~tb_crc32c_software_run(after_length, record + 8, 56);
}

/* The running crc after the length field of a 64-byte record. */
static inline uint32_t tb_record_crc_start(void) {
    const uint8_t head[4] = {64, 0, 0, 0};
    return tb_crc32c_software_run(0xFFFFFFFFu, head, 4);
}

/* The commit marker: a reader in another process that sees the length sees the whole frame. */
static inline void tb_store_length(uint8_t *frame, uint32_t length) {
    __atomic_store_n((uint32_t *)(frame + 4), length, __ATOMIC_RELEASE);
}

static inline uint32_t tb_load_length(const uint8_t *frame) {
    return __atomic_load_n((const uint32_t *)(frame + 4), __ATOMIC_ACQUIRE);
}

static inline void *tb_exchange(void **where, void *value) {
    return __atomic_exchange_n(where, value, __ATOMIC_ACQ_REL);
}

static inline void *tb_load_pointer(void **where) { return __atomic_load_n(where, __ATOMIC_ACQUIRE); }

/* True when `where` held `expected` and now holds `value`. */
static inline int tb_replace(void **where, void *expected, void *value) {
    return __atomic_compare_exchange_n(where, &expected, value, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static inline void tb_store_u64(uint64_t *where, uint64_t value) { __atomic_store_n(where, value, __ATOMIC_RELEASE); }

static inline uint64_t tb_load_u64(uint64_t *where) { return __atomic_load_n(where, __ATOMIC_ACQUIRE); }

#endif
