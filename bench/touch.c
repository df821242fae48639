/*
 * touch.c - memman-bench-touch: one program that works in more memory than it may use, either in
 * plain memory, which the kernel pages, or in memory of libmemman. bench/swap.sh runs it in a
 * memory cgroup and compares.
 *
 * First every page is written once. Then, for some seconds, each thread reads a word of a page, and
 * as often as --write-ratio says writes it back one larger. Each word read is checked. Prints one
 * line of JSON. Exit: 0 good, 1 wrong data, 2 usage, 3 the system refuses.
 */
#include "measure.h"

#include "base/random.h"
#include "memman.h"
#include "numbers.h"
#include "workload/workload.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define THREADS_MAX 64

struct settings {
    unsigned plain;     /* else libmemman */
    unsigned scattered; /* how it was written first; else by address */
    struct workload workload;
    uint64_t memory_bytes, frames_bytes;
    uint32_t threads;
    double seconds, write_ratio;
    const char *store, *policy; /* NULL: the default */
    uint32_t slot_reservation;  /* 0: the default */
};

struct work {
    const struct settings *settings;
    uint64_t *memory;
    uint64_t pages;
    _Atomic bool stop;
    _Atomic uint64_t accesses, wrong;
};

struct worker {
    struct work *work;
    uint32_t number;
    pthread_t id;
};

#define PAGE_WORDS (MM_PAGE_BYTES / sizeof(uint64_t))

/* ---- pages ---- */

static uint64_t *page_word(const struct work *work, uint64_t page)
{
    return work->memory + page * PAGE_WORDS;
}

/* The page number above a count of writes; two threads may lose one, so only the number is checked. */
static void page_write(const struct work *work, uint64_t page, uint64_t count)
{
    __atomic_store_n(page_word(work, page), page << 32 | (count & UINT32_MAX), __ATOMIC_RELAXED);
}

static uint64_t gcd(uint64_t a, uint64_t b)
{
    return b == 0 ? a : gcd(b, a % b);
}

/* Each page once: in address order, or scattered by a step that shares no factor with the count. */
static void write_all(const struct work *work)
{
    uint64_t step = 1, page = 0;
    if (work->settings->scattered) {
        for (step = work->pages * 5 / 13 | 1; gcd(step, work->pages) != 1; step += 2) {
        }
    }
    for (uint64_t i = 0; i < work->pages; i++, page = (page + step) % work->pages) {
        page_write(work, page, 0);
    }
}

static void *worker_main(void *argument)
{
    struct worker *worker = argument;
    struct work *work = worker->work;
    const struct settings *settings = work->settings;
    struct workload_stream stream;
    struct workload_access access;
    uint64_t accesses = 0, wrong = 0;
    workload_stream_init(&stream, &settings->workload, 1, worker->number, settings->write_ratio);
    while (!atomic_load_explicit(&work->stop, memory_order_relaxed)) {
        workload_stream_next(&stream, &access);
        uint64_t word = __atomic_load_n(page_word(work, access.page), __ATOMIC_RELAXED);
        wrong += word >> 32 != access.page;
        if (access.write) {
            page_write(work, access.page, word + 1);
        }
        accesses++;
    }
    atomic_fetch_add(&work->accesses, accesses);
    atomic_fetch_add(&work->wrong, wrong);
    return NULL;
}

/* ---- one run ---- */

struct figures {
    double seconds, cpu_seconds;
    double out_cpu_seconds, ahead_cpu_seconds; /* workers, those that read ahead apart */
    uint64_t hard, reads, pages_read, pages_written, writes;
};

static uint64_t counter_of(const mm *manager, const char *group, const char *key)
{
    struct mm_counter counters[256];
    size_t count = mm_counters(manager, counters, 256);
    for (size_t i = 0; i < count && i < 256; i++) {
        if (strcmp(counters[i].group, group) == 0 && strcmp(counters[i].key, key) == 0) {
            return counters[i].value;
        }
    }
    return 0;
}

/* Of the threads that read ahead, or of all others: whatever those do is for pages that go out. */
static double workers_cpu(const mm *manager, bool ahead)
{
    struct mm_worker workers[16];
    size_t count = mm_workers(manager, workers, 16);
    double seconds = 0;
    for (size_t i = 0; i < count && i < 16; i++) {
        bool reads = strcmp(workers[i].name, "mm-prefetch") == 0;
        seconds += reads == ahead ? (double)workers[i].cpu_ns / 1e9 : 0;
    }
    return seconds;
}

static struct figures figures_now(const mm *manager)
{
    struct rusage usage;
    struct figures now = {.seconds = (double)wall_ns() / 1e9,
                          .cpu_seconds = (double)process_cpu_ns() / 1e9};
    getrusage(RUSAGE_SELF, &usage);
    now.hard = (uint64_t)usage.ru_majflt;
    if (manager != NULL) {
        now.out_cpu_seconds = workers_cpu(manager, false);
        now.ahead_cpu_seconds = workers_cpu(manager, true);
        now.hard = counter_of(manager, "faults", "hard");
        now.reads = counter_of(manager, "io", "reads");
        now.pages_read = counter_of(manager, "io", "pages_read");
        now.writes = counter_of(manager, "io", "writes");
        now.pages_written = counter_of(manager, "io", "pages_written");
    }
    return now;
}

static void run_threads(struct work *work)
{
    struct worker workers[THREADS_MAX];
    struct timespec pause = {.tv_sec = (time_t)work->settings->seconds};
    pause.tv_nsec = (long)((work->settings->seconds - (double)pause.tv_sec) * 1e9);
    for (uint32_t i = 0; i < work->settings->threads; i++) {
        workers[i] = (struct worker){.work = work, .number = i};
        if (pthread_create(&workers[i].id, NULL, worker_main, &workers[i]) != 0) {
            fprintf(stderr, "memman-bench-touch: no thread\n");
            exit(3);
        }
    }
    nanosleep(&pause, NULL);
    atomic_store(&work->stop, true);
    for (uint32_t i = 0; i < work->settings->threads; i++) {
        pthread_join(workers[i].id, NULL);
    }
}

static void print_line(const struct work *work, const struct figures *a, const struct figures *b)
{
    uint64_t accesses = atomic_load(&work->accesses);
    printf(
        "{\"on\":\"%s\",\"accesses\":%" PRIu64
        ",\"seconds\":%.4f,\"cpu_seconds\":%.4f,\"out_cpu_seconds\":%.4f,\"ahead_cpu_seconds\":%.4f,\"hard\":%" PRIu64
        ",\"reads\":%" PRIu64 ",\"pages_read\":%" PRIu64 ",\"writes\":%" PRIu64
        ",\"pages_written\":%" PRIu64 ",\"wrong\":%" PRIu64 "}\n",
        work->settings->plain ? "plain" : "memman", accesses, b->seconds - a->seconds,
        b->cpu_seconds - a->cpu_seconds, b->out_cpu_seconds - a->out_cpu_seconds,
        b->ahead_cpu_seconds - a->ahead_cpu_seconds, b->hard - a->hard, b->reads - a->reads,
        b->pages_read - a->pages_read, b->writes - a->writes, b->pages_written - a->pages_written,
        atomic_load(&work->wrong));
}

static int run(const struct settings *settings, uint64_t *memory, const mm *manager)
{
    struct work work = {
        .settings = settings, .memory = memory, .pages = settings->memory_bytes / MM_PAGE_BYTES};
    write_all(&work);
    struct figures before = figures_now(manager);
    run_threads(&work);
    struct figures after = figures_now(manager);
    print_line(&work, &before, &after);
    return atomic_load(&work.wrong) == 0 ? 0 : 1;
}

static int run_plain(const struct settings *settings)
{
    uint64_t *memory = mmap(NULL, settings->memory_bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        perror("memman-bench-touch: mmap");
        return 3;
    }
    return run(settings, memory, NULL);
}

static int run_memman(const struct settings *settings)
{
    struct mm_options options;
    struct mm_detail detail;
    mm *manager;
    uint64_t address;
    mm_options_init(&options);
    options.machine = MM_MACHINE_LINUX;
    options.memory_bytes = settings->memory_bytes;
    options.frames_bytes = settings->frames_bytes;
    options.store = settings->store;
    options.policy = settings->policy;
    options.threads_max = settings->threads + 1;
    options.latency = false;
    if (settings->slot_reservation != 0) {
        options.slot_reservation = settings->slot_reservation;
    }
    if (mm_create(&options, &manager, &detail) != MM_OK) {
        fprintf(stderr, "memman-bench-touch: %s\n", detail.text);
        return 3;
    }
    int error = mm_reserve(manager, settings->memory_bytes, &address);
    if (error == MM_OK) {
        error = mm_commit(manager, address, settings->memory_bytes, MM_READ_WRITE);
    }
    if (error != MM_OK) {
        fprintf(stderr, "memman-bench-touch: %s\n", mm_error_text(error));
        return 3;
    }
    int result = run(settings, (uint64_t *)(uintptr_t)address, manager);
    mm_destroy(manager);
    return result;
}

/* ---- the command line ---- */

/* Which of two words it is; false: neither. */
static bool one_of(const char *value, const char *first, const char *second, unsigned *ret_index)
{
    *ret_index = strcmp(value, second) == 0;
    return *ret_index == 1 || strcmp(value, first) == 0;
}

static bool count_of(const char *value, uint64_t least, uint64_t most, uint32_t *ret_count)
{
    uint64_t number = 0;
    bool good = number_parse(value, &number) && number >= least && number <= most;
    *ret_count = (uint32_t)number;
    return good;
}

/* False: there is no such option, or it has no such value. */
static bool setting(struct settings *s, const char *name, const char *value)
{
    struct workload_refusal refusal;
    if (strcmp(name, "--on") == 0) {
        return one_of(value, "memman", "plain", &s->plain);
    }
    if (strcmp(name, "--memory") == 0) {
        return size_parse(value, &s->memory_bytes) && s->memory_bytes >= MM_PAGE_BYTES;
    }
    if (strcmp(name, "--frames") == 0) {
        return size_parse(value, &s->frames_bytes);
    }
    if (strcmp(name, "--threads") == 0) {
        return count_of(value, 1, THREADS_MAX, &s->threads);
    }
    if (strcmp(name, "--pattern") == 0) {
        return workload_parse(value, &s->workload, &refusal);
    }
    if (strcmp(name, "--written") == 0) {
        return one_of(value, "address", "random", &s->scattered);
    }
    if (strcmp(name, "--seconds") == 0) {
        return real_parse(value, &s->seconds) && s->seconds > 0;
    }
    if (strcmp(name, "--write-ratio") == 0) {
        return real_parse(value, &s->write_ratio) && s->write_ratio <= 1;
    }
    if (strcmp(name, "--store") == 0) {
        s->store = value;
        return true;
    }
    if (strcmp(name, "--policy") == 0) {
        s->policy = value;
        return true;
    }
    if (strcmp(name, "--slot-reservation") == 0) {
        return count_of(value, 1, 64, &s->slot_reservation);
    }
    return false;
}

int main(int count, char **arguments)
{
    struct settings settings = {.memory_bytes = 256u << 20,
                                .frames_bytes = 64u << 20,
                                .threads = 1,
                                .seconds = 2,
                                .write_ratio = 0.5,
                                .store = "ram"};
    struct workload_refusal refusal;
    workload_parse("uniform", &settings.workload, &refusal);
    for (int i = 1; i < count; i += 2) {
        if (i + 1 == count || !setting(&settings, arguments[i], arguments[i + 1])) {
            fprintf(stderr,
                    "memman-bench-touch: '%s %s': there are --on plain|memman, --memory SIZE, "
                    "--frames SIZE, --threads 1..%d, --pattern WORKLOAD, --written "
                    "address|random, --seconds S, --write-ratio 0..1, --store NAME, --policy NAME, "
                    "--slot-reservation N\n",
                    arguments[i], i + 1 == count ? "" : arguments[i + 1], THREADS_MAX);
            return 2;
        }
    }
    settings.memory_bytes = settings.memory_bytes / MM_PAGE_BYTES * MM_PAGE_BYTES;
    const struct workload_scene scene = {.pages = settings.memory_bytes / MM_PAGE_BYTES,
                                         .frames = settings.frames_bytes / MM_PAGE_BYTES,
                                         .seed = 1,
                                         .threads = settings.threads};
    if (!workload_fit(&settings.workload, &scene, &refusal)) {
        fprintf(stderr, "memman-bench-touch: --pattern: %s\n", refusal.text);
        return 2;
    }
    const int code = settings.plain ? run_plain(&settings) : run_memman(&settings);
    workload_release(&settings.workload);
    return code;
}
