/*
 * writer_test.c - what may happen to a page while it is being written, and who owns its slot then.
 *
 * Most tests do it in the store's callback: the write has begun, half of it is done, the writer
 * holds no lock. So each interleaving is one sequence of calls.
 */
#include "engine_rig.h"

#include <string.h>
#include <unistd.h>

#define PAGE 9u

/* ---- nothing in the middle -------------------------------------------------------------------- */

/* The page is on the modified list with seed 1, and never was in a slot. */
static void begin_modified(struct rig *rig)
{
    rig_begin(rig, &(struct rig_config){0});
    rig_fill(rig, 0, PAGE, 1);
    rig_trim(rig, TRIMMER, PAGE);
    assert_int_equal(rig_state(rig, PAGE), PFN_MODIFIED);
    assert_int_equal(rig_counter(rig, COUNT_TRIMMED_DIRTY), 1);
    assert_int_equal(list_count(rig->engine, LIST_MODIFIED), 1);
}

static void an_undisturbed_write(void **state)
{
    struct rig rig;

    (void)state;
    begin_modified(&rig);
    assert_true(write_round(rig.engine, rig_thread(&rig, WRITER)));
    assert_int_equal(rig_state(&rig, PAGE), PFN_STANDBY);
    assert_int_not_equal(rig_slot(&rig, PAGE), SLOT_NONE);
    assert_int_equal(rig_counter(&rig, COUNT_WRITTEN), 1);
    assert_int_equal(rig_counter(&rig, COUNT_IO_WRITES), 1);
    assert_int_equal(rig_counter(&rig, COUNT_IO_PAGES_WRITTEN), 1);
    assert_false(write_round(rig.engine, rig_thread(&rig, WRITER)));
    rig_end_with(&rig, PAGE, 1);
}

/* ---- rescues -------------------------------------------------------------------------------- */

static void check_being_written(struct rig *rig, enum pfn_state state, bool modified)
{
    assert_int_equal(rig_state(rig, PAGE), state);
    assert_true(rig_word(rig, PAGE) & PFN_WRITING);
    assert_int_equal((rig_word(rig, PAGE) & PFN_MODIFIED_BIT) != 0, modified);
    assert_int_equal(rig_slot(rig, PAGE), SLOT_NONE); /* the slot is the writer's */
    assert_int_equal(rig_slots_used(rig), 1);
    assert_int_equal(list_count(rig->engine, LIST_MODIFIED), 0);
}

static void read_it(struct rig *rig)
{
    check_being_written(rig, PFN_TRANSITION, false);
    rig_expect(rig, 0, PAGE, 1);
    check_being_written(rig, PFN_ACTIVE, false);
    assert_int_equal(rig_pte(rig, PAGE) & PTE_BIT_WRITABLE, 0);
}

static void rescued_for_a_read(void **state)
{
    struct rig rig;

    (void)state;
    begin_modified(&rig);
    assert_true(rig_write_with(&rig, read_it));
    assert_int_equal(rig_state(&rig, PAGE), PFN_ACTIVE);
    assert_int_equal(rig_word(&rig, PAGE) & (PFN_MODIFIED_BIT | PFN_WRITING), 0);
    assert_int_equal(pfn_references(rig_word(&rig, PAGE)), 0);
    assert_int_not_equal(rig_slot(&rig, PAGE), SLOT_NONE); /* the write was worth it */
    assert_int_equal(rig_counter(&rig, COUNT_RESCUE_WRITING), 1);
    assert_int_equal(rig_counter(&rig, COUNT_FAULT_TRANSITION), 1);
    assert_int_equal(gate_count(&rig, STORE_READ), 0);
    rig_trim(&rig, TRIMMER, PAGE);
    assert_int_equal(rig_state(&rig, PAGE), PFN_STANDBY);
    rig_end_with(&rig, PAGE, 1);
}

static void write_it(struct rig *rig)
{
    rig_fill(rig, 0, PAGE, 2);
    check_being_written(rig, PFN_ACTIVE, true);
    assert_true(rig_pte(rig, PAGE) & PTE_BIT_WRITABLE);
}

static void read_and_write_it(struct rig *rig)
{
    read_it(rig);
    write_it(rig);
    assert_int_equal(rig_counter(rig, COUNT_FAULT_WRITE_PROTECT), 1);
}

static void rescued_for_a_write(void **state)
{
    static rig_scene *const acts[] = {write_it, read_and_write_it};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(acts); i++) {
        struct rig rig;

        begin_modified(&rig);
        assert_true(rig_write_with(&rig, acts[i]));
        assert_int_equal(rig_state(&rig, PAGE), PFN_ACTIVE);
        assert_true(rig_word(&rig, PAGE) & PFN_MODIFIED_BIT);
        assert_int_equal(rig_slot(&rig, PAGE), SLOT_NONE); /* half old, half new: worthless */
        assert_int_equal(rig_slots_used(&rig), 0);
        rig_end_with(&rig, PAGE, 2);
    }
}

static void *write_in_a_thread(void *argument)
{
    struct rig *rig = argument;

    write_round(rig->engine, rig_thread(rig, WRITER));
    return NULL;
}

/* The disk does not answer: a rescue does not wait for it. */
static void a_rescue_does_not_wait_for_the_disk(void **state)
{
    (void)state;
    for (int write = 0; write <= 1; write++) {
        struct rig_toucher toucher;
        pthread_t writer;
        struct rig rig;

        begin_modified(&rig);
        gate_shut(&rig, STORE_WRITE);
        assert_int_equal(pthread_create(&writer, NULL, write_in_a_thread, &rig), 0);
        gate_wait_held(&rig, STORE_WRITE, 1);
        rig_touch_begin(&toucher, &rig, 3, PAGE, write);
        rig_touch_end(&toucher);
        assert_int_equal(toucher.result, FAULT_RESOLVED);
        assert_int_equal(rig.gate.held[STORE_WRITE], 1);
        check_being_written(&rig, PFN_ACTIVE, write);
        gate_open(&rig, STORE_WRITE);
        pthread_join(writer, NULL);
        assert_int_equal(rig_slots_used(&rig), !write);
        rig_fill(&rig, 0, PAGE, 5);
        rig_end_with(&rig, PAGE, 5);
    }
}

/* ---- rescued, written and trimmed again ----------------------------------------------------- */

static void write_and_trim_it(struct rig *rig)
{
    write_it(rig);
    rig_trim(rig, TRIMMER, PAGE);
    check_being_written(rig, PFN_TRANSITION, true); /* the writer still refers to it: on no list */
    assert_int_equal(pfn_references(rig_word(rig, PAGE)), 1);
    /* A second writer finds nothing (R3, R4). */
    assert_false(write_round(rig->engine, rig_thread(rig, WRITER_2)));
}

static void trimmed_again_it_is_written_again(void **state)
{
    struct rig rig;

    (void)state;
    begin_modified(&rig);
    assert_true(rig_write_with(&rig, write_and_trim_it));
    rig_check_modified(&rig, PAGE);
    assert_int_equal(rig_moves(&rig, WHY_WRITE_AGAIN), 1);
    rig_write_all(&rig);
    assert_int_equal(rig_state(&rig, PAGE), PFN_STANDBY);
    assert_int_equal(gate_count(&rig, STORE_WRITE), 2);
    rig_end_with(&rig, PAGE, 2);
}

static void several_lives(struct rig *rig)
{
    for (uint64_t seed = 3; seed < 6; seed++) {
        rig_fill(rig, 0, PAGE, seed);
        rig_trim(rig, seed % 2 ? TRIMMER : TRIMMER_2, PAGE);
    }
    rig_expect(rig, 1, PAGE, 5);
    rig_trim(rig, TRIMMER, PAGE);
    check_being_written(rig, PFN_TRANSITION, true);
}

static void trimmed_again_and_again(void **state)
{
    struct rig rig;

    (void)state;
    begin_modified(&rig);
    assert_true(rig_write_with(&rig, several_lives));
    rig_check_modified(&rig, PAGE);
    rig_end_with(&rig, PAGE, 5);
}

static void read_and_trim_it(struct rig *rig)
{
    read_it(rig);
    rig_trim(rig, TRIMMER, PAGE);
    check_being_written(rig, PFN_TRANSITION, false);
}

static void trimmed_clean_it_goes_to_standby(void **state)
{
    struct rig rig;

    (void)state;
    begin_modified(&rig);
    assert_true(rig_write_with(&rig, read_and_trim_it));
    assert_int_equal(rig_state(&rig, PAGE), PFN_STANDBY);
    assert_int_equal(rig_moves(&rig, WHY_WRITE_DONE), 1);
    assert_int_equal(gate_count(&rig, STORE_WRITE), 1);
    rig_end_with(&rig, PAGE, 1);
}

/* The trimmer is slower than the writer: the last to let go decides about the list. */
static struct trim_batch late_batch;

static void write_and_detach_it(struct rig *rig)
{
    write_it(rig);
    rig_detach(rig, TRIMMER, PAGE, &late_batch);
    assert_int_equal(pfn_references(rig_word(rig, PAGE)), 2);
}

static void read_and_detach_it(struct rig *rig)
{
    read_it(rig);
    rig_detach(rig, TRIMMER, PAGE, &late_batch);
}

static void the_last_to_let_go_decides(void **state)
{
    struct rig rig;

    (void)state;
    begin_modified(&rig);
    assert_true(rig_write_with(&rig, write_and_detach_it));
    assert_int_equal(rig_state(&rig, PAGE), PFN_TRANSITION);
    assert_int_equal(rig_slots_used(&rig), 0);
    trim_finish(rig.engine, rig_thread(&rig, TRIMMER), &late_batch);
    rig_check_modified(&rig, PAGE);
    rig_end_with(&rig, PAGE, 2);

    begin_modified(&rig);
    assert_true(rig_write_with(&rig, read_and_detach_it));
    assert_int_equal(rig_state(&rig, PAGE), PFN_TRANSITION);
    assert_int_equal(rig_slots_used(&rig), 1);
    trim_finish(rig.engine, rig_thread(&rig, TRIMMER), &late_batch);
    assert_int_equal(rig_state(&rig, PAGE), PFN_STANDBY);
    rig_end_with(&rig, PAGE, 1);
}

/* ---- errors --------------------------------------------------------------------------------- */

static void check_failed(struct rig *rig)
{
    assert_int_equal(rig_counter(rig, COUNT_IO_ERRORS), 1);
    assert_int_equal(rig_counter(rig, COUNT_WRITTEN), 0);
    assert_int_equal(rig_counter(rig, COUNT_IO_PAGES_WRITTEN), 0);
    assert_int_equal(rig_slots_used(rig), 0);
}

static void a_failed_write_loses_nothing(void **state)
{
    struct rig rig;

    (void)state;
    begin_modified(&rig);
    gate_fail(&rig, STORE_WRITE, GATE_ANY_SLOT, 1);
    assert_false(write_round(rig.engine, rig_thread(&rig, WRITER)));
    check_failed(&rig);
    rig_check_modified(&rig, PAGE);
    assert_int_equal(rig_moves(&rig, WHY_WRITE_FAIL), 1);
    assert_int_equal(rig_audit(&rig), 0);
    rig_expect(&rig, 0, PAGE, 1);
    rig_trim(&rig, TRIMMER, PAGE);
    rig_write_all(&rig);
    assert_int_equal(rig_counter(&rig, COUNT_WRITTEN), 1);
    rig_end_with(&rig, PAGE, 1);
}

/* Rescued for a read, it counts as clean; the failure must take that back. */
static void a_failed_write_of_a_rescued_page(void **state)
{
    static rig_scene *const acts[] = {read_it, write_it, write_and_trim_it, read_and_trim_it};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(acts); i++) {
        struct rig rig;

        begin_modified(&rig);
        gate_fail(&rig, STORE_WRITE, GATE_ANY_SLOT, 1);
        assert_false(rig_write_with(&rig, acts[i]));
        check_failed(&rig);
        assert_true(rig_word(&rig, PAGE) & PFN_MODIFIED_BIT);
        assert_int_equal(rig_state(&rig, PAGE), i < 2 ? PFN_ACTIVE : PFN_MODIFIED);
        rig_end_with(&rig, PAGE, i == 0 || i == 3 ? 1 : 2);
    }
}

/* Pages that were modified in any order go with one request, if their slots are a run. */
static void neighbours_go_together(void **state)
{
    struct rig rig;

    (void)state;
    for (uint32_t reservation = 1; reservation <= 8; reservation *= 8) {
        rig_begin(&rig, &(struct rig_config){.slot_reservation = reservation});
        for (page_number i = 0; i < 12; i++) {
            rig_fill(&rig, 0, i * 5 % 12, 70 + i * 5 % 12);
            rig_trim(&rig, TRIMMER, i * 5 % 12);
        }
        assert_true(write_round(rig.engine, rig_thread(&rig, WRITER)));
        assert_int_equal(gate_count(&rig, STORE_WRITE), 1);
        for (page_number page = 0; page < 12; page++) {
            assert_int_equal(rig_slot(&rig, page), 1 + page);
            rig_page_out(&rig, page);
            rig_expect(&rig, 0, page, 70 + page);
        }
        rig_end(&rig);
    }
}

/* Of several runs in one batch only those that failed go back. */
static void only_the_failed_run_goes_back(void **state)
{
    page_number nobody[64];
    slot_number slots[64];
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.first_fit = true});
    memset(nobody, 0xff, sizeof(nobody)); /* PAGE_NONE */
    assert_int_equal(slots_take(rig.engine, rig_thread(&rig, OTHER), 64, nobody, slots), 64);
    for (uint32_t i = 0; i < 64; i += 2) /* no two free slots are neighbours */
        slots_give_back(rig.engine, rig_thread(&rig, OTHER), slots[i]);
    for (page_number page = 0; page < 8; page++) {
        rig_fill(&rig, 0, page, 50 + page);
        rig_trim(&rig, TRIMMER, page);
    }
    gate_fail(&rig, STORE_WRITE, 5, 1); /* the third slot: 1, 3, 5 */
    assert_true(write_round(rig.engine, rig_thread(&rig, WRITER)));
    assert_int_equal(gate_count(&rig, STORE_WRITE), 8);
    for (page_number page = 0; page < 8; page++)
        assert_int_equal(rig_state(&rig, page), page == 2 ? PFN_MODIFIED : PFN_STANDBY);
    assert_int_equal(PFN_FIELD(rig.engine, slots_aside), 1);
    rig_write_all(&rig);
    for (uint32_t i = 1; i < 64; i += 2)
        slots_give_back(rig.engine, rig_thread(&rig, OTHER), slots[i]);
    for (page_number page = 0; page < 8; page++) {
        rig_page_out(&rig, page);
        rig_expect(&rig, 0, page, 50 + page);
    }
    rig_end(&rig);
}

static void neighbours_are_written_as_one(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){0});
    for (page_number page = 0; page < 8; page++) {
        rig_fill(&rig, 0, page * 7, 50 + page);
        rig_trim(&rig, TRIMMER, page * 7);
    }
    assert_true(write_round(rig.engine, rig_thread(&rig, WRITER)));
    assert_int_equal(gate_count(&rig, STORE_WRITE), 1);
    assert_int_equal(rig.gate.log[0].count, 8);
    assert_int_equal(rig_counter(&rig, COUNT_IO_WRITES), 1);
    assert_int_equal(rig_counter(&rig, COUNT_IO_PAGES_WRITTEN), 8);
    for (page_number page = 0; page < 8; page++)
        assert_true(bytes_hold(gate_bytes(&rig, rig_slot(&rig, page * 7)), 50 + page));
    rig_end(&rig);
}

/* ---- decommit ------------------------------------------------------------------------------- */

static void decommit_it(struct rig *rig)
{
    assert_int_equal(space_decommit(rig->engine, OTHER, PAGE, 1), SPACE_DONE);
    assert_true(rig_pte(rig, PAGE) == PTE_WORD_DECOMMITTED);
    assert_int_equal(rig_slots_used(rig), 1); /* the writer gives it back */
    assert_int_equal(frames_available(rig->engine), rig->engine->config.frames - 1);
}

static void read_and_decommit_it(struct rig *rig)
{
    read_it(rig);
    decommit_it(rig);
}

static void write_trim_and_decommit_it(struct rig *rig)
{
    write_and_trim_it(rig);
    decommit_it(rig);
}

static void detach_and_decommit_it(struct rig *rig)
{
    write_and_detach_it(rig);
    decommit_it(rig);
    trim_finish(rig->engine, rig_thread(rig, TRIMMER), &late_batch);
}

static void a_decommitted_page_is_gone_after_its_write(void **state)
{
    static rig_scene *const acts[] = {decommit_it, read_and_decommit_it, write_trim_and_decommit_it,
                                      detach_and_decommit_it};

    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_COUNT(acts); i++) {
        struct rig rig;

        begin_modified(&rig);
        gate_fail(&rig, STORE_WRITE, GATE_ANY_SLOT, i % 2);
        rig_write_with(&rig, acts[i / 2]);
        assert_int_equal(rig_slots_used(&rig), 0);
        assert_int_equal(list_count(rig.engine, LIST_FREE), 1);
        assert_int_equal(frames_available(rig.engine), rig.engine->config.frames);
        assert_int_equal(rig_counter(&rig, COUNT_DELETED), 1);
        assert_int_equal(rig_read(&rig, 0, PAGE), FAULT_ACCESS_VIOLATION);
        rig_end(&rig);
    }
}

static void live_again(struct rig *rig)
{
    decommit_it(rig);
    assert_int_equal(space_commit(rig->engine, OTHER, PAGE, 1, PROTECTION_READ_WRITE), SPACE_DONE);
    rig_expect(rig, 0, PAGE, 0);
    rig_fill(rig, 0, PAGE, 6);
    rig_trim(rig, TRIMMER, PAGE);
    assert_true(write_round(rig->engine, rig_thread(rig, WRITER_2)));
    assert_int_equal(rig_state(rig, PAGE), PFN_STANDBY);
}

/* The page has a new life in another frame and another slot while the old one is written. */
static void a_new_life_during_the_write(void **state)
{
    struct rig rig;

    (void)state;
    begin_modified(&rig);
    rig_write_with(&rig, live_again);
    assert_int_equal(rig_slots_used(&rig), 1);
    rig_end_with(&rig, PAGE, 6);
}

/* ---- no slot is free ------------------------------------------------------------------------ */

static void clean_active_pages_give_up_their_slots(void **state)
{
    struct rig rig;

    (void)state;
    /* Limit 16 + 8 - 8: each page may be in its frame and in a slot, and then no slot is free. */
    rig_begin(&rig, &(struct rig_config){.pages = 16, .frames = 16, .slots = 8});
    for (page_number page = 0; page < 8; page++)
        rig_put_clean(&rig, page, 70 + page);
    assert_int_equal(slots_free(rig.engine), 0);
    rig_fill(&rig, 0, PAGE, 1);
    rig_trim(&rig, TRIMMER, PAGE);
    assert_true(write_round(rig.engine, rig_thread(&rig, WRITER)));
    assert_int_equal(rig_state(&rig, PAGE), PFN_STANDBY);
    assert_int_equal(rig_counter(&rig, COUNT_SLOT_GIVEN_BACK), 1);
    assert_int_equal(rig_audit(&rig), 0);
    /* Whose slot it was is modified now; everybody's bytes are still right. */
    for (page_number page = 0; page < 8; page++) {
        bool has_slot = rig_slot(&rig, page) != SLOT_NONE;

        assert_int_equal((rig_word(&rig, page) & PFN_MODIFIED_BIT) != 0, !has_slot);
        rig_expect(&rig, 0, page, 70 + page);
        rig_trim(&rig, TRIMMER, page);
        assert_int_equal(rig_state(&rig, page), has_slot ? PFN_STANDBY : PFN_MODIFIED);
    }
    assert_int_equal(rig_slots_used(&rig), 8);
    rig_end(&rig);
}

/* All that is committed is in use, and every frame and slot is needed: nobody gets stuck. */
static void the_whole_commit_limit_can_be_used(void **state)
{
    struct rig rig;

    (void)state;
    for (slot_number slots = 8; slots <= 32; slots *= 2) {
        page_number pages = 16 + slots - 8;

        rig_begin(&rig, &(struct rig_config){.pages = pages, .slots = slots});
        for (uint64_t round = 0; round < 4; round++) {
            for (page_number page = 0; page < pages; page++)
                if (round == 0 || page % 4 != round)
                    rig_fill(&rig, 0, page, round * 100 + page + 1);
            for (page_number page = 0; page < pages; page++) {
                uint64_t last = page % 4 == round && round > 0 ? round - 1 : round;

                rig_expect(&rig, 1, page, last * 100 + page + 1);
            }
        }
        rig_end(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_undisturbed_write),
        cmocka_unit_test(rescued_for_a_read),
        cmocka_unit_test(rescued_for_a_write),
        cmocka_unit_test(a_rescue_does_not_wait_for_the_disk),
        cmocka_unit_test(trimmed_again_it_is_written_again),
        cmocka_unit_test(trimmed_again_and_again),
        cmocka_unit_test(trimmed_clean_it_goes_to_standby),
        cmocka_unit_test(the_last_to_let_go_decides),
        cmocka_unit_test(a_failed_write_loses_nothing),
        cmocka_unit_test(a_failed_write_of_a_rescued_page),
        cmocka_unit_test(neighbours_go_together),
        cmocka_unit_test(only_the_failed_run_goes_back),
        cmocka_unit_test(neighbours_are_written_as_one),
        cmocka_unit_test(a_decommitted_page_is_gone_after_its_write),
        cmocka_unit_test(a_new_life_during_the_write),
        cmocka_unit_test(clean_active_pages_give_up_their_slots),
        cmocka_unit_test(the_whole_commit_limit_can_be_used),
    };

    return cmocka_run_group_tests_name("writer", tests, NULL, NULL);
}
