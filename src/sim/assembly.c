/*
 * assembly.c - an engine, a soft machine, a policy and a store put together for runs on fibers.
 */
#include "sim/assembly.h"

#include "store/ram.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- the plain store ---- */

static int create_ram(void *context, slot_number slots, uint32_t queues, struct store *ret_store)
{
    (void)context;
    return ram_create(slots, queues, ret_store);
}

static void reset_ram(void *context, struct store *store)
{
    (void)context;
    ram_reset(store);
}

static void destroy_ram(void *context, struct store *store)
{
    (void)context;
    store_destroy(store);
}

const struct assembly_store assembly_ram = {create_ram, reset_ram, destroy_ram, NULL};

/* ---- life ---- */

static int create_parts(struct assembly *assembly)
{
    const struct engine_config *engine = &assembly->config.engine;
    const struct assembly_store *store = assembly->config.store;
    struct soft_config soft = {.pages = engine->pages,
                               .frames = engine->frames,
                               .threads_max = engine->threads,
                               .tlb_entries = assembly->config.tlb_entries,
                               .impatient = assembly->config.impatient};
    int error = soft_create(&soft, &assembly->soft, &assembly->machine);

    if (error == 0)
        error = store->create(store->context, engine->slots, engine->threads, &assembly->store);
    if (error != 0)
        return error;
    assembly->memory_bytes = engine_bytes(engine);
    return posix_memalign(&assembly->memory, CACHE_LINE, assembly->memory_bytes) == 0 ? 0 : -ENOMEM;
}

int assembly_create(struct assembly *assembly, const struct assembly_config *config)
{
    int error;

    *assembly = (struct assembly){.config = *config};
    if (config->policy == NULL)
        assembly->config.policy = &policy_aging;
    if (config->store == NULL)
        assembly->config.store = &assembly_ram;
    error = create_parts(assembly);
    if (error != 0) {
        assembly_destroy(assembly);
        return error;
    }
    assembly_reset(assembly);
    return 0;
}

/*
 * What engine_init() wants zeroed. Working storage is most of it, means nothing between two rounds
 * of work, and clearing it would take half the time of a short run.
 */
static void clear_engine(struct assembly *assembly)
{
    char *begin = assembly->memory;
    size_t bytes, at = engine_scratches(&assembly->config.engine, &bytes);

    memset(begin, 0, at);
    memset(begin + at + bytes, 0, assembly->memory_bytes - at - bytes);
}

void assembly_reset(struct assembly *assembly)
{
    const struct assembly_store *store = assembly->config.store;

    soft_reset(assembly->soft);
    store->reset(store->context, &assembly->store);
    clear_engine(assembly);
    assembly->engine = engine_init(assembly->memory, &assembly->config.engine, &assembly->machine,
                                   &assembly->store, assembly->config.policy);
    soft_bind(assembly->soft, engine_fault, assembly->engine);
}

void assembly_destroy(struct assembly *assembly)
{
    const struct assembly_store *store = assembly->config.store;

    if (assembly->soft != NULL)
        soft_destroy(assembly->soft);
    if (assembly->store.ops != NULL)
        store->destroy(store->context, &assembly->store);
    free(assembly->memory);
    *assembly = (struct assembly){.engine = NULL};
}
