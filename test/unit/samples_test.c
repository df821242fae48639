/*
 * samples_test.c - what is seen of a run from outside: bounded, in order, and nothing is lost.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "report/samples.h"

enum { ROOM = 8, PAGES = 64 };

/* However many rows come: never more than there is room for, equally far apart, the first kept. */
static void a_full_series_is_thinned_out(void **state)
{
    struct series series;

    (void)state;
    assert_true(series_init(&series, 3, ROOM, 10));
    for (uint64_t i = 0; i < 1000; i++) {
        const uint64_t now = i * 10;

        if (i > 0 && now < series.next_ns) {
            continue;
        }
        uint64_t *row = series_add(&series, now);
        row[0] = now;
        row[2] = now + 1;
        assert_true(series.rows <= ROOM && (i < ROOM || series.rows > ROOM / 2));
        assert_int_equal(series_row(&series, 0)[0], 0);
        for (size_t at = 1; at < series.rows; at++) {
            const uint64_t *here = series_row(&series, at), *before = series_row(&series, at - 1);
            /* Only what came just before a thinning may be nearer to it. */
            assert_true(here[0] - before[0] >= series.interval_ns / 2);
            assert_int_equal(here[2], here[0] + 1);
        }
    }
    assert_int_equal(series.interval_ns, 10 * 128);
    series_free(&series);
}

static uint64_t last(const struct samples *samples, size_t at)
{
    return series_row(&samples->series, samples->series.rows - 1)[at];
}

static uint64_t counted(const struct samples *samples, const char *key)
{
    for (size_t i = 0; i < samples->counters; i++) {
        if (strcmp(samples->counter[i].key, key) == 0) {
            return last(samples, samples->at_counters + i);
        }
    }
    fail_msg("no counter %s", key);
    return 0;
}

static uint64_t sum_of(const struct samples *samples, size_t at, size_t count)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < count; i++) {
        sum += last(samples, at + i);
    }
    return sum;
}

/* Each page is touched once, with looks in between; the last look has seen all of it. */
static void the_last_look_has_seen_all(void **state)
{
    struct mm_options options;
    struct samples samples;
    struct users users = {.count = 1, .user = calloc(1, sizeof(struct user))};
    uint64_t base, value = 1;
    mm *manager;

    (void)state;
    mm_options_init(&options);
    options.machine = MM_MACHINE_SOFT;
    options.memory_bytes = PAGES * MM_PAGE_BYTES;
    options.frames_bytes = PAGES / 4 * MM_PAGE_BYTES;
    options.heat = samples_stretches(options.threads_max);
    assert_non_null(users.user);
    assert_int_equal(mm_create(&options, &manager, NULL), MM_OK);
    assert_int_equal(mm_reserve(manager, PAGES * MM_PAGE_BYTES, &base), MM_OK);
    assert_int_equal(mm_commit(manager, base, PAGES * MM_PAGE_BYTES, MM_READ_WRITE), MM_OK);
    assert_true(samples_init(&samples, manager, &users));
    samples_begin(&samples);
    for (uint64_t page = 0; page < PAGES; page++) {
        assert_int_equal(mm_write(manager, base + page * MM_PAGE_BYTES, &value, sizeof(value)),
                         MM_OK);
        histogram_record(&users.user[0].latency, 100);
        users.user[0].accesses++;
        samples_look(&samples);
    }
    samples_end(&samples);
    assert_int_equal(last(&samples, samples.at_accesses), PAGES);
    assert_int_equal(counted(&samples, "demand_zero"), PAGES);
    assert_int_equal(sum_of(&samples, samples.at_latencies, MM_LATENCY_CLASSES), PAGES);
    assert_int_equal(sum_of(&samples, samples.at_heat, samples.stretches), PAGES);
    assert_int_equal(samples.stretches, PAGES);
    for (size_t row = 0; row < samples.series.rows; row++) {
        const uint64_t *states = series_row(&samples.series, row) + samples.at_states;
        uint64_t frames = 0;

        for (size_t i = 0; i < 7; i++) {
            frames += states[i];
        }
        assert_int_equal(frames, PAGES / 4);
    }
    samples_free(&samples);
    mm_destroy(manager);
    free(users.user);
}

/* With so many threads that each can only count for few stretches there is still one. */
static void stretches_are_bounded(void **state)
{
    (void)state;
    assert_int_equal(samples_stretches(1), SAMPLES_STRETCHES);
    assert_in_range(samples_stretches(65536), 1, 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_series_is_thinned_out),
        cmocka_unit_test(the_last_look_has_seen_all),
        cmocka_unit_test(stretches_are_bounded),
    };

    return cmocka_run_group_tests_name("samples", tests, NULL, NULL);
}
