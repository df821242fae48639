/*
 * samples.h - what a run looks like from outside, again and again: frames by state, all counters,
 * latencies by class, and where in memory faults were.
 *
 * Everything is looked at while it goes on, and stops nobody. Memory is bounded and taken before
 * the run: a run that takes longer has its samples further apart, not more of them.
 */
#ifndef MM_CLI_REPORT_SAMPLES_H
#define MM_CLI_REPORT_SAMPLES_H

#include <stdio.h>

#include "report/outcome.h"
#include "report/series.h"
#include "users.h"

#define SAMPLES_STATES    15u /* the seven of struct mm_pages, and standby by priority */
#define SAMPLES_LATENCIES 16u
#define SAMPLES_STRETCHES 128u

struct samples {
    const mm *manager;
    const struct users *users;
    uint64_t begin_ns, memory_bytes, stretch_bytes;
    struct mm_counter counter[OUTCOME_COUNTERS];
    const char *latency[SAMPLES_LATENCIES]; /* the first is `access` */
    const char *heat[SAMPLES_LATENCIES];
    size_t counters, latencies, heats, stretches;
    /* Where in a row things are; at 0 is the time since the begin, in ns. */
    size_t at_accesses, at_states, at_counters, at_latencies, at_heat;
    struct series series;
};

/* Stretches of the memory for mm_options.heat, so that all threads' together are below 64 MiB. */
uint32_t samples_stretches(uint64_t threads);

/* `users` may be started later. False, with one line to stderr, where there is no memory. */
bool samples_init(struct samples *samples, const mm *manager, const struct users *users);
void samples_free(struct samples *samples);
/* The first look. */
void samples_begin(struct samples *samples);
/* Look if it is time: less often than the interval where the look itself takes long. */
void samples_look(struct samples *samples);
/* Milliseconds until the next look. */
unsigned samples_wait(const struct samples *samples);
/* The last look, when all users have ended. */
void samples_end(struct samples *samples);

/* As JSON. What was counted is told for each time between two samples. */
void samples_print(const struct samples *samples, FILE *file);

#endif
