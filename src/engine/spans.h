/*
 * spans.h - what threads did and when: faults, waits, reads, unmaps, rounds of workers.
 *
 * How long they took goes into the thread's latencies, with config.latency. With config.spans it also
 * keeps the last so many, in a ring that was made at the start. Without both not even the
 * clock is looked at. A ring is written by its thread alone and read when nothing moves.
 */
#ifndef MM_ENGINE_SPANS_H
#define MM_ENGINE_SPANS_H

#include "contract/world.h"
#include "engine/engine.h"

/* X(id, name, group, what the amount is): those of LATENCIES, of phases.h, of the worker kinds. */
#define SPANS(X)                                                                                   \
    X(DEMAND_ZERO, "demand_zero", "fault", "page")                                                 \
    X(TRANSITION, "transition", "fault", "page")                                                   \
    X(HARD, "hard", "fault", "page")                                                               \
    X(COMPRESSED, "compressed", "fault", "page")                                                   \
    X(WRITE_PROTECT, "write_protect", "fault", "page")                                             \
    X(COLLIDED, "collided", "fault", "page")                                                       \
    X(FRAME_WAIT, "frame_wait", "wait", "page")                                                    \
    X(READ, "read", "io", "pages")                                                                 \
    X(UNMAP, "unmap", "batch", "pages")                                                            \
    X(TAKE_FRAME, "take_frame", "phase", "page")                                                   \
    X(FILL, "fill", "phase", "page")                                                               \
    X(READ_WAIT, "read_wait", "phase", "page")                                                     \
    X(MAP, "map", "phase", "page")                                                                 \
    X(TRIM, "trim", "round", "pages")                                                              \
    X(WRITE, "write", "round", "pages")                                                            \
    X(ZERO, "zero", "round", "pages")                                                              \
    X(BALANCE, "balance", "round", "pages")                                                        \
    X(GROW, "grow", "round", "extensions")                                                         \
    X(DEFRAG, "defragment", "round", "pages")                                                      \
    X(PREFETCH, "prefetch", "round", "pages")

enum span_kind {
#define X(id, name, group, amount) SPAN_##id,
    SPANS(X)
#undef X
        SPAN_COUNT
};
_Static_assert((unsigned)SPAN_UNMAP == (unsigned)LATENCY_UNMAP, "spans with a latency");
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
    return engine->config.latency || UNLIKELY(engine->config.spans > 0) ? world_now_ns() : 0;
}

/* The same of a worker's round, which has no latency. */
static inline uint64_t span_begin_round(const struct engine *engine)
{
    return UNLIKELY(engine->config.spans > 0) ? world_now_ns() : 0;
}

static inline void span_keep(struct engine *engine, struct thread *self, enum span_kind kind,
                             uint64_t begin_ns, uint64_t end_ns, uint64_t amount)
{
    if (UNLIKELY(engine->config.spans > 0)) {
        span_ring(engine, self->number)[self->spans++ % engine->config.spans] =
            (struct span){begin_ns, end_ns, kind, (uint32_t)amount};
    }
}

static inline void span_end(struct engine *engine, struct thread *self, enum span_kind kind,
                            uint64_t begin_ns, uint64_t amount)
{
    if (begin_ns == 0) {
        return;
    }
    uint64_t end_ns = world_now_ns();
    if (engine->config.latency && (unsigned)kind < LATENCY_COUNT) {
        histogram_record(&self->latencies[kind], end_ns - begin_ns);
    }
    span_keep(engine, self, kind, begin_ns, end_ns, amount);
}

#endif
