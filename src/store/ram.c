/*
 * ram.c - the RAM store: page-file slots in an array of memory.
 *
 * The simplest page file there is: a global array. Bytes are copied when a request is submitted,
 * by the thread that submits it; with a latency, only the news of it is late. A queue then keeps
 * two groups: one in flight, which is done at a known time, and one that gathers meanwhile.
 *
 * No locks: a queue belongs to one thread at a time, and who owns a slot is the engine's business.
 */
#include "store/ram.h"

#include "base/copy.h"
#include "base/mutant.h"
#include "contract/world.h"
#include "store/memory.h"
#include "store/request_list.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#define SMALL_BYTES ((size_t)1 << 20) /* cleared sooner than given back and taken again */

struct ram_queue {
    struct request_list done;
    struct request_list flying;    /* done at flying_ns */
    struct request_list gathering; /* not empty only while something is flying */
    uint64_t flying_ns;
    uint64_t gathering_ns; /* latest submission + latency */
} CACHE_ALIGNED;

struct ram {
    unsigned char *memory; /* slot s is at (s - 1) pages */
    size_t bytes;
    _Atomic uint32_t slots_ready;
    uint64_t latency_ns;
    struct ram_queue queues[];
};

/* Let time pass: what has arrived is done, what has gathered flies. */
static void queue_advance(struct ram_queue *queue, uint64_t now_ns)
{
    while (queue->flying.first != NULL && now_ns >= queue->flying_ns) {
        request_list_splice(&queue->done, &queue->flying);
        if (!MUTANT(STORE_FORGETS_WHO_GATHERS))
            request_list_splice(&queue->flying, &queue->gathering);
        queue->flying_ns = queue->gathering_ns;
    }
}

static void request_perform(struct ram *ram, struct store_request *request)
{
    unsigned char *memory;

    request->result = -EINVAL;
    request->pages_done = 0;

    uint32_t slots = atomic_load_explicit(&ram->slots_ready, memory_order_relaxed);

    if (!store_has_run(slots + MUTANT(STORE_ONE_SLOT_TOO_MANY), request))
        return;
    memory = ram->memory + ((size_t)(request->slot - 1) << PAGE_SHIFT);
    uint32_t pages = request->count - (request->count > 1 && MUTANT(STORE_LOSES_LAST_PAGE));

    for (uint32_t i = 0; i < pages; i++, memory += MM_PAGE_SIZE) {
        if (request->pages[i] == NULL)
            continue;
        world_work(WORLD_COPY_PAGE, 1);
        if (request->operation == STORE_READ)
            copy_shared(request->pages[i], memory, MM_PAGE_SIZE);
        else
            copy_shared(memory, request->pages[i],
                        MM_PAGE_SIZE / (MUTANT(STORE_TEARS_PAGE) ? 2 : 1));
    }
    request->result = 0;
    request->pages_done = request->count;
}

static void ram_submit(void *self, uint32_t queue_number, struct store_request *const *requests,
                       uint32_t count)
{
    struct ram *ram = self;
    struct ram_queue *queue = &ram->queues[queue_number];
    struct request_list *list = &queue->done;

    for (uint32_t i = 0; i < count; i++)
        request_perform(ram, requests[i]);
    if (ram->latency_ns != 0 && count != 0) {
        uint64_t now_ns = world_now_ns();

        queue_advance(queue, now_ns);
        if (queue->flying.first == NULL) {
            list = &queue->flying;
            queue->flying_ns = now_ns + ram->latency_ns;
        } else {
            list = &queue->gathering;
            queue->gathering_ns = now_ns + ram->latency_ns;
        }
    }
    for (uint32_t i = 0; i < count; i++)
        request_list_append(list, requests[i]);
}

static void queue_wait(struct ram_queue *queue)
{
    _Atomic uint32_t nobody_wakes = 0;

    while (queue->done.first == NULL && queue->flying.first != NULL) {
        uint64_t now_ns = world_now_ns();

        if (now_ns < queue->flying_ns)
            world_wait(&nobody_wakes, 0, queue->flying_ns - now_ns);
        queue_advance(queue, world_now_ns());
    }
}

static uint32_t ram_reap(void *self, uint32_t queue_number, struct store_request **ret_requests,
                         uint32_t count, bool wait)
{
    struct ram *ram = self;
    struct ram_queue *queue = &ram->queues[queue_number];

    if (ram->latency_ns != 0) {
        queue_advance(queue, world_now_ns());
        if (wait && count != 0)
            queue_wait(queue);
    }
    return request_list_take_many(&queue->done, ret_requests, count);
}

/* The memory of all slots is mapped; what is not used costs nothing. */
static int ram_grow(void *self, uint32_t slots)
{
    struct ram *ram = self;

    atomic_store_explicit(&ram->slots_ready, slots, memory_order_relaxed);
    return 0;
}

static void ram_destroy(void *self)
{
    struct ram *ram = self;

    store_memory_unmap(ram->memory, ram->bytes);
    free(ram);
}

static bool ram_holds(void *self, slot_number slot, const void *page)
{
    struct ram *ram = self;
    const unsigned char *memory = ram->memory + ((size_t)(slot - 1) << PAGE_SHIFT);

    world_work(WORLD_COPY_PAGE, 1);
    return same_shared(memory, page, MM_PAGE_SIZE);
}

/* No discard: the memory of a free slot is kept, because the next page written will need it. */
static const struct store_ops ram_ops = {
    .name = "ram",
    .submit = ram_submit,
    .reap = ram_reap,
    .holds = ram_holds,
    .grow = ram_grow,
    .destroy = ram_destroy,
};

int ram_create(uint32_t slots, uint32_t queues, struct store *ret_store)
{
    size_t bytes = (size_t)MAX_OF(slots, 1u) << PAGE_SHIFT;
    size_t head = sizeof(struct ram) + queues * sizeof(struct ram_queue);
    struct ram *ram;

    if (posix_memalign((void **)&ram, CACHE_LINE, head) != 0)
        return -ENOMEM;
    memset(ram, 0, head);
    ram->memory = store_memory_map(bytes);
    if (ram->memory == NULL) {
        free(ram);
        return -ENOMEM;
    }
    madvise(ram->memory, bytes, MADV_HUGEPAGE); /* may be refused */
    ram->bytes = bytes;
    ram->slots_ready = slots;
    *ret_store = (struct store){
        .ops = &ram_ops, .self = ram, .slots = slots, .slots_ready = slots, .queues = queues};
    return 0;
}

const void *ram_slot(const struct store *store, slot_number slot)
{
    const struct ram *ram = store->self;

    return ram->memory + ((size_t)(slot - 1) << PAGE_SHIFT);
}

void ram_reset(struct store *store)
{
    struct ram *ram = store->self;

    ram->slots_ready = store->slots_ready;
    memset(ram->queues, 0, store->queues * sizeof(ram->queues[0]));
    if (ram->bytes <= SMALL_BYTES)
        memset(ram->memory, 0, ram->bytes);
    else
        madvise(ram->memory, ram->bytes, MADV_DONTNEED);
}

void ram_set_ready(struct store *store, uint32_t slots)
{
    struct ram *ram = store->self;

    ram->slots_ready = store->slots_ready = slots;
}

void ram_set_latency(struct store *store, uint64_t latency_ns)
{
    struct ram *ram = store->self;

    ram->latency_ns = latency_ns;
}
