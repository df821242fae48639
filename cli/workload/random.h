/*
 * random.h - random numbers for the workloads: xoshiro256** seeded by splitmix64.
 *
 * Both after the public-domain description by David Blackman and Sebastiano Vigna, "Scrambled
 * linear pseudorandom number generators" (2021). Not for secrets.
 */
#ifndef MM_CLI_WORKLOAD_RANDOM_H
#define MM_CLI_WORKLOAD_RANDOM_H

#include <stdint.h>

struct random {
    uint64_t word[4];
};

/* The output function of splitmix64: a bijection that spreads every bit over all others. */
static inline uint64_t random_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static inline void random_seed(struct random *random, uint64_t seed)
{
    for (unsigned i = 0; i < 4; i++) {
        seed += 0x9e3779b97f4a7c15u;
        random->word[i] = random_mix(seed);
    }
}

static inline uint64_t random_rotate(uint64_t x, unsigned bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static inline uint64_t random_next(struct random *random)
{
    uint64_t *word = random->word;
    const uint64_t result = random_rotate(word[1] * 5, 7) * 9;
    const uint64_t shifted = word[1] << 17;

    word[2] ^= word[0];
    word[3] ^= word[1];
    word[1] ^= word[2];
    word[0] ^= word[3];
    word[2] ^= shifted;
    word[3] = random_rotate(word[3], 45);
    return result;
}

/* 0 <= result < bound. The bias is below bound / 2^64: no test of a workload could see it. */
static inline uint64_t random_below(struct random *random, uint64_t bound)
{
    return (uint64_t)(((unsigned __int128)random_next(random) * bound) >> 64);
}

/* 0 <= result < 1, in steps of 2^-53. */
static inline double random_unit_of(uint64_t bits)
{
    return (double)(bits >> 11) * 0x1p-53;
}

#endif
