/*
 * curve_test.c - a curve made in one pass, and what a sample says, against a judging for each size.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "judge/sample.h"
#include "shapes.h"
#include "trace/page_map.h"
#include "trace/trace.h"

/* ---- made traces ---------------------------------------------------------------------------- */

static struct references references_draw(enum shape shape, uint64_t count, uint32_t pages)
{
    struct references references = {0};
    uint32_t *number = test_calloc(pages, sizeof(number[0])); /* from 1; 0: not yet touched */
    struct random_generator generator;

    random_seed(&generator, pages, shape);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t page = shape_page(shape, i, pages, &generator);
        if (number[page] == 0) {
            number[page] = references.pages + 1;
        }
        assert_true(
            references_add(&references, number[page] - 1, random_below(&generator, 4) == 0));
    }
    test_free(number);
    return references;
}

/* Pages in the order of their addresses. */
static struct references references_load(const char *path)
{
    struct trace_options options = TRACE_OPTIONS_DEFAULT;
    struct references references = {0};
    struct page_map map = {.count = 0};
    struct trace_message message;
    struct trace_list list;
    uint64_t page;

    if (!trace_load(path, &options, SIZE_MAX, &list, &message)) {
        fail_msg("%s", message.text);
    }
    for (size_t i = 0; i < list.count; i++) {
        assert_true(page_map_add(&map, list.references[i].page, &page));
        assert_true(references_add(&references, page, list.references[i].write));
    }
    uint32_t *ranks = page_map_ranks(&map);
    assert_non_null(ranks);
    references_renumber(&references, ranks);
    free(ranks);
    page_map_free(&map);
    trace_list_free(&list);
    return references;
}

/* ---- exact ones ----------------------------------------------------------------------------- */

static void equals_judgings(const char *name, const struct curve *curve,
                            const struct references *references)
{
    assert_true((uint64_t)curve->points * curve->step >= references->pages);
    for (uint32_t point = 1; point <= curve->points; point++) {
        struct judge_setup setup = {.frames = point * curve->step};
        struct verdict verdict, at = curve_at(curve, point);
        assert_true(judge(judged_policy_find(name), references, &setup, &verdict));
        if (at.first != verdict.first || at.hard != verdict.hard || at.written != verdict.written) {
            fail_msg("%s, %u frames of %u: %u hard and %u written, it is %u and %u", name,
                     setup.frames, references->pages, (unsigned)at.hard, (unsigned)at.written,
                     (unsigned)verdict.hard, (unsigned)verdict.written);
        }
    }
}

static void both_equal_judgings(const struct references *references, uint32_t points)
{
    struct curve curve;

    assert_true(curve_opt(references, points, &curve));
    assert_true(curve.points <= points && (points < references->pages || curve.step == 1));
    equals_judgings("opt", &curve, references);
    curve_free(&curve);
    assert_true(curve_lru(references, &curve));
    assert_int_equal(curve.step, 1);
    equals_judgings("lru", &curve, references);
    curve_free(&curve);
}

static void a_curve_has_the_counts_of_every_size(void **state)
{
    static const uint32_t pages[] = {6, 37, 64, 150}, points[] = {1000, 64, 7, 1};

    (void)state;
    for (unsigned i = 0; i < SHAPES * ARRAY_COUNT(pages); i++) {
        struct references references =
            references_draw((enum shape)(i % SHAPES), 3000, pages[i / SHAPES]);
        for (unsigned j = 0; j < ARRAY_COUNT(points); j++) {
            both_equal_judgings(&references, points[j]);
        }
        references_free(&references);
    }
}

/* One page, and none that is touched twice. */
static void a_curve_of_hardly_anything(void **state)
{
    struct references one = {0}, once = {0};

    (void)state;
    for (uint64_t i = 0; i < 100; i++) {
        assert_true(references_add(&one, 0, i % 2 == 0) && references_add(&once, i, i % 2 == 0));
    }
    both_equal_judgings(&one, 10);
    both_equal_judgings(&once, 10);
    references_free(&one);
    references_free(&once);
}

static double processor_seconds(void)
{
    struct timespec time;

    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time), 0);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/*
 * A million references anywhere in 256 MiB: a tenth of a second for lru, less than one for opt. The
 * bounds are those that a search through all pages above each, 32,768 of them, would break.
 */
static void a_million_references_take_a_moment(void **state)
{
    struct references references = references_draw(UNIFORM, 1000000, 65536);
    struct curve curve;

    (void)state;
    double begun = processor_seconds();
    assert_true(curve_lru(&references, &curve));
    double lru = processor_seconds() - begun;
    curve_free(&curve);
    begun = processor_seconds();
    assert_true(curve_opt(&references, 256, &curve));
    double opt = processor_seconds() - begun;
    curve_free(&curve);
    references_free(&references);
    if (lru > 3 || opt > 6) {
        fail_msg("lru: %.2f s, opt: %.2f s", lru, opt);
    }
}

/* ---- sampled ones --------------------------------------------------------------------------- */

/* The mean over the sizes of how far the miss ratio is from what it is. */
static double error_of(const char *name, const struct sample *sample,
                       const struct references *references)
{
    const struct judged_policy *policy = judged_policy_find(name);
    double sum = 0;

    for (uint32_t size = 1; size <= 5; size++) {
        struct judge_setup setup = {.frames = (uint32_t)((uint64_t)references->pages * size / 6)};
        struct verdict whole, sampled;
        assert_true(judge(policy, references, &setup, &whole));
        assert_true(sample_judge(sample, policy, &setup, &sampled));
        assert_int_equal(sampled.first, whole.first);
        sum += fabs((double)sampled.hard - (double)whole.hard);
    }
    return sum / 5 / (double)references->count;
}

static void samples_err_less(const struct references *references, uint32_t pages, double most)
{
    static const char *const names[] = {"clock", "arc", "lru", "opt", "aging", "run:segfifo"};
    struct curve lru;
    struct sample sample;

    assert_true(curve_lru(references, &lru));
    assert_true(sample_begin(&sample, references, pages, &lru));
    assert_int_equal(sample.references.pages, pages);
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        double error = error_of(names[i], &sample, references);
        if (error > (strcmp(names[i], "lru") == 0 ? 0 : most)) {
            fail_msg("%s of %u pages: %.5f", names[i], (unsigned)references->pages, error);
        }
    }
    sample_end(&sample);
    curve_free(&lru);
}

/* An eighth of the pages. */
static void a_sample_of_many_pages_errs_little(void **state)
{
    static const enum shape shapes[] = {ZIPF, SCANS, PHASES};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(shapes); i++) {
        struct references references = references_draw(shapes[i], 50000, 8192);
        samples_err_less(&references, 1024, 0.006);
        references_free(&references);
    }
}

/* Of this program a quarter of the pages is but a hundred and eleven. */
static void a_sample_of_a_recorded_program_errs_little(void **state)
{
    (void)state;
#ifndef HAVE_ZSTD
    skip(); /* it is packed */
#endif
    struct references references = references_load(RECORDED);
    samples_err_less(&references, references.pages / 4, 0.003);
    references_free(&references);
}

/* With all pages in it a sample is a judging. */
static void a_sample_of_all_is_all(void **state)
{
    struct references references = references_draw(ZIPF, 3000, 60);

    (void)state;
    samples_err_less(&references, references.pages, 0);
    references_free(&references);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_curve_has_the_counts_of_every_size),
        cmocka_unit_test(a_curve_of_hardly_anything),
        cmocka_unit_test(a_million_references_take_a_moment),
        cmocka_unit_test(a_sample_of_many_pages_errs_little),
        cmocka_unit_test(a_sample_of_a_recorded_program_errs_little),
        cmocka_unit_test(a_sample_of_all_is_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
