/*
 * engine.c - how an engine begins and ends: its memory is laid out, its workers run.
 */
#include "engine/engine.h"
#include "engine/lists.h"

#include "base/bitmap.h"
#include "engine/heat.h"
#include "engine/refault.h"
#include "engine/spans.h"

/* ---- memory ---- */

struct layout {
    size_t engine, ptes, pfns, regions, followers, guesses, region_colours, threads, scratches,
        blocks, lists, areas, bits, reservations, runs, vads, workers, starts, events, defrag,
        spans, heat, owners;
    size_t total;
};

struct worker_start {
    struct engine *engine;
    struct worker_event *event;
    struct thread *self;
    enum worker_kind kind;
};

static size_t place(struct layout *layout, size_t bytes)
{
    size_t at = layout->total;
    layout->total += (bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    return at;
}

static uint32_t count_regions(const struct engine_config *config)
{
    return (uint32_t)(((uint64_t)config->pages + config->region_ptes - 1) / config->region_ptes);
}

static uint32_t count_lists(const struct engine_config *config)
{
    return LIST_COUNT * MAX_OF(config->list_colours, 1);
}

static uint32_t count_slot_areas(const struct engine_config *config)
{
    return MAX_OF(1, MIN_OF(MAX_OF(16, config->list_colours), config->slots / 4096));
}

/* Of pages or of slots, as many as make a reserved run; 0: there are none. */
static size_t count_runs(const struct engine_config *config, uint32_t of)
{
    return config->slot_reservation > 1 ? of / config->slot_reservation + 1 : 0;
}

static uint32_t count_workers(const struct engine_config *config)
{
    uint32_t sum = 0;
    for (unsigned kind = 0; kind < WORKER_KINDS; kind++) {
        sum += config->workers[kind];
    }
    return sum;
}

static size_t defrag_pages(const struct engine_config *config)
{
    return (size_t)config->defrag_rounds * config->defrag_batch + 1;
}

/* A place for each page where there are so many; else pages share them. */
static size_t guess_places(const struct engine_config *config)
{
    return MIN_OF((size_t)config->pages, (size_t)config->frames * GUESS_PLACES_A_FRAME);
}

static struct layout lay_out(const struct engine_config *config)
{
    struct layout l = {0};
    uint32_t areas = count_slot_areas(config);
    l.engine = place(&l, sizeof(struct engine));
    l.ptes = place(&l, (size_t)config->pages * sizeof(pte));
    l.pfns =
        place(&l, ((size_t)config->frames + 2 * (size_t)count_lists(config)) * sizeof(struct pfn));
    l.regions = place(&l, count_regions(config) * sizeof(struct pte_region));
    l.followers = place(&l, guess_places(config) * sizeof(uint32_t));
    l.guesses = place(&l, guess_places(config));
    l.region_colours = place(&l, count_regions(config));
    l.threads = place(&l, config->threads * sizeof(struct thread));
    l.scratches = place(&l, config->threads * sizeof(union scratch));
    l.blocks = place(&l, 2 * (size_t)config->threads * sizeof(struct inpage));
    l.lists = place(&l, count_lists(config) * sizeof(struct page_list));
    l.areas = place(&l, (areas + 1) * sizeof(struct slot_area));
    l.bits = place(&l, (BITMAP_WORDS(config->slots) + 2 * (areas + 1)) * sizeof(uint64_t));
    l.reservations = place(&l, count_runs(config, config->pages) * sizeof(uint32_t));
    l.runs = place(&l, count_runs(config, config->slots) * sizeof(uint32_t));
    l.vads = place(&l, config->vads_max * sizeof(struct vad));
    l.workers = place(&l, count_workers(config) * sizeof(struct world_thread *));
    l.events =
        place(&l, MAX_OF(config->list_colours, 1) * WORKER_KINDS * sizeof(struct worker_event));
    l.starts = place(&l, count_workers(config) * sizeof(struct worker_start));
    /* A page more, because buffers lie on whole pages. */
    l.defrag = place(&l, config->defrag_rounds > 0 ? defrag_pages(config) * MM_PAGE_SIZE : 0);
    l.spans = place(&l, (size_t)config->threads * config->spans * sizeof(struct span));
    l.heat = place(&l, heat_bytes(config));
    /* Last, and read or written for clusters in use only: what is not is never touched. */
    l.owners = place(&l, (size_t)config->slots * sizeof(uint64_t));
    return l;
}

size_t engine_bytes(const struct engine_config *config)
{
    return lay_out(config).total;
}

size_t engine_scratches(const struct engine_config *config, size_t *ret_bytes)
{
    *ret_bytes = config->threads * sizeof(union scratch);
    return lay_out(config).scratches;
}

static void init_lists(struct engine *engine)
{
    static const enum pfn_state states[] = {
        [LIST_ZEROED] = PFN_ZEROED,
        [LIST_FREE] = PFN_FREE,
        [LIST_MODIFIED] = PFN_MODIFIED,
        [LIST_BAD] = PFN_BAD,
    };
    for (unsigned i = 0; i < LIST_COUNT * engine->colours; i++) {
        struct page_list *list = &engine->lists[i];
        unsigned id = i % LIST_COUNT;
        list->state = id < LIST_STANDBY ? states[id] : PFN_STANDBY;
        list->head = engine->config.frames + 2 * i;
        list->tail = list->head + 1;
        PFN_SET_FIELD(frame_pfn(engine, list->head), blink, FRAME_NONE);
        PFN_SET_FIELD(frame_pfn(engine, list->head), flink, list->tail);
        PFN_SET_FIELD(frame_pfn(engine, list->tail), blink, list->head);
        PFN_SET_FIELD(frame_pfn(engine, list->tail), flink, FRAME_NONE);
    }
}

/* Every frame begins zeroed; the machine gave them cleared. */
static void init_zeroed(struct engine *engine, uint32_t colour, frame_number first,
                        frame_number end)
{
    struct page_list *zeroed = list_of(engine, LIST_ZEROED, colour);
    frame_number last = zeroed->head;
    for (frame_number frame = first; frame < end; frame++) {
        struct pfn *pfn = frame_pfn(engine, frame);
        atomic_store_explicit(&pfn->word, PFN_ZEROED, memory_order_relaxed);
        PFN_SET_FIELD(pfn, page, PAGE_NONE);
        PFN_SET_FIELD(pfn, slot, SLOT_NONE);
        PFN_SET_FIELD(pfn, block, colour);
        PFN_SET_FIELD(pfn, blink, last);
        PFN_SET_FIELD(frame_pfn(engine, last), flink, frame);
        last = frame;
    }
    PFN_SET_FIELD(frame_pfn(engine, last), flink, zeroed->tail);
    PFN_SET_FIELD(frame_pfn(engine, zeroed->tail), blink, last);
    atomic_store(&zeroed->count, end - first);
}

/* Each colour gets a run of them. */
static void init_frames(struct engine *engine)
{
    uint64_t frames = engine->config.frames, colours = engine->colours;
    for (uint32_t colour = 0; colour < colours; colour++) {
        init_zeroed(engine, colour, (frame_number)(frames * colour / colours),
                    (frame_number)(frames * (colour + 1) / colours));
    }
}

static void init_threads(struct engine *engine)
{
    for (uint32_t i = 0; i < engine->config.threads; i++) {
        engine->threads[i].number = i;
        engine->threads[i].slot_area = i;
        engine->threads[i].colour = i & (engine->colours - 1);
        engine->threads[i].colour_step = engine->colours;
        engine->threads[i].turn = i + 1;
        engine->threads[i].backoff = engine->config.backoff;
        engine->threads[i].block = BLOCK_NONE;
        engine->threads[i].wants = PAGE_NONE;
        engine->threads[i].missed = PAGE_NONE;
        engine->threads[i].cache.ahead = FRAME_NONE;
        engine->threads[i].scratch = &engine->scratches[i];
    }
    engine->block_free = BLOCK_NONE;
    for (uint32_t i = 0; i < engine->block_count; i++) {
        engine->blocks[i].next = engine->block_free;
        engine->block_free = i;
    }
}

struct engine *engine_init(void *memory, const struct engine_config *config,
                           const struct machine *machine, const struct store *store,
                           const struct policy *policy)
{
    struct layout l = lay_out(config);
    char *base = memory;
    struct engine *engine = (struct engine *)(void *)(base + l.engine);
    engine->config = *config;
    engine->machine = *machine;
    engine->store = *store;
    engine->policy = policy;
    engine->ptes = (pte *)(void *)(base + l.ptes);
    engine->pfns = (struct pfn *)(void *)(base + l.pfns);
    engine->regions = (struct pte_region *)(void *)(base + l.regions);
    engine->guess_places = (uint32_t)guess_places(config);
    engine->followers = (_Atomic uint32_t *)(void *)(base + l.followers);
    engine->guesses = (_Atomic uint8_t *)(void *)(base + l.guesses);
    engine->region_colours = (_Atomic uint8_t *)(void *)(base + l.region_colours);
    engine->threads = (struct thread *)(void *)(base + l.threads);
    engine->scratches = (union scratch *)(void *)(base + l.scratches);
    engine->blocks = (struct inpage *)(void *)(base + l.blocks);
    engine->lists = (struct page_list *)(void *)(base + l.lists);
    engine->slot_areas = (struct slot_area *)(void *)(base + l.areas);
    engine->slot_bits = (uint64_t *)(void *)(base + l.bits);
    engine->slot_owners = (_Atomic uint64_t *)(void *)(base + l.owners);
    engine->reservations = (_Atomic uint32_t *)(void *)(base + l.reservations);
    engine->run_owners = (uint32_t *)(void *)(base + l.runs);
    engine->vads = (struct vad *)(void *)(base + l.vads);
    engine->span_rings = (struct span *)(void *)(base + l.spans);
    engine->heat = (_Atomic uint64_t *)(void *)(base + l.heat);
    engine->defrag_buffers = base + l.defrag + (-(uintptr_t)(base + l.defrag)) % MM_PAGE_SIZE;
    engine->worker_threads = (struct world_thread **)(void *)(base + l.workers);
    engine->events = (struct worker_event *)(void *)(base + l.events);
    engine->worker_starts = (struct worker_start *)(void *)(base + l.starts);
    engine->region_count = count_regions(config);
    engine->region_shift = (uint32_t)__builtin_ctz(config->region_ptes);
    engine->slot_area_count = count_slot_areas(config);
    engine->heat_shift = heat_shift(config);
    engine->refault_shift = refault_shift(config->frames);
    engine->block_count = 2 * config->threads;
    engine->colours = MAX_OF(config->list_colours, 1);
    for (unsigned kind = 0; kind < WORKER_KINDS; kind++) {
        engine->worker_groups[kind] = 1;
        while (2 * engine->worker_groups[kind] <= MIN_OF(config->workers[kind], engine->colours)) {
            engine->worker_groups[kind] *= 2;
        }
    }
    engine->track_dirty = config->dirty_bit && machine->dirty_tracking;
    init_lists(engine);
    init_frames(engine);
    init_threads(engine);
    slots_init(engine);
    growth_init(engine);
    if (store->ops->holds == NULL) { /* what cannot be compared must be watched */
        engine->config.map_writable = MAP_WATCHED;
    }
    return engine;
}

/* ---- workers ---- */

struct worker_work {
    const char *name;
    bool (*needed)(struct engine *engine);
    bool (*due)(struct engine *engine, struct thread *self); /* of its colours; NULL: of all */
    bool (*round)(struct engine *engine, struct thread *self);
    uint64_t tick_ns;  /* how long a worker sleeps when nobody wakes it */
    enum counter done; /* what its rounds do, for their spans */
};

static const struct worker_work work_table[WORKER_KINDS] = {
    [WORKER_TRIM] = {"mm-trim", NULL, trim_due, trim_round, 1000000000, COUNT_FLUSHED_PAGES},
    [WORKER_WRITE] = {"mm-write", NULL, write_due, write_round, 1000000000, COUNT_IO_PAGES_WRITTEN},
    [WORKER_ZERO] = {"mm-zero", zero_needed, NULL, zero_round, 1000000000, COUNT_ZEROED},
    [WORKER_BALANCE] = {"mm-balance", balance_needed, NULL, balance_round, 20000000,
                        COUNT_REPURPOSED},
    [WORKER_GROW] = {"mm-grow", growth_needed, NULL, growth_round, 1000000000,
                     COUNT_PAGEFILE_EXTENDED},
    [WORKER_DEFRAG] = {"mm-defrag", defrag_needed, NULL, defrag_round, 20000000,
                       COUNT_DEFRAG_PAGES_WRITTEN},
    [WORKER_PREFETCH] = {"mm-prefetch", prefetch_needed, NULL, prefetch_round, 1000000000,
                         COUNT_PREFETCHED},
};

/* Pause of a worker that is needed and got nowhere; it doubles, up to so many times. */
#define FRUITLESS_NS      1000000
#define FRUITLESS_DOUBLES 2

static bool has_work(const struct worker_start *start)
{
    const struct worker_work *work = &work_table[start->kind];
    return work->due != NULL ? work->due(start->engine, start->self) : work->needed(start->engine);
}

/*
 * Sleep until there is work. The sleeper makes itself known before it looks for work the last
 * time, a kicker makes the work known before it looks for sleepers.
 */
static void worker_sleep(const struct worker_start *start, unsigned fruitless)
{
    struct engine *engine = start->engine;
    const struct worker_work *work = &work_table[start->kind];
    struct worker_event *event = start->event;
    uint32_t seen = atomic_load_explicit(&event->sequence, memory_order_seq_cst);
    atomic_fetch_add_explicit(&event->sleepers, 1, memory_order_seq_cst);
    if (!atomic_load_explicit(&engine->stopping, memory_order_seq_cst)) {
        if (fruitless > 0) {
            world_wait(&event->sequence, seen,
                       FRUITLESS_NS << MIN_OF(fruitless - 1, FRUITLESS_DOUBLES));
        } else if (!has_work(start)) {
            world_wait(&event->sequence, seen, work->tick_ns);
        }
    }
    atomic_fetch_sub_explicit(&event->sleepers, 1, memory_order_seq_cst);
}

/* One round; if it did anything, it is a span. */
static bool worker_round(struct engine *engine, struct thread *self, enum worker_kind kind)
{
    const struct worker_work *work = &work_table[kind];
    _Atomic uint64_t *done = &self->counters[work->done];
    uint64_t begin_ns = span_begin_round(engine);
    uint64_t before = atomic_load_explicit(done, memory_order_relaxed);
    bool any = work->round(engine, self);
    lock_check_none_held(self);
    if (any) {
        span_end(engine, self, (enum span_kind)(SPAN_TRIM + kind), begin_ns,
                 atomic_load_explicit(done, memory_order_relaxed) - before);
    }
    return any;
}

static void worker_main(void *argument)
{
    struct worker_start *start = argument;
    struct engine *engine = start->engine;
    unsigned fruitless = 0; /* rounds in a row */
    while (!atomic_load_explicit(&engine->stopping, memory_order_seq_cst)) {
        bool any = worker_round(engine, start->self, start->kind);
        if (!any || !has_work(start)) {
            fruitless = !any && has_work(start) ? fruitless + 1 : 0;
            worker_sleep(start, fruitless);
        }
    }
}

const char *engine_worker_name(enum worker_kind kind)
{
    return work_table[kind].name;
}

/* Workers of a kind share the colours out. */
static void begin_worker(struct engine *engine, struct worker_start *start, struct thread *self,
                         enum worker_kind kind, uint32_t number)
{
    uint32_t group = number & (engine->worker_groups[kind] - 1);
    self->colour = group;
    self->colour_step = engine->worker_groups[kind];
    *start =
        (struct worker_start){engine, &engine->events[group * WORKER_KINDS + kind], self, kind};
}

int engine_start(struct engine *engine, uint32_t first_thread)
{
    atomic_store(&engine->stopping, false);
    engine->worker_count = 0;
    for (unsigned kind = 0; kind < WORKER_KINDS; kind++) {
        for (uint32_t i = 0; i < engine->config.workers[kind]; i++) {
            struct worker_start *start = &engine->worker_starts[engine->worker_count];
            begin_worker(engine, start, &engine->threads[first_thread + engine->worker_count],
                         (enum worker_kind)kind, i);
            int error = world_thread_start(worker_main, start, work_table[kind].name,
                                           &engine->worker_threads[engine->worker_count]);
            if (error != 0) {
                engine_stop(engine);
                return error;
            }
            engine->worker_count++;
        }
    }
    return 0;
}

void engine_stop(struct engine *engine)
{
    atomic_store_explicit(&engine->stopping, true, memory_order_seq_cst);
    for (uint32_t i = 0; i < WORKER_KINDS * engine->colours; i++) {
        atomic_fetch_add_explicit(&engine->events[i].sequence, 1, memory_order_seq_cst);
        world_wake(&engine->events[i].sequence, UINT32_MAX);
    }
    while (engine->worker_count > 0) {
        engine->worker_count--;
        world_thread_join(engine->worker_threads[engine->worker_count]);
        engine->worker_threads[engine->worker_count] = NULL;
    }
}

/* ---- counters ---- */

uint64_t engine_counter(const struct engine *engine, enum counter counter)
{
    uint64_t sum = 0;
    for (uint32_t t = 0; t < engine->config.threads; t++) {
        sum += PFN_FIELD(&engine->threads[t], counters[counter]);
    }
    return sum;
}
