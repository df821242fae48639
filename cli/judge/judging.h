/*
 * judging.h - traces, policies and sizes, and all that came out of them, for the three reports.
 */
#ifndef MM_CLI_JUDGE_JUDGING_H
#define MM_CLI_JUDGE_JUDGING_H

#include <stdio.h>

#include "judge/curve.h"
#include "judge/judge.h"
#include "report/json_writer.h"
#include "trace/trace.h"

#define POLICIES_MAX 32u
#define SIZES_MAX    64u

/* How many frames: a share of the trace's pages, or the same for every trace. */
struct judged_size {
    const char *text; /* as given */
    double percent;   /* 0: it is bytes */
    uint64_t bytes;
};

/* In microseconds. */
struct judged_costs {
    double hard, soft, written, access;
};

/*
 * Decision 0010: a page read from a disk by itself, and written in pieces of 1 MiB. An access and
 * what a program does between two of them: a thousand million a second.
 */
#define JUDGED_COSTS_DEFAULT                                                                       \
    ((struct judged_costs){.hard = 40, .soft = 0.3, .written = 5.3, .access = 0.001})

/* How many frames are enough, and how much longer it takes with them and with one less. */
struct judged_enough {
    uint32_t frames;
    struct verdict verdict; /* with so many */
    double slowdown, slowdown_less;
};

struct judged_trace {
    const char *path;
    struct trace_header header;
    uint32_t window; /* pages that its filter keeps silent about for a while; 0: not known */
    uint64_t references;
    uint64_t accesses; /* that they were filtered from */
    uint32_t pages;
    uint32_t frames[SIZES_MAX];
    struct verdict verdict[SIZES_MAX][POLICIES_MAX];
    struct judged_enough enough[POLICIES_MAX]; /* with a slowdown only */
    struct curve lru, opt;                     /* with curves only */
    uint32_t sample;                           /* pages that the others are judged on; 0: all */
};

/* With fewer frames than so many windows of the filter, what it left out would matter. */
#define WINDOWS_MIN 4u

struct judging {
    const struct judged_policy *policy[POLICIES_MAX];
    unsigned policies; /* opt is always among them */
    struct judged_size size[SIZES_MAX];
    unsigned sizes;
    bool unaccessed; /* as struct judge_setup has it, and so the next */
    uint32_t standby_percent;
    struct judged_costs costs;
    double slowdown; /* above 0: sizes are found, none is given */
    bool curves;
    uint32_t points_max; /* of a curve in JSON, about; 0: all */
    uint32_t sample; /* of a trace with more pages so many make its curves, but for lru and opt */
    struct judged_trace *trace;
    unsigned traces; /* that have been judged */
};

/*
 * What is compared with opt's: hard faults; misses, which are those and the first touches, as the
 * papers count; the cost.
 */
enum judged_ratio { RATIO_HARD, RATIO_MISSES, RATIO_COST, RATIOS };

/* Geometric mean over the traces, and the worst of them; NAN where it is not known. */
struct judged_mean {
    double mean, worst;
};

/* Of the faults that a policy can do something about, and of what it wrote; in microseconds. */
double judged_cost(const struct judging *judging, const struct verdict *verdict);
/* NAN where opt has none. */
double judged_ratio(const struct judging *judging, unsigned trace, unsigned size, unsigned policy,
                    enum judged_ratio ratio);
struct judged_mean judged_mean(const struct judging *judging, unsigned size, unsigned policy,
                               enum judged_ratio ratio);

void judging_print(const struct judging *judging, FILE *file);
void judging_print_csv(const struct judging *judging, FILE *file);
void judging_print_json(const struct judging *judging, FILE *file);

/*
 * Curves: every size of a trace, lru and opt at many more than were asked for. False: no memory.
 */
bool curves_judge(const struct judging *judging, const struct references *references,
                  struct judged_trace *trace);
void curves_free(struct judged_trace *trace);
void curves_print(const struct judging *judging, FILE *file);
void curves_print_csv(const struct judging *judging, FILE *file);
/* Of one trace, into its object. */
void curves_print_json(const struct judging *judging, const struct judged_trace *trace,
                       struct json_writer *json);

struct page_command;

/* With curves: the page for a browser. */
void judging_page(const struct judging *judging, const struct page_command *command, FILE *file);

/* A slowdown: the frames of each policy. False: no memory. */
bool enough_judge(const struct judging *judging, const struct references *references,
                  struct judged_trace *trace);
void enough_print(const struct judging *judging, FILE *file);
void enough_print_csv(const struct judging *judging, FILE *file);
/* Of one trace, into its object. */
void enough_print_json(const struct judging *judging, const struct judged_trace *trace,
                       struct json_writer *json);

/* For several reports: which trace it is; a text as RFC 4180 has it. */
void judged_trace_print(const struct judged_trace *trace, FILE *file);
void text_print_csv(const char *text, FILE *file);

#endif
