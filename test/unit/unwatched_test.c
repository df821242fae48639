/*
 * unwatched_test.c - pages that are mapped writable before anybody writes them: they keep their
 * slots, and the writer finds out by comparison whether there is anything to write.
 */
#include "engine_rig.h"

#define PAGE        9u
#define OTHER_SLOTS 3u

static const struct rig_config unwatched = {.map_writable = MAP_WRITABLE};

/* Active, mapped writable, and its slot holds seed 1. */
static slot_number begin(struct rig *rig, const struct rig_config *config)
{
    rig_begin(rig, config);
    rig_put_in_slot(rig, PAGE, 1);
    rig_expect(rig, 0, PAGE, 1);
    assert_int_equal(rig_state(rig, PAGE), PFN_ACTIVE);
    assert_true(rig_word(rig, PAGE) & PFN_MODIFIED_BIT);
    assert_true(rig_pte(rig, PAGE) & PTE_BIT_WRITABLE);
    assert_int_equal(rig_counter(rig, COUNT_MAPPED_WRITABLE), 1);
    assert_int_not_equal(rig_slot(rig, PAGE), SLOT_NONE);
    return rig_slot(rig, PAGE);
}

static void what_was_not_written_is_not_written_out(void **state)
{
    struct rig rig;
    slot_number slot;

    (void)state;
    slot = begin(&rig, &unwatched);
    uint32_t writes = gate_count(&rig, STORE_WRITE);
    rig_trim(&rig, TRIMMER, PAGE);
    assert_int_equal(rig_state(&rig, PAGE), PFN_MODIFIED);
    assert_int_equal(rig_slot(&rig, PAGE), slot);
    assert_true(write_round(rig.engine, rig_thread(&rig, WRITER)));
    assert_int_equal(rig_state(&rig, PAGE), PFN_STANDBY);
    assert_int_equal(rig_slot(&rig, PAGE), slot);
    assert_int_equal(gate_count(&rig, STORE_WRITE), writes);
    assert_int_equal(rig_counter(&rig, COUNT_UNCHANGED), 1);
    rig_end_with(&rig, PAGE, 1);
}

static void what_was_written_goes_to_its_slot(void **state)
{
    struct rig rig;
    slot_number slot;

    (void)state;
    slot = begin(&rig, &unwatched);
    uint64_t protect = rig_counter(&rig, COUNT_FAULT_WRITE_PROTECT);
    rig_fill(&rig, 0, PAGE, 2); /* nobody hears of it */
    assert_int_equal(rig_counter(&rig, COUNT_FAULT_WRITE_PROTECT), protect);
    rig_trim(&rig, TRIMMER, PAGE);
    assert_true(write_round(rig.engine, rig_thread(&rig, WRITER)));
    assert_int_equal(rig_state(&rig, PAGE), PFN_STANDBY);
    assert_int_equal(rig_slot(&rig, PAGE), slot);
    assert_true(bytes_hold(gate_bytes(&rig, slot), 2));
    assert_int_equal(rig_counter(&rig, COUNT_UNCHANGED), 0);
    rig_end_with(&rig, PAGE, 2);
}

/* A rescue for a read keeps the slot, one for a write gives it back. */
static void rescued_from_modified(void **state)
{
    struct rig rig;
    slot_number slot;

    (void)state;
    slot = begin(&rig, &unwatched);
    rig_trim(&rig, TRIMMER, PAGE);
    rig_expect(&rig, 0, PAGE, 1);
    assert_int_equal(rig_state(&rig, PAGE), PFN_ACTIVE);
    assert_int_equal(rig_slot(&rig, PAGE), slot);
    rig_trim(&rig, TRIMMER, PAGE);
    assert_int_equal(rig_write(&rig, 0, PAGE), FAULT_RESOLVED);
    assert_int_equal(rig_slot(&rig, PAGE), SLOT_NONE);
    assert_int_equal(rig_slots_used(&rig), 0);
    rig_end(&rig);
}

/* From standby it comes back writable; while it is being written it has no slot to compare with. */
static void expect_watched(struct rig *rig)
{
    rig_expect(rig, 0, PAGE, 2);
    assert_int_equal(rig_pte(rig, PAGE) & PTE_BIT_WRITABLE, 0);
}

static void rescued_during_its_write(void **state)
{
    struct rig rig;
    slot_number slot;

    (void)state;
    slot = begin(&rig, &unwatched);
    rig_fill(&rig, 0, PAGE, 2);
    rig_trim(&rig, TRIMMER, PAGE);
    assert_true(rig_write_with(&rig, expect_watched));
    assert_int_equal(rig_slot(&rig, PAGE), slot);
    rig_trim(&rig, TRIMMER, PAGE);
    assert_int_equal(rig_state(&rig, PAGE), PFN_STANDBY);
    rig_expect(&rig, 0, PAGE, 2);
    assert_true(rig_pte(&rig, PAGE) & PTE_BIT_WRITABLE);
    rig_fill(&rig, 0, PAGE, 3);
    rig_end_with(&rig, PAGE, 3);
}

static void a_failed_write_over_its_slot(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig, &unwatched);
    rig_fill(&rig, 0, PAGE, 2);
    rig_trim(&rig, TRIMMER, PAGE);
    gate_fail(&rig, STORE_WRITE, GATE_ANY_SLOT, 1);
    assert_false(write_round(rig.engine, rig_thread(&rig, WRITER)));
    rig_check_modified(&rig, PAGE);
    assert_int_equal(rig_slot(&rig, PAGE), SLOT_NONE); /* what it holds is not known */
    rig_end_with(&rig, PAGE, 2);
}

static void decommitted_with_its_slot(void **state)
{
    struct rig rig;

    (void)state;
    for (unsigned trimmed = 0; trimmed < 2; trimmed++) {
        begin(&rig, &unwatched);
        if (trimmed)
            rig_trim(&rig, TRIMMER, PAGE);
        assert_int_equal(space_decommit(rig.engine, OTHER, PAGE, 1), SPACE_DONE);
        assert_int_equal(rig_slots_used(&rig), 0);
        rig_end(&rig);
    }
}

/* With no slot free, pages that have a frame and a slot give the slot up, trimmed or not. */
static void kept_slots_are_given_up_for_others(void **state)
{
    struct rig rig;

    (void)state;
    for (unsigned trimmed = 0; trimmed < 2; trimmed++) {
        rig_begin(&rig, &(struct rig_config){.map_writable = MAP_WRITABLE,
                                             .slots = OTHER_SLOTS,
                                             .commit = 11,
                                             .write_batch = 1});
        for (page_number page = 0; page < OTHER_SLOTS; page++)
            rig_put_in_slot(&rig, page, 1 + page);
        for (page_number page = 0; page < OTHER_SLOTS; page++)
            rig_expect(&rig, 0, page, 1 + page);
        rig_fill(&rig, 0, PAGE, 7);
        rig_trim(&rig, TRIMMER, PAGE);
        for (page_number page = 0; trimmed && page < OTHER_SLOTS; page++)
            rig_trim(&rig, TRIMMER, page);
        assert_int_equal(slots_free(rig.engine), 0);
        rig_page_out(&rig, PAGE);
        for (page_number page = 0; page < OTHER_SLOTS; page++)
            rig_expect(&rig, 0, page, 1 + page);
        rig_expect(&rig, 0, PAGE, 7);
        rig_end(&rig);
    }
}

/* Pages 0..7 with slots in a row, mapped writable; those of the mask are written; all are trimmed. */
static void begin_row(struct rig *rig, uint32_t mask)
{
    rig_begin(rig, &(struct rig_config){.map_writable = MAP_WRITABLE, .slot_reservation = 8});
    for (page_number page = 0; page < 8; page++)
        rig_put_in_slot(rig, page, 1 + page);
    for (page_number page = 0; page < 8; page++) {
        rig_expect(rig, 0, page, 1 + page);
        assert_int_equal(rig_slot(rig, page), 1 + page);
    }
    for (page_number page = 0; page < 8; page++) {
        if (mask & 1u << page)
            rig_fill(rig, 0, page, 21 + page);
        rig_trim(rig, TRIMMER, page);
    }
}

static void a_short_stretch_is_written_along(void **state)
{
    static const struct {
        uint32_t mask, requests, pages;
    } rows[] = {{0x01, 1, 1}, {0x81, 2, 2}, {0x05, 1, 3}, {0x21, 1, 6}, {0xff, 1, 8},
                {0x00, 0, 0}, {0xa5, 1, 8}, {0x80, 1, 1}, {0x41, 2, 2}};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct rig rig;

        begin_row(&rig, rows[i].mask);
        uint32_t before = gate_count(&rig, STORE_WRITE);
        uint64_t pages = rig_counter(&rig, COUNT_IO_PAGES_WRITTEN);
        assert_true(write_round(rig.engine, rig_thread(&rig, WRITER)));
        assert_int_equal(gate_count(&rig, STORE_WRITE) - before, rows[i].requests);
        assert_int_equal(rig_counter(&rig, COUNT_IO_PAGES_WRITTEN) - pages, rows[i].pages);
        assert_int_equal(rig_counter(&rig, COUNT_UNCHANGED), 8 - rows[i].pages);
        for (page_number page = 0; page < 8; page++) {
            uint64_t seed = rows[i].mask & 1u << page ? 21 + page : 1 + page;

            assert_true(bytes_hold(gate_bytes(&rig, rig_slot(&rig, page)), seed));
            rig_expect(&rig, 0, page, seed);
        }
        rig_end(&rig);
    }
}

/* Read, then write; returns whether the write was heard of. */
static bool write_is_watched(struct rig *rig, uint64_t seed)
{
    uint64_t before = rig_counter(rig, COUNT_FAULT_WRITE_PROTECT);

    rig_expect(rig, 0, PAGE, seed);
    rig_fill(rig, 0, PAGE, seed + 1);
    rig_page_out(rig, PAGE);
    return rig_counter(rig, COUNT_FAULT_WRITE_PROTECT) > before;
}

static void a_region_learns_from_its_history(void **state)
{
    struct rig rig;
    uint32_t reads = 0;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.map_writable = MAP_BY_HISTORY});
    rig_put_in_slot(&rig, PAGE, 1);
    assert_true(write_is_watched(&rig, 1));
    for (uint64_t seed = 2; seed < 8; seed++)
        assert_false(write_is_watched(&rig, seed));
    /* Only read from here on: it is watched again before long, and stays so. */
    for (; reads < 32 && (reads == 0 || rig_counter(&rig, COUNT_UNCHANGED) == reads); reads++) {
        rig_expect(&rig, 0, PAGE, 8);
        rig_page_out(&rig, PAGE);
    }
    assert_in_range(reads, 3, 20);
    assert_true(write_is_watched(&rig, 8));
    rig_end(&rig);
}

static void read_only_pages_stay_so(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, &unwatched);
    rig_put_in_slot(&rig, PAGE, 1);
    assert_int_equal(space_protect(rig.engine, OTHER, PAGE, 1, PROTECTION_READ_ONLY), SPACE_DONE);
    rig_expect(&rig, 0, PAGE, 1);
    assert_int_equal(rig_counter(&rig, COUNT_MAPPED_WRITABLE), 0);
    assert_int_equal(rig_write(&rig, 0, PAGE), FAULT_ACCESS_VIOLATION);
    rig_end_with(&rig, PAGE, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_not_written_is_not_written_out),
        cmocka_unit_test(what_was_written_goes_to_its_slot),
        cmocka_unit_test(rescued_from_modified),
        cmocka_unit_test(rescued_during_its_write),
        cmocka_unit_test(a_failed_write_over_its_slot),
        cmocka_unit_test(decommitted_with_its_slot),
        cmocka_unit_test(kept_slots_are_given_up_for_others),
        cmocka_unit_test(a_short_stretch_is_written_along),
        cmocka_unit_test(a_region_learns_from_its_history),
        cmocka_unit_test(read_only_pages_stay_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
