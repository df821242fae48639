/*
 * generations.c - the multi-generational LRU of Linux, as far as two bits of a page can hold it.
 *
 * After Documentation/mm/multigen_lru.rst. There the generations of a whole cgroup have numbers,
 * and a walk of all pages opens a new one when the oldest run out; here a region is walked by
 * itself, when the trimmer looks at it and finds too few pages in its older generations, or too
 * many in its youngest. What was used joins the youngest generation at any look. The two youngest
 * are protected.
 */
#include "policy/lowest.h"

#define YOUNGEST  3u /* generations 0, the oldest, to 3 */
#define PROTECTED 2u /* from here on, in the first pass */

/* Half of the pages young, or not a quarter of them old: it is time to age (mm/vmscan.c). */
static bool must_walk(const struct policy_look *look)
{
    uint32_t young = 0, old = 0;

    for (uint32_t i = 0; i < look->count; i++) {
        young += look->registers[i] == YOUNGEST;
        old += look->registers[i] < PROTECTED;
    }
    return young * 2 > look->count || old * 4 < look->count;
}

static uint8_t generations_birth(enum policy_birth how)
{
    (void)how;
    return YOUNGEST;
}

static uint32_t generations_choose(const struct policy_look *look)
{
    static const unsigned bound_of_pass[POLICY_PASS_LAST + 1] = {PROTECTED, YOUNGEST, RANKS};

    for (uint32_t i = 0; i < look->count; i++)
        look->registers[i] = look->accessed[i] ? YOUNGEST : look->registers[i];
    bool walk = look->pass == 0 && must_walk(look);
    for (uint32_t i = 0; i < look->count && walk; i++) {
        unsigned generation = look->registers[i];

        generation -= !look->accessed[i] && generation > 0;
        look->registers[i] = (uint8_t)generation;
    }
    return lowest_choose(look, rank_is_register, bound_of_pass[MIN_OF(look->pass, 2u)]);
}

const struct policy policy_generations = {
    .name = "mglru",
    .caption = "four generations, aged when the old ones run out, as Linux",
    .birth = generations_birth,
    .choose = generations_choose,
};
