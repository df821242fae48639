/*
 * joined_test.c - the joined store: where its slots are, what a part's failure costs, who grows.
 */
#include "store/checked.h"
#include "store/faulty.h"
#include "store/file.h"
#include "store/joined.h"
#include "store/ram.h"
#include "store_rig.h"

#include <stdlib.h>

#define PARTS 2u
#define SLOTS 8u /* of each part, at most */
#define PAGES 16u
#define READY 4u
#define MANY  200u

static unsigned char pages[PAGES][MM_PAGE_SIZE] __attribute__((aligned(MM_PAGE_SIZE)));
static void *page_pointers[PAGES];

/* Two RAM stores, each with a faulty one on it. */
struct rig {
    struct store ram[PARTS], part[PARTS], joined;
};

static void rig_begin(struct rig *rig, uint32_t slots, uint32_t ready)
{
    for (unsigned i = 0; i < PARTS; i++) {
        assert_int_equal(ram_create(SLOTS, 2, &rig->ram[i]), 0);
        ram_set_ready(&rig->ram[i], ready);
        assert_int_equal(faulty_create(&rig->ram[i], 1 + i, &rig->part[i]), 0);
    }
    assert_int_equal(joined_create(rig->part, PARTS, slots, 2, &rig->joined), 0);
    assert_int_equal(rig->joined.slots, slots);
    assert_int_equal(rig->joined.slots_ready, PARTS * ready);
    pages_fill(pages, page_pointers, PAGES, 1);
}

static void rig_end(struct rig *rig)
{
    store_destroy(&rig->joined);
    for (unsigned i = 0; i < PARTS; i++) {
        store_destroy(&rig->part[i]);
        store_destroy(&rig->ram[i]);
    }
}

static int perform(struct rig *rig, enum store_operation operation, slot_number slot,
                   uint32_t count, uint32_t *ret_pages_done)
{
    return store_perform(&rig->joined, operation, slot, count, page_pointers, ret_pages_done);
}

static void expect_place(struct rig *rig, slot_number slot, uint32_t part, slot_number of_part)
{
    slot_number found = SLOT_NONE;

    assert_int_equal(joined_part(&rig->joined, slot, &found), part);
    assert_int_equal(found, of_part);
}

/* ---- where they are ---- */

static void a_request_is_cut_at_the_borders(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, 2 * SLOTS, READY);
    assert_int_equal(store_grow(&rig.joined, 10), 0); /* the first part's */
    expect_place(&rig, 4, 0, 4);
    expect_place(&rig, 5, 1, 1);
    expect_place(&rig, 8, 1, 4);
    expect_place(&rig, 9, 0, 5);
    assert_int_equal(perform(&rig, STORE_WRITE, 3, 8, NULL), 0);
    assert_true(page_is(ram_slot(&rig.ram[0], 3), 1) && page_is(ram_slot(&rig.ram[0], 4), 2));
    for (slot_number i = 0; i < READY; i++)
        assert_true(page_is(ram_slot(&rig.ram[1], 1 + i), 3 + i));
    assert_true(page_is(ram_slot(&rig.ram[0], 5), 7) && page_is(ram_slot(&rig.ram[0], 6), 8));
    memset(pages, 0, sizeof(pages));
    assert_int_equal(perform(&rig, STORE_READ, 3, 8, NULL), 0);
    for (unsigned i = 0; i < 8; i++)
        assert_true(page_is(pages[i], 1 + i));
    rig_end(&rig);
}

/* More pieces than there are, each request over a border. */
static void requests_wait_for_pieces(void **state)
{
    static struct store_request requests[MANY], *pointers[MANY], *reaped[MANY];
    struct rig rig;
    uint32_t count = 0, got;

    (void)state;
    rig_begin(&rig, 2 * SLOTS, READY);
    assert_int_equal(perform(&rig, STORE_WRITE, 1, 8, NULL), 0);
    for (unsigned i = 0; i < MANY; i++) {
        requests[i] = (struct store_request){
            .operation = STORE_READ, .slot = 2 + i % 3, .count = 4, .pages = page_pointers};
        pointers[i] = &requests[i];
    }
    rig.joined.ops->submit(rig.joined.self, 1, pointers, MANY);
    while ((got = rig.joined.ops->reap(rig.joined.self, 1, reaped, 7, true)) > 0) {
        for (uint32_t i = 0; i < got; i++, count++) {
            assert_int_equal(reaped[i]->result, 0);
            assert_int_equal(reaped[i]->pages_done, 4);
            reaped[i]->result = 99; /* it comes once */
        }
    }
    assert_int_equal(count, MANY);
    rig_end(&rig);
}

/* ---- what fails ---- */

static void an_error_stays_with_its_part(void **state)
{
    uint32_t done;
    struct rig rig;

    (void)state;
    rig_begin(&rig, 2 * SLOTS, READY);
    assert_int_equal(store_grow(&rig.joined, 12), 0);
    assert_int_equal(perform(&rig, STORE_WRITE, 1, 12, NULL), 0);
    faulty_fail_nth(&rig.part[1], STORE_READ, 1, true);
    assert_int_equal(perform(&rig, STORE_READ, 1, 4, NULL), 0);
    assert_int_equal(perform(&rig, STORE_READ, 9, 4, NULL), 0);
    assert_int_equal(perform(&rig, STORE_READ, 5, 1, NULL), -EIO);
    assert_int_equal(perform(&rig, STORE_READ, 2, 10, &done), -EIO);
    assert_int_equal(done, 3); /* the first of the part that fails */
    faulty_heal(&rig.part[1]);
    faulty_fail_nth(&rig.part[0], STORE_WRITE, 1, true);
    assert_int_equal(perform(&rig, STORE_WRITE, 7, 4, &done), -EIO);
    assert_int_equal(done, 2);
    assert_int_equal(perform(&rig, STORE_WRITE, 5, 4, NULL), 0);
    rig_end(&rig);
}

/* The engine hears of pages that are given up below as well. */
static void a_discard_goes_to_the_parts(void **state)
{
    struct store checked[PARTS], joined;
    struct rig rig;

    (void)state;
    rig_begin(&rig, 2 * SLOTS, READY);
    for (unsigned i = 0; i < PARTS; i++)
        assert_int_equal(checked_create(&rig.ram[i], &checked[i]), 0);
    assert_int_equal(joined_create(checked, PARTS, 2 * SLOTS, 2, &joined), 0);
    assert_int_equal(store_perform(&joined, STORE_WRITE, 1, 8, page_pointers, NULL), 0);
    joined.ops->discard(joined.self, 4, 2);
    for (slot_number slot = 1; slot <= 8; slot++)
        assert_int_equal(store_perform(&joined, STORE_READ, slot, 1, page_pointers, NULL),
                         slot == 4 || slot == 5 ? -EBADMSG : 0);
    store_destroy(&joined);
    for (unsigned i = 0; i < PARTS; i++)
        store_destroy(&checked[i]);
    rig_end(&rig);
}

/* ---- who grows ---- */

static void the_smallest_part_grows(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, 2 * SLOTS, READY);
    assert_int_equal(store_grow(&rig.joined, 9), 0);
    assert_int_equal(store_grow(&rig.joined, 12), 0);
    assert_int_equal(store_grow(&rig.joined, 16), 0); /* more than one of them has */
    expect_place(&rig, 9, 0, 5);
    expect_place(&rig, 10, 1, 5);
    expect_place(&rig, 12, 1, 7);
    expect_place(&rig, 13, 1, 8); /* its extent goes on */
    expect_place(&rig, 16, 0, 8);
    assert_int_equal(perform(&rig, STORE_WRITE, 1, 16, NULL), 0);
    assert_int_equal(store_grow(&rig.joined, 17), -ENOSPC);
    rig_end(&rig);
}

static void where_one_refuses_the_other_grows(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, 2 * SLOTS, READY);
    faulty_set_growth(&rig.part[0], FAULTY_MILLION);
    assert_int_equal(store_grow(&rig.joined, 10), 0);
    expect_place(&rig, 9, 1, 5);
    faulty_set_growth(&rig.part[1], FAULTY_MILLION);
    assert_int_equal(store_grow(&rig.joined, 11), -ENOSPC);
    assert_int_equal(perform(&rig, STORE_WRITE, 1, 11, NULL), -EINVAL);
    assert_int_equal(perform(&rig, STORE_WRITE, 1, 10, NULL), 0);
    rig_end(&rig);
}

/* What a part grew by in vain is used the next time, and it is not asked again. */
static void what_was_made_ready_is_not_lost(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, 2 * SLOTS, READY);
    faulty_set_growth(&rig.part[1], FAULTY_MILLION);
    assert_int_equal(store_grow(&rig.joined, 13), -ENOSPC); /* the first has 4 of 5 */
    assert_int_equal(perform(&rig, STORE_WRITE, 9, 1, NULL), -EINVAL);
    faulty_set_growth(&rig.part[0], FAULTY_MILLION);
    assert_int_equal(store_grow(&rig.joined, 10), 0);
    assert_int_equal(store_grow(&rig.joined, 12), 0);
    expect_place(&rig, 12, 0, 8);
    assert_int_equal(perform(&rig, STORE_WRITE, 1, 12, NULL), 0);
    rig_end(&rig);
}

static void a_part_is_added(void **state)
{
    struct store more;
    struct rig rig;

    (void)state;
    rig_begin(&rig, 2 * SLOTS, READY);
    assert_int_equal(ram_create(3, 2, &more), 0);
    assert_int_equal(joined_add(&rig.joined, &more), 0);
    assert_int_equal(perform(&rig, STORE_WRITE, 9, 1, NULL), -EINVAL);
    faulty_set_growth(&rig.part[0], FAULTY_MILLION);
    faulty_set_growth(&rig.part[1], FAULTY_MILLION);
    assert_int_equal(store_grow(&rig.joined, 11), 0);
    assert_int_equal(perform(&rig, STORE_WRITE, 7, 5, NULL), 0);
    assert_true(page_is(ram_slot(&more, 3), 5));
    for (unsigned i = PARTS + 1; i < JOINED_PARTS_MAX; i++)
        assert_int_equal(joined_add(&rig.joined, &more), 0);
    assert_int_equal(joined_add(&rig.joined, &more), -ENOSPC);
    rig_end(&rig);
    store_destroy(&more);
}

/* Slot by slot the parts take turns, until extents become scarce; then one after the other goes on. */
static void the_table_of_extents_lasts(void **state)
{
    struct store ram[PARTS], joined;
    uint32_t ready = 0, seen[PARTS] = {0};

    (void)state;
    for (unsigned i = 0; i < PARTS; i++) {
        assert_int_equal(ram_create(1000, 1, &ram[i]), 0);
        ram_set_ready(&ram[i], 0);
    }
    assert_int_equal(joined_create(ram, PARTS, 2000, 1, &joined), 0);
    assert_int_equal(joined.slots_ready, 0);
    while (store_grow(&joined, ready + 1) == 0)
        ready++;
    assert_int_equal(ready, 2000);
    pages_fill(pages, page_pointers, 1, 7);
    for (slot_number slot = 1; slot <= ready; slot++) {
        slot_number found;
        uint32_t part = joined_part(&joined, slot, &found);

        assert_int_equal(found, ++seen[part]);
        assert_true(slot > 100 || part == (slot - 1) % 2);
    }
    assert_int_equal(store_perform(&joined, STORE_WRITE, ready, 1, page_pointers, NULL), 0);
    store_destroy(&joined);
    for (unsigned i = 0; i < PARTS; i++)
        store_destroy(&ram[i]);
}

/* ---- counters ---- */

static void parts_of_one_kind_count_together(void **state)
{
    struct file_config config = {.slots = READY, .slots_ready = READY, .queues = 1};
    struct store file[PARTS], joined;
    struct store_counter counters[16];
    char text[512];

    (void)state;
    for (unsigned i = 0; i < PARTS; i++)
        assert_int_equal(file_create(&config, &file[i], text, sizeof(text)), 0);
    assert_int_equal(joined_create(file, PARTS, 2 * READY, 1, &joined), 0);
    pages_fill(pages, page_pointers, 8, 1);
    assert_int_equal(store_perform(&joined, STORE_WRITE, 2, 5, page_pointers, NULL), 0);
    assert_int_equal(store_counters(&joined, counters, 16), 4);
    assert_string_equal(counters[3].name, "file_pages_written");
    assert_int_equal(counters[2].value, 2);
    assert_int_equal(counters[3].value, 5);
    assert_int_equal(store_counters(&joined, counters, 2), 2);
    store_destroy(&joined);
    for (unsigned i = 0; i < PARTS; i++)
        store_destroy(&file[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_cut_at_the_borders),
        cmocka_unit_test(requests_wait_for_pieces),
        cmocka_unit_test(an_error_stays_with_its_part),
        cmocka_unit_test(a_discard_goes_to_the_parts),
        cmocka_unit_test(the_smallest_part_grows),
        cmocka_unit_test(where_one_refuses_the_other_grows),
        cmocka_unit_test(what_was_made_ready_is_not_lost),
        cmocka_unit_test(a_part_is_added),
        cmocka_unit_test(the_table_of_extents_lasts),
        cmocka_unit_test(parts_of_one_kind_count_together),
    };

    setenv("TMPDIR", ".", 1); /* the build directory is on a disk */
    return cmocka_run_group_tests_name("joined", tests, NULL, NULL);
}
