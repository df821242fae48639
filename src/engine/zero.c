/*
 * zero.c - the zero thread: free frames become zeroed ones ahead of need.
 *
 * It takes a batch off the free list, so that only it knows the frames, clears them with no lock
 * held, and puts them on the zeroed list. It starts at eight free frames, as Windows' does. Where the
 * machine has no frames to clear, a free one is as good as a zeroed one, and nothing is to be done.
 */
#include "base/mutant.h"
#include "engine/engine.h"
#include "engine/lists.h"

#define ZERO_START 8
#define ZERO_BATCH 32

bool zero_needed(struct engine *engine)
{
    return engine->machine.ops->zero != NULL && list_count(engine, LIST_FREE) >= ZERO_START &&
           atomic_load_explicit(&engine->waiters, memory_order_seq_cst) == 0;
}

bool zero_round(struct engine *engine, struct thread *self)
{
    frame_number frames[ZERO_BATCH];
    if (!zero_needed(engine)) {
        return false;
    }
    thread_next_colour(engine, self);
    uint32_t count = list_take(engine, self, LIST_FREE, ZERO_BATCH, frames);
    for (uint32_t i = 0; i < count; i++) {
        frame_unlock(engine, self, frames[i]);
    }
    for (uint32_t i = 0; i < count; i++) {
        bool skipped = MUTANT(ZERO_SKIPS_THE_LAST) && i + 1 == count;
        if (!skipped) {
            engine->machine.ops->zero(engine->machine.self, frames[i]);
        }
        frame_move(engine, self, frames[i],
                   pfn_with_state(pfn_load(frame_pfn(engine, frames[i])), PFN_ZEROED), WHY_ZERO);
    }
    if (count > 0) {
        list_insert_many(engine, self, LIST_ZEROED, frames, count);
        count_add(self, COUNT_ZEROED, count);
        frames_grant(engine, self);
    }
    return count > 0;
}
