/*
 * run.c - one simulated world from its options to its result.
 *
 * The main fiber commits the memory, starts workers and users and meets them between rounds: then
 * the workers are stopped and everything is audited. The last round is the liveness phase: the
 * store is healed, the schedule is fair, and whoever makes no progress within a bound of steps has
 * failed. Then every page is read back.
 */
#include "engine/lists.h"
#include "sim/faults.h"
#include "sim/moves.h"
#include "sim/trace.h"
#include "store/ram.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Steps that one operation may take once the schedule is fair. */
#define PROGRESS_STEPS 200000u
/* Timeouts from here on are nets behind wake-ups; the balance worker's tick is the shortest. */
#define NET_NS 15000000u

/* ---- making it ---- */

static struct engine_config engine_config_of(const struct sim_options *options)
{
    const uint64_t *value = options->value;
    struct engine_config config = {
        .pages = (page_number)value[SIM_MEMORY],
        .frames = (frame_number)value[SIM_FRAMES],
        .slots = (slot_number)value[SIM_PAGEFILE],
        .vads_max = (uint32_t)value[SIM_REGIONS],
        .trim_batch = (uint32_t)value[SIM_TRIM_BATCH],
        .write_batch = (uint32_t)value[SIM_WRITE_BATCH],
        .region_ptes = (uint32_t)value[SIM_REGION_PTES],
        .frame_cache = (uint32_t)value[SIM_FRAME_CACHE],
        .fault_around = (uint32_t)value[SIM_FAULT_AROUND],
        .read_cluster = (uint32_t)value[SIM_READ_CLUSTER],
        .prefetch = (uint32_t)value[SIM_PREFETCH],
        .guess_by = (uint32_t)value[SIM_GUESS_BY],
        .standby_percent = (uint32_t)value[SIM_STANDBY_PERCENT],
        .list_colours = (uint32_t)value[SIM_LIST_COLOURS],
        .balance_in_faults = value[SIM_BALANCE] != 0,
        .list_lock_shared = value[SIM_LIST_LOCK] != 0,
        .backoff = value[SIM_BACKOFF] != 0,
        .dirty_bit = value[SIM_DIRTY_BIT] != 0,
        .map_writable = (enum map_writable)value[SIM_MAP_WRITABLE],
        .slots_next_fit = value[SIM_SLOT_SEARCH] == 0,
        .slot_reservation = (uint32_t)value[SIM_SLOT_RESERVATION],
        .growth_step = (slot_number)value[SIM_GROWTH_STEP],
        .defrag_rounds = (uint32_t)value[SIM_DEFRAGMENTERS],
        .defrag_batch = (uint32_t)MIN_OF(value[SIM_WRITE_BATCH], DEFRAG_MAX),
    };

    config.threads = (uint32_t)value[SIM_THREADS] + 2;
    for (unsigned kind = 0; kind < WORKER_KINDS; kind++) {
        config.workers[kind] = (uint32_t)value[SIM_TRIMMERS + kind];
        config.threads += config.workers[kind];
    }
    return config;
}

static int create_world(struct sim *sim)
{
    const struct sim_options *options = sim->options;
    struct assembly_config config = {.engine = engine_config_of(options),
                                     .tlb_entries = (uint32_t)sim_value(sim, SIM_TLB),
                                     .policy = policies[sim_value(sim, SIM_POLICY)],
                                     .store = &sim->store};
    int error = faults_create(sim);

    if (error == 0)
        error = assembly_create(&sim->assembly, &config);
    if (error == 0)
        error =
            oracle_create(&sim->oracle, config.engine.pages, (uint32_t)sim_value(sim, SIM_THREADS));
    if (error == 0)
        error = invariants_create(sim);
    sim->range_count = (uint32_t)sim_value(sim, SIM_REGIONS);
    sim->range_pages = config.engine.pages / sim->range_count;
    sim->ranges = calloc(sim->range_count, sizeof(*sim->ranges));
    sim->pinned = calloc(config.engine.pages, sizeof(*sim->pinned));
    sim->retired_max = config.engine.frames / 4;
    for (unsigned option = SIM_OP_READ; option <= SIM_OP_PREFETCH; option++)
        sim->weights += options->value[option];
    sim->rounds = (uint32_t)sim_value(sim, SIM_PAUSES) + 1;
    sim->next_look = sim_value(sim, SIM_LOOK_EVERY);
    faults_bind(sim);
    return sim->ranges == NULL || sim->pinned == NULL ? -ENOMEM : error;
}

static void destroy_world(struct sim *sim)
{
    free(sim->ranges);
    free(sim->pinned);
    invariants_destroy(sim);
    oracle_destroy(&sim->oracle);
    if (sim->assembly.config.store != NULL)
        assembly_destroy(&sim->assembly);
    faults_destroy(sim);
}

/* ---- at every step ---- */

static void check_progress(const struct sim *sim)
{
    uint64_t now = fibers_steps();
    uint64_t fair_since = sim->healed ? sim->healed_at : sim_value(sim, SIM_STEPS);

    if (!sim->healed && now > fair_since)
        fibers_be_fair();
    if (now < fair_since)
        return;
    for (uint32_t i = 0; i < sim_value(sim, SIM_THREADS); i++) {
        uint64_t since = sim->users[i].busy_since;

        if (since != 0 && now - MAX_OF(since, fair_since) > PROGRESS_STEPS)
            fibers_fail(
                "liveness: an operation does not end: user %u has been at it for %llu steps", i,
                (unsigned long long)(now - since));
    }
}

static void look(void *context)
{
    struct sim *sim = context;

    if (sim->trace != NULL)
        trace_look(sim->trace, sim);
    if (fibers_steps() >= sim->next_look) {
        sim->next_look = fibers_steps() + sim_value(sim, SIM_LOOK_EVERY);
        invariants_look(sim);
    }
    if (fibers_steps() % 256 == 0)
        check_progress(sim);
}

/* ---- the main fiber ---- */

/* As far as it fits: a page file that grows does so later, while it is used. */
static void commit_everything(struct sim *sim)
{
    struct engine *engine = sim->assembly.engine;
    uint32_t self = sim_main_thread(sim);

    for (uint32_t i = 0; i < sim->range_count; i++) {
        page_number first = 0, pages = sim->range_pages;
        bool committed;

        if (space_reserve(engine, self, pages, &first) != SPACE_DONE || first != i * pages)
            fibers_fail("oracle: regions are not reserved one after the other");
        sim->ranges[i].reserved = true;
        oracle_change_begin(&sim->oracle, first, pages, false);
        committed = space_commit(engine, self, first, pages, PROTECTION_READ_WRITE) == SPACE_DONE;
        oracle_commit_end(&sim->oracle, first, pages, committed, RIGHT_WRITE);
        /* What does not fit as a whole fits in part. */
        for (page_number page = first; !committed && page < first + pages; page++) {
            oracle_change_begin(&sim->oracle, page, 1, false);
            oracle_commit_end(&sim->oracle, page, 1,
                              space_commit(engine, self, page, 1, PROTECTION_READ_WRITE) ==
                                  SPACE_DONE,
                              RIGHT_WRITE);
        }
    }
}

static void start_workers(struct sim *sim, uint32_t round)
{
    struct engine *engine = sim->assembly.engine;

    if (sim_value(sim, SIM_LATE_RESERVATION) != 0)
        engine->run_shift =
            round % 2 == 0 ? 0 : (uint32_t)__builtin_ctz(engine->config.slot_reservation);
    if (engine_start(engine, sim_keeper_thread(sim) + 1) != 0)
        fibers_fail("system: no memory for the workers");
    if (!faults_possible(sim))
        return;
    atomic_store(&sim->keeper_ends, 0);
    if (world_thread_start(keeper_main, &sim->keeper, "keeper", &sim->keeper.thread) != 0)
        fibers_fail("system: no memory for the keeper");
}

static void stop_workers(struct sim *sim)
{
    if (faults_possible(sim)) {
        atomic_store(&sim->keeper_ends, 1);
        world_wake(&sim->keeper_ends, 1);
        world_thread_join(sim->keeper.thread);
    }
    engine_stop(sim->assembly.engine);
}

static void meet_users(struct sim *sim, uint32_t round)
{
    uint32_t threads = (uint32_t)sim_value(sim, SIM_THREADS), parked;

    while ((parked = atomic_load(&sim->parked)) < threads * (round + 1))
        world_wait(&sim->parked, parked, UINT64_MAX);
}

/* Nobody but the main fiber moves. */
static void audit(struct sim *sim)
{
    faults_pause(sim, true);
    atomic_fetch_add(&sim->parked, 0); /* our own stores are seen from here on */
    fibers_points_off();
    invariants_audit(sim);
    fibers_points_on();
    faults_pause(sim, false);
}

static void begin_liveness(struct sim *sim)
{
    faults_heal(sim);
    fibers_be_fair();
    sim->healed = true;
    sim->healed_at = fibers_steps();
}

/* Every page, in whatever form it is, holds what it must. */
static void read_back(struct sim *sim)
{
    struct engine *engine = sim->assembly.engine;
    uint32_t self = sim_main_thread(sim);
    uint64_t words[PAGE_WORDS];

    soft_attach(sim->assembly.soft, self);
    for (page_number page = 0; page < engine->config.pages; page++) {
        struct oracle_access access;
        enum fault_result result;

        sim->result->read_back[pte_form(pte_load(&engine->ptes[page]))]++;
        oracle_begin(&sim->oracle, page, &access);
        result =
            soft_read(sim->assembly.soft, self, (uint64_t)page << PAGE_SHIFT, words, sizeof(words));
        oracle_judge(&sim->oracle, &access, false, result);
        if (result == FAULT_RESOLVED)
            oracle_saw_page(&sim->oracle, &access, words);
    }
    soft_detach(sim->assembly.soft, self);
    engine_leave(engine, self);
}

static void main_fiber(void *argument)
{
    struct sim *sim = argument;
    uint32_t threads = (uint32_t)sim_value(sim, SIM_THREADS);

    commit_everything(sim);
    keeper_begin(sim);
    start_workers(sim, 0);
    for (uint32_t i = 0; i < threads; i++) {
        user_begin(sim, i);
        if (world_thread_start(user_main, &sim->users[i], "user", &sim->users[i].thread) != 0)
            fibers_fail("system: no memory for a user");
    }
    for (uint32_t round = 0; round < sim->rounds; round++) {
        meet_users(sim, round);
        if (round + 1 == sim->rounds)
            break;
        stop_workers(sim);
        audit(sim);
        if (round + 2 == sim->rounds)
            begin_liveness(sim);
        start_workers(sim, round + 1);
        atomic_fetch_add(&sim->round, 1);
        world_wake(&sim->round, UINT32_MAX);
    }
    for (uint32_t i = 0; i < threads; i++)
        world_thread_join(sim->users[i].thread);
    stop_workers(sim);
    audit(sim);
    read_back(sim);
    audit(sim);
}

/* ---- the result ---- */

static void take_counters(struct sim *sim)
{
    struct sim_result *result = sim->result;
    const struct engine *engine = sim->assembly.engine;

    result->hard_faults = engine_counter(engine, COUNT_FAULT_HARD);
    result->demand_zero = engine_counter(engine, COUNT_FAULT_DEMAND_ZERO);
    result->rescues = engine_counter(engine, COUNT_RESCUE_STANDBY) +
                      engine_counter(engine, COUNT_RESCUE_MODIFIED) +
                      engine_counter(engine, COUNT_RESCUE_WRITING);
    result->unchanged = engine_counter(engine, COUNT_UNCHANGED);
    result->extensions = engine_counter(engine, COUNT_PAGEFILE_EXTENDED);
    result->refused = engine_counter(engine, COUNT_PAGEFILE_REFUSED);
    result->slots_moved = engine_counter(engine, COUNT_DEFRAGMENTED);
    result->slot_moves_aborted = engine_counter(engine, COUNT_DEFRAG_ABORTED);
    result->runs_emptied = engine_counter(engine, COUNT_DEFRAG_EMPTIED);
    result->prefetched = engine_counter(engine, COUNT_PREFETCHED);
    result->prefetch_used = engine_counter(engine, COUNT_PREFETCH_USED);
    result->prefetch_wasted = engine_counter(engine, COUNT_PREFETCH_WASTED);
    result->page_errors = sim->oracle.errors;
    result->slots_retired = engine_counter(engine, COUNT_SLOT_RETIRED);
    moves_take(engine, &result->moves);
    faults_take_counts(sim);
}

/* The text up to its first detail, digits left out: what two runs of one failure have in common. */
static void name_failure(struct sim_result *result, const char *prefix, const char *text)
{
    size_t length = (size_t)snprintf(result->kind, SIM_KIND, "%s", prefix);
    unsigned colons = 0;

    snprintf(result->text, sizeof(result->text), "%s%s", prefix, text);
    for (const char *at = text; *at != '\0' && length + 1 < SIM_KIND; at++) {
        colons += *at == ':';
        if (*at == ';' || *at == '/' || (colons == 2 && *at == ':') || (*at >= '0' && *at <= '9'))
            break;
        result->kind[length++] = *at;
    }
    result->kind[length] = '\0';
    result->failed = true;
}

/* Where nobody gets on: what there was to be given out, and who had the frames (few of them). */
static void describe_supply(const struct sim *sim, char *text, size_t size)
{
    const struct engine *engine = sim->assembly.engine;
    int length = snprintf(text, size,
                          "; zeroed %u, free %u, available %u, modified %u, in flight %u, "
                          "waiters %u, promised %u, pinned %u, slots free %llu; frames",
                          list_count(engine, LIST_ZEROED), list_count(engine, LIST_FREE),
                          frames_available(engine), list_count(engine, LIST_MODIFIED),
                          engine->in_flight, engine->waiters, engine->grants, engine->pinned,
                          (unsigned long long)slots_free(engine));

    for (frame_number frame = 0;
         frame < engine->config.frames && length > 0 && (size_t)length < size; frame++) {
        const struct pfn *pfn = &engine->pfns[frame];
        pfn_word word = pfn_load(pfn);

        length += snprintf(text + length, size - (size_t)length, "%s %s page %d references %u",
                           frame == 0 ? ":" : ",", state_name(pfn_state(word)), (int)pfn->page,
                           pfn_references(word));
    }
}

static void take_outcome(const struct sim *sim, const struct fibers_result *fibers)
{
    struct sim_result *result = sim->result;
    size_t length;

    result->steps = fibers->steps;
    result->switches = fibers->switches;
    result->hash = fibers->hash;
    switch (fibers->outcome) {
    case FIBERS_DONE:
        break;
    case FIBERS_DEADLOCK:
        name_failure(result, "deadlock: ", fibers->text);
        break;
    case FIBERS_ENDLESS:
        name_failure(result, "liveness: ", fibers->text);
        break;
    case FIBERS_KNOWN: /* no world is searched by paths */
    case FIBERS_BROKEN:
        name_failure(result, "", fibers->text);
        break;
    }
    length = strlen(result->text);
    if (fibers->outcome == FIBERS_DEADLOCK || fibers->outcome == FIBERS_ENDLESS)
        describe_supply(sim, result->text + length, sizeof(result->text) - length);
}

static struct fibers_config fibers_config_of(struct sim *sim)
{
    uint64_t steps = sim_value(sim, SIM_STEPS);

    return (struct fibers_config){
        .strategy = sim_value(sim, SIM_STRATEGY) == 0 ? FIBERS_RANDOM : FIBERS_PCT,
        .seed = sim->options->seed,
        .steps_max = 2 * steps + 100 * PROGRESS_STEPS,
        .switch_chance = (uint32_t)sim_value(sim, SIM_SWITCH_CHANCE),
        .depth = (uint32_t)sim_value(sim, SIM_DEPTH),
        .steps_expected = steps,
        .relaxed_points = sim_value(sim, SIM_RELAXED) != 0,
        .late_stores = sim_value(sim, SIM_LATE_STORES) != 0,
        .early_chance = (uint32_t)sim_value(sim, SIM_EARLY_CHANCE),
        .net_ns = sim_value(sim, SIM_NET) != 0 ? UINT64_MAX : NET_NS,
        .look_every =
            sim->trace != NULL ? 1 : (uint32_t)MIN_OF(256, sim_value(sim, SIM_LOOK_EVERY)),
        .look = look,
        .context = sim,
    };
}

void sim_run(const struct sim_options *options, struct trace *trace, struct sim_result *ret_result)
{
    static struct fibers_result fibers; /* too large for the stack of a thread */
    struct sim *sim = calloc(1, sizeof(*sim));
    struct fibers_config config;
    int error = -ENOMEM;

    *ret_result = (struct sim_result){.seed = options->seed};
    if (sim != NULL) {
        sim->options = options;
        sim->result = ret_result;
        sim->trace = trace;
        error = create_world(sim);
    }
    if (error != 0) {
        name_failure(ret_result, "system: ", strerror(-error));
    } else {
        config = fibers_config_of(sim);
        moves_begin();
        fibers_run(&config, main_fiber, sim, &fibers);
        take_outcome(sim, &fibers);
        take_counters(sim);
    }
    if (sim != NULL)
        destroy_world(sim);
    free(sim);
}
