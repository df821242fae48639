/*
 * inpage_test.c - pages come back from their slots: who reads, who waits, what a failure or a
 * change in the middle does, and what a page that is not written need not do.
 */
#include "engine_rig.h"

#include <string.h>
#include <unistd.h>

#define WAITERS 8u
#define PAGE    9u

static void begin(struct rig *rig)
{
    rig_begin(rig, &(struct rig_config){0});
}

static struct gate_record last_request(struct rig *rig)
{
    assert_true(rig->gate.logged > 0);
    return rig->gate.log[(rig->gate.logged - 1) % GATE_LOG];
}

/* ---- hard faults ---------------------------------------------------------------------------- */

static void a_hard_fault_reads_the_right_slot(void **state)
{
    const page_number pages[] = {0, 5, 15, 16, 31, 63};
    struct rig rig;

    (void)state;
    begin(&rig);
    for (size_t i = 0; i < ARRAY_COUNT(pages); i++)
        rig_put_in_slot(&rig, pages[i], 100 + i);
    for (size_t i = ARRAY_COUNT(pages); i-- > 0;) {
        slot_number slot = rig_slot(&rig, pages[i]);

        assert_true(bytes_hold(gate_bytes(&rig, slot), 100 + i));
        rig_expect(&rig, 1, pages[i], 100 + i);
        assert_int_equal(last_request(&rig).operation, STORE_READ);
        assert_int_equal(last_request(&rig).slot, slot);
        assert_int_equal(last_request(&rig).count, 1);
        /* Active, clean, mapped read-only, and the slot is still its copy. */
        assert_int_equal(rig_form(&rig, pages[i]), PTE_VALID);
        assert_int_equal(rig_pte(&rig, pages[i]) & (PTE_BIT_WRITABLE | PTE_BIT_DIRTY), 0);
        assert_int_equal(rig_state(&rig, pages[i]), PFN_ACTIVE);
        assert_int_equal(rig_word(&rig, pages[i]) & (PFN_MODIFIED_BIT | PFN_READING), 0);
        assert_int_equal(rig_slot(&rig, pages[i]), slot);
    }
    assert_int_equal(rig_counter(&rig, COUNT_FAULT_HARD), ARRAY_COUNT(pages));
    assert_int_equal(rig_counter(&rig, COUNT_IO_READS), ARRAY_COUNT(pages));
    assert_int_equal(rig_counter(&rig, COUNT_IO_PAGES_READ), ARRAY_COUNT(pages));
    assert_int_equal(rig_slots_used(&rig), ARRAY_COUNT(pages));
    rig_end(&rig);
}

/* Starts 1 + WAITERS touchers of the page; the first reads, the others collide with it. */
static void collide(struct rig *rig, struct rig_toucher *touchers, bool write)
{
    gate_shut(rig, STORE_READ);
    rig_touch_begin(&touchers[0], rig, 0, PAGE, write);
    gate_wait_held(rig, STORE_READ, 1);
    for (uint32_t i = 1; i <= WAITERS; i++)
        rig_touch_begin(&touchers[i], rig, i, PAGE, write && i % 2);
    RIG_WAIT_UNTIL(rig_counter(rig, COUNT_FAULT_COLLIDED) == WAITERS);
    assert_int_equal(rig_form(rig, PAGE), PTE_TRANSITION);
    assert_int_equal(rig_state(rig, PAGE), PFN_TRANSITION);
    assert_true(rig_word(rig, PAGE) & PFN_READING);
    usleep(10000);
    for (uint32_t i = 0; i <= WAITERS; i++)
        assert_false(atomic_load(&touchers[i].done));
}

static void end_all(struct rig *rig, struct rig_toucher *touchers, enum fault_result result)
{
    gate_open(rig, STORE_READ);
    for (uint32_t i = 0; i <= WAITERS; i++) {
        rig_touch_end(&touchers[i]);
        assert_int_equal(touchers[i].result, result);
    }
}

static void second_faulters_wait_for_the_first(void **state)
{
    struct rig_toucher touchers[WAITERS + 1];
    struct rig rig;

    (void)state;
    begin(&rig);
    rig_put_in_slot(&rig, PAGE, 7);
    collide(&rig, touchers, false);
    end_all(&rig, touchers, FAULT_RESOLVED);
    for (uint32_t i = 0; i <= WAITERS; i++)
        assert_true(touchers[i].word == rig_word_of(7, 0));
    assert_int_equal(gate_count(&rig, STORE_READ), 1);
    assert_int_equal(rig_counter(&rig, COUNT_FAULT_HARD), 1);
    assert_int_equal(rig_counter(&rig, COUNT_FAULT_COLLIDED), WAITERS);
    assert_int_equal(rig_counter(&rig, COUNT_FAULT_IN_PAGE_ERROR), 0);
    rig_end(&rig);
}

static void writers_collide_too(void **state)
{
    struct rig_toucher touchers[WAITERS + 1];
    struct rig rig;

    (void)state;
    begin(&rig);
    rig_put_in_slot(&rig, PAGE, 7);
    collide(&rig, touchers, true);
    end_all(&rig, touchers, FAULT_RESOLVED);
    assert_int_equal(gate_count(&rig, STORE_READ), 1);
    assert_true(rig_word(&rig, PAGE) & PFN_MODIFIED_BIT);
    assert_int_equal(rig_slot(&rig, PAGE), SLOT_NONE);
    assert_int_equal(rig_slots_used(&rig), 0);
    rig_end(&rig);
}

/* Two reads at once use two blocks, and neither wakes the other's waiters. */
static void reads_of_two_pages_do_not_mix(void **state)
{
    struct rig_toucher first[2], second[2];
    struct rig rig;

    (void)state;
    begin(&rig);
    rig_put_in_slot(&rig, 1, 21);
    rig_put_in_slot(&rig, 2, 22);
    gate_fail(&rig, STORE_READ, rig_slot(&rig, 2), 1);
    gate_shut(&rig, STORE_READ);
    rig_touch_begin(&first[0], &rig, 0, 1, false);
    gate_wait_held(&rig, STORE_READ, 1);
    rig_touch_begin(&second[0], &rig, 1, 2, false);
    gate_wait_held(&rig, STORE_READ, 2);
    rig_touch_begin(&first[1], &rig, 2, 1, false);
    rig_touch_begin(&second[1], &rig, 3, 2, false);
    RIG_WAIT_UNTIL(rig_counter(&rig, COUNT_FAULT_COLLIDED) == 2);
    gate_open(&rig, STORE_READ);
    for (int i = 0; i < 2; i++) {
        rig_touch_end(&first[i]);
        rig_touch_end(&second[i]);
        assert_int_equal(first[i].result, FAULT_RESOLVED);
        assert_true(first[i].word == rig_word_of(21, 0));
        assert_int_equal(second[i].result, FAULT_IN_PAGE_ERROR);
    }
    rig_expect(&rig, 0, 2, 22);
    rig_end(&rig);
}

/* ---- errors --------------------------------------------------------------------------------- */

static void a_failed_read_fails_for_all_who_wait(void **state)
{
    struct rig_toucher touchers[WAITERS + 1];
    struct rig rig;
    slot_number slot;

    (void)state;
    begin(&rig);
    rig_put_in_slot(&rig, PAGE, 7);
    slot = rig_slot(&rig, PAGE);
    gate_fail(&rig, STORE_READ, slot, GATE_ALWAYS);
    collide(&rig, touchers, true);
    end_all(&rig, touchers, FAULT_IN_PAGE_ERROR);
    assert_int_equal(rig_counter(&rig, COUNT_FAULT_IN_PAGE_ERROR), 1 + WAITERS);
    assert_int_equal(rig_counter(&rig, COUNT_IO_ERRORS), 1);
    assert_int_equal(rig_counter(&rig, COUNT_FAULT_HARD), 0);
    assert_int_equal(rig_moves(&rig, WHY_READ_FAIL), 1);
    /* As before: in its slot, and no frame is lost. */
    assert_true(rig_pte(&rig, PAGE) == pte_make_software(PROTECTION_READ_WRITE, slot));
    assert_int_equal(rig_slots_used(&rig), 1);
    assert_int_equal(frames_available(rig.engine), rig.engine->config.frames);
    assert_int_equal(rig_read(&rig, 0, PAGE), FAULT_IN_PAGE_ERROR); /* it is asked again */
    assert_int_equal(gate_count(&rig, STORE_READ), 2);
    assert_int_equal(rig_audit(&rig), 0);
    gate_heal(&rig);
    rig_expect(&rig, 3, PAGE, 7);
    rig_end(&rig);
}

static void an_error_once_is_an_error_once(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig);
    rig_put_in_slot(&rig, PAGE, 7);
    gate_fail(&rig, STORE_READ, GATE_ANY_SLOT, 1);
    assert_int_equal(rig_write(&rig, 0, PAGE), FAULT_IN_PAGE_ERROR);
    assert_int_equal(rig_form(&rig, PAGE), PTE_PAGE_FILE);
    rig_expect(&rig, 0, PAGE, 7);
    rig_end(&rig);
}

/* ---- decommit during the read --------------------------------------------------------------- */

static void decommit(struct rig *rig, page_number page)
{
    assert_int_equal(space_decommit(rig->engine, OTHER, page, 1), SPACE_DONE);
}

static void check_gone(struct rig *rig, uint64_t charge)
{
    assert_true(rig_pte(rig, PAGE) == PTE_WORD_DECOMMITTED);
    assert_int_equal(rig->engine->charge, charge);
    assert_int_equal(rig_slots_used(rig), 0); /* given back once: twice ends the process */
    assert_int_equal(frames_available(rig->engine), rig->engine->config.frames);
    assert_int_equal(rig_counter(rig, COUNT_READ_DISMISSED), 1);
    assert_int_equal(rig_counter(rig, COUNT_FAULT_HARD), 0);
}

static void decommit_during_the_read(void **state)
{
    struct rig_toucher touchers[WAITERS + 1];
    struct rig rig;

    (void)state;
    for (uint32_t failures = 0; failures <= 1; failures++) {
        begin(&rig);
        rig_put_in_slot(&rig, PAGE, 7);
        gate_fail(&rig, STORE_READ, GATE_ANY_SLOT, failures);
        collide(&rig, touchers, false);
        decommit(&rig, PAGE); /* does not wait for the read */
        assert_true(rig_pte(&rig, PAGE) == PTE_WORD_DECOMMITTED);
        assert_int_equal(rig_slots_used(&rig), 1); /* the reader still needs it */
        end_all(&rig, touchers, FAULT_ACCESS_VIOLATION);
        check_gone(&rig, 63);
        assert_int_equal(rig_counter(&rig, COUNT_FAULT_ACCESS_VIOLATION), 1 + WAITERS);
        rig_end(&rig);
    }
}

static void decommit_and_commit_during_the_read(void **state)
{
    struct rig_toucher touchers[WAITERS + 1];
    struct rig rig;

    (void)state;
    begin(&rig);
    rig_put_in_slot(&rig, PAGE, 7);
    collide(&rig, touchers, false);
    decommit(&rig, PAGE);
    assert_int_equal(space_commit(rig.engine, OTHER, PAGE, 1, PROTECTION_READ_WRITE), SPACE_DONE);
    end_all(&rig, touchers, FAULT_RESOLVED);
    for (uint32_t i = 0; i <= WAITERS; i++)
        assert_true(touchers[i].word == 0);
    rig_expect(&rig, 0, PAGE, 0);
    assert_int_equal(rig_counter(&rig, COUNT_FAULT_DEMAND_ZERO), 2);
    assert_int_equal(rig_slots_used(&rig), 0);
    rig_end(&rig);
}

/* The page lives again, and is written, before the old read ends: it must not come back. */
static void a_new_life_during_the_read(void **state)
{
    struct rig_toucher toucher;
    struct rig rig;

    (void)state;
    begin(&rig);
    rig_put_in_slot(&rig, PAGE, 7);
    gate_shut(&rig, STORE_READ);
    rig_touch_begin(&toucher, &rig, 0, PAGE, false);
    gate_wait_held(&rig, STORE_READ, 1);
    decommit(&rig, PAGE);
    assert_int_equal(space_commit(rig.engine, OTHER, PAGE, 1, PROTECTION_READ_WRITE), SPACE_DONE);
    rig_fill(&rig, 1, PAGE, 8);
    gate_open(&rig, STORE_READ);
    rig_touch_end(&toucher);
    assert_int_equal(toucher.result, FAULT_RESOLVED);
    assert_true(toucher.word == rig_word_of(8, 0));
    rig_page_out(&rig, PAGE);
    rig_expect(&rig, 0, PAGE, 8);
    rig_end(&rig);
}

static void release_during_the_read(void **state)
{
    struct rig_toucher toucher;
    page_number first;
    struct rig rig;

    (void)state;
    begin(&rig);
    rig_put_in_slot(&rig, PAGE, 7);
    gate_shut(&rig, STORE_READ);
    rig_touch_begin(&toucher, &rig, 0, PAGE, true);
    gate_wait_held(&rig, STORE_READ, 1);
    assert_int_equal(space_release(rig.engine, OTHER, 0), SPACE_DONE);
    assert_int_equal(rig_form(&rig, PAGE), PTE_ZERO);
    assert_int_equal(space_reserve(rig.engine, OTHER, 64, &first), SPACE_DONE);
    gate_open(&rig, STORE_READ);
    rig_touch_end(&toucher);
    assert_int_equal(toucher.result, FAULT_ACCESS_VIOLATION);
    assert_int_equal(rig_form(&rig, PAGE), PTE_ZERO);
    assert_int_equal(rig.engine->charge, 0);
    rig_end(&rig);
}

/* ---- protect during the read ---------------------------------------------------------------- */

static void protect_during_the_read(struct rig *rig, enum protection protection, bool write,
                                    enum fault_result result)
{
    struct rig_toucher toucher;
    slot_number slot;

    begin(rig);
    rig_put_in_slot(rig, PAGE, 7);
    slot = rig_slot(rig, PAGE);
    gate_shut(rig, STORE_READ);
    rig_touch_begin(&toucher, rig, 0, PAGE, write);
    gate_wait_held(rig, STORE_READ, 1);
    assert_int_equal(space_protect(rig->engine, OTHER, PAGE, 1, protection), SPACE_DONE);
    gate_open(rig, STORE_READ);
    rig_touch_end(&toucher);
    assert_int_equal(toucher.result, result);
    if (result == FAULT_RESOLVED)
        assert_true(toucher.word == rig_word_of(7, 0));
    assert_int_equal(rig_slot(rig, PAGE), slot); /* it was not written */
}

static void rights_that_change_during_the_read(void **state)
{
    struct rig rig;

    (void)state;
    protect_during_the_read(&rig, PROTECTION_READ_ONLY, false, FAULT_RESOLVED);
    assert_int_equal(rig_counter(&rig, COUNT_READ_DISMISSED), 1); /* the PTE is not what it was */
    assert_int_equal(gate_count(&rig, STORE_READ), 2);
    assert_int_equal(rig_pte(&rig, PAGE) & PTE_BIT_WRITE, 0);
    assert_int_equal(rig_write(&rig, 0, PAGE), FAULT_ACCESS_VIOLATION);
    rig_end(&rig);

    protect_during_the_read(&rig, PROTECTION_READ_ONLY, true, FAULT_ACCESS_VIOLATION);
    assert_int_equal(rig_form(&rig, PAGE), PTE_PAGE_FILE);
    assert_int_equal(pte_protection(rig_pte(&rig, PAGE)), PROTECTION_READ_ONLY);
    rig_expect(&rig, 0, PAGE, 7);
    rig_end(&rig);

    protect_during_the_read(&rig, PROTECTION_NO_ACCESS, false, FAULT_ACCESS_VIOLATION);
    assert_int_equal(space_protect(rig.engine, OTHER, PAGE, 1, PROTECTION_READ_WRITE), SPACE_DONE);
    rig_expect(&rig, 0, PAGE, 7);
    rig_end(&rig);

    protect_during_the_read(&rig, PROTECTION_READ_WRITE, false, FAULT_RESOLVED);
    assert_int_equal(rig_counter(&rig, COUNT_READ_DISMISSED), 0); /* nothing changed */
    rig_end(&rig);
}

/* ---- clean pages ---------------------------------------------------------------------------- */

static void a_clean_page_is_never_written(void **state)
{
    struct rig rig;
    slot_number slot;
    uint32_t writes;

    (void)state;
    begin(&rig);
    rig_put_clean(&rig, PAGE, 7);
    slot = rig_slot(&rig, PAGE);
    writes = gate_count(&rig, STORE_WRITE);
    rig_trim(&rig, TRIMMER, PAGE);
    assert_int_equal(rig_state(&rig, PAGE), PFN_STANDBY); /* straight there */
    assert_int_equal(rig_counter(&rig, COUNT_TRIMMED_CLEAN), 1);
    assert_int_equal(rig_slot(&rig, PAGE), slot);
    rig_expect(&rig, 0, PAGE, 7); /* rescued, still clean */
    assert_int_equal(rig_counter(&rig, COUNT_RESCUE_STANDBY), 1);
    assert_int_equal(rig_word(&rig, PAGE) & PFN_MODIFIED_BIT, 0);
    rig_page_out(&rig, PAGE);
    assert_true(pte_with_stamp(rig_pte(&rig, PAGE), 0) ==
                pte_make_software(PROTECTION_READ_WRITE, slot));
    rig_expect(&rig, 0, PAGE, 7);
    assert_int_equal(gate_count(&rig, STORE_WRITE), writes);
    rig_end(&rig);
}

enum first_write { WRITE_RESIDENT, WRITE_HARD, WRITE_RESCUE, FIRST_WRITES };

static void the_first_write_gives_the_slot_back(void **state)
{
    (void)state;
    for (int how = 0; how < FIRST_WRITES; how++) {
        struct rig rig;
        slot_number slot;

        begin(&rig);
        rig_put_clean(&rig, PAGE, 7);
        slot = rig_slot(&rig, PAGE);
        if (how == WRITE_HARD)
            rig_page_out(&rig, PAGE);
        if (how == WRITE_RESCUE)
            rig_trim(&rig, TRIMMER, PAGE);
        rig_fill(&rig, 1, PAGE, 8);
        assert_false(slots_in_use(rig.engine, slot));
        assert_int_equal(rig_slot(&rig, PAGE), SLOT_NONE);
        assert_true(rig_word(&rig, PAGE) & PFN_MODIFIED_BIT);
        assert_true(rig_pte(&rig, PAGE) & PTE_BIT_WRITABLE);
        assert_int_equal(rig_counter(&rig, COUNT_SLOT_GIVEN_BACK), 1);
        assert_int_equal(rig_counter(&rig, COUNT_FAULT_WRITE_PROTECT), how == WRITE_RESIDENT);
        rig_fill(&rig, 1, PAGE, 9); /* no further fault */
        assert_int_equal(rig_counter(&rig, COUNT_FAULT_WRITE_PROTECT), how == WRITE_RESIDENT);
        rig_page_out(&rig, PAGE);
        rig_expect(&rig, 0, PAGE, 9);
        rig_end(&rig);
    }
}

/* Read, never written: zeros need no slot. */
static void a_page_never_written_needs_no_slot(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig);
    rig_expect(&rig, 0, PAGE, 0);
    assert_int_equal(rig_pte(&rig, PAGE) & PTE_BIT_WRITABLE, 0);
    assert_int_equal(rig_word(&rig, PAGE) & PFN_MODIFIED_BIT, 0);
    rig_trim(&rig, TRIMMER, PAGE);
    assert_int_equal(rig_state(&rig, PAGE), PFN_STANDBY);
    assert_int_equal(rig_slot(&rig, PAGE), SLOT_NONE);
    rig_expect(&rig, 0, PAGE, 0);
    rig_page_out(&rig, PAGE);
    assert_true(rig_pte(&rig, PAGE) == pte_make_software(PROTECTION_READ_WRITE, SLOT_NONE));
    /* Its frame gets another owner's bytes, and still the page reads as zeros. */
    for (page_number page = 16; page < 32; page++)
        rig_fill(&rig, 0, page, page);
    rig_page_out(&rig, 16);
    rig_expect(&rig, 0, PAGE, 0);
    assert_int_equal(rig_counter(&rig, COUNT_FAULT_DEMAND_ZERO), 2 + 16);
    assert_int_equal(gate_count(&rig, STORE_READ), 0);
    assert_int_equal(gate_count(&rig, STORE_WRITE), 1); /* page 16 */
    rig_end(&rig);
}

/* Without dirty bits every read-write page counts as written, and has no slot while it is in. */
static void everything_is_written(const struct rig_config *config)
{
    struct rig rig;

    rig_begin(&rig, config);
    rig_expect(&rig, 0, PAGE, 0);
    assert_true(rig_pte(&rig, PAGE) & PTE_BIT_WRITABLE);
    rig_page_out(&rig, PAGE);
    assert_int_equal(rig_form(&rig, PAGE), PTE_PAGE_FILE);
    rig_expect(&rig, 0, PAGE, 0);
    assert_int_equal(rig_slot(&rig, PAGE), SLOT_NONE);
    rig_fill(&rig, 0, PAGE, 3);
    assert_int_equal(rig_counter(&rig, COUNT_FAULT_WRITE_PROTECT), 0);
    rig_page_out(&rig, PAGE);
    rig_expect(&rig, 0, PAGE, 3);
    rig_end(&rig);
}

static void without_dirty_bits_everything_is_written(void **state)
{
    (void)state;
    everything_is_written(&(struct rig_config){.no_dirty_bit = true});
    everything_is_written(&(struct rig_config){.blind_machine = true});
}

/* Sixteen frames; a change of rights meanwhile does not make it forget. */
static void a_page_knows_how_many_went_since(void **state)
{
    static const struct {
        uint32_t others;
        enum counter counter;
    } away[] = {{0, COUNT_REFAULT_EIGHTH},      {1, COUNT_REFAULT_EIGHTH},
                {2, COUNT_REFAULT_QUARTER},     {7, COUNT_REFAULT_HALF},
                {8, COUNT_REFAULT_FRAMES},      {31, COUNT_REFAULT_TWICE},
                {63, COUNT_REFAULT_FOUR_TIMES}, {64, COUNT_REFAULT_BEYOND}};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(away); i++) {
        struct rig rig;

        begin(&rig);
        rig_put_in_slot(&rig, PAGE, 7);
        for (uint32_t other = 0; other < away[i].others; other++)
            rig_put_in_slot(&rig, PAGE + 1, other + 1);
        assert_int_equal(space_protect(rig.engine, 0, PAGE, 1, PROTECTION_READ_ONLY), SPACE_DONE);
        rig_expect(&rig, 0, PAGE, 7);
        for (unsigned counter = COUNT_REFAULT_EIGHTH; counter <= COUNT_REFAULT_BEYOND; counter++) {
            uint64_t all_the_others = counter == COUNT_REFAULT_EIGHTH && away[i].others > 1
                                          ? away[i].others - 1 /* each read by the next fill */
                                          : 0;
            assert_int_equal(rig_counter(&rig, (enum counter)counter),
                             all_the_others + (counter == away[i].counter));
        }
        rig_end(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hard_fault_reads_the_right_slot),
        cmocka_unit_test(second_faulters_wait_for_the_first),
        cmocka_unit_test(writers_collide_too),
        cmocka_unit_test(reads_of_two_pages_do_not_mix),
        cmocka_unit_test(a_failed_read_fails_for_all_who_wait),
        cmocka_unit_test(an_error_once_is_an_error_once),
        cmocka_unit_test(a_page_knows_how_many_went_since),
        cmocka_unit_test(decommit_during_the_read),
        cmocka_unit_test(decommit_and_commit_during_the_read),
        cmocka_unit_test(a_new_life_during_the_read),
        cmocka_unit_test(release_during_the_read),
        cmocka_unit_test(rights_that_change_during_the_read),
        cmocka_unit_test(a_clean_page_is_never_written),
        cmocka_unit_test(the_first_write_gives_the_slot_back),
        cmocka_unit_test(a_page_never_written_needs_no_slot),
        cmocka_unit_test(without_dirty_bits_everything_is_written),
    };

    return cmocka_run_group_tests_name("inpage", tests, NULL, NULL);
}
