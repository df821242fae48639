/*
 * table.c - every policy that can be judged, by name. Each one's paper is named in its file.
 */
#include "judge/judge.h"

#include <string.h>

const struct judged_policy judged_policies[] = {
    {"fifo", "first in, first out", judge_fifo},
    {"clock", "first in, first out, but what was used stays once more", judge_clock},
    {"segfifo", "FIFO, and half of the frames to come back from", judge_segmented_fifo},
    {"mglru", "up to four generations, as Linux", judge_mglru},
    {"clock2q", "Clock2Q+: on probation, then a clock", judge_clock2q},
    {"2q", "on probation, then least recently used", judge_two_queue},
    {"arc", "once and again share the frames as their ghosts say", judge_arc},
    {"lru", "least recently used", judge_lru},
    {"opt", "farthest next use: the fewest hard faults there can be", judge_opt},
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
