/*
 * family.h - what a kind of workload is: a name, its keys, and the functions behind it.
 */
#ifndef MM_CLI_WORKLOAD_FAMILY_H
#define MM_CLI_WORKLOAD_FAMILY_H

#include "workload/workload.h"

/* Of a workload in a mix, of a pattern of masim. */
#define WEIGHT_MAX 1000000

enum workload_key_kind {
    WORKLOAD_NUMBER, /* from 1 */
    WORKLOAD_REAL,
    WORKLOAD_CHOICE
};

struct workload_key {
    const char *name; /* NULL behind the last */
    enum workload_key_kind kind;
    const char *wanted;     /* what it must be, for refusals */
    const char *choices[7]; /* NULL behind the last */
    uint64_t number;        /* without it; of a choice: which */
    uint64_t number_max;    /* at most; 0: any */
    double real, real_max;  /* without it, at most; reals are over 0 */
};

/* Keys of several families. */
#define WORKLOAD_SWITCH(name_, on)                                                                 \
    {                                                                                              \
        .name = (name_), .kind = WORKLOAD_CHOICE, .wanted = "on or off", .choices = {"off", "on"}, \
        .number = (on)                                                                             \
    }
#define WORKLOAD_PAGES(name_, pages)                                                               \
    {                                                                                              \
        .name = (name_), .kind = WORKLOAD_NUMBER, .wanted = "a number of pages from 1",            \
        .number = (pages)                                                                          \
    }
#define WORKLOAD_THETA                                                                             \
    {                                                                                              \
        .name = "theta", .kind = WORKLOAD_REAL, .wanted = "a number over 0 and at most 20",        \
        .real = 0.99, .real_max = 20                                                               \
    }

struct workload_family {
    const char *name;
    struct workload_key key[WORKLOAD_KEYS_MAX + 1];
    bool path;   /* NAME:FILE[,key=value,...] */
    bool writes; /* next() says which accesses write */
    /* NULL: nothing to do. */
    bool (*fit)(struct workload *workload, const struct workload_scene *scene,
                struct workload_refusal *ret_refusal);
    void (*begin)(struct workload_strand *strand);
    void (*next)(struct workload_strand *strand, struct workload_access *ret_access);
};

extern const struct workload_family workload_uniform, workload_sequential, workload_zipf,
    workload_loop, workload_stride, workload_trace, workload_ycsb, workload_hotcold,
    workload_phases, workload_stack, workload_heap, workload_chase, workload_matrix, workload_sort,
    workload_bfs, workload_pagerank, workload_masim, workload_mix;

/* False, with the reason. */
bool workload_refuse(struct workload_refusal *ret_refusal, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Not more pages than there are. */
bool workload_span_fits(const char *key, uint64_t pages, const struct workload_scene *scene,
                        struct workload_refusal *ret_refusal);

/* Those by which this key would be chosen. */
bool workload_frames_known(const char *key, const struct workload_scene *scene,
                           struct workload_refusal *ret_refusal);

/* Where the thread starts that walks `span` pages: as far from the others as it can be. */
static inline uint64_t workload_start(const struct workload_strand *strand, uint64_t span)
{
    return (uint64_t)((unsigned __int128)span * strand->thread / strand->workload->threads);
}

/* Families that give each thread its own part of the memory; more threads than pages share them. */
static inline uint64_t workload_part_pages(const struct workload *workload)
{
    const uint64_t pages = workload->pages / workload->threads;

    return pages > 0 ? pages : 1;
}

static inline uint64_t workload_part_page(const struct workload_strand *strand, uint64_t page)
{
    const struct workload *workload = strand->workload;

    return (strand->thread * workload_part_pages(workload) + page) % workload->pages;
}

#endif
