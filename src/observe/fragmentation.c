/*
 * fragmentation.c - walks the slot bitmap and the page table, and measures what it sees.
 */
#include "observe/fragmentation.h"

#include "base/bitmap.h"

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

/* The slot with the page's content, or SLOT_NONE. */
static slot_number slot_of(const struct engine *engine, page_number page)
{
    pte_word word = pte_load(&engine->ptes[page]);
    switch (pte_form(word)) {
    case PTE_PAGE_FILE:
        return pte_slot(word);
    case PTE_VALID:
    case PTE_TRANSITION:
        return PFN_FIELD(&engine->pfns[pte_frame(word)], slot);
    default:
        return SLOT_NONE;
    }
}

/* Is that slot the page's place in the run reserved for its block? */
static bool in_reserved_place(const struct engine *engine, page_number page, slot_number slot)
{
    uint32_t shift = engine->run_shift;
    if (shift == 0) {
        return false;
    }
    uint32_t run = PFN_FIELD(engine, reservations[page >> shift]);
    return run != 0 && ((run - 1) << shift) + (page & ((1u << shift) - 1)) == slot - 1;
}

void page_order_measure(const struct engine *engine, struct page_order *ret_order)
{
    struct page_order order = {0};
    slot_number before = SLOT_NONE;
    for (page_number page = 0; page < engine->config.pages; page++) {
        slot_number slot = slot_of(engine, page);
        if (slot != SLOT_NONE) {
            order.pages++;
            order.pairs += before != SLOT_NONE;
            order.pairs_in_order += before != SLOT_NONE && slot == before + 1;
            order.pages_reserved += in_reserved_place(engine, page, slot);
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
