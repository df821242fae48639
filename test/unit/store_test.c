/*
 * store_test.c - the RAM store copies what it should, in order, and as late as it is told.
 */
#include "base/copy.h"
#include "contract/world.h"
#include "store/ram.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SLOTS      16u
#define LATENCY_NS 20000000ull

static unsigned char pages[SLOTS][MM_PAGE_SIZE];
static void *page_pointers[SLOTS];

static void page_fill(unsigned char *page, unsigned seed)
{
    for (size_t i = 0; i < MM_PAGE_SIZE; i++)
        page[i] = (unsigned char)(seed * 31 + i * 7 + (i >> 8));
}

static void pages_fill(unsigned seed)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        page_fill(pages[i], seed + i);
        page_pointers[i] = pages[i];
    }
}

static void assert_page(const unsigned char *page, unsigned seed)
{
    unsigned char expected[MM_PAGE_SIZE];

    page_fill(expected, seed);
    assert_memory_equal(page, expected, MM_PAGE_SIZE);
}

static int perform(struct store *store, enum store_operation operation, slot_number slot,
                   uint32_t count, void *const *buffers)
{
    struct store_request request = {
        .operation = operation, .slot = slot, .count = count, .pages = buffers, .result = 99};
    struct store_request *one = &request;

    store->ops->submit(store->self, 0, &one, 1);
    one = NULL;
    assert_int_equal(store->ops->reap(store->self, 0, &one, 1, true), 1);
    assert_ptr_equal(one, &request);
    return request.result;
}

static void slots_keep_their_pages(void **state)
{
    struct store store;

    (void)state;
    assert_int_equal(ram_create(SLOTS, 1, &store), 0);
    assert_int_equal(store.slots, SLOTS);
    pages_fill(1);
    assert_int_equal(perform(&store, STORE_WRITE, 1, SLOTS, page_pointers), 0);
    pages_fill(100);
    assert_int_equal(perform(&store, STORE_WRITE, 5, 2, page_pointers), 0);
    memset(pages, 0, sizeof(pages));
    assert_int_equal(perform(&store, STORE_READ, 1, SLOTS, page_pointers), 0);
    for (unsigned i = 0; i < SLOTS; i++)
        assert_page(pages[i], i == 4 || i == 5 ? 100 + i - 4 : 1 + i);
    /* A run of one from the middle. */
    assert_int_equal(perform(&store, STORE_READ, SLOTS, 1, page_pointers), 0);
    assert_page(pages[0], SLOTS);
    ram_destroy(&store);
}

static void slots_that_do_not_exist_are_errors(void **state)
{
    struct store store;

    (void)state;
    pages_fill(1);
    assert_int_equal(ram_create(SLOTS, 1, &store), 0);
    assert_int_equal(perform(&store, STORE_WRITE, 0, 1, page_pointers), -EINVAL);
    assert_int_equal(perform(&store, STORE_WRITE, 1, 0, page_pointers), -EINVAL);
    assert_int_equal(perform(&store, STORE_READ, SLOTS + 1, 1, page_pointers), -EINVAL);
    assert_int_equal(perform(&store, STORE_READ, SLOTS, 2, page_pointers), -EINVAL);
    assert_int_equal(perform(&store, STORE_READ, 2, UINT32_MAX, page_pointers), -EINVAL);
    assert_int_equal(perform(&store, STORE_READ, SLOTS, 1, page_pointers), 0);
    ram_destroy(&store);
}

static void requests_init(struct store_request *requests, struct store_request **pointers,
                          uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        requests[i] = (struct store_request){
            .operation = STORE_WRITE, .slot = i + 1, .count = 1, .pages = &page_pointers[i]};
        pointers[i] = &requests[i];
    }
}

static void requests_come_back_in_order_on_their_queue(void **state)
{
    struct store_request requests[8], *pointers[8], *reaped[8];
    struct store store;

    (void)state;
    pages_fill(1);
    assert_int_equal(ram_create(SLOTS, 2, &store), 0);
    requests_init(requests, pointers, 8);
    assert_int_equal(store.ops->reap(store.self, 0, reaped, 8, true), 0);
    store.ops->submit(store.self, 0, pointers, 3);
    store.ops->submit(store.self, 1, pointers + 3, 2);
    store.ops->submit(store.self, 0, pointers + 5, 3);
    assert_int_equal(store.ops->reap(store.self, 0, reaped, 4, false), 4);
    assert_ptr_equal(reaped[0], &requests[0]);
    assert_ptr_equal(reaped[2], &requests[2]);
    assert_ptr_equal(reaped[3], &requests[5]);
    assert_int_equal(store.ops->reap(store.self, 0, reaped, 8, true), 2);
    assert_ptr_equal(reaped[1], &requests[7]);
    assert_int_equal(store.ops->reap(store.self, 1, reaped, 8, false), 2);
    assert_ptr_equal(reaped[0], &requests[3]);
    ram_destroy(&store);
}

static void latency_delays_the_news(void **state)
{
    struct store_request requests[4], *pointers[4], *reaped[4];
    struct store store;
    uint64_t submitted_ns, second_ns, reaped_ns;

    (void)state;
    pages_fill(1);
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
    ram_destroy(&store);
}

/* A queue that is always fed still delivers: no request waits for more than two latencies. */
static void latency_does_not_starve(void **state)
{
    struct store_request requests[4], *pointers[4], *reaped[4];
    struct store store;
    uint32_t reaped_count = 0, rounds = 0;

    (void)state;
    pages_fill(1);
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
    ram_destroy(&store);
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

struct page_writer {
    unsigned char page[MM_PAGE_SIZE] __attribute__((aligned(8)));
    _Atomic bool stop;
};

static void *page_rewrite(void *argument)
{
    struct page_writer *writer = argument;
    uint64_t version = 0;

    while (!atomic_load(&writer->stop)) {
        version++;
        for (size_t i = 0; i < MM_PAGE_SIZE; i += sizeof(version))
            store_word(writer->page + i, version << 32 | version);
    }
    return NULL;
}

/* The source of a write may change: worthless bytes, but whole words, and nothing breaks. */
static void a_source_may_change_while_it_is_written(void **state)
{
    static struct page_writer writer;
    static uint64_t read_back[MM_PAGE_SIZE / sizeof(uint64_t)];
    void *from = writer.page, *into = read_back;
    struct store store;
    pthread_t thread;

    (void)state;
    assert_int_equal(ram_create(SLOTS, 1, &store), 0);
    assert_int_equal(pthread_create(&thread, NULL, page_rewrite, &writer), 0);
    for (unsigned i = 0; i < 300; i++) {
        assert_int_equal(perform(&store, STORE_WRITE, 1, 1, &from), 0);
        assert_int_equal(perform(&store, STORE_READ, 1, 1, &into), 0);
    }
    atomic_store(&writer.stop, true);
    pthread_join(thread, NULL);
    assert_int_equal(perform(&store, STORE_WRITE, 1, 1, &from), 0);
    assert_int_equal(perform(&store, STORE_READ, 1, 1, &into), 0);
    assert_memory_equal(read_back, writer.page, MM_PAGE_SIZE);
    ram_destroy(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_keep_their_pages),
        cmocka_unit_test(slots_that_do_not_exist_are_errors),
        cmocka_unit_test(requests_come_back_in_order_on_their_queue),
        cmocka_unit_test(latency_delays_the_news),
        cmocka_unit_test(latency_does_not_starve),
        cmocka_unit_test(copies_are_exact),
        cmocka_unit_test(a_source_may_change_while_it_is_written),
    };

    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
