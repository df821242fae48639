/*
 * errors.c - the last in-page errors: which page, why, when, for whoever has to explain a signal.
 *
 * A ring that is written by the thread whose read failed, before any waiter hears of it, and read by
 * anybody at any time, in a signal handler too: no lock, no wait. An entry belongs to its writer
 * while its sequence is odd; a reader that met a writer takes what it read for nothing.
 */
#include "base/mutant.h"
#include "base/probe.h"
#include "engine/engine.h"

/* An entry of our own, its sequence odd; the number of the error. */
static struct page_error *claim(struct engine *engine, uint64_t *ret_number)
{
    for (;;) {
        uint64_t number =
            atomic_fetch_add_explicit(&engine->error_count, 1, memory_order_relaxed) + 1;
        struct page_error *entry = &engine->errors[number % ERRORS_MAX];
        uint64_t seen = atomic_load_explicit(&entry->sequence, memory_order_relaxed);
        if ((seen & 1) == 0 && seen < 2 * number &&
            atomic_compare_exchange_strong_explicit(&entry->sequence, &seen, 2 * number - 1,
                                                    memory_order_acq_rel, memory_order_relaxed)) {
            *ret_number = number;
            return entry;
        }
    }
}

void errors_record(struct engine *engine, page_number page, slot_number slot, int error)
{
    uint64_t number;
    PROBE(in_page_error, page, slot, error);
    if (MUTANT(ERROR_IS_NOT_REMEMBERED)) {
        return;
    }
    struct page_error *entry = claim(engine, &number);
    /* Release, so that who reads any of them sees the odd sequence when it looks again. */
    atomic_store_explicit(&entry->page, page, memory_order_release);
    atomic_store_explicit(&entry->slot, slot, memory_order_release);
    atomic_store_explicit(&entry->error, error, memory_order_release);
    atomic_store_explicit(&entry->when_ns, world_now_ns(), memory_order_release);
    atomic_store_explicit(&entry->sequence, 2 * number, memory_order_release);
}

/* False: somebody writes it. */
static bool read_entry(struct page_error *entry, struct error_record *ret_record)
{
    uint64_t before = atomic_load_explicit(&entry->sequence, memory_order_acquire);
    ret_record->number = before / 2;
    ret_record->page = atomic_load_explicit(&entry->page, memory_order_acquire);
    ret_record->slot = atomic_load_explicit(&entry->slot, memory_order_acquire);
    ret_record->error = atomic_load_explicit(&entry->error, memory_order_acquire);
    ret_record->when_ns = atomic_load_explicit(&entry->when_ns, memory_order_acquire);
    return (before & 1) == 0 &&
           (atomic_load_explicit(&entry->sequence, memory_order_relaxed) == before ||
            MUTANT(ERROR_READ_WITHOUT_RECHECK));
}

bool errors_last(struct engine *engine, page_number first, page_number count,
                 struct error_record *ret_record)
{
    struct error_record found = {0}, record;
    for (uint32_t i = 0; i < ERRORS_MAX; i++) {
        if (read_entry(&engine->errors[i], &record) && record.number > found.number &&
            record.page - first < count) {
            found = record;
        }
    }
    if (found.number > 0) {
        *ret_record = found;
    }
    return found.number > 0;
}
