/*
 * guess_test.c - what a hard fault reads with its page: which pages, from whose frames, what becomes
 * of them when they change or cannot be read, and that guesses end where they are in vain.
 */
#include "engine_rig.h"

#define PAGES  64u
#define SEED   100u
#define UNUSED ((enum list_id)(LIST_STANDBY + PRIORITY_AHEAD))

/* All pages in slots, and no frame holds any. */
static void begin(struct rig *rig, frame_number frames, uint32_t guess_by)
{
    rig_begin(rig, &(struct rig_config){.frames = frames,
                                        .region_ptes = 32,
                                        .read_cluster = 8,
                                        .prefetch = 16,
                                        .guess_by = guess_by});
    for (page_number page = 0; page < PAGES; page++)
        rig_put_in_slot(rig, page, SEED + page);
}

static bool is_unused(struct rig *rig, page_number page)
{
    return rig_form(rig, page) == PTE_TRANSITION && rig_state(rig, page) == PFN_STANDBY &&
           pfn_priority(rig_word(rig, page)) == PRIORITY_AHEAD;
}

static void touch(struct rig *rig, page_number page)
{
    rig_expect(rig, 0, page, SEED + page);
}

/* Touched and gone again. */
static void pass(struct rig *rig, page_number page)
{
    touch(rig, page);
    rig_page_out(rig, page);
}

/* Those that were guessed lose their frames. */
static void waste_all(struct rig *rig)
{
    for (page_number page = 0; page < PAGES; page++) {
        if (is_unused(rig, page))
            rig_page_out(rig, page);
    }
    assert_int_equal(list_count(rig->engine, UNUSED), 0);
}

/* ---- which pages ---- */

static void neighbours_come_with_the_page(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig, 128, GUESS_NEIGHBOURS);
    touch(&rig, 9);
    for (page_number page = 8; page < 12; page++)
        assert_int_equal(is_unused(&rig, page), page != 9);
    assert_int_equal(list_count(rig.engine, UNUSED), 3);
    assert_int_equal(gate_count(&rig, STORE_READ), 4);
    touch(&rig, 11);
    touch(&rig, 8);
    assert_true(is_unused(&rig, 10)); /* a touch is no opinion about the others */
    assert_int_equal(rig_counter(&rig, COUNT_FAULT_HARD), 1);
    assert_int_equal(rig_counter(&rig, COUNT_PREFETCHED), 3);
    assert_int_equal(rig_counter(&rig, COUNT_PREFETCH_USED), 2);
    rig_end(&rig);
}

static void what_was_in_vain_is_not_guessed_again(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig, 128, GUESS_NEIGHBOURS);
    touch(&rig, 9);
    touch(&rig, 10);
    waste_all(&rig); /* 8 and 11 */
    rig_page_out(&rig, 9);
    rig_page_out(&rig, 10);
    touch(&rig, 9);
    assert_true(is_unused(&rig, 10));
    assert_int_equal(list_count(rig.engine, UNUSED), 1);
    pass(&rig, 8); /* it is missed: it might be a good guess after all */
    rig_page_out(&rig, 9);
    pass(&rig, 20);
    waste_all(&rig);
    touch(&rig, 9);
    assert_true(is_unused(&rig, 8));
    assert_false(is_unused(&rig, 11));
    rig_end(&rig);
}

/* 5, 40 and 20 once, then again: the page after the next only when it came twice. */
static void followers_come_with_the_page(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig, 128, GUESS_FOLLOWERS);
    pass(&rig, 5);
    pass(&rig, 40);
    pass(&rig, 20);
    assert_int_equal(rig_counter(&rig, COUNT_PREFETCHED), 0);
    touch(&rig, 5);
    assert_true(is_unused(&rig, 40));
    assert_int_equal(list_count(rig.engine, UNUSED), 1);
    touch(&rig, 40); /* a touch of a guess is followed too */
    touch(&rig, 20);
    for (page_number page = 5; page <= 40; page++) {
        if (rig_form(&rig, page) == PTE_VALID)
            rig_page_out(&rig, page);
    }
    touch(&rig, 5);
    assert_true(is_unused(&rig, 40));
    assert_true(is_unused(&rig, 20));
    rig_end(&rig);
}

static void steps_are_followed_up_and_down(void **state)
{
    static const uint32_t kinds[] = {GUESS_STRIDE, GUESS_MAJORITY};
    struct rig rig;

    (void)state;
    for (uint32_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        begin(&rig, 128, kinds[i]);
        for (page_number page = 0; page <= 27; page += 3)
            touch(&rig, page);
        uint32_t hard = (uint32_t)rig_counter(&rig, COUNT_FAULT_HARD);
        assert_true(hard < 10);
        touch(&rig, 63); /* far from it, and back */
        for (page_number page = 61; page > 31; page -= 2)
            touch(&rig, page);
        assert_true(rig_counter(&rig, COUNT_FAULT_HARD) - hard < 14);
        assert_true(rig_counter(&rig, COUNT_PREFETCH_USED) >= 6);
        rig_end(&rig);
    }
}

/* From 31 on, which is a block, then two blocks each. */
static void who_walks_down_gets_two_blocks(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig, 128, GUESS_NEIGHBOURS);
    for (page_number page = 32; page-- > 0;)
        touch(&rig, page);
    assert_int_equal(rig_counter(&rig, COUNT_FAULT_HARD), 5);
    assert_int_equal(rig_counter(&rig, COUNT_PREFETCH_USED), 27);
    assert_int_equal(rig_counter(&rig, COUNT_IO_PAGES_READ), 32);
    rig_end(&rig);
}

/* Who goes on in order meets a stream: 0 alone, 4 and 5, 6 to 9, and the worker is asked. */
static void a_stream_is_seen_behind_its_neighbours(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig, 128, GUESS_NEIGHBOURS | GUESS_FOLLOWERS);
    for (page_number page = 0; page < 7; page++)
        touch(&rig, page);
    assert_int_equal(rig_counter(&rig, COUNT_FAULT_HARD), 3);
    assert_true(prefetch_needed(rig.engine));
    assert_int_equal(rig_form(&rig, 9), PTE_VALID);
    rig_end(&rig);
}

/* ---- what is read ---- */

/* Nobody is told; whoever touches the page is. */
static void a_failed_guess_is_silent(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig, 128, GUESS_NEIGHBOURS);
    gate_fail(&rig, STORE_READ, rig_slot(&rig, 10), 2);
    touch(&rig, 9);
    assert_int_equal(rig_counter(&rig, COUNT_IO_ERRORS), 1);
    assert_int_equal(rig_counter(&rig, COUNT_PREFETCHED), 2);
    assert_int_equal(rig_form(&rig, 10), PTE_PAGE_FILE);
    assert_int_equal(rig_read(&rig, 0, 10), FAULT_IN_PAGE_ERROR);
    touch(&rig, 10);
    touch(&rig, 11);
    rig_end(&rig);
}

static void change_pages(void *context, const struct store_request *request)
{
    struct rig *rig = context;

    (void)request;
    gate_call(rig, NULL, NULL);
    assert_int_equal(space_decommit(rig->engine, 1, 8, 1), SPACE_DONE);
    assert_int_equal(space_protect(rig->engine, 1, 10, 1, PROTECTION_READ_ONLY), SPACE_DONE);
    assert_int_equal(space_decommit(rig->engine, 1, 11, 1), SPACE_DONE);
    assert_int_equal(space_commit(rig->engine, 1, 11, 1, PROTECTION_READ_WRITE), SPACE_DONE);
    rig_fill(rig, 1, 11, 4000);
}

static void pages_change_during_the_read(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig, 128, GUESS_NEIGHBOURS);
    gate_call(&rig, change_pages, &rig);
    touch(&rig, 9);
    assert_int_equal(rig_counter(&rig, COUNT_PREFETCHED), 0);
    assert_int_equal(rig_moves(&rig, WHY_READ_DISMISS), 3);
    assert_int_equal(rig_form(&rig, 8), PTE_DECOMMITTED);
    rig_expect(&rig, 0, 11, 4000);
    touch(&rig, 10);
    rig_end(&rig);
}

/* ---- frames ---- */

/* Half of what can be given out; then the oldest gives way, and nothing while somebody waits. */
static void an_older_guess_gives_way(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig, 16, GUESS_NEIGHBOURS);
    for (page_number page = 0; page < 40; page += 8)
        touch(&rig, page);
    assert_int_equal(rig_counter(&rig, COUNT_PREFETCHED), 15);
    assert_true(list_count(rig.engine, UNUSED) < 9);
    assert_false(is_unused(&rig, 1));
    assert_true(is_unused(&rig, 33));
    atomic_fetch_add(&rig.engine->waiters, 1);
    touch(&rig, 48);
    atomic_fetch_sub(&rig.engine->waiters, 1);
    assert_int_equal(rig_counter(&rig, COUNT_PREFETCHED), 15);
    rig_end(&rig);
}

/* Of sixteen frames eight hold pages that might have been rescued; one gives way to a guess. */
static void what_a_guess_pushes_out_is_counted(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig, 16, GUESS_NEIGHBOURS);
    for (page_number page = 0; page < 60; page += 4) {
        rig.engine->config.guess_by = 0;
        touch(&rig, page);
        rig_trim(&rig, 0, page);
    }
    rig.engine->config.guess_by = GUESS_NEIGHBOURS;
    touch(&rig, 61); /* takes the last free frame, its guesses the oldest pages' */
    rig.engine->config.guess_by = 0;
    assert_int_equal(rig_counter(&rig, COUNT_PREFETCH_POLLUTED), 0);
    assert_int_equal(rig_form(&rig, 0), PTE_PAGE_FILE);
    touch(&rig, 0);
    assert_int_equal(rig_counter(&rig, COUNT_PREFETCH_POLLUTED), 1);
    pass(&rig, 0);
    touch(&rig, 0);
    assert_int_equal(rig_counter(&rig, COUNT_PREFETCH_POLLUTED), 1); /* once */
    rig_end(&rig);
}

/* ---- does it pay? ---- */

/* 5 and one other page in turn: what follows is never what followed. Returns how many were guessed. */
static uint64_t guess_in_vain(struct rig *rig, uint32_t faults, bool late)
{
    uint64_t before = rig_counter(rig, COUNT_PREFETCHED);

    for (uint32_t i = 0; i < faults; i++) {
        pass(rig, i % 2 == 0 ? 5 : 6 + i % 26);
        for (page_number page = 0; late && page < 32; page++) {
            if (is_unused(rig, page)) {
                atomic_fetch_add(&rig->engine->guess_ticks, 2);
                touch(rig, page);
                rig_page_out(rig, page);
            }
        }
        waste_all(rig);
    }
    return rig_counter(rig, COUNT_PREFETCHED) - before;
}

/* A guess whose page is touched long after is no better than one that is not touched. */
static void guesses_end_where_they_are_in_vain(void **state)
{
    struct rig rig;

    (void)state;
    for (unsigned late = 0; late < 2; late++) {
        begin(&rig, 128, GUESS_FOLLOWERS);
        assert_true(guess_in_vain(&rig, 150, late != 0) >= 32);
        assert_true(guess_in_vain(&rig, 64, late != 0) <= 16);
        rig_end(&rig);
    }
}

/* 40 and 50 follow each other: their region has what the other has not. */
static void a_region_where_they_pay_goes_on(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig, 128, GUESS_FOLLOWERS);
    for (uint32_t i = 0; i < 4; i++) {
        touch(&rig, 40);
        touch(&rig, 50);
        rig_page_out(&rig, 40);
        rig_page_out(&rig, 50);
    }
    assert_int_equal(rig_counter(&rig, COUNT_PREFETCH_USED), 3);
    guess_in_vain(&rig, 200, false);
    touch(&rig, 40);
    assert_true(is_unused(&rig, 50));
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(neighbours_come_with_the_page),
        cmocka_unit_test(what_was_in_vain_is_not_guessed_again),
        cmocka_unit_test(followers_come_with_the_page),
        cmocka_unit_test(steps_are_followed_up_and_down),
        cmocka_unit_test(who_walks_down_gets_two_blocks),
        cmocka_unit_test(a_stream_is_seen_behind_its_neighbours),
        cmocka_unit_test(a_failed_guess_is_silent),
        cmocka_unit_test(pages_change_during_the_read),
        cmocka_unit_test(an_older_guess_gives_way),
        cmocka_unit_test(what_a_guess_pushes_out_is_counted),
        cmocka_unit_test(guesses_end_where_they_are_in_vain),
        cmocka_unit_test(a_region_where_they_pay_goes_on),
    };

    return cmocka_run_group_tests_name("guess", tests, NULL, NULL);
}
