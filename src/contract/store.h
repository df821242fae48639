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
 * A slot may be read by two requests at once, of two queues: by a fault, and by whoever moves it to
 * another. Nobody writes or discards it meanwhile.
 *
 * A slot that was never written, was discarded, or whose last write failed has no content: reading
 * it is an error or gives any bytes.
 */
#ifndef MM_CONTRACT_STORE_H
#define MM_CONTRACT_STORE_H

#include "base/types.h"

#include <errno.h>

enum store_operation { STORE_READ, STORE_WRITE };

/* One I/O: a run of neighbouring slots. Owned by the caller until it was reaped. */
struct store_request {
    enum store_operation operation;
    slot_number slot; /* first slot of the run */
    uint32_t count;   /* pages in the run, at least 1 */
    /*
     * count buffers of MM_PAGE_SIZE bytes, page aligned; a write only reads them. NULL in a read:
     * this slot lies between others and is not wanted, whatever it holds.
     */
    void *const *pages;
    int result;                 /* 0, or a negative errno for the whole run; set when reaped */
    uint32_t pages_done;        /* page that failed, counted from 0, or `count`; set when reaped */
    bool from_memory;           /* read without asking any device; set when reaped */
    struct store_request *next; /* for the store, while it owns the request */
    uint32_t queue;             /* the same: by which queue it came */
};

/* What a store counts beside the engine's own I/O counters. Names are JSON keys, all static. */
struct store_counter {
    const char *name, *title;
    uint64_t value;
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
    /*
     * The slots' content is no longer needed; they are the caller's until it returns, and nothing
     * is in flight on them. A hint. Never waits for a device, and may be called under locks, from
     * any thread. May be NULL.
     */
    void (*discard)(void *store, slot_number first, uint32_t count);
    /*
     * Are these MM_PAGE_SIZE bytes what the slot holds? The slot is the caller's, and nothing is in
     * flight on it. False where the store cannot tell without its device; true may be wrong once in
     * 2^64 answers. Never waits. NULL: the store can never tell.
     */
    bool (*holds)(void *store, slot_number slot, const void *page);
    /*
     * Make slots 1..slots usable; those there are stay. May wait for a device, and be called while
     * requests are in flight, by one thread at a time. 0 or -errno, with nothing changed. NULL: all
     * slots are usable from the start.
     */
    int (*grow)(void *store, uint32_t slots);
    /* Its own counters; returns how many there are (fill at most `count`). NULL: none. */
    uint32_t (*counters)(void *store, struct store_counter *ret_counters, uint32_t count);
    /* Give everything back; nothing is in flight. A store below stays its owner's. */
    void (*destroy)(void *store);
};

struct store {
    const struct store_ops *ops;
    void *self;
    uint32_t slots;       /* slots 1..slots can ever be used */
    uint32_t slots_ready; /* slots 1..slots_ready at the start; grow() makes more of them usable */
    uint32_t queues;      /* queues 0..queues-1 may be used */
};

static inline void store_destroy(struct store *store)
{
    store->ops->destroy(store->self);
    *store = (struct store){.ops = NULL};
}

/* Does the store have every slot of the run? A request for any other fails with -EINVAL. */
static inline bool store_has_run(uint32_t slots, const struct store_request *request)
{
    return request->slot != SLOT_NONE && request->slot <= slots && request->count != 0 &&
           request->count <= slots - request->slot + 1;
}

/* What the error of a write says of the slot that it was for. */
enum store_blame {
    STORE_NOT_THE_SLOT, /* no room, no memory, no connection: another slot would have failed too */
    STORE_MAYBE_THE_SLOT,
    STORE_THE_SLOT /* the device says that it cannot hold anything there */
};

/* By errno or its negative, as the block layer uses them. */
static inline enum store_blame store_blame(int error)
{
    switch (error < 0 ? -error : error) {
    case EIO:
        return STORE_MAYBE_THE_SLOT;
    case ENODATA:   /* a critical medium error */
    case EREMOTEIO: /* the target's own error */
    case EILSEQ:    /* a protection error */
    case EBADMSG:
        return STORE_THE_SLOT;
    default:
        return STORE_NOT_THE_SLOT;
    }
}

/* As grow() and counters(), for a store that may have none. */
static inline int store_grow(const struct store *store, uint32_t slots)
{
    return store->ops->grow == NULL ? 0 : store->ops->grow(store->self, slots);
}

static inline uint32_t store_counters(const struct store *store, struct store_counter *ret_counters,
                                      uint32_t count)
{
    return store->ops->counters == NULL ? 0
                                        : store->ops->counters(store->self, ret_counters, count);
}

/* Submit requests and wait until all are done; nothing else may be in flight on the queue. */
static inline void store_wait_for_all(const struct store *store, uint32_t queue,
                                      struct store_request *const *requests, uint32_t count)
{
    struct store_request *reaped[32];
    if (count > 0) {
        store->ops->submit(store->self, queue, requests, count);
    }
    for (uint32_t done = 0; done < count;) {
        done += store->ops->reap(store->self, queue, reaped, 32, true);
    }
}

/* One request; 0 or -errno. */
static inline int store_wait_for(const struct store *store, uint32_t queue,
                                 struct store_request *request)
{
    store_wait_for_all(store, queue, &request, 1);
    return request->result;
}

static inline int store_read_page(const struct store *store, uint32_t queue, slot_number slot,
                                  void *ret_page)
{
    void *const pages[1] = {ret_page};
    struct store_request request = {
        .operation = STORE_READ, .slot = slot, .count = 1, .pages = pages};
    return store_wait_for(store, queue, &request);
}

#endif
