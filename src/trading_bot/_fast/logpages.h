/* Pages of a log segment: written back to the disk, and made writable again before the hot thread meets them. */
#ifndef TB_LOGPAGES_H
#define TB_LOGPAGES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

static inline size_t tb_page_bytes(void) { return (size_t)sysconf(_SC_PAGESIZE); }

/* Bytes [start, end) of a shared file mapping are durable when this returns 0; otherwise -1 and errno. */
static inline int tb_write_back(uint8_t *base, size_t start, size_t end) {
    size_t from = start - start % tb_page_bytes();
    return end > from ? msync(base + from, end - from, MS_SYNC) : 0;
}

/* Faults the pages of [start, end) in for writing, without changing a byte and without a signal where the file ends
   before them. Linux 5.14 and later; elsewhere nothing happens. */
static inline void tb_make_writable(uint8_t *base, size_t start, size_t end) {
#if defined(__linux__)
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
    size_t page = tb_page_bytes(), from = start - start % page;
    if (end > from) (void)madvise(base + from, end - from, MADV_POPULATE_WRITE);
#else
    (void)base, (void)start, (void)end;
#endif
}

#endif
