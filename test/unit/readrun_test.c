/*
 * readrun_test.c - one read for a run of neighbours: how far it goes, what it leaves out, and that
 * neither an error nor a change in the middle crosses from one page of it to another.
 */
#include "engine_rig.h"

#define PAGES 32u
#define SEED  100u

/* Pages 0..PAGES-1 in slots that follow each other, and no frame holds any. */
static void begin(struct rig *rig, uint32_t cluster)
{
    rig_begin(rig, &(struct rig_config){.frames = 64, .region_ptes = 32, .read_cluster = cluster});
    for (page_number page = 0; page < PAGES; page++)
        rig_put_in_slot(rig, page, SEED + page);
    for (page_number page = 1; page < PAGES; page++)
        assert_int_equal(rig_slot(rig, page), rig_slot(rig, 0) + page);
}

static struct gate_record request(const struct rig *rig, uint32_t number)
{
    uint32_t reads = 0;

    for (uint32_t i = 0; i < rig->gate.logged; i++) {
        if (rig->gate.log[i].operation == STORE_READ && reads++ == number)
            return rig->gate.log[i];
    }
    fail_msg("there was no read %u", number);
    return (struct gate_record){0};
}

/* Reads 0 to 2 bring pages 0, 1 to 2 and 3 to 6; the next goes as far as page 14. */
static void walk(struct rig *rig)
{
    for (page_number page = 0; page < 7; page++)
        rig_expect(rig, 0, page, SEED + page);
    assert_int_equal(gate_count(rig, STORE_READ), 3);
}

static void faults_that_follow_each_other_read_further(void **state)
{
    const uint32_t counts[] = {1, 2, 4, 8, 8, 8, 1};
    struct rig rig;
    page_number next = 0;

    (void)state;
    begin(&rig, 8);
    for (page_number page = 0; page < PAGES; page++)
        rig_expect(&rig, 0, page, SEED + page);
    assert_int_equal(gate_count(&rig, STORE_READ), ARRAY_COUNT(counts));
    for (uint32_t i = 0; i < ARRAY_COUNT(counts); i++) {
        assert_int_equal(request(&rig, i).count, counts[i]);
        assert_int_equal(request(&rig, i).slot, rig_slot(&rig, next));
        next += counts[i];
    }
    assert_int_equal(rig_counter(&rig, COUNT_FAULT_HARD), ARRAY_COUNT(counts));
    assert_int_equal(rig_counter(&rig, COUNT_IO_READS), ARRAY_COUNT(counts));
    assert_int_equal(rig_counter(&rig, COUNT_IO_PAGES_READ), PAGES);
    assert_int_equal(rig_counter(&rig, COUNT_READ_AROUND), PAGES - ARRAY_COUNT(counts));
    rig_end(&rig);
}

static void other_faults_read_one_page(void **state)
{
    const page_number order[] = {9, 3, 30, 2, 17, 1, 12, 0};
    struct rig rig;

    (void)state;
    begin(&rig, 8);
    for (uint32_t i = 0; i < ARRAY_COUNT(order); i++) {
        rig_expect(&rig, 0, order[i], SEED + order[i]);
        assert_int_equal(request(&rig, i).count, 1);
    }
    assert_int_equal(gate_count(&rig, STORE_READ), ARRAY_COUNT(order));
    rig_end(&rig);
}

/* All of it clean and mapped read-only; the page that was written alone is modified. */
static void a_write_is_a_write_of_one_page(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig, 8);
    walk(&rig);
    rig_fill(&rig, 0, 7, 7);
    assert_int_equal(gate_count(&rig, STORE_READ), 4);
    assert_true(rig_word(&rig, 7) & PFN_MODIFIED_BIT);
    assert_int_equal(rig_slot(&rig, 7), SLOT_NONE);
    for (page_number page = 8; page < 15; page++) {
        assert_int_equal(rig_form(&rig, page), PTE_VALID);
        assert_int_equal(rig_pte(&rig, page) & (PTE_BIT_WRITABLE | PTE_BIT_DIRTY), 0);
        assert_int_equal(rig_word(&rig, page) & (PFN_MODIFIED_BIT | PFN_READING), 0);
        rig_fill(&rig, 0, page, 1000 + page); /* a fault of its own */
        rig_expect(&rig, 0, page, 1000 + page);
    }
    assert_int_equal(rig_counter(&rig, COUNT_FAULT_WRITE_PROTECT), 7);
    rig_end(&rig);
}

/* Resident, elsewhere, without rights, decommitted: none of them is read or touched. */
static void gaps_are_left_out(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig, 8);
    rig_fill(&rig, 1, 11, 11000);
    rig_fill(&rig, 1, 9, 9000);
    rig_page_out(&rig, 9); /* behind the slots that were in use */
    assert_int_equal(space_protect(rig.engine, OTHER, 12, 1, PROTECTION_NO_ACCESS), SPACE_DONE);
    assert_int_equal(space_decommit(rig.engine, OTHER, 13, 1), SPACE_DONE);
    assert_int_not_equal(rig_slot(&rig, 9), rig_slot(&rig, 8) + 1);
    for (page_number page = 0; page < 8; page++)
        rig_expect(&rig, 0, page, SEED + page);
    assert_int_equal(gate_count(&rig, STORE_READ), 6);
    assert_int_equal(request(&rig, 5).count, 8);
    assert_int_equal(rig_form(&rig, 8), PTE_VALID);
    assert_int_equal(rig_form(&rig, 9), PTE_PAGE_FILE);
    assert_int_equal(rig_form(&rig, 10), PTE_VALID);
    assert_int_equal(rig_form(&rig, 12), PTE_PAGE_FILE);
    assert_true(rig_pte(&rig, 13) == PTE_WORD_DECOMMITTED);
    assert_int_equal(rig_form(&rig, 14), PTE_VALID);
    for (page_number page = 7; page < 15; page++) {
        if (page < 12 || page == 14)
            rig_expect(&rig, 0, page, page == 9 || page == 11 ? page * 1000 : SEED + page);
    }
    assert_int_equal(rig_read(&rig, 0, 12), FAULT_ACCESS_VIOLATION);
    assert_int_equal(space_protect(rig.engine, OTHER, 12, 1, PROTECTION_READ_ONLY), SPACE_DONE);
    rig_expect(&rig, 0, 12, SEED + 12);
    rig_end(&rig);
}

/* Neighbours are read only into frames that nobody misses. */
static void no_frame_is_taken_from_others(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.frames = 12, .region_ptes = 32, .read_cluster = 8});
    for (page_number page = 0; page < PAGES; page++)
        rig_put_in_slot(&rig, page, SEED + page);
    for (page_number page = 0; page < 4; page++)
        rig_expect(&rig, 0, page, SEED + page);
    /* Of twelve frames nine are left for the third read: not four for each of three neighbours. */
    assert_int_equal(request(&rig, 1).count, 2);
    assert_int_equal(request(&rig, 2).count, 1);
    assert_int_equal(frames_available(rig.engine), 8);
    rig_end(&rig);
}

/* ---- errors --------------------------------------------------------------------------------- */

static void a_neighbours_error_is_not_ours(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig, 8);
    walk(&rig);
    gate_fail(&rig, STORE_READ, rig_slot(&rig, 10), GATE_ALWAYS);
    rig_expect(&rig, 0, 7, SEED + 7); /* the run fails, the page alone does not */
    assert_int_equal(request(&rig, 3).count, 8);
    assert_int_equal(request(&rig, 4).count, 1);
    assert_int_equal(rig_moves(&rig, WHY_READ_FAIL), 7);
    for (page_number page = 8; page < 15; page++)
        assert_int_equal(rig_form(&rig, page), PTE_PAGE_FILE);
    assert_int_equal(rig_read(&rig, 0, 10), FAULT_IN_PAGE_ERROR);
    rig_expect(&rig, 0, 9, SEED + 9);
    assert_int_equal(rig_counter(&rig, COUNT_FAULT_IN_PAGE_ERROR), 1);
    gate_heal(&rig);
    rig_expect(&rig, 0, 10, SEED + 10);
    rig_end(&rig);
}

/* A run over pages 7 to 14 is under way. */
static void start_run(struct rig *rig, struct rig_toucher *toucher)
{
    gate_shut(rig, STORE_READ);
    rig_touch_begin(toucher, rig, 0, 7, false);
    gate_wait_held(rig, STORE_READ, 1);
}

static void end_run(struct rig *rig, struct rig_toucher *toucher, enum fault_result result)
{
    gate_open(rig, STORE_READ);
    rig_touch_end(toucher);
    assert_int_equal(toucher->result, result);
}

/* The same, and others touch two of its pages. */
static void touch_a_run(struct rig *rig, struct rig_toucher *touchers)
{
    start_run(rig, &touchers[0]);
    rig_touch_begin(&touchers[1], rig, 1, 7, false);
    rig_touch_begin(&touchers[2], rig, 2, 9, false);
    RIG_WAIT_UNTIL(rig_counter(rig, COUNT_FAULT_COLLIDED) == 2);
    assert_int_equal(gate_count(rig, STORE_READ), 4);
}

static void who_waits_for_a_neighbour_waits_for_the_run(void **state)
{
    struct rig_toucher touchers[3];
    struct rig rig;

    (void)state;
    begin(&rig, 8);
    walk(&rig);
    touch_a_run(&rig, touchers);
    for (int i = 0; i < 3; i++) {
        end_run(&rig, &touchers[i], FAULT_RESOLVED);
        assert_true(touchers[i].word == rig_word_of(SEED + touchers[i].page, 0));
    }
    assert_int_equal(gate_count(&rig, STORE_READ), 4);
    rig_end(&rig);
}

static void who_waits_for_a_neighbour_does_not_get_its_error(void **state)
{
    struct rig_toucher touchers[3];
    struct rig rig;

    (void)state;
    begin(&rig, 8);
    walk(&rig);
    gate_fail(&rig, STORE_READ, rig_slot(&rig, 7), GATE_ALWAYS);
    touch_a_run(&rig, touchers);
    gate_open(&rig, STORE_READ);
    for (int i = 0; i < 3; i++)
        rig_touch_end(&touchers[i]);
    assert_int_equal(touchers[0].result, FAULT_IN_PAGE_ERROR);
    assert_int_equal(touchers[1].result, FAULT_IN_PAGE_ERROR);
    assert_int_equal(touchers[2].result, FAULT_RESOLVED);
    assert_true(touchers[2].word == rig_word_of(SEED + 9, 0));
    rig_end(&rig);
}

/* ---- changes in the middle ------------------------------------------------------------------ */

static void neighbours_change_during_the_read(void **state)
{
    struct rig_toucher toucher;
    struct rig rig;

    (void)state;
    begin(&rig, 8);
    walk(&rig);
    start_run(&rig, &toucher);
    uint64_t slots = rig_slots_used(&rig);
    assert_int_equal(space_decommit(rig.engine, OTHER, 8, 1), SPACE_DONE);
    assert_int_equal(space_decommit(rig.engine, OTHER, 10, 1), SPACE_DONE);
    assert_int_equal(space_commit(rig.engine, OTHER, 10, 1, PROTECTION_READ_WRITE), SPACE_DONE);
    rig_fill(&rig, 1, 10, 5000); /* lives again before the old read ends */
    assert_int_equal(space_protect(rig.engine, OTHER, 12, 1, PROTECTION_READ_ONLY), SPACE_DONE);
    end_run(&rig, &toucher, FAULT_RESOLVED);
    assert_int_equal(rig_slots_used(&rig), slots - 2); /* each once: twice ends the process */
    assert_true(rig_pte(&rig, 8) == PTE_WORD_DECOMMITTED);
    rig_expect(&rig, 0, 10, 5000);
    assert_int_equal(rig_form(&rig, 12), PTE_PAGE_FILE);
    rig_expect(&rig, 0, 12, SEED + 12);
    assert_int_equal(rig_write(&rig, 0, 12), FAULT_ACCESS_VIOLATION);
    rig_end(&rig);
}

static void the_page_itself_goes_during_the_read(void **state)
{
    struct rig_toucher toucher;
    struct rig rig;

    (void)state;
    begin(&rig, 8);
    walk(&rig);
    start_run(&rig, &toucher);
    assert_int_equal(space_decommit(rig.engine, OTHER, 7, 1), SPACE_DONE);
    end_run(&rig, &toucher, FAULT_ACCESS_VIOLATION);
    for (page_number page = 8; page < 15; page++) {
        assert_int_equal(rig_form(&rig, page), PTE_VALID);
        rig_expect(&rig, 0, page, SEED + page);
    }
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_that_follow_each_other_read_further),
        cmocka_unit_test(other_faults_read_one_page),
        cmocka_unit_test(a_write_is_a_write_of_one_page),
        cmocka_unit_test(gaps_are_left_out),
        cmocka_unit_test(no_frame_is_taken_from_others),
        cmocka_unit_test(a_neighbours_error_is_not_ours),
        cmocka_unit_test(who_waits_for_a_neighbour_waits_for_the_run),
        cmocka_unit_test(who_waits_for_a_neighbour_does_not_get_its_error),
        cmocka_unit_test(neighbours_change_during_the_read),
        cmocka_unit_test(the_page_itself_goes_during_the_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
