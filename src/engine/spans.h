/*
 * spans.h - what threads did and when: faults, waits, reads, unmaps, rounds of workers.
 *
 * Each thread keeps the last so many of its own, in a ring that was made at the start; without rings
 * (config.spans 0) nothing is looked at, not even the clock. A ring is written by its thread alone
 * and read when nothing moves.
 */
#ifndef MM_ENGINE_SPANS_H
#define MM_ENGINE_SPANS_H

#include "contract/world.h"
#include "engine/engine.h"

/* X(id, name, group, what the amount is): first as LATENCIES, last as worker kinds. */
#define SPANS(X)                                                                                   \
    X(DEMAND_ZERO, "demand_zero", "fault", "page")                                                 \
    X(TRANSITION, "transition", "fault", "page")                                                   \
    X(HARD, "hard", "fault", "page")                                                               \
    X(COMPRESSED, "compressed", "fault", "page")                                                   \
    X(WRITE_PROTECT, "write_protect", "fault", "page")                                             \
    X(FRAME_WAIT, "frame_wait", "wait", "page")                                                    \
    X(READ, "read", "io", "pages")                                                                 \
    X(UNMAP, "unmap", "batch", "pages")                                                            \
    X(TRIM, "trim", "round", "pages")                                                              \
    X(WRITE, "write", "round", "pages")                                                            \
    X(ZERO, "zero", "round", "pages")                                                              \
    X(BALANCE, "balance", "round", "pages")                                                        \
    X(GROW, "grow", "round", "extensions")                                                         \
    X(DEFRAG, "defragment", "round", "pages")

enum span_kind {
#define X(id, name, group, amount) SPAN_##id,
    SPANS(X)
#undef X
        SPAN_COUNT
};
_Static_assert((unsigned)SPAN_FRAME_WAIT == (unsigned)LATENCY_FRAME_WAIT, "spans of faults");
_Static_assert((unsigned)SPAN_COUNT - SPAN_TRIM == (unsigned)WORKER_KINDS, "spans of workers");

struct span {
    uint64_t begin_ns, end_ns;
    uint32_t kind, amount;
};

static inline struct span *span_ring(const struct engine *engine, uint32_t thread)
{
    return &engine->span_rings[(size_t)thread * engine->config.spans];
}

/* When it began; 0: nobody wants to know. */
static inline uint64_t span_begin(const struct engine *engine)
{
    return UNLIKELY(engine->config.spans > 0) ? world_now_ns() : 0;
}

static inline void span_end(struct engine *engine, struct thread *self, enum span_kind kind,
                            uint64_t begin_ns, uint64_t amount)
{
    if (UNLIKELY(begin_ns != 0)) {
        span_ring(engine, self->number)[self->spans++ % engine->config.spans] =
            (struct span){begin_ns, world_now_ns(), kind, (uint32_t)amount};
    }
}

#endif
