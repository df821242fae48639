/*
 * places.c - what an address in an assembly is, in words.
 */
#include "sim/places.h"
#include "engine/lists.h"

#include "machine/soft/access.h"

#include <stdio.h>

static const char *const list_names[LIST_STANDBY] = {[LIST_ZEROED] = "zeroed",
                                                     [LIST_FREE] = "free",
                                                     [LIST_MODIFIED] = "modified",
                                                     [LIST_BAD] = "bad"};
static const char *const worker_names[WORKER_KINDS] = {
    [WORKER_TRIM] = "trimmers",       [WORKER_WRITE] = "writers", [WORKER_ZERO] = "zeroers",
    [WORKER_BALANCE] = "balancers",   [WORKER_GROW] = "growers",  [WORKER_DEFRAG] = "defragmenters",
    [WORKER_PREFETCH] = "prefetchers"};

/* Is `address` in the array? Then *ret_index says where. */
static bool in_array(uintptr_t address, const void *array, size_t element, uint64_t count,
                     uint64_t *ret_index)
{
    uintptr_t begin = (uintptr_t)array;

    if (address + CACHE_LINE <= begin || address >= begin + element * count)
        return false;
    *ret_index = address < begin ? 0 : (address - begin) / element;
    return true;
}

static bool on_line(uintptr_t line, const void *field)
{
    return (uintptr_t)field / CACHE_LINE == line / CACHE_LINE;
}

static void name_list(uint64_t index, char *ret_name)
{
    unsigned list = (unsigned)(index % LIST_COUNT), colour = (unsigned)(index / LIST_COUNT);

    if (list >= LIST_STANDBY)
        snprintf(ret_name, PLACE_BYTES, "lock of standby list %u, colour %u", list - LIST_STANDBY,
                 colour);
    else
        snprintf(ret_name, PLACE_BYTES, "lock of the %s list, colour %u", list_names[list], colour);
}

/* A line of the engine's own structure. */
static void name_engine(const struct engine *engine, uintptr_t line, char *ret_name)
{
    snprintf(ret_name, PLACE_BYTES, "%s",
             on_line(line, &engine->space_lock)      ? "space lock and commit charge"
             : on_line(line, &engine->wait_lock)     ? "wait lock"
             : on_line(line, &engine->waiters)       ? "waiters and grants"
             : on_line(line, &engine->in_flight)     ? "count of frames in flight"
             : on_line(line, &engine->trim_hand)     ? "hands of the trimmers and writers"
             : on_line(line, &engine->refault_ticks) ? "clock of lost frames"
                                                     : "constants of the engine");
}

/* Returns whether the line is the engine's. */
static bool name_in_engine(const struct engine *engine, uintptr_t line, char *ret_name)
{
    const struct engine_config *config = &engine->config;
    uint64_t at;

    if (in_array(line, engine, sizeof(*engine), 1, &at))
        name_engine(engine, line, ret_name);
    else if (in_array(line, engine->lists, sizeof(*engine->lists), LIST_COUNT * engine->colours,
                      &at))
        name_list(at, ret_name);
    else if (in_array(line, engine->events, sizeof(*engine->events), WORKER_KINDS * engine->colours,
                      &at))
        snprintf(ret_name, PLACE_BYTES, "event of the %s", worker_names[at % WORKER_KINDS]);
    else if (in_array(line, engine->slot_areas, sizeof(*engine->slot_areas),
                      engine->slot_area_count, &at))
        snprintf(ret_name, PLACE_BYTES, "lock of slot area %u", (unsigned)at);
    else if (in_array(line, engine->regions, sizeof(*engine->regions), engine->region_count, &at))
        snprintf(ret_name, PLACE_BYTES, "locks of PTE regions from %u on", (unsigned)at);
    else if (in_array(line, engine->ptes, sizeof(*engine->ptes), config->pages, &at))
        snprintf(ret_name, PLACE_BYTES, "PTEs from page %u on", (unsigned)at);
    else if (in_array(line, engine->pfns, sizeof(*engine->pfns), engine_pfns(engine), &at))
        snprintf(ret_name, PLACE_BYTES,
                 at < config->frames ? "PFN entry of frame %u" : "ends of lists", (unsigned)at);
    else if (in_array(line, engine->threads, sizeof(*engine->threads), config->threads, &at))
        snprintf(ret_name, PLACE_BYTES, "record of thread %u", (unsigned)at);
    else if (in_array(line, engine->blocks, sizeof(*engine->blocks), engine->block_count, &at))
        snprintf(ret_name, PLACE_BYTES, "in-page block %u", (unsigned)at);
    else
        return false;
    return true;
}

/* Returns whether the line is the soft machine's. */
static bool name_in_soft(const struct soft *soft, uintptr_t line, char *ret_name)
{
    uint64_t at;

    if (on_line(line, &soft->unmaps))
        snprintf(ret_name, PLACE_BYTES, "count of unmaps under way");
    else if (in_array(line, soft->entries, sizeof(*soft->entries), soft->pages, &at))
        snprintf(ret_name, PLACE_BYTES, "page table from page %u on", (unsigned)at);
    else if (in_array(line, soft->threads, sizeof(*soft->threads), soft->threads_max, &at))
        snprintf(ret_name, PLACE_BYTES, "access of thread %u", (unsigned)at);
    else if (in_array(line, soft->attached, sizeof(*soft->attached), soft->attached_words, &at))
        snprintf(ret_name, PLACE_BYTES, "attached threads");
    else
        return false;
    return true;
}

void place_name(const struct assembly *assembly, uintptr_t line, char ret_name[PLACE_BYTES])
{
    if (!name_in_engine(assembly->engine, line, ret_name) &&
        !name_in_soft(assembly->soft, line, ret_name))
        snprintf(ret_name, PLACE_BYTES, "a line of the page file or of the world");
}
