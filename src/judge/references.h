/*
 * references.h - a trace made ready for judging: pages have numbers from 0, without holes.
 *
 * The threads of a trace are one stream, in the order they were recorded.
 */
#ifndef MM_JUDGE_REFERENCES_H
#define MM_JUDGE_REFERENCES_H

#include "base/types.h"

#define REFERENCES_MAX ((uint64_t)UINT32_MAX - 1)
#define PAGES_MAX      (UINT32_MAX >> 1)
#define USE_NEVER      UINT32_MAX

struct references {
    uint64_t count, room;
    uint32_t pages;      /* different ones: the footprint */
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

/*
 * One more, to references that began as all zero, of a page that has a number already or gets the
 * next one. False: no memory, or more than can be; those that are there stay.
 */
bool references_add(struct references *references, uint64_t page, bool write);
/* Give each page another number: neighbours in memory should be neighbours to the judge. */
void references_renumber(struct references *references, const uint32_t *numbers);
/* Of each reference, where its page is referred to next. The caller frees it; NULL: no memory. */
uint32_t *references_next_uses(const struct references *references);
/*
 * Those to so many of the pages, 1 at least: the same ones whenever it is asked, evenly from all
 * over the memory, numbered anew in the same order. False: no memory, and there are none.
 */
bool references_sample(const struct references *references, uint32_t pages,
                       struct references *ret_sample);
void references_free(struct references *references);

#endif
