/*
 * clock2q.c - Clock2Q+: a short queue on probation, a clock for what has proved itself, and ghosts.
 *
 * Zhai and others, Clock2Q+, VLDB 2026 (arXiv 2511.21958): a new page is in the small queue, a
 * tenth of the frames; used again while it is there it goes on to the clock, else it goes and is
 * remembered until as many others as half of the frames have gone the same way; remembered it comes
 * to the clock at once. What makes it more than S3-FIFO (Yang and others, SOSP 2023): uses soon
 * after the first, while the page is in the younger half of the small queue, belong to the first
 * and do not count.
 */
#include "judge/queues.h"

#include <stdlib.h>

enum { SMALL = 1, MAIN, GHOST };

struct clock2q {
    struct queues queues;
    uint32_t small_max, window;
    uint32_t *joined; /* of each page in the small queue: how many had come there before it */
    uint32_t arrivals;
};

/* One step: true when a frame has become free. */
static bool small_step(struct clock2q *clock2q)
{
    struct queues *queues = &clock2q->queues;
    uint32_t page = queue_take(queues, SMALL);
    if (queues->flags[page] & PAGE_BIT) {
        queues->flags[page] &= (uint8_t)~PAGE_BIT;
        queue_move(queues, page, MAIN);
        return false;
    }
    page_evict(queues, page);
    queue_move(queues, page, GHOST);
    if (queues->count[GHOST] > MAX_OF(queues->frames / 2, 1)) {
        queue_take(queues, GHOST);
    }
    return true;
}

static bool main_step(struct clock2q *clock2q)
{
    struct queues *queues = &clock2q->queues;
    uint32_t page = queue_take(queues, MAIN);
    if (queues->flags[page] & PAGE_BIT) {
        queues->flags[page] &= (uint8_t)~PAGE_BIT;
        queue_move(queues, page, MAIN);
        return false;
    }
    page_evict(queues, page);
    return true;
}

static void frame_free(struct clock2q *clock2q)
{
    struct queues *queues = &clock2q->queues;
    bool freed = queues->count[SMALL] + queues->count[MAIN] < queues->frames;
    while (!freed) {
        bool small = queues->count[SMALL] >= clock2q->small_max || queues->count[MAIN] == 0;
        queues->verdict.looks++;
        freed = small ? small_step(clock2q) : main_step(clock2q);
    }
}

static void clock2q_refer(struct queues *queues, uint32_t page, bool write)
{
    struct clock2q *clock2q = (struct clock2q *)queues;
    unsigned queue = queues->of[page];
    if (queue == SMALL || queue == MAIN) {
        bool counts = queue == MAIN || clock2q->arrivals - clock2q->joined[page] > clock2q->window;
        page_touch(queues, page, write);
        queues->flags[page] |= counts ? PAGE_BIT : 0;
        return;
    }
    if (queue == GHOST) {
        queue_remove(queues, page);
    }
    frame_free(clock2q);
    page_load(queues, page, write);
    queue_move(queues, page, queue == GHOST ? MAIN : SMALL);
    if (queue != GHOST) {
        clock2q->joined[page] = clock2q->arrivals++;
    }
}

JUDGE(clock2q)
{
    struct clock2q clock2q = {.small_max = MAX_OF(setup->frames / 10, 1)};
    clock2q.window = clock2q.small_max / 2;
    clock2q.joined = calloc(MAX_OF(references->pages, 1), sizeof(clock2q.joined[0]));
    bool whole = clock2q.joined != NULL &&
                 queues_run(&clock2q.queues, references, setup, clock2q_refer, ret_verdict);
    free(clock2q.joined);
    return whole;
}
