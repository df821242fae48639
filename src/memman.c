/*
 * memman.c - a manager made and taken down: machine, store, policy and engine put together.
 *
 * A manager is an engine on a machine, a store and a policy, in the world of real threads. It is
 * made from the outside in (store, machine, engine, workers) and taken down the other way round.
 */
#include "memman.h"

#include "manager.h"
#include "world/threads.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SOFT_BASE        ((uint64_t)1 << 40) /* addresses of the soft machine are numbers */
#define BORROWED_NUMBERS 16                  /* for threads that fault without being attached */
#define VADS_MAX         4096
#define GROWTH_STEP_MAX  (((uint64_t)64 << 20) / MM_PAGE_SIZE)

/* ---- machine ---- */

static uint32_t total_threads(const mm *manager)
{
    return manager->users + manager->workers;
}

static int create_soft(mm *manager, struct machine *ret_machine, struct mm_detail *ret_detail)
{
    struct soft_config config = {
        .pages = (page_number)(manager->options.memory_bytes / MM_PAGE_SIZE),
        .frames = manager_frames(&manager->options),
        .threads_max = total_threads(manager),
        .tlb_entries = manager->options.tlb_entries,
    };
    if (soft_create(&config, &manager->soft, ret_machine) != 0) {
        manager_say(ret_detail, "no memory for %llu MiB of frames; use less --frames",
                    (unsigned long long)(manager->options.frames_bytes >> 20));
        return MM_ERROR_NO_MEMORY;
    }
    manager->base = SOFT_BASE;
    return MM_OK;
}

static int create_linux(mm *manager, struct machine *ret_machine, struct mm_detail *ret_detail)
{
    char text[sizeof(ret_detail->text) - 64] = "";
    const struct mm_options *options = &manager->options;
    struct linux_config config = {
        .pages = (page_number)(options->memory_bytes / MM_PAGE_SIZE),
        .threads_max = total_threads(manager),
        .windows = MAX_OF(options->write_batch, READ_RUN_MAX),
        .transfer = options->transfer_batch,
        .faults = options->faults == MM_FAULTS_THREAD ? LINUX_FAULTS_THREAD : LINUX_FAULTS_SIGNAL,
        .handlers = options->fault_handlers,
        .dirty_tracking = options->dirty_bit,
    };
    int error = linux_create(&config, &manager->linux_machine, ret_machine, text, sizeof(text));
    if (error != 0) {
        manager_say(ret_detail, "%s", text);
        return error == -ENOMEM ? MM_ERROR_NO_MEMORY : MM_ERROR_UNSUPPORTED;
    }
    manager->base = (uintptr_t)linux_base(manager->linux_machine);
    return MM_OK;
}

/* Linux where it works, else soft with a note, where the choice is free. */
static int create_machine(mm *manager, struct machine *ret_machine, struct mm_detail *ret_detail)
{
    bool free_choice = manager->options.machine == MM_MACHINE_AUTO;
    struct mm_detail refused = {""};
    if (manager->options.machine == MM_MACHINE_SOFT) {
        return create_soft(manager, ret_machine, ret_detail);
    }
    manager->options.machine = MM_MACHINE_LINUX;
    int error = create_linux(manager, ret_machine, &refused);
    if (error == MM_OK) {
        return MM_OK;
    }
    if (!free_choice) {
        manager_say(ret_detail, "%s", refused.text);
        return error;
    }
    manager->options.machine = MM_MACHINE_SOFT;
    error = create_soft(manager, ret_machine, ret_detail);
    if (error == MM_OK) {
        manager_note(ret_detail, "using the soft machine: %.*s", 448, refused.text);
    }
    return error;
}

/* ---- engine ---- */

static void complain(void *context, const char *text)
{
    (void)context;
    fprintf(stderr, "memman: %s\n", text);
}

static enum map_writable map_writable(const mm *manager)
{
    switch (manager->options.map_writable) {
    case MM_MAP_WRITABLE_ON:
        return MAP_WRITABLE;
    case MM_MAP_WRITABLE_OFF:
        return MAP_WATCHED;
    default:
        return MAP_BY_HISTORY;
    }
}

static uint32_t guess_by(enum mm_prefetch_by by)
{
    static const uint32_t guesses[] = {
        [MM_PREFETCH_BY_AUTO] = GUESS_NEIGHBOURS | GUESS_FOLLOWERS,
        [MM_PREFETCH_BY_STREAMS] = 0,
        [MM_PREFETCH_BY_NEIGHBOURS] = GUESS_NEIGHBOURS,
        [MM_PREFETCH_BY_FOLLOWERS] = GUESS_FOLLOWERS,
        [MM_PREFETCH_BY_STRIDE] = GUESS_STRIDE,
        [MM_PREFETCH_BY_MAJORITY] = GUESS_MAJORITY,
    };
    return guesses[by];
}

static uint32_t growers(const struct mm_options *options)
{
    return options->pagefile_max_bytes > options->pagefile_bytes ? 1 : 0;
}

/* Slots: an eighth of the way, but no more than 64 MiB; the engine takes an eighth of what is there if that is more. */
static slot_number growth_step(const struct mm_options *options)
{
    uint64_t way = (options->pagefile_max_bytes - options->pagefile_bytes) / MM_PAGE_SIZE;
    return (slot_number)MIN_OF(way / 8 + 1, GROWTH_STEP_MAX);
}

static struct engine_config engine_options(const mm *manager)
{
    const struct mm_options *o = &manager->options;
    return (struct engine_config){
        .pages = (page_number)(o->memory_bytes / MM_PAGE_SIZE),
        .frames = manager_frames(o),
        .slots = manager->store.slots,
        .threads = total_threads(manager),
        .vads_max = VADS_MAX,
        .workers = {[WORKER_TRIM] = o->trimmers,
                    [WORKER_WRITE] = o->writers,
                    [WORKER_ZERO] = o->zeroers,
                    [WORKER_BALANCE] = 1,
                    [WORKER_GROW] = growers(o),
                    [WORKER_DEFRAG] = o->defragmenters,
                    [WORKER_PREFETCH] = 1},
        .trim_batch = o->trim_batch,
        .write_batch = o->write_batch,
        .region_ptes = o->region_ptes,
        .frame_cache = o->frame_cache,
        .list_colours = o->list_colours,
        .balance_in_faults = o->balance == MM_BALANCE_FAULTS,
        .fault_around = o->fault_around,
        .read_cluster = o->read_cluster,
        .prefetch = o->prefetch,
        .guess_by = guess_by(o->prefetch_by),
        .standby_percent = o->standby_percent,
        .list_lock_shared = o->list_lock_shared,
        .backoff = o->backoff,
        .dirty_bit = o->dirty_bit,
        .map_writable = map_writable(manager),
        .latency = o->latency,
        .slots_next_fit = o->slot_search == MM_SLOTS_NEXT_FIT,
        .slot_reservation = o->slot_reservation,
        .growth_step = growth_step(o),
        .defrag_rounds = o->defragmenters,
        .defrag_batch = DEFRAG_MAX,
        .defrag_rest_ns = DEFRAG_REST_NS,
        .spans = o->spans,
        .heat = o->heat,
        .complain = complain,
    };
}

static int create_engine(mm *manager, const struct machine *machine, struct mm_detail *ret_detail)
{
    struct engine_config config = engine_options(manager);
    const struct policy *policy = policy_find(manager->options.policy);
    manager->memory_bytes = engine_bytes(&config);
    void *memory = mmap(NULL, manager->memory_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        manager_say(ret_detail, "no memory for %zu MiB of tables; use less --memory or --frames",
                    manager->memory_bytes >> 20);
        return MM_ERROR_NO_MEMORY;
    }
    manager->memory = memory;
    madvise(memory, manager->memory_bytes, MADV_DONTFORK);
    madvise(memory, manager->memory_bytes, MADV_HUGEPAGE);
    manager->engine = engine_init(memory, &config, machine, &manager->store, policy);
    /* The reverse map costs memory only where slots were used, a page for 512 of them. */
    uintptr_t owners = ((uintptr_t)manager->engine->slot_owners + MM_PAGE_SIZE - 1) &
                       ~(uintptr_t)(MM_PAGE_SIZE - 1);
    uintptr_t end = (uintptr_t)memory + manager->memory_bytes;
    if (owners < end) {
        madvise((void *)owners, end - owners, MADV_NOHUGEPAGE);
    }
    return MM_OK;
}

static int start(mm *manager, struct mm_detail *ret_detail)
{
    struct linux_entry entry = {
        .fault = engine_fault,
        .engine = manager->engine,
        .thread_enter = manager_thread_enter,
        .thread_leave = manager_thread_leave,
        .context = manager,
    };
    int error = engine_start(manager->engine, manager->users);
    if (error == 0 && manager->soft != NULL) {
        soft_bind(manager->soft, engine_fault, manager->engine);
    } else if (error == 0) {
        error = linux_start(manager->linux_machine, &entry);
    }
    if (error != 0) {
        manager_say(ret_detail, "the manager's threads could not be started: %s; use fewer of them",
                    strerror(-error));
        return MM_ERROR_UNSUPPORTED;
    }
    return MM_OK;
}

/* ---- life ---- */

static uint64_t next_id(void)
{
    static _Atomic uint64_t ids;
    return atomic_fetch_add(&ids, 1) + 1;
}

static int create_parts(mm *manager, struct mm_detail *ret_detail)
{
    struct mm_options *options = &manager->options;
    struct machine machine = {0};
    manager->workers = options->trimmers + options->writers + options->zeroers +
                       options->defragmenters + 2 + growers(options);
    manager->users = options->threads_max + MAX_OF(BORROWED_NUMBERS, options->fault_handlers);
    int error = manager_store_create(manager, total_threads(manager), ret_detail);
    if (error == MM_OK) {
        error = create_machine(manager, &machine, ret_detail);
    }
    if (error == MM_OK) {
        manager_resolve_for(options);
        error = create_engine(manager, &machine, ret_detail);
    }
    if (error == MM_OK) {
        error = manager_threads_create(manager);
        if (error != MM_OK) {
            manager_say(ret_detail, "no memory for thread records, or no thread-specific key left; "
                                    "use a smaller threads_max or fewer managers");
        }
    }
    return error == MM_OK ? start(manager, ret_detail) : error;
}

/* Whoever changes rights is not starved by copies that never end. */
static void init_rights(mm *manager)
{
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&manager->rights, &attributes);
    pthread_rwlockattr_destroy(&attributes);
}

int mm_create(const struct mm_options *options, mm **ret_mm, struct mm_detail *ret_detail)
{
    struct mm_options resolved = *options;
    manager_say(ret_detail, "%s", "");
    int error = manager_resolve(&resolved, ret_detail);
    if (error == MM_OK) {
        error = manager_check_memory(&resolved, ret_detail);
    }
    if (error != MM_OK) {
        return error;
    }
    mm *manager = calloc(1, sizeof(*manager));
    char *store_name = calloc(1, strlen(resolved.store) + 1); /* ours, not the caller's */
    if (manager == NULL || store_name == NULL) {
        free(manager);
        free(store_name);
        manager_say(ret_detail, "no memory for a manager");
        return MM_ERROR_NO_MEMORY;
    }
    manager->options = resolved;
    manager->store_name = memcpy(store_name, resolved.store, strlen(resolved.store));
    manager->id = next_id();
    manager->owner = getpid();
    manager->options.store = manager->store_name;
    pthread_mutex_init(&manager->life, NULL);
    init_rights(manager);
    error = create_parts(manager, ret_detail);
    if (error != MM_OK) {
        mm_destroy(manager);
        return error;
    }
    *ret_mm = manager;
    return MM_OK;
}

void mm_destroy(mm *manager)
{
    if (manager == NULL) {
        return;
    }
    manager_gate_open(manager);
    if (manager->engine != NULL) {
        engine_stop(manager->engine);
    }
    if (manager->linux_machine != NULL) {
        linux_destroy(manager->linux_machine);
    }
    if (manager->soft != NULL) {
        soft_destroy(manager->soft);
    }
    manager_threads_destroy(manager);
    if (manager->memory != NULL) {
        munmap(manager->memory, manager->memory_bytes);
    }
    manager_store_destroy(manager);
    pthread_rwlock_destroy(&manager->rights);
    pthread_mutex_destroy(&manager->life);
    free(manager->store_name);
    free(manager);
}

/* Workers lie by kind. */
static void add_running_cpu_ns(const mm *manager, uint64_t *sums)
{
    const struct engine *engine = manager->engine;
    uint32_t at = 0;
    for (unsigned kind = 0; kind < WORKER_KINDS; kind++) {
        for (uint32_t i = 0; i < engine->config.workers[kind] && at < engine->worker_count; i++) {
            sums[kind] += world_thread_cpu_ns(engine->worker_threads[at++]);
        }
    }
}

static void all_cpu_ns(const mm *manager, uint64_t ret_sums[WORKER_KINDS])
{
    pthread_mutex_t *life = (pthread_mutex_t *)(uintptr_t)&manager->life;
    pthread_mutex_lock(life);
    memcpy(ret_sums, manager->retired_cpu_ns, sizeof(manager->retired_cpu_ns));
    add_running_cpu_ns(manager, ret_sums);
    pthread_mutex_unlock(life);
}

uint64_t mm_worker_cpu_ns(const mm *manager)
{
    uint64_t sums[WORKER_KINDS], used_ns = 0;
    all_cpu_ns(manager, sums);
    for (unsigned kind = 0; kind < WORKER_KINDS; kind++) {
        used_ns += sums[kind];
    }
    return used_ns;
}

size_t mm_workers(const mm *manager, struct mm_worker *ret_workers, size_t count)
{
    uint64_t sums[WORKER_KINDS];
    all_cpu_ns(manager, sums);
    for (unsigned kind = 0; kind < WORKER_KINDS && kind < count; kind++) {
        ret_workers[kind] = (struct mm_worker){engine_worker_name((enum worker_kind)kind),
                                               manager->engine->config.workers[kind], sums[kind]};
    }
    return WORKER_KINDS;
}

void mm_freeze(mm *manager)
{
    pthread_mutex_lock(&manager->life);
    if (!manager->frozen) {
        manager_gate_shut(manager);
        add_running_cpu_ns(manager, manager->retired_cpu_ns);
        engine_stop(manager->engine);
        manager_store_pause(manager, true);
        manager->frozen = true;
    }
    pthread_mutex_unlock(&manager->life);
}

int mm_thaw(mm *manager)
{
    int error = MM_OK;
    pthread_mutex_lock(&manager->life);
    if (manager->frozen) {
        manager_store_pause(manager, false);
        error = engine_start(manager->engine, manager->users) == 0 ? MM_OK : MM_ERROR_UNSUPPORTED;
        manager->frozen = error != MM_OK;
    }
    if (!manager->frozen) {
        manager_gate_open(manager);
    }
    pthread_mutex_unlock(&manager->life);
    return error;
}
