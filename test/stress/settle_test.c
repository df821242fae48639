/*
 * settle_test.c - no paging storm: once the working set fits, pages stop going out.
 *
 * Threads write all over a memory four times the frames, and the rate of page-outs reaches its
 * peak. Then they keep to half of the frames. Within five seconds the rate must fall below one
 * per cent of the peak, and stay there for a second; on each machine and in each fault mode.
 *
 * Usage: settle_test [soft|signal|thread].
 */
#include "memman.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PAGE         ((uint64_t)MM_PAGE_BYTES)
#define FRAMES       2048u
#define MEMORY_PAGES (4 * FRAMES)
#define SMALL_PAGES  (FRAMES / 2)
#define THREADS      4u
#define STEP_NS      250000000u
#define STORM_STEPS  3u
#define SETTLE_STEPS 20u /* five seconds */
#define QUIET_STEPS  4u

static struct {
    mm *manager;
    uint64_t base;
    _Atomic uint64_t pages; /* how many the threads use just now */
    atomic_bool stop;
} settle;

static uint64_t draw(uint64_t *random, uint64_t limit)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (*random >> 33) % limit;
}

/* Each thread counts in a word of its own in every page. */
static void *work(void *argument)
{
    uint64_t random = (uint64_t)(uintptr_t)argument, slot = random % THREADS, value;
    uint64_t *expected = calloc(MEMORY_PAGES, sizeof(uint64_t));
    while (expected != NULL && !atomic_load_explicit(&settle.stop, memory_order_relaxed)) {
        uint64_t page = draw(&random, atomic_load_explicit(&settle.pages, memory_order_relaxed));
        uint64_t address = settle.base + page * PAGE + slot * sizeof(value);
        if (mm_read(settle.manager, address, &value, sizeof(value)) != MM_OK ||
            value != expected[page]) {
            fprintf(stderr, "settle_test: page %llu was lost or altered\n",
                    (unsigned long long)page);
            abort();
        }
        expected[page] = ++value;
        if (mm_write(settle.manager, address, &value, sizeof(value)) != MM_OK) {
            fprintf(stderr, "settle_test: mm_write failed\n");
            abort();
        }
    }
    free(expected);
    return NULL;
}

static uint64_t pages_out(void)
{
    struct mm_counter counters[128];
    size_t count = mm_counters(settle.manager, counters, 128);
    for (size_t i = 0; i < count && i < 128; i++) {
        if (strcmp(counters[i].key, "pages_written") == 0) {
            return counters[i].value;
        }
    }
    fprintf(stderr, "settle_test: the counter of pages written is missing\n");
    abort();
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Page-outs a second over the next step. */
static double next_rate(void)
{
    struct timespec step = {0, STEP_NS};
    uint64_t before = pages_out(), begin_ns = now_ns();
    nanosleep(&step, NULL);
    return (double)(pages_out() - before) * 1e9 / (double)(now_ns() - begin_ns);
}

/* Whether it settled; the figures in one line. */
static bool measure(const char *name)
{
    double peak = 0, rate = 0;
    unsigned steps = 0, quiet = 0;
    for (unsigned i = 0; i < STORM_STEPS; i++) {
        rate = next_rate();
        peak = rate > peak ? rate : peak;
    }
    atomic_store(&settle.pages, SMALL_PAGES);
    while (quiet < QUIET_STEPS && steps < SETTLE_STEPS + QUIET_STEPS) {
        rate = next_rate();
        quiet = rate < peak / 100 ? quiet + 1 : 0;
        steps++;
    }
    bool settled = peak > 0 && quiet == QUIET_STEPS;
    printf("%s: peak %.0f page-outs a second; %s %.2f s, last %.0f a second\n", name, peak,
           settled ? "quiet after" : "NOT quiet after", (double)(steps - quiet) * STEP_NS / 1e9,
           rate);
    return settled;
}

/* 0 settled, 1 not, 77 the machine is refused. */
static int run(const char *name, enum mm_machine machine, enum mm_faults faults)
{
    struct mm_options options;
    struct mm_detail detail;
    pthread_t threads[THREADS];
    mm_options_init(&options);
    options.machine = machine;
    options.faults = faults;
    options.memory_bytes = options.pagefile_bytes = MEMORY_PAGES * PAGE;
    options.frames_bytes = FRAMES * PAGE;
    int error = mm_create(&options, &settle.manager, &detail);
    if (error == MM_ERROR_UNSUPPORTED) {
        printf("%s: skipped: %s\n", name, detail.text);
        return 77;
    }
    if (error != MM_OK || mm_reserve(settle.manager, MEMORY_PAGES * PAGE, &settle.base) != MM_OK ||
        mm_commit(settle.manager, settle.base, MEMORY_PAGES * PAGE, MM_READ_WRITE) != MM_OK) {
        fprintf(stderr, "settle_test: %s\n", detail.text);
        return 1;
    }
    atomic_store(&settle.pages, MEMORY_PAGES);
    atomic_store(&settle.stop, false);
    for (uintptr_t i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, work, (void *)(i + 1)) != 0) {
            fprintf(stderr, "settle_test: a thread cannot be started\n");
            exit(1);
        }
    }
    bool settled = measure(name);
    atomic_store(&settle.stop, true);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    mm_destroy(settle.manager);
    return settled ? 0 : 1;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        enum mm_machine machine;
        enum mm_faults faults;
    } kinds[] = {
        {"soft", MM_MACHINE_SOFT, MM_FAULTS_SIGNAL},
        {"signal", MM_MACHINE_LINUX, MM_FAULTS_SIGNAL},
        {"thread", MM_MACHINE_LINUX, MM_FAULTS_THREAD},
    };
    int status = 0;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if ((argc < 2 || strcmp(argv[1], kinds[i].name) == 0) &&
            run(kinds[i].name, kinds[i].machine, kinds[i].faults) == 1) {
            status = 1;
        }
    }
    return status;
}
