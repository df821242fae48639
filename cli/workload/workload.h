/*
 * workload.h - which page a thread touches next, at which word, and whether it writes.
 *
 * A workload is parsed from its text, fitted to a memory, and then gives every thread a stream of
 * its own. A stream depends on the seed and the number of the thread only, never on time or on
 * other threads: the same seed gives the same stream.
 *
 *   uniform                      every page equally likely
 *   sequential                   one page after the other through the whole memory, round and round
 *   zipf:theta=,scatter=on|off   rank r with probability ~ r^-theta; scatter spreads the ranks
 *   loop:pages=                  the first pages= pages round and round (default: frames + 1)
 *   stride:step=                 every step-th page; all pages are visited, also where step and
 *                                pages share a divisor: a closed round goes on one page further
 *
 * sequential, loop and stride start each thread at its own, evenly spread place.
 */
#ifndef MM_CLI_WORKLOAD_WORKLOAD_H
#define MM_CLI_WORKLOAD_WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/random.h"
#include "workload/scatter.h"
#include "workload/zipf.h"

#define WORKLOAD_WORDS      512u /* 64-bit words in a page; word 0 is not chosen */
#define WORKLOAD_TEXT_BYTES 96

enum workload_kind {
    WORKLOAD_UNIFORM,
    WORKLOAD_SEQUENTIAL,
    WORKLOAD_ZIPF,
    WORKLOAD_LOOP,
    WORKLOAD_STRIDE,
    WORKLOAD_KINDS
};

struct workload {
    enum workload_kind kind;
    double theta;        /* zipf */
    bool scattered;      /* zipf */
    uint64_t loop_pages; /* loop; 0 until fitted: frames + 1 */
    uint64_t step;       /* stride */

    /* Set by workload_fit(). */
    uint64_t pages;
    struct zipf zipf;
    struct scatter scatter;
};

/* Why a text or a fit was refused: the word, the reason, the remedy. */
struct workload_refusal {
    char text[256];
};

bool workload_parse(const char *text, struct workload *ret_workload,
                    struct workload_refusal *ret_refusal);
/* Needed before workload_stream_init(); the seed orders the scattered ranks. */
bool workload_fit(struct workload *workload, uint64_t pages, uint64_t frames, uint64_t seed,
                  struct workload_refusal *ret_refusal);
/* The text with every key resolved. */
void workload_print(const struct workload *workload, char ret_text[WORKLOAD_TEXT_BYTES]);

struct workload_access {
    uint64_t page;
    uint32_t word; /* 1..WORKLOAD_WORDS-1 */
    bool write;
};

struct workload_stream {
    const struct workload *workload;
    struct random_generator random;
    double write_ratio;
    uint64_t place;        /* sequential, loop, stride: the next page */
    uint64_t round_length; /* stride: accesses until the round closes */
    uint64_t round_done;
};

void workload_stream_init(struct workload_stream *stream, const struct workload *workload,
                          uint64_t seed, uint32_t thread, uint32_t threads, double write_ratio);
void workload_stream_next(struct workload_stream *stream, struct workload_access *ret_access);

#endif
