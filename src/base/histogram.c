/*
 * histogram.c - durations counted in buckets whose width grows with the value.
 *
 * A record is two or three plain loads and stores: the only writer needs no locked instruction,
 * and relaxed atomics keep a reader from seeing half a number.
 */
#include "base/histogram.h"

#define SUB_COUNT (1u << HISTOGRAM_SUB_BITS)

/* Values below 2^6 have a bucket each; above, the top six bits and their position choose it. */
static size_t bucket_of(uint64_t value)
{
    unsigned top_bit, shift;

    if (value < SUB_COUNT)
        return value;
    if (value >> HISTOGRAM_VALUE_BITS != 0)
        return HISTOGRAM_BUCKETS - 1;
    top_bit = 63u - (unsigned)__builtin_clzll(value);
    shift = top_bit - HISTOGRAM_SUB_BITS;
    return ((size_t)shift << HISTOGRAM_SUB_BITS) + (value >> shift);
}

static uint64_t bucket_middle(size_t bucket)
{
    size_t shift;
    uint64_t first;

    if (bucket < (size_t)2 * SUB_COUNT)
        return bucket;
    shift = (bucket >> HISTOGRAM_SUB_BITS) - 1;
    first = (uint64_t)(SUB_COUNT + (bucket & (SUB_COUNT - 1))) << shift;
    return first + ((1ull << shift) - 1) / 2;
}

static inline uint64_t counter_read(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static inline void counter_increase(_Atomic uint64_t *counter, uint64_t by)
{
    atomic_store_explicit(counter, counter_read(counter) + by, memory_order_relaxed);
}

static inline void maximum_raise(_Atomic uint64_t *maximum, uint64_t value)
{
    if (value > counter_read(maximum))
        atomic_store_explicit(maximum, value, memory_order_relaxed);
}

void histogram_record(struct histogram *histogram, uint64_t value)
{
    counter_increase(&histogram->buckets[bucket_of(value)], 1);
    counter_increase(&histogram->sum, value);
    maximum_raise(&histogram->max, value);
}

void histogram_add(struct histogram *into, const struct histogram *from)
{
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint64_t count = counter_read(&from->buckets[i]);

        if (count != 0)
            counter_increase(&into->buckets[i], count);
    }
    counter_increase(&into->sum, counter_read(&from->sum));
    maximum_raise(&into->max, counter_read(&from->max));
}

/* The top three bits and their position. */
static unsigned class_of(uint64_t value)
{
    unsigned shift = value < 8 ? 0 : 61u - (unsigned)__builtin_clzll(value);

    return shift * 4 + (unsigned)(value >> shift);
}

void histogram_add_classes(const struct histogram *histogram, uint64_t counts[HISTOGRAM_CLASSES])
{
    size_t last = bucket_of(counter_read(&histogram->max)); /* what is larger came just now */

    for (size_t i = 0; i <= last; i++) {
        uint64_t count = counter_read(&histogram->buckets[i]);

        if (count != 0)
            counts[class_of(bucket_middle(i))] += count;
    }
}

uint64_t histogram_class_begin(unsigned number)
{
    return number < 8 ? number : (uint64_t)(4 + number % 4) << (number / 4 - 1);
}

/* How many of the smallest records a percentile covers, rounded up. */
static uint64_t rank_of(uint64_t count, unsigned permille)
{
    return count / 1000 * permille + (count % 1000 * permille + 999) / 1000;
}

void histogram_summarize(const struct histogram *histogram, struct histogram_summary *ret_summary)
{
    struct histogram_summary summary = {.max = counter_read(&histogram->max)};
    struct {
        unsigned permille;
        uint64_t *value;
    } wanted[] = {
        {500, &summary.p50}, {900, &summary.p90}, {990, &summary.p99}, {999, &summary.p999}};
    uint64_t below = 0;
    size_t next = 0;

    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        summary.count += counter_read(&histogram->buckets[i]);
    if (summary.count != 0)
        summary.mean = counter_read(&histogram->sum) / summary.count;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS && next < ARRAY_COUNT(wanted); i++) {
        below += counter_read(&histogram->buckets[i]);
        for (; next < ARRAY_COUNT(wanted); next++) {
            uint64_t rank = rank_of(summary.count, wanted[next].permille);

            if (rank == 0 || below < rank)
                break;
            *wanted[next].value = MIN_OF(bucket_middle(i), summary.max);
        }
    }
    *ret_summary = summary;
}
