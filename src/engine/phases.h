/*
 * phases.h - where the time of a fault goes.
 *
 * A fault is at one phase at a time, and each change looks at the clock, so only every so many'th
 * fault of a thread is timed by phase, and none unless somebody wants latencies or spans. Where a
 * phase has no span otherwise it gets one. Each thread sums for itself.
 */
#ifndef MM_ENGINE_PHASES_H
#define MM_ENGINE_PHASES_H

#include "engine/spans.h"

#define PHASE_SAMPLE 16

void phase_change(struct engine *engine, struct thread *self, enum fault_phase phase);
void phase_sum(struct thread *self);

/* `begin_ns` is span_begin()'s. */
static inline void phase_begin(struct thread *self, uint64_t begin_ns, page_number page)
{
    if (begin_ns != 0 && ++self->faults % PHASE_SAMPLE == 0) {
        self->phase_begin_ns = begin_ns;
        self->phase = PHASE_ENGINE;
        self->phase_page = page;
    }
}

/* From here on the fault, if one is under way and timed, is at this. */
static inline void phase_enter(struct engine *engine, struct thread *self, enum fault_phase phase)
{
    if (UNLIKELY(self->phase_begin_ns != 0)) {
        phase_change(engine, self, phase);
    }
}

/* The fault is over; self->latency says what it was, or that it was nothing that counts. */
static inline void phase_end(struct engine *engine, struct thread *self)
{
    if (UNLIKELY(self->phase_begin_ns != 0)) {
        phase_change(engine, self, PHASE_ENGINE);
        phase_sum(self);
    }
}

#endif
