/*
 * fifo.c - first in, first out, as far as a circular scan can tell: any page, in order.
 *
 * Knows nothing and needs no accessed bits; the standby list forgives what it does wrong
 * (segmented FIFO: Turner and Levy, SIGMETRICS 1981). The line the other policies must beat.
 */
#include "contract/policy.h"

static uint8_t fifo_birth(enum policy_birth how)
{
    (void)how;
    return 0;
}

static uint32_t fifo_choose(uint32_t count, uint8_t *registers, const bool *accessed,
                            uint32_t wanted, unsigned pass, bool *ret_victim)
{
    (void)registers;
    (void)accessed;
    (void)pass;
    for (uint32_t i = 0; i < count; i++)
        ret_victim[i] = i < wanted;
    return MIN_OF(count, wanted);
}

const struct policy policy_fifo = {
    .name = "fifo",
    .caption = "first in, first out: any page, in address order",
    .birth = fifo_birth,
    .choose = fifo_choose,
};
