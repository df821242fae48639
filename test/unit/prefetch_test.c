/*
 * prefetch_test.c - reading ahead: who asks for what, which frames it takes, what becomes of pages
 * that are changed or cannot be read meanwhile, and that used and wasted are told apart.
 */
#include "engine_rig.h"

#include "engine/heat.h"
#include "observe/snapshot.h"

#define PAGES  64u
#define SEED   100u
#define WORKER 3u
#define UNUSED ((enum list_id)(LIST_STANDBY + PRIORITY_AHEAD))

/* All pages in slots that follow each other, and no frame holds any. */
static void begin(struct rig *rig, frame_number frames, uint32_t prefetch)
{
    rig_begin(rig,
              &(struct rig_config){
                  .frames = frames, .region_ptes = 32, .read_cluster = 8, .prefetch = prefetch});
    for (page_number page = 0; page < PAGES; page++)
        rig_put_in_slot(rig, page, SEED + page);
}

/* Rounds until nothing is asked for; returns how many. */
static uint32_t work(struct rig *rig)
{
    uint32_t rounds = 0;

    while (prefetch_needed(rig->engine)) {
        assert_true(prefetch_round(rig->engine, rig_thread(rig, WORKER)));
        rounds++;
    }
    assert_false(prefetch_round(rig->engine, rig_thread(rig, WORKER)));
    return rounds;
}

static void read_range(struct rig *rig, page_number first, page_number count)
{
    prefetch_range(rig->engine, first, count);
    work(rig);
}

static bool is_unused(struct rig *rig, page_number page)
{
    return rig_form(rig, page) == PTE_TRANSITION && rig_state(rig, page) == PFN_STANDBY &&
           pfn_priority(rig_word(rig, page)) == PRIORITY_AHEAD;
}

/* ---- who asks ---- */

/* What was read ahead is counted where it is: here in four stretches of sixteen pages. */
static void where_it_is_read_ahead_is_counted(void **state)
{
    struct rig rig;
    uint64_t expected[4] = {0}, counts[4];

    (void)state;
    rig_begin(&rig,
              &(struct rig_config){
                  .frames = 128, .region_ptes = 32, .read_cluster = 8, .prefetch = 16, .heat = 5});
    for (page_number page = 0; page < PAGES; page++)
        rig_put_in_slot(&rig, page, SEED + page);
    read_range(&rig, 20, 24);
    for (page_number page = 0; page < PAGES; page++)
        expected[page / 16] += is_unused(&rig, page);
    assert_int_equal(expected[1] + expected[2], 24);
    snapshot_heat(rig.engine, HEAT_AHEAD, counts, 4);
    assert_memory_equal(counts, expected, sizeof(counts));
    rig_end(&rig);
}

/* Reads of 1, 2 and 4 pages are a stream; the worker reads as many again and as many more. */
static void a_stream_is_read_ahead(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig, 128, 16);
    for (page_number page = 0; page < 3; page++)
        rig_expect(&rig, 0, page, SEED + page);
    assert_false(prefetch_needed(rig.engine));
    rig_expect(&rig, 0, 3, SEED + 3);
    assert_int_equal(work(&rig), 1);
    assert_int_equal(gate_count(&rig, STORE_READ), 4);
    for (page_number page = 7; page < 15; page++)
        assert_true(is_unused(&rig, page));
    assert_int_equal(list_count(rig.engine, UNUSED), 8);
    rig_end(&rig);
}

/* Each first touch asks for more, until the lead is two of the largest windows; none is read twice. */
static void a_touch_asks_for_what_comes_next(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig, 128, 16);
    for (page_number page = 0; page < PAGES; page++) {
        rig_expect(&rig, 0, page, SEED + page);
        work(&rig);
    }
    assert_int_equal(rig_counter(&rig, COUNT_FAULT_HARD), 3);
    assert_int_equal(rig_counter(&rig, COUNT_PREFETCHED), PAGES - 7);
    assert_int_equal(rig_counter(&rig, COUNT_PREFETCH_USED), PAGES - 7);
    assert_int_equal(rig_counter(&rig, COUNT_IO_PAGES_READ), PAGES);
    assert_int_equal(rig_counter(&rig, COUNT_PREFETCH_WASTED), 0);
    rig_end(&rig);
}

static void nothing_else_is_read_ahead(void **state)
{
    const page_number order[] = {9, 3, 30, 2, 17, 18, 50, 40, 41, 42};
    struct rig rig;

    (void)state;
    begin(&rig, 128, 16);
    for (uint32_t i = 0; i < ARRAY_COUNT(order); i++)
        rig_expect(&rig, 0, order[i], SEED + order[i]);
    assert_false(prefetch_needed(rig.engine));
    rig_end(&rig);
    begin(&rig, 128, 0); /* switched off */
    for (page_number page = 0; page < PAGES; page++)
        rig_expect(&rig, 0, page, SEED + page);
    assert_false(prefetch_needed(rig.engine));
    rig_end(&rig);
}

/* A range is read region by region, whether or not streams are. */
static void a_range_is_read_as_asked(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig, 200, 0);
    prefetch_range(rig.engine, 10, 0);
    assert_false(prefetch_needed(rig.engine));
    prefetch_range(rig.engine, 10, PAGES - 10);
    prefetch_range(rig.engine, 10, PAGES - 10); /* is asked for already */
    assert_int_equal(work(&rig), 2);
    assert_int_equal(gate_count(&rig, STORE_READ), 2);
    for (page_number page = 10; page < PAGES; page++)
        assert_true(is_unused(&rig, page));
    for (page_number page = 10; page < PAGES; page++)
        rig_expect(&rig, 0, page, SEED + page);
    assert_int_equal(rig_counter(&rig, COUNT_FAULT_HARD), 0);
    assert_int_equal(rig_counter(&rig, COUNT_PREFETCH_USED), PAGES - 10);
    rig_end(&rig);
}

static void what_finds_no_place_is_forgotten(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig, 200, 0);
    for (page_number page = 0; page <= AHEAD_REQUESTS; page++)
        prefetch_range(rig.engine, page, 1);
    assert_int_equal(work(&rig), AHEAD_REQUESTS);
    assert_true(is_unused(&rig, AHEAD_REQUESTS - 1));
    assert_int_equal(rig_form(&rig, AHEAD_REQUESTS), PTE_PAGE_FILE);
    rig_end(&rig);
}

/* ---- what is read ---- */

/* Resident, elsewhere, without rights, decommitted. What lies elsewhere is read with a request of its own. */
static void only_what_can_be_used_is_read(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig, 128, 0);
    rig_fill(&rig, 1, 3, 3000);
    rig_fill(&rig, 1, 20, 20000);
    rig_page_out(&rig, 20);
    assert_int_equal(space_protect(rig.engine, 1, 5, 1, PROTECTION_NO_ACCESS), SPACE_DONE);
    assert_int_equal(space_decommit(rig.engine, 1, 6, 1), SPACE_DONE);
    assert_int_not_equal(rig_slot(&rig, 20), rig_slot(&rig, 19) + 1);
    uint32_t before = gate_count(&rig, STORE_READ);
    read_range(&rig, 0, 32);
    assert_int_equal(gate_count(&rig, STORE_READ) - before, 3); /* 0..19, 20, 21..31 */
    assert_int_equal(rig_counter(&rig, COUNT_PREFETCHED), 29);
    assert_int_equal(rig_form(&rig, 5), PTE_PAGE_FILE);
    assert_int_equal(rig_form(&rig, 6), PTE_DECOMMITTED);
    rig_expect(&rig, 0, 3, 3000);
    rig_expect(&rig, 0, 20, 20000);
    rig_expect(&rig, 0, 21, SEED + 21);
    rig_end(&rig);
}

/* Nobody is told; whoever touches the page is. */
static void a_failed_read_is_silent(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig, 128, 0);
    gate_fail(&rig, STORE_READ, rig_slot(&rig, 4), 2);
    read_range(&rig, 0, 8);
    assert_int_equal(rig_counter(&rig, COUNT_IO_ERRORS), 1);
    assert_int_equal(rig_counter(&rig, COUNT_PREFETCHED), 0);
    assert_int_equal(rig_form(&rig, 4), PTE_PAGE_FILE);
    assert_int_equal(rig_counter(&rig, COUNT_FAULT_IN_PAGE_ERROR), 0);
    assert_false(errors_last(rig.engine, 0, PAGES, &(struct error_record){0}));
    assert_int_equal(rig_read(&rig, 0, 4), FAULT_IN_PAGE_ERROR);
    for (page_number page = 0; page < 8; page++)
        rig_expect(&rig, 0, page, SEED + page);
    rig_end(&rig);
}

static void change_pages(void *context, const struct store_request *request)
{
    struct rig *rig = context;

    (void)request;
    assert_int_equal(space_decommit(rig->engine, 1, 2, 1), SPACE_DONE);
    assert_int_equal(space_protect(rig->engine, 1, 3, 1, PROTECTION_READ_ONLY), SPACE_DONE);
    assert_int_equal(space_decommit(rig->engine, 1, 4, 1), SPACE_DONE);
    assert_int_equal(space_commit(rig->engine, 1, 4, 1, PROTECTION_READ_WRITE), SPACE_DONE);
    gate_call(rig, NULL, NULL);
    rig_fill(rig, 1, 4, 4000);
}

static void pages_change_during_the_read(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig, 128, 0);
    gate_call(&rig, change_pages, &rig);
    read_range(&rig, 0, 8);
    assert_int_equal(rig_counter(&rig, COUNT_PREFETCHED), 5);
    assert_int_equal(rig_moves(&rig, WHY_READ_DISMISS), 3);
    assert_int_equal(rig_form(&rig, 2), PTE_DECOMMITTED);
    assert_int_equal(rig_form(&rig, 3), PTE_PAGE_FILE);
    rig_expect(&rig, 0, 3, SEED + 3);
    rig_expect(&rig, 0, 4, 4000);
    rig_expect(&rig, 0, 5, SEED + 5);
    rig_end(&rig);
}

static void *work_alone(void *context)
{
    prefetch_round(((struct rig *)context)->engine, rig_thread(context, WORKER));
    return NULL;
}

/* Who comes while it is read waits for that, and does not read. */
static void who_comes_early_waits(void **state)
{
    struct rig rig;
    struct rig_toucher toucher;
    pthread_t worker;

    (void)state;
    begin(&rig, 128, 0);
    gate_shut(&rig, STORE_READ);
    prefetch_range(rig.engine, 0, 8);
    assert_int_equal(pthread_create(&worker, NULL, work_alone, &rig), 0);
    gate_wait_held(&rig, STORE_READ, 1);
    rig_touch_begin(&toucher, &rig, 0, 5, false);
    RIG_WAIT_UNTIL(rig_counter(&rig, COUNT_FAULT_COLLIDED) == 1);
    gate_open(&rig, STORE_READ);
    rig_touch_end(&toucher);
    pthread_join(worker, NULL);
    assert_int_equal(toucher.result, FAULT_RESOLVED);
    assert_int_equal(toucher.word, rig_word_of(SEED + 5, 0));
    assert_int_equal(rig_counter(&rig, COUNT_PREFETCH_LATE), 1);
    assert_int_equal(rig_counter(&rig, COUNT_PREFETCH_USED), 1);
    assert_int_equal(gate_count(&rig, STORE_READ), 1);
    rig_end(&rig);
}

/* ---- frames ---- */

/* Half of what can be given out, and nothing while somebody waits. */
static void frames_are_taken_with_restraint(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig, 40, 0);
    read_range(&rig, 0, 32);
    assert_int_equal(list_count(rig.engine, UNUSED), 20);
    read_range(&rig, 32, 32);
    assert_int_equal(list_count(rig.engine, UNUSED), 20);
    for (page_number page = 0; page < 10; page++)
        rig_expect(&rig, 0, page, SEED + page);
    assert_int_equal(frames_available(rig.engine), 30);
    atomic_fetch_add(&rig.engine->waiters, 1);
    read_range(&rig, 32, 32);
    atomic_fetch_sub(&rig.engine->waiters, 1);
    assert_int_equal(list_count(rig.engine, UNUSED), 10);
    read_range(&rig, 32, 32);
    assert_int_equal(list_count(rig.engine, UNUSED), 15);
    rig_end(&rig);
}

/* Of 160 frames ten are kept: the others go before any page that was used. */
static void the_youngest_are_given_out_last(void **state)
{
    struct rig rig;
    struct thread *self;

    (void)state;
    begin(&rig, 160, 0);
    self = rig_thread(&rig, WORKER);
    for (page_number page = 32; page < 36; page++) {
        rig_expect(&rig, 0, page, SEED + page);
        rig_trim(&rig, 0, page);
    }
    read_range(&rig, 0, 12);
    assert_int_equal(frames_repurpose_ahead(rig.engine, self, 2), 2);
    assert_int_equal(rig_form(&rig, 1), PTE_PAGE_FILE);
    assert_true(is_unused(&rig, 2));
    assert_int_equal(rig_counter(&rig, COUNT_PREFETCH_WASTED), 2);
    assert_int_equal(frames_repurpose_ahead(rig.engine, self, 4), 4);
    assert_int_equal(rig_form(&rig, 35), PTE_PAGE_FILE);
    assert_int_equal(list_count(rig.engine, UNUSED), 10);
    assert_int_equal(frames_repurpose_ahead(rig.engine, self, 32), 10);
    assert_int_equal(rig_counter(&rig, COUNT_PREFETCH_WASTED), 12);
    rig_end(&rig);
}

/* ---- does it pay? ---- */

static void waste(struct rig *rig, page_number page)
{
    read_range(rig, page, 1);
    assert_int_equal(frames_repurpose_ahead(rig->engine, rig_thread(rig, WORKER), 1), 1);
}

static void a_region_where_it_does_not_pay_is_left_alone(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig, 128, 16);
    for (page_number page = 0; page < 32; page++)
        waste(&rig, page);
    prefetch_behind(rig.engine, 8, 4);
    assert_false(prefetch_needed(rig.engine));
    prefetch_behind(rig.engine, 40, 4); /* another region */
    assert_int_equal(work(&rig), 1);
    prefetch_behind(rig.engine, 8, 4); /* the first refusal has forgiven a page */
    assert_int_equal(work(&rig), 1);
    rig_end(&rig);
}

static void a_decommitted_page_was_wasted(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig, 128, 0);
    read_range(&rig, 0, 4);
    assert_int_equal(space_decommit(rig.engine, 1, 1, 2), SPACE_DONE);
    assert_int_equal(rig_counter(&rig, COUNT_PREFETCH_WASTED), 2);
    rig_expect(&rig, 0, 3, SEED + 3);
    rig_trim(&rig, 0, 3);
    rig_expect(&rig, 0, 3, SEED + 3); /* is used once */
    assert_int_equal(rig_counter(&rig, COUNT_PREFETCH_USED), 1);
    rig_end(&rig);
}

/* A policy that tells pages that came back from others is not told that this one did. */
static void the_first_touch_is_no_second_one(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.frames = 128, .policy = &policy_aging});
    rig_put_in_slot(&rig, 3, SEED + 3);
    read_range(&rig, 3, 1);
    rig_expect(&rig, 0, 3, SEED + 3);
    assert_int_equal(pte_register(rig_pte(&rig, 3)), policy_aging.birth(POLICY_HARD));
    rig_trim(&rig, 0, 3);
    rig_expect(&rig, 0, 3, SEED + 3);
    assert_int_equal(pte_register(rig_pte(&rig, 3)), policy_aging.birth(POLICY_RESCUE));
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_it_is_read_ahead_is_counted),
        cmocka_unit_test(a_stream_is_read_ahead),
        cmocka_unit_test(a_touch_asks_for_what_comes_next),
        cmocka_unit_test(nothing_else_is_read_ahead),
        cmocka_unit_test(a_range_is_read_as_asked),
        cmocka_unit_test(what_finds_no_place_is_forgotten),
        cmocka_unit_test(only_what_can_be_used_is_read),
        cmocka_unit_test(a_failed_read_is_silent),
        cmocka_unit_test(pages_change_during_the_read),
        cmocka_unit_test(who_comes_early_waits),
        cmocka_unit_test(frames_are_taken_with_restraint),
        cmocka_unit_test(the_youngest_are_given_out_last),
        cmocka_unit_test(a_region_where_it_does_not_pay_is_left_alone),
        cmocka_unit_test(a_decommitted_page_was_wasted),
        cmocka_unit_test(the_first_touch_is_no_second_one),
    };

    return cmocka_run_group_tests_name("prefetch", tests, NULL, NULL);
}
