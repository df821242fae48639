/*
 * curve_test.c - a curve made in one pass against a judging for each of its points.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "judge/curve.h"
#include "shapes.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_curve_has_the_counts_of_every_size),
        cmocka_unit_test(a_curve_of_hardly_anything),
        cmocka_unit_test(a_million_references_take_a_moment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
