/*
 * table.c - every policy that can be judged, by name. Each one's paper is named in its file.
 *
 * Those of the engine that are also a paper's algorithm have "run:" before their name.
 */
#include "judge/judge.h"

#include <string.h>

#define RUN "run:"

const struct judged_policy judged_policies[] = {
    {"fifo", "first in, first out", judge_fifo},
    {"clock", "first in, first out, but what was used stays once more", judge_clock},
    {"segfifo", "FIFO, and half of the frames to come back from", judge_segmented_fifo},
    {"age", "the engine's: time since use in three bits, as Windows", NULL},
    {"aging", "the engine's, its default: the aging register", NULL},
    {"mglru", "up to four generations, as Linux", judge_mglru},
    {"clock2q", "Clock2Q+: on probation, then a clock", judge_clock2q},
    {"2q", "on probation, then least recently used", judge_two_queue},
    {"arc", "once and again share the frames as their ghosts say", judge_arc},
    {"lru", "least recently used", judge_lru},
    {"opt", "farthest next use: the fewest hard faults there can be", judge_opt},
    {RUN "fifo", "the engine's: by arrival, as far as looks can tell", NULL},
    {RUN "clock", "the engine's: unless used since the last look", NULL},
    {RUN "segfifo", "the engine's: the same, and half of the frames available", NULL},
    {RUN "mglru", "the engine's: four generations of a region", NULL},
    {RUN "clock2q", "the engine's: Clock2Q+ with its lists for ghosts", NULL},
    {RUN "2q", "the engine's: 2Q with its lists for ghosts", NULL},
    {NULL, NULL, NULL},
};

const struct judged_policy *judged_policy_find(const char *name)
{
    for (const struct judged_policy *policy = judged_policies; policy->name != NULL; policy++) {
        if (strcmp(policy->name, name) == 0) {
            return policy;
        }
    }
    return NULL;
}

bool judge(const struct judged_policy *policy, const struct references *references,
           const struct judge_setup *setup, struct verdict *ret_verdict)
{
    size_t prefix = strncmp(policy->name, RUN, strlen(RUN)) == 0 ? strlen(RUN) : 0;
    return policy->judge != NULL
               ? policy->judge(references, setup, ret_verdict)
               : judge_engine(policy->name + prefix, references, setup, ret_verdict);
}
