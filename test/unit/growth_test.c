/*
 * growth_test.c - the page file grows: how far, for whom, by whom, and what happens if it cannot.
 */
#include "engine_rig.h"

#include <errno.h>

#define FRAMES  16u
#define RESERVE 8u

/* ---- commits ---- */

/* As the manager does it. */
static enum space_result commit(struct rig *rig, uint32_t thread, page_number first,
                                page_number count)
{
    enum space_result result;

    do
        result = space_commit(rig->engine, thread, first, count, PROTECTION_READ_WRITE);
    while (result == SPACE_LIMIT && growth_make_room(rig->engine, thread, first, count));
    return result;
}

/* Page by page, until one is refused; how many there are. */
static page_number commit_all(struct rig *rig)
{
    page_number page = 0;

    while (page < rig->engine->config.pages && commit(rig, OTHER, page, 1) == SPACE_DONE)
        page++;
    return page;
}

static void expect_limit(struct rig *rig, slot_number slots)
{
    assert_int_equal(engine_slots(rig->engine), slots);
    assert_int_equal(rig->gate.slots_ready, slots);
    assert_int_equal(rig->engine->commit_limit, FRAMES + slots - (slots > 0 ? RESERVE : 0));
}

/* ---- how far ---- */

/* To the page, wherever it begins: frames and slots, less the reserve. */
static void a_commit_is_refused_at_the_maximum_and_not_before(void **state)
{
    static const slot_number firsts[] = {0, 1, RESERVE, 20, 63, 64};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(firsts); i++) {
        for (slot_number step = 0; step < 40; step += 13) {
            struct rig rig;

            rig_begin(&rig, &(struct rig_config){.pages = 128,
                                                 .no_commit = true,
                                                 .grows = true,
                                                 .slots_first = firsts[i],
                                                 .growth_step = step});
            expect_limit(&rig, firsts[i]);
            assert_int_equal(commit_all(&rig), FRAMES + 64 - RESERVE);
            expect_limit(&rig, 64);
            assert_int_equal(rig_counter(&rig, COUNT_PAGEFILE_REFUSED), 0);
            assert_true(rig_counter(&rig, COUNT_PAGEFILE_EXTENDED) > 0 || firsts[i] == 64);
            rig_end(&rig);
        }
    }
}

/* Too few slots to pay for the reserve: it never appears. */
static void a_page_file_smaller_than_the_reserve_is_none(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.no_commit = true, .grows = true, .slots = RESERVE});
    assert_int_equal(commit_all(&rig), FRAMES);
    expect_limit(&rig, 0);
    assert_int_equal(rig_counter(&rig, COUNT_PAGEFILE_EXTENDED), 0);
    rig_end(&rig);
}

static void a_step_is_taken_where_less_would_do(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.pages = 600,
                                         .slots = 512,
                                         .no_commit = true,
                                         .grows = true,
                                         .slots_first = 8,
                                         .growth_step = 10});
    assert_int_equal(commit(&rig, 0, 0, FRAMES + 1), SPACE_DONE);
    expect_limit(&rig, 18);
    assert_int_equal(commit(&rig, 0, 0, FRAMES + 19), SPACE_DONE); /* more than a step */
    expect_limit(&rig, 28);
    assert_int_equal(commit(&rig, 0, 0, 400), SPACE_DONE);
    expect_limit(&rig, 392);
    assert_int_equal(commit(&rig, 0, 0, 401), SPACE_DONE); /* an eighth is more than a step */
    expect_limit(&rig, 392 + 392 / 8);
    assert_int_equal(rig_counter(&rig, COUNT_PAGEFILE_EXTENDED), 4);
    rig_end(&rig);
}

/* Every page has its place, and what is written comes back. */
static void pages_use_what_has_grown(void **state)
{
    struct rig rig;

    (void)state;
    for (uint32_t reservation = 1; reservation <= 16; reservation *= 16) {
        rig_begin(&rig, &(struct rig_config){.pages = 72,
                                             .no_commit = true,
                                             .grows = true,
                                             .slot_reservation = reservation});
        for (page_number page = 0; page < 72; page++) {
            assert_int_equal(commit(&rig, 0, page, 1), SPACE_DONE);
            rig_fill(&rig, 0, page, page + 1);
        }
        for (page_number page = 0; page < 72; page++)
            rig_expect(&rig, 0, page, page + 1);
        expect_limit(&rig, 64);
        rig_end(&rig);
    }
}

/* ---- what cannot grow ---- */

struct disk {
    struct rig *rig;
    slot_number room;
    uint32_t asked;
    uint64_t limit; /* while it is asked */
};

static int disk_grow(void *context, slot_number slots)
{
    struct disk *disk = context;

    disk->asked++;
    disk->limit = disk->rig->engine->commit_limit;
    return slots <= disk->room ? 0 : -ENOSPC;
}

static void begin_on_disk(struct rig *rig, struct disk *disk, slot_number room)
{
    rig_begin(
        rig,
        &(struct rig_config){
            .pages = 128, .no_commit = true, .grows = true, .slots_first = 16, .growth_step = 16});
    *disk = (struct disk){.rig = rig, .room = room};
    rig->gate.at_growth = disk_grow;
    rig->gate.at_growth_context = disk;
}

/* The limit rises after the slots are there; if they do not come it stays. */
static void the_limit_follows_the_slots(void **state)
{
    struct disk disk;
    struct rig rig;

    (void)state;
    begin_on_disk(&rig, &disk, 32);
    assert_int_equal(commit(&rig, 0, 0, 30), SPACE_DONE);
    assert_int_equal(disk.limit, FRAMES + 16 - RESERVE);
    expect_limit(&rig, 32);
    assert_int_equal(commit(&rig, 0, 0, 60), SPACE_LIMIT);
    assert_int_equal(disk.limit, FRAMES + 32 - RESERVE);
    expect_limit(&rig, 32);
    assert_int_equal(rig.engine->charge, 30);
    assert_int_equal(PFN_FIELD(rig.engine, growth_error), ENOSPC);
    rig_end(&rig);
}

/* All that a full disk still has is used; then it is left alone for a while. */
static void a_full_disk_is_not_asked_at_each_commit(void **state)
{
    struct disk disk;
    struct rig rig;
    uint32_t asked;

    (void)state;
    begin_on_disk(&rig, &disk, 40);
    assert_int_equal(commit_all(&rig), FRAMES + 40 - RESERVE);
    expect_limit(&rig, 40);
    asked = disk.asked;
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(commit(&rig, 0, 0, 60), SPACE_LIMIT);
    assert_int_equal(disk.asked, asked);
    assert_int_equal(rig_counter(&rig, COUNT_PAGEFILE_REFUSED), asked - 9);
    disk.room = 64;
    assert_int_equal(commit(&rig, 0, 0, 60), SPACE_LIMIT);
    PFN_SET_FIELD(rig.engine, growth_retry_ns, 1); /* a second later */
    assert_int_equal(commit(&rig, 0, 0, 60), SPACE_DONE);
    rig_end(&rig);
}

/* ---- two at once ---- */

struct committer {
    struct rig *rig;
    uint32_t thread;
    page_number first, count;
    enum space_result result;
    _Atomic bool done;
    pthread_t id;
};

static void *commit_in_thread(void *argument)
{
    struct committer *committer = argument;

    committer->result =
        commit(committer->rig, committer->thread, committer->first, committer->count);
    atomic_store(&committer->done, true);
    return NULL;
}

static void commit_begin(struct committer *committer)
{
    assert_int_equal(pthread_create(&committer->id, NULL, commit_in_thread, committer), 0);
}

static void commit_end(struct committer *committer, enum space_result result)
{
    RIG_WAIT_UNTIL(atomic_load(&committer->done));
    pthread_join(committer->id, NULL);
    assert_int_equal(committer->result, result);
}

struct gate_on_growth {
    _Atomic uint32_t asked;
    _Atomic bool open;
    _Atomic int answer;
};

static int growth_waits(void *context, slot_number slots)
{
    struct gate_on_growth *gate = context;

    (void)slots;
    atomic_fetch_add(&gate->asked, 1);
    while (!atomic_load(&gate->open))
        rig_nap();
    return atomic_load(&gate->answer);
}

/* Long enough for a thread to get to sleep; if it does not, the test sees less. */
static void let_it_sleep(void)
{
    for (unsigned i = 0; i < 50; i++)
        rig_nap();
}

static void commits_wait_for_one_extension(int answer, slot_number step, enum space_result result)
{
    struct gate_on_growth gate = {.answer = answer};
    struct rig rig;
    struct committer first = {.rig = &rig, .thread = 1, .first = 0, .count = FRAMES + 1};
    struct committer second = {.rig = &rig, .thread = 2, .first = 32, .count = FRAMES + 1};

    rig_begin(&rig, &(struct rig_config){
                        .no_commit = true, .grows = true, .slots_first = 8, .growth_step = step});
    rig.gate.at_growth = growth_waits;
    rig.gate.at_growth_context = &gate;
    commit_begin(&first);
    RIG_WAIT_UNTIL(atomic_load(&gate.asked) == 1);
    commit_begin(&second);
    let_it_sleep();
    assert_false(atomic_load(&second.done));
    assert_int_equal(atomic_load(&gate.asked), 1);
    /* Whoever has room does not wait with them. */
    assert_int_equal(commit(&rig, 3, 60, 1), SPACE_DONE);
    assert_int_equal(space_decommit(rig.engine, 3, 60, 1), SPACE_DONE);
    atomic_store(&gate.open, true);
    commit_end(&first, result);
    commit_end(&second, result);
    rig_end(&rig);
}

static void a_commit_waits_for_who_extends(void **state)
{
    (void)state;
    commits_wait_for_one_extension(0, 50, SPACE_DONE);
    commits_wait_for_one_extension(0, 1, SPACE_DONE); /* the second extends once more */
}

static void a_commit_that_waits_hears_of_a_refusal(void **state)
{
    (void)state;
    commits_wait_for_one_extension(-ENOSPC, 50, SPACE_LIMIT);
}

/* ---- ahead of need ---- */

static uint32_t growers_asleep(struct rig *rig)
{
    return PFN_FIELD(&rig->engine->events[WORKER_GROW], sleepers);
}

static void a_worker_grows_at_nine_tenths(void **state)
{
    struct rig_config config = {
        .pages = 128, .no_commit = true, .grows = true, .slots_first = 12, .growth_step = 20};
    struct rig rig;
    uint32_t before;

    (void)state;
    config.workers[WORKER_GROW] = 1;
    rig_begin(&rig, &config);
    rig_start_workers(&rig);
    RIG_WAIT_UNTIL(growers_asleep(&rig) == 1);
    before = PFN_FIELD(&rig.engine->events[WORKER_GROW], sequence);
    assert_int_equal(commit(&rig, 0, 0, 17), SPACE_DONE); /* of 20 */
    assert_int_equal(PFN_FIELD(&rig.engine->events[WORKER_GROW], sequence), before);
    assert_int_equal(commit(&rig, 0, 17, 1), SPACE_DONE);
    assert_int_equal(PFN_FIELD(&rig.engine->events[WORKER_GROW], sequence), before + 1);
    RIG_WAIT_UNTIL(engine_slots(rig.engine) == 32);
    RIG_WAIT_UNTIL(growers_asleep(&rig) == 1);
    assert_int_equal(rig_counter(&rig, COUNT_PAGEFILE_EXTENDED), 1);
    rig_stop_workers(&rig);
    expect_limit(&rig, 32);
    rig_end(&rig);
}

/* It gets what there is, and then no more than it is asked for. */
static void it_grows_on_request(void **state)
{
    struct disk disk;
    struct rig rig;

    (void)state;
    begin_on_disk(&rig, &disk, 40);
    assert_true(growth_add(rig.engine, 0, 1));
    expect_limit(&rig, 17);
    assert_false(growth_add(rig.engine, 0, 48)); /* beyond the maximum */
    assert_int_equal(disk.asked, 1);
    assert_false(growth_add(rig.engine, 0, 24)); /* beyond the disk */
    assert_true(growth_add(rig.engine, 0, 23));
    expect_limit(&rig, 40);
    rig_end(&rig);
}

/* A first page file brings the reserve with it: more than it has would leave commits without room. */
static void a_first_page_file_pays_for_the_reserve(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.pages = 128, .no_commit = true, .grows = true});
    assert_int_equal(commit(&rig, 0, 0, FRAMES), SPACE_DONE);
    assert_false(growth_fits(rig.engine, RESERVE - 1));
    assert_false(growth_add(rig.engine, 0, RESERVE - 1));
    expect_limit(&rig, 0);
    assert_true(growth_add(rig.engine, 0, RESERVE));
    expect_limit(&rig, RESERVE);
    rig_end(&rig);
}

/* A frame that goes out of service takes its page of the limit with it, whatever grew before. */
static void frames_are_retired_from_what_has_grown(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.pages = 128, .no_commit = true, .grows = true});
    assert_int_equal(commit(&rig, 0, 0, FRAMES + 4), SPACE_DONE);
    assert_false(engine_retire(rig.engine, 0)); /* exactly as much as is needed */
    assert_true(growth_add(rig.engine, 0, 10));
    assert_true(engine_retire(rig.engine, 0));
    assert_int_equal(commit_all(&rig), FRAMES - 1 + 64 - RESERVE);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_commit_is_refused_at_the_maximum_and_not_before),
        cmocka_unit_test(a_page_file_smaller_than_the_reserve_is_none),
        cmocka_unit_test(a_step_is_taken_where_less_would_do),
        cmocka_unit_test(pages_use_what_has_grown),
        cmocka_unit_test(the_limit_follows_the_slots),
        cmocka_unit_test(a_full_disk_is_not_asked_at_each_commit),
        cmocka_unit_test(a_commit_waits_for_who_extends),
        cmocka_unit_test(a_commit_that_waits_hears_of_a_refusal),
        cmocka_unit_test(a_worker_grows_at_nine_tenths),
        cmocka_unit_test(it_grows_on_request),
        cmocka_unit_test(a_first_page_file_pays_for_the_reserve),
        cmocka_unit_test(frames_are_retired_from_what_has_grown),
    };

    return cmocka_run_group_tests_name("growth", tests, NULL, NULL);
}
