/*
 * races_test.c - the races of docs/races.md, each by its name, each in every order.
 *
 * A scenario must meet the interleaving that its race is about (`sees`), or the test fails. Where
 * the construction leaves no room for a race, the test looks at the construction.
 */
#include "scenario.h"

#include <string.h>

/* ---- by interleaving ---- */

static void search(const struct scenario *scenario)
{
    assert_true(scenario_search(scenario) > 1);
}

static void r01_a_store_at_the_instant_of_a_write_completion(void **state)
{
    const struct scenario rescued = {
        "r01_read_then_write", .start = {MODIFIED},
        .fibers = {{{WRITE_OUT}}, {{READ, 0}, {WRITE, 0}}},
        .sees = {SEE(RESCUE_WRITING), SEE(FAULT_WRITE_PROTECT), SEE(SLOT_GIVEN_BACK)}};
    const struct scenario at_once = {"r01_write", .start = {MODIFIED},
                                     .fibers = {{{WRITE_OUT}, {REPURPOSE}}, {{WRITE, 0}}},
                                     .sees = {SEE(RESCUE_WRITING), SEE(SLOT_GIVEN_BACK)}};

    (void)state;
    search(&rescued);
    search(&at_once);
}

static void r02_a_rescuer_locks_anothers_frame(void **state)
{
    const struct scenario given_away = {
        "r02_repurposed_and_reused",
        .pages = 2,
        .frames = 2,
        .start = {STANDBY, UNTOUCHED},
        .region_ptes = 1,
        .fibers = {{{READ, 0}}, {{REPURPOSE}, {WRITE, 1}, {TRIM, 1}}},
        .sees = {SEE(RESCUE_STANDBY), SEE(FAULT_RETRIES), SEE(FAULT_HARD)}};
    const struct scenario come_back = {
        "r02_repurposed_and_read_again", .frames = 2, .start = {STANDBY},
        .fibers = {{{READ, 0}}, {{REPURPOSE}, {READ, 0}, {TRIM, 0}}},
        .sees = {SEE(RESCUE_STANDBY), SEE(FAULT_RETRIES), SEE(FAULT_HARD)}};

    (void)state;
    search(&given_away);
    search(&come_back);
}

static void r03_twice_in_a_batch_or_on_a_list(void **state)
{
    const struct scenario scenario = {
        "r03_rescued_trimmed_and_popped_again", .start = {MODIFIED}, .batch = 2,
        .fibers = {{{WRITE_OUT}}, {{WRITE, 0}, {TRIM, 0}, {WRITE_OUT}}},
        .sees = {SEE(RESCUE_WRITING), SEE_MOVE(WRITE_AGAIN), SEE_MOVE(TRIM_DIRTY)}};

    (void)state;
    search(&scenario);
}

static void r04_a_second_writer_behind_the_first_ones_back(void **state)
{
    const struct scenario scenario = {
        "r04_written_by_two", .start = {MODIFIED},
        .fibers = {{{WRITE_OUT}, {REPURPOSE}},
                   {{READ, 0}, {TRIM, 0}, {WRITE, 0}, {TRIM, 0}, {WRITE_OUT}}},
        .sees = {SEE(RESCUE_WRITING), SEE_MOVE(WRITE_AGAIN), SEE_MOVE(WRITE_DONE)}};

    (void)state;
    search(&scenario);
}

static void r05_on_a_list_before_its_pte_or_after_it(void **state)
{
    const struct scenario scenario = {
        "r05_rescued_at_every_moment_of_a_trim", .start = {CLEAN},
        .fibers = {{{TRIM, 0}, {REPURPOSE}}, {{WRITE, 0}}},
        .sees = {SEE_MOVE(RESCUE_IN_FLIGHT), SEE_MOVE(RESCUE_STANDBY), SEE(FAULT_HARD)}};

    (void)state;
    search(&scenario);
}

static void r06_mapped_before_its_content_is_there(void **state)
{
    const struct scenario scenario = {"r06_read_while_it_is_read", .start = {IN_SLOT},
                                      .fibers = {{{READ, 0}}, {{READ, 0}, {READ, 0}}},
                                      .sees = {SEE(FAULT_HARD), SEE(FAULT_COLLIDED)}};

    (void)state;
    search(&scenario);
}

static void r07_neighbouring_bits_of_one_word(void **state)
{
    /* Pins, references, protection, modified and writing change at once. */
    const struct scenario scenario = {
        "r07_all_fields_of_a_frame", .start = {MODIFIED},
        .fibers = {{{WRITE_OUT}}, {{PIN_WRITE, 0}, {UNPIN, 0}}, {{PROTECT_READ, 0}}},
        .sees = {SEE(RESCUE_WRITING), SEE_MOVE(WRITE_DONE)}};

    (void)state;
    assert_int_equal(sizeof(((struct pfn *)NULL)->word), sizeof(uint64_t));
    search(&scenario);
}

static void r08_the_dirty_bit_while_the_pte_changes(void **state)
{
    const struct scenario scenario = {
        "r08_written_while_it_is_unmapped", .start = {CLEAN},
        .fibers = {{{TRIM, 0}, {WRITE_OUT}, {REPURPOSE}}, {{WRITE, 0}, {WRITE, 0}}},
        .sees = {SEE(FAULT_WRITE_PROTECT), SEE_MOVE(TRIM_CLEAN), SEE_MOVE(TRIM_DIRTY)}};

    (void)state;
    search(&scenario);
}

static void r09_a_link_followed_after_its_frame_was_let_go(void **state)
{
    const struct scenario scenario = {
        "r09_rescued_from_a_list_that_is_walked",
        .start = {STANDBY, STANDBY, STANDBY},
        .region_ptes = 1,
        .frame_cache = 4,
        .fibers = {{{REPURPOSE}, {REPURPOSE}}, {{READ, 1}, {TRIM, 1}}},
        .sees = {SEE(REPURPOSED), SEE(RESCUE_STANDBY), SEE_MOVE(TRIM_CLEAN)}};

    (void)state;
    search(&scenario);
}

static void r10_stale_neighbours_after_the_fallback(void **state)
{
    const struct scenario scenario = {
        "r10_two_neighbours_leave", .start = {STANDBY, STANDBY, STANDBY}, .region_ptes = 1,
        .fibers = {{{READ, 0}}, {{READ, 1}}}, .sees = {SEE(UNLINK_SHARED), SEE(UNLINK_EXCLUSIVE)}};

    (void)state;
    search(&scenario);
}

static void r11_a_list_of_one(void **state)
{
    const struct scenario scenario = {"r11_the_only_one_leaves_and_another_comes",
                                      .start = {STANDBY, CLEAN}, .region_ptes = 1,
                                      .fibers = {{{READ, 0}}, {{TRIM, 1}, {READ, 1}}},
                                      .sees = {SEE(UNLINK_SHARED), SEE_MOVE(TRIM_CLEAN)}};

    (void)state;
    search(&scenario);
}

static void r12_a_wake_up_before_the_wait(void **state)
{
    const struct scenario frame = {"r12_a_frame_comes_as_somebody_begins_to_wait",
                                   .pages = 2,
                                   .frames = 1,
                                   .slots = 4,
                                   .start = {ACTIVE, UNTOUCHED},
                                   .fibers = {{{DECOMMIT, 0}}, {{WRITE, 1}}},
                                   .sees = {SEE(FRAME_WAITS), SEE(DELETED)}};
    const struct scenario read = {"r12_a_read_ends_as_somebody_begins_to_wait", .start = {IN_SLOT},
                                  .fibers = {{{READ, 0}}, {{READ, 0}}},
                                  .sees = {SEE(FAULT_COLLIDED)}};

    (void)state;
    search(&frame);
    search(&read);
}

static void r13_a_slot_freed_twice_or_never(void **state)
{
    const struct scenario written = {
        "r13_given_back_during_the_write", .start = {MODIFIED},
        .fibers = {{{WRITE_OUT}}, {{READ, 0}, {WRITE, 0}, {DECOMMIT, 0}}},
        .sees = {SEE(RESCUE_WRITING), SEE(SLOT_GIVEN_BACK), SEE(DELETED)}};
    const struct scenario read = {"r13_given_back_during_the_read", .start = {IN_SLOT},
                                  .fibers = {{{WRITE, 0}}, {{DECOMMIT, 0}}},
                                  .sees = {SEE(READ_DISMISSED), SEE(FAULT_HARD)}};

    (void)state;
    search(&written);
    search(&read);
}

static void r15_the_page_file_is_full(void **state)
{
    const struct scenario scenario = {
        "r15_every_slot_is_a_second_copy",
        .start = {CLEAN, CLEAN, MODIFIED},
        .frames = 9,
        .slots = 2,
        .fibers = {{{WRITE_OUT}, {REPURPOSE}}, {{WRITE, 0}, {TRIM, 1}}},
        .sees = {SEE(SLOT_GIVEN_BACK), SEE(WRITTEN)}};

    (void)state;
    search(&scenario);
}

static void r16_all_pages_are_modified(void **state)
{
    const struct scenario scenario = {"r16_nothing_but_modified_pages",
                                      .start = {MODIFIED, MODIFIED, UNTOUCHED},
                                      .pages = 3,
                                      .frames = 2,
                                      .preemptions = 1,
                                      .workers = {[WORKER_WRITE] = 1},
                                      .fibers = {{{WRITE, 2}}, {{READ, 0}}},
                                      .sees = {SEE(WRITTEN), SEE(RESCUE_MODIFIED)}};

    (void)state;
    search(&scenario);
}

static void r17_workers_end_before_what_they_use(void **state)
{
    const struct scenario scenario = {"r17_stopped_in_the_middle", .start = {MODIFIED, ACTIVE},
                                      .workers = {[WORKER_TRIM] = 1, [WORKER_WRITE] = 1},
                                      .fibers = {{{STOP}}, {{READ, 0}}}};

    (void)state;
    search(&scenario);
}

static void r19_a_store_through_an_old_translation(void **state)
{
    const struct scenario scenario = {
        "r19_written_after_the_unmap",
        .pages = 2,
        .start = {ACTIVE, UNTOUCHED},
        .frames = 2,
        .fibers = {{{TRIM, 0}, {WRITE_OUT}, {REPURPOSE}, {WRITE, 1}}, {{WRITE, 0}, {WRITE, 0}}},
        .sees = {SEE_MOVE(RESCUE_IN_FLIGHT), SEE(RESCUE_WRITING), SEE(FAULT_HARD)}};

    (void)state;
    search(&scenario);
}

static void r22_a_torn_pte(void **state)
{
    /* The frame, the form and the protection of one entry change at once. */
    const struct scenario scenario = {
        "r22_all_fields_of_an_entry", .start = {STANDBY},
        .fibers = {{{REPURPOSE}}, {{PROTECT_READ, 0}}, {{READ, 0}}},
        .sees = {SEE(REPURPOSED), SEE(RESCUE_STANDBY), SEE(FAULT_HARD)}};

    (void)state;
    assert_int_equal(sizeof(pte), sizeof(uint64_t));
    search(&scenario);
}

static void r23_an_exit_that_keeps_a_lock(void **state)
{
    /* Every step ends with a check that its thread holds nothing; here each kind of exit is met. */
    const struct scenario error = {
        "r23_errors", .start = {IN_SLOT}, .reads_fail = 1,
        .fibers = {{{READ, 0}}, {{PROTECT_READ, 0}, {WRITE, 0}}},
        .sees = {SEE(FAULT_IN_PAGE_ERROR), SEE(FAULT_ACCESS_VIOLATION), SEE(FAULT_RETRIES)}};
    const struct scenario valid = {"r23_valid_no_longer", .start = {CLEAN},
                                   .fibers = {{{WRITE, 0}}, {{TRIM, 0}, {REPURPOSE}}},
                                   .sees = {SEE(FAULT_RETRIES), SEE(FAULT_HARD)}};

    (void)state;
    search(&error);
    search(&valid);
}

/* ---- by construction ---- */

static struct assembly looked_at;

static void create(slot_number slots)
{
    struct assembly_config config = {.engine = {.pages = 4,
                                                .frames = 4,
                                                .slots = slots,
                                                .threads = 2,
                                                .vads_max = 1,
                                                .trim_batch = 1,
                                                .write_batch = 1,
                                                .region_ptes = 1,
                                                .fault_around = 1,
                                                .dirty_bit = true}};

    assert_int_equal(assembly_create(&looked_at, &config), 0);
}

static void take_and_return(void *argument)
{
    uint32_t thread = (uint32_t)(uintptr_t)argument;
    struct thread *self = &looked_at.engine->threads[thread];
    static const page_number nobody[2] = {PAGE_NONE, PAGE_NONE};
    slot_number slots[2];
    uint32_t taken = slots_take(looked_at.engine, self, 2, nobody, slots);

    for (uint32_t i = 0; i < taken; i++) {
        /* Given back twice, or taken while another has it, ends the run. */
        slots_give_back(looked_at.engine, self, slots[i]);
        if (slots[i] == SLOT_NONE || slots[i] > looked_at.store.slots)
            fibers_fail("slot %u was never there", slots[i]);
    }
}

static void main_slots(void *argument)
{
    struct world_thread *threads[2];

    (void)argument;
    for (uint32_t i = 0; i < 2; i++)
        world_thread_start(take_and_return, (void *)(uintptr_t)i, "taker", &threads[i]);
    for (uint32_t i = 0; i < 2; i++)
        world_thread_join(threads[i]);
    if (slots_free(looked_at.engine) != looked_at.store.slots)
        fibers_fail("%u slots free", (unsigned)slots_free(looked_at.engine));
}

/* A bitmap under locks has no moment between a size and its content. */
static void r14_a_stack_of_slots_shows_its_size_too_early(void **state)
{
    static struct fibers_choice choices[4096];
    struct fibers_path path = {
        .choices = choices, .room = ARRAY_COUNT(choices), .preemptions_max = 3};
    struct fibers_config config = {
        .strategy = FIBERS_PATH, .steps_max = 100000, .path = &path, .net_ns = 1};
    struct fibers_result result;

    (void)state;
    create(3);
    fibers_path_begin(&path);
    do {
        assembly_reset(&looked_at);
        fibers_run(&config, main_slots, NULL, &result);
        assert_string_equal(result.text, "");
        assert_int_equal(result.outcome, FIBERS_DONE);
    } while (fibers_path_next(&path));
    assert_false(path.overflow);
    assembly_destroy(&looked_at);
}

/* Slot 0 and the largest numbers of everything survive every word that holds them. */
static void r18_a_field_is_too_narrow(void **state)
{
    const slot_number slot_max = UINT32_MAX;
    const frame_number frame_max = FRAME_NONE - 1;
    pte_word in_slot = pte_make_software(PROTECTION_READ_WRITE, slot_max);
    pte_word valid = pte_make_valid(frame_max, PROTECTION_READ_WRITE, true, 255);
    pte_word transition = pte_make_transition(frame_max, PROTECTION_READ_ONLY);
    pfn_word word = (pfn_word)PFN_REFERENCES_MAX << PFN_REFERENCE_SHIFT | (pfn_word)PFN_PINS_MAX
                                                                              << PFN_PIN_SHIFT;

    (void)state;
    assert_int_equal(pte_slot(in_slot), slot_max);
    assert_int_equal(pte_form(in_slot), PTE_PAGE_FILE);
    assert_int_equal(pte_form(pte_make_software(PROTECTION_READ_WRITE, SLOT_NONE)),
                     PTE_DEMAND_ZERO);
    assert_int_equal(pte_frame(valid), frame_max);
    assert_int_equal(pte_register(valid), 255);
    assert_int_equal(pte_frame(transition), frame_max);
    assert_int_equal(pfn_references(word), PFN_REFERENCES_MAX);
    assert_int_equal(pfn_pins(word), PFN_PINS_MAX);
    assert_int_equal(pfn_generation(word), 0);
}

/* Page tables are not paged: they are one array that no frame holds. */
static void r20_a_page_table_page_is_trimmed(void **state)
{
    const char *entries, *begin;

    (void)state;
    create(4);
    entries = (const char *)(uintptr_t)looked_at.engine->ptes;
    begin = looked_at.memory;
    assert_true(entries >= begin && entries + 4 * sizeof(pte) <= begin + looked_at.memory_bytes);
    for (frame_number frame = 0; frame < 4; frame++) {
        const char *bytes = soft_frame(looked_at.soft, frame);

        assert_true(entries + 4 * sizeof(pte) <= bytes || entries >= bytes + MM_PAGE_SIZE);
    }
    assembly_destroy(&looked_at);
}

/* No counts by age exist; the one count of valid pages there is changes under its lock. */
static void r21_counts_of_pages_drift(void **state)
{
    const struct scenario scenario = {"r21_resident_pages_of_a_region", .start = {CLEAN, CLEAN},
                                      .region_ptes = 2,
                                      .fibers = {{{TRIM, 0}, {READ, 1}}, {{TRIM, 1}, {READ, 0}}},
                                      .sees = {SEE_MOVE(TRIM_CLEAN), SEE(FAULT_TRANSITION)}};

    (void)state;
    search(&scenario);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(r01_a_store_at_the_instant_of_a_write_completion),
        cmocka_unit_test(r02_a_rescuer_locks_anothers_frame),
        cmocka_unit_test(r03_twice_in_a_batch_or_on_a_list),
        cmocka_unit_test(r04_a_second_writer_behind_the_first_ones_back),
        cmocka_unit_test(r05_on_a_list_before_its_pte_or_after_it),
        cmocka_unit_test(r06_mapped_before_its_content_is_there),
        cmocka_unit_test(r07_neighbouring_bits_of_one_word),
        cmocka_unit_test(r08_the_dirty_bit_while_the_pte_changes),
        cmocka_unit_test(r09_a_link_followed_after_its_frame_was_let_go),
        cmocka_unit_test(r10_stale_neighbours_after_the_fallback),
        cmocka_unit_test(r11_a_list_of_one),
        cmocka_unit_test(r12_a_wake_up_before_the_wait),
        cmocka_unit_test(r13_a_slot_freed_twice_or_never),
        cmocka_unit_test(r14_a_stack_of_slots_shows_its_size_too_early),
        cmocka_unit_test(r15_the_page_file_is_full),
        cmocka_unit_test(r16_all_pages_are_modified),
        cmocka_unit_test(r17_workers_end_before_what_they_use),
        cmocka_unit_test(r18_a_field_is_too_narrow),
        cmocka_unit_test(r19_a_store_through_an_old_translation),
        cmocka_unit_test(r20_a_page_table_page_is_trimmed),
        cmocka_unit_test(r21_counts_of_pages_drift),
        cmocka_unit_test(r22_a_torn_pte),
        cmocka_unit_test(r23_an_exit_that_keeps_a_lock),
    };

    return cmocka_run_group_tests_name("races", tests, NULL, NULL);
}
