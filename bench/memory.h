/*
 * memory.h - managed memory for benchmarks: committed, touched, in random order. What fails ends
 * the program.
 */
#ifndef BENCH_MEMORY_H
#define BENCH_MEMORY_H

#include "memman.h"

#include <stdio.h>
#include <stdlib.h>

/* Reserve and commit all of it; the address. The calling thread is detached again. */
uint64_t commit_all(mm *manager);
/* Read or write one word. */
static inline void touch(mm *manager, uint64_t address, bool write)
{
    uint64_t word = 1;
    int error = write ? mm_write(manager, address, &word, sizeof(word))
                      : mm_read(manager, address, &word, sizeof(word));
    if (error != MM_OK) {
        fprintf(stderr, "memman-bench: %s\n", mm_error_text(error));
        exit(1);
    }
}
/* Numbers 0..count-1 in an order that the seed decides; free() it. */
uint32_t *shuffled(uint32_t count, uint64_t seed);

#endif
