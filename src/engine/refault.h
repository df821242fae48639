/*
 * refault.h - how long pages that are read in again were away, and what more memory would have saved.
 *
 * A clock counts the pages that lost their frames. A page's PTE notes what it shows when the page
 * goes; a hard fault that comes back to it when so many others have gone since would not have been,
 * had there been as many frames more, for the page would be on standby yet (Linux calls it the
 * refault distance).
 *
 * The clock ticks for each 256th part of the frames or more often, and a thread moves it when it has
 * taken so many: it is late by a tick for each thread at most, and its line is seldom written. A
 * stamp has 20 bits; a page that was away for 2048 times the frames seems to have gone lately. 0 is
 * none.
 */
#ifndef MM_ENGINE_REFAULT_H
#define MM_ENGINE_REFAULT_H

#include "base/mutant.h"
#include "engine/engine.h"

#define REFAULT_TICKS PTE_STAMP_MAX /* until stamps come again */

static inline uint32_t refault_shift(frame_number frames)
{
    uint32_t shift = 0;
    while (frames >> shift > 256) {
        shift++;
    }
    return shift;
}

static inline uint32_t refault_now(const struct engine *engine)
{
    return atomic_load_explicit((_Atomic uint32_t *)(uintptr_t)&engine->refault_ticks,
                                memory_order_relaxed) %
           REFAULT_TICKS;
}

#define REFAULT_GLANCE 8u /* frames for which a thread that takes them looks at the clock once */

/* The PTE of a page that loses its frame; the frame's lock is held. */
static inline pte_word refault_note(struct engine *engine, struct thread *self, pte_word original)
{
    uint32_t tick = 1u << engine->refault_shift, taken = ++self->taken_frames;
    if (taken % tick == 0 && !MUTANT(REFAULT_CLOCK_STANDS)) {
        atomic_fetch_add_explicit(&engine->refault_ticks, 1, memory_order_relaxed);
    }
    if (taken % MIN_OF(tick, REFAULT_GLANCE) == 0) {
        self->refault_seen = refault_now(engine);
    }
    return pte_slot(original) != SLOT_NONE ? pte_with_stamp(original, self->refault_seen + 1)
                                           : original;
}

/* A page was read in again; `seen` is the PTE that it had. */
static inline void refault_count(const struct engine *engine, struct thread *self, pte_word seen)
{
    uint32_t stamp = pte_stamp(seen);
    if (stamp == 0) {
        return; /* it went by another way */
    }
    uint32_t ticks = (refault_now(engine) + REFAULT_TICKS - (stamp - 1)) % REFAULT_TICKS;
    uint64_t others = (uint64_t)ticks << engine->refault_shift, bound = engine->config.frames;
    unsigned counter = COUNT_REFAULT_EIGHTH;
    while (counter < COUNT_REFAULT_BEYOND && others * 8 >= bound) {
        counter++;
        bound *= 2;
    }
    count_one(self, (enum counter)counter);
}

#endif
