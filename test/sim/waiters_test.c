/*
 * waiters_test.c - who waits for a frame is not forgotten when the page that was on its way to him is
 * used again.
 *
 * One or two frames, users of the same few pages, and no tick that would heal a lost wake-up: then
 * a wake-up that nobody sends is a deadlock, and the run says who waits.
 */
#include "base/types.h"
#include "sim/assembly.h"
#include "world/fibers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define USERS        3u
#define PAGES        2u
#define WORKERS      4u
#define ROUNDS       6u
#define RUNS         1500u
#define TICKS_OFF_NS 10000000u

static struct assembly assembly;
static struct fibers_result result;
static bool protects;

static void create(frame_number frames)
{
    struct assembly_config config = {
        .engine = {.pages = PAGES,
                   .frames = frames,
                   .slots = 16,
                   .threads = USERS + WORKERS,
                   .vads_max = 1,
                   .workers = {[WORKER_TRIM] = 1, [WORKER_WRITE] = 2, [WORKER_BALANCE] = 1},
                   .trim_batch = 2,
                   .write_batch = 2,
                   .region_ptes = 4,
                   .fault_around = 1,
                   .standby_percent = 10,
                   .backoff = true,
                   .dirty_bit = true},
        .tlb_entries = 4,
    };

    assert_int_equal(assembly_create(&assembly, &config), 0);
}

/* Two read and write, the third takes a right away and gives it back: that trims too. */
static void use(void *argument)
{
    uint32_t thread = (uint32_t)(uintptr_t)argument;
    uint64_t word = 0;

    soft_attach(assembly.soft, thread);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint64_t offset = ((thread + round) / 2 % PAGES << PAGE_SHIFT) + 8 * thread;

        if (protects && thread == 0) {
            space_protect(assembly.engine, thread, 0, PAGES,
                          round % 2 == 0 ? PROTECTION_READ_ONLY : PROTECTION_READ_WRITE);
        } else if (round % 2 == 0) {
            soft_read(assembly.soft, thread, offset, &word, sizeof(word));
        } else {
            soft_write(assembly.soft, thread, offset, &word, sizeof(word));
        }
    }
    soft_detach(assembly.soft, thread);
    engine_leave(assembly.engine, thread);
}

static void main_use(void *argument)
{
    struct world_thread *users[USERS];
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
}

static void run_all(frame_number frames, bool with_protect)
{
    create(frames);
    protects = with_protect;
    for (uint64_t seed = 1; seed <= RUNS; seed++) {
        struct fibers_config config = {.strategy = FIBERS_RANDOM,
                                       .seed = seed,
                                       .steps_max = 10000000,
                                       .switch_chance = 256u << seed % 7,
                                       .net_ns = TICKS_OFF_NS};

        assembly_reset(&assembly);
        fibers_run(&config, main_use, NULL, &result);
        if (result.outcome != FIBERS_DONE)
            fail_msg("seed %u: %s", (unsigned)seed, result.text);
    }
    assembly_destroy(&assembly);
}

static void a_rescued_page_wakes_the_trimmer(void **state)
{
    (void)state;
    run_all(1, false);
    run_all(2, false);
}

static void a_page_trimmed_by_protect_wakes_the_writer(void **state)
{
    (void)state;
    run_all(1, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rescued_page_wakes_the_trimmer),
        cmocka_unit_test(a_page_trimmed_by_protect_wakes_the_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
