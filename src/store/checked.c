/*
 * checked.c - the checked store: what comes back is what went in, or an error.
 *
 * Checksums are kept in memory, apart from what they vouch for, so a device that returns an old
 * page, another slot's page or half a page cannot return the fitting checksum with it. A slot is
 * readable only between a write that succeeded and whatever comes next; everything else fails
 * closed. The checksum is taken before the write begins: a source that changes meanwhile gives a
 * slot that cannot be read, which is what such a slot is worth.
 *
 * No locks. A slot has one owner at a time, which is the engine's business. If that promise is
 * broken, the word of the slot, read before and after the comparison, makes it an error as well.
 */
#include "store/checked.h"

#include "base/mutant.h"
#include "store/checksum.h"
#include "store/slot_content.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

struct checked_slot {
    _Atomic uint64_t word;
    _Atomic uint64_t checksum; /* means something while the content is coming or known */
};

struct checked {
    struct store below;
    struct checked_slot slots[]; /* slot s is slots[s - 1] */
};

static void slot_write_begin(struct checked_slot *slot, const void *page)
{
    content_write_begin(&slot->word);
    atomic_store_explicit(&slot->checksum, page_checksum(page), memory_order_release);
}

static bool slot_vouches(struct checked_slot *slot, const void *page)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
    bool same = page_checksum(page) == atomic_load_explicit(&slot->checksum, memory_order_acquire);

    if (MUTANT(CHECKED_COMPARES_CHECKSUM_ALONE))
        return same;
    same = same || MUTANT(CHECKED_SKIPS_CHECKSUM);
    return same && content_is_known(word) &&
           word == atomic_load_explicit(&slot->word, memory_order_relaxed);
}

static void read_end(struct checked_slot *slots, struct store_request *request)
{
    uint32_t pages = MUTANT(CHECKED_LOOKS_AT_FIRST_ONLY) ? 1 : request->count;

    for (uint32_t i = 0; i < pages && request->result == 0; i++) {
        if (request->pages[i] != NULL && !slot_vouches(&slots[i], request->pages[i])) {
            request->result = -EBADMSG;
            request->pages_done = i;
        }
    }
}

static void write_end(struct checked_slot *slots, const struct store_request *request)
{
    for (uint32_t i = 0; i < request->count; i++) {
        if (request->result == 0 || MUTANT(CHECKED_BELIEVES_FAILED_WRITE))
            content_write_end(&slots[i].word);
        else
            content_forget(&slots[i].word);
    }
}

static void checked_submit(void *self, uint32_t queue, struct store_request *const *requests,
                           uint32_t count)
{
    struct checked *checked = self;

    for (uint32_t i = 0; i < count; i++) {
        const struct store_request *request = requests[i];

        if (request->operation == STORE_READ || !store_has_run(checked->below.slots, request))
            continue;
        for (uint32_t p = 0; p < request->count; p++)
            slot_write_begin(&checked->slots[request->slot - 1 + p], request->pages[p]);
    }
    checked->below.ops->submit(checked->below.self, queue, requests, count);
}

static uint32_t checked_reap(void *self, uint32_t queue, struct store_request **ret_requests,
                             uint32_t count, bool wait)
{
    struct checked *checked = self;
    const struct store *below = &checked->below;
    uint32_t reaped = below->ops->reap(below->self, queue, ret_requests, count, wait);

    for (uint32_t i = 0; i < reaped; i++) {
        struct store_request *request = ret_requests[i];

        if (!store_has_run(below->slots, request))
            continue;
        if (request->operation == STORE_READ)
            read_end(&checked->slots[request->slot - 1], request);
        else
            write_end(&checked->slots[request->slot - 1], request);
    }
    return reaped;
}

static void checked_discard(void *self, slot_number first, uint32_t count)
{
    struct checked *checked = self;
    const struct store *below = &checked->below;

    for (uint32_t i = 0; i < count; i++)
        content_forget(&checked->slots[first - 1 + i].word);
    if (below->ops->discard != NULL)
        below->ops->discard(below->self, first, count);
}

static bool checked_holds(void *self, slot_number slot, const void *page)
{
    struct checked *checked = self;

    return slot_vouches(&checked->slots[slot - 1], page);
}

static int checked_grow(void *self, uint32_t slots)
{
    struct checked *checked = self;

    return store_grow(&checked->below, slots);
}

static uint32_t checked_counters(void *self, struct store_counter *ret_counters, uint32_t count)
{
    struct checked *checked = self;

    return store_counters(&checked->below, ret_counters, count);
}

static void checked_destroy(void *self)
{
    free(self);
}

static const struct store_ops checked_ops = {
    .name = "checked",
    .submit = checked_submit,
    .reap = checked_reap,
    .discard = checked_discard,
    .holds = checked_holds,
    .grow = checked_grow,
    .counters = checked_counters,
    .destroy = checked_destroy,
};

int checked_create(const struct store *below, struct store *ret_store)
{
    struct checked *checked =
        calloc(1, sizeof(*checked) + (size_t)below->slots * sizeof(checked->slots[0]));

    if (checked == NULL)
        return -ENOMEM;
    checked->below = *below;
    *ret_store = (struct store){.ops = &checked_ops,
                                .self = checked,
                                .slots = below->slots,
                                .slots_ready = below->slots_ready,
                                .queues = below->queues};
    return 0;
}

uint64_t checked_generation(const struct store *store, slot_number slot)
{
    struct checked *checked = store->self;

    return content_writes(
        atomic_load_explicit(&checked->slots[slot - 1].word, memory_order_relaxed));
}
