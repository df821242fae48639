/*
 * moves_test.c - pages whose slots are on the move: what changed meanwhile stays as it is, and errors
 * cost nothing.
 */
#include "defrag_rig.h"

/* Of the eight pages all but page 3, which was in slot 5. */
static void expect_seven_moved(struct rig *rig)
{
    assert_int_equal(rig_counter(rig, COUNT_DEFRAGMENTED), 7);
    assert_int_equal(rig_counter(rig, COUNT_DEFRAG_ABORTED), 1);
    for (page_number page = 0; page < 8; page++) {
        if (page != 3)
            rig_expect(rig, 0, page, SEED + page);
    }
}

/* ---- changes in the middle ------------------------------------------------------------------- */

struct scene {
    struct rig *rig;
    enum store_operation operation;
    rig_scene *act;
    bool acted;
};

static void play(void *context, const struct store_request *request)
{
    struct scene *scene = context;

    if (request->operation != scene->operation || scene->acted)
        return;
    scene->acted = true;
    scene->act(scene->rig);
}

/* A round in the middle of which the act happens. */
static void move_with(struct rig *rig, enum store_operation operation, rig_scene *act)
{
    static struct scene scene; /* a request of the act may still be under way at the end */

    scene = (struct scene){rig, operation, act, false};
    gate_call(rig, play, &scene);
    assert_true(move(rig));
    assert_true(scene.acted);
}

static void write_page_3(struct rig *rig)
{
    rig_fill(rig, 1, 3, 5000);
    assert_true(slots_in_use(rig->engine, 5)); /* it is still being read */
}

static void a_page_written_meanwhile_stays(void **state)
{
    (void)state;
    for (unsigned operation = STORE_READ; operation <= STORE_WRITE; operation++) {
        struct rig rig;

        begin_eight(&rig);
        move_with(&rig, (enum store_operation)operation, write_page_3);
        assert_int_equal(rig_slot(&rig, 3), SLOT_NONE);
        assert_int_equal(rig_slots_used(&rig), 7);
        assert_false(slots_in_use(rig.engine, 5));
        expect_seven_moved(&rig);
        rig_expect(&rig, 0, 3, 5000);
        rig_page_out(&rig, 3);
        rig_expect(&rig, 0, 3, 5000);
        rig_end(&rig);
    }
}

/* Page 3 may have been written unseen and has its slot still; a writer comes while that is moved. */
static void write_out_page_3(struct rig *rig)
{
    assert_true(write_round(rig->engine, rig_thread(rig, WRITER)));
    assert_int_not_equal(rig_slot(rig, 3), 5);
    assert_true(slots_in_use(rig->engine, 5));
}

static void a_moving_slot_is_not_overwritten(void **state)
{
    (void)state;
    for (unsigned operation = STORE_READ; operation <= STORE_WRITE; operation++) {
        struct rig rig;

        begin_eight(&rig);
        rig.engine->config.map_writable = MAP_WRITABLE;
        rig_expect(&rig, 0, 3, SEED + 3);
        rig_fill(&rig, 0, 3, 5000);
        rig_trim(&rig, TRIMMER, 3);
        assert_int_equal(rig_slot(&rig, 3), 5);
        move_with(&rig, (enum store_operation)operation, write_out_page_3);
        assert_false(slots_in_use(rig.engine, 5));
        expect_seven_moved(&rig);
        rig_page_out(&rig, 3);
        rig_expect(&rig, 0, 3, 5000);
        rig_end(&rig);
    }
}

static void decommit_page_3(struct rig *rig)
{
    assert_int_equal(space_decommit(rig->engine, TRIMMER, 3, 1), SPACE_DONE);
    assert_true(slots_in_use(rig->engine, 5));
}

static void a_page_decommitted_meanwhile_is_gone(void **state)
{
    struct rig rig;

    (void)state;
    begin_eight(&rig);
    move_with(&rig, STORE_READ, decommit_page_3);
    assert_true(rig_pte(&rig, 3) == PTE_WORD_DECOMMITTED);
    assert_int_equal(rig_slots_used(&rig), 7);
    expect_seven_moved(&rig);
    rig_end(&rig);
}

/* The page lives again and goes out to another slot before the move ends. */
static void renew_page_3(struct rig *rig)
{
    decommit_page_3(rig);
    assert_int_equal(space_commit(rig->engine, TRIMMER, 3, 1, PROTECTION_READ_WRITE), SPACE_DONE);
    rig_put_in_slot(rig, 3, 6000);
    assert_int_not_equal(rig_slot(rig, 3), 5);
}

static void a_new_life_of_a_page_is_left_alone(void **state)
{
    struct rig rig;

    (void)state;
    begin_eight(&rig);
    move_with(&rig, STORE_READ, renew_page_3);
    assert_int_equal(rig_slots_used(&rig), 8);
    expect_seven_moved(&rig);
    rig_expect(&rig, 0, 3, 6000);
    rig_end(&rig);
}

/* Its frame has the slot then, and is told of the new one. */
static void read_page_3(struct rig *rig)
{
    rig_expect(rig, 1, 3, SEED + 3);
}

static void a_page_read_meanwhile_moves(void **state)
{
    struct rig rig;

    (void)state;
    begin_eight(&rig);
    move_with(&rig, STORE_WRITE, read_page_3);
    assert_int_equal(rig_counter(&rig, COUNT_DEFRAGMENTED), 8);
    assert_int_equal(rig_state(&rig, 3), PFN_ACTIVE);
    assert_int_equal(rig_slot(&rig, 3), rig_slot(&rig, 2) + 1);
    rig_page_out(&rig, 3);
    rig_expect(&rig, 0, 3, SEED + 3);
    rig_end(&rig);
}

/* In, trimmed, and out again without a write: the same slot, the same content. */
static void read_and_repurpose_page_3(struct rig *rig)
{
    read_page_3(rig);
    rig_page_out(rig, 3);
    assert_int_equal(rig_slot(rig, 3), 5);
}

static void a_page_that_came_and_went_moves(void **state)
{
    struct rig rig;

    (void)state;
    begin_eight(&rig);
    move_with(&rig, STORE_READ, read_and_repurpose_page_3);
    assert_int_equal(rig_counter(&rig, COUNT_DEFRAGMENTED), 8);
    rig_expect(&rig, 0, 3, SEED + 3);
    rig_end(&rig);
}

static struct rig_toucher toucher;

/* A fault is in the middle of its read when the move ends. */
static void touch_page_3(struct rig *rig)
{
    gate_shut(rig, STORE_READ);
    rig_touch_begin(&toucher, rig, 1, 3, false);
    gate_wait_held(rig, STORE_READ, 1);
}

/* It reads the slot, which must stay until it is done. */
static void a_page_being_read_stays(void **state)
{
    struct rig rig;

    (void)state;
    begin_eight(&rig);
    move_with(&rig, STORE_WRITE, touch_page_3);
    assert_true(slots_in_use(rig.engine, 5));
    assert_int_equal(rig_slot(&rig, 3), 5);
    gate_open(&rig, STORE_READ);
    rig_touch_end(&toucher);
    assert_int_equal(toucher.result, FAULT_RESOLVED);
    assert_int_equal(rig_slots_used(&rig), 8);
    expect_seven_moved(&rig);
    rig_expect(&rig, 0, 3, SEED + 3);
    rig_end(&rig);
}

static void protect_page_3(struct rig *rig)
{
    assert_int_equal(space_protect(rig->engine, TRIMMER, 3, 1, PROTECTION_READ_ONLY), SPACE_DONE);
}

static void rights_move_along(void **state)
{
    struct rig rig;

    (void)state;
    begin_eight(&rig);
    assert_int_equal(space_protect(rig.engine, TRIMMER, 4, 1, PROTECTION_READ_ONLY), SPACE_DONE);
    uint32_t stamp = pte_stamp(rig_pte(&rig, 5));
    assert_int_not_equal(stamp, 0); /* when a page went is not a matter of its slot */
    move_with(&rig, STORE_READ, protect_page_3);
    assert_int_equal(rig_counter(&rig, COUNT_DEFRAGMENTED), 8);
    assert_int_equal(pte_stamp(rig_pte(&rig, 5)), stamp);
    assert_int_equal(rig_write(&rig, 0, 3), FAULT_ACCESS_VIOLATION);
    assert_int_equal(rig_write(&rig, 0, 4), FAULT_ACCESS_VIOLATION);
    rig_expect(&rig, 0, 3, SEED + 3);
    rig_end(&rig);
}

/* ---- errors ---------------------------------------------------------------------------------- */

static void what_cannot_be_read_stays(void **state)
{
    struct rig rig;

    (void)state;
    begin_eight(&rig);
    gate_fail(&rig, STORE_READ, 5, GATE_ALWAYS);
    assert_true(move(&rig));
    assert_int_equal(rig_slot(&rig, 3), 5);
    assert_int_equal(rig_form(&rig, 3), PTE_PAGE_FILE);
    expect_seven_moved(&rig);
    assert_int_equal(rig_counter(&rig, COUNT_IO_ERRORS), 2); /* the run, then the page */
    assert_int_equal(rig_read(&rig, 0, 3), FAULT_IN_PAGE_ERROR);
    gate_heal(&rig);
    rig_expect(&rig, 0, 3, SEED + 3);
    rig_end(&rig);
}

static void what_cannot_be_written_stays(void **state)
{
    struct rig rig;

    (void)state;
    begin_eight(&rig);
    gate_fail(&rig, STORE_WRITE, GATE_ANY_SLOT, 1);
    assert_false(move(&rig));
    assert_int_equal(rig_counter(&rig, COUNT_DEFRAG_ABORTED), 8);
    assert_int_equal(rig_counter(&rig, COUNT_IO_ERRORS), 1);
    assert_int_equal(rig_slots_used(&rig), 8);
    for (page_number page = 0; page < 8; page++)
        assert_int_equal(rig_slot(&rig, page), 8 - page);
    assert_int_equal(rig_audit(&rig), 0); /* no mark is left */
    assert_false(move(&rig));             /* nothing is to be emptied */
    assert_true(move(&rig));
    for (page_number page = 0; page < 8; page++)
        rig_expect(&rig, 0, page, SEED + page);
    rig_end(&rig);
}

static void fail_a_move(struct rig *rig)
{
    gate_fail(rig, STORE_WRITE, GATE_ANY_SLOT, 1);
    assert_false(move(rig));
    assert_int_equal(PFN_FIELD(rig->engine, slots_aside), 1);
}

/* A write that was under way when the move failed proves nothing about the slot. */
static void a_move_that_fails_is_trouble(void **state)
{
    struct rig rig;

    (void)state;
    begin_batches(&rig, 1); /* each is written alone */
    rig_fill(&rig, 0, 9, 5);
    rig_trim(&rig, TRIMMER, 9);
    uint32_t witnesses = write_witnesses(rig.engine);
    assert_true(rig_write_with(&rig, fail_a_move));
    assert_int_equal(write_witnesses(rig.engine), witnesses);
    assert_int_equal(rig_counter(&rig, COUNT_IO_ERRORS), 1);
    gate_heal(&rig);
    rig_expect(&rig, 0, 9, 5);
    rig_end(&rig);
}

static uint32_t suspects(const struct rig *rig)
{
    uint32_t count = 0;

    for (uint32_t area = 0; area < rig->engine->slot_area_count; area++) {
        for (unsigned i = 0; i < SUSPECTS_MAX; i++)
            count += rig->engine->slot_areas[area].suspects[i].slot != SLOT_NONE;
    }
    return count;
}

static page_number moving_page;

/* The page that is being moved is written meanwhile, so it stays where it is. */
static void write_moving_page(void *context, const struct store_request *request)
{
    struct rig *rig = context;

    if (request->operation != STORE_WRITE)
        return;
    gate_call(rig, NULL, NULL);
    for (page_number page = 0; page < 8; page++) {
        if (bytes_hold(request->pages[0], SEED + page))
            moving_page = page;
    }
    rig_fill(rig, 1, moving_page, 777);
}

static void a_good_write_ends_the_suspicion(void **state)
{
    struct rig rig;

    (void)state;
    begin_batches(&rig, 1); /* each is written alone */
    fail_a_move(&rig);
    gate_heal(&rig);
    rig_put_in_slot(&rig, 12, 5); /* a witness */
    slots_try_suspects(rig.engine, rig_thread(&rig, WRITER), false);
    assert_int_equal(PFN_FIELD(rig.engine, slots_aside), 0);
    assert_int_equal(suspects(&rig), 1);
    rig.engine->defrag_no_stray = 0; /* look again at once */
    rig.engine->defrag_block = 0;
    moving_page = PAGE_NONE;
    gate_call(&rig, write_moving_page, &rig);
    for (unsigned i = 0; moving_page == PAGE_NONE; i++) {
        assert_true(i < 20);
        move(&rig);
    }
    assert_int_equal(rig_counter(&rig, COUNT_DEFRAGMENTED), 0);
    assert_int_equal(suspects(&rig), 0);
    rig_expect(&rig, 0, moving_page, 777);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_written_meanwhile_stays),
        cmocka_unit_test(a_moving_slot_is_not_overwritten),
        cmocka_unit_test(a_page_decommitted_meanwhile_is_gone),
        cmocka_unit_test(a_new_life_of_a_page_is_left_alone),
        cmocka_unit_test(a_page_read_meanwhile_moves),
        cmocka_unit_test(a_page_that_came_and_went_moves),
        cmocka_unit_test(a_page_being_read_stays),
        cmocka_unit_test(rights_move_along),
        cmocka_unit_test(what_cannot_be_read_stays),
        cmocka_unit_test(what_cannot_be_written_stays),
        cmocka_unit_test(a_move_that_fails_is_trouble),
        cmocka_unit_test(a_good_write_ends_the_suspicion),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
