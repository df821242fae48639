/*
 * mix.h - several workloads at once, each with its share of the accesses.
 */
#ifndef MM_CLI_WORKLOAD_MIX_H
#define MM_CLI_WORKLOAD_MIX_H

#include "workload/family.h"

struct workload_mix {
    unsigned count;
    double weight[WORKLOAD_MIX_MAX];
    double below[WORKLOAD_MIX_MAX]; /* the weights up to this one, as a share of all */
    struct workload workload[WORKLOAD_MIX_MAX];
};

/*
 * What is behind "mix" in a text, as struct workload keeps it; it is read again when the workload
 * is fitted, and moves `text` to its end.
 */
bool mix_parse(struct workload *workload, const char **text, struct workload_refusal *ret_refusal);
/* The text with every key resolved. */
void mix_print(const struct workload_mix *mix, char ret_text[WORKLOAD_TEXT_BYTES]);
void mix_free(struct workload_mix *mix); /* NULL is allowed */

/* Each workload of a mix has a seed of its own, so that two that are alike do not move together. */
static inline uint64_t mix_seed(uint64_t seed, unsigned which)
{
    return which == 0 ? seed : random_hash(seed ^ (uint64_t)which << 32);
}

static inline unsigned mix_choose(const struct workload_mix *mix, struct random_generator *random)
{
    const double drawn = random_fraction(random);
    unsigned which = 0;

    while (which + 1 < mix->count && drawn >= mix->below[which]) {
        which++;
    }
    return which;
}

#endif
