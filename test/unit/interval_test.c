/*
 * interval_test.c - medians, intervals of known ranks, and how often they hold the truth.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "compare/interval.h"

static struct interval interval_of_first(unsigned count)
{
    double values[INTERVAL_VALUES_MAX];
    struct interval interval;

    for (unsigned i = 0; i < count; i++) {
        values[i] = (double)((i * 7919) % count + 1); /* 1 to count, each once, out of order */
    }
    interval_find(values, count, &interval);
    return interval;
}

static void the_median_is_in_the_middle(void **state)
{
    (void)state;
    for (unsigned count = 1; count < 100; count++) {
        assert_float_equal(interval_of_first(count).median, (count + 1) / 2.0, 1e-9);
    }
}

/* The ranks that tables of the sign test have. */
static void the_ranks_are_those_of_the_tables(void **state)
{
    static const struct {
        unsigned count, rank;
        double confidence;
    } known[] = {{6, 1, 0.96875},   {7, 1, 0.984375},  {8, 1, 0.9921875}, {9, 2, 0.9609375},
                 {10, 2, 0.97852},  {15, 4, 0.96484},  {20, 6, 0.95861},  {25, 8, 0.95671},
                 {30, 10, 0.95723}, {50, 18, 0.96716}, {100, 40, 0.96480}};

    (void)state;
    for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        const struct interval interval = interval_of_first(known[i].count);
        assert_float_equal(interval.low, known[i].rank, 1e-9);
        assert_float_equal(interval.high, known[i].count + 1 - known[i].rank, 1e-9);
        assert_float_equal(interval.confidence, known[i].confidence, 5e-5);
    }
}

static void few_values_have_no_interval(void **state)
{
    (void)state;
    for (unsigned count = 1; count < INTERVAL_VALUES_MIN; count++) {
        const struct interval interval = interval_of_first(count);
        assert_float_equal(interval.confidence, 0, 0);
        assert_false(interval_excludes(&interval, 1000));
    }
}

static void as_many_as_there_can_be(void **state)
{
    const struct interval interval = interval_of_first(INTERVAL_VALUES_MAX);

    (void)state;
    assert_true(interval.confidence >= 0.95 && interval.confidence < 0.96);
    /* By the normal curve: 500 - 1.96 * sqrt(1000) / 2. */
    assert_float_equal(interval.low, 469, 1);
}

static void outside_is_excluded(void **state)
{
    const struct interval interval = interval_of_first(9); /* 2 to 8 */

    (void)state;
    assert_true(interval_excludes(&interval, 1.9));
    assert_false(interval_excludes(&interval, 2));
    assert_false(interval_excludes(&interval, 8));
    assert_true(interval_excludes(&interval, 8.1));
}

/* Of a distribution that is far from normal, whose median is 1: exponential, scaled. */
static void holds_the_truth_as_often_as_it_says(void **state)
{
    enum { TRIALS = 20000 };

    (void)state;
    for (unsigned count = 6; count <= 12; count++) {
        struct random_generator random;
        double values[12];
        struct interval interval = {0};
        unsigned held = 0;

        random_seed(&random, 1, count);
        for (unsigned trial = 0; trial < TRIALS; trial++) {
            for (unsigned i = 0; i < count; i++) {
                values[i] = -log2(1 - random_fraction(&random));
            }
            interval_find(values, count, &interval);
            held += !interval_excludes(&interval, 1);
        }
        /* Four standard deviations of a share near 0.96. */
        assert_float_equal((double)held / TRIALS, interval.confidence, 4 * 0.0014);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_median_is_in_the_middle),
        cmocka_unit_test(the_ranks_are_those_of_the_tables),
        cmocka_unit_test(few_values_have_no_interval),
        cmocka_unit_test(as_many_as_there_can_be),
        cmocka_unit_test(outside_is_excluded),
        cmocka_unit_test(holds_the_truth_as_often_as_it_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
