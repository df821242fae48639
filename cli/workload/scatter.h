/*
 * scatter.h - a seeded permutation of 0..count-1, so that hot ranks need not be neighbours.
 *
 * Odd multiplications and shifted exclusive-ors are bijections on numbers of any width. The width
 * is the smallest that holds count; a result past the end is permuted again until it fits
 * (cycle walking), which takes less than two rounds on average and stays a bijection.
 */
#ifndef MM_CLI_WORKLOAD_SCATTER_H
#define MM_CLI_WORKLOAD_SCATTER_H

#include "base/random.h"

#define SCATTER_ROUNDS 3

struct scatter {
    uint64_t count, mask;
    unsigned shift;
    uint64_t factor[SCATTER_ROUNDS], offset[SCATTER_ROUNDS];
};

static inline void scatter_init(struct scatter *scatter, uint64_t count, uint64_t seed)
{
    unsigned width = 1;

    while (width < 63 && ((uint64_t)1 << width) < count) {
        width++;
    }
    scatter->count = count;
    scatter->mask = ((uint64_t)1 << width) - 1;
    scatter->shift = width / 2 + width % 2;
    for (unsigned i = 0; i < SCATTER_ROUNDS; i++) {
        scatter->factor[i] = random_hash(seed + 2 * i + 1) | 1;
        scatter->offset[i] = random_hash(seed + 2 * i + 2);
    }
}

static inline uint64_t scatter_of(const struct scatter *scatter, uint64_t x)
{
    do {
        for (unsigned i = 0; i < SCATTER_ROUNDS; i++) {
            x = (x * scatter->factor[i] + scatter->offset[i]) & scatter->mask;
            x ^= x >> scatter->shift;
        }
    } while (x >= scatter->count);
    return x;
}

#endif
