/*
 * store.h - contract: where page-file slots live.
 *
 * A store holds `slots` slots of one page each, numbered from 1 (slot 0 means "none"). Work is
 * asynchronous: submit requests on a queue, reap them when they are done. A queue belongs to one
 * thread at a time; different queues may be used at once. Errors are results, never exits.
 *
 * While a write is in flight its source may change (a page rescued and written again). The store
 * must survive that; the bytes in the slot are then worthless and the engine discards the slot.
 *
 * A slot that was never written, was discarded, or whose last write failed has no content: reading
 * it is an error or gives any bytes.
 */
#ifndef MM_CONTRACT_STORE_H
#define MM_CONTRACT_STORE_H

#include "base/types.h"

enum store_operation { STORE_READ, STORE_WRITE };

/* One I/O: a run of neighbouring slots. Owned by the caller until it was reaped. */
struct store_request {
    enum store_operation operation;
    slot_number slot;           /* first slot of the run */
    uint32_t count;             /* pages in the run, at least 1 */
    void *const *pages;         /* count buffers of MM_PAGE_SIZE bytes; a write only reads them */
    int result;                 /* 0, or a negative errno for the whole run; set when reaped */
    uint32_t pages_done;        /* page that failed, counted from 0, or `count`; set when reaped */
    struct store_request *next; /* for the store, while it owns the request */
};

struct store_ops {
    const char *name;
    /* Begin requests[0..count). Never waits for a device. */
    void (*submit)(void *store, uint32_t queue, struct store_request *const *requests,
                   uint32_t count);
    /*
     * Take up to `count` finished requests of the queue. With `wait`, at least one if any is in
     * flight. Returns how many.
     */
    uint32_t (*reap)(void *store, uint32_t queue, struct store_request **ret_requests,
                     uint32_t count, bool wait);
    /* The slots' content is no longer needed. A hint. May be NULL. */
    void (*discard)(void *store, slot_number first, uint32_t count);
};

struct store {
    const struct store_ops *ops;
    void *self;
    uint32_t slots;  /* usable slots: 1..slots */
    uint32_t queues; /* queues 0..queues-1 may be used */
};

/* Does the store have every slot of the run? A request for any other fails with -EINVAL. */
static inline bool store_has_run(uint32_t slots, const struct store_request *request)
{
    return request->slot != SLOT_NONE && request->slot <= slots && request->count != 0 &&
           request->count <= slots - request->slot + 1;
}

/* Read one slot and wait for it; nothing else may be in flight on the queue. 0 or -errno. */
static inline int store_read_page(const struct store *store, uint32_t queue, slot_number slot,
                                  void *ret_page)
{
    void *const pages[1] = {ret_page};
    struct store_request request = {
        .operation = STORE_READ, .slot = slot, .count = 1, .pages = pages};
    struct store_request *submitted = &request, *reaped = NULL;
    store->ops->submit(store->self, queue, &submitted, 1);
    while (reaped == NULL) {
        store->ops->reap(store->self, queue, &reaped, 1, true);
    }
    return request.result;
}

#endif
