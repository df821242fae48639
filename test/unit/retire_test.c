/*
 * retire_test.c - page-outs that fail: nothing is lost, a slot that cannot be written is retired,
 * and nothing else costs the page file a slot.
 *
 * With first fit a page whose write failed gets the same slot again at its next turn.
 */
#include "engine_rig.h"

#include <errno.h>
#include <string.h>

#define PAGES 8u

/* Pages 0..PAGES-1 are on the modified list, page p with seed 10 + p. */
static void begin_modified(struct rig *rig, const struct rig_config *config)
{
    rig_begin(rig, config);
    for (page_number page = 0; page < PAGES; page++) {
        rig_fill(rig, 0, page, 10 + page);
        rig_trim(rig, TRIMMER, page);
    }
    assert_int_equal(list_count(rig->engine, LIST_MODIFIED), PAGES);
}

static void fail_with(struct rig *rig, slot_number slot, int error)
{
    rig->gate.error = error;
    gate_fail(rig, STORE_WRITE, slot, GATE_ALWAYS);
}

static bool write_once(struct rig *rig)
{
    return write_round(rig->engine, rig_thread(rig, WRITER));
}

/* Every page comes back from its slot. */
static void end_intact(struct rig *rig)
{
    gate_heal(rig);
    rig_write_all(rig);
    for (page_number page = 0; page < PAGES; page++) {
        rig_page_out(rig, page);
        rig_expect(rig, 0, page, 10 + page);
    }
    rig_end(rig);
}

static void check_retired(struct rig *rig, uint32_t count)
{
    const struct engine *engine = rig->engine;

    assert_int_equal(PFN_FIELD(rig->engine, slots_retired), count);
    assert_int_equal(rig_counter(rig, COUNT_SLOT_RETIRED), count);
    assert_int_equal(engine_commit_limit(engine), engine->commit_limit - count);
    assert_int_equal(rig_audit(rig), 0);
}

/* The whole story of one bad slot in the middle of a run. */
static void a_slot_that_fails_twice_is_retired(void **state)
{
    struct rig rig;

    (void)state;
    begin_modified(&rig, &(struct rig_config){.first_fit = true});
    fail_with(&rig, 3, EIO);
    /* The run fails; alone, the others get through. */
    assert_true(write_once(&rig));
    assert_int_equal(gate_count(&rig, STORE_WRITE), 1 + PAGES);
    assert_int_equal(rig_counter(&rig, COUNT_IO_ERRORS), 2);
    assert_int_equal(list_count(rig.engine, LIST_MODIFIED), 1);
    assert_int_equal(rig_state(&rig, 2), PFN_MODIFIED);
    assert_int_equal(PFN_FIELD(rig.engine, slots_aside), 1);
    assert_false(slots_is_retired(rig.engine, 3));
    check_retired(&rig, 0);
    /* Elsewhere it works. */
    assert_true(write_once(&rig));
    assert_int_equal(rig_slot(&rig, 2), PAGES + 1);
    check_retired(&rig, 0);
    /* The slot again, and no page is lost over it. */
    rig_fill(&rig, 0, 2, 12); /* gives the other one back */
    rig_trim(&rig, TRIMMER, 2);
    assert_false(write_once(&rig));
    assert_int_equal(rig_state(&rig, 2), PFN_MODIFIED);
    assert_true(slots_is_retired(rig.engine, 3));
    check_retired(&rig, 1);
    assert_int_equal(slots_free(rig.engine), 64 - (PAGES - 1) - 1);
    /* Another one is free, and the bad one is not given out again. */
    assert_true(write_once(&rig));
    assert_int_equal(rig_slot(&rig, 2), PAGES + 1);
    for (page_number page = 0; page < PAGES; page++)
        rig_write(&rig, 0, page); /* gives its slot back */
    rig_trim(&rig, TRIMMER, 0);
    rig_trim(&rig, TRIMMER, 1);
    rig_trim(&rig, TRIMMER, 2);
    assert_true(write_once(&rig));
    assert_int_equal(rig_slot(&rig, 2), 4);
    check_retired(&rig, 1);
    gate_heal(&rig);
    rig_write_all(&rig);
    rig_end(&rig);
}

/* Every free slot is bad, and a clean page has a good one. */
static void a_good_slot_is_taken_from_a_clean_page(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.slots = 2, .frames = 9, .commit = 2, .first_fit = true});
    rig_put_clean(&rig, 0, 10);
    assert_int_equal(rig_slot(&rig, 0), 1);
    rig_fill(&rig, 0, 1, 11);
    rig_trim(&rig, TRIMMER, 1);
    fail_with(&rig, 2, EIO);
    assert_false(write_once(&rig));
    assert_int_equal(slots_free(rig.engine), 0);
    assert_true(write_once(&rig));
    assert_int_equal(rig_slot(&rig, 1), 1);
    rig_trim(&rig, TRIMMER, 0);
    assert_false(write_once(&rig));
    check_retired(&rig, 1);
    for (page_number page = 0; page < 2; page++)
        rig_expect(&rig, 0, page, 10 + page);
    rig_end(&rig);
}

/* A success in between clears the slot. */
static void a_slot_that_works_again_is_not_suspected(void **state)
{
    struct rig rig;

    (void)state;
    begin_modified(&rig, &(struct rig_config){.first_fit = true, .write_batch = 1});
    for (unsigned i = 0; i < 3; i++) {
        gate_fail(&rig, STORE_WRITE, 1, 1);
        assert_false(write_once(&rig));
        assert_int_equal(PFN_FIELD(rig.engine, slots_aside), 1);
        assert_true(write_once(&rig)); /* another slot, and slot 1 may be tried again */
        assert_true(write_once(&rig));
        assert_int_equal(PFN_FIELD(rig.engine, slots_aside), 0);
        assert_true(slots_in_use(rig.engine, 1) && !slots_is_retired(rig.engine, 1));
        rig_write(&rig, 0, slot_owner_page(slots_owner(rig.engine, 1))); /* gives it back */
    }
    check_retired(&rig, 0);
    rig_end(&rig);
}

/* There is one page to write and one bad slot: the page goes elsewhere at once. */
static void a_lone_page_goes_elsewhere(void **state)
{
    struct rig rig;

    (void)state;
    for (uint32_t reservation = 1; reservation <= 8; reservation *= 8) {
        rig_begin(&rig, &(struct rig_config){.first_fit = true, .slot_reservation = reservation});
        rig_fill(&rig, 0, 0, 10);
        rig_trim(&rig, TRIMMER, 0);
        fail_with(&rig, 1, EIO);
        assert_false(write_once(&rig));
        assert_int_equal(rig_state(&rig, 0), PFN_MODIFIED);
        assert_true(write_once(&rig));
        assert_int_not_equal(rig_slot(&rig, 0), 1);
        assert_int_equal(rig_audit(&rig), 0);
        rig_page_out(&rig, 0);
        rig_expect(&rig, 0, 0, 10);
        rig_end(&rig);
    }
}

/* What was put aside is used before anybody has to wait for a slot. */
static void the_last_slots_are_tried_again(void **state)
{
    struct rig rig;

    (void)state;
    begin_modified(&rig, &(struct rig_config){.slots = PAGES, .commit = PAGES, .first_fit = true});
    for (page_number page = 0; page < PAGES; page++)
        gate_fail(&rig, STORE_WRITE, 1 + page, 2); /* with the run, and alone */
    assert_false(write_once(&rig));
    gate_heal(&rig);
    assert_int_equal(slots_free(rig.engine), 0);
    assert_int_equal(PFN_FIELD(rig.engine, slots_aside), PAGES);
    assert_true(write_once(&rig));
    assert_int_equal(PFN_FIELD(rig.engine, slots_aside), 0);
    check_retired(&rig, 0);
    end_intact(&rig);
}

/* While nothing at all can be written the slots are not to blame. */
static void an_outage_costs_no_slot(void **state)
{
    struct rig rig;

    (void)state;
    begin_modified(&rig, &(struct rig_config){.slots = 9, .commit = PAGES, .first_fit = true});
    fail_with(&rig, GATE_ANY_SLOT, EIO);
    for (unsigned i = 0; i < 20; i++) /* each slot many times */
        assert_false(write_once(&rig));
    check_retired(&rig, 0);
    assert_int_equal(list_count(rig.engine, LIST_MODIFIED), PAGES);
    assert_int_equal(PFN_FIELD(rig.engine, write_error), EIO);
    gate_heal(&rig);
    assert_true(write_once(&rig));
    assert_int_equal(PFN_FIELD(rig.engine, write_error), 0);
    check_retired(&rig, 0);
    end_intact(&rig);
}

static void fail_another(struct rig *rig)
{
    rig_fill(rig, 0, PAGES, 20);
    rig_trim(rig, TRIMMER_2, PAGES);
    gate_fail(rig, STORE_WRITE, GATE_ANY_SLOT, 1);
    assert_false(write_round(rig->engine, rig_thread(rig, WRITER_2)));
}

/* What was under way already when the trouble began proves nothing. */
static void who_overlaps_is_no_witness(void **state)
{
    struct rig rig;
    uint32_t before;

    (void)state;
    begin_modified(&rig, &(struct rig_config){.first_fit = true, .write_batch = 1});
    assert_true(write_once(&rig));
    before = write_witnesses(rig.engine);
    rig_write_all(&rig);
    assert_int_equal(write_witnesses(rig.engine), before + PAGES - 1);
    rig_fill(&rig, 0, 0, 10);
    rig_trim(&rig, TRIMMER, 0);
    assert_true(rig_write_with(&rig, fail_another));
    assert_int_equal(PFN_FIELD(rig.engine, slots_aside), 1);
    assert_int_equal(write_witnesses(rig.engine), before + PAGES - 1);
    assert_true(write_once(&rig));
    assert_int_equal(write_witnesses(rig.engine), before + PAGES);
    end_intact(&rig);
}

/* No room, no memory, no connection: another slot would have failed too. */
static void errors_that_are_not_the_slots(void **state)
{
    static const int errors[] = {ENOSPC,   EDQUOT,     ENOMEM, EAGAIN, ETIMEDOUT, ENOTCONN,
                                 ENOTCONN, ECONNRESET, EPIPE,  ENODEV, ENOLINK,   EINVAL};
    struct rig rig;

    (void)state;
    begin_modified(&rig, &(struct rig_config){.first_fit = true, .write_batch = 2});
    for (size_t i = 0; i < ARRAY_COUNT(errors); i++) {
        uint32_t before = gate_count(&rig, STORE_WRITE);

        fail_with(&rig, 1, errors[i]);
        assert_false(write_once(&rig));
        assert_int_equal(gate_count(&rig, STORE_WRITE), before + 1); /* nobody is asked alone */
        assert_false(write_once(&rig));
        atomic_fetch_add(&rig.engine->write_outcomes, 1); /* elsewhere something was written */
        assert_false(write_once(&rig));
        check_retired(&rig, 0);
        gate_heal(&rig);
    }
    end_intact(&rig);
}

static void errors_that_name_the_slot(void **state)
{
    static const int errors[] = {ENODATA, EREMOTEIO, EILSEQ, EBADMSG};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(errors); i++) {
        struct rig rig;

        begin_modified(&rig, &(struct rig_config){.first_fit = true});
        fail_with(&rig, 5, errors[i]);
        assert_true(write_once(&rig));
        assert_true(slots_is_retired(rig.engine, 5));
        check_retired(&rig, 1);
        end_intact(&rig);
    }
}

/* More suspects than are remembered: the oldest is forgotten, nothing else. */
static void suspects_beyond_counting(void **state)
{
    slot_number slots[SUSPECTS_MAX + 1];
    page_number nobody[SUSPECTS_MAX + 1];
    struct thread *self;
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.first_fit = true});
    self = rig_thread(&rig, WRITER);
    memset(nobody, 0xff, sizeof(nobody)); /* PAGE_NONE */
    for (unsigned round = 0; round < 2; round++) {
        assert_int_equal(slots_take(rig.engine, self, ARRAY_COUNT(slots), nobody, slots),
                         ARRAY_COUNT(slots));
        for (uint32_t i = 0; i < ARRAY_COUNT(slots); i++) {
            slot_number slot = slots[round == 0 ? SUSPECTS_MAX - i : i];

            assert_int_equal(slots_give_back_failed(rig.engine, self, slot, -EIO),
                             round == 1 && i < SUSPECTS_MAX);
        }
        assert_int_equal(PFN_FIELD(rig.engine, slots_aside), round == 0 ? SUSPECTS_MAX : 1);
        assert_int_equal(rig_audit(&rig), 0);
        atomic_fetch_add(&rig.engine->write_outcomes, 1);
        slots_try_suspects(rig.engine, self, false);
        assert_int_equal(PFN_FIELD(rig.engine, slots_aside), 0);
    }
    check_retired(&rig, SUSPECTS_MAX);
    rig_end(&rig);
}

/* ---- the commit limit ----------------------------------------------------------------------- */

static enum space_result commit_one(struct rig *rig, page_number page)
{
    return space_commit(rig->engine, OTHER, page, 1, PROTECTION_READ_WRITE);
}

static void retire_slot(struct rig *rig)
{
    page_number nobody = PAGE_NONE;
    slot_number slot;

    assert_int_equal(slots_take(rig->engine, rig_thread(rig, WRITER), 1, &nobody, &slot), 1);
    assert_true(slots_give_back_failed(rig->engine, rig_thread(rig, WRITER), slot, -ENODATA));
}

/* What is charged stays; nothing is added before there is room for it. */
static void a_full_page_file_gets_smaller(void **state)
{
    page_number limit;
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.pages = 128, .commit = 1});
    limit = (page_number)engine_commit_limit(rig.engine);
    for (page_number page = 1; page < limit; page++)
        assert_int_equal(commit_one(&rig, page), SPACE_DONE);
    assert_int_equal(commit_one(&rig, limit), SPACE_LIMIT);
    retire_slot(&rig);
    retire_slot(&rig);
    check_retired(&rig, 2);
    assert_int_equal(rig.engine->charge, limit);
    for (page_number page = 0; page < 3; page++) {
        assert_int_equal(commit_one(&rig, limit), SPACE_LIMIT);
        assert_false(engine_retire(rig.engine, OTHER)); /* nor may a frame go */
        assert_int_equal(space_decommit(rig.engine, OTHER, page, 1), SPACE_DONE);
    }
    assert_int_equal(commit_one(&rig, limit), SPACE_DONE);
    assert_int_equal(commit_one(&rig, limit + 1), SPACE_LIMIT);
    rig_end(&rig);
}

static void a_limit_is_never_below_zero(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.frames = 4, .slots = 8, .pages = 16, .commit = 1});
    for (unsigned i = 0; i < 4; i++)
        assert_true(engine_retire(rig.engine, OTHER) == (i < 3));
    for (unsigned i = 0; i < 8; i++)
        retire_slot(&rig);
    assert_int_equal(rig.engine->commit_limit, 8 - 3);
    assert_int_equal(engine_commit_limit(rig.engine), 0);
    assert_int_equal(commit_one(&rig, 1), SPACE_LIMIT);
    assert_int_equal(rig_audit(&rig), 0);
    rig_end(&rig);
}

/* ---- reservations --------------------------------------------------------------------------- */

/* A page whose place cannot be written goes elsewhere; the rest of the run keeps its order. */
static void a_reserved_place_that_is_retired(void **state)
{
    struct rig rig;

    (void)state;
    begin_modified(&rig, &(struct rig_config){.slot_reservation = 8});
    fail_with(&rig, 4, EIO);
    for (uint32_t retired = 0; retired < 2; retired++) {
        rig_fill(&rig, 0, 3, 13);
        rig_trim(&rig, TRIMMER, 3);
        rig_write_all(&rig);
        check_retired(&rig, retired);
    }
    for (page_number page = 0; page < PAGES; page++)
        assert_int_equal(rig_slot(&rig, page) == 1 + page, page != 3);
    assert_int_not_equal(rig_slot(&rig, 3), SLOT_NONE);
    end_intact(&rig);
}

/* ---- who waits ------------------------------------------------------------------------------ */

/* Clean pages are trimmed for those who wait, and nobody has to be woken by a tick. */
static void pressure_goes_elsewhere(void **state)
{
    struct rig rig;
    uint32_t before;

    (void)state;
    begin_modified(&rig, &(struct rig_config){.frames = 16, .standby_percent = 25});
    fail_with(&rig, GATE_ANY_SLOT, EIO);
    atomic_store(&rig.engine->waiters, 1);
    for (page_number page = PAGES; page < 16; page++)
        assert_int_equal(rig_read(&rig, 0, page), FAULT_RESOLVED); /* no frame is left */
    assert_false(trim_needed(rig.engine));                         /* modified pages enough */
    atomic_store(&rig.engine->events[WORKER_TRIM].sleepers, 1);
    before = atomic_load(&rig.engine->events[WORKER_TRIM].sequence);
    assert_false(write_once(&rig));
    assert_true(trim_needed(rig.engine)); /* but they come to nothing */
    assert_int_not_equal(atomic_load(&rig.engine->events[WORKER_TRIM].sequence), before);
    atomic_store(&rig.engine->events[WORKER_TRIM].sleepers, 0);
    atomic_store(&rig.engine->waiters, 0);
    end_intact(&rig);
}

/* Nobody waits without a word, and all goes on when the store is well again. */
static void an_outage_is_complained_about_and_ends(void **state)
{
    struct rig_toucher toucher;
    struct rig rig;

    (void)state;
    begin_modified(&rig,
                   &(struct rig_config){
                       .frames = PAGES,
                       .workers = {[WORKER_TRIM] = 1, [WORKER_WRITE] = 1, [WORKER_BALANCE] = 1}});
    fail_with(&rig, GATE_ANY_SLOT, EIO);
    rig_start_workers(&rig);
    rig_touch_begin(&toucher, &rig, 1, PAGES, true);
    RIG_WAIT_UNTIL(rig.stuck > 0);
    assert_false(atomic_load(&toucher.done));
    assert_non_null(strstr(rig.stuck_text, "; the page file cannot be written"));
    assert_non_null(strstr(rig.stuck_text, "write_error=5"));
    assert_int_equal(PFN_FIELD(rig.engine, slots_retired), 0);
    gate_heal(&rig);
    rig_touch_end(&toucher);
    assert_int_equal(toucher.result, FAULT_RESOLVED);
    rig_stop_workers(&rig);
    end_intact(&rig);
}

/* The last slot is gone: the pages are still there, and a decommit lets the others go on. */
static void a_page_file_that_is_gone(void **state)
{
    struct rig_toucher toucher;
    struct rig rig;

    (void)state;
    begin_modified(&rig,
                   &(struct rig_config){
                       .frames = PAGES,
                       .slots = 16,
                       .commit = PAGES + 1,
                       .workers = {[WORKER_TRIM] = 1, [WORKER_WRITE] = 1, [WORKER_BALANCE] = 1}});
    fail_with(&rig, GATE_ANY_SLOT, ENODATA);
    rig_start_workers(&rig);
    rig_touch_begin(&toucher, &rig, 1, PAGES, true);
    RIG_WAIT_UNTIL(rig.stuck > 0);
    assert_int_equal(PFN_FIELD(rig.engine, slots_retired), 16);
    assert_int_equal(commit_one(&rig, PAGES + 1), SPACE_LIMIT);
    assert_int_equal(space_decommit(rig.engine, OTHER, 0, 1), SPACE_DONE);
    rig_touch_end(&toucher);
    assert_int_equal(toucher.result, FAULT_RESOLVED);
    rig_stop_workers(&rig);
    check_retired(&rig, 16);
    for (page_number page = 1; page < PAGES; page++)
        rig_expect(&rig, 0, page, 10 + page);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slot_that_fails_twice_is_retired),
        cmocka_unit_test(a_good_slot_is_taken_from_a_clean_page),
        cmocka_unit_test(a_slot_that_works_again_is_not_suspected),
        cmocka_unit_test(a_lone_page_goes_elsewhere),
        cmocka_unit_test(the_last_slots_are_tried_again),
        cmocka_unit_test(an_outage_costs_no_slot),
        cmocka_unit_test(who_overlaps_is_no_witness),
        cmocka_unit_test(errors_that_are_not_the_slots),
        cmocka_unit_test(errors_that_name_the_slot),
        cmocka_unit_test(suspects_beyond_counting),
        cmocka_unit_test(a_full_page_file_gets_smaller),
        cmocka_unit_test(a_limit_is_never_below_zero),
        cmocka_unit_test(a_reserved_place_that_is_retired),
        cmocka_unit_test(pressure_goes_elsewhere),
        cmocka_unit_test(an_outage_is_complained_about_and_ends),
        cmocka_unit_test(a_page_file_that_is_gone),
    };

    return cmocka_run_group_tests_name("retire", tests, NULL, NULL);
}
