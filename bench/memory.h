/*
 * memory.h - managed memory for benchmarks: committed, touched, in random order. What fails ends
 * the program.
 */
#ifndef BENCH_MEMORY_H
#define BENCH_MEMORY_H

#include "engine/counters.h"
#include "memman.h"

#include <stdio.h>
#include <stdlib.h>

/* As mm_options_init() has them, without timing. */
void bench_options(enum mm_machine machine, uint64_t memory_bytes, uint64_t frames_bytes,
                   struct mm_options *ret_options);
/*
 * NULL: the system cannot, and *ret_detail says why. Any other refusal ends the program; where
 * ret_detail is NULL that one too.
 */
mm *make_or_refuse(const struct mm_options *options, struct mm_detail *ret_detail);
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
uint64_t counter_value(const mm *manager, enum counter id);
/* Numbers 0..count-1 in an order that the seed decides; free() it. */
uint32_t *shuffled(uint32_t count, uint64_t seed);

#endif
