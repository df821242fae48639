/*
 * lowest.h - the pages of lowest rank are the victims, and of one rank the clean ones first.
 *
 * A clean page is available at once, a modified one after a write; but that is worth less than
 * what its use tells. Two sweeps and a count of pages per rank, instead of sorting.
 */
#ifndef MM_POLICY_LOWEST_H
#define MM_POLICY_LOWEST_H

#include "contract/policy.h"

#define RANKS 256u

/* A register's rank is its value. */
static inline uint8_t rank_is_register(uint8_t policy_register)
{
    return policy_register;
}

/* Marks at most `wanted` pages of a rank below `bound`, and returns how many. */
static inline __attribute__((always_inline)) uint32_t
lowest_choose(const struct policy_look *look, uint8_t (*rank_of)(uint8_t), unsigned bound)
{
    uint32_t pages_with[2 * RANKS] = {0};
    uint32_t below = 0, from_last, victims = 0;
    unsigned last = 0; /* the highest rank taken, of which perhaps not all pages */

    for (uint32_t i = 0; i < look->count; i++)
        pages_with[2u * rank_of(look->registers[i]) + look->modified[i]]++;
    while (last < 2 * bound && below + pages_with[last] < look->wanted)
        below += pages_with[last++];
    from_last = last < 2 * bound ? look->wanted - below : 0;
    for (uint32_t i = 0; i < look->count; i++) {
        unsigned rank = 2u * rank_of(look->registers[i]) + look->modified[i];

        look->ret_victim[i] = rank < last;
        if (rank == last && from_last > 0) {
            look->ret_victim[i] = true;
            from_last--;
        }
        victims += look->ret_victim[i];
    }
    return victims;
}

#endif
