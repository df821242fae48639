/*
 * manager_spans.c - what threads did and when, for memman.h.
 */
#include "manager.h"

#include "engine/spans.h"

static const struct {
    const char *name, *group, *amount;
} span_table[SPAN_COUNT] = {
#define X(id, name, group, amount) {name, group, amount},
    SPANS(X)
#undef X
};

uint32_t mm_span_threads(const mm *manager)
{
    return manager->options.spans > 0 ? manager->users + manager->workers : 0;
}

/* Workers' numbers follow the users', by kind. */
static const char *thread_name(const mm *manager, uint32_t thread)
{
    uint32_t first = manager->users;
    for (unsigned kind = 0; kind < WORKER_KINDS; kind++) {
        uint32_t count = manager->engine->config.workers[kind];
        if (thread >= first && thread < first + count) {
            return engine_worker_name((enum worker_kind)kind);
        }
        first += count;
    }
    return "user";
}

size_t mm_spans(const mm *manager, uint32_t thread, struct mm_span *ret_spans, size_t count,
                struct mm_span_thread *ret_thread)
{
    if (thread >= mm_span_threads(manager)) {
        return 0;
    }
    const struct span *ring = span_ring(manager->engine, thread);
    uint64_t all = manager->engine->threads[thread].spans;
    uint64_t kept = MIN_OF(all, manager->options.spans);
    uint64_t told = MIN_OF(kept, count);
    for (uint64_t i = 0; i < told; i++) {
        const struct span *span = &ring[(all - told + i) % manager->options.spans];
        ret_spans[i] = (struct mm_span){
            .name = span_table[span->kind].name,
            .group = span_table[span->kind].group,
            .amount_name = span_table[span->kind].amount,
            .amount = span->amount,
            .begin_ns = span->begin_ns,
            .end_ns = span->end_ns,
        };
    }
    *ret_thread = (struct mm_span_thread){thread_name(manager, thread), all, kept};
    return (size_t)told;
}
