/*
 * histogram.h - durations counted in buckets whose width grows with the value (about 3 %).
 *
 * Log-linear, the idea of HdrHistogram (Gil Tene): 32 buckets for each power of two. All zero is
 * empty. One thread writes a histogram; any thread may look at it or add it to another meanwhile,
 * and then sees a moment between two records in each bucket, not in all of them together.
 */
#ifndef MM_BASE_HISTOGRAM_H
#define MM_BASE_HISTOGRAM_H

#include "base/types.h"

#include <stdatomic.h>

#define HISTOGRAM_SUB_BITS   5u
#define HISTOGRAM_VALUE_BITS 40u /* larger values count as 2^40 - 1: 18 minutes of nanoseconds */
#define HISTOGRAM_BUCKETS                                                                          \
    ((size_t)(HISTOGRAM_VALUE_BITS - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)

struct histogram {
    _Atomic uint64_t sum;
    _Atomic uint64_t max; /* exact, also beyond 2^40 */
    _Atomic uint64_t buckets[HISTOGRAM_BUCKETS];
};

struct histogram_summary {
    uint64_t count, mean, p50, p90, p99, p999, max;
};

/* Only the histogram's writer. */
void histogram_record(struct histogram *histogram, uint64_t value);
/* Only the writer of `into`. */
void histogram_add(struct histogram *into, const struct histogram *from);
/*
 * Coarser, for pictures: four classes for each power of two. The counts are added to what is there.
 */
#define HISTOGRAM_CLASSES 156u
void histogram_add_classes(const struct histogram *histogram, uint64_t counts[HISTOGRAM_CLASSES]);
/* The smallest value of the class. */
uint64_t histogram_class_begin(unsigned number);
/* All zero when empty. Percentiles are the middle of their bucket, but never above the maximum. */
void histogram_summarize(const struct histogram *histogram, struct histogram_summary *ret_summary);

#endif
