/*
 * scenario_run.c - one run of a scenario: set up alone, all steps at once, everything looked at.
 *
 * The engine thread 0 sets up and looks at the end, thread 1 + f is fiber f. Setting up makes no
 * points, so that all of a run's steps are steps of the operations.
 */
#include "scenario.h"

#include "engine/lists.h"

#include <stdio.h>
#include <string.h>

#define PAGE_WORDS (MM_PAGE_SIZE / sizeof(uint64_t))

/* The scenario and the run under way. */
static struct assembly assembly;
static const struct scenario *scenario;
static struct scenario_run run;
static struct outcome *step_under_way[SCENARIO_FIBERS];
static uint32_t clock_now, running;
static _Atomic uint32_t all_ended;

static struct thread *engine_thread(uint32_t number)
{
    return &assembly.engine->threads[number];
}

/* ---- bytes ---- */

static uint64_t word_of(page_number page, uint32_t version, size_t index)
{
    return version == 0 ? 0 : (uint64_t)version << 48 | (uint64_t)page << 32 | index;
}

static void fill(uint64_t *words, page_number page, uint32_t version)
{
    for (size_t i = 0; i < PAGE_WORDS; i++)
        words[i] = word_of(page, version, i);
}

/* The version that all words have. */
static uint32_t version_of(const uint64_t *words, page_number page)
{
    uint32_t version = (uint32_t)(words[PAGE_WORDS - 1] >> 48);

    for (size_t i = 0; i < PAGE_WORDS; i++) {
        if (words[i] != word_of(page, version, i))
            fibers_fail("%s reads from page %u a word %zu of %#llx, not of version %u",
                        fibers_name(), page, i, (unsigned long long)words[i], version);
    }
    return version;
}

static enum fault_result write_page(uint32_t thread, page_number page, uint32_t version)
{
    uint64_t words[PAGE_WORDS];

    fill(words, page, version);
    return soft_write(assembly.soft, thread, (uint64_t)page << PAGE_SHIFT, words, sizeof(words));
}

static enum fault_result read_page(uint32_t thread, page_number page, uint32_t *ret_version)
{
    uint64_t words[PAGE_WORDS];
    enum fault_result result =
        soft_read(assembly.soft, thread, (uint64_t)page << PAGE_SHIFT, words, sizeof(words));

    if (result == FAULT_RESOLVED)
        *ret_version = version_of(words, page);
    return result;
}

/* ---- steps ---- */

static void trim_page(uint32_t thread, page_number page)
{
    struct engine *engine = assembly.engine;
    struct thread *self = engine_thread(thread);
    struct trim_batch *batch = &self->scratch->trim.batch;

    batch->count = batch->counted = 0;
    region_lock(engine, self, page);
    if (pte_form(pte_load(&engine->ptes[page])) == PTE_VALID)
        trim_detach(engine, self, page, batch);
    region_unlock(engine, self, page);
    trim_finish(engine, self, batch);
}

/* What is pinned stays where it is, and whole. */
static void use_pinned(struct outcome *outcome, page_number page, frame_number frame, bool write)
{
    uint64_t *words = soft_frame(assembly.soft, frame);

    fibers_touch(NULL);
    if (write)
        fill(words, page, outcome->version);
    fibers_point();
    outcome->version = write ? outcome->version : version_of(words, page);
}

/* As the manager does it. */
static enum space_result commit_page(uint32_t thread, page_number page)
{
    struct engine *engine = assembly.engine;
    enum space_result result;

    do
        result = space_commit(engine, thread, page, 1, PROTECTION_READ_WRITE);
    while (result == SPACE_LIMIT && growth_make_room(engine, thread, page, 1));
    return result;
}

static void take_step(uint32_t thread, const struct step *step, struct outcome *outcome)
{
    struct engine *engine = assembly.engine;
    frame_number frame = FRAME_NONE;

    switch (step->act) {
    case READ:
        outcome->result = (int)read_page(thread, step->page, &outcome->version);
        break;
    case WRITE:
        outcome->result = (int)write_page(thread, step->page, outcome->version);
        break;
    case TRIM:
        trim_page(thread, step->page);
        break;
    case TRIM_ANY:
        trim_pages(engine, engine_thread(thread), 1);
        break;
    case WRITE_OUT:
        write_round(engine, engine_thread(thread));
        break;
    case REPURPOSE:
        frames_repurpose_ahead(engine, engine_thread(thread), 1);
        break;
    case COMMIT:
        outcome->result = (int)commit_page(thread, step->page);
        break;
    case DECOMMIT:
        outcome->result = (int)space_decommit(engine, thread, step->page, 1);
        break;
    case RELEASE:
        outcome->result = (int)space_release(engine, thread, 0);
        break;
    case PROTECT_READ:
    case PROTECT_WRITE:
        outcome->result = (int)space_protect(engine, thread, step->page, 1,
                                             step->act == PROTECT_READ ? PROTECTION_READ_ONLY
                                                                       : PROTECTION_READ_WRITE);
        break;
    case PIN_READ:
    case PIN_WRITE:
        outcome->result =
            (int)engine_pin(engine, thread, step->page, step->act == PIN_WRITE, &frame);
        if (outcome->result == PIN_DONE)
            use_pinned(outcome, step->page, frame, step->act == PIN_WRITE);
        break;
    case UNPIN: /* the step before was the pin */
        if ((outcome - 1)->result == PIN_DONE)
            engine_unpin(engine, thread, step->page);
        break;
    case RETIRE:
        outcome->result = engine_retire(engine, thread);
        break;
    case ZERO_FRAMES:
        zero_round(engine, engine_thread(thread));
        break;
    case DEFRAG:
        defrag_round(engine, engine_thread(thread));
        break;
    case ASK_AHEAD:
        prefetch_range(engine, step->page, scenario->pages - step->page);
        break;
    case READ_AHEAD:
        prefetch_range(engine, step->page, scenario->pages - step->page);
        prefetch_round(engine, engine_thread(thread));
        break;
    case LEAVE:
        engine_leave(engine, thread);
        break;
    case STOP:
        engine_stop(engine);
        break;
    case NOTHING:
        break;
    }
}

/* A read of a page failed: noted with the step that read, the one its fiber is at. */
static void read_failed(uint32_t thread, const void *buffer)
{
    const unsigned char *frames = soft_frame(assembly.soft, 0);
    uint64_t frame = (uint64_t)((const unsigned char *)buffer - frames) >> PAGE_SHIFT;
    page_number page;

    if ((const unsigned char *)buffer < frames || frame >= assembly.config.engine.frames)
        return; /* of a page that is being moved, which stays where it is */
    page = PFN_FIELD(frame_pfn(assembly.engine, (frame_number)frame), page);
    if (thread - 1 < SCENARIO_FIBERS && step_under_way[thread - 1] != NULL)
        step_under_way[thread - 1]->reads_failed |= 1u << page;
}

/* When a step begins and ends says which came before which. */
static uint32_t tick(void)
{
    fibers_touch(&clock_now);
    return clock_now++;
}

static void fiber_steps(void *argument)
{
    uint32_t fiber = (uint32_t)(uintptr_t)argument, thread = 1 + fiber;
    const struct step *steps = scenario->fibers[fiber];

    soft_attach(assembly.soft, thread);
    for (uint32_t i = 0; i < SCENARIO_STEPS && steps[i].act != NOTHING; i++) {
        struct outcome *outcome = &run.history.steps[fiber][i];

        outcome->version = 2 + fiber * SCENARIO_STEPS + i;
        outcome->begin = tick();
        outcome->reads_failed = 0;
        step_under_way[fiber] = outcome;
        take_step(thread, &steps[i], outcome);
        outcome->end = tick();
        lock_check_none_held(engine_thread(thread));
    }
    soft_detach(assembly.soft, thread);
    fibers_touch(&running);
    if (--running == 0) { /* one wake-up, not one for each: the order of the ends is no choice */
        atomic_store(&all_ended, 1);
        world_wake(&all_ended, 1);
    }
}

/* ---- the beginning ---- */

static void must(bool good, const char *what)
{
    if (!good)
        fibers_fail("no beginning: %s", what);
}

static void write_out_alone(void)
{
    while (list_count(assembly.engine, LIST_MODIFIED) > 0)
        must(write_round(assembly.engine, engine_thread(SCENARIO_BEGIN)), "write");
}

static void begin_page(page_number page, enum start start)
{
    bool zeros = start == ZEROS || start == STANDBY_ZEROS;
    uint32_t version;

    if (start == UNTOUCHED || start == RESERVED)
        return;
    must((zeros ? read_page(SCENARIO_BEGIN, page, &version)
                : write_page(SCENARIO_BEGIN, page, 1)) == FAULT_RESOLVED,
         "first touch");
    if (start != ACTIVE && start != ZEROS)
        trim_page(SCENARIO_BEGIN, page);
    if (start == MODIFIED)
        return;
    write_out_alone();
    if (start == IN_SLOT || start == AHEAD)
        must(frames_repurpose_ahead(assembly.engine, engine_thread(SCENARIO_BEGIN), 1) == 1,
             "repurpose");
    if (start == CLEAN || start == READ_ONLY)
        must(read_page(SCENARIO_BEGIN, page, &version) == FAULT_RESOLVED, "rescue");
    if (start == READ_ONLY)
        must(space_protect(assembly.engine, SCENARIO_BEGIN, page, 1, PROTECTION_READ_ONLY) ==
                     SPACE_DONE &&
                 read_page(SCENARIO_BEGIN, page, &version) == FAULT_RESOLVED,
             "protect");
}

/* Last, for whoever needs a frame takes it from a page that nobody has used yet. */
static void begin_ahead(void)
{
    struct engine *engine = assembly.engine;

    for (page_number page = 0; page < scenario->pages; page++) {
        if (scenario->start[page] != AHEAD)
            continue;
        prefetch_range(engine, page, 1);
        must(prefetch_round(engine, engine_thread(SCENARIO_BEGIN)) &&
                 pte_form(pte_load(&engine->ptes[page])) == PTE_TRANSITION,
             "read ahead");
    }
}

/* Those that need the free frames of others first, then those on lists, in order. */
static unsigned begin_turn(enum start start)
{
    return start == IN_SLOT || start == AHEAD ? 0 : start == MODIFIED ? 2 : 1;
}

static void begin_pages(void)
{
    struct engine *engine = assembly.engine;
    struct thread *self = engine_thread(SCENARIO_BEGIN);
    uint32_t run_shift = engine->run_shift, filled = 0;
    const page_number nobody[1] = {PAGE_NONE};
    slot_number between[SCENARIO_PAGES];
    page_number first;

    soft_attach(assembly.soft, SCENARIO_BEGIN);
    if (scenario->scattered)
        engine->run_shift = 0;
    engine->config.fault_around = 1; /* each page begins as it should, not as its neighbour did */
    must(space_reserve(engine, SCENARIO_BEGIN, scenario->pages, &first) == SPACE_DONE, "reserve");
    for (page_number page = 0; page < scenario->pages; page++) {
        if (scenario->start[page] != RESERVED)
            must(space_commit(engine, SCENARIO_BEGIN, page, 1, PROTECTION_READ_WRITE) == SPACE_DONE,
                 "commit");
    }
    for (unsigned turn = 0; turn < 3; turn++) {
        for (page_number i = 0; i < scenario->pages; i++) {
            page_number page = scenario->scattered ? scenario->pages - 1 - i : i;

            if (begin_turn(scenario->start[page]) != turn)
                continue;
            begin_page(page, scenario->start[page]);
            if (scenario->alone && scenario->start[page] != UNTOUCHED)
                slots_take(engine, self, 1, nobody, &between[filled++]);
        }
    }
    begin_ahead();
    engine->run_shift = run_shift;
    while (filled > 0)
        slots_give_back(engine, self, between[--filled]);
    engine->config.fault_around = assembly.config.engine.fault_around;
    engine_leave(engine, SCENARIO_BEGIN);
    soft_detach(assembly.soft, SCENARIO_BEGIN);
    scenario_store_watch(&assembly.store, read_failed);
    scenario_store_fail(&assembly.store, scenario->reads_fail, scenario->writes_fail,
                        scenario->write_error);
    scenario_store_refuse(&assembly.store, scenario->growths_fail);
}

/* ---- the end ---- */

static void complain(void *context, const struct audit_complaint *complaint)
{
    (void)context;
    fibers_fail("audit: %s: expected %llu, found %llu (frame %d, page %d, slot %u)",
                complaint->what, (unsigned long long)complaint->expected,
                (unsigned long long)complaint->found, (int)complaint->frame, (int)complaint->page,
                complaint->slot);
}

static void audit(void)
{
    struct audit_result result;

    for (uint32_t thread = 0; thread < assembly.config.engine.threads; thread++) {
        for (unsigned rank = 0; rank < RANK_COUNT; rank++) {
            if (engine_thread(thread)->held[rank] != 0)
                fibers_fail("thread %u ends and holds a lock of rank %u", thread, rank);
        }
    }
    engine_audit(assembly.engine, complain, NULL, &result);
}

static void look_at_pages(void)
{
    soft_attach(assembly.soft, SCENARIO_BEGIN);
    for (page_number page = 0; page < scenario->pages; page++) {
        struct outcome *last = &run.history.last[page];

        last->result = (int)read_page(SCENARIO_BEGIN, page, &last->version);
        if (last->result == FAULT_IN_PAGE_ERROR)
            fibers_fail("page %u is lost: its slot cannot be read", page);
    }
}

static void describe_history(char *text, size_t room)
{
    size_t length = (size_t)snprintf(text, room, "no order of the steps explains this:");

    for (unsigned fiber = 0; fiber < SCENARIO_FIBERS; fiber++) {
        for (unsigned i = 0; i < SCENARIO_STEPS && scenario->fibers[fiber][i].act != 0; i++) {
            const struct outcome *o = &run.history.steps[fiber][i];

            if (length < room)
                length += (size_t)snprintf(
                    text + length, room - length, " [fiber %u act %u page %u result %d v%u, %u-%u]",
                    fiber, scenario->fibers[fiber][i].act, scenario->fibers[fiber][i].page,
                    o->result, o->version, o->begin, o->end);
        }
    }
    for (page_number page = 0; page < scenario->pages && length < room; page++)
        length += (size_t)snprintf(text + length, room - length, "; page %u: result %d v%u", page,
                                   run.history.last[page].result, run.history.last[page].version);
}

static void main_fiber(void *argument)
{
    struct world_thread *fibers[SCENARIO_FIBERS];
    char text[FIBERS_TEXT];
    uint32_t count = 0;

    (void)argument;
    fibers_points_off();
    begin_pages();
    must(engine_start(assembly.engine, SCENARIO_USERS) == 0, "workers");
    for (uint32_t i = 0; i < SCENARIO_FIBERS; i++) {
        char name[] = {'f', 'i', 'b', 'e', 'r', ' ', (char)('0' + i), 0};

        if (scenario->fibers[i][0].act != NOTHING)
            must(world_thread_start(fiber_steps, (void *)(uintptr_t)i, name, &fibers[count++]) == 0,
                 "fibers");
    }
    running = count;
    fibers_points_on();
    while (running > 0)
        world_wait(&all_ended, 0, UINT64_MAX);
    run.steps = (uint32_t)fibers_steps();
    while (count > 0)
        world_thread_join(fibers[--count]);
    engine_stop(assembly.engine);
    scenario_store_fail(&assembly.store, 0, 0, 0);
    audit();
    look_at_pages();
    audit();
    if (!model_explains(scenario, &run.history)) {
        describe_history(text, sizeof(text));
        fibers_fail("%s", text);
    }
}

/* ---- the world ---- */

static page_number count_pages(const struct scenario *row)
{
    page_number pages = row->pages;

    for (page_number page = 0; row->pages == 0 && page < SCENARIO_PAGES; page++)
        pages = row->start[page] != UNTOUCHED ? page + 1 : pages;
    return MAX_OF(pages, 1u);
}

static uint32_t or_else(uint32_t value, uint32_t otherwise)
{
    return value != 0 ? value : otherwise;
}

void scenario_create(struct scenario *row)
{
    struct assembly_config config = {
        .engine = {.pages = count_pages(row),
                   .frames = or_else(row->frames, 4),
                   .slots = row->no_slots ? 0 : or_else(row->slots, 8),
                   .threads = SCENARIO_USERS,
                   .vads_max = 2,
                   .trim_batch = or_else(row->batch, 1),
                   .write_batch = or_else(row->batch, 1),
                   .region_ptes = or_else(row->region_ptes, 2),
                   .frame_cache = row->frame_cache,
                   .list_colours = row->colours,
                   .balance_in_faults = row->balances,
                   .fault_around = or_else(row->fault_around, 1),
                   .read_cluster = or_else(row->read_cluster, 1),
                   .prefetch = row->prefetch,
                   .guess_by = row->guess_by,
                   .standby_percent = 25,
                   .slot_reservation = row->slot_reservation,
                   .defrag_rounds = row->scattered ? 2 : 0,
                   .defrag_batch = 2,
                   .map_writable = row->unwatched ? MAP_WRITABLE : MAP_WATCHED,
                   .list_lock_shared = !row->list_lock_plain,
                   .backoff = true,
                   .dirty_bit = true},
        .tlb_entries = 2,
        .impatient = !row->patient,
        .policy = &policy_fifo,
        .store = &scenario_store,
    };

    row->pages = config.engine.pages;
    scenario = row;
    scenario_store_begin_with(row->grows ? row->slots_first : UINT32_MAX);
    memcpy(config.engine.workers, row->workers, sizeof(row->workers));
    for (unsigned kind = 0; kind < WORKER_KINDS; kind++)
        config.engine.threads += row->workers[kind];
    assert_int_equal(assembly_create(&assembly, &config), 0);
}

void scenario_destroy(void)
{
    if (assembly.engine != NULL)
        assembly_destroy(&assembly);
}

/* ---- a run ---- */

static void note_seen(void)
{
    for (uint32_t thread = 1; thread < assembly.config.engine.threads; thread++) {
        for (unsigned i = 0; i < COUNTER_COUNT; i++)
            run.seen[1 + i] += PFN_FIELD(engine_thread(thread), counters[i]);
        for (unsigned i = 0; i < WHY_COUNT; i++)
            run.seen[1 + COUNTER_COUNT + i] += PFN_FIELD(engine_thread(thread), moves[i]);
    }
}

const struct scenario_run *scenario_run(const struct fibers_config *config)
{
    assembly_reset(&assembly);
    memset(&run, 0, sizeof(run));
    clock_now = running = 0;
    all_ended = 0;
    fibers_run(config, main_fiber, NULL, &run.result);
    note_seen();
    return &run;
}
