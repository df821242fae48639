/*
 * workload.h - which page a thread touches next, at which word, and whether it writes.
 *
 * A workload is parsed from its text NAME[:key=value,...], fitted to a memory, and then gives every
 * thread a stream of its own. A stream depends on the seed and the number of the thread only, never
 * on time or on other threads: the same seed gives the same stream.
 *
 * Each name is a family (family.h); its file says what it does and what its keys mean. Keys of all:
 *
 *   think=NANOSECONDS   a thread rests so long after each access (default: not at all)
 *   apart=on            each thread has its own part of the memory, and is alone there
 *   scatter=on          the pages in an order without rule, so that neighbours are none; some
 *                       families have a key of this name themselves
 *
 * In a mix (mix.c) each workload has its own keys, these too.
 */
#ifndef MM_CLI_WORKLOAD_WORKLOAD_H
#define MM_CLI_WORKLOAD_WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/random.h"
#include "workload/scatter.h"
#include "workload/zipf.h"

#define WORKLOAD_WORDS       512u /* 64-bit words in a page; word 0 is not chosen */
#define WORKLOAD_KEYS_MAX    6
#define WORKLOAD_COMMON_MAX  3
#define WORKLOAD_PATH_BYTES  160
#define WORKLOAD_TEXT_BYTES  512
#define WORKLOAD_PARTS_BYTES (WORKLOAD_TEXT_BYTES - sizeof("mix:"))
#define WORKLOAD_MIX_MAX     8  /* workloads in a mix */
#define WORKLOAD_REGIONS_MAX 64 /* masim */

struct workload_family;

/* Of one key, by its kind. */
struct workload_value {
    uint64_t number; /* a switch or a choice: which */
    double real;
};

struct workload {
    const struct workload_family *family;
    struct workload_value value[WORKLOAD_KEYS_MAX];    /* in the order of the family's keys */
    struct workload_value common[WORKLOAD_COMMON_MAX]; /* of the keys that all have */
    char path[WORKLOAD_PATH_BYTES];                    /* of families that are made from a file */
    char parts[WORKLOAD_PARTS_BYTES];                  /* of a mix, as text */
    bool writes;                                       /* it says itself which accesses write */

    /* Set by workload_fit(). */
    uint64_t pages;        /* for all threads; with apart=on, for each */
    uint32_t threads;      /* in these pages */
    struct scatter places; /* of scatter=on */
    struct zipf zipf;
    struct scatter scatter;
    uint64_t key;             /* of hashes */
    struct replay *replay;    /* replay.h; what is played again and again */
    struct masim *masim;      /* masim.c; the phases of a file */
    struct workload_mix *mix; /* mix.h; NULL: it is none */
};

/* Why a text or a fit was refused: the word, the reason, the remedy. */
struct workload_refusal {
    char text[512];
};

/* What a workload is fitted to. */
#define WORKLOAD_FRAMES_OPEN UINT64_MAX /* not known yet: no key can be chosen by them */
struct workload_scene {
    uint64_t pages, frames, seed;
    uint32_t threads;
};

bool workload_parse(const char *text, struct workload *ret_workload,
                    struct workload_refusal *ret_refusal);
/* Needed before workload_stream_init(). Whoever fitted it releases it, when no stream is used. */
bool workload_fit(struct workload *workload, const struct workload_scene *scene,
                  struct workload_refusal *ret_refusal);
void workload_release(struct workload *workload);
/* The text with every key resolved. */
void workload_print(const struct workload *workload, char ret_text[WORKLOAD_TEXT_BYTES]);
/* It says itself which accesses write: the write ratio does not count. Of a mix: all of them do. */
bool workload_has_writes(const struct workload *workload);

struct workload_access {
    uint64_t page;
    uint32_t word; /* 1..WORKLOAD_WORDS-1 */
    bool write;
    uint64_t think; /* nanoseconds of rest after it */
};

/* Where a thread is in one workload. */
struct workload_strand {
    const struct workload *workload;
    struct random_generator random;
    uint32_t thread;
    uint64_t first_page; /* of its own part; 0 without one */
    double write_ratio;
    uint64_t place; /* where it is: each family's own */
    union {
        struct {
            uint64_t length, done; /* accesses until the round closes */
        } round;
        struct {
            uint64_t begin, end; /* the part that is played */
        } replay;
        struct {
            uint64_t inserts; /* so far */
            uint32_t scan_left;
            bool write_back; /* what was just read */
        } ycsb;
        struct {
            uint64_t goal; /* the depth it goes to */
        } stack;
        struct {
            uint64_t j, k; /* of row `place` */
            unsigned step;
        } matrix;
        struct {
            uint64_t width, left, left_end, right, right_end;
            bool taken; /* an item that is not put down yet */
            bool back;  /* from the second half into the first */
        } sort;
        struct {
            uint64_t at[WORKLOAD_REGIONS_MAX]; /* in each region */
            uint64_t page;                     /* of the last access */
            bool write_back;                   /* what was just read */
        } masim;
    };
};

/* Of a mix a strand for each of its workloads, and `random` says whose turn it is; else one. */
struct workload_stream {
    const struct workload *workload;
    struct random_generator random;
    struct workload_strand strand[WORKLOAD_MIX_MAX];
};

void workload_stream_init(struct workload_stream *stream, const struct workload *workload,
                          uint64_t seed, uint32_t thread, double write_ratio);
void workload_stream_next(struct workload_stream *stream, struct workload_access *ret_access);

#endif
