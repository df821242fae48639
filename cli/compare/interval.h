/*
 * interval.h - the median of a few measurements, and how well it is known.
 *
 * The interval is between two of the sorted values, as far in as 95 % allow: the median of whatever
 * the values are drawn from is below the k-th of n with the chance that a coin shows its head
 * less than k times in n throws. Nothing is supposed of their distribution. (David and Nagaraja,
 * Order Statistics, 3rd edition, 7.1; it is the sign test turned round.)
 */
#ifndef MM_CLI_COMPARE_INTERVAL_H
#define MM_CLI_COMPARE_INTERVAL_H

#include <stdbool.h>

#define INTERVAL_CONFIDENCE 0.95
/* Fewer values have no interval; more make the chances too small for a double. */
#define INTERVAL_VALUES_MIN 6u
#define INTERVAL_VALUES_MAX 1000u

struct interval {
    double median;
    double low, high;
    double confidence; /* that it holds the median: at least INTERVAL_CONFIDENCE; 0: no interval */
};

/* Sorts the values. One at least, INTERVAL_VALUES_MAX at most; none may be NaN. */
void interval_find(double values[], unsigned count, struct interval *ret_interval);

/* There is an interval and `value` is outside. */
bool interval_excludes(const struct interval *interval, double value);

#endif
