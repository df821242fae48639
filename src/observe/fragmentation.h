/*
 * fragmentation.h - how pages lie in the page file: runs of free slots, neighbours in order.
 * Looks, never touches; may be called at any time from any thread. Without a lock: while pages
 * move each word is as it was at some moment, the sums are of no single one.
 */
#ifndef MM_OBSERVE_FRAGMENTATION_H
#define MM_OBSERVE_FRAGMENTATION_H

#include "base/histogram.h"
#include "engine/engine.h"

#define FREE_RUN_SIZES 32 /* powers of two of a slot number */

struct free_runs {
    uint64_t slots; /* zeros of the bitmap */
    uint64_t whole; /* of them: in whole pieces of the wanted length */
    uint64_t longest;
    uint64_t runs[FREE_RUN_SIZES];      /* [i]: 2^i to 2^(i+1)-1 slots long */
    uint64_t run_slots[FREE_RUN_SIZES]; /* the slots in them */
};

/* Runs of zeros among the first `bits` bits; `piece` is the wanted length, not 0. */
void free_runs_measure(const uint64_t *words, uint32_t bits, uint32_t piece,
                       struct free_runs *ret_runs);

/*
 * Pages that have a slot, whether a frame holds them too or not. A pair is such a page and its
 * neighbour, the next page in memory, that has one too; in order: in the next slot.
 */
struct page_order {
    uint64_t pages, pairs, pairs_in_order;
    uint64_t pages_reserved; /* pages in the place reserved for them */
};
void page_order_measure(const struct engine *engine, struct page_order *ret_order);

/* I/Os of each batch that the writers wrote so far. */
void batch_writes_measure(const struct engine *engine, struct histogram_summary *ret_summary);

#endif
