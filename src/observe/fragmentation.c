/*
 * fragmentation.c - walks the slot bitmap and the page table, and measures what it sees.
 */
#include "observe/fragmentation.h"

#include "base/bitmap.h"
#include "engine/slots.h"

#include <string.h>

static void count_run(struct free_runs *runs, uint64_t length, uint32_t piece)
{
    unsigned size = 63u - (unsigned)__builtin_clzll(length);
    runs->slots += length;
    runs->whole += length - length % piece;
    runs->longest = MAX_OF(runs->longest, length);
    runs->runs[size]++;
    runs->run_slots[size] += length;
}

void free_runs_measure(const uint64_t *words, uint32_t bits, uint32_t piece,
                       struct free_runs *ret_runs)
{
    memset(ret_runs, 0, sizeof(*ret_runs));
    for (uint32_t end = 0, first; (first = bitmap_find(words, bits, end, false)) < bits;) {
        end = bitmap_find(words, bits, first, true);
        if (end > first) { /* nobody was faster */
            count_run(ret_runs, end - first, piece);
        }
    }
}

void page_order_measure(const struct engine *engine, struct page_order *ret_order)
{
    struct page_order order = {0};
    slot_number before = SLOT_NONE;
    for (page_number page = 0; page < engine->config.pages; page++) {
        slot_number slot = page_slot(engine, page);
        if (slot != SLOT_NONE) {
            order.pages++;
            order.pairs += before != SLOT_NONE;
            order.pairs_in_order += before != SLOT_NONE && slot == before + 1;
            order.pages_reserved += slots_home(engine, page) == slot;
        }
        before = slot;
    }
    *ret_order = order;
}

void batch_writes_measure(const struct engine *engine, struct histogram_summary *ret_summary)
{
    struct histogram sum = {0};
    for (uint32_t t = 0; t < engine->config.threads; t++) {
        histogram_add(&sum, &engine->threads[t].batch_writes);
    }
    histogram_summarize(&sum, ret_summary);
}
