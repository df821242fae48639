/*
 * fifo.c - first in, first out, as far as looks can tell; needs no accessed bits.
 *
 * The register counts the looks since a page came; the most go first, whether they were used or
 * not. The standby list forgives what that does wrong.
 *
 * fifo: the line the other policies must beat. segfifo: half of the frames are available, so that a
 * page has as long to come back from the lists as it had in the working set (Turner and Levy,
 * Segmented FIFO page replacement, SIGMETRICS 1981).
 */
#include "policy/lowest.h"

static uint8_t fifo_birth(enum policy_birth how)
{
    (void)how;
    return 0;
}

static uint8_t rank_by_arrival(uint8_t looks)
{
    return (uint8_t)(RANKS - 1 - looks);
}

static uint32_t fifo_choose(const struct policy_look *look)
{
    for (uint32_t i = 0; i < look->count && look->pass == 0; i++)
        look->registers[i] = (uint8_t)(look->registers[i] + (look->registers[i] < RANKS - 1));
    return lowest_choose(look, rank_by_arrival, RANKS);
}

const struct policy policy_fifo = {
    .name = "fifo",
    .caption = "first in, first out",
    .birth = fifo_birth,
    .choose = fifo_choose,
};

const struct policy policy_segmented_fifo = {
    .name = "segfifo",
    .caption = "first in, first out, and half of the frames to come back from",
    .standby_percent = 50,
    .birth = fifo_birth,
    .choose = fifo_choose,
};
