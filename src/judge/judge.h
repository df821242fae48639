/*
 * judge.h - policies judged: what a trace would have cost with so many frames.
 *
 * Two kinds. The first are algorithms as their papers have them: every frame holds a page of the
 * working set, the algorithm sees what it wants of every reference, and pages go one by one. The
 * second are those that `memman run` has, src/policy/: the very same functions, in a model of the
 * engine's trimmer, modified writer and lists (model.c), which sees accessed bits now and then and
 * trims in batches to a standby list from which a touched page comes back without a read.
 *
 * Pure functions: any number may run at once on the same references.
 */
#ifndef MM_JUDGE_JUDGE_H
#define MM_JUDGE_JUDGE_H

#include "judge/references.h"

struct verdict {
    uint64_t first;   /* first touches: the same for every policy */
    uint64_t hard;    /* touches of a page that had to be read in again */
    uint64_t soft;    /* touches of a page that had gone to a list and still had its frame */
    uint64_t written; /* pages written because they went while they were dirty */
    uint64_t looks;   /* pages that were looked at to find what goes */
};

struct judge_setup {
    uint32_t frames; /* 1 at least */
    bool unaccessed; /* the engine's policies on a machine without accessed bits: the Linux one */
    uint32_t standby_percent; /* as `memman run --standby` has it; 0: the default */
    double share;             /* references to a sample of the pages: how many of them; 0: to all */
};

struct judged_policy {
    const char *name;
    const char *caption;
    /* NULL: it is the engine's policy of that name, without "run:", in the model. */
    bool (*judge)(const struct references *references, const struct judge_setup *setup,
                  struct verdict *ret_verdict);
};

/* Every policy that can be judged; the last has no name. */
extern const struct judged_policy judged_policies[];

/* The policy of that name; NULL: there is none. */
const struct judged_policy *judged_policy_find(const char *name);

/* False: no memory. */
bool judge(const struct judged_policy *policy, const struct references *references,
           const struct judge_setup *setup, struct verdict *ret_verdict);

bool judge_engine(const char *name, const struct references *references,
                  const struct judge_setup *setup, struct verdict *ret_verdict);

#define JUDGE(name)                                                                                \
    bool judge_##name(const struct references *references, const struct judge_setup *setup,        \
                      struct verdict *ret_verdict)
JUDGE(fifo);
JUDGE(clock);
JUDGE(segmented_fifo);
JUDGE(two_queue);
JUDGE(clock2q);
JUDGE(arc);
JUDGE(mglru);
JUDGE(lru);
JUDGE(opt);

#endif
