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

/*
 * Pages are counted into so many sums in turn: most have the same few ranks, and a sum can only
 * grow again when it is back in memory.
 */
#define SUMS 4u

/* Pages of each rank, clean and modified. */
static inline __attribute__((always_inline)) void
lowest_count(const struct policy_look *look, uint8_t (*rank_of)(uint8_t), uint32_t *ret_pages_with)
{
    uint16_t sums[SUMS][2 * RANKS] = {0};
    const uint8_t *registers = look->registers;
    const bool *modified = look->modified;
    uint32_t i = 0;

    for (; i + SUMS <= look->count; i += SUMS) {
        for (unsigned sum = 0; sum < SUMS; sum++)
            sums[sum][2u * rank_of(registers[i + sum]) + modified[i + sum]]++;
    }
    for (; i < look->count; i++)
        sums[0][2u * rank_of(registers[i]) + modified[i]]++;
    for (unsigned place = 0; place < 2 * RANKS; place++) {
        ret_pages_with[place] = 0;
        for (unsigned sum = 0; sum < SUMS; sum++)
            ret_pages_with[place] += sums[sum][place];
    }
}

/* Marks at most `wanted` pages of a rank below `bound`, and returns how many. */
static inline __attribute__((always_inline)) uint32_t
lowest_choose(const struct policy_look *look, uint8_t (*rank_of)(uint8_t), unsigned bound)
{
    uint32_t pages_with[2 * RANKS], victims = 0;
    const uint8_t *registers = look->registers;
    bool *victim = look->ret_victim;
    unsigned last = 0; /* the highest rank taken, of which perhaps not all pages */

    lowest_count(look, rank_of, pages_with);
    while (last < bound) {
        uint32_t with = pages_with[2 * last] + pages_with[2 * last + 1];
        if (victims + with >= look->wanted)
            break;
        victims += with;
        last++;
    }
    for (uint32_t i = 0; i < look->count; i++)
        victim[i] = rank_of(registers[i]) < last;
    if (last == bound)
        return victims;

    uint32_t clean = MIN_OF(pages_with[2 * last], look->wanted - victims);
    uint32_t modified = look->wanted - victims - clean;
    for (uint32_t i = 0; clean + modified > 0; i++) {
        uint32_t *left = look->modified[i] ? &modified : &clean;
        if (rank_of(registers[i]) == last && *left > 0) {
            victim[i] = true;
            --*left;
        }
    }
    return look->wanted;
}

#endif
