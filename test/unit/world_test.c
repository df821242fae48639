/*
 * world_test.c - the world of real threads keeps the promises of contract/world.h.
 */
#include "world/threads.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MS 1000000ull

static void time_goes_forward(void **state)
{
    uint64_t before = world_now_ns();

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t now = world_now_ns();

        assert_true(now >= before);
        before = now;
    }
}

static void waits_end(void **state)
{
    _Atomic uint32_t word = 1;
    uint64_t begin_ns = world_now_ns();

    (void)state;
    errno = 77;
    world_wait(&word, 0, UINT64_MAX); /* differs already */
    assert_true(world_now_ns() - begin_ns < 1000 * MS);
    begin_ns = world_now_ns();
    while (world_now_ns() - begin_ns < 10 * MS)
        world_wait(&word, 1, 10 * MS);
    world_wake(&word, UINT32_MAX);
    world_fence_all();
    world_random();
    for (unsigned round = 0; round < 2000; round++)
        world_pause(round, round % 2);
    assert_int_equal(errno, 77);
}

struct relay {
    _Atomic uint32_t turn;
    _Atomic uint32_t passed;
};

static void relay_run(void *argument)
{
    struct relay *relay = argument;

    for (unsigned i = 0; i < 500; i++) {
        while (atomic_load(&relay->turn) != 1)
            world_wait(&relay->turn, 0, UINT64_MAX);
        atomic_fetch_add(&relay->passed, 1);
        atomic_store(&relay->turn, 0);
        world_wake(&relay->turn, 1);
    }
}

static void no_wake_up_is_lost(void **state)
{
    struct relay relay = {0};
    struct world_thread *thread;

    (void)state;
    assert_int_equal(world_thread_start(relay_run, &relay, "relay", &thread), 0);
    for (unsigned i = 0; i < 500; i++) {
        atomic_store(&relay.turn, 1);
        world_wake(&relay.turn, 1);
        while (atomic_load(&relay.turn) != 0)
            world_wait(&relay.turn, 1, UINT64_MAX);
    }
    world_thread_join(thread);
    assert_int_equal(relay.passed, 500);
}

struct inspection {
    char name[32];
    sigset_t blocked;
    size_t stack_bytes;
    _Atomic uint32_t done;
};

static void inspect(void *argument)
{
    struct inspection *inspection = argument;
    uint64_t begin_ns = world_now_ns();
    pthread_attr_t attributes;

    pthread_getname_np(pthread_self(), inspection->name, sizeof(inspection->name));
    pthread_sigmask(SIG_BLOCK, NULL, &inspection->blocked);
    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
        pthread_attr_getstacksize(&attributes, &inspection->stack_bytes);
        pthread_attr_destroy(&attributes);
    }
    while (world_now_ns() - begin_ns < 30 * MS)
        continue;
    atomic_store(&inspection->done, 1);
}

static void threads_are_named_masked_and_timed(void **state)
{
    struct inspection inspection = {0};
    struct world_thread *thread;
    sigset_t before, after;
    uint64_t cpu_ns, last_ns = 0;

    (void)state;
    pthread_sigmask(SIG_BLOCK, NULL, &before);
    assert_int_equal(world_thread_start(inspect, &inspection, "a-name-longer-than-15", &thread), 0);
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    assert_int_equal(sigismember(&before, SIGUSR1), sigismember(&after, SIGUSR1));
    while (atomic_load(&inspection.done) == 0) {
        cpu_ns = world_thread_cpu_ns(thread);
        assert_true(cpu_ns >= last_ns);
        last_ns = cpu_ns;
        world_pause(20, true);
    }
    usleep(20000); /* it has ended by now, and its time stays */
    cpu_ns = world_thread_cpu_ns(thread);
    assert_true(cpu_ns >= last_ns && cpu_ns >= MS);
    assert_true(cpu_ns == world_thread_cpu_ns(thread));
    world_thread_join(thread);
    assert_string_equal(inspection.name, "a-name-longer-t");
    assert_int_equal(sigismember(&inspection.blocked, SIGUSR1), 1);
    assert_int_equal(sigismember(&inspection.blocked, SIGBUS), 1);
    assert_true(inspection.stack_bytes >= (size_t)256 << 10);
}

/* Dekker: of two threads that each store and then look, at least one sees the other. */
struct dekker {
    _Atomic uint32_t round;
    _Atomic uint32_t mine CACHE_ALIGNED;
    _Atomic uint32_t theirs CACHE_ALIGNED;
    _Atomic uint32_t they_saw CACHE_ALIGNED;
    _Atomic uint32_t finished;
};

#define DEKKER_ROUNDS 30000u

static void dekker_light_side(void *argument)
{
    struct dekker *dekker = argument;

    for (uint32_t round = 1; round <= DEKKER_ROUNDS; round++) {
        uint32_t saw;

        for (unsigned pauses = 0; atomic_load(&dekker->round) != round; pauses++)
            world_pause(pauses, false); /* stay awake: the two must meet within nanoseconds */
        atomic_store_explicit(&dekker->theirs, round, memory_order_relaxed);
        atomic_signal_fence(memory_order_seq_cst);
        saw = atomic_load_explicit(&dekker->mine, memory_order_relaxed);
        atomic_store(&dekker->they_saw, saw);
        atomic_store(&dekker->finished, round);
    }
}

static void fences_reach_all_threads(void **state)
{
    static struct dekker dekker;
    struct world_thread *thread;
    unsigned both_blind = 0;

    (void)state;
    assert_int_equal(world_thread_start(dekker_light_side, &dekker, "dekker", &thread), 0);
    for (uint32_t round = 1; round <= DEKKER_ROUNDS; round++) {
        uint32_t saw;

        atomic_store(&dekker.round, round);
        for (unsigned wait = round % 256; wait > 0; wait--)
            atomic_signal_fence(memory_order_seq_cst);
        atomic_store_explicit(&dekker.mine, round, memory_order_relaxed);
        world_fence_all();
        saw = atomic_load_explicit(&dekker.theirs, memory_order_relaxed);
        for (unsigned pauses = 0; atomic_load(&dekker.finished) != round; pauses++)
            world_pause(pauses, false);
        both_blind += saw != round && atomic_load(&dekker.they_saw) != round;
    }
    world_thread_join(thread);
    assert_int_equal(both_blind, 0);
}

static void abort_says_why(void **state)
{
    char text[64] = "";
    int ends[2], status;
    ssize_t length;
    pid_t child;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        world_abort("the frame is gone");
    }
    close(ends[1]);
    length = read(ends[0], text, sizeof(text) - 1);
    close(ends[0]);
    assert_int_equal(length, strlen("the frame is gone\n"));
    assert_string_equal(text, "the frame is gone\n");
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void random_differs(void **state)
{
    (void)state;
    assert_true(world_random() != world_random());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_goes_forward),
        cmocka_unit_test(waits_end),
        cmocka_unit_test(no_wake_up_is_lost),
        cmocka_unit_test(threads_are_named_masked_and_timed),
        cmocka_unit_test(fences_reach_all_threads),
        cmocka_unit_test(abort_says_why),
        cmocka_unit_test(random_differs),
    };

    return cmocka_run_group_tests_name("world", tests, NULL, NULL);
}
