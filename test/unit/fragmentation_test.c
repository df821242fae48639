/*
 * fragmentation_test.c - the measures of fragmentation against bitmaps and page files made by hand.
 */
#include "engine_rig.h"

#include "base/bitmap.h"
#include "base/random.h"
#include "observe/fragmentation.h"

#include <string.h>

/* ---- free runs ------------------------------------------------------------------------------ */

#define BITS 300u

/* '.' is a free slot, anything else one in use. */
static uint32_t bits_of(const char *picture, uint64_t *words)
{
    uint32_t bits = (uint32_t)strlen(picture);

    memset(words, 0, BITMAP_WORDS(BITS) * sizeof(words[0]));
    for (uint32_t bit = 0; bit < bits; bit++)
        if (picture[bit] != '.')
            bitmap_set(words, bit);
    return bits;
}

static struct free_runs runs_of(const char *picture, uint32_t piece)
{
    uint64_t words[BITMAP_WORDS(BITS)];
    struct free_runs runs;

    free_runs_measure(words, bits_of(picture, words), piece, &runs);
    return runs;
}

static void free_runs_are_counted(void **state)
{
    struct free_runs runs = runs_of("..#.#...#......##########.......#", 4);

    (void)state;
    assert_int_equal(runs.slots, 2 + 1 + 3 + 6 + 7);
    assert_int_equal(runs.longest, 7);
    assert_int_equal(runs.whole, 4 + 4); /* of 6, and of 7 */
    assert_int_equal(runs.runs[0], 1);
    assert_int_equal(runs.run_slots[0], 1);
    assert_int_equal(runs.runs[1], 2); /* 2 and 3 */
    assert_int_equal(runs.run_slots[1], 5);
    assert_int_equal(runs.runs[2], 2); /* 6 and 7 */
    assert_int_equal(runs.run_slots[2], 13);
    for (unsigned i = 3; i < FREE_RUN_SIZES; i++)
        assert_int_equal(runs.runs[i] + runs.run_slots[i], 0);
}

static void ends_are_ends(void **state)
{
    struct free_runs runs = runs_of("", 8);

    (void)state;
    assert_int_equal(runs.slots + runs.longest + runs.whole, 0);
    runs = runs_of("#########", 8);
    assert_int_equal(runs.slots + runs.longest + runs.whole, 0);
    runs = runs_of("........", 8);
    assert_int_equal(runs.slots, 8);
    assert_int_equal(runs.longest, 8);
    assert_int_equal(runs.whole, 8);
    assert_int_equal(runs.runs[3], 1);
    /* What lies behind the last bit is nobody's, and a run goes on from word to word. */
    char picture[BITS + 1];
    memset(picture, '.', BITS);
    picture[BITS] = '\0';
    picture[0] = picture[BITS - 1] = '#';
    runs = runs_of(picture, 100);
    assert_int_equal(runs.slots, BITS - 2);
    assert_int_equal(runs.longest, BITS - 2);
    assert_int_equal(runs.whole, 200);
    assert_int_equal(runs.runs[8], 1);
    assert_int_equal(runs.run_slots[8], BITS - 2);
}

/* Against the picture, run by run. */
static void random_pictures(void **state)
{
    struct random_generator random;
    char picture[BITS + 1];

    (void)state;
    random_seed(&random, 16, 0);
    for (unsigned round = 0; round < 500; round++) {
        uint32_t bits = random_below(&random, BITS + 1), piece = 1 + random_below(&random, 20);
        uint32_t stays = random_below(&random, 8), slots = 0, longest = 0, whole = 0, count = 0;

        for (uint32_t bit = 0; bit < bits; bit++)
            picture[bit] = bit > 0 && random_below(&random, 8) < stays ? picture[bit - 1]
                           : random_below(&random, 2) == 0             ? '#'
                                                                       : '.';
        picture[bits] = '\0';
        for (const char *at = picture; *at != '\0';) {
            uint32_t length = (uint32_t)strspn(at, ".");

            slots += length;
            longest = MAX_OF(longest, length);
            whole += length / piece * piece;
            count += length > 0;
            at += length > 0 ? length : 1;
        }
        struct free_runs runs = runs_of(picture, piece);
        uint64_t all_runs = 0, all_slots = 0;
        for (unsigned i = 0; i < FREE_RUN_SIZES; i++) {
            all_runs += runs.runs[i];
            all_slots += runs.run_slots[i];
            assert_in_range(runs.run_slots[i], runs.runs[i] << i, (runs.runs[i] << i) * 2);
        }
        assert_int_equal(runs.slots, slots);
        assert_int_equal(runs.longest, longest);
        assert_int_equal(runs.whole, whole);
        assert_int_equal(all_runs, count);
        assert_int_equal(all_slots, slots);
    }
}

/* ---- order ---------------------------------------------------------------------------------- */

static struct page_order order_of(const struct rig *rig)
{
    struct page_order order;

    page_order_measure(rig->engine, &order);
    return order;
}

static void expect_order(const struct rig *rig, uint64_t pages, uint64_t pairs, uint64_t in_order,
                         uint64_t reserved)
{
    struct page_order order = order_of(rig);

    assert_int_equal(order.pages, pages);
    assert_int_equal(order.pairs, pairs);
    assert_int_equal(order.pairs_in_order, in_order);
    assert_int_equal(order.pages_reserved, reserved);
}

/* One by one, so that slots come in the order of the calls. */
static void put(struct rig *rig, const page_number *pages, size_t count)
{
    for (size_t i = 0; i < count; i++)
        rig_put_in_slot(rig, pages[i], 1 + pages[i]);
}

static void neighbours_are_counted(void **state)
{
    static const page_number pages[] = {3, 4, 5, 10, 9, 20, 22};
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.slots = 64});
    expect_order(&rig, 0, 0, 0, 0);
    put(&rig, pages, ARRAY_COUNT(pages));
    /* 3-4, 4-5 in order; 9-10 not. 20 and 22 have no neighbour. */
    expect_order(&rig, 7, 3, 2, 0);
    /* In a frame as well, and clean: it keeps its slot. Written: it has none. */
    rig_expect(&rig, 0, 4, 5);
    expect_order(&rig, 7, 3, 2, 0);
    rig_fill(&rig, 0, 4, 99);
    expect_order(&rig, 6, 1, 0, 0);
    rig_end(&rig);
}

static void reserved_places_are_counted(void **state)
{
    static const page_number pages[] = {7, 2, 6, 3, 1, 0, 4, 5};
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.slots = 64, .slot_reservation = 8});
    put(&rig, pages, ARRAY_COUNT(pages));
    expect_order(&rig, 8, 7, 7, 8);
    rig_end(&rig);
    /* A page file that has no whole run reserves nothing. */
    rig_begin(&rig, &(struct rig_config){.slots = 6, .slot_reservation = 8, .commit = 8});
    put(&rig, pages, 6);
    expect_order(&rig, 6, 4, 0, 0);
    rig_end(&rig);
}

/* ---- writes of a batch ---------------------------------------------------------------------- */

static void writes_of_a_batch_are_counted(void **state)
{
    static const page_number pages[] = {3, 4, 5, 20, 21, 40};
    struct histogram_summary writes;
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.slots = 64, .slot_reservation = 8, .write_batch = 16});
    batch_writes_measure(rig.engine, &writes);
    assert_int_equal(writes.count, 0);
    for (size_t i = 0; i < ARRAY_COUNT(pages); i++) {
        rig_fill(&rig, 0, pages[i], 1);
        rig_trim(&rig, TRIMMER, pages[i]);
    }
    rig_write_all(&rig);
    batch_writes_measure(rig.engine, &writes);
    assert_int_equal(writes.count, 1);
    assert_int_equal(writes.p50, 3); /* 3 to 5, 20 and 21, 40 */
    assert_int_equal(writes.max, 3);
    assert_int_equal(rig_counter(&rig, COUNT_IO_WRITES), 3);
    /* A second one, by another thread. */
    rig_put_in_slot(&rig, 50, 1);
    batch_writes_measure(rig.engine, &writes);
    assert_int_equal(writes.count, 2);
    assert_int_equal(writes.p50, 1);
    assert_int_equal(writes.p99, 3);
    rig_end(&rig);
}

/* Looking stops nobody, and what it sees is possible at any moment. */
static void looking_while_pages_move(void **state)
{
    enum { PAGES = 64, SLOTS = 128 };
    struct rig rig;

    (void)state;
    rig_begin(&rig,
              &(struct rig_config){
                  .pages = PAGES, .slots = SLOTS, .slot_reservation = 8, .workers = {1, 2, 1, 1}});
    rig_start_workers(&rig);
    struct rig_toucher touchers[2] = {0};
    for (unsigned round = 0; round < 300; round++) {
        for (unsigned i = 0; i < 2; i++)
            rig_touch_begin(&touchers[i], &rig, i, (round * 7 + i * 29) % PAGES, true);
        struct free_runs runs;
        free_runs_measure(rig.engine->slot_bits, SLOTS, 8, &runs);
        struct page_order order = order_of(&rig);
        assert_in_range(runs.slots, SLOTS - PAGES, SLOTS);
        assert_true(order.pairs_in_order <= order.pairs && order.pairs < PAGES);
        assert_true(order.pages_reserved <= order.pages && order.pages <= PAGES);
        for (unsigned i = 0; i < 2; i++)
            rig_touch_end(&touchers[i]);
    }
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(free_runs_are_counted),
        cmocka_unit_test(ends_are_ends),
        cmocka_unit_test(random_pictures),
        cmocka_unit_test(neighbours_are_counted),
        cmocka_unit_test(reserved_places_are_counted),
        cmocka_unit_test(writes_of_a_batch_are_counted),
        cmocka_unit_test(looking_while_pages_move),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
