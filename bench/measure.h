/*
 * measure.h - what a benchmark row is: two figures taken alternately in one run, their ratio, and
 * how far the repetitions spread.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPEATS_MAX 31  /* that can be asked for */
#define SERIES_MAX  155 /* values in a series */

struct series {
    size_t count;
    double values[SERIES_MAX];
};

void series_add(struct series *series, double value);
double series_median(const struct series *series);
double series_min(const struct series *series);
double series_max(const struct series *series);

uint64_t wall_ns(void);
/* CPU time of all threads of the process. */
uint64_t process_cpu_ns(void);
uint64_t thread_cpu_ns(void);

/*
 * The physics of this machine, now: ns for one random 4 KiB page in a working set of `bytes`, each
 * page complete before the next begins.
 */
struct physics {
    double copy_ns, clear_ns;
};
void physics_init(size_t bytes);
struct physics physics_measure(void);
struct random_generator;
/* One copy of a random page, complete on return; any thread. */
void physics_copy_page(struct random_generator *random);
/* The memory it works in. */
void *physics_memory(void);
void physics_free(void);

/*
 * One row: ours against theirs, paired repetition by repetition; the ratio shown is the median of
 * the paired ratios. `must` and `after` are the bounds for it.
 */
void row_print(const char *name, const struct series *ours, const char *ours_unit,
               const struct series *theirs, const char *theirs_name, double must, double after);
/* Each row becomes a line of JSON too, added to the file, for code `commit`. False: said why. */
bool rows_json(const char *path, const char *commit);
/* Such a line in parts; nothing without rows_json(). A series becomes its median, _min and _max. */
void row_json_begin(const char *name);
void row_json_number(const char *key, double value);
void row_json_series(const char *key, const struct series *series);
void row_json_end(void);
/* If the build is none whose figures count, a line that says so. */
void bench_say_build(void);
/* How many rows were over their `must` bound. */
unsigned rows_missed(void);

/* Is the row wanted? `filter` is a part of its name, or NULL. */
void rows_select(const char *filter);
bool row_wanted(const char *name);

/* soft.c: every row of the soft machine. */
void bench_soft(unsigned repeats);

/* linux.c: the rows of the Linux machine for which nothing must be set up. */
void bench_linux(unsigned repeats);

/* scaling.c: the same accesses by more threads; `command` is scaling or author. Exit code. */
int bench_scaling(const char *command, int count, char **arguments);

/* slots.c: how pages lie in the page file after long random use; what follows `slots`. Exit code. */
int bench_slots(int count, char **arguments);

#endif
