/*
 * store_test.c - the checked and the faulty store in the deterministic world: same seed, same harm,
 * and the account is right under every schedule.
 */
#include "store/checked.h"
#include "store/compressed.h"
#include "store/faulty.h"
#include "store/ram.h"
#include "store_rig.h"
#include "world/fibers.h"

#define SLOTS      8u
#define USERS      3u
#define ROUNDS     12u
#define LATENCY_NS 20000ull
#define SLOW_NS    100000ull
#define SEEDS      40u
#define BUDGET     1024u /* room for some pages, not for all */

struct user {
    uint32_t queue;
    uint32_t errors;
    unsigned char page[MM_PAGE_SIZE];
};

static struct store ram, compressed, faulty, checked;
static bool packed; /* the compressed store is between ram and faulty */
static struct user users[USERS];
/* Content last written with success; a slot belongs to the user of its remainder. */
static unsigned seed_of[SLOTS + 1];

static int write_page(struct user *user, slot_number slot, unsigned seed)
{
    void *pointer = user->page;
    struct store_request request = {
        .operation = STORE_WRITE, .slot = slot, .count = 1, .pages = &pointer};
    struct store_request *one = &request;

    page_fill(user->page, seed);
    checked.ops->submit(checked.self, user->queue, &one, 1);
    if (checked.ops->reap(checked.self, user->queue, &one, 1, true) != 1)
        fibers_fail("a request in flight was not reaped");
    return request.result;
}

static void user_main(void *argument)
{
    struct user *user = argument;

    for (unsigned i = 0; i < ROUNDS; i++) {
        slot_number slot = 1 + user->queue + fibers_random(2) * USERS;
        unsigned seed = 1 + user->queue * 1000 + i;

        if (write_page(user, slot, seed) == 0)
            seed_of[slot] = seed;
        if (store_read_page(&checked, user->queue, slot, user->page) != 0)
            user->errors++;
        else if (!page_is(user->page, seed_of[slot]))
            fibers_fail("slot %u gave a page it should not have", slot);
    }
}

/* Everybody is gone and nothing goes wrong any more: each slot is what the account says. */
static void account_prove(void)
{
    for (slot_number slot = 1; slot <= SLOTS; slot++) {
        bool intact = faulty_slot_state(&faulty, slot) == FAULTY_SLOT_INTACT;
        int result = store_read_page(&checked, 0, slot, users[0].page);

        if (result != (intact ? 0 : -EBADMSG) || (intact && !page_is(users[0].page, seed_of[slot])))
            fibers_fail("slot %u is not what the account says", slot);
    }
}

static void run_main(void *argument)
{
    struct world_thread *threads[USERS];

    (void)argument;
    for (uint32_t i = 0; i < USERS; i++) {
        if (world_thread_start(user_main, &users[i], "user", &threads[i]) != 0)
            fibers_fail("no thread");
    }
    for (uint32_t i = 0; i < USERS; i++)
        world_thread_join(threads[i]);
    faulty_heal(&faulty);
    account_prove();
}

static void stores_create(uint64_t seed)
{
    assert_int_equal(ram_create(SLOTS, USERS, &ram), 0);
    ram_set_latency(&ram, LATENCY_NS);
    if (packed)
        assert_int_equal(compressed_create(&ram, BUDGET, &compressed), 0);
    assert_int_equal(faulty_create(packed ? &compressed : &ram, seed, &faulty), 0);
    assert_int_equal(checked_create(&faulty, &checked), 0);
    faulty_set_slow(&faulty, SLOW_NS);
    for (unsigned i = 0; i < FAULTY_CLASS_COUNT; i++)
        faulty_set_rate(&faulty, (enum faulty_class)i, 80000);
    for (uint32_t i = 0; i < USERS; i++)
        users[i] = (struct user){.queue = i};
    memset(seed_of, 0, sizeof(seed_of));
}

static void stores_destroy(void)
{
    store_destroy(&checked);
    store_destroy(&faulty);
    if (packed)
        store_destroy(&compressed);
    store_destroy(&ram);
}

struct outcome {
    uint64_t schedule, now_ns;
    uint64_t counts[FAULTY_CLASS_COUNT];
    uint32_t errors[USERS];
    unsigned seed_of[SLOTS + 1];
};

static struct outcome run_once(enum fibers_strategy strategy, uint64_t seed)
{
    const struct fibers_config config = {.strategy = strategy,
                                         .seed = seed,
                                         .steps_max = 1000000,
                                         .switch_chance = 16384,
                                         .depth = 3,
                                         .steps_expected = 2000,
                                         .net_ns = UINT64_MAX};
    struct fibers_result result;
    struct outcome outcome;

    stores_create(seed);
    fibers_run(&config, run_main, NULL, &result);
    if (result.outcome != FIBERS_DONE)
        fail_msg("seed %llu: %s", (unsigned long long)seed, result.text);
    memset(&outcome, 0, sizeof(outcome));
    outcome.schedule = result.hash;
    outcome.now_ns = result.now_ns;
    for (unsigned i = 0; i < FAULTY_CLASS_COUNT; i++)
        outcome.counts[i] = faulty_count(&faulty, (enum faulty_class)i);
    for (uint32_t i = 0; i < USERS; i++)
        outcome.errors[i] = users[i].errors;
    memcpy(outcome.seed_of, seed_of, sizeof(seed_of));
    stores_destroy();
    return outcome;
}

static void same_seed_same_harm(enum fibers_strategy strategy)
{
    uint64_t counts[FAULTY_CLASS_COUNT] = {0};
    struct outcome before = run_once(strategy, SEEDS);

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct outcome outcome = run_once(strategy, seed), again = run_once(strategy, seed);

        assert_memory_equal(&outcome, &again, sizeof(outcome));
        assert_memory_not_equal(&outcome, &before, sizeof(outcome));
        before = outcome;
        for (unsigned i = 0; i < FAULTY_CLASS_COUNT; i++)
            counts[i] += outcome.counts[i];
    }
    for (unsigned i = 0; i < FAULTY_CLASS_COUNT; i++) {
        /* Nobody here has two requests in flight, so nothing can be overtaken. */
        if (counts[i] == 0 && i != FAULTY_REORDERED)
            fail_msg("%s never happened", faulty_class_name((enum faulty_class)i));
    }
}

static void random_schedules_repeat(void **state)
{
    (void)state;
    same_seed_same_harm(FIBERS_RANDOM);
}

static void schedules_by_priority_repeat(void **state)
{
    (void)state;
    same_seed_same_harm(FIBERS_PCT);
}

static void packed_pages_keep_the_account(void **state)
{
    (void)state;
    if (!compressed_exists()) {
        print_message("this build is without liblz4\n");
        skip();
    }
    packed = true;
    same_seed_same_harm(FIBERS_RANDOM);
    same_seed_same_harm(FIBERS_PCT);
    packed = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_schedules_repeat),
        cmocka_unit_test(schedules_by_priority_repeat),
        cmocka_unit_test(packed_pages_keep_the_account),
    };

    return cmocka_run_group_tests_name("store-sim", tests, NULL, NULL);
}
