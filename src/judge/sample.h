/*
 * sample.h - policies judged on some of a trace's pages, to know what they would do with all.
 *
 * Waldspurger and others, Cache modeling and optimization using miniature simulations, USENIX ATC
 * 2017, after SHARDS, FAST 2015: a share of the pages with as large a share of the frames behaves
 * as the whole. Hits on pages that are always in use do not count in what is scaled up, so that it
 * does not matter how many of those the sample has. One thing is added here: what lru makes of all
 * pages is known exactly (curve.h), and of the sample too. What the sample says of a policy is
 * taken as its difference from lru, which is mostly small, and the sample's error with it.
 */
#ifndef MM_JUDGE_SAMPLE_H
#define MM_JUDGE_SAMPLE_H

#include "judge/curve.h"

struct sample {
    struct references references;
    struct curve lru;
    const struct curve *lru_of_all;
    double share; /* of all pages */
};

/*
 * Of so many pages, 1 at least, of references with the curve `lru`, which must live as long. False:
 * no memory, and there is none.
 */
bool sample_begin(struct sample *sample, const struct references *references, uint32_t pages,
                  const struct curve *lru);
/* What judge() would say of all references, about; setup->share is not looked at. */
bool sample_judge(const struct sample *sample, const struct judged_policy *policy,
                  const struct judge_setup *setup, struct verdict *ret_verdict);
void sample_end(struct sample *sample);

#endif
