/*
 * wire.h - what the plugin inside QEMU sends through a socket to `memman record`.
 *
 * A batch is its head and `count` references. The first has none: it says that the plugin is at
 * work.
 *
 * It is a socket because the program shares the plugin's descriptors, and might close this one and
 * open a file in its place: only a socket can be sent to, and without SIGPIPE.
 */
#ifndef MM_CLI_RECORD_WIRE_H
#define MM_CLI_RECORD_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#define WIRE_MARK        0x6d6d7265636f7264ull
#define WIRE_COUNT_MAX   8186u /* a batch has less than 64 KiB */
#define WIRE_THREADS_MAX 65536u
#define WIRE_PAGE_BITS   47u

struct wire_head {
    uint64_t mark;
    uint64_t count;
    uint64_t accesses; /* of all threads so far */
    uint64_t children; /* processes and programs started so far, which are not recorded */
    uint64_t last;     /* nothing comes after this */
};

static inline uint64_t wire_reference(uint64_t page, uint32_t thread, bool write)
{
    return page << 17 | (uint64_t)thread << 1 | write;
}

static inline void wire_take(uint64_t reference, uint64_t *ret_page, uint32_t *ret_thread,
                             bool *ret_write)
{
    *ret_page = reference >> 17;
    *ret_thread = (uint32_t)(reference >> 1) & (WIRE_THREADS_MAX - 1);
    *ret_write = (reference & 1) != 0;
}

#endif
