/*
 * assembly_test.c - what is put together for a run works, and a reset is a new beginning.
 */
#include "base/types.h"
#include "sim/assembly.h"
#include "world/fibers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define USERS 2u
#define PAGES 8u

static struct assembly assembly;
static struct fibers_result result;
static bool stops_half_way;

static void create_with(uint32_t writers)
{
    struct assembly_config config = {
        .engine = {.pages = PAGES,
                   .frames = 4,
                   .slots = 16,
                   .threads = USERS + 2 + writers,
                   .vads_max = 2,
                   .workers = {[WORKER_TRIM] = 1, [WORKER_WRITE] = writers, [WORKER_BALANCE] = 1},
                   .trim_batch = 2,
                   .write_batch = 2,
                   .region_ptes = 4,
                   .frame_cache = 1,
                   .fault_around = 1,
                   .standby_percent = 25,
                   .list_lock_shared = true,
                   .backoff = true,
                   .dirty_bit = true},
        .tlb_entries = 4,
    };

    assert_int_equal(assembly_create(&assembly, &config), 0);
}

static void create(void)
{
    create_with(1);
}

/* Each user has every other page. */
static void use(void *argument)
{
    uint32_t thread = (uint32_t)(uintptr_t)argument;

    soft_attach(assembly.soft, thread);
    for (uint64_t round = 0; round < 40; round++) {
        uint64_t page = (round * USERS + thread) % PAGES, word = page << 32 | round, found = 0;

        if (soft_write(assembly.soft, thread, page << PAGE_SHIFT, &word, sizeof(word)) !=
                FAULT_RESOLVED ||
            soft_read(assembly.soft, thread, page << PAGE_SHIFT, &found, sizeof(found)) !=
                FAULT_RESOLVED ||
            found != word)
            fibers_fail("thread %u, round %u: wrote and did not read it back", thread,
                        (unsigned)round);
        if (stops_half_way && round == 20 && thread == 1)
            fibers_fail("half way");
    }
    soft_detach(assembly.soft, thread);
    engine_leave(assembly.engine, thread);
}

static void complain(void *context, const struct audit_complaint *complaint)
{
    (void)context;
    fibers_fail("audit: %s", complaint->what);
}

static void main_use(void *argument)
{
    struct world_thread *users[USERS];
    struct audit_result audit;
    page_number first;

    (void)argument;
    if (space_reserve(assembly.engine, 0, PAGES, &first) != SPACE_DONE ||
        space_commit(assembly.engine, 0, first, PAGES, PROTECTION_READ_WRITE) != SPACE_DONE ||
        engine_start(assembly.engine, USERS) != 0)
        fibers_fail("no beginning");
    for (uint32_t i = 0; i < USERS; i++)
        world_thread_start(use, (void *)(uintptr_t)i, "user", &users[i]);
    for (uint32_t i = 0; i < USERS; i++)
        world_thread_join(users[i]);
    engine_stop(assembly.engine);
    engine_audit(assembly.engine, complain, NULL, &audit);
}

static uint64_t run(uint64_t seed)
{
    struct fibers_config config = {.strategy = FIBERS_RANDOM,
                                   .seed = seed,
                                   .steps_max = 10000000,
                                   .switch_chance = 8192,
                                   .net_ns = UINT64_MAX};

    assembly_reset(&assembly);
    fibers_run(&config, main_use, NULL, &result);
    return result.hash;
}

static void a_run_works_and_repeats(void **state)
{
    (void)state;
    create();
    for (uint64_t seed = 0; seed < 20; seed++) {
        uint64_t first = run(seed);

        assert_string_equal(result.text, "");
        assert_int_equal(result.outcome, FIBERS_DONE);
        assert_int_equal(run(seed), first);
    }
    assembly_destroy(&assembly);
}

/* Locks are held, pages in flight, workers under way. */
static void a_reset_after_a_broken_run_is_a_beginning(void **state)
{
    uint64_t before;

    (void)state;
    create();
    before = run(1);
    for (uint64_t seed = 0; seed < 20; seed++) {
        stops_half_way = true;
        run(seed);
        stops_half_way = false;
        assert_int_equal(result.outcome, FIBERS_BROKEN);
        assert_string_equal(result.text, "half way");
        assert_int_equal(run(1), before);
        assert_int_equal(result.outcome, FIBERS_DONE);
    }
    assembly_destroy(&assembly);
}

/* Under the same seed a new assembly, at other addresses, makes the same run. */
static void addresses_do_not_matter(void **state)
{
    uint64_t first;

    (void)state;
    create();
    first = run(7);
    assembly_destroy(&assembly);
    create();
    assert_int_equal(run(7), first);
    assembly_destroy(&assembly);
}

/* ---- workers that cannot be had ---- */

static uint32_t workers_left;

static void start_too_many(void *argument)
{
    page_number first;

    (void)argument;
    if (engine_start(assembly.engine, USERS) == 0)
        fibers_fail("there was room for all of them");
    workers_left = assembly.engine->worker_count;
    /* Nobody works, and nothing is broken. */
    if (space_reserve(assembly.engine, 0, PAGES, &first) != SPACE_DONE ||
        space_commit(assembly.engine, 0, first, PAGES, PROTECTION_READ_WRITE) != SPACE_DONE)
        fibers_fail("no space");
    use(NULL);
}

/* There are no more threads: those that began have ended when the call returns. */
static void a_start_that_fails_leaves_no_worker(void **state)
{
    struct fibers_config config = {
        .strategy = FIBERS_RANDOM, .seed = 1, .steps_max = 10000000, .switch_chance = 1024};

    (void)state;
    create_with(FIBERS_MAX);
    workers_left = 77;
    fibers_run(&config, start_too_many, NULL, &result);
    assert_string_equal(result.text, "");
    assert_int_equal(result.outcome, FIBERS_DONE);
    assert_int_equal(workers_left, 0);
    assembly_destroy(&assembly);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_start_that_fails_leaves_no_worker),
        cmocka_unit_test(a_run_works_and_repeats),
        cmocka_unit_test(a_reset_after_a_broken_run_is_a_beginning),
        cmocka_unit_test(addresses_do_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
