/*
 * store_test.c - every store, alone and wrapped, keeps the promises of contract/store.h.
 *
 * Each case runs over each store of the table at the end.
 */
#include "base/copy.h"
#include "nbd_server.h"
#include "store/checked.h"
#include "store/compressed.h"
#include "store/encrypted.h"
#include "store/faulty.h"
#include "store/file.h"
#include "store/joined.h"
#include "store/ram.h"
#include "store/remote.h"
#include "store_rig.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define SLOTS      16u
#define QUEUES     4u
#define LATENCY_NS 200000ull
#ifdef MM_SANITIZED
#define REWRITES 100u /* what races there does so soon */
#define USES     40u
#else
#define REWRITES 300u
#define USES     100u
#endif
#define BUDGET (SLOTS * MM_PAGE_SIZE)
#define TINY   (MM_PAGE_SIZE / 2)

static unsigned char pages[SLOTS][MM_PAGE_SIZE] __attribute__((aligned(MM_PAGE_SIZE)));
static void *page_pointers[SLOTS];

/* ---- the stores ---- */

/* From the bottom up; what is not used has no ops. */
struct stack {
    struct store device, faulty, second, joined, packed, guard;
    struct store *top;
};

enum device { DEVICE_RAM, DEVICE_FILE, DEVICE_NBD };
enum guard { GUARD_NONE, GUARD_CHECKED, GUARD_ENCRYPTED };

struct stack_kind {
    const char *name;
    enum device device;
    enum file_way way;
    bool buffered;
    uint64_t latency_ns;
    bool faulty;
    uint64_t budget;   /* of a compressed store; 0: none */
    bool faulty_first; /* the faulty store lies below it, not above */
    bool joined;       /* two devices; with faulty_first the first one is faulty */
    enum guard guard;
};

static const struct stack_kind *kind;
static uint32_t slots_ready; /* of all together */
static struct stack stack;
static struct nbd_server server;
static bool server_running;

/* Usable slots of each device. */
static uint32_t device_ready(void)
{
    return kind->joined ? slots_ready / 2 : slots_ready;
}

static int device_create(struct store *ret_store)
{
    struct file_config config = {.slots = SLOTS,
                                 .slots_ready = device_ready(),
                                 .queues = QUEUES,
                                 .rings = 2,
                                 .way = kind->way,
                                 .buffered = kind->buffered};
    char text[512];

    if (kind->device == DEVICE_FILE) {
        int error = file_create(&config, ret_store, text, sizeof(text));

        if (error != 0)
            print_message("%s: %s\n", kind->name, text);
        return error;
    }
    if (kind->device == DEVICE_NBD) {
        struct remote_config remote = {.uri = server.uri, .slots = SLOTS, .queues = QUEUES};
        int error = remote_create(&remote, ret_store, text, sizeof(text));

        if (error != 0)
            print_message("%s: %s\n", kind->name, text);
        return error;
    }
    assert_int_equal(ram_create(SLOTS, QUEUES, ret_store), 0);
    ram_set_ready(ret_store, device_ready());
    ram_set_latency(ret_store, kind->latency_ns);
    return 0;
}

static void push_joined(void)
{
    struct store parts[2] = {*stack.top};

    assert_int_equal(device_create(&stack.second), 0);
    parts[1] = stack.second;
    assert_int_equal(joined_create(parts, 2, SLOTS, QUEUES, &stack.joined), 0);
    stack.top = &stack.joined;
}

static void push_faulty(void)
{
    assert_int_equal(faulty_create(stack.top, 1, &stack.faulty), 0);
    stack.top = &stack.faulty;
}

static int stack_create_ready(void **state, uint32_t ready)
{
    slots_ready = kind->device == DEVICE_NBD ? SLOTS : ready;
    char text[512];

    stack = (struct stack){.top = &stack.device};
    assert_int_equal(device_create(&stack.device), 0);
    if (kind->faulty && kind->faulty_first)
        push_faulty();
    if (kind->joined)
        push_joined();
    if (kind->budget != 0) {
        assert_int_equal(compressed_create(stack.top, kind->budget, &stack.packed), 0);
        stack.top = &stack.packed;
    }
    if (kind->faulty && !kind->faulty_first)
        push_faulty();
    if (kind->guard == GUARD_CHECKED)
        assert_int_equal(checked_create(stack.top, &stack.guard), 0);
    if (kind->guard == GUARD_ENCRYPTED)
        assert_int_equal(encrypted_create(stack.top, 1, &stack.guard, text, sizeof(text)), 0);
    if (kind->guard != GUARD_NONE)
        stack.top = &stack.guard;
    assert_int_equal(stack.top->slots, SLOTS);
    assert_int_equal(stack.top->slots_ready, slots_ready);
    assert_int_equal(stack.top->queues, QUEUES);
    *state = stack.top;
    return 0;
}

static int stack_create(void **state)
{
    return stack_create_ready(state, SLOTS);
}

/* It has two slots at first. */
static int stack_create_small(void **state)
{
    return stack_create_ready(state, 2);
}

static int stack_destroy(void **state)
{
    (void)state;
    if (kind->guard != GUARD_NONE)
        store_destroy(&stack.guard);
    if (kind->faulty && !kind->faulty_first)
        store_destroy(&stack.faulty);
    if (kind->budget != 0)
        store_destroy(&stack.packed);
    if (kind->joined) {
        store_destroy(&stack.joined);
        store_destroy(&stack.second);
    }
    if (kind->faulty && kind->faulty_first)
        store_destroy(&stack.faulty);
    store_destroy(&stack.device);
    return 0;
}

static int perform(const struct store *store, enum store_operation operation, slot_number slot,
                   uint32_t count)
{
    return store_perform(store, operation, slot, count, page_pointers, NULL);
}

/* ---- the cases ---- */

static void slots_keep_their_pages(void **state)
{
    const struct store *store = *state;

    pages_fill(pages, page_pointers, SLOTS, 1);
    assert_int_equal(perform(store, STORE_WRITE, 1, SLOTS), 0);
    pages_fill(pages, page_pointers, SLOTS, 100);
    assert_int_equal(perform(store, STORE_WRITE, 5, 2), 0);
    memset(pages, 0, sizeof(pages));
    assert_int_equal(perform(store, STORE_READ, 1, SLOTS), 0);
    for (unsigned i = 0; i < SLOTS; i++)
        assert_true(page_is(pages[i], i == 4 || i == 5 ? 100 + i - 4 : 1 + i));
    /* A run of one from the middle. */
    assert_int_equal(perform(store, STORE_READ, SLOTS, 1), 0);
    assert_true(page_is(pages[0], SLOTS));
    assert_int_equal(store_read_page(store, 1, 6, pages[1]), 0);
    assert_true(page_is(pages[1], 101));
}

/* A fault and whoever moves the page to another slot. */
static void a_slot_is_read_twice_at_once(void **state)
{
    const struct store *store = *state;
    void *buffers[2][2] = {{pages[4], pages[5]}, {pages[6], pages[7]}};
    struct store_request requests[2], *submitted, *reaped;

    pages_fill(pages, page_pointers, 4, 1);
    assert_int_equal(perform(store, STORE_WRITE, 1, 4), 0);
    for (uint32_t queue = 0; queue < 2; queue++) {
        requests[queue] = (struct store_request){
            .operation = STORE_READ, .slot = 2, .count = 2, .pages = buffers[queue]};
        submitted = &requests[queue];
        store->ops->submit(store->self, queue, &submitted, 1);
    }
    for (uint32_t queue = 0; queue < 2; queue++) {
        assert_int_equal(store->ops->reap(store->self, queue, &reaped, 1, true), 1);
        assert_ptr_equal(reaped, &requests[queue]);
        assert_int_equal(requests[queue].result, 0);
    }
    for (unsigned i = 0; i < 4; i++)
        assert_true(page_is(pages[4 + i], 2 + i % 2));
}

static void slots_that_do_not_exist_are_errors(void **state)
{
    const struct store *store = *state;

    pages_fill(pages, page_pointers, SLOTS, 1);
    assert_int_equal(perform(store, STORE_WRITE, SLOTS, 1), 0);
    assert_int_equal(perform(store, STORE_WRITE, 0, 1), -EINVAL);
    assert_int_equal(perform(store, STORE_WRITE, 1, 0), -EINVAL);
    assert_int_equal(perform(store, STORE_WRITE, SLOTS, 2), -EINVAL);
    assert_int_equal(perform(store, STORE_READ, SLOTS + 1, 1), -EINVAL);
    assert_int_equal(perform(store, STORE_READ, SLOTS, 2), -EINVAL);
    assert_int_equal(perform(store, STORE_READ, 2, UINT32_MAX), -EINVAL);
    pages_fill(pages, page_pointers, SLOTS, 100);
    assert_int_equal(perform(store, STORE_READ, SLOTS, 1), 0);
    assert_true(page_is(pages[0], 1));
}

/*
 * Reap `count` requests of a queue, those of `expected`; in their order, unless the device has
 * several under way at once. What was found is taken out of `expected`.
 */
static void reap_expected(const struct store *store, uint32_t queue,
                          struct store_request **expected, uint32_t expected_count, uint32_t count)
{
    struct store_request *reaped[SLOTS];

    for (uint32_t done = 0; done < count;) {
        uint32_t got = store->ops->reap(store->self, queue, reaped, count - done, true);

        assert_in_range(got, 1, count - done);
        for (uint32_t i = 0; i < got; i++, done++) {
            uint32_t at = 0;

            while (at < expected_count && expected[at] != reaped[i])
                at++;
            assert_in_range(at, 0, expected_count - 1);
            if (kind->device == DEVICE_RAM && !kind->joined)
                assert_int_equal(at, 0);
            expected_count--;
            memmove(expected + at, expected + at + 1, (expected_count - at) * sizeof(*expected));
            assert_int_equal(reaped[i]->result, 0);
            assert_int_equal(reaped[i]->pages_done, 1);
        }
    }
}

static void requests_come_back_on_their_queue(void **state)
{
    const struct store *store = *state;
    struct store_request requests[8], *pointers[8], *reaped[8];
    struct store_request *first_queue[6] = {&requests[0], &requests[1], &requests[2],
                                            &requests[5], &requests[6], &requests[7]};

    pages_fill(pages, page_pointers, SLOTS, 1);
    requests_writing(requests, pointers, 8, page_pointers);
    assert_int_equal(store->ops->reap(store->self, 0, reaped, 8, true), 0);
    store->ops->submit(store->self, 0, pointers, 3);
    store->ops->submit(store->self, 1, pointers + 3, 2);
    store->ops->submit(store->self, 0, pointers + 5, 3);
    assert_int_equal(store->ops->reap(store->self, 2, reaped, 8, true), 0);
    assert_int_equal(store->ops->reap(store->self, 0, reaped, 0, true), 0);
    reap_expected(store, 0, first_queue, 6, 4);
    reap_expected(store, 0, first_queue, 2, 2);
    reap_expected(store, 1, pointers + 3, 2, 2);
    assert_int_equal(store->ops->reap(store->self, 0, reaped, 8, true), 0);
    assert_int_equal(store->ops->reap(store->self, 1, reaped, 8, false), 0);
    memset(pages, 0, sizeof(pages));
    assert_int_equal(perform(store, STORE_READ, 1, 8), 0);
    for (unsigned i = 0; i < 8; i++)
        assert_true(page_is(pages[i], 1 + i));
}

/* The hint may be taken or not; the slot can be used again, and its neighbours are as they were. */
static void a_discarded_slot_can_be_written_again(void **state)
{
    const struct store *store = *state;

    pages_fill(pages, page_pointers, SLOTS, 1);
    assert_int_equal(perform(store, STORE_WRITE, 1, 4), 0);
    if (store->ops->discard != NULL)
        store->ops->discard(store->self, 2, 2);
    pages_fill(pages, page_pointers, SLOTS, 100);
    assert_int_equal(perform(store, STORE_WRITE, 3, 1), 0);
    assert_int_equal(perform(store, STORE_READ, 3, 2), 0);
    assert_true(page_is(pages[0], 100));
    assert_true(page_is(pages[1], 4));
    assert_int_equal(perform(store, STORE_READ, 1, 1), 0);
    assert_true(page_is(pages[0], 1));
}

/* A store that has the bytes, or a checksum of them, can tell what a slot holds: to the last byte. */
static void a_store_knows_what_a_slot_holds(void **state)
{
    const struct store *store = *state;

    pages_fill(pages, page_pointers, SLOTS, 1);
    assert_int_equal(perform(store, STORE_WRITE, 1, 3), 0);
    if (store->ops->holds == NULL) {
        assert_true(kind->guard == GUARD_NONE && kind->device != DEVICE_RAM);
        return;
    }
    for (unsigned i = 0; i < 3; i++) {
        bool same = store->ops->holds(store->self, 1 + i, pages[i]);

        assert_true(same || (kind->guard == GUARD_NONE && kind->device != DEVICE_RAM));
        assert_false(store->ops->holds(store->self, 1 + i, pages[(i + 1) % 3]));
        pages[i][MM_PAGE_SIZE - 1] ^= 1;
        assert_false(store->ops->holds(store->self, 1 + i, pages[i]));
        assert_int_equal(perform(store, STORE_WRITE, 1, 3), 0);
        assert_int_equal(store->ops->holds(store->self, 1 + i, pages[i]), same);
    }
}

/* A run with slots in between that hold nothing, or something nobody wants. */
static void a_read_leaves_out_what_is_not_wanted(void **state)
{
    const struct store *store = *state;
    void *wanted[6] = {pages[0], NULL, NULL, pages[3], NULL, pages[5]};

    pages_fill(pages, page_pointers, SLOTS, 1);
    assert_int_equal(perform(store, STORE_WRITE, 2, 2), 0);
    assert_int_equal(store_perform(store, STORE_WRITE, 5, 1, page_pointers + 3, NULL), 0);
    assert_int_equal(store_perform(store, STORE_WRITE, 7, 1, page_pointers + 5, NULL), 0);
    memset(pages, 0, sizeof(pages));
    assert_int_equal(store_perform(store, STORE_READ, 2, 6, wanted, NULL), 0);
    assert_true(page_is(pages[0], 1));
    assert_true(page_is(pages[3], 4));
    assert_true(page_is(pages[5], 6));
    for (size_t i = 0; i < MM_PAGE_SIZE; i++)
        assert_int_equal(pages[1][i] | pages[2][i] | pages[4][i], 0);
}

struct page_writer {
    unsigned char page[MM_PAGE_SIZE] __attribute__((aligned(MM_PAGE_SIZE)));
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

/* The source of a write may change: the slot is worth nothing then, but nothing breaks. */
static void a_source_may_change_while_it_is_written(void **state)
{
    static struct page_writer writer;
    static uint64_t read_back[MM_PAGE_SIZE / sizeof(uint64_t)]
        __attribute__((aligned(MM_PAGE_SIZE)));
    const struct store *store = *state;
    void *from = writer.page, *into = read_back;
    pthread_t thread;
    int result;

    atomic_store(&writer.stop, false);
    assert_int_equal(pthread_create(&thread, NULL, page_rewrite, &writer), 0);
    for (unsigned i = 0; i < REWRITES; i++) {
        assert_int_equal(store_perform(store, STORE_WRITE, 1, 1, &from, NULL), 0);
        result = store_perform(store, STORE_READ, 1, 1, &into, NULL);
        assert_true(result == 0 || (kind->guard == GUARD_CHECKED && result == -EBADMSG));
    }
    atomic_store(&writer.stop, true);
    pthread_join(thread, NULL);
    assert_int_equal(store_perform(store, STORE_WRITE, 1, 1, &from, NULL), 0);
    assert_int_equal(store_perform(store, STORE_READ, 1, 1, &into, NULL), 0);
    assert_memory_equal(read_back, writer.page, MM_PAGE_SIZE);
}

struct queue_user {
    const struct store *store;
    uint32_t queue;
    slot_number first, slots;
    bool good;
};

/* Slots of its own, a queue of its own. */
static void *queue_use(void *argument)
{
    struct queue_user *user = argument;
    const struct store *store = user->store;
    unsigned char own[MM_PAGE_SIZE] __attribute__((aligned(MM_PAGE_SIZE)));
    unsigned char back[MM_PAGE_SIZE] __attribute__((aligned(MM_PAGE_SIZE)));
    void *own_pointer = own;

    user->good = true;
    for (unsigned i = 0; i < USES; i++) {
        struct store_request request = {.operation = STORE_WRITE,
                                        .slot = user->first + i % user->slots,
                                        .count = 1,
                                        .pages = &own_pointer,
                                        .result = 99};
        struct store_request *one = &request, *reaped = NULL;

        page_fill(own, user->queue * 1000 + i);
        store->ops->submit(store->self, user->queue, &one, 1);
        user->good &= store->ops->reap(store->self, user->queue, &reaped, 1, true) == 1 &&
                      reaped == &request && request.result == 0;
        user->good &= store_read_page(store, user->queue, request.slot, back) == 0 &&
                      memcmp(own, back, MM_PAGE_SIZE) == 0;
    }
    return NULL;
}

static void queues_are_used_at_once(void **state)
{
    struct queue_user users[QUEUES];
    pthread_t threads[QUEUES];

    for (uint32_t i = 0; i < QUEUES; i++) {
        users[i] = (struct queue_user){.store = *state,
                                       .queue = i,
                                       .first = 1 + i * (SLOTS / QUEUES),
                                       .slots = SLOTS / QUEUES};
        assert_int_equal(pthread_create(&threads[i], NULL, queue_use, &users[i]), 0);
    }
    for (uint32_t i = 0; i < QUEUES; i++) {
        pthread_join(threads[i], NULL);
        assert_true(users[i].good);
    }
}

/* ---- growth ---- */

static void slots_to_come_are_errors(void **state)
{
    const struct store *store = *state;

    pages_fill(pages, page_pointers, SLOTS, 1);
    assert_int_equal(perform(store, STORE_WRITE, 1, 2), 0);
    for (uint32_t ready = slots_ready; ready < SLOTS; ready++) {
        assert_int_equal(perform(store, STORE_WRITE, ready + 1, 1), -EINVAL);
        assert_int_equal(perform(store, STORE_WRITE, ready, 2), -EINVAL);
        assert_int_equal(perform(store, STORE_READ, ready + 1, 1), -EINVAL);
        assert_int_equal(store_grow(store, ready + 1), 0);
        assert_int_equal(perform(store, STORE_WRITE, ready + 1, 1), 0);
    }
    assert_int_equal(perform(store, STORE_WRITE, 1, SLOTS), 0);
    memset(pages, 0, sizeof(pages));
    assert_int_equal(perform(store, STORE_READ, 1, SLOTS), 0);
    for (unsigned i = 0; i < SLOTS; i++)
        assert_true(page_is(pages[i], 1 + i));
}

/* What was submitted before comes back after, and what the slots held is there. */
static void it_grows_while_requests_are_under_way(void **state)
{
    const struct store *store = *state;
    struct store_request requests[2], *pointers[2], *expected[2];

    pages_fill(pages, page_pointers, SLOTS, 1);
    for (uint32_t ready = 3; ready <= SLOTS; ready++) {
        requests_writing(requests, pointers, 2, page_pointers);
        memcpy(expected, pointers, sizeof(expected));
        store->ops->submit(store->self, ready % QUEUES, pointers, 2);
        if (ready > slots_ready)
            assert_int_equal(store_grow(store, ready), 0);
        reap_expected(store, ready % QUEUES, expected, 2, 2);
    }
    assert_int_equal(store_perform(store, STORE_WRITE, 3, SLOTS - 2, page_pointers + 2, NULL), 0);
    memset(pages, 0, sizeof(pages));
    assert_int_equal(perform(store, STORE_READ, 1, SLOTS), 0);
    for (unsigned i = 0; i < SLOTS; i++)
        assert_true(page_is(pages[i], 1 + i));
}

/* Others use their queues and slots all the time. */
static void it_grows_while_queues_are_used(void **state)
{
    const struct store *store = *state;
    struct queue_user users[2];
    pthread_t threads[2];

    for (uint32_t i = 0; i < 2; i++) {
        users[i] = (struct queue_user){.store = store, .queue = 1 + i, .first = 1 + i, .slots = 1};
        assert_int_equal(pthread_create(&threads[i], NULL, queue_use, &users[i]), 0);
    }
    pages_fill(pages, page_pointers, SLOTS, 1);
    for (uint32_t ready = slots_ready + 1; ready <= SLOTS; ready++) {
        assert_int_equal(store_grow(store, ready), 0);
        assert_int_equal(store_perform(store, STORE_WRITE, 3, ready - 2, page_pointers + 2, NULL),
                         0);
        usleep(100);
    }
    for (uint32_t i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        assert_true(users[i].good);
    }
}

static const struct stack_kind kinds[] = {
    {.name = "ram"},
    {.name = "ram with latency", .latency_ns = LATENCY_NS},
    {.name = "checked(ram)", .guard = GUARD_CHECKED},
    {.name = "checked(ram with latency)", .guard = GUARD_CHECKED, .latency_ns = LATENCY_NS},
    {.name = "faulty(ram)", .faulty = true},
    {.name = "faulty(ram with latency)", .faulty = true, .latency_ns = LATENCY_NS},
    {.name = "checked(faulty(ram))", .faulty = true, .guard = GUARD_CHECKED},
    {.name = "encrypted(ram)", .guard = GUARD_ENCRYPTED},
    {.name = "encrypted(ram with latency)", .guard = GUARD_ENCRYPTED, .latency_ns = LATENCY_NS},
    {.name = "file", .device = DEVICE_FILE},
    {.name = "file, one after the other", .device = DEVICE_FILE, .way = FILE_WAY_SYNC},
    {.name = "file through the page cache", .device = DEVICE_FILE, .buffered = true},
    {.name = "checked(file)", .device = DEVICE_FILE, .guard = GUARD_CHECKED},
    {.name = "checked(faulty(file))",
     .device = DEVICE_FILE,
     .faulty = true,
     .guard = GUARD_CHECKED},
    {.name = "encrypted(file)", .device = DEVICE_FILE, .guard = GUARD_ENCRYPTED},
    {.name = "encrypted(faulty(file))",
     .device = DEVICE_FILE,
     .faulty = true,
     .guard = GUARD_ENCRYPTED},
    {.name = "compressed(ram)", .budget = BUDGET},
    {.name = "compressed(ram) with room for nothing", .budget = 1},
    {.name = "compressed(ram) with room for little", .budget = TINY},
    {.name = "compressed(ram with latency)", .budget = TINY, .latency_ns = LATENCY_NS},
    {.name = "checked(compressed(ram))", .budget = TINY, .guard = GUARD_CHECKED},
    {.name = "checked(faulty(compressed(ram)))",
     .budget = TINY,
     .faulty = true,
     .guard = GUARD_CHECKED},
    {.name = "checked(compressed(faulty(ram)))",
     .budget = TINY,
     .faulty = true,
     .faulty_first = true,
     .guard = GUARD_CHECKED},
    {.name = "checked(compressed(file))",
     .device = DEVICE_FILE,
     .budget = TINY,
     .guard = GUARD_CHECKED},
    {.name = "joined(ram+ram)", .joined = true},
    {.name = "joined(ram+ram) with latency", .joined = true, .latency_ns = LATENCY_NS},
    {.name = "joined(file+file)", .device = DEVICE_FILE, .joined = true},
    {.name = "joined(file+file), one after the other",
     .device = DEVICE_FILE,
     .way = FILE_WAY_SYNC,
     .joined = true},
    {.name = "joined(faulty(ram)+ram)", .faulty = true, .faulty_first = true, .joined = true},
    {.name = "checked(joined(file+file))",
     .device = DEVICE_FILE,
     .joined = true,
     .guard = GUARD_CHECKED},
    {.name = "encrypted(joined(faulty(ram)+ram))",
     .faulty = true,
     .faulty_first = true,
     .joined = true,
     .guard = GUARD_ENCRYPTED},
    {.name = "checked(compressed(joined(ram+ram)))",
     .joined = true,
     .budget = TINY,
     .guard = GUARD_CHECKED},
    {.name = "nbd", .device = DEVICE_NBD},
    {.name = "checked(nbd)", .device = DEVICE_NBD, .guard = GUARD_CHECKED},
    {.name = "checked(faulty(nbd))", .device = DEVICE_NBD, .faulty = true, .guard = GUARD_CHECKED},
    {.name = "encrypted(nbd)", .device = DEVICE_NBD, .guard = GUARD_ENCRYPTED},
    {.name = "checked(compressed(nbd))",
     .device = DEVICE_NBD,
     .budget = TINY,
     .guard = GUARD_CHECKED},
};

/* A kind that this build or this system has not, with a word about it. */
static bool kind_is_missing(void)
{
    bool missing = kind->budget != 0 && !compressed_exists();
    struct store none;
    char text[512];

    if (kind->device == DEVICE_NBD) {
        struct remote_config remote = {.uri = "", .slots = 1, .queues = 1};

        missing |= !server_running || remote_create(&remote, &none, text, sizeof(text)) == -ENOSYS;
    }
    if (missing)
        print_message("%s: left out, it needs liblz4, or libnbd and nbdkit\n", kind->name);
    return missing;
}

#define CASE(test)    cmocka_unit_test_setup_teardown(test, stack_create, stack_destroy)
#define GROWING(test) cmocka_unit_test_setup_teardown(test, stack_create_small, stack_destroy)

/* One thread is no race; the stores' own threads work for the others too. */
static int kind_try(void)
{
    const struct CMUnitTest of_one[] = {
        CASE(slots_keep_their_pages),
        CASE(a_slot_is_read_twice_at_once),
        CASE(slots_that_do_not_exist_are_errors),
        CASE(requests_come_back_on_their_queue),
        CASE(a_discarded_slot_can_be_written_again),
        CASE(a_store_knows_what_a_slot_holds),
        CASE(a_read_leaves_out_what_is_not_wanted),
        GROWING(slots_to_come_are_errors),
        GROWING(it_grows_while_requests_are_under_way),
    };
    const struct CMUnitTest of_many[] = {
        CASE(a_source_may_change_while_it_is_written),
        CASE(queues_are_used_at_once),
        GROWING(it_grows_while_queues_are_used),
    };

    return cmocka_run_group_tests_name(kind->name, of_many, NULL, NULL) +
           (UNDER_THREAD_SANITIZER ? 0
                                   : cmocka_run_group_tests_name(kind->name, of_one, NULL, NULL));
}

int main(void)
{
    int failed = 0;

    server_running = nbd_server_start(&server, (const char *const[]){"memory", "64K", NULL});
    setenv("TMPDIR", ".", 1); /* the build directory is on a disk */
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        kind = &kinds[i];
        if (!kind_is_missing())
            failed += kind_try();
    }
    if (server_running)
        nbd_server_end(&server, SIGTERM);
    return failed;
}
