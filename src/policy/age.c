/*
 * age.c - the aging register: cumulative use and time since use in eight bits.
 *
 * A look shifts a page's register right and sets the top bit if the page was used since the look
 * before, so that the register holds the last eight looks, the latest weighing most (aging, a
 * form of not frequently used: Tanenbaum, Modern Operating Systems, 3.4). The lowest registers are
 * trimmed first. The later passes of one trim come microseconds after its first: they do not shift,
 * else a page's history would be worn out by one shortage of frames.
 */
#include "contract/policy.h"

#define USED_NOW        0x80u
#define REGISTER_VALUES 256u

/* What a pass may take, as a bound on the register: unused in two looks, in one, anything. */
static const unsigned bound_of_pass[POLICY_PASS_LAST + 1] = {0x40, 0x80, REGISTER_VALUES};

/* A rescue proves that trimming the page was wrong: it starts as if used for two looks. */
static uint8_t age_birth(enum policy_birth how)
{
    return how == POLICY_RESCUE ? 0xC0 : 0x80;
}

static void registers_update(uint32_t count, uint8_t *registers, const bool *accessed,
                             unsigned shift, uint32_t *pages_with)
{
    for (uint32_t i = 0; i < count; i++) {
        registers[i] = (uint8_t)((registers[i] >> shift) | (accessed[i] ? USED_NOW : 0));
        pages_with[registers[i]]++;
    }
}

/* Two sweeps and a count of pages per register value find the lowest without sorting. */
static uint32_t age_choose(uint32_t count, uint8_t *registers, const bool *accessed,
                           uint32_t wanted, unsigned pass, bool *ret_victim)
{
    uint32_t pages_with[REGISTER_VALUES] = {0};
    unsigned bound = bound_of_pass[MIN_OF(pass, POLICY_PASS_LAST)];
    unsigned last = 0; /* the highest register taken, of which perhaps not all pages */
    uint32_t below = 0, from_last, victims = 0;

    registers_update(count, registers, accessed, pass == 0 ? 1 : 0, pages_with);
    while (last < bound && below + pages_with[last] < wanted)
        below += pages_with[last++];
    from_last = last < bound ? wanted - below : 0;
    for (uint32_t i = 0; i < count; i++) {
        ret_victim[i] = registers[i] < last;
        if (registers[i] == last && from_last > 0) {
            ret_victim[i] = true;
            from_last--;
        }
        victims += ret_victim[i];
    }
    return victims;
}

const struct policy policy_aging_register = {
    .name = "age8",
    .caption = "8-bit aging register: cumulative use and time since use",
    .birth = age_birth,
    .choose = age_choose,
};
