/*
 * frames_test.c - where frames come from, in which order, and how threads wait when there is none.
 */
#include "engine_rig.h"

#include "base/copy.h"
#include "base/random.h"

#include <string.h>
#include <unistd.h>

/* ---- taking by hand ------------------------------------------------------------------------- */

/* Frames that the test holds, so that nobody else can have them. */
struct hoard {
    uint32_t count;
    frame_number frames[64];
};

static void hoard_all(struct rig *rig, struct hoard *hoard)
{
    frame_number frame;

    hoard->count = 0;
    while ((frame = frames_take(rig->engine, rig_thread(rig, OTHER), true)) != FRAME_NONE)
        hoard->frames[hoard->count++] = frame;
    assert_int_equal(hoard->count, rig->engine->config.frames);
    assert_int_equal(frames_available(rig->engine), 0);
}

static void hoard_give(struct rig *rig, struct hoard *hoard, uint32_t count)
{
    while (count-- > 0)
        frames_give_back(rig->engine, rig_thread(rig, OTHER), hoard->frames[--hoard->count]);
}

/* A thread that waits for one frame, and keeps it until it is told to give it back. */
struct taker {
    struct rig *rig;
    struct thread *self;
    _Atomic uint32_t *order;
    uint32_t came;
    bool pause; /* between the promise and the frame, until `go_on` */
    _Atomic bool promised, go_on, has, leave;
    pthread_t id;
};

static void *taker_run(void *argument)
{
    struct taker *taker = argument;
    struct engine *engine = taker->rig->engine;
    frame_number frame;

    while ((frame = frames_take(engine, taker->self, false)) == FRAME_NONE) {
        frames_wait(engine, taker->self);
        atomic_store(&taker->promised, true);
        while (taker->pause && !atomic_load(&taker->go_on))
            rig_nap();
    }
    taker->came = atomic_fetch_add(taker->order, 1);
    atomic_store(&taker->has, true);
    while (!atomic_load(&taker->leave))
        rig_nap();
    frames_give_back(engine, taker->self, frame);
    return NULL;
}

static void taker_begin(struct taker *taker, struct rig *rig, uint32_t thread,
                        _Atomic uint32_t *order, bool pause)
{
    uint32_t waiters = atomic_load(&rig->engine->waiters);

    *taker =
        (struct taker){.rig = rig, .self = rig_thread(rig, thread), .order = order, .pause = pause};
    assert_int_equal(pthread_create(&taker->id, NULL, taker_run, taker), 0);
    RIG_WAIT_UNTIL(atomic_load(&rig->engine->waiters) == waiters + 1);
}

static void taker_end(struct taker *taker)
{
    RIG_WAIT_UNTIL(atomic_load(&taker->has));
    atomic_store(&taker->leave, true);
    pthread_join(taker->id, NULL);
}

/* ---- the queue ------------------------------------------------------------------------------ */

#define TAKERS 8u

static void waiters_are_served_in_order(void **state)
{
    struct taker takers[TAKERS];
    _Atomic uint32_t order = 0;
    struct hoard hoard;
    struct rig rig;

    (void)state;
    for (uint32_t cache = 0; cache <= 8; cache += 8) {
        rig_begin(&rig, &(struct rig_config){.frame_cache = cache});
        hoard_all(&rig, &hoard);
        order = 0;
        for (uint32_t i = 0; i < TAKERS; i++)
            taker_begin(&takers[i], &rig, i, &order, false);
        usleep(10000);
        assert_int_equal(order, 0);
        for (uint32_t i = 0; i < TAKERS; i++) {
            hoard_give(&rig, &hoard, 1);
            RIG_WAIT_UNTIL(atomic_load(&order) == i + 1);
            RIG_WAIT_UNTIL(atomic_load(&takers[i].has));
            assert_int_equal(takers[i].came, i);
            usleep(1000);
            assert_int_equal(atomic_load(&order), i + 1); /* one frame, one thread */
            assert_int_equal(atomic_load(&rig.engine->waiters), TAKERS - 1 - i);
        }
        for (uint32_t i = 0; i < TAKERS; i++)
            taker_end(&takers[i]);
        hoard_give(&rig, &hoard, hoard.count);
        assert_int_equal(rig_counter(&rig, COUNT_FRAME_WAITS), TAKERS);
        assert_int_equal(rig_counter(&rig, COUNT_FRAME_WAITS_LATE), 0);
        rig_end(&rig);
    }
}

/* Promised means promised: not to be taken by somebody who comes later and is faster. */
static void a_newcomer_does_not_take_what_is_promised(void **state)
{
    _Atomic uint32_t order = 0;
    struct taker taker;
    struct hoard hoard;
    frame_number frame;
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){0});
    hoard_all(&rig, &hoard);
    taker_begin(&taker, &rig, 0, &order, true);
    hoard_give(&rig, &hoard, 1);
    RIG_WAIT_UNTIL(atomic_load(&taker.promised));
    assert_int_equal(frames_available(rig.engine), 1);
    frame = frames_take(rig.engine, rig_thread(&rig, 1), false);
    if (frame != FRAME_NONE)
        frames_give_back(rig.engine, rig_thread(&rig, 1), frame);
    atomic_store(&taker.go_on, true);
    taker_end(&taker);
    hoard_give(&rig, &hoard, hoard.count);
    assert_int_equal(frame, FRAME_NONE);
    rig_end(&rig);
}

/* A newcomer queues behind those who wait, unless there is a frame for each and one more. */
static void a_newcomer_goes_behind_the_queue(void **state)
{
    _Atomic uint32_t order = 0;
    struct taker takers[3];
    struct hoard hoard;
    frame_number frame;
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){0});
    hoard_all(&rig, &hoard);
    for (uint32_t i = 0; i < 3; i++)
        taker_begin(&takers[i], &rig, i, &order, true);
    assert_int_equal(frames_take(rig.engine, rig_thread(&rig, 8), false), FRAME_NONE);
    hoard_give(&rig, &hoard, 2);
    RIG_WAIT_UNTIL(atomic_load(&takers[0].promised) && atomic_load(&takers[1].promised));
    assert_int_equal(atomic_load(&rig.engine->waiters), 1);
    assert_int_equal(frames_take(rig.engine, rig_thread(&rig, 8), false), FRAME_NONE);
    hoard_give(&rig, &hoard, 2);
    RIG_WAIT_UNTIL(atomic_load(&takers[2].promised));
    frame = frames_take(rig.engine, rig_thread(&rig, 8), false);
    assert_int_not_equal(frame, FRAME_NONE); /* four frames, three promises */
    frames_give_back(rig.engine, rig_thread(&rig, 8), frame);
    for (uint32_t i = 0; i < 3; i++)
        atomic_store(&takers[i].go_on, true);
    for (uint32_t i = 0; i < 3; i++)
        taker_end(&takers[i]);
    hoard_give(&rig, &hoard, hoard.count);
    rig_end(&rig);
}

struct changer {
    struct rig *rig;
    _Atomic bool promised;
    pthread_t id;
};

/* Promised a frame, and then it needs none: the page has come by another way. */
static void *changer_run(void *argument)
{
    struct changer *changer = argument;
    struct thread *self = rig_thread(changer->rig, 5);

    frames_wait(changer->rig->engine, self);
    frames_wait_end(changer->rig->engine, self);
    atomic_store(&changer->promised, true);
    return NULL;
}

static void a_promise_not_needed_is_passed_on(void **state)
{
    _Atomic uint32_t order = 0;
    struct changer changer;
    struct taker taker;
    struct hoard hoard;
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){0});
    hoard_all(&rig, &hoard);
    changer = (struct changer){.rig = &rig};
    assert_int_equal(pthread_create(&changer.id, NULL, changer_run, &changer), 0);
    RIG_WAIT_UNTIL(atomic_load(&rig.engine->waiters) == 1);
    taker_begin(&taker, &rig, 0, &order, false);
    hoard_give(&rig, &hoard, 1); /* only one for the two */
    pthread_join(changer.id, NULL);
    taker_end(&taker);
    hoard_give(&rig, &hoard, hoard.count);
    assert_int_equal(rig_counter(&rig, COUNT_FRAME_WAITS_LATE), 0);
    rig_end(&rig);
}

/* ---- hand-offs ------------------------------------------------------------------------------ */

#define HANDERS 4u
#ifdef MM_SANITIZED
#define RELAY_ROUNDS 1500u
#define USER_ROUNDS  2000u
#else
#define RELAY_ROUNDS 4000u
#define USER_ROUNDS  12000u
#endif

/* A wake-up that was lost costs a second: after the first there is no need to wait for more. */
static bool any_was_late(struct rig *rig)
{
    return rig_counter(rig, COUNT_FRAME_WAITS_LATE) > 0;
}

struct relay {
    struct rig rig;
    _Atomic uint32_t next, shared;
    _Atomic uint32_t owners[64];
};

static void *relay_run(void *argument)
{
    struct relay *relay = argument;
    uint32_t number = atomic_fetch_add(&relay->next, 1);
    struct engine *engine = relay->rig.engine;
    struct thread *self = rig_thread(&relay->rig, number);

    for (uint32_t i = 0; i < RELAY_ROUNDS && !any_was_late(&relay->rig); i++) {
        frame_number frame;

        while ((frame = frames_take(engine, self, i % 2)) == FRAME_NONE)
            frames_wait(engine, self);
        if (atomic_fetch_add(&relay->owners[frame], 1) != 0)
            atomic_fetch_add(&relay->shared, 1);
        world_pause(i % 8 == 0 ? 12 : 2, true); /* sometimes it gives the processor away */
        atomic_fetch_sub(&relay->owners[frame], 1);
        frames_give_back(engine, self, frame);
    }
    engine_leave(engine, number);
    return NULL;
}

/* Four threads pass one frame or two around; a lost wake-up would cost a second. */
static void no_wake_up_is_lost(void **state)
{
    static struct relay relay;

    (void)state;
    for (uint32_t variant = 0; variant < 4; variant++) {
        pthread_t ids[HANDERS];
        struct hoard hoard;

        memset(&relay, 0, sizeof(relay));
        rig_begin(&relay.rig, &(struct rig_config){.frame_cache = variant / 2 * 4});
        hoard_all(&relay.rig, &hoard);
        hoard_give(&relay.rig, &hoard, 1 + variant % 2);
        for (uint32_t i = 0; i < HANDERS; i++)
            assert_int_equal(pthread_create(&ids[i], NULL, relay_run, &relay), 0);
        for (uint32_t i = 0; i < HANDERS; i++)
            pthread_join(ids[i], NULL);
        assert_int_equal(relay.shared, 0);
        assert_false(any_was_late(&relay.rig));
        engine_leave(relay.rig.engine, OTHER);
        assert_int_equal(frames_available(relay.rig.engine), 1 + variant % 2);
        hoard_give(&relay.rig, &hoard, hoard.count);
        rig_end(&relay.rig);
    }
}

#define USERS      4u
#define USER_PAGES 40u

struct users {
    struct rig rig;
    _Atomic uint32_t next, wrong;
};

static void *user_run(void *argument)
{
    struct users *users = argument;
    uint32_t user = atomic_fetch_add(&users->next, 1);
    uint64_t versions[USER_PAGES] = {0};
    struct random_generator generator;

    random_seed(&generator, 21, user);
    for (uint32_t i = 0; i < USER_ROUNDS && !any_was_late(&users->rig); i++) {
        page_number page = (page_number)random_below(&generator, USER_PAGES);
        uint64_t offset = ((uint64_t)page << PAGE_SHIFT) + user * 8, word = 0;

        if (soft_read(users->rig.soft, user, offset, &word, 8) != FAULT_RESOLVED ||
            word != versions[page])
            atomic_fetch_add(&users->wrong, 1);
        word = ++versions[page];
        if (soft_write(users->rig.soft, user, offset, &word, 8) != FAULT_RESOLVED)
            atomic_fetch_add(&users->wrong, 1);
    }
    engine_leave(users->rig.engine, user);
    return NULL;
}

/* Every access faults, every fault needs a frame, and workers make them. */
static void frames_from_workers(void **state)
{
    static struct users users;

    (void)state;
    for (uint32_t cache = 0; cache <= 2; cache += 2) {
        pthread_t ids[USERS];

        memset(&users, 0, sizeof(users));
        rig_begin(&users.rig, &(struct rig_config){.pages = USER_PAGES,
                                                   .frame_cache = cache,
                                                   .write_batch = 4,
                                                   .trim_batch = 4,
                                                   .workers = {2, 2, 1, 1}});
        rig_start_workers(&users.rig);
        for (uint32_t i = 0; i < USERS; i++)
            assert_int_equal(pthread_create(&ids[i], NULL, user_run, &users), 0);
        for (uint32_t i = 0; i < USERS; i++)
            pthread_join(ids[i], NULL);
        rig_stop_workers(&users.rig);
        assert_int_equal(users.wrong, 0);
        assert_false(any_was_late(&users.rig));
        assert_int_equal(users.rig.stuck, 0);
        assert_true(rig_counter(&users.rig, COUNT_FAULT_HARD) > USER_ROUNDS / 10);
        rig_end(&users.rig);
    }
}

/* ---- frame caches --------------------------------------------------------------------------- */

static uint32_t cached(struct rig *rig, uint32_t thread)
{
    return atomic_load(&rig_thread(rig, thread)->cache.count);
}

static void caches_are_filled_from_long_lists_only(void **state)
{
    struct hoard hoard = {.count = 0};
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.frame_cache = 4, .frames = 64});
    hoard.frames[hoard.count++] = frames_take(rig.engine, rig_thread(&rig, 0), true);
    assert_int_equal(cached(&rig, 0), 2); /* three at once: one in hand */
    assert_int_equal(frames_available(rig.engine), 61);
    hoard.frames[hoard.count++] = frames_take(rig.engine, rig_thread(&rig, 0), true);
    assert_int_equal(cached(&rig, 0), 1);
    assert_int_equal(frames_available(rig.engine), 61);
    while (frames_available(rig.engine) >= 24)
        hoard.frames[hoard.count++] = frames_take(rig.engine, rig_thread(&rig, 1), true);
    while (cached(&rig, 1) > 0)
        hoard.frames[hoard.count++] = frames_take(rig.engine, rig_thread(&rig, 1), true);
    hoard.frames[hoard.count++] = frames_take(rig.engine, rig_thread(&rig, 1), true);
    assert_int_equal(cached(&rig, 1), 0); /* one at a time from a short list */
    hoard_give(&rig, &hoard, hoard.count);
    assert_int_equal(cached(&rig, OTHER), 4); /* full; the rest went to the list */
    rig_end(&rig);
}

static void caches_are_recalled_when_the_lists_are_empty(void **state)
{
    struct hoard hoard;
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.frame_cache = 4});
    hoard_all(&rig, &hoard);
    for (uint32_t i = 0; i < 3; i++)
        frames_give_back(rig.engine, rig_thread(&rig, 2), hoard.frames[--hoard.count]);
    assert_int_equal(cached(&rig, 2), 3);
    assert_int_equal(frames_available(rig.engine), 0);
    for (uint32_t i = 0; i < 3; i++) {
        frame_number frame = frames_take(rig.engine, rig_thread(&rig, 7), false);

        assert_int_not_equal(frame, FRAME_NONE);
        assert_int_equal(cached(&rig, 2), 2 - i);
        hoard.frames[hoard.count++] = frame;
    }
    assert_int_equal(frames_take(rig.engine, rig_thread(&rig, 7), false), FRAME_NONE);
    hoard_give(&rig, &hoard, hoard.count);
    rig_end(&rig);
}

/* What is given back while somebody waits goes to the list, where the waiter finds it. */
static void nothing_is_cached_while_somebody_waits(void **state)
{
    _Atomic uint32_t order = 0;
    struct taker taker;
    struct hoard hoard;
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.frame_cache = 4});
    hoard_all(&rig, &hoard);
    taker_begin(&taker, &rig, 0, &order, false);
    hoard_give(&rig, &hoard, 1);
    taker_end(&taker);
    assert_int_equal(cached(&rig, OTHER), 0);
    hoard_give(&rig, &hoard, hoard.count);
    rig_end(&rig);
}

static void who_leaves_gives_its_frames_back(void **state)
{
    struct hoard hoard;
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.frame_cache = 4});
    rig_fill(&rig, 0, 3, 1);
    assert_int_equal(space_decommit(rig.engine, OTHER, 3, 1), SPACE_DONE);
    hoard_all(&rig, &hoard);
    for (uint32_t i = 0; i < 4; i++)
        frames_give_back(rig.engine, rig_thread(&rig, 2), hoard.frames[--hoard.count]);
    assert_int_equal(cached(&rig, 2), 4);
    engine_leave(rig.engine, 2);
    assert_int_equal(cached(&rig, 2), 0);
    assert_int_equal(frames_available(rig.engine), 4);
    /* Each on the list of its state. */
    assert_int_equal(list_count(rig.engine, LIST_FREE) + list_count(rig.engine, LIST_ZEROED), 4);
    engine_leave(rig.engine, 2);
    hoard_give(&rig, &hoard, hoard.count);
    engine_leave(rig.engine, OTHER);
    assert_int_equal(list_count(rig.engine, LIST_FREE), 1);
    assert_int_equal(frames_available(rig.engine), 16);
    rig_end(&rig);
}

/* ---- repurposing ---------------------------------------------------------------------------- */

static void set_priority(struct rig *rig, page_number page, unsigned priority)
{
    frame_number frame = rig_frame(rig, page);
    pfn_word word = rig_word(rig, page) & ~((pfn_word)7 << PFN_PRIORITY_SHIFT);

    frame_update(rig->engine, frame, word | (pfn_word)priority << PFN_PRIORITY_SHIFT);
}

/* A page on standby with its content in a slot. */
static void put_standby(struct rig *rig, page_number page, unsigned priority)
{
    if (rig_form(rig, page) != PTE_VALID)
        rig_expect(rig, 0, page, 30 + page);
    set_priority(rig, page, priority);
    rig_trim(rig, TRIMMER, page);
    assert_int_equal(rig_state(rig, page), PFN_STANDBY);
}

static void take_and_expect(struct rig *rig, struct hoard *hoard, bool zeroed, frame_number frame)
{
    hoard->frames[hoard->count] = frames_take(rig->engine, rig_thread(rig, OTHER), zeroed);
    assert_int_equal(hoard->frames[hoard->count++], frame);
}

static void frames_come_in_the_right_order(void **state)
{
    static const unsigned priorities[] = {5, 1, 7, 1, 0, 5, 7, 0}; /* 2: read ahead */
    static const page_number expected[] = {4, 7, 1, 3, 0, 5, 2, 6};
    frame_number frames[8], free_frame, zeroed_frame;
    struct hoard hoard = {.count = 0};
    struct rig rig;

    (void)state;
    for (int want_zeroed = 0; want_zeroed <= 1; want_zeroed++) {
        hoard.count = 0;
        rig_begin(&rig, &(struct rig_config){.frames = 10});
        for (page_number page = 0; page < 8; page++)
            rig_put_clean(&rig, page, 30 + page);
        for (page_number page = 0; page < 8; page++) {
            put_standby(&rig, page, priorities[page]);
            frames[page] = rig_frame(&rig, page);
        }
        rig_fill(&rig, 0, 20, 1);
        free_frame = rig_frame(&rig, 20);
        rig_fill(&rig, 0, 21, 1);
        zeroed_frame = rig_frame(&rig, 21);
        assert_int_equal(space_decommit(rig.engine, OTHER, 20, 2), SPACE_DONE);
        /* The one is made a zeroed frame by hand. */
        list_unlink(rig.engine, rig_thread(&rig, OTHER), LIST_FREE, zeroed_frame);
        memset(soft_frame(rig.soft, zeroed_frame), 0, MM_PAGE_SIZE);
        frame_move(rig.engine, rig_thread(&rig, OTHER), zeroed_frame,
                   pfn_with_state(pfn_load(frame_pfn(rig.engine, zeroed_frame)), PFN_ZEROED),
                   WHY_ZERO);
        list_insert(rig.engine, rig_thread(&rig, OTHER), LIST_ZEROED, zeroed_frame);
        assert_int_equal(rig_audit(&rig), 0);

        take_and_expect(&rig, &hoard, want_zeroed, want_zeroed ? zeroed_frame : free_frame);
        take_and_expect(&rig, &hoard, want_zeroed, want_zeroed ? free_frame : zeroed_frame);
        for (page_number i = 0; i < 8; i++) {
            slot_number slot = rig_slot(&rig, expected[i]);

            take_and_expect(&rig, &hoard, want_zeroed, frames[expected[i]]);
            assert_true(pte_with_stamp(rig_pte(&rig, expected[i]), 0) ==
                        pte_make_software(PROTECTION_READ_WRITE, slot));
        }
        assert_int_equal(rig_counter(&rig, COUNT_REPURPOSED), 8 + 8); /* 8 by rig_put_clean() */
        assert_int_equal(frames_take(rig.engine, rig_thread(&rig, OTHER), false), FRAME_NONE);
        hoard_give(&rig, &hoard, hoard.count);
        for (page_number page = 0; page < 8; page++)
            rig_expect(&rig, 0, page, 30 + page);
        rig_end(&rig);
    }
}

static void ahead_of_need_pages_are_taken_in_the_same_order(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){0});
    for (page_number page = 0; page < 6; page++)
        rig_put_clean(&rig, page, 30 + page);
    for (page_number page = 0; page < 6; page++)
        put_standby(&rig, page, page < 3 ? 5 : 1);
    rig_read(&rig, 0, 3); /* a rescue, and it is the youngest of its priority again */
    rig_trim(&rig, TRIMMER, 3);
    assert_int_equal(frames_repurpose_ahead(rig.engine, rig_thread(&rig, OTHER), 2), 2);
    assert_int_equal(rig_form(&rig, 4), PTE_PAGE_FILE);
    assert_int_equal(rig_form(&rig, 5), PTE_PAGE_FILE);
    assert_int_equal(rig_form(&rig, 3), PTE_TRANSITION);
    assert_int_equal(frames_repurpose_ahead(rig.engine, rig_thread(&rig, OTHER), 1), 1);
    assert_int_equal(rig_form(&rig, 3), PTE_PAGE_FILE);
    assert_int_equal(frames_repurpose_ahead(rig.engine, rig_thread(&rig, OTHER), 64), 3);
    assert_int_equal(frames_repurpose_ahead(rig.engine, rig_thread(&rig, OTHER), 64), 0);
    rig_end(&rig);
}

/* ---- zeros ---------------------------------------------------------------------------------- */

/* Every frame is free and full of somebody's bytes. */
static void begin_dirty(struct rig *rig)
{
    rig_begin(rig, &(struct rig_config){0});
    for (page_number page = 0; page < 16; page++)
        rig_fill(rig, 0, page, 40 + page);
    assert_int_equal(space_decommit(rig->engine, OTHER, 0, 16), SPACE_DONE);
    assert_int_equal(list_count(rig->engine, LIST_FREE), 16);
    for (frame_number frame = 0; frame < 16; frame++)
        assert_false(bytes_hold(soft_frame(rig->soft, frame), 0));
}

static void nobody_sees_anothers_bytes(void **state)
{
    struct rig rig;

    (void)state;
    begin_dirty(&rig);
    for (page_number page = 16; page < 32; page++)
        rig_expect(&rig, 1, page, 0);
    assert_int_equal(rig_moves(&rig, WHY_ZERO), 16);
    assert_int_equal(rig_counter(&rig, COUNT_ZEROED), 16);
    /* And when frames are taken from pages that are in their slots. */
    for (page_number page = 16; page < 32; page++)
        rig_fill(&rig, 1, page, 60 + page);
    for (page_number page = 32; page < 48; page++)
        rig_expect(&rig, 2, page, 0);
    for (page_number page = 16; page < 32; page++)
        rig_expect(&rig, 1, page, 60 + page);
    rig_end(&rig);
}

static void the_zero_thread_zeroes(void **state)
{
    struct rig rig;

    (void)state;
    begin_dirty(&rig);
    assert_true(zero_needed(rig.engine));
    assert_true(zero_round(rig.engine, rig_thread(&rig, OTHER)));
    assert_int_equal(list_count(rig.engine, LIST_FREE), 0);
    assert_int_equal(list_count(rig.engine, LIST_ZEROED), 16);
    assert_int_equal(rig_counter(&rig, COUNT_ZEROED), 16);
    for (frame_number frame = 0; frame < 16; frame++)
        assert_true(bytes_hold(soft_frame(rig.soft, frame), 0));
    assert_false(zero_needed(rig.engine));
    assert_false(zero_round(rig.engine, rig_thread(&rig, OTHER)));
    /* Below eight it is not worth it, as in Windows. */
    for (page_number page = 16; page < 23; page++)
        rig_fill(&rig, 0, page, 1);
    assert_int_equal(space_decommit(rig.engine, OTHER, 16, 7), SPACE_DONE);
    assert_int_equal(list_count(rig.engine, LIST_FREE), 7);
    assert_false(zero_round(rig.engine, rig_thread(&rig, OTHER)));
    rig_end(&rig);
}

/* Who had to wait for more than a second is counted apart. */
static void late_frames_are_counted(void **state)
{
    _Atomic uint32_t order = 0;
    struct hoard hoard;
    struct taker taker;
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){0});
    hoard_all(&rig, &hoard);
    taker_begin(&taker, &rig, 0, &order, false);
    hoard_give(&rig, &hoard, 1);
    taker_end(&taker);
    assert_int_equal(rig_counter(&rig, COUNT_FRAME_WAITS_LATE), 0);
    hoard.frames[hoard.count++] = frames_take(rig.engine, rig_thread(&rig, OTHER), true);
    taker_begin(&taker, &rig, 1, &order, false);
    usleep(1100000);
    hoard_give(&rig, &hoard, 1);
    taker_end(&taker);
    assert_int_equal(rig_counter(&rig, COUNT_FRAME_WAITS), 2);
    assert_int_equal(rig_counter(&rig, COUNT_FRAME_WAITS_LATE), 1);
    hoard_give(&rig, &hoard, hoard.count);
    rig_end(&rig);
}

/* A frame that was cleared for a fault that came to nothing stays a zeroed one. */
static void a_frame_given_back_goes_to_the_list_of_its_state(void **state)
{
    frame_number frame;
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){0});
    frame = frames_take(rig.engine, rig_thread(&rig, 0), true);
    frames_give_back(rig.engine, rig_thread(&rig, 0), frame);
    assert_int_equal(list_count(rig.engine, LIST_ZEROED), 16);
    rig_put_in_slot(&rig, 3, 1);
    assert_int_equal(list_count(rig.engine, LIST_FREE), 1);
    gate_fail(&rig, STORE_READ, GATE_ANY_SLOT, 2);
    assert_int_equal(rig_read(&rig, 0, 3), FAULT_IN_PAGE_ERROR); /* into the free frame */
    assert_int_equal(list_count(rig.engine, LIST_FREE), 1);
    frame = frames_take(rig.engine, rig_thread(&rig, 1), false);
    assert_int_equal(rig_read(&rig, 0, 3), FAULT_IN_PAGE_ERROR); /* into a zeroed one */
    assert_int_equal(rig_moves(&rig, WHY_READ_START_ZEROED), 1);
    frames_give_back(rig.engine, rig_thread(&rig, 1), frame);
    assert_int_equal(list_count(rig.engine, LIST_FREE), 2); /* and it is zeroed no more */
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waiters_are_served_in_order),
        cmocka_unit_test(a_newcomer_does_not_take_what_is_promised),
        cmocka_unit_test(a_newcomer_goes_behind_the_queue),
        cmocka_unit_test(a_promise_not_needed_is_passed_on),
        cmocka_unit_test(no_wake_up_is_lost),
        cmocka_unit_test(frames_from_workers),
        cmocka_unit_test(caches_are_filled_from_long_lists_only),
        cmocka_unit_test(caches_are_recalled_when_the_lists_are_empty),
        cmocka_unit_test(nothing_is_cached_while_somebody_waits),
        cmocka_unit_test(who_leaves_gives_its_frames_back),
        cmocka_unit_test(frames_come_in_the_right_order),
        cmocka_unit_test(ahead_of_need_pages_are_taken_in_the_same_order),
        cmocka_unit_test(late_frames_are_counted),
        cmocka_unit_test(nobody_sees_anothers_bytes),
        cmocka_unit_test(the_zero_thread_zeroes),
        cmocka_unit_test(a_frame_given_back_goes_to_the_list_of_its_state),
    };

    return cmocka_run_group_tests_name("frames", tests, NULL, NULL);
}
