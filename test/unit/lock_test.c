/*
 * lock_test.c - the locks exclude, in order: every pair of ranks, readers and writers, statistics.
 */
#include "engine_rig.h"

#include "base/copy.h"

#include <string.h>
#include <unistd.h>

#define THREADS 4u
#define ROUNDS  (UNDER_THREAD_SANITIZER ? 20000u : 100000u)

/* Bare thread records: no engine is needed. */
static struct thread records[THREADS + 1];

static void records_begin(void)
{
    memset(records, 0, sizeof(records));
    for (uint32_t i = 0; i <= THREADS; i++) {
        records[i].number = i;
        records[i].backoff = i % 2 == 0;
    }
}

/* ---- order ---------------------------------------------------------------------------------- */

struct kind {
    void (*acquire)(struct thread *self, lock_word *word, enum lock_rank rank);
    void (*release)(struct thread *self, lock_word *word, enum lock_rank rank);
};

static const struct kind kinds[] = {
    {lock_acquire, lock_release},
    {lock_acquire_shared, lock_release_shared},
    {lock_acquire_exclusive, lock_release_exclusive},
    {lock_acquire_sleeping, lock_release_sleeping},
};

#ifdef MM_CHECKED
struct pair {
    const struct kind *held_kind, *kind;
    enum lock_rank held, wanted;
    bool tried; /* the held one */
};

static void take_both(void *argument)
{
    const struct pair *pair = argument;
    lock_word held = 0, wanted = 0;

    if (pair->tried)
        lock_try(&records[0], &held, pair->held);
    else
        pair->held_kind->acquire(&records[0], &held, pair->held);
    pair->kind->acquire(&records[0], &wanted, pair->wanted);
    pair->kind->release(&records[0], &wanted, pair->wanted);
    if (pair->tried)
        lock_release(&records[0], &held, pair->held);
    else
        pair->held_kind->release(&records[0], &held, pair->held);
}

static void check_pair(struct pair *pair)
{
    records_begin();
    if (pair->held < pair->wanted) {
        take_both(pair);
        for (unsigned rank = 0; rank < RANK_COUNT; rank++)
            assert_int_equal(records[0].held[rank], 0);
    } else {
        rig_expect_death(take_both, pair, "lock order: waits for a");
    }
}

static void every_pair_of_ranks(void **state)
{
    (void)state;
    for (unsigned held = 0; held < RANK_COUNT; held++)
        for (unsigned wanted = 0; wanted < RANK_COUNT; wanted++)
            for (size_t k = 0; k < ARRAY_COUNT(kinds); k++) {
                size_t other = (held + wanted + k) % ARRAY_COUNT(kinds);
                struct pair pair = {&kinds[other], &kinds[k], (enum lock_rank)held,
                                    (enum lock_rank)wanted, false};

                check_pair(&pair);
            }
}

static void tried_locks_are_exempt_but_remembered(void **state)
{
    (void)state;
    for (unsigned held = 0; held < RANK_COUNT; held++)
        for (unsigned wanted = 0; wanted < RANK_COUNT; wanted++) {
            lock_word first = 0, second = 0;
            struct pair pair = {NULL, &kinds[0], (enum lock_rank)held, (enum lock_rank)wanted,
                                true};

            records_begin();
            lock_acquire(&records[0], &first, (enum lock_rank)held);
            assert_true(lock_try(&records[0], &second, (enum lock_rank)wanted));
            lock_release(&records[0], &second, (enum lock_rank)wanted);
            lock_release(&records[0], &first, (enum lock_rank)held);
            check_pair(&pair);
        }
}

static void release_what_is_not_held(void *argument)
{
    const struct kind *kind = argument;
    lock_word word = 1;

    kind->release(&records[0], &word, RANK_LIST);
}

static void wait_with_a_lock(void *argument)
{
    const enum lock_rank *rank = argument;
    lock_word word = 0;

    lock_acquire(&records[0], &word, *rank);
    lock_check_none_held(&records[0]);
}

static void other_broken_promises(void **state)
{
    (void)state;
    records_begin();
    for (size_t k = 0; k < ARRAY_COUNT(kinds); k++)
        rig_expect_death(release_what_is_not_held, (void *)(uintptr_t)&kinds[k],
                         k == 0 ? "broken promise" : "lock order: releases a list lock");
    for (enum lock_rank rank = RANK_REGION; rank < RANK_COUNT; rank++)
        rig_expect_death(wait_with_a_lock, &rank, "waits, or enters the machine, with a");
    /* The space lock is a sleeping lock: machine calls are allowed under it. */
    wait_with_a_lock(&(enum lock_rank){RANK_SPACE});
}
#endif

/* ---- spin lock ------------------------------------------------------------------------------ */

struct hammer {
    const struct kind *kind;
    lock_word word;
    uint64_t counter, mirror; /* guarded by the lock; plain on purpose */
    _Atomic uint32_t torn, next;
};

static void *hammer_run(void *argument)
{
    struct hammer *hammer = argument;
    struct thread *self = &records[atomic_fetch_add(&hammer->next, 1)];

    for (uint32_t i = 0; i < ROUNDS; i++) {
        hammer->kind->acquire(self, &hammer->word, RANK_LIST);
        if (hammer->counter != hammer->mirror)
            atomic_fetch_add(&hammer->torn, 1);
        hammer->counter++;
        hammer->mirror++;
        hammer->kind->release(self, &hammer->word, RANK_LIST);
    }
    return NULL;
}

static void hammer_test(const struct kind *kind)
{
    struct hammer hammer = {.kind = kind};
    pthread_t ids[THREADS];
    uint64_t acquired = 0;

    records_begin();
    for (uint32_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&ids[i], NULL, hammer_run, &hammer), 0);
    for (uint32_t i = 0; i < THREADS; i++)
        pthread_join(ids[i], NULL);
    assert_int_equal(hammer.torn, 0);
    assert_int_equal(hammer.counter, THREADS * ROUNDS);
    assert_int_equal(hammer.word, 0);
    for (uint32_t i = 0; i < THREADS; i++) {
        acquired += atomic_load(&records[i].locks[RANK_LIST].acquired);
        assert_true(atomic_load(&records[i].locks[RANK_LIST].hold_ns) > 0);
        assert_int_equal(records[i].locks[RANK_LIST].sample_begin_ns, 0);
    }
    assert_int_equal(acquired, THREADS * ROUNDS);
}

static void exclusive_kinds_exclude(void **state)
{
    (void)state;
    hammer_test(&kinds[0]);
    hammer_test(&kinds[2]);
    hammer_test(&kinds[3]);
}

static void try_fails_when_held(void **state)
{
    lock_word word = 0;

    (void)state;
    records_begin();
    assert_true(lock_try(&records[0], &word, RANK_PAGE));
    assert_false(lock_try(&records[1], &word, RANK_PAGE));
    assert_int_equal(records[1].held[RANK_PAGE], 0);
    assert_int_equal(atomic_load(&records[1].locks[RANK_PAGE].acquired), 0);
    lock_release(&records[0], &word, RANK_PAGE);
    assert_true(lock_try(&records[1], &word, RANK_PAGE));
    lock_release(&records[1], &word, RANK_PAGE);
}

/* ---- shared and exclusive ------------------------------------------------------------------- */

struct waiter {
    const struct kind *kind;
    lock_word *word;
    struct thread *self;
    _Atomic uint32_t *order;
    uint32_t came; /* after the end: its place in the order */
    _Atomic bool inside, leave;
    pthread_t id;
};

static void *waiter_run(void *argument)
{
    struct waiter *waiter = argument;

    waiter->kind->acquire(waiter->self, waiter->word, RANK_LIST);
    waiter->came = atomic_fetch_add(waiter->order, 1);
    atomic_store(&waiter->inside, true);
    while (!atomic_load(&waiter->leave))
        rig_nap();
    waiter->kind->release(waiter->self, waiter->word, RANK_LIST);
    return NULL;
}

static void waiter_begin(struct waiter *waiter, const struct kind *kind, lock_word *word,
                         uint32_t record, _Atomic uint32_t *order)
{
    *waiter = (struct waiter){.kind = kind, .word = word, .self = &records[record], .order = order};
    assert_int_equal(pthread_create(&waiter->id, NULL, waiter_run, waiter), 0);
}

static void waiter_leave(struct waiter *waiter)
{
    atomic_store(&waiter->leave, true);
    pthread_join(waiter->id, NULL);
}

static void try_exclusive_fails_when_held_in_any_way(void **state)
{
    lock_word word = 0;

    (void)state;
    records_begin();
    lock_acquire_shared(&records[0], &word, RANK_LIST);
    assert_false(lock_try_exclusive(&records[1], &word, RANK_LIST));
    lock_release_shared(&records[0], &word, RANK_LIST);
    assert_true(lock_try_exclusive(&records[1], &word, RANK_LIST));
    assert_false(lock_try_exclusive(&records[0], &word, RANK_LIST));
#ifdef MM_CHECKED
    assert_int_equal(records[0].held[RANK_LIST], 0);
    assert_int_equal(records[1].held[RANK_LIST], 1);
#endif
    lock_release_exclusive(&records[1], &word, RANK_LIST);
    assert_int_equal(word, 0);
}

static void readers_together(void **state)
{
    lock_word word = 0;

    (void)state;
    records_begin();
    for (uint32_t i = 0; i < THREADS; i++)
        lock_acquire_shared(&records[i], &word, RANK_LIST);
    assert_int_equal(word, THREADS);
    for (uint32_t i = 0; i < THREADS; i++)
        lock_release_shared(&records[i], &word, RANK_LIST);
    assert_int_equal(word, 0);
}

static void writer_excludes_readers_and_writers(void **state)
{
    _Atomic uint32_t order = 0;
    struct waiter reader, writer;
    lock_word word = 0;

    (void)state;
    records_begin();
    lock_acquire_exclusive(&records[0], &word, RANK_LIST);
    waiter_begin(&reader, &kinds[1], &word, 1, &order);
    waiter_begin(&writer, &kinds[2], &word, 2, &order);
    RIG_WAIT_UNTIL(atomic_load(&word) & LOCK_WRITER_WAITS);
    usleep(20000);
    assert_int_equal(order, 0);
    lock_release_exclusive(&records[0], &word, RANK_LIST);
    RIG_WAIT_UNTIL(atomic_load(&writer.inside));
    waiter_leave(&writer);
    RIG_WAIT_UNTIL(atomic_load(&reader.inside));
    waiter_leave(&reader);
    assert_true(writer.came < reader.came);
    assert_int_equal(word, 0);
}

/* A writer that waits lets no new reader in front of it. */
static void readers_do_not_starve_a_writer(void **state)
{
    _Atomic uint32_t order = 0;
    struct waiter writer, late[2];
    lock_word word = 0;

    (void)state;
    records_begin();
    lock_acquire_shared(&records[0], &word, RANK_LIST);
    waiter_begin(&writer, &kinds[2], &word, 1, &order);
    RIG_WAIT_UNTIL(atomic_load(&word) & LOCK_WRITER_WAITS);
    waiter_begin(&late[0], &kinds[1], &word, 2, &order);
    waiter_begin(&late[1], &kinds[1], &word, 3, &order);
    usleep(20000);
    assert_int_equal(order, 0);
    lock_release_shared(&records[0], &word, RANK_LIST);
    RIG_WAIT_UNTIL(atomic_load(&writer.inside));
    usleep(5000);
    assert_int_equal(order, 1);
    waiter_leave(&writer);
    RIG_WAIT_UNTIL(atomic_load(&late[0].inside) && atomic_load(&late[1].inside));
    waiter_leave(&late[0]);
    waiter_leave(&late[1]);
    assert_int_equal(writer.came, 0);
    assert_int_equal(word, 0);
    assert_int_equal(atomic_load(&records[1].locks[RANK_LIST].contended), 1);
}

struct mixture {
    lock_word word;
    uint64_t values[8]; /* all equal outside the exclusive lock; plain on purpose */
    _Atomic uint32_t torn, next, inside_max, inside;
};

static void mixture_read(struct mixture *mixture, struct thread *self)
{
    lock_acquire_shared(self, &mixture->word, RANK_LIST);
    uint32_t inside = atomic_fetch_add(&mixture->inside, 1) + 1;

    if (inside > atomic_load(&mixture->inside_max))
        atomic_store(&mixture->inside_max, inside);
    for (size_t i = 1; i < ARRAY_COUNT(mixture->values); i++)
        if (mixture->values[i] != mixture->values[0])
            atomic_fetch_add(&mixture->torn, 1);
    if (inside == 1)
        world_pause(3, true); /* so that others can come in */
    atomic_fetch_sub(&mixture->inside, 1);
    lock_release_shared(self, &mixture->word, RANK_LIST);
}

static void *mixture_run(void *argument)
{
    struct mixture *mixture = argument;
    struct thread *self = &records[atomic_fetch_add(&mixture->next, 1)];

    for (uint32_t i = 0; i < ROUNDS / 4; i++) {
        if ((i + self->number) % 8 != 0) {
            mixture_read(mixture, self);
            continue;
        }
        lock_acquire_exclusive(self, &mixture->word, RANK_LIST);
        if (atomic_load(&mixture->inside) != 0)
            atomic_fetch_add(&mixture->torn, 1);
        for (size_t k = 0; k < ARRAY_COUNT(mixture->values); k++)
            mixture->values[k]++;
        lock_release_exclusive(self, &mixture->word, RANK_LIST);
    }
    return NULL;
}

static void readers_never_see_a_writer_at_work(void **state)
{
    static struct mixture mixture;
    pthread_t ids[THREADS];

    (void)state;
    records_begin();
    for (uint32_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&ids[i], NULL, mixture_run, &mixture), 0);
    for (uint32_t i = 0; i < THREADS; i++)
        pthread_join(ids[i], NULL);
    assert_int_equal(mixture.torn, 0);
    assert_int_equal(mixture.values[0], THREADS * (ROUNDS / 4 / 8));
    assert_int_equal(mixture.word, 0);
}

/* ---- sleeping lock -------------------------------------------------------------------------- */

static void sleepers_are_woken_one_by_one(void **state)
{
    struct waiter waiters[THREADS];
    _Atomic uint32_t order = 0;
    lock_word word = 0;

    (void)state;
    records_begin();
    lock_acquire_sleeping(&records[THREADS], &word, RANK_LIST);
    for (uint32_t i = 0; i < THREADS; i++)
        waiter_begin(&waiters[i], &kinds[3], &word, i, &order);
    RIG_WAIT_UNTIL(atomic_load(&word) == 2);
    usleep(20000);
    assert_int_equal(order, 0);
    lock_release_sleeping(&records[THREADS], &word, RANK_LIST);
    for (uint32_t left = THREADS; left > 0; left--) {
        uint32_t inside = 0, who = 0;

        RIG_WAIT_UNTIL(atomic_load(&order) == THREADS - left + 1);
        usleep(2000);
        for (uint32_t i = 0; i < THREADS; i++)
            if (atomic_load(&waiters[i].inside) && !atomic_load(&waiters[i].leave)) {
                inside++;
                who = i;
            }
        assert_int_equal(inside, 1);
        waiter_leave(&waiters[who]);
    }
    assert_int_equal(word, 0);
}

/* ---- statistics ----------------------------------------------------------------------------- */

/* One thread waits for a held lock; on a busy machine it may come only when the lock is free. */
static void wait_once(size_t k, uint64_t nap_ns)
{
    _Atomic uint32_t order = 0;
    struct waiter waiter;
    lock_word word = 0;

    records_begin();
    lock_acquire_exclusive(&records[0], &word, RANK_LIST);
    if (k == 0 || k == 3)
        atomic_store(&word, 1); /* as these kinds hold it */
    waiter_begin(&waiter, &kinds[k], &word, 1, &order);
    usleep((useconds_t)(nap_ns / 1000 * 3));
    atomic_store(&word, 0);
    if (k == 3)
        world_wake(&word, 1);
    records[0].held[RANK_LIST] = 0;
    waiter_leave(&waiter);
}

static void statistics_count(void **state)
{
    const uint64_t nap_ns = 10000000;
    struct lock_counts *counts = &records[1].locks[RANK_LIST];

    (void)state;
    for (size_t k = 0; k < ARRAY_COUNT(kinds); k++) {
        for (unsigned tries = 0; tries < 50; tries++) {
            wait_once(k, nap_ns);
            if (atomic_load(&counts->wait_ns) > nap_ns)
                break;
        }
        assert_int_equal(atomic_load(&counts->acquired), 1);
        assert_int_equal(atomic_load(&counts->contended), 1);
        assert_true(atomic_load(&counts->wait_ns) > nap_ns);
        assert_int_equal(atomic_load(&counts->hold_ns), 0);
    }
}

/* One hold in LOCK_SAMPLE is measured, and stands for all. */
static void hold_time_is_sampled(void **state)
{
    const uint64_t nap_ns = 2000000;
    struct lock_counts *counts = &records[0].locks[RANK_SLOTS];

    (void)state;
    for (size_t k = 0; k < ARRAY_COUNT(kinds); k++) {
        lock_word word = 0;

        records_begin();
        for (uint32_t i = 1; i <= LOCK_SAMPLE + 1; i++) {
            kinds[k].acquire(&records[0], &word, RANK_SLOTS);
            if (i == LOCK_SAMPLE)
                usleep(nap_ns / 1000);
            kinds[k].release(&records[0], &word, RANK_SLOTS);
        }
        assert_int_equal(atomic_load(&counts->acquired), LOCK_SAMPLE + 1);
        assert_int_equal(atomic_load(&counts->contended), 0);
        assert_int_equal(atomic_load(&counts->wait_ns), 0);
        assert_true(atomic_load(&counts->hold_ns) >= nap_ns * LOCK_SAMPLE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifdef MM_CHECKED
        cmocka_unit_test(every_pair_of_ranks),
        cmocka_unit_test(tried_locks_are_exempt_but_remembered),
        cmocka_unit_test(other_broken_promises),
#endif
        cmocka_unit_test(exclusive_kinds_exclude),
        cmocka_unit_test(try_fails_when_held),
        cmocka_unit_test(try_exclusive_fails_when_held_in_any_way),
        cmocka_unit_test(readers_together),
        cmocka_unit_test(writer_excludes_readers_and_writers),
        cmocka_unit_test(readers_do_not_starve_a_writer),
        cmocka_unit_test(readers_never_see_a_writer_at_work),
        cmocka_unit_test(sleepers_are_woken_one_by_one),
        cmocka_unit_test(statistics_count),
        cmocka_unit_test(hold_time_is_sampled),
    };

    return cmocka_run_group_tests_name("lock", tests, NULL, NULL);
}
