/*
 * scenario_store.c - a store in which everything takes a while, and requests fail when told to.
 */
#include "scenario.h"

#include "base/copy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define POISON    0xEE
#define WRITTEN   UINT32_MAX
#define HALF_PAGE (MM_PAGE_SIZE / 2)

static slot_number slots_first = UINT32_MAX;

struct slow_store {
    slot_number slots, slots_ready;
    bool growing;
    uint32_t refuse; /* how many more */
    uint32_t queues;
    uint32_t fail[2]; /* by operation: how many more */
    int error[2];     /* and how */
    void (*failed)(uint32_t queue, const void *buffer);
    uint32_t *readers; /* by slot: reads under way, or WRITTEN */
    unsigned char *bytes;
    struct store_request *first[]; /* by queue */
};

static void move_half(struct slow_store *slow, const struct store_request *request, size_t half)
{
    for (uint32_t i = 0; i < request->count; i++) {
        if (request->pages[i] == NULL) /* not wanted */
            continue;
        unsigned char *slot = slow->bytes + (size_t)(request->slot + i) * MM_PAGE_SIZE;
        unsigned char *page = request->pages[i];

        if (request->operation == STORE_READ)
            copy_shared(page + half * HALF_PAGE, slot + half * HALF_PAGE, HALF_PAGE);
        else
            copy_shared(slot + half * HALF_PAGE, page + half * HALF_PAGE, HALF_PAGE);
    }
}

static void spoil(struct slow_store *slow, const struct store_request *request)
{
    for (uint32_t i = 0; i < request->count; i++) {
        if (request->pages[i] == NULL) /* not wanted */
            continue;
        unsigned char *slot = slow->bytes + (size_t)(request->slot + i) * MM_PAGE_SIZE;

        memset(request->operation == STORE_READ ? request->pages[i] : slot, POISON, MM_PAGE_SIZE);
    }
}

/*
 * Nobody else writes the slots meanwhile, or reads what is being written: a slot has one owner. Its
 * page may be read while it is being moved.
 */
static void mark_busy(struct slow_store *slow, const struct store_request *request, bool busy)
{
    fibers_touch(slow->readers);
    for (uint32_t i = 0; i < request->count; i++) {
        uint32_t *readers = &slow->readers[request->slot + i];
        bool read = request->operation == STORE_READ;

        if (request->pages[i] == NULL) /* not wanted */
            continue;
        if (busy && *readers != 0 && (!read || *readers == WRITTEN))
            fibers_fail("slot %u is %s while another request for it is under way",
                        request->slot + i, read ? "read" : "written");
        if (read)
            *readers += busy ? 1 : UINT32_MAX;
        else
            *readers = busy ? WRITTEN : 0;
    }
}

/* Its owner gives it back. */
static void slow_discard(void *store, slot_number first, uint32_t count)
{
    struct slow_store *slow = store;

    for (slot_number slot = first; slot < first + count; slot++) {
        if (slow->readers[slot] != 0)
            fibers_fail("slot %u is given back while a request for it is under way", slot);
        memset(slow->bytes + (size_t)slot * MM_PAGE_SIZE, POISON, MM_PAGE_SIZE);
    }
}

static void slow_submit(void *store, uint32_t queue, struct store_request *const *requests,
                        uint32_t count)
{
    struct slow_store *slow = store;
    struct store_request **last = &slow->first[queue];

    while (*last != NULL)
        last = &(*last)->next;
    for (uint32_t i = 0; i < count; i++) {
        if (requests[i]->slot == SLOT_NONE || requests[i]->count == 0 ||
            requests[i]->slot + requests[i]->count - 1 > slow->slots_ready)
            fibers_fail("a request for %u slots from slot %u", requests[i]->count,
                        requests[i]->slot);
        mark_busy(slow, requests[i], true);
        fibers_point();
        move_half(slow, requests[i], 0);
        requests[i]->next = NULL;
        *last = requests[i];
        last = &requests[i]->next;
    }
}

static uint32_t slow_reap(void *store, uint32_t queue, struct store_request **ret_requests,
                          uint32_t count, bool wait)
{
    struct slow_store *slow = store;
    uint32_t reaped = 0;

    (void)wait;
    while (reaped < count && slow->first[queue] != NULL) {
        struct store_request *request = slow->first[queue];

        slow->first[queue] = request->next;
        fibers_point();
        request->result = slow->fail[request->operation] > 0 ? -slow->error[request->operation] : 0;
        slow->fail[request->operation] -= request->result != 0;
        if (request->result == 0)
            move_half(slow, request, 1);
        else
            spoil(slow, request);
        mark_busy(slow, request, false);
        if (request->result != 0 && request->operation == STORE_READ && slow->failed != NULL)
            slow->failed(queue, request->pages[0]);
        ret_requests[reaped++] = request;
    }
    return reaped;
}

/* By its owner, who has no request for it under way. */
static bool slow_holds(void *store, slot_number slot, const void *page)
{
    struct slow_store *slow = store;

    if (slow->readers[slot] == WRITTEN)
        fibers_fail("slot %u is compared while it is written", slot);
    fibers_point();
    return memcmp(slow->bytes + (size_t)slot * MM_PAGE_SIZE, page, MM_PAGE_SIZE) == 0;
}

/* One at a time, and never back. */
static int slow_grow(void *store, uint32_t slots)
{
    struct slow_store *slow = store;
    bool refused = slow->refuse > 0;

    if (slow->growing || slots <= slow->slots_ready || slots > slow->slots)
        fibers_fail("the store is asked to grow to %u slots of %u: it has %u%s", slots, slow->slots,
                    slow->slots_ready, slow->growing ? " and grows" : "");
    slow->growing = true;
    fibers_point();
    slow->growing = false;
    slow->refuse -= refused;
    if (!refused)
        slow->slots_ready = slots;
    return refused ? -ENOSPC : 0;
}

static const struct store_ops slow_ops = {.name = "slow",
                                          .submit = slow_submit,
                                          .reap = slow_reap,
                                          .discard = slow_discard,
                                          .holds = slow_holds,
                                          .grow = slow_grow};

static int create_slow(void *context, slot_number slots, uint32_t queues, struct store *ret_store)
{
    struct slow_store *slow = calloc(1, sizeof(*slow) + queues * sizeof(slow->first[0]));

    (void)context;
    if (slow == NULL)
        return -ENOMEM;
    slow->slots = slots;
    slow->queues = queues;
    slow->readers = calloc(slots + 1, sizeof(*slow->readers));
    slow->bytes = calloc(slots + 1, MM_PAGE_SIZE);
    *ret_store = (struct store){&slow_ops, slow, slots, slots, queues};
    return slow->readers == NULL || slow->bytes == NULL ? -ENOMEM : 0;
}

static void reset_slow(void *context, struct store *store)
{
    struct slow_store *slow = store->self;

    (void)context;
    slow->slots_ready = store->slots_ready = MIN_OF(slots_first, slow->slots);
    slow->growing = false;
    slow->refuse = 0;
    memset(slow->first, 0, slow->queues * sizeof(slow->first[0]));
    memset(slow->fail, 0, sizeof(slow->fail));
    memset(slow->readers, 0, (slow->slots + 1) * sizeof(*slow->readers));
    memset(slow->bytes, POISON, (size_t)(slow->slots + 1) * MM_PAGE_SIZE);
}

static void destroy_slow(void *context, struct store *store)
{
    struct slow_store *slow = store->self;

    (void)context;
    free(slow->readers);
    free(slow->bytes);
    free(slow);
    *store = (struct store){.ops = NULL};
}

const struct assembly_store scenario_store = {create_slow, reset_slow, destroy_slow, NULL};

void scenario_store_begin_with(slot_number slots)
{
    slots_first = slots;
}

void scenario_store_refuse(struct store *store, uint32_t growths)
{
    struct slow_store *slow = store->self;

    slow->refuse = growths;
}

void scenario_store_fail(struct store *store, uint32_t reads, uint32_t writes, int write_error)
{
    struct slow_store *slow = store->self;

    slow->error[STORE_READ] = EIO;
    slow->error[STORE_WRITE] = write_error == 0 ? EIO : write_error;

    slow->fail[STORE_READ] = reads;
    slow->fail[STORE_WRITE] = writes;
}

void scenario_store_watch(struct store *store, void (*failed)(uint32_t queue, const void *buffer))
{
    struct slow_store *slow = store->self;

    slow->failed = failed;
}
