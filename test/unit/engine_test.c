/*
 * engine_test.c - the engine as a whole: what each kind of fault counts, what the address space
 * allows, pins, retired frames, workers and the watch.
 */
#include "engine_rig.h"

#define PAGE 9u

/* ---- faults --------------------------------------------------------------------------------- */

/* In the order of the counters' table. */
struct faults {
    uint64_t demand_zero, transition, hard, collided, write_protect, in_page_error,
        access_violation, spurious;
};

static uint64_t latencies(struct rig *rig, enum latency latency)
{
    struct histogram_summary summary;
    uint64_t count = 0;

    for (uint32_t thread = 0; thread < RIG_THREADS; thread++) {
        histogram_summarize(&rig_thread(rig, thread)->latencies[latency], &summary);
        count += summary.count;
    }
    return count;
}

/* These faults and no others; each kind that brings a page is in its own histogram. */
static void expect_faults(struct rig *rig, struct faults expected)
{
    assert_int_equal(rig_counter(rig, COUNT_FAULT_DEMAND_ZERO), expected.demand_zero);
    assert_int_equal(rig_counter(rig, COUNT_FAULT_TRANSITION), expected.transition);
    assert_int_equal(rig_counter(rig, COUNT_FAULT_HARD), expected.hard);
    assert_int_equal(rig_counter(rig, COUNT_FAULT_COLLIDED), expected.collided);
    assert_int_equal(rig_counter(rig, COUNT_FAULT_WRITE_PROTECT), expected.write_protect);
    assert_int_equal(rig_counter(rig, COUNT_FAULT_IN_PAGE_ERROR), expected.in_page_error);
    assert_int_equal(rig_counter(rig, COUNT_FAULT_ACCESS_VIOLATION), expected.access_violation);
    assert_int_equal(rig_counter(rig, COUNT_FAULT_SPURIOUS), expected.spurious);
    assert_int_equal(latencies(rig, LATENCY_DEMAND_ZERO), expected.demand_zero);
    assert_int_equal(latencies(rig, LATENCY_TRANSITION), expected.transition);
    assert_int_equal(latencies(rig, LATENCY_HARD), expected.hard);
    assert_int_equal(latencies(rig, LATENCY_WRITE_PROTECT), expected.write_protect);
    assert_int_equal(latencies(rig, LATENCY_FRAME_WAIT), 0);
    assert_int_equal(rig_counter(rig, COUNT_FAULT_RETRIES), 0);
}

static void each_kind_of_fault_is_counted_once(void **state)
{
    struct faults faults = {0};
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){0});
    expect_faults(&rig, faults);
    rig_expect(&rig, 0, PAGE, 0);
    faults.demand_zero = 1;
    expect_faults(&rig, faults);
    rig_expect(&rig, 1, PAGE, 0); /* resident: no fault, whoever asks */
    expect_faults(&rig, faults);
    rig_fill(&rig, 0, PAGE, 1);
    faults.write_protect = 1;
    expect_faults(&rig, faults);
    rig_trim(&rig, TRIMMER, PAGE);
    rig_expect(&rig, 0, PAGE, 1);
    faults.transition = 1;
    expect_faults(&rig, faults);
    rig_page_out(&rig, PAGE);
    rig_expect(&rig, 0, PAGE, 1);
    faults.hard = 1;
    expect_faults(&rig, faults);
    rig_page_out(&rig, PAGE);
    gate_fail(&rig, STORE_READ, GATE_ANY_SLOT, 1);
    assert_int_equal(rig_read(&rig, 0, PAGE), FAULT_IN_PAGE_ERROR);
    faults.in_page_error = 1;
    expect_faults(&rig, faults);
    rig_fill(&rig, 0, PAGE, 2);
    faults.hard = 2;
    expect_faults(&rig, faults);
    assert_int_equal(engine_fault(rig.engine, 0, PAGE, true), FAULT_RESOLVED);
    faults.spurious = 1;
    expect_faults(&rig, faults);
    rig_end(&rig);
}

static void rescues_are_counted_by_where_they_find_the_page(void **state)
{
    struct trim_batch batch = {.count = 0};
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){0});
    rig_put_clean(&rig, PAGE, 1);
    rig_trim(&rig, TRIMMER, PAGE);
    rig_expect(&rig, 0, PAGE, 1);
    assert_int_equal(rig_counter(&rig, COUNT_RESCUE_STANDBY), 1);
    assert_int_equal(rig_moves(&rig, WHY_RESCUE_STANDBY), 1);
    rig_fill(&rig, 0, PAGE, 2);
    rig_trim(&rig, TRIMMER, PAGE);
    rig_expect(&rig, 0, PAGE, 2);
    assert_int_equal(rig_counter(&rig, COUNT_RESCUE_MODIFIED), 1);
    assert_int_equal(rig_moves(&rig, WHY_RESCUE_MODIFIED), 1);
    assert_true(rig_pte(&rig, PAGE) &
                PTE_BIT_WRITABLE); /* it was written before: no second fault */
    rig_fill(&rig, 0, PAGE, 3);
    assert_int_equal(rig_counter(&rig, COUNT_FAULT_WRITE_PROTECT), 1);
    rig_detach(&rig, TRIMMER, PAGE, &batch);
    assert_int_equal(engine_fault(rig.engine, 0, PAGE, false), FAULT_RESOLVED);
    trim_finish(rig.engine, rig_thread(&rig, TRIMMER), &batch);
    assert_int_equal(rig_moves(&rig, WHY_RESCUE_IN_FLIGHT), 1);
    assert_int_equal(rig_counter(&rig, COUNT_RESCUE_WRITING), 0); /* tested with the writer */
    rig_end(&rig);
}

static void access_violations(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.commit = 32});
    assert_int_equal(rig_read(&rig, 0, 40), FAULT_ACCESS_VIOLATION); /* reserved only */
    assert_int_equal(rig_form(&rig, 40), PTE_ZERO);
    assert_int_equal(space_decommit(rig.engine, OTHER, 3, 1), SPACE_DONE);
    assert_int_equal(rig_write(&rig, 0, 3), FAULT_ACCESS_VIOLATION);
    assert_int_equal(space_protect(rig.engine, OTHER, 4, 1, PROTECTION_READ_ONLY), SPACE_DONE);
    assert_int_equal(rig_write(&rig, 0, 4), FAULT_ACCESS_VIOLATION);
    rig_expect(&rig, 0, 4, 0);
    assert_int_equal(rig_write(&rig, 0, 4), FAULT_ACCESS_VIOLATION); /* valid now, and read-only */
    rig_trim(&rig, TRIMMER, 4);
    assert_int_equal(rig_write(&rig, 0, 4), FAULT_ACCESS_VIOLATION); /* in transition */
    assert_int_equal(rig_state(&rig, 4), PFN_STANDBY);               /* and not rescued for it */
    assert_int_equal(space_protect(rig.engine, OTHER, 5, 1, PROTECTION_NO_ACCESS), SPACE_DONE);
    assert_int_equal(rig_read(&rig, 0, 5), FAULT_ACCESS_VIOLATION);
    assert_int_equal(space_release(rig.engine, OTHER, 0), SPACE_DONE);
    assert_int_equal(rig_read(&rig, 0, 0), FAULT_ACCESS_VIOLATION);
    expect_faults(&rig, (struct faults){.demand_zero = 1, .access_violation = 7});
    rig_end(&rig);
}

/* A right that is taken away is gone from the machine too; content and dirt stay. */
static void rights_that_are_taken_away(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){0});
    rig_fill(&rig, 0, PAGE, 1);
    assert_int_equal(space_protect(rig.engine, OTHER, PAGE, 1, PROTECTION_READ_ONLY), SPACE_DONE);
    assert_int_equal(rig_write(&rig, 0, PAGE), FAULT_ACCESS_VIOLATION);
    rig_expect(&rig, 0, PAGE, 1);
    assert_int_equal(rig_pte(&rig, PAGE) & PTE_BIT_WRITABLE, 0);
    assert_true(rig_word(&rig, PAGE) & PFN_MODIFIED_BIT);
    assert_int_equal(rig_write(&rig, 0, PAGE), FAULT_ACCESS_VIOLATION);
    assert_int_equal(space_protect(rig.engine, OTHER, PAGE, 1, PROTECTION_NO_ACCESS), SPACE_DONE);
    assert_int_equal(rig_read(&rig, 0, PAGE), FAULT_ACCESS_VIOLATION);
    rig_page_out(&rig, PAGE);
    assert_int_equal(rig_read(&rig, 0, PAGE), FAULT_ACCESS_VIOLATION);
    assert_int_equal(space_protect(rig.engine, OTHER, PAGE, 1, PROTECTION_READ_WRITE), SPACE_DONE);
    rig_expect(&rig, 0, PAGE, 1);
    rig_fill(&rig, 0, PAGE, 2);
    rig_end(&rig);
}

/* ---- fault-around, pins, trimming ----------------------------------------------------------- */

static void neighbours_come_along(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.fault_around = 4});
    for (page_number page = 7; page < 13; page++)
        rig_put_clean(&rig, page, page);
    rig_fill(&rig, 0, 10, 20);
    for (page_number page = 7; page < 13; page++)
        rig_trim(&rig, TRIMMER, page);
    assert_int_equal(space_protect(rig.engine, OTHER, 11, 1, PROTECTION_NO_ACCESS), SPACE_DONE);
    rig_expect(&rig, 0, PAGE, PAGE);
    assert_int_equal(rig_form(&rig, 7), PTE_TRANSITION); /* the window is 8..11 */
    assert_int_equal(rig_form(&rig, 8), PTE_VALID);
    assert_int_equal(rig_form(&rig, 10), PTE_VALID);
    assert_int_equal(rig_form(&rig, 11), PTE_TRANSITION); /* may not be read */
    assert_int_equal(rig_form(&rig, 12), PTE_TRANSITION);
    assert_int_equal(rig_counter(&rig, COUNT_RESCUE_AROUND), 2);
    assert_int_equal(rig_counter(&rig, COUNT_FAULT_TRANSITION), 1);
    assert_int_equal(rig_counter(&rig, COUNT_RESCUE_STANDBY), 2);
    assert_int_equal(rig_counter(&rig, COUNT_RESCUE_MODIFIED), 1);
    rig_expect(&rig, 1, 8, 8);
    rig_expect(&rig, 1, 10, 20);
    assert_int_equal(rig_counter(&rig, COUNT_FAULT_TRANSITION), 1);
    rig_end(&rig);
}

/* Where rescues lie far from each other, neighbours stay where they are. */
static void a_lone_page_comes_alone(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.fault_around = 2});
    for (page_number page = 16; page < 32; page++)
        rig_put_clean(&rig, page, page);
    for (page_number page = 16; page < 32; page++)
        rig_trim(&rig, TRIMMER, page);
    rig_expect(&rig, 0, 16, 16);
    assert_int_equal(rig_form(&rig, 17), PTE_VALID); /* the first of the region */
    rig_expect(&rig, 0, 26, 26);
    assert_int_equal(rig_form(&rig, 27), PTE_TRANSITION);
    rig_expect(&rig, 0, 30, 30);
    assert_int_equal(rig_form(&rig, 31), PTE_VALID);
    rig_expect(&rig, 0, 28, 28); /* near, and before it */
    assert_int_equal(rig_form(&rig, 29), PTE_VALID);
    assert_int_equal(rig_counter(&rig, COUNT_RESCUE_AROUND), 3);
    assert_int_equal(rig_counter(&rig, COUNT_FAULT_TRANSITION), 4);
    rig_end(&rig);
}

static void pinned_pages_stay(void **state)
{
    frame_number frame;
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){0});
    rig_put_in_slot(&rig, PAGE, 1);
    assert_int_equal(engine_pin(rig.engine, 0, PAGE, true, &frame), PIN_DONE);
    assert_int_equal(frame, rig_frame(&rig, PAGE));
    assert_int_equal(engine_pin(rig.engine, 1, PAGE, false, &frame), PIN_DONE);
    assert_true(bytes_hold(soft_frame(rig.soft, frame), 1));
    assert_int_equal(rig_slot(&rig, PAGE), SLOT_NONE); /* may be written at any time */
    rig_fill(&rig, 0, 1, 2);
    assert_true(trim_pages(rig.engine, rig_thread(&rig, TRIMMER), 64));
    assert_int_equal(rig_form(&rig, PAGE), PTE_VALID);
    assert_int_equal(rig_form(&rig, 1), PTE_TRANSITION);
    assert_int_equal(space_decommit(rig.engine, OTHER, PAGE, 1), SPACE_BUSY);
    assert_int_equal(space_protect(rig.engine, OTHER, PAGE, 1, PROTECTION_READ_ONLY), SPACE_BUSY);
    assert_int_equal(space_release(rig.engine, OTHER, 0), SPACE_BUSY);
    engine_unpin(rig.engine, 0, PAGE);
    assert_int_equal(rig.engine->pinned, 1);
    assert_int_equal(rig_audit(&rig), 0);
    engine_unpin(rig.engine, 1, PAGE);
    assert_int_equal(rig.engine->pinned, 0);
    rig_trim(&rig, TRIMMER, PAGE);
    rig_end(&rig);
}

/* Pinned pages look idle, and come first: whoever offers them to the policy gets nothing else. */
static void pinned_pages_are_not_in_the_way(void **state)
{
    (void)state;
    for (size_t i = 0; policies[i] != NULL; i++) {
        frame_number frame;
        struct rig rig;

        rig_begin(&rig, &(struct rig_config){.policy = policies[i]});
        for (page_number page = 0; page < 4; page++)
            assert_int_equal(engine_pin(rig.engine, 0, page, true, &frame), PIN_DONE);
        rig_fill(&rig, 0, PAGE, 1);
        for (unsigned look = 0; look < 12; look++)
            trim_pages(rig.engine, rig_thread(&rig, TRIMMER), 0);
        assert_true(trim_pages(rig.engine, rig_thread(&rig, TRIMMER), 1));
        assert_int_equal(rig_form(&rig, PAGE), PTE_TRANSITION);
        for (page_number page = 0; page < 4; page++)
            engine_unpin(rig.engine, 0, page);
        rig_end(&rig);
    }
}

static void some_frames_stay_unpinned(void **state)
{
    frame_number frame;
    struct rig rig;
    uint32_t pins = 0;

    (void)state;
    rig_begin(&rig, &(struct rig_config){0});
    while (engine_pin(rig.engine, 0, pins, true, &frame) == PIN_DONE)
        pins++;
    assert_int_equal(pins, 14);                                             /* of sixteen */
    assert_int_equal(engine_pin(rig.engine, 0, 3, true, &frame), PIN_DONE); /* the same again */
    for (page_number page = 20; page < 30; page++)
        rig_fill(&rig, 0, page, page);
    for (page_number page = 20; page < 30; page++)
        rig_expect(&rig, 0, page, page);
    engine_unpin(rig.engine, 0, 3);
    for (page_number page = 0; page < pins; page++)
        engine_unpin(rig.engine, 0, page);
    assert_int_equal(engine_pin(rig.engine, 0, PAGE, true, &frame), PIN_DONE);
    engine_unpin(rig.engine, 0, PAGE);
    rig_end(&rig);
}

struct retirer {
    struct rig *rig;
    uint32_t retired;
    _Atomic bool done;
    pthread_t id;
};

static void *retire_all(void *argument)
{
    struct retirer *retirer = argument;

    while (engine_retire(retirer->rig->engine, 5))
        retirer->retired++;
    atomic_store(&retirer->done, true);
    return NULL;
}

/* As many frames as possible are retired, and everybody can still fault. */
static void retired_frames_are_gone_but_not_the_last(void **state)
{
    struct retirer retirer;
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.commit = 24});
    for (page_number page = 0; page < 24; page++)
        rig_fill(&rig, 0, page, page + 1);
    retirer = (struct retirer){.rig = &rig};
    assert_int_equal(pthread_create(&retirer.id, NULL, retire_all, &retirer), 0);
    RIG_WAIT_UNTIL(atomic_load(&retirer.done));
    pthread_join(retirer.id, NULL);
    assert_in_range(retirer.retired, 1, 15);
    assert_int_equal(list_count(rig.engine, LIST_BAD), retirer.retired);
    assert_int_equal(rig.engine->commit_limit, 16 + 64 - 8 - retirer.retired);
    for (page_number page = 0; page < 24; page++)
        rig_expect(&rig, 0, page, page + 1);
    rig_end(&rig);
}

/* Pins and retired frames together leave some frames to fault with. */
static void pinned_frames_are_not_needed_by_the_retired(void **state)
{
    struct rig_toucher toucher;
    struct retirer retirer;
    frame_number frame;
    uint32_t pins = 0;
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.commit = 24});
    while (engine_pin(rig.engine, 0, pins, true, &frame) == PIN_DONE)
        pins++;
    retirer = (struct retirer){.rig = &rig};
    assert_int_equal(pthread_create(&retirer.id, NULL, retire_all, &retirer), 0);
    RIG_WAIT_UNTIL(atomic_load(&retirer.done));
    pthread_join(retirer.id, NULL);
    for (page_number page = 20; page < 24; page++) {
        rig_touch_begin(&toucher, &rig, 1, page, true);
        RIG_WAIT_UNTIL(atomic_load(&toucher.done));
        rig_touch_end(&toucher);
    }
    while (pins > 0)
        engine_unpin(rig.engine, 0, --pins);
    rig_end(&rig);
}

/* The other way round: first retired, then pinned. */
static void retired_frames_cannot_be_pinned(void **state)
{
    struct rig_toucher toucher;
    frame_number frame;
    uint32_t pins = 0;
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.commit = 24});
    for (unsigned i = 0; i < 8; i++)
        assert_true(engine_retire(rig.engine, 5));
    while (pins < 7 && engine_pin(rig.engine, 0, pins, true, &frame) == PIN_DONE)
        pins++;
    assert_in_range(pins, 1, 7);
    if (pins == 7) /* one frame is left: the eighth pin must be refused, or nobody can fault */
        assert_int_equal(engine_pin(rig.engine, 0, 7, true, &frame), PIN_LIMIT);
    for (page_number page = 20; page < 24; page++) {
        rig_touch_begin(&toucher, &rig, 1, page, true);
        RIG_WAIT_UNTIL(atomic_load(&toucher.done));
        rig_touch_end(&toucher);
    }
    while (pins > 0)
        engine_unpin(rig.engine, 0, --pins);
    rig_end(&rig);
}

static void trimming_keeps_its_goal(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.standby_percent = 50, .trim_batch = 2}); /* 8 of 16 */
    for (page_number page = 0; page < 8; page++)
        rig_fill(&rig, 0, page, page + 1);
    assert_int_equal(trim_goal(rig.engine), 0);
    assert_false(trim_needed(rig.engine));
    rig_fill(&rig, 0, 8, 9);
    assert_int_equal(trim_goal(rig.engine), 1);
    assert_false(trim_needed(rig.engine)); /* less than a batch can wait */
    rig_fill(&rig, 0, 9, 10);
    assert_int_equal(trim_goal(rig.engine), 2);
    assert_true(trim_needed(rig.engine));
    assert_true(trim_round(rig.engine, rig_thread(&rig, TRIMMER)));
    assert_int_equal(list_count(rig.engine, LIST_MODIFIED), 2);
    assert_int_equal(rig_counter(&rig, COUNT_FLUSHES), 1);
    assert_int_equal(rig_counter(&rig, COUNT_FLUSHED_PAGES), 2);
    assert_int_equal(trim_goal(rig.engine), 0); /* what is on its way counts */
    assert_false(trim_round(rig.engine, rig_thread(&rig, TRIMMER)));
    rig_end(&rig);
}

/* Ahead of need, for somebody who waits, or by who waits: each trim is one of them. */
static void trims_are_told_apart(void **state)
{
    struct rig_config config = {.pages = 32, .frames = 8, .slots = 32, .standby_percent = 50};
    struct rig rig;

    (void)state;
    rig_begin(&rig, &config);
    for (page_number page = 0; page < 8; page++) {
        rig_write(&rig, 0, page);
    }
    assert_true(trim_round(rig.engine, rig_thread(&rig, TRIMMER)));
    assert_int_equal(rig_counter(&rig, COUNT_TRIM_AHEAD), 1);
    assert_int_equal(rig_counter(&rig, COUNT_TRIM_PAGES_AHEAD), 4);  /* half of the frames */
    assert_false(trim_round(rig.engine, rig_thread(&rig, TRIMMER))); /* nothing to do is no trim */
    for (page_number page = 8; page < 12; page++) { /* in the frames of what was trimmed */
        rig_write_all(&rig);
        rig_write(&rig, 0, page);
    }
    assert_int_equal(rig_counter(&rig, COUNT_TRIM_BY_WAITER), 0);
    atomic_store(&rig.engine->waiters, 1);
    assert_true(trim_round(rig.engine, rig_thread(&rig, TRIMMER)));
    atomic_store(&rig.engine->waiters, 0);
    assert_int_equal(rig_counter(&rig, COUNT_TRIM_WAITED_FOR), 1);
    rig_write_all(&rig);
    balance_help(rig.engine, rig_thread(&rig, 1));
    assert_int_equal(rig_counter(&rig, COUNT_TRIM_BY_WAITER), 1);
    assert_int_equal(rig_counter(&rig, COUNT_TRIM_AHEAD), 1);
    /* Everything that went from the working set is one of them. */
    assert_true(rig_counter(&rig, COUNT_TRIM_PAGES_WAITED_FOR) > 0);
    assert_true(rig_counter(&rig, COUNT_TRIM_PAGES_BY_WAITER) > 0);
    assert_int_equal(rig_counter(&rig, COUNT_TRIM_PAGES_AHEAD) +
                         rig_counter(&rig, COUNT_TRIM_PAGES_WAITED_FOR) +
                         rig_counter(&rig, COUNT_TRIM_PAGES_BY_WAITER),
                     rig_moves(&rig, WHY_TRIM));
    rig_end(&rig);
}

/* The policy's register of a page is kept in its valid PTE from one look to the next. */
static void registers_are_kept(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.policy = &policy_aging});
    for (page_number page = 0; page < 4; page++)
        rig_fill(&rig, 0, page, page + 1);
    assert_int_equal(pte_register(rig_pte(&rig, 0)), 0x80);
    for (unsigned look = 0; look < 3; look++) {
        rig_read(&rig, 0, 1);
        rig_read(&rig, 0, 2);
        rig_read(&rig, 0, 3);
        trim_pages(rig.engine, rig_thread(&rig, TRIMMER), look == 2);
    }
    assert_int_equal(rig_form(&rig, 0), PTE_TRANSITION); /* the one that was not used */
    for (page_number page = 1; page < 4; page++)
        assert_true(pte_register(rig_pte(&rig, page)) >= 0x80);
    rig_expect(&rig, 0, 0, 1);
    assert_int_equal(pte_register(rig_pte(&rig, 0)), 0xC0);
    rig_end(&rig);
}

/* ---- the address space ---------------------------------------------------------------------- */

static void commit_is_limited(void **state)
{
    page_number first;
    struct rig rig;

    (void)state;
    /* Frames + slots - reserve = 16 + 8 - 8. */
    rig_begin(&rig, &(struct rig_config){.slots = 8, .no_commit = true});
    assert_int_equal(space_commit(rig.engine, OTHER, 0, 17, PROTECTION_READ_WRITE), SPACE_LIMIT);
    assert_int_equal(rig.engine->charge, 0);
    assert_int_equal(space_commit(rig.engine, OTHER, 10, 16, PROTECTION_READ_WRITE), SPACE_DONE);
    assert_int_equal(space_commit(rig.engine, OTHER, 10, 16, PROTECTION_READ_WRITE), SPACE_DONE);
    assert_int_equal(space_commit(rig.engine, OTHER, 25, 2, PROTECTION_READ_WRITE), SPACE_LIMIT);
    assert_int_equal(rig.engine->charge, 16);
    assert_int_equal(space_decommit(rig.engine, OTHER, 0, 12), SPACE_DONE);
    assert_int_equal(rig.engine->charge, 14);
    assert_int_equal(space_commit(rig.engine, OTHER, 25, 3, PROTECTION_READ_WRITE), SPACE_DONE);
    assert_int_equal(rig.engine->charge, 16);
    assert_int_equal(space_commit(rig.engine, OTHER, 60, 5, PROTECTION_READ_WRITE),
                     SPACE_NO_REGION);
    assert_int_equal(space_protect(rig.engine, OTHER, 20, 9, PROTECTION_READ_ONLY),
                     SPACE_NOT_COMMITTED);
    assert_int_equal(space_reserve(rig.engine, OTHER, 1, &first), SPACE_NO_ROOM);
    assert_int_equal(rig_audit(&rig), 0);
    assert_int_equal(space_release(rig.engine, OTHER, 1), SPACE_NO_REGION);
    assert_int_equal(space_release(rig.engine, OTHER, 0), SPACE_DONE);
    assert_int_equal(rig.engine->charge, 0);
    rig_end(&rig);
}

static void untouched_pages_inherit(void **state)
{
    page_number first, second;
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.no_commit = true});
    assert_int_equal(space_release(rig.engine, OTHER, 0), SPACE_DONE);
    assert_int_equal(space_reserve(rig.engine, OTHER, 20, &first), SPACE_DONE);
    assert_int_equal(space_reserve(rig.engine, OTHER, 20, &second), SPACE_DONE);
    assert_int_equal(first, 0);
    assert_int_equal(second, 20);
    /* A whole region: nothing is recorded. Part of one: it is. */
    assert_int_equal(space_commit(rig.engine, OTHER, 0, 20, PROTECTION_READ_ONLY), SPACE_DONE);
    assert_int_equal(space_commit(rig.engine, OTHER, 20, 5, PROTECTION_READ_WRITE), SPACE_DONE);
    assert_true(rig_pte(&rig, 7) == 0);
    assert_true(rig_pte(&rig, 22) == 0x80);
    assert_true(rig_pte(&rig, 25) == 0);
    assert_int_equal(space_inherited(rig.engine, 7), PROTECTION_READ_ONLY);
    assert_int_equal(space_inherited(rig.engine, 25), PROTECTION_DECOMMIT);
    assert_int_equal(space_inherited(rig.engine, 40), PROTECTION_DECOMMIT);
    rig_expect(&rig, 0, 7, 0);
    assert_int_equal(rig_write(&rig, 0, 7), FAULT_ACCESS_VIOLATION);
    rig_fill(&rig, 0, 22, 1);
    assert_int_equal(rig_read(&rig, 0, 25), FAULT_ACCESS_VIOLATION);
    assert_int_equal(space_decommit(rig.engine, OTHER, 7, 2), SPACE_DONE);
    assert_true(rig_pte(&rig, 7) == 0x200 && rig_pte(&rig, 8) == 0x200);
    assert_int_equal(rig_read(&rig, 0, 8), FAULT_ACCESS_VIOLATION);
    assert_int_equal(space_commit(rig.engine, OTHER, 8, 1, PROTECTION_READ_WRITE), SPACE_DONE);
    rig_fill(&rig, 0, 8, 2);
    assert_int_equal(rig_audit(&rig), 0);
    /* A region reserved again has nothing of its old life. */
    assert_int_equal(space_release(rig.engine, OTHER, 0), SPACE_DONE);
    assert_int_equal(space_reserve(rig.engine, OTHER, 10, &first), SPACE_DONE);
    assert_int_equal(first, 0);
    assert_int_equal(rig_read(&rig, 0, 8), FAULT_ACCESS_VIOLATION);
    rig_end(&rig);
}

/* ---- workers and the watch ------------------------------------------------------------------ */

static void workers_start_and_stop(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.workers = {2, 2, 1, 1}, .standby_percent = 50});
    for (unsigned round = 0; round < 5; round++) {
        rig_start_workers(&rig);
        for (page_number page = 0; page < 40; page++)
            rig_fill(&rig, 0, page, round + 1);
        /* With nobody faulting they reach their goal and come to rest. */
        RIG_WAIT_UNTIL(!trim_needed(rig.engine) && !write_needed(rig.engine) &&
                       !zero_needed(rig.engine));
        rig_stop_workers(&rig);
        assert_int_equal(rig_audit(&rig), 0);
        for (page_number page = 0; page < 40; page++)
            rig_expect(&rig, 0, page, round + 1);
    }
    assert_int_equal(rig.stuck, 0);
    rig_end(&rig);
}

static void who_is_stuck_is_named(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){0});
    atomic_store(&rig.engine->waiters, 1);
    balance_round(rig.engine, rig_thread(&rig, OTHER));
    assert_int_equal(rig.stuck, 0); /* the first look */
    atomic_store(&rig.engine->watch_since_ns, world_now_ns() - 1000000000);
    balance_round(rig.engine, rig_thread(&rig, OTHER));
    assert_int_equal(rig.stuck, 0); /* one second */
    atomic_store(&rig.engine->watch_since_ns, world_now_ns() - 3000000000);
    balance_round(rig.engine, rig_thread(&rig, OTHER));
    assert_int_equal(rig.stuck, 1);
    balance_round(rig.engine, rig_thread(&rig, OTHER));
    assert_int_equal(rig.stuck, 1); /* not every tick */
    atomic_store(&rig.engine->watch_since_ns, world_now_ns() - 3000000000);
    atomic_fetch_add(&rig.engine->served, 1); /* progress */
    balance_round(rig.engine, rig_thread(&rig, OTHER));
    assert_int_equal(rig.stuck, 1);
    atomic_store(&rig.engine->waiters, 0);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_fault_is_counted_once),
        cmocka_unit_test(rescues_are_counted_by_where_they_find_the_page),
        cmocka_unit_test(access_violations),
        cmocka_unit_test(rights_that_are_taken_away),
        cmocka_unit_test(neighbours_come_along),
        cmocka_unit_test(a_lone_page_comes_alone),
        cmocka_unit_test(pinned_pages_stay),
        cmocka_unit_test(pinned_pages_are_not_in_the_way),
        cmocka_unit_test(some_frames_stay_unpinned),
        cmocka_unit_test(retired_frames_are_gone_but_not_the_last),
        cmocka_unit_test(pinned_frames_are_not_needed_by_the_retired),
        cmocka_unit_test(retired_frames_cannot_be_pinned),
        cmocka_unit_test(trimming_keeps_its_goal),
        cmocka_unit_test(trims_are_told_apart),
        cmocka_unit_test(registers_are_kept),
        cmocka_unit_test(commit_is_limited),
        cmocka_unit_test(untouched_pages_inherit),
        cmocka_unit_test(workers_start_and_stop),
        cmocka_unit_test(who_is_stuck_is_named),
    };

    return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
