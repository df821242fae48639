/*
 * store_test.c - fails the n-th read and the n-th write of a store, once and until it is healed.
 *
 * Two threads page in pages of their own over the gated store of engine_rig.h, with all workers. A
 * read that fails must reach exactly the thread that touched the page, as an in-page error, and
 * change nothing: healed, the page has its bytes. A write that fails must reach nobody: the page
 * stays where it is, and healed, the modified list drains. Compound: while one failure is being got
 * over, the next request fails too, or one of the other kind.
 */
#include "engine_rig.h"

#include "base/types.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define PAGES      48u
#define FRAMES     16u
#define ROUNDS     150u
#define PAGE_WORDS (MM_PAGE_SIZE / sizeof(uint64_t))
#define N_STEP     2u
#define N_LEAST    20u /* requests that every play makes */
#define NAPS_STUCK 30  /* milliseconds without progress: blocked until the store is healed */
#define NAPS_MAX   10000

/* A sanitizer makes a play five times as long: then each third n, others each day. */
#ifdef MM_SANITIZED
#define PARTS 3u
#else
#define PARTS 1u
#endif

struct store_order {
    enum store_operation operation;
    uint32_t first; /* the request that fails, from 1; 0: none */
    bool for_ever;  /* until healed */
};

struct load {
    struct rig rig;
    struct store_order orders[2];
    _Atomic uint32_t seen[2]; /* requests of each operation */
    _Atomic uint32_t in_page; /* errors that users were told */
    _Atomic uint32_t wrong;   /* bytes that were not what was written */
    _Atomic uint32_t obeyed;  /* orders */
    _Atomic uint32_t progress, done;
    uint64_t errors; /* that the engine counted */
    _Atomic bool healed;
    uint32_t versions[PAGES];
};

struct load_user {
    struct load *load;
    uint32_t number;
    pthread_t thread;
};

static unsigned combinations;

static void obey(void *context, const struct store_request *request)
{
    struct load *load = context;
    uint32_t n = atomic_fetch_add(&load->seen[request->operation], 1) + 1;

    for (size_t i = 0; i < ARRAY_COUNT(load->orders); i++) {
        const struct store_order *order = &load->orders[i];

        if (order->operation != request->operation || order->first != n ||
            atomic_load(&load->healed))
            continue;
        gate_fail(&load->rig, order->operation, order->for_ever ? GATE_ANY_SLOT : request->slot,
                  order->for_ever ? GATE_ALWAYS : 1);
        atomic_fetch_add(&load->obeyed, 1);
    }
}

static void make_page(uint32_t page, uint32_t version, uint64_t *ret_words)
{
    for (size_t i = 0; i < PAGE_WORDS; i++)
        ret_words[i] = version == 0 ? 0 : rig_word_of((uint64_t)version << 8 | (page + 1), i);
}

/* False: an in-page error. */
static bool check_page(struct load *load, uint32_t thread, uint32_t page)
{
    uint64_t found[PAGE_WORDS], expected[PAGE_WORDS];
    enum fault_result result =
        soft_read(load->rig.soft, thread, (uint64_t)page << PAGE_SHIFT, found, sizeof(found));

    if (result != FAULT_RESOLVED)
        return false;
    make_page(page, load->versions[page], expected);
    if (memcmp(found, expected, sizeof(found)) != 0)
        atomic_fetch_add(&load->wrong, 1);
    return true;
}

static bool change_page(struct load *load, uint32_t thread, uint32_t page)
{
    uint64_t words[PAGE_WORDS];
    enum fault_result result;

    make_page(page, load->versions[page] + 1, words);
    result = soft_write(load->rig.soft, thread, (uint64_t)page << PAGE_SHIFT, words, sizeof(words));
    if (result != FAULT_RESOLVED)
        return false;
    load->versions[page]++;
    return true;
}

static void *user_main(void *argument)
{
    struct load_user *user = argument;
    struct load *load = user->load;
    uint32_t random = user->number + 5;

    for (uint32_t i = 0; i < ROUNDS; i++) {
        random = random * 1664525u + 1013904223u;
        uint32_t page = (random >> 16) % (PAGES / 2) * 2 + user->number;
        bool good = random >> 31 != 0 ? change_page(load, user->number, page)
                                      : check_page(load, user->number, page);
        if (!good)
            atomic_fetch_add(&load->in_page, 1);
        atomic_fetch_add(&load->progress, 1);
    }
    atomic_fetch_add(&load->done, 1);
    return NULL;
}

static void heal(struct load *load)
{
    atomic_store(&load->healed, true);
    gate_heal(&load->rig);
}

static bool fails_for_ever(struct load *load)
{
    return atomic_load(&load->obeyed) > 0 && (load->orders[0].for_ever || load->orders[1].for_ever);
}

/* Run the load. Where everybody waits for frames that a failing store cannot free, heal it. */
static void page_with_two_threads(struct load *load)
{
    struct load_user users[2];
    uint32_t seen = 0;
    int naps_still = 0;

    for (uint32_t i = 0; i < ARRAY_COUNT(users); i++) {
        users[i] = (struct load_user){.load = load, .number = i};
        assert_int_equal(pthread_create(&users[i].thread, NULL, user_main, &users[i]), 0);
    }
    for (int naps = 0; atomic_load(&load->done) < ARRAY_COUNT(users); naps++) {
        uint32_t progress = atomic_load(&load->progress);

        naps_still = progress == seen ? naps_still + 1 : 0;
        seen = progress;
        if (naps_still >= NAPS_STUCK && fails_for_ever(load))
            heal(load);
        if (naps > NAPS_MAX)
            fail_msg("a hang after %u accesses", seen);
        rig_nap();
    }
    for (uint32_t i = 0; i < ARRAY_COUNT(users); i++)
        pthread_join(users[i].thread, NULL);
    heal(load);
}

/* Every modified page gets into a slot now. */
static void drain(struct load *load)
{
    struct engine *engine = load->rig.engine;

    for (unsigned round = 0; list_count(engine, LIST_MODIFIED) > 0; round++) {
        assert_true(round < PAGES);
        assert_true(write_round(engine, rig_thread(&load->rig, WRITER)));
    }
}

static void play(struct load *load, const struct store_order *one, const struct store_order *other)
{
    static const struct rig_config config = {.pages = PAGES,
                                             .frames = FRAMES,
                                             .trim_batch = 4,
                                             .write_batch = 4,
                                             .workers = {1, 1, 1, 1}};

    memset(load, 0, sizeof(*load));
    load->orders[0] = *one;
    load->orders[1] = *other;
    rig_begin(&load->rig, &config);
    gate_call(&load->rig, obey, load);
    rig_start_workers(&load->rig);
    page_with_two_threads(load);
    for (uint32_t page = 0; page < PAGES; page++)
        if (!check_page(load, page % 2, page))
            fail_msg("page %u: an in-page error of a healed store", page);
    rig_stop_workers(&load->rig);
    drain(load);
    assert_int_equal(load->wrong, 0);
    /* Each read that failed was told to one thread, and no write that failed to anybody. */
    assert_int_equal(load->in_page, rig_moves(&load->rig, WHY_READ_FAIL));
    load->errors = rig_counter(&load->rig, COUNT_IO_ERRORS);
    rig_end(&load->rig);
    combinations++;
}

static struct load load;
static const struct store_order none;

static uint32_t count_requests(enum store_operation operation)
{
    play(&load, &none, &none);
    assert_int_equal(load.in_page, 0);
    return load.seen[operation];
}

/* The first n of today's part of those that are `step` apart. */
static uint32_t first_today(uint32_t step)
{
    return 1 + (uint32_t)(time(NULL) / 86400) % PARTS * step;
}

/* The n-th request, until there is none; how many there are differs a little from play to play. */
static void sweep(enum store_operation operation, bool for_ever)
{
    uint32_t n = first_today(N_STEP);

    for (load.obeyed = 1; load.obeyed > 0; n += N_STEP * PARTS) {
        struct store_order order = {operation, n, for_ever};

        play(&load, &order, &none);
        if (operation == STORE_WRITE)
            assert_int_equal(load.in_page, 0);
        else if (!for_ever)
            assert_int_equal(load.in_page, load.obeyed);
        assert_true(load.errors >= load.obeyed);
    }
    assert_true(n > N_LEAST);
}

static void test_reads(void **state)
{
    (void)state;
    sweep(STORE_READ, false);
    sweep(STORE_READ, true);
}

static void test_writes(void **state)
{
    (void)state;
    sweep(STORE_WRITE, false);
    sweep(STORE_WRITE, true);
}

/* The request after the one that failed, and the one after that, of both kinds. */
static void test_compound(void **state)
{
    uint32_t reads = count_requests(STORE_READ), writes = load.seen[STORE_WRITE];
    uint32_t step = MAX_OF(reads / 12, 1u);

    (void)state;
    for (uint32_t n = first_today(step); n < reads; n += step * PARTS) {
        for (uint32_t later = 1; later <= 2; later++) {
            struct store_order first = {STORE_READ, n, false};
            struct store_order second = {STORE_READ, n + later, false};
            struct store_order written = {STORE_WRITE, n * writes / reads + later, later == 2};
            struct store_order written_next = {STORE_WRITE, written.first + 1, false};

            play(&load, &first, &second);
            assert_true(load.in_page <= 2);
            play(&load, &first, &written);
            assert_true(load.in_page <= 1);
            play(&load, &written, &written_next);
            assert_int_equal(load.in_page, 0);
        }
    }
}

static int print_count(void **state)
{
    (void)state;
    printf("store: %u combinations of request, n and mode\n", combinations);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads),
        cmocka_unit_test(test_writes),
        cmocka_unit_test(test_compound),
    };

    return cmocka_run_group_tests(tests, NULL, print_count);
}
