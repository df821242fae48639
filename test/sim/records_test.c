/*
 * records_test.c - the record of an in-page error is read at any moment, as a signal handler does:
 * it is one error's or none. Writers and a reader on fibers, thousands of schedules.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/engine.h"
#include "world/fibers.h"

#include <stdlib.h>
#include <string.h>

#define WRITERS 2u
#define ERRORS  (4u * ERRORS_MAX) /* of each: every entry is written again while it is read */
#define LOOKS   12u
#define FIRST   1000u /* page */
#define SEEDS   300u

static struct engine *engine;
static uint32_t seen, writers_count;

static void writer_main(void *argument)
{
    const page_number *first = argument;

    for (uint32_t i = 0; i < ERRORS; i++)
        errors_record(engine, *first + i, *first + i + 1, -(int)(*first + i + 2));
}

/* Of all, or of those that are to be written over next. */
static void look(bool oldest)
{
    struct error_record record = {0};
    uint32_t count = (uint32_t)atomic_load(&engine->error_count);
    page_number first = oldest ? FIRST + count - MIN_OF(count, ERRORS_MAX) : 0;

    if (!errors_last(engine, first, oldest ? 6 : UINT32_MAX, &record))
        return;
    seen++;
    if (record.slot != record.page + 1 || -record.error != (int)record.page + 2 ||
        record.number == 0 || record.number > WRITERS * ERRORS + ERRORS_MAX)
        fibers_fail("a record of two errors: page %u, slot %u, errno %d", record.page, record.slot,
                    -record.error);
}

static void main_fiber(void *argument)
{
    static const page_number firsts[WRITERS] = {FIRST, 2 * FIRST};
    struct world_thread *writers[WRITERS];

    (void)argument;
    for (uint32_t i = 0; i < writers_count; i++)
        if (world_thread_start(writer_main, (void *)(uintptr_t)&firsts[i], "writer", &writers[i]) !=
            0)
            fibers_fail("no memory for a writer");
    for (uint32_t i = 0; i < LOOKS; i++)
        look(writers_count == 1); /* then the page is known from the number */
    for (uint32_t i = 0; i < writers_count; i++)
        world_thread_join(writers[i]);
    look(false);
}

static void records_are_whole(void **state)
{
    (void)state;
    engine = aligned_alloc(CACHE_LINE, sizeof(*engine));
    assert_non_null(engine);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        const struct fibers_config config = {.strategy = FIBERS_RANDOM,
                                             .seed = seed,
                                             .steps_max = 1000000,
                                             .switch_chance = 4096u << seed % 4,
                                             .relaxed_points = true,
                                             .late_stores = seed % 2 == 1,
                                             .net_ns = UINT64_MAX};
        struct fibers_result result;

        memset(engine, 0, sizeof(*engine));
        writers_count = 1 + seed / 2 % WRITERS;
        fibers_run(&config, main_fiber, NULL, &result);
        if (result.outcome != FIBERS_DONE)
            fail_msg("seed %llu: %s", (unsigned long long)seed, result.text);
    }
    assert_true(seen > SEEDS);
    free(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_whole),
    };

    return cmocka_run_group_tests_name("records", tests, NULL, NULL);
}
