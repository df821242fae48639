/*
 * judge_test.c - the judged policies against a second making of each (plain.h): both must count the
 * same misses, on made traces at many sizes and on a recorded one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "judge/judge.h"
#include "plain.h"
#include "shapes.h"
#include "trace/page_map.h"
#include "trace/trace.h"

/* ---- traces --------------------------------------------------------------------------------- */

static struct plain *plain_make(size_t count)
{
    struct plain *plain = test_calloc(1, sizeof(*plain));

    plain->count = count;
    plain->page = test_calloc(count, sizeof(plain->page[0]));
    plain->write = test_calloc(count, sizeof(plain->write[0]));
    plain->next = test_calloc(count, sizeof(plain->next[0]));
    return plain;
}

static void plain_free(struct plain *plain)
{
    test_free(plain->page);
    test_free(plain->write);
    test_free(plain->next);
    test_free(plain);
}

static void nexts_find(struct plain *plain)
{
    for (size_t i = 0; i < plain->count; i++) {
        plain->next[i] = SIZE_MAX;
        for (size_t j = i + 1; j < plain->count; j++) {
            if (plain->page[j] == plain->page[i]) {
                plain->next[i] = j;
                break;
            }
        }
    }
}

#define PAGES_MADE 60u
#ifdef MM_SANITIZED
#define SIZES_APART 9u
#else
#define SIZES_APART 3u
#endif

static struct plain *plain_draw(enum shape shape, uint64_t seed, size_t count)
{
    struct plain *plain = plain_make(count);
    struct random_generator generator;

    random_seed(&generator, seed, shape);
    for (size_t i = 0; i < count; i++) {
        uint64_t page = shape_page(shape, i, PAGES_MADE, &generator);
        plain->page[i] =
            page * 0x1234567890bull + seed; /* far apart: their numbers must not matter */
        plain->write[i] = random_below(&generator, 4) == 0;
    }
    nexts_find(plain);
    return plain;
}

static struct references references_of(const struct plain *plain)
{
    struct references references = {0};
    struct page_map map = {.count = 0};
    uint64_t page;

    for (size_t i = 0; i < plain->count; i++) {
        assert_true(page_map_add(&map, plain->page[i], &page));
        assert_true(references_add(&references, page, plain->write[i]));
    }
    uint32_t *ranks = page_map_ranks(&map);
    assert_non_null(ranks);
    references_renumber(&references, ranks);
    free(ranks);
    page_map_free(&map);
    assert_int_equal(references.count, plain->count);
    return references;
}

static struct verdict verdict_of(const char *name, const struct references *references,
                                 uint32_t frames)
{
    const struct judged_policy *policy = judged_policy_find(name);
    struct verdict verdict;

    assert_non_null(policy);
    assert_true(judge(policy, references, &(struct judge_setup){.frames = frames}, &verdict));
    return verdict;
}

/* ---- both count the same -------------------------------------------------------------------- */

static const struct {
    const char *name;
    uint64_t (*misses)(const struct plain *plain, size_t frames);
} seconds[] = {
    {"fifo", plain_fifo}, {"clock", plain_clock},     {"segfifo", plain_segmented_fifo},
    {"lru", plain_lru},   {"2q", plain_two_queue},    {"arc", plain_arc},
    {"opt", plain_opt},   {"clock2q", plain_clock2q}, {"mglru", plain_generations},
};

static void both_count_the_same(const struct plain *plain, const uint32_t frames[], size_t sizes)
{
    struct references references = references_of(plain);

    for (size_t i = 0; i < sizes * ARRAY_COUNT(seconds); i++) {
        const char *name = seconds[i / sizes].name;
        uint32_t size = frames[i % sizes];
        struct verdict verdict = verdict_of(name, &references, size);
        uint64_t misses = seconds[i / sizes].misses(plain, size);
        if (verdict.first != references.pages || verdict.first + verdict.hard != misses) {
            fail_msg("%s, %u frames: %u misses, the plain one has %u", name, size,
                     (unsigned)(verdict.first + verdict.hard), (unsigned)misses);
        }
    }
    references_free(&references);
}

static void made_traces_cost_the_same_twice(void **state)
{
    static const uint32_t frames[] = {1, 2, 3, 4, 7, 11, 18, 29, 47, 59, 60, 100};

    (void)state;
    for (unsigned i = 0; i < 3 * SHAPES; i++) {
        struct plain *plain = plain_draw((enum shape)(i % SHAPES), i, 3000);
        both_count_the_same(plain, frames, ARRAY_COUNT(frames));
        plain_free(plain);
    }
}

static void a_recorded_program_costs_the_same_twice(void **state)
{
    static const uint32_t frames[] = {24, 60, 120};
    struct trace_options options = TRACE_OPTIONS_DEFAULT;
    struct trace_message message;
    struct trace_list list;

    (void)state;
#ifndef HAVE_ZSTD
    skip(); /* it is packed */
#endif
    if (!trace_load(RECORDED, &options, SIZE_MAX, &list, &message)) {
        fail_msg("%s", message.text);
    }
    struct plain *plain = plain_make(list.count);
    for (size_t i = 0; i < list.count; i++) {
        plain->page[i] = list.references[i].page;
        plain->write[i] = list.references[i].write;
    }
    nexts_find(plain);
    both_count_the_same(plain, frames, ARRAY_COUNT(frames));
    plain_free(plain);
    trace_list_free(&list);
}

/* ---- what holds for every policy ------------------------------------------------------------ */

static void no_policy_is_better_than_opt(void **state)
{
    (void)state;
    for (unsigned shape = 0; shape < SHAPES; shape++) {
        struct plain *plain = plain_draw((enum shape)shape, 7, 3000);
        struct references references = references_of(plain);
        for (uint32_t frames = 1; frames <= PAGES_MADE + 1; frames += SIZES_APART) {
            uint64_t best = verdict_of("opt", &references, frames).hard;
            for (size_t i = 0; judged_policies[i].name != NULL; i++) {
                struct verdict verdict = verdict_of(judged_policies[i].name, &references, frames);
                assert_int_equal(verdict.first, references.pages);
                assert_true(verdict.hard >= best);
                assert_true(verdict.written <= verdict.first + verdict.hard + verdict.soft);
                assert_true(frames < references.pages || verdict.hard == 0);
            }
        }
        references_free(&references);
        plain_free(plain);
    }
}

/* A written, B, A, B written, A, with one frame: whatever the policy, there is no choice. */
static void what_was_written_to_is_written_out(void **state)
{
    static const uint64_t pages[] = {1, 2, 1, 2, 1};
    static const bool writes[] = {true, false, false, true, false};
    struct plain *plain = plain_make(ARRAY_COUNT(pages));

    (void)state;
    memcpy(plain->page, pages, sizeof(pages));
    memcpy(plain->write, writes, sizeof(writes));
    struct references references = references_of(plain);
    for (size_t i = 0; judged_policies[i].name != NULL; i++) {
        struct verdict verdict = verdict_of(judged_policies[i].name, &references, 1);
        assert_int_equal(verdict.first, 2);
        assert_int_equal(verdict.hard, 3);
        assert_int_equal(verdict.soft, 0);
        assert_int_equal(verdict.written, 2);
    }
    references_free(&references);
    plain_free(plain);
}

/* A page in use all the time, and new ones: how each of these keeps it is what it is for. */
static void the_used_page_stays(void **state)
{
    static const char *const names[] = {"clock", "mglru", "clock2q", "arc",       "lru",
                                        "opt",   "aging", "age",     "run:clock", "run:mglru"};
    struct plain *plain = plain_make(1000);

    (void)state;
    for (size_t i = 0; i < plain->count; i++) {
        plain->page[i] = i % 2 == 0 ? 0 : i;
    }
    struct references references = references_of(plain);
    assert_true(verdict_of("fifo", &references, 20).hard > 10);
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        assert_true(verdict_of(names[i], &references, 20).hard <= 1);
    }
    references_free(&references);
    plain_free(plain);
}

/* It remembers what it has just let go: the second time round a loop is not the first again. */
static void probation_resists_scans(void **state)
{
    struct plain *plain = plain_draw(SCANS, 3, 3000);
    struct references references = references_of(plain);
    uint64_t lru = verdict_of("lru", &references, 15).hard;

    (void)state;
    assert_true(verdict_of("clock2q", &references, 15).hard < lru);
    assert_true(verdict_of("2q", &references, 15).hard < lru);
    references_free(&references);
    plain_free(plain);
}

static void pages_are_numbered_in_order(void **state)
{
    static const uint64_t pages[] = {UINT64_MAX, 5, 0, 5, 1ull << 40};
    struct plain *plain = plain_make(ARRAY_COUNT(pages));

    (void)state;
    memcpy(plain->page, pages, sizeof(pages));
    plain->write[1] = true;
    struct references references = references_of(plain);
    static const uint32_t wanted[] = {3 << 1, 1 << 1 | 1, 0, 1 << 1, 2 << 1};
    assert_int_equal(references.pages, 4);
    assert_memory_equal(references.reference, wanted, sizeof(wanted));
    references_free(&references);
    plain_free(plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made_traces_cost_the_same_twice),
        cmocka_unit_test(a_recorded_program_costs_the_same_twice),
        cmocka_unit_test(no_policy_is_better_than_opt),
        cmocka_unit_test(what_was_written_to_is_written_out),
        cmocka_unit_test(the_used_page_stays),
        cmocka_unit_test(probation_resists_scans),
        cmocka_unit_test(pages_are_numbered_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
