/*
 * aging.c - the aging register: cumulative use and time since use in eight bits.
 *
 * A look that ages shifts a page's register right, and any look sets the top bit if the page was
 * used since the look before: the register holds the last eight agings, the latest weighing most
 * (aging, a form of not frequently used: Tanenbaum, Modern Operating Systems, 3.4). The lowest
 * registers are trimmed first.
 *
 * A region ages when it runs out of old pages, not at every look: a trim takes a few pages, and in
 * the time of eight of them hardly anything is used. So the tick follows the faults. The later
 * passes of one trim come microseconds after its first and never age.
 */
#include "policy/lowest.h"

#define USED_NOW 0x80u
#define OLD      0x40u /* below: unused since the aging before the last */

/* A region ages when not so many of its pages are old: then the oldest of them are a choice. */
#define OLD_ONE_IN 4u

/* What a pass may take, as a bound on the register: unused in two agings, in one, anything. */
static const unsigned bound_of_pass[POLICY_PASS_LAST + 1] = {OLD, USED_NOW, RANKS};

/* A rescue proves that trimming the page was wrong: it starts as if used for two agings. */
static uint8_t aging_birth(enum policy_birth how)
{
    return how == POLICY_RESCUE ? USED_NOW | OLD : USED_NOW;
}

static bool few_are_old(const struct policy_look *look)
{
    const uint8_t *registers = look->registers;
    const bool *accessed = look->accessed;
    uint32_t old = 0;

    for (uint32_t i = 0; i < look->count; i++)
        old += (uint8_t)(registers[i] | accessed[i] * USED_NOW) < OLD;
    return old < look->wanted || old * OLD_ONE_IN < look->count;
}

static uint32_t aging_choose(const struct policy_look *look)
{
    unsigned shift = look->pass == 0 && few_are_old(look) ? 1 : 0;
    uint8_t *registers = look->registers;
    const bool *accessed = look->accessed;
    uint32_t count = look->count; /* a register might be anything, for all the compiler knows */

    for (uint32_t i = 0; i < count; i++)
        registers[i] = (uint8_t)((registers[i] >> shift) | (accessed[i] ? USED_NOW : 0));
    return lowest_choose(look, rank_is_register, bound_of_pass[MIN_OF(look->pass, 2u)]);
}

const struct policy policy_aging = {
    .name = "aging",
    .caption = "8-bit aging register: cumulative use and time since use",
    .birth = aging_birth,
    .choose = aging_choose,
};
