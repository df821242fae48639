/*
 * heat.h - where in memory faults are, and pages that are read ahead: for each stretch of pages, how
 * many there were of each kind.
 *
 * Each thread counts for itself, in memory of its own that was made at the start; a reader sums.
 * Without config.heat nothing is counted and there is no such memory.
 */
#ifndef MM_ENGINE_HEAT_H
#define MM_ENGINE_HEAT_H

#include "engine/engine.h"

#define HEAT_AHEAD ((unsigned)FAULT_KINDS) /* behind the kinds of faults */
#define HEAT_KINDS ((size_t)HEAT_AHEAD + 1)

/* Pages of a stretch are 2 to that power, so that all of memory is in at most config.heat. */
static inline uint32_t heat_shift(const struct engine_config *config)
{
    uint32_t shift = 0;
    while (config->heat > 0 && (config->pages - 1) >> shift >= config->heat) {
        shift++;
    }
    return shift;
}

static inline size_t heat_bytes(const struct engine_config *config)
{
    return config->threads * HEAT_KINDS * config->heat * sizeof(uint64_t);
}

static inline _Atomic uint64_t *heat_of(const struct engine *engine, uint32_t thread, unsigned kind)
{
    return &engine->heat[(thread * HEAT_KINDS + kind) * engine->config.heat];
}

static inline void heat_count(const struct engine *engine, const struct thread *self, unsigned kind,
                              page_number page)
{
    if (UNLIKELY(engine->config.heat > 0)) {
        add_relaxed(&heat_of(engine, self->number, kind)[page >> engine->heat_shift], 1);
    }
}

#endif
