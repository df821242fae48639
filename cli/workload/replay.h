/*
 * replay.h - accesses in memory, which streams play again and again.
 */
#ifndef MM_CLI_WORKLOAD_REPLAY_H
#define MM_CLI_WORKLOAD_REPLAY_H

#include "workload/family.h"

/* At most so many; 1 GiB of memory. */
#define REPLAY_COUNT_MAX ((size_t)1 << 28)

struct replay {
    uint32_t *access; /* page << 1 | write */
    size_t count, room;
    uint64_t pages;   /* they are below */
    uint32_t parts;   /* how many lists it is; 1 or more */
    size_t *part_end; /* where each ends, one behind the other */
};

/* False: no memory, or too many. */
bool replay_add(struct replay *replay, uint64_t page, bool write);
/* All is there, and is one part. False: no memory. */
bool replay_end(struct replay *replay);
void replay_free(struct replay *replay);

/* Streams of a workload whose replay is there: each plays part `thread` modulo `parts`. */
void replay_begin(struct workload_strand *strand);
void replay_next(struct workload_strand *strand, struct workload_access *ret_access);

#endif
