/*
 * oracle.h - knows what every page must contain, because it keeps every page's version elsewhere.
 *
 * The content of a page is a function of its number, its version and its last writer:
 *   word 0                         version, page, writer and a check over all of them
 *   word 1 + (v - 1) % 511         the mark of (page, v), for the largest such v <= version
 *   every word nobody has written  zero
 * A write makes version + 1 and stores one mark and word 0, so the cost does not grow with the
 * page, yet a page that is stale, torn, zeroed or another's differs in many words.
 *
 * The shadow holds two numbers per page: `issued` is raised before a write, `completed` after it.
 * A writer raises `issued` from `completed` by compare-exchange, so writers of a page take turns
 * and issued != completed means "being written". A reader takes no lock: what it sees must be a
 * version between `completed` before and `issued` after its look.
 */
#ifndef MM_CLI_ORACLE_H
#define MM_CLI_ORACLE_H

#include "base/histogram.h"
#include "complaints.h"
#include "memory.h"
#include "workload/workload.h"

/* The low 48 bits are the version, in `completed` the high 16 the thread that wrote it. */
struct oracle_shadow {
    uint64_t issued;
    uint64_t completed;
};

struct oracle {
    const struct memory *memory;
    struct oracle_shadow *shadow; /* NULL: accesses are not checked */
    struct complaints complaints;
};

struct oracle_pages {
    uint64_t checked;
    uint64_t by_form[MM_FORM_COUNT];
};

/* False where there is no memory for the shadow. */
bool oracle_init(struct oracle *oracle, const struct memory *memory, bool checked);
void oracle_free(struct oracle *oracle);

/*
 * One access by user thread `thread`. `latency` (may be NULL) gets the time of its first load or
 * store, which is the one that faults; neither the turn of the writers nor the checks count.
 */
void oracle_access(struct oracle *oracle, const struct workload_access *access, uint32_t thread,
                   struct histogram *latency);

/* After the last access, manager frozen: every word of every page, in whatever format it is. */
void oracle_check_pages(struct oracle *oracle, struct oracle_pages *ret_pages);

#endif
