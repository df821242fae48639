/*
 * measure.c - clocks, medians, and the copy and the clearing of a page that rows compare with.
 */
#include "measure.h"

#include "base/random.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define PAGE           4096u
#define PHYSICS_ROUNDS 20000u

static unsigned missed;
static const char *wanted;
static FILE *json;
static char origin[512]; /* of the figures: members of a JSON object */

void series_add(struct series *series, double value)
{
    if (series->count < SERIES_MAX) {
        series->values[series->count++] = value;
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The value at `part` of the way from the smallest to the largest. */
static double series_at(const struct series *series, double part)
{
    double sorted[SERIES_MAX];
    if (series->count == 0) {
        return 0;
    }
    memcpy(sorted, series->values, series->count * sizeof(sorted[0]));
    qsort(sorted, series->count, sizeof(sorted[0]), compare);
    return sorted[(size_t)(part * (double)(series->count - 1) + 0.5)];
}

double series_median(const struct series *series)
{
    return series_at(series, 0.5);
}

double series_min(const struct series *series)
{
    return series_at(series, 0);
}

double series_max(const struct series *series)
{
    return series_at(series, 1);
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t wall_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t process_cpu_ns(void)
{
    return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t thread_cpu_ns(void)
{
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static char *arena;
static size_t arena_pages;

void physics_init(size_t bytes)
{
    arena_pages = bytes / PAGE;
    arena = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (arena == MAP_FAILED) {
        perror("memman-bench: no memory for the comparison");
        exit(3);
    }
    madvise(arena, bytes, MADV_HUGEPAGE); /* as the frames of the soft machine are */
    memset(arena, 1, bytes);
}

void physics_free(void)
{
    munmap(arena, arena_pages * PAGE);
}

/* One page is complete before the next begins, as in a fault: the store buffer is drained. */
static void complete_page(void)
{
    atomic_thread_fence(memory_order_seq_cst);
}

void physics_copy_page(struct random_generator *random)
{
    size_t from = random_below(random, (uint32_t)arena_pages);
    size_t to = random_below(random, (uint32_t)arena_pages);
    if (from != to) {
        memcpy(arena + to * PAGE, arena + from * PAGE, PAGE);
    }
    complete_page();
}

void *physics_memory(void)
{
    return arena;
}

struct physics physics_measure(void)
{
    struct random_generator random;
    struct physics physics;
    random_seed(&random, 1, wall_ns());
    uint64_t begin = thread_cpu_ns();
    for (unsigned i = 0; i < PHYSICS_ROUNDS; i++) {
        physics_copy_page(&random);
    }
    uint64_t middle = thread_cpu_ns();
    for (unsigned i = 0; i < PHYSICS_ROUNDS; i++) {
        memset(arena + random_below(&random, (uint32_t)arena_pages) * (size_t)PAGE, 0, PAGE);
        complete_page();
    }
    uint64_t end = thread_cpu_ns();
    physics.copy_ns = (double)(middle - begin) / PHYSICS_ROUNDS;
    physics.clear_ns = (double)(end - middle) / PHYSICS_ROUNDS;
    return physics;
}

bool rows_json(const char *path, const char *commit)
{
    struct utsname system;
    json = fopen(path, "a");
    if (json == NULL || uname(&system) != 0) {
        perror(path);
        return false;
    }
    snprintf(origin, sizeof(origin),
             "\"commit\":\"%.64s\",\"kernel\":\"%.64s\",\"machine\":\"%.64s\",\"cpus\":%ld", commit,
             system.release, system.machine, sysconf(_SC_NPROCESSORS_ONLN));
    return true;
}

void row_json_begin(const char *name)
{
    if (json != NULL) {
        fprintf(json, "{%s,\"row\":\"%s\"", origin, name);
    }
}

void row_json_number(const char *key, double value)
{
    if (json != NULL) {
        fprintf(json, ",\"%s\":%.10g", key, value);
    }
}

void row_json_series(const char *key, const struct series *series)
{
    if (json != NULL) {
        fprintf(json, ",\"%s\":%.9g,\"%s_min\":%.9g,\"%s_max\":%.9g", key, series_median(series),
                key, series_min(series), key, series_max(series));
    }
}

void row_json_end(void)
{
    if (json != NULL) {
        fprintf(json, "}\n");
        fflush(json);
    }
}

void bench_say_build(void)
{
#ifdef MM_CHECKED
    printf("this is a checked build: its figures are not the product's\n");
#endif
}

void row_print(const char *name, const struct series *ours, const char *ours_unit,
               const struct series *theirs, const char *theirs_name, double must, double after)
{
    struct series ratios = {0};
    for (size_t i = 0; i < ours->count; i++) {
        series_add(&ratios, theirs == NULL ? ours->values[i] : ours->values[i] / theirs->values[i]);
    }
    double ratio = series_median(&ratios);
    bool holds = ratio <= must;
    missed += !holds;
    printf("%-34s %8.1f %-9s", name, series_median(ours), ours_unit);
    if (theirs != NULL) {
        printf(" %8.1f %-18s", series_median(theirs), theirs_name);
    } else {
        printf(" %8s %-18s", "", theirs_name);
    }
    printf(" %7.2f  (%.2f to %.2f)  must %.2f %s, after %.2f %s\n", ratio, series_min(&ratios),
           series_max(&ratios), must, holds ? "holds" : "MISSED", after,
           ratio <= after ? "reached" : "not yet");
    fflush(stdout);
    row_json_begin(name);
    row_json_series("ours", ours);
    if (theirs != NULL) {
        row_json_series("theirs", theirs);
    }
    row_json_series("ratio", &ratios);
    row_json_number("repeats", (double)ratios.count);
    row_json_number("must", must);
    row_json_end();
}

void rows_select(const char *filter)
{
    wanted = filter;
}

bool row_wanted(const char *name)
{
    return wanted == NULL || strstr(name, wanted) != NULL;
}

unsigned rows_missed(void)
{
    return missed;
}
