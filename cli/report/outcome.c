/*
 * outcome.c - the verdict on a run in a few words.
 */
#include "report/outcome.h"

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
