/*
 * outcome.h - everything one run has to say, collected once, for every report.
 */
#ifndef MM_CLI_REPORT_OUTCOME_H
#define MM_CLI_REPORT_OUTCOME_H

#include <stdio.h>

#include "exit.h"
#include "judge/run_curves.h"
#include "judge/run_frames.h"
#include "options.h"
#include "oracle.h"

#define OUTCOME_COUNTERS  256
#define OUTCOME_LATENCIES 32
#define OUTCOME_PHASES    64
#define OUTCOME_LOCKS     64

struct outcome {
    const struct options *options; /* resolved */
    char workload[WORKLOAD_TEXT_BYTES];
    double seconds, cpu_users, cpu_workers;
    uint64_t accesses;
    bool interrupted;

    struct mm_pages pages;
    struct mm_commit_info commit;
    struct mm_fragmentation fragmentation;
    struct mm_counter counter[OUTCOME_COUNTERS];
    size_t counters;
    struct mm_latency latency[OUTCOME_LATENCIES]; /* the first is `access` */
    size_t latencies;
    struct mm_phase phase[OUTCOME_PHASES];
    size_t phases;
    struct mm_lock_statistics lock[OUTCOME_LOCKS];
    size_t locks;
    struct mm_lock_statistics list_lock[OUTCOME_LOCKS]; /* of them `list`, one by one */
    size_t list_locks;

    struct run_frames frames; /* with --frames auto */
    struct run_curves curves; /* for a page */
    struct oracle_pages checked;
    const struct complaints *wrong;  /* data */
    const struct complaints *broken; /* invariants */
    struct mm_audit audit;
    enum exit_code exit_code;
};

/* What reading ahead brought, the usual figures; NAN where there is nothing to divide by. */
struct read_ahead {
    uint64_t pages;   /* read before anybody had touched them */
    double accuracy;  /* of them touched */
    double coverage;  /* of the pages that had to be read: touched when they were there already */
    double lateness;  /* of those touched: while they were being read, so that somebody waited */
    double pollution; /* of the hard faults: on a page whose frame was taken to read ahead */
    double pages_per_read;
};
void outcome_read_ahead(const struct outcome *outcome, struct read_ahead *ret_ahead);

/* A counter by its names; 0: there is none. */
uint64_t outcome_counter(const struct outcome *outcome, const char *group, const char *key);

/* Why the command ends with that code, in a few words. */
const char *outcome_reason(const struct outcome *outcome);

/* Reports are written to a stream; its error flag tells whether they arrived. */
void report_text(const struct outcome *outcome, FILE *file);
void report_line(const struct outcome *outcome, FILE *file);
void report_json(const struct outcome *outcome, FILE *file);
/* The page file as a picture. */
void report_slot_map(const struct outcome *outcome, const struct memory *memory, FILE *file);

#endif
