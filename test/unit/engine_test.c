/*
 * engine_test.c - the engine as a whole: what each kind of fault counts, what the address space
 * allows, that the audit sees every kind of damage, and random calls against a slow model.
 */
#include "engine_rig.h"

#include "base/bitmap.h"
#include "base/copy.h"
#include "base/random.h"

#include <stdio.h>
#include <string.h>

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
    static const struct policy *const policies[] = {&policy_fifo, &policy_aging_register};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(policies); i++) {
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

/* The policy's register of a page is kept in its valid PTE from one look to the next. */
static void registers_are_kept(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.policy = &policy_aging_register});
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

/* ---- the audit ------------------------------------------------------------------------------ */

enum {
    DIRTY, /* active and modified */
    CLEAN, /* active, with a slot */
    CLEAN_2,
    NEVER_WRITTEN, /* active, without */
    ON_STANDBY,
    ON_STANDBY_2,
    ON_STANDBY_3,
    ON_MODIFIED,
    ON_MODIFIED_2,
    IN_SLOT,
    IN_SLOT_2,
    DECOMMITTED,
    UNTOUCHED
};

/* Pages in every state, frames in every list, and two frames in a cache. */
static void begin_mixture(struct rig *rig)
{
    rig_begin(rig, &(struct rig_config){.frames = 24, .frame_cache = 2});
    rig_put_in_slot(rig, IN_SLOT, 1);
    rig_put_in_slot(rig, IN_SLOT_2, 2);
    rig_put_clean(rig, ON_STANDBY, 3);
    rig_put_clean(rig, ON_STANDBY_2, 4);
    rig_put_clean(rig, ON_STANDBY_3, 4);
    rig_put_clean(rig, CLEAN, 5);
    rig_put_clean(rig, CLEAN_2, 5);
    rig_trim(rig, TRIMMER, ON_STANDBY);
    rig_trim(rig, TRIMMER, ON_STANDBY_2);
    rig_trim(rig, TRIMMER, ON_STANDBY_3);
    rig_fill(rig, 0, ON_MODIFIED, 6);
    rig_fill(rig, 0, ON_MODIFIED_2, 7);
    rig_trim(rig, TRIMMER, ON_MODIFIED);
    rig_trim(rig, TRIMMER, ON_MODIFIED_2);
    rig_fill(rig, 0, DIRTY, 8);
    rig_read(rig, 0, NEVER_WRITTEN);
    for (page_number page = 40; page < 44; page++)
        rig_fill(rig, 0, page, 9);
    assert_int_equal(space_decommit(rig->engine, OTHER, 40, 4), SPACE_DONE);
    assert_int_equal(space_decommit(rig->engine, OTHER, DECOMMITTED, 1), SPACE_DONE);
    for (int i = 0; i < 2; i++)
        frames_give_back(rig->engine, rig_thread(rig, 3),
                         frames_take(rig->engine, rig_thread(rig, 3), false));
    frames_give_back(rig->engine, rig_thread(rig, 3),
                     frames_take(rig->engine, rig_thread(rig, 4), true));
    assert_int_equal(list_count(rig->engine, LIST_MODIFIED), 2);
    assert_int_equal(list_count(rig->engine, LIST_STANDBY + PRIORITY_NORMAL), 3);
    assert_true(list_count(rig->engine, LIST_FREE) >= 2);
    assert_true(list_count(rig->engine, LIST_ZEROED) >= 2);
    assert_true(atomic_load(&rig_thread(rig, 3)->cache.count) > 0);
}

static struct pfn *pfn_of(struct rig *rig, page_number page)
{
    return frame_pfn(rig->engine, rig_frame(rig, page));
}

static struct pfn *head_of(struct rig *rig, enum list_id list)
{
    return frame_pfn(rig->engine,
                     PFN_FIELD(frame_pfn(rig->engine, rig->engine->lists[list].head), flink));
}

static frame_number first_of(struct rig *rig, enum list_id list)
{
    return (frame_number)(head_of(rig, list) - rig->engine->pfns);
}

static void flip(struct pfn *pfn, pfn_word bits)
{
    atomic_fetch_xor(&pfn->word, bits);
}

static void flip_byte(void *at)
{
    ((unsigned char *)at)[1234] ^= 1;
}

/* One kind of damage each: "what it does", how. */
#define DAMAGES(X)                                                                                 \
    X("back pointer of an active page", PFN_SET_FIELD(pfn_of(rig, DIRTY), page, 60))               \
    X("back pointer of a standby page", PFN_SET_FIELD(pfn_of(rig, ON_STANDBY), page, UNTOUCHED))   \
    X("back pointer out of range", PFN_SET_FIELD(pfn_of(rig, ON_MODIFIED), page, 1u << 30))        \
    X("owner of a free frame", PFN_SET_FIELD(head_of(rig, LIST_FREE), page, UNTOUCHED))            \
    X("owner of a zeroed frame", PFN_SET_FIELD(head_of(rig, LIST_ZEROED), page, DIRTY))            \
    X("PTE names another page's frame", atomic_store(&engine->ptes[CLEAN], rig_pte(rig, CLEAN_2))) \
    X("PTE names a free frame",                                                                    \
      atomic_store(&engine->ptes[UNTOUCHED],                                                       \
                   pte_make_transition(first_of(rig, LIST_FREE), PROTECTION_READ_WRITE)))          \
    X("PTE names a frame that does not exist",                                                     \
      atomic_store(&engine->ptes[UNTOUCHED], pte_make_transition(999, PROTECTION_READ_WRITE)))     \
    X("PTE of an active page in transition",                                                       \
      atomic_store(&engine->ptes[DIRTY],                                                           \
                   pte_make_transition(rig_frame(rig, DIRTY), PROTECTION_READ_WRITE)))             \
    X("PTE of a standby page valid",                                                               \
      atomic_store(&engine->ptes[ON_STANDBY],                                                      \
                   pte_make_valid(rig_frame(rig, ON_STANDBY), PROTECTION_READ_WRITE, false, 0)))   \
    X("PTE of an active page lost",                                                                \
      atomic_store(&engine->ptes[DIRTY], pte_make_software(PROTECTION_READ_WRITE, SLOT_NONE)))     \
    X("PTE in a slot lost", atomic_store(&engine->ptes[IN_SLOT], 0x80))                            \
    X("PTE decommitted", atomic_store(&engine->ptes[UNTOUCHED], PTE_WORD_DECOMMITTED))             \
    X("PTE committed", atomic_store(&engine->ptes[DECOMMITTED], 0x80))                             \
    X("PTE writable, page not modified",                                                           \
      atomic_store(&engine->ptes[CLEAN], rig_pte(rig, CLEAN) | PTE_BIT_WRITABLE | PTE_BIT_DIRTY))  \
    X("PTE and frame disagree about protection",                                                   \
      atomic_store(&engine->ptes[ON_STANDBY],                                                      \
                   pte_make_transition(rig_frame(rig, ON_STANDBY), PROTECTION_READ_ONLY)))         \
    X("valid PTE and frame disagree about protection",                                             \
      atomic_store(&engine->ptes[CLEAN], rig_pte(rig, CLEAN) ^ PTE_BIT_WRITE))                     \
    X("count of zeroed", atomic_fetch_add(&engine->lists[LIST_ZEROED].count, 1))                   \
    X("count of free", atomic_fetch_sub(&engine->lists[LIST_FREE].count, 1))                       \
    X("count of modified", atomic_fetch_add(&engine->lists[LIST_MODIFIED].count, 1))               \
    X("count of standby", atomic_fetch_sub(&engine->lists[LIST_STANDBY + 5].count, 1))             \
    X("count of an empty list", atomic_fetch_add(&engine->lists[LIST_STANDBY + 1].count, 1))       \
    X("forward link skips one",                                                                    \
      PFN_SET_FIELD(pfn_of(rig, ON_STANDBY), flink, rig_frame(rig, ON_STANDBY_3)))                 \
    X("forward link makes a loop",                                                                 \
      PFN_SET_FIELD(pfn_of(rig, ON_STANDBY_2), flink, rig_frame(rig, ON_STANDBY)))                 \
    X("forward link to an active frame",                                                           \
      PFN_SET_FIELD(pfn_of(rig, ON_STANDBY_2), flink, rig_frame(rig, DIRTY)))                      \
    X("forward link to no frame", PFN_SET_FIELD(pfn_of(rig, ON_STANDBY_2), flink, FRAME_NONE))     \
    X("backward link",                                                                             \
      PFN_SET_FIELD(pfn_of(rig, ON_STANDBY_3), blink, rig_frame(rig, ON_STANDBY)))                 \
    X("backward link of the tail", PFN_SET_FIELD(frame_pfn(engine, engine->lists[LIST_FREE].tail), \
                                                 blink, engine->lists[LIST_FREE].head))            \
    X("priority", flip(pfn_of(rig, ON_STANDBY_2), (pfn_word)1 << PFN_PRIORITY_SHIFT))              \
    X("state of a listed frame", flip(pfn_of(rig, ON_STANDBY_2), PFN_STANDBY ^ PFN_MODIFIED))      \
    X("state of an active frame", flip(pfn_of(rig, DIRTY), PFN_ACTIVE ^ PFN_TRANSITION))           \
    X("state of a cached frame",                                                                   \
      flip(frame_pfn(engine, rig_thread(rig, 3)->cache.frames[0]), PFN_ACTIVE))                    \
    X("frame on a list and in a cache",                                                            \
      rig_thread(rig, 3)->cache.frames[0] = first_of(rig, LIST_FREE))                              \
    X("frame in a cache twice",                                                                    \
      rig_thread(rig, 3)->cache.frames[1] = rig_thread(rig, 3)->cache.frames[0];                   \
      atomic_store(&rig_thread(rig, 3)->cache.count, 2))                                           \
    X("frame lost from a cache", atomic_store(&rig_thread(rig, 3)->cache.count, 0))                \
    X("modified bit lost", flip(pfn_of(rig, ON_MODIFIED), PFN_MODIFIED_BIT))                       \
    X("modified bit lost in the working set", flip(pfn_of(rig, DIRTY), PFN_MODIFIED_BIT))          \
    X("modified bit on standby", flip(pfn_of(rig, ON_STANDBY), PFN_MODIFIED_BIT))                  \
    X("slot of a modified page", PFN_SET_FIELD(pfn_of(rig, ON_MODIFIED), slot, 1))                 \
    X("slot of a clean page lost", PFN_SET_FIELD(pfn_of(rig, CLEAN), slot, SLOT_NONE))             \
    X("slot of a free frame", PFN_SET_FIELD(head_of(rig, LIST_FREE), slot, 1))                     \
    X("slot of two pages", atomic_store(&engine->ptes[IN_SLOT], rig_pte(rig, IN_SLOT_2)))          \
    X("slot out of range",                                                                         \
      atomic_store(&engine->ptes[IN_SLOT], pte_make_software(PROTECTION_READ_WRITE, 65)))          \
    X("slot bit lost", bitmap_clear(engine->slot_bits, rig_slot(rig, CLEAN) - 1))                  \
    X("slot bit without an owner", bitmap_set(engine->slot_bits, 63))                              \
    X("count of free slots", atomic_fetch_add(&engine->slot_areas[0].free, 1))                     \
    X("resident count", atomic_fetch_add(&engine->regions[0].resident, 1))                         \
    X("resident count of an empty region", atomic_fetch_add(&engine->regions[2].resident, 1))      \
    X("charge", engine->charge++)                                                                  \
    X("charge over the limit", atomic_store(&engine->commit_limit, engine->charge - 1))            \
    X("commit limit", atomic_fetch_sub(&engine->commit_limit, 1))                                  \
    X("byte of a zeroed frame", flip_byte(soft_frame(rig->soft, first_of(rig, LIST_ZEROED))))      \
    X("byte of a clean page", flip_byte(soft_frame(rig->soft, rig_frame(rig, CLEAN))))             \
    X("byte of a standby page", flip_byte(soft_frame(rig->soft, rig_frame(rig, ON_STANDBY))))      \
    X("byte of a page never written",                                                              \
      flip_byte(soft_frame(rig->soft, rig_frame(rig, NEVER_WRITTEN))))                             \
    X("byte in a slot", flip_byte(gate_bytes(rig, rig_slot(rig, ON_STANDBY_2))))                   \
    X("lock of a frame", atomic_store(&pfn_of(rig, CLEAN)->lock, 1))                               \
    X("lock of a free frame", atomic_store(&head_of(rig, LIST_FREE)->lock, 1))                     \
    X("lock of a sentinel", atomic_store(&engine->pfns[engine->lists[LIST_FREE].head].lock, 1))    \
    X("lock of a region", atomic_store(&engine->regions[1].lock, 1))                               \
    X("lock of a list", atomic_store(&engine->lists[LIST_MODIFIED].lock, LOCK_EXCLUSIVE))          \
    X("lock of a list, shared", atomic_store(&engine->lists[LIST_STANDBY].lock, 1))                \
    X("lock of a slot area", atomic_store(&engine->slot_areas[0].lock, 1))                         \
    X("lock of a cache", atomic_store(&engine->threads[3].cache.lock, 1))                          \
    X("lock of the queue", atomic_store(&engine->wait_lock, 1))                                    \
    X("lock of the space", atomic_store(&engine->space_lock, 1))                                   \
    X("reference to an active frame", flip(pfn_of(rig, CLEAN), PFN_REFERENCE_ONE))                 \
    X("reference to a listed frame", flip(pfn_of(rig, ON_MODIFIED), PFN_REFERENCE_ONE))            \
    X("pin of an active frame", flip(pfn_of(rig, CLEAN), PFN_PIN_ONE))                             \
    X("pin of a listed frame", flip(pfn_of(rig, ON_STANDBY), PFN_PIN_ONE))                         \
    X("write in progress", flip(pfn_of(rig, CLEAN), PFN_WRITING))                                  \
    X("read in progress", flip(pfn_of(rig, DIRTY), PFN_READING))                                   \
    X("being given up", flip(pfn_of(rig, ON_STANDBY), PFN_GIVING_UP))                              \
    X("deleted", flip(pfn_of(rig, NEVER_WRITTEN), PFN_DELETED))                                    \
    X("waiters", atomic_fetch_add(&engine->waiters, 1))                                            \
    X("grants", atomic_fetch_add(&engine->grants, 1))                                              \
    X("in flight", atomic_fetch_add(&engine->in_flight, 1))                                        \
    X("pinned", atomic_fetch_add(&engine->pinned, 1))                                              \
    X("in-page block", atomic_fetch_add(&engine->blocks[0].references, 1))

static const char *const damage_names[] = {
#define X(name, how) name,
    DAMAGES(X)
#undef X
};

static void damage(struct rig *rig, size_t which)
{
    struct engine *engine = rig->engine;
    size_t number = 0;

#define X(name, how)                                                                               \
    if (number++ == which) {                                                                       \
        how;                                                                                       \
    }
    DAMAGES(X)
#undef X
}

static void the_audit_sees_every_damage(void **state)
{
    unsigned missed = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(damage_names); i++) {
        struct rig rig;

        begin_mixture(&rig);
        assert_int_equal(rig_audit(&rig), 0);
        assert_int_equal(rig_audit(&rig), 0); /* it changes nothing */
        damage(&rig, i);
        if (rig_audit(&rig) == 0) {
            print_error("the audit does not see: %s\n", damage_names[i]);
            missed++;
        }
        rig_destroy(&rig);
    }
    assert_int_equal(missed, 0);
}

/* ---- random calls against a model ----------------------------------------------------------- */

#define MODEL_PAGES 24u
#define MODEL_DEPTH 3u /* calls in the middle of a read or write in the middle of a read or write */
#define MODEL_STEPS (UNDER_THREAD_SANITIZER ? 10000u : 30000u)

/* Numbers at depth d are d * ROLES + role. */
enum { USER, USER_B, TRIM, WRITE, SPACE, ROLES };

struct model_page {
    enum protection protection; /* PROTECTION_DECOMMIT: not committed */
    uint64_t seed;
    uint32_t pins;
};

struct model {
    struct rig rig;
    struct model_page pages[MODEL_PAGES];
    struct random_generator generator;
    uint32_t depth, pinned, nested, errors;
    uint64_t last_seed;
    bool injecting;
};

static uint32_t model_thread(const struct model *model, uint32_t role)
{
    return model->depth * ROLES + role;
}

static bool model_chance(struct model *model, unsigned percent)
{
    return random_below(&model->generator, 100) < percent;
}

/* In one OS thread nobody else would ever make a frame, or end the read that is waited for. */
static bool model_may_touch(struct model *model, page_number page)
{
    struct engine *engine = model->rig.engine;
    pte_word word = rig_pte(&model->rig, page);

    if (model->depth == 0) {
        model->injecting = false;
        while (frames_available(engine) < 2) {
            gate_heal(&model->rig);
            trim_pages(engine, rig_thread(&model->rig, model_thread(model, TRIM)), 4);
            write_round(engine, rig_thread(&model->rig, model_thread(model, WRITE)));
        }
        model->injecting = true;
        return true;
    }
    return frames_available(engine) >= 1 &&
           !(pte_form(word) == PTE_TRANSITION &&
             (pfn_load(frame_pfn(engine, pte_frame(word))) & PFN_READING));
}

static enum fault_result model_allows(const struct model_page *page, bool write)
{
    bool allowed = page->protection == PROTECTION_READ_WRITE ||
                   (page->protection == PROTECTION_READ_ONLY && !write);

    return allowed ? FAULT_RESOLVED : FAULT_ACCESS_VIOLATION;
}

/* An error of the store is allowed where the page is in its slot; nothing else may differ. */
static bool model_in_page_error(struct model *model, page_number page, enum fault_result result)
{
    if (result != FAULT_IN_PAGE_ERROR)
        return false;
    assert_int_equal(rig_form(&model->rig, page), PTE_PAGE_FILE);
    model->errors++;
    return true;
}

static void model_read(struct model *model, page_number page)
{
    uint64_t words[MM_PAGE_SIZE / sizeof(uint64_t)];
    enum fault_result result = soft_read(model->rig.soft, model_thread(model, USER),
                                         (uint64_t)page << PAGE_SHIFT, words, sizeof(words));

    /* What the page is now: calls in the middle may have changed it. */
    if (model_in_page_error(model, page, result))
        return;
    assert_int_equal(result, model_allows(&model->pages[page], false));
    if (result == FAULT_RESOLVED && !bytes_hold(words, model->pages[page].seed))
        fail_msg("page %u does not hold seed %u", page, (unsigned)model->pages[page].seed);
}

static void model_write(struct model *model, page_number page)
{
    uint64_t words[MM_PAGE_SIZE / sizeof(uint64_t)], seed = ++model->last_seed;
    enum fault_result result;

    for (size_t i = 0; i < ARRAY_COUNT(words); i++)
        words[i] = rig_word_of(seed, i);
    result = soft_write(model->rig.soft, model_thread(model, USER_B), (uint64_t)page << PAGE_SHIFT,
                        words, sizeof(words));
    if (model_in_page_error(model, page, result))
        return;
    assert_int_equal(result, model_allows(&model->pages[page], true));
    if (result == FAULT_RESOLVED)
        model->pages[page].seed = seed;
}

static void model_space(struct model *model, page_number page)
{
    struct engine *engine = model->rig.engine;
    struct model_page *of = &model->pages[page];
    static const enum protection protections[] = {PROTECTION_READ_WRITE, PROTECTION_READ_WRITE,
                                                  PROTECTION_READ_ONLY, PROTECTION_NO_ACCESS};
    enum protection protection = protections[random_below(&model->generator, 4)];
    uint32_t thread = model_thread(model, SPACE);

    if (of->protection == PROTECTION_DECOMMIT) {
        if (space_commit(engine, thread, page, 1, protection) == SPACE_DONE)
            *of = (struct model_page){.protection = protection};
    } else if (model_chance(model, 60)) {
        enum space_result expected =
            of->pins > 0 && protection != PROTECTION_READ_WRITE ? SPACE_BUSY : SPACE_DONE;

        assert_int_equal(space_protect(engine, thread, page, 1, protection), expected);
        of->protection = expected == SPACE_DONE ? protection : of->protection;
    } else {
        enum space_result expected = of->pins > 0 ? SPACE_BUSY : SPACE_DONE;

        assert_int_equal(space_decommit(engine, thread, page, 1), expected);
        of->protection = expected == SPACE_DONE ? PROTECTION_DECOMMIT : of->protection;
    }
}

static void model_pin(struct model *model, page_number page)
{
    struct model_page *of = &model->pages[page];
    frame_number frame;

    if (of->pins > 0) {
        engine_unpin(model->rig.engine, model_thread(model, USER), page);
        of->pins--;
        model->pinned--;
    } else if (model->pinned < 3 && engine_pin(model->rig.engine, model_thread(model, USER), page,
                                               model_chance(model, 50), &frame) == PIN_DONE) {
        assert_int_not_equal(of->protection, PROTECTION_DECOMMIT);
        assert_true(bytes_hold(soft_frame(model->rig.soft, frame), of->seed));
        of->pins++;
        model->pinned++;
    }
}

static void model_step(struct model *model)
{
    struct engine *engine = model->rig.engine;
    page_number page = (page_number)random_below(&model->generator, MODEL_PAGES);
    struct thread *trimmer = rig_thread(&model->rig, model_thread(model, TRIM));
    struct thread *writer = rig_thread(&model->rig, model_thread(model, WRITE));
    uint32_t count = 1 + (uint32_t)random_below(&model->generator, 4);

    switch (random_below(&model->generator, 16)) {
    case 0:
        model_space(model, page);
        break;
    case 1:
        frames_repurpose_ahead(engine, trimmer, count);
        break;
    case 2:
        zero_round(engine, trimmer);
        break;
    case 3:
        if (model_may_touch(model, page))
            model_pin(model, page);
        break;
    case 4:
    case 5:
    case 6:
        trim_pages(engine, trimmer, count);
        break;
    case 7:
    case 8:
        write_round(engine, writer);
        break;
    case 9:
    case 10:
    case 11:
        if (model_may_touch(model, page))
            model_write(model, page);
        break;
    default:
        if (model_may_touch(model, page))
            model_read(model, page);
    }
}

/* In the middle of an I/O: a few calls by others, and now and then an error. */
static void model_disturb(void *context, const struct store_request *request)
{
    struct model *model = context;

    if (model->injecting && model->depth == 0 && model_chance(model, 5))
        gate_fail(&model->rig, request->operation, request->slot, 1);
    if (model->depth + 1 == MODEL_DEPTH)
        return;
    model->depth++;
    for (uint64_t i = random_below(&model->generator, 4); i > 0; i--) {
        model->nested++;
        model_step(model);
    }
    model->depth--;
}

static void model_check(struct model *model)
{
    gate_heal(&model->rig);
    assert_int_equal(rig_audit(&model->rig), 0);
    gate_call(&model->rig, model_disturb, model);
}

static void model_run(const struct rig_config *config, uint64_t seed, uint64_t *dismissed)
{
    static struct model model;

    memset(&model, 0, sizeof(model));
    random_seed(&model.generator, 31, seed);
    rig_begin(&model.rig, config);
    for (page_number page = 0; page < MODEL_PAGES; page++)
        model.pages[page].protection = PROTECTION_READ_WRITE;
    gate_call(&model.rig, model_disturb, &model);
    for (uint32_t step = 0; step < MODEL_STEPS; step++) {
        model_step(&model);
        if (step % 512 == 511)
            model_check(&model);
    }
    for (page_number page = 0; page < MODEL_PAGES; page++)
        while (model.pages[page].pins > 0)
            model_pin(&model, page);
    model_check(&model);
    assert_true(model.nested > MODEL_STEPS / 20);
    assert_true(model.errors > 0);
    assert_true(rig_counter(&model.rig, COUNT_RESCUE_WRITING) > 0);
    *dismissed += rig_counter(&model.rig, COUNT_READ_DISMISSED);
    rig_end(&model.rig);
}

static void random_calls_agree_with_the_model(void **state)
{
    static const struct rig_config configs[] = {
        {.frames = 12, .slots = 20},
        {.frames = 12, .slots = 20, .fault_around = 4, .policy = &policy_aging_register},
        {.frames = 12, .slots = 20, .first_fit = true, .list_lock_plain = true, .write_batch = 3},
        {.frames = 12, .slots = 20, .no_dirty_bit = true, .region_ptes = 1},
    };
    uint64_t dismissed = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(configs); i++) {
        struct rig_config config = configs[i];

        config.pages = MODEL_PAGES;
        model_run(&config, i, &dismissed);
    }
    assert_true(dismissed > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_fault_is_counted_once),
        cmocka_unit_test(rescues_are_counted_by_where_they_find_the_page),
        cmocka_unit_test(access_violations),
        cmocka_unit_test(rights_that_are_taken_away),
        cmocka_unit_test(neighbours_come_along),
        cmocka_unit_test(pinned_pages_stay),
        cmocka_unit_test(pinned_pages_are_not_in_the_way),
        cmocka_unit_test(some_frames_stay_unpinned),
        cmocka_unit_test(retired_frames_are_gone_but_not_the_last),
        cmocka_unit_test(pinned_frames_are_not_needed_by_the_retired),
        cmocka_unit_test(retired_frames_cannot_be_pinned),
        cmocka_unit_test(trimming_keeps_its_goal),
        cmocka_unit_test(registers_are_kept),
        cmocka_unit_test(commit_is_limited),
        cmocka_unit_test(untouched_pages_inherit),
        cmocka_unit_test(workers_start_and_stop),
        cmocka_unit_test(who_is_stuck_is_named),
        cmocka_unit_test(the_audit_sees_every_damage),
        cmocka_unit_test(random_calls_agree_with_the_model),
    };

    return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
