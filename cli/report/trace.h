/*
 * trace.h - a run as a timeline: what each thread did and when, and how long the page lists were.
 *
 * Trace Event Format, which Perfetto (ui.perfetto.dev) and chrome://tracing read.
 */
#ifndef MM_CLI_REPORT_TRACE_H
#define MM_CLI_REPORT_TRACE_H

#include <stdio.h>

#include "memman.h"

/* Frames by state, now and then. */
struct timeline {
    uint64_t begin_ns, end_ns; /* of the run, CLOCK_MONOTONIC */
    uint64_t next_ns;          /* when the next look is due */
    struct timeline_look *look;
    size_t looks, room;
};

/* Spans that each thread keeps, so that all together take no more than 256 MiB. */
uint32_t trace_spans(uint64_t threads);

void timeline_begin(struct timeline *timeline);
/* Look if it is time: every 10 ms, less often where the look itself takes long. */
void timeline_look(struct timeline *timeline, const mm *manager);
/* Milliseconds until the next look. */
unsigned timeline_wait(const struct timeline *timeline);
void timeline_end(struct timeline *timeline);
void timeline_free(struct timeline *timeline);

/* Frozen only. */
void report_trace(const struct timeline *timeline, const mm *manager, FILE *file);

#endif
