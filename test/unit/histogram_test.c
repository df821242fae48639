/*
 * histogram_test.c - base/histogram.h against the sorted values themselves.
 */
#include "base/histogram.h"
#include "base/random.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define VALUES 20011u

static int compare_values(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

/* Within a bucket of the exact value: 1/32 of it. */
static void assert_near(uint64_t found, uint64_t exact)
{
    uint64_t distance = found > exact ? found - exact : exact - found;

    if (distance > exact / 32)
        fail_msg("%llu is not near %llu", (unsigned long long)found, (unsigned long long)exact);
}

static uint64_t value_at(const uint64_t *sorted, size_t count, unsigned permille)
{
    size_t rank = (count * permille + 999) / 1000;

    return sorted[rank - 1];
}

static void check_against_sorted(unsigned bits_max, uint64_t seed)
{
    static uint64_t values[VALUES];
    static struct histogram histogram;
    struct histogram_summary summary;
    struct random_generator generator;
    uint64_t sum = 0;

    histogram = (struct histogram){0};
    random_seed(&generator, seed, 0);
    for (size_t i = 0; i < VALUES; i++) {
        /* All magnitudes alike, as latencies are. */
        values[i] = random_next(&generator) >> (64 - 1 - random_below(&generator, bits_max));
        sum += values[i];
        histogram_record(&histogram, values[i]);
    }
    qsort(values, VALUES, sizeof(values[0]), compare_values);
    histogram_summarize(&histogram, &summary);
    assert_true(summary.count == VALUES);
    assert_true(summary.mean == sum / VALUES);
    assert_true(summary.max == values[VALUES - 1]);
    assert_near(summary.p50, value_at(values, VALUES, 500));
    assert_near(summary.p90, value_at(values, VALUES, 900));
    assert_near(summary.p99, value_at(values, VALUES, 990));
    assert_near(summary.p999, value_at(values, VALUES, 999));
}

static void percentiles_are_near_the_sorted_values(void **state)
{
    (void)state;
    for (unsigned bits = 1; bits <= HISTOGRAM_VALUE_BITS; bits++)
        check_against_sorted(bits, bits);
}

static void empty_is_zero(void **state)
{
    static struct histogram histogram;
    struct histogram_summary summary = {.count = 1, .p999 = 1};

    (void)state;
    histogram_summarize(&histogram, &summary);
    assert_true(summary.count == 0 && summary.mean == 0 && summary.max == 0);
    assert_true(summary.p50 == 0 && summary.p999 == 0);
}

/* One value at a time: exact while small, the maximum always exact, nothing beyond the end. */
static void single_values(void **state)
{
    static struct histogram histogram;
    struct histogram_summary summary;

    (void)state;
    for (unsigned bit = 0; bit < 64; bit++) {
        for (int offset = -1; offset <= 1; offset++) {
            uint64_t value = (1ull << bit) + (uint64_t)(int64_t)offset;

            histogram = (struct histogram){0};
            histogram_record(&histogram, value);
            histogram_summarize(&histogram, &summary);
            assert_true(summary.count == 1 && summary.mean == value && summary.max == value);
            if (value < 64)
                assert_true(summary.p50 == value);
            else if (value >> HISTOGRAM_VALUE_BITS == 0)
                assert_near(summary.p50, value);
            assert_true(summary.p50 <= value);
        }
    }
}

static void add_is_recording_into_one(void **state)
{
    static struct histogram parts[3], whole, sum;
    struct histogram_summary of_whole, of_sum;
    struct random_generator generator;

    (void)state;
    random_seed(&generator, 3, 0);
    for (unsigned i = 0; i < 3000; i++) {
        uint64_t value = random_below(&generator, 1000000);

        histogram_record(&parts[i % 3], value);
        histogram_record(&whole, value);
    }
    for (unsigned i = 0; i < 3; i++)
        histogram_add(&sum, &parts[i]);
    histogram_summarize(&whole, &of_whole);
    histogram_summarize(&sum, &of_sum);
    assert_memory_equal(&of_whole, &of_sum, sizeof(of_whole));
}

/* Every value is counted in the class that begins at or below it, and below the next one's begin. */
static void classes_begin_where_they_say(void **state)
{
    static struct histogram histogram;

    (void)state;
    for (unsigned number = 0; number < HISTOGRAM_CLASSES; number++) {
        uint64_t counts[HISTOGRAM_CLASSES] = {0}, begin = histogram_class_begin(number);
        uint64_t end = histogram_class_begin(number + 1);

        assert_true(begin < end);
        histogram = (struct histogram){0};
        histogram_record(&histogram, begin);
        histogram_record(&histogram, end - 1);
        histogram_add_classes(&histogram, counts);
        histogram_add_classes(&histogram, counts);
        for (unsigned i = 0; i < HISTOGRAM_CLASSES; i++)
            assert_int_equal(counts[i], i == number ? 4 : 0);
    }
}

static void *record_many(void *argument)
{
    for (uint64_t i = 0; i < 200000; i++)
        histogram_record(argument, i & 1023);
    return NULL;
}

static void a_reader_may_look_while_the_writer_records(void **state)
{
    static struct histogram histogram;
    struct histogram_summary summary = {0};
    pthread_t writer;
    uint64_t count_before = 0;

    (void)state;
    assert_int_equal(pthread_create(&writer, NULL, record_many, &histogram), 0);
    while (summary.count < 200000) {
        histogram_summarize(&histogram, &summary);
        assert_true(summary.count >= count_before);
        assert_true(summary.max < 1024);
        count_before = summary.count;
    }
    pthread_join(writer, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_near_the_sorted_values),
        cmocka_unit_test(empty_is_zero),
        cmocka_unit_test(single_values),
        cmocka_unit_test(add_is_recording_into_one),
        cmocka_unit_test(classes_begin_where_they_say),
        cmocka_unit_test(a_reader_may_look_while_the_writer_records),
    };

    return cmocka_run_group_tests_name("histogram", tests, NULL, NULL);
}
