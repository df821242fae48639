/*
 * references.h - a trace made ready for judging: pages numbered in address order, without holes.
 *
 * The threads of a trace are one stream, in the order they were recorded.
 */
#ifndef MM_JUDGE_REFERENCES_H
#define MM_JUDGE_REFERENCES_H

#include "base/types.h"

#define REFERENCES_MAX ((uint64_t)UINT32_MAX - 1)
#define PAGES_MAX      (UINT32_MAX >> 1)

struct references {
    uint64_t count;
    uint32_t pages;      /* different ones: the footprint */
    uint64_t *numbers;   /* of each page, as it is in the trace; ascending */
    uint32_t *reference; /* page << 1 | write */
};

static inline uint32_t reference_page(uint32_t reference)
{
    return reference >> 1;
}

static inline bool reference_writes(uint32_t reference)
{
    return (reference & 1) != 0;
}

/* References as they are read, until the trace is whole. */
struct gathering {
    uint64_t count, room;
    uint64_t *page;
    bool *write;
    bool failed; /* no memory, or too many */
};

void gathering_add(struct gathering *gathering, uint64_t page, bool write);
/* Gives the gathering's memory up, whatever happens. False: no memory, or more than can be. */
bool references_make(struct gathering *gathering, struct references *ret_references);
void references_free(struct references *references);

#endif
