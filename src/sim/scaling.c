/*
 * scaling.c - what more processors would do: the same work for each thread, on virtual processors.
 *
 * Weak scaling: each processor brings a user, workers, and a share of memory and frames. A user works in
 * its own share, or by --shared in all of the memory: the same faults happen to everybody, and what grows
 * is what they cost each other. In shared memory a line that is changed comes from somebody else nearly
 * every time; that is the machine's price, and the engine cannot lower it.
 */
#include "sim/scaling.h"

#include "base/random.h"
#include "sim/assembly.h"
#include "world/fibers.h"

#include <stdio.h>
#include <string.h>

#define USER_PAGES    4096u
#define USER_FRAMES   1024u
#define USER_ACCESSES 6000u

struct scaling_user {
    struct scaling_world *world;
    uint32_t number;
};

struct scaling_world {
    struct assembly assembly;
    const struct sim_options *options;
    uint32_t cpus;
    uint64_t accesses; /* of each user */
    uint32_t write_percent, shared_percent;
    uint64_t begin_cpu_ns;
    struct scaling_user users[SIM_ACCESSORS_MAX];
    struct world_thread *threads[SIM_ACCESSORS_MAX];
};

bool scaling_reads(enum sim_option option)
{
    static const bool reads[SIM_OPTION_COUNT] = {
        [SIM_FRAMES] = true,       [SIM_MEMORY] = true,           [SIM_PAGEFILE] = true,
        [SIM_OPERATIONS] = true,   [SIM_WORKLOAD] = true,         [SIM_POLICY] = true,
        [SIM_TRIMMERS] = true,     [SIM_WRITERS] = true,          [SIM_ZEROERS] = true,
        [SIM_BALANCERS] = true,    [SIM_TRIM_BATCH] = true,       [SIM_WRITE_BATCH] = true,
        [SIM_REGION_PTES] = true,  [SIM_FRAME_CACHE] = true,      [SIM_FAULT_AROUND] = true,
        [SIM_READ_CLUSTER] = true, [SIM_STANDBY_PERCENT] = true,  [SIM_TLB] = true,
        [SIM_LIST_COLOURS] = true, [SIM_BALANCE] = true,          [SIM_SHARED] = true,
        [SIM_LIST_LOCK] = true,    [SIM_BACKOFF] = true,          [SIM_DIRTY_BIT] = true,
        [SIM_SLOT_SEARCH] = true,  [SIM_SLOT_RESERVATION] = true, [SIM_OP_READ] = true,
        [SIM_OP_WRITE] = true,     [SIM_MAP_WRITABLE] = true,     [SIM_DEFRAGMENTERS] = true,
        [SIM_PREFETCHERS] = true,  [SIM_PREFETCH] = true,         [SIM_GUESS_BY] = true,
    };

    return reads[option];
}

static uint64_t given_or(const struct sim_options *options, enum sim_option option,
                         uint64_t otherwise)
{
    if (!scaling_reads(option))
        world_abort("memman: scaling: an option is read that the command line refuses");
    return options->given[option] ? options->value[option] : otherwise;
}

static uint32_t power_of_two(uint32_t least)
{
    uint32_t power = 1;

    while (power < least)
        power *= 2;
    return power;
}

/* What is not given is as in `memman run` on a machine with so many processors. */
static struct engine_config config_of(const struct sim_options *options, uint32_t cpus)
{
    uint64_t frames = given_or(options, SIM_FRAMES, USER_FRAMES) * cpus;
    uint64_t pages = given_or(options, SIM_MEMORY, USER_PAGES) * cpus;
    struct engine_config config = {
        .pages = (page_number)pages,
        .frames = (frame_number)frames,
        .slots = (slot_number)given_or(options, SIM_PAGEFILE, pages),
        .vads_max = 4,
        .workers = {[WORKER_TRIM] = (uint32_t)given_or(options, SIM_TRIMMERS, cpus),
                    [WORKER_WRITE] = (uint32_t)given_or(options, SIM_WRITERS, cpus),
                    [WORKER_ZERO] = (uint32_t)given_or(options, SIM_ZEROERS, cpus),
                    [WORKER_BALANCE] = (uint32_t)given_or(options, SIM_BALANCERS, 1),
                    [WORKER_DEFRAG] = (uint32_t)given_or(options, SIM_DEFRAGMENTERS, 0),
                    [WORKER_PREFETCH] = (uint32_t)given_or(options, SIM_PREFETCHERS, 0)},
        .trim_batch =
            (uint32_t)given_or(options, SIM_TRIM_BATCH, MAX_OF(1, MIN_OF(BATCH_MAX, frames / 16))),
        .write_batch = (uint32_t)given_or(options, SIM_WRITE_BATCH, 256),
        .list_colours = (uint32_t)given_or(options, SIM_LIST_COLOURS, power_of_two(cpus)),
        .balance_in_faults = given_or(options, SIM_BALANCE, 1) != 0,
        .region_ptes = (uint32_t)given_or(options, SIM_REGION_PTES, 256),
        .fault_around = (uint32_t)given_or(options, SIM_FAULT_AROUND, 1),
        .read_cluster = (uint32_t)given_or(options, SIM_READ_CLUSTER, 1),
        .prefetch = (uint32_t)given_or(options, SIM_PREFETCH, 0),
        .guess_by = (uint32_t)given_or(options, SIM_GUESS_BY, 0),
        .standby_percent = (uint32_t)given_or(options, SIM_STANDBY_PERCENT, 25),
        .list_lock_shared = given_or(options, SIM_LIST_LOCK, 1) != 0,
        .backoff = given_or(options, SIM_BACKOFF, 1) != 0,
        .dirty_bit = given_or(options, SIM_DIRTY_BIT, 1) != 0,
        .map_writable = (enum map_writable)given_or(options, SIM_MAP_WRITABLE, MAP_WATCHED),
        .slots_next_fit = given_or(options, SIM_SLOT_SEARCH, 0) == 0,
        .slot_reservation = (uint32_t)given_or(options, SIM_SLOT_RESERVATION, 64),
        .defrag_rounds = (uint32_t)given_or(options, SIM_DEFRAGMENTERS, 0),
        .defrag_batch = DEFRAG_MAX,
        .defrag_rest_ns = DEFRAG_REST_NS,
    };

    config.threads = cpus + 1;
    for (unsigned kind = 0; kind < WORKER_KINDS; kind++)
        config.threads += config.workers[kind];
    config.frame_cache =
        (uint32_t)MIN_OF(given_or(options, SIM_FRAME_CACHE, 32), frames / 8 / config.threads);
    return config;
}

uint64_t scaling_pages_needed(const struct sim_options *options, uint32_t cpus)
{
    struct engine_config config = config_of(options, cpus);
    uint64_t slots = config.pages > config.frames ? config.pages - config.frames : 0;

    if (slots > 0)
        slots += engine_reserve(config.frames);
    return config.slots < slots ? slots : 0;
}

static page_number next_page(const struct scaling_world *world, struct random_generator *random,
                             page_number before)
{
    page_number pages = world->assembly.config.engine.pages;

    switch (given_or(world->options, SIM_WORKLOAD, 0)) {
    case 1:
        return (page_number)random_below(random, random_below(random, 3) == 0 ? pages : pages / 8);
    case 2:
        return (before + 1) % pages;
    default:
        return (page_number)random_below(random, pages);
    }
}

static void access_main(void *argument)
{
    struct scaling_user *user = argument;
    struct scaling_world *world = user->world;
    struct soft *soft = world->assembly.soft;
    struct random_generator random;
    page_number share = world->assembly.config.engine.pages / world->cpus;
    page_number page = user->number * share;

    random_seed(&random, world->options->seed, user->number);
    soft_attach(soft, user->number);
    for (uint64_t i = 0; i < world->accesses; i++) {
        uint64_t word = i, offset;
        enum fault_result result;

        page = next_page(world, &random, page);
        if (random_below(&random, 100) >= world->shared_percent)
            page = page % share + share * user->number;
        offset = ((uint64_t)page << PAGE_SHIFT) + user->number % 512 * sizeof(word);
        result = random_below(&random, 100) < world->write_percent
                     ? soft_write(soft, user->number, offset, &word, sizeof(word))
                     : soft_read(soft, user->number, offset, &word, sizeof(word));
        if (result != FAULT_RESOLVED)
            fibers_fail("an access to page %u failed", page);
    }
    soft_detach(soft, user->number);
    engine_leave(world->assembly.engine, user->number);
}

static void scaling_main(void *argument)
{
    struct scaling_world *world = argument;
    struct engine *engine = world->assembly.engine;
    page_number first, pages = world->assembly.config.engine.pages;

    if (space_reserve(engine, world->cpus, pages, &first) != SPACE_DONE ||
        space_commit(engine, world->cpus, first, pages, PROTECTION_READ_WRITE) != SPACE_DONE)
        fibers_fail("the memory cannot be committed: frames and page file are too small for it");
    if (engine_start(engine, world->cpus + 1) != 0)
        fibers_fail("no memory for the workers");
    for (uint32_t i = 0; i < world->cpus; i++) {
        world->users[i] = (struct scaling_user){world, i};
        if (world_thread_start(access_main, &world->users[i], "user", &world->threads[i]) != 0)
            fibers_fail("no memory for a user");
    }
    for (uint32_t i = 0; i < world->cpus; i++)
        world_thread_join(world->threads[i]);
    engine_stop(engine);
}

void scaling_run(const struct sim_options *options, uint32_t cpus, struct scaling *ret_scaling)
{
    static struct scaling_world world;
    static struct fibers_result result;
    struct fibers_config fibers = {
        .strategy = FIBERS_TIMING, .seed = options->seed, .cpus = cpus, .net_ns = UINT64_MAX};
    struct assembly_config config = {.engine = config_of(options, cpus),
                                     .tlb_entries = (uint32_t)given_or(options, SIM_TLB, 1024),
                                     .policy = policies[given_or(options, SIM_POLICY, 0)]};
    uint64_t reads = given_or(options, SIM_OP_READ, 1), writes = given_or(options, SIM_OP_WRITE, 1);
    int error;

    *ret_scaling = (struct scaling){.cpus = cpus};
    world = (struct scaling_world){.options = options, .cpus = cpus};
    world.accesses = given_or(options, SIM_OPERATIONS, USER_ACCESSES);
    world.write_percent = reads + writes == 0 ? 0 : (uint32_t)(100 * writes / (reads + writes));
    world.shared_percent = (uint32_t)given_or(options, SIM_SHARED, 0);
    error = assembly_create(&world.assembly, &config);
    if (error != 0) {
        snprintf(ret_scaling->text, sizeof(ret_scaling->text), "%s", strerror(-error));
        return;
    }
    fibers_run(&fibers, scaling_main, &world, &result);
    if (result.outcome != FIBERS_DONE)
        snprintf(ret_scaling->text, sizeof(ret_scaling->text), "%.250s", result.text);
    ret_scaling->accesses = world.accesses * cpus;
    ret_scaling->cpu_ns = result.cpu_ns;
    ret_scaling->elapsed_ns = result.now_ns;
    ret_scaling->costliest_ns = result.costliest_ns;
    if (result.costliest_ns > 0)
        place_name(&world.assembly, result.costliest_line, ret_scaling->costliest);
    for (uint32_t i = 0; i < config.engine.threads; i++)
        ret_scaling->hard_faults += world.assembly.engine->threads[i].counters[COUNT_FAULT_HARD];
    assembly_destroy(&world.assembly);
}
