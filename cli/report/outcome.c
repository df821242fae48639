/*
 * outcome.c - what several reports say of a run alike.
 */
#include "report/outcome.h"

#include <math.h>
#include <string.h>

uint64_t outcome_counter(const struct outcome *outcome, const char *group, const char *key)
{
    for (size_t i = 0; i < outcome->counters; i++) {
        if (strcmp(outcome->counter[i].group, group) == 0 &&
            strcmp(outcome->counter[i].key, key) == 0) {
            return outcome->counter[i].value;
        }
    }
    return 0;
}

static double ratio(uint64_t part, uint64_t whole)
{
    return whole > 0 ? (double)part / (double)whole : (double)NAN;
}

void outcome_read_ahead(const struct outcome *outcome, struct read_ahead *ret_ahead)
{
    const uint64_t pages = outcome_counter(outcome, "moves", "prefetched");
    const uint64_t used = outcome_counter(outcome, "moves", "prefetch_used");
    const uint64_t hard = outcome_counter(outcome, "faults", "hard");

    *ret_ahead = (struct read_ahead){
        .pages = pages,
        .accuracy = ratio(used, pages),
        .coverage = ratio(used, used + hard),
        .lateness = ratio(outcome_counter(outcome, "moves", "prefetch_late"), used),
        .pollution = ratio(outcome_counter(outcome, "moves", "prefetch_polluted"), hard),
        .pages_per_read = ratio(outcome_counter(outcome, "io", "pages_read"),
                                outcome_counter(outcome, "io", "reads")),
    };
}

const char *outcome_reason(const struct outcome *outcome)
{
    const bool wrong = outcome->wrong->count > 0;
    const bool broken = outcome->audit.violations > 0;

    if (wrong) {
        return broken ? "wrong data and broken invariants" : "wrong data";
    }
    if (broken) {
        return "broken invariants";
    }
    return outcome->interrupted ? "good, interrupted" : "good";
}
