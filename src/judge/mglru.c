/*
 * mglru.c - the multi-generational LRU of Linux, in short.
 *
 * After Documentation/mm/multigen_lru.rst: pages are in up to four generations. A page that comes
 * in is in the youngest. When there are but two, or three that are badly balanced
 * (`should_run_aging` of mm/vmscan.c), all pages are walked: what was used since the walk before
 * moves to a new, youngest generation. The oldest generation is evicted from its old end, with a
 * second look: what was used since joins the youngest. Without files, cgroups, tiers and filters:
 * a page is a page.
 */
#include "judge/queues.h"

#define GENERATIONS     4u
#define GENERATIONS_MIN 2u

struct generations {
    struct queues queues;
    uint32_t oldest, youngest; /* numbers; a generation's queue is its number modulo 4 */
};

static unsigned queue_of(uint32_t generation)
{
    return 1 + generation % GENERATIONS;
}

static void age(struct generations *generations)
{
    struct queues *queues = &generations->queues;
    generations->youngest++;
    for (uint32_t number = generations->oldest; number < generations->youngest; number++) {
        uint32_t page = queue_oldest(queues, queue_of(number));
        for (uint32_t left = queues->count[queue_of(number)]; left > 0; left--) {
            uint32_t next = queues->next[page];
            if (queues->flags[page] & PAGE_BIT) {
                queues->flags[page] &= (uint8_t)~PAGE_BIT;
                queue_move(queues, page, queue_of(generations->youngest));
            }
            page = next;
            queues->verdict.looks++;
        }
    }
}

static uint32_t resident(const struct queues *queues)
{
    return queues->count[1] + queues->count[2] + queues->count[3] + queues->count[4];
}

/* Of three generations the youngest may be half of all pages, the oldest must be a quarter. */
static bool must_age(const struct generations *generations)
{
    const struct queues *queues = &generations->queues;
    uint32_t count = generations->youngest - generations->oldest + 1;
    uint64_t young = queues->count[queue_of(generations->youngest)];
    uint64_t old = queues->count[queue_of(generations->oldest)];
    uint64_t all = queues->frames;
    return count <= GENERATIONS_MIN || (count < GENERATIONS && (young * GENERATIONS_MIN > all ||
                                                                old * (GENERATIONS_MIN + 2) < all));
}

static void evict(struct generations *generations)
{
    struct queues *queues = &generations->queues;
    for (;;) {
        while (queues->count[queue_of(generations->oldest)] == 0 &&
               generations->oldest < generations->youngest) {
            generations->oldest++;
        }
        if (must_age(generations)) {
            age(generations);
            continue;
        }
        uint32_t page = queue_take(queues, queue_of(generations->oldest));
        queues->verdict.looks++;
        if ((queues->flags[page] & PAGE_BIT) == 0) {
            page_evict(queues, page);
            return;
        }
        queues->flags[page] &= (uint8_t)~PAGE_BIT;
        queue_move(queues, page, queue_of(generations->youngest));
    }
}

static void mglru_refer(struct queues *queues, uint32_t page, bool write)
{
    struct generations *generations = (struct generations *)queues;
    if (queues->of[page] != QUEUE_NONE) {
        page_touch(queues, page, write);
        queues->flags[page] |= PAGE_BIT;
        return;
    }
    if (resident(queues) == queues->frames) {
        evict(generations);
    }
    page_load(queues, page, write);
    queue_move(queues, page, queue_of(generations->youngest));
}

JUDGE(mglru)
{
    struct generations generations = {.youngest = GENERATIONS_MIN};
    return queues_run(&generations.queues, references, setup, mglru_refer, ret_verdict);
}
