/*
 * judge_test.c - the judged policies against a second making of each, straight from its paper.
 *
 * The second ones are slow and plain: rows of pages that are searched from end to end, and no code
 * of src/judge. Both must count the same misses, on made traces at many sizes and on a recorded one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "judge/judge.h"
#include "trace/trace.h"

#define PAGES_AT_ONCE 4096u

/* ---- the second making ---------------------------------------------------------------------- */

struct plain {
    size_t count;
    uint64_t *page;
    bool *write;
    size_t *next; /* where the page is touched again; SIZE_MAX: never */
};

/* Oldest first. */
struct row {
    size_t count;
    uint64_t page[PAGES_AT_ONCE];
};

static bool row_find(const struct row *row, uint64_t page, size_t *ret_at)
{
    for (size_t at = row->count; at-- > 0;) {
        if (row->page[at] == page) {
            *ret_at = at;
            return true;
        }
    }
    return false;
}

static uint64_t row_drop(struct row *row, size_t at)
{
    uint64_t page = row->page[at];

    assert_true(at < row->count);
    row->count--;
    memmove(&row->page[at], &row->page[at + 1], (row->count - at) * sizeof(row->page[0]));
    return page;
}

static void row_add(struct row *row, uint64_t page)
{
    assert_true(row->count < PAGES_AT_ONCE);
    row->page[row->count++] = page;
}

/* Out of the row if it is there. */
static bool row_forget(struct row *row, uint64_t page)
{
    size_t at;
    bool found = row_find(row, page, &at);

    if (found) {
        row_drop(row, at);
    }
    return found;
}

static uint64_t plain_fifo(const struct plain *plain, size_t frames)
{
    struct row row = {0};
    uint64_t misses = 0;
    size_t at;

    for (size_t i = 0; i < plain->count; i++) {
        if (row_find(&row, plain->page[i], &at)) {
            continue;
        }
        misses++;
        if (row.count == frames) {
            row_drop(&row, 0);
        }
        row_add(&row, plain->page[i]);
    }
    return misses;
}

static uint64_t plain_lru(const struct plain *plain, size_t frames)
{
    struct row row = {0};
    uint64_t misses = 0;

    for (size_t i = 0; i < plain->count; i++) {
        if (!row_forget(&row, plain->page[i])) {
            misses++;
            if (row.count == frames) {
                row_drop(&row, 0);
            }
        }
        row_add(&row, plain->page[i]);
    }
    return misses;
}

/* A real clock: places in a circle, and a hand. */
static uint64_t plain_clock(const struct plain *plain, size_t frames)
{
    static bool used[PAGES_AT_ONCE];
    struct row row = {0};
    uint64_t misses = 0;
    size_t hand = 0, at;

    for (size_t i = 0; i < plain->count; i++) {
        if (row_find(&row, plain->page[i], &at)) {
            used[at] = true;
            continue;
        }
        misses++;
        if (row.count < frames) {
            used[row.count] = false;
            row_add(&row, plain->page[i]);
            continue;
        }
        for (; used[hand]; hand = (hand + 1) % frames) {
            used[hand] = false;
        }
        row.page[hand] = plain->page[i];
        hand = (hand + 1) % frames;
    }
    return misses;
}

static uint64_t plain_segmented_fifo(const struct plain *plain, size_t frames)
{
    struct row first = {0}, second = {0};
    uint64_t misses = 0;
    size_t at;

    for (size_t i = 0; i < plain->count; i++) {
        if (row_find(&first, plain->page[i], &at)) {
            continue;
        }
        misses += !row_forget(&second, plain->page[i]);
        row_add(&first, plain->page[i]);
        if (first.count > frames - frames / 2) {
            row_add(&second, row_drop(&first, 0));
        }
        if (second.count > frames / 2) {
            row_drop(&second, 0);
        }
    }
    return misses;
}

/* Figure "2Q" of the paper, with Kin of 25 % and Kout of 50 %. */
static uint64_t plain_two_queue(const struct plain *plain, size_t frames)
{
    const size_t kin = frames / 4 > 0 ? frames / 4 : 1, kout = frames / 2 > 0 ? frames / 2 : 1;
    struct row in = {0}, out = {0}, am = {0};
    uint64_t misses = 0;
    size_t at;

    for (size_t i = 0; i < plain->count; i++) {
        uint64_t page = plain->page[i];
        if (row_forget(&am, page)) {
            row_add(&am, page);
            continue;
        }
        if (row_find(&in, page, &at)) {
            continue;
        }
        bool remembered = row_find(&out, page, &at);
        misses++;
        if (in.count + am.count == frames && (in.count > kin || am.count == 0)) {
            row_add(&out, row_drop(&in, 0));
            if (out.count > kout) {
                row_drop(&out, 0);
            }
        } else if (in.count + am.count == frames) {
            row_drop(&am, 0);
        }
        row_forget(&out, page);
        row_add(remembered ? &am : &in, page);
    }
    return misses;
}

struct plain_arc {
    struct row t1, t2, b1, b2;
    double p;
};

static void plain_replace(struct plain_arc *arc, bool in_b2)
{
    double t1 = (double)arc->t1.count;

    if (arc->t1.count >= 1 && ((in_b2 && !(t1 < arc->p) && !(t1 > arc->p)) || t1 > arc->p)) {
        row_add(&arc->b1, row_drop(&arc->t1, 0));
    } else {
        row_add(&arc->b2, row_drop(&arc->t2, 0));
    }
}

/* Case IV. */
static void plain_arc_new(struct plain_arc *arc, size_t c)
{
    size_t l1 = arc->t1.count + arc->b1.count, l2 = arc->t2.count + arc->b2.count;

    if (l1 == c && arc->t1.count < c) {
        row_drop(&arc->b1, 0);
        plain_replace(arc, false);
    } else if (l1 == c) {
        row_drop(&arc->t1, 0);
    } else if (l1 + l2 >= c) {
        if (l1 + l2 == 2 * c) {
            row_drop(&arc->b2, 0);
        }
        plain_replace(arc, false);
    }
}

/* Figure 4 of the paper. */
static uint64_t plain_arc(const struct plain *plain, size_t c)
{
    static struct plain_arc arc;
    uint64_t misses = 0;
    size_t at;

    arc = (struct plain_arc){0};
    for (size_t i = 0; i < plain->count; i++) {
        uint64_t x = plain->page[i];
        double b1 = (double)arc.b1.count, b2 = (double)arc.b2.count;
        if (row_forget(&arc.t1, x) || row_forget(&arc.t2, x)) {
            row_add(&arc.t2, x);
            continue;
        }
        misses++;
        if (row_find(&arc.b1, x, &at)) {
            arc.p += b1 >= b2 ? 1 : b2 / b1;
            arc.p = arc.p < (double)c ? arc.p : (double)c;
            plain_replace(&arc, false);
            row_forget(&arc.b1, x);
            row_add(&arc.t2, x);
        } else if (row_find(&arc.b2, x, &at)) {
            arc.p -= b2 >= b1 ? 1 : b1 / b2;
            arc.p = arc.p > 0 ? arc.p : 0;
            plain_replace(&arc, true);
            row_forget(&arc.b2, x);
            row_add(&arc.t2, x);
        } else {
            plain_arc_new(&arc, c);
            row_add(&arc.t1, x);
        }
    }
    return misses;
}

/* Looks at every page that could go. */
static uint64_t plain_opt(const struct plain *plain, size_t frames)
{
    static size_t next[PAGES_AT_ONCE];
    struct row row = {0};
    uint64_t misses = 0;
    size_t at;

    for (size_t i = 0; i < plain->count; i++) {
        if (!row_find(&row, plain->page[i], &at)) {
            misses++;
            at = row.count;
            if (row.count < frames) {
                row_add(&row, plain->page[i]);
            } else {
                at = 0;
                for (size_t other = 1; other < frames; other++) {
                    at = next[other] > next[at] ? other : at;
                }
                row.page[at] = plain->page[i];
            }
        }
        next[at] = plain->next[i];
    }
    return misses;
}

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

enum shape { LOOP, UNIFORM, ZIPF, SCANS, PHASES, SHAPES };

#define PAGES_MADE 60u

/* A page number of one reference. Pages are far apart: their numbers must not matter. */
static uint64_t page_draw(enum shape shape, size_t i, struct random_generator *generator)
{
    uint64_t any = random_below(generator, PAGES_MADE);
    double fraction = random_fraction(generator);

    switch (shape) {
    case LOOP:
        return i % PAGES_MADE;
    case ZIPF: /* the square of the square is skewed enough */
        return (uint64_t)(fraction * fraction * fraction * fraction * PAGES_MADE);
    case SCANS: /* a few are used all the time, the others one after the other */
        return i % 3 == 0 ? i / 3 % PAGES_MADE : any % 10;
    case PHASES:
        return (i / 500 * 11 + any % 20) % PAGES_MADE;
    default:
        return any;
    }
}

static struct plain *plain_draw(enum shape shape, uint64_t seed, size_t count)
{
    struct plain *plain = plain_make(count);
    struct random_generator generator;

    random_seed(&generator, seed, shape);
    for (size_t i = 0; i < count; i++) {
        plain->page[i] = page_draw(shape, i, &generator) * 0x1234567890bull + seed;
        plain->write[i] = random_below(&generator, 4) == 0;
    }
    nexts_find(plain);
    return plain;
}

static struct references references_of(const struct plain *plain)
{
    struct gathering gathering = {0};
    struct references references;

    for (size_t i = 0; i < plain->count; i++) {
        gathering_add(&gathering, plain->page[i], plain->write[i]);
    }
    assert_true(references_make(&gathering, &references));
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
    {"fifo", plain_fifo}, {"clock", plain_clock},  {"segfifo", plain_segmented_fifo},
    {"lru", plain_lru},   {"2q", plain_two_queue}, {"arc", plain_arc},
    {"opt", plain_opt},
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
        for (uint32_t frames = 1; frames <= PAGES_MADE + 1; frames += 3) {
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
