/*
 * fake_engine.h - the smallest engine a machine can be tested with.
 *
 * A page is empty (zeros), resident (the machine has its content, mapped or not) or stored (the
 * content is in our array). Faults map, evictors unmap and take content away; a page's lock makes
 * each a whole. Frame f belongs to page f for ever. A clean page is dropped without being copied,
 * so a machine that misses a write loses it here, and the tests see it.
 */
#ifndef MM_TEST_FAKE_ENGINE_H
#define MM_TEST_FAKE_ENGINE_H

#include "contract/machine.h"
#include "contract/world.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define FAKE_THREADS 16
#define FAKE_WINDOWS 64

enum fake_state { FAKE_EMPTY, FAKE_RESIDENT, FAKE_STORED };

struct fake_page {
    _Atomic uint32_t lock;
    enum fake_state state;
    bool mapped;   /* as far as we know: a two-step unmap may have taken it away since */
    bool writable; /* mapped so, and therefore dirty */
    bool stored;   /* our array has its content, as of the last eviction */
    bool dirty;    /* written since, or must be assumed so */
    _Atomic enum fault_result verdict;
};

struct fake_engine {
    struct machine machine;
    page_number pages;
    struct fake_page *page;
    char *store;
    _Atomic page_number around; /* pages to map beside a fault, in the same state; 0: none */
    /* Called first in every fault, if set before the machine is started. */
    void (*on_fault)(struct fake_engine *fake, page_number page);
    _Atomic uint64_t faults;
    _Atomic uint64_t write_faults;
    _Atomic uint64_t upgrades;
    _Atomic uint64_t copies;
    _Atomic bool number_taken[FAKE_THREADS];
};

static inline void fake_lock(struct fake_page *page)
{
    unsigned round = 0;

    while (atomic_exchange_explicit(&page->lock, 1, memory_order_acquire) != 0)
        world_pause(round++, true);
}

static inline bool fake_try_lock(struct fake_page *page)
{
    return atomic_exchange_explicit(&page->lock, 1, memory_order_acquire) == 0;
}

static inline void fake_unlock(struct fake_page *page)
{
    atomic_store_explicit(&page->lock, 0, memory_order_release);
}

static inline uint32_t fake_thread_enter(void *context)
{
    struct fake_engine *fake = context;

    for (unsigned round = 0;; round++) {
        for (uint32_t i = 0; i < FAKE_THREADS; i++)
            if (!atomic_exchange(&fake->number_taken[i], true))
                return i;
        world_pause(round, true);
    }
}

static inline void fake_thread_leave(void *context, uint32_t thread)
{
    struct fake_engine *fake = context;

    atomic_store(&fake->number_taken[thread], false);
}

/* Map one locked page that is empty or stored; resident pages go by fake_map_resident(). */
static inline void fake_map_filled(struct fake_engine *fake, uint32_t thread, page_number number,
                                   bool write)
{
    struct fake_page *page = &fake->page[number];
    const struct machine_ops *ops = fake->machine.ops;
    struct machine_map map = {
        .page = number, .frame = number, .writable = write, .source = fake->machine.zeros};

    if (page->state == FAKE_STORED) {
        void *buffer = ops->fill_buffer(fake->machine.self, thread, 0, number);

        memcpy(buffer, fake->store + ((size_t)number << PAGE_SHIFT), MM_PAGE_SIZE);
        map.source = buffer;
    }
    ops->map(fake->machine.self, thread, 1, &map);
    page->dirty = page->state == FAKE_EMPTY || map.writable || !fake->machine.dirty_tracking;
    page->state = FAKE_RESIDENT;
    page->mapped = true;
    page->writable = map.writable;
}

/* Map `number`, resident and locked, and what can be had around it with the same call. */
static inline void fake_map_resident(struct fake_engine *fake, uint32_t thread, page_number number,
                                     bool write)
{
    struct machine_map maps[FAKE_WINDOWS];
    bool writable = write || fake->page[number].writable;
    uint32_t count = 0;

    do {
        struct fake_page *page = &fake->page[number + count];

        maps[count] = (struct machine_map){
            .page = number + count, .frame = number + count, .writable = writable, .source = NULL};
        page->mapped = true;
        page->writable = writable;
        page->dirty = page->dirty || writable || !fake->machine.dirty_tracking;
        count++;
        if (count > atomic_load(&fake->around) || count == FAKE_WINDOWS ||
            number + count >= fake->pages || !fake_try_lock(&fake->page[number + count]))
            break;
        page = &fake->page[number + count];
        if (page->state != FAKE_RESIDENT || page->mapped || page->writable != writable) {
            fake_unlock(page);
            break;
        }
    } while (true);
    fake->machine.ops->map(fake->machine.self, thread, count, maps);
    while (--count > 0)
        fake_unlock(&fake->page[number + count]);
}

static inline enum fault_result fake_fault(void *engine, uint32_t thread, page_number number,
                                           bool write)
{
    struct fake_engine *fake = engine;
    struct fake_page *page = &fake->page[number];
    enum fault_result verdict;

    if (fake->on_fault != NULL)
        fake->on_fault(fake, number);
    verdict = atomic_load(&page->verdict);
    if (verdict != FAULT_RESOLVED) {
        atomic_fetch_add(&fake->faults, 1);
        if (verdict == FAULT_IN_PAGE_ERROR && fake->machine.ops->failed != NULL)
            fake->machine.ops->failed(fake->machine.self, thread, number);
        return verdict;
    }
    fake_lock(page);
    /* The kernel may tell of one fault twice; what is resolved already is not a fault. */
    if (page->state != FAKE_RESIDENT || !page->mapped || (write && !page->writable)) {
        atomic_fetch_add(&fake->faults, 1);
        if (write)
            atomic_fetch_add(&fake->write_faults, 1);
    }
    if (page->state != FAKE_RESIDENT) {
        fake_map_filled(fake, thread, number, write);
    } else if (page->mapped && write && !page->writable) {
        /* If a late unmap took it away meanwhile, the next fault maps it writable. */
        page->writable = true;
        page->dirty = true;
        atomic_fetch_add(&fake->upgrades, 1);
        fake->machine.ops->make_writable(fake->machine.self, thread, number);
    } else {
        fake_map_resident(fake, thread, number, write);
    }
    fake_unlock(page);
    return FAULT_RESOLVED;
}

/* Unmap in two steps, as a trimmer does: the engine's books first, the machine later. */
static inline void fake_unmap(struct fake_engine *fake, uint32_t thread, uint32_t count,
                              const page_number *pages)
{
    for (uint32_t i = 0; i < count; i++) {
        struct fake_page *page = &fake->page[pages[i]];

        fake_lock(page);
        page->mapped = false;
        fake_unlock(page);
    }
    fake->machine.ops->unmap(fake->machine.self, thread, count, pages, NULL);
}

/*
 * Take content away from up to FAKE_WINDOWS pages, ascending: into the array if it is dirty, then
 * the machine forgets it. Pages that are not resident are left alone.
 */
static inline uint32_t fake_evict(struct fake_engine *fake, uint32_t thread, uint32_t count,
                                  const page_number *pages)
{
    const struct machine_ops *ops = fake->machine.ops;
    page_number taken[FAKE_WINDOWS], dirty[FAKE_WINDOWS];
    void *buffers[FAKE_WINDOWS];
    uint32_t taken_count = 0, dirty_count = 0;

    for (uint32_t i = 0; i < count; i++) {
        struct fake_page *page = &fake->page[pages[i]];

        fake_lock(page); /* ascending; a fault that holds one only tries for the next */
        if (page->state != FAKE_RESIDENT) {
            fake_unlock(page);
            continue;
        }
        taken[taken_count++] = pages[i];
    }
    if (taken_count == 0)
        return 0;
    ops->unmap(fake->machine.self, thread, taken_count, taken, NULL);
    for (uint32_t i = 0; i < taken_count; i++)
        if (fake->page[taken[i]].dirty || !fake->page[taken[i]].stored)
            dirty[dirty_count++] = taken[i];
    if (dirty_count > 0)
        ops->content(fake->machine.self, thread, dirty_count, dirty, dirty, buffers);
    for (uint32_t i = 0; i < dirty_count; i++) {
        memcpy(fake->store + ((size_t)dirty[i] << PAGE_SHIFT), buffers[i], MM_PAGE_SIZE);
        fake->page[dirty[i]].stored = true;
        atomic_fetch_add(&fake->copies, 1);
    }
    if (ops->release != NULL)
        ops->release(fake->machine.self, thread, taken_count, taken);
    for (uint32_t i = 0; i < taken_count; i++) {
        struct fake_page *page = &fake->page[taken[i]];

        page->state = FAKE_STORED;
        page->mapped = page->writable = page->dirty = false;
        fake_unlock(page);
    }
    return taken_count;
}

/* Decommit and commit again: the pages are zeros afterwards. */
static inline void fake_forget(struct fake_engine *fake, uint32_t thread, uint32_t count,
                               const page_number *pages)
{
    for (uint32_t i = 0; i < count; i++)
        fake_lock(&fake->page[pages[i]]);
    fake->machine.ops->unmap(fake->machine.self, thread, count, pages, NULL);
    if (fake->machine.ops->release != NULL)
        fake->machine.ops->release(fake->machine.self, thread, count, pages);
    for (uint32_t i = 0; i < count; i++) {
        struct fake_page *page = &fake->page[pages[i]];

        page->state = FAKE_EMPTY;
        page->mapped = page->writable = page->dirty = page->stored = false;
        fake_unlock(page);
    }
}

static inline void fake_init(struct fake_engine *fake, page_number pages)
{
    memset(fake, 0, sizeof(*fake));
    fake->pages = pages;
    fake->page = calloc(pages, sizeof(*fake->page));
    fake->store = calloc(pages, MM_PAGE_SIZE);
    if (fake->page == NULL || fake->store == NULL)
        abort();
}

static inline void fake_free(struct fake_engine *fake)
{
    free(fake->page);
    free(fake->store);
}

#endif
