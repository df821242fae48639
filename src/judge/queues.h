/*
 * queues.h - queues of pages, oldest first, and what each page has cost so far.
 *
 * A page is in one queue at most, QUEUE_NONE is none; what a queue means is the policy's. Whether a
 * page has a frame is not kept here: some queues are of pages that have gone (ghosts).
 */
#ifndef MM_JUDGE_QUEUES_H
#define MM_JUDGE_QUEUES_H

#include "judge/judge.h"

#define QUEUE_NONE     0u
#define QUEUE_RESIDENT 1u /* where a policy calls it so */
#define QUEUES         6u

#define PAGE_SEEN  1u /* was touched */
#define PAGE_DIRTY 2u /* is not as it was written out or read in */
#define PAGE_BIT   4u /* the policy's own: used since */

struct queues {
    uint32_t pages, frames;
    uint32_t *next, *before; /* of each page and, behind them, of each queue's own end */
    uint8_t *of;             /* the queue that a page is in */
    uint8_t *flags;          /* PAGE_ */
    uint32_t count[QUEUES];
    struct verdict verdict;
};

bool queues_begin(struct queues *queues, const struct references *references,
                  const struct judge_setup *setup);
/* Gives the memory up. */
void queues_end(struct queues *queues, struct verdict *ret_verdict);

/*
 * A judging: every reference goes to the policy, in order. What else than queues the policy keeps
 * is around them: a struct that begins with them. In line, and so is `refer` then.
 */
static inline bool queues_run(struct queues *queues, const struct references *references,
                              const struct judge_setup *setup,
                              void (*refer)(struct queues *queues, uint32_t page, bool write),
                              struct verdict *ret_verdict)
{
    if (!queues_begin(queues, references, setup)) {
        return false;
    }
    for (uint64_t i = 0; i < references->count; i++) {
        uint32_t reference = references->reference[i];
        refer(queues, reference_page(reference), reference_writes(reference));
    }
    queues_end(queues, ret_verdict);
    return true;
}

/* PAGE_NONE: the queue is empty. */
static inline uint32_t queue_oldest(const struct queues *queues, unsigned queue)
{
    return queues->count[queue] > 0 ? queues->next[queues->pages + queue] : PAGE_NONE;
}

static inline void queue_remove(struct queues *queues, uint32_t page)
{
    uint32_t next = queues->next[page], before = queues->before[page];
    queues->next[before] = next;
    queues->before[next] = before;
    queues->count[queues->of[page]]--;
    queues->of[page] = QUEUE_NONE;
}

/* To the young end of the queue, from whatever queue it is in. */
static inline void queue_move(struct queues *queues, uint32_t page, unsigned queue)
{
    if (queues->of[page] != QUEUE_NONE) {
        queue_remove(queues, page);
    }
    uint32_t end = queues->pages + queue, before = queues->before[end];
    queues->next[before] = page;
    queues->before[page] = before;
    queues->next[page] = end;
    queues->before[end] = page;
    queues->of[page] = (uint8_t)queue;
    queues->count[queue]++;
}

/* The oldest of a queue leaves it. */
static inline uint32_t queue_take(struct queues *queues, unsigned queue)
{
    uint32_t page = queue_oldest(queues, queue);
    if (page != PAGE_NONE) {
        queue_remove(queues, page);
    }
    return page;
}

/* The reference has met a page with a frame. */
static inline void page_touch(struct queues *queues, uint32_t page, bool write)
{
    queues->flags[page] |= write ? PAGE_DIRTY : 0;
}

/* The reference has met a page without one. */
static inline void page_load(struct queues *queues, uint32_t page, bool write)
{
    bool seen = (queues->flags[page] & PAGE_SEEN) != 0;
    queues->verdict.hard += seen;
    queues->verdict.first += !seen;
    queues->flags[page] = (uint8_t)(PAGE_SEEN | (write ? PAGE_DIRTY : 0));
}

/* Its frame is taken: what is dirty must be written first. */
static inline void page_evict(struct queues *queues, uint32_t page)
{
    queues->verdict.written += (queues->flags[page] & PAGE_DIRTY) != 0;
    queues->flags[page] = PAGE_SEEN;
}

#endif
