/*
 * queues.c - probation first: policies of two queues, held in the registers, with the standby list
 * for a ghost list. A register says in which queue a page is, and for how many looks.
 *
 * 2q: Johnson and Shasha, VLDB 1994. A new page is in A1in, whose pages go in the order they came,
 * used or not; what comes back from the lists - A1out, with the pages still in it - is in Am, whose
 * pages go by time since use. While A1in has more than a quarter of a region's pages it gives
 * first, else Am.
 *
 * clock2q: Zhai and others, Clock2Q+, VLDB 2026. A new page is in the small queue; used after the
 * first look it goes on to the main one, a clock. Uses until the first look belong to the one that
 * brought the page in (the correlation window). The small queue gives first while it has more than
 * a tenth of a region.
 *
 * The papers' ghosts are lists of pages without frames, as long as half of the frames; these have
 * frames, and are as long as the lists are. Without accessed bits both still see what comes back.
 */
#include "policy/lowest.h"

#define MAIN  0x80u /* Am, the main queue; else A1in, the small one */
#define LOOKS 0x7Fu /* since the page came there, or was last spared */

/* Of the queue that gives first, all but what was spared by this look; nearly all; all. */
static const unsigned bound_of_pass[POLICY_PASS_LAST + 1] = {LOOKS, MAIN | LOOKS, RANKS};

static uint8_t queues_birth(enum policy_birth how)
{
    return how == POLICY_RESCUE ? MAIN : 0;
}

static uint8_t looked_at(uint8_t value)
{
    return (uint8_t)(value + ((value & LOOKS) < LOOKS));
}

static uint8_t rank_probation_first(uint8_t value)
{
    return value ^ LOOKS;
}

static uint8_t rank_main_first(uint8_t value)
{
    return value ^ (MAIN | LOOKS);
}

static inline __attribute__((always_inline)) uint32_t
queues_choose(const struct policy_look *look, uint8_t (*next)(uint8_t, bool), unsigned one_in)
{
    unsigned bound = bound_of_pass[MIN_OF(look->pass, POLICY_PASS_LAST)];
    uint32_t probation = 0;

    for (uint32_t i = 0; i < look->count; i++) {
        if (look->pass == 0)
            look->registers[i] = next(look->registers[i], look->accessed[i]);
        probation += (look->registers[i] & MAIN) == 0;
    }
    return probation * one_in > look->count ? lowest_choose(look, rank_probation_first, bound)
                                            : lowest_choose(look, rank_main_first, bound);
}

/* ---- 2q ---- */

static uint8_t two_queue_next(uint8_t value, bool accessed)
{
    return accessed && (value & MAIN) ? MAIN : looked_at(value);
}

static uint32_t two_queue_choose(const struct policy_look *look)
{
    return queues_choose(look, two_queue_next, 4);
}

const struct policy policy_two_queue = {
    .name = "2q",
    .caption = "2Q, standby list for A1out: what comes back is kept",
    .birth = queues_birth,
    .choose = two_queue_choose,
};

/* ---- clock2q ---- */

static uint8_t clock2q_next(uint8_t value, bool accessed)
{
    return accessed && value != 0 ? MAIN : looked_at(value);
}

static uint32_t clock2q_choose(const struct policy_look *look)
{
    return queues_choose(look, clock2q_next, 10);
}

const struct policy policy_clock2q = {
    .name = "clock2q",
    .caption = "Clock2Q+, standby list for ghosts: on probation first",
    .birth = queues_birth,
    .choose = clock2q_choose,
};
