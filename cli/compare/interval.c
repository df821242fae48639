/*
 * interval.c - median and confidence interval from the order of the values alone.
 */
#include "compare/interval.h"

#include <stdlib.h>

static int order(const void *one, const void *other)
{
    const double a = *(const double *)one, b = *(const double *)other;

    return (a > b) - (a < b);
}

/* The k of the widest-in interval from the k-th to the k-th last value; 0 where there is none. */
static unsigned rank_find(unsigned count, double *ret_confidence)
{
    double chance = 1; /* of exactly k heads in `count` throws */
    double outside = 0;
    unsigned rank = 0;

    *ret_confidence = 0;
    for (unsigned i = 0; i < count; i++) {
        chance /= 2;
    }
    for (unsigned k = 0; k < count / 2; k++) {
        outside += 2 * chance;
        if (1 - outside < INTERVAL_CONFIDENCE) {
            break;
        }
        rank = k + 1;
        *ret_confidence = 1 - outside;
        chance = chance * (count - k) / (k + 1);
    }
    return rank;
}

void interval_find(double values[], unsigned count, struct interval *ret_interval)
{
    double confidence;
    const unsigned rank = rank_find(count, &confidence);

    qsort(values, count, sizeof(values[0]), order);
    *ret_interval = (struct interval){
        .median = (values[(count - 1) / 2] + values[count / 2]) / 2,
        .low = rank > 0 ? values[rank - 1] : values[0],
        .high = rank > 0 ? values[count - rank] : values[count - 1],
        .confidence = confidence,
    };
}

bool interval_excludes(const struct interval *interval, double value)
{
    return interval->confidence > 0 && (interval->low > value || interval->high < value);
}
