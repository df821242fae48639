/*
 * limits_test.c - what happens where something ends: counts that are full, lists whose frames are
 * all locked, a page file that is none, and the words about it.
 */
#include "engine_rig.h"

#include <stdio.h>
#include <string.h>

/* ---- pins ----------------------------------------------------------------------------------- */

/* The count of pins is sixteen bits. */
static void a_page_is_pinned_as_often_as_can_be_counted(void **state)
{
    frame_number frame;
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){0});
    rig_fill(&rig, 0, 3, 1);
    for (unsigned i = 0; i < PFN_PINS_MAX; i++)
        assert_int_equal(engine_pin(rig.engine, 0, 3, true, &frame), PIN_DONE);
    assert_int_equal(engine_pin(rig.engine, 0, 3, true, &frame), PIN_LIMIT);
    assert_int_equal(pfn_pins(rig_word(&rig, 3)), PFN_PINS_MAX);
    assert_int_equal(PFN_FIELD(rig.engine, pinned), 1); /* frames, not pins */
    engine_unpin(rig.engine, 0, 3);
    assert_int_equal(engine_pin(rig.engine, 0, 3, true, &frame), PIN_DONE);
    assert_false(trim_pages(rig.engine, rig_thread(&rig, TRIMMER), 1));
    for (unsigned i = 0; i < PFN_PINS_MAX; i++)
        engine_unpin(rig.engine, 0, 3);
    assert_int_equal(PFN_FIELD(rig.engine, pinned), 0);
    assert_true(trim_pages(rig.engine, rig_thread(&rig, TRIMMER), 1));
    rig_expect(&rig, 0, 3, 1);
    rig_end(&rig);
}

/* An unmap of pages around it that looked at the pins before takes the mapping: no pin until then. */
static void a_pin_waits_for_an_unmap_of_pages_around(void **state)
{
    struct rig_pinner pinner;
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){0});
    rig.engine->machine.content_by_page = true; /* else the mapping does not matter */
    rig_fill(&rig, 0, 3, 1);
    atomic_store(&rig.engine->near_unmaps, 1);
    rig_pin_begin(&pinner, &rig, 1, 3);
    RIG_WAIT_UNTIL(pfn_pins(rig_word(&rig, 3)) == 1);
    rig_pin_waits(&pinner);
    atomic_store(&rig.engine->near_unmaps, 0);
    rig_pin_end(&pinner);
    rig.engine->machine.content_by_page = false;
    rig_end(&rig);
}

/* ---- retired frames ------------------------------------------------------------------------- */

static void no_frame_is_retired_that_is_promised_to_a_page(void **state)
{
    uint64_t limit;
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.pages = 128, .commit = 1});
    limit = rig.engine->commit_limit;
    assert_true(limit < 128);
    assert_int_equal(
        space_commit(rig.engine, OTHER, 1, (page_number)limit - 1, PROTECTION_READ_WRITE),
        SPACE_DONE);
    assert_false(engine_retire(rig.engine, OTHER));
    assert_int_equal(rig.engine->commit_limit, limit);
    assert_int_equal(PFN_FIELD(rig.engine, retired), 0);
    assert_int_equal(space_decommit(rig.engine, OTHER, 0, 1), SPACE_DONE);
    assert_true(engine_retire(rig.engine, OTHER));
    assert_int_equal(rig.engine->commit_limit, limit - 1);
    assert_false(engine_retire(rig.engine, OTHER));
    rig_end(&rig);
}

/* ---- lists ---------------------------------------------------------------------------------- */

#define LOCKED 64u /* frames that a taker passes over, beside as many as it wants */

static void lock_first(struct rig *rig, frame_number count, bool lock)
{
    for (frame_number frame = 0; frame < count; frame++) {
        if (lock)
            assert_true(frame_try_lock(rig->engine, rig_thread(rig, 0), frame));
        else
            frame_unlock(rig->engine, rig_thread(rig, 0), frame);
    }
}

/* A taker does not walk a list of locked frames to its end, and leaves it in order. */
static void a_taker_passes_over_so_many_and_no_more(void **state)
{
    frame_number frames[2 * LOCKED];
    struct thread *taker;
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.frames = 2 * LOCKED});
    taker = rig_thread(&rig, 1);
    assert_int_equal(list_take(rig.engine, taker, LIST_ZEROED, 0, frames), 0);
    lock_first(&rig, LOCKED + 1, true);
    assert_int_equal(list_take(rig.engine, taker, LIST_ZEROED, 1, frames), 0);
    assert_int_equal(list_take(rig.engine, taker, LIST_ZEROED, 2, frames), 2);
    for (frame_number i = 0; i < 2; i++) {
        assert_int_equal(frames[i], LOCKED + 1 + i);
        frame_unlock(rig.engine, taker, frames[i]);
        frames_give_back(rig.engine, taker, frames[i]);
    }
    lock_first(&rig, LOCKED + 1, false);
    assert_int_equal(list_count(rig.engine, LIST_ZEROED), 2 * LOCKED);
    assert_int_equal(rig_audit(&rig), 0);
    assert_int_equal(list_take(rig.engine, taker, LIST_ZEROED, LOCKED, frames), LOCKED);
    for (frame_number i = 0; i < LOCKED; i++) {
        assert_int_equal(frames[i], i); /* in the order in which they were */
        frame_unlock(rig.engine, taker, frames[i]);
    }
    list_insert_many(rig.engine, taker, LIST_ZEROED, frames, LOCKED);
    rig_end(&rig);
}

struct waiter {
    struct rig *rig;
    _Atomic bool done;
    pthread_t id;
};

static void *waiter_run(void *argument)
{
    struct waiter *waiter = argument;

    frames_wait(waiter->rig->engine, rig_thread(waiter->rig, 0));
    atomic_store(&waiter->done, true);
    return NULL;
}

/* A page that has gone between the look at its PTE and the queue needs no frame: nobody would wake. */
static void nobody_waits_for_a_page_that_has_gone(void **state)
{
    struct rig rig;
    struct waiter waiter = {.rig = &rig};
    frame_number frames[16];

    (void)state;
    rig_begin(&rig, &(struct rig_config){.frames = ARRAY_COUNT(frames)});
    for (size_t i = 0; i < ARRAY_COUNT(frames); i++)
        frames[i] = frames_take(rig.engine, rig_thread(&rig, OTHER), true);
    rig_thread(&rig, 0)->wants = 3;
    assert_int_equal(rig_form(&rig, 3), PTE_ZERO);
    assert_int_equal(space_release(rig.engine, OTHER, 0), SPACE_DONE);
    assert_int_equal(rig_form(&rig, 3), PTE_ZERO); /* but it inherits nothing any more */
    assert_int_equal(pthread_create(&waiter.id, NULL, waiter_run, &waiter), 0);
    RIG_WAIT_UNTIL(atomic_load(&waiter.done));
    pthread_join(waiter.id, NULL);
    assert_int_equal(atomic_load(&rig.engine->waiters), 0);
    rig_thread(&rig, 0)->wants = PAGE_NONE;
    frames_wait_end(rig.engine, rig_thread(&rig, 0));
    for (size_t i = 0; i < ARRAY_COUNT(frames); i++)
        frames_give_back(rig.engine, rig_thread(&rig, OTHER), frames[i]);
    rig_end(&rig);
}

static void nothing_is_zeroed_ahead_while_somebody_waits(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){0});
    for (page_number page = 0; page < 16; page++)
        rig_fill(&rig, 0, page, 1);
    assert_int_equal(space_decommit(rig.engine, OTHER, 0, 16), SPACE_DONE);
    assert_int_equal(list_count(rig.engine, LIST_FREE), 16);
    atomic_store(&rig.engine->waiters, 1);
    assert_false(zero_needed(rig.engine));
    assert_false(zero_round(rig.engine, rig_thread(&rig, OTHER)));
    assert_int_equal(list_count(rig.engine, LIST_FREE), 16); /* all there for who waits */
    atomic_store(&rig.engine->waiters, 0);
    assert_true(zero_round(rig.engine, rig_thread(&rig, OTHER)));
    assert_int_equal(list_count(rig.engine, LIST_FREE), 0);
    rig_end(&rig);
}

static void no_release(void *machine, uint32_t thread, uint32_t count, const page_number *pages)
{
    (void)machine, (void)thread, (void)count, (void)pages;
}

#define READY 256u /* frames kept ready where giving up content costs a call, at most */

static void so_many_frames_are_kept_ready_and_no_more(void **state)
{
    static frame_number taken[READY * 64 + 64];
    struct machine_ops ops;
    struct rig rig;
    uint32_t count = 0;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.frames = ARRAY_COUNT(taken)});
    ops = *rig.engine->machine.ops;
    ops.release = no_release;
    rig.engine->machine.ops = &ops;
    while (frames_available(rig.engine) > READY)
        taken[count++] = frames_take(rig.engine, rig_thread(&rig, OTHER), true);
    assert_false(balance_needed(rig.engine));
    taken[count++] = frames_take(rig.engine, rig_thread(&rig, OTHER), true);
    assert_true(balance_needed(rig.engine));
    while (count > 0)
        frames_give_back(rig.engine, rig_thread(&rig, OTHER), taken[--count]);
    rig_end(&rig);
}

/* ---- trimming ------------------------------------------------------------------------------- */

static uint8_t greedy_birth(enum policy_birth how)
{
    (void)how;
    return 0;
}

static uint32_t greedy_choose(const struct policy_look *look)
{
    memset(look->ret_victim, true, look->count * sizeof(look->ret_victim[0]));
    return look->count;
}

/* Whatever a policy marks, no more pages go than were wanted. */
static void a_greedy_policy_does_not_get_more(void **state)
{
    static const struct policy greedy = {"greedy", "marks all", .birth = greedy_birth,
                                         .choose = greedy_choose};
    uint32_t valid = 0;
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.policy = &greedy});
    for (page_number page = 0; page < 8; page++)
        rig_fill(&rig, 0, page, page + 1);
    assert_true(trim_pages(rig.engine, rig_thread(&rig, TRIMMER), 3));
    for (page_number page = 0; page < 8; page++)
        valid += rig_form(&rig, page) == PTE_VALID;
    assert_int_equal(valid, 5);
    assert_int_equal(list_count(rig.engine, LIST_MODIFIED), 3);
    rig_end(&rig);
}

/* Where nothing can be written, modified pages are no reason not to trim. */
static void without_a_page_file_help_is_trimming(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.no_slots = true, .frames = 4, .pages = 8, .commit = 4});
    for (page_number page = 0; page < 4; page++)
        rig_fill(&rig, 0, page, page + 1);
    rig_trim(&rig, TRIMMER, 0);
    assert_int_equal(list_count(rig.engine, LIST_MODIFIED), 1);
    balance_help(rig.engine, rig_thread(&rig, 1));
    assert_int_equal(list_count(rig.engine, LIST_MODIFIED), 2);
    assert_int_equal(gate_count(&rig, STORE_WRITE), 0);
    for (page_number page = 0; page < 4; page++)
        rig_expect(&rig, 0, page, page + 1);
    rig_end(&rig);
}

/* ---- the page file -------------------------------------------------------------------------- */

#define SLOTS_HUGE 70000u

static void a_large_page_file_has_sixteen_parts(void **state)
{
    static slot_number slots[SLOTS_HUGE];
    static page_number pages[SLOTS_HUGE];
    static bool seen[SLOTS_HUGE + 1];
    slot_number more;
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.slots = SLOTS_HUGE});
    assert_int_equal(rig.engine->slot_area_count, 16);
    for (uint32_t i = 0; i < SLOTS_HUGE; i++)
        pages[i] = i % rig.engine->config.pages;
    assert_int_equal(slots_take(rig.engine, rig_thread(&rig, 5), SLOTS_HUGE, pages, slots),
                     SLOTS_HUGE);
    memset(seen, 0, sizeof(seen));
    for (uint32_t i = 0; i < SLOTS_HUGE; i++) {
        assert_true(slots[i] >= 1 && slots[i] <= SLOTS_HUGE && !seen[slots[i]]);
        seen[slots[i]] = true;
    }
    assert_int_equal(slots_take(rig.engine, rig_thread(&rig, 6), 1, pages, &more), 0);
    for (uint32_t i = 0; i < SLOTS_HUGE; i++)
        slots_give_back(rig.engine, rig_thread(&rig, 7), slots[i]);
    assert_int_equal(slots_free(rig.engine), SLOTS_HUGE);
    rig_end(&rig);
}

/* A slot that cannot be read is the store's complaint; the page in its frame is as good as before. */
static void the_audit_of_a_slot_that_cannot_be_read(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){0});
    rig_put_clean(&rig, 3, 1);
    gate_fail(&rig, STORE_READ, rig_slot(&rig, 3), 1);
    assert_int_equal(rig_audit(&rig), 0);
    memset(gate_bytes(&rig, rig_slot(&rig, 3)), 0, 8); /* the next look can be had, and tells */
    assert_int_equal(rig_audit(&rig), 1);
    assert_string_equal(rig.complaint, "a clean page equals its slot");
    rig_destroy(&rig);
}

/* ---- words ---------------------------------------------------------------------------------- */

static char last_complaint[512];

static void keep_complaint(void *context, const char *text)
{
    (void)context;
    snprintf(last_complaint, sizeof(last_complaint), "%s", text);
}

/* The watch speaks: somebody has waited for three seconds. */
static const char *complaint_of(struct rig *rig)
{
    last_complaint[0] = '\0';
    atomic_store(&rig->engine->watch_since_ns, world_now_ns() - 3000000000);
    balance_round(rig->engine, rig_thread(rig, OTHER));
    return last_complaint;
}

static void who_is_behind_is_named(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){0});
    rig.engine->config.complain = keep_complaint;
    atomic_store(&rig.engine->waiters, 1);
    assert_non_null(
        strstr(complaint_of(&rig), " waiters=1 zeroed=16 free=0 available=16 modified=0"));
    assert_non_null(strstr(last_complaint, "; the trimmer is behind"));
    rig_fill(&rig, 0, 3, 1);
    rig_trim(&rig, TRIMMER, 3);
    assert_non_null(strstr(complaint_of(&rig), " modified=1 "));
    assert_non_null(strstr(last_complaint, "; the modified writer is behind"));
    rig.engine->config.complain = NULL; /* nobody listens */
    assert_string_equal(complaint_of(&rig), "");
    rig.engine->config.complain = keep_complaint;
    balance_round(rig.engine, rig_thread(&rig, OTHER));
    assert_string_equal(last_complaint, ""); /* the two seconds began anew all the same */
    atomic_store(&rig.engine->waiters, 0);
    rig_end(&rig);
}

static void update_the_head_of_a_list(void *argument)
{
    struct rig *rig = argument;

    frame_update(rig->engine, rig->engine->lists[LIST_ZEROED].head, PFN_ACTIVE);
}

/* Behind the last frame come the ends of the lists: those have no page, slot or PTE to tell of. */
static void a_broken_list_end_is_named_by_its_number(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){0});
    rig_expect_death(update_the_head_of_a_list, &rig, " frame=16\n");
    rig_destroy(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_is_pinned_as_often_as_can_be_counted),
        cmocka_unit_test(a_pin_waits_for_an_unmap_of_pages_around),
        cmocka_unit_test(no_frame_is_retired_that_is_promised_to_a_page),
        cmocka_unit_test(a_taker_passes_over_so_many_and_no_more),
        cmocka_unit_test(nobody_waits_for_a_page_that_has_gone),
        cmocka_unit_test(nothing_is_zeroed_ahead_while_somebody_waits),
        cmocka_unit_test(so_many_frames_are_kept_ready_and_no_more),
        cmocka_unit_test(a_greedy_policy_does_not_get_more),
        cmocka_unit_test(without_a_page_file_help_is_trimming),
        cmocka_unit_test(a_large_page_file_has_sixteen_parts),
        cmocka_unit_test(the_audit_of_a_slot_that_cannot_be_read),
        cmocka_unit_test(who_is_behind_is_named),
        cmocka_unit_test(a_broken_list_end_is_named_by_its_number),
    };

    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
