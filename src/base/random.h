/*
 * random.h - random numbers that repeat from a seed.
 *
 * xoshiro256** and splitmix64 by David Blackman and Sebastiano Vigna (prng.di.unimi.it). A
 * generator belongs to one thread.
 */
#ifndef MM_BASE_RANDOM_H
#define MM_BASE_RANDOM_H

#include "base/types.h"

struct random_generator {
    uint64_t state[4];
};

/* splitmix64: any sequence of states is good, so it also turns numbers into hashes. */
static inline uint64_t random_mix(uint64_t *state)
{
    uint64_t mixed = (*state += 0x9e3779b97f4a7c15ull);

    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ull;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebull;
    return mixed ^ (mixed >> 31);
}

/* Every bit of the value spread over all bits of the result; different for different values. */
static inline uint64_t random_hash(uint64_t value)
{
    return random_mix(&value);
}

/* Generators of one seed and different streams are independent for all we care. */
static inline void random_seed(struct random_generator *generator, uint64_t seed, uint64_t stream)
{
    uint64_t state = seed;

    state = random_mix(&state) ^ stream;
    for (unsigned i = 0; i < ARRAY_COUNT(generator->state); i++)
        generator->state[i] = random_mix(&state);
}

static inline uint64_t random_rotate(uint64_t value, unsigned bits)
{
    return (value << bits) | (value >> (64 - bits));
}

static inline uint64_t random_next(struct random_generator *generator)
{
    uint64_t *state = generator->state;
    uint64_t result = random_rotate(state[1] * 5, 7) * 9;
    uint64_t shifted = state[1] << 17;

    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = random_rotate(state[3], 45);
    return result;
}

/* 0..bound-1; the bias is below bound / 2^64. */
static inline uint64_t random_below(struct random_generator *generator, uint64_t bound)
{
    __extension__ typedef unsigned __int128 wide;

    return (uint64_t)(((wide)random_next(generator) * bound) >> 64);
}

/* In [0, 1), made of the upper 53 bits. */
static inline double random_fraction_of(uint64_t bits)
{
    return (double)(bits >> 11) * 0x1.0p-53;
}

static inline double random_fraction(struct random_generator *generator)
{
    return random_fraction_of(random_next(generator));
}

#endif
