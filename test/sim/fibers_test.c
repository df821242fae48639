/*
 * fibers_test.c - the deterministic world: it repeats, it finds what it should, its clock is right.
 */
#include "base/types.h"
#include "world/fibers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define THREADS_MAX 16

/* ---- what the fibers of a test share ---- */

static _Atomic uint64_t counter;
static _Atomic uint32_t locks[2], word;
static unsigned threads, rounds;
static struct fibers_result result;

static void start_all(world_thread_main *main)
{
    struct world_thread *started[THREADS_MAX];

    for (unsigned i = 0; i < threads; i++)
        assert_int_equal(world_thread_start(main, (void *)(uintptr_t)i, "worker", &started[i]), 0);
    for (unsigned i = 0; i < threads; i++)
        world_thread_join(started[i]);
}

static void add_torn(void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < rounds; i++) {
        uint64_t seen = atomic_load_explicit(&counter, memory_order_acquire);

        atomic_store_explicit(&counter, seen + 1, memory_order_release);
    }
}

static void add_whole(void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < rounds; i++)
        atomic_fetch_add(&counter, 1);
}

static void lock(_Atomic uint32_t *at)
{
    for (unsigned round = 0; atomic_load(at) != 0 || atomic_exchange(at, 1) != 0; round++)
        world_pause(round, true);
}

static void add_locked(void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < rounds; i++) {
        lock(&locks[0]);
        add_torn(NULL);
        atomic_store(&locks[0], 0);
    }
}

static void main_torn(void *argument)
{
    (void)argument;
    start_all(add_torn);
}

static void main_whole(void *argument)
{
    (void)argument;
    start_all(add_whole);
}

static void main_locked(void *argument)
{
    (void)argument;
    start_all(add_locked);
}

static void reset(unsigned thread_count, unsigned round_count)
{
    threads = thread_count;
    rounds = round_count;
    counter = 0;
    locks[0] = locks[1] = word = 0;
}

static struct fibers_config random_config(uint64_t seed)
{
    return (struct fibers_config){.strategy = FIBERS_RANDOM,
                                  .seed = seed,
                                  .steps_max = 10000000,
                                  .switch_chance = 16384,
                                  .net_ns = UINT64_MAX};
}

static struct fibers_config path_config(struct fibers_path *path)
{
    return (struct fibers_config){
        .strategy = FIBERS_PATH, .steps_max = 1000000, .path = path, .net_ns = UINT64_MAX};
}

/* ---- it repeats ---- */

static void the_same_seed_is_the_same_run(void **state)
{
    uint64_t hashes[8];

    (void)state;
    for (unsigned seed = 0; seed < 8; seed++) {
        struct fibers_config config = random_config(seed);

        for (unsigned again = 0; again < 3; again++) {
            reset(4, 50);
            fibers_run(&config, main_locked, NULL, &result);
            assert_int_equal(result.outcome, FIBERS_DONE);
            assert_true(again == 0 || result.hash == hashes[seed]);
            hashes[seed] = result.hash;
        }
        for (unsigned before = 0; before < seed; before++)
            assert_int_not_equal(hashes[before], hashes[seed]);
    }
}

/* ---- it finds ---- */

static void random_schedules_find_a_lost_update(void **state)
{
    unsigned lost = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct fibers_config config = random_config(seed);

        reset(2, 1);
        fibers_run(&config, main_torn, NULL, &result);
        assert_int_equal(result.outcome, FIBERS_DONE);
        lost += counter != 2;
    }
    assert_in_range(lost, 5, 95);
}

static void priorities_find_a_lost_update(void **state)
{
    unsigned lost = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct fibers_config config = random_config(seed);

        config.strategy = FIBERS_PCT;
        config.depth = 2;
        config.steps_expected = 20;
        reset(2, 1);
        fibers_run(&config, main_torn, NULL, &result);
        assert_int_equal(result.outcome, FIBERS_DONE);
        lost += counter != 2;
    }
    assert_in_range(lost, 5, 195);
}

/* Every interleaving of two torn increments with at most `preemptions`; how many lose one. */
static unsigned search(fibers_main *main, uint32_t preemptions, unsigned *ret_runs)
{
    static struct fibers_choice choices[4096];
    struct fibers_path path = {
        .choices = choices, .room = ARRAY_COUNT(choices), .preemptions_max = preemptions};
    struct fibers_config config = path_config(&path);
    unsigned lost = 0;

    *ret_runs = 0;
    fibers_path_begin(&path);
    do {
        reset(2, 1);
        fibers_run(&config, main, NULL, &result);
        assert_int_equal(result.outcome, FIBERS_DONE);
        lost += counter != 2;
        *ret_runs += 1;
        assert_in_range(*ret_runs, 1, 100000);
    } while (fibers_path_next(&path));
    assert_false(path.overflow);
    return lost;
}

static void the_search_is_complete(void **state)
{
    unsigned runs;

    (void)state;
    assert_int_equal(search(main_torn, 0, &runs), 0);
    assert_true(search(main_torn, 1, &runs) > 0);
    assert_in_range(runs, 4, 1000);
    assert_true(search(main_torn, 2, &runs) > 0);
    assert_int_equal(search(main_whole, 2, &runs), 0);
    assert_int_equal(search(main_locked, 2, &runs), 0);
    assert_in_range(runs, 10, 100000);
}

static void take_both(void *argument)
{
    unsigned first = (unsigned)(uintptr_t)argument;

    lock(&locks[first]);
    lock(&locks[1 - first]);
    atomic_store(&locks[1 - first], 0);
    atomic_store(&locks[first], 0);
}

static void main_both(void *argument)
{
    (void)argument;
    start_all(take_both);
}

static void a_deadlock_of_spinners_is_named(void **state)
{
    unsigned deadlocks = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct fibers_config config = random_config(seed);

        reset(2, 1);
        fibers_run(&config, main_both, NULL, &result);
        if (result.outcome == FIBERS_DEADLOCK) {
            deadlocks++;
            assert_non_null(strstr(result.text, "worker (1) pauses"));
            assert_non_null(strstr(result.text, "worker (2) pauses"));
        }
    }
    assert_in_range(deadlocks, 1, 49);
}

/* Looks, and waits on what it looked at last, without a second look: the wake-up can be lost. */
static void wait_wrongly(void *argument)
{
    (void)argument;
    if (atomic_load(&counter) == 0)
        world_wait(&word, atomic_load(&word), 5000000);
}

static void wake_wrongly(void *argument)
{
    (void)argument;
    atomic_store(&counter, 1);
    atomic_fetch_add(&word, 1);
    world_wake(&word, 1);
}

static void main_wake(void *argument)
{
    struct world_thread *waiter, *waker;

    (void)argument;
    assert_int_equal(world_thread_start(wait_wrongly, NULL, "waiter", &waiter), 0);
    assert_int_equal(world_thread_start(wake_wrongly, NULL, "waker", &waker), 0);
    world_thread_join(waiter);
    world_thread_join(waker);
}

static void a_lost_wake_up_is_a_deadlock_without_the_net(void **state)
{
    unsigned deadlocks = 0, late = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct fibers_config config = random_config(seed);

        reset(2, 1);
        config.net_ns = 1000000;
        fibers_run(&config, main_wake, NULL, &result);
        deadlocks += result.outcome == FIBERS_DEADLOCK;
        if (result.outcome == FIBERS_DEADLOCK)
            assert_non_null(strstr(result.text, "waiter (1) waits"));
        reset(2, 1);
        config.net_ns = UINT64_MAX;
        fibers_run(&config, main_wake, NULL, &result);
        assert_int_equal(result.outcome, FIBERS_DONE);
        late += result.now_ns >= 5000000;
    }
    assert_in_range(deadlocks, 1, 199);
    assert_in_range(late, 1, 199);
}

/* Dekker's handshake: each says that it is there and then looks for the other; one must see. */
static bool fenced;
static uint32_t seen_by[2];
static _Atomic uint32_t there[2];

static void meet(void *argument)
{
    unsigned self = (unsigned)(uintptr_t)argument;

    atomic_store_explicit(&there[self], 1, memory_order_release);
    if (fenced)
        atomic_thread_fence(memory_order_seq_cst);
    seen_by[self] = atomic_load_explicit(&there[1 - self], memory_order_acquire);
    fibers_point(); /* the other may look before our store is out */
}

static void main_meet(void *argument)
{
    (void)argument;
    start_all(meet);
}

static unsigned missed_meetings(bool with_fence, bool late)
{
    unsigned missed = 0;

    fenced = with_fence;
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct fibers_config config = random_config(seed);

        reset(2, 1);
        there[0] = there[1] = 0;
        config.late_stores = late;
        fibers_run(&config, main_meet, NULL, &result);
        assert_int_equal(result.outcome, FIBERS_DONE);
        missed += seen_by[0] == 0 && seen_by[1] == 0;
    }
    return missed;
}

static void late_stores_find_a_missing_fence(void **state)
{
    (void)state;
#ifdef MM_COVERAGE
    print_message("where branches are counted no store is late (world/atomics.h)\n");
    skip();
#endif
    assert_int_equal(missed_meetings(false, false), 0);
    unsigned missed = missed_meetings(false, true);
    print_message("%u of 300 seeds miss without the fence\n", missed);
    assert_in_range(missed, 1, 299);
    assert_int_equal(missed_meetings(true, true), 0);
}

static void late_stores_break_no_lock(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct fibers_config config = random_config(seed);

        reset(4, 20);
        config.late_stores = true;
        fibers_run(&config, main_locked, NULL, &result);
        assert_int_equal(result.outcome, FIBERS_DONE);
        assert_int_equal(counter, 4 * 20 * 20);
    }
}

/* ---- it ends ---- */

static void main_broken(void *argument)
{
    (void)argument;
    start_all(add_whole);
    world_abort("memman: broken on purpose");
}

static void a_broken_promise_ends_the_run(void **state)
{
    struct fibers_config config = random_config(1);

    (void)state;
    for (unsigned i = 0; i < 2000; i++) { /* and leaves no stack behind */
        reset(4, 2);
        fibers_run(&config, main_broken, NULL, &result);
        assert_int_equal(result.outcome, FIBERS_BROKEN);
        assert_string_equal(result.text, "memman: broken on purpose");
    }
}

static void main_endless(void *argument)
{
    (void)argument;
    for (;;)
        atomic_fetch_add(&counter, 1);
}

static void an_endless_run_ends_at_its_bound(void **state)
{
    struct fibers_config config = random_config(1);

    (void)state;
    reset(1, 1);
    config.steps_max = 1000;
    fibers_run(&config, main_endless, NULL, &result);
    assert_int_equal(result.outcome, FIBERS_ENDLESS);
    assert_int_equal(result.steps, 1000);
}

static void count_look(void *context)
{
    ++*(unsigned *)context;
}

static void virtual_processors_end_at_the_bound_too_and_are_looked_at(void **state)
{
    unsigned looks = 0;
    struct fibers_config config = {.strategy = FIBERS_TIMING,
                                   .cpus = 2,
                                   .steps_max = 1000,
                                   .look_every = 10,
                                   .look = count_look,
                                   .context = &looks};

    (void)state;
    reset(1, 1);
    fibers_run(&config, main_endless, NULL, &result);
    assert_int_equal(result.outcome, FIBERS_ENDLESS);
    assert_int_equal(result.steps, 1000);
    assert_int_equal(looks, 99);
}

/* ---- once from each state ---- */

static _Atomic uint32_t left, right;
static uint32_t seen[2];

/* Six steps on two words; what is left, and what was seen, tells many orders apart. */
static void cross(void *argument)
{
    uint32_t self = (uint32_t)(uintptr_t)argument;

    atomic_store(self == 0 ? &left : &right, 1 + self);
    seen[self] = atomic_load(self == 0 ? &right : &left);
    atomic_store(&left, 3 + self);
    seen[self] = 8 * seen[self] + atomic_load(&right);
    atomic_store(&right, 5 + self);
    seen[self] = 8 * seen[self] + atomic_load(&left);
}

static void main_cross(void *argument)
{
    (void)argument;
    start_all(cross);
}

#define ENDS (1u << 24)

/* All ends of the search. Returns the number of runs. */
static unsigned search_ends(uint32_t preemptions, bool once, unsigned char *ret_ends)
{
    static struct fibers_choice choices[4096];
    struct fibers_path path = {.choices = choices,
                               .room = ARRAY_COUNT(choices),
                               .preemptions_max = preemptions,
                               .once = once};
    struct fibers_config config = path_config(&path);
    unsigned runs = 0;

    memset(ret_ends, 0, ENDS / 8);
    fibers_path_begin(&path);
    do {
        uint32_t end;

        reset(2, 1);
        left = right = 0;
        fibers_run(&config, main_cross, NULL, &result);
        end = seen[0] | seen[1] << 9 | left << 18 | right << 21;
        if (result.outcome == FIBERS_DONE)
            ret_ends[end / 8] |= (unsigned char)(1u << end % 8);
        else
            assert_int_equal(result.outcome, FIBERS_KNOWN);
        runs++;
    } while (fibers_path_next(&path));
    assert_false(path.overflow);
    return runs;
}

static void from_each_state_once_comes_to_every_end(void **state)
{
    static unsigned char ends_of_all[ENDS / 8], ends_of_once[ENDS / 8];

    (void)state;
    for (uint32_t preemptions = 1; preemptions <= 4; preemptions++) {
        unsigned all = search_ends(preemptions, false, ends_of_all);
        unsigned once = search_ends(preemptions, true, ends_of_once);

        print_message("%u preemptions: %u paths, %u once from each state\n", preemptions, all,
                      once);
        assert_memory_equal(ends_of_all, ends_of_once, sizeof(ends_of_all));
        assert_in_range(once, 1, preemptions > 3 ? all - 1 : all);
    }
}

/* ---- its clock ---- */

static void main_timeouts(void *argument)
{
    uint64_t begin_ns = world_now_ns();

    (void)argument;
    world_wait(&word, 0, 1000000);
    counter = world_now_ns() - begin_ns;
}

static void the_clock_jumps_to_a_timeout(void **state)
{
    struct fibers_config config = random_config(1);

    (void)state;
    reset(1, 1);
    fibers_run(&config, main_timeouts, NULL, &result);
    assert_int_equal(result.outcome, FIBERS_DONE);
    assert_in_range(counter, 1000000, 1001000);
}

static void work_alone(void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < rounds; i++)
        world_work(WORLD_COPY_PAGE, 1);
}

static void main_work(void *argument)
{
    (void)argument;
    start_all(work_alone);
}

static uint64_t predict(fibers_main *main, unsigned thread_count, uint32_t cpus)
{
    struct fibers_config config = {.strategy = FIBERS_TIMING, .cpus = cpus, .net_ns = UINT64_MAX};

    reset(thread_count, 10000);
    fibers_run(&config, main, NULL, &result);
    assert_int_equal(result.outcome, FIBERS_DONE);
    return result.now_ns;
}

static void processors_share_work(void **state)
{
    uint64_t one, two, eight;

    (void)state;
    one = predict(main_work, 8, 1);
    two = predict(main_work, 8, 2);
    eight = predict(main_work, 8, 8);
    assert_in_range(one * 100 / two, 180, 205);
    assert_in_range(one * 100 / eight, 700, 810);
}

/* Every second thread has next to nothing to do: what it leaves idle, others use. */
static void work_unevenly(void *argument)
{
    for (unsigned i = 0; i < ((uintptr_t)argument % 2 ? 1 : rounds); i++)
        world_work(WORLD_COPY_PAGE, 1);
}

static void main_uneven(void *argument)
{
    (void)argument;
    start_all(work_unevenly);
}

static void idle_processors_take_what_waits_for_others(void **state)
{
    uint64_t one, two;

    (void)state;
    one = predict(main_uneven, 8, 1);
    two = predict(main_uneven, 8, 2);
    assert_in_range(one * 100 / two, 180, 205);
}

static void a_line_that_all_write_does_not_scale(void **state)
{
    uint64_t alone, together;

    (void)state;
    alone = predict(main_whole, 1, 8);
    together = predict(main_whole, 8, 8);
    assert_true(together > 8 * alone);
    assert_int_equal(counter, 8 * 10000);
}

/* ---- its pace ---- */

static void a_million_steps_a_second(void **state)
{
    struct fibers_config config = random_config(1);
    struct timespec begin, end;

    (void)state;
    reset(8, 250000);
    config.steps_max = 0;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
    fibers_run(&config, main_whole, NULL, &result);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    double seconds =
        (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
    print_message("%.1f million steps a second, %.1f million switches\n",
                  (double)result.steps / seconds / 1e6, (double)result.switches / seconds / 1e6);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(__clang__)
    assert_true((double)result.steps / seconds >= 1e6);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_is_the_same_run),
        cmocka_unit_test(random_schedules_find_a_lost_update),
        cmocka_unit_test(priorities_find_a_lost_update),
        cmocka_unit_test(the_search_is_complete),
        cmocka_unit_test(a_deadlock_of_spinners_is_named),
        cmocka_unit_test(a_lost_wake_up_is_a_deadlock_without_the_net),
        cmocka_unit_test(late_stores_find_a_missing_fence),
        cmocka_unit_test(late_stores_break_no_lock),
        cmocka_unit_test(a_broken_promise_ends_the_run),
        cmocka_unit_test(an_endless_run_ends_at_its_bound),
        cmocka_unit_test(virtual_processors_end_at_the_bound_too_and_are_looked_at),
        cmocka_unit_test(from_each_state_once_comes_to_every_end),
        cmocka_unit_test(the_clock_jumps_to_a_timeout),
        cmocka_unit_test(processors_share_work),
        cmocka_unit_test(idle_processors_take_what_waits_for_others),
        cmocka_unit_test(a_line_that_all_write_does_not_scale),
        cmocka_unit_test(a_million_steps_a_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
