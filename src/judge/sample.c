/*
 * sample.c - a sample judged, and scaled up.
 */
#include "judge/sample.h"

bool sample_begin(struct sample *sample, const struct references *references, uint32_t pages,
                  const struct curve *lru)
{
    *sample = (struct sample){.lru_of_all = lru};
    if (!references_sample(references, pages, &sample->references)) {
        return false;
    }
    sample->share = (double)sample->references.pages / references->pages;
    if (!curve_lru(&sample->references, &sample->lru)) {
        references_free(&sample->references);
        return false;
    }
    return true;
}

void sample_end(struct sample *sample)
{
    curve_free(&sample->lru);
    references_free(&sample->references);
}

/* What lru has, and what the policy has more than it; not less than nothing. */
static uint64_t beside_lru(const struct sample *sample, uint64_t own, uint64_t lru, uint64_t of_all)
{
    double all = (double)of_all + ((double)own - (double)lru) / sample->share;
    return all > 0 ? (uint64_t)(all + 0.5) : 0;
}

bool sample_judge(const struct sample *sample, const struct judged_policy *policy,
                  const struct judge_setup *setup, struct verdict *ret_verdict)
{
    const struct curve *of_all = sample->lru_of_all;
    uint32_t frames = MAX_OF((uint32_t)(setup->frames * sample->share + 0.5), 1);
    struct judge_setup small = {.frames = frames,
                                .unaccessed = setup->unaccessed,
                                .standby_percent = setup->standby_percent,
                                .share = sample->share};
    struct verdict verdict;
    if (!judge(policy, &sample->references, &small, &verdict)) {
        return false;
    }
    struct verdict lru = curve_at(&sample->lru, MIN_OF(frames, sample->lru.points));
    struct verdict all = curve_at(of_all, MIN_OF(setup->frames, of_all->points));
    *ret_verdict =
        (struct verdict){.first = all.first,
                         .hard = beside_lru(sample, verdict.hard, lru.hard, all.hard),
                         .soft = beside_lru(sample, verdict.soft, 0, 0),
                         .written = beside_lru(sample, verdict.written, lru.written, all.written),
                         .looks = beside_lru(sample, verdict.looks, 0, 0)};
    return true;
}
