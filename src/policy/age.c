/*
 * age.c - time since use alone, in three bits, as Windows ages its working sets.
 *
 * A look makes a page that was used young again and every other one a look older, up to seven; the
 * oldest go first (Windows Internals, 6th edition, part 2: working set manager). The register is
 * what is left of a page's youth, so that the lowest go.
 */
#include "policy/lowest.h"

#define YOUNG 7u

/* Unused in two looks, in one, anything. */
static const unsigned bound_of_pass[POLICY_PASS_LAST + 1] = {YOUNG - 1, YOUNG, RANKS};

static uint8_t age_birth(enum policy_birth how)
{
    (void)how;
    return YOUNG;
}

static uint32_t age_choose(const struct policy_look *look)
{
    unsigned look_ages = look->pass == 0 ? 1 : 0;

    for (uint32_t i = 0; i < look->count; i++) {
        unsigned youth = look->registers[i];

        look->registers[i] =
            (uint8_t)(look->accessed[i] ? YOUNG : youth - (youth > 0 ? look_ages : 0));
    }
    return lowest_choose(look, rank_is_register, bound_of_pass[MIN_OF(look->pass, 2u)]);
}

const struct policy policy_age = {
    .name = "age",
    .caption = "3-bit age, time since use, as Windows",
    .birth = age_birth,
    .choose = age_choose,
};
