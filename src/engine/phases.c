/*
 * phases.c - one fault in so many, timed by phase.
 */
#include "engine/phases.h"

#include <string.h>

static const enum span_kind span_of[FAULT_PHASES] = {
    [PHASE_ENGINE] = SPAN_COUNT, /* what is left of the fault's own span */
    [PHASE_FRAME] = SPAN_TAKE_FRAME,
    [PHASE_FRAME_WAIT] = SPAN_COUNT, /* has one anyhow, as has a read */
    [PHASE_FILL] = SPAN_FILL,
    [PHASE_READ] = SPAN_COUNT,
    [PHASE_READ_WAIT] = SPAN_READ_WAIT,
    [PHASE_MAP] = SPAN_MAP,
};

void phase_change(struct engine *engine, struct thread *self, enum fault_phase phase)
{
    uint64_t now_ns = world_now_ns();
    enum span_kind span = span_of[self->phase];
    self->phase_spent_ns[self->phase] += now_ns - self->phase_begin_ns;
    if (span != SPAN_COUNT) {
        span_keep(engine, self, span, self->phase_begin_ns, now_ns, self->phase_page);
    }
    self->phase_begin_ns = now_ns;
    self->phase = phase;
}

void phase_sum(struct thread *self)
{
    if (self->latency < FAULT_KINDS) {
        add_relaxed(&self->phase_faults[self->latency], 1);
        for (unsigned i = 0; i < FAULT_PHASES; i++) {
            add_relaxed(&self->phase_ns[self->latency][i], self->phase_spent_ns[i]);
        }
    }
    memset(self->phase_spent_ns, 0, sizeof(self->phase_spent_ns));
    self->phase_begin_ns = 0;
}
