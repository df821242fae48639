/*
 * memory.h - one 64-bit word of managed memory, read or written in the way its machine wants.
 *
 * On the Linux machine that is a plain load or store, which may fault; on the soft machine a call,
 * which may fail.
 */
#ifndef MM_CLI_MEMORY_H
#define MM_CLI_MEMORY_H

#include "memman.h"

struct memory {
    mm *manager;
    uint64_t base; /* address of page 0 */
    uint64_t pages;
    bool plain; /* loads and stores */
};

static inline uint64_t memory_address(const struct memory *memory, uint64_t page, uint32_t word)
{
    return memory->base + page * MM_PAGE_BYTES + word * sizeof(uint64_t);
}

/* Relaxed: ordering between threads is the oracle's business. */
static inline int memory_load(const struct memory *memory, uint64_t address, uint64_t *ret_word)
{
    if (memory->plain) {
        *ret_word = __atomic_load_n((const uint64_t *)(uintptr_t)address, __ATOMIC_RELAXED);
        return MM_OK;
    }
    return mm_read(memory->manager, address, ret_word, sizeof(*ret_word));
}

static inline int memory_store(const struct memory *memory, uint64_t address, uint64_t word)
{
    if (memory->plain) {
        __atomic_store_n((uint64_t *)(uintptr_t)address, word, __ATOMIC_RELAXED);
        return MM_OK;
    }
    return mm_write(memory->manager, address, &word, sizeof(word));
}

#endif
