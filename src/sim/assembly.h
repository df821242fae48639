/*
 * assembly.h - an engine, a soft machine, a policy and a store put together for runs on fibers.
 *
 * Made once and outside a run, used by many: between two runs assembly_reset() brings everything
 * back to where it began, at the same addresses, so that runs compare and a search of paths knows
 * the words again. Inside a run its fibers use the parts directly: soft_attach(), soft_read(),
 * engine_start(), space_commit() and so on, each as an engine thread number of its own.
 *
 * Never starts a thread and never decides anything; whoever starts workers stops them.
 */
#ifndef MM_SIM_ASSEMBLY_H
#define MM_SIM_ASSEMBLY_H

#include "engine/engine.h"
#include "machine/soft/soft.h"

/* How a store is made. A store around another one calls assembly_ram for the inner one. */
struct assembly_store {
    /* 0 or -errno. */
    int (*create)(void *context, slot_number slots, uint32_t queues, struct store *ret_store);
    /* Nothing in flight, no slot was ever written. */
    void (*reset)(void *context, struct store *store);
    void (*destroy)(void *context, struct store *store);
    void *context;
};

extern const struct assembly_store assembly_ram;

struct assembly_config {
    struct engine_config engine; /* all of it, the workers' threads included */
    uint32_t tlb_entries;
    bool impatient;                     /* as in soft_config */
    const struct policy *policy;        /* NULL: policy_aging */
    const struct assembly_store *store; /* NULL: assembly_ram; outlives the assembly */
};

struct assembly {
    struct engine *engine;
    struct soft *soft;
    struct machine machine;
    struct store store;
    struct assembly_config config;
    void *memory; /* the engine's */
    size_t memory_bytes;
};

/* 0, or -errno with nothing made. */
int assembly_create(struct assembly *assembly, const struct assembly_config *config);
/*
 * As just created, whatever the last run left: locks held, workers that never ended, pages in
 * flight.
 */
void assembly_reset(struct assembly *assembly);
void assembly_destroy(struct assembly *assembly);

#endif
