/*
 * ram_test.c - the RAM store is as late as it is told, and its copies are exact.
 */
#include "base/copy.h"
#include "contract/world.h"
#include "store/ram.h"
#include "store_rig.h"

#define SLOTS      16u
#define LATENCY_NS 20000000ull

static unsigned char pages[SLOTS][MM_PAGE_SIZE];
static void *page_pointers[SLOTS];

static void requests_init(struct store_request *requests, struct store_request **pointers,
                          uint32_t count)
{
    pages_fill(pages, page_pointers, count, 1);
    requests_writing(requests, pointers, count, page_pointers);
}

static void latency_delays_the_news(void **state)
{
    struct store_request requests[4], *pointers[4], *reaped[4];
    struct store store;
    uint64_t submitted_ns, second_ns, reaped_ns;

    (void)state;
    assert_int_equal(ram_create(SLOTS, 1, &store), 0);
    ram_set_latency(&store, LATENCY_NS);
    requests_init(requests, pointers, 4);
    submitted_ns = world_now_ns();
    store.ops->submit(store.self, 0, pointers, 2);
    second_ns = world_now_ns();
    store.ops->submit(store.self, 0, pointers + 2, 2);
    if (world_now_ns() - submitted_ns < LATENCY_NS)
        assert_int_equal(store.ops->reap(store.self, 0, reaped, 4, false), 0);
    assert_true(store.ops->reap(store.self, 0, reaped, 1, true) == 1);
    assert_ptr_equal(reaped[0], &requests[0]);
    assert_true(world_now_ns() - submitted_ns >= LATENCY_NS);
    assert_true(store.ops->reap(store.self, 0, reaped, 1, true) == 1);
    assert_ptr_equal(reaped[0], &requests[1]);
    assert_true(store.ops->reap(store.self, 0, reaped, 4, true) == 2);
    reaped_ns = world_now_ns();
    assert_ptr_equal(reaped[1], &requests[3]);
    assert_true(reaped_ns - second_ns >= LATENCY_NS);
    assert_int_equal(store.ops->reap(store.self, 0, reaped, 4, true), 0);
    store_destroy(&store);
}

/* A queue that is always fed still delivers: no request waits for more than two latencies. */
static void latency_does_not_starve(void **state)
{
    struct store_request requests[4], *pointers[4], *reaped[4];
    struct store store;
    uint32_t reaped_count = 0, rounds = 0;

    (void)state;
    assert_int_equal(ram_create(SLOTS, 1, &store), 0);
    ram_set_latency(&store, 1000000);
    requests_init(requests, pointers, 4);
    store.ops->submit(store.self, 0, pointers, 4);
    while (reaped_count < 40 && rounds++ < 10000) {
        uint32_t got = store.ops->reap(store.self, 0, reaped, 4, true);

        assert_true(got > 0);
        reaped_count += got;
        for (uint32_t i = 0; i < got; i++)
            store.ops->submit(store.self, 0, &reaped[i], 1);
    }
    assert_true(reaped_count >= 40);
    store_destroy(&store);
}

/* copy.h: all alignments and lengths, and not a byte beside. */
static void copies_are_exact(void **state)
{
    unsigned char source[64], target[64];

    (void)state;
    for (size_t i = 0; i < sizeof(source); i++)
        source[i] = (unsigned char)(i + 1);
    for (size_t from = 0; from < 9; from++) {
        for (size_t to = 0; to < 9; to++) {
            for (size_t count = 0; count <= 40; count++) {
                memset(target, 0, sizeof(target));
                copy_shared(target + to, source + from, count);
                assert_memory_equal(target + to, source + from, count);
                for (size_t i = 0; i < sizeof(target); i++)
                    assert_true(target[i] == 0 || (i >= to && i < to + count));
                memset(target, 0, sizeof(target));
                copy_atomically(target + to, source + from, count);
                assert_memory_equal(target + to, source + from, count);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(latency_delays_the_news),
        cmocka_unit_test(latency_does_not_starve),
        cmocka_unit_test(copies_are_exact),
    };

    return cmocka_run_group_tests_name("store-ram", tests, NULL, NULL);
}
