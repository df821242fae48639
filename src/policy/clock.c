/*
 * clock.c - second chance: what was used since the hand came by becomes the youngest again.
 *
 * Corbato, A paging experiment with the Multics system, 1968. The hand is the trimmer's, over the
 * regions; of the pages of a region the register says how many looks ago each came or was spared,
 * and the most go first. Without accessed bits a rescue is the only use that is seen.
 */
#include "policy/lowest.h"

static uint8_t clock_birth(enum policy_birth how)
{
    (void)how;
    return 0;
}

static uint8_t rank_by_looks(uint8_t looks)
{
    return (uint8_t)(RANKS - 1 - looks);
}

static uint32_t clock_choose(const struct policy_look *look)
{
    for (uint32_t i = 0; i < look->count && look->pass == 0; i++) {
        unsigned looks = look->registers[i];

        look->registers[i] = (uint8_t)(look->accessed[i] ? 0 : looks + (looks < RANKS - 1));
    }
    return lowest_choose(look, rank_by_looks, look->pass == 0 ? RANKS - 1 : RANKS);
}

const struct policy policy_clock = {
    .name = "clock",
    .caption = "second chance: unless used since the last look",
    .birth = clock_birth,
    .choose = clock_choose,
};
