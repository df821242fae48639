/*
 * soft.c - the soft machine's rows: resident access, soft fault, demand-zero, hard fault, and the
 * CPU time of two threads against one.
 *
 * The comparison (a random 4 KiB copy, clearing a random page) is measured before and after each
 * repetition with the same memory size. Verification and latency timing are off. Where a row is
 * about one path, the workers are parked and the trimming is done by hand, so that every access is
 * that fault and nothing else.
 */
#include "base/copy.h"
#include "base/random.h"
#include "manager.h"
#include "measure.h"
#include "memory.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define MIB          ((uint64_t)1 << 20)
#define FRAMES_BYTES (64 * MIB)
#define FRAME_PAGES  (FRAMES_BYTES / MM_PAGE_SIZE)

static mm *make(uint64_t memory, uint64_t frames, const char *policy)
{
    struct mm_options options;
    bench_options(MM_MACHINE_SOFT, memory, frames, &options);
    options.policy = policy;
    options.threads_max = 4;
    return make_or_refuse(&options, NULL);
}

/* Before and after a repetition; their mean is what it is compared with. */
static struct physics between(struct physics before)
{
    struct physics after = physics_measure();
    return (struct physics){(before.copy_ns + after.copy_ns) / 2,
                            (before.clear_ns + after.clear_ns) / 2};
}

static double touch_all(mm *manager, uint64_t address, const uint32_t *order, uint32_t count,
                        bool write)
{
    uint64_t begin = thread_cpu_ns();
    for (uint32_t i = 0; i < count; i++) {
        touch(manager, address + (uint64_t)order[i] * MM_PAGE_SIZE, write);
    }
    return (double)(thread_cpu_ns() - begin) / count;
}

/* ---- rows ---- */

static void row_resident(unsigned repeats)
{
    const char *name = "resident, TLB hit";
    if (!row_wanted(name)) {
        return;
    }
    const unsigned rounds = 5000000;
    struct series ours = {0};
    mm *manager = make(16 * MIB, 32 * MIB, "aging");
    uint64_t address = commit_all(manager);
    for (unsigned r = 0; r < repeats; r++) {
        touch(manager, address, true);
        uint64_t begin = thread_cpu_ns();
        for (unsigned i = 0; i < rounds; i++) {
            touch(manager, address + (i & 63) * 8, false);
        }
        series_add(&ours, (double)(thread_cpu_ns() - begin) / rounds);
    }
    row_print(name, &ours, "ns", NULL, "(nanoseconds)", 10, 3);
    mm_destroy(manager);
}

/* Every touched page was trimmed to standby (clean) or to modified before. */
static void row_rescue(unsigned repeats, bool modified)
{
    const char *name = modified ? "soft fault from modified" : "soft fault from standby";
    if (!row_wanted(name)) {
        return;
    }
    struct series ours = {0}, theirs = {0};
    mm *manager = make(FRAMES_BYTES, FRAMES_BYTES * 2, "fifo");
    uint64_t address = commit_all(manager);
    uint32_t *order = shuffled(FRAME_PAGES, 7), thread = 0;
    manager_thread(manager, &thread);
    mm_freeze(manager);
    for (unsigned r = 0; r <= repeats; r++) {
        touch_all(manager, address, order, FRAME_PAGES, modified);
        struct thread *self = &manager->engine->threads[thread];
        while (trim_pages(manager->engine, self, BATCH_MAX)) {
        }
        struct physics before = physics_measure();
        uint64_t faults = counter_value(manager, COUNT_FAULT_TRANSITION);
        double ns = touch_all(manager, address, order, FRAME_PAGES, false);
        if (counter_value(manager, COUNT_FAULT_TRANSITION) - faults != FRAME_PAGES) {
            fprintf(stderr, "memman-bench: not every touch was a transition fault\n");
            exit(1);
        }
        if (r > 0) { /* the first round warms up */
            series_add(&ours, ns);
            series_add(&theirs, between(before).copy_ns);
        }
    }
    row_print(name, &ours, "ns", &theirs, "copy of a page", 1, 0.5);
    free(order);
    mm_destroy(manager);
}

/* ---- the policy alone ---- */

static const struct policy *timed;
static uint64_t timed_ns;

static uint32_t timed_choose(const struct policy_look *look)
{
    uint64_t begin = wall_ns(); /* quicker than a thread's own time */
    uint32_t victims = timed->choose(look);
    timed_ns += wall_ns() - begin;
    return victims;
}

/* Many at once: one takes less than the clock. */
static double birth_ns(const struct policy *policy)
{
    enum { BIRTHS = 1000000 };
    uint64_t begin = thread_cpu_ns();
    unsigned sum = 0;
    for (unsigned i = 0; i < BIRTHS; i++) {
        sum += policy->birth((enum policy_birth)(i % (POLICY_RESCUE + 1)));
        __asm__ volatile("" : "+r"(sum), "+r"(policy)); /* it could be another, for all we know */
    }
    return (double)(thread_cpu_ns() - begin) / BIRTHS;
}

/*
 * What the default policy does for a page that is trimmed, after having been looked at as often as
 * pages are, and comes back; as a part of the fault with which it comes back.
 */
static void row_policy(unsigned repeats)
{
    const char *name = "policy, for a soft fault";
    if (!row_wanted(name)) {
        return;
    }
    struct series ours = {0}, theirs = {0};
    mm *manager = make(FRAMES_BYTES, FRAMES_BYTES * 2, "aging");
    uint64_t address = commit_all(manager);
    uint32_t *order = shuffled(FRAME_PAGES, 7), thread = 0;
    manager_thread(manager, &thread);
    mm_freeze(manager);
    struct engine *engine = manager->engine;
    timed = engine->policy;
    struct policy policy = *timed;
    policy.choose = timed_choose;
    engine->policy = &policy;
    for (unsigned r = 0; r <= repeats; r++) {
        uint64_t pages = 0, taken;
        touch_all(manager, address, order, FRAME_PAGES, false);
        timed_ns = 0;
        while ((taken = trim_pages(engine, &engine->threads[thread], BATCH_MAX)) > 0) {
            pages += taken;
        }
        double policy_ns = (double)timed_ns / (double)pages + birth_ns(timed);
        double ns = touch_all(manager, address, order, FRAME_PAGES, false);
        if (r > 0) {
            series_add(&ours, policy_ns);
            series_add(&theirs, ns);
        }
    }
    row_print(name, &ours, "ns", &theirs, "soft fault", 0.1, 0.05);
    engine->policy = timed;
    free(order);
    mm_destroy(manager);
}

/* `cleared`: frames wait on the zeroed list; else the fault clears them itself. */
static void row_demand_zero(unsigned repeats, bool cleared)
{
    const char *name = cleared ? "demand-zero, zeroed frame" : "demand-zero, clears inline";
    if (!row_wanted(name)) {
        return;
    }
    struct series ours = {0}, theirs = {0};
    mm *manager = make(FRAMES_BYTES, FRAMES_BYTES * 2, "fifo");
    uint64_t address = commit_all(manager);
    uint32_t *order = shuffled(FRAME_PAGES, 7), thread = 0;
    manager_thread(manager, &thread);
    mm_freeze(manager);
    struct thread *self = &manager->engine->threads[thread];
    for (unsigned r = 0; r < repeats + 3; r++) {
        while (cleared && zero_round(manager->engine, self)) {
        }
        struct physics before = physics_measure();
        uint64_t zeroed = counter_value(manager, COUNT_ZEROED);
        double ns = touch_all(manager, address, order, FRAME_PAGES, true);
        bool as_meant = cleared ? counter_value(manager, COUNT_ZEROED) == zeroed
                                : counter_value(manager, COUNT_ZEROED) - zeroed >= FRAME_PAGES;
        if (r >= 3 && as_meant) { /* at first every frame is zeroed; warm up */
            series_add(&ours, ns);
            series_add(&theirs, between(before).clear_ns);
        }
        mm_decommit(manager, address, FRAMES_BYTES);
        mm_commit(manager, address, FRAMES_BYTES, MM_READ_WRITE);
    }
    row_print(name, &ours, "ns", &theirs, "clearing a page", 2, 1.3);
    free(order);
    mm_destroy(manager);
}

/* ---- work of several threads ---- */

struct job {
    mm *manager; /* NULL: plain memory, what the machine itself makes of the same accesses */
    uint64_t address, pages, accesses, seed;
    unsigned write_percent;
    unsigned trim_every; /* accesses after which the thread trims a batch itself; 0: never */
};

#define TRIM_PAGES 256u

static void trim_now(const struct job *job)
{
    uint32_t thread = 0;
    manager_thread(job->manager, &thread);
    struct engine *engine = job->manager->engine;
    trim_pages(engine, &engine->threads[thread], TRIM_PAGES);
}

static void *run_job(void *argument)
{
    struct job *job = argument;
    struct random_generator random;
    random_seed(&random, job->seed, 0);
    for (uint64_t i = 0; i < job->accesses; i++) {
        uint64_t page = random_below(&random, (uint32_t)job->pages);
        uint64_t address = job->address + page * MM_PAGE_SIZE + (i & 511) * 8;
        bool write = random_below(&random, 100) < job->write_percent;
        if (job->manager != NULL) {
            touch(job->manager, address, write);
            if (job->trim_every != 0 && i % job->trim_every == 0) {
                trim_now(job);
            }
        } else if (write) {
            store_word((void *)(uintptr_t)address, i);
        } else {
            load_word((void *)(uintptr_t)address);
        }
    }
    if (job->manager != NULL) {
        mm_detach(job->manager);
    }
    return NULL;
}

/* Copies of random pages: what the machine itself makes of the same bytes. */
static void *run_copies(void *argument)
{
    struct job *job = argument;
    struct random_generator random;
    random_seed(&random, job->seed, 0);
    for (uint64_t i = 0; i < job->accesses; i++) {
        physics_copy_page(&random);
    }
    return NULL;
}

/* CPU time of the whole process while `threads` threads do the job, in ns per access. */
static double run_threads(const struct job *job, unsigned threads, void *(*work)(void *))
{
    pthread_t ids[16];
    struct job jobs[16];
    uint64_t begin = process_cpu_ns();
    for (unsigned t = 0; t < threads; t++) {
        jobs[t] = *job;
        jobs[t].seed = job->seed * 100 + t;
        if (pthread_create(&ids[t], NULL, work, &jobs[t]) != 0) {
            exit(3);
        }
    }
    for (unsigned t = 0; t < threads; t++) {
        pthread_join(ids[t], NULL);
    }
    return (double)(process_cpu_ns() - begin) / (double)(job->accesses * threads);
}

static void row_hard(unsigned repeats)
{
    const char *name = "hard fault, dirty victim, all work";
    if (!row_wanted(name)) {
        return;
    }
    const uint64_t memory = 4 * FRAMES_BYTES;
    struct series ours = {0}, theirs = {0};
    mm *manager = make(memory, FRAMES_BYTES, "aging");
    struct job job = {.manager = manager,
                      .address = commit_all(manager),
                      .pages = memory / MM_PAGE_SIZE,
                      .accesses = 300000,
                      .write_percent = 100};
    struct job copies = {.accesses = 50000};
    for (unsigned r = 0; r <= repeats; r++) {
        copies.seed = job.seed = r + 1;
        uint64_t hard = counter_value(manager, COUNT_FAULT_HARD);
        double before = run_threads(&copies, 2, run_copies);
        double ns = run_threads(&job, 1, run_job) * (double)job.accesses;
        double after = run_threads(&copies, 2, run_copies);
        hard = counter_value(manager, COUNT_FAULT_HARD) - hard;
        if (r > 0) {
            series_add(&ours, ns / (double)hard);
            series_add(&theirs, (before + after) / 2);
        }
    }
    row_print(name, &ours, "ns", &theirs, "copy, both CPUs", 5, 3);
    mm_destroy(manager);
}

/* What two threads do at once, against one; `control` is the same on the bare machine. */
struct pairing {
    const char *name;
    uint64_t memory, frames, accesses;
    unsigned write_percent, trim_every;
    bool copies; /* the control copies pages; else it makes the same accesses in plain memory */
};

/*
 * A machine shared with others changes its pace within a second: many short rounds, each with one
 * thread before and after two, tell more than a few long ones.
 */
#define THREAD_ROUNDS 5

static double control_factor(const struct pairing *pairing, struct job *control)
{
    void *(*work)(void *) = pairing->copies ? run_copies : run_job;
    control->accesses = pairing->copies ? 20000 : pairing->accesses / 2;
    double single = run_threads(control, 1, work);
    return run_threads(control, 2, work) / single;
}

/*
 * CPU time per access of two threads against one, same work each, workers included. Two CPUs of
 * one machine share its memory: `control` says by how much that alone slows each of them; where it
 * does, one thread's time is multiplied by it.
 */
static void row_threads(unsigned repeats, const struct pairing *pairing)
{
    struct series one = {0}, two = {0}, factor = {0};
    if (!row_wanted(pairing->name)) {
        return;
    }
    mm *manager = make(pairing->memory, pairing->frames, "aging");
    struct job job = {.manager = manager,
                      .address = commit_all(manager),
                      .pages = pairing->memory / MM_PAGE_SIZE,
                      .accesses = pairing->accesses,
                      .write_percent = pairing->write_percent,
                      .trim_every = pairing->trim_every};
    struct job control = job;
    control.manager = NULL;
    control.address = (uintptr_t)physics_memory();
    for (unsigned r = 0; r <= THREAD_ROUNDS * repeats; r++) {
        control.seed = job.seed = r + 1;
        double alone = control_factor(pairing, &control);
        double before = run_threads(&job, 1, run_job), both = run_threads(&job, 2, run_job);
        double after = run_threads(&job, 1, run_job);
        if (r > 0) {
            series_add(&factor, alone);
            series_add(&one, (before + after) / 2 * MAX_OF(alone, 1.0));
            series_add(&two, both);
        }
    }
    row_print(pairing->name, &two, "ns, 2 thr", &one, "1 thread x machine", 1.10, 1.03);
    printf("%-34s %8.2f           (%.2f to %.2f)\n", "  the machine's own factor",
           series_median(&factor), series_min(&factor), series_max(&factor));
    mm_destroy(manager);
}

/* What the engine's block grows by with each of something, other things being as `mm_create` has them. */
static void row_memory(void)
{
    const uint32_t many = 1u << 20;
    struct engine_config base = {.pages = many,
                                 .frames = many,
                                 .slots = many,
                                 .threads = 8,
                                 .vads_max = 16,
                                 .region_ptes = 256,
                                 .slot_reservation = 64};
    struct engine_config frames = base, pages = base, slots = base;
    struct series per_frame = {0}, per_page = {0};
    frames.frames *= 2;
    pages.pages *= 2;
    slots.slots *= 2;
    series_add(&per_frame, (double)(engine_bytes(&frames) - engine_bytes(&base)) / many);
    series_add(&per_page, (double)(engine_bytes(&pages) - engine_bytes(&base)) / many);
    row_print("engine memory per frame", &per_frame, "bytes", NULL, "(bytes)", 48, 48);
    row_print("engine memory per virtual page", &per_page, "bytes", NULL, "(regions, runs)", 8, 8);
    printf("%-34s %8.1f bytes              (reverse map, bitmap, runs; where it was used)\n",
           "engine memory per slot", (double)(engine_bytes(&slots) - engine_bytes(&base)) / many);
}

void bench_soft(unsigned repeats)
{
    physics_init(4 * FRAMES_BYTES); /* larger than any cache, as the memory is */
    row_resident(repeats);
    row_rescue(repeats, false);
    row_rescue(repeats, true);
    row_policy(repeats);
    row_demand_zero(repeats, true);
    row_demand_zero(repeats, false);
    row_hard(repeats);
    static const struct pairing pairings[] = {
        {"2 threads: resident", 32 * MIB, 64 * MIB, 1000000, 50, 0, false},
        {"2 threads: trimmer at work", 64 * MIB, 66 * MIB, 250000, 0, 0, false},
        {"2 threads: rescue-heavy", 64 * MIB, 66 * MIB, 250000, 0, 1024, false},
        {"2 threads: hard faults", 4 * FRAMES_BYTES, FRAMES_BYTES, 60000, 50, 0, true},
    };
    for (size_t i = 0; i < ARRAY_COUNT(pairings); i++) {
        row_threads(repeats, &pairings[i]);
    }
    row_memory();
    physics_free();
}
