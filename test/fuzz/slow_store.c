/*
 * slow_store.c - a store whose requests take a while, and of which some fail: those named by number.
 *
 * Half of a page is copied when its request comes, the other half when it is reaped; a request
 * that fails leaves worthless bytes where it would have copied. Two requests for one slot at a
 * time are a broken promise.
 */
#include "slow_store.h"

#include "page_model.h"

#include "base/copy.h"
#include "world/fibers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POISON    0xA5
#define HALF_PAGE (MM_PAGE_SIZE / 2)
#define WRITES    128u

struct slow_store {
    slot_number slots;
    uint32_t queues;
    uint32_t requests[2]; /* by operation, so far */
    uint32_t failures[SLOW_STORE_FAILURES];
    bool *busy; /* by slot */
    unsigned char *bytes;
    struct store_request *first[]; /* by queue */
};

static unsigned char *slot_bytes(struct slow_store *store, const struct store_request *request,
                                 uint32_t page)
{
    return store->bytes + (size_t)(request->slot + page - 1) * MM_PAGE_SIZE;
}

static void mark_busy(struct slow_store *store, const struct store_request *request, bool busy)
{
    if (request->slot == SLOT_NONE || request->count == 0 ||
        request->slot + request->count - 1 > store->slots)
        fibers_fail("a request for %u slots from slot %u", request->count, request->slot);
    for (uint32_t i = 0; i < request->count; i++) {
        if (request->pages[i] == NULL) /* not wanted */
            continue;
        if (store->busy[request->slot + i] == busy)
            fibers_fail("slot %u has two requests at once", request->slot + i);
        store->busy[request->slot + i] = busy;
    }
}

static void move_half(struct slow_store *store, const struct store_request *request, size_t offset)
{
    for (uint32_t i = 0; i < request->count; i++) {
        if (request->pages[i] == NULL) /* not wanted */
            continue;
        unsigned char *slot = slot_bytes(store, request, i) + offset;
        unsigned char *page = (unsigned char *)request->pages[i] + offset;

        if (request->operation == STORE_READ)
            copy_shared(page, slot, HALF_PAGE);
        else
            copy_shared(slot, page, HALF_PAGE);
    }
}

static void spoil(struct slow_store *store, const struct store_request *request)
{
    for (uint32_t i = 0; i < request->count; i++) {
        if (request->pages[i] != NULL)
            memset(request->operation == STORE_READ ? request->pages[i]
                                                    : slot_bytes(store, request, i),
                   POISON, MM_PAGE_SIZE);
    }
}

static bool request_fails(struct slow_store *store, enum store_operation operation)
{
    uint32_t number = ++store->requests[operation] + (operation == STORE_WRITE ? WRITES : 0);
    bool fails = false;

    for (uint32_t i = 0; i < SLOW_STORE_FAILURES; i++)
        fails |= store->failures[i] == number;
    if (fails && operation == STORE_READ)
        model_reads_may_fail();
    return fails;
}

static void store_submit(void *self, uint32_t queue, struct store_request *const *requests,
                         uint32_t count)
{
    struct slow_store *store = self;
    struct store_request **last = &store->first[queue];

    while (*last != NULL)
        last = &(*last)->next;
    for (uint32_t i = 0; i < count; i++) {
        mark_busy(store, requests[i], true);
        move_half(store, requests[i], 0);
        requests[i]->next = NULL;
        *last = requests[i];
        last = &requests[i]->next;
        fibers_point();
    }
}

static uint32_t store_reap(void *self, uint32_t queue, struct store_request **ret_requests,
                           uint32_t count, bool wait)
{
    struct slow_store *store = self;
    uint32_t reaped = 0;

    (void)wait;
    while (reaped < count && store->first[queue] != NULL) {
        struct store_request *request = store->first[queue];

        fibers_point();
        store->first[queue] = request->next;
        request->result = request_fails(store, request->operation) ? -EIO : 0;
        request->pages_done = request->result == 0 ? request->count : 0;
        if (request->result == 0)
            move_half(store, request, HALF_PAGE);
        else
            spoil(store, request);
        mark_busy(store, request, false);
        ret_requests[reaped++] = request;
    }
    return reaped;
}

static bool store_holds(void *self, slot_number slot, const void *page)
{
    struct slow_store *store = self;

    fibers_point();
    return memcmp(store->bytes + (size_t)(slot - 1) * MM_PAGE_SIZE, page, MM_PAGE_SIZE) == 0;
}

static const struct store_ops ops = {
    .name = "slow", .submit = store_submit, .reap = store_reap, .holds = store_holds};

static int create_store(void *context, slot_number slots, uint32_t queues, struct store *ret_store)
{
    struct slow_store *store = calloc(1, sizeof(*store) + queues * sizeof(store->first[0]));

    (void)context;
    if (store == NULL)
        return -ENOMEM;
    store->slots = slots;
    store->queues = queues;
    store->busy = calloc(slots + 1, sizeof(*store->busy));
    store->bytes = calloc(MAX_OF(slots, 1u), MM_PAGE_SIZE);
    *ret_store = (struct store){&ops, store, slots, slots, queues};
    return store->busy == NULL || store->bytes == NULL ? -ENOMEM : 0;
}

/* What was never written is worthless; the bytes of the run before are, too. */
static void reset_store(void *context, struct store *store)
{
    struct slow_store *self = store->self;

    (void)context;
    memset(self->first, 0, self->queues * sizeof(self->first[0]));
    memset(self->requests, 0, sizeof(self->requests));
    memset(self->failures, 0, sizeof(self->failures));
    memset(self->busy, 0, (self->slots + 1) * sizeof(*self->busy));
    memset(self->bytes, POISON, (size_t)self->slots * MM_PAGE_SIZE);
}

static void destroy_store(void *context, struct store *store)
{
    struct slow_store *self = store->self;

    (void)context;
    free(self->busy);
    free(self->bytes);
    free(self);
    *store = (struct store){.ops = NULL};
}

const struct assembly_store slow_store = {create_store, reset_store, destroy_store, NULL};

void slow_store_fail(struct store *store, const uint32_t failures[SLOW_STORE_FAILURES])
{
    struct slow_store *self = store->self;

    memcpy(self->failures, failures, sizeof(self->failures));
}

void slow_store_heal(struct store *store)
{
    struct slow_store *self = store->self;

    memset(self->failures, 0, sizeof(self->failures));
}

void slow_store_describe(const struct store *store)
{
    const struct slow_store *self = store->self;

    for (uint32_t i = 0; i < SLOW_STORE_FAILURES; i++) {
        if (self->failures[i] != 0)
            fprintf(stderr, "  store: %s number %u fails\n",
                    self->failures[i] > WRITES ? "write" : "read",
                    self->failures[i] > WRITES ? self->failures[i] - WRITES : self->failures[i]);
    }
}
